/* SPDX-License-Identifier: Apache-2.0 */

/* Who listens to events, and for how long they may; the streams end here. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "controller/access.h"
#include "controller/change.h"
#include "controller/events.h"
#include "core.h"

#define STREAMS_MAX 4

/* What stands for a stream is its place in here. */
static struct stream {
	bool open;
	size_t events;
} streams[STREAMS_MAX];
static size_t stream_count, looked_at;

const char *__wrap_vtap_http_query(const struct vtap_http_request *r, const char *name);
const char *__wrap_vtap_http_header(const struct vtap_http_request *r, const char *name);
int __wrap_vtap_call_finish_stream(struct vtap_call *call, const char *content_type, void (*gone)(void *userdata),
				   void *userdata, struct vtap_http_stream **ret_stream);
int __wrap_vtap_http_stream_write(struct vtap_http_stream *s, const void *data, size_t size_bytes);
void __wrap_vtap_http_stream_end(struct vtap_http_stream *s);
bool __wrap_vtap_access_still_valid(struct vtap_access *a, const struct vtap_principal *principal);
bool __real_vtap_access_still_valid(struct vtap_access *a, const struct vtap_principal *principal);

const char *__wrap_vtap_http_query(const struct vtap_http_request *r, const char *name)
{
	return NULL;
}

const char *__wrap_vtap_http_header(const struct vtap_http_request *r, const char *name)
{
	return NULL;
}

int __wrap_vtap_call_finish_stream(struct vtap_call *call, const char *content_type, void (*gone)(void *userdata),
				   void *userdata, struct vtap_http_stream **ret_stream)
{
	assert_in_range(stream_count, 0, STREAMS_MAX - 1);
	streams[stream_count] = (struct stream){.open = true};
	*ret_stream = (struct vtap_http_stream *)(void *)&streams[stream_count++];
	return 0;
}

int __wrap_vtap_http_stream_write(struct vtap_http_stream *s, const void *data, size_t size_bytes)
{
	struct stream *stream = (struct stream *)(void *)s;

	assert_true(stream->open);
	stream->events++;
	return 0;
}

void __wrap_vtap_http_stream_end(struct vtap_http_stream *s)
{
	((struct stream *)(void *)s)->open = false;
}

bool __wrap_vtap_access_still_valid(struct vtap_access *a, const struct vtap_principal *principal)
{
	looked_at++;
	return __real_vtap_access_still_valid(a, principal);
}

struct test {
	struct core core;
	char user[VTAP_ID_STRLEN], other[VTAP_ID_STRLEN];
	char token[VTAP_ACCESS_TOKEN_STRLEN], hash[VTAP_HASH_STRLEN];
};

static int put_users(struct vtap_change *c, void *userdata)
{
	struct test *t = userdata;
	int r;

	snprintf(t->user, sizeof(t->user), "%s",
		 core_put(&t->core, c, "user", "{s:s, s:b}", "name", "u", "system_admin", 1)->id);
	snprintf(t->other, sizeof(t->other), "%s", core_put(&t->core, c, "user", "{s:s}", "name", "o")->id);
	r = vtap_access_put_token(c, t->user, time(NULL) + 1000, t->token);
	vtap_hash_hex(t->token, strlen(t->token), t->hash);
	return r;
}

static void listen_with_the_token(struct test *t)
{
	struct vtap_call call = {.controller = &t->core.controller, .principal = {.system_admin = true}};

	snprintf(call.principal.user, sizeof(call.principal.user), "%s", t->user);
	snprintf(call.principal.serial, sizeof(call.principal.serial), "%s", t->hash);
	assert_int_equal(vtap_api_routes_events[0].handler(&call, NULL), VTAP_HTTP_LATER);
}

static void begin(struct test *t)
{
	struct vtap_controller *c = &t->core.controller;

	memset(t, 0, sizeof(*t));
	stream_count = 0;
	core_begin(&t->core);
	assert_int_equal(vtap_access_new(c, &c->access), 0);
	assert_int_equal(vtap_events_new(c, &c->events), 0);
	assert_int_equal(core_write(&t->core, put_users, t, false), 0);
	listen_with_the_token(t);
	listen_with_the_token(t);
	looked_at = 0;
}

static void end(struct test *t)
{
	t->core.controller.events = vtap_events_free(t->core.controller.events);
	core_end(&t->core);
}

static int put_target(struct vtap_change *c, void *userdata)
{
	struct test *t = userdata;

	core_put(&t->core, c, "target", "{s:s}", "address", "10.9.0.1");
	return 0;
}

static int put_key_alone(struct vtap_change *c, void *userdata)
{
	return vtap_change_put_key(c, "once/1", "{}", 2);
}

static int delete_token(struct vtap_change *c, void *userdata)
{
	return vtap_access_delete_token(c, ((struct test *)userdata)->hash);
}

static int delete_user(struct vtap_change *c, void *userdata)
{
	struct test *t = userdata;

	return vtap_change_delete(c, vtap_objects_get(t->core.controller.objects, t->user));
}

static int delete_other_user(struct vtap_change *c, void *userdata)
{
	struct test *t = userdata;

	return vtap_change_delete(c, vtap_objects_get(t->core.controller.objects, t->other));
}

/* Nobody's credentials are looked at when none have changed. */
static void test_what_ends_no_credential(void **state)
{
	struct test t;

	begin(&t);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(core_write(&t.core, i % 2 ? put_target : put_key_alone, &t, false), 0);
	assert_int_equal(streams[1].events, 1 + 50); /* the first one tells from when on they come */
	assert_int_equal(looked_at, 0);
	assert_int_equal(core_write(&t.core, delete_other_user, &t, false), 0);
	assert_int_equal(looked_at, stream_count);
	assert_int_equal(core_write(&t.core, put_target, &t, false), 0);
	assert_int_equal(looked_at, stream_count);
	assert_int_equal(vtap_events_subscribers(t.core.controller.events), 2);
	end(&t);
}

/* A logout changes no object: the streams end with it all the same, not with the next heartbeat. */
static void test_a_token_that_is_given_back(void **state)
{
	struct test t;

	begin(&t);
	assert_int_equal(core_write(&t.core, delete_token, &t, true), 0);
	core_commit_fails = -ENOSPC;
	assert_int_equal(core_write(&t.core, delete_token, &t, false), -ENOSPC);
	core_commit_fails = 0;
	assert_true(streams[0].open && streams[1].open);
	assert_int_equal(core_write(&t.core, delete_token, &t, false), 0);
	assert_false(streams[0].open || streams[1].open);
	assert_int_equal(vtap_events_subscribers(t.core.controller.events), 0);
	end(&t);
}

static void test_a_user_that_is_deleted(void **state)
{
	struct test t;

	begin(&t);
	assert_int_equal(core_write(&t.core, delete_user, &t, false), 0);
	assert_false(streams[0].open || streams[1].open);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_ends_no_credential),
	    cmocka_unit_test(test_a_token_that_is_given_back),
	    cmocka_unit_test(test_a_user_that_is_deleted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
