/* SPDX-License-Identifier: Apache-2.0 */

#include "unit.h"

#include <locale.h>

#include "cli/grid.h"
#include "cli/render.h"

/* What the grid prints; the caller's. */
static char *printed(const struct vtap_grid *g, unsigned indent, unsigned width, bool colour)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	vtap_grid_print(g, indent, width, colour, out);
	fclose(out);
	return text;
}

static void prints(const struct vtap_grid *g, unsigned width, const char *wanted)
{
	_cleanup_free_ char *text = printed(g, 0, width, false);

	assert_string_equal(text, wanted);
}

static struct vtap_grid *make(const unsigned flags[2])
{
	struct vtap_grid *g = NULL;

	assert_int_equal(vtap_grid_new((const char *const[]){"ID", "DESCRIPTION"}, flags, 2, &g), 0);
	assert_int_equal(vtap_grid_add(g, (const char *const[]){"tms-0123456789", "a long description of it"}), 0);
	assert_int_equal(vtap_grid_add(g, (const char *const[]){NULL, "short"}), 0);
	return g;
}

static void test_fit(void **state)
{
	static const unsigned whole[2] = {VTAP_COLUMN_WHOLE, 0}, none[2] = {};
	VTAP_CLEANUP(vtap_grid_freep) struct vtap_grid *g = make(whole), *cut = make(none);

	prints(g, 0,
	       "ID              DESCRIPTION\n"
	       "tms-0123456789  a long description of it\n"
	       "-               short\n");
	/* 14 + 2 + 24 */
	prints(g, 40,
	       "ID              DESCRIPTION\n"
	       "tms-0123456789  a long description of it\n"
	       "-               short\n");
	prints(g, 39,
	       "ID              DESCRIPTION\n"
	       "tms-0123456789  a long description o...\n"
	       "-               short\n");
	/* No narrower than its header; an id stays whole, whatever the terminal. */
	prints(g, 5,
	       "ID              DESCRIPTION\n"
	       "tms-0123456789  a long d...\n"
	       "-               short\n");
	prints(cut, 5,
	       "ID        DESCRIPTION\n"
	       "tms-0...  a long d...\n"
	       "-         short\n");
	assert_int_equal(vtap_grid_rows(g), 2);
}

static void test_colour(void **state)
{
	static const unsigned flags[2] = {0, VTAP_COLUMN_STATE};
	VTAP_CLEANUP(vtap_grid_freep) struct vtap_grid *g = NULL;
	_cleanup_free_ char *text = NULL;

	assert_int_equal(vtap_grid_new(NULL, flags, 2, &g), 0);
	assert_int_equal(vtap_grid_add(g, (const char *const[]){"active", "error"}), 0);
	assert_int_equal(vtap_grid_add(g, (const char *const[]){"x", "x"}), 0);
	text = printed(g, 2, 0, true);
	assert_string_equal(text, "  active  \033[31merror\033[0m\n  x       x\n");
}

static void test_terminal_is_not_steered(void **state)
{
	VTAP_CLEANUP(vtap_grid_freep) struct vtap_grid *g = NULL;

	assert_int_equal(vtap_grid_new(NULL, NULL, 1, &g), 0);
	assert_int_equal(vtap_grid_add(g, (const char *const[]){"a\033[2Jb\nc\x7f"}), 0);
	assert_int_equal(vtap_grid_add(g, (const char *const[]){"\xc2\x9b"
								"2J"}),
			 0);
	assert_int_equal(vtap_grid_add(g, (const char *const[]){"\xff\xc3\xa4\xc3"}), 0);
	assert_int_equal(vtap_grid_add(g, (const char *const[]){"\xe4\xb8\xad\xf0\x9f"}), 0);
	prints(g, 0, "a?[2Jb?c?\n??2J\n?\xc3\xa4?\n\xe4\xb8\xad??\n");
}

static void test_width_of_text(void **state)
{
	size_t bytes;

	assert_int_equal(vtap_grid_text_width("abc", SIZE_MAX, NULL), 3);
	assert_int_equal(vtap_grid_text_width("\xc3\xa4\xe4\xb8\xad", SIZE_MAX, &bytes), 3);
	assert_int_equal(bytes, 5);
	/* The second one takes two columns and does not fit any more. */
	assert_int_equal(vtap_grid_text_width("\xc3\xa4\xe4\xb8\xad", 2, &bytes), 1);
	assert_int_equal(bytes, 2);
	assert_int_equal(vtap_grid_text_width("", 5, &bytes), 0);
}

