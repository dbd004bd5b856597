/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What rules.c (chunks in memory), rules_cache.c (which are parsed) and rules_edit.c (changes of them) share. */

#include "controller/controller.h"
#include "controller/rules.h"
#include "controller/table.h"

#define VTAP_RULES_PARSED_MAX 8192U /* about 20 MB; more inside one turn of the loop */

struct vtap_rules_chunk {
	char hash[VTAP_HASH_STRLEN];
	char filter[VTAP_ID_STRLEN], project[VTAP_ID_STRLEN]; /* empty = no filter was found that lists it */
	char *text, *notes_text; /* owned; notes_text may be NULL: they are lost */
	size_t text_bytes, notes_bytes;
	size_t counts[VTAP_DIRECTION_MAX];
	uint64_t last_place; /* of its rules: direction and number */
	struct vtap_rules_cache *cache; /* borrowed */
	json_t *rules, *notes; /* owned; arrays of the same length; NULL = not parsed: vtap_rules_chunk_open() */
	struct vtap_rules_chunk *newer, *older; /* borrowed; of those that are parsed */
};

struct vtap_rules {
	struct vtap_controller *controller; /* borrowed */
	struct vtap_table *by_hash; /* struct vtap_rules_chunk, owned */
	struct vtap_table *by_rule; /* id of a rule: the chunk that it is in, borrowed */
	struct vtap_table *by_project; /* how many rules it has, a size_t, owned; none has no entry */
	struct vtap_rules_cache *cache; /* owned */
};

int vtap_rules_cache_new(sd_event *event, struct vtap_rules_cache **ret_cache);
struct vtap_rules_cache *vtap_rules_cache_free(struct vtap_rules_cache *cache);
VTAP_DEFINE_CLEANUP(struct vtap_rules_cache *, vtap_rules_cache_free);
/* How many rules are parsed. */
size_t vtap_rules_cache_count(const struct vtap_rules_cache *cache);
/* Has the chunk parsed: its rules and notes may be borrowed until the loop's next turn. -EUCLEAN: its text cannot be. */
int vtap_rules_chunk_open(struct vtap_rules_chunk *chunk);
/* The same of what is parsed already; takes both. */
void vtap_rules_chunk_keep(struct vtap_rules_chunk *chunk, json_t *rules, json_t *notes);
/* Forgets what is parsed, if it is. */
void vtap_rules_chunk_close(struct vtap_rules_chunk *chunk);

/* Takes rules and notes, also on failure. */
int vtap_rules_chunk_new(struct vtap_rules *r, const struct vtap_object *filter, json_t *rules, json_t *notes,
			 struct vtap_rules_chunk **ret_chunk);
struct vtap_rules_chunk *vtap_rules_chunk_free(struct vtap_rules_chunk *chunk);
VTAP_DEFINE_CLEANUP(struct vtap_rules_chunk *, vtap_rules_chunk_free);
/* Makes it be found and counted, or not any more; it stays the caller's. */
int vtap_rules_chunk_link(struct vtap_rules *r, struct vtap_rules_chunk *chunk);
void vtap_rules_chunk_unlink(struct vtap_rules *r, struct vtap_rules_chunk *chunk);
/* NULL: the index is behind the filter's last chunk. */
struct vtap_rules_chunk *vtap_rules_chunk_of(const struct vtap_rules *r, const struct vtap_object *filter,
					     size_t index);

/* A rule's resource as it is kept: what its chunk has of it, and the notes. rules_parts.c */
struct vtap_rules_parts {
	char id[VTAP_ID_STRLEN]; /* drawn, if the resource has none */
	json_t *rule, *note; /* owned */
	const json_t *old_rule; /* borrowed; NULL = a new one */
};
void vtap_rules_parts_done(struct vtap_rules_parts *p);
/* Into a zeroed struct, which vtap_rules_parts_done() empties also after a failure. */
int vtap_rules_parts_make(struct vtap_change *c, const json_t *resource, struct vtap_rules_parts *p);
