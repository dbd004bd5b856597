/* SPDX-License-Identifier: Apache-2.0 */

/* Who may have how much memory for a body, and for how long. */

#include "harness.h"

#define CLIENTS 3

static struct vtap_http_exchange *waiting;
static struct {
	unsigned count, status;
	char method[8], path[32], detail[160];
	bool has_route;
} told; /* of refusals */

/* "Who: NAME" is known by NAME. */
static int admit(const struct vtap_http_request *q, char ret_who[VTAP_HTTP_WHO_STRLEN], void *userdata)
{
	const char *who = vtap_http_header(q, "Who");

	if (!who)
		return -EPERM;
	(void)snprintf(ret_who, VTAP_HTTP_WHO_STRLEN, "%s", who);
	return 0;
}

static void refused(const struct vtap_http_request *q, unsigned status, const char *detail, void *userdata)
{
	told.count++;
	told.status = status;
	told.has_route = q->route;
	(void)snprintf(told.method, sizeof(told.method), "%s", q->method);
	(void)snprintf(told.path, sizeof(told.path), "%s", q->path ? q->path : "-");
	(void)snprintf(told.detail, sizeof(told.detail), "%s", detail ? detail : "-");
}

static int handle_size(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%zu%s", q->body_bytes, q->body_dropped ? " dropped" : "");
	*ret_response = text_response(q->body_dropped ? 401 : 200, text);
	return 0;
}

static int handle_wait(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	waiting = q->exchange;
	return VTAP_HTTP_LATER;
}

static int handle_failure(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	return -EIO;
}

static const struct vtap_http_route routes[] = {
    ROUTE("POST", "/size", handle_size),
    ROUTE("POST", "/wait", handle_wait),
    ROUTE("POST", "/failure", handle_failure),
    {.method = "POST", .path = "/small", .handler = handle_size, .body_max_bytes = 10},
};

static struct vtap_http_server *server_new(struct vtap_http_server_options options)
{
	options.body_max_bytes = 8U << 20;
	options.refused = refused;
	told.count = 0;
	waiting = NULL;
	return server_listen(options, routes, VTAP_ARRAY_SIZE(routes), NULL);
}

static bool is_waiting(void *userdata)
{
	return waiting;
}

/* Sends the headers, and so much of the body of zeros. Returns the socket. */
static int begin(struct vtap_http_server *s, const char *path, const char *who, size_t body_bytes, size_t sent_bytes)
{
	static char zeros[8U << 20];
	char head[256];
	int fd = client_connect(s);

	(void)snprintf(head, sizeof(head),
		       "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s%s%sContent-Length: %zu\r\n\r\n", path,
		       who ? "Who: " : "", who ? who : "", who ? "\r\n" : "", body_bytes);
	client_send(s, fd, head, strlen(head));
	client_send(s, fd, zeros, sent_bytes);
	return fd;
}

static void finish(struct vtap_http_server *s, int fd, char reply[REPLY_BYTES])
{
	(void)client_receive(s, fd, reply);
	assert_int_equal(close(fd), 0);
}

static void whole(struct vtap_http_server *s, const char *path, const char *who, size_t body_bytes,
		  char reply[REPLY_BYTES])
{
	finish(s, begin(s, path, who, body_bytes, body_bytes), reply);
}

static void answer_waiting(struct vtap_http_server *s, int fd)
{
	struct vtap_http_response p = text_response(200, "answered");
	char reply[REPLY_BYTES];

	vtap_http_answer(waiting, &p);
	finish(s, fd, reply);
	assert_string_equal(body_of(reply), "answered");
}

/* However much they announce, and however long they take, who is not known has nothing of what the others share. */
static void test_unknown_senders_take_nothing(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s =
	    server_new((struct vtap_http_server_options){.admit = admit, .bodies_max_bytes = 1000});
	int fds[CLIENTS];
	char reply[REPLY_BYTES];

	for (size_t i = 0; i < CLIENTS; i++)
		fds[i] = begin(s, "/size", NULL, 2000, 1999);
	whole(s, "/size", "me", 1000, reply);
	assert_true(has_status(reply, 200));
	assert_string_equal(body_of(reply), "1000");
	for (size_t i = 0; i < CLIENTS; i++) {
		client_send(s, fds[i], "z", 1);
		finish(s, fds[i], reply);
		assert_true(has_status(reply, 401));
		assert_string_equal(body_of(reply), "0 dropped");
	}
	/* More than is read to its end is answered at once. */
	finish(s, begin(s, "/size", NULL, 5U << 20, 0), reply);
	assert_true(has_status(reply, 401));
}

static void test_share_of_a_sender(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new(
	    (struct vtap_http_server_options){.admit = admit, .bodies_max_bytes = 1000, .body_share_max_bytes = 400});
	char reply[REPLY_BYTES];
	int fd = begin(s, "/wait", "me", 300, 300);

	serve_until(s, is_waiting, NULL);
	whole(s, "/size", "me", 100, reply);
	assert_true(has_status(reply, 200));
	whole(s, "/size", "me", 101, reply);
	assert_true(has_status(reply, 503));
	assert_int_equal(told.status, 503);
	whole(s, "/size", "you", 400, reply);
	assert_true(has_status(reply, 200));
	answer_waiting(s, fd);
	whole(s, "/size", "me", 400, reply);
	assert_true(has_status(reply, 200));
}

