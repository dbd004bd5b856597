/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * What no helper shows of the kernel's own packet buffer: whether the checksum is still to be filled in and where, whether the
 * packet is already a tunnel's, and whether its device is up. The context of a tc program is that buffer; offsets come from
 * the running kernel's BTF.
 */

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define VTAP_CHECKSUM_PARTIAL 3 /* include/linux/skbuff.h */
#define VTAP_IFF_UP 1 /* include/uapi/linux/if.h */

struct net_device___vtap {
	unsigned int flags;
} __attribute__((preserve_access_index));

struct sk_buff___vtap {
	struct net_device___vtap *dev;
	__u8 ip_summed : 2;
	__u8 encapsulation : 1;
	/* From the start of the buffer, not of the frame. */
	__u16 csum_start;
	__u16 csum_offset;
	__u16 network_header;
	__u16 mac_header;
} __attribute__((preserve_access_index));

/* What is known of a packet's checksum. */
struct vtap_kernel_checksum {
	__u8 partial; /* still to be filled in; the rest counts only then */
	__u8 place_known; /* no tunnel's, and the rest is valid */
	__u16 start; /* offset in the frame from which on bytes are summed */
	__u16 offset; /* of the checksum from there */
	__u16 network_offset; /* of the network header in the frame */
};

/* One read costs as much as another, whatever its length, and these fields lie together: kernels copy them together. */
#define VTAP_KERNEL_WINDOW_BYTES 80
#define VTAP_KERNEL_IN_WINDOW(field)                                                                                   \
	(bpf_core_field_offset(struct sk_buff___vtap, field) -                                                         \
	     bpf_core_field_offset(struct sk_buff___vtap, ip_summed) <=                                                \
	 VTAP_KERNEL_WINDOW_BYTES - sizeof(__u16))

static __always_inline void vtap_kernel_checksum(struct __sk_buff *skb, struct vtap_kernel_checksum *ret_checksum)
{
	__u64 window[VTAP_KERNEL_WINDOW_BYTES / sizeof(__u64)] = {};
	long first = bpf_core_field_offset(struct sk_buff___vtap, ip_summed), back = 0;
	const struct sk_buff___vtap *copy;

	(void)bpf_probe_read_kernel(window, sizeof(window), (void *)skb + first);
	/* The verifier lets nobody subtract from a pointer into the stack, and that of Linux 6.1 knows no negation. */
	asm volatile("%0 -= %1" : "+r"(back) : "r"(first));
	copy = (void *)window + back;
	ret_checksum->partial = BPF_CORE_READ_BITFIELD(copy, ip_summed) == VTAP_CHECKSUM_PARTIAL;
	ret_checksum->place_known = 0;
	if (!ret_checksum->partial || !VTAP_KERNEL_IN_WINDOW(encapsulation) || !VTAP_KERNEL_IN_WINDOW(csum_start) ||
	    !VTAP_KERNEL_IN_WINDOW(csum_offset) || !VTAP_KERNEL_IN_WINDOW(network_header) ||
	    !VTAP_KERNEL_IN_WINDOW(mac_header) || BPF_CORE_READ_BITFIELD(copy, encapsulation))
		return;
	ret_checksum->place_known = 1;
	ret_checksum->start = copy->csum_start - copy->mac_header;
	ret_checksum->offset = copy->csum_offset;
	ret_checksum->network_offset = copy->network_header - copy->mac_header;
}

static __always_inline int vtap_kernel_encapsulated(struct __sk_buff *skb)
{
	struct sk_buff___vtap *kernel = (void *)skb;

	return BPF_CORE_READ_BITFIELD_PROBED(kernel, encapsulation);
}

static __always_inline int vtap_kernel_device_up(struct __sk_buff *skb)
{
	struct sk_buff___vtap *kernel = (void *)skb;

	return BPF_CORE_READ(kernel, dev, flags) & VTAP_IFF_UP;
}
