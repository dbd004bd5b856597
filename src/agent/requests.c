// SPDX-License-Identifier: Apache-2.0

#include "agent/requests.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/problem.h"
#include "basic/log.h"

struct vtap_agent_requests {
	struct vtap_probe *probes[VTAP_REQUESTS_AT_A_TIME]; /* owned; NULL = free */
	struct vtap_tap *taps[VTAP_REQUESTS_AT_A_TIME]; /* likewise */
};

int vtap_agent_requests_new(struct vtap_agent_feed *f, struct vtap_agent_requests **ret_requests)
{
	struct vtap_agent_requests *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	*ret_requests = q;
	return 0;
}

struct vtap_agent_requests *vtap_agent_requests_free(struct vtap_agent_requests *q)
{
	for (size_t i = 0; q && i < VTAP_REQUESTS_AT_A_TIME; i++) {
		vtap_probe_free(q->probes[i]);
		vtap_tap_free(q->taps[i]);
	}
	free(q);
	return NULL;
}

/* What has ended since makes room. */
static void sweep(struct vtap_agent_requests *q)
{
	for (size_t i = 0; i < VTAP_REQUESTS_AT_A_TIME; i++) {
		if (q->probes[i] && vtap_probe_is_over(q->probes[i]))
			q->probes[i] = vtap_probe_free(q->probes[i]);
		if (q->taps[i] && vtap_tap_is_over(q->taps[i]))
			q->taps[i] = vtap_tap_free(q->taps[i]);
	}
}

bool vtap_agent_requests_busy(const struct vtap_agent_feed *f)
{
	bool busy = false;

	sweep(f->requests);
	for (size_t i = 0; i < VTAP_REQUESTS_AT_A_TIME; i++)
		busy = busy || f->requests->probes[i] || f->requests->taps[i];
	return busy;
}

void vtap_agent_requests_check(struct vtap_agent_feed *f)
{
	for (size_t i = 0; i < VTAP_REQUESTS_AT_A_TIME; i++) {
		if (f->requests->taps[i])
			vtap_tap_check(f->requests->taps[i]);
	}
}

static void on_answered(struct vtap_client_answer *answer, void *userdata)
{
	(void)vtap_agent_feed_done(userdata, answer);
	vtap_client_answer_done(answer);
}

void vtap_agent_request_answer(struct vtap_agent_feed *f, const char *id, json_t *answer)
{
	char path[32 + VTAP_REQUEST_ID_STRLEN];

	snprintf(path, sizeof(path), "/agent/v1/answer/%s", id);
	(void)vtap_agent_feed_post(f, path, answer, on_answered, f, NULL);
}

void vtap_agent_request_fail(struct vtap_agent_feed *f, const char *id, const char *format, ...)
{
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	vtap_agent_request_answer(f, id, json_pack("{s:s}", "failed", text));
}

int vtap_agent_request_session(struct vtap_agent_feed *f, const char *id, const json_t *request, size_t *ret_index)
{
	const char *name = json_string_value(json_object_get(request, "session"));
	const struct vtap_host_plan *p = f->agent->plan;

	for (size_t i = 0; name && p && i < p->session_count; i++) {
		const struct vtap_plan_session *s = &p->sessions[i];

		if (strcmp(s->id, name) != 0)
			continue;
		if (s->refused) {
			vtap_agent_request_fail(f, id, "the session cannot be used here: %s", s->reason);
			return -ENOENT;
		}
		*ret_index = s->index;
		return 0;
	}
	vtap_agent_request_fail(f, id, "the session is not in this host's plan");
	return -ENOENT;
}

static void take_probe(struct vtap_agent_feed *f, const char *id, const json_t *request)
{
	for (size_t i = 0; i < VTAP_REQUESTS_AT_A_TIME; i++) {
		if (!f->requests->probes[i]) {
			vtap_probe_start(f, id, request, &f->requests->probes[i]);
			return;
		}
	}
	vtap_agent_request_fail(f, id, "%d probes are under way: ask again later", VTAP_REQUESTS_AT_A_TIME);
}

static void take_capture(struct vtap_agent_feed *f, const char *id, const json_t *request)
{
	for (size_t i = 0; i < VTAP_REQUESTS_AT_A_TIME; i++) {
		if (!f->requests->taps[i]) {
			vtap_tap_start(f, id, request, &f->requests->taps[i]);
			return;
		}
	}
	vtap_agent_request_fail(f, id, "%d captures are under way: ask again later", VTAP_REQUESTS_AT_A_TIME);
}

static void take_cancel(struct vtap_agent_feed *f, const char *id, const json_t *request)
{
	const char *ended = json_string_value(json_object_get(request, "request"));

	for (size_t i = 0; ended && i < VTAP_REQUESTS_AT_A_TIME; i++) {
		if (f->requests->taps[i] && !strcmp(vtap_tap_id(f->requests->taps[i]), ended))
			f->requests->taps[i] = vtap_tap_free(f->requests->taps[i]);
	}
}

static void take(struct vtap_agent_feed *f, const json_t *request)
{
	static const struct {
		const char *type;
		void (*take)(struct vtap_agent_feed *f, const char *id, const json_t *request);
	} types[] = {{"probe", take_probe}, {"capture", take_capture}, {"cancel", take_cancel}};
	const char *type = json_string_value(json_object_get(request, "type"));
	const char *id = json_string_value(json_object_get(request, "id"));

	/* It becomes part of a path. */
	if (!type || !id || strlen(id) >= VTAP_REQUEST_ID_STRLEN ||
	    id[strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-")] != '\0')
		return;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(types); i++) {
		if (!strcmp(types[i].type, type)) {
			types[i].take(f, id, request);
			return;
		}
	}
	vtap_agent_request_fail(f, id, "this agent does not know requests of type %.40s", type);
}

void vtap_agent_requests_take(struct vtap_agent_feed *f, const json_t *requests)
{
	uint64_t taken = f->request_taken;
	const json_t *request;
	size_t i;

	sweep(f->requests);
	json_array_foreach((json_t *)requests, i, request)
	{
		json_int_t number = json_integer_value(json_object_get(request, "number"));

		if (number <= 0 || (uint64_t)number <= taken)
			continue;
		f->request_taken = VTAP_MAX(f->request_taken, (uint64_t)number);
		take(f, request);
	}
}
