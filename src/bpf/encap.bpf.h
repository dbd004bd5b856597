/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Finishing a copy: cut it, lift its VLAN tags out of the metadata, put the outer headers in front. Only ever called on a
 * clone. The outer headers come ready from the agent but for lengths, identification, checksum and UDP source port.
 */

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>

#include "checksum.bpf.h"
#include "maps.bpf.h"
#include "stats.bpf.h"

#define VTAP_HEADER_IPV4_BYTES 50
#define VTAP_HEADER_IPV6_BYTES 70
#define VTAP_MACS_BYTES 12
#define VTAP_TAG_BYTES 4
#define VTAP_TAGS_MAX 4 /* that can be lifted out of the metadata, one after the other */
#define VTAP_CUT_FLOOR_BYTES 128 /* above the headers of nearly every packet: a cut may not reach into them */
#define VTAP_CUT_FLOOR_MAX_BYTES 512 /* the last length that is tried, for long chains of headers */
#define VTAP_FULL_PACKET_BYTES 65535

struct vtap_tag {
	__be16 type, tci;
};

struct vtap_tags {
	struct vtap_tag tags[VTAP_TAGS_MAX];
	__u32 count;
};

/* How many bytes of an inner frame of that length are sent; 0 = none, because policy drop forbids a cut to the MTU. */
static __always_inline __u32 vtap_encap_copy_bytes(const struct vtap_delivery *d, __u32 frame_bytes)
{
	__u32 bytes = frame_bytes;

	if (d->packet_length && bytes > d->packet_length)
		bytes = d->packet_length;
	if (bytes > d->room_bytes)
		bytes = d->flags & VTAP_DELIVERY_DROP ? 0 : d->room_bytes;
	return bytes;
}

/*
 * The tag in the metadata would end up outside: take it out, and each one that popping lifts into its place. Returns
 * -EOPNOTSUPP when there are too many of them.
 */
static __always_inline int vtap_encap_pop_tags(struct __sk_buff *skb, struct vtap_tags *t)
{
	t->count = 0;
	for (int i = 0; i < VTAP_TAGS_MAX; i++) {
		if (!skb->vlan_present)
			break;
		t->tags[i].type = skb->vlan_proto;
		t->tags[i].tci = bpf_htons(skb->vlan_tci);
		if (bpf_skb_vlan_pop(skb))
			break;
		t->count++;
	}
	return skb->vlan_present ? -EOPNOTSUPP : 0;
}

/*
 * Cuts the clone's data to `keep` bytes. The kernel refuses to cut into headers: then it is cut a little behind them, and the
 * lengths in the outer headers say where the copy ends. Returns 0, or -EOPNOTSUPP when nothing could be cut at all.
 */
static __always_inline int vtap_encap_cut(struct __sk_buff *skb, __u32 keep)
{
	long r = bpf_skb_change_tail(skb, keep, 0);

	if (!r)
		return 0;
	if (r != -EINVAL)
		return -EOPNOTSUPP;
	for (__u32 floor = VTAP_CUT_FLOOR_BYTES; floor <= VTAP_CUT_FLOOR_MAX_BYTES; floor *= 2) {
		if (keep < floor && (skb->len <= floor || !bpf_skb_change_tail(skb, floor, 0)))
			return 0;
	}
	return -EOPNOTSUPP;
}

/* What must stay of a frame whose tags were lifted out: its MACs too, to which the tags are put back. */
static __always_inline __u32 vtap_encap_keep_bytes(__u32 copy_bytes, __u32 tags_bytes)
{
	return tags_bytes && copy_bytes < VTAP_MACS_BYTES + tags_bytes ? VTAP_MACS_BYTES : copy_bytes - tags_bytes;
}

/* Random enough to tell fragments of different copies apart, each CPU's sequence its own, at less than the helper costs. */
static __always_inline __u16 vtap_encap_identification(void)
{
	struct vtap_inside *inside = vtap_inside();
	__u32 x;

	if (!inside)
		return 0;
	x = inside->identification ? inside->identification : bpf_get_prandom_u32();
	x = x * 1664525 + 1013904223;
	inside->identification = x;
	return x >> 16;
}

/*
 * Writes the outer headers over the first bytes of the frame, which must already be there as room. inner_bytes is the length of
 * the inner frame with its tags; a super-packet's lengths are rewritten by the kernel when it is segmented.
 */
static __always_inline int vtap_encap_write(struct __sk_buff *skb, const struct vtap_delivery *d, __u32 inner_bytes,
					    __u32 hash)
{
	__u8 header[VTAP_ABI_HEADER_BYTES] __attribute__((aligned(8)));
	__be16 sport = bpf_htons(49152 | (hash & 0x3fff));

	__builtin_memcpy(header, d->header, sizeof(header));
	if (d->flags & VTAP_DELIVERY_IPV6) {
		struct ipv6hdr *ip6 = (void *)(header + ETH_HLEN);
		struct udphdr *udp6 = (void *)(ip6 + 1);

		udp6->source = sport;
		udp6->len = bpf_htons(inner_bytes + VTAP_HEADER_IPV6_BYTES - ETH_HLEN - sizeof(*ip6));
		ip6->payload_len = udp6->len;
		return bpf_skb_store_bytes(skb, 0, header, VTAP_HEADER_IPV6_BYTES, 0);
	}

	struct iphdr *ip = (void *)(header + ETH_HLEN);
	struct udphdr *udp = (void *)(ip + 1);

	ip->tot_len = bpf_htons(inner_bytes + VTAP_HEADER_IPV4_BYTES - ETH_HLEN);
	ip->id = vtap_encap_identification();
	ip->check = vtap_checksum_fold((__u32)d->header_sum + ip->tot_len + ip->id);
	udp->source = sport;
	udp->len = bpf_htons(inner_bytes + VTAP_HEADER_IPV4_BYTES - ETH_HLEN - sizeof(*ip));
	return bpf_skb_store_bytes(skb, 0, header, VTAP_HEADER_IPV4_BYTES, 0);
}

