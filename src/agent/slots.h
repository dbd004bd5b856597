/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Session slots of the data plane: a name keeps its slot, and with it its counters, over reloads and restarts. Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "bpf/mirror_abi.h"

struct vtap_slots {
	struct vtap_slot_name names[VTAP_ABI_SESSIONS];
	bool retired[VTAP_ABI_SESSIONS]; /* free, but a packet on its way may still carry it */
};

/*
 * The slot of that name, given out if it has none. *ret_fresh: it is new, its counters must be cleared. -EAGAIN: only retired
 * ones are left, call again after vtap_slots_reclaim(). -ENOSPC: all are in use.
 */
int vtap_slots_take(struct vtap_slots *s, const char *name, uint16_t *ret_slot, bool *ret_fresh);
void vtap_slots_retire(struct vtap_slots *s, uint16_t slot);
void vtap_slots_reclaim(struct vtap_slots *s);
/* -ENOENT */
int vtap_slots_find(const struct vtap_slots *s, const char *name, uint16_t *ret_slot);
