/* SPDX-License-Identifier: Apache-2.0 */

/* How many refusals are written down, of whom, and that what is left out is told. */

#include <stdio.h>
#include <string.h>

#include "controller/audit_refusals.h"
#include "unit.h"

#define SECOND_US 1000000ULL

static struct vtap_refused who_is(const char *user, const char *host, const char *project)
{
	struct vtap_refused who = {.from = "192.0.2.1"};

	snprintf(who.user, sizeof(who.user), "%s", user);
	snprintf(who.host, sizeof(who.host), "%s", host);
	snprintf(who.project, sizeof(who.project), "%s", project);
	return who;
}

static struct told { /* by vtap_refusals_tell() */
	struct vtap_refused who;
	uint64_t left_out;
	size_t count;
} told;

static void tell(const struct vtap_refused *who, uint64_t left_out, void *userdata)
{
	told.who = *who;
	told.left_out += left_out;
	told.count++;
}

/* Writes as many as it can of so many, and returns how many that are; *left_out is counted on. */
static uint64_t flood(struct vtap_refusals *r, const struct vtap_refused *who, uint64_t now_us, uint64_t count,
		      uint64_t *left_out)
{
	uint64_t written = 0, before;

	for (uint64_t i = 0; i < count; i++) {
		if (!vtap_refusals_note(r, who, now_us, &before))
			continue;
		*left_out += before;
		written++;
	}
	return written;
}

static void test_so_many_at_once_and_then_one_each(void **state)
{
	static const struct {
		const char *user, *host;
		uint64_t period_s;
	} table[] = {
	    {"", "", VTAP_AUDIT_REFUSALS_NOBODY_S},
	    {"user-1", "", VTAP_AUDIT_REFUSALS_USER_S},
	    {"", "host-1", VTAP_AUDIT_REFUSALS_HOST_S},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(table); i++) {
		VTAP_CLEANUP(vtap_refusals_freep) struct vtap_refusals *r = NULL;
		struct vtap_refused who = who_is(table[i].user, table[i].host, "p");
		uint64_t period_us = table[i].period_s * SECOND_US, now_us = 7, left_out = 0;

		assert_int_equal(vtap_refusals_new(&r), 0);
		assert_int_equal(flood(r, &who, now_us, VTAP_AUDIT_REFUSALS_MAX, &left_out), VTAP_AUDIT_REFUSALS_MAX);
		assert_int_equal(flood(r, &who, now_us, 1, &left_out), 0);
		assert_int_equal(flood(r, &who, now_us + period_us - 1, 4, &left_out), 0);
		assert_int_equal(left_out, 0);
		assert_int_equal(vtap_refusals_left_out(r), 5);
		assert_int_equal(flood(r, &who, now_us + period_us, 10, &left_out), 1);
		assert_int_equal(left_out, 5);
		assert_int_equal(vtap_refusals_left_out(r), 9);
		now_us += 2 * VTAP_AUDIT_REFUSALS_MAX * period_us;
		assert_int_equal(flood(r, &who, now_us, 1000, &left_out), VTAP_AUDIT_REFUSALS_MAX);
		assert_int_equal(left_out, 5 + 9);
	}
}

/* Nobody hides behind another one. */
static void test_each_by_itself(void **state)
{
	static const char *const names[][3] = {{"", "", ""},        {"user-1", "", "a"}, {"user-1", "", "b"},
					       {"user-2", "", "a"}, {"", "host-1", ""},  {"", "host-2", ""}};
	VTAP_CLEANUP(vtap_refusals_freep) struct vtap_refusals *r = NULL;
	uint64_t left_out = 0;

	assert_int_equal(vtap_refusals_new(&r), 0);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(names); i++) {
		struct vtap_refused who = who_is(names[i][0], names[i][1], names[i][2]);

		assert_int_equal(flood(r, &who, 0, 1000, &left_out), VTAP_AUDIT_REFUSALS_MAX);
	}
	assert_int_equal(vtap_refusals_left_out(r), VTAP_ARRAY_SIZE(names) * (1000 - VTAP_AUDIT_REFUSALS_MAX));
}

