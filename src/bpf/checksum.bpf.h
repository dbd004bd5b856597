/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Packets that a local guest or socket sent come with their transport checksum unfinished. Here a clone's is finished as the
 * kernel would do it for a device without offloads.
 */

#include <linux/errno.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>

#include "kernel.bpf.h"
#include "maps.bpf.h"

#define VTAP_CHECKSUM_OFFSET_MAX 16 /* TCP's, the largest there is */
#define VTAP_CHECKSUM_OFFSET_SCTP 8 /* SCTP's alone: no checksum but a CRC32c */
#define VTAP_CHECKSUM_FRAME_MAX (VTAP_CHECKSUM_PIECE_BYTES * 20) /* a jumbo frame and more */

/* The checksum that belongs to a ones' complement sum. */
static __always_inline __u16 vtap_checksum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* The two parts of a place. Masks, because the verifier of Linux 6.1 loses track of comparisons. */
#define VTAP_CHECKSUM_START_MASK 0xff
#define VTAP_CHECKSUM_OFFSET_SHIFT 8
#define VTAP_CHECKSUM_OFFSET_MASK 0x1f
#define VTAP_CHECKSUM_PLACE_BITS 13
_Static_assert(VTAP_CHECKSUM_START_MAX <= VTAP_CHECKSUM_START_MASK, "fits a place");
_Static_assert(VTAP_CHECKSUM_OFFSET_MAX <= VTAP_CHECKSUM_OFFSET_MASK, "fits a place");

/*
 * Where the checksum of a packet is to be finished: the offset from which on bytes are summed, and that of the checksum from
 * there. 0 = only the kernel can do it: what is no plain IP frame, a CRC, or lies beyond our limits.
 */
static __always_inline __u32 vtap_checksum_place(struct __sk_buff *skb, const struct vtap_kernel_checksum *c)
{
	if (!c->place_known || (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6)) ||
	    skb->len > VTAP_CHECKSUM_FRAME_MAX)
		return 0;
	/* The network header where it is in every frame that no program has lengthened, and an even start. */
	if (c->network_offset != ETH_HLEN || c->start > VTAP_CHECKSUM_START_MAX || c->start & 1 ||
	    c->offset > VTAP_CHECKSUM_OFFSET_MAX || c->offset == VTAP_CHECKSUM_OFFSET_SCTP)
		return 0;
	return c->start | c->offset << VTAP_CHECKSUM_OFFSET_SHIFT;
}

/* Reads `size` bytes of the frame into the piece, zeroes behind them. size: 1 to VTAP_CHECKSUM_PIECE_BYTES. */
static __always_inline long vtap_checksum_load(struct __sk_buff *skb, __u32 offset, struct vtap_checksum_piece *p,
					       __u32 size)
{
	__u32 last = size - 1, end;

	/* Tells the verifier of Linux 6.1 the range of the very register that the helper gets. */
	asm volatile("" : "+r"(last));
	if (last >= VTAP_CHECKSUM_PIECE_BYTES)
		return -EINVAL;
	end = (sizeof(p->pad) + last + 1) & ~3U;
	*(__u32 *)((void *)p + end) = 0;
	*(__u32 *)((void *)p + end + 4) = 0;
	return bpf_skb_load_bytes(skb, offset, p->bytes, last + 1);
}

/* The sum of bytes first to size - 1 of the piece, added to `sum`; below 0 on errors. */
static __always_inline long vtap_checksum_add(struct vtap_checksum_piece *p, __u32 first, __u32 size, __u32 sum)
{
	__u32 bytes = (size - first + 3) & ~3U;

	asm volatile("" : "+r"(bytes));
	if (bytes > VTAP_CHECKSUM_PIECE_BYTES)
		return -EINVAL;
	return bpf_csum_diff(NULL, 0, (void *)(p->bytes + first), bytes, sum);
}

/* The finished checksum of all bytes from start on, as it goes into the frame. The frame's first piece is left in *p. */
static __always_inline long vtap_checksum_compute(struct __sk_buff *skb, struct vtap_checksum_piece *p, __u32 start)
{
	__u32 frame_bytes = skb->len, size;
	long r, sum = 0;

	for (__u32 at = VTAP_CHECKSUM_PIECE_BYTES; at < VTAP_CHECKSUM_FRAME_MAX; at += VTAP_CHECKSUM_PIECE_BYTES) {
		if (at >= frame_bytes)
			break;
		size = frame_bytes - at;
		if (size > VTAP_CHECKSUM_PIECE_BYTES)
			size = VTAP_CHECKSUM_PIECE_BYTES;
		r = vtap_checksum_load(skb, at, p, size);
		if (r)
			return r;
		sum = vtap_checksum_add(p, 0, size, sum);
		if (sum < 0)
			return sum;
	}
	size = frame_bytes < VTAP_CHECKSUM_PIECE_BYTES ? frame_bytes : VTAP_CHECKSUM_PIECE_BYTES;
	r = vtap_checksum_load(skb, 0, p, size);
	if (r)
		return r;
	return vtap_checksum_add(p, start, size, sum);
}

/*
 * What is written over the frame's first bytes is what they were, with the checksum. For a moment those behind the Ethernet
 * header are taken away, down to a little behind the start of the sum: for a packet whose sum starts in front of its first
 * byte the kernel forgets that there was one to finish. Nobody would, else: whoever has the copy next would finish it again.
 */
static __always_inline long vtap_checksum_write(struct __sk_buff *skb, const struct vtap_checksum_piece *p,
						__u32 taken_bytes)
{
	__u32 frame_bytes = skb->len, size = ETH_HLEN + taken_bytes;
	/* The kernel insists on as much behind them as an IP header has. */
	__u32 least_bytes =
	    size + (skb->protocol == bpf_htons(ETH_P_IP) ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	long r = 0;

	if (frame_bytes < least_bytes)
		r = bpf_skb_change_tail(skb, least_bytes, 0);
	if (!r)
		r = bpf_skb_adjust_room(skb, -(__s32)taken_bytes, BPF_ADJ_ROOM_MAC, 0);
	if (!r)
		r = bpf_skb_adjust_room(skb, taken_bytes, BPF_ADJ_ROOM_MAC, 0);
	if (!r)
		r = bpf_skb_store_bytes(skb, 0, p->bytes, size, 0);
	if (!r && frame_bytes < least_bytes)
		r = bpf_skb_change_tail(skb, frame_bytes, 0);
	return r;
}

/* Finishes the checksum of a clone; place: of vtap_checksum_place(). */
static __always_inline long vtap_checksum_complete(struct __sk_buff *skb, __u32 place)
{
	__u32 start = place & VTAP_CHECKSUM_START_MASK, zero = 0;
	__u32 offset = place >> VTAP_CHECKSUM_OFFSET_SHIFT & VTAP_CHECKSUM_OFFSET_MASK;
	struct vtap_checksum_piece *p = bpf_map_lookup_elem(&vtap_checksum_pieces, &zero);
	long sum;

	if (!p)
		return -EINVAL;
	sum = vtap_checksum_compute(skb, p, start);
	if (sum < 0)
		return sum;
	sum = vtap_checksum_fold(sum);
	/* 0 would say that there is none; for TCP the two are the same. */
	*(__u16 *)(p->bytes + start + offset) = sum ? sum : 0xffff;
	return vtap_checksum_write(skb, p, start + VTAP_CHECKSUM_OFFSET_MAX + sizeof(__u16) - ETH_HLEN);
}
