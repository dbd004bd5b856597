/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * From a packet that sessions take to the clones that leave for the uplink or the segmenting stage. What a clone must know
 * travels in its mark and cb[]; the original gets its own back.
 */

#include "checksum.bpf.h"
#include "encap.bpf.h"
#include "kernel.bpf.h"
#include "limit.bpf.h"
#include "parse.bpf.h"
#include "stage.bpf.h"
#include "stats.bpf.h"

/* Random per load: together with the mark it tells a copy of ours from a production packet that wears the same mark. */
const volatile __u32 vtap_secret;

/* Words of cb[] on a copy. */
enum { VTAP_CB_SECRET, VTAP_CB_SESSION, VTAP_CB_HASH, VTAP_CB_NOTE = VTAP_CB_HASH, VTAP_CB_BYTES };

/* The word of the session: the slot, the direction, and vtap_checksum_place() of what is still to be finished. */
#define VTAP_CB_DIRECTION_SHIFT 16
#define VTAP_CB_CHECKSUM_SHIFT 17
_Static_assert(VTAP_CB_CHECKSUM_SHIFT + VTAP_CHECKSUM_PLACE_BITS <= 32, "fits a word of cb");

/* What vtap_out at the uplink has to do with a copy: added to the secret. */
enum {
	VTAP_COPY_BARE, /* finish it; its source's program counts */
	VTAP_COPY_FINISHED, /* nothing: the stage's program counts */
	VTAP_COPY_DIRECT, /* count it */
};

struct vtap_source {
	struct __sk_buff *skb;
	const struct vtap_plan *plan;
	const struct vtap_packet *packet;
	__u64 taken;
	__u32 direction;
	__u32 packets; /* wire packets that this one becomes */
	__u32 bytes; /* on the wire, all of them together */
	__u32 frame_bytes; /* the largest of them, VLAN tags included */
};

/* Wire packets, and the largest of them. gso_segs may be 0 on what a guest sent: then payload and gso_size tell. */
static __always_inline void vtap_clone_measure(struct vtap_source *s)
{
	struct __sk_buff *skb = s->skb;
	__u32 gso_size = skb->gso_size, header_bytes = s->packet->header_bytes;
	__u32 tag_bytes = skb->vlan_present ? VTAP_TAG_BYTES : 0;

	s->packets = 1;
	s->frame_bytes = s->bytes = skb->len + tag_bytes;
	if (!gso_size)
		return;
	s->packets = skb->gso_segs;
	if (!s->packets && header_bytes && skb->len > header_bytes)
		s->packets = (skb->len - header_bytes + gso_size - 1) / gso_size;
	if (!s->packets)
		s->packets = 1;
	s->bytes += (s->packets - 1) * (header_bytes + tag_bytes);
	s->frame_bytes = header_bytes + tag_bytes + gso_size;
}

/*
 * A cut before the place of an unfinished checksum would leave the copy pointing behind its own end: whoever is to finish the
 * checksum, a NIC's driver or a bridge on the way, drops such a packet.
 */
static __always_inline int vtap_clone_cut_reaches_checksum(const struct vtap_delivery *d, const struct vtap_source *s)
{
	__u32 copy_bytes = vtap_encap_copy_bytes(d, s->frame_bytes);

	return copy_bytes < s->frame_bytes && copy_bytes < VTAP_CUT_FLOOR_BYTES;
}

/*
 * Whether this copy must go the segmenting way: to be cut or wrapped wire packet by wire packet, or to have a checksum completed
 * that only the kernel can. *ret_checksum: which one is to be completed on the fast way, or 0.
 */
static __always_inline int vtap_clone_needs_stage(struct __sk_buff *skb, const struct vtap_delivery *d,
						  const struct vtap_source *s, __u32 *ret_checksum)
{
	int cut = vtap_encap_copy_bytes(d, s->frame_bytes) != s->frame_bytes;
	/* A cut copy must have its checksum completed before the cut. */
	int complete = (d->flags & VTAP_DELIVERY_COMPLETE) && (cut || !(d->flags & VTAP_DELIVERY_UPLINK_COMPLETES));
	struct vtap_kernel_checksum checksum;

	if (d->flags & VTAP_DELIVERY_STAGE_ALL)
		return 1;
	if (!skb->gso_size) {
		if (!complete && !vtap_clone_cut_reaches_checksum(d, s))
			return 0;
		vtap_kernel_checksum(skb, &checksum);
		if (!checksum.partial)
			return 0;
		*ret_checksum = vtap_checksum_place(skb, &checksum);
		return !*ret_checksum;
	}
	if (complete || cut)
		return 1;
	/* Whole, then: it must be IP, known through to its payload, not a tunnel's already, and still fit a length field. */
	if (!s->packet->header_bytes || skb->len + VTAP_ABI_HEADER_BYTES > VTAP_FULL_PACKET_BYTES ||
	    vtap_kernel_encapsulated(skb))
		return 1;
	/* A tag in band, and none in the metadata that popping would lift it behind. */
	return !skb->vlan_present && skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6);
}

static __always_inline __u32 vtap_copy_session(__u32 slot, __u32 direction, __u32 checksum)
{
	return slot | direction << VTAP_CB_DIRECTION_SHIFT | checksum << VTAP_CB_CHECKSUM_SHIFT;
}

static __always_inline void vtap_copy_sign(struct __sk_buff *skb, __u32 what, __u32 session, __u32 hash_or_note)
{
	skb->cb[VTAP_CB_SECRET] = vtap_secret + what;
	skb->cb[VTAP_CB_SESSION] = session;
	skb->cb[VTAP_CB_HASH] = hash_or_note;
}

