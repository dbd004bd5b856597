// SPDX-License-Identifier: Apache-2.0

#include "agent/delivery.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stddef.h>
#include <string.h>

/* RFC 7348, section 5. */
struct vxlan_header {
	uint32_t flags_be;
	uint32_t vni_be;
};
#define VXLAN_FLAG_VNI 0x08000000U

static const uint16_t lost_by_state[VTAP_NEXTHOP_MAX] = {
    [VTAP_NEXTHOP_READY] = 0,
    [VTAP_NEXTHOP_NO_ROUTE] = VTAP_LOST_NO_ROUTE,
    [VTAP_NEXTHOP_NO_NEIGHBOUR] = VTAP_LOST_NO_NEIGHBOUR,
    [VTAP_NEXTHOP_UNSUPPORTED] = VTAP_LOST_BAD_NEXT_HOP,
    [VTAP_NEXTHOP_UPLINK_DOWN] = VTAP_LOST_UPLINK_DOWN,
};

uint32_t vtap_delivery_overhead_bytes(uint8_t family)
{
	return (family == AF_INET6 ? VTAP_DELIVERY_IPV6_BYTES : VTAP_DELIVERY_IPV4_BYTES) - ETH_HLEN;
}

/* Folded ones' complement sum of the words as they lie in memory, so that the data plane can go on from there. */
static uint16_t sum_of(const void *data, size_t size_bytes)
{
	const uint8_t *bytes = data;
	uint32_t sum = 0;
	uint16_t word;

	for (size_t i = 0; i + 1 < size_bytes; i += 2) {
		memcpy(&word, bytes + i, sizeof(word));
		sum += word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static size_t ipv4_write(uint8_t *at, const struct vtap_target *t, const struct vtap_nexthop *h, uint16_t *ret_sum)
{
	struct iphdr ip = {
	    .version = 4,
	    .ihl = 5,
	    .tos = t->dscp << 2,
	    .frag_off = htons(t->df ? 0x4000 : 0),
	    .ttl = t->ttl,
	    .protocol = IPPROTO_UDP,
	};

	memcpy(&ip.saddr, h->source.bytes, sizeof(ip.saddr));
	memcpy(&ip.daddr, t->address.bytes, sizeof(ip.daddr));
	memcpy(at, &ip, sizeof(ip));
	*ret_sum = sum_of(&ip, sizeof(ip));
	return sizeof(ip);
}

/* The UDP checksum stays 0, as RFC 6935 allows for tunnels. */
static size_t ipv6_write(uint8_t *at, const struct vtap_target *t, const struct vtap_nexthop *h)
{
	uint32_t traffic_class = (uint32_t)t->dscp << 2;
	struct ipv6hdr ip = {.nexthdr = IPPROTO_UDP, .hop_limit = t->ttl};
	uint32_t first_be = htonl(6U << 28 | traffic_class << 20);

	memcpy(&ip.saddr, h->source.bytes, sizeof(ip.saddr));
	memcpy(&ip.daddr, t->address.bytes, sizeof(ip.daddr));
	memcpy(at, &ip, sizeof(ip));
	memcpy(at, &first_be, sizeof(first_be));
	return sizeof(ip);
}

static void header_write(const struct vtap_session *s, const struct vtap_nexthop *h, struct vtap_delivery *d)
{
	bool ipv6 = s->target->address.family == AF_INET6;
	struct vxlan_header vxlan = {.flags_be = htonl(VXLAN_FLAG_VNI), .vni_be = htonl(s->vni << 8)};
	struct udphdr udp = {.dest = htons(s->port)};
	struct ethhdr eth = {.h_proto = htons(ipv6 ? ETH_P_IPV6 : ETH_P_IP)};
	uint8_t *at = d->header;

	memcpy(eth.h_dest, h->destination_mac.bytes, sizeof(eth.h_dest));
	memcpy(eth.h_source, h->source_mac.bytes, sizeof(eth.h_source));
	memcpy(at, &eth, sizeof(eth));
	at += sizeof(eth);
	at += ipv6 ? ipv6_write(at, s->target, h) : ipv4_write(at, s->target, h, &d->header_sum);
	memcpy(at, &udp, sizeof(udp));
	at += sizeof(udp);
	memcpy(at, &vxlan, sizeof(vxlan));
	d->header_bytes = at + sizeof(vxlan) - d->header;
	if (ipv6)
		d->flags |= VTAP_DELIVERY_IPV6;
}

void vtap_delivery_make(const struct vtap_session *s, const struct vtap_nexthop *h, uint32_t stage_ifindex,
			uint16_t uplink_flags, struct vtap_delivery *ret_delivery)
{
	uint32_t overhead_bytes = vtap_delivery_overhead_bytes(s->target->address.family);
	struct vtap_delivery d = {
	    .uplink_ifindex = h->ifindex,
	    .stage_ifindex = stage_ifindex,
	    .packet_length = s->packet_length,
	    .room_bytes = h->mtu > overhead_bytes ? h->mtu - overhead_bytes : 0,
	    .sample_packets = s->sample_packets,
	    .sample_flows = s->sample_flows,
	    .burst_ns = VTAP_LIMIT_BURST_NS,
	    .flags = uplink_flags,
	    .lost = lost_by_state[h->state],
	};

	if (s->mtu_policy == VTAP_MTU_DROP)
		d.flags |= VTAP_DELIVERY_DROP;
	if (s->checksum == VTAP_CHECKSUM_COMPLETE)
		d.flags |= VTAP_DELIVERY_COMPLETE;
	if (s->sample_packets > 1 || s->sample_flows > 1)
		d.flags |= VTAP_DELIVERY_SAMPLED;
	if (s->limit_packets_per_second)
		d.packet_interval_ns_q8 = (1000000000ULL << 8) / s->limit_packets_per_second;
	if (s->limit_bits_per_second)
		d.bit_interval_ns_q16 = (1000000000ULL << 16) / s->limit_bits_per_second;
	if (d.packet_interval_ns_q8 || d.bit_interval_ns_q16)
		d.flags |= VTAP_DELIVERY_LIMITED;
	header_write(s, h, &d);
	*ret_delivery = d;
}

bool vtap_delivery_same_tunnel(const struct vtap_delivery *a, const struct vtap_delivery *b)
{
	bool six = a->flags & VTAP_DELIVERY_IPV6;
	size_t address = ETH_HLEN + (six ? offsetof(struct ipv6hdr, daddr) : offsetof(struct iphdr, daddr));
	size_t udp = ETH_HLEN + (six ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	size_t port = udp + offsetof(struct udphdr, dest);
	size_t vni = udp + sizeof(struct udphdr) + offsetof(struct vxlan_header, vni_be);

	return !((a->flags ^ b->flags) & VTAP_DELIVERY_IPV6) &&
	       !memcmp(a->header + address, b->header + address, six ? 16 : 4) &&
	       !memcmp(a->header + port, b->header + port, sizeof(uint16_t)) &&
	       !memcmp(a->header + vni, b->header + vni, sizeof(uint32_t));
}
