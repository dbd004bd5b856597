/* SPDX-License-Identifier: Apache-2.0 */

#include "unit.h"

#define RULE(text) "      - {direction: in, number: 10, action: accept, " text "}"

/* Rows for line 9 say what rules[0] is. */
static const struct unit_bad bad_rows[] = {
    /* filters */
    {7, "  - name: we b", 7, "filters[0].name", "must be 1..63 letters"},
    {7, "  - nme: web", 7, "filters[0].nme", "did you mean \"name\"?"},
    {7, "  - name: web\n    rules: []\n  - name: web", 9, "filters[1].name", "\"web\" is used twice, first on line 7"},
    {7, "  - name: other\n  - name: web", 7, "filters[0].rules", "is required"},
    {7, "  - {name: other, rules: {}}\n  - name: web", 7, "filters[0].rules", "must be a list of rules"},
    {7, "  - {name: other, rules: [accept]}\n  - name: web", 7, "filters[0].rules[0]", "must be a mapping"},

    /* what every rule needs */
    {9, "      - {number: 10, action: accept}", 9, "filters[0].rules[0].direction", "is required"},
    {9, "      - {direction: in, action: accept}", 9, "filters[0].rules[0].number", "is required"},
    {9, "      - {direction: in, number: 10}", 9, "filters[0].rules[0].action", "is required"},
    {9, "      - {direction: both, number: 10, action: accept}", 9, "filters[0].rules[0].direction",
     "must be in or out, not \"both\""},
    {9, "      - {direction: in, number: 10, action: allow}", 9, "filters[0].rules[0].action",
     "must be accept or reject, not \"allow\""},
    {9, "      - {direction: in, number: 0, action: accept}", 9, "filters[0].rules[0].number",
     "must be 1..16777216, not 0"},
    {9, "      - {direction: in, number: 16777217, action: accept}", 9, "filters[0].rules[0].number",
     "must be 1..16777216, not 16777217"},
    {10, "      - {direction: in, number: 10, action: reject}", 10, "filters[0].rules[1].number",
     "10 is used twice for direction in, first on line 9"},
    {9, RULE("proto: tcp"), 9, "filters[0].rules[0].proto",
     "unknown key; known are direction, number, action, protocol, source, destination, source_ports, "
     "destination_ports, icmp_type, icmp_code, vlan, ethertype"},
    {9, RULE("source_port: 80"), 9, "filters[0].rules[0].source_port", "did you mean \"source_ports\"?"},

    /* protocol */
    {9, RULE("protocol: tpc"), 9, "filters[0].rules[0].protocol", "must be a protocol's name"},
    {9, RULE("protocol: TCP"), 9, "filters[0].rules[0].protocol", "must be a protocol's name"},
    {9, RULE("protocol: 256"), 9, "filters[0].rules[0].protocol", "number 0..255, not 256"},
    {9, RULE("protocol: -1"), 9, "filters[0].rules[0].protocol", "number 0..255, not -1"},
    {9, RULE("protocol: \"256\""), 9, "filters[0].rules[0].protocol", "number 0..255, not \"256\""},
    {9, RULE("protocol: any"), 9, "filters[0].rules[0].protocol", "must be a protocol's name"},
    {9, RULE("protocol: [tcp]"), 9, "filters[0].rules[0].protocol", "not a list"},

    /* addresses */
    {9, RULE("source: 10.0.0.0/33"), 9, "filters[0].rules[0].source", "must be a prefix such as 10.0.0.0/8"},
    {9, RULE("source: 10.0.0.1/24"), 9, "filters[0].rules[0].source",
     "must be 10.0.0.0/24 (the bits behind the prefix must be 0), not \"10.0.0.1/24\""},
    {9, RULE("destination: '2001:db8::1/64'"), 9, "filters[0].rules[0].destination", "must be 2001:db8::/64 ("},
    {9, RULE("destination: 10"), 9, "filters[0].rules[0].destination", "must be a prefix"},
    {9, RULE("source: any"), 9, "filters[0].rules[0].source", "must be a prefix"},
    {9, RULE("source: 10.0.0.0/8, destination: '::/0'"), 9, "filters[0].rules[0].destination",
     "is about IPv6, but source is about IPv4"},

    /* ports */
    {9, RULE("protocol: tcp, source_ports: 443-80"), 9, "filters[0].rules[0].source_ports",
     "must be a range from the lower port to the higher, not \"443-80\""},
    {9, RULE("protocol: tcp, destination_ports: 65536"), 9, "filters[0].rules[0].destination_ports",
     "must be a port 0..65535 or a range such as 80-443, not 65536"},
    {9, RULE("protocol: tcp, destination_ports: 1-65536"), 9, "filters[0].rules[0].destination_ports",
     "must be a port 0..65535"},
    {9, RULE("protocol: tcp, destination_ports: http"), 9, "filters[0].rules[0].destination_ports",
     "must be a port 0..65535"},
    {9, RULE("protocol: tcp, destination_ports: [80, 443]"), 9, "filters[0].rules[0].destination_ports",
     "must be a port 0..65535"},
    {9, RULE("destination_ports: 80"), 9, "filters[0].rules[0].destination_ports",
     "ports need protocol tcp, udp or sctp"},
    {9, RULE("source_ports: 1-65535"), 9, "filters[0].rules[0].source_ports", "ports need protocol tcp, udp or sctp"},
    {9, RULE("protocol: gre, source_ports: 80"), 9, "filters[0].rules[0].source_ports",
     "ports need protocol tcp, udp or sctp"},

    /* ICMP */
    {9, RULE("icmp_type: 8"), 9, "filters[0].rules[0].icmp_type", "needs protocol icmp or icmpv6"},
    {9, RULE("protocol: tcp, icmp_type: 8"), 9, "filters[0].rules[0].icmp_type", "needs protocol icmp or icmpv6"},
    {9, RULE("protocol: icmp, icmp_type: 256"), 9, "filters[0].rules[0].icmp_type", "must be 0..255, not 256"},
    {9, RULE("protocol: icmp, icmp_code: 0"), 9, "filters[0].rules[0].icmp_code", "needs icmp_type"},
    {9, RULE("protocol: icmp, icmp_type: 3, icmp_code: 256"), 9, "filters[0].rules[0].icmp_code",
     "must be 0..255, not 256"},
    {9, RULE("protocol: icmp, source: '2001:db8::/32'"), 9, "filters[0].rules[0].protocol",
     "is about IPv4, but source is about IPv6"},
    {9, RULE("protocol: icmpv6, destination: 10.0.0.0/8"), 9, "filters[0].rules[0].protocol",
     "is about IPv6, but destination is about IPv4"},

    /* vlan */
    {9, RULE("vlan: 0"), 9, "filters[0].rules[0].vlan", "must be 1..4094, not 0"},
    {9, RULE("vlan: 4095"), 9, "filters[0].rules[0].vlan", "must be 1..4094, not 4095"},

    /* ethertype */
    {9, RULE("ethertype: 0x05ff"), 9, "filters[0].rules[0].ethertype", "number 0x0600..0xffff, not 1535"},
    {9, RULE("ethertype: 0x10000"), 9, "filters[0].rules[0].ethertype", "number 0x0600..0xffff, not 65536"},
    {9, RULE("ethertype: apr"), 9, "filters[0].rules[0].ethertype", "must be an ethertype's name"},
    {9, RULE("ethertype: 0x8100"), 9, "filters[0].rules[0].ethertype", "use vlan to match a tag"},
    {9, RULE("ethertype: 0x88a8"), 9, "filters[0].rules[0].ethertype", "use vlan to match a tag"},
    {9, RULE("ethertype: arp, source: 10.0.0.0/8"), 9, "filters[0].rules[0].source",
     "is about IP packets, but ethertype is arp, which is not IP"},
    {9, RULE("ethertype: 0x9000, destination: 10.0.0.0/8"), 9, "filters[0].rules[0].destination", "which is not IP"},
    {9, RULE("ethertype: lldp, protocol: tcp, source_ports: 80"), 9, "filters[0].rules[0].protocol",
     "is about IP packets, but ethertype is lldp, which is not IP"},
    {9, RULE("ethertype: ipv6, source: 10.0.0.0/8"), 9, "filters[0].rules[0].ethertype",
     "is about IPv6, but source is about IPv4"},
    {9, RULE("ethertype: ipv4, protocol: icmpv6"), 9, "filters[0].rules[0].ethertype",
     "is about IPv4, but protocol is about IPv6"},
};

