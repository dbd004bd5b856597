/* SPDX-License-Identifier: Apache-2.0 */

/* What a request line means: decoding, patterns, the best of several routes. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/router.h"

static struct vtap_http_target parse(const char *text)
{
	struct vtap_http_target t = {};
	const char *reason = "";

	if (vtap_http_target_parse(text, &t, &reason) != 0)
		fail_msg("%s: %s", text, reason);
	return t;
}

static void test_decoding(void **state)
{
	static const struct {
		const char *text, *path, *last; /* segment */
		size_t segments;
	} cases[] = {
	    {"/", "/", "", 1},
	    {"/a", "/a", "a", 1},
	    {"/a/", "/a/", "", 2},
	    {"//a", "//a", "a", 2},
	    {"/%61%2Fb", "/a/b", "a/b", 1},
	    {"/a%2fb/c", "/a/b/c", "c", 2},
	    {"/%C3%a4", "/\xc3\xa4", "\xc3\xa4", 1},
	    {"/\xe2\x82\xac", "/\xe2\x82\xac", "\xe2\x82\xac", 1},
	    {"/%F0%9F%98%80", "/\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", 1},
	    {"/a+b", "/a+b", "a+b", 1},
	    {"/%2525", "/%25", "%25", 1},
	    {"/...", "/...", "...", 1},
	    {"/.a/..b", "/.a/..b", "..b", 2},
	    {"http://host:1/a?b=c", "/a", "a", 1},
	    {"HTTPS://host/", "/", "", 1},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		struct vtap_http_target t = parse(cases[i].text);

		assert_string_equal(t.path, cases[i].path);
		assert_int_equal(t.segment_count, cases[i].segments);
		assert_string_equal(t.segments[t.segment_count - 1], cases[i].last);
		vtap_http_target_done(&t);
	}
}

static void test_bad_targets_are_refused(void **state)
{
	static const char *const cases[] = {
	    "",
	    "a",
	    "*",
	    "?a=b",
	    "http://host",
	    "http:///../a",
	    "/%",
	    "/%4",
	    "/%4x",
	    "/%x4",
	    "/a%",
	    "/%00",
	    "/a%00b",
	    "/%0a",
	    "/%7f",
	    "/a b",
	    "/a\tb",
	    "/.",
	    "/..",
	    "/a/../b",
	    "/a/%2e%2E/b",
	    "/a/%2e",
	    "/a/.",
	    "/%c3",
	    "/%c3/",
	    "/%c3%28",
	    "/%a0",
	    "/%c0%af",
	    "/%e0%80%af",
	    "/%ed%a0%80",
	    "/%f4%90%80%80",
	    "/%ff",
	    "/a?b=%",
	    "/a?%=b",
	    "/a?b=%0",
	    "/a?b=%0d%0ac",
	    "/a?b=%00",
	    "/a?b=%ff",
	    "/a?b= c",
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		struct vtap_http_target t = {.segment_count = 4711};
		const char *reason = NULL;

		if (vtap_http_target_parse(cases[i], &t, &reason) != -EBADMSG || !reason)
			fail_msg("%s", cases[i]);
		assert_int_equal(t.segment_count, 4711);
	}
}

static void test_query(void **state)
{
	struct vtap_http_target t = parse("/a?name=b%20c&tag:role=web&x&=y&&z=1+2%2B3=4&e=");
	static const struct vtap_http_parameter wanted[] = {
	    {"name", "b c"}, {"tag:role", "web"}, {"x", ""}, {"", "y"}, {"z", "1 2+3=4"}, {"e", ""},
	};

	assert_int_equal(t.query_count, VTAP_ARRAY_SIZE(wanted));
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(wanted); i++) {
		assert_string_equal(t.query[i].name, wanted[i].name);
		assert_string_equal(t.query[i].value, wanted[i].value);
	}
	vtap_http_target_done(&t);
	t = parse("/?");
	assert_int_equal(t.query_count, 0);
	vtap_http_target_done(&t);
}

