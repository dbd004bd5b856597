/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a frame, through the parser of the data plane. An input is what the packet's metadata holds (first byte: bit 0
 * says whether there is a VLAN tag; then its TCI), and the frame.
 */

#include <linux/bpf.h>
#include <stdbool.h>
#include <string.h>

#include "fuzz.h"

#define METADATA_BYTES 3

/* Where the frame of a struct __sk_buff lies is for the kernel to know. */
static struct {
	const uint8_t *bytes;
	size_t size_bytes;
} frame;

/* The kernel's helper; like that, it leaves zeroes where it could not read. */
static long bpf_skb_load_bytes(const struct __sk_buff *skb, __u32 offset, void *to, __u32 size_bytes)
{
	if (offset > frame.size_bytes || size_bytes > frame.size_bytes - offset) {
		memset(to, 0, size_bytes);
		return -1;
	}
	memcpy(to, frame.bytes + offset, size_bytes);
	return 0;
}

#include "bpf/parse.bpf.h"

static struct vtap_packet parse(const struct __sk_buff *skb, const uint8_t *bytes, size_t size_bytes)
{
	struct __sk_buff context = *skb;
	struct vtap_packet p = {};
	struct vtap_fragment f = {};

	frame.bytes = bytes;
	frame.size_bytes = size_bytes;
	vtap_parse(&context, &p, &f);
	p.hash = vtap_parse_hash(&p);
	return p;
}

static void check_flags(const struct vtap_packet *p)
{
	bool ipv4 = p->flags & VTAP_PACKET_IPV4, ipv6 = p->flags & VTAP_PACKET_IPV6;

	FUZZ_CHECK(!ipv4 || (!ipv6 && p->ethertype == ETH_P_IP));
	FUZZ_CHECK(!ipv6 || p->ethertype == ETH_P_IPV6);
	FUZZ_CHECK(ipv4 || ipv6 || (!p->flags && !p->protocol && !p->l4_offset));
	FUZZ_CHECK(!(p->flags & VTAP_PACKET_PORTS) || !(p->flags & VTAP_PACKET_ICMP));
	FUZZ_CHECK(!(p->flags & VTAP_PACKET_LATER_FRAGMENT) || (p->flags & VTAP_PACKET_FRAGMENT));
	FUZZ_CHECK(!(p->flags & VTAP_PACKET_LATER_FRAGMENT) || !(p->flags & (VTAP_PACKET_PORTS | VTAP_PACKET_ICMP)));
	FUZZ_CHECK((p->flags & VTAP_PACKET_PORTS) || (!p->sport && !p->dport));
	FUZZ_CHECK((p->flags & VTAP_PACKET_ICMP) || (!p->icmp_type && !p->icmp_code));
	FUZZ_CHECK(!ipv4 || (!p->src[0] && !p->dst[0]));
	FUZZ_CHECK(p->vlan == VTAP_VLAN_NONE || p->vlan <= 0x0fff);
}

static void check_offsets(const struct vtap_packet *p, size_t size_bytes)
{
	size_t ip_bytes = p->flags & VTAP_PACKET_IPV6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);

	FUZZ_CHECK(p->l3_offset <= size_bytes);
	FUZZ_CHECK(size_bytes >= ETH_HLEN ? p->l3_offset >= ETH_HLEN : !p->l3_offset);
	if (p->flags & (VTAP_PACKET_IPV4 | VTAP_PACKET_IPV6))
		FUZZ_CHECK(p->l3_offset + ip_bytes <= size_bytes);
	FUZZ_CHECK(!p->l4_offset || p->l4_offset >= p->l3_offset + ip_bytes);
	FUZZ_CHECK(!p->header_bytes || (p->l4_offset && p->header_bytes >= p->l4_offset));
	if (p->flags & VTAP_PACKET_PORTS)
		FUZZ_CHECK(p->l4_offset && p->l4_offset + 4U <= size_bytes);
	if (p->flags & VTAP_PACKET_ICMP)
		FUZZ_CHECK(p->l4_offset && p->l4_offset + 2U <= size_bytes);
}

static void swap(uint8_t *one, uint8_t *other, size_t size_bytes)
{
	uint8_t kept[16];

	memcpy(kept, one, size_bytes);
	memcpy(one, other, size_bytes);
	memcpy(other, kept, size_bytes);
}

/* The answer to the packet: source and destination change places, and all the rest stays, the hash above all. */
static void check_answer(const struct __sk_buff *skb, const struct vtap_packet *p, uint8_t *bytes, size_t size_bytes)
{
	struct vtap_packet wanted = *p, answer;

	if (p->flags & VTAP_PACKET_IPV4)
		swap(bytes + p->l3_offset + 12, bytes + p->l3_offset + 16, 4);
	if (p->flags & VTAP_PACKET_IPV6)
		swap(bytes + p->l3_offset + 8, bytes + p->l3_offset + 24, 16);
	if (p->flags & VTAP_PACKET_PORTS)
		swap(bytes + p->l4_offset, bytes + p->l4_offset + 2, 2);
	memcpy(wanted.src, p->dst, sizeof(wanted.src));
	memcpy(wanted.dst, p->src, sizeof(wanted.dst));
	wanted.sport = p->dport;
	wanted.dport = p->sport;
	answer = parse(skb, bytes, size_bytes);
	FUZZ_CHECK(!memcmp(&answer, &wanted, sizeof(answer)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	struct __sk_buff skb = {};
	struct vtap_packet p;
	uint8_t *bytes;

	if (size_bytes < METADATA_BYTES)
		return 0;
	skb.vlan_present = data[0] & 1;
	skb.vlan_tci = (__u32)data[1] << 8 | data[2];
	size_bytes -= METADATA_BYTES;
	bytes = malloc(size_bytes + 1);
	FUZZ_CHECK(bytes);
	memcpy(bytes, data + METADATA_BYTES, size_bytes);
	p = parse(&skb, bytes, size_bytes);
	check_flags(&p);
	check_offsets(&p, size_bytes);
	FUZZ_CHECK(!skb.vlan_present || p.vlan == (skb.vlan_tci & 0x0fff) || !p.l3_offset);
	check_answer(&skb, &p, bytes, size_bytes);
	free(bytes);
	return 0;
}
