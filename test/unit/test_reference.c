/* SPDX-License-Identifier: Apache-2.0 */

/* References: how they are resolved, and which ones a resource has. Tag selectors. */

#include "resource.h"
#include "unit.h"

#define SESSION "'number': 1, 'target': 'ids', 'sources': ['web', 'tag:role=web', '" UNIT_ID("subnet") "']"

/* Knows the names of a few things, and that "twice" is the name of two. */
static int resolve(const char *kinds, const char *text, char ret_id[VTAP_ID_STRLEN], struct vtap_error *reterr,
		   void *userdata)
{
	static const struct {
		const char *name, *id;
	} known[] = {
	    {"ids", UNIT_ID("tmt")},
	    {"web", UNIT_ID("eni")},
	    {UNIT_ID("eni"), UNIT_ID("eni")},
	    {UNIT_ID("subnet"), UNIT_ID("subnet")},
	};

	*(const char **)userdata = kinds;
	if (strcmp(text, "twice") == 0)
		return vtap_error_set(reterr, -ENOTUNIQ, 0, "x", "could mean tmt-1 or tmt-2");
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(known); i++) {
		if (strcmp(known[i].name, text) == 0) {
			strcpy(ret_id, known[i].id);
			return 0;
		}
	}
	return vtap_error_set(reterr, -ENOENT, 0, NULL, "there is no %s \"%s\"", kinds, text);
}

static int normalize(const char *input, json_t **ret_resource, struct vtap_error *reterr, const char **ret_kinds)
{
	json_auto_t *given = unit_json(input);
	struct vtap_normalize n = {vtap_kind_find("session"), given, NULL, resolve, ret_kinds};

	return vtap_resource_normalize(&n, ret_resource, reterr);
}

static void test_resolved(void **state)
{
	json_auto_t *resource = NULL;
	const char *kinds = NULL;

	assert_int_equal(normalize("{" SESSION "}", &resource, NULL, &kinds), 0);
	unit_has(resource, "{'target': '" UNIT_ID("tmt") "', 'filter': null, 'sources': ['" UNIT_ID(
			       "eni") "', 'tag:role=web', '" UNIT_ID("subnet") "']}");
	assert_string_equal(kinds, "target");
}

static void test_unresolved(void **state)
{
	static const struct {
		const char *input;
		int code;
		const char *field, *text;
	} rows[] = {
	    {"{" SESSION ", 'filter': 'web'}", 0, "", ""}, /* whatever resolve() says is believed */
	    {"{" SESSION ", 'filter': 'gone'}", -ENOENT, "filter", "there is no filter \"gone\""},
	    {"{'number': 1, 'target': 'twice', 'sources': ['web']}", -ENOTUNIQ, "target", "could mean tmt-1 or tmt-2"},
	    {"{'number': 1, 'target': 'ids', 'sources': ['tag:a', 'gone']}", -ENOENT, "sources[1]",
	     "there is no interface subnet network wire \"gone\""},
	    /* One thing by two names is one thing. */
	    {"{'number': 1, 'target': 'ids', 'sources': ['web', '" UNIT_ID("eni") "']}", -EINVAL, "sources[1]",
	     "is the same as entry 0 of the list"},
	    /* An id of the wrong kind is not even looked up. */
	    {"{" SESSION ", 'filter': '" UNIT_ID("tmt") "'}", -EINVAL, "filter",
	     "must be the id or name of a filter, not \"" UNIT_ID("tmt") "\""},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		struct vtap_error error = {};
		json_auto_t *resource = NULL;
		const char *kinds = NULL;

		assert_int_equal(normalize(rows[i].input, &resource, &error, &kinds), rows[i].code);
		assert_int_equal(error.code, rows[i].code);
		assert_string_equal(error.field, rows[i].field);
		assert_string_equal(error.text, rows[i].text);
	}
}

static int append(const char *path, const char *id, void *userdata)
{
	char *text = userdata;

	sprintf(text + strlen(text), "%s=%s ", path, id);
	return strcmp(path, "filter") == 0 ? -ECANCELED : 0;
}