static const struct unit_good good_rows[] = {
    {9, NULL},
    {9, "      - {direction: in, number: 1, action: reject}"},
    {9, "      - {direction: in, number: 16777216, action: accept}"},
    {9, RULE("protocol: 0")},
    {9, RULE("protocol: 255")},
    {9, RULE("protocol: 0x11, source_ports: 53")},
    {9, RULE("protocol: \"6\", source_ports: \"80\"")},
    {9, RULE("protocol: sctp, source_ports: 0, destination_ports: 65535")},
    {9, RULE("protocol: udplite, source_ports: 7-7")},
    {9, RULE("protocol: dccp, destination_ports: 1-65535")},
    {9, RULE("source_ports: 0-65535, destination_ports: 0-65535")},
    {9, RULE("protocol: gre, destination_ports: 0-65535")},
    {9, RULE("protocol: icmp, icmp_type: 255, icmp_code: 255")},
    {9, RULE("protocol: icmpv6, icmp_type: 128, source: 'fe80::/10'")},
    {9, RULE("protocol: 1, icmp_type: 0")},
    {9, RULE("source: 10.0.0.1, destination: 0.0.0.0/0")},
    {9, RULE("source: '2001:db8::1', destination: '::/0'")},
    {9, RULE("vlan: 1")},
    {9, RULE("vlan: 4094, ethertype: any")},
    {9, RULE("ethertype: 0x0600")},
    {9, RULE("ethertype: 0xffff")},
    {9, RULE("ethertype: ipv4, source: 10.0.0.0/8, protocol: tcp, source_ports: 80")},
    {9, RULE("ethertype: any, source: 10.0.0.0/8, protocol: icmp")},
};

