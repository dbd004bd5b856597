/* SPDX-License-Identifier: Apache-2.0 */

/* Requests without TLS, against our own server; the one that waits has it on a thread of its own. */

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "client/client.h"
#include "http/http.h"

#define IDLE_MS 300
#define REFUSED_NAME "http://" LABEL LABEL ".invalid:1"
#define LABEL "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* two of them are too long for a name */

static const char *header_or(const struct vtap_http_request *q, const char *name)
{
	const char *value = vtap_http_header(q, name);

	return value ? value : "-";
}

static struct vtap_http_response text_response(const char *text)
{
	struct vtap_http_response p = {.status = 200, .body = strdup(text), .body_bytes = strlen(text)};

	return p;
}

static int handle_echo(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "%s %s|%.*s|%s|%s|%s|%s|%s", q->method, q->path, (int)q->body_bytes,
		       q->body ? q->body : "", header_or(q, "Content-Type"), header_or(q, "Content-Length"),
		       header_or(q, "Authorization"), header_or(q, "User-Agent"), header_or(q, "X-Own"));
	*ret_response = text_response(text);
	return 0;
}

static int handle_tagged(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	*ret_response = text_response("");
	ret_response->status = 412;
	(void)strcpy(ret_response->etag, "\"42\"");
	return 0;
}

/* The status and the header's seconds are in the path. */
static int handle_busy(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	*ret_response = text_response("");
	ret_response->status = (unsigned)strtoul(q->parameters[0], NULL, 10);
	ret_response->retry_after_s = (unsigned)strtoul(q->parameters[1], NULL, 10);
	return 0;
}

static int handle_port(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%u", q->peer_port);
	*ret_response = text_response(text);
	return 0;
}

static int handle_big(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	size_t size_bytes = strtoul(q->parameters[0], NULL, 10);

	*ret_response =
	    (struct vtap_http_response){.status = 200, .body = malloc(size_bytes), .body_bytes = size_bytes};
	memset(ret_response->body, 'x', size_bytes);
	return 0;
}

static void release(void *userdata)
{
}

static int handle_never(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	vtap_http_on_gone(q->exchange, release, NULL);
	return VTAP_HTTP_LATER;
}

static const struct vtap_http_route routes[] = {
    {.method = "GET", .path = "/echo/{x}", .handler = handle_echo},
    {.method = "POST", .path = "/echo/{x}", .handler = handle_echo},
    {.method = "PUT", .path = "/echo/{x}", .handler = handle_echo},
    {.method = "PATCH", .path = "/echo/{x}", .handler = handle_echo},
    {.method = "DELETE", .path = "/echo/{x}", .handler = handle_echo},
    {.method = "GET", .path = "/tagged", .handler = handle_tagged},
    {.method = "GET", .path = "/busy/{status}/{seconds}", .handler = handle_busy},
    {.method = "GET", .path = "/port", .handler = handle_port},
    {.method = "GET", .path = "/big/{bytes}", .handler = handle_big},
    {.method = "GET", .path = "/never", .handler = handle_never},
};

/* A server with somebody who drives it. */
static struct {
	struct vtap_http_server *server;
	pthread_t thread;
	int stop_fd;
	char url[64];
} host;

static void *host_run(void *userdata)
{
	struct pollfd fds[] = {{.fd = vtap_http_server_fd(host.server), .events = POLLIN},
			       {.fd = host.stop_fd, .events = POLLIN}};

	while (!fds[1].revents) {
		(void)poll(fds, VTAP_ARRAY_SIZE(fds), vtap_http_server_timeout_ms(host.server));
		(void)vtap_http_server_run(host.server);
	}
	return NULL;
}

static int host_begin(void **state)
{
	struct vtap_http_server_options options = {.idle_ms = IDLE_MS};

	assert_int_equal(vtap_addr_parse("127.0.0.1", &options.address), 0);
	assert_int_equal(vtap_http_server_listen(&options, routes, VTAP_ARRAY_SIZE(routes), NULL, &host.server), 0);
	host.stop_fd = eventfd(0, EFD_CLOEXEC);
	(void)snprintf(host.url, sizeof(host.url), "http://127.0.0.1:%u", vtap_http_server_port(host.server));
	return pthread_create(&host.thread, NULL, host_run, NULL);
}

static int host_end(void **state)
{
	(void)eventfd_write(host.stop_fd, 1);
	(void)pthread_join(host.thread, NULL);
	vtap_http_server_free(host.server);
	return close(host.stop_fd);
}

static struct vtap_client *client_new(struct vtap_client_options options)
{
	struct vtap_error error = {};
	struct vtap_client *c = NULL;

