/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>
#include <string.h>

#include "http/private.h"

#define HEADER_NAME_MAX 64

/* "Name: value". */
static enum MHD_Result add_line(struct MHD_Response *response, const char *line)
{
	char name[HEADER_NAME_MAX];
	const char *colon = strstr(line, ": ");

	if (!colon || colon == line || (size_t)(colon - line) >= sizeof(name))
		return MHD_NO;
	memcpy(name, line, (size_t)(colon - line));
	name[colon - line] = 0;
	return MHD_add_response_header(response, name, colon + 2);
}

static enum MHD_Result add_lines(struct MHD_Response *response, const char *const *lines)
{
	enum MHD_Result result = MHD_YES;

	for (size_t i = 0; lines && lines[i] && result == MHD_YES; i++)
		result = add_line(response, lines[i]);
	return result;
}

bool vtap_http_headers_valid(const char *const *headers)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	bool valid = response && add_lines(response, headers) == MHD_YES;

	if (response)
		MHD_destroy_response(response);
	return valid;
}

enum MHD_Result vtap_http_answer_headers(const struct vtap_http_server *s, struct MHD_Response *response)
{
	return add_lines(response, s->headers);
}

static enum MHD_Result add_own(const struct vtap_http_exchange *e, const struct vtap_http_response *p,
			       struct MHD_Response *response)
{
	char retry_after[16] = "";
	const struct {
		const char *name, *value; /* NULL or empty = none */
	} headers[] = {
	    {MHD_HTTP_HEADER_CONTENT_TYPE, p->content_type},
	    {MHD_HTTP_HEADER_CONTENT_ENCODING, p->gzip ? "gzip" : NULL},
	    {MHD_HTTP_HEADER_ETAG, p->etag},
	    {MHD_HTTP_HEADER_LOCATION, p->location},
	    {MHD_HTTP_HEADER_RETRY_AFTER, retry_after},
	    {MHD_HTTP_HEADER_ALLOW, e->allow},
	};
	enum MHD_Result result = MHD_YES;

	if (p->retry_after_s > 0)
		(void)snprintf(retry_after, sizeof(retry_after), "%u", p->retry_after_s);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(headers) && result == MHD_YES; i++)
		if (headers[i].value && headers[i].value[0])
			result = MHD_add_response_header(response, headers[i].name, headers[i].value);
	return result;
}

enum MHD_Result vtap_http_answer_queue(struct vtap_http_exchange *e, struct vtap_http_response *p)
{
	const struct vtap_http_server *s = e->connection->server;
	struct MHD_Response *response;
	enum MHD_Result result;

	e->state = VTAP_HTTP_QUEUED;
	response = MHD_create_response_from_buffer(p->body_bytes, p->body,
						   p->body ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
	if (!response) {
		free(VTAP_STEAL(p->body));
		return MHD_NO;
	}
	p->body = NULL;
	result = add_own(e, p, response);
	if (result == MHD_YES)
		result = add_lines(response, p->headers);
	if (result == MHD_YES)
		result = vtap_http_answer_headers(s, response);
	if (result == MHD_YES)
		result = MHD_queue_response(e->connection->mhd, p->status, response);
	MHD_destroy_response(response);
	return result;
}

static int refusal_text(const struct vtap_http_exchange *e, unsigned status, const char *detail, char **ret_text)
{
	const char *title = MHD_get_reason_phrase_for(status);
	char methods[VTAP_HTTP_ALLOW_BYTES + sizeof("this path takes ")];

	if (e->allow[0]) {
		(void)snprintf(methods, sizeof(methods), "this path takes %s", e->allow);
		detail = methods;
	}
	/* All of these are our own words, without anything that JSON would escape. */
	if (e->connection->server->problems)
		return asprintf(ret_text, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u%s%s%s}\n", title,
				status, detail ? ",\"detail\":\"" : "", detail ? detail : "", detail ? "\"" : "");
	return asprintf(ret_text, "%u %s%s%s\n", status, title, detail ? ": " : "", detail ? detail : "");
}

enum MHD_Result vtap_http_answer_refuse(struct vtap_http_exchange *e, unsigned status, const char *detail)
{
	struct vtap_http_response p = {
	    .status = status,
	    .content_type = e->connection->server->problems ? "application/problem+json" : "text/plain; charset=utf-8",
	    .retry_after_s = status == MHD_HTTP_SERVICE_UNAVAILABLE ? 1 : 0,
	};
	int n;

	n = refusal_text(e, status, detail, &p.body);
	if (n < 0)
		return MHD_NO;
	p.body_bytes = (size_t)n;
	return vtap_http_answer_queue(e, &p);
}
