/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/* Which sessions take a packet: one walk over the rules of all of them. User space builds it as well. */

#include <linux/types.h>

#ifdef __bpf__
#include <bpf/bpf_helpers.h>
#endif

#include "mirror_abi.h"

/*
 * Four words at once, without a branch for each: anything that differs inside a mask leaves a bit behind.
 */
static __always_inline __u64 vtap_classify_addresses(const struct vtap_plan_rule *r, const struct vtap_packet *p)
{
	return ((p->src[0] ^ r->src[0]) & r->src_mask[0]) | ((p->src[1] ^ r->src[1]) & r->src_mask[1]) |
	       ((p->dst[0] ^ r->dst[0]) & r->dst_mask[0]) | ((p->dst[1] ^ r->dst[1]) & r->dst_mask[1]);
}

static __always_inline int vtap_classify_rule(const struct vtap_plan_rule *r, const struct vtap_packet *p)
{
	__u32 needs = r->needs;

	if (r->families && !(r->families & p->flags))
		return 0;
	if (vtap_classify_addresses(r, p))
		return 0;
	if (!needs)
		return 1;
	if ((needs & VTAP_RULE_NEEDS_PROTOCOL) && r->protocol != p->protocol)
		return 0;
	if (needs & VTAP_RULE_NEEDS_PORTS) {
		if (!(p->flags & VTAP_PACKET_PORTS) || p->sport < r->sport_first || p->sport > r->sport_last ||
		    p->dport < r->dport_first || p->dport > r->dport_last)
			return 0;
	}
	if ((needs & VTAP_RULE_NEEDS_ICMP_TYPE) && (!(p->flags & VTAP_PACKET_ICMP) || r->icmp_type != p->icmp_type))
		return 0;
	if ((needs & VTAP_RULE_NEEDS_ICMP_CODE) && (!(p->flags & VTAP_PACKET_ICMP) || r->icmp_code != p->icmp_code))
		return 0;
	if ((needs & VTAP_RULE_NEEDS_VLAN) && r->vlan != p->vlan)
		return 0;
	if ((needs & VTAP_RULE_NEEDS_ETHERTYPE) && r->ethertype != p->ethertype)
		return 0;
	return 1;
}

/*
 * From who accepted and who rejected to who gets a copy: of the exclusive sessions only the first that accepted, and none if
 * a session whose reject is final came before it. x & -x is the lowest bit of x.
 */
static __always_inline __u64 vtap_classify_resolve(const struct vtap_plan *plan, __u64 accepted, __u64 rejected)
{
	__u64 candidates = accepted & plan->exclusive;
	__u64 first = candidates & -candidates;
	__u64 stops = rejected & plan->stop;

	stops &= -stops;
	if (stops && stops < first)
		first = 0;
	return (accepted & ~plan->exclusive) | first;
}

#ifdef __bpf__
#define VTAP_CLASSIFY_LINKAGE __noinline
#else
#define VTAP_CLASSIFY_LINKAGE static
#endif

/*
 * Bit i of the result: the plan's session i takes the packet. The first rule of a session that fits decides for it. Not
 * static, so that the verifier looks at it once, on its own, and not again for each state in which the parser may end; it
 * wants pointers into functions of that kind checked.
 */
VTAP_CLASSIFY_LINKAGE __u64 vtap_classify(const struct vtap_plan *plan, const struct vtap_packet *p)
{
	__u64 accepted, rejected = 0;
	__u32 count;

	if (!plan || !p)
		return 0;
	accepted = plan->all;
	count = plan->rule_count;
	for (__u32 i = 0; i < VTAP_ABI_PLAN_RULES && i < count; i++) {
		const struct vtap_plan_rule *r = &plan->rules[i];
		__u64 bit;

		if (!vtap_classify_rule(r, p))
			continue;
		bit = 1ULL << (r->session & 63);
		if ((accepted | rejected) & bit)
			continue;
		if (r->accept)
			accepted |= bit;
		else
			rejected |= bit;
	}
	return vtap_classify_resolve(plan, accepted, rejected);
}