static void test_references(void **state)
{
	static const struct {
		const char *kind, *resource, *references;
		int r;
	} rows[] = {
	    {"project", "{'grants': ['proj-1', 'proj-2', 'proj-1']}", "grants[0]=proj-1 grants[1]=proj-2 ", 0},
	    {"user", "{'roles': [{'project': 'proj-1', 'role': 'viewer'}, {'project': 'proj-2'}]}",
	     "roles[0].project=proj-1 roles[1].project=proj-2 ", 0},
	    {"interface", "{'project': 'proj-1', 'network': 'vpc-1', 'subnet': null, 'host': 'host-1'}",
	     "project=proj-1 network=vpc-1 host=host-1 ", 0},
	    {"network", "{'peers': ['vpc-2'], 'routes': [{'destination': '::/0', 'gateway': 'nat-1'}]}",
	     "peers[0]=vpc-2 routes[0].gateway=nat-1 ", 0},
	    {"session", "{'sources': ['tag:role=web', 'eni-1'], 'target': 'tmt-1'}", "sources[1]=eni-1 target=tmt-1 ",
	     0},
	    {"session", "{'sources': ['eni-1'], 'target': 'tmt-1', 'filter': 'tmf-1'}",
	     "sources[0]=eni-1 filter=tmf-1 ", -ECANCELED},
	    {"rule", "{'filter': 'tmf-1'}", "filter=tmf-1 ", -ECANCELED},
	    {"host", "{'name': 'proj-1'}", "", 0},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		json_auto_t *resource = unit_json(rows[i].resource);
		char text[256] = "";
		int r = vtap_resource_references(vtap_kind_find(rows[i].kind), resource, append, text);

		assert_string_equal(text, rows[i].references);
		assert_int_equal(r, rows[i].r);
	}
}

static void test_selectors(void **state)
{
	static const struct {
		const char *text, *key, *value; /* value NULL = any */
	} rows[] = {
	    {"tag:role=web", "role", "web"}, {"tag:role", "role", NULL},    {"tag:role=", "role", ""},
	    {"tag:a=b=c", "a", "b=c"},       {"tag: a = b ", " a ", " b "}, {"tag:tag:x=tag:y", "tag:x", "tag:y"},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		struct vtap_selector s;

		assert_true(vtap_selector_is_one(rows[i].text));
		assert_int_equal(vtap_selector_parse(rows[i].text, &s, NULL), 0);
		assert_string_equal(s.key, rows[i].key);
		assert_int_equal(s.any_value, rows[i].value == NULL);
		if (rows[i].value)
			assert_string_equal(s.value, rows[i].value);
	}
	assert_false(vtap_selector_is_one("web"));
	assert_false(vtap_selector_is_one("tag"));
	assert_false(vtap_selector_is_one("Tag:a"));
}

static void expect_selector(const char *key, size_t key_length, size_t value_length, int code, const char *fragment)
{
	_cleanup_free_ char *left = unit_repeat(key, key_length), *right = unit_repeat(key, value_length), *text = NULL;
	struct vtap_selector s = {.key = "untouched"};
	struct vtap_error error = {};

	assert_true(asprintf(&text, "tag:%s=%s", left, right) >= 0);
	assert_int_equal(vtap_selector_parse(text, &s, &error), code);
	assert_non_null(strstr(error.text, fragment));
	assert_string_equal(s.key, code < 0 ? "untouched" : left);
}

static void test_limits_of_selectors(void **state)
{
	struct vtap_selector s;

	expect_selector("\U0001f600", VTAP_TAG_KEY_MAX, VTAP_TAG_VALUE_MAX, 0, "");
	expect_selector("k", VTAP_TAG_KEY_MAX + 1, 1, -EINVAL, "must select by a key of 1..128 characters");
	expect_selector("k", VTAP_TAG_KEY_MAX * 5, 1, -EINVAL, "must select by a key of 1..128 characters");
	expect_selector("k", 1, VTAP_TAG_VALUE_MAX + 1, -EINVAL, "must select by a value of at most 256 characters");
	expect_selector("k", 0, 1, -EINVAL, "must select by a key of 1..128 characters");
	expect_selector("\n", 1, 1, -EINVAL, "must not have control characters");
	assert_int_equal(vtap_selector_parse("role=web", &s, NULL), -EINVAL);
	assert_int_equal(vtap_selector_parse("tag:", &s, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_resolved),
	    cmocka_unit_test(test_unresolved),
	    cmocka_unit_test(test_references),
	    cmocka_unit_test(test_selectors),
	    cmocka_unit_test(test_limits_of_selectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
