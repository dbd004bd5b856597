/* SPDX-License-Identifier: Apache-2.0 */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "http/private.h"

#define BLOCK_BYTES (16U << 10)
#define BUFFER_MIN_BYTES 4096
#define BUFFER_KEPT_BYTES (64U << 10) /* a larger one is given back as soon as it is empty */

struct vtap_http_stream {
	struct vtap_http_exchange *exchange; /* borrowed, owns us */
	unsigned status;
	const char *content_type; /* static */
	char *buffer; /* owned */
	size_t capacity_bytes, begin, end; /* what waits lies between the last two */
	struct MHD_Response *response; /* borrowed; NULL = not queued yet */
	const char *trailer; /* static; NULL = none */
	char *trailer_value; /* owned; NULL = none */
	bool ended;
};

struct vtap_http_stream *vtap_http_stream_free(struct vtap_http_stream *s)
{
	if (!s)
		return NULL;
	free(s->buffer);
	free(s->trailer_value);
	free(s);
	return NULL;
}

/* libmicrohttpd asks for more. Nothing to give means a pause, until vtap_http_stream_write() or _end(). */
static ssize_t on_read(void *userdata, uint64_t position, char *buffer, size_t max_bytes)
{
	struct vtap_http_exchange *e = userdata;
	struct vtap_http_stream *s = e->stream;
	size_t n = VTAP_MIN(s->end - s->begin, max_bytes);

	if (e->gone)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (n == 0 && s->ended) {
		/* libmicrohttpd looks for such lines when the body has ended. */
		if (s->trailer_value)
			(void)MHD_add_response_footer(s->response, s->trailer, s->trailer_value);
		return MHD_CONTENT_READER_END_OF_STREAM;
	}
	if (n == 0) {
		vtap_http_exchange_suspend(e);
		return 0;
	}
	memcpy(buffer, s->buffer + s->begin, n);
	s->begin += n;
	if (s->begin < s->end)
		return (ssize_t)n;
	s->begin = s->end = 0;
	if (s->capacity_bytes > BUFFER_KEPT_BYTES) {
		free(VTAP_STEAL(s->buffer));
		s->capacity_bytes = 0;
	}
	return (ssize_t)n;
}

enum MHD_Result vtap_http_stream_queue(struct vtap_http_exchange *e)
{
	struct MHD_Response *response;
	enum MHD_Result result = MHD_YES;

	assert(!e->queued);
	e->queued = true;
	/* libmicrohttpd sends the end of a chunked body also where there is none. */
	response = e->head ? MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT)
			   : MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, on_read, e, NULL);
	if (!response)
		return MHD_NO;
	if (e->stream->content_type)
		result = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, e->stream->content_type);
	if (result == MHD_YES && e->stream->trailer)
		result = MHD_add_response_header(response, MHD_HTTP_HEADER_TRAILER, e->stream->trailer);
	e->stream->response = response;
	if (result == MHD_YES)
		result = vtap_http_answer_headers(e->connection->server, response);
	if (result == MHD_YES)
		result = MHD_queue_response(e->connection->mhd, e->stream->status, response);
	MHD_destroy_response(response);
	return result;
}

int vtap_http_stream_begin(struct vtap_http_exchange *e, unsigned status, const char *content_type,
			   struct vtap_http_stream **ret_stream)
{
	struct vtap_http_stream *s;

	assert(e->kept && (e->state == VTAP_HTTP_HANDLING || e->state == VTAP_HTTP_WAITING));
	if (e->gone)
		return -EPIPE;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->exchange = e;
	s->status = status;
	s->content_type = content_type;
	e->stream = s;
	e->state = VTAP_HTTP_STREAMING;
	vtap_http_exchange_resume(e);
	*ret_stream = s;
	return 0;
}

/* Makes room for size_bytes at the end, which the limit permits. */
static int buffer_reserve(struct vtap_http_stream *s, size_t size_bytes)
{
	size_t waiting = s->end - s->begin, capacity = VTAP_MAX(s->capacity_bytes, (size_t)BUFFER_MIN_BYTES);
	char *buffer;

	if (s->capacity_bytes - s->end >= size_bytes)
		return 0;
	if (s->begin > 0)
		memmove(s->buffer, s->buffer + s->begin, waiting);
	s->begin = 0;
	s->end = waiting;
	while (capacity < waiting + size_bytes)
		capacity *= 2;
	if (capacity == s->capacity_bytes)
		return 0;
	buffer = realloc(s->buffer, capacity);
	if (!buffer)
		return -ENOMEM;
	s->buffer = buffer;
	s->capacity_bytes = capacity;
	return 0;
}

int vtap_http_stream_write(struct vtap_http_stream *s, const void *data, size_t size_bytes)
{
	if (s->exchange->gone)
		return -EPIPE;
	if (size_bytes > VTAP_HTTP_STREAM_MAX_BYTES - (s->end - s->begin))
		return -ENOBUFS;
	if (size_bytes == 0)
		return 0;
	if (buffer_reserve(s, size_bytes) < 0)
		return -ENOBUFS;
	memcpy(s->buffer + s->end, data, size_bytes);
	s->end += size_bytes;
	vtap_http_exchange_resume(s->exchange);
	return 0;
}

int vtap_http_stream_trailer(struct vtap_http_stream *s, const char *name, const char *value)
{
	char *copy = NULL;

	for (const char *at = value; at && *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return -EINVAL;
	if (value && *value) {
		copy = strdup(value);
		if (!copy)
			return -ENOMEM;
	}
	free(s->trailer_value);
	s->trailer_value = copy;
	s->trailer = name;
	return 0;
}

void vtap_http_stream_end(struct vtap_http_stream *s)
{
	struct vtap_http_exchange *e = s->exchange;

	s->ended = true;
	if (!e->gone) {
		/* What is left is an answer like others, with a time to be taken in. */
		vtap_http_watch_end(e->connection);
		vtap_http_deadline_set(e->connection, vtap_http_now_ms() + e->connection->server->timeout_ms);
		vtap_http_exchange_resume(e);
	}
	vtap_http_exchange_release(e);
}
