/* SPDX-License-Identifier: Apache-2.0 */

/* Bodies without an announced end. */

#include <sys/socket.h>

#include "harness.h"

static struct vtap_http_exchange *waiting;
static struct vtap_http_stream *stream;
static size_t gone_count;

static void on_gone(void *userdata)
{
	gone_count++;
}

/* Ends the stream where it is told. */
static void on_gone_end(void *userdata)
{
	gone_count++;
	assert_int_equal(vtap_http_stream_write(stream, "x", 1), -EPIPE);
	vtap_http_stream_end(VTAP_STEAL(stream));
}

static int handle_wait(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	waiting = q->exchange;
	vtap_http_on_gone(q->exchange, on_gone, NULL);
	return VTAP_HTTP_LATER;
}

/* Begins at once, and has something to say already. */
static int handle_events(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	vtap_http_on_gone(q->exchange, on_gone_end, NULL);
	assert_int_equal(vtap_http_stream_begin(q->exchange, 200, "text/event-stream", &stream), 0);
	assert_int_equal(vtap_http_stream_write(stream, ":\n", 2), 0);
	return VTAP_HTTP_LATER;
}

/* All within the handler. */
static int handle_short(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	struct vtap_http_stream *s;

	assert_int_equal(vtap_http_stream_begin(q->exchange, 200, NULL, &s), 0);
	assert_int_equal(vtap_http_stream_write(s, "short", 5), 0);
	vtap_http_stream_end(s);
	return VTAP_HTTP_LATER;
}

static int handle_end(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	vtap_http_stream_end(VTAP_STEAL(stream));
	*ret_response = text_response(200, "ended");
	return 0;
}

static const struct vtap_http_route routes[] = {
    ROUTE("GET", "/wait", handle_wait),
    ROUTE("GET", "/events", handle_events),
    ROUTE("GET", "/short", handle_short),
    ROUTE("GET", "/end", handle_end),
};

static struct vtap_http_server *server_new(struct vtap_http_server_options options)
{
	waiting = NULL;
	stream = NULL;
	gone_count = 0;
	return server_listen(options, routes, VTAP_ARRAY_SIZE(routes), NULL);
}

static int client_ask(struct vtap_http_server *s, const char *request)
{
	int fd = client_connect(s);

	client_send(s, fd, request, strlen(request));
	return fd;
}

static bool is_waiting(void *userdata)
{
	return waiting || stream;
}

static bool is_gone(void *userdata)
{
	return gone_count > 0;
}

static void stream_begin(struct vtap_http_server *s)
{
	serve_until(s, is_waiting, NULL);
	assert_int_equal(vtap_http_stream_begin(VTAP_STEAL(waiting), 200, "text/plain", &stream), 0);
}

static void test_events(void **state)
{
	static const char *const headers[] = {"X-Own: 1", NULL};
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s =
	    server_new((struct vtap_http_server_options){.headers = headers, .timeout_ms = 100});
	_cleanup_close_ int fd = client_ask(s, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
	char reply[REPLY_BYTES];

	client_receive_until(s, fd, "\r\n2\r\n:\n\r\n", reply);
	assert_true(has_status(reply, 200));
	assert_non_null(strstr(reply, "\r\nContent-Type: text/event-stream\r\n"));
	assert_non_null(strstr(reply, "\r\nTransfer-Encoding: chunked\r\n"));
	assert_non_null(strstr(reply, "\r\nX-Own: 1\r\n"));
	for (int i = 0; i < 3; i++) {
		/* However long nothing happens. */
		assert_int_equal(serve(s, fd, POLLIN, 150), 0);
		assert_int_equal(vtap_http_stream_write(stream, "event\n\n", 7), 0);
		assert_int_equal(vtap_http_stream_write(stream, "", 0), 0);
		client_receive_until(s, fd, "7\r\nevent\n\n\r\n", reply);
	}
	/* What is written while it ends is sent. */
	assert_int_equal(vtap_http_stream_write(stream, "last", 4), 0);
	vtap_http_stream_end(VTAP_STEAL(stream));
	client_receive_until(s, fd, "4\r\nlast\r\n0\r\n\r\n", reply);
	assert_int_equal(gone_count, 0);
	/* The connection serves on, until it has been idle too long. */
	client_send(s, fd, REQUEST("GET /short"), strlen(REQUEST("GET /short")));
	(void)client_receive(s, fd, reply);
	assert_string_equal(body_of(reply), "5\r\nshort\r\n0\r\n\r\n");
}

/* The status is with the client before there is anything to say, and does not wait in the kernel for more: that takes 200 ms. */
static void test_headers_come_at_once(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){});
	uint64_t least_ms = UINT64_MAX;
	char reply[REPLY_BYTES];

	for (int i = 0; i < 3; i++) {
		_cleanup_close_ int fd = client_ask(s, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
		uint64_t begin_ms = now_ms();

		stream_begin(s);
		client_receive_until(s, fd, "\r\n\r\n", reply);
		least_ms = VTAP_MIN(least_ms, now_ms() - begin_ms);
		assert_true(has_status(reply, 200));
		vtap_http_stream_end(VTAP_STEAL(stream));
		client_receive_until(s, fd, "0\r\n\r\n", reply);
	}
	assert_in_range(least_ms, 0, 150);
}

