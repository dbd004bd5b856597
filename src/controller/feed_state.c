/* SPDX-License-Identifier: Apache-2.0 */

/* States of sessions: from all that is known, when somebody asks; and told to those who listen when they change. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/events.h"
#include "controller/feed_private.h"
#include "controller/rules.h"
#include "controller/state.h"
#include "model/config.h"

#define SETTLE_USEC 50000 /* what changes at the same time is told once */

struct gathering {
	struct vtap_feed *feed;
	struct vtap_state state;
	struct vtap_pointers hosts; /* struct vtap_feed_host, each once */
	bool no_memory;
};

static int add_source(const struct vtap_cover *cover, void *userdata)
{
	struct gathering *g = userdata;
	struct vtap_feed_host *h = cover->mirrored ? vtap_feed_find(g->feed, cover->host) : NULL;
	const char *conflict = vtap_reports_conflict(g->feed->controller->reports, cover->source);

	vtap_state_add_source(&g->state, cover);
	if (conflict)
		vtap_state_add_note(&g->state, cover->source, cover->host, conflict);
	if (!h || h->pass == g->feed->pass)
		return 0;
	h->pass = g->feed->pass;
	if (vtap_pointers_add(&g->hosts, h) < 0)
		g->no_memory = true;
	return 0;
}

static const char *label_of(const struct vtap_feed *f, const char *id)
{
	const struct vtap_object *object = vtap_objects_get(f->controller->objects, id);

	return object && object->name ? object->name : id;
}

static struct vtap_state_host host_of(const struct vtap_feed *f, const struct vtap_feed_host *h, const char *session)
{
	const struct vtap_reports *reports = f->controller->reports;
	const struct vtap_plan_part *part = vtap_host_plan_part(h->plan, session);
	const struct vtap_report_host *report = vtap_reports_host(reports, h->id);
	const struct vtap_report_session *s = vtap_reports_session(reports, h->id, session);

	return (struct vtap_state_host){
	    .id = h->id,
	    .label = label_of(f, h->id),
	    .heard = report && report->heard,
	    .suspended = h->suspended,
	    .revoked = h->revoked,
	    .silent_s = report ? vtap_reports_silent_s(reports, report) : 0,
	    .acknowledged = part && vtap_feed_has_applied(h, part),
	    .left_out = part && part->left_out,
	    .sources_left_out = part ? part->sources_left_out : 0,
	    .plan_error = report ? report->error : NULL,
	    .state = s ? s->state : NULL,
	    .reason = s ? s->reason : NULL,
	    .sources = s ? s->sources : NULL,
	    .advice = s ? s->advice : NULL,
	};
}

static void add_host(struct gathering *g, const struct vtap_feed_host *h, const char *session)
{
	struct vtap_state_host host = host_of(g->feed, h, session);

	vtap_state_add_host(&g->state, &host);
}

const char *vtap_feed_source_sentence(struct vtap_feed *f, const struct vtap_cover *cover, char buffer[])
{
	const struct vtap_feed_host *h = cover->mirrored ? vtap_feed_find(f, cover->host) : NULL;
	struct vtap_state_host host;

	if (!h)
		return NULL;
	host = host_of(f, h, cover->session);
	return vtap_state_source_sentence(&host, cover->source, buffer);
}

static const char *target_label(const struct vtap_resolved *resolved)
{
	const char *name = json_string_value(json_object_get(resolved->target, "name"));

	return name ? name : json_string_value(json_object_get(resolved->value, "target"));
}

const char *vtap_feed_host_state(const struct vtap_feed *f, const char *host, int64_t *ret_seen_s)
{
	const struct vtap_reports *reports = f->controller->reports;
	const struct vtap_report_host *report = vtap_reports_host(reports, host);
	const struct vtap_feed_host *h = vtap_feed_find(f, host);

	*ret_seen_s = report ? report->seen_s : 0;
	if (h && h->revoked)
		return "revoked";
	if (h && h->suspended)
		return "suspended";
	if (!report || !report->seen_usec)
		return "unknown";
	return vtap_reports_silent_s(reports, report) >= VTAP_STATE_AWAY_S ? "away" : "connected";
}

const char *vtap_feed_host_unheard(const struct vtap_feed *f, const char *host)
{
	static const struct {
		const char *state, *sentence;
	} sentences[] = {
	    {"connected", NULL},
	    {"away", "its agent has not been heard for a while"},
	    {"suspended", "it is suspended, as two agents use its credential"},
	    {"revoked", "its credential was revoked"},
	};
	int64_t seen_s;
	const char *state = vtap_feed_host_state(f, host, &seen_s);

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(sentences); i++)
		if (!strcmp(state, sentences[i].state))
			return sentences[i].sentence;
	return "its agent has not been heard yet";
}

struct host_walk {
	struct vtap_feed *feed;
	int (*visit)(const struct vtap_cover *cover, void *userdata);
	void *userdata;
};

static int visit_host(const struct vtap_cover *cover, void *userdata)
{
	const struct host_walk *walk = userdata;
	struct vtap_feed_host *h = cover->mirrored ? vtap_feed_find(walk->feed, cover->host) : NULL;

	if (!h || h->pass == walk->feed->pass)
		return 0;
	h->pass = walk->feed->pass;
	return walk->visit(cover, walk->userdata);
}

void vtap_feed_session_hosts(struct vtap_feed *f, const char *session,
			     int (*visit)(const struct vtap_cover *cover, void *userdata), void *userdata)
{
	struct host_walk walk = {f, visit, userdata};

	f->pass++;
	(void)vtap_resolver_covers_of_session(f->controller->resolver, session, visit_host, &walk);
}

