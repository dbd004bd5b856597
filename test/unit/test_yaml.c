/* SPDX-License-Identifier: Apache-2.0 */

#include "unit.h"

#include "model/yaml.h"

static void parse(const char *text, struct vtap_yaml *ret)
{
	struct vtap_error error = {};

	if (vtap_yaml_parse(text, strlen(text), ret, &error) < 0)
		fail_msg("line %u: %s", error.line, error.text);
}

static void test_scalars(void **state)
{
	static const char text[] = "[1, -1, 0x1f, 9223372036854775807, true, false, null, ~, '1', \"true\", 01, "
				   "9223372036854775808, 1.5, yes, 80-443, -0x2]";
	VTAP_CLEANUP(vtap_yaml_done) struct vtap_yaml y = {};
	_cleanup_free_ char *dumped = NULL;

	parse(text, &y);
	dumped = json_dumps(y.values, JSON_COMPACT);
	assert_string_equal(dumped, "[1,-1,31,9223372036854775807,true,false,null,null,\"1\",\"true\",\"01\","
				    "\"9223372036854775808\",\"1.5\",\"yes\",\"80-443\",-2]");
}

static void test_lines(void **state)
{
	static const char text[] = "a: 1\n"
				   "b:\n"
				   "  - x\n"
				   "  - c: 2\n"
				   "    d:\n"
				   "      [ 3,\n"
				   "        4 ]\n"
				   "e:\n"
				   "  'f': |\n"
				   "    text\n";
	VTAP_CLEANUP(vtap_yaml_done) struct vtap_yaml y = {};
	const json_t *b, *second, *d;

	parse(text, &y);
	assert_int_equal(vtap_yaml_line(y.lines), 1);
	assert_int_equal(vtap_yaml_line(vtap_yaml_lines_member(y.lines, "a")), 1);
	b = vtap_yaml_lines_member(y.lines, "b");
	assert_int_equal(vtap_yaml_line(b), 2);
	assert_int_equal(vtap_yaml_line(vtap_yaml_lines_element(b, 0)), 3);
	second = vtap_yaml_lines_element(b, 1);
	assert_int_equal(vtap_yaml_line(second), 4);
	d = vtap_yaml_lines_member(second, "d");
	assert_int_equal(vtap_yaml_line(d), 5);
	assert_int_equal(vtap_yaml_line(vtap_yaml_lines_element(d, 0)), 6);
	assert_int_equal(vtap_yaml_line(vtap_yaml_lines_element(d, 1)), 7);
	assert_null(vtap_yaml_lines_element(d, 2));
	assert_null(vtap_yaml_lines_member(d, "x"));
	assert_int_equal(vtap_yaml_line(vtap_yaml_lines_member(vtap_yaml_lines_member(y.lines, "e"), "f")), 9);
	assert_int_equal(vtap_yaml_line(NULL), 0);
	assert_null(vtap_yaml_lines_element(NULL, 0));
}

static void test_json(void **state)
{
	static const char text[] = "{\n\t\"a\": [1, \"\\u00e4\\/\", {\"b\":null}],\n\t\"c\":\"\"\n}\n";
	VTAP_CLEANUP(vtap_yaml_done) struct vtap_yaml y = {};
	_cleanup_free_ char *dumped = NULL;

	parse(text, &y);
	dumped = json_dumps(y.values, JSON_COMPACT);
	assert_string_equal(dumped, "{\"a\":[1,\"\xc3\xa4/\",{\"b\":null}],\"c\":\"\"}");
}

