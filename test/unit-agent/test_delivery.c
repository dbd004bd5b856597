/* SPDX-License-Identifier: Apache-2.0 */

#include "agent/delivery.h"
#include "unit.h"

/* What the tests start from: a session to an IPv4 target that is ready. */
struct scene {
	struct vtap_target target;
	struct vtap_session session;
	struct vtap_nexthop nexthop;
};

static void scene_make(struct scene *s, const char *target, const char *source)
{
	*s = (struct scene){
	    .target.ttl = 64,
	    .session = {.vni = 0x123456, .port = 4789, .sample_packets = 1, .sample_flows = 1},
	    .nexthop = {.state = VTAP_NEXTHOP_READY, .ifindex = 7, .mtu = 1600},
	};
	s->session.target = &s->target;
	assert_int_equal(vtap_addr_parse(target, &s->target.address), 0);
	assert_int_equal(vtap_addr_parse(source, &s->nexthop.source), 0);
	assert_int_equal(vtap_mac_parse("02:00:00:00:00:01", &s->nexthop.source_mac), 0);
	assert_int_equal(vtap_mac_parse("02:00:00:00:00:02", &s->nexthop.destination_mac), 0);
}

static struct vtap_delivery make(const struct scene *s)
{
	struct vtap_delivery d;

	memset(&d, 0xee, sizeof(d));
	vtap_delivery_make(&s->session, &s->nexthop, 7, 0, &d);
	return d;
}

static void test_header_over_ipv4(void **state)
{
	static const uint8_t wanted[] = {
	    0x02, 0,       0,    0,    0,    0x02, 0x02, 0, 0, 0,  0, 0x01, 0x08, 0x00, /* Ethernet */
	    0x45, 46 << 2, 0,    0,    0,    0,    0x40, 0, 9, 17, 0, 0,    172,  31,
	    0,    1,       172,  31,   0,    2, /* IPv4: DSCP 46, DF, TTL 9 */
	    0,    0,       0x12, 0xb5, 0,    0,    0,    0, /* UDP to 4789 */
	    0x08, 0,       0,    0,    0x12, 0x34, 0x56, 0, /* VXLAN */
	};
	struct vtap_delivery d;
	struct scene s;

	scene_make(&s, "172.31.0.2", "172.31.0.1");
	s.target.dscp = 46;
	s.target.df = true;
	s.target.ttl = 9;
	d = make(&s);
	assert_int_equal(sizeof(wanted), VTAP_DELIVERY_IPV4_BYTES);
	assert_int_equal(d.header_bytes, sizeof(wanted));
	assert_memory_equal(d.header, wanted, sizeof(wanted));
	assert_false(d.flags & VTAP_DELIVERY_IPV6);
	s.target.df = false;
	d = make(&s);
	assert_int_equal(d.header[20], 0);
}

