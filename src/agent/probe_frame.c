// SPDX-License-Identifier: Apache-2.0

#include "agent/probe_frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/icmp.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <string.h>

#include "basic/addr.h"
#include "basic/util.h"

#define TTL 64
#define SCTP_HEADER_BYTES 12

struct writing {
	uint8_t *frame; /* borrowed; VTAP_PROBE_FRAME_MAX_BYTES */
	size_t bytes;
	struct vtap_addr source, destination;
	uint8_t protocol;
	uint16_t source_port, destination_port;
	uint8_t icmp_type, icmp_code;
};

static json_int_t number_of(const json_t *packet, const char *key)
{
	return json_integer_value(json_object_get(packet, key));
}

static void append(struct writing *w, const void *data, size_t bytes)
{
	memcpy(w->frame + w->bytes, data, bytes);
	w->bytes += bytes;
}

static void append_u16(struct writing *w, uint16_t value)
{
	uint16_t be = htons(value);

	append(w, &be, sizeof(be));
}

/* A unicast address of the kind that nobody has, where none is given. */
static void append_mac(struct writing *w, const json_t *packet, const char *key, uint8_t last)
{
	const char *text = json_string_value(json_object_get(packet, key));
	struct vtap_mac mac = {.bytes = {0x02, 'v', 't', 'a', 'p', last}};

	if (text)
		(void)vtap_mac_parse(text, &mac);
	append(w, mac.bytes, sizeof(mac.bytes));
}

