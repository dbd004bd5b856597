/* SPDX-License-Identifier: Apache-2.0 */

/* What a server can be told: limits of its own, headers, problems; and what a handler sees and says. */

#include "harness.h"
#include "http/private.h"

#define ADDRESS_MAX 3

/* Answers with all that it was asked. */
static int handle_echo(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	const char *a = vtap_http_query(q, "a"), *nothing = vtap_http_query(q, "nothing");
	const char *header = vtap_http_header(q, "x-HEADER");
	char address[VTAP_ADDR_STRLEN], text[512], name[8];

	assert_int_equal(vtap_http_client_certificate(q, name, sizeof(name), name, sizeof(name)), -ENOENT);
	assert_int_equal(vtap_http_client_certificate_ends_s(q), 0);
	assert_true(q->peer_port > 0);
	(void)snprintf(text, sizeof(text), "%s %s %s %s|%s|%s|%s|%s", q->method, q->path, q->parameters[0],
		       q->parameters[1] ? q->parameters[1] : "-", a ? a : "-", nothing ? nothing : "-",
		       header ? header : "-", vtap_addr_format(&q->peer, address));
	*ret_response = text_response(200, text);
	return 0;
}

static int join_parameter(const char *name, const char *value, void *userdata)
{
	char *text = userdata;

	(void)snprintf(text + strlen(text), 64 - strlen(text), "%s=%s;", name, value);
	return strcmp(name, "stop") == 0 ? 5 : 0;
}

static int handle_each(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	char text[64] = "", whole[80];
	int r = vtap_http_query_each(q, join_parameter, text);

	(void)snprintf(whole, sizeof(whole), "%s%d", text, r);
	*ret_response = text_response(200, whole);
	return 0;
}

static int handle_rich(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	static const char *const headers[] = {"Cache-Control: no-store", "X-Own: a: b", NULL};

	*ret_response = text_response(201, "rich");
	(void)strcpy(ret_response->etag, "\"7\"");
	(void)strcpy(ret_response->location, "/v1/things/thing-1");
	ret_response->retry_after_s = 12;
	ret_response->headers = headers;
	ret_response->gzip = true;
	return 0;
}

static int handle_size(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%zu %s", q->body_bytes, (const char *)q->route->data);
	*ret_response = text_response(200, text);
	return 0;
}

static int handle_failure(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	return -EIO;
}

static struct vtap_http_exchange *waiting;

static int handle_wait(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	waiting = q->exchange;
	return VTAP_HTTP_LATER;
}

static const struct vtap_http_route routes[] = {
    ROUTE("GET", "/echo/{a}", handle_echo),
    ROUTE("GET", "/echo/{a}/{b...}", handle_echo),
    ROUTE("GET", "/each", handle_each),
    ROUTE("GET", "/rich", handle_rich),
    ROUTE("GET", "/failure", handle_failure),
    ROUTE("POST", "/wait", handle_wait),
    {.method = "POST", .path = "/small", .handler = handle_size, .data = "small", .body_max_bytes = 10},
    {.method = "POST", .path = "/usual", .handler = handle_size, .data = "usual"},
};

static struct vtap_http_server *server_new(struct vtap_http_server_options options)
{
	return server_listen(options, routes, VTAP_ARRAY_SIZE(routes), NULL);
}

static void test_what_a_handler_sees(void **state)
{
	static const struct {
		const char *request, *body;
	} cases[] = {
	    {"GET /echo/x", "GET /echo/x x -|-|-|-|127.0.0.1"},
	    {"GET /echo/%C3%A4?a=b+c&a=d", "GET /echo/\xc3\xa4 \xc3\xa4 -|b c|-|-|127.0.0.1"},
	    {"GET /echo/x/y/z?nothing", "GET /echo/x/y/z x y/z|-||-|127.0.0.1"},
	    {"GET /each?a=1&b&c=%3D", "a=1;b=;c==;0"},
	    {"GET /each?a=1&stop=2&c=3", "a=1;stop=2;5"},
	    {"GET http://a/each", "0"},
	};
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){});
	char request[256], reply[REPLY_BYTES];

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		(void)snprintf(request, sizeof(request), REQUEST("%s"), cases[i].request);
		exchange(s, request, reply);
		assert_true(has_status(reply, 200));
		assert_string_equal(body_of(reply), cases[i].body);
	}
	exchange(s, "GET /echo/x HTTP/1.1\r\nHost: a\r\nX-Header: h\r\nConnection: close\r\n\r\n", reply);
	assert_string_equal(body_of(reply), "GET /echo/x x -|-|-|h|127.0.0.1");
}

