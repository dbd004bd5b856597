/* SPDX-License-Identifier: Apache-2.0 */

#include "packet.h"

#include "unit.h"

void unit_packet_address(const struct vtap_addr *a, uint8_t bytes[16])
{
	unsigned size_bytes = vtap_addr_size_bytes(a->family);

	memset(bytes, 0, 16);
	memcpy(bytes + 16 - size_bytes, a->bytes, size_bytes);
}

struct vtap_packet unit_packet_make(const struct unit_packet *p)
{
	struct vtap_packet packet = {
	    .ethertype = p->ethertype,
	    .vlan = p->vlan ? p->vlan : VTAP_VLAN_NONE,
	    .sport = p->sport,
	    .dport = p->dport,
	    .protocol = p->protocol,
	    .icmp_type = p->icmp_type,
	    .icmp_code = p->icmp_code,
	    .flags = p->flags,
	};
	struct vtap_addr src, dst;

	if (!p->src)
		return packet;
	assert_int_equal(vtap_addr_parse(p->src, &src), 0);
	assert_int_equal(vtap_addr_parse(p->dst, &dst), 0);
	unit_packet_address(&src, packet.src_bytes);
	unit_packet_address(&dst, packet.dst_bytes);
	packet.flags |= src.family == AF_INET ? VTAP_PACKET_IPV4 : VTAP_PACKET_IPV6;
	if (p->ethertype == 0)
		packet.ethertype = src.family == AF_INET ? 0x0800 : 0x86dd;
	return packet;
}
