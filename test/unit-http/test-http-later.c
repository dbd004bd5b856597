/* SPDX-License-Identifier: Apache-2.0 */

/* Answers that come later, and clients that do not wait for them. */

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "harness.h"

#define MANY 1000
#define BIG_BYTES (16U << 20) /* more than two kernels' buffers hold */

/* What the handlers keep. */
static const struct vtap_http_request *waiting[MANY + 1];
static size_t waiting_count, gone_count;
static struct vtap_http_exchange *answered_by_gone;

static void on_gone(void *userdata)
{
	gone_count++;
	if (answered_by_gone) {
		struct vtap_http_response p = text_response(200, "gone");

		vtap_http_answer(VTAP_STEAL(answered_by_gone), &p);
	}
}

static int handle_wait(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	assert_true(waiting_count <= MANY);
	waiting[waiting_count++] = q;
	vtap_http_on_gone(q->exchange, on_gone, NULL);
	return VTAP_HTTP_LATER;
}

static int handle_forget(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	waiting[waiting_count++] = q;
	return VTAP_HTTP_LATER;
}

static int handle_at_once(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	struct vtap_http_response p = text_response(200, "at once");

	vtap_http_answer(q->exchange, &p);
	return VTAP_HTTP_LATER;
}

static void answer(const struct vtap_http_request *q)
{
	struct vtap_http_response p;
	char text[256];

	(void)snprintf(text, sizeof(text), "%s %s %.*s %s", q->path, q->parameters[0] ? q->parameters[0] : "-",
		       (int)q->body_bytes, q->body ? q->body : "",
		       vtap_http_query(q, "a") ? vtap_http_query(q, "a") : "-");
	p = text_response(200, text);
	vtap_http_answer(q->exchange, &p);
	assert_null(p.body);
}

static void answer_all(void)
{
	for (size_t i = 0; i < waiting_count; i++)
		answer(waiting[i]);
	waiting_count = 0;
}

static int handle_wake(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	answer_all();
	*ret_response = text_response(200, "woken");
	return 0;
}

static const struct vtap_http_route routes[] = {
    ROUTE("GET", "/wait", handle_wait),       ROUTE("POST", "/wait/{name}", handle_wait),
    ROUTE("GET", "/wake", handle_wake),       ROUTE("GET", "/forget", handle_forget),
    ROUTE("GET", "/at-once", handle_at_once),
};

static bool are_waiting(void *userdata)
{
	return waiting_count == *(const size_t *)userdata;
}

static bool are_gone(void *userdata)
{
	return gone_count == *(const size_t *)userdata;
}

static void serve_until_waiting(struct vtap_http_server *s, size_t count)
{
	serve_until(s, are_waiting, &count);
}

static void serve_until_gone(struct vtap_http_server *s, size_t count)
{
	serve_until(s, are_gone, &count);
}

static struct vtap_http_server *server_new(struct vtap_http_server_options options)
{
	waiting_count = gone_count = 0;
	answered_by_gone = NULL;
	return server_listen(options, routes, VTAP_ARRAY_SIZE(routes), NULL);
}

static int client_ask(struct vtap_http_server *s, const char *request)
{
	int fd = client_connect(s);

	client_send(s, fd, request, strlen(request));
	return fd;
}

static void test_answer_comes_later(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){});
	_cleanup_close_ int fd =
	    client_ask(s, "POST /wait/me?a=b HTTP/1.1\r\nHost: a\r\nX-A: c\r\nContent-Length: 4\r\n\r\nbody");
	char reply[REPLY_BYTES];

	serve_until_waiting(s, 1);
	/* Nothing is due, as long as nothing happens. */
	assert_int_equal(serve(s, fd, POLLIN, 50), 0);
	assert_string_equal(vtap_http_header(waiting[0], "X-A"), "c");
	answer_all();
	client_receive_until(s, fd, "/wait/me me body b", reply);
	assert_true(has_status(reply, 200));
	/* The connection is as good as before; somebody else's request gives this answer. */
	client_send(s, fd, REQUEST("GET /wait"), strlen(REQUEST("GET /wait")));
	serve_until_waiting(s, 1);
	exchange(s, REQUEST("GET /wake"), reply);
	assert_string_equal(body_of(reply), "woken");
	(void)client_receive(s, fd, reply);
	assert_string_equal(body_of(reply), "/wait -  -");
	exchange(s, REQUEST("GET /at-once"), reply);
	assert_string_equal(body_of(reply), "at once");
	assert_int_equal(gone_count, 0);
}

