/* SPDX-License-Identifier: Apache-2.0 */

#include "model/filter.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "model/words.h"

static const int protocols_with_ports[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_UDPLITE, IPPROTO_DCCP};

_Static_assert(offsetof(struct vtap_rule, source_port_last) ==
		   offsetof(struct vtap_rule, source_port_first) + sizeof(uint16_t),
	       "vtap_place_read_ports() fills both");
_Static_assert(offsetof(struct vtap_rule, destination_port_last) ==
		   offsetof(struct vtap_rule, destination_port_first) + sizeof(uint16_t),
	       "vtap_place_read_ports() fills both");

static const struct vtap_field rule_fields[] = {
    {VTAP_FIELD_WORD("direction", struct vtap_rule, direction, vtap_direction_words), .required = true},
    {VTAP_FIELD_NUMBER("number", struct vtap_rule, number, 1, VTAP_RULE_NUMBER_MAX), .required = true},
    {VTAP_FIELD_WORD("action", struct vtap_rule, action, vtap_action_words), .required = true},
    {VTAP_FIELD("protocol", struct vtap_rule, protocol, vtap_words_read_protocol)},
    {VTAP_FIELD("source", struct vtap_rule, source, vtap_place_read_prefix)},
    {VTAP_FIELD("destination", struct vtap_rule, destination, vtap_place_read_prefix)},
    {VTAP_FIELD("source_ports", struct vtap_rule, source_port_first, vtap_place_read_ports)},
    {VTAP_FIELD("destination_ports", struct vtap_rule, destination_port_first, vtap_place_read_ports)},
    {VTAP_FIELD_NUMBER("icmp_type", struct vtap_rule, icmp_type, 0, 255)},
    {VTAP_FIELD_NUMBER("icmp_code", struct vtap_rule, icmp_code, 0, 255)},
    {VTAP_FIELD_NUMBER("vlan", struct vtap_rule, vlan, 1, VTAP_VLAN_MAX)},
    {VTAP_FIELD("ethertype", struct vtap_rule, ethertype, vtap_words_read_ethertype)},
    {},
};

bool vtap_protocol_has_ports(int32_t protocol)
{
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(protocols_with_ports); i++)
		if (protocols_with_ports[i] == protocol)
			return true;
	return false;
}

/* Ports 0-65535 are no condition, so they need no protocol. */
static int check_ports(const struct vtap_place *p, const struct vtap_rule *rule)
{
	const struct {
		const char *key;
		uint16_t first, last;
	} ranges[] = {
	    {"source_ports", rule->source_port_first, rule->source_port_last},
	    {"destination_ports", rule->destination_port_first, rule->destination_port_last},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(ranges); i++) {
		struct vtap_place member = vtap_place_member(p, ranges[i].key);

		if (ranges[i].first == 0 && ranges[i].last == UINT16_MAX)
			continue;
		if (!vtap_protocol_has_ports(rule->protocol))
			return vtap_place_fail(&member, -EINVAL,
					       "ports need protocol tcp, udp or sctp (also udplite, dccp)");
	}
	return 0;
}

static int check_icmp(const struct vtap_place *p, const struct vtap_rule *rule)
{
	struct vtap_place type = vtap_place_member(p, "icmp_type"), code = vtap_place_member(p, "icmp_code");

	if (rule->icmp_type >= 0 && rule->protocol != IPPROTO_ICMP && rule->protocol != IPPROTO_ICMPV6)
		return vtap_place_fail(&type, -EINVAL, "needs protocol icmp or icmpv6");
	if (rule->icmp_code >= 0 && rule->icmp_type < 0)
		return vtap_place_fail(&code, -EINVAL, "needs icmp_type");
	return 0;
}

/* What a rule says of the IP version, in one of several ways, must be the same everywhere. */
static int check_versions(const struct vtap_place *p, const struct vtap_rule *rule)
{
	const struct {
		const char *key;
		uint8_t family; /* AF_UNSPEC = says nothing of it */
	} sayings[] = {
	    {"source", rule->source.addr.family},
	    {"destination", rule->destination.addr.family},
	    {"protocol", rule->protocol == IPPROTO_ICMP     ? AF_INET
			 : rule->protocol == IPPROTO_ICMPV6 ? AF_INET6
							    : AF_UNSPEC},
	    {"ethertype", rule->ethertype == ETH_P_IP     ? AF_INET
			  : rule->ethertype == ETH_P_IPV6 ? AF_INET6
							  : AF_UNSPEC},
	};
	size_t first = VTAP_ARRAY_SIZE(sayings);

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(sayings); i++) {
		struct vtap_place member = vtap_place_member(p, sayings[i].key);

		if (sayings[i].family == AF_UNSPEC)
			continue;
		if (first == VTAP_ARRAY_SIZE(sayings))
			first = i;
		if (sayings[i].family != sayings[first].family)
			return vtap_place_fail(&member, -EINVAL, "is about IPv%c, but %s is about IPv%c",
					       sayings[i].family == AF_INET ? '4' : '6', sayings[first].key,
					       sayings[first].family == AF_INET ? '4' : '6');
	}
	return 0;
}

