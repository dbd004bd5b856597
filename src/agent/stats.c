// SPDX-License-Identifier: Apache-2.0

#include "agent/stats.h"

#include <errno.h>
#include <string.h>

#include "agent/feed.h"
#include "agent/status.h"
#include "metrics/metrics.h"

static double rate(uint64_t now, uint64_t before, double seconds)
{
	return now > before ? (double)(now - before) / seconds : 0;
}

static void session_tick(struct vtap_agent *a, size_t i, double seconds)
{
	struct vtap_agent_session *s = &a->sessions[i];
	struct vtap_rates rates = {};

	for (int direction = 0; direction < VTAP_DIRECTION_MAX; direction++) {
		struct vtap_counters *old = &s->seen[direction], now;

		if (vtap_dataplane_counters_read(a->dataplane, s->slot, direction, &now) < 0)
			continue;
		rates.matched_pps += rate(now.values[VTAP_MATCHED_PACKETS], old->values[VTAP_MATCHED_PACKETS], seconds);
		rates.mirrored_pps +=
		    rate(now.values[VTAP_MIRRORED_PACKETS], old->values[VTAP_MIRRORED_PACKETS], seconds);
		rates.mirrored_bps +=
		    rate(now.values[VTAP_MIRRORED_BYTES], old->values[VTAP_MIRRORED_BYTES], seconds) * 8;
		rates.lost_pps += rate(vtap_status_lost(&now), vtap_status_lost(old), seconds);
		*old = now;
	}
	s->rates = rates;
}

void vtap_stats_tick(struct vtap_agent *a, uint64_t now_ns)
{
	double seconds = (double)(now_ns - a->ticked_ns) / 1e9;

	if (a->ticked_ns && seconds <= 0)
		return;
	for (size_t i = 0; i < a->config->session_count; i++)
		session_tick(a, i, a->ticked_ns ? seconds : 1e30);
	a->ticked_ns = now_ns;
}

/* Families of the metrics page; those of a session come from its counters. */
static const struct {
	const char *name;
	enum vtap_metrics_type type;
	const char *help;
} families[] = {
    {"vtap_matched_packets_total", VTAP_METRICS_COUNTER, "Packets that a session took, in wire packets."},
    {"vtap_matched_bytes_total", VTAP_METRICS_COUNTER, "Bytes of the packets that a session took."},
    {"vtap_mirrored_packets_total", VTAP_METRICS_COUNTER, "Copies handed to the uplink."},
    {"vtap_mirrored_bytes_total", VTAP_METRICS_COUNTER, "Bytes of the copies, outer headers included."},
    {"vtap_cut_packets_total", VTAP_METRICS_COUNTER, "Copies cut to the path MTU."},
    {"vtap_lost_packets_total", VTAP_METRICS_COUNTER, "Copies not sent, by reason."},
    {"vtap_own_frames_total", VTAP_METRICS_COUNTER, "Frames of mirror tunnels that a source left out."},
    {"vtap_session_active", VTAP_METRICS_GAUGE, "1 if the session mirrors, else 0."},
};

static void session_direction_add(struct vtap_metrics *m, const struct vtap_session *s, const struct vtap_counters *c,
				  const char *direction)
{
	struct vtap_metrics_label labels[] = {{"session", s->name}, {"direction", direction}, {"reason", NULL}};
	static const struct {
		const char *family;
		enum vtap_counter counter;
	} plain[] = {
	    {"vtap_matched_packets_total", VTAP_MATCHED_PACKETS},
	    {"vtap_matched_bytes_total", VTAP_MATCHED_BYTES},
	    {"vtap_mirrored_packets_total", VTAP_MIRRORED_PACKETS},
	    {"vtap_mirrored_bytes_total", VTAP_MIRRORED_BYTES},
	    {"vtap_cut_packets_total", VTAP_CUT_TO_FIT},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(plain); i++)
		(void)vtap_metrics_add_u64(m, plain[i].family, labels, 2, c->values[plain[i].counter]);
	for (enum vtap_counter i = VTAP_LOST_FIRST; i < VTAP_COUNTER_MAX; i++) {
		labels[2].value = vtap_status_counter_name(i);
		(void)vtap_metrics_add_u64(m, "vtap_lost_packets_total", labels, 3, c->values[i]);
	}
	labels[2].value = "lost_stage";
	(void)vtap_metrics_add_u64(m, "vtap_lost_packets_total", labels, 3, vtap_status_stage_lost(c));
}

static void session_add(struct vtap_metrics *m, struct vtap_agent *a, size_t i)
{
	const struct vtap_session *s = &a->config->sessions[i];
	struct vtap_metrics_label label = {"session", s->name};
	bool active = s->enabled && a->nexthops[a->sessions[i].target].state == VTAP_NEXTHOP_READY;

	(void)vtap_metrics_add_u64(m, "vtap_session_active", &label, 1, active);
	for (int direction = 0; direction < VTAP_DIRECTION_MAX; direction++) {
		struct vtap_counters c;

		if (vtap_dataplane_counters_read(a->dataplane, a->sessions[i].slot, direction, &c) >= 0)
			session_direction_add(m, s, &c, vtap_direction_name(direction));
	}
}

int vtap_stats_text(struct vtap_agent *a, char **ret_text, size_t *ret_size_bytes)
{
	VTAP_CLEANUP(vtap_metrics_freep) struct vtap_metrics *m = NULL;
	int r;

	r = vtap_metrics_new(&m);
	for (size_t i = 0; r >= 0 && i < VTAP_ARRAY_SIZE(families); i++)
		r = vtap_metrics_declare(m, families[i].name, families[i].type, families[i].help);
	if (r < 0)
		return r;
	if (a->feed) {
		r = vtap_agent_feed_metrics_declare(m);
		if (r < 0)
			return r;
		vtap_agent_feed_metrics_add(a, m);
	}
	for (size_t i = 0; i < a->config->session_count; i++)
		session_add(m, a, i);
	for (size_t i = 0; i < a->port_count; i++) {
		struct vtap_port_counters c;
		struct vtap_link link;
		struct vtap_metrics_label label = {"device", link.name};

		if (vtap_net_link_by_index(a->net, a->ports[i].ifindex, &link) >= 0 &&
		    vtap_dataplane_port_counters_read(a->dataplane, a->ports[i].port, &c) >= 0)
			(void)vtap_metrics_add_u64(m, "vtap_own_frames_total", &label, 1, c.values[VTAP_PORT_OWN]);
	}
	return vtap_metrics_text(m, ret_text, ret_size_bytes);
}
