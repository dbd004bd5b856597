/* SPDX-License-Identifier: Apache-2.0 */

/* Steps of time: what is spread over them, what is forgotten, what is told late. */

#include "controller/history.h"
#include "unit.h"

#define T0 INT64_C(1795000000000) /* a whole step */
#define STEP INT64_C(10000)

static void add(struct vtap_history *h, int64_t from, int64_t to, double packets)
{
	double values[VTAP_HISTORY_MAX] = {[VTAP_HISTORY_MATCHED_PACKETS] = packets};

	assert_int_equal(vtap_history_add(h, from, to, values), 0);
}

static struct vtap_history *make(void)
{
	struct vtap_history *h = NULL;

	assert_int_equal(vtap_history_new(&h), 0);
	return h;
}

/* "END: VALUE VALUE ..." */
static void assert_history(const struct vtap_history *h, int64_t now, const char *expected)
{
	json_auto_t *o = vtap_history_json(h, now, VTAP_HISTORY_STEPS);
	const json_t *list = json_object_get(o, "matched_packets");
	char text[8192], *end = text;

	end += sprintf(end, "%lld:", json_integer_value(json_object_get(o, "end")) - T0 / 1000);
	for (size_t i = 0; i < json_array_size(list); i++)
		end += sprintf(end, " %lld", json_integer_value(json_array_get(list, i)));
	assert_string_equal(text, expected);
	for (int i = 1; i < VTAP_HISTORY_MAX; i++)
		assert_int_equal(json_array_size(json_object_get(o, vtap_history_value_name(i))),
				 json_array_size(list));
}

static void test_nothing(void **state)
{
	VTAP_CLEANUP(vtap_history_freep) struct vtap_history *h = make();

	assert_history(h, T0, "0:");
	add(h, T0, T0 + STEP, 0);
	assert_history(h, T0 + 3 * STEP, "30:");
}

static void test_a_step_appears_when_it_has_ended(void **state)
{
	VTAP_CLEANUP(vtap_history_freep) struct vtap_history *h = make();

	add(h, T0, T0 + STEP, 7);
	assert_history(h, T0 + STEP - 1, "0:");
	assert_history(h, T0 + STEP, "10: 7");
	assert_history(h, T0 + 3 * STEP, "30: 7 0 0");
	add(h, T0 + 2 * STEP, T0 + 3 * STEP, 5);
	assert_history(h, T0 + 3 * STEP, "30: 7 0 5");
}

static void test_what_spans_steps_is_spread(void **state)
{
	VTAP_CLEANUP(vtap_history_freep) struct vtap_history *h = make();

	add(h, T0 + STEP / 2, T0 + 2 * STEP + STEP / 2, 100);
	assert_history(h, T0 + 3 * STEP, "30: 25 50 25");
	add(h, T0 + STEP, T0 + STEP, 4);
	assert_history(h, T0 + 3 * STEP, "30: 25 54 25");
}

static void test_old_steps_make_room(void **state)
{
	VTAP_CLEANUP(vtap_history_freep) struct vtap_history *h = make();
	json_auto_t *full = NULL, *moved = NULL;

	for (int i = 0; i < VTAP_HISTORY_STEPS; i++)
		add(h, T0 + i * STEP, T0 + (i + 1) * STEP, i + 1);
	full = vtap_history_json(h, T0 + VTAP_HISTORY_STEPS * STEP, VTAP_HISTORY_STEPS);
	assert_int_equal(json_array_size(json_object_get(full, "matched_packets")), VTAP_HISTORY_STEPS);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(full, "matched_packets"), 0)), 1);
	add(h, T0 + VTAP_HISTORY_STEPS * STEP, T0 + (VTAP_HISTORY_STEPS + 1) * STEP, 1000);
	moved = vtap_history_json(h, T0 + (VTAP_HISTORY_STEPS + 1) * STEP, VTAP_HISTORY_STEPS);
	assert_int_equal(json_array_size(json_object_get(moved, "matched_packets")), VTAP_HISTORY_STEPS);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(moved, "matched_packets"), 0)), 2);
}

static void test_fewer_steps(void **state)
{
	VTAP_CLEANUP(vtap_history_freep) struct vtap_history *h = make();
	json_auto_t *o = NULL;

	for (int i = 0; i < 5; i++)
		add(h, T0 + i * STEP, T0 + (i + 1) * STEP, i + 1);
	o = vtap_history_json(h, T0 + 5 * STEP, 2);
	assert_int_equal(json_array_size(json_object_get(o, "matched_packets")), 2);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(o, "matched_packets"), 0)), 4);
}

static void test_a_long_silence(void **state)
{
	VTAP_CLEANUP(vtap_history_freep) struct vtap_history *h = make();
	json_auto_t *o = NULL;

	add(h, T0, T0 + STEP, 9);
	add(h, T0 + 5000 * STEP, T0 + 5001 * STEP, 3);
	assert_history(h, T0 + 5001 * STEP, "50010: 3");
	add(h, T0 + 5001 * STEP, T0 + 15001 * STEP, 10000);
	o = vtap_history_json(h, T0 + 15001 * STEP, VTAP_HISTORY_STEPS);
	assert_int_equal(json_array_size(json_object_get(o, "matched_packets")), VTAP_HISTORY_STEPS);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(o, "matched_packets"), 5)), 1);
}

static void test_what_is_told_late(void **state)
{
	VTAP_CLEANUP(vtap_history_freep) struct vtap_history *h = make();

	add(h, T0, T0 + STEP, 9);
	add(h, T0 - 2 * STEP, T0 - STEP, 4);
	assert_history(h, T0 + STEP, "10: 4 0 9");
	add(h, T0 - 10000 * STEP, T0 - 9999 * STEP, 4);
	assert_history(h, T0 - STEP, "-10: 4");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nothing),
	    cmocka_unit_test(test_a_step_appears_when_it_has_ended),
	    cmocka_unit_test(test_what_spans_steps_is_spread),
	    cmocka_unit_test(test_old_steps_make_room),
	    cmocka_unit_test(test_fewer_steps),
	    cmocka_unit_test(test_a_long_silence),
	    cmocka_unit_test(test_what_is_told_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
