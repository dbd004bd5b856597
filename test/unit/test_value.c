/* SPDX-License-Identifier: Apache-2.0 */

#include "model/value.h"

#include "model/words.h"
#include "resource.h"
#include "unit.h"

static const struct vtap_word words[] = {{"red", 1}, {"green", 2}, {}};

/* One attribute of each type, with ranges that are easy to step over. */
static const struct vtap_attribute samples[VTAP_TYPE_MAX] = {
    [VTAP_TYPE_TEXT] = {.type = VTAP_TYPE_TEXT, .min = 2, .max = 4},
    [VTAP_TYPE_NAME] = {.type = VTAP_TYPE_NAME},
    [VTAP_TYPE_NUMBER] = {.type = VTAP_TYPE_NUMBER, .min = 5, .max = 7},
    [VTAP_TYPE_BOOL] = {.type = VTAP_TYPE_BOOL},
    [VTAP_TYPE_WORD] = {.type = VTAP_TYPE_WORD, .words = words},
    [VTAP_TYPE_ADDRESS] = {.type = VTAP_TYPE_ADDRESS},
    [VTAP_TYPE_PREFIX] = {.type = VTAP_TYPE_PREFIX},
    [VTAP_TYPE_MAC] = {.type = VTAP_TYPE_MAC},
    [VTAP_TYPE_DEVICE] = {.type = VTAP_TYPE_DEVICE},
    [VTAP_TYPE_PORTS] = {.type = VTAP_TYPE_PORTS},
    [VTAP_TYPE_OFFLINE] = {.type = VTAP_TYPE_OFFLINE, .min = 1, .max = VTAP_OFFLINE_MAX_S},
    [VTAP_TYPE_DURATION] = {.type = VTAP_TYPE_DURATION, .min = 10, .max = 3600},
    [VTAP_TYPE_TIME] = {.type = VTAP_TYPE_TIME},
    [VTAP_TYPE_TAGS] = {.type = VTAP_TYPE_TAGS},
    [VTAP_TYPE_PROTOCOL] = {.type = VTAP_TYPE_PROTOCOL, .words = vtap_protocol_words},
    [VTAP_TYPE_ETHERTYPE] = {.type = VTAP_TYPE_ETHERTYPE, .words = vtap_ethertype_words},
};

