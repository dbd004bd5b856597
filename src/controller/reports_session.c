/* SPDX-License-Identifier: Apache-2.0 */

/* How sessions do, and what they count, by host and in sum. */

#include <errno.h>
#include <string.h>

#include "controller/feed_private.h"
#include "controller/reports_private.h"

#define DIFFERENCE "lost_stage" /* staged - unstaged */
#define LOST_PREFIX "lost_"

/* As agents say them: vtap_status_counter_name(), and what is lost in the stage. */
static const char *const counter_names[VTAP_REPORT_COUNTERS_MAX] = {
    "matched_packets",  "matched_bytes",     "mirrored_packets",
    "mirrored_bytes",   "cut_to_fit",        "uncut",
    "staged",           "unstaged",          "sampled_out",
    "lost_limited",     "lost_too_big",      "lost_not_cuttable",
    "lost_no_route",    "lost_no_neighbour", "lost_bad_next_hop",
    "lost_uplink_down", "lost_queue",        "lost_changed",
    "lost_no_memory",   "lost_recursion",    "lost_unsupported",
    "lost_error",       "lost_stage",
};

const char *vtap_report_counter_name(size_t number)
{
	return counter_names[number];
}

void vtap_report_session_free(struct vtap_report_session *s)
{
	json_decref(s->sources);
	free(s->reason);
	free(s->advice);
	free(s->counters);
	free(s);
}

void vtap_report_total_free(struct vtap_report_total *t)
{
	vtap_history_free(t->history);
	free(t);
}

struct vtap_report_total *vtap_reports_total(struct vtap_reports *r, const char *session)
{
	struct vtap_report_total *t = vtap_table_get(r->totals, session);

	if (t)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	snprintf(t->id, sizeof(t->id), "%s", session);
	if (vtap_history_new(&t->history) < 0 || vtap_table_put(r->totals, session, t) < 0) {
		vtap_report_total_free(t);
		return NULL;
	}
	return t;
}

/* Names that are not known are passed over. */
static void read_counters(const json_t *counters, uint64_t values[VTAP_DIRECTION_MAX][VTAP_REPORT_COUNTERS_MAX])
{
	for (int d = 0; d < VTAP_DIRECTION_MAX; d++) {
		const json_t *direction = json_object_get(counters, vtap_direction_name((enum vtap_direction)d));

		for (size_t i = 0; i < VTAP_REPORT_COUNTERS_MAX; i++)
			values[d][i] = (uint64_t)json_integer_value(json_object_get(direction, counter_names[i]));
	}
}

static enum vtap_history_value history_value_of(const char *name)
{
	for (int i = 0; i < VTAP_HISTORY_MAX; i++)
		if (!strcmp(name, vtap_history_value_name((enum vtap_history_value)i)))
			return (enum vtap_history_value)i;
	return strncmp(name, LOST_PREFIX, strlen(LOST_PREFIX)) ? VTAP_HISTORY_MAX : VTAP_HISTORY_LOST_PACKETS;
}

/* Counting began anew: all that there was is kept apart. What is in the stage now is a difference, which falls by itself. */
static void rebase(struct vtap_report_total *t, struct vtap_report_session *s,
		   uint64_t now[VTAP_DIRECTION_MAX][VTAP_REPORT_COUNTERS_MAX])
{
	bool smaller = false;

	for (int d = 0; d < VTAP_DIRECTION_MAX; d++)
		for (size_t i = 0; i < VTAP_REPORT_COUNTERS_MAX; i++)
			smaller |= now && now[d][i] < s->counters[d][i] && strcmp(counter_names[i], DIFFERENCE) != 0;
	if (now && !smaller)
		return;
	for (int d = 0; d < VTAP_DIRECTION_MAX; d++) {
		for (size_t i = 0; i < VTAP_REPORT_COUNTERS_MAX; i++) {
			t->base[d][i] += s->counters[d][i];
			s->counters[d][i] = 0;
		}
	}
}

