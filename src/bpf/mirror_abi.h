/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * The only header that the data plane and user space share: map layouts, limits and counters.
 * Sizes are asserted. Enum values are never reused: counters of an older layout are carried over by their number.
 * Every change of a layout raises VTAP_LAYOUT_VERSION, except a counter added at the end of its enum.
 */

#include <linux/bpf.h>
#include <linux/types.h>

#define VTAP_LAYOUT_VERSION 3

#define VTAP_ABI_PORTS 1024 /* interfaces with sources on one host */
#define VTAP_ABI_SESSIONS 1024 /* session slots of one host */
#define VTAP_ABI_PLAN_SESSIONS 64 /* sessions of one interface and direction */
#define VTAP_ABI_PLAN_RULES 64 /* rules of one interface and direction, over all sessions */
#define VTAP_ABI_PLANS 1024 /* pool: one half may be in use, the other waits for its grace period */
#define VTAP_ABI_DELIVERIES 2048 /* pool, likewise */
#define VTAP_ABI_GUARDS 4096 /* tunnel endpoints whose traffic is never mirrored */
#define VTAP_ABI_GUARD_PORTS 8 /* distinct UDP ports among them */
#define VTAP_ABI_FRAGMENTS 4096
#define VTAP_ABI_HEADER_BYTES 72 /* outer Ethernet, IPv4 or IPv6, UDP, VXLAN: 50 or 70 */
#define VTAP_ABI_NAME_BYTES 64

/* Mark of every copy on its way through this host: "vtap". Frames that carry it are never mirrored again. */
#define VTAP_MARK 0x76746170U
enum vtap_hook { VTAP_HOOK_INGRESS, VTAP_HOOK_EGRESS, VTAP_HOOK_MAX };

/* What the parser found. Addresses are network-order bytes; IPv4 sits in the last four, the others are 0. */
struct vtap_packet {
	union {
		__u8 src_bytes[16];
		__u64 src[2];
	};
	union {
		__u8 dst_bytes[16];
		__u64 dst[2];
	};
	__u16 ethertype; /* host order, behind the VLAN tags */
	__u16 vlan; /* outermost VLAN id, or VTAP_VLAN_NONE */
	__u16 sport; /* host order */
	__u16 dport;
	__u8 protocol; /* behind the IPv6 extension headers */
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 flags; /* VTAP_PACKET_* */
	__u16 l3_offset; /* bytes from the start of the frame */
	__u16 l4_offset; /* 0 = unknown */
	__u16 header_bytes; /* Ethernet to the end of TCP's or UDP's header: what each segment repeats; 0 = unknown */
	__u16 pad;
	__u32 hash; /* symmetric over the directions; fragments hash addresses only */
};
_Static_assert(sizeof(struct vtap_packet) == 56, "shared with mirror.bpf.c");

#define VTAP_VLAN_NONE 0xffff
#define VTAP_PACKET_IPV4 0x01
#define VTAP_PACKET_IPV6 0x02
#define VTAP_PACKET_PORTS 0x04 /* sport and dport are known */
#define VTAP_PACKET_ICMP 0x08 /* icmp_type and icmp_code are known */
#define VTAP_PACKET_FRAGMENT 0x10 /* any fragment */
#define VTAP_PACKET_LATER_FRAGMENT 0x20 /* not the first one: carries no ports of its own */

/* One rule of the linear walk. A packet's field f fits when (f & mask) == value, or first <= f <= last. */
struct vtap_plan_rule {
	__u64 src[2], src_mask[2];
	__u64 dst[2], dst_mask[2];
	__u16 sport_first, sport_last;
	__u16 dport_first, dport_last;
	__u16 ethertype;
	__u16 vlan;
	__u8 protocol;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 needs; /* VTAP_RULE_NEEDS_*: which of the fields count */
	__u8 families; /* VTAP_PACKET_IPV4 | VTAP_PACKET_IPV6: the packet must be one of these; 0 = any frame */
	__u8 session; /* index into vtap_plan.slots */
	__u8 accept; /* 0 = reject */
	__u8 pad[5];
};
_Static_assert(sizeof(struct vtap_plan_rule) == 88, "shared with mirror.bpf.c");

