/* SPDX-License-Identifier: Apache-2.0 */

/* Credentials without HTTP: tokens and their limit, tries and their limits, secrets at rest, threads. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "controller/access_private.h"
#include "controller/change.h"
#include "core.h"

struct test {
	struct core core;
	char user[VTAP_ID_STRLEN], key[VTAP_ID_STRLEN];
	char token[VTAP_ACCESS_TOKEN_STRLEN];
	int64_t ttl_s;
};

static int put_user(struct vtap_change *c, void *userdata)
{
	struct test *t = userdata;

	snprintf(t->user, sizeof(t->user), "%s", core_put(&t->core, c, "user", "{s:s}", "name", "u")->id);
	snprintf(t->key, sizeof(t->key), "%s", core_put(&t->core, c, "key", "{s:s}", "user", t->user)->id);
	return vtap_access_put_secret(c, t->key, "the secret");
}

static struct vtap_access *begin(struct test *t)
{
	memset(t, 0, sizeof(*t));
	core_begin(&t->core);
	assert_int_equal(vtap_access_new(&t->core.controller, &t->core.controller.access), 0);
	assert_int_equal(core_write(&t->core, put_user, t, false), 0);
	return t->core.controller.access;
}

static int put_token(struct vtap_change *c, void *userdata)
{
	struct test *t = userdata;

	return vtap_access_put_token(c, t->user, time(NULL) + t->ttl_s, t->token);
}

static int put_token_and_fail(struct vtap_change *c, void *userdata)
{
	return put_token(c, userdata) < 0 ? -EIO : -ECANCELED;
}

static bool token_is_good(struct test *t, const char *token)
{
	char hash[VTAP_HASH_STRLEN];

	return vtap_access_token_find(t->core.controller.access, vtap_hash_hex(token, strlen(token), hash));
}

static void test_tokens(void **state)
{
	struct vtap_access *a;
	struct test t;

	a = begin(&t);
	t.ttl_s = 100;
	assert_int_equal(core_write(&t.core, put_token_and_fail, &t, false), -ECANCELED);
	assert_false(token_is_good(&t, t.token));
	assert_int_equal(core_write(&t.core, put_token, &t, true), 0);
	assert_false(token_is_good(&t, t.token));
	assert_int_equal(core_write(&t.core, put_token, &t, false), 0);
	assert_true(token_is_good(&t, t.token));
	assert_memory_equal(t.token, "vtap_", 5);
	assert_int_equal(strlen(t.token), VTAP_ACCESS_TOKEN_STRLEN - 1);
	a = t.core.controller.access = vtap_access_free(a);
	assert_int_equal(vtap_access_new(&t.core.controller, &t.core.controller.access), 0);
	assert_true(token_is_good(&t, t.token));
	t.ttl_s = -1;
	assert_int_equal(core_write(&t.core, put_token, &t, false), 0);
	assert_false(token_is_good(&t, t.token));
	core_end(&t.core);
}

static void test_many_tokens(void **state)
{
	char tokens[VTAP_ACCESS_TOKENS_MAX + 1][VTAP_ACCESS_TOKEN_STRLEN];
	struct test t;

	(void)begin(&t);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(tokens); i++) {
		t.ttl_s = i == 7 ? 60 : 1000;
		assert_int_equal(core_write(&t.core, put_token, &t, false), 0);
		memcpy(tokens[i], t.token, sizeof(t.token));
		if (i + 1 == VTAP_ACCESS_TOKENS_MAX)
			assert_true(token_is_good(&t, tokens[7]));
	}
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(tokens); i++)
		assert_int_equal(token_is_good(&t, tokens[i]), i != 7);
	core_end(&t.core);
}

static int delete_tokens(struct vtap_change *c, void *userdata)
{
	struct test *t = userdata;
	char hash[VTAP_HASH_STRLEN];

	vtap_hash_hex(t->token, strlen(t->token), hash);
	return vtap_access_delete_tokens(c, t->user, hash);
}

static void test_all_but_one(void **state)
{
	char first[VTAP_ACCESS_TOKEN_STRLEN];
	struct test t;

	(void)begin(&t);
	t.ttl_s = 100;
	assert_int_equal(core_write(&t.core, put_token, &t, false), 0);
	memcpy(first, t.token, sizeof(first));
	assert_int_equal(core_write(&t.core, put_token, &t, false), 0);
	assert_int_equal(core_write(&t.core, delete_tokens, &t, true), 0);
	assert_true(token_is_good(&t, first));
	assert_int_equal(core_write(&t.core, delete_tokens, &t, false), 0);
	assert_false(token_is_good(&t, first));
	assert_true(token_is_good(&t, t.token));
	core_end(&t.core);
}

static void put_done(int r, void *userdata)
{
	assert_int_equal(r, 0);
}

static int delete_all_tokens(struct vtap_change *c, void *userdata)
{
	const struct test *t = userdata;

	return vtap_access_delete_tokens(c, t->user, NULL);
}

static int visit_nothing(const struct vtap_store_item *item, void *userdata)
{
	return 0;
}

/* A token that the same batch has made is among them. */
static void test_all_of_the_batch(void **state)
{
	struct vtap_write write = {.run = put_token, .done = put_done};
	struct test t;

	(void)begin(&t);
	t.ttl_s = 100;
	write.userdata = &t;
	vtap_write_queue(&t.core.controller, &write);
	assert_int_equal(core_write(&t.core, delete_all_tokens, &t, false), 0);
	assert_false(token_is_good(&t, t.token));
	assert_int_equal(vtap_store_page(t.core.controller.store, "token/", NULL, 1, visit_nothing, NULL), 0);
	core_end(&t.core);
}