	if (!options.url)
		options.url = host.url;
	if (vtap_client_new(&options, &c, &error) != 0)
		fail_msg("%s", error.text);
	return c;
}

static void get(struct vtap_client *c, const char *path, const char *body)
{
	struct vtap_client_request q = {.method = "GET", .path = path};
	struct vtap_client_answer a;

	if (vtap_client_perform(c, &q, &a) != 0)
		fail_msg("%s", a.error);
	assert_int_equal(a.status, 200);
	assert_string_equal(a.body, body);
	assert_int_equal(a.body_bytes, strlen(body));
	vtap_client_answer_done(&a);
}

static void test_urls(void **state)
{
	static const struct {
		const char *url;
		bool plain_anywhere;
		int r;
	} cases[] = {
	    {"https://controller:8750", false, 0},
	    {"https://controller:8750/", false, 0},
	    {"https://controller/vtap/", false, 0},
	    {"https://[2001:db8::1]:8750", false, 0},
	    {"http://127.0.0.1:8750", false, 0},
	    {"http://127.1.2.3", false, 0},
	    {"http://[::1]:8750", false, 0},
	    {"http://localhost:8750", false, 0},
	    {"http://controller:8750", false, -EINVAL},
	    {"http://controller:8750", true, 0},
	    {"http://10.0.0.1:8750", false, -EINVAL},
	    {"http://127.0.0.1.example:8750", false, -EINVAL},
	    {"http://[2001:db8::1]:8750", false, -EINVAL},
	    {"http://localhost.example", false, -EINVAL},
	    {"", false, -EINVAL},
	    {"controller", false, -EINVAL},
	    {"controller:8750", false, -EINVAL},
	    {"ftp://controller", true, -EINVAL},
	    {"file:///etc/passwd", true, -EINVAL},
	    {"https://", false, -EINVAL},
	    {"https://controller:99999", false, -EINVAL},
	    {"https://user:secret@controller", false, -EINVAL},
	    {"https://user@controller", false, -EINVAL},
	    {"https://controller/?a=b", false, -EINVAL},
	    {"https://controller/#a", false, -EINVAL},
	    {"https://con troller", false, -EINVAL},
	    {"https://controller\n.example", false, -EINVAL},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		struct vtap_client_options options = {.url = cases[i].url, .plain_anywhere = cases[i].plain_anywhere};
		VTAP_CLEANUP(vtap_client_freep) struct vtap_client *c = NULL;
		struct vtap_error error = {};

		if (vtap_client_new(&options, &c, &error) != cases[i].r)
			fail_msg("%s: %s", cases[i].url, error.text);
		assert_int_equal(!c, cases[i].r < 0);
		if (cases[i].r < 0)
			assert_string_equal(error.field, "url");
	}
}

static void test_requests(void **state)
{
	static const char *const headers[] = {"X-Own: own", NULL};
	static const struct {
		struct vtap_client_request request;
		const char *answer;
	} cases[] = {
	    {{.method = "GET", .path = "/echo/a%20b?x=y"}, "GET /echo/a b||-|-|-|vtap/1|-"},
	    {{.method = "GET", .path = "/echo/1", .headers = headers}, "GET /echo/1||-|-|-|vtap/1|own"},
	    {{.method = "POST", .path = "/echo/1"}, "POST /echo/1||-|0|-|vtap/1|-"},
	    {{.method = "POST", .path = "/echo/1", .body = "{}", .body_bytes = 2},
	     "POST /echo/1|{}|application/json|2|-|vtap/1|-"},
	    {{.method = "PUT", .path = "/echo/1", .body = "abc", .body_bytes = 2, .content_type = "text/plain"},
	     "PUT /echo/1|ab|text/plain|2|-|vtap/1|-"},
	    {{.method = "PATCH", .path = "/echo/1", .body = "", .body_bytes = 0},
	     "PATCH /echo/1||application/json|0|-|vtap/1|-"},
	    {{.method = "DELETE", .path = "/echo/1"}, "DELETE /echo/1||-|-|-|vtap/1|-"},
	    {{.method = "HEAD", .path = "/echo/1"}, ""},
	};
	VTAP_CLEANUP(vtap_client_freep)
	struct vtap_client *c = client_new((struct vtap_client_options){.user_agent = "vtap/1"});
	struct vtap_client_answer a;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		assert_int_equal(vtap_client_perform(c, &cases[i].request, &a), 0);
		assert_int_equal(a.status, 200);
		assert_string_equal(a.body, cases[i].answer);
		vtap_client_answer_done(&a);
	}
	assert_int_equal(vtap_client_perform(c, &(struct vtap_client_request){.method = "GET", .path = "/tagged"}, &a),
			 0);
	assert_int_equal(a.status, 412);
	assert_string_equal(a.etag, "\"42\"");
	assert_string_equal(a.body, "");
	vtap_client_answer_done(&a);
}

