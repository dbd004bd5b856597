/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a request line asks for, and the route that answers it. Pure: text in, data out. */

#include "http/http.h"

struct vtap_http_parameter {
	const char *name, *value;
};

/* Everything decoded. The texts lie in `storage`. */
struct vtap_http_target {
	const char *path;
	size_t segment_count; /* at least 1: "/" is one empty segment */
	const char *segments[VTAP_HTTP_SEGMENTS_MAX];
	size_t offsets[VTAP_HTTP_SEGMENTS_MAX]; /* of the segments in the path */
	size_t query_count;
	struct vtap_http_parameter query[VTAP_HTTP_QUERY_MAX];
	char *storage; /* owned */
};

#define VTAP_HTTP_ALLOW_BYTES 128

/*
 * "/path?query", or the same behind "http://host". -EBADMSG: it is refused, and *ret_reason is the sentence; -ENAMETOOLONG: more
 * segments than any route has; -ENOMEM. vtap_http_target_done() is needed after 0 only.
 */
int vtap_http_target_parse(const char *text, struct vtap_http_target *ret_target, const char **ret_reason);
void vtap_http_target_done(struct vtap_http_target *t);

/* -EINVAL: no pattern as vtap_http_route describes it. */
int vtap_http_pattern_check(const char *pattern);

/*
 * Returns 0 with the route that fits best and its parameters (those that it does not have are NULL), borrowed from the target;
 * or 404; or 405 with the methods that the path has in ret_allow.
 */
unsigned vtap_http_route_find(const struct vtap_http_route *routes, size_t route_count, const char *method,
			      const struct vtap_http_target *target, const struct vtap_http_route **ret_route,
			      const char *ret_parameters[VTAP_HTTP_PARAMETERS_MAX],
			      char ret_allow[VTAP_HTTP_ALLOW_BYTES]);
