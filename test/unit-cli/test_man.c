/* SPDX-License-Identifier: Apache-2.0 */

/* The man pages tell of every noun, verb, option and attribute that the tables have. */

#include "fake.h"

#include <ctype.h>

#include "cli/attribute.h"
#include "cli/plan.h"

static char *page_read(const char *name)
{
	_cleanup_free_ char *path = NULL;
	char *text = calloc(1, 1 << 20);
	FILE *in;

	assert_true(asprintf(&path, MAN_FOLDER "/%s", name) > 0);
	in = fopen(path, "r");
	assert_non_null(in);
	assert_true(fread(text, 1, (1 << 20) - 1, in) > 1000);
	fclose(in);
	return text;
}

/* As a word of its own in bold, among other words maybe: "*--output*", "*rule replace*". */
static bool has(const char *page, const char *before, const char *word)
{
	_cleanup_free_ char *text = NULL;
	const char *found;

	assert_true(asprintf(&text, "%s%s", before, word) > 0);
	for (found = strstr(page, text); found; found = strstr(found + 1, text)) {
		char left = found == page ? '\n' : found[-1], right = found[strlen(text)];

		if (!isalnum((unsigned char)left) && left != '-' && !isalnum((unsigned char)right) && right != '-' &&
		    right != '_')
			return true;
	}
	return false;
}

static void needs(const char *page, const char *before, const char *word)
{
	if (!has(page, before, word))
		fail_msg("the page lacks \"%s%s\"", before, word);
}

/* The verbs that many nouns have are described for all of them. */
static bool is_shared(const char *verb)
{
	for (const struct vtap_command *c = vtap_commands_shared; c->verb; c++)
		if (strcmp(c->verb, verb) == 0)
			return true;
	return false;
}

static void test_commands(void **state)
{
	_cleanup_free_ char *page = page_read("vtap.1.scd");

	for (const struct vtap_noun *n = vtap_nouns; n->name; n++) {
		needs(page, "*", n->name);
		for (const struct vtap_command *c = vtap_command_next(n, NULL); c; c = vtap_command_next(n, c)) {
			char both[64];

			snprintf(both, sizeof(both), "%s %s", n->name, c->verb);
			needs(page, "*", is_shared(c->verb) ? c->verb : both);
		}
	}
	for (const struct vtap_command *c = vtap_command_next(NULL, NULL); c; c = vtap_command_next(NULL, c))
		needs(page, "*", c->verb);
}

static void options_check(const char *page, const struct vtap_command *c)
{
	const struct vtap_option *tables[VTAP_COMMAND_TABLES];
	size_t count = vtap_command_tables(c, tables);

	for (size_t t = 0; t < count; t++) {
		for (const struct vtap_option *o = tables[t]; o->name; o++) {
			needs(page, "--", o->name);
			assert_true(strlen(o->help) > 5);
		}
	}
}

static void test_options(void **state)
{
	_cleanup_free_ char *page = page_read("vtap.1.scd");

	for (const struct vtap_command *c = vtap_commands_shared; c->verb; c++)
		options_check(page, c);
	for (const struct vtap_command *c = vtap_commands_special; c->verb; c++)
		options_check(page, c);
}

