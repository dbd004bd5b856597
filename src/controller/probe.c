/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/probe.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "model/words.h"

#define TRIES_MAX 8 /* of each rule: other addresses and ports inside of what it accepts */
#define PROBE_PORT 9 /* discard */
#define PROBE_SOURCE_PORT 49152

struct finding {
	struct vtap_trace *trace;
	const char *session;
	const struct vtap_probe_side *own;
	enum vtap_direction direction;
	struct vtap_packet packet;
};

static void put_address(uint8_t bytes[16], const struct vtap_addr *a)
{
	unsigned size_bytes = vtap_addr_size_bytes(a->family);

	memset(bytes, 0, 16);
	memcpy(bytes + 16 - size_bytes, a->bytes, size_bytes);
}

static bool is_inside(const struct vtap_addr *a, const struct vtap_prefix *prefix)
{
	if (prefix->addr.family == AF_UNSPEC)
		return true;
	if (a->family != prefix->addr.family)
		return false;
	for (unsigned n = 0; n < prefix->bits; n++)
		if (((a->bytes[n / 8] ^ prefix->addr.bytes[n / 8]) >> (7 - n % 8)) & 1)
			return false;
	return true;
}

/* One of the prefix: the first tries are its second address and its first, further ones count up from there. */
static struct vtap_addr pick_address(const struct vtap_prefix *prefix, uint8_t family, unsigned try)
{
	struct vtap_addr a = {.family = family};
	unsigned size_bytes = vtap_addr_size_bytes(family), host_bits = size_bytes * 8 - prefix->bits;

	if (prefix->addr.family != AF_UNSPEC)
		a = prefix->addr;
	else if (family == AF_INET)
		(void)vtap_addr_parse("192.0.2.0", &a);
	else
		(void)vtap_addr_parse("2001:db8::", &a);
	if (prefix->addr.family == AF_UNSPEC || host_bits >= 8)
		a.bytes[size_bytes - 1] = (uint8_t)(a.bytes[size_bytes - 1] + (try == 1 ? 0 : try + 1));
	else if (host_bits > 0)
		a.bytes[size_bytes - 1] |= (uint8_t)((try + 1) & ((1U << host_bits) - 1));
	return a;
}

/* The interface's own address if the rule lets it be. */
static struct vtap_addr own_address(const struct finding *f, const struct vtap_prefix *prefix, uint8_t family,
				    unsigned try)
{
	for (size_t i = 0; i < f->own->address_count; i++)
		if (f->own->addresses[i].family == family && is_inside(&f->own->addresses[i], prefix))
			return f->own->addresses[i];
	return pick_address(prefix, family, try);
}

static uint8_t family_of(const struct finding *f, const struct vtap_rule *rule)
{
	if (rule->source.addr.family != AF_UNSPEC)
		return rule->source.addr.family;
	if (rule->destination.addr.family != AF_UNSPEC)
		return rule->destination.addr.family;
	if (rule->protocol == IPPROTO_ICMP || rule->ethertype == ETH_P_IP)
		return AF_INET;
	if (rule->protocol == IPPROTO_ICMPV6 || rule->ethertype == ETH_P_IPV6)
		return AF_INET6;
	return f->own->address_count ? f->own->addresses[0].family : AF_INET;
}

static uint16_t pick_port(uint16_t first, uint16_t last, uint16_t usual, unsigned try)
{
	if (first <= usual && usual <= last && try == 0)
		return usual;
	return (uint16_t)(try % 2 ? last : VTAP_MIN((unsigned)first + try / 2, (unsigned)last));
}

static void fill_transport(struct vtap_packet *p, const struct vtap_rule *rule, unsigned try)
{
	int32_t protocol = rule->protocol >= 0 ? rule->protocol : IPPROTO_UDP;

	p->protocol = (uint8_t)protocol;
	if (vtap_protocol_has_ports(protocol)) {
		p->flags |= VTAP_PACKET_PORTS;
		p->sport = pick_port(rule->source_port_first, rule->source_port_last, PROBE_SOURCE_PORT, try);
		p->dport = pick_port(rule->destination_port_first, rule->destination_port_last, PROBE_PORT, try);
	}
	if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) {
		uint8_t echo = protocol == IPPROTO_ICMP ? 8 : 128;

		p->flags |= VTAP_PACKET_ICMP;
		p->icmp_type = rule->icmp_type >= 0 ? (uint8_t)rule->icmp_type : echo;
		p->icmp_code = rule->icmp_code >= 0 ? (uint8_t)rule->icmp_code : 0;
	}
}