/* How long to wait is read of those answers that tell it, and bounded. */
static void test_retry_after(void **state)
{
	static const struct {
		const char *path;
		unsigned seconds;
	} cases[] = {
	    {"/busy/429/12", 12}, {"/busy/503/1", 1},       {"/busy/503/0", 0},       {"/busy/200/12", 0},
	    {"/busy/500/12", 0},  {"/busy/503/3600", 3600}, {"/busy/503/3601", 3600}, {"/busy/429/4294967295", 3600},
	};
	VTAP_CLEANUP(vtap_client_freep) struct vtap_client *c = client_new((struct vtap_client_options){});

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		struct vtap_client_answer a;

		assert_int_equal(
		    vtap_client_perform(c, &(struct vtap_client_request){.method = "GET", .path = cases[i].path}, &a),
		    0);
		assert_int_equal(a.retry_after_s, cases[i].seconds);
		vtap_client_answer_done(&a);
	}
}

static void test_credentials(void **state)
{
	static const struct {
		struct vtap_client_options options;
		const char *answer;
	} cases[] = {
	    {{.user = "key-1", .password = "secret"}, "GET /echo/1||-|-|Basic a2V5LTE6c2VjcmV0|-|-"},
	    {{.user = "key-1"}, "GET /echo/1||-|-|Basic a2V5LTE6|-|-"},
	    {{.bearer = "token"}, "GET /echo/1||-|-|Bearer token|-|-"},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		VTAP_CLEANUP(vtap_client_freep) struct vtap_client *c = client_new(cases[i].options);

		get(c, "/echo/1", cases[i].answer);
	}
}

static void test_unfit_requests(void **state)
{
	static const char *const split[] = {"X-A: b\r\nX-C: d", NULL};
	static const struct vtap_client_request cases[] = {
	    {.method = "GET", .path = "echo"},
	    {.method = "GET", .path = ""},
	    {.method = "GET", .path = "/echo/a b"},
	    {.method = "GET", .path = "/echo/a\r\nX-A: b"},
	    {.method = "", .path = "/echo/1"},
	    {.method = "GET\r\n", .path = "/echo/1"},
	    {.method = "GET", .path = "/echo/1", .headers = split},
	    {.method = "POST", .path = "/echo/1", .body = "", .content_type = "a\nb"},
	};
	VTAP_CLEANUP(vtap_client_freep) struct vtap_client *c = client_new((struct vtap_client_options){});
	struct vtap_client_answer a;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		assert_int_equal(vtap_client_perform(c, &cases[i], &a), -EINVAL);
		assert_int_equal(a.result, -EINVAL);
		assert_true(a.error[0]);
		assert_int_equal(vtap_client_start(c, &cases[i], NULL, NULL, NULL), -EINVAL);
		vtap_client_answer_done(&a);
	}
}

/* The client's end of a connection to our server. */
static int connected_fd(void)
{
	for (int fd = 3; fd < 1024; fd++) {
		struct sockaddr_in peer;
		socklen_t size_bytes = sizeof(peer);

		if (getpeername(fd, (struct sockaddr *)&peer, &size_bytes) == 0 && peer.sin_family == AF_INET &&
		    ntohs(peer.sin_port) == vtap_http_server_port(host.server))
			return fd;
	}
	return -1;
}

/* One connection serves them all, and another one when the server has closed it. */
static void test_connections_are_kept(void **state)
{
	VTAP_CLEANUP(vtap_client_freep) struct vtap_client *c = client_new((struct vtap_client_options){});
	struct vtap_client_request q = {.method = "GET", .path = "/port"};
	struct vtap_client_answer a;
	struct pollfd ended = {.events = POLLRDHUP};
	char port[16];

	assert_int_equal(vtap_client_perform(c, &q, &a), 0);
	(void)snprintf(port, sizeof(port), "%s", a.body);
	vtap_client_answer_done(&a);
	for (int i = 0; i < 5; i++)
		get(c, "/port", port);
	ended.fd = connected_fd();
	assert_int_equal(poll(&ended, 1, 10 * IDLE_MS), 1);
	assert_int_equal(vtap_client_perform(c, &q, &a), 0);
	assert_string_not_equal(a.body, port);
	vtap_client_answer_done(&a);
}

