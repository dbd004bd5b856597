/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/events.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "controller/access.h"
#include "controller/call_private.h"

struct subscriber {
	struct subscriber *next;
	struct vtap_events *events; /* borrowed */
	struct vtap_call who; /* principal, project and route of the call that began it; nothing else */
	struct vtap_http_stream *stream; /* owned */
	bool gone; /* to be freed when nobody walks over the list */
};

struct vtap_events {
	struct vtap_controller *controller; /* borrowed */
	sd_event_source *timer; /* owned */
	struct subscriber *first; /* owned */
	size_t count;
	bool credentials_changed; /* by the batch that is being told of */
	uint64_t tokens_ended; /* when all subscribers were looked at last */
};

static void subscriber_end(struct subscriber *s)
{
	if (s->gone)
		return;
	s->gone = true;
	s->events->count--;
	vtap_http_stream_end(s->stream);
}

static void on_gone(void *userdata)
{
	subscriber_end(userdata);
}

static void sweep(struct vtap_events *e)
{
	struct subscriber **at = &e->first;

	while (*at) {
		struct subscriber *s = *at;

		if (!s->gone) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		free(s);
	}
}

/* Who reads too slowly is ended, and has to list again: events that are missing would not be noticed. */
static void send_to(struct subscriber *s, const char *text, size_t size_bytes)
{
	if (!s->gone && vtap_http_stream_write(s->stream, text, size_bytes) < 0)
		subscriber_end(s);
}

/* What tells whether somebody may see a resource that may be deleted already. */
static bool may_see(const struct subscriber *s, const struct vtap_kind *kind, const json_t *resource)
{
	const struct vtap_object object = {
	    .kind = kind,
	    .value = (json_t *)resource,
	    .id = json_string_value(json_object_get(resource, "id")),
	    .project = json_string_value(json_object_get(resource, "project")),
	};

	if (*s->who.project && object.project && strcmp(object.project, s->who.project) != 0)
		return false;
	return vtap_call_may_see(&s->who, &object);
}

/* The caller's; NULL: no memory. hide: as the call sees the resource in it, if there is one. */
static char *text_of_event(const char *event, uint64_t revision, const struct vtap_kind *kind, const json_t *data,
			   const struct vtap_call *hide)
{
	json_auto_t *copy = hide ? json_deep_copy(data) : NULL;
	char *body, *text = NULL;

	if (copy)
		vtap_call_hide(hide, kind, json_object_get(copy, "resource"));
	body = hide && !copy ? NULL : json_dumps(copy ? copy : data, JSON_COMPACT);
	if (body && asprintf(&text, "event: %s\nid: %" PRIu64 "\ndata: %s\n\n", event, revision, body) < 0)
		text = NULL;
	free(body);
	return text;
}

static void send_all(struct vtap_events *e, const char *event, uint64_t revision, const struct vtap_kind *kind,
		     const json_t *resource, const json_t *data)
{
	char *texts[2] = {}; /* whole, and for those who are not shown all of it */

	for (struct subscriber *s = e->first; s; s = s->next) {
		bool hides;

		if (s->gone || !may_see(s, kind, resource))
			continue;
		hides = vtap_call_hides_some(&s->who, kind);
		if (!texts[hides])
			texts[hides] = text_of_event(event, revision, kind, data, hides ? &s->who : NULL);
		if (texts[hides])
			send_to(s, texts[hides], strlen(texts[hides]));
	}
	free(texts[0]);
	free(texts[1]);
}

static void on_change(const struct vtap_changed *changed, void *userdata)
{
	struct vtap_events *e = userdata;
	const json_t *resource = changed->after ? changed->after : changed->before;
	const char *event = !changed->before ? "created" : changed->after ? "updated" : "deleted";
	json_t *data;

	if (!e->first)
		return;
	e->credentials_changed |= vtap_kind_is_among(changed->kind, "user key");
	data = json_pack("{s:s, s:s, s:O?, s:O?, s:O?}", "kind", changed->kind->name, "id", changed->id, "version",
			 json_object_get(resource, "version"), "project", json_object_get(resource, "project"),
			 "resource", changed->after);
	if (data)
		send_all(e, event, changed->revision, changed->kind, resource, data);
	json_decref(data);
}

static void end_those_without_credentials(struct vtap_events *e)
{
	e->credentials_changed = false;
	e->tokens_ended = vtap_access_tokens_ended(e->controller->access);
	for (struct subscriber *s = e->first; s; s = s->next)
		if (!s->gone && !vtap_access_still_valid(e->controller->access, &s->who.principal))
			subscriber_end(s);
	sweep(e);
}

