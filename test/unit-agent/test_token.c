/* SPDX-License-Identifier: Apache-2.0 */

#include "agent/token.h"
#include "unit.h"

#define HOST "host-0123456789abcdef0"
#define SECRET "ABCDEFGHIJabcdefghij0123456789ABCDEFGHIJ"
#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NOUGHT "0000000000000000000000000000000000000000000000000000000000000000"

static void test_good(void **state)
{
	struct vtap_token token;

	assert_int_equal(vtap_token_parse("vtapjoin-" HOST "-" SECRET "-" HASH, &token), 0);
	assert_string_equal(token.host, HOST);
	assert_string_equal(token.authority, HASH);
	assert_false(token.plain);
	assert_int_equal(vtap_token_parse("vtapjoin-" HOST "-" SECRET "-" NOUGHT, &token), 0);
	assert_true(token.plain);
}

static void test_bad(void **state)
{
	static const char *const texts[] = {
	    "",
	    "-",
	    "vtapjoin-",
	    "vtapagent-" HOST "-" SECRET "-" HASH,
	    " vtapjoin-" HOST "-" SECRET "-" HASH,
	    "vtapjoin-" HOST "-" SECRET "-" HASH " ",
	    "vtapjoin-" HOST "-" SECRET "-" HASH "0",
	    "vtapjoin-" HOST "-" SECRET "-x" HASH,
	    "vtapjoin-" HOST "-" SECRET "-",
	    "vtapjoin-" HOST "-" SECRET,
	    "vtapjoin-" HOST "-" SECRET "K-" HASH,
	    "vtapjoin-" HOST "-/" SECRET "-" HASH,
	    "vtapjoin-" HOST "-ABC-EFGHIJabcdefghij0123456789ABCDEFGHIJ-" HASH,
	    "vtapjoin-" HOST "0-" SECRET "-" HASH,
	    "vtapjoin-user-0123456789abcdef0-" SECRET "-" HASH,
	    "vtapjoin-host-0123456789abcdeg0-" SECRET "-" HASH,
	    "vtapjoin--" SECRET "-" HASH,
	    "vtapjoin-" SECRET "-" HASH,
	    "vtapjoin-host-0123456789abcdef00123456789abcdef00123456789abcdef0-" SECRET "-" HASH,
	};
	struct vtap_token token = {.host = "untouched"};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(texts); i++) {
		if (vtap_token_parse(texts[i], &token) != -EINVAL)
			fail_msg("taken: %s", texts[i]);
	}
	assert_string_equal(token.host, "untouched");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests_name("token", tests, NULL, NULL);
}
