/* SPDX-License-Identifier: Apache-2.0 */

#include "model/quota.h"

#include "model/place.h"
#include "resource.h"
#include "unit.h"

/* The figures of the documents. */
static void test_profiles(void **state)
{
	static const struct {
		enum vtap_profile profile;
		enum vtap_quota quota;
		uint64_t limit;
	} rows[] = {
	    {VTAP_PROFILE_NATIVE, VTAP_QUOTA_SESSIONS, 100000},
	    {VTAP_PROFILE_NATIVE, VTAP_QUOTA_RULES, 200000},
	    {VTAP_PROFILE_NATIVE, VTAP_QUOTA_RULES_PER_FILTER_DIRECTION, 10000},
	    {VTAP_PROFILE_NATIVE, VTAP_QUOTA_SOURCES_PER_SESSION, VTAP_SOURCES_MAX},
	    {VTAP_PROFILE_NATIVE, VTAP_QUOTA_SESSIONS_PER_INTERFACE, VTAP_INTERFACE_SESSIONS_MAX},
	    {VTAP_PROFILE_AWS, VTAP_QUOTA_SESSIONS, 10000},
	    {VTAP_PROFILE_AWS, VTAP_QUOTA_TARGETS, 10000},
	    {VTAP_PROFILE_AWS, VTAP_QUOTA_FILTERS, 10000},
	    {VTAP_PROFILE_AWS, VTAP_QUOTA_RULES, 100000},
	    {VTAP_PROFILE_AWS, VTAP_QUOTA_RULES_PER_FILTER, 10},
	    {VTAP_PROFILE_AWS, VTAP_QUOTA_SESSIONS_PER_INTERFACE, 3},
	    {VTAP_PROFILE_AWS, VTAP_QUOTA_SOURCES_PER_SESSION, 1},
	    {VTAP_PROFILE_AWS, VTAP_QUOTA_SOURCES_PER_TARGET, 10},
	    {VTAP_PROFILE_ALIYUN, VTAP_QUOTA_SESSIONS, 20000},
	    {VTAP_PROFILE_ALIYUN, VTAP_QUOTA_FILTERS, 100},
	    {VTAP_PROFILE_ALIYUN, VTAP_QUOTA_RULES, 2000},
	    {VTAP_PROFILE_ALIYUN, VTAP_QUOTA_RULES_PER_FILTER, 20},
	    {VTAP_PROFILE_ALIYUN, VTAP_QUOTA_SESSIONS_PER_FILTER, 2000},
	    {VTAP_PROFILE_ALIYUN, VTAP_QUOTA_SESSIONS_PER_INTERFACE, 3},
	    {VTAP_PROFILE_ALIYUN, VTAP_QUOTA_SOURCES_PER_SESSION, 10},
	    {VTAP_PROFILE_ALIYUN, VTAP_QUOTA_SOURCES_PER_TARGET, 20},
	    {VTAP_PROFILE_TENCENT, VTAP_QUOTA_SESSIONS_PER_NETWORK, 5},
	    {VTAP_PROFILE_TENCENT, VTAP_QUOTA_SOURCES_PER_SESSION, 20},
	    {VTAP_PROFILE_CLOUDPODS, VTAP_QUOTA_SESSIONS, 32752},
	    /* What a cloud's documents leave open is as native. */
	    {VTAP_PROFILE_TENCENT, VTAP_QUOTA_SESSIONS, 100000},
	    {VTAP_PROFILE_AWS, VTAP_QUOTA_GUESTS, 1000000},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++)
		assert_int_equal(vtap_quota_limit(rows[i].profile, NULL, rows[i].quota), rows[i].limit);
}

static void test_every_quota_has_a_limit(void **state)
{
	for (size_t p = 0; p < VTAP_PROFILE_MAX; p++) {
		assert_non_null(vtap_word_name(vtap_profile_words, (int)p));
		for (size_t q = 0; q < VTAP_QUOTA_MAX; q++) {
			uint64_t limit = vtap_quota_limit((enum vtap_profile)p, NULL, (enum vtap_quota)q);

			assert_in_range(limit, 1, VTAP_QUOTA_LIMIT_MAX);
			assert_true(limit <= vtap_quota_limit(VTAP_PROFILE_NATIVE, NULL, (enum vtap_quota)q));
			assert_non_null(vtap_quota_attributes[q].name);
		}
	}
	assert_null(vtap_quota_attributes[VTAP_QUOTA_MAX].name);
}

static void test_overrides(void **state)
{
	json_auto_t *overrides = unit_json("{'sessions': 7, 'filters': 0, 'targets': null}");
	json_auto_t *project = unit_stored("project", "{'profile': 'aws', 'quotas': {'sessions': 7}}");

	assert_int_equal(vtap_quota_limit(VTAP_PROFILE_AWS, overrides, VTAP_QUOTA_SESSIONS), 7);
	assert_int_equal(vtap_quota_limit(VTAP_PROFILE_AWS, overrides, VTAP_QUOTA_FILTERS), 0);
	assert_int_equal(vtap_quota_limit(VTAP_PROFILE_AWS, overrides, VTAP_QUOTA_TARGETS), 10000);
	assert_int_equal(vtap_quota_of_project(project, VTAP_QUOTA_SESSIONS), 7);
	assert_int_equal(vtap_quota_of_project(project, VTAP_QUOTA_TARGETS), 10000);
	assert_int_equal(vtap_quota_of_project(NULL, VTAP_QUOTA_SESSIONS), 100000);
}

static void test_refusal(void **state)
{
	struct vtap_error error = {};

	assert_int_equal(vtap_quota_check(VTAP_QUOTA_SESSIONS, 3, 2, 1, &error), 0);
	assert_int_equal(error.code, 0);
	assert_int_equal(vtap_quota_check(VTAP_QUOTA_SESSIONS, 3, 3, 1, &error), -EDQUOT);
	assert_string_equal(error.text, "quota sessions: at most 3 sessions of the project are allowed, 3 are in use, "
					"and this needs 1 more");
	/* The limit was lowered below what is in use. */
	assert_int_equal(vtap_quota_check(VTAP_QUOTA_SESSIONS, 3, 5, 0, NULL), 0);
	assert_int_equal(vtap_quota_check(VTAP_QUOTA_SESSIONS, 3, 5, 1, NULL), -EDQUOT);
	assert_int_equal(vtap_quota_check(VTAP_QUOTA_SESSIONS, 3, 1, UINT64_MAX, &error), -EDQUOT);
	assert_int_equal(vtap_quota_check(VTAP_QUOTA_SESSIONS, 0, 0, 0, NULL), 0);
	assert_int_equal(vtap_quota_check(VTAP_QUOTA_SESSIONS, 0, 0, 1, NULL), -EDQUOT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_profiles),
	    cmocka_unit_test(test_every_quota_has_a_limit),
	    cmocka_unit_test(test_overrides),
	    cmocka_unit_test(test_refusal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
