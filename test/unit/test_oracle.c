/* SPDX-License-Identifier: Apache-2.0 */

/* Which packets one rule matches, told by hand; the oracle and the compiled table must both say so. */

#include "unit.h"

#include "packet.h"

#define RULE(text) "      - {direction: in, number: 10, action: accept, " text "}"
#define ANY_IP "      - {direction: in, number: 10, action: accept}"
#define TCP4_FLAGS(its_flags, ...)                                                                                     \
	{                                                                                                              \
		.src = "10.0.0.1", .dst = "10.0.0.2", .protocol = 6, .flags = (its_flags), __VA_ARGS__                 \
	}
#define TCP4(...) TCP4_FLAGS(VTAP_PACKET_PORTS, __VA_ARGS__)
#define UDP6(...)                                                                                                      \
	{                                                                                                              \
		.src = "2001:db8::1", .dst = "2001:db8::2", .protocol = 17, .flags = VTAP_PACKET_PORTS, __VA_ARGS__    \
	}
#define ICMP4(type, code)                                                                                              \
	{                                                                                                              \
		.src = "10.0.0.1", .dst = "10.0.0.2", .protocol = 1, .flags = VTAP_PACKET_ICMP, .icmp_type = (type),   \
		.icmp_code = (code)                                                                                    \
	}
#define FROM(from, to)                                                                                                 \
	{                                                                                                              \
		.src = (from), .dst = (to), .protocol = 47                                                             \
	}
#define ARP                                                                                                            \
	{                                                                                                              \
		.ethertype = 0x0806                                                                                    \
	}