static const struct {
	enum vtap_type type;
	const char *given, *canonical; /* NULL = as given */
} good[] = {
    {VTAP_TYPE_TEXT, "'ab'", NULL},
    {VTAP_TYPE_TEXT, "'abcd'", NULL},
    {VTAP_TYPE_TEXT, "'\u00e4\u4e2d\U0001f600\u00e4'", NULL},
    {VTAP_TYPE_NAME, "'a'", NULL},
    {VTAP_TYPE_NAME, "'0-a.b_C'", NULL},
    {VTAP_TYPE_NUMBER, "5", NULL},
    {VTAP_TYPE_NUMBER, "7", NULL},
    {VTAP_TYPE_BOOL, "true", NULL},
    {VTAP_TYPE_BOOL, "false", NULL},
    {VTAP_TYPE_WORD, "'red'", NULL},
    {VTAP_TYPE_WORD, "'green'", NULL},
    {VTAP_TYPE_ADDRESS, "'10.0.0.1'", NULL},
    {VTAP_TYPE_ADDRESS, "'2001:DB8:0::1'", "'2001:db8::1'"},
    {VTAP_TYPE_PREFIX, "'10.0.0.0/8'", NULL},
    {VTAP_TYPE_PREFIX, "'10.0.0.1'", "'10.0.0.1/32'"},
    {VTAP_TYPE_PREFIX, "'0::/0'", "'::/0'"},
    {VTAP_TYPE_PREFIX, "'2001:db8::1'", "'2001:db8::1/128'"},
    {VTAP_TYPE_MAC, "'02:AA:bb:00:00:01'", "'02:aa:bb:00:00:01'"},
    {VTAP_TYPE_DEVICE, "'eth0.100@x'", NULL},
    {VTAP_TYPE_DEVICE, "'123456789012345'", NULL},
    {VTAP_TYPE_PORTS, "'80'", NULL},
    {VTAP_TYPE_PORTS, "80", "'80'"},
    {VTAP_TYPE_PORTS, "0", "'0'"},
    {VTAP_TYPE_PORTS, "65535", "'65535'"},
    {VTAP_TYPE_PORTS, "'80-443'", NULL},
    {VTAP_TYPE_PORTS, "'80-80'", "'80'"},
    {VTAP_TYPE_PORTS, "'0-65535'", NULL},
    {VTAP_TYPE_OFFLINE, "'keep'", NULL},
    {VTAP_TYPE_OFFLINE, "'stop-after 10m'", NULL},
    {VTAP_TYPE_OFFLINE, "'stop-after 120s'", "'stop-after 2m'"},
    {VTAP_TYPE_OFFLINE, "'stop-after 1s'", NULL},
    {VTAP_TYPE_OFFLINE, "'stop-after 365d'", NULL},
    {VTAP_TYPE_DURATION, "'10s'", NULL},
    {VTAP_TYPE_DURATION, "'90s'", NULL},
    {VTAP_TYPE_DURATION, "'60s'", "'1m'"},
    {VTAP_TYPE_DURATION, "'3600s'", "'1h'"},
    {VTAP_TYPE_DURATION, "'60m'", "'1h'"},
    {VTAP_TYPE_TIME, "'2026-11-21T15:00:00Z'", NULL},
    {VTAP_TYPE_TIME, "'1970-01-01T00:00:00Z'", NULL},
    {VTAP_TYPE_TAGS, "{}", NULL},
    {VTAP_TYPE_TAGS, "{'role': 'web', 'empty': ''}", NULL},
    {VTAP_TYPE_PROTOCOL, "'tcp'", NULL},
    {VTAP_TYPE_PROTOCOL, "6", "'tcp'"},
    {VTAP_TYPE_PROTOCOL, "'0x11'", "'udp'"},
    {VTAP_TYPE_PROTOCOL, "0", "'0'"},
    {VTAP_TYPE_PROTOCOL, "255", "'255'"},
    {VTAP_TYPE_ETHERTYPE, "'any'", NULL},
    {VTAP_TYPE_ETHERTYPE, "'ip'", NULL},
    {VTAP_TYPE_ETHERTYPE, "2054", "'arp'"},
    {VTAP_TYPE_ETHERTYPE, "'0x0600'", NULL},
    {VTAP_TYPE_ETHERTYPE, "1536", "'0x0600'"},
    {VTAP_TYPE_ETHERTYPE, "65535", "'0xffff'"},
};

