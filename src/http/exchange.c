/* SPDX-License-Identifier: Apache-2.0 */

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http/private.h"

/*
 * A request that is refused is read to its end, up to this size: closing a connection with something unread in it would
 * make the client's kernel throw away the answer that says why. Memory it gets none.
 */
#define DISCARD_MAX_BYTES (4U << 20)

static const char nothing_here[] = "there is nothing at this path";
static const char too_much[] = "too many large requests at a time; try again";

static struct vtap_http_server *server_of(const struct vtap_http_exchange *e)
{
	return e->connection->server;
}

static const char *header(const struct vtap_http_exchange *e, const char *name)
{
	return e->connection ? MHD_lookup_connection_value(e->connection->mhd, MHD_HEADER_KIND, name) : NULL;
}

static struct vtap_http_exchange *exchange_free(struct vtap_http_exchange *e)
{
	if (!e)
		return NULL;
	vtap_http_target_done(&e->target);
	vtap_http_stream_free(e->stream);
	free(e->response.body);
	free(e->body);
	free(e);
	return NULL;
}
VTAP_DEFINE_CLEANUP(struct vtap_http_exchange *, exchange_free);

/* The first refusal stays. */
static void refuse(struct vtap_http_exchange *e, unsigned status, const char *detail)
{
	if (e->refusal != 0)
		return;
	e->refusal = status;
	(void)snprintf(e->refusal_detail, sizeof(e->refusal_detail), "%s", detail ? detail : "");
}

static void refuse_size(struct vtap_http_exchange *e)
{
	char detail[sizeof(e->refusal_detail)];

	(void)snprintf(detail, sizeof(detail), "the request's body is too large: at most %zu bytes are taken here",
		       e->body_max_bytes);
	refuse(e, MHD_HTTP_CONTENT_TOO_LARGE, detail);
}

static enum MHD_Result answer_refusal(struct vtap_http_exchange *e)
{
	const struct vtap_http_server *s = server_of(e);
	const char *detail = *e->refusal_detail ? e->refusal_detail : NULL;

	if (s->refused)
		s->refused(&e->request, e->refusal, detail, s->userdata);
	return vtap_http_answer_refuse(e, e->refusal, detail);
}

struct vtap_http_exchange *vtap_http_exchange_new(struct vtap_http_connection *c, const char *target)
{
	VTAP_CLEANUP(exchange_freep) struct vtap_http_exchange *e = calloc(1, sizeof(*e));
	const char *reason = NULL;
	int r;

	if (!e)
		return NULL;
	e->connection = c;
	e->request.exchange = e;
	e->request.peer = c->peer;
	e->request.peer_port = c->peer_port;
	r = vtap_http_target_parse(target, &e->target, &reason);
	if (r == -EBADMSG)
		refuse(e, MHD_HTTP_BAD_REQUEST, reason);
	else if (r == -ENAMETOOLONG)
		refuse(e, MHD_HTTP_NOT_FOUND, nothing_here);
	else if (r < 0)
		return NULL;
	e->request.path = e->target.path;
	c->exchange = e;
	return VTAP_STEAL(e);
}

/* What a proxy in front of us could read in another way than we do. */
static void check_framing(struct vtap_http_exchange *e)
{
	const char *encoding = header(e, MHD_HTTP_HEADER_TRANSFER_ENCODING);

	if (encoding && strcasecmp(encoding, "chunked") != 0)
		refuse(e, MHD_HTTP_NOT_IMPLEMENTED, "the only Transfer-Encoding here is chunked");
	if (encoding && header(e, MHD_HTTP_HEADER_CONTENT_LENGTH))
		refuse(e, MHD_HTTP_BAD_REQUEST, "Content-Length and Transfer-Encoding exclude each other");
}

/* The body's size as the client announces it, in time to refuse it unread; a chunked one is found out while it comes. */
static uint64_t announced_bytes(const struct vtap_http_exchange *e)
{
	const char *text = header(e, MHD_HTTP_HEADER_CONTENT_LENGTH);

	/* libmicrohttpd has refused what is not a number; strtoull() saturates. */
	return text ? strtoull(text, NULL, 10) : 0;
}

static void choose_route(struct vtap_http_exchange *e, const char *method)
{
	struct vtap_http_server *s = server_of(e);
	struct vtap_http_request *q = &e->request;
	unsigned status;

	status =
	    vtap_http_route_find(s->routes, s->route_count, method, &e->target, &q->route, q->parameters, e->allow);
	if (status != 0) {
		refuse(e, status, status == MHD_HTTP_NOT_FOUND ? nothing_here : NULL);
		return;
	}
	e->allow[0] = 0;
	q->method = q->route->method;
	e->body_max_bytes = q->route->body_max_bytes > 0 ? q->route->body_max_bytes : s->body_max_bytes;
	if (announced_bytes(e) > e->body_max_bytes)
		refuse_size(e);
}

