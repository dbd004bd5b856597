/* SPDX-License-Identifier: Apache-2.0 */

#include "agent/history.h"
#include "unit.h"

static void take(struct vtap_history *h, int64_t now_s, uint64_t packets)
{
	const struct vtap_history_step total = {packets, packets, packets * 100, packets / 10};

	vtap_history_take(h, now_s, &total);
}

static uint64_t packets_at(const struct vtap_history *h, unsigned i)
{
	assert_true(i < h->count);
	return vtap_history_at(h, i)->matched_packets;
}

static void test_steps(void **state)
{
	struct vtap_history h = {};

	/* What was before the first time is nobody's step. */
	take(&h, 1003, 70);
	assert_int_equal(h.count, 0);
	take(&h, 1009, 75);
	assert_int_equal(h.count, 0);
	take(&h, 1010, 90);
	assert_int_equal(h.end_s, 1010);
	take(&h, 1021, 95);
	assert_int_equal(h.count, 2);
	assert_int_equal(h.end_s, 1020);
	assert_int_equal(packets_at(&h, 0), 20);
	assert_int_equal(packets_at(&h, 1), 5);
	assert_int_equal(vtap_history_at(&h, 0)->mirrored_bytes, 2000);
	assert_int_equal(vtap_history_at(&h, 0)->lost_packets, 2);
}

static void test_missed_and_back(void **state)
{
	struct vtap_history h = {};

	take(&h, 1000, 0);
	take(&h, 1045, 40);
	assert_int_equal(h.count, 4);
	assert_int_equal(h.end_s, 1040);
	assert_int_equal(packets_at(&h, 0), 0);
	assert_int_equal(packets_at(&h, 3), 40);
	/* Counters that went back, as those of another owner of the slot. */
	take(&h, 1050, 7);
	assert_int_equal(packets_at(&h, 4), 0);
	take(&h, 1060, 9);
	assert_int_equal(packets_at(&h, 5), 2);
	/* A clock that was set back. */
	take(&h, 500, 10);
	assert_int_equal(h.count, 0);
	assert_int_equal(h.end_s, 500);
}

static void test_an_hour(void **state)
{
	struct vtap_history h = {};

	for (unsigned i = 0; i <= VTAP_HISTORY_STEPS; i++)
		take(&h, 1000 + i * VTAP_HISTORY_STEP_S, i * (i + 1) / 2);
	assert_int_equal(h.count, VTAP_HISTORY_STEPS);
	assert_int_equal(packets_at(&h, 0), 1);
	assert_int_equal(packets_at(&h, VTAP_HISTORY_STEPS - 1), VTAP_HISTORY_STEPS);
	take(&h, h.end_s + VTAP_HISTORY_STEP_S, 1000000);
	assert_int_equal(h.count, VTAP_HISTORY_STEPS);
	assert_int_equal(packets_at(&h, 0), 2);
	/* More than an hour is missed. */
	take(&h, h.end_s + 100LL * 86400, 1000001);
	assert_int_equal(h.count, VTAP_HISTORY_STEPS);
	assert_int_equal(packets_at(&h, 0), 0);
	assert_int_equal(packets_at(&h, VTAP_HISTORY_STEPS - 1), 1);
	assert_int_equal(h.end_s, 1000 + (VTAP_HISTORY_STEPS + 1) * VTAP_HISTORY_STEP_S + 100LL * 86400);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_steps),
	    cmocka_unit_test(test_missed_and_back),
	    cmocka_unit_test(test_an_hour),
	};

	return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