static uint32_t sum_of(const uint8_t *data, size_t bytes, uint32_t sum)
{
	for (size_t i = 0; i < bytes; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	return sum;
}

static uint16_t folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static size_t l4_header_bytes(uint8_t protocol)
{
	static const struct {
		uint8_t protocol;
		size_t bytes;
	} table[] = {
	    {IPPROTO_TCP, sizeof(struct tcphdr)},   {IPPROTO_UDP, sizeof(struct udphdr)},
	    {IPPROTO_ICMP, sizeof(struct icmphdr)}, {IPPROTO_ICMPV6, sizeof(struct icmphdr)},
	    {IPPROTO_SCTP, SCTP_HEADER_BYTES},      {IPPROTO_UDPLITE, sizeof(struct udphdr)},
	    {IPPROTO_DCCP, SCTP_HEADER_BYTES},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(table); i++) {
		if (table[i].protocol == protocol)
			return table[i].bytes;
	}
	return 0;
}

static void append_ip(struct writing *w, size_t payload_bytes)
{
	struct ipv6hdr six = {
	    .version = 6, .payload_len = htons((uint16_t)payload_bytes), .nexthdr = w->protocol, .hop_limit = TTL};
	struct iphdr four = {.version = 4,
			     .ihl = 5,
			     .tot_len = htons((uint16_t)(sizeof(four) + payload_bytes)),
			     .ttl = TTL,
			     .protocol = w->protocol};

	if (w->source.family == AF_INET6) {
		memcpy(&six.saddr, w->source.bytes, sizeof(six.saddr));
		memcpy(&six.daddr, w->destination.bytes, sizeof(six.daddr));
		append(w, &six, sizeof(six));
		return;
	}
	memcpy(&four.saddr, w->source.bytes, sizeof(four.saddr));
	memcpy(&four.daddr, w->destination.bytes, sizeof(four.daddr));
	four.check = folded(sum_of((const uint8_t *)&four, sizeof(four), 0));
	append(w, &four, sizeof(four));
}

/* Over the pseudo header, for those that have one. */
static uint16_t l4_checksum(const struct writing *w, size_t start)
{
	size_t bytes = w->bytes - start, address_bytes = vtap_addr_size_bytes(w->source.family);
	uint32_t sum = 0;

	if (w->protocol != IPPROTO_ICMP) {
		sum = sum_of(w->source.bytes, address_bytes, sum);
		sum = sum_of(w->destination.bytes, address_bytes, sum);
		sum += w->protocol + (uint32_t)bytes;
	}
	return folded(sum_of(w->frame + start, bytes, sum));
}

static void append_l4(struct writing *w, const char *mark, size_t mark_bytes)
{
	size_t start = w->bytes, header_bytes = l4_header_bytes(w->protocol);
	struct udphdr udp = {.source = htons(w->source_port),
			     .dest = htons(w->destination_port),
			     .len = htons((uint16_t)(header_bytes + mark_bytes))};
	struct tcphdr tcp = {.source = htons(w->source_port),
			     .dest = htons(w->destination_port),
			     .doff = 5,
			     .ack = 1,
			     .window = htons(1)};
	struct icmphdr icmp = {.type = w->icmp_type, .code = w->icmp_code};
	uint16_t check;

	memset(w->frame + start, 0, header_bytes);
	switch (w->protocol) {
	case IPPROTO_TCP:
		memcpy(w->frame + start, &tcp, sizeof(tcp));
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		memcpy(w->frame + start, &icmp, sizeof(icmp));
		break;
	default:
		/* All that have ports begin with them. */
		memcpy(w->frame + start, &udp, VTAP_MIN(header_bytes, w->protocol == IPPROTO_UDP ? sizeof(udp) : 4));
	}
	w->bytes += header_bytes;
	append(w, mark, mark_bytes);
	check = l4_checksum(w, start);
	if (w->protocol == IPPROTO_TCP)
		memcpy(w->frame + start + offsetof(struct tcphdr, check), &check, sizeof(check));
	if (w->protocol == IPPROTO_UDP)
		memcpy(w->frame + start + offsetof(struct udphdr, check), &check, sizeof(check));
	if (w->protocol == IPPROTO_ICMP || w->protocol == IPPROTO_ICMPV6)
		memcpy(w->frame + start + offsetof(struct icmphdr, checksum), &check, sizeof(check));
}

/* Both addresses of one version; one that is not given is that version's 0. */
static int addresses_read(const json_t *packet, struct writing *w, uint16_t ethertype)
{
	const char *source = json_string_value(json_object_get(packet, "source"));
	const char *destination = json_string_value(json_object_get(packet, "destination"));
	uint8_t family = ethertype == ETH_P_IPV6 ? AF_INET6 : AF_INET;

	if ((source && vtap_addr_parse(source, &w->source) < 0) ||
	    (destination && vtap_addr_parse(destination, &w->destination) < 0))
		return -EINVAL;
	if (!source)
		w->source.family = family;
	if (!destination)
		w->destination.family = family;
	return w->source.family == family && w->destination.family == family ? 0 : -EINVAL;
}

int vtap_probe_frame_make(const json_t *packet, const char *mark, uint8_t ret_frame[VTAP_PROBE_FRAME_MAX_BYTES],
			  size_t *ret_bytes)
{
	size_t mark_bytes = VTAP_MIN(strlen(mark), (size_t)VTAP_PROBE_MARK_MAX_BYTES);
	uint16_t ethertype = (uint16_t)number_of(packet, "ethertype");
	struct writing w = {.frame = ret_frame,
			    .protocol = (uint8_t)number_of(packet, "protocol"),
			    .source_port = (uint16_t)number_of(packet, "source_port"),
			    .destination_port = (uint16_t)number_of(packet, "destination_port"),
			    .icmp_type = (uint8_t)number_of(packet, "icmp_type"),
			    .icmp_code = (uint8_t)number_of(packet, "icmp_code")};
	const json_t *vlan = json_object_get(packet, "vlan");
	bool ip = ethertype == ETH_P_IP || ethertype == ETH_P_IPV6;

	if (!json_is_object(packet) || ethertype < ETH_P_802_3_MIN)
		return -EINVAL;
	if (ip && addresses_read(packet, &w, ethertype) < 0)
		return -EINVAL;
	append_mac(&w, packet, "destination_mac", 2);
	append_mac(&w, packet, "source_mac", 1);
	if (json_is_integer(vlan)) {
		append_u16(&w, ETH_P_8021Q);
		append_u16(&w, (uint16_t)json_integer_value(vlan));
	}
	append_u16(&w, ethertype);
	if (ip) {
		append_ip(&w, l4_header_bytes(w.protocol) + mark_bytes);
		append_l4(&w, mark, mark_bytes);
	} else {
		append(&w, mark, mark_bytes);
	}
	*ret_bytes = w.bytes;
	return 0;
}
