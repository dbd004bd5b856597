/* SPDX-License-Identifier: Apache-2.0 */

#include "agent/pool.h"
#include "unit.h"

#define ENTRIES 4 /* of which entry 0 is never given out */

static struct vtap_pool *pool_new(void)
{
	struct vtap_pool *p = NULL;

	assert_int_equal(vtap_pool_new(ENTRIES, sizeof(uint64_t), &p), 0);
	return p;
}

static uint32_t take(struct vtap_pool *p, uint64_t value, bool wanted_fresh)
{
	uint32_t index = 0;
	bool fresh = !wanted_fresh;

	assert_int_equal(vtap_pool_take(p, &value, &index, &fresh), 0);
	assert_int_equal(fresh, wanted_fresh);
	assert_in_range(index, 1, ENTRIES - 1);
	return index;
}

static int take_fails(struct vtap_pool *p, uint64_t value)
{
	uint32_t index = 77;
	bool fresh;
	int r = vtap_pool_take(p, &value, &index, &fresh);

	assert_int_equal(index, 77);
	return r;
}

static void test_equal_values_share_an_entry(void **state)
{
	VTAP_CLEANUP(vtap_pool_freep) struct vtap_pool *p = pool_new();
	uint32_t one = take(p, 1, true), two = take(p, 2, true);

	assert_int_not_equal(one, two);
	assert_int_equal(take(p, 1, false), one);
	assert_int_equal(vtap_pool_used(p), 2);
	vtap_pool_put(p, one);
	assert_int_equal(vtap_pool_used(p), 2);
	vtap_pool_put(p, one);
	assert_int_equal(vtap_pool_used(p), 1);
}

static void test_retired_entries_wait_for_the_grace_period(void **state)
{
	VTAP_CLEANUP(vtap_pool_freep) struct vtap_pool *p = pool_new();
	uint32_t one = take(p, 1, true);

	take(p, 2, true);
	take(p, 3, true);
	assert_int_equal(take_fails(p, 4), -ENOSPC);
	vtap_pool_put(p, one);
	assert_int_equal(take_fails(p, 4), -EAGAIN);
	vtap_pool_reclaim(p);
	assert_int_equal(take(p, 4, true), one);
	assert_int_equal(take_fails(p, 5), -ENOSPC);
}

/* The map still holds it: whoever wants it again before the grace period gets it as it is. */
static void test_a_retired_value_comes_back(void **state)
{
	VTAP_CLEANUP(vtap_pool_freep) struct vtap_pool *p = pool_new();
	uint32_t one = take(p, 1, true);

	vtap_pool_put(p, one);
	assert_int_equal(take(p, 1, false), one);
	vtap_pool_reclaim(p);
	assert_int_equal(take(p, 1, false), one);
	vtap_pool_put(p, one);
	vtap_pool_put(p, one);
	vtap_pool_reclaim(p);
	take(p, 1, true);
}

static void test_entries_in_use_survive_a_reclaim(void **state)
{
	VTAP_CLEANUP(vtap_pool_freep) struct vtap_pool *p = pool_new();
	uint32_t one = take(p, 1, true);

	vtap_pool_reclaim(p);
	assert_int_equal(take(p, 1, false), one);
	assert_int_equal(vtap_pool_used(p), 1);
}

static void test_put_of_nothing(void **state)
{
	VTAP_CLEANUP(vtap_pool_freep) struct vtap_pool *p = pool_new();
	uint32_t one = take(p, 1, true);

	vtap_pool_put(p, 0);
	vtap_pool_put(p, ENTRIES);
	vtap_pool_put(p, one);
	vtap_pool_put(p, one);
	assert_int_equal(take(p, 1, false), one);
	assert_int_equal(vtap_pool_used(p), 1);
}

static void test_adopt(void **state)
{
	VTAP_CLEANUP(vtap_pool_freep) struct vtap_pool *p = pool_new();
	uint64_t one = 1, two = 2;

	assert_int_equal(vtap_pool_adopt(p, 0, &one), -ERANGE);
	assert_int_equal(vtap_pool_adopt(p, ENTRIES, &one), -ERANGE);
	assert_int_equal(vtap_pool_adopt(p, ENTRIES - 1, &one), 0);
	assert_int_equal(vtap_pool_adopt(p, ENTRIES - 1, &two), -EBUSY);
	assert_int_equal(vtap_pool_adopt(p, ENTRIES - 1, &one), 0);
	assert_int_equal(vtap_pool_used(p), 1);
	assert_int_equal(take(p, 1, false), ENTRIES - 1);
	/* Three references are held now. */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(vtap_pool_used(p), 1);
		vtap_pool_put(p, ENTRIES - 1);
	}
	assert_int_equal(vtap_pool_used(p), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_equal_values_share_an_entry),
	    cmocka_unit_test(test_retired_entries_wait_for_the_grace_period),
	    cmocka_unit_test(test_a_retired_value_comes_back),
	    cmocka_unit_test(test_entries_in_use_survive_a_reclaim),
	    cmocka_unit_test(test_put_of_nothing),
	    cmocka_unit_test(test_adopt),
	};

	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
