/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The kernel's links, addresses, routes and neighbours, by rtnetlink (libnl's owner). One struct vtap_net watches one
 * network namespace: a cache of links, plus questions that are asked of the kernel itself. No thread, no clock: its owner
 * polls vtap_net_fd() and calls vtap_net_dispatch().
 */

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "basic/addr.h"
#include "basic/util.h"

struct vtap_net;

struct vtap_link {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	uint32_t mtu;
	bool up; /* administratively up */
	bool running; /* operational: has a carrier */
	bool ethernet; /* ARPHRD_ETHER, not lo */
	bool loopback;
	uint32_t master_ifindex; /* bridge or bond that it is a port of; 0 = none */
	char kind[16]; /* "veth", "bridge", "bond" ...; empty for a physical device */
	struct vtap_mac mac;
};

/* What changed; several changes may be folded into one call. */
enum vtap_net_event {
	VTAP_NET_LINK = 1, /* a link, or its queue, appeared, changed or went */
	VTAP_NET_ROUTE = 2, /* routes, rules or addresses changed: no detail */
	VTAP_NET_NEIGHBOUR = 4, /* a neighbour changed: no detail */
	VTAP_NET_LOST = 8, /* the kernel dropped notifications: everything must be read again; comes with the others */
};
typedef void (*vtap_net_callback)(unsigned events, void *userdata);

/* Opens the sockets in the calling thread's network namespace, reads all links and starts to listen. */
int vtap_net_new(vtap_net_callback callback, void *userdata, struct vtap_net **ret_net);
struct vtap_net *vtap_net_free(struct vtap_net *n);
VTAP_DEFINE_CLEANUP(struct vtap_net *, vtap_net_free);

/* Readable when notifications wait. */
int vtap_net_fd(const struct vtap_net *n);
/* Reads all that waits, updates the cache, then calls the callback at most once with all events or-ed. */
int vtap_net_dispatch(struct vtap_net *n);

/* From the cache. -ENODEV if there is no such link. */
int vtap_net_link_by_name(const struct vtap_net *n, const char *name, struct vtap_link *ret_link);
int vtap_net_link_by_index(const struct vtap_net *n, uint32_t ifindex, struct vtap_link *ret_link);

/* The i-th of them, by ascending index. -ENOENT at the end. */
int vtap_net_link_at(const struct vtap_net *n, size_t i, struct vtap_link *ret_link);

/*
 * Who is behind devices. Calls visit for each of what the kernel knows, in no order, which must not ask anything itself.
 * Addresses: of that device or of all (ifindex 0), of this namespace (namespace_id -1) or one that has an id here; without
 * those of the link alone.
 */
int vtap_net_addresses_each(struct vtap_net *n, int32_t namespace_id, uint32_t ifindex,
			    void (*visit)(uint32_t ifindex, const struct vtap_addr *address, void *userdata),
			    void *userdata);
/* Neighbours that have answered; bridged: MACs that bridges have learned, by port, without addresses (AF_UNSPEC). */
int vtap_net_neighbours_each(struct vtap_net *n, bool bridged,
			     void (*visit)(uint32_t ifindex, const struct vtap_addr *address,
					   const struct vtap_mac *mac, void *userdata),
			     void *userdata);
struct vtap_peer { /* the other end of a cable */
	int32_t namespace_id; /* -1 = it is in this namespace */
	uint32_t ifindex; /* there */
	struct vtap_mac mac;
};
/* Of a veth device. -ENOENT: it has none; -EPERM: this process may not look there. */
int vtap_net_peer(struct vtap_net *n, uint32_t ifindex, struct vtap_peer *ret_peer);
/* The id of the namespace that fd (of /run/netns/NAME, for example) stands for. -ENOENT: no device here leads there. */
int vtap_net_namespace_id(struct vtap_net *n, int fd, int32_t *ret_id);

struct vtap_route {
	uint32_t ifindex; /* device that the packet leaves by */
	struct vtap_addr gateway; /* AF_UNSPEC: the destination is on the link */
	struct vtap_addr source; /* preferred source address */
	uint32_t mtu; /* from the route; 0 = none given */
	bool xfrm; /* an outbound IPsec policy would take these packets; false where they may not be asked for */
	bool local; /* the destination is an address of this host */
};
/*
 * Asks the kernel (RTM_GETROUTE) how packets to destination leave. source (AF_UNSPEC = any) and oif (0 = any) narrow it.
 * -ENETUNREACH, -EHOSTUNREACH, -EACCES (prohibit), -EINVAL (blackhole): as the kernel says.
 */