#define VTAP_RULE_NEEDS_PORTS 0x01
#define VTAP_RULE_NEEDS_PROTOCOL 0x02
#define VTAP_RULE_NEEDS_ICMP_TYPE 0x04
#define VTAP_RULE_NEEDS_ICMP_CODE 0x08
#define VTAP_RULE_NEEDS_VLAN 0x10
#define VTAP_RULE_NEEDS_ETHERTYPE 0x20

/*
 * All sessions of one interface and direction. Index order: exclusive sessions by ascending number, then copy sessions;
 * bit i of a mask is session i. Immutable once published.
 */
struct vtap_plan {
	__u64 all; /* sessions without a filter: every frame */
	__u64 exclusive;
	__u64 stop; /* exclusive sessions whose explicit reject is final */
	__u16 session_count;
	__u16 rule_count;
	__u32 pad;
	__u16 slots[VTAP_ABI_PLAN_SESSIONS]; /* session slots */
	struct vtap_plan_rule rules[VTAP_ABI_PLAN_RULES];
};
_Static_assert(sizeof(struct vtap_plan) == 32 + 128 + 64 * 88, "shared with mirror.bpf.c");

/* One source interface; key of the hash in front is its ifindex. Plan 0 is empty: nothing is mirrored. */
struct vtap_port {
	__u32 plan[VTAP_HOOK_MAX];
	__u8 direction[VTAP_HOOK_MAX]; /* VTAP_DIRECTION_IN (0) or _OUT (1), by the side that is mirrored */
	__u8 pad[6];
};
_Static_assert(sizeof(struct vtap_port) == 16, "shared with mirror.bpf.c");

/* How a session's copies leave. Immutable once published; delivery 0 means that the slot is not in use. */
struct vtap_delivery {
	__u32 uplink_ifindex;
	__u32 stage_ifindex; /* the bridge of the segmenting stage */
	__u32 packet_length; /* bytes from the inner Ethernet header; 0 = whole */
	__u32 room_bytes; /* largest inner frame, VLAN tags included, that fits the path MTU */
	__u32 sample_packets; /* 1 in N; 1 = all */
	__u32 sample_flows; /* 1 in N; 1 = all */
	__u64 packet_interval_ns_q8; /* time between two packets at the limit, 1/256 ns; 0 = no limit */
	__u64 bit_interval_ns_q16; /* time of one bit at the limit, 1/65536 ns; 0 = no limit */
	__u64 burst_ns; /* depth of both buckets, in time */
	__u16 header_bytes; /* of header: 50 or 70 */
	__u16 flags; /* VTAP_DELIVERY_* */
	__u16 lost; /* 0 = ready; else the counter under which copies are lost until a next hop is known */
	__u16 header_sum; /* IPv4: ones' complement sum of the header without total length and identification */
	/* Lengths, identification, checksum and UDP source port are 0. Aligned, so that it is copied by words. */
	__u8 header[VTAP_ABI_HEADER_BYTES] __attribute__((aligned(8)));
};
_Static_assert(sizeof(struct vtap_delivery) == 56 + VTAP_ABI_HEADER_BYTES, "shared with mirror.bpf.c");

#define VTAP_DELIVERY_IPV6 0x01 /* outer header */
#define VTAP_DELIVERY_DROP 0x02 /* mtu policy drop; else fit */
#define VTAP_DELIVERY_COMPLETE 0x04 /* checksums are completed before the copy leaves */
#define VTAP_DELIVERY_STAGE_ALL 0x08 /* something sits ahead of us on the uplink: every copy goes through the stage */
#define VTAP_DELIVERY_SAMPLED 0x10 /* sample_packets or sample_flows is above 1 */
#define VTAP_DELIVERY_LIMITED 0x20
#define VTAP_DELIVERY_UPLINK_COMPLETES                                                                                 \
	0x40 /* the uplink offloads no checksum: the kernel completes whole copies there */