static int take_counters(struct vtap_reports *r, struct vtap_report_host *h, struct vtap_report_session *s,
			 const json_t *counters, int64_t now_ms, bool is_first)
{
	struct vtap_report_total *t = vtap_reports_total(r, s->id);
	uint64_t now[VTAP_DIRECTION_MAX][VTAP_REPORT_COUNTERS_MAX] = {};
	double grown[VTAP_HISTORY_MAX] = {};
	double seconds = (double)VTAP_MAX(now_ms - h->last_ms, 1) / 1000;

	if (!t)
		return -ENOMEM;
	read_counters(counters, now);
	rebase(t, s, now);
	for (size_t i = 0; i < VTAP_REPORT_COUNTERS_MAX; i++) {
		enum vtap_history_value value = history_value_of(counter_names[i]);

		for (int d = 0; d < VTAP_DIRECTION_MAX && value < VTAP_HISTORY_MAX; d++)
			grown[value] += (double)now[d][i] - (double)s->counters[d][i];
	}
	memcpy(s->counters, now, sizeof(now));
	/* What was counted before the first report of this life is history that the agent tells itself. */
	if (is_first)
		return 0;
	for (int i = 0; i < VTAP_HISTORY_MAX; i++) {
		grown[i] = VTAP_MAX(grown[i], 0.0);
		s->rates[i] = grown[i] / seconds;
	}
	return vtap_history_add(t->history, h->last_ms, now_ms, grown);
}

static bool set_text(char **text, const json_t *value)
{
	const char *now = json_string_value(value), *before = *text ? *text : "";
	char *copy;

	if (!strcmp(before, now ? now : ""))
		return false;
	copy = now && *now ? strdup(now) : NULL;
	free(*text);
	*text = copy;
	return true;
}

/* Those that are not attached, or NULL. */
static json_t *flawed_sources(const json_t *sources)
{
	static const char *const keys[] = {"interface", "device", "state", "reason"};
	json_t *list = NULL;

	for (size_t i = 0; i < json_array_size(sources); i++) {
		const json_t *source = json_array_get(sources, i);
		const char *state = json_string_value(json_object_get(source, "state"));

		if (state && !strcmp(state, "attached"))
			continue;
		if (!list)
			list = json_array();
		(void)json_array_append_new(list, vtap_report_copy(source, keys, VTAP_ARRAY_SIZE(keys)));
	}
	return list;
}

/* True if something that people are told has changed. */
static bool take_words(struct vtap_report_session *s, const json_t *report)
{
	const char *state = json_string_value(json_object_get(report, "state"));
	json_t *sources = flawed_sources(json_object_get(report, "sources"));
	bool changed = strcmp(s->state, state) != 0;

	snprintf(s->state, sizeof(s->state), "%s", state);
	changed |= set_text(&s->reason, json_object_get(report, "reason"));
	changed |= set_text(&s->advice, json_object_get(json_object_get(report, "mtu"), "advice"));
	changed |= sources && s->sources ? !json_equal(sources, s->sources) : sources != s->sources;
	json_decref(s->sources);
	s->sources = sources;
	return changed;
}

static int session_new(struct vtap_report_host *h, const char *id, struct vtap_report_session **ret_session)
{
	struct vtap_report_session *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	snprintf(s->id, sizeof(s->id), "%s", id);
	s->counters = calloc(VTAP_DIRECTION_MAX, sizeof(*s->counters));
	if (!s->counters || vtap_table_put(h->sessions, id, s) < 0) {
		vtap_report_session_free(s);
		return -ENOMEM;
	}
	*ret_session = s;
	return 0;
}

void vtap_report_session_drop(struct vtap_reports *r, struct vtap_report_host *h, struct vtap_report_session *s)
{
	struct vtap_report_total *t = vtap_reports_total(r, s->id);

	if (t)
		rebase(t, s, NULL);
	(void)vtap_table_remove(h->sessions, s->id);
	vtap_report_session_free(s);
}

struct drop_walk {
	struct vtap_reports *reports;
	struct vtap_report_host *host;
};

static int drop_unlisted(const char *key, void *value, void *userdata)
{
	const struct drop_walk *walk = userdata;
	struct vtap_report_session *s = value;

	if (!s->listed)
		vtap_report_session_drop(walk->reports, walk->host, s);
	else
		s->listed = false;
	return 0;
}

