/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/audit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "basic/log.h"
#include "controller/audit_refusals.h"
#include "controller/change_private.h"
#include "model/value.h"

#define MEMBERS_HIDDEN "chunks"
#define KEY_END_US 9999999999999999ULL /* the last that keys have digits for */
#define LOOK_USEC 10000000ULL /* how often it is looked whether to tell of what was left out */

struct vtap_audit {
	struct vtap_controller *controller; /* borrowed */
	uint64_t last_us; /* of the last entry */
	struct vtap_refusals *refusals; /* owned */
	sd_event_source *timer; /* owned; on while some refusals are only counted */
};

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

static uint64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000U + (uint64_t)t.tv_nsec / 1000U;
}

int vtap_audit_new(struct vtap_controller *c, struct vtap_audit **ret_audit)
{
	VTAP_CLEANUP(vtap_audit_freep) struct vtap_audit *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->controller = c;
	r = vtap_refusals_new(&a->refusals);
	if (r >= 0)
		r = sd_event_add_time(c->event, &a->timer, CLOCK_MONOTONIC, 0, 0, on_timer, a);
	if (r >= 0)
		r = sd_event_source_set_enabled(a->timer, SD_EVENT_OFF);
	if (r < 0)
		return r;
	*ret_audit = VTAP_STEAL(a);
	return 0;
}

struct vtap_audit *vtap_audit_free(struct vtap_audit *a)
{
	if (!a)
		return NULL;
	sd_event_source_disable_unref(a->timer);
	vtap_refusals_free(a->refusals);
	free(a);
	return NULL;
}

static int visit_nothing(const struct vtap_store_item *item, void *userdata)
{
	return 0;
}

/* Keys are found in their order from any one on: the newest by halves. */
int vtap_audit_load(struct vtap_controller *c)
{
	uint64_t oldest_us = 0, end_us = KEY_END_US;

	while (oldest_us < end_us) {
		uint64_t middle_us = oldest_us + (end_us - oldest_us) / 2;
		char after[64];
		ssize_t n;

		snprintf(after, sizeof(after), "audit/%016" PRIu64 "9999", middle_us);
		n = vtap_store_page(c->store, "audit/", after, 1, visit_nothing, NULL);
		if (n < 0)
			return (int)n;
		*(n > 0 ? &oldest_us : &end_us) = middle_us + (n > 0);
	}
	c->audit->last_us = oldest_us;
	return 0;
}

/* Microseconds in 16 digits, and four random ones, in case that the clock was set back: no entry ever replaces another. */
static void entry_key(struct vtap_audit *a, char key[64])
{
	uint16_t random;

	a->last_us = VTAP_MAX(a->last_us + 1, now_us());
	vtap_random_bytes(&random, sizeof(random));
	snprintf(key, 64, "audit/%016" PRIu64 "%04u", a->last_us, random % 10000U);
}

static int entry_put(struct vtap_change *c, json_t *entry)
{
	_cleanup_free_ char *text = json_dumps(entry, JSON_COMPACT);
	char key[64];

	if (text && strlen(text) > VTAP_AUDIT_ENTRY_MAX_BYTES) {
		free(text);
		(void)json_object_del(entry, "changes");
		(void)json_object_set_new(entry, "shortened", json_true());
		text = json_dumps(entry, JSON_COMPACT);
	}
	if (!text)
		return -ENOMEM;
	entry_key(c->controller->audit, key);
	return vtap_change_put_key(c, key, text, strlen(text));
}

/* A resource as the log shows it: without lists of hashes that nobody reads. */
static json_t *shown(const json_t *resource)
{
	json_t *copy = resource ? json_copy((json_t *)resource) : json_null();

	if (json_is_object(copy))
		(void)json_object_del(copy, MEMBERS_HIDDEN);
	return copy;
}

static json_t *changes_of(const struct vtap_change *c)
{
	json_t *changes = json_array();

	for (size_t i = 0; i < c->record_count; i++) {
		const struct vtap_change_record *record = &c->records[i];
		const json_t *any = record->after ? record->after : record->before;
		const char *id = json_string_value(json_object_get(any, "id"));

		if (record->type == VTAP_CHANGE_END)
			continue;
		(void)json_array_append_new(changes, json_pack("{s:s, s:s, s:o, s:o}", "kind",
							       vtap_kind_of_id(id)->name, "id", id, "before",
							       shown(record->before), "after", shown(record->after)));
	}
	return changes;
}

