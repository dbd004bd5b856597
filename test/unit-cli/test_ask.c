/* SPDX-License-Identifier: Apache-2.0 */

/* What becomes of a request that is not simply done. */

#include "cli/ask.h"
#include "fake.h"

#define TARGET "{\"id\":\"tmt-00000000000000001\",\"name\":\"ids\",\"address\":\"10.0.0.1\",\"version\":1}"

/* Where the controller says when to come back, it is waited for; half a minute in all. */
static void test_waiting(void **state)
{
	static const struct fake_exchange busy = {"POST", "/v1/targets", "{\"address\":\"10.0.0.1\"}", 503,
						  PROBLEM(503, "", "it is busy")},
					  done = {"POST", "/v1/targets", "{\"address\":\"10.0.0.1\"}", 201, TARGET};
	VTAP_CLEANUP(fake_end) struct fake f;

	fake_begin(&f, (const struct fake_exchange[]){busy, busy, done, {}});
	f.pauses = 9;
	memcpy(f.retry_after_s, (const unsigned[]){1, 29}, 2 * sizeof(unsigned));
	assert_int_equal(RUN(&f, "-q", "target", "create", "--address", "10.0.0.1"), 0);
	fake_says(&f, "tmt-00000000000000001\n",
		  "vtap: the controller asks to wait: trying again in 1 s\n"
		  "vtap: the controller asks to wait: trying again in 29 s\n");
	assert_int_equal(f.paused_s, 30);
	fake_end(&f);
	fake_begin(&f, (const struct fake_exchange[]){busy, busy, busy, {}});
	f.pauses = 9;
	memcpy(f.retry_after_s, (const unsigned[]){1, 29, 1}, 3 * sizeof(unsigned));
	assert_int_equal(RUN(&f, "target", "create", "--address", "10.0.0.1"), VTAP_EXIT_REFUSED);
	assert_int_equal(f.paused_s, 30);
	assert_non_null(strstr(f.err, "in 29 s\nvtap: it is busy\n"));
	fake_end(&f);
	fake_begin(&f, (const struct fake_exchange[]){busy, {}});
	f.pauses = 9;
	f.retry_after_s[0] = 31;
	assert_int_equal(RUN(&f, "target", "create", "--address", "10.0.0.1"), VTAP_EXIT_REFUSED);
	fake_says(&f, "", "vtap: it is busy\n");
	assert_int_equal(f.paused_s, 0);
}

static void test_refusals(void **state)
{
	static const struct {
		struct fake_exchange exchange;
		int status;
		const char *err;
	} rows[] = {
	    {{"GET", "/v1/sessions/a", NULL, 404, PROBLEM(404, "", "there is no session a")},
	     VTAP_EXIT_REFUSED,
	     "vtap: there is no session a\n"},
	    {{"GET", "/v1/sessions/a", NULL, 400, PROBLEM(400, "encapsulation.vni", "must be less")},
	     VTAP_EXIT_REFUSED,
	     "vtap: --vni: must be less\n"},
	    {{"GET", "/v1/sessions/a", NULL, 400, PROBLEM(400, "sources[1]", "is\\nodd\\u001b[2J\\u009b")},
	     VTAP_EXIT_REFUSED,
	     "vtap: --source: is odd [2J  \n"},
	    {{"GET", "/v1/sessions/a", NULL, 401, PROBLEM(401, "", "who are you")},
	     VTAP_EXIT_REFUSED,
	     "vtap: who are you; use vtap login, or set VTAP_ACCESS_KEY_ID and VTAP_SECRET_ACCESS_KEY\n"},
	    {{"GET", "/v1/sessions/a", NULL, 500, "<html>"},
	     VTAP_EXIT_REFUSED,
	     "vtap: the controller answers with status 500\n"},
	    {{"GET", "/v1/sessions/a", NULL, 400, "{\"title\":\"Bad\"}"}, VTAP_EXIT_REFUSED, "vtap: Bad\n"},
	    {{"GET", "/v1/sessions/a", NULL, 502, ""},
	     VTAP_EXIT_UNREACHABLE,
	     "vtap: the controller answers with status 502\n"},
	    {{"GET", "/v1/sessions/a", NULL, 200, "<html>"},
	     VTAP_EXIT_UNREACHABLE,
	     "vtap: http://127.0.0.1:8750: what answers there is no controller: it sends no JSON\n"},
	    {{"GET", "/v1/sessions/a", NULL, 0, NULL}, VTAP_EXIT_UNREACHABLE, "vtap: nobody is there\n"},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		VTAP_CLEANUP(fake_end) struct fake f;

		fake_begin(&f, (const struct fake_exchange[]){rows[i].exchange, {}});
		assert_int_equal(RUN(&f, "session", "show", "a"), rows[i].status);
		fake_says(&f, "", rows[i].err);
	}
}

/* The profile's key is not sent to another controller; the refusal says so. */
static void test_withheld_key(void **state)
{
	struct vtap_client_answer answer = {.status = 401, .body = PROBLEM(401, "", "who are you")};
	struct vtap_settings settings = {.url = "https://a", .profile = {.url = "https://b", .access_key_id = "key-1"}};
	const struct vtap_ask ask = {.method = "GET", .path = "/v1/sessions"};
	struct vtap_refusal refusal;

	vtap_ask_explain(&answer, &ask, &settings, &refusal);
	assert_non_null(strstr(
	    refusal.text, "who are you; what the profile holds is for https://b alone: change its url to https://a"));
	settings.profile = (struct vtap_profile){};
	vtap_ask_explain(&answer, &ask, &settings, &refusal);
	assert_null(strstr(refusal.text, "https://b"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_waiting),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_withheld_key),
	};

	return cmocka_run_group_tests_name("ask", tests, NULL, NULL);
}