static void test_bad_targets(void **state)
{
	static const struct {
		const char *request;
		unsigned status;
	} cases[] = {
	    {"GET /echo/%", 400},
	    {"GET /echo/%2", 400},
	    {"GET /echo/..", 400},
	    {"GET /echo/%2e%2e/x", 400},
	    {"GET /echo/x/..%2f..%2fetc", 404},
	    {"GET /echo/%00", 400},
	    {"GET /echo/x?a=%zz", 400},
	    {"GET /echo/a b", 400},
	    {"GET *", 400},
	    {"GET /1/2/3/4/5/6/7/8/9/1/2/3/4/5/6/7/8", 404},
	};
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){});
	char request[256], reply[REPLY_BYTES];

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		(void)snprintf(request, sizeof(request), REQUEST("%s"), cases[i].request);
		exchange(s, request, reply);
		/* With a blank in it libmicrohttpd itself hangs up. */
		if (!has_status(reply, cases[i].status) && (reply[0] || !strstr(cases[i].request, " b")))
			fail_msg("%s: %s", cases[i].request, reply);
	}
}

static void test_what_a_handler_says(void **state)
{
	static const char *const headers[] = {"X-Frame-Options: DENY", "X-Empty-Is-No-Header: -", NULL};
	static const char *const wanted[] = {
	    "\r\nContent-Type: text/plain\r\n",
	    "\r\nETag: \"7\"\r\n",
	    "\r\nLocation: /v1/things/thing-1\r\n",
	    "\r\nRetry-After: 12\r\n",
	    "\r\nContent-Encoding: gzip\r\n",
	    "\r\nCache-Control: no-store\r\n",
	    "\r\nX-Own: a: b\r\n",
	    "\r\nX-Frame-Options: DENY\r\n",
	};
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){.headers = headers});
	char reply[REPLY_BYTES];

	exchange(s, REQUEST("GET /rich"), reply);
	assert_true(has_status(reply, 201));
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(wanted); i++)
		if (!strstr(reply, wanted[i]))
			fail_msg("no %s in %s", wanted[i], reply);
	/* The server's own are in its refusals too. */
	exchange(s, REQUEST("GET /nothing"), reply);
	assert_non_null(strstr(reply, "\r\nX-Frame-Options: DENY\r\n"));
	assert_null(strstr(reply, "ETag"));
}

static void test_problems(void **state)
{
	static const struct {
		const char *request, *body;
	} cases[] = {
	    {"GET /nothing", "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
			     "\"detail\":\"there is nothing at this path\"}\n"},
	    {"PUT /each", "{\"type\":\"about:blank\",\"title\":\"Method Not Allowed\",\"status\":405,"
			  "\"detail\":\"this path takes GET, HEAD\"}\n"},
	    {"GET /failure", "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500}\n"},
	    {"GET /%", "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
		       "\"detail\":\"% in the request's address needs two hexadecimal digits\"}\n"},
	};
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){.problems = true});
	char request[256], reply[REPLY_BYTES];

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		(void)snprintf(request, sizeof(request), REQUEST("%s"), cases[i].request);
		exchange(s, request, reply);
		assert_non_null(strstr(reply, "\r\nContent-Type: application/problem+json\r\n"));
		assert_string_equal(body_of(reply), cases[i].body);
	}
}

static void test_limit_of_a_route(void **state)
{
	static const struct {
		const char *path;
		size_t body_bytes;
		unsigned status;
	} cases[] = {
	    {"/small", 10, 200},
	    {"/small", 11, 413},
	    {"/usual", 20, 200},
	    {"/usual", 21, 413},
	    {"/nothing", 21, 404},
	    /* Read to its end, or refused at once: the client learns why in either case. */
	    {"/small", 1 << 20, 413},
	    {"/small", 5 << 20, 413},
	};
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){.body_max_bytes = 20});
	static char request[6 << 20];
	char reply[REPLY_BYTES];

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		int n = snprintf(request, sizeof(request),
				 "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%0*d",
				 cases[i].path, cases[i].body_bytes, (int)cases[i].body_bytes, 0);

		(void)exchange_bytes(s, request, (size_t)n, reply);
		if (!has_status(reply, cases[i].status))
			fail_msg("case %zu: %s", i, reply);
	}
	exchange(s, REQUEST("POST /small"), reply);
	assert_string_equal(body_of(reply), "0 small");
}

