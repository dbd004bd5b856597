/* SPDX-License-Identifier: Apache-2.0 */

#include "unit.h"

#include "model/place.h"
#include "model/yaml.h"

struct object {
	uint8_t byte;
	uint16_t half;
	uint32_t word;
	uint64_t big;
	bool flag;
	char name[5];
	unsigned number;
};

static const struct vtap_word number_words[] = {{"one", 1}, {"two", 2}, {"three", 3}, {}};

static const struct vtap_field inner_fields[] = {
    {VTAP_FIELD("flag", struct object, flag, vtap_place_read_bool), .required = true},
    {},
};

static const struct vtap_field fields[] = {
    {VTAP_FIELD_NUMBER("byte", struct object, byte, 0, UINT8_MAX)},
    {VTAP_FIELD_NUMBER("half", struct object, half, 0, UINT16_MAX)},
    {VTAP_FIELD_NUMBER("word", struct object, word, 0, UINT32_MAX)},
    {VTAP_FIELD_NUMBER("big", struct object, big, 0, UINT64_MAX)},
    {VTAP_FIELD("name", struct object, name, vtap_place_read_name)},
    {VTAP_FIELD_WORD("number", struct object, number, number_words)},
    {.name = "inner", .read = vtap_place_read_fields, .fields = inner_fields},
    {},
};

static int read_text(const char *text, struct object *object, struct vtap_error *error)
{
	VTAP_CLEANUP(vtap_yaml_done) struct vtap_yaml y = {};
	struct vtap_place root = {.reterr = error};

	assert_int_equal(vtap_yaml_parse(text, strlen(text), &y, error), 0);
	root.value = y.values;
	root.lines = y.lines;
	return vtap_place_read_mapping(&root, fields, object);
}

/* Members hold what was given and their neighbours are left alone. */
static void test_members(void **state)
{
	struct object o = {};

	assert_int_equal(
	    read_text("{byte: 255, word: 0xffffffff, name: abcd, number: two, inner: {flag: true}}", &o, NULL), 0);
	assert_int_equal(o.byte, 255);
	assert_int_equal(o.half, 0);
	assert_int_equal(o.word, UINT32_MAX);
	assert_int_equal(o.big, 0);
	assert_true(o.flag);
	assert_string_equal(o.name, "abcd");
	assert_int_equal(o.number, 2);

	o = (struct object){};
	assert_int_equal(read_text("{half: 65535, big: \"18446744073709551615\"}", &o, NULL), 0);
	assert_int_equal(o.byte, 0);
	assert_int_equal(o.half, UINT16_MAX);
	assert_int_equal(o.word, 0);
	assert_true(o.big == UINT64_MAX);
	assert_false(o.flag);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *field, *message;
	} rows[] = {
	    {"{byte: 256}", "byte", "must be 0..255, not 256"},
	    {"{byte: {}}", "byte", "must be a number 0..255, not a mapping"},
	    {"{byte: false}", "byte", "must be a number 0..255, not false"},
	    {"{byte: ~}", "byte", "has no value"},
	    {"{name: abcde}", "name", "must be 1..4 letters, digits, '.', '_' or '-', not \"abcde\""},
	    {"{number: four}", "number", "must be one, two or three, not \"four\""},
	    {"{inner: {}}", "inner.flag", "is required"},
	    {"{inner: {flag: 0}}", "inner.flag", "must be true or false, not 0"},
	    {"{wrod: 1}", "wrod", "unknown key; did you mean \"word\"?"},
	    {"{zebra: 1}", "zebra", "unknown key; known are byte, half, word, big, name, number, inner"},
	    {"{inner: {x: 1}}", "inner.x", "unknown key; known are flag"},
	    /* Long texts are cut between two characters, and control characters are not repeated. */
	    {"{number: \"12345678901234567890123456789012345678901234567\xc3\xa4\xc3\xa4\"}", "number",
	     "must be one, two or three, not \"12345678901234567890123456789012345678901234567...\""},
	    {"{number: \"a\\e[1m\"}", "number", "must be one, two or three, not \"a?[1m\""},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		struct vtap_error error = {};
		struct object o = {};

		assert_int_equal(read_text(rows[i].text, &o, &error), -EINVAL);
		assert_string_equal(error.field, rows[i].field);
		assert_string_equal(error.text, rows[i].message);
		assert_int_equal(error.line, 1);
	}
}

/* Values without lines, as they come from a request, are read the same; only the line is unknown. */
static void test_without_lines(void **state)
{
	json_t *value = json_pack("{s:i}", "byte", 256);
	struct vtap_error error = {.line = 77};
	struct vtap_place root = {.value = value, .reterr = &error};
	struct object o = {};

	assert_int_equal(vtap_place_read_mapping(&root, fields, &o), -EINVAL);
	assert_int_equal(error.line, 0);
	assert_string_equal(error.field, "byte");
	json_decref(value);
}

static void test_words(void **state)
{
	int value = 77;

	assert_string_equal(vtap_word_name(number_words, 3), "three");
	assert_null(vtap_word_name(number_words, 4));
	assert_false(vtap_word_find(number_words, "four", &value));
	assert_int_equal(value, 77);
	assert_true(vtap_word_find(number_words, "one", &value));
	assert_int_equal(value, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_members),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_without_lines),
	    cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
