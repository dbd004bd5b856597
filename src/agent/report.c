// SPDX-License-Identifier: Apache-2.0

/* What the controller is told: the plan in force, states, counters, and the devices of this host when they change. */

#include <errno.h>
#include <string.h>

#include "agent/discover.h"
#include "agent/feed_private.h"
#include "agent/history.h"
#include "agent/join.h"
#include "agent/problem.h"
#include "agent/status.h"
#include "basic/log.h"

#define SOON_MS 250U

/* Zeros may be left out. */
static json_t *counters_json(const json_t *counters)
{
	static const char *const directions[] = {"in", "out"};
	json_t *o = json_object(), *value;
	const char *name;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(directions); i++) {
		json_t *some = json_object();

		json_object_foreach(json_object_get(counters, directions[i]), name, value)
		{
			if (json_integer_value(value))
				(void)json_object_set(some, name, value);
		}
		(void)json_object_set_new(o, directions[i], some);
	}
	return o;
}

static json_t *sources_json(const json_t *sources, const struct vtap_plan_session *s)
{
	json_t *list = json_array(), *source;
	size_t i;

	json_array_foreach(sources, i, source)
	{
		json_t *o = json_pack("{s:s}", "interface", i < s->interface_count ? s->interfaces[i] : "");

		(void)json_object_set(o, "device", json_object_get(source, "device"));
		(void)json_object_set(o, "state", json_object_get(source, "state"));
		(void)json_object_set(o, "reason", json_object_get(source, "reason"));
		(void)json_array_append_new(list, o);
	}
	return list;
}

static json_t *session_json(struct vtap_agent *a, const struct vtap_plan_session *s)
{
	json_t *status, *o;

	if (s->refused)
		return json_pack("{s:s, s:s, s:s, s:[]}", "id", s->id, "state", "error", "reason", s->reason,
				 "sources");
	status = vtap_status_session(a, s->index);
	o = json_pack("{s:s}", "id", s->id);
	(void)json_object_set(o, "state", json_object_get(status, "state"));
	(void)json_object_set(o, "reason", json_object_get(status, "reason"));
	(void)json_object_set(o, "mtu", json_object_get(status, "mtu"));
	(void)json_object_set_new(o, "sources", sources_json(json_object_get(status, "sources"), s));
	(void)json_object_set_new(o, "counters", counters_json(json_object_get(status, "counters")));
	json_decref(status);
	return o;
}

static json_t *sessions_json(struct vtap_agent *a)
{
	json_t *list = json_array();

	for (size_t i = 0; a->plan && i < a->plan->session_count; i++) {
		if (*a->plan->sessions[i].id)
			(void)json_array_append_new(list, session_json(a, &a->plan->sessions[i]));
	}
	return list;
}

/* That of the first target that can be reached. */
static json_t *uplink_json(const struct vtap_agent *a)
{
	char address[VTAP_ADDR_STRLEN];

	for (size_t i = 0; i < a->config->target_count; i++) {
		const struct vtap_nexthop *h = &a->nexthops[i];

		if (h->state == VTAP_NEXTHOP_READY)
			return json_pack("{s:s, s:s, s:I}", "device", h->device, "address",
					 vtap_addr_format(&h->source, address), "mtu", (json_int_t)h->mtu);
	}
	return json_null();
}

bool vtap_agent_feed_devices_look(struct vtap_agent_feed *f)
{
	json_t *devices = vtap_discover_json(f->agent);
	_cleanup_free_ char *text = devices ? json_dumps(devices, JSON_COMPACT) : NULL;

	f->devices_looks -= f->devices_looks > 0;
	if (text) {
		(void)vtap_hash_hex(text, strlen(text), f->devices_hash);
		json_decref(f->devices);
		f->devices = VTAP_STEAL(devices);
	}
	json_decref(devices);
	return strcmp(f->devices_hash, f->devices_known) != 0;
}

