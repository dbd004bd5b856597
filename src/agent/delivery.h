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

/* stage_all: every copy goes through the segmenting stage, because something sits ahead of us on the uplink. */
void vtap_delivery_make(const struct vtap_session *session, const struct vtap_nexthop *nexthop, uint32_t stage_ifindex,
			bool stage_all, struct vtap_delivery *ret_delivery);

/* Bytes that the outer headers add to an inner frame, from the outer IP header on. */
uint32_t vtap_delivery_overhead_bytes(uint8_t family);