static void test_columns_limit(void **state)
{
	struct vtap_grid *g = NULL;

	assert_int_equal(vtap_grid_new(NULL, NULL, VTAP_GRID_COLUMNS_MAX + 1, &g), -E2BIG);
	assert_null(g);
	assert_int_equal(vtap_grid_new(NULL, NULL, VTAP_GRID_COLUMNS_MAX, &g), 0);
	vtap_grid_free(g);
}

static void renders(enum vtap_output output, const char *columns, const char *json, const char *wanted)
{
	json_t *value = json_loads(json, JSON_DECODE_ANY, NULL), *names = json_pack("{s:s}", "tmt-1", "ids");
	struct vtap_view view = {.output = output, .names = names};
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r;

	assert_non_null(value);
	view.out = open_memstream(&text, &size);
	r = columns ? vtap_render_list(&view, value, columns) : vtap_render_value(&view, value);
	fclose(view.out);
	assert_int_equal(r, 0);
	assert_string_equal(text, wanted);
	json_decref(value);
	json_decref(names);
}

static void test_list(void **state)
{
	static const char items[] =
	    "[{\"id\":\"tmt-1\",\"name\":\"a\",\"target\":\"tmt-1\",\"e\":{\"vni\":66},\"on\":true,"
	    "\"sources\":[\"x\",\"tmt-1\"],\"tags\":{\"a\":\"b\",\"c\":\"d\"}},"
	    "{\"id\":\"tmt-2\",\"name\":null,\"on\":false,\"sources\":[]}]";

	renders(VTAP_OUTPUT_TABLE, "id name target vni=e.vni e.vni on sources tags", items,
		"ID     NAME  TARGET  VNI  VNI  ON   SOURCES  TAGS\n"
		"tmt-1  a     ids     66   66   yes  x, ids   a=b c=d\n"
		"tmt-2  -     -       -    -    no   -        -\n");
	renders(VTAP_OUTPUT_TABLE, "id two_words", "[]", "ID  TWO WORDS\n");
	renders(VTAP_OUTPUT_JSON, "id", "[{\"id\":\"tmt-1\",\"x\":1}]",
		"[\n  {\n    \"id\": \"tmt-1\",\n    \"x\": 1\n  }\n]\n");
	renders(VTAP_OUTPUT_YAML, "id", "[{\"id\":\"tmt-1\",\"x\":1}]", "- id: tmt-1\n  x: 1\n");
}

static void test_facts(void **state)
{
	renders(VTAP_OUTPUT_TABLE, NULL,
		"{\"id\":\"tmt-1\",\"target\":\"tmt-1\",\"gone\":null,\"none\":[],\"e\":{\"vni\":66,\"port\":4789},"
		"\"tags\":{\"a\":\"b\"},\"rate\":1234.56,\"small\":0.25,\"whole\":3.0,"
		"\"routes\":[{\"destination\":\"10.0.0.0/8\",\"gateway\":\"g\"},{\"destination\":\"0.0.0.0/0\"}],"
		"\"stats\":{\"in\":{\"matched\":3,\"lost\":0},\"out\":{\"matched\":0,\"lost\":0,\"cut\":2}}}",
		"id      tmt-1\n"
		"target  ids\n"
		"e.vni   66\n"
		"e.port  4789\n"
		"tags    a=b\n"
		"rate    1235\n"
		"small   0.25\n"
		"whole   3\n"
		"routes:\n"
		"  DESTINATION  GATEWAY\n"
		"  10.0.0.0/8   g\n"
		"  0.0.0.0/0    -\n"
		"stats:\n"
		"  COUNTER  IN  OUT\n"
		"  matched  3   0\n"
		"  cut      -   2\n");
	renders(VTAP_OUTPUT_TABLE, NULL, "[{\"a\":1},{\"b\":\"x\"}]", "A  B\n1  -\n-  x\n");
	renders(VTAP_OUTPUT_TABLE, NULL, "\"text\"", "text\n");
	renders(VTAP_OUTPUT_JSON, NULL, "\"text\"", "\"text\"\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fit),
	    cmocka_unit_test(test_colour),
	    cmocka_unit_test(test_terminal_is_not_steered),
	    cmocka_unit_test(test_width_of_text),
	    cmocka_unit_test(test_columns_limit),
	    cmocka_unit_test(test_list),
	    cmocka_unit_test(test_facts),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