/* A line behind the body, which is announced. */
static void test_trailer(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){});
	_cleanup_close_ int fd = client_ask(s, REQUEST("GET /wait"));
	char reply[REPLY_BYTES];

	stream_begin(s);
	assert_int_equal(vtap_http_stream_trailer(stream, "X-Note", NULL), 0);
	assert_int_equal(vtap_http_stream_write(stream, "one", 3), 0);
	client_receive_until(s, fd, "3\r\none\r\n", reply);
	assert_non_null(strstr(reply, "\r\nTrailer: X-Note\r\n"));
	assert_int_equal(vtap_http_stream_trailer(stream, "X-Note", "a\r\nX-Other: b"), -EINVAL);
	assert_int_equal(vtap_http_stream_trailer(stream, "X-Note", "before"), 0);
	assert_int_equal(vtap_http_stream_trailer(stream, "X-Note", "a sentence"), 0);
	vtap_http_stream_end(VTAP_STEAL(stream));
	client_receive_until(s, fd, "0\r\nX-Note: a sentence\r\n\r\n", reply);
}

static void test_without_chunks(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){});
	_cleanup_close_ int old = client_ask(s, "GET /wait HTTP/1.0\r\n\r\n"), head = -1;
	char reply[REPLY_BYTES];

	stream_begin(s);
	assert_int_equal(vtap_http_stream_write(stream, "one", 3), 0);
	client_receive_until(s, old, "one", reply);
	assert_int_equal(vtap_http_stream_write(stream, "two", 3), 0);
	vtap_http_stream_end(VTAP_STEAL(stream));
	assert_int_equal(client_receive(s, old, reply), 3);
	/* To HEAD there is no body, and the stream's owner need not care. */
	head = client_ask(s, REQUEST("HEAD /events"));
	(void)client_receive(s, head, reply);
	assert_true(has_status(reply, 200));
	assert_string_equal(body_of(reply), "");
	assert_null(stream);
}

