/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#pragma once

/*
 * Frame -> struct vtap_packet. Reads by bpf_skb_load_bytes() only, so that the original is never touched, wherever its bytes
 * lie. A malformed packet is no error: what could be read stands, the flags say how far that is, and sessions without a
 * filter mirror it all the same. Also built for user space, where the fuzzer supplies the helper.
 */

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>

#include "mirror_abi.h"

#ifdef __bpf__
#include <bpf/bpf_helpers.h>
#endif

#define VTAP_PORTS_BYTES 4
#define VTAP_PORTS_TCP_BYTES 13 /* to the data offset */
#define VTAP_EXTENSION_HEADERS_MAX 8
#define VTAP_VLAN_TAGS_MAX 2
#define VTAP_IPV4_FRAGMENT_OFFSET 0x1fff
#define VTAP_IPV4_MORE_FRAGMENTS 0x2000
#define VTAP_IPV6_FRAGMENT_OFFSET 0xfff8
#define VTAP_IPV6_MORE_FRAGMENTS 0x0001

/* What parsing a fragment needs beyond the packet itself. */
struct vtap_fragment {
	__u32 id;
	__u8 more; /* not the last one */
	__u8 protocol; /* of what is fragmented: in IPv6 it may begin with further extension headers */
};

static __always_inline __u64 vtap_mix(__u64 x)
{
	x ^= x >> 32;
	x *= 0x9e3779b97f4a7c15ULL;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ULL;
	return x ^ (x >> 32);
}

/* The same for both directions of a conversation; fragments hash addresses only, so that all of them agree. */
static __always_inline __u32 vtap_parse_hash(const struct vtap_packet *p)
{
	__u32 sport = 0, dport = 0;

	if ((p->flags & (VTAP_PACKET_PORTS | VTAP_PACKET_FRAGMENT)) == VTAP_PACKET_PORTS) {
		sport = p->sport;
		dport = p->dport;
	}
	__u64 one_end = vtap_mix(p->src[0] + vtap_mix(p->src[1] ^ sport));
	__u64 other_end = vtap_mix(p->dst[0] + vtap_mix(p->dst[1] ^ dport));

	return vtap_mix(one_end + other_end + p->protocol) >> 16;
}

static __always_inline int vtap_is_vlan(__u16 ethertype)
{
	return ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD;
}

/* Ethernet and up to two tags, the outer of which may sit in the metadata. Returns the offset behind them, or 0. */
static __always_inline __u32 vtap_parse_ethernet(struct __sk_buff *skb, struct vtap_packet *p)
{
	struct {
		__u64 macs_high;
		__u32 macs_low;
		__be16 type;
	} __attribute__((packed)) eth;
	struct {
		__be16 tci, type;
	} tag;
	__u32 offset = sizeof(eth), tags = 0;

	if (bpf_skb_load_bytes(skb, 0, &eth, sizeof(eth)))
		return 0;
	p->ethertype = bpf_ntohs(eth.type);
	/* Frames that are not IP spread by their ethertype; IP overwrites this. */
	p->src[1] = p->dst[1] = p->ethertype;
	if (skb->vlan_present) {
		p->vlan = skb->vlan_tci & 0x0fff;
		tags = 1;
	}
	for (int i = 0; i < VTAP_VLAN_TAGS_MAX; i++) {
		if (tags >= VTAP_VLAN_TAGS_MAX || !vtap_is_vlan(p->ethertype))
			break;
		if (bpf_skb_load_bytes(skb, offset, &tag, sizeof(tag)))
			break;
		if (!tags)
			p->vlan = bpf_ntohs(tag.tci) & 0x0fff;
		p->ethertype = bpf_ntohs(tag.type);
		offset += sizeof(tag);
		tags++;
	}
	return offset;
}

/* Returns the offset of the transport header, or 0 when there is nothing more to read. */
static __always_inline __u32 vtap_parse_ipv4(struct __sk_buff *skb, __u32 offset, struct vtap_packet *p,
					     struct vtap_fragment *f)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5)
		return 0;
	p->flags |= VTAP_PACKET_IPV4;
	p->src[0] = p->dst[0] = 0;
	p->src[1] = bpf_cpu_to_be64(bpf_ntohl(ip.saddr));
	p->dst[1] = bpf_cpu_to_be64(bpf_ntohl(ip.daddr));
	p->protocol = ip.protocol;

	__u16 fragment = bpf_ntohs(ip.frag_off);

	if (fragment & (VTAP_IPV4_FRAGMENT_OFFSET | VTAP_IPV4_MORE_FRAGMENTS)) {
		p->flags |= VTAP_PACKET_FRAGMENT;
		f->id = ip.id;
		f->protocol = ip.protocol;
		f->more = !!(fragment & VTAP_IPV4_MORE_FRAGMENTS);
		if (fragment & VTAP_IPV4_FRAGMENT_OFFSET)
			p->flags |= VTAP_PACKET_LATER_FRAGMENT;
	}
	return offset + ip.ihl * 4;
}

