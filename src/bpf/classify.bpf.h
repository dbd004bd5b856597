/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/* Which sessions take a packet: one walk over the rules of all of them. User space builds it as well, and supplies bpf_loop(). */

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

/* The state of one walk. */
struct vtap_walk {
	const struct vtap_plan *plan;
	const struct vtap_packet *packet;
	__u64 accepted, rejected; /* bit = session index of the plan */
};

/* Rule i, for bpf_loop(): the first rule of a session that fits decides for it. */
static long vtap_classify_step(__u32 i, void *context)
{
	struct vtap_walk *w = context;
	const struct vtap_plan_rule *r;
	__u64 bit;

	if (i >= VTAP_ABI_PLAN_RULES)
		return 1;
	r = &w->plan->rules[i];
	bit = 1ULL << (r->session & 63);
	if ((w->accepted | w->rejected) & bit || !vtap_classify_rule(r, w->packet))
		return 0;
	if (r->accept)
		w->accepted |= bit;
	else
		w->rejected |= bit;
	return 0;
}

static __always_inline __u64 vtap_classify(const struct vtap_plan *plan, const struct vtap_packet *p)
{
	struct vtap_walk w = {.plan = plan, .packet = p, .accepted = plan->all};

	if (plan->rule_count)
		bpf_loop(plan->rule_count, vtap_classify_step, &w, 0);
	return vtap_classify_resolve(plan, w.accepted, w.rejected);
}
