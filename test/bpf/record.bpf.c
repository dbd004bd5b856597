// SPDX-License-Identifier: Apache-2.0
/*
 * Somebody else's programs around ours: `dress` gives a packet values that nobody else would choose, `edit` and `lengthen`
 * change its bytes and put some in front, `record` writes down what it sees of each packet. All let it go on.
 */

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#define RECORDS 512
#define FRAME_BYTES 256
#define EDITED_AT 50

struct record {
	__u32 mark, priority, tc_index, cb[5];
	__u32 len, protocol, vlan_present, vlan_tci, vlan_proto, gso_size, gso_segs, queue_mapping, tc_classid,
	    pkt_type;
	__u32 frame_bytes; /* of frame, the rest is 0 */
	__u8 frame[FRAME_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RECORDS);
	__type(key, __u32);
	__type(value, struct record);
} records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} recorded SEC(".maps");

SEC("tc/dress") int dress(struct __sk_buff *skb)
{
	skb->mark = 0x11223344;
	skb->priority = 0x5566;
	skb->tc_index = 0x7788;
	for (int i = 0; i < 5; i++)
		skb->cb[i] = 0xabcd0000 + i;
	return TC_ACT_UNSPEC;
}

SEC("tc/edit") int edit(struct __sk_buff *skb)
{
	__u32 zero = 0;

	bpf_skb_store_bytes(skb, EDITED_AT, &zero, sizeof(zero), 0);
	return TC_ACT_UNSPEC;
}

SEC("tc/lengthen") int lengthen(struct __sk_buff *skb)
{
	bpf_skb_change_head(skb, ETH_HLEN, 0);
	return TC_ACT_UNSPEC;
}

SEC("tc/record") int record(struct __sk_buff *skb)
{
	__u32 zero = 0, *count = bpf_map_lookup_elem(&recorded, &zero), number, size = skb->len, last;
	struct record *r;

	if (!count)
		return TC_ACT_UNSPEC;
	number = __sync_fetch_and_add(count, 1);
	r = bpf_map_lookup_elem(&records, &number);
	if (!r)
		return TC_ACT_UNSPEC;
	r->mark = skb->mark;
	r->priority = skb->priority;
	r->tc_index = skb->tc_index;
	for (int i = 0; i < 5; i++)
		r->cb[i] = skb->cb[i];
	r->len = skb->len;
	r->protocol = skb->protocol;
	r->vlan_present = skb->vlan_present;
	r->vlan_tci = skb->vlan_tci;
	r->vlan_proto = skb->vlan_proto;
	r->gso_size = skb->gso_size;
	r->gso_segs = skb->gso_segs;
	r->queue_mapping = skb->queue_mapping;
	r->tc_classid = skb->tc_classid;
	r->pkt_type = skb->pkt_type;
	if (size > FRAME_BYTES)
		size = FRAME_BYTES;
	/* The verifier of Linux 6.1 does not see that what is not 0 is at least 1. */
	last = size - 1;
	asm volatile("" : "+r"(last));
	if (last < FRAME_BYTES && !bpf_skb_load_bytes(skb, 0, r->frame, last + 1))
		r->frame_bytes = last + 1;
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "GPL";
