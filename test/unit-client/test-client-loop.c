/* SPDX-License-Identifier: Apache-2.0 */

/* Requests from a loop: one thread drives the client and the server. */

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "client/client.h"
#include "http/http.h"

#define MANY 100
#define WAIT_MS 5000 /* a test that waits longer has failed */

struct scene {
	struct vtap_http_server *server; /* owned */
	struct vtap_client *client; /* owned */
	struct vtap_http_exchange *waiting[MANY]; /* borrowed */
	size_t waiting_count, gone_count;
	struct vtap_http_stream *stream; /* owned until it ends */
	size_t done_count, data_bytes;
	struct vtap_client_answer last; /* owned */
};

static void on_gone(void *userdata)
{
	struct scene *scene = userdata;

	scene->gone_count++;
}

static int handle_now(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	*ret_response = (struct vtap_http_response){.status = 200, .body = strdup("now"), .body_bytes = 3};
	return 0;
}

static int handle_wait(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	struct scene *scene = userdata;

	scene->waiting[scene->waiting_count++] = q->exchange;
	vtap_http_on_gone(q->exchange, on_gone, scene);
	return VTAP_HTTP_LATER;
}

static int handle_stream(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	struct scene *scene = userdata;

	vtap_http_on_gone(q->exchange, on_gone, scene);
	scene->waiting_count++;
	assert_int_equal(vtap_http_stream_begin(q->exchange, 200, "text/plain", &scene->stream), 0);
	return VTAP_HTTP_LATER;
}

static const struct vtap_http_route routes[] = {
    {.method = "GET", .path = "/now", .handler = handle_now},
    {.method = "GET", .path = "/wait", .handler = handle_wait},
    {.method = "GET", .path = "/stream", .handler = handle_stream},
};

static int scene_begin(void **state)
{
	struct vtap_http_server_options options = {.connections_max = 2 * MANY};
	struct vtap_client_options client = {.connections_max = MANY};
	struct scene *scene = calloc(1, sizeof(*scene));
	char url[64];

	assert_non_null(scene);
	assert_int_equal(vtap_addr_parse("127.0.0.1", &options.address), 0);
	assert_int_equal(vtap_http_server_listen(&options, routes, VTAP_ARRAY_SIZE(routes), scene, &scene->server), 0);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", vtap_http_server_port(scene->server));
	client.url = url;
	assert_int_equal(vtap_client_new(&client, &scene->client, NULL), 0);
	*state = scene;
	return 0;
}