static void test_bad(void **state)
{
	unit_all_refused(bad_rows, VTAP_ARRAY_SIZE(bad_rows));
}

static void test_good(void **state)
{
	unit_all_taken(good_rows, VTAP_ARRAY_SIZE(good_rows));
}

/* The only rule of direction in that the text makes. */
static struct vtap_rule parse_rule(const char *text)
{
	_cleanup_free_ char *edited = unit_edit(9, text);
	VTAP_CLEANUP(vtap_config_freep) struct vtap_config *c = unit_parse(edited);

	assert_int_equal(c->filters[0].rule_count[VTAP_DIRECTION_IN], 1);
	return c->filters[0].rules[VTAP_DIRECTION_IN][0];
}

static void test_values(void **state)
{
	struct vtap_rule r = parse_rule(RULE("protocol: tcp, source: 10.0.0.0/8, destination: 10.0.0.1, "
					     "source_ports: 1-65535, destination_ports: 80-443, vlan: 7"));
	char buffer[VTAP_PREFIX_STRLEN];

	assert_int_equal(r.line, 9);
	assert_int_equal(r.number, 10);
	assert_int_equal(r.direction, VTAP_DIRECTION_IN);
	assert_int_equal(r.action, VTAP_ACTION_ACCEPT);
	assert_int_equal(r.protocol, 6);
	assert_string_equal(vtap_prefix_format(&r.source, buffer), "10.0.0.0/8");
	assert_string_equal(vtap_prefix_format(&r.destination, buffer), "10.0.0.1/32");
	assert_int_equal(r.source_port_first, 1);
	assert_int_equal(r.source_port_last, 65535);
	assert_int_equal(r.destination_port_first, 80);
	assert_int_equal(r.destination_port_last, 443);
	assert_int_equal(r.vlan, 7);
	assert_int_equal(r.ethertype, VTAP_ETHERTYPE_IP);

	r = parse_rule("      - {direction: in, number: 10, action: reject}");
	assert_int_equal(r.action, VTAP_ACTION_REJECT);
	assert_int_equal(r.protocol, -1);
	assert_int_equal(r.source.addr.family, AF_UNSPEC);
	assert_int_equal(r.destination.addr.family, AF_UNSPEC);
	assert_int_equal(r.source_port_first, 0);
	assert_int_equal(r.source_port_last, 65535);
	assert_int_equal(r.icmp_type, -1);
	assert_int_equal(r.icmp_code, -1);
	assert_int_equal(r.vlan, -1);
	assert_int_equal(r.ethertype, VTAP_ETHERTYPE_IP);

	r = parse_rule(RULE("protocol: icmpv6, icmp_type: 1, icmp_code: 4"));
	assert_int_equal(r.protocol, 58);
	assert_int_equal(r.icmp_type, 1);
	assert_int_equal(r.icmp_code, 4);
}