static void test_limits_of_targets(void **state)
{
	struct vtap_http_target t;
	const char *reason = NULL;
	char text[1024];

	for (size_t segments = VTAP_HTTP_SEGMENTS_MAX; segments <= VTAP_HTTP_SEGMENTS_MAX + 1; segments++) {
		memset(text, 0, sizeof(text));
		for (size_t i = 0; i < segments; i++)
			memcpy(text + 2 * i, "/a", 2);
		assert_int_equal(vtap_http_target_parse(text, &t, &reason),
				 segments > VTAP_HTTP_SEGMENTS_MAX ? -ENAMETOOLONG : 0);
	}
	vtap_http_target_done(&t);
	for (size_t parameters = VTAP_HTTP_QUERY_MAX; parameters <= VTAP_HTTP_QUERY_MAX + 1; parameters++) {
		memset(text, 0, sizeof(text));
		memcpy(text, "/?", 2);
		for (size_t i = 0; i < parameters; i++)
			memcpy(text + 2 + 2 * i, "a&", 2);
		assert_int_equal(vtap_http_target_parse(text, &t, &reason),
				 parameters > VTAP_HTTP_QUERY_MAX ? -EBADMSG : 0);
	}
	vtap_http_target_done(&t);
	assert_non_null(strstr(reason, "64"));
}

static void test_patterns(void **state)
{
	static const struct {
		const char *pattern;
		int r;
	} cases[] = {
	    {"/", 0},
	    {"/a/b", 0},
	    {"/a/", 0},
	    {"/{a}", 0},
	    {"/{a}/{b}/{c}/{d}", 0},
	    {"/{a}/{b}/{c}/{d...}", 0},
	    {"/a/{rest...}", 0},
	    {"/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g", 0},
	    {"/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g/h", -EINVAL},
	    {"/{a}/{b}/{c}/{d}/{e}", -EINVAL},
	    {"/{a}/{b}/{c}/{d}/{e...}", -EINVAL},
	    {"", -EINVAL},
	    {"a", -EINVAL},
	    {"/{}", -EINVAL},
	    {"/{...}", -EINVAL},
	    {"/{a...}/b", -EINVAL},
	    {"/{a...}/", -EINVAL},
	    {"/{a", -EINVAL},
	    {"/a}", -EINVAL},
	    {"/x{a}", -EINVAL},
	    {"/{a}x", -EINVAL},
	    {"/{a}{b}", -EINVAL},
	    {"/{{a}}", -EINVAL},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++)
		if (vtap_http_pattern_check(cases[i].pattern) != cases[i].r)
			fail_msg("%s", cases[i].pattern);
}

static const struct vtap_http_route routes[] = {
    {.method = "GET", .path = "/{file...}"},
    {.method = "GET", .path = "/v1/{kind}/{id}"},
    {.method = "GET", .path = "/v1/{kind}"},
    {.method = "DELETE", .path = "/v1/{kind}/{id}"},
    {.method = "GET", .path = "/v1/sessions/{id}"},
    {.method = "GET", .path = "/v1/sessions/all"},
    {.method = "PATCH", .path = "/v1/sessions/{id}"},
    {.method = "POST", .path = "/v1/login"},
    {.method = "GET", .path = "/v1/sessions/{id}/stats"},
    {.method = "GET", .path = "/files/{name}"},
    {.method = "GET", .path = "/files/{path...}"},
    {.method = "PUT", .path = "/files/deep/{path...}"},
};

static void check_route(const struct vtap_http_route *route, const char *path, const char *const *parameters,
			const char *const wanted[VTAP_HTTP_PARAMETERS_MAX])
{
	assert_string_equal(route->path, path);
	for (size_t i = 0; i < VTAP_HTTP_PARAMETERS_MAX; i++) {
		assert_int_equal(!parameters[i], !wanted[i]);
		if (wanted[i])
			assert_string_equal(parameters[i], wanted[i]);
	}
}

