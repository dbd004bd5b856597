/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "metrics/metrics.h"

static struct vtap_metrics *metrics_new(void)
{
	struct vtap_metrics *m = NULL;

	assert_int_equal(vtap_metrics_new(&m), 0);
	assert_int_equal(vtap_metrics_declare(m, "vtap_a_total", VTAP_METRICS_COUNTER, "What a counts."), 0);
	assert_int_equal(vtap_metrics_declare(m, "vtap_b", VTAP_METRICS_GAUGE, "b with \\ and\nline."), 0);
	return m;
}

static void text_check(const struct vtap_metrics *m, const char *wanted)
{
	_cleanup_free_ char *text = NULL;
	size_t size_bytes;

	assert_int_equal(vtap_metrics_text(m, &text, &size_bytes), 0);
	assert_string_equal(text, wanted);
	assert_int_equal(size_bytes, strlen(wanted));
}

static void test_families_stay_together(void **state)
{
	VTAP_CLEANUP(vtap_metrics_freep) struct vtap_metrics *m = metrics_new();
	const struct vtap_metrics_label one[] = {{"session", "one"}, {"direction", "in"}};
	const struct vtap_metrics_label two[] = {{"session", "two"}, {"direction", "out"}};

	text_check(m, "");
	assert_int_equal(vtap_metrics_add_u64(m, "vtap_b", NULL, 0, 7), 0);
	assert_int_equal(vtap_metrics_add_u64(m, "vtap_a_total", one, 2, UINT64_MAX), 0);
	assert_int_equal(vtap_metrics_add_u64(m, "vtap_b", one, 1, 0), 0);
	assert_int_equal(vtap_metrics_add_u64(m, "vtap_a_total", two, 2, 1), 0);
	text_check(m, "# HELP vtap_a_total What a counts.\n"
		      "# TYPE vtap_a_total counter\n"
		      "vtap_a_total{session=\"one\",direction=\"in\"} 18446744073709551615\n"
		      "vtap_a_total{session=\"two\",direction=\"out\"} 1\n"
		      "# HELP vtap_b b with \\\\ and\\nline.\n"
		      "# TYPE vtap_b gauge\n"
		      "vtap_b 7\n"
		      "vtap_b{session=\"one\"} 0\n");
}

static void test_doubles(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
	    {0.0, "0"},        {0.1, "0.1"},       {1.0 / 3, "0.3333333333333333"},
	    {1e300, "1e+300"}, {-2.5, "-2.5"},     {123456789012.0, "123456789012"},
	    {NAN, "NaN"},      {INFINITY, "+Inf"}, {-INFINITY, "-Inf"},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		VTAP_CLEANUP(vtap_metrics_freep) struct vtap_metrics *m = metrics_new();
		char wanted[128];

		assert_int_equal(vtap_metrics_add_double(m, "vtap_a_total", NULL, 0, cases[i].value), 0);
		(void)snprintf(wanted, sizeof(wanted),
			       "# HELP vtap_a_total What a counts.\n# TYPE vtap_a_total counter\nvtap_a_total %s\n",
			       cases[i].text);
		text_check(m, wanted);
	}
}

static void test_label_escaping(void **state)
{
	static const struct {
		const char *value, *escaped;
	} cases[] = {
	    {"", ""},
	    {"a\"b\\c\n{", "a\\\"b\\\\c\\n{"},
	    {"{}=, ", "{}=, "},
	    {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"},
	    {"\xff", "\xef\xbf\xbd"},
	    {"a\x80", "a\xef\xbf\xbd"},
	    {"\xc3", "\xef\xbf\xbd"}, /* cut */
	    {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"}, /* overlong */
	    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		VTAP_CLEANUP(vtap_metrics_freep) struct vtap_metrics *m = metrics_new();
		const struct vtap_metrics_label label = {"device", cases[i].value};
		char wanted[192];

		assert_int_equal(vtap_metrics_add_u64(m, "vtap_a_total", &label, 1, 1), 0);
		(void)snprintf(wanted, sizeof(wanted),
			       "# HELP vtap_a_total What a counts.\n# TYPE vtap_a_total counter\n"
			       "vtap_a_total{device=\"%s\"} 1\n",
			       cases[i].escaped);
		text_check(m, wanted);
	}
}

static void test_refusals(void **state)
{
	VTAP_CLEANUP(vtap_metrics_freep) struct vtap_metrics *m = metrics_new();
	static const char *const bad_names[] = {"", "1a", "a-b", "a b", "\xc3\xbc"};
	static const char *const bad_labels[] = {"", "1a", "a:b", "a-b", "__name__"};
	const struct vtap_metrics_label twice[] = {{"a", "1"}, {"a", "2"}};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(bad_names); i++)
		assert_int_equal(vtap_metrics_declare(m, bad_names[i], VTAP_METRICS_GAUGE, ""), -EINVAL);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(bad_labels); i++) {
		const struct vtap_metrics_label label = {bad_labels[i], ""};

		assert_int_equal(vtap_metrics_add_u64(m, "vtap_b", &label, 1, 0), -EINVAL);
	}
	assert_int_equal(vtap_metrics_declare(m, "vtap_b", VTAP_METRICS_GAUGE, "again"), -EEXIST);
	assert_int_equal(vtap_metrics_add_u64(m, "vtap_unknown", NULL, 0, 0), -ENOENT);
	assert_int_equal(vtap_metrics_add_u64(m, "vtap_b", twice, 2, 0), -EINVAL);
	text_check(m, "");
}

