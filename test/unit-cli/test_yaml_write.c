/* SPDX-License-Identifier: Apache-2.0 */

#include "unit.h"

#include "model/yaml.h"

static char *written(const json_t *value)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(vtap_yaml_write(value, out), 0);
	fclose(out);
	return text;
}

static void test_form(void **state)
{
	json_t *value =
	    json_loads("{\"sessions\":[{\"name\":\"web\",\"sources\":[\"tag:role=web\",\"eni-1\"],\"none\":[],"
		       "\"empty\":{},\"e\":{\"vni\":66,\"on\":true,\"x\":null}}],\"t\":\"10.0.0.0/8\"}",
		       0, NULL);
	_cleanup_free_ char *text = written(value);

	assert_string_equal(text, "sessions:\n"
				  "- name: web\n"
				  "  sources:\n"
				  "  - tag:role=web\n"
				  "  - eni-1\n"
				  "  none: []\n"
				  "  empty: {}\n"
				  "  e:\n"
				  "    vni: 66\n"
				  "    \"on\": true\n"
				  "    x: null\n"
				  "t: 10.0.0.0/8\n");
	json_decref(value);
}

/* Whatever text it is, the reader finds that text again. */
static void test_round_trip(void **state)
{
	static const char *const texts[] = {
	    "",        " ",        "a b",        "true",  "null",     "~",
	    "yes",     "No",       "12",         "0x10",  "1e3",      "1.5",
	    ".5",      "-1",       "+1",         "10:20", "80-443",   "02:00:00:00:00:01",
	    "fd00::1", "fd00::",   "2001:db8::", "::1",   "10.0.0.1", "10.0.0.0/8",
	    "a: b",    "a #b",     "#a",         "- a",   "[a]",      "{a}",
	    "*a",      "&a",       "!a",         "|",     ">",        "@a",
	    "`a",      "%a",       "'a'",        "\"a\"", "a\\b",     "a\nb",
	    "a\tb",    "\xc3\xa4", "2026-11-21", "a:",    "?",        "? a",
	    "=",       "<<",       "tag:a=b",    "inf",   ".nan",     "\xe2\x80\xa8x",
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(texts); i++) {
		VTAP_CLEANUP(vtap_yaml_done) struct vtap_yaml yaml = {};
		json_t *value = json_pack("{s:s,s:[s]}", "text", texts[i], "list", texts[i]);
		_cleanup_free_ char *text = written(value);
		struct vtap_error error = {};

		if (vtap_yaml_parse(text, strlen(text), &yaml, &error) < 0 || !json_equal(yaml.values, value))
			fail_msg("\"%s\" became %s(%s)", texts[i], text, error.text);
		json_decref(value);
	}
}

static void test_keys(void **state)
{
	json_t *value = json_loads("{\"a b\":{\"12\":1,\"x:y\":-2,\"true\":9223372036854775807}}", 0, NULL);
	_cleanup_free_ char *text = written(value);
	VTAP_CLEANUP(vtap_yaml_done) struct vtap_yaml yaml = {};

	assert_int_equal(vtap_yaml_parse(text, strlen(text), &yaml, NULL), 0);
	assert_true(json_equal(yaml.values, value));
	json_decref(value);
}

static void test_full_disk(void **state)
{
	json_t *value = json_array();
	FILE *out = fopen("/dev/full", "w");

	assert_non_null(out);
	setvbuf(out, NULL, _IONBF, 0);
	assert_int_equal(vtap_yaml_write(value, out), -EIO);
	fclose(out);
	json_decref(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_form),
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