#define VTAP_DELIVERY_UPLINK_DIRECT                                                                                    \
	0x80 /* nothing there can refuse a copy while it is up: it has no queue, and no program but ours */

/* Token buckets of one session, shared by all CPUs: the time up to which what was sent is paid for. */
struct vtap_bucket {
	struct bpf_spin_lock lock;
	__u32 pad;
	__u64 packets_paid_ns;
	__u64 bits_paid_ns;
};

/*
 * Counters of one session and direction, per CPU, in wire packets. Once traffic has stopped,
 * matched = mirrored + the sum of the VTAP_LOST_* + (staged - unstaged).
 */
enum vtap_counter {
	VTAP_MATCHED_PACKETS = 0,
	VTAP_MATCHED_BYTES = 1, /* of the originals, from their Ethernet header */
	VTAP_MIRRORED_PACKETS = 2,
	VTAP_MIRRORED_BYTES = 3, /* of the copies, outer headers included */
	VTAP_CUT_TO_FIT = 4, /* among the mirrored: cut to the path MTU */
	VTAP_UNCUT = 5, /* among the mirrored: should have been cut, could not be, was sent whole */
	VTAP_STAGED = 6, /* handed to the segmenting stage */
	VTAP_UNSTAGED = 7, /* came out of it */
	VTAP_LOST_SAMPLED = 8, /* left out by sampling, as asked */
	VTAP_LOST_LIMITED = 9, /* over the session's rate limit */
	VTAP_LOST_TOO_BIG = 10, /* over the path MTU, policy drop */
	VTAP_LOST_NOT_CUTTABLE = 11, /* had to be cut, could not be, does not fit whole */
	VTAP_LOST_NO_ROUTE = 12,
	VTAP_LOST_NO_NEIGHBOUR = 13,
	VTAP_LOST_BAD_NEXT_HOP =
	    14, /* the next hop's device has no Ethernet headers, is lo, or the route goes into xfrm */
	VTAP_LOST_UPLINK_DOWN = 15,
	VTAP_LOST_QUEUE = 16, /* the uplink's queue took no more */
	VTAP_LOST_CHANGED = 17, /* the session's delivery was replaced while the copy was on its way */
	VTAP_LOST_NO_MEMORY = 18, /* helper error -ENOMEM */
	VTAP_LOST_RECURSION = 19, /* helper error -ENETDOWN: the kernel's transmit recursion limit */
	VTAP_LOST_UNSUPPORTED = 20, /* helper errors -ENOTSUPP, -EOPNOTSUPP, -EALREADY */
	VTAP_LOST_ERROR = 21, /* any other helper error */
	VTAP_COUNTER_MAX
};
#define VTAP_LOST_FIRST VTAP_LOST_SAMPLED

struct vtap_counters {
	__u64 values[VTAP_COUNTER_MAX];
};

/* Per source interface and CPU, in packets as the hook saw them. */
enum vtap_port_counter {
	VTAP_PORT_OWN = 0, /* frames of a mirror tunnel: never mirrored */
	VTAP_PORT_COUNTER_MAX
};

struct vtap_port_counters {
	__u64 values[VTAP_PORT_COUNTER_MAX];
};

/* Tunnel endpoint whose traffic is never mirrored; port in host order. */
struct vtap_guard {
	__u8 address[16] __attribute__((aligned(8))); /* as in vtap_packet */
	__u32 port;
	__u32 pad;
};
_Static_assert(sizeof(struct vtap_guard) == 24, "shared with mirror.bpf.c");

/* Single element: what the whole data plane needs to know. */
struct vtap_globals {
	__u32 layout_version;
	__u16 guard_ports[VTAP_ABI_GUARD_PORTS];
	__u32 secret; /* by which programs know their own copies; kept over an upgrade, while old and new ones meet */
};
_Static_assert(sizeof(struct vtap_globals) == 24, "shared with mirror.bpf.c");

/* Which session owns a slot; an empty name is a free slot. Kept with the counters, so that a restart finds them again. */
struct vtap_slot_name {
	char name[VTAP_ABI_NAME_BYTES];
};