static void test_empty(void **state)
{
	static const char *const texts[] = {"", "\n\n", "# nothing\n", "---\n...\n", "\xef\xbb\xbf"};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(texts); i++) {
		VTAP_CLEANUP(vtap_yaml_done) struct vtap_yaml y = {};

		parse(texts[i], &y);
		assert_true(json_is_null(y.values));
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		size_t size_bytes; /* 0 = up to NUL */
		unsigned line;
		const char *fragment;
	} rows[] = {
	    {"a: &x 1\n", 0, 1, "anchors"},
	    {"\na: &x [1]\n", 0, 2, "anchors"},
	    {"a: &x {b: 1}\n", 0, 1, "anchors"},
	    {"&x a: 1\n", 0, 1, "anchors"},
	    {"a: 1\nb: *x\n", 0, 2, "aliases"},
	    {"[*x]\n", 0, 1, "aliases"},
	    {"*x : 1\n", 0, 1, "aliases"},
	    {"a: !!str 1\n", 0, 1, "tags"},
	    {"a: !t [1]\n", 0, 1, "tags"},
	    {"a: !t {b: 1}\n", 0, 1, "tags"},
	    {"!!str a: 1\n", 0, 1, "tags"},
	    {"? [a]\n: 1\n", 0, 1, "a key must be a word"},
	    {"{{a: 1}: 1}\n", 0, 1, "a key must be a word"},
	    {"'': 1\n", 0, 1, "must not be empty"},
	    {"a: 1\nb: 2\n\"a\": 3\n", 0, 3, "key \"a\" appears twice, first on line 1"},
	    {"{\"a\\tb\": 1, \"a\\tb\": 2}", 0, 1, "key \"a?b\" appears twice"},
	    {"a: 1\n---\nb: 1\n", 0, 2, "one document"},
	    {"a: \"\\0\"\n", 0, 1, "NUL"},
	    {"\"a\\0b\": 1\n", 0, 1, "must not be empty"},
	    {"a: [1\n", 0, 2, "is not YAML"},
	    {"a: 1\n b: 2\n", 0, 2, "is not YAML"},
	    {"a: 1\n\tb: 2\n", 0, 2, "is not YAML"},
	    {"a: \"x\n", 0, 2, "is not YAML"},
	    {"a: 1\nb: \xff\n", 0, 2, "UTF-8"},
	    {"a: 1\nb: \0\n", 9, 2, "UTF-8"},
	    {"\xff\xfe"
	     "a\0",
	     4, 1, "UTF-8"},
	    {"\n%YAML 3.0\n---\n", 0, 2, "is not YAML"},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		size_t size_bytes = rows[i].size_bytes > 0 ? rows[i].size_bytes : strlen(rows[i].text);
		struct vtap_error error = {};
		struct vtap_yaml y = {};

		assert_int_equal(vtap_yaml_parse(rows[i].text, size_bytes, &y, &error), -EINVAL);
		assert_null(y.values);
		assert_null(y.lines);
		if (error.line != rows[i].line || !strstr(error.text, rows[i].fragment))
			fail_msg("row %zu: line %u: %s", i, error.line, error.text);
	}
}

static void test_depth(void **state)
{
	for (unsigned depth = VTAP_YAML_DEPTH_MAX; depth <= VTAP_YAML_DEPTH_MAX + 1; depth++) {
		VTAP_CLEANUP(vtap_yaml_done) struct vtap_yaml y = {};
		char text[2 * (VTAP_YAML_DEPTH_MAX + 1)];

		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		assert_int_equal(vtap_yaml_parse(text, 2 * depth, &y, NULL), depth > VTAP_YAML_DEPTH_MAX ? -E2BIG : 0);
	}
}

static void test_nodes(void **state)
{
	static char text[2 * VTAP_YAML_NODES_MAX + 8];

	/* The list itself is one of the nodes. */
	for (unsigned extra = 0; extra <= 1; extra++) {
		VTAP_CLEANUP(vtap_yaml_done) struct vtap_yaml y = {};
		size_t n = VTAP_YAML_NODES_MAX - 1 + extra;

		for (size_t i = 0; i < n; i++)
			memcpy(text + 2 * i, ",1", 2);
		text[0] = '[';
		text[2 * n] = ']';
		assert_int_equal(vtap_yaml_parse(text, 2 * n + 1, &y, NULL), extra ? -E2BIG : 0);
	}
}

static size_t allocations_left;

static void *scarce_malloc(size_t size)
{
	if (allocations_left == 0)
		return NULL;
	allocations_left--;
	return malloc(size);
}

/* Memory that ends at any point is an error with a reason, and nothing is lost (a sanitizer watches). */
static void test_memory(void **state)
{
	static const char text[] = "{a: [1, 99999999999999999999, true, {b: c}], d: {e: 0, f: [], g: {h: ~}}}";
	int r = -ENOMEM;

	for (size_t n = 0; r < 0; n++) {
		VTAP_CLEANUP(vtap_yaml_done) struct vtap_yaml y = {};
		struct vtap_error error = {};

		allocations_left = n;
		json_set_alloc_funcs(scarce_malloc, free);
		r = vtap_yaml_parse(text, strlen(text), &y, &error);
		json_set_alloc_funcs(malloc, free);
		if (r < 0) {
			assert_int_equal(r, -ENOMEM);
			assert_string_equal(error.text, "out of memory");
			assert_null(y.values);
		} else {
			assert_true(n > 10);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_scalars), cmocka_unit_test(test_lines),   cmocka_unit_test(test_json),
	    cmocka_unit_test(test_empty),   cmocka_unit_test(test_refused), cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_nodes),   cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
