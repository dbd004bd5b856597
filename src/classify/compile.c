/* SPDX-License-Identifier: Apache-2.0 */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "classify/classify.h"

_Static_assert(VTAP_ABI_PLAN_SESSIONS == VTAP_INTERFACE_SESSIONS_MAX, "the file's limit is the data plane's");
_Static_assert(VTAP_ABI_PLAN_RULES == VTAP_FILTER_RULES_MAX, "the file's limit is the data plane's");
_Static_assert(VTAP_ABI_SESSIONS == VTAP_SESSIONS_MAX, "the file's limit is the data plane's");
_Static_assert(VTAP_ABI_GUARD_PORTS == VTAP_TUNNEL_PORTS_MAX, "the file's limit is the data plane's");

static bool port_range_is_any(uint16_t first, uint16_t last)
{
	return first == 0 && last == UINT16_MAX;
}

/* IPv4 goes into the last four bytes, as the parser of the data plane puts it; the other bytes of value and mask are 0. */
static void compile_prefix(const struct vtap_prefix *p, __u64 ret_value[2], __u64 ret_mask[2])
{
	unsigned size_bytes = vtap_addr_size_bytes(p->addr.family);
	uint8_t value[16] = {}, mask[16] = {};

	for (unsigned i = 0; i < p->bits; i++)
		mask[16 - size_bytes + i / 8] |= (uint8_t)(0x80U >> i % 8);
	memcpy(value + 16 - size_bytes, p->addr.bytes, size_bytes);
	for (unsigned i = 0; i < sizeof(mask); i++)
		value[i] &= mask[i];
	memcpy(ret_value, value, sizeof(value));
	memcpy(ret_mask, mask, sizeof(mask));
}

/* Which IP versions the rule is about; 0 = any frame. */
static uint8_t rule_families(const struct vtap_rule *rule, bool ports)
{
	const struct vtap_prefix *prefixes[] = {&rule->source, &rule->destination};
	uint8_t families = VTAP_PACKET_IPV4 | VTAP_PACKET_IPV6;
	bool ip = rule->ethertype == VTAP_ETHERTYPE_IP || rule->protocol >= 0 || rule->icmp_type >= 0 || ports;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(prefixes); i++) {
		if (prefixes[i]->addr.family == AF_UNSPEC)
			continue;
		ip = true;
		families &= prefixes[i]->addr.family == AF_INET ? VTAP_PACKET_IPV4 : VTAP_PACKET_IPV6;
	}
	assert(families); /* Two versions at once were refused with the file; here they would come to mean any frame. */
	return ip ? families : 0;
}

static void compile_rule(const struct vtap_rule *rule, uint8_t session, struct vtap_plan_rule *ret)
{
	bool ports = !port_range_is_any(rule->source_port_first, rule->source_port_last) ||
		     !port_range_is_any(rule->destination_port_first, rule->destination_port_last);
	struct vtap_plan_rule p = {
	    .sport_first = rule->source_port_first,
	    .sport_last = rule->source_port_last,
	    .dport_first = rule->destination_port_first,
	    .dport_last = rule->destination_port_last,
	    .families = rule_families(rule, ports),
	    .session = session,
	    .accept = rule->action == VTAP_ACTION_ACCEPT,
	    .needs = ports ? VTAP_RULE_NEEDS_PORTS : 0,
	};

	compile_prefix(&rule->source, p.src, p.src_mask);
	compile_prefix(&rule->destination, p.dst, p.dst_mask);
	if (rule->protocol >= 0) {
		p.protocol = (uint8_t)rule->protocol;
		p.needs |= VTAP_RULE_NEEDS_PROTOCOL;
	}
	if (rule->icmp_type >= 0) {
		p.icmp_type = (uint8_t)rule->icmp_type;
		p.needs |= VTAP_RULE_NEEDS_ICMP_TYPE;
	}
	if (rule->icmp_code >= 0) {
		p.icmp_code = (uint8_t)rule->icmp_code;
		p.needs |= VTAP_RULE_NEEDS_ICMP_CODE;
	}
	if (rule->vlan >= 0) {
		p.vlan = (uint16_t)rule->vlan;
		p.needs |= VTAP_RULE_NEEDS_VLAN;
	}
	if (rule->ethertype >= 0) {
		p.ethertype = (uint16_t)rule->ethertype;
		p.needs |= VTAP_RULE_NEEDS_ETHERTYPE;
	}
	*ret = p;
}

