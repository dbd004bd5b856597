/* SPDX-License-Identifier: Apache-2.0 */

/* What people see of counters. */

#include <errno.h>
#include <string.h>

#include "controller/reports_private.h"
#include "controller/state.h"

#define LOST_PREFIX "lost_"

typedef uint64_t counters_t[VTAP_DIRECTION_MAX][VTAP_REPORT_COUNTERS_MAX];

struct sums {
	const struct vtap_reports *reports;
	const char *session;
	counters_t counters;
	double rates[VTAP_HISTORY_MAX];
	json_t *hosts; /* owned */
	bool no_memory;
};

static json_t *direction_json(const uint64_t *values)
{
	json_t *o = json_object();

	for (size_t i = 0; i < VTAP_REPORT_COUNTERS_MAX; i++)
		if (json_object_set_new(o, vtap_report_counter_name(i), json_integer((json_int_t)values[i])) < 0)
			return json_decref(o), NULL;
	return o;
}

static json_t *counters_json(const counters_t counters)
{
	json_t *o = json_object();

	for (int d = 0; d < VTAP_DIRECTION_MAX; d++)
		if (json_object_set_new(o, vtap_direction_name((enum vtap_direction)d), direction_json(counters[d])) <
		    0)
			return json_decref(o), NULL;
	return o;
}

static int add_host(const char *key, void *value, void *userdata)
{
	const struct vtap_report_host *h = value;
	struct sums *sums = userdata;
	const struct vtap_report_session *s = vtap_table_get(h->sessions, sums->session);
	bool away = vtap_reports_silent_s(sums->reports, h) >= VTAP_STATE_AWAY_S;

	if (!s)
		return 0;
	for (int d = 0; d < VTAP_DIRECTION_MAX; d++)
		for (size_t i = 0; i < VTAP_REPORT_COUNTERS_MAX; i++)
			sums->counters[d][i] += s->counters[d][i];
	for (int i = 0; i < VTAP_HISTORY_MAX && !away; i++)
		sums->rates[i] += s->rates[i];
	if (json_array_append_new(
		sums->hosts, json_pack("{s:s, s:s, s:i, s:o}", "host", h->id, "state", s->state, "silent",
				       (int)vtap_reports_silent_s(sums->reports, h), "counters",
				       counters_json((const uint64_t(*)[VTAP_REPORT_COUNTERS_MAX])s->counters))) < 0)
		sums->no_memory = true;
	return 0;
}

static uint64_t lost_of(const uint64_t *total)
{
	uint64_t lost = 0;

	for (size_t i = 0; i < VTAP_REPORT_COUNTERS_MAX; i++)
		if (!strncmp(vtap_report_counter_name(i), LOST_PREFIX, strlen(LOST_PREFIX)))
			lost += total[i];
	return lost;
}

json_t *vtap_reports_stats(const struct vtap_reports *r, const char *session)
{
	struct sums sums = {.reports = r, .session = session, .hosts = json_array()};
	const struct vtap_report_total *t = vtap_table_get(r->totals, session);
	uint64_t total[VTAP_REPORT_COUNTERS_MAX] = {};

	if (t)
		memcpy(sums.counters, t->base, sizeof(sums.counters));
	(void)vtap_table_each(r->hosts, add_host, &sums);
	for (int d = 0; d < VTAP_DIRECTION_MAX; d++)
		for (size_t i = 0; i < VTAP_REPORT_COUNTERS_MAX; i++)
			total[i] += sums.counters[d][i];
	if (sums.no_memory) {
		json_decref(sums.hosts);
		return NULL;
	}
	return json_pack("{s:s, s:o, s:o, s:I, s:{s:f, s:f, s:f, s:f}, s:o}", "session", session, "counters",
			 counters_json((const uint64_t(*)[VTAP_REPORT_COUNTERS_MAX])sums.counters), "total",
			 direction_json(total), "lost", (json_int_t)lost_of(total), "rates",
			 "matched_packets_per_second", sums.rates[VTAP_HISTORY_MATCHED_PACKETS],
			 "mirrored_packets_per_second", sums.rates[VTAP_HISTORY_MIRRORED_PACKETS],
			 "mirrored_bits_per_second", sums.rates[VTAP_HISTORY_MIRRORED_BYTES] * 8,
			 "lost_packets_per_second", sums.rates[VTAP_HISTORY_LOST_PACKETS], "hosts", sums.hosts);
}

json_t *vtap_reports_history(const struct vtap_reports *r, const char *session, unsigned steps_max)
{
	const struct vtap_report_total *t = vtap_table_get(r->totals, session);
	VTAP_CLEANUP(vtap_history_freep) struct vtap_history *empty = NULL;
	uint64_t usec = 0;

	if (!t && vtap_history_new(&empty) < 0)
		return NULL;
	(void)sd_event_now(r->controller->event, CLOCK_REALTIME, &usec);
	return vtap_history_json(t ? t->history : empty, (int64_t)(usec / 1000), steps_max);
}
