/* SPDX-License-Identifier: Apache-2.0 */

/* What a client reads when a handler has returned a code and said nothing of it. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controller/call_private.h"
#include "unit.h"

#define CODES 134 /* those that Linux has */

void __wrap_vtap_api_count(struct vtap_api *a, unsigned status, uint64_t begun_ns);

void __wrap_vtap_api_count(struct vtap_api *a, unsigned status, uint64_t begun_ns)
{
}

/* The answer's problem; the caller's. */
static json_t *problem_of(int code)
{
	static const struct vtap_api_route route = {.method = "GET", .path = "/v1/test"};
	struct vtap_api_call call = {.call = {.route = &route, .dry_run = true}};
	struct vtap_http_response response = {};
	json_t *problem;

	vtap_api_call_respond(&call, code, &response);
	assert_string_equal(response.content_type, "application/problem+json");
	assert_int_equal(response.status, vtap_problem_status(code));
	problem = json_loadb(response.body, response.body_bytes, 0, NULL);
	assert_non_null(problem);
	free(response.body);
	json_decref(call.call.answer);
	return problem;
}

static const char *text_of(const json_t *problem, const char *name)
{
	const char *text = json_string_value(json_object_get(problem, name));

	assert_non_null(text);
	return text;
}

static void test_every_code_has_a_sentence(void **state)
{
	size_t refusals = 0;

	for (int code = 1; code < CODES; code++) {
		json_t *problem = problem_of(-code);
		const char *detail = text_of(problem, "detail");

		assert_string_equal(detail, vtap_problem_sentence(-code));
		assert_string_not_equal(detail, strerror(code));
		assert_non_null(strchr(detail, ' '));
		assert_in_range(*detail, 'a', 'z'); /* as all of them do */
		assert_string_not_equal(text_of(problem, "title"), "Error");
		refusals += vtap_problem_status(-code) < 500;
		json_decref(problem);
	}
	assert_true(refusals > 10);
}

static void test_no_two_refusals_say_the_same(void **state)
{
	for (int a = 1; a < CODES; a++)
		for (int b = 1; b < a; b++)
			if (vtap_problem_status(-a) != 500 && vtap_problem_status(-b) != 500)
				assert_string_not_equal(vtap_problem_sentence(-a), vtap_problem_sentence(-b));
}

/* What the store, or a secret in it, cannot be read for is nobody's request's fault. */
static void test_faults_of_the_controller(void **state)
{
	static const int codes[] = {EBADMSG, EUCLEAN, EIO, ENOMEM, EPROTO};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(codes); i++)
		assert_int_equal(vtap_problem_status(-codes[i]), 500);
}

static void test_what_a_handler_says_stays(void **state)
{
	static const struct vtap_api_route route = {.method = "GET", .path = "/v1/test"};
	struct vtap_api_call call = {.call = {.route = &route, .dry_run = true}};
	struct vtap_http_response response = {};

	vtap_api_call_respond(&call, vtap_call_fail(&call.call, -E2BIG, "rules", "are too many"), &response);
	assert_int_equal(response.status, 413);
	assert_non_null(strstr(response.body, "\"are too many\""));
	free(response.body);
	json_decref(call.call.answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_code_has_a_sentence),
	    cmocka_unit_test(test_no_two_refusals_say_the_same),
	    cmocka_unit_test(test_faults_of_the_controller),
	    cmocka_unit_test(test_what_a_handler_says_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
