/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip6.h>
#include <string.h>

#include "net/net.h"
#include "net/private.h"

static const struct vtap_mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

struct solicitation {
	struct ip6_hdr ip;
	struct nd_neighbor_solicit ns;
	struct nd_opt_hdr option; /* source link-layer address */
	struct vtap_mac source_mac;
} __attribute__((packed));
_Static_assert(sizeof(struct solicitation) == 40 + 24 + 8, "as on the wire");

static int frame_send(struct vtap_net *n, uint32_t ifindex, uint16_t ethertype, const struct vtap_mac *destination,
		      const void *payload, size_t payload_bytes)
{
	struct sockaddr_ll to = {
	    .sll_family = AF_PACKET,
	    .sll_protocol = htons(ethertype),
	    .sll_ifindex = (int)ifindex,
	    .sll_halen = sizeof(destination->bytes),
	};

	memcpy(to.sll_addr, destination->bytes, sizeof(destination->bytes));
	/* The kernel writes the Ethernet header, with the device's own MAC. */
	if (sendto(n->packet_fd, payload, payload_bytes, MSG_DONTWAIT, (const struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return 0;
}

static int solicit_ipv4(struct vtap_net *n, const struct vtap_link *l, const struct vtap_addr *address,
			const struct vtap_addr *source)
{
	struct ether_arp arp = {
	    .ea_hdr.ar_hrd = htons(ARPHRD_ETHER),
	    .ea_hdr.ar_pro = htons(ETHERTYPE_IP),
	    .ea_hdr.ar_hln = sizeof(arp.arp_sha),
	    .ea_hdr.ar_pln = sizeof(arp.arp_spa),
	    .ea_hdr.ar_op = htons(ARPOP_REQUEST),
	};

	memcpy(arp.arp_sha, l->mac.bytes, sizeof(arp.arp_sha));
	memcpy(arp.arp_spa, source->bytes, sizeof(arp.arp_spa));
	memcpy(arp.arp_tpa, address->bytes, sizeof(arp.arp_tpa));
	return frame_send(n, l->ifindex, ETHERTYPE_ARP, &broadcast, &arp, sizeof(arp));
}

/* Over the pseudo header (RFC 8200, 8.1) and everything behind the IPv6 header; the field itself is still 0. */
static uint16_t icmpv6_checksum_be(const struct solicitation *s)
{
	const uint8_t *addresses = (const uint8_t *)&s->ip.ip6_src, *message = (const uint8_t *)&s->ns;
	size_t message_bytes = sizeof(*s) - sizeof(s->ip);
	uint32_t sum = (uint32_t)message_bytes + IPPROTO_ICMPV6;

	for (size_t i = 0; i < 2 * sizeof(s->ip.ip6_src); i += 2)
		sum += (uint32_t)addresses[i] << 8 | addresses[i + 1];
	for (size_t i = 0; i < message_bytes; i += 2)
		sum += (uint32_t)message[i] << 8 | message[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static int solicit_ipv6(struct vtap_net *n, const struct vtap_link *l, const struct vtap_addr *address,
			const struct vtap_addr *source)
{
	/* ff02::1:ffXX:XXXX and 33:33:ff:XX:XX:XX, with the last three bytes of the address that is asked for. */
	struct vtap_mac group = {{0x33, 0x33, 0xff, address->bytes[13], address->bytes[14], address->bytes[15]}};
	struct solicitation s = {
	    .ip.ip6_plen = htons(sizeof(s) - sizeof(s.ip)),
	    .ip.ip6_nxt = IPPROTO_ICMPV6,
	    .ip.ip6_hlim = 255,
	    .ip.ip6_dst.s6_addr = {0xff, 0x02, [11] = 0x01, [12] = 0xff, [13] = address->bytes[13],
				   [14] = address->bytes[14], [15] = address->bytes[15]},
	    .ns.nd_ns_type = ND_NEIGHBOR_SOLICIT,
	    .option.nd_opt_type = ND_OPT_SOURCE_LINKADDR,
	    .option.nd_opt_len = 1,
	    .source_mac = l->mac,
	};

	/* A member of a union with the three above: as an initialiser, one would wipe out the others. */
	s.ip.ip6_vfc = 6 << 4;
	memcpy(&s.ip.ip6_src, source->bytes, sizeof(s.ip.ip6_src));
	memcpy(&s.ns.nd_ns_target, address->bytes, sizeof(s.ns.nd_ns_target));
	s.ns.nd_ns_cksum = icmpv6_checksum_be(&s);
	return frame_send(n, l->ifindex, ETHERTYPE_IPV6, &group, &s, sizeof(s));
}

int vtap_net_neighbour_solicit(struct vtap_net *n, uint32_t ifindex, const struct vtap_addr *address,
			       const struct vtap_addr *source)
{
	struct vtap_link l;
	int r;

	if (vtap_addr_size_bytes(address->family) == 0 || address->family != source->family)
		return -EAFNOSUPPORT;
	if (n->packet_fd < 0)
		return -EPERM;
	r = vtap_net_link_by_index(n, ifindex, &l);
	if (r < 0)
		return r;
	if (!l.ethernet)
		return -EOPNOTSUPP;
	return address->family == AF_INET ? solicit_ipv4(n, &l, address, source) : solicit_ipv6(n, &l, address, source);
}
