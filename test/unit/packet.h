/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Packets as the data plane's parser describes them, made for tests of the classifier. */

#include "classify/classify.h"

struct unit_packet {
	const char *src, *dst; /* NULL = not an IP packet */
	uint16_t ethertype; /* 0 = what the addresses say */
	uint16_t vlan; /* 0 = no tag */
	uint8_t protocol;
	uint8_t flags; /* besides the IP version */
	uint16_t sport, dport;
	uint8_t icmp_type, icmp_code;
};

struct vtap_packet unit_packet_make(const struct unit_packet *p);

/* Writes the address as the parser does: IPv4 in the last four bytes. */
void unit_packet_address(const struct vtap_addr *a, uint8_t bytes[16]);
