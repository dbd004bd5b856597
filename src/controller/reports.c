/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/reports.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "basic/log.h"
#include "controller/feed_private.h"
#include "controller/reports_private.h"
#include "controller/state.h"

#define TICK_USEC 2000000
#define LOST_PREFIX "lost_"

static uint64_t now_usec(const struct vtap_reports *r, clockid_t clock)
{
	uint64_t usec = 0;

	(void)sd_event_now(r->controller->event, clock, &usec);
	return usec;
}

const struct vtap_report_host *vtap_reports_host(const struct vtap_reports *r, const char *host)
{
	return vtap_table_get(r->hosts, host);
}

const struct vtap_report_session *vtap_reports_session(const struct vtap_reports *r, const char *host,
						       const char *session)
{
	const struct vtap_report_host *h = vtap_reports_host(r, host);

	return h ? vtap_table_get(h->sessions, session) : NULL;
}

unsigned vtap_reports_silent_s(const struct vtap_reports *r, const struct vtap_report_host *h)
{
	uint64_t now = now_usec(r, CLOCK_MONOTONIC);

	if (!h->seen_usec)
		return UINT_MAX;
	return (unsigned)((now > h->seen_usec ? now - h->seen_usec : 0) / 1000000);
}

bool vtap_reports_is_away(const struct vtap_reports *r, const char *host)
{
	const struct vtap_report_host *report = vtap_reports_host(r, host);
	const struct vtap_feed_host *h = vtap_feed_find(r->controller->feed, host);

	if (report)
		return vtap_reports_silent_s(r, report) >= VTAP_STATE_AWAY_S;
	return h && h->joined && now_usec(r, CLOCK_MONOTONIC) >= h->known_usec + VTAP_STATE_AWAY_S * 1000000ULL;
}

static int host_get(struct vtap_reports *r, const char *id, struct vtap_report_host **ret_host)
{
	struct vtap_report_host *h = vtap_table_get(r->hosts, id);

	if (!h) {
		h = calloc(1, sizeof(*h));
		if (!h)
			return -ENOMEM;
		snprintf(h->id, sizeof(h->id), "%s", id);
		if (vtap_table_new(&h->sessions) < 0 || vtap_table_put(r->hosts, id, h) < 0) {
			vtap_table_free(h->sessions);
			free(h);
			return -ENOMEM;
		}
	}
	*ret_host = h;
	return 0;
}

static int free_session(const char *key, void *value, void *userdata)
{
	vtap_report_session_free(value);
	return 0;
}

static void host_free(struct vtap_report_host *h)
{
	(void)vtap_table_each(h->sessions, free_session, NULL);
	vtap_table_free(h->sessions);
	json_decref(h->agent);
	json_decref(h->uplink);
	vtap_table_free(h->devices_by_name);
	json_decref(h->devices);
	free(h->error);
	free(h);
}

/* It is heard again, or for the first time. */
static void seen(struct vtap_reports *r, struct vtap_report_host *h)
{
	h->seen_usec = now_usec(r, CLOCK_MONOTONIC);
	h->seen_s = (int64_t)(now_usec(r, CLOCK_REALTIME) / 1000000);
	if (!h->away)
		return;
	h->away = false;
	vtap_feed_state_touch_host(r->controller->feed, h->id);
	vtap_reports_follow_host(r, h->id);
}

void vtap_reports_seen(struct vtap_reports *r, const char *host)
{
	struct vtap_report_host *h;

	if (host_get(r, host, &h) >= 0)
		seen(r, h);
}

void vtap_reports_unheard(struct vtap_reports *r, const char *host)
{
	struct vtap_report_host *h = vtap_table_get(r->hosts, host);

	vtap_feed_state_touch_host(r->controller->feed, host);
	if (!h)
		return;
	h->heard = false;
	h->away = true;
	h->seen_usec = 0;
	vtap_reports_age_devices(r, h);
}

static void replace(json_t **value, const json_t *now, const char *const *keys, size_t count)
{
	if (!now)
		return;
	json_decref(*value);
	*value = json_is_null(now) ? NULL : vtap_report_copy(now, keys, count);
}

/* What concerns the host as a whole. True if it may change the states of its sessions. */
static bool take_host(struct vtap_reports *r, struct vtap_report_host *h, const json_t *report)
{
	static const char *const agent_keys[] = {"version", "layout", "kernel", "instance", "hook"};
	static const char *const uplink_keys[] = {"device", "address", "mtu"};
	const char *error = json_string_value(json_object_get(report, "error"));
	bool changed = !h->heard || strcmp(h->error ? h->error : "", error ? error : "") != 0;

	h->heard = true;
	free(h->error);
	h->error = error && *error ? strdup(error) : NULL;
	replace(&h->agent, json_object_get(report, "agent"), agent_keys, VTAP_ARRAY_SIZE(agent_keys));
	replace(&h->uplink, json_object_get(report, "uplink"), uplink_keys, VTAP_ARRAY_SIZE(uplink_keys));
	changed |=
	    vtap_feed_acknowledge(r->controller->feed, h->id, json_string_value(json_object_get(report, "epoch")),
				  (uint64_t)json_integer_value(json_object_get(report, "revision")),
				  json_string_value(json_object_get(report, "hash")));
	return changed;
}

int vtap_reports_take(struct vtap_reports *r, const char *host, const json_t *report,
		      struct vtap_report_wants *ret_wants, struct vtap_error *reterr)
{
	const json_t *sessions = json_object_get(report, "sessions"), *devices = json_object_get(report, "devices");
	struct vtap_report_host *h;
	bool first;
	int ret;

