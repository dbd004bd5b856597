/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The rules of filters: too many for an object each in the store. A filter's rules, sorted by direction and number, are cut into
 * chunks of at most VTAP_RULES_CHUNK_MAX; a chunk is immutable, stored under its content hash ("chunk/HASH"), and the filter's
 * computed member `chunks` lists the hashes: one pointer write publishes a new set, and an edit of one rule makes one new chunk.
 * Agents fetch the chunks that they do not have. Chunks that no filter lists are deleted. What agents need not know of rules
 * (name, description, tags, times, version) is stored beside, under "notes/HASH", and may change while the chunk stays.
 * Memory has the texts; what is parsed of them, and borrowed from here, is there until the loop's next turn.
 */

#include "controller/change.h"

#define VTAP_RULES_CHUNK_MAX 128
#define VTAP_RULES_CHUNK_MAX_BYTES                                                                                     \
	(96U << 10) /* of the rules' text, and of the notes': fewer rules if they are larger */
#define VTAP_RULES_CHUNKS_MAX 1024 /* of one filter */

struct vtap_rules;

/*
 * The chunk's rules, a JSON array of normalised rules: the id, and the kind's own members but `filter`; null ones are left
 * out. NULL: unknown.
 */
const json_t *vtap_rules_chunk(const struct vtap_rules *r, const char *hash);
/* The same as the JSON text that its hash was taken of. */
const char *vtap_rules_chunk_text(const struct vtap_rules *r, const char *hash, size_t *ret_bytes);
/* Where a rule is: its filter, and the rule itself (borrowed); NULL. */
const json_t *vtap_rules_find(const struct vtap_rules *r, const char *rule_id, struct vtap_object **ret_filter);
/* Direction and number as one number that sorts like them. */
uint64_t vtap_rules_place(const json_t *rule);
/* Visits the rules of a filter from that place on: direction in before out, by number; until one returns other than 0. */
int vtap_rules_each(const struct vtap_rules *r, const struct vtap_object *filter, uint64_t from_place,
		    int (*visit)(const json_t *rule, void *userdata), void *userdata);
/* How many rules the filter has for one direction. */
size_t vtap_rules_count(const struct vtap_rules *r, const struct vtap_object *filter, enum vtap_direction direction);
/* How many all filters of a project have together; constant time. */
size_t vtap_rules_total(const struct vtap_rules *r, const char *project);
/* The whole resource of a rule, with all members; the caller's. -ENOENT. */
int vtap_rules_resource(const struct vtap_rules *r, const char *rule_id, json_t **ret_resource);
/* The filter's rule of that direction and number (borrowed), or NULL. */
const json_t *vtap_rules_at(const struct vtap_rules *r, const struct vtap_object *filter, enum vtap_direction direction,
			    uint32_t number);

/*
 * Edits, as parts of a change. `rule` is the rule's whole resource as vtap_resource_normalize() returns it, with an id if it
 * exists already; borrowed. Its direction and number are free, or its own: the caller has looked. The filter gets a new version.
 * -E2BIG: the filter's rules, with their descriptions and tags, do not fit into VTAP_RULES_CHUNKS_MAX chunks.
 */
int vtap_rules_put(struct vtap_change *c, struct vtap_object *filter, const json_t *rule, char ret_id[VTAP_ID_STRLEN]);
int vtap_rules_delete(struct vtap_change *c, const char *rule_id);
/* All of them, sorted by direction and number; those with an id keep it, and what is the same stays as it is. */
int vtap_rules_replace(struct vtap_change *c, struct vtap_object *filter, const json_t *rules);
/* Takes the rules of a filter away that is being deleted. */
int vtap_rules_drop(struct vtap_change *c, const struct vtap_object *filter);

int vtap_rules_new(struct vtap_controller *c, struct vtap_rules **ret_rules);
struct vtap_rules *vtap_rules_free(struct vtap_rules *r);
VTAP_DEFINE_CLEANUP(struct vtap_rules *, vtap_rules_free);
/* From c->store; deletes chunks that no filter of c->objects lists. -EUCLEAN: one is missing; logged. */
int vtap_rules_load(struct vtap_controller *c);
