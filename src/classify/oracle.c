/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Says from the rules themselves who gets a packet, in the plainest way there is. It shares nothing with the compiler, so
 * that the two can be tested against each other.
 */

#include "classify/classify.h"

enum verdict { VERDICT_NO_MATCH, VERDICT_ACCEPT, VERDICT_REJECT };

/* Bit n of the address, counted from its first. */
static unsigned bit_of(const uint8_t *bytes, unsigned n)
{
	return (bytes[n / 8] >> (7 - n % 8)) & 1;
}

static bool address_is_in(const struct vtap_prefix *prefix, const struct vtap_packet *packet, const uint8_t bytes[16])
{
	if (prefix->addr.family == AF_UNSPEC)
		return true;
	if (prefix->addr.family == AF_INET) {
		if (!(packet->flags & VTAP_PACKET_IPV4))
			return false;
		bytes += 12;
	} else if (!(packet->flags & VTAP_PACKET_IPV6)) {
		return false;
	}
	for (unsigned n = 0; n < prefix->bits; n++)
		if (bit_of(bytes, n) != bit_of(prefix->addr.bytes, n))
			return false;
	return true;
}

static bool port_is_in(uint16_t first, uint16_t last, const struct vtap_packet *packet, uint16_t port)
{
	if (first == 0 && last == 65535)
		return true;
	if (!(packet->flags & VTAP_PACKET_PORTS) || !(packet->flags & (VTAP_PACKET_IPV4 | VTAP_PACKET_IPV6)))
		return false;
	return first <= port && port <= last;
}

static bool ethertype_fits(int32_t ethertype, const struct vtap_packet *packet)
{
	if (ethertype == VTAP_ETHERTYPE_ANY)
		return true;
	if (ethertype == VTAP_ETHERTYPE_IP)
		return packet->flags & (VTAP_PACKET_IPV4 | VTAP_PACKET_IPV6);
	return packet->ethertype == ethertype;
}

static bool protocol_fits(const struct vtap_rule *rule, const struct vtap_packet *packet)
{
	if (rule->protocol == -1)
		return true;
	if (!(packet->flags & (VTAP_PACKET_IPV4 | VTAP_PACKET_IPV6)) || packet->protocol != rule->protocol)
		return false;
	if (rule->icmp_type == -1)
		return true;
	if (!(packet->flags & VTAP_PACKET_ICMP) || packet->icmp_type != rule->icmp_type)
		return false;
	return rule->icmp_code == -1 || packet->icmp_code == rule->icmp_code;
}

static bool rule_fits(const struct vtap_rule *rule, const struct vtap_packet *packet)
{
	if (rule->vlan != -1 && packet->vlan != rule->vlan)
		return false;
	return ethertype_fits(rule->ethertype, packet) && protocol_fits(rule, packet) &&
	       address_is_in(&rule->source, packet, packet->src_bytes) &&
	       address_is_in(&rule->destination, packet, packet->dst_bytes) &&
	       port_is_in(rule->source_port_first, rule->source_port_last, packet, packet->sport) &&
	       port_is_in(rule->destination_port_first, rule->destination_port_last, packet, packet->dport);
}

/* The rule with the lowest number among those that match decides; the order of the array is not relied upon. */
static enum verdict session_verdict(const struct vtap_session *s, enum vtap_direction direction,
				    const struct vtap_packet *packet)
{
	const struct vtap_rule *first = NULL;

	if (!s->enabled || !s->direction[direction])
		return VERDICT_NO_MATCH;
	if (!s->filter)
		return VERDICT_ACCEPT;
	for (size_t i = 0; i < s->filter->rule_count[direction]; i++) {
		const struct vtap_rule *rule = &s->filter->rules[direction][i];

		if (rule_fits(rule, packet) && (!first || rule->number < first->number))
			first = rule;
	}
	if (!first)
		return VERDICT_NO_MATCH;
	return first->action == VTAP_ACTION_ACCEPT ? VERDICT_ACCEPT : VERDICT_REJECT;
}

void vtap_classify_oracle(const struct vtap_classify_session *sessions, size_t session_count,
			  enum vtap_direction direction, const struct vtap_packet *packet, bool *ret_taken)
{
	const struct vtap_session *decider = NULL;

	for (size_t i = 0; i < session_count; i++) {
		const struct vtap_session *s = sessions[i].session;
		enum verdict v = session_verdict(s, direction, packet);

		ret_taken[i] = v == VERDICT_ACCEPT;
		if (s->mode != VTAP_MODE_EXCLUSIVE || v == VERDICT_NO_MATCH)
			continue;
		if (v == VERDICT_REJECT && s->on_reject != VTAP_ON_REJECT_STOP)
			continue;
		if (!decider || s->number < decider->number)
			decider = s;
	}
	for (size_t i = 0; i < session_count; i++)
		if (sessions[i].session->mode == VTAP_MODE_EXCLUSIVE && sessions[i].session != decider)
			ret_taken[i] = false;
}
