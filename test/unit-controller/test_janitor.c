/* SPDX-License-Identifier: Apache-2.0 */

/* What has a time to live goes when it has passed, and nothing else. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "controller/audit.h"
#include "controller/janitor.h"
#include "core.h"

#define OLD 700 /* keys of each sort: more than one batch */

struct filling {
	const char *prefix;
	int digits; /* of number */
	uint64_t number;
	const char *suffix; /* what makes it unique follows */
	unsigned from;
};

static int fill(struct vtap_change *c, void *userdata)
{
	const struct filling *f = userdata;
	char key[128];
	int r = 0;

	for (unsigned i = f->from; i < f->from + 30 && r >= 0; i++) {
		snprintf(key, sizeof(key), "%s%0*" PRIu64 "%s%04u", f->prefix, f->digits, f->number, f->suffix, i);
		r = vtap_change_put_key(c, key, "{}", 2);
		if (r >= 0 && strncmp(key, "due/", 4) == 0)
			r = vtap_change_put_key(c, key + 25, "v", 1);
	}
	return r;
}

static void fill_many(struct core *core, struct filling f, unsigned count)
{
	for (; f.from < count; f.from += 30)
		assert_int_equal(core_write(core, fill, &f, false), 0);
}

static int count_item(const struct vtap_store_item *item, void *userdata)
{
	return 0;
}

static ssize_t count(struct core *core, const char *prefix)
{
	return vtap_store_page(core->controller.store, prefix, NULL, 1000, count_item, NULL);
}

static void drain(struct core *core)
{
	while (sd_event_run(core->controller.event, 0) > 0)
		;
}

/* A new one, when it has looked for the first time: what it deletes is queued. */
static struct vtap_janitor *janitor_that_looked(struct core *core)
{
	struct vtap_janitor *j = NULL;

	drain(core);
	assert_int_equal(vtap_janitor_new(&core->controller, &j), 0);
	assert_true(sd_event_run(core->controller.event, 10000000) > 0); /* nothing but its timer */
	return j;
}

static void test_expired(void **state)
{
	VTAP_CLEANUP(vtap_janitor_freep) struct vtap_janitor *j = NULL;
	const uint64_t now_s = (uint64_t)time(NULL), kept_s = VTAP_AUDIT_RETENTION_DAYS * 86400U;
	struct core core;

	core_begin(&core);
	fill_many(&core, (struct filling){"audit/", 16, (now_s - kept_s - 100) * 1000000U, "", 0}, OLD);
	fill_many(&core, (struct filling){"audit/", 16, (now_s - kept_s + 100) * 1000000U, "", 0}, 30);
	fill_many(&core, (struct filling){"due/", 20, now_s - 100, "/once/", 0}, OLD);
	fill_many(&core, (struct filling){"due/", 20, now_s + 100, "/token/", 0}, 30);
	assert_true(count(&core, "audit/") > 700 && count(&core, "due/") > 700 && count(&core, "once/") >= OLD);
	assert_int_equal(vtap_janitor_new(&core.controller, &j), 0);
	while (count(&core, "audit/") > 30 || count(&core, "due/") > 30)
		assert_true(sd_event_run(core.controller.event, 10000000) > 0);
	assert_int_equal(count(&core, "audit/"), 30);
	assert_int_equal(count(&core, "due/"), 30);
	assert_int_equal(count(&core, "once/"), 0);
	assert_int_equal(count(&core, "token/"), 30);
	core_end(&core);
}

#define ENTRY_BYTES (sizeof("audit/") - 1 + 20 + 2) /* of fill() */

/* Young entries go, too, when there are too many: the oldest, and no more than is needed. */
static void test_a_log_that_is_too_large(void **state)
{
	const uint64_t now_us = (uint64_t)time(NULL) * 1000000U;

	for (unsigned more = 0; more < 2; more++) {
		VTAP_CLEANUP(vtap_janitor_freep) struct vtap_janitor *j = NULL;
		struct core core;

		core_begin(&core);
		fill_many(&core, (struct filling){"audit/", 16, now_us - 5, "", 0}, 30 * more);
		fill_many(&core, (struct filling){"audit/", 16, now_us, "", 0}, 900);
		core.options.audit_max_bytes = 900 * ENTRY_BYTES;
		assert_int_equal(vtap_janitor_new(&core.controller, &j), 0);
		assert_true(sd_event_run(core.controller.event, 10000000) > 0);
		while (count(&core, "audit/") > 900)
			assert_true(sd_event_run(core.controller.event, 10000000) > 0);
		drain(&core);
		assert_int_equal(count(&core, "audit/"), 900);
		core_end(&core);
	}
}

/*
 * Entries that come late, as the clock was ahead before: that they were not measured makes no log too large of one that is
 * small, neither while they go nor afterwards.
 */