static const struct {
	const char *rule;
	struct unit_packet packet;
	bool matches;
} rows[] = {
    /* A rule without conditions is about IP packets, whatever they carry. */
    {ANY_IP, TCP4(), true},
    {ANY_IP, UDP6(), true},
    {ANY_IP, FROM("10.0.0.1", "10.0.0.2"), true},
    {ANY_IP, ARP, false},
    {ANY_IP, {.ethertype = 0x0800}, false}, /* claims to be IPv4, but its header could not be read */
    {RULE("ethertype: ip"), UDP6(), true},
    {RULE("ethertype: ip"), ARP, false},

    /* ethertype */
    {RULE("ethertype: any"), ARP, true},
    {RULE("ethertype: any"), TCP4(), true},
    {RULE("ethertype: any"), {.ethertype = 0x0800}, true},
    {RULE("ethertype: arp"), ARP, true},
    {RULE("ethertype: arp"), TCP4(), false},
    {RULE("ethertype: ipv4"), TCP4(), true},
    {RULE("ethertype: ipv4"), UDP6(), false},
    {RULE("ethertype: ipv4"), {.ethertype = 0x0800}, true},
    {RULE("ethertype: ipv4, protocol: tcp"), {.ethertype = 0x0800}, false},
    {RULE("ethertype: ipv4, protocol: tcp"), TCP4(), true},
    {RULE("ethertype: any, protocol: tcp"), TCP4(), true},
    {RULE("ethertype: any, protocol: tcp"), ARP, false},
    {RULE("ethertype: any, source: 0.0.0.0/0"), ARP, false},
    {RULE("ethertype: 0xffff"), {.ethertype = 0xffff}, true},
    {RULE("ethertype: 0xffff"), {.ethertype = 0xfffe}, false},

    /* protocol: in both versions */
    {RULE("protocol: tcp"), TCP4(), true},
    {RULE("protocol: tcp"), UDP6(), false},
    {RULE("protocol: udp"), UDP6(), true},
    {RULE("protocol: tcp"), ARP, false},
    {RULE("protocol: icmp"), {.src = "2001:db8::1", .dst = "2001:db8::2", .protocol = 1}, true},
    {RULE("protocol: 0"), {.ethertype = 0x88cc}, false},
    {RULE("protocol: 0"), {.src = "10.0.0.1", .dst = "10.0.0.2"}, true},
    /* A later fragment has a protocol, but no ports. */
    {RULE("protocol: udp"),
     {.src = "10.0.0.1", .dst = "10.0.0.2", .protocol = 17, .flags = VTAP_PACKET_LATER_FRAGMENT},
     true},
    {RULE("protocol: udp, source_ports: 1-65535"),
     {.src = "10.0.0.1", .dst = "10.0.0.2", .protocol = 17, .sport = 9, .flags = VTAP_PACKET_LATER_FRAGMENT},
     false},
    /* One that was lent the ports of the first one has them. */
    {RULE("protocol: tcp, source_ports: 9"), TCP4_FLAGS(VTAP_PACKET_PORTS | VTAP_PACKET_LATER_FRAGMENT, .sport = 9),
     true},

    /* ports */
    {RULE("protocol: tcp, destination_ports: 80-443"), TCP4(.dport = 79), false},
    {RULE("protocol: tcp, destination_ports: 80-443"), TCP4(.dport = 80), true},
    {RULE("protocol: tcp, destination_ports: 80-443"), TCP4(.dport = 443), true},
    {RULE("protocol: tcp, destination_ports: 80-443"), TCP4(.dport = 444), false},
    {RULE("protocol: tcp, destination_ports: 80-443"), TCP4(.sport = 80), false},
    {RULE("protocol: tcp, source_ports: 80"), TCP4(.sport = 80), true},
    {RULE("protocol: tcp, source_ports: 80"), TCP4(.sport = 81), false},
    {RULE("protocol: tcp, source_ports: 1-65535"), TCP4(.sport = 0), false},
    {RULE("protocol: tcp, source_ports: 1-65535"), TCP4(.sport = 1), true},
    {RULE("protocol: tcp, source_ports: 1-65535"), TCP4(.sport = 65535), true},
    {RULE("protocol: tcp, source_ports: 1-65535"), TCP4_FLAGS(0, .sport = 5), false},
    {RULE("protocol: tcp, source_ports: 0-65535"), TCP4_FLAGS(0, .sport = 5), true},
    {RULE("source_ports: 0-65535"), FROM("10.0.0.1", "10.0.0.2"), true},
    {RULE("protocol: tcp, source_ports: 7, destination_ports: 8"), TCP4(.sport = 7, .dport = 8), true},
    {RULE("protocol: tcp, source_ports: 7, destination_ports: 8"), TCP4(.sport = 8, .dport = 7), false},

    /* addresses */
    {RULE("source: 10.0.0.1"), FROM("10.0.0.1", "10.9.9.9"), true},
    {RULE("source: 10.0.0.1"), FROM("10.0.0.0", "10.9.9.9"), false},
    {RULE("source: 10.0.0.1"), FROM("10.9.9.9", "10.0.0.1"), false},
    {RULE("destination: 10.0.0.1"), FROM("10.9.9.9", "10.0.0.1"), true},
    {RULE("source: 10.0.0.0/9"), FROM("10.127.255.255", "1.1.1.1"), true},
    {RULE("source: 10.0.0.0/9"), FROM("10.128.0.0", "1.1.1.1"), false},
    {RULE("source: 10.0.0.0/9"), FROM("9.255.255.255", "1.1.1.1"), false},
    {RULE("source: 0.0.0.0/0"), FROM("255.255.255.255", "1.1.1.1"), true},
    {RULE("source: 0.0.0.0/0"), FROM("::", "::"), false},
    {RULE("source: '::/0'"), FROM("2001:db8::1", "::"), true},
    {RULE("source: '::/0'"), FROM("10.0.0.1", "1.1.1.1"), false},
    {RULE("source: '::10.0.0.1'"), FROM("10.0.0.1", "1.1.1.1"), false},
    {RULE("source: 10.0.0.1"), FROM("::10.0.0.1", "::"), false},
    {RULE("source: '2001:db8::/63'"), FROM("2001:db8:0:1:ffff:ffff:ffff:ffff", "::"), true},
    {RULE("source: '2001:db8::/63'"), FROM("2001:db8:0:2::", "::"), false},
    {RULE("source: '2001:db8::/65'"), FROM("2001:db8::7fff:ffff:ffff:ffff", "::"), true},
    {RULE("source: '2001:db8::/65'"), FROM("2001:db8::8000:0:0:0", "::"), false},
    {RULE("destination: '2001:db8::1'"), FROM("::", "2001:db8::1"), true},
    {RULE("destination: '2001:db8::1'"), FROM("::", "2001:db8::"), false},

    /* ICMP */
    {RULE("protocol: icmp, icmp_type: 8"), ICMP4(8, 5), true},
    {RULE("protocol: icmp, icmp_type: 8"), ICMP4(0, 0), false},
    {RULE("protocol: icmp, icmp_type: 0"), {.src = "10.0.0.1", .dst = "10.0.0.2", .protocol = 1}, false},
    {RULE("protocol: icmp, icmp_type: 3, icmp_code: 4"), ICMP4(3, 4), true},
    {RULE("protocol: icmp, icmp_type: 3, icmp_code: 4"), ICMP4(3, 3), false},
    {RULE("protocol: icmpv6, icmp_type: 8"), ICMP4(8, 0), false},

    /* vlan: the outermost tag */
    {RULE("vlan: 7"), TCP4(.vlan = 7), true},
    {RULE("vlan: 7"), TCP4(.vlan = 8), false},
    {RULE("vlan: 7"), TCP4(), false},
    {RULE("vlan: 7"), {.ethertype = 0x0806, .vlan = 7}, false},
    {RULE("vlan: 7, ethertype: any"), {.ethertype = 0x0806, .vlan = 7}, true},
    {RULE("vlan: 7, ethertype: any"), ARP, false},
    {RULE("protocol: tcp"), TCP4(.vlan = 7), true},
};