static int find_no_token(struct vtap_change *c, void *userdata)
{
	return token_is_good(userdata, ((struct test *)userdata)->token) ? -EEXIST : 0;
}

static int delete_token(struct vtap_change *c, void *userdata)
{
	struct test *t = userdata;
	char hash[VTAP_HASH_STRLEN];

	return vtap_access_delete_token(c, vtap_hash_hex(t->token, strlen(t->token), hash));
}

static int delete_token_and_fail(struct vtap_change *c, void *userdata)
{
	return delete_token(c, userdata) < 0 ? -EIO : -ECANCELED;
}

static void canceled(int r, void *userdata)
{
	assert_int_equal(r, -ECANCELED);
}

static void refused_by_the_store(int r, void *userdata)
{
	assert_int_equal(r, -ENOSPC);
}

/* What one write of a batch has ended is no credential for those behind it; if it comes to nothing, it is one again. */
static void test_ended_in_the_batch(void **state)
{
	struct vtap_write write = {.run = delete_token, .done = put_done};
	struct test t;
	uint64_t ended;

	(void)begin(&t);
	t.ttl_s = 100;
	write.userdata = &t;
	assert_int_equal(core_write(&t.core, put_token, &t, false), 0);
	write.run = delete_token_and_fail;
	write.done = canceled;
	vtap_write_queue(&t.core.controller, &write);
	assert_int_equal(core_write(&t.core, find_no_token, &t, false), -EEXIST);
	write.run = delete_token;
	write.done = refused_by_the_store;
	vtap_write_queue(&t.core.controller, &write);
	core_commit_fails = -ENOSPC;
	assert_int_equal(core_write(&t.core, put_user, &t, false), -ENOSPC);
	core_commit_fails = 0;
	assert_true(token_is_good(&t, t.token));
	ended = vtap_access_tokens_ended(t.core.controller.access);
	write.done = put_done;
	vtap_write_queue(&t.core.controller, &write);
	assert_int_equal(core_write(&t.core, find_no_token, &t, false), 0);
	assert_int_equal(vtap_access_tokens_ended(t.core.controller.access), ended + 1);
	assert_int_equal(vtap_store_page(t.core.controller.store, "token/", NULL, 1, visit_nothing, NULL), 0);
	core_end(&t.core);
}

/* As many logins at once as one turn of the loop may have. */
static void test_many_in_one_batch(void **state)
{
	static struct vtap_write writes[VTAP_ACCESS_TOKENS_MAX + 50];
	struct test t;

	(void)begin(&t);
	t.ttl_s = 100;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(writes); i++) {
		writes[i] = (struct vtap_write){.run = put_token, .done = put_done, .userdata = &t};
		vtap_write_queue(&t.core.controller, &writes[i]);
	}
	assert_int_equal(core_write(&t.core, put_token, &t, false), 0);
	assert_true(token_is_good(&t, t.token));
	assert_int_equal(vtap_store_page(t.core.controller.store, "token/", NULL, 1000, visit_nothing, NULL),
			 VTAP_ACCESS_TOKENS_MAX);
	assert_int_equal(vtap_table_count(t.core.controller.access->tokens), VTAP_ACCESS_TOKENS_MAX);
	core_end(&t.core);
}

