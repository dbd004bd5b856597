/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of this folder share; nobody else includes it. */

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stddef.h>

#include "net/net.h"

/* The kernel cuts dumps to 32 KiB and no single answer that is asked for here comes near this. */
#define VTAP_NET_BUFFER_BYTES 65536

/* Sorted by ifindex. */
struct vtap_net_links {
	struct vtap_link *items; /* owned */
	size_t n;
	size_t n_allocated;
};

struct vtap_net {
	int monitor_fd; /* notifications, never blocks */
	int route_fd; /* questions and orders by rtnetlink; ethtool's ioctl too */
	int strict_fd; /* questions whose every attribute counts, other namespaces' ids among them */
	int xfrm_fd; /* -1 where the kernel has no XFRM */
	int netfilter_fd; /* -1 where the kernel has no nfnetlink */
	int packet_fd; /* sends solicitations; bound to no protocol, so it never receives */
	uint32_t sequence;
	bool lost; /* the cache cannot be trusted until it is read again */
	struct vtap_net_links links;
	vtap_net_callback callback;
	void *userdata; /* borrowed */
	_Alignas(NLMSG_ALIGNTO) unsigned char monitor[VTAP_NET_BUFFER_BYTES]; /* the datagram that is dispatched */
	_Alignas(NLMSG_ALIGNTO) unsigned char answer[VTAP_NET_BUFFER_BYTES]; /* the datagram that is an answer */
};

static inline void vtap_net_message_freep(struct nl_msg **m)
{
	nlmsg_free(*m);
}
#define _cleanup_message_ VTAP_CLEANUP(vtap_net_message_freep)

/* A message that begins with the family's own header; NULL where memory lacks. Freed by nlmsg_free(). */
struct nl_msg *vtap_net_message_new(uint16_t type, uint16_t flags, const void *header, size_t header_bytes);

/* Called for each message of an answer; must not ask anything itself. 0 or -errno, the first of which is returned. */
typedef int (*vtap_net_handler)(const struct nlmsghdr *h, void *userdata);

/*
 * Sends m to the kernel by fd and reads the whole answer: every message of a dump, or one answer and its
 * acknowledgement. A dump that a change interrupted is asked again, so a handler may see one object twice: it must keep
 * what it learns in a form that bears that. Returns the kernel's error, the handler's, or 0. handler may be NULL.
 */
int vtap_net_request(struct vtap_net *n, int fd, struct nl_msg *m, vtap_net_handler handler, void *userdata);

/* Reads all links anew; on failure the cache stays as it was. */
int vtap_net_links_read(struct vtap_net *n);
/* Takes one RTM_NEWLINK or RTM_DELLINK into the cache. */
int vtap_net_links_update(struct vtap_net *n, const struct nlmsghdr *h, bool *ret_changed);

/* Whether an outbound IPsec policy takes (or blocks) what goes from source, if known, to destination by that device. */
int vtap_net_xfrm_takes(struct vtap_net *n, const struct vtap_addr *destination, const struct vtap_addr *source,
			uint32_t ifindex, bool *ret_takes);

/* One row per kind of offload, fnmatch(3) patterns on ethtool's feature names; the first row that fits decides. */
struct vtap_net_offload {
	const char *pattern;
	bool on;
};
/*
 * Switches the features that the device has and that a row names. -EOPNOTSUPP if one of them will not be switched off;
 * one that cannot be switched on is left.
 */
int vtap_net_offload_set(struct vtap_net *n, const char *device, const struct vtap_net_offload *rows, size_t n_rows);

/* The address in wire form from an attribute of 4 or 16 bytes; AF_UNSPEC for any other length. */
struct vtap_addr vtap_net_addr_from(uint8_t family, const void *bytes, size_t size_bytes);
