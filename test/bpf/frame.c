// SPDX-License-Identifier: Apache-2.0
#include "frame.h"

#include <arpa/inet.h>
#include <assert.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <netinet/in.h>
#include <string.h>

#define IPV4_MORE_FRAGMENTS 0x2000
#define AUTHENTICATION_BYTES 16
#define EXTENSION_BYTES 8

static const uint8_t nowhere[16];

static void *append(struct frame *f, size_t size_bytes)
{
	void *at = f->bytes + f->size_bytes;

	assert(f->size_bytes + size_bytes <= sizeof(f->bytes));
	memset(at, 0, size_bytes);
	f->size_bytes += size_bytes;
	return at;
}

static void append_u16(struct frame *f, uint16_t value)
{
	uint16_t value_be = htons(value);

	memcpy(append(f, sizeof(value_be)), &value_be, sizeof(value_be));
}

static uint16_t ethertype_of(const struct frame_shape *s)
{
	return s->ip == 4 ? ETH_P_IP : s->ip == 6 ? ETH_P_IPV6 : s->ethertype;
}

static void address_of(const struct frame_shape *s, const uint8_t given[16], uint8_t last, uint8_t ret[16])
{
	static const uint8_t prefix[2][16] = {{[12] = 10}, {0xfd}};

	memcpy(ret, given, 16);
	if (memcmp(given, nowhere, 16) || !s->ip)
		return;
	memcpy(ret, prefix[s->ip == 6], 16);
	ret[15] = last;
}

static void append_ipv4(struct frame *f, const struct frame_shape *s)
{
	uint8_t src[16], dst[16];
	struct iphdr ip = {
	    .version = 4,
	    .ihl = 5 + s->option_words,
	    .id = htons((uint16_t)s->fragment_id),
	    .frag_off = htons(s->fragment_offset | (s->more ? IPV4_MORE_FRAGMENTS : 0)),
	    .ttl = 64,
	    .protocol = s->protocol,
	};

	address_of(s, s->src, 1, src);
	address_of(s, s->dst, 2, dst);
	memcpy(&ip.saddr, src + 12, sizeof(ip.saddr));
	memcpy(&ip.daddr, dst + 12, sizeof(ip.daddr));
	memcpy(append(f, sizeof(ip)), &ip, sizeof(ip));
	memset(append(f, s->option_words * 4U), 1, s->option_words * 4U);
}

static void append_extension(struct frame *f, const struct frame_shape *s, uint8_t type, uint8_t next)
{
	uint8_t *header = append(f, type == IPPROTO_AH ? AUTHENTICATION_BYTES : EXTENSION_BYTES);
	uint16_t offset_be = htons(s->fragment_offset << 3 | s->more);
	uint32_t id_be = htonl(s->fragment_id);

	header[0] = next;
	if (type == IPPROTO_AH)
		header[1] = AUTHENTICATION_BYTES / 4 - 2;
	if (type != IPPROTO_FRAGMENT)
		return;
	memcpy(header + 2, &offset_be, sizeof(offset_be));
	memcpy(header + 4, &id_be, sizeof(id_be));
}

static void append_ipv6(struct frame *f, const struct frame_shape *s)
{
	struct ipv6hdr ip = {
	    .version = 6,
	    .nexthdr = s->extension_count ? s->extensions[0] : s->protocol,
	    .hop_limit = 64,
	};

	address_of(s, s->src, 1, ip.saddr.s6_addr);
	address_of(s, s->dst, 2, ip.daddr.s6_addr);
	memcpy(append(f, sizeof(ip)), &ip, sizeof(ip));
	for (unsigned i = 0; i < s->extension_count; i++)
		append_extension(f, s, s->extensions[i],
				 i + 1U < s->extension_count ? s->extensions[i + 1] : s->protocol);
}

static void append_transport(struct frame *f, const struct frame_shape *s)
{
	uint8_t *header;

	switch (s->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		append_u16(f, s->sport);
		append_u16(f, s->dport);
		if (s->protocol == IPPROTO_TCP) {
			header = append(f, FRAME_TCP_BYTES - 4);
			header[8] = FRAME_TCP_BYTES / 4 << 4;
		} else {
			append(f, 4);
		}
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		header = append(f, 8);
		header[0] = s->icmp_type;
		header[1] = s->icmp_code;
		break;
	}
}

/* Lengths are those of the whole frame, also when it is then cut: as truncated captures and bad senders have it. */
static void lengths_write(struct frame *f, const struct frame_shape *s, size_t l3_offset)
{
	uint16_t size_be = htons((uint16_t)(f->size_bytes - l3_offset - (s->ip == 6 ? sizeof(struct ipv6hdr) : 0)));

	if (s->ip)
		memcpy(f->bytes + l3_offset + (s->ip == 6 ? offsetof(struct ipv6hdr, payload_len) : 2), &size_be,
		       sizeof(size_be));
}

void frame_build(const struct frame_shape *s, struct frame *ret_frame)
{
	static const uint8_t macs[12] = {0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1};
	size_t l3_offset;
	uint8_t *payload;

	assert(!s->size_bytes || s->size_bytes >= sizeof(macs) + 2);
	ret_frame->size_bytes = 0;
	memcpy(append(ret_frame, sizeof(macs)), macs, sizeof(macs));
	for (unsigned i = 0; i < s->tag_count; i++) {
		append_u16(ret_frame, i + 1 < s->tag_count ? ETH_P_8021AD : ETH_P_8021Q);
		append_u16(ret_frame, s->tags[i]);
	}
	append_u16(ret_frame, ethertype_of(s));
	l3_offset = ret_frame->size_bytes;
	if (s->ip == 4)
		append_ipv4(ret_frame, s);
	if (s->ip == 6)
		append_ipv6(ret_frame, s);
	if (s->ip && !s->fragment_offset)
		append_transport(ret_frame, s);
	payload = append(ret_frame, s->payload_bytes);
	for (size_t i = 0; i < s->payload_bytes; i++)
		payload[i] = (uint8_t)i;
	lengths_write(ret_frame, s, l3_offset);
	if (s->size_bytes && s->size_bytes < ret_frame->size_bytes)
		ret_frame->size_bytes = s->size_bytes;
}

void frame_packet(const struct frame_shape *s, struct vtap_packet *ret_packet)
{
	struct vtap_packet p = {
	    .ethertype = ethertype_of(s),
	    .vlan = s->tag_count ? s->tags[0] & 0x0fff : VTAP_VLAN_NONE,
	};

	if (s->ip) {
		p.flags = s->ip == 4 ? VTAP_PACKET_IPV4 : VTAP_PACKET_IPV6;
		p.protocol = s->protocol;
		address_of(s, s->src, 1, p.src_bytes);
		address_of(s, s->dst, 2, p.dst_bytes);
	}
	switch (p.protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		p.flags |= VTAP_PACKET_PORTS;
		p.sport = s->sport;
		p.dport = s->dport;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		p.flags |= VTAP_PACKET_ICMP;
		p.icmp_type = s->icmp_type;
		p.icmp_code = s->icmp_code;
		break;
	}
	*ret_packet = p;
}

struct frame_shape frame_reverse(const struct frame_shape *s)
{
	struct frame_shape reverse = *s;

	address_of(s, s->dst, 2, reverse.src);
	address_of(s, s->src, 1, reverse.dst);
	reverse.sport = s->dport;
	reverse.dport = s->sport;
	return reverse;
}