static const struct {
	enum vtap_type type;
	const char *given, *fragment;
} bad[] = {
    {VTAP_TYPE_TEXT, "'a'", "must have 2..4 characters, not 1"},
    {VTAP_TYPE_TEXT, "'abcde'", "must have 2..4 characters, not 5"},
    {VTAP_TYPE_TEXT, "'a\\u0001b'", "must not have control characters"},
    {VTAP_TYPE_TEXT, "'a\\u007fb'", "must not have control characters"},
    {VTAP_TYPE_TEXT, "'a\\u009fb'", "must not have control characters"},
    {VTAP_TYPE_TEXT, "5", "must be text, not 5"},
    {VTAP_TYPE_TEXT, "['ab']", "must be text, not a list"},
    {VTAP_TYPE_TEXT, "{'ab': 1}", "must be text, not a mapping"},
    {VTAP_TYPE_NAME, "''", "must be 1..63 letters"},
    {VTAP_TYPE_NAME, "'a b'", "must be 1..63 letters"},
    {VTAP_TYPE_NAME, "'-a'", "must be a name that begins with a letter or a digit, not \"-a\""},
    {VTAP_TYPE_NAME, "'.a'", "begins with a letter"},
    {VTAP_TYPE_NAME, "'_a'", "begins with a letter"},
    {VTAP_TYPE_NAME, "'\u00e4'", "must be 1..63 letters"},
    {VTAP_TYPE_NAME, "5", "put a name that looks like a number in quotes"},
    {VTAP_TYPE_NAME, "'" UNIT_ID("tms") "'", "must be a name that does not look like an id"},
    {VTAP_TYPE_NUMBER, "4", "must be 5..7, not 4"},
    {VTAP_TYPE_NUMBER, "8", "must be 5..7, not 8"},
    {VTAP_TYPE_NUMBER, "-5", "must be 5..7, not -5"},
    {VTAP_TYPE_NUMBER, "9223372036854775807", "must be 5..7"},
    {VTAP_TYPE_NUMBER, "5.0", "must be a whole number 5..7"},
    {VTAP_TYPE_NUMBER, "'5'", "must be a number 5..7, not \"5\""},
    {VTAP_TYPE_NUMBER, "true", "must be a number 5..7, not true"},
    {VTAP_TYPE_BOOL, "'true'", "must be true or false, not \"true\""},
    {VTAP_TYPE_BOOL, "1", "must be true or false, not 1"},
    {VTAP_TYPE_WORD, "'blue'", "must be red or green, not \"blue\""},
    {VTAP_TYPE_WORD, "'RED'", "must be red or green"},
    {VTAP_TYPE_WORD, "1", "must be red or green, not 1"},
    {VTAP_TYPE_ADDRESS, "'10.0.0'", "must be an IPv4 or IPv6 address, not \"10.0.0\""},
    {VTAP_TYPE_ADDRESS, "'10.0.0.1/32'", "must be an IPv4 or IPv6 address"},
    {VTAP_TYPE_ADDRESS, "10", "must be an IPv4 or IPv6 address"},
    {VTAP_TYPE_PREFIX, "'10.0.0.1/8'", "must be 10.0.0.0/8 (the bits behind the prefix must be 0)"},
    {VTAP_TYPE_PREFIX, "'10.0.0.0/33'", "must be a prefix such as"},
    {VTAP_TYPE_PREFIX, "8", "must be a prefix such as"},
    {VTAP_TYPE_MAC, "'02:00:00:00:00'", "must be a MAC address such as"},
    {VTAP_TYPE_MAC, "2", "must be a MAC address such as"},
    {VTAP_TYPE_MAC, "'01:00:5e:00:00:01'", "must be the MAC address of one interface"},
    {VTAP_TYPE_MAC, "'ff:ff:ff:ff:ff:ff'", "must be the MAC address of one interface"},
    {VTAP_TYPE_MAC, "'00:00:00:00:00:00'", "must be the MAC address of one interface"},
    {VTAP_TYPE_DEVICE, "'1234567890123456'", "must be a device's name: 1..15 characters"},
    {VTAP_TYPE_DEVICE, "''", "must be a device's name"},
    {VTAP_TYPE_DEVICE, "'a/b'", "must be a device's name"},
    {VTAP_TYPE_DEVICE, "'vtap-near'", "must be a device that is not vtap's own"},
    {VTAP_TYPE_PORTS, "65536", "must be a port 0..65535 or a range such as 80-443, not 65536"},
    {VTAP_TYPE_PORTS, "-1", "must be a port 0..65535"},
    {VTAP_TYPE_PORTS, "'443-80'", "must be a range from the lower port to the higher"},
    {VTAP_TYPE_PORTS, "'80,443'", "must be a port 0..65535"},
    {VTAP_TYPE_OFFLINE, "'stop'", "must be keep or stop-after 1s..365d, a number with s, m, h or d, not \"stop\""},
    {VTAP_TYPE_OFFLINE, "'stop-after'", "must be keep or stop-after"},
    {VTAP_TYPE_OFFLINE, "'stop-after  10m'", "must be keep or stop-after"},
    {VTAP_TYPE_OFFLINE, "'stop-after 0s'", "must be keep or stop-after 1s..365d, not"},
    {VTAP_TYPE_OFFLINE, "'stop-after 366d'", "must be keep or stop-after 1s..365d, not"},
    {VTAP_TYPE_OFFLINE, "10", "must be keep or stop-after"},
    {VTAP_TYPE_DURATION, "'9s'", "must be a duration 10s..1h, not \"9s\""},
    {VTAP_TYPE_DURATION, "'3601s'", "must be a duration 10s..1h, not \"3601s\""},
    {VTAP_TYPE_DURATION, "'90'", "must be a duration 10s..1h, a number with s, m, h or d, not \"90\""},
    {VTAP_TYPE_DURATION, "90", "must be a duration 10s..1h, a number with s, m, h or d, not 90"},
    {VTAP_TYPE_TIME, "'2026-11-21'", "must be a time such as 2026-11-21T15:00:00Z"},
    {VTAP_TYPE_TIME, "'2026-02-30T00:00:00Z'", "must be a time such as"},
    {VTAP_TYPE_TIME, "'2026-11-21T15:00:00+01:00'", "must be a time such as"},
    {VTAP_TYPE_TIME, "'2026-11-21T15:00:00Zx'", "must be a time such as"},
    {VTAP_TYPE_TIME, "'1969-12-31T23:59:59Z'", "must be a time such as"},
    {VTAP_TYPE_TIME, "0", "must be a time such as"},
    {VTAP_TYPE_TAGS, "['a']", "must be an object of texts, not a list"},
    {VTAP_TYPE_TAGS, "'a=b'", "must be an object of texts"},
    {VTAP_TYPE_PROTOCOL, "'TCP'", "must be a protocol's name"},
    {VTAP_TYPE_PROTOCOL, "256", "number 0..255, not 256"},
    {VTAP_TYPE_PROTOCOL, "-1", "number 0..255, not -1"},
    {VTAP_TYPE_ETHERTYPE, "1535", "number 0x0600..0xffff, not 1535"},
    {VTAP_TYPE_ETHERTYPE, "65536", "number 0x0600..0xffff, not 65536"},
    {VTAP_TYPE_ETHERTYPE, "'0x8100'", "use vlan to match a tag"},
};

