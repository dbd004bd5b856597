/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Pieces of rule sets by the SHA-256 of their text, as a plan lists them: in memory, and below the state directory. A chunk never
 * changes, so one that is here need not be fetched.
 */

#include <jansson.h>
#include <stdbool.h>

#include "basic/util.h"

#define VTAP_CHUNK_MAX_BYTES (256U << 10)

struct vtap_chunks;

/* -EIO and the like: the directory STATE_DIR/chunks cannot be made. */
int vtap_chunks_new(const char *state_dir, struct vtap_chunks **ret_chunks);
struct vtap_chunks *vtap_chunks_free(struct vtap_chunks *c);
VTAP_DEFINE_CLEANUP(struct vtap_chunks *, vtap_chunks_free);

/* Keeps a chunk that was fetched. -EBADMSG: the text has another hash; -E2BIG. */
int vtap_chunks_put(struct vtap_chunks *c, const char *hash, const char *text, size_t size_bytes);
/* Whether it is in memory or, whole, in the directory. */
bool vtap_chunks_has(struct vtap_chunks *c, const char *hash);
/* Its rules, made anew from the text: the caller's. NULL: it is not here, or no list. */
json_t *vtap_chunks_rules(struct vtap_chunks *c, const char *hash);
/* Drops all chunks, here and in the directory, for which wanted() is false. */
void vtap_chunks_collect(struct vtap_chunks *c, bool (*wanted)(const char *hash, void *userdata), void *userdata);