/* What is beyond libmicrohttpd's memory it refuses itself, before anybody is asked. */
static void check_headers(struct vtap_http_exchange *e)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(e->connection->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	char detail[sizeof(e->refusal_detail)];

	if (!info || info->header_size <= VTAP_HTTP_HEADERS_MAX_BYTES)
		return;
	(void)snprintf(detail, sizeof(detail),
		       "the request's line and headers are too large: at most %u bytes together",
		       VTAP_HTTP_HEADERS_MAX_BYTES);
	refuse(e, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, detail);
}

static bool announces_body(const struct vtap_http_exchange *e)
{
	return announced_bytes(e) > 0 || header(e, MHD_HTTP_HEADER_TRANSFER_ENCODING);
}

/* Nobody but the owner decides when it goes on. */
static enum MHD_Result wait_for_owner(struct vtap_http_exchange *e)
{
	if (e->state == VTAP_HTTP_HANDLING)
		e->state = VTAP_HTTP_WAITING;
	/* A stream may have begun and ended. */
	if (e->kept) {
		vtap_http_deadline_set(e->connection, VTAP_HTTP_NO_DEADLINE);
		vtap_http_watch_begin(e->connection);
	}
	if (e->state == VTAP_HTTP_STREAMING)
		return vtap_http_stream_queue(e);
	vtap_http_exchange_suspend(e);
	return MHD_YES;
}

static enum MHD_Result handle(struct vtap_http_exchange *e)
{
	struct vtap_http_response response = {};
	int r;

	if (e->refusal != 0)
		return answer_refusal(e);
	vtap_http_body_complete(e);
	e->state = VTAP_HTTP_HANDLING;
	e->kept = true;
	r = e->request.route->handler(&e->request, &response, server_of(e)->userdata);
	if (r == VTAP_HTTP_LATER && e->state != VTAP_HTTP_ANSWERED)
		return wait_for_owner(e);
	if (r == VTAP_HTTP_LATER)
		return vtap_http_answer_queue(e, &e->response);
	assert(e->state == VTAP_HTTP_HANDLING);
	e->kept = false;
	if (r < 0)
		return vtap_http_answer_refuse(e, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL);
	return vtap_http_answer_queue(e, &response);
}

enum MHD_Result vtap_http_exchange_begin(struct vtap_http_exchange *e, const char *method)
{
	int r;

	e->begun = true;
	e->head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
	e->request.method = method;
	check_headers(e);
	check_framing(e);
	if (e->refusal == 0)
		choose_route(e, method);
	if (e->refusal == 0 && announces_body(e)) {
		r = vtap_http_body_admit(e, announced_bytes(e));
		if (r < 0 && r != -EBUSY)
			return MHD_NO;
		if (r < 0)
			refuse(e, MHD_HTTP_SERVICE_UNAVAILABLE, too_much);
	}
	if (e->refusal == 0 && !e->request.body_dropped)
		return MHD_YES;
	/* An answer now means that libmicrohttpd reads no more, and closes: for a client that waits, or has too much to send. */
	if (header(e, MHD_HTTP_HEADER_EXPECT) || announced_bytes(e) > DISCARD_MAX_BYTES)
		return handle(e);
	return MHD_YES;
}

/* libmicrohttpd takes an answer before the body or after it: in between there is only the end. */
static enum MHD_Result discard(struct vtap_http_exchange *e, size_t size_bytes)
{
	vtap_http_body_complete(e);
	vtap_http_body_uncount(e);
	vtap_http_body_free(e);
	e->discarded_bytes += size_bytes;
	return e->discarded_bytes > DISCARD_MAX_BYTES ? MHD_NO : MHD_YES;
}

enum MHD_Result vtap_http_exchange_body(struct vtap_http_exchange *e, const char *data, size_t size_bytes)
{
	int r;

	if (e->refusal == 0 && size_bytes > e->body_max_bytes - e->request.body_bytes)
		refuse_size(e);
	if (e->refusal != 0 || e->request.body_dropped)
		return discard(e, size_bytes);
	r = vtap_http_body_add(e, data, size_bytes);
	if (r == -EBUSY) {
		refuse(e, MHD_HTTP_SERVICE_UNAVAILABLE, too_much);
		return discard(e, size_bytes);
	}
	return r < 0 ? MHD_NO : MHD_YES;
}