static void test_client_leaves(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){});
	char reply[REPLY_BYTES];
	int fd;

	/* While nothing is sent, with an owner who ends the stream at once. */
	fd = client_ask(s, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
	client_receive_until(s, fd, ":\n\r\n", reply);
	assert_int_equal(close(fd), 0);
	serve_until(s, is_gone, NULL);
	assert_null(stream);
	/* And with one who notices later. */
	gone_count = 0;
	fd = client_ask(s, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
	stream_begin(s);
	client_receive_until(s, fd, "\r\n\r\n", reply);
	assert_int_equal(close(fd), 0);
	serve_until(s, is_gone, NULL);
	(void)serve(s, -1, 0, 20);
	assert_int_equal(vtap_http_stream_write(stream, "x", 1), -EPIPE);
	vtap_http_stream_end(VTAP_STEAL(stream));
	assert_int_equal(gone_count, 1);
	/* Before it began. */
	gone_count = 0;
	fd = client_ask(s, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
	serve_until(s, is_waiting, NULL);
	vtap_http_on_gone(waiting, NULL, NULL);
	assert_int_equal(close(fd), 0);
	(void)serve(s, -1, 0, 20);
	assert_int_equal(vtap_http_stream_begin(waiting, 200, NULL, &stream), -EPIPE);
	vtap_http_answer(waiting, &(struct vtap_http_response){.status = 200});
	/* A stream outlives its server. */
	waiting = NULL;
	fd = client_ask(s, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
	stream_begin(s);
	s = vtap_http_server_free(s);
	assert_int_equal(gone_count, 1);
	assert_int_equal(vtap_http_stream_write(stream, "x", 1), -EPIPE);
	vtap_http_stream_end(VTAP_STEAL(stream));
	assert_int_equal(close(fd), 0);
}

static void test_limit_of_the_buffer(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){});
	_cleanup_close_ int fd = client_ask(s, REQUEST("GET /wait"));
	static char data[VTAP_HTTP_STREAM_MAX_BYTES + 1];
	char reply[REPLY_BYTES];
	size_t written = 0, size_bytes = sizeof(data) / 2;

	stream_begin(s);
	assert_int_equal(vtap_http_stream_write(stream, data, VTAP_HTTP_STREAM_MAX_BYTES + 1), -ENOBUFS);
	assert_int_equal(vtap_http_stream_write(stream, data, VTAP_HTTP_STREAM_MAX_BYTES), 0);
	assert_int_equal(vtap_http_stream_write(stream, data, 1), -ENOBUFS);
	written += VTAP_HTTP_STREAM_MAX_BYTES;
	/* A client that does not read fills its kernel's buffers, and then ours; what was refused was not sent in part. */
	for (;;) {
		int r = vtap_http_stream_write(stream, data, size_bytes);

		if (r == 0) {
			written += size_bytes;
			continue;
		}
		assert_int_equal(r, -ENOBUFS);
		(void)serve(s, -1, 0, 20);
		if (vtap_http_stream_write(stream, data, 1) == -ENOBUFS || size_bytes == 1)
			break;
		written++;
		size_bytes = VTAP_MAX(size_bytes / 2, (size_t)1);
	}
	assert_int_equal(gone_count, 0);
	vtap_http_stream_end(VTAP_STEAL(stream));
	/* Who reads at last gets all of it. */
	client_receive_until(s, fd, "\r\n\r\n", reply);
	assert_true(client_receive(s, fd, reply) > written);
}

/* Once the stream has ended, what is left of it has to be read in time. */
static void test_slow_reader(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){.timeout_ms = 200});
	_cleanup_close_ int fd = client_ask(s, REQUEST("GET /wait"));
	static char data[VTAP_HTTP_STREAM_MAX_BYTES];
	char reply[REPLY_BYTES];
	size_t written = 0;

	stream_begin(s);
	while (vtap_http_stream_write(stream, data, sizeof(data)) == 0) {
		written += sizeof(data);
		(void)serve(s, -1, 0, 20);
	}
	(void)serve(s, -1, 0, 400);
	/* It still stands. */
	assert_int_equal(vtap_http_stream_write(stream, data, sizeof(data)), -ENOBUFS);
	assert_int_equal(gone_count, 0);
	vtap_http_stream_end(VTAP_STEAL(stream));
	(void)serve(s, -1, 0, 400);
	assert_int_equal(vtap_http_server_timeout_ms(s), -1);
	assert_true(client_receive(s, fd, reply) < written);
	assert_int_equal(gone_count, 0);
}

/* The owner of a stream ends it from inside another request. */
static void test_end_from_a_handler(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){});
	_cleanup_close_ int fd = client_ask(s, REQUEST("GET /events"));
	char reply[REPLY_BYTES];

	client_receive_until(s, fd, ":\n\r\n", reply);
	exchange(s, REQUEST("GET /end"), reply);
	(void)client_receive(s, fd, reply);
	assert_string_equal(reply, "0\r\n\r\n");
	assert_int_equal(gone_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_events),        cmocka_unit_test(test_headers_come_at_once),
	    cmocka_unit_test(test_trailer),       cmocka_unit_test(test_without_chunks),
	    cmocka_unit_test(test_client_leaves), cmocka_unit_test(test_limit_of_the_buffer),
	    cmocka_unit_test(test_slow_reader),   cmocka_unit_test(test_end_from_a_handler),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