/* NULL: it belongs to none. */
static const char *project_of(const json_t *resource)
{
	const char *id = json_string_value(json_object_get(resource, "id"));
	const struct vtap_kind *kind = id ? vtap_kind_of_id(id) : NULL;

	if (kind && strcmp(kind->name, "project") == 0)
		return id;
	return json_string_value(json_object_get(resource, "project"));
}

/* The first resource that the change is about; NULL: none. */
static const json_t *first_of(const struct vtap_change *c)
{
	for (size_t i = 0; c && i < c->record_count; i++)
		if (c->records[i].type != VTAP_CHANGE_END)
			return c->records[i].after ? c->records[i].after : c->records[i].before;
	return NULL;
}

/* That of the object; of one that is not there, that which it would be in. NULL: none. */
static const char *project_of_call(const struct vtap_change *c, const struct vtap_call *call)
{
	const struct vtap_kind *kind = call->kind;

	if (*call->object)
		return *call->object_project ? call->object_project : NULL;
	if (first_of(c))
		return project_of(first_of(c));
	if (kind && (kind->flags & VTAP_KIND_GLOBAL))
		return NULL;
	return *call->project ? call->project : NULL;
}

static void user_set(json_t *entry, const struct vtap_controller *c, const char *id)
{
	const struct vtap_object *user = vtap_objects_get(c->objects, id);

	if (*id)
		(void)json_object_set_new(entry, "user", json_string(id));
	if (user && user->name)
		(void)json_object_set_new(entry, "user_name", json_string(user->name));
}

/* change: what the call did, or NULL. */
static json_t *entry_of(int64_t time_s, const struct vtap_call *call, const struct vtap_change *change)
{
	char text[VTAP_TIME_STRLEN];
	const struct vtap_principal *p = &call->principal;
	const struct vtap_http_request *request = call->request;
	json_t *entry;

	entry = json_pack("{s:s, s:s, s:s, s:s, s:s?}", "time", vtap_time_format(time_s, text), "from", call->peer,
			  "method", call->route->method, "path", request ? request->path : call->route->path, "project",
			  project_of_call(change, call));
	if (!entry)
		return NULL;
	if (*call->object)
		(void)json_object_set_new(entry, "resource", json_string(call->object));
	user_set(entry, call->controller, p->user);
	if (*p->key)
		(void)json_object_set_new(entry, "key", json_string(p->key));
	if (*p->host)
		(void)json_object_set_new(entry, "host", json_string(p->host));
	return entry;
}

static void outcome_set(json_t *entry, const struct vtap_call *call, int r)
{
	const json_t *detail = json_object_get(call->answer, "detail");
	const json_t *field = json_object_get(call->answer, "field");
	unsigned status = call->status;

	if (r < 0 && status < 400)
		status = 500;
	(void)json_object_set_new(entry, "outcome", json_string(r < 0 ? "refused" : "done"));
	if (status > 0)
		(void)json_object_set_new(entry, "status", json_integer((json_int_t)status));
	if (r < 0 && detail)
		(void)json_object_set(entry, "reason", (json_t *)detail);
	if (r < 0 && field)
		(void)json_object_set(entry, "field", (json_t *)field);
	if (call->audit)
		(void)json_object_set(entry, "detail", call->audit);
}

static uint64_t loop_usec(const struct vtap_audit *a)
{
	uint64_t usec = 0;

	(void)sd_event_now(a->controller->event, CLOCK_MONOTONIC, &usec);
	return usec;
}

static void look_later(struct vtap_audit *a)
{
	(void)sd_event_source_set_time_relative(a->timer, LOOK_USEC);
	(void)sd_event_source_set_enabled(a->timer, SD_EVENT_ONESHOT);
}

/* Whether it is written down, and for how many before it that were not. */
static bool refusal_is_due(struct vtap_audit *a, const struct vtap_call *call, uint64_t *ret_left_out)
{
	const char *project = project_of_call(NULL, call);
	struct vtap_refused who = {};

	snprintf(who.user, sizeof(who.user), "%s", call->principal.user);
	snprintf(who.host, sizeof(who.host), "%s", call->principal.host);
	snprintf(who.project, sizeof(who.project), "%s", project ? project : "");
	snprintf(who.from, sizeof(who.from), "%s", call->peer);
	if (vtap_refusals_note(a->refusals, &who, loop_usec(a), ret_left_out))
		return true;
	if (vtap_refusals_left_out(a->refusals) == 1)
		look_later(a);
	return false;
}

