/* SPDX-License-Identifier: Apache-2.0 */

#include "unit.h"

/* Two sessions on lines 2 and 3 of a file; a device's rules are given by the filters f2 (two for each direction) and none. */
#define HEAD "targets: [{name: t, address: 10.0.0.1}]\nsessions:\n"
#define SESSION(text) "- {target: t, encapsulation: {vni: 1}, " text "}\n"

static const struct unit_bad bad_rows[] = {
    {0, HEAD SESSION("name: a, number: 1, sources: [{device: v1}, {device: v2}, {device: v1}]"), 3,
     "sessions[0].sources[2]", "device v1 is listed twice in this session, first on line 3"},
    {0, HEAD SESSION("name: a, number: 1, sources: [{device: v1}, {device: v1, side: own}]"), 3,
     "sessions[0].sources[1]", "device v1 is listed twice in this session"},
    {0,
     HEAD SESSION("name: a, number: 1, sources: [{device: v1}]")
	 SESSION("name: b, number: 2, sources: [{device: v2}, {device: v1, side: own}]"),
     4, "sessions[1].sources[1]", "device v1 has one side in the whole file, and it has another on line 3"},
    {0,
     HEAD SESSION("name: a, number: 1, sources: [{device: v1}]")
	 SESSION("name: b, number: 1, sources: [{device: v2}, {device: v1}]"),
     4, "sessions[1].number", "1 is also the number of session \"a\" (line 3), and \"b\" shares device v1 with it"},
    {0,
     HEAD SESSION("name: a, number: 1, direction: in, sources: [{device: v1}]")
	 SESSION("name: b, number: 1, direction: out, sources: [{device: v1}]"),
     4, "sessions[1].number", "1 is also the number of session \"a\""},
    {0,
     HEAD SESSION("name: a, number: 1, enabled: false, sources: [{device: v1}]")
	 SESSION("name: b, number: 1, sources: [{device: v1}]"),
     4, "sessions[1].number", "1 is also the number of session \"a\""},
};

static const struct unit_good good_rows[] = {
    /* the same number: on different devices, and where one is a copy session */
    {0, HEAD SESSION("name: a, number: 1, sources: [{device: v1}]")
	    SESSION("name: b, number: 1, sources: [{device: v2}]")},
    {0, HEAD SESSION("name: a, number: 1, sources: [{device: v1}]")
	    SESSION("name: b, number: 1, mode: copy, sources: [{device: v1}]")},
    {0, HEAD SESSION("name: a, mode: copy, sources: [{device: v1}]")
	    SESSION("name: b, mode: copy, sources: [{device: v1}]")},
    {0, HEAD SESSION("name: a, number: 1, sources: [{device: v1, side: own}]")
	    SESSION("name: b, number: 2, sources: [{device: v1, side: own}, {device: v2}]")},
};

static void test_bad(void **state)
{
	unit_all_refused(bad_rows, VTAP_ARRAY_SIZE(bad_rows));
}

static void test_good(void **state)
{
	unit_all_taken(good_rows, VTAP_ARRAY_SIZE(good_rows));
}

/* sessions of them on one device, of which the last is as it says. */
static char *many_sessions(unsigned sessions, const char *last)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fprintf(f, HEAD);
	for (unsigned i = 0; i < sessions; i++)
		fprintf(f, SESSION("name: s%u, number: %u, sources: [{device: v1}], %s"), i, i + 1,
			i + 1 == sessions ? last : "direction: both");
	assert_int_equal(fclose(f), 0);
	return text;
}

static void test_session_limit(void **state)
{
	static const struct {
		unsigned sessions;
		const char *last;
		const char *fragment; /* NULL = fits */
	} rows[] = {
	    {VTAP_INTERFACE_SESSIONS_MAX, "mode: exclusive", NULL},
	    {VTAP_INTERFACE_SESSIONS_MAX + 1, "mode: exclusive",
	     "is one session too many for device v1, direction in: at most 64 are possible"},
	    {VTAP_INTERFACE_SESSIONS_MAX + 1, "mode: copy", "is one session too many for device v1, direction in"},
	    {VTAP_INTERFACE_SESSIONS_MAX + 1, "direction: out", "is one session too many for device v1, direction out"},
	    {VTAP_INTERFACE_SESSIONS_MAX + 1, "enabled: false", NULL},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = many_sessions(rows[i].sessions, rows[i].last);

		if (rows[i].fragment)
			unit_refused(text, -E2BIG, 67, "sessions[64]", rows[i].fragment);
		else
			vtap_config_free(unit_parse(text));
	}
}