/* What was committed has seldom to do with credentials. */
static void on_settled(void *userdata)
{
	struct vtap_events *e = userdata;

	if (e->credentials_changed || e->tokens_ended != vtap_access_tokens_ended(e->controller->access))
		end_those_without_credentials(e);
}

void vtap_events_tell(struct vtap_events *e, const struct vtap_object *object, const char *event, const json_t *data)
{
	json_t *whole;

	if (!e->first)
		return;
	whole = json_pack("{s:s, s:s, s:s?, s:s?, s:I}", "kind", object->kind->name, "id", object->id, "name",
			  object->name, "project", object->project, "version", (json_int_t)object->version);
	if (whole && json_object_update_missing(whole, (json_t *)data) >= 0)
		send_all(e, event, object->revision, object->kind, object->value, whole);
	json_decref(whole);
}

size_t vtap_events_subscribers(const struct vtap_events *e)
{
	return e->count;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	static const char heartbeat[] = ": still here\n\n";
	struct vtap_events *e = userdata;
	int r;

	end_those_without_credentials(e); /* some expire */
	for (struct subscriber *s = e->first; s; s = s->next)
		send_to(s, heartbeat, strlen(heartbeat));
	sweep(e);
	r = sd_event_source_set_time_relative(source, VTAP_EVENTS_HEARTBEAT_S * 1000000ULL);
	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int vtap_events_new(struct vtap_controller *c, struct vtap_events **ret_events)
{
	VTAP_CLEANUP(vtap_events_freep) struct vtap_events *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	e->controller = c;
	r = sd_event_add_time_relative(c->event, &e->timer, CLOCK_MONOTONIC, VTAP_EVENTS_HEARTBEAT_S * 1000000ULL,
				       100000, on_timer, e);
	if (r >= 0)
		r = vtap_change_observe(c, on_change, on_settled, e);
	if (r < 0)
		return r;
	*ret_events = VTAP_STEAL(e);
	return 0;
}

struct vtap_events *vtap_events_free(struct vtap_events *e)
{
	if (!e)
		return NULL;
	for (struct subscriber *s = e->first; s; s = s->next)
		subscriber_end(s);
	sweep(e);
	sd_event_source_disable_unref(e->timer);
	free(e);
	return NULL;
}

/* The first event says from which revision on the others are: who lists after it misses nothing. */
static int greet(struct subscriber *s)
{
	const struct vtap_store *store = s->events->controller->store;
	char text[256];
	int n;

	n = snprintf(text, sizeof(text),
		     "event: ready\nid: %" PRIu64 "\ndata: {\"epoch\":\"%s\",\"revision\":%" PRIu64 "}\n\n",
		     vtap_store_revision(store), vtap_store_epoch(store), vtap_store_revision(store));
	return vtap_http_stream_write(s->stream, text, (size_t)n);
}

static size_t count_of(const struct vtap_events *e, const char *user)
{
	size_t count = 0;

	for (const struct subscriber *s = e->first; s; s = s->next)
		count += !s->gone && strcmp(s->who.principal.user, user) == 0;
	return count;
}

static int subscribe(struct vtap_call *call, struct vtap_change *change)
{
	struct vtap_events *e = call->controller->events;
	struct subscriber *s;
	int r;

	if (!vtap_call_has_role(call))
		return vtap_call_fail(call, -EACCES, NULL, "this needs a role in a project");
	sweep(e);
	if (count_of(e, call->principal.user) >= VTAP_EVENTS_OF_USER_MAX)
		return vtap_call_fail(call, -EUSERS, NULL,
				      "you listen %d times already: end one of those, or try again later",
				      VTAP_EVENTS_OF_USER_MAX);
	if (e->count >= VTAP_EVENTS_SUBSCRIBERS_MAX)
		return vtap_call_fail(call, -EAGAIN, NULL, "%d clients listen already: try again later",
				      VTAP_EVENTS_SUBSCRIBERS_MAX);
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->events = e;
	s->who.controller = call->controller;
	s->who.route = call->route;
	s->who.principal = call->principal;
	if (vtap_http_query(call->request, "project") || vtap_http_header(call->request, "X-Vtap-Project"))
		memcpy(s->who.project, call->project, sizeof(s->who.project));
	r = vtap_call_finish_stream(call, "text/event-stream", on_gone, s, &s->stream);
	if (r < 0) {
		free(s);
		return r;
	}
	s->next = e->first;
	e->first = s;
	e->count++;
	(void)greet(s);
	return VTAP_HTTP_LATER;
}

const struct vtap_api_route vtap_api_routes_events[] = {
    {"GET", "/v1/events", subscribe, VTAP_ROLE_NONE, VTAP_ROUTE_STREAM, NULL, 0},
    {},
};
