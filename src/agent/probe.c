// SPDX-License-Identifier: Apache-2.0

/* A probe: one frame that only the source's program sees, followed by the counters, and an echo to the target. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/echo.h"
#include "agent/probe_frame.h"
#include "agent/requests.h"
#include "agent/status.h"
#include "agent/wanted.h"

#define TRIES 3 /* where packets of production passed at the same time */

struct vtap_probe {
	struct vtap_agent_feed *feed; /* borrowed */
	char id[VTAP_REQUEST_ID_STRLEN];
	json_t *hops; /* owned; NULL = answered */
	struct vtap_echo *echo; /* owned */
	char target[VTAP_ADDR_STRLEN];
};

/* What the request means here. */
struct aim {
	size_t session; /* index in the configuration */
	enum vtap_direction direction;
	struct vtap_link link;
	enum vtap_hook hook;
};

struct vtap_probe *vtap_probe_free(struct vtap_probe *p)
{
	if (!p)
		return NULL;
	vtap_echo_free(p->echo);
	json_decref(p->hops);
	free(p);
	return NULL;
}

bool vtap_probe_is_over(const struct vtap_probe *p)
{
	return !p->hops;
}

static void hop_add(struct vtap_probe *p, const char *hop, const char *state, const char *detail)
{
	(void)json_array_append_new(p->hops,
				    json_pack("{s:s, s:s, s:s}", "hop", hop, "state", state, "detail", detail));
}

static void finish(struct vtap_probe *p)
{
	vtap_agent_request_answer(p->feed, p->id, json_pack("{s:o}", "hops", VTAP_STEAL(p->hops)));
}

/* The session's source that the request names. False: there is none, and the hop says so. */
static bool source_find(struct vtap_probe *p, const json_t *request, struct aim *aim)
{
	const char *device = json_string_value(json_object_get(request, "device"));
	const char *direction = json_string_value(json_object_get(request, "direction"));
	struct vtap_agent *a = p->feed->agent;
	const struct vtap_session *s = &a->config->sessions[aim->session];
	struct vtap_attachment at;
	char detail[160];

	aim->direction = direction && !strcmp(direction, "out") ? VTAP_DIRECTION_OUT : VTAP_DIRECTION_IN;
	for (size_t i = 0; device && i < s->source_count; i++) {
		if (strcmp(s->sources[i].device, device) != 0)
			continue;
		if (vtap_net_link_by_name(a->net, device, &aim->link) < 0) {
			snprintf(detail, sizeof(detail), "%s does not exist on this host", device);
			hop_add(p, "source", "failed", detail);
			return false;
		}
		aim->hook = vtap_wanted_hook(s->sources[i].side, aim->direction);
		for (size_t j = 0; vtap_dataplane_attachment(a->dataplane, j, &at) >= 0; j++) {
			if (at.ifindex == aim->link.ifindex && at.hook == aim->hook) {
				hop_add(p, "source", "ok", "");
				return true;
			}
		}
		snprintf(detail, sizeof(detail), "no program is attached to %s in that direction", device);
		hop_add(p, "source", "failed", detail);
		return false;
	}
	hop_add(p, "source", "failed", "the device is none of the session's sources on this host");
	return false;
}

/* Runs the frame; the differences of the counters are in *ret_counters. */
static int frame_run(const struct vtap_probe *p, const struct aim *aim, const uint8_t *frame, size_t frame_bytes,
		     struct vtap_counters *ret_counters)
{
	struct vtap_agent *a = p->feed->agent;
	enum vtap_program program = aim->hook == VTAP_HOOK_INGRESS ? VTAP_PROGRAM_IN : VTAP_PROGRAM_OUT;
	uint16_t slot = a->sessions[aim->session].slot;
	struct vtap_counters before, after;
	int r;

	r = vtap_dataplane_counters_read(a->dataplane, slot, aim->direction, &before);
	if (r >= 0)
		r = vtap_dataplane_run(a->dataplane, program, aim->link.ifindex, frame, frame_bytes);
	if (r >= 0)
		r = vtap_dataplane_counters_read(a->dataplane, slot, aim->direction, &after);
	for (size_t i = 0; r >= 0 && i < VTAP_COUNTER_MAX; i++)
		ret_counters->values[i] = after.values[i] - before.values[i];
	return r;
}

