// SPDX-License-Identifier: Apache-2.0

/* The two ends of a comparison: the least that any mirror must do, and a collector that only counts. */

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 uplink_ifindex;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

static __always_inline void count(struct __sk_buff *skb)
{
	__u32 zero = 0, segments = skb->gso_segs;
	__u64 *sum = bpf_map_lookup_elem(&packets, &zero);

	if (sum)
		*sum += segments ? segments : 1;
}

SEC("tc") int clone(struct __sk_buff *skb)
{
	bpf_clone_redirect(skb, uplink_ifindex, 0);
	return TC_ACT_UNSPEC;
}

/* Every IPv4 frame, a super-packet as the packets that it stands for. */
SEC("tc") int collect(struct __sk_buff *skb)
{
	if (skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_UNSPEC;
	count(skb);
	return TC_ACT_SHOT;
}

/* bpf_clone_redirect() is open to programs under any licence. */
char LICENSE[] SEC("license") = "Apache-2.0";
