/* SPDX-License-Identifier: Apache-2.0 */

#include "unit.h"

#include "basic/parse.h"

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t min, max;
		int r;
		uint64_t value;
	} rows[] = {
	    {"0", 0, 9, 0, 0},
	    {"9", 0, 9, 0, 9},
	    {"10", 0, 9, -ERANGE, 0},
	    {"4", 5, 9, -ERANGE, 0},
	    {"-1", 0, 9, -ERANGE, 0},
	    {"0x1F", 0, 31, 0, 31},
	    {"0X1f", 0, 31, 0, 31},
	    {"0x20", 0, 31, -ERANGE, 0},
	    {"18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX},
	    {"18446744073709551616", 0, UINT64_MAX, -ERANGE, 0},
	    {"0xffffffffffffffff", 0, UINT64_MAX, 0, UINT64_MAX},
	    {"0x10000000000000000", 0, UINT64_MAX, -ERANGE, 0},
	    {"99999999999999999999999999", 0, UINT64_MAX, -ERANGE, 0},
	    {"99999999999999999999999999x", 0, UINT64_MAX, -EINVAL, 0},
	    {"", 0, 9, -EINVAL, 0},
	    {"-", 0, 9, -EINVAL, 0},
	    {"+1", 0, 9, -EINVAL, 0},
	    {" 1", 0, 9, -EINVAL, 0},
	    {"1 ", 0, 9, -EINVAL, 0},
	    {"0x", 0, 9, -EINVAL, 0},
	    {"01", 0, 9, -EINVAL, 0},
	    {"1.0", 0, 9, -EINVAL, 0},
	    {"1e1", 0, 99, -EINVAL, 0},
	    {"f", 0, 99, -EINVAL, 0},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		uint64_t value = 77;

		assert_int_equal(vtap_parse_u64(rows[i].text, rows[i].min, rows[i].max, &value), rows[i].r);
		assert_int_equal(value, rows[i].r < 0 ? 77 : rows[i].value);
	}
}

static void test_u32(void **state)
{
	uint32_t value = 77;

	assert_int_equal(vtap_parse_u32("4294967296", 0, UINT32_MAX, &value), -ERANGE);
	assert_int_equal(vtap_parse_u32("x", 0, UINT32_MAX, &value), -EINVAL);
	assert_int_equal(value, 77);
	assert_int_equal(vtap_parse_u32("4294967295", 0, UINT32_MAX, &value), 0);
	assert_int_equal(value, UINT32_MAX);
}

static void test_port_range(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint16_t first, last;
	} rows[] = {
	    {"80", 0, 80, 80},
	    {"80-443", 0, 80, 443},
	    {"0-65535", 0, 0, 65535},
	    {"65535", 0, 65535, 65535},
	    {"7-7", 0, 7, 7},
	    {"443-80", -EDOM, 0, 0},
	    {"65536", -ERANGE, 0, 0},
	    {"1-65536", -ERANGE, 0, 0},
	    {"65536-x", -EINVAL, 0, 0},
	    {"", -EINVAL, 0, 0},
	    {"-", -EINVAL, 0, 0},
	    {"80-", -EINVAL, 0, 0},
	    {"-80", -EINVAL, 0, 0},
	    {"80--443", -ERANGE, 0, 0},
	    {"80 - 443", -EINVAL, 0, 0},
	    {"80,443", -EINVAL, 0, 0},
	    {"0000000000000000080", -EINVAL, 0, 0},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		uint16_t first = 7, last = 8;

		assert_int_equal(vtap_parse_port_range(rows[i].text, &first, &last), rows[i].r);
		assert_int_equal(first, rows[i].r < 0 ? 7 : rows[i].first);
		assert_int_equal(last, rows[i].r < 0 ? 8 : rows[i].last);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_u32),
	    cmocka_unit_test(test_port_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
