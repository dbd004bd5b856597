/* SPDX-License-Identifier: Apache-2.0 */

/* What any server does: requests, answers, limits. */

#include <fcntl.h>
#include <sys/socket.h>

#include "harness.h"

#define BIG_BYTES (5U << 20)

static int handle_text(const struct vtap_http_request *request, struct vtap_http_response *ret_response, void *userdata)
{
	*ret_response = text_response(200, userdata);
	return 0;
}

/* Answers with the size and the last byte of the body. */
static int handle_body(const struct vtap_http_request *request, struct vtap_http_response *ret_response, void *userdata)
{
	char *text = NULL;
	int n = asprintf(&text, "%zu %c", request->body_bytes,
			 request->body_bytes > 0 ? request->body[request->body_bytes - 1] : '-');

	if (n < 0)
		return -ENOMEM;
	*ret_response = (struct vtap_http_response){
	    .status = 201, .content_type = "text/plain", .body = text, .body_bytes = (size_t)n};
	return 0;
}

static int handle_big(const struct vtap_http_request *request, struct vtap_http_response *ret_response, void *userdata)
{
	*ret_response =
	    (struct vtap_http_response){.status = 200, .body = calloc(1, BIG_BYTES), .body_bytes = BIG_BYTES};
	return 0;
}

static int handle_empty(const struct vtap_http_request *request, struct vtap_http_response *ret_response,
			void *userdata)
{
	*ret_response = (struct vtap_http_response){.status = 204};
	return 0;
}

static int handle_failure(const struct vtap_http_request *request, struct vtap_http_response *ret_response,
			  void *userdata)
{
	return -EIO;
}

static const struct vtap_http_route routes[] = {
    ROUTE("GET", "/text", handle_text), ROUTE("POST", "/text", handle_body),  ROUTE("POST", "/body", handle_body),
    ROUTE("GET", "/big", handle_big),   ROUTE("GET", "/empty", handle_empty), ROUTE("GET", "/failure", handle_failure),
};

static struct vtap_http_server *server_new(const char *endpoint)
{
	struct vtap_http_server *s = NULL;
	struct vtap_http_endpoint e;
	static char text[] = "hello";

	assert_int_equal(vtap_http_endpoint_parse(endpoint, &e), 0);
	assert_int_equal(vtap_http_server_new(&e.address, e.port, routes, VTAP_ARRAY_SIZE(routes), text, &s), 0);
	assert_int_not_equal(vtap_http_server_port(s), 0);
	return s;
}

static void test_requests(void **state)
{
	static const struct {
		const char *request;
		unsigned status;
		const char *header; /* NULL = any */
		const char *body;
	} cases[] = {
	    {"GET /text", 200, "Content-Type: text/plain\r\n", "hello"},
	    {"GET /text?a=b", 200, NULL, "hello"},
	    {"HEAD /text", 200, "Content-Length: 5\r\n", ""},
	    {"GET /empty", 204, NULL, ""},
	    {"POST /body", 201, NULL, "0 -"},
	    {"GET /failure", 500, NULL, "500 Internal Server Error\n"},
	    {"GET /nothing", 404, NULL, "404 Not Found: there is nothing at this path\n"},
	    {"GET /text/", 404, NULL, "404 Not Found: there is nothing at this path\n"},
	    {"DELETE /text", 405, "Allow: GET, HEAD, POST\r\n",
	     "405 Method Not Allowed: this path takes GET, HEAD, POST\n"},
	    {"OPTIONS /body", 405, "Allow: POST\r\n", "405 Method Not Allowed: this path takes POST\n"},
	    {"HEAD /body", 405, "Allow: POST\r\n", ""},
	    {"get /text", 405, NULL, "405 Method Not Allowed: this path takes GET, HEAD, POST\n"},
	};
	VTAP_CLEANUP(vtap_http_server_freep) struct vtap_http_server *s = server_new("127.0.0.1:0");

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		char request[256], reply[REPLY_BYTES];

		(void)snprintf(request, sizeof(request), "%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
			       cases[i].request);
		exchange(s, request, reply);
		if (!has_status(reply, cases[i].status))
			fail_msg("%s: %s", cases[i].request, reply);
		if (cases[i].header && !strstr(reply, cases[i].header))
			fail_msg("%s: no %s in %s", cases[i].request, cases[i].header, reply);
		assert_string_equal(body_of(reply), cases[i].body);
	}
}