static void test_an_entry_of_the_future(void **state)
{
	VTAP_CLEANUP(vtap_janitor_freep) struct vtap_janitor *j = NULL;
	const uint64_t now_s = (uint64_t)time(NULL), kept_s = VTAP_AUDIT_RETENTION_DAYS * 86400U;
	struct core core;

	core_begin(&core);
	fill_many(&core, (struct filling){"audit/", 16, (now_s + 3600) * 1000000U, "", 0}, 30);
	j = janitor_that_looked(&core);
	fill_many(&core, (struct filling){"audit/", 16, (now_s - kept_s - 100) * 1000000U, "", 0}, OLD);
	while (count(&core, "audit/") > 30)
		assert_true(sd_event_run(core.controller.event, 10000000) > 0);
	drain(&core);
	assert_int_equal(count(&core, "audit/"), 30);
	core_end(&core);
}

static int put_audit(struct vtap_change *c, void *userdata)
{
	return vtap_change_put_key(c, userdata, "{}", 2);
}

static int add_own(struct vtap_change *c, void *userdata)
{
	return vtap_audit_add_own(c, "test", NULL, NULL);
}

/* Whatever the clock was in an earlier life: new entries sort behind the old ones. */
static void test_entries_keep_their_order(void **state)
{
	const uint64_t now_us = (uint64_t)time(NULL) * 1000000U;
	const uint64_t before_us[] = {1, now_us - 5, now_us + 86400000000U, 4102444800000000U};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(before_us); i++) {
		struct core first, second;
		char key[64];

		core_begin(&first);
		snprintf(key, sizeof(key), "audit/%016" PRIu64 "9999", before_us[i]);
		assert_int_equal(core_write(&first, put_audit, key, false), 0);
		core_read(&second, &first);
		for (unsigned k = 0; k < 3; k++)
			assert_int_equal(core_write(&second, add_own, NULL, false), 0);
		assert_int_equal(count(&first, "audit/"), 4);
		assert_int_equal(vtap_store_page(first.controller.store, "audit/", key, 10, count_item, NULL), 3);
		core_read_end(&second);
		core_end(&first);
	}
}

#define NAME "void/host-00000000000000000"

struct renewal {
	int64_t first_s, second_s; /* when it was due at first, and is now */
};

/* What is put anew has two "due/", of which the first one is that of what it was. */
static int put_twice(struct vtap_change *c, void *userdata)
{
	const struct renewal *w = userdata;
	char due[128], value[64];
	int r;

	snprintf(value, sizeof(value), "{\"expires\":%" PRId64 "}", w->second_s);
	r = vtap_change_put_key(c, NAME, value, strlen(value));
	snprintf(due, sizeof(due), "due/%020" PRId64 "/" NAME, w->first_s);
	if (r >= 0)
		r = vtap_change_put_key(c, due, "", 0);
	snprintf(due, sizeof(due), "due/%020" PRId64 "/" NAME, w->second_s);
	return r < 0 ? r : vtap_change_put_key(c, due, "", 0);
}

static void run_until_due(struct core *core, ssize_t left)
{
	VTAP_CLEANUP(vtap_janitor_freep) struct vtap_janitor *j = NULL;

	assert_int_equal(vtap_janitor_new(&core->controller, &j), 0);
	while (count(core, "due/") > left)
		assert_true(sd_event_run(core->controller.event, 10000000) > 0);
	assert_int_equal(count(core, "due/"), left);
}

static void test_put_anew(void **state)
{
	struct renewal w = {.first_s = time(NULL) - 100, .second_s = time(NULL) + 100};
	struct core core;

	core_begin(&core);
	assert_int_equal(core_write(&core, put_twice, &w, false), 0);
	run_until_due(&core, 1);
	assert_int_equal(count(&core, NAME), 1);
	w.second_s = time(NULL) - 50;
	assert_int_equal(core_write(&core, put_twice, &w, false), 0);
	run_until_due(&core, 1); /* that of before */
	assert_int_equal(count(&core, NAME), 0);
	core_end(&core);
}

static void test_whether_a_clock_is_believed(void **state)
{
	const int64_t now = 1700000000, day = 86400;
	const struct {
		int64_t now_s, run_s;
		bool believes;
	} steps[] = {
	    {now, 1, true}, /* the first time there is nothing to compare with */
	    {now + day - 1, 10, true},
	    {now + 2 * day - 1, 20, false}, /* a day ahead of the one before */
	    {now + 9 * day, 30, false},
	    {now + day, 40, true}, /* set back */
	    {now - 100 * day, 50, true},
	    {now + 100 * day, 60, false},
	    {now + 107 * day, 60 + 7 * day - 1, false},
	    {now + 107 * day, 60 + 7 * day, true}, /* it has been so for a week */
	    {now + 107 * day + 60, 120 + 7 * day, true},
	};
	struct vtap_janitor_clock k = {};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(steps); i++)
		if (vtap_janitor_believes(&k, steps[i].now_s, steps[i].run_s) != steps[i].believes)
			fail_msg("step %zu", i);
}