/* What a test of the walk sees: the session's only copy, or none. */
static bool lookup(const struct vtap_classify_session *s, const struct vtap_packet *packet)
{
	struct vtap_plan plan;

	assert_int_equal(vtap_classify_compile(s, 1, VTAP_DIRECTION_IN, &plan, NULL), 0);
	return vtap_classify_lookup(&plan, packet) == 1;
}

static void test_rules(void **state)
{
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = unit_edit(9, rows[i].rule);
		VTAP_CLEANUP(vtap_config_freep) struct vtap_config *c = unit_parse(text);
		struct vtap_classify_session s = {.session = &c->sessions[0]};
		struct vtap_packet packet = unit_packet_make(&rows[i].packet);
		bool taken = !rows[i].matches;

		vtap_classify_oracle(&s, 1, VTAP_DIRECTION_IN, &packet, &taken);
		if (taken != rows[i].matches)
			fail_msg("oracle, row %zu: %s: %d", i, rows[i].rule, taken);
		if (lookup(&s, &packet) != rows[i].matches)
			fail_msg("lookup, row %zu: %s", i, rows[i].rule);
	}
}

/* The lowest number that matches decides, wherever it stands in the file. */
static void test_first_match(void **state)
{
	_cleanup_free_ char *text = unit_edit(9, "      - {direction: in, number: 30, action: reject}\n"
						 "      - {direction: in, number: 20, action: accept, protocol: tcp}\n"
						 "      - {direction: in, number: 10, action: reject, protocol: tcp, "
						 "source_ports: 22}");
	static const struct {
		struct unit_packet packet;
		bool taken;
	} packets[] = {
	    {TCP4(.sport = 22), false},
	    {TCP4(.sport = 23), true},
	    {UDP6(.sport = 23), false},
	    {ARP, false},
	};
	VTAP_CLEANUP(vtap_config_freep) struct vtap_config *c = unit_parse(text);
	struct vtap_classify_session s = {.session = &c->sessions[0]};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(packets); i++) {
		struct vtap_packet packet = unit_packet_make(&packets[i].packet);
		bool taken = !packets[i].taken;

		vtap_classify_oracle(&s, 1, VTAP_DIRECTION_IN, &packet, &taken);
		assert_int_equal(taken, packets[i].taken);
		assert_int_equal(lookup(&s, &packet), packets[i].taken);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rules),
	    cmocka_unit_test(test_first_match),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