static int check_password(struct vtap_change *c, void *userdata)
{
	struct test *t = userdata;

	assert_int_equal(vtap_access_check_password(c, t->user, "hash"), -EACCES);
	assert_int_equal(vtap_access_put_password(c, t->user, "hash"), 0);
	assert_int_equal(vtap_access_check_password(c, t->user, "hash"), 0);
	assert_int_equal(vtap_access_put_password(c, t->user, "other"), 0);
	assert_int_equal(vtap_access_check_password(c, t->user, "hash"), -EACCES);
	return 0;
}

static void test_a_password_that_has_changed(void **state)
{
	struct test t;

	(void)begin(&t);
	assert_int_equal(core_write(&t.core, check_password, &t, false), 0);
	core_end(&t.core);
}

static void test_secret(void **state)
{
	struct vtap_controller *c;
	char key[64], *secret = NULL;
	void *stored = NULL;
	struct test t;

	(void)begin(&t);
	c = &t.core.controller;
	assert_int_equal(vtap_access_secret(c, t.key, &secret), 0);
	assert_string_equal(secret, "the secret");
	free(secret);
	snprintf(key, sizeof(key), "secret/%s", t.key);
	assert_int_equal(vtap_store_get(c->store, key, &stored, NULL, NULL), 0);
	assert_null(strstr(stored, "the secret"));
	free(stored);
	assert_int_equal(vtap_access_secret(c, "key-00000000000000000", &secret), -ENOENT);
	c->key[0] ^= 1;
	assert_int_equal(vtap_access_secret(c, t.key, &secret), -EBADMSG);
	core_end(&t.core);
}

static int delete_user_alone(struct vtap_change *c, void *userdata)
{
	const struct test *t = userdata;

	return vtap_change_delete(c, vtap_objects_get(t->core.controller.objects, t->user));
}

/* As a crash leaves it that comes behind the user's own transaction. */
static void test_keys_of_nobody_are_dropped(void **state)
{
	struct vtap_access *again = NULL;
	char *secret = NULL;
	struct test t;

	(void)begin(&t);
	assert_int_equal(vtap_access_new(&t.core.controller, &again), 0);
	assert_non_null(vtap_objects_get(t.core.controller.objects, t.key));
	again = vtap_access_free(again);
	assert_int_equal(core_write(&t.core, delete_user_alone, &t, false), 0);
	assert_int_equal(vtap_access_new(&t.core.controller, &again), 0);
	assert_null(vtap_objects_get(t.core.controller.objects, t.key));
	assert_int_equal(vtap_access_secret(&t.core.controller, t.key, &secret), -ENOENT);
	vtap_access_free(again);
	core_end(&t.core);
}

static struct vtap_addr address(const char *text)
{
	struct vtap_addr a;

	assert_int_equal(vtap_addr_parse(text, &a), 0);
	return a;
}

static void test_tries(void **state)
{
	struct vtap_addr one = address("192.0.2.1"), v6 = address("2001:db8::1"), near = address("2001:db8::ffff"),
			 far = address("2001:db8:0:1::1");
	struct vtap_access *a;
	struct test t;
	char name[16];
	unsigned wait_s;

	a = begin(&t);
	for (unsigned i = 0; i < VTAP_ACCESS_USER_TRIES; i++)
		assert_int_equal(vtap_access_try(a, "u", &one), 0);
	wait_s = vtap_access_try(a, "u", &one);
	assert_in_range(wait_s, 1, VTAP_ACCESS_USER_PERIOD_S + 1);
	assert_int_equal(vtap_access_try(a, "u", &v6), 0);
	assert_int_equal(vtap_access_try(a, "other", &one), 0);
	vtap_access_try_succeeded(a, "u", &one);
	assert_int_equal(vtap_access_try(a, "u", &one), 0);
	for (unsigned i = 1; i < VTAP_ACCESS_ADDRESS_TRIES; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		assert_int_equal(vtap_access_try(a, name, &v6), 0);
	}
	assert_in_range(vtap_access_try(a, "more", &v6), 1, VTAP_ACCESS_ADDRESS_PERIOD_S + 1);
	assert_int_not_equal(vtap_access_try(a, "more", &near), 0);
	assert_int_equal(vtap_access_try(a, "more", &far), 0);
	core_end(&t.core);
}