/* And the other way round: no option that there is not. */
static void test_no_other_options(void **state)
{
	_cleanup_free_ char *page = page_read("vtap.1.scd");
	_cleanup_free_ char *known = strdup("--controller --join ");

	for (int shared = 0; shared < 2; shared++) {
		const struct vtap_command *c = shared ? vtap_commands_shared : vtap_commands_special;

		for (; c->verb; c++) {
			const struct vtap_option *tables[VTAP_COMMAND_TABLES];
			size_t count = vtap_command_tables(c, tables);

			for (size_t t = 0; t < count; t++) {
				for (const struct vtap_option *o = tables[t]; o->name; o++) {
					char *more = NULL;

					assert_true(asprintf(&more, "%s--%s ", known, o->name) > 0);
					free(known);
					known = more;
				}
			}
		}
	}
	for (const char *o = strstr(page, "--"); o; o = strstr(o + 2, "--")) {
		struct vtap_setting setting;
		char name[80];
		bool found = false;

		if (!islower((unsigned char)o[2]) || isalnum((unsigned char)o[-1]))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(2 + strspn(o + 2, "abcdefghijklmnopqrstuvwxyz-.")), o);
		if (name[strlen(name) - 1] == '.')
			name[strlen(name) - 1] = '\0';
		for (const struct vtap_noun *n = vtap_nouns; n->name && !found; n++)
			found =
			    vtap_noun_kind(n) && (vtap_setting_find(vtap_noun_kind(n), name + 2, 0, &setting) == 0 ||
						  vtap_kind_attribute(vtap_noun_kind(n), name + 2));
		if (!found && !has(known, "", name) && strcmp(name, "--no-df") != 0)
			fail_msg("the page has %s", name);
	}
}

/* The part of a page under a heading; the caller's. */
static char *section(const char *page, const char *heading)
{
	_cleanup_free_ char *title = NULL;
	const char *begin, *end;

	assert_true(asprintf(&title, "\n# %s\n", heading) > 0);
	for (char *c = title; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	begin = strstr(page, title);
	if (!begin)
		fail_msg("there is no section %s", title);
	end = begin ? strstr(begin + 1, "\n# ") : NULL;
	return end ? strndup(begin, (size_t)(end - begin)) : strdup(begin);
}

static void attributes_check(const char *text, const struct vtap_attribute *a)
{
	if (a->flags & (VTAP_ATTRIBUTE_COMPUTED | VTAP_ATTRIBUTE_SECRET))
		return;
	needs(text, "*", a->name);
	for (const struct vtap_attribute *m = a->attributes; m && m->name; m++)
		attributes_check(text, m);
}

static void test_attributes(void **state)
{
	_cleanup_free_ char *page = page_read("vtap-manifest.5.scd"), *common = section(page, "of every resource");

	for (size_t i = 0; vtap_manifest_kinds[i]; i++) {
		const struct vtap_kind *kind = vtap_kind_find(vtap_manifest_kinds[i]);
		_cleanup_free_ char *text = section(page, kind->plural);

		for (const struct vtap_attribute *a = kind->attributes; a->name; a++)
			if (strcmp(a->name, "name") != 0)
				attributes_check(text, a);
	}
	for (const struct vtap_attribute *a = vtap_attributes_common; a->name; a++)
		attributes_check(common, a);
}

static void test_rules(void **state)
{
	_cleanup_free_ char *page = page_read("vtap-manifest.5.scd"), *text = section(page, "filters");

	for (const struct vtap_attribute *a = vtap_kind_find("rule")->attributes; a->name; a++)
		if (strcmp(a->name, "filter") != 0)
			attributes_check(text, a);
}

/* The example is one that apply takes. */
static void test_example(void **state)
{
	_cleanup_free_ char *page = page_read("vtap-manifest.5.scd");
	VTAP_CLEANUP(vtap_manifest_done) struct vtap_manifest manifest = {};
	VTAP_CLEANUP(vtap_plan_done) struct vtap_plan plan = {};
	const char *begin = strstr(page, "```\nmanifest:"), *end;
	json_t *nothing = json_object();
	struct vtap_error error = {};

	assert_non_null(begin);
	begin += strlen("```\n");
	end = strstr(begin, "```");
	if (vtap_manifest_read(begin, (size_t)(end - begin), &manifest, &error) < 0 ||
	    vtap_plan_make(&manifest, nothing, true, &plan, &error) < 0)
		fail_msg("line %u: %s: %s", error.line, error.field, error.text);
	assert_int_equal(plan.count, 4);
	json_decref(nothing);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_commands),   cmocka_unit_test(test_options), cmocka_unit_test(test_no_other_options),
	    cmocka_unit_test(test_attributes), cmocka_unit_test(test_rules),   cmocka_unit_test(test_example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