static void test_limit_of_answers(void **state)
{
	VTAP_CLEANUP(vtap_client_freep) struct vtap_client *c = client_new((struct vtap_client_options){});
	struct vtap_client_answer a;
	char path[64];

	for (size_t over = 0; over < 2; over++) {
		struct vtap_client_request q = {.method = "GET", .path = path};

		(void)snprintf(path, sizeof(path), "/big/%zu", VTAP_CLIENT_ANSWER_MAX_BYTES + over);
		assert_int_equal(vtap_client_perform(c, &q, &a), over ? -E2BIG : 0);
		assert_int_equal(a.body_bytes, over ? 0 : VTAP_CLIENT_ANSWER_MAX_BYTES);
		assert_int_equal(!a.body, over);
		vtap_client_answer_done(&a);
	}
}

static int count_data(const void *data, size_t size_bytes, void *userdata)
{
	size_t *left_bytes = userdata;

	if (size_bytes > *left_bytes)
		return -1;
	*left_bytes -= size_bytes;
	return 0;
}

static void test_data_instead_of_a_body(void **state)
{
	VTAP_CLEANUP(vtap_client_freep) struct vtap_client *c = client_new((struct vtap_client_options){});
	size_t left_bytes = 1000000;
	struct vtap_client_request q = {
	    .method = "GET", .path = "/big/1000000", .on_data = count_data, .userdata = &left_bytes};
	struct vtap_client_answer a;

	assert_int_equal(vtap_client_perform(c, &q, &a), 0);
	assert_int_equal(left_bytes, 0);
	assert_string_equal(a.body, "");
	vtap_client_answer_done(&a);
	left_bytes = 999999;
	assert_int_equal(vtap_client_perform(c, &q, &a), -ECANCELED);
	vtap_client_answer_done(&a);
	/* An error has a body. */
	q.path = "/nothing";
	assert_int_equal(vtap_client_perform(c, &q, &a), 0);
	assert_int_equal(a.status, 404);
	assert_non_null(strstr(a.body, "404"));
	vtap_client_answer_done(&a);
}

static int listen_local(uint16_t *ret_port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size_bytes = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size_bytes), 0);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

/* Accepts one, says something, hangs up. */
static void *speak(void *userdata)
{
	static const char *const words[] = {"", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "SSH-2.0-none\r\n"};
	int fd = *(const int *)userdata;
	char request[1024];

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(words); i++) {
		int connection = accept(fd, NULL, NULL);

		(void)recv(connection, request, sizeof(request), 0);
		(void)send(connection, words[i], strlen(words[i]), MSG_NOSIGNAL);
		(void)close(connection);
	}
	return NULL;
}

static void test_failures(void **state)
{
	static const int spoken[] = {-ECONNRESET, -ECONNRESET, -EPROTO};
	struct vtap_client_request q = {.method = "GET", .path = "/never", .timeout_ms = 100};
	VTAP_CLEANUP(vtap_client_freep) struct vtap_client *slow = client_new((struct vtap_client_options){});
	VTAP_CLEANUP(vtap_client_freep)
	struct vtap_client *nowhere =
	    client_new((struct vtap_client_options){.url = REFUSED_NAME, .plain_anywhere = true});
	VTAP_CLEANUP(vtap_client_freep) struct vtap_client *c = NULL;
	_cleanup_close_ int fd = -1;
	struct vtap_client_answer a;
	pthread_t thread;
	uint16_t port;
	char url[64];

	assert_int_equal(vtap_client_perform(slow, &q, &a), -ETIMEDOUT);
	assert_non_null(strstr(a.error, "did not answer in time"));
	vtap_client_answer_done(&a);
	assert_int_equal(vtap_client_perform(nowhere, &q, &a), -EHOSTUNREACH);
	vtap_client_answer_done(&a);
	fd = listen_local(&port);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
	c = client_new((struct vtap_client_options){.url = url});
	assert_int_equal(vtap_client_perform(c, &q, &a), -ECONNREFUSED);
	assert_non_null(strstr(a.error, "refuses connections"));
	vtap_client_answer_done(&a);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(pthread_create(&thread, NULL, speak, &fd), 0);
	q.timeout_ms = 5000;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(spoken); i++) {
		if (vtap_client_perform(c, &q, &a) != spoken[i])
			fail_msg("%zu: %d %s", i, a.result, a.error);
		vtap_client_answer_done(&a);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_urls),
	    cmocka_unit_test(test_requests),
	    cmocka_unit_test(test_retry_after),
	    cmocka_unit_test(test_credentials),
	    cmocka_unit_test(test_unfit_requests),
	    cmocka_unit_test(test_connections_are_kept),
	    cmocka_unit_test(test_limit_of_answers),
	    cmocka_unit_test(test_data_instead_of_a_body),
	    cmocka_unit_test(test_failures),
	};

	return cmocka_run_group_tests(tests, host_begin, host_end);
}