static int normalize(enum vtap_type type, const char *text, json_t **ret_value, struct vtap_error *reterr)
{
	json_auto_t *given = unit_json(text);
	struct vtap_place p = {.value = given, .reterr = reterr};

	return vtap_value_normalize(&p, &samples[type], ret_value);
}

static void test_good_values(void **state)
{
	bool seen[VTAP_TYPE_MAX] = {[VTAP_TYPE_REFERENCE] = true, [VTAP_TYPE_OBJECT] = true};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(good); i++) {
		json_auto_t *expected = unit_json(good[i].canonical ? good[i].canonical : good[i].given);
		json_auto_t *value = NULL, *again = NULL;
		struct vtap_place p = {};
		struct vtap_error error = {};

		if (normalize(good[i].type, good[i].given, &value, &error) < 0)
			fail_msg("%s: %s", good[i].given, error.text);
		if (!json_equal(value, expected))
			fail_msg("%s is not as expected", good[i].given);
		/* A canonical value stays what it is. */
		p.value = value;
		assert_int_equal(vtap_value_normalize(&p, &samples[good[i].type], &again), 0);
		assert_true(json_equal(value, again));
		seen[good[i].type] = true;
	}
	for (size_t type = 0; type < VTAP_TYPE_MAX; type++)
		assert_true(seen[type]);
}

static void test_bad_values(void **state)
{
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(bad); i++) {
		json_t *value = (json_t *)&bad[i]; /* anything that must not change */
		struct vtap_error error = {};

		assert_int_equal(normalize(bad[i].type, bad[i].given, &value, &error), -EINVAL);
		assert_ptr_equal(value, &bad[i]);
		if (!strstr(error.text, bad[i].fragment))
			fail_msg("%s: \"%s\" has no \"%s\"", bad[i].given, error.text, bad[i].fragment);
	}
}

