/* SPDX-License-Identifier: Apache-2.0 */

/* /agent/v1: what agents ask, see docs/agent-protocol.md. */

#include <errno.h>
#include <string.h>

#include "controller/api.h"
#include "controller/api_chunks.h"
#include "controller/capture.h"
#include "controller/controller.h"
#include "controller/feed_credential.h"
#include "controller/feed_private.h"
#include "controller/rules.h"
#include "crypto/pki.h"

#define PROBLEM_JOIN "vtap:join-refused"
#define ANSWER_MAX_BYTES (64U << 10)
#define JOIN_MAX_BYTES (16U << 10)

static int get_authority(struct vtap_call *call, struct vtap_change *change)
{
	const struct vtap_controller *c = call->controller;

	if (!vtap_api_uses_tls(c->api))
		return vtap_call_fail(call, -ENOENT, NULL, "this controller speaks plain HTTP");
	call->text = strdup(c->authority.certificate);
	if (!call->text)
		return -ENOMEM;
	call->text_bytes = strlen(call->text);
	call->content_type = "application/x-pem-file";
	return 0;
}

static int refuse_join(struct vtap_call *call)
{
	call->problem_type = PROBLEM_JOIN;
	return vtap_call_fail(call, -EPERM, NULL,
			      "the join token is not known, was used, has expired, or is not of this controller");
}

static int join_plain(struct vtap_call *call, struct vtap_change *change, const char *host)
{
	_cleanup_free_ char *token = NULL;
	int r;

	r = vtap_credential_issue_token(change, host, &token);
	if (r < 0)
		return r;
	call->answer = json_pack("{s:s, s:s}", "host", host, "token", token);
	return call->answer ? 0 : -ENOMEM;
}

static int sign(struct vtap_call *call, struct vtap_change *change, const char *host, const char *in_use,
		char **ret_certificate)
{
	const char *request = json_string_value(json_object_get(call->body, "request"));
	int r;

	r = request ? vtap_credential_issue_certificate(change, host, request, in_use, ret_certificate) : -EINVAL;
	if (r == -EINVAL)
		return vtap_call_fail(call, r, "request", "must be a PKCS#10 certificate request in PEM");
	return r;
}

static int join_tls(struct vtap_call *call, struct vtap_change *change, const char *host)
{
	_cleanup_free_ char *certificate = NULL;
	int r;

	r = sign(call, change, host, NULL, &certificate);
	if (r < 0)
		return r;
	call->answer = json_pack("{s:s, s:s, s:s}", "host", host, "certificate", certificate, "authority",
				 call->controller->authority.certificate);
	return call->answer ? 0 : -ENOMEM;
}

/* What the host had before is revoked: there is one agent for each. */
static int post_join(struct vtap_call *call, struct vtap_change *change)
{
	const char *token = json_string_value(json_object_get(call->body, "token"));
	char host[VTAP_ID_STRLEN];
	int r;

	if (!token)
		return vtap_call_fail(call, -EINVAL, "token", "must be a join token");
	r = vtap_join_take(change, token, host);
	if (r == -EACCES)
		return refuse_join(call);
	if (r < 0)
		return r;
	snprintf(call->principal.host, sizeof(call->principal.host), "%s", host);
	r = vtap_feed_join(change, host);
	if (r == -ENOENT)
		return refuse_join(call);
	if (r >= 0)
		r = vtap_api_uses_tls(call->controller->api) ? join_tls(call, change, host)
							     : join_plain(call, change, host);
	if (r >= 0)
		call->status = 201;
	return r;
}

static int post_renew(struct vtap_call *call, struct vtap_change *change)
{
	_cleanup_free_ char *certificate = NULL;
	int r;

	if (!vtap_api_uses_tls(call->controller->api))
		return vtap_call_fail(call, -ENOENT, NULL, "this controller speaks plain HTTP: tokens do not expire");
	r = sign(call, change, call->principal.host, call->principal.serial, &certificate);
	if (r < 0)
		return r;
	call->answer = json_pack("{s:s}", "certificate", certificate);
	return call->answer ? 0 : -ENOMEM;
}