static void test_malformed_requests_are_refused(void **state)
{
	static const char *const cases[] = {
	    "\x01\x02\x03\r\n\r\n",
	    "GET\r\n\r\n",
	    "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
	    "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
	    "POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	    "GET /text HTTP/1.1\r\nConnection: close\r\n\r\n",
	    "GET /text HTTP/1.1\r\nHost : a\r\nConnection: close\r\n\r\n",
	    "GET /text /text HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
	};
	VTAP_CLEANUP(vtap_http_server_freep) struct vtap_http_server *s = server_new("127.0.0.1:0");
	char reply[REPLY_BYTES];

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		exchange(s, cases[i], reply);
		if (reply[0] && strncmp(reply, "HTTP/1.1 4", 10) != 0)
			fail_msg("case %zu: %s", i, reply);
	}
	exchange(s, "GET /text HTTP/1.0\r\n\r\n", reply);
	assert_non_null(strstr(reply, " 200 OK\r\n"));
}

static void test_keep_alive(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep) struct vtap_http_server *s = server_new("127.0.0.1:0");
	_cleanup_close_ int fd = client_connect(s);
	static const char again[] = "GET /text HTTP/1.1\r\nHost: a\r\n\r\n";
	static const char last[] = "GET /text HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	char reply[REPLY_BYTES];

	for (int i = 0; i < 3; i++) {
		client_send(s, fd, again, strlen(again));
		assert_true(serve(s, fd, POLLIN, WAIT_MS) & POLLIN);
		assert_true(recv(fd, reply, sizeof(reply), 0) > 0);
		assert_true(has_status(reply, 200));
	}
	client_send(s, fd, last, strlen(last));
	(void)client_receive(s, fd, reply);
	assert_true(has_status(reply, 200));
}

static void test_big_answer_arrives_whole(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep) struct vtap_http_server *s = server_new("127.0.0.1:0");
	static const char request[] = "GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	char reply[REPLY_BYTES];
	size_t total = exchange_bytes(s, request, strlen(request), reply);

	assert_true(has_status(reply, 200));
	assert_int_equal(total - (size_t)(body_of(reply) - reply), BIG_BYTES);
}

static void test_limit_of_headers(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep) struct vtap_http_server *s = server_new("127.0.0.1:0");
	static char request[VTAP_HTTP_CONNECTION_BYTES + 4096];
	char reply[REPLY_BYTES];

	(void)snprintf(request, sizeof(request),
		       "GET /text HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-A: %0*d\r\n\r\n",
		       (int)VTAP_HTTP_HEADERS_MAX_BYTES / 2, 0);
	exchange(s, request, reply);
	assert_true(has_status(reply, 200));
	(void)snprintf(request, sizeof(request),
		       "GET /text HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-A: %0*d\r\n\r\n",
		       (int)VTAP_HTTP_CONNECTION_BYTES, 0);
	exchange(s, request, reply);
	if (!has_status(reply, 431))
		fail_msg("header: %s", reply);
	(void)snprintf(request, sizeof(request), "GET /%0*d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
		       (int)VTAP_HTTP_CONNECTION_BYTES, 0);
	exchange(s, request, reply);
	if (!has_status(reply, 414) && !has_status(reply, 431))
		fail_msg("request line: %s", reply);
}

/* The body is zeros and a last 'z'. Returns the size of the request. */
static size_t body_request(char *buffer, size_t size_bytes, size_t body_bytes, bool chunked)
{
	int n;

	n = chunked ? snprintf(buffer, size_bytes,
			       "POST /body HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
			       "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%0*dz\r\n0\r\n\r\n",
			       body_bytes, (int)body_bytes - 1, 0)
		    : snprintf(buffer, size_bytes,
			       "POST /body HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
			       "Content-Length: %zu\r\n\r\n%0*dz",
			       body_bytes, (int)body_bytes - 1, 0);
	assert_true(n > 0 && (size_t)n < size_bytes);
	return (size_t)n;
}

