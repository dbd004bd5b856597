/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For tests of the API's resources: they are written as JSON with ' for ". */

#include "model/schema.h"

/* Any id of that kind. */
#define UNIT_ID(prefix) prefix "-0123456789abcdef0"
#define UNIT_ID2(prefix) prefix "-0123456789abcdef1"

struct unit_resource_bad {
	const char *kind;
	const char *current; /* what the resource was created from; NULL = a creation */
	const char *input;
	const char *field;
	const char *fragment; /* of the message */
};

struct unit_resource_good {
	const char *kind;
	const char *current; /* what the resource was created from; NULL = a creation */
	const char *input;
	const char *expected; /* members that the result has; NULL = what the input has */
};

/* Parses; the result is the caller's. */
json_t *unit_json(const char *text);
/* A stored resource: created from the input, with computed members; the result is the caller's. */
json_t *unit_stored(const char *kind, const char *input);
/* Normalises, without looking references up; the result is the caller's. current: NULL = a creation. */
json_t *unit_normalize(const char *kind, const json_t *current, const json_t *input);
/* The same must fail as told. */
void unit_resource_refused(const char *kind, const json_t *current, const json_t *input, int code, const char *field,
			   const char *fragment);
/* The members of expected are in the resource, with the same values. */
void unit_has(const json_t *resource, const char *expected);

void unit_resources_refused(const struct unit_resource_bad *rows, size_t count);
void unit_resources_taken(const struct unit_resource_good *rows, size_t count);

/* `character` so many times over; the result is the caller's. */
char *unit_repeat(const char *character, size_t times);
