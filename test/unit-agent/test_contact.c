/* SPDX-License-Identifier: Apache-2.0 */

#include <limits.h>

#include "agent/contact.h"
#include "folder.h"

#define A "11111111-1111-1111-1111-111111111111"
#define B "22222222-2222-2222-2222-222222222222"

static void test_elapsed(void **state)
{
	static const struct {
		struct vtap_contact then, now;
		uint64_t elapsed_s;
	} rows[] = {
	    {{A, 1000, 50}, {A, 1000, 50}, 0},
	    {{A, 1000, 50}, {A, 1010, 60}, 10},
	    /* Within one boot the wall clock is not asked, whichever way it was set. */
	    {{A, 1000, 50}, {A, 900000, 60}, 10},
	    {{A, 1000, 50}, {A, 0, 60}, 10},
	    /* Over a reboot it is, but the uptime is the least. */
	    {{A, 1000, 50}, {B, 1300, 20}, 300},
	    {{A, 1000, 50}, {B, 1010, 20}, 20},
	    {{A, 1000, 50}, {B, 0, 20}, 20},
	    /* Where the boot is not known, it may have been another. */
	    {{"", 1000, 50}, {"", 1300, 60}, 300},
	    {{A, 1000, 50}, {A, 1000, 40}, 0},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++)
		assert_int_equal(vtap_contact_elapsed_s(&rows[i].then, &rows[i].now), rows[i].elapsed_s);
}

static void test_now(void **state)
{
	struct vtap_contact c;

	vtap_contact_now(&c);
	assert_int_equal(strlen(c.boot_id), 36);
	assert_true(c.wall_s > 1700000000);
	assert_true(c.uptime_s > 0);
	assert_in_range(vtap_contact_elapsed_s(&c, &c), 0, 0);
}

static void test_file(void **state)
{
	static const char *const damaged[] = {"",
					      "{",
					      "[]",
					      "{\"boot_id\": 1, \"wall\": 1, \"uptime\": 1}",
					      "{\"boot_id\": \"x\", \"wall\": \"1\", \"uptime\": 1}",
					      "{\"boot_id\": \"" A B "\", \"wall\": 1, \"uptime\": 1}"};
	struct vtap_contact c = {A, 1795000000, 77}, read = {};

	assert_int_equal(vtap_contact_load(*state, &read), -ENOENT);
	assert_int_equal(vtap_contact_save(*state, &c), 0);
	assert_int_equal(vtap_contact_load(*state, &read), 0);
	assert_string_equal(read.boot_id, A);
	assert_int_equal(read.wall_s, 1795000000);
	assert_int_equal(read.uptime_s, 77);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(damaged); i++) {
		folder_write(*state, "contact.json", damaged[i]);
		assert_int_equal(vtap_contact_load(*state, &read), -ENOENT);
	}
	assert_int_equal(vtap_contact_remove(*state), 0);
	assert_int_equal(vtap_contact_remove(*state), 0);
	assert_int_equal(folder_count(*state), 0);
}

/* 0.5 s, doubled up to 15 s, each +-25 %. */
static void test_backoff(void **state)
{
	static const unsigned ms[] = {500, 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000};

	for (unsigned i = 0; i < VTAP_ARRAY_SIZE(ms); i++) {
		unsigned least = UINT_MAX, most = 0;

		for (uint32_t random = 0; random < 10000; random++) {
			unsigned given = vtap_contact_backoff_ms(i, random);

			least = VTAP_MIN(least, given);
			most = VTAP_MAX(most, given);
		}
		assert_int_equal(least, ms[i] - ms[i] / 4);
		assert_in_range(most, ms[i] + ms[i] / 4 - 1, ms[i] + ms[i] / 4);
	}
	assert_in_range(vtap_contact_backoff_ms(UINT32_MAX, UINT32_MAX), 11250, 18750);
}

/* As long as the controller says, or a little longer, so that not all come back at once; a minute at most. */
static void test_retry_after(void **state)
{
	assert_int_equal(vtap_contact_retry_after_ms(3, 0), 3000);
	assert_int_equal(vtap_contact_retry_after_ms(3, 750), 3750);
	assert_int_equal(vtap_contact_retry_after_ms(3, 751), 3000);
	assert_int_equal(vtap_contact_retry_after_ms(60, 0), 60000);
	assert_int_equal(vtap_contact_retry_after_ms(61, 0), 60000);
	for (uint32_t random = UINT32_MAX - 100000; random < UINT32_MAX; random++)
		assert_in_range(vtap_contact_retry_after_ms(UINT32_MAX, random), 60000, 75000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_elapsed),
	    cmocka_unit_test(test_now),
	    cmocka_unit_test_setup_teardown(test_file, folder_make, folder_remove),
	    cmocka_unit_test(test_backoff),
	    cmocka_unit_test(test_retry_after),
	};

	return cmocka_run_group_tests_name("contact", tests, NULL, NULL);
}