static void delivery_add(struct vtap_probe *p, const struct vtap_counters *c)
{
	for (enum vtap_counter i = VTAP_LOST_FIRST; i < VTAP_COUNTER_MAX; i++) {
		if (c->values[i]) {
			hop_add(p, "delivery", "failed", vtap_status_counter_name(i));
			return;
		}
	}
	if (vtap_status_stage_lost(c))
		hop_add(p, "delivery", "failed", "lost_stage");
	else if (c->values[VTAP_MIRRORED_PACKETS])
		hop_add(p, "delivery", "ok", "");
	else
		hop_add(p, "delivery", "unknown", "the copy was neither sent nor counted as lost");
}

/* Filter and delivery. False: the probe ends here. */
static bool frame_follow(struct vtap_probe *p, const json_t *request, const struct aim *aim)
{
	const char *mark = json_string_value(json_object_get(request, "mark"));
	uint8_t frame[VTAP_PROBE_FRAME_MAX_BYTES];
	struct vtap_counters c = {};
	size_t frame_bytes;
	int r;

	r = vtap_probe_frame_make(json_object_get(request, "packet"), mark ? mark : "vtap-probe", frame, &frame_bytes);
	for (unsigned i = 0; r >= 0 && i < TRIES && (!i || c.values[VTAP_MATCHED_PACKETS] > 1); i++)
		r = frame_run(p, aim, frame, frame_bytes, &c);
	if (r < 0) {
		hop_add(p, "filter", "unknown", r == -EINVAL ? "no frame can be made of that packet" : strerror(-r));
		return false;
	}
	if (c.values[VTAP_MATCHED_PACKETS] > 1) {
		hop_add(p, "filter", "unknown", "packets of production passed at the same time");
		hop_add(p, "delivery", "unknown", "packets of production passed at the same time");
		return true;
	}
	if (!c.values[VTAP_MATCHED_PACKETS]) {
		hop_add(p, "filter", "failed", "the rules in force here do not take this packet");
		return false;
	}
	hop_add(p, "filter", "ok", "");
	delivery_add(p, &c);
	return true;
}

static void on_echo(enum vtap_echo_result result, void *userdata)
{
	struct vtap_probe *p = userdata;
	char detail[160] = "";

	p->echo = vtap_echo_free(p->echo);
	if (result == VTAP_ECHO_UNREACHABLE)
		snprintf(detail, sizeof(detail), "%s is unreachable, says the network", p->target);
	if (result == VTAP_ECHO_SILENT)
		snprintf(detail, sizeof(detail), "%s does not answer echoes", p->target);
	hop_add(p, "path",
		result == VTAP_ECHO_ANSWERED      ? "ok"
		: result == VTAP_ECHO_UNREACHABLE ? "failed"
						  : "unknown",
		detail);
	finish(p);
}

/* True: the answer comes later. */
static bool path_follow(struct vtap_probe *p, const struct aim *aim)
{
	struct vtap_agent *a = p->feed->agent;
	const struct vtap_nexthop *h = &a->nexthops[a->sessions[aim->session].target];
	const struct vtap_addr *target = &a->config->sessions[aim->session].target->address;
	int r;

	(void)vtap_addr_format(target, p->target);
	if (h->state != VTAP_NEXTHOP_READY) {
		hop_add(p, "path", "failed", h->reason);
		return false;
	}
	r = vtap_echo_start(a->event, target, &h->source, on_echo, p, &p->echo);
	if (r < 0)
		hop_add(p, "path", r == -EHOSTUNREACH || r == -ENETUNREACH ? "failed" : "unknown", strerror(-r));
	return r >= 0;
}

void vtap_probe_start(struct vtap_agent_feed *f, const char *id, const json_t *request, struct vtap_probe **ret_probe)
{
	struct aim aim = {};
	struct vtap_probe *p;

	*ret_probe = NULL;
	if (vtap_agent_request_session(f, id, request, &aim.session) < 0)
		return;
	p = calloc(1, sizeof(*p));
	if (!p)
		return;
	p->feed = f;
	snprintf(p->id, sizeof(p->id), "%s", id);
	p->hops = json_array();
	if (source_find(p, request, &aim) && frame_follow(p, request, &aim) && path_follow(p, &aim)) {
		*ret_probe = p;
		return;
	}
	finish(p);
	vtap_probe_free(p);
}
