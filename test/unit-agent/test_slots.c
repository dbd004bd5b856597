/* SPDX-License-Identifier: Apache-2.0 */

#include <stdlib.h>

#include "agent/slots.h"
#include "basic/util.h"
#include "unit.h"

static uint16_t take(struct vtap_slots *s, const char *name, bool wanted_fresh)
{
	bool fresh = !wanted_fresh;
	uint16_t slot = UINT16_MAX;

	assert_int_equal(vtap_slots_take(s, name, &slot, &fresh), 0);
	assert_int_equal(fresh, wanted_fresh);
	assert_in_range(slot, 0, VTAP_ABI_SESSIONS - 1);
	return slot;
}

static void test_a_name_keeps_its_slot(void **state)
{
	_cleanup_free_ struct vtap_slots *s = calloc(1, sizeof(*s));
	uint16_t a = take(s, "a", true), b = take(s, "b", true), found;

	assert_int_not_equal(a, b);
	assert_int_equal(take(s, "a", false), a);
	assert_int_equal(vtap_slots_find(s, "b", &found), 0);
	assert_int_equal(found, b);
	assert_int_equal(vtap_slots_find(s, "c", &found), -ENOENT);
	assert_string_equal(s->names[a].name, "a");
}

static void test_the_longest_names_differ(void **state)
{
	_cleanup_free_ struct vtap_slots *s = calloc(1, sizeof(*s));
	uint16_t first, second;
	char one[VTAP_NAME_MAX + 1] = "", two[VTAP_NAME_MAX + 1] = "";

	memset(one, 'x', VTAP_NAME_MAX);
	memset(two, 'x', VTAP_NAME_MAX);
	two[VTAP_NAME_MAX - 1] = 'y';
	first = take(s, one, true);
	second = take(s, two, true);
	assert_int_not_equal(first, second);
	assert_int_equal(take(s, one, false), first);
	assert_string_equal(s->names[second].name, two);
}

static void test_a_retired_slot_waits_for_the_grace_period(void **state)
{
	_cleanup_free_ struct vtap_slots *s = calloc(1, sizeof(*s));
	uint16_t a = take(s, "a", true), again;

	vtap_slots_retire(s, a);
	/* Packets on their way may still carry the old one: even its own name gets another, and begins at nought. */
	again = take(s, "a", true);
	assert_int_not_equal(again, a);
	vtap_slots_reclaim(s);
	assert_int_equal(take(s, "b", true), a);
}

static void test_limit(void **state)
{
	_cleanup_free_ struct vtap_slots *s = calloc(1, sizeof(*s));
	uint16_t slot = UINT16_MAX;
	char name[16];
	bool fresh;

	for (int i = 0; i < VTAP_ABI_SESSIONS; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		take(s, name, true);
	}
	assert_int_equal(vtap_slots_take(s, "more", &slot, &fresh), -ENOSPC);
	assert_int_equal(take(s, "s1023", false), VTAP_ABI_SESSIONS - 1);
	vtap_slots_retire(s, 17);
	assert_int_equal(vtap_slots_take(s, "more", &slot, &fresh), -EAGAIN);
	vtap_slots_reclaim(s);
	assert_int_equal(take(s, "more", true), 17);
	assert_int_equal(slot, UINT16_MAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_name_keeps_its_slot),
	    cmocka_unit_test(test_the_longest_names_differ),
	    cmocka_unit_test(test_a_retired_slot_waits_for_the_grace_period),
	    cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
