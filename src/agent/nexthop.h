/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where copies to a target leave: device, addresses and path MTU, from the kernel's routes and neighbours. */

#include <stdbool.h>
#include <stdint.h>

#include "basic/addr.h"
#include "model/config.h"
#include "net/net.h"

enum vtap_nexthop_state {
	VTAP_NEXTHOP_READY,
	VTAP_NEXTHOP_NO_ROUTE,
	VTAP_NEXTHOP_NO_NEIGHBOUR,
	VTAP_NEXTHOP_UNSUPPORTED, /* no Ethernet headers, lo, this host itself, or IPsec */
	VTAP_NEXTHOP_UPLINK_DOWN,
	VTAP_NEXTHOP_MAX
};

struct vtap_nexthop {
	enum vtap_nexthop_state state;
	char reason[128]; /* empty when ready; else a sentence for status */
	bool local; /* the target is an address of this host */
	uint32_t ifindex; /* 0 = none found */
	char device[IFNAMSIZ];
	uint32_t mtu; /* least of device, route and target */
	struct vtap_addr neighbour; /* gateway, or the target itself */
	bool neighbour_kept; /* by an administrator or a routing daemon: never asked for */
	struct vtap_addr source;
	struct vtap_mac source_mac, destination_mac;
};

/* Asks the kernel, and changes nothing. What it says always becomes a state; negative only when it cannot be asked. */
int vtap_nexthop_resolve(struct vtap_net *net, const struct vtap_target *target, const char *preferred_uplink,
			 struct vtap_nexthop *ret_nexthop);

/* Makes the kernel ask for a neighbour that is not known; the answer comes as an event. */
int vtap_nexthop_request(struct vtap_net *net, const struct vtap_nexthop *nexthop);

/* Asks by broadcast whether the neighbour is still where we think, and lets the kernel look, too; the answer comes as an event. */
int vtap_nexthop_solicit(struct vtap_net *net, const struct vtap_nexthop *nexthop);

/* Name as status shows it: "active", "no_route", "no_neighbour", "error", "uplink_down". */
const char *vtap_nexthop_state_name(enum vtap_nexthop_state state);