/* A request that the client sends ahead of the answer has its turn behind it. */
static void test_requests_ahead(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){});
	_cleanup_close_ int fd = client_ask(s, "GET /wait?a=1 HTTP/1.1\r\nHost: a\r\n\r\n" REQUEST("GET /at-once"));
	char reply[REPLY_BYTES];
	const char *first;

	serve_until_waiting(s, 1);
	assert_int_equal(serve(s, fd, POLLIN, 50), 0);
	answer_all();
	(void)client_receive(s, fd, reply);
	first = strstr(reply, "/wait -  1");
	assert_non_null(first);
	assert_non_null(strstr(first, "at once"));
}

static void test_client_leaves(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){});
	static const struct linger at_once = {.l_onoff = 1};
	static const char request[] = "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n";
	_cleanup_close_ int half = -1;
	char reply[REPLY_BYTES];
	int fd;

	fd = client_ask(s, request);
	serve_until_waiting(s, 1);
	assert_int_equal(close(fd), 0);
	serve_until_gone(s, 1);
	/* With a reset instead of a farewell. */
	fd = client_ask(s, request);
	serve_until_waiting(s, 2);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	assert_int_equal(close(fd), 0);
	serve_until_gone(s, 2);
	/* One who has nothing to say any more has left as well. */
	half = client_ask(s, request);
	serve_until_waiting(s, 3);
	assert_int_equal(shutdown(half, SHUT_WR), 0);
	serve_until_gone(s, 3);
	assert_int_equal(client_receive(s, half, reply), 0);
	/* The descriptor does not go on telling of it. */
	(void)serve(s, -1, 0, 20);
	assert_int_equal(serve(s, vtap_http_server_fd(s), POLLIN, 50), 0);
	assert_int_equal(gone_count, 3);
}

/* Who has not asked to be told answers in vain, before the server has noticed or after it. */
static void test_answer_in_vain(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){});
	static const char request[] = "GET /forget HTTP/1.1\r\nHost: a\r\n\r\n";
	int fd;

	fd = client_ask(s, request);
	serve_until_waiting(s, 1);
	assert_int_equal(close(fd), 0);
	answer_all();
	(void)serve(s, -1, 0, 20);
	fd = client_ask(s, request);
	serve_until_waiting(s, 1);
	assert_int_equal(close(fd), 0);
	(void)serve(s, -1, 0, 20);
	assert_null(vtap_http_header(waiting[0], "Host"));
	assert_string_equal(waiting[0]->path, "/forget");
	answer_all();
	/* The same with one who has asked: the answer was first. */
	fd = client_ask(s, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
	serve_until_waiting(s, 1);
	assert_int_equal(close(fd), 0);
	answer_all();
	(void)serve(s, -1, 0, 20);
	assert_int_equal(gone_count, 0);
	/* And one that outlives the server. */
	fd = client_ask(s, request);
	serve_until_waiting(s, 1);
	s = vtap_http_server_free(s);
	answer_all();
	assert_int_equal(close(fd), 0);
}

/* Who is told that one has left may answer the others, even those that are about to be told as well. */
static void test_gone_answers_another(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){});
	static const char request[] = "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n";
	_cleanup_close_ int other = -1;
	char reply[REPLY_BYTES];
	int fd;

	fd = client_ask(s, request);
	serve_until_waiting(s, 1);
	other = client_ask(s, request);
	serve_until_waiting(s, 2);
	answered_by_gone = waiting[1]->exchange;
	assert_int_equal(close(fd), 0);
	client_receive_until(s, other, "gone", reply);
	assert_int_equal(gone_count, 1);
}

static void test_server_ends(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){});
	static const char request[] = "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n";
	int fds[3];

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(fds); i++) {
		fds[i] = client_ask(s, request);
		serve_until_waiting(s, i + 1);
	}
	/* One has left unnoticed, one has its answer on the way, and it is the first who is told that gives it. */
	assert_int_equal(close(fds[0]), 0);
	answered_by_gone = waiting[1]->exchange;
	s = vtap_http_server_free(s);
	assert_int_equal(gone_count, 2);
	assert_int_equal(close(fds[1]), 0);
	assert_int_equal(close(fds[2]), 0);
}

static int handle_big(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	waiting[waiting_count++] = q;
	return VTAP_HTTP_LATER;
}