/* A controller that is started anew each day has run with it for a week after a week. */
static void test_doubt_over_restarts(void **state)
{
	const int64_t now = 1700000000, day = 86400;
	struct vtap_janitor_clock k = {.believed_s = now};

	for (unsigned i = 0; i < 7; i++) {
		assert_false(vtap_janitor_believes(&k, now + (30 + i) * day, 1));
		assert_int_equal(vtap_janitor_believes(&k, now + (31 + i) * day, 1 + day), i == 6);
		k.doubted_run_s = 0; /* what the store does not have */
	}
	assert_int_equal(k.doubted_s, 0);
}

static int put_clock(struct vtap_change *c, void *userdata)
{
	return vtap_change_put_key(c, "clock", userdata, strlen(userdata));
}

/* What has expired by a clock that is days ahead stays, over restarts too; once it is right, it goes. */
static void test_a_clock_that_is_ahead(void **state)
{
	const uint64_t now_s = (uint64_t)time(NULL);
	struct core core;
	char text[32];

	core_begin(&core);
	fill_many(&core, (struct filling){"due/", 20, now_s - 100, "/void/", 0}, 30);
	snprintf(text, sizeof(text), "%" PRIu64, now_s - 2 * 86400);
	assert_int_equal(core_write(&core, put_clock, text, false), 0);
	for (unsigned i = 0; i < 2; i++) {
		VTAP_CLEANUP(vtap_janitor_freep) struct vtap_janitor *j = janitor_that_looked(&core);

		drain(&core);
		assert_int_equal(count(&core, "due/"), 30);
		assert_int_equal(count(&core, "void/"), 30);
	}
	snprintf(text, sizeof(text), "%" PRIu64, now_s - 3600);
	assert_int_equal(core_write(&core, put_clock, text, false), 0);
	run_until_due(&core, 0);
	assert_int_equal(count(&core, "void/"), 0);
	core_end(&core);
}

static void read_clock(struct core *core, int64_t *ret_believed_s, int64_t *ret_doubted_s)
{
	void *text;

	assert_int_equal(vtap_store_get(core->controller.store, "clock", &text, NULL, NULL), 0);
	assert_int_equal(sscanf(text, "%" SCNd64 " %" SCNd64, ret_believed_s, ret_doubted_s), 2);
	free(text);
}

/* For how long a clock was doubted is in the store: it is written with what goes, and gone on from. */
static void test_stored_doubt(void **state)
{
	const int64_t now_s = time(NULL), before_s = now_s - 2 * 86400;
	int64_t believed_s, doubted_s;
	struct vtap_janitor *j;
	struct core core;
	char text[64];

	core_begin(&core);
	fill_many(&core, (struct filling){"due/", 20, (uint64_t)now_s - 100, "/void/", 0}, 30);
	fill_many(&core, (struct filling){"audit/", 16, (uint64_t)now_s * 1000000U, "", 0}, 30);
	core.options.audit_max_bytes = 20 * ENTRY_BYTES;
	snprintf(text, sizeof(text), "%" PRId64 " %d", before_s, VTAP_JANITOR_DOUBT_S - 1000);
	assert_int_equal(core_write(&core, put_clock, text, false), 0);
	j = janitor_that_looked(&core);
	drain(&core);
	vtap_janitor_free(j);
	assert_int_equal(count(&core, "audit/"), 20);
	assert_int_equal(count(&core, "void/"), 30);
	read_clock(&core, &believed_s, &doubted_s);
	assert_int_equal(believed_s, before_s);
	assert_in_range(doubted_s, VTAP_JANITOR_DOUBT_S - 1000, VTAP_JANITOR_DOUBT_S - 1);
	snprintf(text, sizeof(text), "%" PRId64 " %d", before_s, VTAP_JANITOR_DOUBT_S);
	assert_int_equal(core_write(&core, put_clock, text, false), 0);
	run_until_due(&core, 0);
	assert_int_equal(count(&core, "void/"), 0);
	read_clock(&core, &believed_s, &doubted_s);
	assert_in_range(believed_s, now_s, now_s + 100);
	assert_int_equal(doubted_s, 0);
	core_end(&core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_expired),
					   cmocka_unit_test(test_a_log_that_is_too_large),
					   cmocka_unit_test(test_an_entry_of_the_future),
					   cmocka_unit_test(test_entries_keep_their_order),
					   cmocka_unit_test(test_put_anew),
					   cmocka_unit_test(test_whether_a_clock_is_believed),
					   cmocka_unit_test(test_a_clock_that_is_ahead),
					   cmocka_unit_test(test_doubt_over_restarts),
					   cmocka_unit_test(test_stored_doubt)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