int vtap_net_route_get(struct vtap_net *n, const struct vtap_addr *destination, const struct vtap_addr *source,
		       uint32_t oif, struct vtap_route *ret_route);

enum vtap_neighbour_state {
	VTAP_NEIGHBOUR_NONE, /* unknown, incomplete or failed: no address */
	VTAP_NEIGHBOUR_REACHABLE,
	VTAP_NEIGHBOUR_STALE, /* an address, not confirmed of late (stale, delay, probe) */
	VTAP_NEIGHBOUR_KEPT, /* an address that others look after (permanent, noarp, extern_learn, managed): not for us to ask for */
};
/* Asks the kernel (RTM_GETNEIGH). Returns 0 with VTAP_NEIGHBOUR_NONE where there is no entry. */
int vtap_net_neighbour_get(struct vtap_net *n, uint32_t ifindex, const struct vtap_addr *address,
			   struct vtap_mac *ret_mac, enum vtap_neighbour_state *ret_state);
/* Makes the kernel resolve the address (NTF_USE), unless the entry is VTAP_NEIGHBOUR_KEPT. */
int vtap_net_neighbour_resolve(struct vtap_net *n, uint32_t ifindex, const struct vtap_addr *address);
/*
 * Sends one ARP request or neighbour solicitation by broadcast / solicited-node multicast ourselves (AF_PACKET), so that a
 * target that moved to another MAC without a word is found: the kernel's own probes of a known neighbour are unicast.
 * The answer reaches the kernel's table by itself. source: an address of ours on the link. -EPERM without CAP_NET_RAW.
 */
int vtap_net_neighbour_solicit(struct vtap_net *n, uint32_t ifindex, const struct vtap_addr *address,
			       const struct vtap_addr *source);

/*
 * The segmenting stage: a bridge (near) without spanning tree and multicast snooping, whose one port (far) is an end of a veth
 * pair that leads nowhere (end). All up, own MACs, no IPv6 addresses (addrgenmode none, disable_ipv6 where /proc/sys is
 * writable), arp off, MTU 65521. near has every checksum and segmentation offload off, no scatter-gather and gso_max_segs 1,
 * so that far's egress sees one finished wire packet at a time, in the context of whoever sent the super-packet to near. A
 * stage of ours is put right and keeps its indexes; one that was torn apart is made anew. -EEXIST if one of the names belongs
 * to a device that this function did not make.
 */
int vtap_net_stage_ensure(struct vtap_net *n, const char *near, const char *far, const char *end,
			  uint32_t *ret_near_ifindex, uint32_t *ret_far_ifindex);
/* 0 also when there is none, or one that vtap_net_stage_ensure() did not make: that is left alone. */
int vtap_net_stage_remove(struct vtap_net *n, const char *near, const char *far);

/*
 * Whether the kernel itself completes every checksum before it hands a packet to that device, because the device offloads none
 * (ethtool's tx-checksum-*).
 */
int vtap_net_completes_checksums(struct vtap_net *n, const char *device, bool *ret_completes);

/* Whether a queueing discipline stands before that device's driver, which may refuse packets. */
int vtap_net_has_queue(struct vtap_net *n, uint32_t ifindex, bool *ret_queue);

/* Drops of a device as it counts them itself (IFLA_STATS64 and the root qdisc). */
struct vtap_link_drops {
	uint64_t rx_dropped, tx_dropped, tx_errors, qdisc_dropped;
};
int vtap_net_link_drops(struct vtap_net *n, uint32_t ifindex, struct vtap_link_drops *ret_drops);

/* Whether an nft netdev chain hooks this device's egress (sees frames before tcx and clsact do). False where nft is absent. */
int vtap_net_nft_egress(struct vtap_net *n, const char *device, bool *ret_hooked);
/*
 * Preference of the first foreign clsact filter that runs before ours on that hook, which is program_id; -ENOENT: none does.
 * Of BPF filters with one preference, the one that came last runs first.
 */
int vtap_net_clsact_first(struct vtap_net *n, uint32_t ifindex, bool egress, uint32_t program_id,
			  uint32_t *ret_preference);
/* Whether that device's clsact qdisc holds no filter and no chain of anybody; also where there is no such qdisc. */
int vtap_net_clsact_empty(struct vtap_net *n, uint32_t ifindex, bool *ret_empty);
/* Calls visit for each device that has a clsact qdisc, some perhaps twice; it must not ask anything itself. */
int vtap_net_clsact_each(struct vtap_net *n, void (*visit)(uint32_t ifindex, void *userdata), void *userdata);
