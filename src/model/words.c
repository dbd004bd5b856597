/* SPDX-License-Identifier: Apache-2.0 */

#include "model/words.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>

#include "basic/parse.h"

const struct vtap_word vtap_direction_words[] = {
    {"in", VTAP_DIRECTION_IN},
    {"out", VTAP_DIRECTION_OUT},
    {},
};

const struct vtap_word vtap_action_words[] = {
    {"accept", VTAP_ACTION_ACCEPT},
    {"reject", VTAP_ACTION_REJECT},
    {},
};

const struct vtap_word vtap_side_words[] = {
    {"host", VTAP_SIDE_HOST},
    {"own", VTAP_SIDE_OWN},
    {},
};

const struct vtap_word vtap_mode_words[] = {
    {"exclusive", VTAP_MODE_EXCLUSIVE},
    {"copy", VTAP_MODE_COPY},
    {},
};

const struct vtap_word vtap_mtu_policy_words[] = {
    {"fit", VTAP_MTU_FIT},
    {"drop", VTAP_MTU_DROP},
    {},
};

const struct vtap_word vtap_on_reject_words[] = {
    {"next", VTAP_ON_REJECT_NEXT},
    {"stop", VTAP_ON_REJECT_STOP},
    {},
};

const struct vtap_word vtap_checksum_words[] = {
    {"complete", VTAP_CHECKSUM_COMPLETE},
    {"as_is", VTAP_CHECKSUM_AS_IS},
    {},
};

const struct vtap_word vtap_encapsulation_words[] = {
    {"vxlan", 0},
    {},
};

const struct vtap_word vtap_session_direction_words[] = {
    {"in", 1 << VTAP_DIRECTION_IN},
    {"out", 1 << VTAP_DIRECTION_OUT},
    {"both", 1 << VTAP_DIRECTION_IN | 1 << VTAP_DIRECTION_OUT},
    {},
};

const struct vtap_word vtap_protocol_words[] = {
    {"tcp", IPPROTO_TCP},   {"udp", IPPROTO_UDP},
    {"icmp", IPPROTO_ICMP}, {"icmpv6", IPPROTO_ICMPV6},
    {"sctp", IPPROTO_SCTP}, {"gre", IPPROTO_GRE},
    {"esp", IPPROTO_ESP},   {"ah", IPPROTO_AH},
    {"igmp", IPPROTO_IGMP}, {"ipip", IPPROTO_IPIP},
    {"ipv6", IPPROTO_IPV6}, {"udplite", IPPROTO_UDPLITE},
    {"dccp", IPPROTO_DCCP}, {"pim", IPPROTO_PIM},
    {"ospf", 89},           {"l2tp", 115},
    {"vrrp", 112},          {},
};

const struct vtap_word vtap_ethertype_words[] = {
    {"any", VTAP_ETHERTYPE_ANY}, {"ip", VTAP_ETHERTYPE_IP},
    {"ipv4", ETH_P_IP},          {"ipv6", ETH_P_IPV6},
    {"arp", ETH_P_ARP},          {"rarp", ETH_P_RARP},
    {"lldp", ETH_P_LLDP},        {"lacp", ETH_P_SLOW},
    {"mpls", ETH_P_MPLS_UC},     {"mpls-multicast", ETH_P_MPLS_MC},
    {"pppoe", ETH_P_PPP_SES},    {"pppoe-discovery", ETH_P_PPP_DISC},
    {"eapol", ETH_P_PAE},        {"macsec", ETH_P_MACSEC},
    {"ptp", ETH_P_1588},         {},
};

/* One of the words, or a number in the range. False for neither. */
static bool word_or_number(const struct vtap_place *p, const struct vtap_word *words, uint64_t min, uint64_t max,
			   int32_t *ret)
{
	const char *text = json_string_value(p->value);
	uint64_t number;
	int value;

	if (json_is_integer(p->value)) {
		json_int_t given = json_integer_value(p->value);

		if (given < (json_int_t)min || given > (json_int_t)max)
			return false;
		*ret = (int32_t)given;
		return true;
	}
	if (!text)
		return false;
	if (vtap_word_find(words, text, &value)) {
		*ret = value;
		return true;
	}
	if (vtap_parse_u64(text, min, max, &number) < 0)
		return false;
	*ret = (int32_t)number;
	return true;
}

int vtap_words_read_protocol(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	int32_t *protocol = (int32_t *)((char *)object + f->offset);

	if (!word_or_number(p, vtap_protocol_words, 0, VTAP_PROTOCOL_MAX, protocol))
		return vtap_place_fail_value(p,
					     "a protocol's name (tcp, udp, icmp, icmpv6, sctp ...) or number 0..255");
	return 0;
}

int vtap_words_read_ethertype(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	int32_t *ethertype = (int32_t *)((char *)object + f->offset);

	if (!word_or_number(p, vtap_ethertype_words, VTAP_ETHERTYPE_MIN, VTAP_ETHERTYPE_MAX, ethertype))
		return vtap_place_fail_value(
		    p, "an ethertype's name (ipv4, ipv6, arp, lldp, any ...) or number 0x0600..0xffff");
	if (*ethertype == ETH_P_8021Q || *ethertype == ETH_P_8021AD)
		return vtap_place_fail(p, -EINVAL, "is taken behind the VLAN tags; use vlan to match a tag");
	return 0;
}

const char *vtap_words_protocol_name(int32_t protocol, char buffer[VTAP_WORDS_NUMBER_STRLEN])
{
	const char *name = vtap_word_name(vtap_protocol_words, protocol);

	if (name)
		return name;
	snprintf(buffer, VTAP_WORDS_NUMBER_STRLEN, "%" PRId32, protocol);
	return buffer;
}

const char *vtap_words_ethertype_name(int32_t ethertype, char buffer[VTAP_WORDS_NUMBER_STRLEN])
{
	const char *name = vtap_word_name(vtap_ethertype_words, ethertype);

	if (name)
		return name;
	snprintf(buffer, VTAP_WORDS_NUMBER_STRLEN, "0x%04" PRIx32, (uint32_t)ethertype);
	return buffer;
}