static void test_words(void **state)
{
	static const struct {
		const char *text;
		int32_t protocol, ethertype;
	} rows[] = {
	    {RULE("protocol: udp"), 17, -1},         {RULE("protocol: icmp"), 1, -1},
	    {RULE("protocol: sctp"), 132, -1},       {RULE("protocol: gre"), 47, -1},
	    {RULE("protocol: esp"), 50, -1},         {RULE("protocol: ah"), 51, -1},
	    {RULE("protocol: igmp"), 2, -1},         {RULE("protocol: ipip"), 4, -1},
	    {RULE("protocol: ospf"), 89, -1},        {RULE("protocol: vrrp"), 112, -1},
	    {RULE("ethertype: ipv4"), -1, 0x0800},   {RULE("ethertype: ipv6"), -1, 0x86dd},
	    {RULE("ethertype: arp"), -1, 0x0806},    {RULE("ethertype: lldp"), -1, 0x88cc},
	    {RULE("ethertype: any"), -1, -2},        {RULE("ethertype: ip"), -1, -1},
	    {RULE("ethertype: 0x88f7"), -1, 0x88f7},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		struct vtap_rule r = parse_rule(rows[i].text);

		assert_int_equal(r.protocol, rows[i].protocol);
		assert_int_equal(r.ethertype, rows[i].ethertype);
	}
}

static void test_order(void **state)
{
	_cleanup_free_ char *edited = unit_edit(9, "      - {direction: in, number: 30, action: accept}\n"
						   "      - {direction: in, number: 10, action: reject}\n"
						   "      - {direction: in, number: 20, action: accept}");
	VTAP_CLEANUP(vtap_config_freep) struct vtap_config *c = unit_parse(edited);
	const struct vtap_filter *f = &c->filters[0];

	assert_int_equal(f->rule_count[VTAP_DIRECTION_IN], 3);
	assert_int_equal(f->rule_count[VTAP_DIRECTION_OUT], 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(f->rules[VTAP_DIRECTION_IN][i].number, 10 * (i + 1));
	assert_int_equal(f->rules[VTAP_DIRECTION_IN][0].line, 10);
}

/* 64 rules for each direction, then one more. */
static void test_limit(void **state)
{
	for (int extra = 0; extra <= 1; extra++) {
		_cleanup_free_ char *text = NULL;
		size_t size;
		FILE *f = open_memstream(&text, &size);

		fprintf(f, "sessions: []\nfilters:\n- name: f\n  rules:\n");
		for (int i = VTAP_FILTER_RULES_MAX + extra; i > 0; i--) {
			fprintf(f, "  - {direction: out, number: %d, action: accept}\n", i);
			if (i <= VTAP_FILTER_RULES_MAX)
				fprintf(f, "  - {direction: in, number: %d, action: accept}\n", i);
		}
		assert_int_equal(fclose(f), 0);
		if (extra)
			unit_refused(text, -E2BIG, 132, "filters[0].rules[127]",
				     "is one rule too many: a filter has at most 64 rules for direction out");
		else
			vtap_config_free(unit_parse(text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bad),   cmocka_unit_test(test_good),  cmocka_unit_test(test_values),
	    cmocka_unit_test(test_words), cmocka_unit_test(test_order), cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