/* A refused request that was read to its end leaves the connection as good as before. */
static void test_refused_bodies_keep_the_connection(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){});
	_cleanup_close_ int fd = client_connect(s);
	static const char refused[] = "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n01234567890";
	static const char taken[] = "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789";
	char reply[REPLY_BYTES];

	client_send(s, fd, refused, strlen(refused));
	client_receive_until(s, fd, "taken here\n", reply);
	assert_true(has_status(reply, 413));
	client_send(s, fd, taken, strlen(taken));
	client_receive_until(s, fd, "10 small", reply);
	assert_true(has_status(reply, 200));
}

/* Without end: the connection is cut before the client has sent for ever. */
static void test_limit_of_discarding(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){});
	_cleanup_close_ int fd = client_connect(s);
	static const char head[] = "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
	static char chunk[65536 + 16];
	char reply[REPLY_BYTES];
	size_t n;

	n = (size_t)snprintf(chunk, sizeof(chunk), "10000\r\n%065536d\r\n", 0);
	client_send(s, fd, head, strlen(head));
	for (int i = 0; i < 128; i++)
		client_send(s, fd, chunk, n);
	assert_int_equal(client_receive(s, fd, reply), 0);
}

static void test_framing(void **state)
{
	static const struct {
		const char *headers;
		unsigned status;
	} cases[] = {
	    {"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400},
	    {"Content-Length: 3\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", 400},
	    {"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200},
	    {"Expect: 100-continue\r\nContent-Length: 11\r\n\r\n", 413},
	};
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){});
	char request[256], reply[REPLY_BYTES];

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		(void)snprintf(request, sizeof(request), "POST /small HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s",
			       cases[i].headers);
		exchange(s, request, reply);
		if (!has_status(reply, cases[i].status))
			fail_msg("case %zu: %s", i, reply);
	}
}

static bool is_waiting(void *userdata)
{
	return waiting;
}

static bool is_alone(void *userdata)
{
	const struct vtap_http_server *s = userdata;

	return s->connections && !s->connections->next;
}

/* Two requests at a time: what one holds, the other cannot have. */
static void test_limit_of_all_bodies(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){.bodies_max_bytes = 100});
	static const char first[] = "POST /wait HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 60\r\n\r\n";
	_cleanup_close_ int fd = client_connect(s);
	char request[256], reply[REPLY_BYTES];
	struct vtap_http_response response;

	waiting = NULL;
	client_send(s, fd, first, strlen(first));
	(void)snprintf(request, sizeof(request), "%060d", 0);
	client_send(s, fd, request, 60);
	serve_until(s, is_waiting, NULL);
	for (int body = 40; body <= 41; body++) {
		(void)snprintf(request, sizeof(request),
			       "POST /usual HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%0*d",
			       body, body, 0);
		exchange(s, request, reply);
		if (!has_status(reply, body == 40 ? 200 : 503))
			fail_msg("%d: %s", body, reply);
	}
	assert_non_null(strstr(reply, "\r\nRetry-After: 1\r\n"));
	response = text_response(200, "");
	vtap_http_answer(waiting, &response);
	(void)client_receive(s, fd, reply);
	/* Which gives its part back. */
	exchange(s, request, reply);
	assert_true(has_status(reply, 200));
}

static void test_limit_of_an_address(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s =
	    server_new((struct vtap_http_server_options){.limits = {[VTAP_HTTP_UNKNOWN] = {.each_max = ADDRESS_MAX}}});
	static const char request[] = "GET /each HTTP/1.1\r\nHost: a\r\n\r\n";
	int fds[ADDRESS_MAX + 1];
	char reply[REPLY_BYTES];

	for (size_t i = 0; i < ADDRESS_MAX; i++) {
		fds[i] = client_connect(s);
		client_send(s, fds[i], request, strlen(request));
		client_receive_until(s, fds[i], "\r\n\r\n0", reply);
		assert_true(has_status(reply, 200));
	}
	/* One more ends the oldest, and no other. */
	fds[ADDRESS_MAX] = client_connect(s);
	assert_int_equal(client_receive(s, fds[0], reply), 0);
	for (size_t i = 1; i <= ADDRESS_MAX; i++) {
		client_send(s, fds[i], request, strlen(request));
		client_receive_until(s, fds[i], "\r\n\r\n0", reply);
		assert_true(has_status(reply, 200));
	}
	for (size_t i = 0; i <= ADDRESS_MAX; i++)
		assert_int_equal(close(fds[i]), 0);
}