/* One of the host's plan; or that was, if the agent has not applied yet what the plan is now. Nobody speaks for others. */
static bool is_concerned(const struct vtap_reports *r, const struct vtap_report_host *h, const char *session)
{
	const struct vtap_feed_host *feed = vtap_feed_find(r->controller->feed, h->id);

	if (!feed)
		return false;
	if (vtap_host_plan_part(feed->plan, session))
		return true;
	return vtap_table_get(h->sessions, session) && feed->acknowledged != feed->revision;
}

/* Sessions that do not exist any more are passed over: the agent has not heard of it yet. */
static int take_session(struct vtap_reports *r, struct vtap_report_host *h, const json_t *report, int64_t now_ms)
{
	const char *id = json_string_value(json_object_get(report, "id"));
	const struct vtap_object *object = vtap_objects_get(r->controller->objects, id);
	struct vtap_report_session *s = vtap_table_get(h->sessions, id);
	const json_t *counters = json_object_get(report, "counters");
	bool is_new = !s;
	int ret;

	if (!object || strcmp(object->kind->name, "session") != 0 || !is_concerned(r, h, id))
		return 0;
	if (is_new) {
		ret = session_new(h, id, &s);
		if (ret < 0)
			return ret;
	}
	s->listed = true;
	if (take_words(s, report) || is_new)
		vtap_feed_state_touch(r->controller->feed, id);
	return counters ? take_counters(r, h, s, counters, now_ms, h->last_ms == 0) : 0;
}

int vtap_reports_take_sessions(struct vtap_reports *r, struct vtap_report_host *h, const json_t *sessions)
{
	struct drop_walk walk = {r, h};
	uint64_t now_usec = 0;
	int64_t now_ms;
	int ret = 0;

	(void)sd_event_now(r->controller->event, CLOCK_REALTIME, &now_usec);
	now_ms = (int64_t)(now_usec / 1000);
	for (size_t i = 0; i < json_array_size(sessions) && ret >= 0; i++)
		ret = take_session(r, h, json_array_get(sessions, i), now_ms);
	if (ret < 0)
		return ret;
	h->last_ms = now_ms;
	if (!h->first_ms)
		h->first_ms = now_ms;
	return vtap_table_each(h->sessions, drop_unlisted, &walk);
}

/* Once for each session and host, and only steps that ended before the first report of this life. */
static int take_steps(struct vtap_reports *r, struct vtap_report_host *h, const json_t *steps)
{
	const char *id = json_string_value(json_object_get(steps, "id"));
	struct vtap_report_session *s = vtap_table_get(h->sessions, id);
	int64_t end_ms = json_integer_value(json_object_get(steps, "end")) * 1000;
	struct vtap_report_total *t;
	size_t count = 0;
	int ret = 0;

	if (!s || s->history_taken)
		return 0;
	t = vtap_reports_total(r, id);
	if (!t)
		return -ENOMEM;
	s->history_taken = true;
	for (int i = 0; i < VTAP_HISTORY_MAX; i++)
		count = VTAP_MAX(count, json_array_size(json_object_get(
					    steps, vtap_history_value_name((enum vtap_history_value)i))));
	for (size_t i = 0; i < count && ret >= 0; i++) {
		int64_t step_end_ms = end_ms - (int64_t)(count - 1 - i) * VTAP_HISTORY_STEP_S * 1000;
		double values[VTAP_HISTORY_MAX];

		for (int j = 0; j < VTAP_HISTORY_MAX; j++) {
			const json_t *list =
			    json_object_get(steps, vtap_history_value_name((enum vtap_history_value)j));
			size_t missing = count - json_array_size(list);

			values[j] = i < missing ? 0 : json_number_value(json_array_get(list, i - missing));
		}
		if (step_end_ms <= h->first_ms && step_end_ms >= VTAP_HISTORY_STEP_S * 1000)
			ret =
			    vtap_history_add(t->history, step_end_ms - VTAP_HISTORY_STEP_S * 1000, step_end_ms, values);
	}
	return ret;
}

int vtap_reports_take_history(struct vtap_reports *r, struct vtap_report_host *h, const json_t *history)
{
	const json_t *sessions = json_object_get(history, "sessions");
	int ret = 0;

	for (size_t i = 0; i < json_array_size(sessions) && ret >= 0; i++)
		ret = take_steps(r, h, json_array_get(sessions, i));
	return ret;
}