static void test_what_is_left_out_is_told(void **state)
{
	VTAP_CLEANUP(vtap_refusals_freep) struct vtap_refusals *r = NULL;
	struct vtap_refused who = who_is("user-1", "", "p"), nobody = who_is("", "", "");
	uint64_t period_us = VTAP_AUDIT_REFUSALS_USER_S * SECOND_US, left_out = 0;

	told = (struct told){};
	assert_int_equal(vtap_refusals_new(&r), 0);
	flood(r, &who, 0, VTAP_AUDIT_REFUSALS_MAX, &left_out);
	vtap_refusals_tell(r, period_us, false, tell, NULL);
	assert_int_equal(told.count, 0);
	snprintf(who.from, sizeof(who.from), "192.0.2.2");
	flood(r, &who, 0, 50, &left_out);
	vtap_refusals_tell(r, period_us - 1, false, tell, NULL);
	assert_int_equal(told.count, 0);
	vtap_refusals_tell(r, period_us, false, tell, NULL);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.left_out, 50);
	assert_string_equal(told.who.user, "user-1");
	assert_string_equal(told.who.project, "p");
	assert_string_equal(told.who.from, "192.0.2.2");
	assert_int_equal(vtap_refusals_left_out(r), 0);
	vtap_refusals_tell(r, 9 * period_us, false, tell, NULL);
	assert_int_equal(told.count, 1);
	/* At the end of all, at once. */
	flood(r, &who, period_us, 3, &left_out);
	flood(r, &nobody, period_us, VTAP_AUDIT_REFUSALS_MAX + 4, &left_out);
	vtap_refusals_tell(r, period_us, true, tell, NULL);
	assert_int_equal(told.count, 3);
	assert_int_equal(told.left_out, 50 + 2 + 4);
	assert_int_equal(vtap_refusals_left_out(r), 0);
}

/* Whatever comes: nothing is lost, and what is written is bounded. */
static void test_nothing_is_silent(void **state)
{
	VTAP_CLEANUP(vtap_refusals_freep) struct vtap_refusals *r = NULL;
	struct vtap_refused who = who_is("user-1", "", "p");
	uint64_t sent = 0, written = 0, left_out = 0;

	told = (struct told){};
	assert_int_equal(vtap_refusals_new(&r), 0);
	for (uint64_t s = 0; s < 86400; s++) {
		uint64_t count = (s * 7919) % 5;

		sent += count;
		written += flood(r, &who, s * SECOND_US, count, &left_out);
		if (s % 10 == 0)
			vtap_refusals_tell(r, s * SECOND_US, false, tell, NULL);
	}
	vtap_refusals_tell(r, 86400 * SECOND_US, true, tell, NULL);
	assert_int_equal(written + left_out + told.left_out, sent);
	assert_in_range(written + told.count, 1440,
			VTAP_AUDIT_REFUSALS_MAX + 2 * 86400 / VTAP_AUDIT_REFUSALS_USER_S + 1);
}

static void test_very_many(void **state)
{
	VTAP_CLEANUP(vtap_refusals_freep) struct vtap_refusals *r = NULL;
	uint64_t left_out = 0, written = 0;
	char name[VTAP_ID_STRLEN];

	told = (struct told){};
	assert_int_equal(vtap_refusals_new(&r), 0);
	for (int i = 0; i < VTAP_AUDIT_REFUSED_MAX; i++) {
		struct vtap_refused who;

		snprintf(name, sizeof(name), "user-%d", i);
		who = who_is(name, "", "");
		assert_int_equal(flood(r, &who, 0, 2, &left_out), 2);
	}
	/* These share what nobody has. */
	for (int i = 0; i < 2; i++) {
		struct vtap_refused who = who_is(i ? "user-more" : "user-another", "", "");

		written += flood(r, &who, 0, 100, &left_out);
	}
	assert_int_equal(written, VTAP_AUDIT_REFUSALS_MAX);
	vtap_refusals_tell(r, 0, true, tell, NULL);
	assert_int_equal(told.left_out, 100);
	assert_string_equal(told.who.user, "");
	/* Once the others have been quiet for a while there is room again. */
	for (int i = 0; i < 2; i++) {
		struct vtap_refused who = who_is(i ? "user-more" : "user-another", "", "");

		assert_int_equal(flood(r, &who, 2 * VTAP_AUDIT_REFUSALS_USER_S * SECOND_US, 100, &left_out), 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_so_many_at_once_and_then_one_each),
	    cmocka_unit_test(test_each_by_itself),
	    cmocka_unit_test(test_what_is_left_out_is_told),
	    cmocka_unit_test(test_nothing_is_silent),
	    cmocka_unit_test(test_very_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
