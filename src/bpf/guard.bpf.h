/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Loops: copies that another host sent, and what our collectors answer to copies, are never mirrored. (Copies of this host
 * carry VTAP_MARK.) Otherwise two hosts that mirror their uplinks to each other would amplify without end.
 */

#include "maps.bpf.h"
#include "parse.bpf.h"

#define VTAP_ICMP_UNREACHABLE 3
#define VTAP_ICMPV6_UNREACHABLE 1

static __always_inline int vtap_guard_known(const __u64 *address, __u16 port)
{
	struct vtap_guard key = {.port = port};

	__builtin_memcpy(key.address, address, sizeof(key.address));
	return !!bpf_map_lookup_elem(&vtap_guards, &key);
}

static __always_inline int vtap_guard_port(const struct vtap_globals *g, __u16 port)
{
	for (int i = 0; i < VTAP_ABI_GUARD_PORTS; i++) {
		if (g->guard_ports[i] == port)
			return 1;
	}
	return 0;
}

/*
 * The UDP port inside an ICMP "unreachable": a collector where nobody listens answers each copy with one, and mirroring that
 * would bring forth the next. Returns 0 when the quoted packet is no UDP.
 */
static __always_inline __u16 vtap_guard_quoted_port(struct __sk_buff *skb, const struct vtap_packet *p)
{
	__u32 offset = p->l4_offset + 8;
	__be16 port;

	if (p->protocol == IPPROTO_ICMP && p->icmp_type == VTAP_ICMP_UNREACHABLE) {
		struct iphdr ip;

		if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)) || ip.protocol != IPPROTO_UDP)
			return 0;
		offset += ip.ihl * 4;
	} else if (p->protocol == IPPROTO_ICMPV6 && p->icmp_type == VTAP_ICMPV6_UNREACHABLE) {
		__u8 next;

		if (bpf_skb_load_bytes(skb, offset + 6, &next, sizeof(next)) || next != IPPROTO_UDP)
			return 0;
		offset += sizeof(struct ipv6hdr);
	} else {
		return 0;
	}
	return bpf_skb_load_bytes(skb, offset + 2, &port, sizeof(port)) ? 0 : bpf_ntohs(port);
}

/* Whether the packet belongs to a mirror tunnel: its port is one of ours, and either end a known target or agent. */
static __always_inline int vtap_guard_is_own(struct __sk_buff *skb, const struct vtap_packet *p)
{
	struct vtap_globals *g;
	__u32 zero = 0;
	__u16 port;

	if (p->protocol == IPPROTO_UDP && (p->flags & VTAP_PACKET_PORTS))
		port = p->dport;
	else if (p->flags & VTAP_PACKET_ICMP)
		port = vtap_guard_quoted_port(skb, p);
	else
		return 0;
	g = bpf_map_lookup_elem(&vtap_globals, &zero);
	if (!g || !port || !vtap_guard_port(g, port))
		return 0;
	return vtap_guard_known(p->dst, port) || vtap_guard_known(p->src, port);
}