static struct vtap_packet make_packet(const struct finding *f, const struct vtap_rule *rule, unsigned try)
{
	struct vtap_packet p = {.vlan = rule->vlan >= 0 ? (uint16_t)rule->vlan : VTAP_VLAN_NONE};
	uint8_t family = family_of(f, rule);
	bool in = f->direction == VTAP_DIRECTION_IN;
	struct vtap_addr source, destination;

	if (rule->ethertype > 0 && rule->ethertype != ETH_P_IP && rule->ethertype != ETH_P_IPV6) {
		p.ethertype = (uint16_t)rule->ethertype;
		return p;
	}
	source = in ? pick_address(&rule->source, family, try) : own_address(f, &rule->source, family, try);
	destination =
	    in ? own_address(f, &rule->destination, family, try) : pick_address(&rule->destination, family, try);
	put_address(p.src_bytes, &source);
	put_address(p.dst_bytes, &destination);
	p.ethertype = family == AF_INET ? ETH_P_IP : ETH_P_IPV6;
	p.flags = family == AF_INET ? VTAP_PACKET_IPV4 : VTAP_PACKET_IPV6;
	fill_transport(&p, rule, try);
	return p;
}

static bool try_rule(struct finding *f, const struct vtap_rule *rule)
{
	for (unsigned try = 0; try < TRIES_MAX; try++) {
		f->packet = make_packet(f, rule, try);
		if (vtap_trace_takes(f->trace, f->session, f->direction, &f->packet))
			return true;
	}
	return false;
}

static bool try_direction(struct finding *f, const struct vtap_session *session)
{
	static const struct vtap_rule any = {
	    .action = VTAP_ACTION_ACCEPT,
	    .source_port_last = UINT16_MAX,
	    .destination_port_last = UINT16_MAX,
	    .protocol = -1,
	    .icmp_type = -1,
	    .icmp_code = -1,
	    .vlan = -1,
	    .ethertype = VTAP_ETHERTYPE_IP,
	};

	if (!session->direction[f->direction])
		return false;
	if (!session->filter)
		return try_rule(f, &any);
	for (size_t i = 0; i < session->filter->rule_count[f->direction]; i++) {
		const struct vtap_rule *rule = &session->filter->rules[f->direction][i];

		if (rule->action == VTAP_ACTION_ACCEPT && try_rule(f, rule))
			return true;
	}
	return false;
}

int vtap_probe_find(struct vtap_trace *t, const char *session, const struct vtap_probe_side *own,
		    enum vtap_direction *ret_direction, struct vtap_packet *ret_packet)
{
	struct finding f = {.trace = t, .session = session, .own = own};

	for (size_t i = 0; i < t->session_count; i++) {
		if (strcmp(t->sessions[i].cover.session, session) != 0 || !t->sessions[i].session)
			continue;
		for (int d = 0; d < VTAP_DIRECTION_MAX; d++) {
			f.direction = (enum vtap_direction)d;
			if (!try_direction(&f, t->sessions[i].session))
				continue;
			*ret_direction = f.direction;
			*ret_packet = f.packet;
			return 0;
		}
	}
	return -ENOENT;
}

static json_t *address_json(const struct vtap_packet *p, const uint8_t bytes[16])
{
	struct vtap_addr a = {.family = p->flags & VTAP_PACKET_IPV4 ? AF_INET : AF_INET6};
	unsigned size_bytes = vtap_addr_size_bytes(a.family);
	char text[VTAP_ADDR_STRLEN];

	if (!(p->flags & (VTAP_PACKET_IPV4 | VTAP_PACKET_IPV6)))
		return json_null();
	memcpy(a.bytes, bytes + 16 - size_bytes, size_bytes);
	return json_string(vtap_addr_format(&a, text));
}

static json_t *number_json(bool known, unsigned number)
{
	return known ? json_integer(number) : json_null();
}

json_t *vtap_probe_json(const struct vtap_packet *p)
{
	bool ip = p->flags & (VTAP_PACKET_IPV4 | VTAP_PACKET_IPV6), ports = p->flags & VTAP_PACKET_PORTS;
	bool icmp = p->flags & VTAP_PACKET_ICMP;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i}", "source", address_json(p, p->src_bytes),
			 "destination", address_json(p, p->dst_bytes), "protocol", number_json(ip, p->protocol),
			 "source_port", number_json(ports, p->sport), "destination_port", number_json(ports, p->dport),
			 "icmp_type", number_json(icmp, p->icmp_type), "icmp_code", number_json(icmp, p->icmp_code),
			 "vlan", number_json(p->vlan != VTAP_VLAN_NONE, p->vlan), "ethertype", p->ethertype);
}