/* One that was refused. NULL: it is counted only. */
static json_t *refusal_of(struct vtap_audit *a, int64_t time_s, const struct vtap_call *call, int r)
{
	uint64_t left_out;
	json_t *entry;

	if (!refusal_is_due(a, call, &left_out))
		return NULL;
	entry = entry_of(time_s, call, NULL);
	if (!entry)
		return NULL;
	outcome_set(entry, call, r);
	if (left_out > 0)
		(void)json_object_set_new(entry, "left_out", json_integer((json_int_t)left_out));
	return entry;
}

static int entry_add(struct vtap_change *c, json_t *entry)
{
	int r = entry_put(c, entry);

	json_decref(entry);
	return r;
}

int vtap_audit_add(struct vtap_change *c, const struct vtap_call *call, int r)
{
	json_t *entry;

	if (r < 0) {
		entry = refusal_of(call->controller->audit, vtap_change_time_s(c), call, r);
		return entry ? entry_add(c, entry) : 0;
	}
	entry = entry_of(vtap_change_time_s(c), call, c);
	if (!entry)
		return -ENOMEM;
	outcome_set(entry, call, r);
	(void)json_object_set_new(entry, "changes", changes_of(c));
	return entry_add(c, entry);
}

int vtap_audit_add_own(struct vtap_change *c, const char *action, const char *resource, const json_t *detail)
{
	char text[VTAP_TIME_STRLEN];
	json_t *entry =
	    json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:O?, s:o}", "time", vtap_time_format(vtap_change_time_s(c), text),
		      "action", action, "outcome", "done", "project", project_of(first_of(c)), "resource", resource,
		      "detail", (json_t *)detail, "changes", changes_of(c));

	return entry ? entry_add(c, entry) : -ENOMEM;
}

struct queued { /* an entry that is a write by itself */
	struct vtap_write write;
	json_t *entry; /* owned */
};

static int queued_run(struct vtap_change *c, void *userdata)
{
	const struct queued *q = userdata;

	return entry_put(c, q->entry);
}

static void queued_done(int r, void *userdata)
{
	struct queued *q = userdata;
	const json_t *left_out = json_object_get(q->entry, "left_out");

	if (r < 0 && left_out)
		vtap_log_err(r, "%" JSON_INTEGER_FORMAT " refusals are missing in the audit log: %s",
			     json_integer_value(left_out), strerror(-r));
	json_decref(q->entry);
	free(q);
}

/* Takes the entry; NULL = nothing. */
static void queue(struct vtap_audit *a, json_t *entry)
{
	struct queued *q = entry ? calloc(1, sizeof(*q)) : NULL;

	if (!q) {
		json_decref(entry);
		return;
	}
	q->entry = entry;
	q->write = (struct vtap_write){.run = queued_run, .done = queued_done, .userdata = q};
	vtap_write_queue(a->controller, &q->write);
}

void vtap_audit_refused(struct vtap_audit *a, const struct vtap_call *call)
{
	queue(a, refusal_of(a, time(NULL), call, -EACCES));
}

void vtap_audit_acted(struct vtap_audit *a, const struct vtap_call *call)
{
	json_t *entry = entry_of(time(NULL), call, NULL);

	if (entry)
		outcome_set(entry, call, 0);
	queue(a, entry);
}

static void tell_left_out(const struct vtap_refused *who, uint64_t left_out, void *userdata)
{
	struct vtap_audit *a = userdata;
	char text[VTAP_TIME_STRLEN], reason[64];
	json_t *entry;

	snprintf(reason, sizeof(reason), "%" PRIu64 " more refusals were not written down", left_out);
	entry = json_pack("{s:s, s:s, s:s, s:s?, s:s, s:s, s:I}", "time", vtap_time_format(time(NULL), text), "from",
			  who->from, "action", "refusals", "project", *who->project ? who->project : NULL, "outcome",
			  "refused", "reason", reason, "left_out", (json_int_t)left_out);
	if (!entry)
		return;
	user_set(entry, a->controller, who->user);
	if (*who->host)
		(void)json_object_set_new(entry, "host", json_string(who->host));
	queue(a, entry);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct vtap_audit *a = userdata;

	vtap_refusals_tell(a->refusals, loop_usec(a), false, tell_left_out, a);
	if (vtap_refusals_left_out(a->refusals) > 0)
		look_later(a);
	return 0;
}

static int nothing(struct vtap_change *c, void *userdata)
{
	return 0;
}

void vtap_audit_end(struct vtap_audit *a)
{
	struct vtap_write last = {.run = nothing};

	vtap_refusals_tell(a->refusals, loop_usec(a), true, tell_left_out, a);
	(void)vtap_write_now(a->controller, &last);
}
