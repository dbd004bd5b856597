/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * What no helper shows of the kernel's own packet buffer: whether the checksum is still to be filled in, whether the packet is
 * already a tunnel's, and whether its device is up. The context of a tc program is that buffer; offsets come from the running kernel's BTF.
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
} __attribute__((preserve_access_index));

static __always_inline int vtap_kernel_checksum_partial(struct __sk_buff *skb)
{
	struct sk_buff___vtap *kernel = (void *)skb;

	return BPF_CORE_READ_BITFIELD_PROBED(kernel, ip_summed) == VTAP_CHECKSUM_PARTIAL;
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
