/* SPDX-License-Identifier: Apache-2.0 */

#include "unit.h"

#include "basic/error.h"

static void test_set(void **state)
{
	struct vtap_error e = {};
	char big[1000];

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(vtap_error_set(&e, -EINVAL, 7, "a.b", "must be %d", 5), -EINVAL);
	assert_int_equal(e.code, -EINVAL);
	assert_int_equal(e.line, 7);
	assert_string_equal(e.field, "a.b");
	assert_string_equal(e.text, "must be 5");
	assert_int_equal(vtap_error_set(&e, -E2BIG, 0, NULL, "%s", big), -E2BIG);
	assert_string_equal(e.field, "");
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	assert_int_equal(vtap_error_set(&e, -E2BIG, 0, big, "%s", big), -E2BIG);
	assert_int_equal(strlen(e.field), sizeof(e.field) - 1);
	assert_int_equal(vtap_error_set(NULL, -ENOMEM, 0, "a", "b"), -ENOMEM);
}

static void test_format(void **state)
{
	static const struct {
		unsigned line;
		const char *field, *file, *expected;
	} rows[] = {
	    {7, "a.b", "f.yaml", "f.yaml:7: a.b: is wrong"}, {0, "a.b", "f.yaml", "f.yaml: a.b: is wrong"},
	    {7, NULL, "f.yaml", "f.yaml:7: is wrong"},       {0, NULL, NULL, "is wrong"},
	    {7, "a.b", NULL, "line 7: a.b: is wrong"},       {0, "a.b", NULL, "a.b: is wrong"},
	};
	struct vtap_error e = {};
	char buffer[512], small[8];

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		vtap_error_set(&e, -EINVAL, rows[i].line, rows[i].field, "is wrong");
		vtap_error_format(&e, rows[i].file, buffer, sizeof(buffer));
		assert_string_equal(buffer, rows[i].expected);
	}
	vtap_error_format(&e, "f.yaml", small, sizeof(small));
	assert_string_equal(small, "f.yaml:");
	small[0] = '!';
	vtap_error_format(&e, "f.yaml", small, 0);
	assert_int_equal(small[0], '!');
}

static void test_quote(void **state)
{
	static const struct {
		const char *text, *quoted;
	} rows[] = {
	    {"", ""},
	    {"plain \xc3\xa4", "plain \xc3\xa4"},
	    {"a\nb\x1b[1m\x7f", "a?b?[1m?"},
	    {"a\xc2\x9b"
	     "b\xc2\xa0",
	     "a??b\xc2\xa0"},
	    {"123456789012345678901234567890123456789012345678", "123456789012345678901234567890123456789012345678"},
	    {"1234567890123456789012345678901234567890123456789",
	     "123456789012345678901234567890123456789012345678..."},
	    {"12345678901234567890123456789012345678901234567\xc3\xa4",
	     "12345678901234567890123456789012345678901234567..."},
	};
	char buffer[VTAP_ERROR_QUOTE_STRLEN];

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++)
		assert_string_equal(vtap_error_quote(rows[i].text, buffer), rows[i].quoted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_set),
	    cmocka_unit_test(test_format),
	    cmocka_unit_test(test_quote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