enum MHD_Result vtap_http_exchange_continue(struct vtap_http_exchange *e)
{
	enum MHD_Result result = MHD_NO;

	if (e->gone)
		return MHD_NO;
	switch (e->state) {
	case VTAP_HTTP_RECEIVING:
		result = handle(e);
		break;
	case VTAP_HTTP_ANSWERED:
		result = vtap_http_answer_queue(e, &e->response);
		break;
	case VTAP_HTTP_STREAMING:
		result = vtap_http_stream_queue(e);
		break;
	case VTAP_HTTP_HANDLING:
	case VTAP_HTTP_WAITING:
	case VTAP_HTTP_QUEUED:
		/* libmicrohttpd does not ask then. */
		break;
	}
	if (e->state == VTAP_HTTP_QUEUED) {
		vtap_http_body_uncount(e);
		vtap_http_body_free(e);
	}
	return result;
}

void vtap_http_exchange_suspend(struct vtap_http_exchange *e)
{
	e->suspended = true;
	MHD_suspend_connection(e->connection->mhd);
}

void vtap_http_exchange_resume(struct vtap_http_exchange *e)
{
	/* libmicrohttpd would remember it of a connection that is not suspended, and not suspend that next time. */
	if (!e->suspended)
		return;
	e->suspended = false;
	MHD_resume_connection(e->connection->mhd);
	vtap_http_wake(server_of(e));
}

void vtap_http_exchange_release(struct vtap_http_exchange *e)
{
	e->kept = false;
	if (!e->connection)
		exchange_free(e);
}

/* Tells the owner, once. Without a stream that ends its keeping. */
static void tell_gone(struct vtap_http_exchange *e)
{
	void (*gone)(void *userdata) = e->on_gone;

	if (!e->kept || !gone)
		return;
	e->on_gone = NULL;
	if (e->state != VTAP_HTTP_STREAMING)
		e->kept = false;
	gone(e->on_gone_userdata);
}

void vtap_http_exchange_gone(struct vtap_http_exchange *e)
{
	if (e->gone)
		return;
	e->gone = true;
	vtap_http_watch_end(e->connection);
	(void)shutdown(e->connection->fd, SHUT_RDWR);
	vtap_http_exchange_resume(e);
	tell_gone(e);
}

void vtap_http_exchange_end(struct vtap_http_exchange *e)
{
	vtap_http_watch_end(e->connection);
	e->gone = true;
	/* As long as there is a connection, nothing that the owner does frees it. */
	tell_gone(e);
	vtap_http_body_uncount(e);
	e->connection->exchange = NULL;
	e->connection = NULL;
	if (!e->kept)
		exchange_free(e);
}

void vtap_http_answer(struct vtap_http_exchange *e, struct vtap_http_response *response)
{
	assert(e->kept && (e->state == VTAP_HTTP_HANDLING || e->state == VTAP_HTTP_WAITING));
	if (e->gone) {
		free(VTAP_STEAL(response->body));
		vtap_http_exchange_release(e);
		return;
	}
	e->response = *response;
	response->body = NULL;
	e->kept = false;
	if (e->state == VTAP_HTTP_WAITING) {
		vtap_http_watch_end(e->connection);
		vtap_http_deadline_set(e->connection, vtap_http_now_ms() + server_of(e)->timeout_ms);
		vtap_http_exchange_resume(e);
	}
	e->state = VTAP_HTTP_ANSWERED;
}

void vtap_http_on_gone(struct vtap_http_exchange *e, void (*gone)(void *userdata), void *userdata)
{
	e->on_gone = gone;
	e->on_gone_userdata = userdata;
}

const char *vtap_http_query(const struct vtap_http_request *r, const char *name)
{
	const struct vtap_http_target *t = &r->exchange->target;

	for (size_t i = 0; i < t->query_count; i++)
		if (strcmp(t->query[i].name, name) == 0)
			return t->query[i].value;
	return NULL;
}

int vtap_http_query_each(const struct vtap_http_request *r,
			 int (*visit)(const char *name, const char *value, void *userdata), void *userdata)
{
	const struct vtap_http_target *t = &r->exchange->target;
	int result = 0;

	for (size_t i = 0; i < t->query_count && result == 0; i++)
		result = visit(t->query[i].name, t->query[i].value, userdata);
	return result;
}

const char *vtap_http_header(const struct vtap_http_request *r, const char *name)
{
	return header(r->exchange, name);
}
