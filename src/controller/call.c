/* SPDX-License-Identifier: Apache-2.0 */

/* A call's end: its answer as the client sees it, now or later, as a body or as a stream. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "basic/log.h"
#include "controller/audit.h"
#include "controller/call_private.h"

static const char *const headers_unauthorized[] = {"WWW-Authenticate: Basic realm=\"vtap\", charset=\"UTF-8\"", NULL};
static const char *const headers_dry_run[] = {"X-Vtap-Dry-Run: true", NULL};
static const char *const headers_repeated[] = {"X-Vtap-Repeated: true", NULL};

struct vtap_api_call *vtap_api_call_of(struct vtap_call *call)
{
	return (struct vtap_api_call *)call;
}

struct vtap_api_call *vtap_api_call_free(struct vtap_api_call *c)
{
	if (!c)
		return NULL;
	json_decref(c->call.body);
	json_decref(c->call.answer);
	json_decref(c->call.audit);
	free(c->call.text);
	vtap_secret_wipe(c->call.secret);
	free(c->call.secret);
	vtap_secret_wipe(c->call.verified);
	free(c->call.verified);
	free(c);
	return NULL;
}

/* Every refusal has a problem; that of a handler which set none says what the code says. */
static void complete(struct vtap_api_call *c, int r)
{
	struct vtap_call *call = &c->call;

	if (r >= 0 || call->status >= 400)
		return;
	if (vtap_problem_status(r) == 500)
		vtap_log_err(r, "%s %s: %s", call->route->method, call->route->path, strerror(-r));
	(void)vtap_call_fail(call, r, NULL, "%s", vtap_problem_sentence(r));
}

/*
 * Whoever was refused for who they are, and whatever would have changed something or acted; not what agents report, nor what
 * was only tried, nor what the controller failed in.
 */
static bool is_refusal(const struct vtap_api_call *c)
{
	const struct vtap_api_route *route = c->call.route;
	bool reads = strcmp(route->method, "GET") == 0 || (route->flags & VTAP_ROUTE_AGENT);
	bool acts = !reads || (route->flags & (VTAP_ROUTE_WRITE | VTAP_ROUTE_ACTS));
	unsigned status = c->call.status;

	if (status < 400 || status >= 500 || c->call.dry_run)
		return false;
	return status == 401 || status == 403 || acts;
}

static int body_make(struct vtap_call *call, struct vtap_http_response *ret_response)
{
	if (call->text) {
		ret_response->content_type = call->content_type;
		ret_response->body = VTAP_STEAL(call->text);
		ret_response->body_bytes = call->text_bytes;
		return 0;
	}
	if (!call->answer)
		return 0;
	ret_response->content_type = call->status >= 400 ? "application/problem+json" : "application/json";
	ret_response->body = json_dumps(call->answer, JSON_COMPACT);
	if (!ret_response->body)
		return -ENOMEM;
	ret_response->body_bytes = strlen(ret_response->body);
	return 0;
}

void vtap_api_call_respond(struct vtap_api_call *c, int r, struct vtap_http_response *ret_response)
{
	struct vtap_call *call = &c->call;
	struct vtap_http_response response = {};

	complete(c, r);
	if (!c->audited && is_refusal(c))
		vtap_audit_refused(call->controller->audit, call);
	if (call->status == 0)
		call->status = call->answer || call->text ? 200 : 204;
	response.status = call->status;
	if (body_make(call, &response) < 0)
		response.status = 500;
	memcpy(response.etag, call->etag, sizeof(response.etag));
	memcpy(response.location, call->location, sizeof(response.location));
	response.retry_after_s = call->retry_after_s;
	if (response.status == 401)
		response.headers = headers_unauthorized;
	else if (call->dry_run)
		response.headers = headers_dry_run;
	else if (c->repeated)
		response.headers = headers_repeated;
	vtap_api_count(c->api, response.status, c->begun_ns);
	*ret_response = response;
}

void vtap_call_finish(struct vtap_call *call, int r)
{
	struct vtap_api_call *c = vtap_api_call_of(call);
	struct vtap_http_response response;

	vtap_api_call_respond(c, r, &response);
	if (c->exchange)
		vtap_http_answer(VTAP_STEAL(c->exchange), &response);
	else
		free(response.body);
	vtap_api_call_free(c);
}

int vtap_call_finish_stream(struct vtap_call *call, const char *content_type, void (*gone)(void *userdata),
			    void *userdata, struct vtap_http_stream **ret_stream)
{
	struct vtap_api_call *c = vtap_api_call_of(call);
	int r = -EPIPE;

	if (c->exchange)
		r = vtap_http_stream_begin(c->exchange, 200, content_type, ret_stream);
	if (r < 0) {
		if (!c->inside)
			vtap_call_finish(call, r);
		return r;
	}
	vtap_http_on_gone(c->exchange, gone, userdata);
	vtap_api_count(c->api, 200, c->begun_ns);
	c->exchange = NULL;
	c->streams = true;
	if (!c->inside)
		vtap_api_call_free(c);
	return 0;
}

int vtap_call_answer_object(struct vtap_call *call, const struct vtap_object *object, unsigned status)
{
	call->answer = vtap_call_view(call, object);
	if (!call->answer)
		return -ENOMEM;
	call->status = status;
	snprintf(call->etag, sizeof(call->etag), "\"%" PRIu64 "\"", object->version);
	if (status == 201)
		snprintf(call->location, sizeof(call->location), "/v1/%s/%s", object->kind->plural, object->id);
	return 0;
}

/* One entity tag of a list; a weak one never matches. */
static bool tag_matches(const char *tag, size_t length, uint64_t version)
{
	char wanted[32];

	snprintf(wanted, sizeof(wanted), "\"%" PRIu64 "\"", version);
	return (length == 1 && *tag == '*') || (length == strlen(wanted) && memcmp(tag, wanted, length) == 0);
}

int vtap_call_check_version(struct vtap_call *call, uint64_t version)
{
	const char *tags = vtap_http_header(call->request, "If-Match");

	if (!tags)
		return 0;
	while (*tags) {
		size_t length = strcspn(tags, ", \t");

		if (tag_matches(tags, length, version))
			return 0;
		tags += length;
		tags += strspn(tags, ", \t");
	}
	return vtap_call_fail(call, -ESTALE, NULL,
			      "it has been changed since: its version is %" PRIu64 "; read it again", version);
}
