/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* Every map of the data plane. All are pinned, so that mirroring outlives the agent. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "mirror_abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct vtap_globals);
} vtap_globals SEC(".maps");

/* ifindex -> index into vtap_ports. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VTAP_ABI_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} vtap_port_index SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VTAP_ABI_PORTS);
	__type(key, __u32);
	__type(value, struct vtap_port);
} vtap_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VTAP_ABI_PLANS);
	__type(key, __u32);
	__type(value, struct vtap_plan);
} vtap_plans SEC(".maps");

/* Session slot -> index into vtap_deliveries. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VTAP_ABI_SESSIONS);
	__type(key, __u32);
	__type(value, __u32);
} vtap_sessions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VTAP_ABI_DELIVERIES);
	__type(key, __u32);
	__type(value, struct vtap_delivery);
} vtap_deliveries SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VTAP_ABI_SESSIONS);
	__type(key, __u32);
	__type(value, struct vtap_bucket);
} vtap_buckets SEC(".maps");

/* Key: session slot * 2 + direction. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VTAP_ABI_SESSIONS * 2);
	__type(key, __u32);
	__type(value, struct vtap_counters);
} vtap_counters SEC(".maps");

/* Key: index into vtap_ports. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VTAP_ABI_PORTS);
	__type(key, __u32);
	__type(value, struct vtap_port_counters);
} vtap_port_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VTAP_ABI_GUARDS);
	__type(key, struct vtap_guard);
	__type(value, __u8);
} vtap_guards SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VTAP_ABI_SESSIONS);
	__type(key, __u32);
	__type(value, struct vtap_slot_name);
} vtap_slot_names SEC(".maps");

/* What the first fragment of a datagram lends to the later ones. */
struct vtap_fragment_key {
	__u64 src[2], dst[2];
	__u32 id;
	__u32 ifindex;
	__u32 protocol;
	__u32 pad;
};

struct vtap_fragment_ports {
	__u16 sport, dport;
	__u8 protocol; /* behind all extension headers */
	__u8 pad[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, VTAP_ABI_FRAGMENTS);
	__type(key, struct vtap_fragment_key);
	__type(value, struct vtap_fragment_ports);
} vtap_fragments SEC(".maps");

/*
 * Updating a map in a map is the one update that waits until no program still runs with what it read before. User space
 * updates this one before it writes over a retired plan or delivery; no program reads it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(
	    values, struct {
		    __uint(type, BPF_MAP_TYPE_ARRAY);
		    __uint(max_entries, 1);
		    __type(key, __u32);
		    __type(value, __u32);
	    });
} vtap_fence SEC(".maps");

/* What became of a copy. */
struct vtap_finished {
	__u32 lost; /* enum vtap_counter, 0 = sent on */
	__u32 bytes; /* of the copy, outer headers included */
	__u32 note; /* VTAP_CUT_TO_FIT, VTAP_UNCUT or 0 */
};

/*
 * How programs that run inside a source program's bpf_clone_redirect() tell it, and each other, what they found: all of them
 * on the same CPU, and nothing else can write here in between. While an agent takes over, they may be of different loads: they
 * share this map like the others.
 */
struct vtap_inside {
	struct vtap_finished finished; /* on the fast way */
	__u32 uplink_up; /* of what the stage sends directly: VTAP_UPLINK_*, looked at once for all of a super-packet */
	__u32 identification; /* this CPU's last random number for outer headers; 0 = none yet */
};

enum { VTAP_UPLINK_UNKNOWN, VTAP_UPLINK_UP, VTAP_UPLINK_DOWN };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct vtap_inside);
} vtap_scratch SEC(".maps");

static __always_inline struct vtap_inside *vtap_inside(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&vtap_scratch, &zero);
}

#define VTAP_CHECKSUM_PIECE_BYTES 512 /* as much as bpf_csum_diff() takes on Linux 6.1 */
#define VTAP_CHECKSUM_START_MAX 255 /* room for many IPv6 extension headers, or a tunnel of a guest's own */

/*
 * A piece of a frame while its checksum is computed: too large for the stack. Used between two helpers of one program, none of
 * which sends a packet, so that nothing on this CPU can come in between. The only map that is not pinned: nothing in it lasts.
 */
struct vtap_checksum_piece {
	__u8 pad[2]; /* puts what follows an Ethernet header on a multiple of 4 */
	__u8 bytes[VTAP_CHECKSUM_PIECE_BYTES];
	/* Behind the last piece there are zeroes up to a multiple of 4; the verifier reckons with more. */
	__u8 rest[VTAP_CHECKSUM_START_MAX + 6];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct vtap_checksum_piece);
} vtap_checksum_pieces SEC(".maps");