/* Exclusive before copy; exclusive by ascending number. */
static bool goes_before(const struct vtap_session *a, const struct vtap_session *b)
{
	if (a->mode != b->mode)
		return a->mode == VTAP_MODE_EXCLUSIVE;
	return a->mode == VTAP_MODE_EXCLUSIVE && a->number < b->number;
}

/*
 * The first sessions of the direction in plan order, at most one more than a plan holds, so that the caller can name the
 * one that is too many. Insertion keeps equal ones in the order of the input. Returns how many.
 */
static size_t sort_sessions(const struct vtap_classify_session *sessions, size_t session_count,
			    enum vtap_direction direction,
			    const struct vtap_classify_session *ret_order[VTAP_ABI_PLAN_SESSIONS + 1])
{
	size_t count = 0;

	for (size_t i = 0; i < session_count; i++) {
		const struct vtap_session *s = sessions[i].session;
		size_t at = count;

		if (!s->enabled || !s->direction[direction])
			continue;
		while (at > 0 && goes_before(s, ret_order[at - 1]->session))
			at--;
		if (at == VTAP_ABI_PLAN_SESSIONS + 1)
			continue;
		if (count < VTAP_ABI_PLAN_SESSIONS + 1)
			count++;
		memmove(ret_order + at + 1, ret_order + at, (count - 1 - at) * sizeof(*ret_order));
		ret_order[at] = &sessions[i];
	}
	return count;
}

int vtap_classify_compile(const struct vtap_classify_session *sessions, size_t session_count,
			  enum vtap_direction direction, struct vtap_plan *ret_plan, struct vtap_error *reterr)
{
	const struct vtap_classify_session *order[VTAP_ABI_PLAN_SESSIONS + 1];
	struct vtap_plan plan = {};
	size_t count = sort_sessions(sessions, session_count, direction, order);

	for (size_t i = 0; i < count; i++) {
		const struct vtap_session *s = order[i]->session;
		size_t rule_count = s->filter ? s->filter->rule_count[direction] : 0;

		if (i == VTAP_ABI_PLAN_SESSIONS)
			return vtap_error_set(reterr, -E2BIG, s->line, "sessions",
					      "session \"%s\" is one too many: an interface takes %d sessions per "
					      "direction",
					      s->name, VTAP_ABI_PLAN_SESSIONS);
		if (plan.rule_count + rule_count > VTAP_ABI_PLAN_RULES)
			return vtap_error_set(reterr, -E2BIG, s->line, "sessions",
					      "with session \"%s\" the rules for one interface and direction are %zu, "
					      "and at most %d are possible",
					      s->name, plan.rule_count + rule_count, VTAP_ABI_PLAN_RULES);

		plan.slots[i] = order[i]->slot;
		if (!s->filter)
			plan.all |= 1ULL << i;
		if (s->mode == VTAP_MODE_EXCLUSIVE)
			plan.exclusive |= 1ULL << i;
		if (s->mode == VTAP_MODE_EXCLUSIVE && s->on_reject == VTAP_ON_REJECT_STOP)
			plan.stop |= 1ULL << i;
		for (size_t j = 0; j < rule_count; j++)
			compile_rule(&s->filter->rules[direction][j], (uint8_t)i, &plan.rules[plan.rule_count++]);
	}
	plan.session_count = (uint16_t)count;
	*ret_plan = plan;
	return 0;
}