/* Addresses and protocols are found in IP packets alone; ports and ICMP types need a protocol, so that covers them. */
static int check_ethertype(const struct vtap_place *p, const struct vtap_rule *rule)
{
	const struct {
		const char *key;
		bool given;
	} conditions[] = {
	    {"source", rule->source.addr.family != AF_UNSPEC},
	    {"destination", rule->destination.addr.family != AF_UNSPEC},
	    {"protocol", rule->protocol >= 0},
	};

	if (rule->ethertype < 0 || rule->ethertype == ETH_P_IP || rule->ethertype == ETH_P_IPV6)
		return 0;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(conditions); i++) {
		struct vtap_place member = vtap_place_member(p, conditions[i].key);
		const char *name = vtap_word_name(vtap_ethertype_words, rule->ethertype);

		if (conditions[i].given)
			return vtap_place_fail(&member, -EINVAL,
					       "is about IP packets, but ethertype is %s, which is not IP",
					       name ? name : "another");
	}
	return 0;
}

int vtap_rule_read(const struct vtap_place *p, struct vtap_rule *ret)
{
	static int (*const checks[])(const struct vtap_place *p, const struct vtap_rule *rule) = {
	    check_ports,
	    check_icmp,
	    check_versions,
	    check_ethertype,
	};
	struct vtap_rule rule = {
	    .line = vtap_place_line(p),
	    .source_port_last = UINT16_MAX,
	    .destination_port_last = UINT16_MAX,
	    .protocol = -1,
	    .icmp_type = -1,
	    .icmp_code = -1,
	    .vlan = -1,
	    .ethertype = VTAP_ETHERTYPE_IP,
	};
	int r;

	r = vtap_place_read_mapping(p, rule_fields, &rule);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(checks) && r >= 0; i++)
		r = checks[i](p, &rule);
	if (r < 0)
		return r;
	*ret = rule;
	return 0;
}

/* Keeps the rules of a direction sorted by number. The array has room for the limit or for all rules of the filter. */
static int insert_rule(const struct vtap_place *p, struct vtap_filter *filter, const struct vtap_rule *rule)
{
	struct vtap_rule *rules = filter->rules[rule->direction];
	size_t *count = &filter->rule_count[rule->direction], at = *count;

	if (*count == VTAP_FILTER_RULES_MAX)
		return vtap_place_fail(p, -E2BIG,
				       "is one rule too many: a filter has at most %d rules for direction %s",
				       VTAP_FILTER_RULES_MAX, vtap_direction_name(rule->direction));
	while (at > 0 && rules[at - 1].number > rule->number)
		at--;
	if (at > 0 && rules[at - 1].number == rule->number) {
		struct vtap_place number = vtap_place_member(p, "number");

		return vtap_place_fail(&number, -EINVAL, "%u is used twice for direction %s, first on line %u",
				       rule->number, vtap_direction_name(rule->direction), rules[at - 1].line);
	}
	memmove(&rules[at + 1], &rules[at], (*count - at) * sizeof(*rules));
	rules[at] = *rule;
	(*count)++;
	return 0;
}

static int read_rules(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	size_t n = json_array_size(p->value), room = VTAP_MIN(n, (size_t)VTAP_FILTER_RULES_MAX);
	struct vtap_filter *filter = object;
	int r;

	if (!json_is_array(p->value))
		return vtap_place_fail_value(p, "a list of rules");
	for (size_t d = 0; d < VTAP_DIRECTION_MAX && n > 0; d++) {
		filter->rules[d] = calloc(room, sizeof(*filter->rules[d]));
		if (!filter->rules[d])
			return vtap_place_fail(p, -ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < n; i++) {
		struct vtap_place element = vtap_place_element(p, i);
		struct vtap_rule rule;

		r = vtap_rule_read(&element, &rule);
		if (r < 0)
			return r;
		r = insert_rule(&element, filter, &rule);
		if (r < 0)
			return r;
	}
	return 0;
}

static const struct vtap_field filter_fields[] = {
    {VTAP_FIELD("name", struct vtap_filter, name, vtap_place_read_name), .required = true},
    {VTAP_FIELD("rules", struct vtap_filter, rules, read_rules), .required = true},
    {},
};

int vtap_filter_read(const struct vtap_place *p, void *filter)
{
	struct vtap_filter *f = filter;
	int r;

	f->line = vtap_place_line(p);
	r = vtap_place_read_mapping(p, filter_fields, f);
	if (r < 0)
		return r;
	for (const struct vtap_filter *other = p->config->filters; other < f; other++) {
		struct vtap_place name = vtap_place_member(p, "name");

		if (strcmp(other->name, f->name) == 0)
			return vtap_place_fail(&name, -EINVAL, "\"%s\" is used twice, first on line %u", f->name,
					       other->line);
	}
	return 0;
}

void vtap_filter_done(struct vtap_filter *f)
{
	for (size_t d = 0; d < VTAP_DIRECTION_MAX; d++)
		free(f->rules[d]);
}

const char *vtap_direction_name(enum vtap_direction d)
{
	return vtap_word_name(vtap_direction_words, (int)d);
}
