/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* Sampling and rate limits: decided before any copy is made. */

#include "maps.bpf.h"

/* 1 in N packets by chance, 1 in N flows by the symmetric hash. A super-packet is one throw of the dice. */
static __always_inline int vtap_limit_sampled_out(const struct vtap_delivery *d, __u32 hash)
{
	if (d->sample_packets > 1 && ((__u64)bpf_get_prandom_u32() * d->sample_packets) >> 32)
		return 1;
	return d->sample_flows > 1 && ((__u64)hash * d->sample_flows) >> 32;
}

/*
 * One bucket for packets and one for bits, shared by all CPUs, kept as the time up to which everything sent is paid for. A
 * copy passes while that time is not ahead of now, and may put it ahead: a super-packet larger than the burst passes, and
 * those behind it wait for its debt.
 */
static __always_inline int vtap_limit_exceeded(const struct vtap_delivery *d, __u32 slot, __u64 packets, __u64 bits)
{
	struct vtap_bucket *b = bpf_map_lookup_elem(&vtap_buckets, &slot);
	__u64 packets_ns = (packets * d->packet_interval_ns_q8) >> 8;
	__u64 bits_ns = (bits * d->bit_interval_ns_q16) >> 16;
	__u64 now_ns, oldest_ns;
	int exceeded;

	if (!b)
		return 0;
	now_ns = bpf_ktime_get_ns();
	oldest_ns = now_ns - d->burst_ns;
	bpf_spin_lock(&b->lock);
	exceeded = (packets_ns && b->packets_paid_ns > now_ns) || (bits_ns && b->bits_paid_ns > now_ns);
	if (!exceeded) {
		if (b->packets_paid_ns < oldest_ns)
			b->packets_paid_ns = oldest_ns;
		if (b->bits_paid_ns < oldest_ns)
			b->bits_paid_ns = oldest_ns;
		b->packets_paid_ns += packets_ns;
		b->bits_paid_ns += bits_ns;
	}
	bpf_spin_unlock(&b->lock);
	return exceeded;
}
