/* SPDX-License-Identifier: Apache-2.0 */

#include <time.h>

#include "agent/identity.h"
#include "agent/problem.h"
#include "crypto/pki.h"
#include "folder.h"

#define HOST "host-0123456789abcdef0"

static void test_bearer(void **state)
{
	struct vtap_agent_identity i = {.host = HOST, .url = strdup("http://[::1]:1"), .bearer = strdup("b")},
				   read = {};

	strcpy(i.joined_by, "0123");
	assert_int_equal(vtap_agent_identity_load(*state, &read), -ENOENT);
	assert_int_equal(vtap_agent_identity_save(*state, &i), 0);
	assert_int_equal(vtap_agent_identity_load(*state, &read), 0);
	assert_string_equal(read.host, HOST);
	assert_string_equal(read.url, "http://[::1]:1");
	assert_string_equal(read.bearer, "b");
	assert_string_equal(read.joined_by, "0123");
	assert_null(read.certificate);
	assert_true(vtap_agent_identity_renewal_s(&read) == INT64_MAX);
	vtap_agent_identity_done(&read);
	vtap_agent_identity_done(&i);
	assert_int_equal(vtap_agent_identity_remove(*state), 0);
	assert_int_equal(vtap_agent_identity_load(*state, &read), -ENOENT);
}

static void test_damaged(void **state)
{
	static const char *const texts[] = {
	    "",
	    "{",
	    "{}",
	    "{\"host\": \"" HOST "\", \"bearer\": \"b\"}",
	    "{\"host\": \"" HOST "\", \"url\": \"u\"}",
	    "{\"host\": \"" HOST "\", \"url\": \"u\", \"authority\": \"a\", \"certificate\": \"c\"}",
	    "{\"host\": \"eni-0123456789abcdef0\", \"url\": \"u\", \"bearer\": \"b\"}",
	};
	struct vtap_agent_identity read = {};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(texts); i++) {
		folder_write(*state, "identity.json", texts[i]);
		assert_int_equal(vtap_agent_identity_load(*state, &read), -EBADMSG);
		assert_null(read.url);
	}
}

/* A certificate replaces another only as a whole, and is renewed at half of its life. */
static void test_renew(void **state)
{
	struct vtap_agent_identity i = {.host = HOST, .url = strdup("https://c"), .authority = strdup("a")}, read = {};
	struct vtap_identity authority;
	char *key, *request, *certificate, serial[33];
	int64_t now_s = time(NULL);

	assert_int_equal(vtap_pki_authority_new("test", &authority), 0);
	assert_int_equal(vtap_pki_request_new(HOST, &key, &request), 0);
	assert_int_equal(vtap_pki_sign_client(&authority, request, HOST, 1000, &certificate, serial), 0);
	assert_int_equal(vtap_agent_identity_renew(&i, certificate, key, now_s), 0);
	assert_in_range(i.expires_s - now_s, 990, 1010);
	assert_in_range(vtap_agent_identity_renewal_s(&i) - now_s, 495, 505);
	assert_true(vtap_agent_identity_renew(&i, strdup("no certificate"), strdup("k"), now_s) < 0);
	assert_string_equal(i.key, key);
	assert_int_equal(vtap_agent_identity_save(*state, &i), 0);
	assert_int_equal(vtap_agent_identity_load(*state, &read), 0);
	assert_string_equal(read.certificate, i.certificate);
	assert_string_equal(read.key, i.key);
	assert_int_equal(read.expires_s, i.expires_s);
	free(request);
	vtap_identity_done(&authority);
	vtap_agent_identity_done(&i);
	vtap_agent_identity_done(&read);
}

static void test_problem(void **state)
{
	static const struct {
		int result;
		unsigned status;
		const char *error, *body, *type, *text;
	} rows[] = {
	    {-ECONNREFUSED, 0, "nobody listens", NULL, "", "nobody listens"},
	    {-ETIMEDOUT, 0, "", NULL, "", "Connection timed out"},
	    {0, 401, "", "{\"type\": \"vtap:revoked\", \"detail\": \"it is gone\"}", "vtap:revoked", "it is gone"},
	    {0, 400, "", "{\"type\": \"about:blank\", \"detail\": \"two\\nlines\"}", "", "two lines"},
	    {0, 502, "", "<html>", "", "it answered with status 502"},
	    {0, 503, "", "[]", "", "it answered with status 503"},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		struct vtap_client_answer answer = {.result = rows[i].result,
						    .status = rows[i].status,
						    .body = (char *)rows[i].body,
						    .body_bytes = rows[i].body ? strlen(rows[i].body) : 0};
		struct vtap_problem p;

		strcpy(answer.error, rows[i].error);
		vtap_problem_read(&answer, &p);
		assert_string_equal(p.type, rows[i].type);
		assert_string_equal(p.text, rows[i].text);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_bearer, folder_make, folder_remove),
	    cmocka_unit_test_setup_teardown(test_damaged, folder_make, folder_remove),
	    cmocka_unit_test_setup_teardown(test_renew, folder_make, folder_remove),
	    cmocka_unit_test(test_problem),
	};

	return vtap_crypto_init() < 0 ? 1 : cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