/* Failures from many addresses end at a limit, but not for her who has logged in from where she is; name and id are one. */
static void test_tries_from_everywhere(void **state)
{
	struct vtap_addr home = address("192.0.2.1"), elsewhere = address("192.0.2.2");
	struct vtap_access *a;
	struct test t;
	char text[32];

	a = begin(&t);
	assert_int_equal(vtap_access_try(a, "u", &home), 0);
	vtap_access_try_succeeded(a, t.user, &home);
	for (unsigned i = 0; i < VTAP_ACCESS_EVERYWHERE_TRIES; i++) {
		struct vtap_addr from;

		snprintf(text, sizeof(text), "10.0.0.%u", i);
		from = address(text);
		assert_int_equal(vtap_access_try(a, i % 2 ? "u" : t.user, &from), 0);
	}
	assert_in_range(vtap_access_try(a, "u", &elsewhere), 1, VTAP_ACCESS_EVERYWHERE_PERIOD_S + 1);
	for (unsigned i = 0; i < VTAP_ACCESS_USER_TRIES; i++)
		assert_int_equal(vtap_access_try(a, i % 2 ? "u" : t.user, &home), 0);
	assert_int_not_equal(vtap_access_try(a, "u", &home), 0);
	core_end(&t.core);
}

/* A login at home, which is not counted for everywhere, gives nobody else a try more. */
static void test_logins_at_home(void **state)
{
	struct vtap_addr home = address("192.0.2.1"), elsewhere = address("192.0.2.2");
	struct vtap_access *a;
	struct test t;

	a = begin(&t);
	assert_int_equal(vtap_access_try(a, "u", &home), 0);
	vtap_access_try_succeeded(a, "u", &home);
	for (unsigned i = 0; i < VTAP_ACCESS_EVERYWHERE_TRIES; i++) {
		char text[32];
		struct vtap_addr from;

		snprintf(text, sizeof(text), "10.0.0.%u", i);
		from = address(text);
		assert_int_equal(vtap_access_try(a, "u", &from), 0);
		assert_int_equal(vtap_access_try(a, "u", &home), 0);
		vtap_access_try_succeeded(a, "u", &home);
	}
	assert_int_not_equal(vtap_access_try(a, "u", &elsewhere), 0);
	core_end(&t.core);
}

struct home {
	const char *user;
	struct vtap_addr address;
};

static int put_home(struct vtap_change *c, void *userdata)
{
	const struct home *h = userdata;

	return vtap_access_put_home(c, h->user, &h->address);
}

static int count_item(const struct vtap_store_item *item, void *userdata)
{
	return 0;
}

static ssize_t count_keys(struct test *t, const char *prefix)
{
	return vtap_store_page(t->core.controller.store, prefix, NULL, 1000, count_item, NULL);
}

static struct vtap_access *access_again(struct test *t)
{
	struct vtap_controller *c = &t->core.controller;

	c->access = vtap_access_free(c->access);
	assert_int_equal(vtap_access_new(c, &c->access), 0);
	return c->access;
}

static void fail_from_everywhere(struct vtap_access *a)
{
	for (unsigned i = 0; i < VTAP_ACCESS_EVERYWHERE_TRIES; i++) {
		char text[32];
		struct vtap_addr from;

		snprintf(text, sizeof(text), "10.0.0.%u", i);
		from = address(text);
		assert_int_equal(vtap_access_try(a, "u", &from), 0);
	}
}

/* Who is at home somewhere is so after a restart; where she was so too long ago, she is not. */
static void test_homes_outlive_a_restart(void **state)
{
	struct home h;
	struct test t;
	struct vtap_access *a;

	(void)begin(&t);
	h = (struct home){t.user, address("2001:db8::1")};
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(core_write(&t.core, put_home, &h, false), 0);
	assert_int_equal(count_keys(&t, "home/"), 1);
	assert_int_equal(count_keys(&t, "due/"), 1); /* not written again and again */
	a = access_again(&t);
	fail_from_everywhere(a);
	h.address = address("2001:db8:0:1::1");
	assert_int_not_equal(vtap_access_try(a, "u", &h.address), 0);
	h.address = address("2001:db8::2");
	assert_int_equal(vtap_access_try(a, "u", &h.address), 0);
	core_end(&t.core);
}