/* Two sessions on one device: the first with 60 rules, the second with as many as given. */
static char *many_rules(unsigned second, const char *devices, const char *extra)
{
	const unsigned counts[] = {60, second};
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fprintf(f, "targets: [{name: t, address: 10.0.0.1}]\nfilters:\n");
	for (unsigned i = 0; i < 2; i++) {
		fprintf(f, "- {name: f%u, rules: [", i);
		for (unsigned j = 0; j < counts[i]; j++)
			fprintf(f, "{direction: out, number: %u, action: accept},", j + 1);
		fprintf(f, "]}\n");
	}
	fprintf(f, "sessions:\n");
	fprintf(f, SESSION("name: a, number: 1, filter: f0, sources: [{device: v1}]"));
	fprintf(f, SESSION("name: b, number: 2, filter: f1, sources: [%s], %s"), devices, extra);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void test_rule_limit(void **state)
{
	static const struct {
		unsigned second;
		const char *devices, *extra;
		bool refused;
	} rows[] = {
	    {4, "{device: v1}", "mode: exclusive", false}, {5, "{device: v1}", "mode: exclusive", true},
	    {5, "{device: v1}", "mode: copy", true},       {5, "{device: v0}, {device: v1}", "mode: copy", true},
	    {5, "{device: v2}", "mode: copy", false},      {5, "{device: v1}", "direction: in", false},
	    {5, "{device: v1}", "enabled: false", false},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = many_rules(rows[i].second, rows[i].devices, rows[i].extra);

		if (rows[i].refused)
			unit_refused(text, -E2BIG, 7, "sessions[1]",
				     "brings the rules of device v1, direction out, to 65 over all sessions");
		else
			vtap_config_free(unit_parse(text));
	}
}

/* As many ports as the data plane can tell apart, spread over never_mirror and sessions; the last may be one too many. */
static void test_port_limit(void **state)
{
	for (unsigned most = 1; most <= VTAP_TUNNEL_PORTS_MAX + 1; most++) {
		for (unsigned total = VTAP_TUNNEL_PORTS_MAX; total <= VTAP_TUNNEL_PORTS_MAX + 1; total++) {
			unsigned guards = VTAP_MIN(most, total);
			_cleanup_free_ char *text = NULL;
			char field[64];
			size_t size;
			FILE *f = open_memstream(&text, &size);

			fprintf(f, "targets: [{name: t, address: 10.0.0.1}]\nnever_mirror:\n");
			for (unsigned i = 0; i < guards; i++)
				fprintf(f, "- {address: 10.0.0.2, port: %u}\n", 5000 + i);
			fprintf(f, "sessions:\n");
			fprintf(f, "- {name: same, number: 1, target: t, sources: [{device: v}], "
				   "encapsulation: {vni: 1, port: 5000}}\n");
			for (unsigned i = guards; i < total; i++)
				fprintf(f,
					"- {name: s%u, number: 1, target: t, sources: [{device: v%u}], "
					"encapsulation: {vni: 1, port: %u}}\n",
					i, i, 5000 + i);
			assert_int_equal(fclose(f), 0);
			if (guards == total)
				snprintf(field, sizeof(field), "never_mirror[%u].port", total - 1);
			else
				snprintf(field, sizeof(field), "sessions[%u].encapsulation.port", total - guards);
			if (total > VTAP_TUNNEL_PORTS_MAX)
				unit_refused(text, -E2BIG, guards == total ? 2 + total : 4 + total, field,
					     "5008 is one tunnel port too many");
			else
				vtap_config_free(unit_parse(text));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bad),        cmocka_unit_test(test_good),       cmocka_unit_test(test_session_limit),
	    cmocka_unit_test(test_rule_limit), cmocka_unit_test(test_port_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
