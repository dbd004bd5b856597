/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A pool of immutable values in an array map, shared by content: who needs a value takes a reference, who no longer does
 * puts it back. An entry without references is retired, and free only after a grace period, because a program may still
 * read it. Pure: the caller writes the map and waits for the grace period. Entry 0 is never given out.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "basic/util.h"

struct vtap_pool;

int vtap_pool_new(uint32_t entries, size_t value_bytes, struct vtap_pool **ret_pool);
struct vtap_pool *vtap_pool_free(struct vtap_pool *p);
VTAP_DEFINE_CLEANUP(struct vtap_pool *, vtap_pool_free);

/*
 * Takes a reference on the entry that holds value. *ret_fresh says that the caller must write it to the map before it lets
 * anything point there. -EAGAIN: all free entries are retired, call again after vtap_pool_reclaim(). -ENOSPC: all in use.
 */
int vtap_pool_take(struct vtap_pool *p, const void *value, uint32_t *ret_index, bool *ret_fresh);

/* Gives a reference back; index 0 is ignored. */
void vtap_pool_put(struct vtap_pool *p, uint32_t index);

/* Everything retired before the last grace period is free again. */
void vtap_pool_reclaim(struct vtap_pool *p);

/* Takes a reference on an entry that an earlier process filled with value. -EBUSY: it is known with another value. */
int vtap_pool_adopt(struct vtap_pool *p, uint32_t index, const void *value);

uint32_t vtap_pool_used(const struct vtap_pool *p);