static int known_handler(const struct vtap_http_request *request, struct vtap_http_response *ret_response,
			 void *userdata)
{
	vtap_http_known(request, VTAP_HTTP_USER, "somebody");
	*ret_response = text_response(200, "0");
	return 0;
}

/* Who is not known takes no place of who is; nor does who is known take more than the share. */
static void test_limit_of_the_unknown(void **state)
{
	static const struct vtap_http_route known_routes[] = {ROUTE("GET", "/known", known_handler)};
	static const char request[] = "GET /known HTTP/1.1\r\nHost: a\r\n\r\n";
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_listen(
	    (struct vtap_http_server_options){
		.limits = {[VTAP_HTTP_UNKNOWN] = {.max = 2}, [VTAP_HTTP_USER] = {.each_max = 2}}},
	    known_routes, 1, NULL);
	int known[3], unknown[3];
	char reply[REPLY_BYTES];

	for (size_t i = 0; i < 2; i++) {
		known[i] = client_connect(s);
		client_send(s, known[i], request, strlen(request));
		client_receive_until(s, known[i], "\r\n\r\n0", reply);
	}
	for (size_t i = 0; i < 3; i++)
		unknown[i] = client_connect(s);
	assert_int_equal(client_receive(s, unknown[0], reply), 0);
	for (size_t i = 0; i < 2; i++) {
		client_send(s, known[i], request, strlen(request));
		client_receive_until(s, known[i], "\r\n\r\n0", reply);
	}
	/* One of them becomes known: one too many. */
	client_send(s, unknown[1], request, strlen(request));
	client_receive_until(s, unknown[1], "\r\n\r\n0", reply);
	assert_int_equal(client_receive(s, known[0], reply), 0);
	/* Its place among the others is free. */
	known[2] = client_connect(s);
	client_send(s, unknown[2], request, strlen(request));
	client_receive_until(s, unknown[2], "\r\n\r\n0", reply);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(close(known[i]), 0);
		assert_int_equal(close(unknown[i]), 0);
	}
}

#define PLACES 5

/* One idle connection each from as many addresses as there are places: whoever comes then takes that of the first. */
static void test_limit_of_many_addresses(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s =
	    server_new((struct vtap_http_server_options){.limits = {[VTAP_HTTP_UNKNOWN] = {.max = PLACES}}});
	static const char request[] = "GET /each HTTP/1.1\r\nHost: a\r\n\r\n";
	int fds[PLACES + 2];
	char reply[REPLY_BYTES];

	for (uint8_t i = 0; i < VTAP_ARRAY_SIZE(fds); i++) {
		fds[i] = client_connect_from(s, (uint8_t)(i + 1));
		client_send(s, fds[i], request, strlen(request));
		client_receive_until(s, fds[i], "\r\n\r\n0", reply);
		assert_true(has_status(reply, 200));
	}
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(fds) - PLACES; i++)
		assert_int_equal(client_receive(s, fds[i], reply), 0);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(fds); i++)
		assert_int_equal(close(fds[i]), 0);
}

/* A connection without a request ends; one that has had a request has the time of the option. */
static void test_idle_connections(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){.timeout_ms = 200, .idle_ms = 1500});
	static const char request[] = "GET /each HTTP/1.1\r\nHost: a\r\n\r\n";
	_cleanup_close_ int fresh = client_connect(s), used = client_connect(s), dripping = client_connect(s);
	uint64_t begin_ms = now_ms();
	char reply[REPLY_BYTES];

	client_send(s, used, request, strlen(request));
	client_receive_until(s, used, "\r\n\r\n0", reply);
	client_send(s, dripping, request, strlen(request));
	client_receive_until(s, dripping, "\r\n\r\n0", reply);
	/* Of the next request its first line alone. */
	client_send(s, dripping, request, strlen("GET /each HTTP/1.1\r\n"));
	assert_int_equal(client_receive(s, fresh, reply), 0);
	assert_in_range(now_ms() - begin_ms, 150, 1400);
	assert_int_equal(client_receive(s, dripping, reply), 0);
	assert_in_range(now_ms() - begin_ms, 150, 1450);
	assert_int_equal(client_receive(s, used, reply), 0);
	assert_in_range(now_ms() - begin_ms, 1450, WAIT_MS);
}

