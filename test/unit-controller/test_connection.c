/* SPDX-License-Identifier: Apache-2.0 */

/* One agent behind a credential, with all that may happen to it, or two. */

#include <errno.h>

#include "controller/feed_private.h"
#include "unit.h"

static int note(struct vtap_feed_connection *c, const char *instance, uint64_t counter)
{
	return vtap_feed_connection_note(c, instance, counter);
}

static void test_one_agent(void **state)
{
	struct vtap_feed_connection c = {};

	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(note(&c, "a", i * 3), 0);
}

static void test_one_that_is_restarted(void **state)
{
	struct vtap_feed_connection c = {};
	char instance[16];

	for (int i = 0; i < 100; i++) {
		sprintf(instance, "%d", i);
		assert_int_equal(note(&c, instance, 1), 0);
		assert_int_equal(note(&c, instance, 2), 0);
	}
}

static void test_two_signs_are_forgiven(void **state)
{
	struct vtap_feed_connection c = {};

	for (uint64_t i = 1; i < 50; i++) {
		assert_int_equal(note(&c, "a", 10 * i), 0);
		assert_int_equal(note(&c, "a", 10 * i), 0);
		assert_int_equal(note(&c, "a", 10 * i), 0);
		for (uint64_t j = 1; j < 9; j++)
			assert_int_equal(note(&c, "a", 10 * i + j), 0);
	}
}

static void test_seven_good_ones_are_not_enough(void **state)
{
	struct vtap_feed_connection c = {};

	assert_int_equal(note(&c, "a", 10), 0);
	assert_int_equal(note(&c, "a", 10), 0);
	assert_int_equal(note(&c, "a", 10), 0);
	for (uint64_t j = 1; j < 8; j++)
		assert_int_equal(note(&c, "a", 10 + j), 0);
	assert_int_equal(note(&c, "a", 10), -EBUSY);
}

static void test_two_processes(void **state)
{
	struct vtap_feed_connection c = {};

	assert_int_equal(note(&c, "a", 1), 0);
	assert_int_equal(note(&c, "b", 1), 0);
	assert_int_equal(note(&c, "a", 2), 0);
	assert_int_equal(note(&c, "b", 2), 0);
	assert_int_equal(note(&c, "a", 3), -EBUSY);
	/* Both are refused meanwhile; whoever is resumed begins anew. */
	assert_int_equal(note(&c, "a", 4), 0);
}

static void test_two_of_the_same_memory(void **state)
{
	struct vtap_feed_connection c = {};

	assert_int_equal(note(&c, "a", 7), 0);
	assert_int_equal(note(&c, "a", 7), 0);
	assert_int_equal(note(&c, "a", 8), 0);
	assert_int_equal(note(&c, "a", 8), 0);
	assert_int_equal(note(&c, "a", 9), 0);
	assert_int_equal(note(&c, "a", 9), -EBUSY);
}

static void test_instances_are_remembered(void **state)
{
	for (int more = 0; more < 2; more++) {
		struct vtap_feed_connection c = {};
		char instance[16];

		for (int i = 0; i < VTAP_FEED_INSTANCES_MAX + more; i++) {
			sprintf(instance, "%d", i);
			assert_int_equal(note(&c, instance, 1), 0);
		}
		assert_int_equal(note(&c, "0", 2), 0);
		assert_int_equal(c.strikes, more ? 0 : 1);
	}
}

static int report(struct vtap_feed_connection *c, const char *instance)
{
	return vtap_feed_connection_note_report(c, instance);
}

/* However often it reports, and whatever comes first after a start. */
static void test_reports_of_one_agent(void **state)
{
	struct vtap_feed_connection c = {};
	char instance[16];

	for (int i = 0; i < 50; i++) {
		sprintf(instance, "%d", i);
		if (i % 2)
			assert_int_equal(report(&c, instance), 0);
		assert_int_equal(note(&c, instance, 0), 0);
		assert_int_equal(report(&c, instance), 0);
		assert_int_equal(note(&c, instance, 1), 0);
		assert_int_equal(report(&c, instance), 0);
		assert_int_equal(c.strikes, 0);
	}
}

/* One has the connection, the other one only reports. */
static void test_one_that_only_reports(void **state)
{
	struct vtap_feed_connection c = {};

	assert_int_equal(note(&c, "a", 1), 0);
	assert_int_equal(report(&c, "b"), 0);
	assert_int_equal(note(&c, "a", 2), 0);
	assert_int_equal(report(&c, "b"), 0);
	assert_int_equal(note(&c, "a", 3), -EBUSY);
}

static void test_two_that_only_report(void **state)
{
	struct vtap_feed_connection c = {};

	assert_int_equal(report(&c, "a"), 0);
	assert_int_equal(report(&c, "b"), 0);
	assert_int_equal(report(&c, "a"), 0);
	assert_int_equal(report(&c, "b"), 0);
	assert_int_equal(report(&c, "a"), -EBUSY);
}

/* They come as often as one likes: what makes signs forgotten is the one connection that goes on. */
static void test_reports_forgive_nothing(void **state)
{
	struct vtap_feed_connection c = {};

	assert_int_equal(note(&c, "a", 1), 0);
	assert_int_equal(note(&c, "b", 1), 0);
	assert_int_equal(note(&c, "a", 2), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(report(&c, "a"), 0);
	assert_int_equal(c.strikes, 1);
	for (uint64_t i = 3; i < 11; i++)
		assert_int_equal(note(&c, "a", i), 0);
	assert_int_equal(c.strikes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_agent),
	    cmocka_unit_test(test_one_that_is_restarted),
	    cmocka_unit_test(test_two_signs_are_forgiven),
	    cmocka_unit_test(test_seven_good_ones_are_not_enough),
	    cmocka_unit_test(test_two_processes),
	    cmocka_unit_test(test_two_of_the_same_memory),
	    cmocka_unit_test(test_instances_are_remembered),
	    cmocka_unit_test(test_reports_of_one_agent),
	    cmocka_unit_test(test_one_that_only_reports),
	    cmocka_unit_test(test_two_that_only_report),
	    cmocka_unit_test(test_reports_forgive_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