/* Clones to ifindex with the copy's papers on, and gives the original its own back. */
static __always_inline long vtap_clone_send(struct __sk_buff *skb, __u32 ifindex, __u32 new_mark, __u32 session,
					    __u32 hash)
{
	__u32 mark = skb->mark, cb0 = skb->cb[VTAP_CB_SECRET], cb1 = skb->cb[VTAP_CB_SESSION],
	      cb2 = skb->cb[VTAP_CB_HASH];
	long r;

	skb->mark = new_mark;
	vtap_copy_sign(skb, VTAP_COPY_BARE, session, hash);
	r = bpf_clone_redirect(skb, ifindex, 0);
	skb->mark = mark;
	skb->cb[VTAP_CB_SECRET] = cb0;
	skb->cb[VTAP_CB_SESSION] = cb1;
	skb->cb[VTAP_CB_HASH] = cb2;
	return r;
}

static __always_inline struct vtap_delivery *vtap_clone_delivery(__u32 slot)
{
	__u32 *index = bpf_map_lookup_elem(&vtap_sessions, &slot);

	return index && *index ? bpf_map_lookup_elem(&vtap_deliveries, index) : NULL;
}

/*
 * To the stage, which segments the copy, completes its checksum and finishes each wire packet before bpf_clone_redirect()
 * returns. The copy is booked as staged, and booked again by the finishing program.
 */
static __always_inline void vtap_clone_stage(const struct vtap_source *s, const struct vtap_delivery *d, __u32 slot,
					     struct vtap_counters *c)
{
	struct vtap_inside *inside = vtap_inside();
	long r;

	if (inside)
		inside->uplink_up = VTAP_UPLINK_UNKNOWN;
	r = vtap_clone_send(s->skb, d->stage_ifindex, vtap_stage_mark(slot, s->direction, s->packet->hash), 0, 0);
	vtap_stats_add(c, r < 0 ? vtap_stats_reason(r) : VTAP_STAGED, s->packets);
}

/*
 * Straight to the uplink, whose first egress program finishes the copy before bpf_clone_redirect() returns. Should somebody
 * have taken that program away, one bare frame has left: the session's copies go through the stage from then on.
 */
static __always_inline void vtap_clone_fast(const struct vtap_source *s, struct vtap_delivery *d, __u32 slot,
					    __u32 checksum, struct vtap_counters *c)
{
	struct vtap_inside *inside = vtap_inside();
	struct vtap_finished *finished;
	long r;

	if (!inside)
		return;
	finished = &inside->finished;
	finished->lost = VTAP_COUNTER_MAX;
	r = vtap_clone_send(s->skb, d->uplink_ifindex, VTAP_MARK, vtap_copy_session(slot, s->direction, checksum),
			    s->packet->hash);
	if (finished->lost == VTAP_COUNTER_MAX) {
		finished->lost = r ? 0 : VTAP_LOST_CHANGED;
		if (!r)
			d->flags |= VTAP_DELIVERY_STAGE_ALL;
	}
	/* A super-packet is finished as one; on the wire each of its packets has headers of its own. */
	if (s->skb->gso_size)
		finished->bytes = s->bytes + d->header_bytes * s->packets;
	vtap_stats_sent(c, r, finished, s->packets);
}

static __always_inline void vtap_clone_session(const struct vtap_source *s, __u32 slot)
{
	struct vtap_counters *c = vtap_stats_of(slot, s->direction);
	struct vtap_delivery *d = vtap_clone_delivery(slot);
	__u32 copy_bytes, checksum = 0;

	if (!c)
		return;
	vtap_stats_add(c, VTAP_MATCHED_PACKETS, s->packets);
	vtap_stats_add(c, VTAP_MATCHED_BYTES, s->bytes);
	if (!d) {
		vtap_stats_add(c, VTAP_LOST_CHANGED, s->packets);
		return;
	}
	if ((d->flags & VTAP_DELIVERY_SAMPLED) && vtap_limit_sampled_out(d, s->packet->hash)) {
		vtap_stats_add(c, VTAP_LOST_SAMPLED, s->packets);
		return;
	}
	if (d->lost) {
		vtap_stats_add(c, d->lost, s->packets);
		return;
	}
	copy_bytes = vtap_encap_copy_bytes(d, s->frame_bytes);
	if (!copy_bytes && !s->skb->gso_size) {
		vtap_stats_add(c, VTAP_LOST_TOO_BIG, s->packets);
		return;
	}
	if ((d->flags & VTAP_DELIVERY_LIMITED) &&
	    vtap_limit_exceeded(d, slot, s->packets, (__u64)(copy_bytes + d->header_bytes) * s->packets * 8)) {
		vtap_stats_add(c, VTAP_LOST_LIMITED, s->packets);
		return;
	}
	if (vtap_clone_needs_stage(s->skb, d, s, &checksum))
		vtap_clone_stage(s, d, slot, c);
	else
		vtap_clone_fast(s, d, slot, checksum, c);
}

static long vtap_clone_nth(__u32 i, void *context)
{
	const struct vtap_source *s = context;

	if (i < VTAP_ABI_PLAN_SESSIONS && s->taken >> i & 1)
		vtap_clone_session(s, s->plan->slots[i]);
	return 0;
}

/* One clone for each session in s->taken: bit i is the plan's session i. */
static __always_inline void vtap_clone_all(struct vtap_source *s)
{
	vtap_clone_measure(s);
	bpf_loop(s->plan->session_count, vtap_clone_nth, s, 0);
}
