/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What rules.c (chunks in memory) and rules_edit.c (changes of them) share. */

#include "controller/controller.h"
#include "controller/rules.h"
#include "controller/table.h"

struct vtap_rules_chunk {
	char hash[VTAP_HASH_STRLEN];
	char filter[VTAP_ID_STRLEN];
	json_t *rules, *notes; /* owned; arrays of the same length */
	char *text; /* owned; of rules */
	size_t text_bytes;
	size_t counts[VTAP_DIRECTION_MAX];
};

struct vtap_rules {
	struct vtap_controller *controller; /* borrowed */
	struct vtap_table *by_hash; /* struct vtap_rules_chunk, owned */
	struct vtap_table *by_rule; /* id of a rule: the chunk that it is in, borrowed */
};

/* Takes rules and notes, also on failure. */
int vtap_rules_chunk_new(const char *filter, json_t *rules, json_t *notes, struct vtap_rules_chunk **ret_chunk);
struct vtap_rules_chunk *vtap_rules_chunk_free(struct vtap_rules_chunk *chunk);
VTAP_DEFINE_CLEANUP(struct vtap_rules_chunk *, vtap_rules_chunk_free);
/* Makes it be found, or not any more; it stays the caller's. */
int vtap_rules_chunk_link(struct vtap_rules *r, struct vtap_rules_chunk *chunk);
void vtap_rules_chunk_unlink(struct vtap_rules *r, struct vtap_rules_chunk *chunk);
/* NULL: the index is behind the filter's last chunk. */
struct vtap_rules_chunk *vtap_rules_chunk_of(const struct vtap_rules *r, const struct vtap_object *filter,
					     size_t index);
/* Direction and number as one number that sorts like them. */
uint64_t vtap_rules_place(const json_t *rule);

/* A rule's resource as it is kept: what its chunk has of it, and the notes. rules_parts.c */
struct vtap_rules_parts {
	char id[VTAP_ID_STRLEN]; /* drawn, if the resource has none */
	json_t *rule, *note; /* owned */
	const json_t *old_rule; /* borrowed; NULL = a new one */
};
void vtap_rules_parts_done(struct vtap_rules_parts *p);
/* Into a zeroed struct, which vtap_rules_parts_done() empties also after a failure. */
int vtap_rules_parts_make(struct vtap_change *c, const json_t *resource, struct vtap_rules_parts *p);