static void test_limit_of_body(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep) struct vtap_http_server *s = server_new("127.0.0.1:0");
	static const size_t over_bytes[] = {VTAP_HTTP_BODY_MAX_BYTES + 1, 4 * VTAP_HTTP_BODY_MAX_BYTES};
	static char request[5 * VTAP_HTTP_BODY_MAX_BYTES];
	char reply[REPLY_BYTES];
	size_t n;

	for (int chunked = 0; chunked < 2; chunked++) {
		n = body_request(request, sizeof(request), VTAP_HTTP_BODY_MAX_BYTES, chunked);
		(void)exchange_bytes(s, request, n, reply);
		assert_true(has_status(reply, 201));
		assert_string_equal(body_of(reply), "65536 z");
		for (size_t i = 0; i < VTAP_ARRAY_SIZE(over_bytes); i++) {
			n = body_request(request, sizeof(request), over_bytes[i], chunked);
			(void)exchange_bytes(s, request, n, reply);
			if (!has_status(reply, 413))
				fail_msg("%zu bytes, chunked %d: %s", over_bytes[i], chunked, reply);
		}
	}
	/* Refused by the announcement: a client that asks first need not send the body. */
	exchange(s, "POST /body HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 65537\r\n\r\n", reply);
	assert_true(has_status(reply, 413));
}

static void test_limit_of_connections(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep) struct vtap_http_server *s = server_new("127.0.0.1:0");
	static const char request[] = "GET /text HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	int fds[VTAP_HTTP_CONNECTIONS_MAX + 1];
	char reply[REPLY_BYTES];

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(fds); i++) {
		fds[i] = client_connect(s);
		(void)serve(s, fds[i], POLLIN, 1);
	}
	/* The last of the permitted ones is served, the one behind it is not. */
	client_send(s, fds[VTAP_HTTP_CONNECTIONS_MAX], request, strlen(request));
	assert_int_equal(serve(s, fds[VTAP_HTTP_CONNECTIONS_MAX], POLLIN, 200), 0);
	client_send(s, fds[VTAP_HTTP_CONNECTIONS_MAX - 1], request, strlen(request));
	(void)client_receive(s, fds[VTAP_HTTP_CONNECTIONS_MAX - 1], reply);
	assert_true(has_status(reply, 200));
	/* Which made the place that it waited for. */
	(void)client_receive(s, fds[VTAP_HTTP_CONNECTIONS_MAX], reply);
	assert_true(has_status(reply, 200));
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(fds); i++)
		assert_int_equal(close(fds[i]), 0);
}

static void test_slow_clients_are_cut(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep) struct vtap_http_server *s = server_new("127.0.0.1:0");
	static const char request[] = "GET /text HTTP/1.1\r\nHost: a\r\n";
	_cleanup_close_ int silent = -1, dripping = -1, deaf = -1;
	char reply[REPLY_BYTES];
	uint64_t begin_ms = now_ms();
	short events = 0;

	vtap_http_server_set_timeout_ms(s, 300);
	silent = client_connect(s);
	deaf = client_connect(s);
	client_send(s, deaf, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n", 31);
	dripping = client_connect(s);
	for (size_t i = 0; i < strlen(request) && !(events & (POLLHUP | POLLIN)); i++) {
		(void)send(dripping, request + i, 1, MSG_NOSIGNAL);
		events = serve(s, dripping, POLLIN, 50);
	}
	/* Cut long before the 31 steps of 50 ms were over, though a byte came in each. */
	assert_int_not_equal(events, 0);
	assert_in_range(now_ms() - begin_ms, 250, 1300);
	assert_int_equal(client_receive(s, silent, reply), 0);
	/* What the kernel had taken is delivered, then the stream ends early. */
	assert_true(client_receive(s, deaf, reply) < BIG_BYTES);
	assert_int_equal(vtap_http_server_timeout_ms(s), -1);
}

#define DESCRIPTORS 64 /* more than this program ever has */

static void descriptors_read(int flags[DESCRIPTORS])
{
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		flags[fd] = fcntl(fd, F_GETFD);
}