/* The store has some of each user, the latest. */
static void test_many_homes(void **state)
{
	struct test t;

	(void)begin(&t);
	for (unsigned i = 0; i <= VTAP_ACCESS_HOMES_MAX; i++) {
		struct home h = {.user = t.user};
		char text[32];

		snprintf(text, sizeof(text), "192.0.2.%u", i);
		h.address = address(text);
		assert_int_equal(core_write(&t.core, put_home, &h, false), 0);
		assert_int_equal(count_keys(&t, "home/"), VTAP_MIN(i + 1, (unsigned)VTAP_ACCESS_HOMES_MAX));
	}
	core_end(&t.core);
}

/* Whoever has many addresses fills no memory. */
static void test_very_many_tries(void **state)
{
	struct vtap_access *a;
	struct test t;
	char text[32];

	a = begin(&t);
	for (unsigned i = 0; i < 20000; i++) {
		struct vtap_addr from;

		snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		from = address(text);
		assert_int_equal(vtap_access_try(a, text, &from), 0);
		assert_in_range(vtap_table_count(a->tries), 1, 8194);
	}
	core_end(&t.core);
}

struct waiting {
	struct vtap_controller *controller;
	unsigned right, wrong, canceled, expected;
};

static void verified(int r, const char *hash, void *userdata)
{
	struct waiting *w = userdata;

	*(r == 0 ? &w->right : r == -EACCES ? &w->wrong : &w->canceled) += 1;
	if (w->right + w->wrong == w->expected)
		assert_true(sd_event_exit(w->controller->event, 0) >= 0);
}

static int put_password(struct vtap_change *c, void *userdata)
{
	struct test *t = userdata;
	char hash[VTAP_PASSWORD_HASH_STRLEN];

	assert_int_equal(vtap_password_hash("a good password", hash), 0);
	return vtap_access_put_password(c, t->user, hash);
}

static void test_passwords(void **state)
{
	struct vtap_access *a;
	struct waiting w = {.expected = 3};
	struct test t;

	a = begin(&t);
	w.controller = &t.core.controller;
	assert_int_equal(core_write(&t.core, put_password, &t, false), 0);
	assert_int_equal(vtap_access_verify(a, t.user, "a good password", verified, &w), 0);
	assert_int_equal(vtap_access_verify(a, t.user, "a wrong password", verified, &w), 0);
	assert_int_equal(vtap_access_verify(a, NULL, "a good password", verified, &w), 0);
	assert_true(sd_event_loop(w.controller->event) >= 0);
	assert_int_equal(w.right, 1);
	assert_int_equal(w.wrong, 2);
	core_end(&t.core);
}

static void test_the_queue_is_bounded(void **state)
{
	struct waiting w = {.expected = UINT32_MAX};
	struct vtap_access *a;
	unsigned queued = 0;
	struct test t;
	int r = 0;

	a = begin(&t);
	w.controller = &t.core.controller;
	while ((r = vtap_access_verify(a, NULL, "a password", verified, &w)) == 0)
		queued++;
	assert_int_equal(r, -EAGAIN);
	assert_in_range(queued, VTAP_ACCESS_QUEUE_MAX, VTAP_ACCESS_QUEUE_MAX + 2 * VTAP_ACCESS_THREADS);
	/* Freed with work under way: each is told, once. */
	t.core.controller.access = vtap_access_free(a);
	assert_int_equal(w.right + w.wrong + w.canceled, queued);
	assert_true(w.canceled > 0);
	core_end(&t.core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_tokens),
	    cmocka_unit_test(test_many_tokens),
	    cmocka_unit_test(test_all_but_one),
	    cmocka_unit_test(test_secret),
	    cmocka_unit_test(test_keys_of_nobody_are_dropped),
	    cmocka_unit_test(test_all_of_the_batch),
	    cmocka_unit_test(test_ended_in_the_batch),
	    cmocka_unit_test(test_many_in_one_batch),
	    cmocka_unit_test(test_a_password_that_has_changed),
	    cmocka_unit_test(test_tries),
	    cmocka_unit_test(test_tries_from_everywhere),
	    cmocka_unit_test(test_logins_at_home),
	    cmocka_unit_test(test_homes_outlive_a_restart),
	    cmocka_unit_test(test_many_homes),
	    cmocka_unit_test(test_very_many_tries),
	    cmocka_unit_test(test_passwords),
	    cmocka_unit_test(test_the_queue_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