static int scene_end(void **state)
{
	struct scene *scene = *state;

	vtap_client_answer_done(&scene->last);
	vtap_client_free(scene->client);
	vtap_http_server_free(scene->server);
	free(scene);
	return 0;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Until the number is reached. The client is run when its descriptor asks for it, and at no other time. */
static void drive_until(struct scene *scene, const size_t *number, size_t wanted)
{
	uint64_t end_ms = now_ms() + WAIT_MS;

	while (*number < wanted) {
		struct pollfd fds[] = {{.fd = vtap_http_server_fd(scene->server), .events = POLLIN},
				       {.fd = vtap_client_fd(scene->client), .events = POLLIN}};
		int timeout_ms = vtap_http_server_timeout_ms(scene->server);

		assert_true(now_ms() < end_ms);
		assert_true(poll(fds, VTAP_ARRAY_SIZE(fds), timeout_ms < 0 ? 100 : VTAP_MIN(timeout_ms, 100)) >= 0);
		assert_int_equal(vtap_http_server_run(scene->server), 0);
		if (fds[1].revents)
			assert_int_equal(vtap_client_run(scene->client), 0);
	}
	assert_int_equal(*number, wanted);
}

static void on_done(struct vtap_client_answer *answer, void *userdata)
{
	struct scene *scene = userdata;

	scene->done_count++;
	vtap_client_answer_done(&scene->last);
	scene->last = *answer;
}

static uint64_t start(struct scene *scene, const char *path)
{
	struct vtap_client_request q = {.method = "GET", .path = path};
	uint64_t id = 0;

	assert_int_equal(vtap_client_start(scene->client, &q, on_done, scene, &id), 0);
	assert_int_not_equal(id, 0);
	return id;
}

static void answer(struct vtap_http_exchange *e)
{
	struct vtap_http_response p = {.status = 200, .body = strdup("later"), .body_bytes = 5};

	vtap_http_answer(e, &p);
}

static void test_many_at_a_time(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(vtap_client_timeout_ms(scene->client), -1);
	for (size_t i = 0; i < MANY; i++)
		(void)start(scene, "/wait");
	assert_int_equal(vtap_client_timeout_ms(scene->client), 0);
	drive_until(scene, &scene->waiting_count, MANY);
	assert_int_equal(scene->done_count, 0);
	for (size_t i = 0; i < MANY; i++)
		answer(scene->waiting[i]);
	drive_until(scene, &scene->done_count, MANY);
	assert_int_equal(scene->last.status, 200);
	assert_string_equal(scene->last.body, "later");
}

/* One more than there may be connections waits until one of them is free. */
static void test_connections_max(void **state)
{
	struct scene *scene = *state;

	for (size_t i = 0; i < MANY; i++)
		(void)start(scene, "/wait");
	(void)start(scene, "/now");
	drive_until(scene, &scene->waiting_count, MANY);
	assert_int_equal(scene->done_count, 0);
	answer(scene->waiting[0]);
	drive_until(scene, &scene->done_count, 2);
	for (size_t i = 1; i < MANY; i++)
		answer(scene->waiting[i]);
	drive_until(scene, &scene->done_count, MANY + 1);
}

static void on_done_again(struct vtap_client_answer *a, void *userdata)
{
	struct scene *scene = userdata;
	struct vtap_client_request q = {.method = "GET", .path = "/now"};

	assert_int_equal(a->result, 0);
	on_done(a, userdata);
	if (scene->done_count < 10)
		assert_int_equal(vtap_client_start(scene->client, &q, on_done_again, scene, NULL), 0);
}

static void test_next_request_from_done(void **state)
{
	struct scene *scene = *state;
	struct vtap_client_request q = {.method = "GET", .path = "/now"};

	assert_int_equal(vtap_client_start(scene->client, &q, on_done_again, scene, NULL), 0);
	drive_until(scene, &scene->done_count, 10);
}

static void test_cancel(void **state)
{
	struct scene *scene = *state;
	uint64_t first = start(scene, "/wait"), second = start(scene, "/wait");

	drive_until(scene, &scene->waiting_count, 2);
	vtap_client_cancel(scene->client, first);
	vtap_client_cancel(scene->client, first);
	vtap_client_cancel(scene->client, 4711);
	/* The server learns of it. */
	drive_until(scene, &scene->gone_count, 1);
	vtap_client_cancel(scene->client, second);
	drive_until(scene, &scene->gone_count, 2);
	(void)start(scene, "/now");
	drive_until(scene, &scene->done_count, 1);
	assert_string_equal(scene->last.body, "now");
}

static uint64_t other_id;

static void on_done_cancel(struct vtap_client_answer *a, void *userdata)
{
	struct scene *scene = userdata;

	on_done(a, userdata);
	vtap_client_cancel(scene->client, other_id);
}

static void test_cancel_from_done(void **state)
{
	struct scene *scene = *state;
	struct vtap_client_request q = {.method = "GET", .path = "/now"};

	other_id = start(scene, "/wait");
	drive_until(scene, &scene->waiting_count, 1);
	assert_int_equal(vtap_client_start(scene->client, &q, on_done_cancel, scene, NULL), 0);
	drive_until(scene, &scene->gone_count, 1);
	assert_int_equal(scene->done_count, 1);
}

static int on_data(const void *data, size_t size_bytes, void *userdata)
{
	struct scene *scene = userdata;

	scene->data_bytes += size_bytes;
	/* A second one is one too many. */
	if (scene->data_bytes > 12)
		vtap_client_cancel(scene->client, other_id);
	return 0;
}

static void test_stream(void **state)
{
	struct scene *scene = *state;
	struct vtap_client_request q = {.method = "GET", .path = "/stream", .on_data = on_data, .userdata = scene};

	assert_int_equal(vtap_client_start(scene->client, &q, on_done, scene, &other_id), 0);
	drive_until(scene, &scene->waiting_count, 1);
	assert_int_equal(vtap_http_stream_write(scene->stream, "hello world\n", 12), 0);
	drive_until(scene, &scene->data_bytes, 12);
	assert_int_equal(scene->done_count, 0);
	/* Cancelled from inside the callback. */
	assert_int_equal(vtap_http_stream_write(scene->stream, "x", 1), 0);
	drive_until(scene, &scene->gone_count, 1);
	assert_int_equal(scene->done_count, 0);
	vtap_http_stream_end(scene->stream);
}

static void test_time_runs_out(void **state)
{
	struct scene *scene = *state;
	struct vtap_client_request q = {.method = "GET", .path = "/wait", .timeout_ms = 100};

	assert_int_equal(vtap_client_start(scene->client, &q, on_done, scene, NULL), 0);
	drive_until(scene, &scene->done_count, 1);
	assert_int_equal(scene->last.result, -ETIMEDOUT);
	assert_null(scene->last.body);
	drive_until(scene, &scene->gone_count, 1);
}

static void test_free_drops_all(void **state)
{
	struct scene *scene = *state;

	(void)start(scene, "/wait");
	drive_until(scene, &scene->waiting_count, 1);
	(void)start(scene, "/now");
	scene->client = vtap_client_free(scene->client);
	assert_int_equal(scene->done_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_many_at_a_time, scene_begin, scene_end),
	    cmocka_unit_test_setup_teardown(test_connections_max, scene_begin, scene_end),
	    cmocka_unit_test_setup_teardown(test_next_request_from_done, scene_begin, scene_end),
	    cmocka_unit_test_setup_teardown(test_cancel, scene_begin, scene_end),
	    cmocka_unit_test_setup_teardown(test_cancel_from_done, scene_begin, scene_end),
	    cmocka_unit_test_setup_teardown(test_stream, scene_begin, scene_end),
	    cmocka_unit_test_setup_teardown(test_time_runs_out, scene_begin, scene_end),
	    cmocka_unit_test_setup_teardown(test_free_drops_all, scene_begin, scene_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
