/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* Counting, in wire packets: a super-packet counts as the packets that it will become. */

#include <linux/errno.h>

#include "maps.bpf.h"

static __always_inline struct vtap_counters *vtap_stats_of(__u32 slot, __u32 direction)
{
	__u32 key = slot * 2 + (direction & 1);

	return bpf_map_lookup_elem(&vtap_counters, &key);
}

static __always_inline void vtap_stats_add(struct vtap_counters *c, __u32 counter, __u64 n)
{
	/* Keeps the compiler from comparing a copy of it, which the verifier of Linux 6.1 does not connect with the index. */
	if (!__builtin_constant_p(counter))
		asm volatile("" : "+r"(counter));
	if (counter < VTAP_COUNTER_MAX)
		c->values[counter] += n;
}

/* Which counter a helper's error belongs under. */
static __always_inline __u32 vtap_stats_reason(long error)
{
	switch (error) {
	case -ENOMEM:
		return VTAP_LOST_NO_MEMORY;
	case -ENETDOWN:
		return VTAP_LOST_RECURSION;
	case -EOPNOTSUPP:
	case -EALREADY:
	case -524: /* ENOTSUPP, which user space has no name for */
		return VTAP_LOST_UNSUPPORTED;
	default:
		return VTAP_LOST_ERROR;
	}
}

/*
 * Books what became of a copy of `packets` wire packets that was finished as *f says and then handed to the uplink with
 * result r (bpf_clone_redirect: below 0 an error, above 0 a drop in the queue).
 */
static __always_inline void vtap_stats_sent(struct vtap_counters *c, long r, const struct vtap_finished *f,
					    __u64 packets)
{
	if (f->lost) {
		vtap_stats_add(c, f->lost, packets);
	} else if (r < 0) {
		/* -EINVAL: there is no such device any more. -ENETDOWN: it has no queue, and is down. */
		vtap_stats_add(c, r == -EINVAL || r == -ENETDOWN ? VTAP_LOST_UPLINK_DOWN : vtap_stats_reason(r),
			       packets);
	} else if (r > 0) {
		vtap_stats_add(c, VTAP_LOST_QUEUE, packets);
	} else {
		vtap_stats_add(c, VTAP_MIRRORED_PACKETS, packets);
		vtap_stats_add(c, VTAP_MIRRORED_BYTES, f->bytes);
		if (f->note)
			vtap_stats_add(c, f->note, packets);
	}
}