static void test_descriptors(void **state)
{
	int before[DESCRIPTORS], during[DESCRIPTORS], after[DESCRIPTORS], opened = 0;
	struct vtap_http_server *s;
	_cleanup_close_ int client = -1;

	descriptors_read(before);
	s = server_new("127.0.0.1:0");
	client = client_connect(s);
	(void)serve(s, client, POLLIN, 20);
	descriptors_read(during);
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		if (before[fd] < 0 && during[fd] >= 0) {
			opened++;
			assert_true(during[fd] & FD_CLOEXEC);
		}
	/* The client's, the listening socket, the accepted one and the epoll descriptor at least. */
	assert_true(opened >= 4);
	assert_int_equal(close(VTAP_STEAL_FD(client)), 0);
	s = vtap_http_server_free(s);
	descriptors_read(after);
	assert_memory_equal(before, after, sizeof(before));
}

static void test_addresses(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep) struct vtap_http_server *s = NULL, *again = NULL;
	struct vtap_http_endpoint e;
	char reply[REPLY_BYTES];

	/* "::" takes IPv4 clients too. */
	s = server_new("[::]:0");
	exchange(s, "GET /text HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", reply);
	assert_true(has_status(reply, 200));
	assert_int_equal(vtap_http_endpoint_parse("[::]:0", &e), 0);
	assert_int_equal(
	    vtap_http_server_new(&e.address, vtap_http_server_port(s), routes, VTAP_ARRAY_SIZE(routes), NULL, &again),
	    -EADDRINUSE);
	assert_null(again);
	s = vtap_http_server_free(s);
	s = server_new("[::1]:0");
	s = vtap_http_server_free(s);
	assert_int_equal(vtap_http_endpoint_parse("192.0.2.1:0", &e), 0);
	assert_int_equal(vtap_http_server_new(&e.address, 0, routes, VTAP_ARRAY_SIZE(routes), NULL, &s),
			 -EADDRNOTAVAIL);
	e.address.family = AF_UNSPEC;
	assert_int_equal(vtap_http_server_new(&e.address, 0, routes, VTAP_ARRAY_SIZE(routes), NULL, &s), -EAFNOSUPPORT);
}

static void test_endpoint_parse(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint8_t family;
		uint16_t port;
	} cases[] = {
	    {"127.0.0.1:9100", 0, AF_INET, 9100},
	    {"0.0.0.0:0", 0, AF_INET, 0},
	    {"[::]:65535", 0, AF_INET6, 65535},
	    {"[2001:db8::1]:1", 0, AF_INET6, 1},
	    {"", -EINVAL, 0, 0},
	    {":", -EINVAL, 0, 0},
	    {":9100", -EINVAL, 0, 0},
	    {"9100", -EINVAL, 0, 0},
	    {"127.0.0.1", -EINVAL, 0, 0},
	    {"127.0.0.1:", -EINVAL, 0, 0},
	    {"127.0.0.1:x", -EINVAL, 0, 0},
	    {"127.0.0.1:80 ", -EINVAL, 0, 0},
	    {"127.0.0.1:65536", -ERANGE, 0, 0},
	    {"[127.0.0.1]:80", -EINVAL, 0, 0},
	    {"2001:db8::1", -EINVAL, 0, 0},
	    {"[::1]", -EINVAL, 0, 0},
	    {"[]:1", -EINVAL, 0, 0},
	    {"[:1", -EINVAL, 0, 0},
	    {"localhost:80", -EINVAL, 0, 0},
	    {"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:1", -EINVAL, 0, 0},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		struct vtap_http_endpoint e = {.port = 4711};

		if (vtap_http_endpoint_parse(cases[i].text, &e) != cases[i].r)
			fail_msg("%s", cases[i].text);
		assert_int_equal(e.port, cases[i].r == 0 ? cases[i].port : 4711);
		assert_int_equal(e.address.family, cases[i].family);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_requests),
	    cmocka_unit_test(test_malformed_requests_are_refused),
	    cmocka_unit_test(test_keep_alive),
	    cmocka_unit_test(test_big_answer_arrives_whole),
	    cmocka_unit_test(test_limit_of_headers),
	    cmocka_unit_test(test_limit_of_body),
	    cmocka_unit_test(test_limit_of_connections),
	    cmocka_unit_test(test_slow_clients_are_cut),
	    cmocka_unit_test(test_descriptors),
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_endpoint_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