static void test_limit_of_families_and_labels(void **state)
{
	VTAP_CLEANUP(vtap_metrics_freep) struct vtap_metrics *m = NULL;
	char names[VTAP_METRICS_LABELS_MAX + 1][8];
	struct vtap_metrics_label labels[VTAP_METRICS_LABELS_MAX + 1];
	char name[16];

	assert_int_equal(vtap_metrics_new(&m), 0);
	for (unsigned i = 0; i < VTAP_METRICS_FAMILIES_MAX; i++) {
		(void)snprintf(name, sizeof(name), "vtap_%u", i);
		assert_int_equal(vtap_metrics_declare(m, name, VTAP_METRICS_GAUGE, ""), 0);
	}
	assert_int_equal(vtap_metrics_declare(m, "vtap_more", VTAP_METRICS_GAUGE, ""), -E2BIG);
	for (unsigned i = 0; i <= VTAP_METRICS_LABELS_MAX; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "l%u", i);
		labels[i] = (struct vtap_metrics_label){names[i], "v"};
	}
	assert_int_equal(vtap_metrics_add_u64(m, "vtap_0", labels, VTAP_METRICS_LABELS_MAX, 1), 0);
	assert_int_equal(vtap_metrics_add_u64(m, "vtap_0", labels, VTAP_METRICS_LABELS_MAX + 1, 1), -E2BIG);
}

static void test_limit_of_samples(void **state)
{
	VTAP_CLEANUP(vtap_metrics_freep) struct vtap_metrics *m = metrics_new();
	_cleanup_free_ char *value = NULL, *text = NULL, *after = NULL;
	const size_t frame_bytes = strlen("vtap_b{l=\"\"} 1\n");
	size_t size_bytes, after_bytes;
	struct vtap_metrics_label label;

	value = malloc(VTAP_METRICS_SAMPLES_MAX_BYTES);
	assert_non_null(value);
	memset(value, 'x', VTAP_METRICS_SAMPLES_MAX_BYTES / 2);
	value[VTAP_METRICS_SAMPLES_MAX_BYTES / 2 - frame_bytes] = 0;
	label = (struct vtap_metrics_label){"l", value};
	assert_int_equal(vtap_metrics_add_u64(m, "vtap_b", &label, 1, 1), 0);
	assert_int_equal(vtap_metrics_text(m, &text, &size_bytes), 0);
	/* One byte more than the other half holds is refused, in another family too, and leaves no trace. */
	assert_int_equal(vtap_metrics_add_u64(m, "vtap_b", &label, 1, 10), -E2BIG);
	assert_int_equal(vtap_metrics_add_u64(m, "vtap_a_total", &label, 1, 1), -E2BIG);
	assert_int_equal(vtap_metrics_text(m, &after, &after_bytes), 0);
	assert_int_equal(size_bytes, after_bytes);
	assert_memory_equal(text, after, size_bytes);
	/* It can be filled to the last byte. */
	assert_int_equal(vtap_metrics_add_u64(m, "vtap_b", &label, 1, 2), 0);
	assert_int_equal(vtap_metrics_add_u64(m, "vtap_b", NULL, 0, 2), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_families_stay_together),
	    cmocka_unit_test(test_doubles),
	    cmocka_unit_test(test_label_escaping),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_limit_of_families_and_labels),
	    cmocka_unit_test(test_limit_of_samples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
