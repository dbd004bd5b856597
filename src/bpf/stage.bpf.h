/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * A copy's disguise for the way through the segmenting stage. There only mark, tc_index, the tag in the metadata and the
 * frame itself survive (the receive path writes over cb[]), so a copy's papers are packed into those. Its ethertype moves to
 * tc_index, and one that nobody knows takes its place: no protocol, GRO above all, lays a hand on the copy.
 *
 * A super-packet with a tag in the metadata and another one behind it cannot wear that: the kernel looks for the protocol to
 * segment by where the ethertype was. Its outer tag is carried in tc_index instead, and the other one in the metadata.
 */

#include "encap.bpf.h"

#define VTAP_STAGE_SLOT_BITS 10
#define VTAP_STAGE_HASH_BITS 14
#define VTAP_STAGE_DIRECTION_SHIFT VTAP_STAGE_SLOT_BITS
#define VTAP_STAGE_HASH_SHIFT (VTAP_STAGE_DIRECTION_SHIFT + 1)
#define VTAP_STAGE_OUTER_TAG (1U << (VTAP_STAGE_HASH_SHIFT + VTAP_STAGE_HASH_BITS)) /* tc_index holds a tag */
#define VTAP_STAGE_OUTER_8021AD (VTAP_STAGE_OUTER_TAG << 1) /* its protocol; else 802.1Q */
#define VTAP_STAGE_IPV6 (VTAP_STAGE_OUTER_TAG << 2) /* the ethertype; else IPv4 */
_Static_assert(VTAP_ABI_SESSIONS <= 1 << VTAP_STAGE_SLOT_BITS, "a slot fits the mark of a staged copy");

/* Returns 0, or an error when the clone cannot go through the stage. */
static __always_inline int vtap_stage_disguise(struct __sk_buff *skb, const struct vtap_copy *copy)
{
	__be16 disguise = bpf_htons(VTAP_STAGE_ETHERTYPE), ethertype;
	__u32 hash = copy->hash & ((1 << VTAP_STAGE_HASH_BITS) - 1);
	__u32 mark = copy->slot | copy->direction << VTAP_STAGE_DIRECTION_SHIFT | hash << VTAP_STAGE_HASH_SHIFT;
	__u16 outer = 0;

	if (skb->gso_size && skb->vlan_present && vtap_is_vlan(bpf_ntohs(skb->protocol))) {
		outer = skb->vlan_tci;
		mark |= VTAP_STAGE_OUTER_TAG;
		if (skb->vlan_proto == bpf_htons(ETH_P_8021AD))
			mark |= VTAP_STAGE_OUTER_8021AD;
		if (bpf_skb_vlan_pop(skb))
			return -EOPNOTSUPP;
	}
	if (bpf_skb_load_bytes(skb, ETH_ALEN * 2, &ethertype, sizeof(ethertype)))
		return -EINVAL;
	if (mark & VTAP_STAGE_OUTER_TAG) {
		if (ethertype == bpf_htons(ETH_P_IPV6))
			mark |= VTAP_STAGE_IPV6;
		else if (ethertype != bpf_htons(ETH_P_IP))
			return -EOPNOTSUPP;
	}
	if (bpf_skb_store_bytes(skb, ETH_ALEN * 2, &disguise, sizeof(disguise), 0))
		return -EINVAL;
	skb->mark = mark;
	skb->tc_index = mark & VTAP_STAGE_OUTER_TAG ? outer : ethertype;
	return 0;
}

/* Which copy it is that came out: readable while it still wears its disguise. */
static __always_inline void vtap_stage_papers(const struct __sk_buff *skb, struct vtap_copy *ret_copy)
{
	ret_copy->slot = skb->mark & ((1 << VTAP_STAGE_SLOT_BITS) - 1);
	ret_copy->direction = skb->mark >> VTAP_STAGE_DIRECTION_SHIFT & 1;
	ret_copy->hash = skb->mark >> VTAP_STAGE_HASH_SHIFT & ((1 << VTAP_STAGE_HASH_BITS) - 1);
}

/* Makes it the frame again that went in, or one of its segments. From here on it is marked as a copy of this host. */
static __always_inline int vtap_stage_undisguise(struct __sk_buff *skb)
{
	__u32 mark = skb->mark, tag = skb->tc_index;
	__be16 ethertype = tag;
	int r;

	if (mark & VTAP_STAGE_OUTER_TAG)
		ethertype = mark & VTAP_STAGE_IPV6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	skb->mark = VTAP_MARK;
	skb->tc_index = 0;
	r = bpf_skb_store_bytes(skb, ETH_ALEN * 2, &ethertype, sizeof(ethertype), 0);
	if (r || !(mark & VTAP_STAGE_OUTER_TAG))
		return r;
	return bpf_skb_vlan_push(skb, mark & VTAP_STAGE_OUTER_8021AD ? bpf_htons(ETH_P_8021AD) : bpf_htons(ETH_P_8021Q),
				 tag);
}