static void test_length_of_names(void **state)
{
	_cleanup_free_ char *most = unit_repeat("n", VTAP_NAME_MAX), *more = unit_repeat("n", VTAP_NAME_MAX + 1);
	json_auto_t *fits = json_string(most), *too_long = json_string(more), *value = NULL;
	struct vtap_place p = {.value = fits};

	assert_int_equal(vtap_value_normalize(&p, &samples[VTAP_TYPE_NAME], &value), 0);
	p.value = too_long;
	assert_int_equal(vtap_value_normalize(&p, &samples[VTAP_TYPE_NAME], &value), -EINVAL);
}

static void test_tags_are_sorted(void **state)
{
	json_auto_t *value = NULL;
	_cleanup_free_ char *text = NULL;

	assert_int_equal(normalize(VTAP_TYPE_TAGS, "{'b': '1', 'a': '2', 'B': '3'}", &value, NULL), 0);
	text = json_dumps(value, 0);
	assert_string_equal(text, "{\"B\": \"3\", \"a\": \"2\", \"b\": \"1\"}");
}

static void expect_tag(const char *key, const char *value, int code, const char *fragment)
{
	json_auto_t *tags = json_pack("{ss}", key, value), *result = NULL;
	struct vtap_error error = {};
	struct vtap_place p = {.value = tags, .reterr = &error};

	assert_non_null(tags);
	assert_int_equal(vtap_value_normalize(&p, &samples[VTAP_TYPE_TAGS], &result), code);
	assert_non_null(strstr(error.text, fragment));
}

/* Characters are counted, not bytes. */
static void test_limits_of_tags(void **state)
{
	_cleanup_free_ char *key = unit_repeat("\u4e2d", VTAP_TAG_KEY_MAX),
			    *key2 = unit_repeat("k", VTAP_TAG_KEY_MAX + 1);
	_cleanup_free_ char *value = unit_repeat("\u4e2d", VTAP_TAG_VALUE_MAX);
	_cleanup_free_ char *value2 = unit_repeat("v", VTAP_TAG_VALUE_MAX + 1);
	json_auto_t *tags = json_object(), *result = NULL;
	struct vtap_error error = {};
	struct vtap_place p = {.value = tags, .reterr = &error};
	char name[16];

	expect_tag(key, value, 0, "");
	expect_tag(key2, value, -EINVAL, "must have a key of 1..128 characters, not 129");
	expect_tag("", value, -EINVAL, "must have a key of 1..128 characters, not 0");
	expect_tag(key, value2, -EINVAL, "must have 0..256 characters, not 257");
	expect_tag("a\nb", "", -EINVAL, "must not have control characters in its key");
	expect_tag("a", "\x1b", -EINVAL, "must not have control characters");

	for (size_t i = 0; i < VTAP_TAGS_MAX; i++) {
		snprintf(name, sizeof(name), "k%zu", i);
		json_object_set_new(tags, name, json_string(""));
	}
	assert_int_equal(vtap_value_normalize(&p, &samples[VTAP_TYPE_TAGS], &result), 0);
	json_object_set_new(tags, "one-more", json_string(""));
	assert_int_equal(vtap_value_normalize(&p, &samples[VTAP_TYPE_TAGS], &result), -E2BIG);
	assert_string_equal(error.text, "has 51 entries, and at most 50 are possible");
}

