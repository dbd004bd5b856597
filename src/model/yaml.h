/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * YAML text -> jansson values, so that files and API bodies share one validator; and back. The only user of libyaml.
 *
 * Taken: one document of mappings, lists and scalars, at most VTAP_YAML_DEPTH_MAX deep and VTAP_YAML_NODES_MAX nodes large.
 * Plain `true` and `false` become booleans; plain decimal (no leading zeros) and 0x numbers become integers if they fit into
 * 63 bits; plain `null`, `~` and nothing become null; every other scalar is text. Refused, each with a sentence of its own:
 * anchors, aliases, tags, keys that are no scalars, the same key twice, NUL inside text.
 */

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "basic/error.h"

#define VTAP_YAML_DEPTH_MAX 16
#define VTAP_YAML_NODES_MAX (1U << 19)

/*
 * Beside the values stands a tree of the same shape with their lines: an integer for a scalar; for a list an array whose
 * first element is the list's own line, before those of its elements; for a mapping an object whose empty key holds its own
 * line. What belongs to a key has the line of the key.
 */
struct vtap_yaml {
	json_t *values; /* owned */
	json_t *lines; /* owned */
};

/* An empty document is null. -EINVAL with *reterr filled, -E2BIG for depth and size, -ENOMEM; *ret untouched then. */
int vtap_yaml_parse(const char *text, size_t size_bytes, struct vtap_yaml *ret, struct vtap_error *reterr);
void vtap_yaml_done(struct vtap_yaml *y);

/* Steps down the tree of lines; NULL in or no such child: NULL. */
const json_t *vtap_yaml_lines_member(const json_t *lines, const char *key);
const json_t *vtap_yaml_lines_element(const json_t *lines, size_t index);
/* The line of a node; 0 for NULL. */
unsigned vtap_yaml_line(const json_t *lines);

/*
 * Writes one document in block style, members in their order; vtap_yaml_parse() reads the same values back. Text that a reader
 * could take for something else (numbers, times, yes and no, also by older rules than ours) is quoted. Reals are written with 15
 * digits; our own reader makes text of them. -EIO, -ENOMEM.
 */
int vtap_yaml_write(const json_t *value, FILE *out);