static void test_header_over_ipv6(void **state)
{
	static const uint8_t wanted[] = {
	    0x02, 0,    0,    0,    0,    0x02, 0x02, 0,   0, 0, 0, 0x01, 0x86, 0xdd, /* Ethernet */
	    0x6b, 0x80, 0,    0,    0,    0,    17,   255, /* IPv6: DSCP 46, hop limit 255 */
	    0xfd, 0x31, 0,    0,    0,    0,    0,    0,   0, 0, 0, 0,    0,    0,    0, 1, /* from */
	    0xfd, 0x31, 0,    0,    0,    0,    0,    0,   0, 0, 0, 0,    0,    0,    0, 2, /* to */
	    0,    0,    0x21, 0x18, 0,    0,    0,    0, /* UDP to 8472, no checksum */
	    0x08, 0,    0,    0,    0xff, 0xff, 0xff, 0, /* VXLAN */
	};
	struct vtap_delivery d;
	struct scene s;

	scene_make(&s, "fd31::2", "fd31::1");
	s.target.dscp = 46;
	s.target.ttl = 255;
	s.session.port = 8472;
	s.session.vni = VTAP_VNI_MAX;
	d = make(&s);
	assert_int_equal(sizeof(wanted), VTAP_DELIVERY_IPV6_BYTES);
	assert_int_equal(d.header_bytes, sizeof(wanted));
	assert_memory_equal(d.header, wanted, sizeof(wanted));
	assert_true(d.flags & VTAP_DELIVERY_IPV6);
	assert_int_equal(d.room_bytes, 1600 - 56);
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* What the data plane does with header_sum: adds total length and identification, and the checksum comes out right. */
static void test_header_sum(void **state)
{
	static const uint16_t lengths[] = {50, 1500, 65535}, idents[] = {0, 1, 0x8000, 0xffff};
	struct vtap_delivery d;
	struct scene s;

	scene_make(&s, "203.0.113.255", "198.51.100.254");
	s.target.dscp = 63;
	s.target.df = true;
	d = make(&s);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(lengths) * VTAP_ARRAY_SIZE(idents); i++) {
		uint16_t length = lengths[i % VTAP_ARRAY_SIZE(lengths)], ident = idents[i / VTAP_ARRAY_SIZE(lengths)];
		uint8_t *ip = d.header + 14;
		uint16_t length_be = (uint16_t)(length << 8 | length >> 8),
			 ident_be = (uint16_t)(ident << 8 | ident >> 8), check;
		uint32_t sum = 0;

		check = (uint16_t)~fold((uint32_t)d.header_sum + length_be + ident_be);
		memcpy(ip + 2, &length_be, 2);
		memcpy(ip + 4, &ident_be, 2);
		memcpy(ip + 10, &check, 2);
		for (int at = 0; at < 20; at += 2)
			sum += (uint32_t)(ip[at] << 8 | ip[at + 1]);
		assert_int_equal(fold(sum), 0xffff);
	}
}

static void test_flags_and_lengths(void **state)
{
	struct vtap_delivery d;
	struct scene s;

	scene_make(&s, "172.31.0.2", "172.31.0.1");
	d = make(&s);
	assert_int_equal(d.uplink_ifindex, 7);
	assert_int_equal(d.packet_length, 0);
	assert_int_equal(d.room_bytes, 1600 - 36);
	assert_int_equal(d.lost, 0);
	assert_int_equal(d.flags, VTAP_DELIVERY_COMPLETE);
	s.session.checksum = VTAP_CHECKSUM_AS_IS;
	s.session.mtu_policy = VTAP_MTU_DROP;
	s.session.packet_length = 128;
	d = make(&s);
	assert_int_equal(d.packet_length, 128);
	assert_int_equal(d.flags, VTAP_DELIVERY_DROP);
	vtap_delivery_make(&s.session, &s.nexthop, 7, VTAP_DELIVERY_STAGE_ALL, &d);
	assert_int_equal(d.flags, VTAP_DELIVERY_DROP | VTAP_DELIVERY_STAGE_ALL);
	/* A path that has no room for the headers has none for a copy either. */
	s.nexthop.mtu = 36;
	assert_int_equal(make(&s).room_bytes, 0);
	s.nexthop.mtu = 0;
	assert_int_equal(make(&s).room_bytes, 0);
}

static void test_sampling(void **state)
{
	struct scene s;

	scene_make(&s, "172.31.0.2", "172.31.0.1");
	assert_false(make(&s).flags & VTAP_DELIVERY_SAMPLED);
	s.session.sample_packets = 10;
	assert_true(make(&s).flags & VTAP_DELIVERY_SAMPLED);
	assert_int_equal(make(&s).sample_packets, 10);
	s.session.sample_packets = 1;
	s.session.sample_flows = 2;
	assert_true(make(&s).flags & VTAP_DELIVERY_SAMPLED);
	assert_int_equal(make(&s).sample_flows, 2);
}

static void test_limits(void **state)
{
	static const struct {
		uint64_t packets, bits, packet_interval, bit_interval;
	} cases[] = {
	    {0, 0, 0, 0},
	    {1, 0, 256000000000ULL, 0}, /* a second between two packets */
	    {1000, 0, 256000000ULL, 0},
	    {1000000000ULL, 0, 256, 0}, /* the largest */
	    {0, 1, 0, 65536000000000ULL},
	    {0, 1000000, 0, 65536000ULL},
	    {0, 1000000000000ULL, 0, 65}, /* the largest: 0.8 % too fast, within the 2 % that limits may be off */
	    {500, 8000, 512000000ULL, 8192000000ULL},
	};
	struct scene s;

	scene_make(&s, "172.31.0.2", "172.31.0.1");
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		struct vtap_delivery d;

		s.session.limit_packets_per_second = cases[i].packets;
		s.session.limit_bits_per_second = cases[i].bits;
		d = make(&s);
		assert_int_equal(d.packet_interval_ns_q8, cases[i].packet_interval);
		assert_int_equal(d.bit_interval_ns_q16, cases[i].bit_interval);
		assert_int_equal(!!(d.flags & VTAP_DELIVERY_LIMITED), cases[i].packets || cases[i].bits);
		assert_int_equal(d.burst_ns, VTAP_LIMIT_BURST_NS);
	}
}