static void test_tag_without_text(void **state)
{
	struct vtap_error error = {};
	json_t *value = NULL;

	assert_int_equal(normalize(VTAP_TYPE_TAGS, "{'role': 5}", &value, &error), -EINVAL);
	assert_string_equal(error.text, "must be text, not 5");
	assert_int_equal(normalize(VTAP_TYPE_TAGS, "{'role': null}", &value, &error), -EINVAL);
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t seconds;
	} rows[] = {
	    {"0s", 0, 0},
	    {"7d", 0, 604800},
	    {"2h", 0, 7200},
	    {"213503982334601d", 0, 213503982334601ULL * 86400},
	    {"213503982334602d", -ERANGE, 0},
	    {"99999999999999999999s", -ERANGE, 0},
	    {"999999999999999999999999999s", -EINVAL, 0},
	    {"", -EINVAL, 0},
	    {"s", -EINVAL, 0},
	    {"10", -EINVAL, 0},
	    {"10ms", -EINVAL, 0},
	    {"10 m", -EINVAL, 0},
	    {"-10m", -EINVAL, 0},
	    {"010m", -EINVAL, 0},
	    {"10M", -EINVAL, 0},
	    {"10w", -EINVAL, 0},
	};
	char text[VTAP_DURATION_STRLEN];
	uint64_t seconds;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		seconds = 1;
		assert_int_equal(vtap_duration_parse(rows[i].text, 0, UINT64_MAX, &seconds), rows[i].r);
		assert_int_equal(seconds, rows[i].r < 0 ? 1 : rows[i].seconds);
	}
	assert_string_equal(vtap_duration_format(0, text), "0s");
	assert_string_equal(vtap_duration_format(86400, text), "1d");
	assert_string_equal(vtap_duration_format(86401, text), "86401s");
	assert_string_equal(vtap_duration_format(UINT64_MAX, text), "18446744073709551615s");
	assert_int_equal(vtap_offline_parse("keep", &seconds), 0);
	assert_int_equal(seconds, 0);
	assert_int_equal(vtap_offline_parse("stop-after 10m", &seconds), 0);
	assert_int_equal(seconds, 600);
}

static void test_times(void **state)
{
	char text[VTAP_TIME_STRLEN];
	int64_t seconds = 0;

	assert_int_equal(vtap_time_parse("2026-11-21T15:00:00Z", &seconds), 0);
	assert_int_equal(seconds, 1795273200);
	assert_string_equal(vtap_time_format(seconds, text), "2026-11-21T15:00:00Z");
	assert_string_equal(vtap_time_format(253402300799, text), "9999-12-31T23:59:59Z");
	assert_int_equal(vtap_time_parse(" 2026-11-21T15:00:00Z", &seconds), -EINVAL);
	assert_int_equal(vtap_time_parse("2026-11-21T15:00:60Z", &seconds), -EINVAL);
	assert_int_equal(vtap_time_parse("2026-1-1T15:00:00Z", &seconds), -EINVAL);
	assert_int_equal(seconds, 1795273200);
}

static void test_length_of_text(void **state)
{
	static const char *const broken[] = {
	    "\x80",
	    "\xc3",
	    "\xc3(",
	    "\xe2\x82",
	    "\xc0\x80" /* too long a form */,
	    "\xe0\x80\x80",
	    "\xed\xa0\x80" /* half of a pair */,
	    "\xf4\x90\x80\x80" /* beyond Unicode */,
	    "\xff",
	    "\xf8\x88\x80\x80\x80",
	    "\n",
	    "\x7f",
	    "\xc2\x85",
	};
	size_t length = 99;

	assert_int_equal(vtap_text_length("", &length), 0);
	assert_int_equal(length, 0);
	assert_int_equal(vtap_text_length("a\u00e4\u4e2d\U0010ffff", &length), 0);
	assert_int_equal(length, 4);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(broken); i++)
		assert_int_equal(vtap_text_length(broken[i], &length), -EINVAL);
	assert_int_equal(length, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good_values),     cmocka_unit_test(test_bad_values),
	    cmocka_unit_test(test_length_of_names), cmocka_unit_test(test_tags_are_sorted),
	    cmocka_unit_test(test_limits_of_tags),  cmocka_unit_test(test_tag_without_text),
	    cmocka_unit_test(test_durations),       cmocka_unit_test(test_times),
	    cmocka_unit_test(test_length_of_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