/* Moves the inner MACs forward to the end of the outer headers and writes the tags behind them. */
static __always_inline int vtap_encap_write_tags(struct __sk_buff *skb, __u32 header_bytes, const struct vtap_tags *t)
{
	__u32 tags_bytes = t->count * VTAP_TAG_BYTES;
	__u8 macs[VTAP_MACS_BYTES];

	if (bpf_skb_load_bytes(skb, header_bytes + tags_bytes, macs, sizeof(macs)) ||
	    bpf_skb_store_bytes(skb, header_bytes, macs, sizeof(macs), 0))
		return -EINVAL;
	for (__u32 i = 0; i < VTAP_TAGS_MAX && i < t->count; i++) {
		if (bpf_skb_store_bytes(skb, header_bytes + VTAP_MACS_BYTES + i * VTAP_TAG_BYTES, &t->tags[i],
					VTAP_TAG_BYTES, 0))
			return -EINVAL;
	}
	return 0;
}

/* Room for the headers in front of any frame that is not a super-packet. */
static __always_inline long vtap_encap_room_plain(struct __sk_buff *skb, __u32 room_bytes)
{
	return bpf_skb_change_head(skb, room_bytes, 0);
}

/*
 * Room in front of a super-packet, told to the kernel as a UDP tunnel so that it knows how to segment it. FIXED_GSO: every
 * segment stays as long as it was on the wire.
 */
static __always_inline long vtap_encap_room_gso(struct __sk_buff *skb, const struct vtap_delivery *d, __u32 tags_bytes)
{
	__u64 flags = BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2_ETH | BPF_F_ADJ_ROOM_FIXED_GSO |
		      BPF_F_ADJ_ROOM_NO_CSUM_RESET | BPF_F_ADJ_ROOM_ENCAP_L2((__u64)(ETH_HLEN + tags_bytes));
	__u8 eth[ETH_HLEN];
	long r;

	flags |= d->flags & VTAP_DELIVERY_IPV6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4;
	r = bpf_skb_load_bytes(skb, 0, eth, sizeof(eth));
	if (!r)
		r = bpf_skb_adjust_room(skb, d->header_bytes + tags_bytes, BPF_ADJ_ROOM_MAC, flags);
	/* The kernel makes room behind the Ethernet header, which belongs to the inner frame. */
	if (!r)
		r = bpf_skb_store_bytes(skb, d->header_bytes + tags_bytes, eth, sizeof(eth), 0);
	return r;
}

/*
 * Turns the clone into a finished copy. *ret_finished says what was done, or under which counter the copy is lost; then the
 * caller drops the clone.
 */
static __always_inline void vtap_encap_finish(struct __sk_buff *skb, const struct vtap_delivery *d, __u32 hash,
					      struct vtap_finished *ret_finished)
{
	__u32 frame_bytes, copy_bytes, tags_bytes;
	struct vtap_tags tags;
	long r;

	ret_finished->lost = 0;
	ret_finished->note = 0;
	ret_finished->bytes = 0;
	if (vtap_encap_pop_tags(skb, &tags)) {
		ret_finished->lost = VTAP_LOST_UNSUPPORTED;
		return;
	}
	tags_bytes = tags.count * VTAP_TAG_BYTES;
	frame_bytes = skb->len + tags_bytes;
	copy_bytes = frame_bytes;
	if (!skb->gso_size) {
		copy_bytes = vtap_encap_copy_bytes(d, frame_bytes);
		if (!copy_bytes) {
			ret_finished->lost = VTAP_LOST_TOO_BIG;
			return;
		}
		if (copy_bytes < frame_bytes && d->room_bytes == copy_bytes)
			ret_finished->note = VTAP_CUT_TO_FIT;
		if (copy_bytes < frame_bytes && vtap_encap_cut(skb, vtap_encap_keep_bytes(copy_bytes, tags_bytes))) {
			if (frame_bytes > d->room_bytes) {
				ret_finished->lost = VTAP_LOST_NOT_CUTTABLE;
				return;
			}
			ret_finished->note = VTAP_UNCUT;
			copy_bytes = frame_bytes;
		}
		r = vtap_encap_room_plain(skb, d->header_bytes + tags_bytes);
	} else {
		r = vtap_encap_room_gso(skb, d, tags_bytes);
	}
	if (!r)
		r = vtap_encap_write(skb, d, copy_bytes, hash);
	if (!r && tags.count)
		r = vtap_encap_write_tags(skb, d->header_bytes, &tags);
	if (r)
		ret_finished->lost = vtap_stats_reason(r);
	ret_finished->bytes = copy_bytes + d->header_bytes;
}