static void test_states(void **state)
{
	static const uint16_t lost[VTAP_NEXTHOP_MAX] = {
	    [VTAP_NEXTHOP_READY] = 0,
	    [VTAP_NEXTHOP_NO_ROUTE] = VTAP_LOST_NO_ROUTE,
	    [VTAP_NEXTHOP_NO_NEIGHBOUR] = VTAP_LOST_NO_NEIGHBOUR,
	    [VTAP_NEXTHOP_UNSUPPORTED] = VTAP_LOST_BAD_NEXT_HOP,
	    [VTAP_NEXTHOP_UPLINK_DOWN] = VTAP_LOST_UPLINK_DOWN,
	};
	struct scene s;

	scene_make(&s, "172.31.0.2", "172.31.0.1");
	for (int i = 0; i < VTAP_NEXTHOP_MAX; i++) {
		s.nexthop.state = (enum vtap_nexthop_state)i;
		assert_int_equal(make(&s).lost, lost[i]);
	}
}

/* Equal input gives equal bytes: the pool shares deliveries by content, and padding is a part of it. */
static void test_no_byte_is_left_as_it_was(void **state)
{
	struct vtap_delivery a, b;
	struct scene s;

	scene_make(&s, "172.31.0.2", "172.31.0.1");
	memset(&a, 0x00, sizeof(a));
	memset(&b, 0xff, sizeof(b));
	vtap_delivery_make(&s.session, &s.nexthop, 7, 0, &a);
	vtap_delivery_make(&s.session, &s.nexthop, 7, 0, &b);
	assert_memory_equal(&a, &b, sizeof(a));
}

/* By where copies go and their VNI; whatever else is different is nothing to tell them apart by. */
static void test_same_tunnel(void **state)
{
	static const struct {
		const char *target, *source, *other_target;
	} pairs[] = {{"172.31.0.2", "172.31.0.1", "172.31.0.3"}, {"fd31::2", "fd31::1", "fd31::102"}};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(pairs); i++) {
		const char *source = pairs[i].source;
		struct vtap_delivery one, other;
		struct scene s;

		scene_make(&s, pairs[i].target, source);
		one = make(&s);
		s.target.dscp = 7;
		s.target.ttl = 3;
		s.session.packet_length = 100;
		s.nexthop.ifindex = 8;
		s.nexthop.mtu = 9000;
		s.nexthop.destination_mac.bytes[5] = 9;
		s.nexthop.source.bytes[3] = 9;
		other = make(&s);
		assert_true(vtap_delivery_same_tunnel(&one, &other));
		s.session.vni ^= 1;
		other = make(&s);
		assert_false(vtap_delivery_same_tunnel(&one, &other));
		s.session.vni ^= 1;
		s.session.port++;
		other = make(&s);
		assert_false(vtap_delivery_same_tunnel(&one, &other));
		scene_make(&s, pairs[i].other_target, source);
		other = make(&s);
		assert_false(vtap_delivery_same_tunnel(&one, &other));
		scene_make(&s, pairs[1 - i].target, pairs[1 - i].source);
		other = make(&s);
		assert_false(vtap_delivery_same_tunnel(&one, &other));
		assert_false(vtap_delivery_same_tunnel(&other, &one));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_header_over_ipv4), cmocka_unit_test(test_header_over_ipv6),
	    cmocka_unit_test(test_header_sum),       cmocka_unit_test(test_flags_and_lengths),
	    cmocka_unit_test(test_sampling),         cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_states),           cmocka_unit_test(test_no_byte_is_left_as_it_was),
	    cmocka_unit_test(test_same_tunnel),
	};

	return cmocka_run_group_tests_name("delivery", tests, NULL, NULL);
}