const char *vtap_feed_filter_sentence(const struct vtap_controller *c, const struct vtap_object *filter, char buffer[])
{
	for (int d = 0; d < VTAP_DIRECTION_MAX; d++) {
		size_t count = vtap_rules_count(c->rules, filter, (enum vtap_direction)d);

		if (count <= VTAP_FILTER_RULES_MAX)
			continue;
		snprintf(buffer, VTAP_STATE_SENTENCE_STRLEN,
			 "filter %s has %zu rules for direction %s: agents take %d, and refuse sessions with more",
			 filter->name ? filter->name : filter->id, count, vtap_direction_name((enum vtap_direction)d),
			 VTAP_FILTER_RULES_MAX);
		return buffer;
	}
	return NULL;
}

/* At once, and not only when the agents say so. */
static void add_filter(struct gathering *g, const struct vtap_resolved *resolved)
{
	const struct vtap_controller *c = g->feed->controller;
	const char *id = json_string_value(json_object_get(resolved->value, "filter")), *sentence;
	const struct vtap_object *filter = id ? vtap_objects_get(c->objects, id) : NULL;
	char buffer[VTAP_STATE_SENTENCE_STRLEN];

	sentence = filter ? vtap_feed_filter_sentence(c, filter, buffer) : NULL;
	if (sentence)
		vtap_state_add_note(&g->state, NULL, NULL, sentence);
}

int vtap_feed_session_state(struct vtap_feed *f, const char *session, const char **ret_state, json_t **ret_reasons)
{
	struct gathering g = {.feed = f};
	struct vtap_resolved resolved;
	json_t *reasons = NULL;
	const char *state;
	int r;

	r = vtap_resolver_session(f->controller->resolver, session, &resolved);
	if (r < 0)
		return r;
	f->pass++;
	vtap_state_begin(&g.state, resolved.block, target_label(&resolved));
	add_filter(&g, &resolved);
	(void)vtap_resolver_covers_of_session(f->controller->resolver, session, add_source, &g);
	for (size_t i = 0; i < g.hosts.count; i++)
		add_host(&g, g.hosts.items[i], session);
	vtap_pointers_done(&g.hosts);
	state = vtap_state_end(&g.state, &reasons);
	if (!state || g.no_memory) {
		json_decref(reasons);
		return -ENOMEM;
	}
	*ret_state = state;
	*ret_reasons = reasons;
	return 0;
}

static int tell(const char *session, void *value, void *userdata)
{
	struct vtap_feed *f = userdata;
	const struct vtap_object *object = vtap_objects_get(f->controller->objects, session);
	const char *before = vtap_table_get(f->states, session), *state;
	json_t *reasons;
	json_auto_t *data = NULL;

	if (!object || vtap_feed_session_state(f, session, &state, &reasons) < 0)
		return 0;
	data = json_pack("{s:s, s:o}", "state", state, "reasons", reasons);
	if (before && !strcmp(before, state))
		return 0;
	(void)vtap_table_put(f->states, session, (void *)state);
	if (data)
		vtap_events_tell(f->controller->events, object, "state", data);
	return 0;
}

static int forget(const char *key, void *value, void *userdata)
{
	(void)vtap_table_remove(userdata, key);
	return 0;
}

/* Without anybody who listens nothing is computed, and nothing known of what was told. */
static int on_settle(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct vtap_feed *f = userdata;

	if (vtap_events_subscribers(f->controller->events))
		(void)vtap_table_each(f->stale, tell, f);
	else
		(void)vtap_table_each(f->states, forget, f->states);
	(void)vtap_table_each(f->stale, forget, f->stale);
	return 0;
}

void vtap_feed_state_touch(struct vtap_feed *f, const char *session)
{
	int enabled = SD_EVENT_OFF;

	if (!f || !f->settle || vtap_table_put(f->stale, session, f) < 0)
		return;
	if (sd_event_source_get_enabled(f->settle, &enabled) >= 0 && enabled != SD_EVENT_OFF)
		return;
	(void)sd_event_source_set_time_relative(f->settle, SETTLE_USEC);
	(void)sd_event_source_set_enabled(f->settle, SD_EVENT_ONESHOT);
}

void vtap_feed_state_touch_host(struct vtap_feed *f, const char *host)
{
	const struct vtap_feed_host *h = f ? vtap_feed_find(f, host) : NULL;

	for (size_t i = 0; h && h->plan && i < h->plan->part_count; i++)
		vtap_feed_state_touch(f, h->plan->parts[i].session);
}

void vtap_feed_state_forget(struct vtap_feed *f, const char *session)
{
	(void)vtap_table_remove(f->states, session);
	(void)vtap_table_remove(f->stale, session);
}

int vtap_feed_state_begin(struct vtap_feed *f)
{
	int r;

	r = vtap_table_new(&f->states);
	if (r >= 0)
		r = vtap_table_new(&f->stale);
	if (r >= 0)
		r = sd_event_add_time_relative(f->controller->event, &f->settle, CLOCK_MONOTONIC, SETTLE_USEC, 0,
					       on_settle, f);
	return r < 0 ? r : sd_event_source_set_enabled(f->settle, SD_EVENT_OFF);
}

void vtap_feed_state_end(struct vtap_feed *f)
{
	f->settle = sd_event_source_disable_unref(f->settle);
	vtap_table_free(f->states);
	vtap_table_free(f->stale);
	f->states = f->stale = NULL;
}