static __always_inline int vtap_is_extension(__u8 protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING || protocol == IPPROTO_FRAGMENT ||
	       protocol == IPPROTO_AH || protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_MH;
}

static __always_inline __u32 vtap_parse_ipv6(struct __sk_buff *skb, __u32 offset, struct vtap_packet *p,
					     struct vtap_fragment *f)
{
	struct ipv6hdr ip;
	__u8 next;

	if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)) || ip.version != 6)
		return 0;
	p->flags |= VTAP_PACKET_IPV6;
	__builtin_memcpy(p->src_bytes, &ip.saddr, sizeof(p->src_bytes));
	__builtin_memcpy(p->dst_bytes, &ip.daddr, sizeof(p->dst_bytes));
	offset += sizeof(ip);
	next = ip.nexthdr;
	for (int i = 0; i < VTAP_EXTENSION_HEADERS_MAX && vtap_is_extension(next); i++) {
		struct {
			__u8 next, length;
			__be16 fragment;
			__be32 id;
		} extension;

		p->protocol = next;
		if (bpf_skb_load_bytes(skb, offset, &extension, sizeof(extension)))
			return 0;
		if (next == IPPROTO_FRAGMENT) {
			__u16 fragment = bpf_ntohs(extension.fragment);

			p->flags |= VTAP_PACKET_FRAGMENT;
			f->id = extension.id;
			f->protocol = extension.next;
			f->more = !!(fragment & VTAP_IPV6_MORE_FRAGMENTS);
			offset += 8;
			if (fragment & VTAP_IPV6_FRAGMENT_OFFSET) {
				p->flags |= VTAP_PACKET_LATER_FRAGMENT;
				p->protocol = extension.next;
				return offset;
			}
		} else if (next == IPPROTO_AH) {
			offset += (extension.length + 2) * 4;
		} else {
			offset += (extension.length + 1) * 8;
		}
		next = extension.next;
	}
	p->protocol = next;
	return vtap_is_extension(next) ? 0 : offset;
}

static __always_inline void vtap_parse_ports(struct vtap_packet *p, __be16 sport, __be16 dport)
{
	p->sport = bpf_ntohs(sport);
	p->dport = bpf_ntohs(dport);
	p->flags |= VTAP_PACKET_PORTS;
}

static __always_inline void vtap_parse_transport(struct __sk_buff *skb, __u32 offset, struct vtap_packet *p)
{
	struct {
		__be16 sport, dport;
		__u8 rest[8];
		__u8 data_offset; /* TCP */
	} ports;
	struct {
		__u8 type, code;
	} icmp;

	switch (p->protocol) {
	case IPPROTO_TCP:
		if (!bpf_skb_load_bytes(skb, offset, &ports, VTAP_PORTS_TCP_BYTES)) {
			p->header_bytes = offset + (ports.data_offset >> 4) * 4;
			vtap_parse_ports(p, ports.sport, ports.dport);
			return;
		}
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		p->header_bytes = offset + 8;
		break;
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (bpf_skb_load_bytes(skb, offset, &icmp, sizeof(icmp)))
			return;
		p->icmp_type = icmp.type;
		p->icmp_code = icmp.code;
		p->flags |= VTAP_PACKET_ICMP;
		return;
	default:
		return;
	}
	if (!bpf_skb_load_bytes(skb, offset, &ports, VTAP_PORTS_BYTES))
		vtap_parse_ports(p, ports.sport, ports.dport);
}

/* A global function is verified once, by itself: whatever it may have found is one state for what comes after it. */
#ifdef __bpf__
#define VTAP_GLOBAL __noinline
#else
#define VTAP_GLOBAL static inline
#endif

/*
 * Fills *p, which must be zeroed, and *f when the packet is a fragment. Everything but the ports that a first fragment
 * lends to later ones: vtap_fragment_ports() adds those. Returns 0.
 */
VTAP_GLOBAL int vtap_parse(struct __sk_buff *skb, struct vtap_packet *p, struct vtap_fragment *f)
{
	__u32 offset;

	if (!p || !f)
		return 0;
	p->vlan = VTAP_VLAN_NONE;
	offset = vtap_parse_ethernet(skb, p);
	p->l3_offset = offset;
	if (!offset)
		return 0;
	if (p->ethertype == ETH_P_IP)
		offset = vtap_parse_ipv4(skb, offset, p, f);
	else if (p->ethertype == ETH_P_IPV6)
		offset = vtap_parse_ipv6(skb, offset, p, f);
	else
		return 0;
	p->l4_offset = offset;
	if (offset && !(p->flags & VTAP_PACKET_LATER_FRAGMENT))
		vtap_parse_transport(skb, offset, p);
	return 0;
}
