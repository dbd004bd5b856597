/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any text as a request's target, and then as a pattern: what is taken keeps the promises of http/router.h. An input is the
 * target, a newline, and a pattern.
 */

#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "http/router.h"

static void check_text(const char *text)
{
	for (const char *c = text; *c; c++)
		FUZZ_CHECK((unsigned char)*c >= 0x20 && *c != 0x7f);
}

static void check_target(const struct vtap_http_target *t)
{
	size_t length = 0;

	FUZZ_CHECK(t->segment_count >= 1 && t->segment_count <= VTAP_HTTP_SEGMENTS_MAX);
	FUZZ_CHECK(t->query_count <= VTAP_HTTP_QUERY_MAX);
	for (size_t i = 0; i < t->segment_count; i++) {
		const char *segment = t->segments[i];

		check_text(segment);
		FUZZ_CHECK(strcmp(segment, ".") != 0 && strcmp(segment, "..") != 0);
		FUZZ_CHECK(t->path[length] == '/' && t->offsets[i] == length + 1);
		FUZZ_CHECK(strncmp(t->path + t->offsets[i], segment, strlen(segment)) == 0);
		length += 1 + strlen(segment);
	}
	FUZZ_CHECK(strlen(t->path) == length);
	for (size_t i = 0; i < t->query_count; i++) {
		check_text(t->query[i].name);
		check_text(t->query[i].value);
	}
}

/* Whoever makes a file's name of a rest stays where he is. */
static void check_rest(const char *rest)
{
	FUZZ_CHECK(rest[0] != '/' && !strstr(rest, "//"));
	while (rest) {
		const char *slash = strchr(rest, '/');
		size_t length = slash ? (size_t)(slash - rest) : strlen(rest);

		FUZZ_CHECK(length != 1 || rest[0] != '.');
		FUZZ_CHECK(length != 2 || memcmp(rest, "..", 2) != 0);
		rest = slash ? slash + 1 : NULL;
	}
}

static void find(const struct vtap_http_target *t, const char *pattern)
{
	const struct vtap_http_route routes[] = {
	    {.method = "GET", .path = "/{rest...}"},
	    {.method = "GET", .path = "/v1/{kind}/{id}"},
	    {.method = "GET", .path = pattern},
	    {.method = "POST", .path = "/v1/{kind}"},
	};
	const struct vtap_http_route *route = NULL;
	const char *parameters[VTAP_HTTP_PARAMETERS_MAX];
	char allow[VTAP_HTTP_ALLOW_BYTES];
	unsigned status;

	status = vtap_http_route_find(routes, VTAP_ARRAY_SIZE(routes), "GET", t, &route, parameters, allow);
	FUZZ_CHECK(status == 0 || status == 404 || status == 405);
	FUZZ_CHECK((status == 405) == (status != 0 && allow[0]));
	if (status != 0)
		return;
	FUZZ_CHECK(strcmp(route->method, "GET") == 0);
	if (route == &routes[0])
		check_rest(parameters[0]);
	if (route == &routes[1])
		FUZZ_CHECK(parameters[0][0] && parameters[1][0] && !parameters[2]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	_cleanup_free_ char *target = strndup((const char *)data, size_bytes);
	struct vtap_http_target t = {};
	const char *reason = NULL;
	char *pattern;
	int r;

	FUZZ_CHECK(target);
	pattern = strchr(target, '\n');
	if (pattern)
		*pattern++ = 0;
	r = vtap_http_target_parse(target, &t, &reason);
	FUZZ_CHECK(r == 0 || r == -EBADMSG || r == -ENAMETOOLONG);
	FUZZ_CHECK((r == -EBADMSG) == (reason != NULL));
	if (r < 0)
		return 0;
	check_target(&t);
	find(&t, pattern && vtap_http_pattern_check(pattern) == 0 ? pattern : "/a");
	vtap_http_target_done(&t);
	return 0;
}
