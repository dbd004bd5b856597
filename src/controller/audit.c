/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/audit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "basic/log.h"
#include "controller/change_private.h"
#include "model/value.h"

#define MEMBERS_HIDDEN "chunks"

struct vtap_audit {
	struct vtap_controller *controller; /* borrowed */
	uint64_t last_us; /* of the last entry */
	uint64_t refusals_second; /* in which refusals_count have been written */
	unsigned refusals_count;
	uint64_t refusals_left_out; /* since the last one that was written */
};

static uint64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000U + (uint64_t)t.tv_nsec / 1000U;
}

int vtap_audit_new(struct vtap_controller *c, struct vtap_audit **ret_audit)
{
	struct vtap_audit *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->controller = c;
	*ret_audit = a;
	return 0;
}

struct vtap_audit *vtap_audit_free(struct vtap_audit *a)
{
	free(a);
	return NULL;
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

static json_t *entry_of(int64_t time_s, const struct vtap_call *call)
{
	char text[VTAP_TIME_STRLEN];
	const struct vtap_principal *p = &call->principal;
	const struct vtap_object *user = vtap_objects_get(call->controller->objects, p->user);
	const struct vtap_http_request *request = call->request;
	json_t *entry;

	entry = json_pack("{s:s, s:s, s:s, s:s, s:s}", "time", vtap_time_format(time_s, text), "from", call->peer,
			  "method", call->route->method, "path", request ? request->path : call->route->path, "project",
			  call->project);
	if (!entry)
		return NULL;
	if (*p->user)
		(void)json_object_set_new(entry, "user", json_string(p->user));
	if (user && user->name)
		(void)json_object_set_new(entry, "user_name", json_string(user->name));
	if (*p->key)
		(void)json_object_set_new(entry, "key", json_string(p->key));
	if (*p->host)
		(void)json_object_set_new(entry, "host", json_string(p->host));
	return entry;
}

static void outcome_set(json_t *entry, const struct vtap_call *call, int r)
{
	const json_t *detail = json_object_get(call->answer, "detail");
	unsigned status = call->status;

	if (r < 0 && status < 400)
		status = 500;
	(void)json_object_set_new(entry, "outcome", json_string(r < 0 ? "refused" : "done"));
	if (status > 0)
		(void)json_object_set_new(entry, "status", json_integer((json_int_t)status));
	if (r < 0 && detail)
		(void)json_object_set(entry, "reason", (json_t *)detail);
	if (call->audit)
		(void)json_object_set(entry, "detail", call->audit);
}

/* What anybody can cause without credentials fills neither the disk nor the loop's time. */
static bool refusal_is_due(struct vtap_audit *a, const struct vtap_call *call)
{
	uint64_t second = now_us() / 1000000U;

	if (*call->principal.user || *call->principal.host)
		return true;
	if (second != a->refusals_second) {
		a->refusals_second = second;
		a->refusals_count = 0;
	}
	if (a->refusals_count == VTAP_AUDIT_REFUSALS_PER_SECOND) {
		a->refusals_left_out++;
		return false;
	}
	a->refusals_count++;
	return true;
}

static void left_out_set(struct vtap_audit *a, json_t *entry, const struct vtap_call *call)
{
	if (*call->principal.user || *call->principal.host || a->refusals_left_out == 0)
		return;
	(void)json_object_set_new(entry, "left_out", json_integer((json_int_t)a->refusals_left_out));
	a->refusals_left_out = 0;
}

int vtap_audit_add(struct vtap_change *c, const struct vtap_call *call, int r)
{
	struct vtap_audit *a = call->controller->audit;
	json_t *entry;
	int k;

	if (r < 0 && !refusal_is_due(a, call))
		return 0;
	entry = entry_of(vtap_change_time_s(c), call);
	if (!entry)
		return -ENOMEM;
	outcome_set(entry, call, r);
	if (r < 0)
		left_out_set(a, entry, call);
	if (r >= 0)
		(void)json_object_set_new(entry, "changes", changes_of(c));
	k = entry_put(c, entry);
	json_decref(entry);
	return k;
}

int vtap_audit_add_own(struct vtap_change *c, const char *action, const char *resource, const json_t *detail)
{
	char text[VTAP_TIME_STRLEN];
	json_t *entry = json_pack("{s:s, s:s, s:s, s:s?, s:O?, s:o}", "time",
				  vtap_time_format(vtap_change_time_s(c), text), "action", action, "outcome", "done",
				  "resource", resource, "detail", (json_t *)detail, "changes", changes_of(c));
	int r;

	if (!entry)
		return -ENOMEM;
	r = entry_put(c, entry);
	json_decref(entry);
	return r;
}

struct refusal {
	struct vtap_write write;
	json_t *entry; /* owned */
};

static int refusal_run(struct vtap_change *c, void *userdata)
{
	const struct refusal *refusal = userdata;

	return entry_put(c, refusal->entry);
}

static void refusal_done(int r, void *userdata)
{
	struct refusal *refusal = userdata;

	json_decref(refusal->entry);
	free(refusal);
}

void vtap_audit_refused(struct vtap_audit *a, const struct vtap_call *call)
{
	struct refusal *refusal;

	if (!refusal_is_due(a, call))
		return;
	refusal = calloc(1, sizeof(*refusal));
	if (!refusal)
		return;
	refusal->entry = entry_of(time(NULL), call);
	if (!refusal->entry) {
		free(refusal);
		return;
	}
	outcome_set(refusal->entry, call, -EACCES);
	left_out_set(a, refusal->entry, call);
	refusal->write = (struct vtap_write){.run = refusal_run, .done = refusal_done, .userdata = refusal};
	vtap_write_queue(a->controller, &refusal->write);
}