	ret = vtap_report_check(report, reterr);
	if (ret < 0)
		return ret;
	ret = host_get(r, host, &h);
	if (ret < 0)
		return vtap_error_set(reterr, ret, 0, NULL, "out of memory");
	first = !h->heard;
	seen(r, h);
	if (take_host(r, h, report))
		vtap_feed_state_touch_host(r->controller->feed, host);
	if (json_is_array(sessions))
		ret = vtap_reports_take_sessions(r, h, sessions);
	if (ret >= 0 && json_is_array(devices))
		ret = vtap_reports_take_devices(r, h, devices);
	if (ret >= 0)
		ret = vtap_reports_take_history(r, h, json_object_get(report, "history"));
	if (ret < 0)
		return vtap_error_set(reterr, ret, 0, NULL, "out of memory");
	*ret_wants = (struct vtap_report_wants){
	    .devices = !h->devices || h->devices_old,
	    .history = first && !json_object_get(report, "history"),
	};
	return 0;
}

static int drop_session(const char *key, void *value, void *userdata)
{
	const struct {
		struct vtap_reports *reports;
		struct vtap_report_host *host;
	} *walk = userdata;

	vtap_report_session_drop(walk->reports, walk->host, value);
	return 0;
}

void vtap_reports_forget_host(struct vtap_reports *r, const char *host)
{
	struct {
		struct vtap_reports *reports;
		struct vtap_report_host *host;
	} walk = {r, vtap_table_remove(r->hosts, host)};

	if (!walk.host)
		return;
	vtap_reports_age_devices(r, walk.host);
	(void)vtap_table_each(walk.host->sessions, drop_session, &walk);
	host_free(walk.host);
}

static int forget_host_session(const char *key, void *value, void *userdata)
{
	struct vtap_report_host *h = value;
	struct vtap_report_session *s = vtap_table_remove(h->sessions, userdata);

	if (s)
		vtap_report_session_free(s);
	return 0;
}

void vtap_reports_forget_session(struct vtap_reports *r, const char *session)
{
	struct vtap_report_total *t = vtap_table_remove(r->totals, session);

	(void)vtap_table_each(r->hosts, forget_host_session, (void *)session);
	if (t)
		vtap_report_total_free(t);
}

static int look_at_host(const char *key, void *value, void *userdata)
{
	struct vtap_reports *r = userdata;
	struct vtap_report_host *h = value;

	if (h->away || vtap_reports_silent_s(r, h) < VTAP_STATE_AWAY_S)
		return 0;
	h->away = true;
	vtap_log(VTAP_LOG_WARNING, "host %s has not been seen for %u seconds", h->id, vtap_reports_silent_s(r, h));
	vtap_feed_state_touch_host(r->controller->feed, h->id);
	vtap_reports_age_devices(r, h);
	return 0;
}

/* It was not heard since the controller began: what is plugged there may be somewhere else by now. */
static int look_for_missed(const char *key, void *value, void *userdata)
{
	struct vtap_reports *r = userdata;
	struct vtap_feed_host *h = value;

	if (h->missed || vtap_reports_host(r, h->id) || !vtap_reports_is_away(r, h->id))
		return 0;
	h->missed = true;
	vtap_reports_follow_host(r, h->id);
	return 0;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct vtap_reports *r = userdata;

	(void)vtap_table_each(r->hosts, look_at_host, r);
	(void)vtap_table_each(r->controller->feed->hosts, look_for_missed, r);
	(void)sd_event_source_set_time_relative(source, TICK_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int vtap_reports_new(struct vtap_controller *c, struct vtap_reports **ret_reports)
{
	VTAP_CLEANUP(vtap_reports_freep) struct vtap_reports *r = calloc(1, sizeof(*r));
	struct vtap_table **tables[] = {&r->hosts, &r->totals, &r->conflicts, &r->macs, &r->followed};
	int ret = 0;

	if (!r)
		return -ENOMEM;
	r->controller = c;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(tables) && ret >= 0; i++)
		ret = vtap_table_new(tables[i]);
	if (ret >= 0)
		ret = sd_event_add_time_relative(c->event, &r->tick, CLOCK_MONOTONIC, TICK_USEC, 0, on_tick, r);
	if (ret < 0)
		return ret;
	*ret_reports = VTAP_STEAL(r);
	return 0;
}

static int free_host(const char *key, void *value, void *userdata)
{
	host_free(value);
	return 0;
}

static int free_total(const char *key, void *value, void *userdata)
{
	vtap_report_total_free(value);
	return 0;
}

static int free_text(const char *key, void *value, void *userdata)
{
	free(value);
	return 0;
}

struct vtap_reports *vtap_reports_free(struct vtap_reports *r)
{
	if (!r)
		return NULL;
	sd_event_source_disable_unref(r->tick);
	if (r->hosts)
		(void)vtap_table_each(r->hosts, free_host, NULL);
	if (r->totals)
		(void)vtap_table_each(r->totals, free_total, NULL);
	if (r->conflicts)
		(void)vtap_table_each(r->conflicts, free_text, NULL);
	vtap_table_free(r->hosts);
	vtap_table_free(r->totals);
	vtap_table_free(r->conflicts);
	vtap_table_free(r->followed);
	if (r->macs)
		vtap_reports_free_macs(r);
	free(r);
	return NULL;
}
