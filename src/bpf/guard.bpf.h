/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Loops: copies that another host sent, and what our collectors answer to copies, are never mirrored. (Copies of this host
 * carry VTAP_MARK.) Otherwise two hosts that mirror their uplinks to each other would amplify without end.
 */

#include <linux/udp.h>

#include "maps.bpf.h"
#include "parse.bpf.h"

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

#define VTAP_GUARD_VXLAN 0x08000000 /* first word of a VXLAN header: the VNI is valid, and nothing else is said */
#define VTAP_GUARD_GENEVE_ETHERNET 0x6558 /* second half of the first word of a GENEVE header: a frame follows */

/*
 * Whether a tunnel's header is there. Whoever may name a target and a port would otherwise hide that service's traffic from
 * everybody's mirrors. missing: what a packet that ends before is taken for.
 */
static __always_inline int vtap_guard_is_tunnel(struct __sk_buff *skb, __u32 offset, int missing)
{
	__be32 word;

	if (bpf_skb_load_bytes(skb, offset, &word, sizeof(word)))
		return missing;
	return word == bpf_htonl(VTAP_GUARD_VXLAN) || (bpf_ntohl(word) & 0xffff) == VTAP_GUARD_GENEVE_ETHERNET;
}

/* Whether it quotes the packet that it is about: RFC 792; in ICMPv6 every type below 128 (RFC 4443). */
static __always_inline int vtap_guard_is_error(const struct vtap_packet *p)
{
	if (p->protocol == IPPROTO_ICMPV6)
		return p->icmp_type < 128;
	return p->icmp_type == 3 || p->icmp_type == 4 || p->icmp_type == 5 || p->icmp_type == 11 || p->icmp_type == 12;
}

/* What a quoted packet tells of itself. */
struct vtap_quoted {
	__u64 src[2]; /* as in vtap_packet */
	__u64 dst[2];
	__u16 port; /* of UDP, of what may be a tunnel; 0 = it is none */
};

/*
 * A collector where nobody listens, or any router on the way, answers a copy with an ICMP error, and mirroring that would bring
 * forth the next: what counts is whose packet it quotes, whoever sends it.
 */
static __always_inline void vtap_guard_quoted(struct __sk_buff *skb, const struct vtap_packet *p, struct vtap_quoted *q)
{
	__u32 offset = p->l4_offset + 8;
	__u8 protocol;
	__be16 port;

	if (p->protocol == IPPROTO_ICMPV6) {
		if (bpf_skb_load_bytes(skb, offset + 6, &protocol, sizeof(protocol)) ||
		    bpf_skb_load_bytes(skb, offset + 8, q->src, sizeof(q->src)) ||
		    bpf_skb_load_bytes(skb, offset + 24, q->dst, sizeof(q->dst)))
			return;
		offset += sizeof(struct ipv6hdr);
	} else {
		struct iphdr ip;

		if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)))
			return;
		protocol = ip.protocol;
		q->src[1] = bpf_cpu_to_be64(bpf_ntohl(ip.saddr));
		q->dst[1] = bpf_cpu_to_be64(bpf_ntohl(ip.daddr));
		offset += ip.ihl * 4;
	}
	/* Many quote no more than the UDP header. */
	if (protocol == IPPROTO_UDP && !bpf_skb_load_bytes(skb, offset + 2, &port, sizeof(port)) &&
	    vtap_guard_is_tunnel(skb, offset + sizeof(struct udphdr), 1))
		q->port = bpf_ntohs(port);
}

/* Whether the packet belongs to a mirror tunnel: its port is one of ours, either end a known target or agent, and it has the header. */
static __always_inline int vtap_guard_is_own(struct __sk_buff *skb, const struct vtap_packet *p)
{
	struct vtap_quoted quoted = {};
	struct vtap_globals *g;
	__u32 zero = 0;
	int udp = p->protocol == IPPROTO_UDP && (p->flags & VTAP_PACKET_PORTS);
	__u16 port = p->dport;

	if (!udp) {
		if (!(p->flags & VTAP_PACKET_ICMP) || !vtap_guard_is_error(p))
			return 0;
		vtap_guard_quoted(skb, p, &quoted);
		port = quoted.port;
	}
	g = bpf_map_lookup_elem(&vtap_globals, &zero);
	if (!g || !port || !vtap_guard_port(g, port))
		return 0;
	/* Ours, or another host's to this one: that host is a target or named in never_mirror. */
	if (!udp)
		return vtap_guard_known(quoted.dst, port) || vtap_guard_known(quoted.src, port);
	if (!vtap_guard_known(p->dst, port) && !vtap_guard_known(p->src, port))
		return 0;
	/* Only the first of its fragments has a header. */
	return (p->flags & VTAP_PACKET_LATER_FRAGMENT) ||
	       vtap_guard_is_tunnel(skb, p->l4_offset + sizeof(struct udphdr), 0);
}
