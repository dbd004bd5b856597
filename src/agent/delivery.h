/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A session and its next hop -> what the data plane needs to send its copies. Pure. */

#include "agent/nexthop.h"
#include "bpf/mirror_abi.h"
#include "model/config.h"

/* Depth of the token buckets: 0.5 % of what a limit lets through in 10 s. */
#define VTAP_LIMIT_BURST_NS 50000000ULL
/* Ethernet, VXLAN and what lies between, over IPv4 and IPv6. */
#define VTAP_DELIVERY_IPV4_BYTES 50U
#define VTAP_DELIVERY_IPV6_BYTES 70U

/* uplink_flags: what was found there, VTAP_DELIVERY_STAGE_ALL and VTAP_DELIVERY_UPLINK_*. */
void vtap_delivery_make(const struct vtap_session *session, const struct vtap_nexthop *nexthop, uint32_t stage_ifindex,
			uint16_t uplink_flags, struct vtap_delivery *ret_delivery);

/* Bytes that the outer headers add to an inner frame, from the outer IP header on. */
uint32_t vtap_delivery_overhead_bytes(uint8_t family);

/* Whether copies by the two have the same destination address, port and VNI: nobody can tell them apart on the wire. */
bool vtap_delivery_same_tunnel(const struct vtap_delivery *a, const struct vtap_delivery *b);
