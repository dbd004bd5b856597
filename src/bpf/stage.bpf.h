/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * A copy's papers on its way through the segmenting stage: the mark alone, because a bridge writes over cb[]. From high to low
 * bits: a sign, the hash, the direction, the slot.
 */

#include <linux/bpf.h>

#include "mirror_abi.h"

#define VTAP_STAGE_SLOT_BITS 10
#define VTAP_STAGE_HASH_BITS 14
#define VTAP_STAGE_HASH_SHIFT (VTAP_STAGE_SLOT_BITS + 1)
#define VTAP_STAGE_SIGN_SHIFT (VTAP_STAGE_HASH_SHIFT + VTAP_STAGE_HASH_BITS)
#define VTAP_STAGE_SIGN (VTAP_MARK >> VTAP_STAGE_SIGN_SHIFT)
_Static_assert(VTAP_ABI_SESSIONS <= 1 << VTAP_STAGE_SLOT_BITS, "a slot fits the mark of a staged copy");

/* Whose copy a clone is. */
struct vtap_copy {
	__u32 slot;
	__u32 direction;
	__u32 hash;
	__u32 checksum; /* on the fast way: vtap_checksum_place() of what is still to be finished, or 0 */
};

static __always_inline __u32 vtap_stage_mark(__u32 slot, __u32 direction, __u32 hash)
{
	return VTAP_STAGE_SIGN << VTAP_STAGE_SIGN_SHIFT |
	       (hash & ((1 << VTAP_STAGE_HASH_BITS) - 1)) << VTAP_STAGE_HASH_SHIFT | direction << VTAP_STAGE_SLOT_BITS |
	       slot;
}

/* Reads the papers; returns 0 for a frame without any: what the kernel itself sends out of every bridge. */
static __always_inline int vtap_stage_papers(__u32 mark, struct vtap_copy *ret_copy)
{
	if (mark >> VTAP_STAGE_SIGN_SHIFT != VTAP_STAGE_SIGN)
		return 0;
	ret_copy->slot = mark & ((1 << VTAP_STAGE_SLOT_BITS) - 1);
	ret_copy->direction = mark >> VTAP_STAGE_SLOT_BITS & 1;
	ret_copy->hash = mark >> VTAP_STAGE_HASH_SHIFT & ((1 << VTAP_STAGE_HASH_BITS) - 1);
	ret_copy->checksum = 0;
	return 1;
}