static void test_limit_of_the_query(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){});
	static const size_t counts[] = {VTAP_HTTP_QUERY_MAX, VTAP_HTTP_QUERY_MAX + 1, 2000};
	char request[8192], reply[REPLY_BYTES];

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(counts); i++) {
		int n = snprintf(request, sizeof(request), "GET /echo/x?");

		for (size_t k = 0; k < counts[i]; k++)
			n += snprintf(request + n, sizeof(request) - (size_t)n, "a&");
		(void)snprintf(request + n, sizeof(request) - (size_t)n,
			       " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
		exchange(s, request, reply);
		assert_true(has_status(reply, i == 0 ? 200 : 400));
		assert_non_null(strstr(reply, i == 0 ? "GET /echo/x" : "more than 64 parameters"));
	}
}

/* What libmicrohttpd makes nothing of, neither an answer nor an end, ends by its time, also where nobody looks at the socket. */
static void test_stuck_connections_end(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s =
	    server_new((struct vtap_http_server_options){.timeout_ms = 200, .idle_ms = 10 * WAIT_MS});
	static const char usual[] = "GET /each HTTP/1.1\r\nHost: a\r\n\r\n";
	static const char first[] = "POST /wait HTTP/1.1\r\nHost: a\r\n\r\n";
	static const char last[] = " HTTP/1.1\r\nHost: a\r\n\r\n";
	_cleanup_close_ int oldest = client_connect(s), fresh = -1, resumed = -1;
	char stuck[2048] = "GET /each\0?", reply[REPLY_BYTES];
	struct vtap_http_response p = text_response(200, "answered");

	for (size_t i = sizeof("GET /each\0?") - 1; i < sizeof(stuck); i++)
		stuck[i] = i % 2 ? 'a' : '&';
	memcpy(stuck + sizeof(stuck) - strlen(last), last, strlen(last));
	/* The oldest connection libmicrohttpd looks at in every run. */
	client_send(s, oldest, usual, strlen(usual));
	client_receive_until(s, oldest, "\r\n\r\n0", reply);
	fresh = client_connect(s);
	client_send(s, fresh, stuck, sizeof(stuck));
	assert_int_equal(client_receive(s, fresh, reply), 0);
	waiting = NULL;
	resumed = client_connect(s);
	client_send(s, resumed, first, strlen(first));
	client_send(s, resumed, stuck, sizeof(stuck));
	serve_until(s, is_waiting, NULL);
	vtap_http_answer(waiting, &p);
	client_receive_until(s, resumed, "answered", reply);
	/* Its client sees the end at once, but its place is free only when the server's side has gone as well. */
	assert_int_equal(client_receive(s, resumed, reply), 0);
	serve_until(s, is_alone, s);
}

static void test_bad_options(void **state)
{
	static const char *const no_colon[] = {"X-Frame-Options", NULL};
	static const char *const split[] = {"X-A: b\r\nX-C: d", NULL};
	static const char *const no_name[] = {": b", NULL};
	static const struct vtap_http_route no_pattern[] = {ROUTE("GET", "/{a", handle_echo)};
	static const struct vtap_http_tls empty = {.certificate = "", .key = ""};
	struct vtap_http_server_options options = {};
	struct vtap_http_server *s = NULL;

	assert_int_equal(vtap_addr_parse("127.0.0.1", &options.address), 0);
	assert_int_equal(vtap_http_server_listen(&options, no_pattern, 1, NULL, &s), -EINVAL);
	options.headers = no_colon;
	assert_int_equal(vtap_http_server_listen(&options, routes, 1, NULL, &s), -EINVAL);
	options.headers = split;
	assert_int_equal(vtap_http_server_listen(&options, routes, 1, NULL, &s), -EINVAL);
	options.headers = no_name;
	assert_int_equal(vtap_http_server_listen(&options, routes, 1, NULL, &s), -EINVAL);
	options.headers = NULL;
	options.tls = &empty;
	assert_int_equal(vtap_http_server_listen(&options, routes, 1, NULL, &s), -EINVAL);
	assert_null(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_a_handler_sees),     cmocka_unit_test(test_bad_targets),
	    cmocka_unit_test(test_what_a_handler_says),     cmocka_unit_test(test_problems),
	    cmocka_unit_test(test_limit_of_a_route),        cmocka_unit_test(test_refused_bodies_keep_the_connection),
	    cmocka_unit_test(test_limit_of_discarding),     cmocka_unit_test(test_framing),
	    cmocka_unit_test(test_limit_of_all_bodies),     cmocka_unit_test(test_limit_of_an_address),
	    cmocka_unit_test(test_limit_of_many_addresses), cmocka_unit_test(test_limit_of_the_unknown),
	    cmocka_unit_test(test_idle_connections),        cmocka_unit_test(test_limit_of_the_query),
	    cmocka_unit_test(test_stuck_connections_end),   cmocka_unit_test(test_bad_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
