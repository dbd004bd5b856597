/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The rules of filters: too many for an object each in the store. A filter's rules, sorted by direction and number, are cut into
 * chunks of at most VTAP_RULES_CHUNK_MAX; a chunk is immutable, stored under its content hash ("chunk/HASH"), and the filter's
 * computed member `chunks` lists the hashes: one pointer write publishes a new set, and an edit of one rule makes one new chunk.
 * Agents fetch the chunks that they do not have. Chunks that no filter lists are deleted.
 */

#include "controller/change.h"

#define VTAP_RULES_CHUNK_MAX 128

struct vtap_rules;

/* The chunk's rules, a JSON array of normalised rules without their common members but the id; NULL: unknown. */
const json_t *vtap_rules_chunk(const struct vtap_rules *r, const char *hash);
/* The same as the JSON text that its hash was taken of. */
const char *vtap_rules_chunk_text(const struct vtap_rules *r, const char *hash, size_t *ret_bytes);
/* Where a rule is: its filter, and the rule itself (borrowed); NULL. */
const json_t *vtap_rules_find(const struct vtap_rules *r, const char *rule_id, struct vtap_object **ret_filter);
/* Visits the rules of a filter: direction in before out, by number. */
int vtap_rules_each(const struct vtap_rules *r, const struct vtap_object *filter,
		    int (*visit)(const json_t *rule, void *userdata), void *userdata);