static int get_chunk(struct vtap_call *call, struct vtap_change *change)
{
	const char *hash = call->request->parameters[0], *text;
	size_t text_bytes;

	text = vtap_rules_chunk_text(call->controller->rules, hash, &text_bytes);
	if (!text)
		return vtap_call_fail(call, -ENOENT, NULL, "no filter lists this chunk any more: fetch the plan again");
	call->text = malloc(text_bytes + 1);
	if (!call->text)
		return -ENOMEM;
	memcpy(call->text, text, text_bytes);
	call->text_bytes = text_bytes;
	call->content_type = "application/json";
	snprintf(call->etag, sizeof(call->etag), "\"%s\"", hash);
	return 0;
}

static int post_report(struct vtap_call *call, struct vtap_change *change)
{
	struct vtap_report_wants wants = {};
	struct vtap_error e = {};
	json_t *list;
	int r;

	if (!call->body)
		return vtap_call_fail(call, -EINVAL, NULL, "the body must be a report");
	r = vtap_feed_note_report(call);
	if (r < 0)
		return r;
	r = vtap_reports_take(call->controller->reports, call->principal.host, call->body, &wants, &e);
	if (r < 0)
		return vtap_call_fail_error(call, &e);
	if (!wants.devices && !wants.history)
		return 0;
	list = json_array();
	if ((wants.devices && json_array_append_new(list, json_string("devices")) < 0) ||
	    (wants.history && json_array_append_new(list, json_string("history")) < 0)) {
		json_decref(list);
		return -ENOMEM;
	}
	call->answer = json_pack("{s:o}", "want", list);
	return call->answer ? 0 : -ENOMEM;
}

static int post_answer(struct vtap_call *call, struct vtap_change *change)
{
	if (!call->body)
		return vtap_call_fail(call, -EINVAL, NULL, "the body must be an answer");
	if (vtap_feed_request_answer(call->controller->feed, call->principal.host, call->request->parameters[0],
				     call->body) < 0)
		return vtap_call_fail(call, -ENOENT, NULL, "nobody waits for this answer any more");
	return 0;
}

const struct vtap_api_route vtap_api_routes_agents[] = {
    {"GET", "/agent/v1/authority", get_authority, VTAP_ROLE_NONE, VTAP_ROUTE_OPEN, NULL, 0},
    {"POST", "/agent/v1/join", post_join, VTAP_ROLE_NONE, VTAP_ROUTE_OPEN | VTAP_ROUTE_WRITE | VTAP_ROUTE_ONCE, NULL,
     JOIN_MAX_BYTES},
    {"POST", "/agent/v1/renew", post_renew, VTAP_ROLE_NONE, VTAP_ROUTE_AGENT | VTAP_ROUTE_WRITE | VTAP_ROUTE_ONCE, NULL,
     JOIN_MAX_BYTES},
    {"GET", "/agent/v1/plan", vtap_feed_get_plan, VTAP_ROLE_NONE, VTAP_ROUTE_AGENT, NULL, 0},
    {"GET", "/agent/v1/chunks", vtap_chunks_get, VTAP_ROLE_NONE, VTAP_ROUTE_AGENT, NULL, 0},
    {"GET", "/agent/v1/chunks/{hash}", get_chunk, VTAP_ROLE_NONE, VTAP_ROUTE_AGENT, NULL, 0},
    {"POST", "/agent/v1/report", post_report, VTAP_ROLE_NONE, VTAP_ROUTE_AGENT, NULL, VTAP_REPORT_MAX_BYTES},
    {"POST", "/agent/v1/answer/{id}", post_answer, VTAP_ROLE_NONE, VTAP_ROUTE_AGENT, NULL, ANSWER_MAX_BYTES},
    {"POST", "/agent/v1/capture/{id}", vtap_capture_upload, VTAP_ROLE_NONE, VTAP_ROUTE_AGENT | VTAP_ROUTE_RAW, NULL,
     VTAP_CAPTURE_UPLOAD_MAX_BYTES},
    {},
};