/* The time that the owner takes is not the client's; what the client takes to read it is. */
static void test_deadlines(void **state)
{
	static const struct vtap_http_route big_routes[] = {ROUTE("GET", "/wait", handle_wait),
							    ROUTE("GET", "/big", handle_big)};
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_listen((struct vtap_http_server_options){.timeout_ms = 150}, big_routes,
						   VTAP_ARRAY_SIZE(big_routes), NULL);
	struct vtap_http_response p = {.status = 200, .body = calloc(1, BIG_BYTES), .body_bytes = BIG_BYTES};
	_cleanup_close_ int fd = client_ask(s, REQUEST("GET /wait")), deaf = -1;
	char reply[REPLY_BYTES];

	waiting_count = gone_count = 0;
	serve_until_waiting(s, 1);
	assert_int_equal(serve(s, fd, POLLIN, 400), 0);
	assert_int_equal(vtap_http_server_timeout_ms(s), -1);
	answer_all();
	(void)client_receive(s, fd, reply);
	assert_true(has_status(reply, 200));
	deaf = client_ask(s, REQUEST("GET /big"));
	serve_until_waiting(s, 1);
	assert_int_equal(serve(s, deaf, POLLIN, 200), 0);
	vtap_http_answer(waiting[0]->exchange, &p);
	assert_in_range(vtap_http_server_timeout_ms(s), 0, 150);
	(void)serve(s, -1, 0, 300);
	assert_int_equal(vtap_http_server_timeout_ms(s), -1);
	assert_true(client_receive(s, deaf, reply) < BIG_BYTES);
}

/* As many as asked for, and one more that has to wait for a place. */
static void test_many(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = NULL;
	static int fds[MANY + 1];
	struct rlimit limit;
	char reply[REPLY_BYTES];

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < 2 * MANY + 100)
		skip();
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	s = server_new((struct vtap_http_server_options){.connections_max = MANY});
	for (size_t i = 0; i < MANY; i++)
		fds[i] = client_ask(s, REQUEST("GET /wait"));
	serve_until_waiting(s, MANY);
	fds[MANY] = client_ask(s, REQUEST("GET /wake"));
	assert_int_equal(serve(s, fds[MANY], POLLIN, 100), 0);
	/* The first that leaves makes place for it, and it answers all. */
	assert_int_equal(close(fds[0]), 0);
	serve_until_gone(s, 1);
	memmove(waiting, waiting + 1, (MANY - 1) * sizeof(waiting[0]));
	waiting_count--;
	for (size_t i = 1; i <= MANY; i++) {
		(void)client_receive(s, fds[i], reply);
		assert_true(has_status(reply, 200));
		assert_int_equal(close(fds[i]), 0);
	}
	assert_int_equal(gone_count, 1);
}

/* Machines that lose their power say no farewell. */
static void test_vanished_clients_are_noticed(void **state)
{
	VTAP_CLEANUP(vtap_http_server_freep)
	struct vtap_http_server *s = server_new((struct vtap_http_server_options){});
	_cleanup_close_ int client = client_ask(s, REQUEST("GET /forget"));
	int found = 0;

	serve_until_waiting(s, 1);
	for (int fd = 3; fd < 1024; fd++) {
		struct sockaddr_in local, remote;
		socklen_t local_bytes = sizeof(local), remote_bytes = sizeof(remote);
		int alive = 0, idle_s = 0;
		socklen_t alive_bytes = sizeof(alive), idle_bytes = sizeof(idle_s);

		if (getsockname(fd, (struct sockaddr *)&local, &local_bytes) < 0 || local.sin_family != AF_INET ||
		    ntohs(local.sin_port) != vtap_http_server_port(s) ||
		    getpeername(fd, (struct sockaddr *)&remote, &remote_bytes) < 0)
			continue;
		found++;
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &alive, &alive_bytes), 0);
		assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, &idle_bytes), 0);
		assert_true(alive);
		assert_in_range(idle_s, 1, 60);
	}
	assert_int_equal(found, 1);
	answer_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_answer_comes_later),
	    cmocka_unit_test(test_requests_ahead),
	    cmocka_unit_test(test_client_leaves),
	    cmocka_unit_test(test_answer_in_vain),
	    cmocka_unit_test(test_gone_answers_another),
	    cmocka_unit_test(test_server_ends),
	    cmocka_unit_test(test_deadlines),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_vanished_clients_are_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