static json_t *report_json(struct vtap_agent_feed *f)
{
	struct vtap_agent *a = f->agent;
	json_t *report = json_object(), *agent = vtap_join_agent_json();

	if (*f->applied.epoch) {
		(void)json_object_set_new(report, "epoch", json_string(f->applied.epoch));
		(void)json_object_set_new(report, "revision", json_integer((json_int_t)f->applied.revision));
		(void)json_object_set_new(report, "hash", json_string(f->applied.hash));
	}
	(void)json_object_set_new(agent, "instance", json_string(f->instance));
	(void)json_object_set_new(agent, "hook", json_string(vtap_dataplane_uses_tcx(a->dataplane) ? "tcx" : "clsact"));
	(void)json_object_set_new(agent, "started", json_integer(f->started_s));
	(void)json_object_set_new(report, "agent", agent);
	(void)json_object_set_new(report, "error", json_string(f->plan_error));
	(void)json_object_set_new(report, "uplink", uplink_json(a));
	(void)json_object_set_new(report, "sessions", sessions_json(a));
	memcpy(f->devices_sent, f->devices_hash, sizeof(f->devices_sent));
	if (f->devices && strcmp(f->devices_hash, f->devices_known) != 0)
		(void)json_object_set(report, "devices", f->devices);
	if (f->history_due)
		(void)json_object_set_new(report, "history", vtap_history_json(a, &f->history_next));
	return report;
}

/* What the controller has not got, as after a restart of its. */
static void wants_take(struct vtap_agent_feed *f, const struct vtap_client_answer *answer)
{
	json_t *o = json_loadb(answer->body, answer->body_bytes, 0, NULL), *want;
	size_t i;

	json_array_foreach(json_object_get(o, "want"), i, want)
	{
		const char *part = json_string_value(want);

		if (part && !strcmp(part, "devices"))
			*f->devices_known = '\0';
		if (part && !strcmp(part, "history") && !f->history_due) {
			f->history_due = true;
			f->history_next = 0;
		}
		f->report_again = true;
	}
	json_decref(o);
}

static void on_report(struct vtap_client_answer *answer, void *userdata)
{
	struct vtap_agent_feed *f = userdata;
	struct vtap_problem p;

	f->report_id = 0;
	if (vtap_agent_feed_done(f, answer)) {
		memcpy(f->devices_known, f->devices_sent, sizeof(f->devices_known));
		if (f->history_due) {
			f->history_due = f->history_next < f->agent->config->session_count;
			f->report_again = f->report_again || f->history_due;
		}
		if (answer->status == 200)
			wants_take(f, answer);
	} else if (answer->result == 0) {
		vtap_problem_read(answer, &p);
		vtap_log(VTAP_LOG_WARNING, "the controller does not take the report: %s", p.text);
		f->report_again = false;
	}
	vtap_client_answer_done(answer);
	if (f->report_again && f->state == VTAP_FEED_CONNECTED)
		vtap_agent_feed_report(f);
}

void vtap_agent_feed_report(struct vtap_agent_feed *f)
{
	if (f->state != VTAP_FEED_CONNECTED)
		return;
	f->report_again = f->report_id != 0;
	if (f->report_again)
		return;
	f->report_ticks = 0;
	f->reported_ms = vtap_agent_feed_now_ms();
	(void)vtap_agent_feed_states_changed(f);
	(void)vtap_agent_feed_post(f, "/agent/v1/report", report_json(f), on_report, f, &f->report_id);
}

void vtap_agent_feed_report_soon(struct vtap_agent_feed *f)
{
	uint64_t since_ms = vtap_agent_feed_now_ms() - f->reported_ms;
	int enabled = SD_EVENT_OFF;

	if (since_ms >= SOON_MS) {
		vtap_agent_feed_report(f);
		return;
	}
	if (sd_event_source_get_enabled(f->report_timer, &enabled) >= 0 && enabled != SD_EVENT_OFF)
		return;
	(void)sd_event_source_set_time_relative(f->report_timer, (SOON_MS - since_ms) * 1000);
	(void)sd_event_source_set_enabled(f->report_timer, SD_EVENT_ONESHOT);
}

/* FNV-1a. */
static uint64_t hash_add(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3ULL;
	return hash;
}

bool vtap_agent_feed_states_changed(struct vtap_agent_feed *f)
{
	uint64_t hash = hash_add(0xcbf29ce484222325ULL, f->plan_error), before = f->states_hash;
	struct vtap_agent *a = f->agent;

	for (size_t i = 0; i < a->config->session_count; i++) {
		char reason[VTAP_STATUS_REASON_STRLEN];

		hash = hash_add(hash, vtap_status_session_state(a, i, reason));
		hash = hash_add(hash, reason);
	}
	f->states_hash = hash;
	return hash != before;
}