static void test_choice(void **state)
{
	static const struct {
		const char *method, *target;
		unsigned status;
		const char *path, *first, *second; /* of the route, its parameters */
		const char *allow;
	} cases[] = {
	    {"GET", "/", 0, "/{file...}", "", NULL, NULL},
	    {"HEAD", "/", 0, "/{file...}", "", NULL, NULL},
	    {"GET", "/a/b.js", 0, "/{file...}", "a/b.js", NULL, NULL},
	    {"GET", "/a/%62.js", 0, "/{file...}", "a/b.js", NULL, NULL},
	    {"GET", "/v1/sessions", 0, "/v1/{kind}", "sessions", NULL, NULL},
	    {"GET", "/v1/sessions/all", 0, "/v1/sessions/all", NULL, NULL, NULL},
	    {"GET", "/v1/sessions/al%6C", 0, "/v1/sessions/all", NULL, NULL, NULL},
	    {"GET", "/v1/sessions/a%2Fb", 0, "/v1/sessions/{id}", "a/b", NULL, NULL},
	    {"GET", "/v1/targets/x", 0, "/v1/{kind}/{id}", "targets", "x", NULL},
	    {"DELETE", "/v1/sessions/x", 0, "/v1/{kind}/{id}", "sessions", "x", NULL},
	    {"GET", "/v1/sessions/x/stats", 0, "/v1/sessions/{id}/stats", "x", NULL, NULL},
	    {"GET", "/files/a", 0, "/files/{name}", "a", NULL, NULL},
	    {"GET", "/files/a/b", 0, "/files/{path...}", "a/b", NULL, NULL},
	    {"GET", "/files/", 0, "/files/{path...}", "", NULL, NULL},
	    {"GET", "/files/deep/a", 0, "/files/{path...}", "deep/a", NULL, NULL},
	    {"PUT", "/files/deep/a", 0, "/files/deep/{path...}", "a", NULL, NULL},
	    /* An empty segment is no id, and no part of a rest; nor is what hides a slash. */
	    {"GET", "/v1//stats/x", 404, NULL, NULL, NULL, ""},
	    {"GET", "/a//b", 404, NULL, NULL, NULL, ""},
	    {"GET", "/a/", 404, NULL, NULL, NULL, ""},
	    {"GET", "/a%2Fb", 404, NULL, NULL, NULL, ""},
	    {"GET", "/a/..%2Fb", 404, NULL, NULL, NULL, ""},
	    {"GET", "/v1/login", 0, "/v1/{kind}", "login", NULL, NULL},
	    {"PUT", "/v1/login", 405, NULL, NULL, NULL, "GET, HEAD, POST"},
	    {"POST", "/v1/sessions/x/stats", 405, NULL, NULL, NULL, "GET, HEAD"},
	    {"PUT", "/v1/sessions/all", 405, NULL, NULL, NULL, "GET, HEAD, DELETE, PATCH"},
	    {"POST", "/a", 405, NULL, NULL, NULL, "GET, HEAD"},
	    {"get", "/a", 405, NULL, NULL, NULL, "GET, HEAD"},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		struct vtap_http_target t = parse(cases[i].target);
		const struct vtap_http_route *route = NULL;
		const char *parameters[VTAP_HTTP_PARAMETERS_MAX] = {};
		char allow[VTAP_HTTP_ALLOW_BYTES];
		unsigned status;

		status = vtap_http_route_find(routes, VTAP_ARRAY_SIZE(routes), cases[i].method, &t, &route, parameters,
					      allow);
		if (status != cases[i].status)
			fail_msg("%s %s: %u", cases[i].method, cases[i].target, status);
		if (status != 0)
			assert_string_equal(allow, cases[i].allow);
		else
			check_route(route, cases[i].path, parameters,
				    (const char *const[]){cases[i].first, cases[i].second, NULL, NULL});
		vtap_http_target_done(&t);
	}
}

/* A path that knows POST alone does not become a file because files are read with GET. */
static void test_rest_does_not_hide_methods(void **state)
{
	static const struct vtap_http_route two[] = {
	    {.method = "GET", .path = "/{file...}"},
	    {.method = "POST", .path = "/login"},
	};
	struct vtap_http_target t = parse("/login");
	const struct vtap_http_route *route = NULL;
	const char *parameters[VTAP_HTTP_PARAMETERS_MAX];
	char allow[VTAP_HTTP_ALLOW_BYTES];

	assert_int_equal(vtap_http_route_find(two, 2, "GET", &t, &route, parameters, allow), 405);
	assert_string_equal(allow, "POST");
	vtap_http_target_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_decoding),
	    cmocka_unit_test(test_bad_targets_are_refused),
	    cmocka_unit_test(test_query),
	    cmocka_unit_test(test_limits_of_targets),
	    cmocka_unit_test(test_patterns),
	    cmocka_unit_test(test_choice),
	    cmocka_unit_test(test_rest_does_not_hide_methods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
