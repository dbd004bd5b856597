/* SPDX-License-Identifier: Apache-2.0 */

#include "fake.h"

#include "cli/complete.h"

/* The candidates, in their order and separated by blanks, or what their beginning is; then the kinds whose names fit. */
static void completes(const char *words, const char *kinds, const char *const *argv)
{
	VTAP_CLEANUP(vtap_complete_done) struct vtap_candidates found = {};
	char text[4096] = "";
	const json_t *word;
	size_t argc = 0, i;

	while (argv[argc])
		argc++;
	assert_int_equal(vtap_complete_find(argc, argv, &found), 0);
	json_array_foreach(found.words, i, word)
	{
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i > 0 ? " " : "",
			 json_string_value(word));
	}
	assert_string_equal(text, words);
	assert_string_equal(found.kinds, kinds);
}
#define COMPLETES(words, kinds, ...) completes(words, kinds, (const char *const[]){__VA_ARGS__, NULL})

static void test_words(void **state)
{
	COMPLETES("session subnet", "", "s");
	COMPLETES("completion", "", "compl");
	COMPLETES("", "", "complete");
	COMPLETES("audit apply", "", "a");
}

static void test_verbs(void **state)
{
	COMPLETES("list", "", "session", "l");
	COMPLETES("list show create update delete token revoke resume devices", "", "host", "");
	COMPLETES("", "", "nothing", "");
	COMPLETES("", "", "session", "nothing", "");
}

static void test_options(void **state)
{
	COMPLETES("--mode --mtu-policy", "", "session", "create", "--m");
	COMPLETES("--network", "", "subnet", "create", "--ne");
	COMPLETES("", "", "subnet", "update", "--ne"); /* it never changes */
	COMPLETES("--password", "", "user", "create", "--pas");
	COMPLETES("", "", "user", "list", "--pas");
	COMPLETES("--watch", "", "session", "list", "--w");
	COMPLETES("--output", "", "--o");
	COMPLETES("--seconds", "", "capture", "web", "--s");
}

static void test_values(void **state)
{
	COMPLETES("exclusive", "", "session", "create", "--mode", "e");
	COMPLETES("true false", "", "target", "create", "--df", "");
	COMPLETES("--dry-run --description --df --dscp", "", "target", "create", "--df", "--d");
	COMPLETES("table json yaml", "", "session", "list", "-o", "");
	COMPLETES("", "interface subnet network wire", "session", "create", "--source", "");
	COMPLETES("", "interface", "trace", "--interface", "w");
	COMPLETES("in out", "", "trace", "--interface", "web", "--direction", "");
	COMPLETES("", "project", "--project", "d");
	COMPLETES("", "", "target", "create", "--address", "");
	COMPLETES("", "", "apply", "-f", "");
	COMPLETES("session subnet", "", "events", "--kind", "s");
}

static void test_arguments(void **state)
{
	COMPLETES("", "session", "session", "show", "w");
	COMPLETES("", "session", "session", "delete", "a", "");
	COMPLETES("", "session", "session", "update", "--number", "1", "w");
	COMPLETES("", "session", "capture", "");
	COMPLETES("", "", "session", "list", "");
	COMPLETES("bash zsh", "", "completion", "");
	COMPLETES("session subnet", "", "export", "target", "s");
	COMPLETES("target", "", "help", "t");
}

/* Names come from the controller; without one, or for one that refuses, there are none, and no word of it. */
static void test_names(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f, g, h;

	fake_begin(&f, (const struct fake_exchange[]){
			   {"GET", "/v1/targets?limit=500", NULL, 200,
			    "{\"items\":[{\"id\":\"tmt-1\",\"name\":\"ids\"},{\"id\":\"tmt-2\",\"name\":\"other\"},{"
			    "\"id\":\"ix\"}]}"},
			   {},
		       });
	assert_int_equal(RUN(&f, "complete", "--", "target", "show", "i"), 0);
	assert_string_equal(f.out, "ids\nix\n");
	fake_begin(&g, (const struct fake_exchange[]){{"GET", "/v1/targets?limit=500", NULL, 0, NULL}, {}});
	assert_int_equal(RUN(&g, "complete", "--", "target", "show", ""), 0);
	assert_string_equal(g.out, "");
	assert_string_equal(g.err, "");
	fake_begin(&h, NULL);
	h.cli.perform = NULL;
	assert_int_equal(RUN(&h, "complete", "--", "target", "show", "--help", ""), 0);
	assert_string_equal(h.out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_words),  cmocka_unit_test(test_verbs),     cmocka_unit_test(test_options),
	    cmocka_unit_test(test_values), cmocka_unit_test(test_arguments), cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