static void test_large_bodies_leave_a_part_to_small_ones(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new(
	    (struct vtap_http_server_options){.admit = admit, .bodies_max_bytes = 4U * VTAP_HTTP_BODY_SMALL_BYTES});
	char reply[REPLY_BYTES];
	int fd = begin(s, "/wait", "me", 2U * VTAP_HTTP_BODY_SMALL_BYTES, 2U * VTAP_HTTP_BODY_SMALL_BYTES);

	serve_until(s, is_waiting, NULL);
	whole(s, "/size", "you", VTAP_HTTP_BODY_SMALL_BYTES + 1, reply);
	assert_true(has_status(reply, 503));
	whole(s, "/size", "you", VTAP_HTTP_BODY_SMALL_BYTES, reply);
	assert_true(has_status(reply, 200));
	answer_waiting(s, fd);
	whole(s, "/size", "you", VTAP_HTTP_BODY_SMALL_BYTES + 1, reply);
	assert_true(has_status(reply, 200));
}

static void test_large_bodies_keep_pace(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s =
	    server_new((struct vtap_http_server_options){.admit = admit, .pace_ms = 300, .timeout_ms = 60000});
	const size_t large = 4U * VTAP_HTTP_BODY_SMALL_BYTES;
	uint64_t begin_ms = now_ms();
	char reply[REPLY_BYTES];
	int fd = begin(s, "/size", "me", large, large - 1);

	assert_int_equal(client_receive(s, fd, reply), 0);
	assert_in_range(now_ms() - begin_ms, 290, WAIT_MS);
	assert_int_equal(close(fd), 0);
	/* Once it is complete it may wait for its answer. */
	fd = begin(s, "/wait", "me", large, large);
	serve_until(s, is_waiting, NULL);
	assert_int_equal(serve(s, fd, POLLIN, 600), 0);
	answer_waiting(s, fd);
	/* A small one has the request's time. */
	fd = begin(s, "/size", "me", VTAP_HTTP_BODY_SMALL_BYTES, VTAP_HTTP_BODY_SMALL_BYTES - 1);
	assert_int_equal(serve(s, fd, POLLIN, 600), 0);
	client_send(s, fd, "z", 1);
	finish(s, fd, reply);
	assert_true(has_status(reply, 200));
}

/* The limit is of the line and all headers together, to the byte. */
static void test_limit_of_headers(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){.problems = true});
	static const char head[] = "POST /size HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-A: ";
	static char request[VTAP_HTTP_HEADERS_MAX_BYTES + 64];
	char reply[REPLY_BYTES];

	for (size_t bytes = VTAP_HTTP_HEADERS_MAX_BYTES; bytes <= VTAP_HTTP_HEADERS_MAX_BYTES + 1; bytes++) {
		(void)snprintf(request, sizeof(request), "%s%0*d\r\n\r\n", head,
			       (int)(bytes - strlen(head) - strlen("\r\n\r\n")), 0);
		assert_int_equal(strlen(request), bytes);
		exchange(s, request, reply);
		assert_true(has_status(reply, bytes == VTAP_HTTP_HEADERS_MAX_BYTES ? 200 : 431));
	}
	assert_non_null(strstr(reply, "\r\nContent-Type: application/problem+json\r\n"));
	assert_string_equal(body_of(reply), "{\"type\":\"about:blank\",\"title\":\"Request Header Fields Too Large\","
					    "\"status\":431,\"detail\":\"the request's line and headers are too large: "
					    "at most 16384 bytes together\"}\n");
}

static void test_owner_is_told_of_refusals(void **state)
{
	static const struct {
		const char *request, *method, *path, *detail;
		unsigned status;
		bool has_route;
	} cases[] = {
	    {"POST /nothing", "POST", "/nothing", "there is nothing at this path", 404, false},
	    {"DELETE /size", "DELETE", "/size", "-", 405, false},
	    {"POST /%", "POST", "-", "% in the request's address needs two hexadecimal digits", 400, false},
	};
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){});
	char request[256], reply[REPLY_BYTES];

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		(void)snprintf(request, sizeof(request), REQUEST("%s"), cases[i].request);
		exchange(s, request, reply);
		assert_int_equal(told.count, i + 1);
		assert_int_equal(told.status, cases[i].status);
		assert_string_equal(told.method, cases[i].method);
		assert_string_equal(told.path, cases[i].path);
		assert_string_equal(told.detail, cases[i].detail);
		assert_int_equal(told.has_route, cases[i].has_route);
	}
	told.count = 0;
	whole(s, "/small", NULL, 11, reply);
	assert_true(has_status(reply, 413));
	assert_int_equal(told.count, 1);
	assert_string_equal(told.detail, "the request's body is too large: at most 10 bytes are taken here");
	/* What a handler has seen is its own. */
	exchange(s, REQUEST("POST /failure"), reply);
	assert_true(has_status(reply, 500));
	assert_int_equal(told.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_unknown_senders_take_nothing),
	    cmocka_unit_test(test_share_of_a_sender),
	    cmocka_unit_test(test_large_bodies_leave_a_part_to_small_ones),
	    cmocka_unit_test(test_large_bodies_keep_pace),
	    cmocka_unit_test(test_limit_of_headers),
	    cmocka_unit_test(test_owner_is_told_of_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
