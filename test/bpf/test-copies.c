// SPDX-License-Identifier: Apache-2.0

/* What becomes of a packet that a session takes: the copy byte by byte, what is counted, and what the packet itself keeps. */

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <string.h>

#include "lab.h"

#define HEADER_IPV4_BYTES 50U
#define HEADER_IPV6_BYTES 70U
#define TAG_BYTES 4U
#define VNI 66U
#define SOURCE_PORT_FIRST 49152U
#define MANY 2000U

static const struct frame_shape dns = {
    .ip = 4, .protocol = IPPROTO_UDP, .sport = 40000, .dport = 53, .payload_bytes = 100};

static struct frame built(const struct frame_shape *shape)
{
	struct frame f;

	frame_build(shape, &f);
	return f;
}

static uint64_t out_count(struct lab *l, uint16_t slot, enum vtap_counter counter)
{
	return lab_count(l, slot, VTAP_DIRECTION_OUT, counter);
}

/* Session 0 takes all; the delivery is the family's default. */
static struct vtap_delivery session_start(struct lab *l, uint8_t family)
{
	struct vtap_delivery d;

	lab_delivery(l, family, &d);
	lab_deliver(l, 0, &d);
	lab_plan_all(l, VTAP_HOOK_INGRESS, 0);
	return d;
}

static uint16_t sum16(const void *data, size_t size_bytes)
{
	const uint8_t *bytes = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < size_bytes; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static const uint8_t outer_macs[12] = {0x02, 0, 0, 0, 0, 0xbb, 0x02, 0, 0, 0, 0, 0xaa};

static void assert_udp(const uint8_t *at, size_t udp_bytes)
{
	const uint8_t vxlan[8] = {0x08, 0, 0, 0, 0, 0, VNI, 0};
	struct udphdr udp;

	memcpy(&udp, at, sizeof(udp));
	assert_in_range(ntohs(udp.source), SOURCE_PORT_FIRST, UINT16_MAX);
	assert_int_equal(ntohs(udp.dest), 4789);
	assert_int_equal(ntohs(udp.len), udp_bytes);
	assert_int_equal(udp.check, 0);
	assert_memory_equal(at + sizeof(udp), vxlan, sizeof(vxlan));
}

/* inner_bytes: what the lengths in the headers must say. */
static void assert_ipv4_headers(const struct frame *copy, size_t inner_bytes)
{
	const uint8_t *at = copy->bytes + ETH_HLEN;
	struct iphdr ip;

	assert_memory_equal(copy->bytes, outer_macs, sizeof(outer_macs));
	assert_int_equal(copy->bytes[12] << 8 | copy->bytes[13], ETH_P_IP);
	memcpy(&ip, at, sizeof(ip));
	assert_int_equal(ip.version, 4);
	assert_int_equal(ip.ihl, 5);
	assert_int_equal(ip.ttl, 64);
	assert_int_equal(ip.protocol, IPPROTO_UDP);
	assert_int_equal(ip.frag_off, 0);
	assert_int_equal(ntohl(ip.saddr), 0xc0000201);
	assert_int_equal(ntohl(ip.daddr), 0xc0000202);
	assert_int_equal(ntohs(ip.tot_len), inner_bytes + HEADER_IPV4_BYTES - ETH_HLEN);
	assert_int_equal(sum16(&ip, sizeof(ip)), 0xffff);
	assert_udp(at + sizeof(ip), inner_bytes + HEADER_IPV4_BYTES - ETH_HLEN - sizeof(ip));
}

static uint16_t source_port(const struct frame *copy)
{
	return (uint16_t)(copy->bytes[ETH_HLEN + sizeof(struct iphdr)] << 8 |
			  copy->bytes[ETH_HLEN + sizeof(struct iphdr) + 1]);
}

static struct frame one_copy(struct lab *l)
{
	struct frame copies[2];

	assert_int_equal(lab_copies(l, copies, VTAP_ARRAY_SIZE(copies)), 1);
	return copies[0];
}

static void copies_are_whole_over_ipv4(void **state)
{
	static const struct frame_shape shapes[] = {
	    {.ip = 4, .protocol = IPPROTO_UDP, .sport = 1, .dport = 2, .payload_bytes = 1},
	    {.ip = 4, .protocol = IPPROTO_TCP, .sport = 1, .dport = 2, .payload_bytes = 1000},
	    {.ip = 6, .protocol = IPPROTO_UDP, .sport = 1, .dport = 2, .payload_bytes = 100},
	    {.tag_count = 2, .tags = {5, 6}, .ip = 4, .protocol = IPPROTO_UDP, .sport = 1, .dport = 2},
	    {.ethertype = ETH_P_ARP, .payload_bytes = 46},
	    {.ethertype = 38, .payload_bytes = 46},
	    {.ethertype = ETH_P_ARP, .payload_bytes = LAB_MTU - HEADER_IPV4_BYTES},
	};
	struct lab *l = *state;
	uint64_t bytes = 0;

	(void)session_start(l, AF_INET);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(shapes); i++) {
		struct frame f = built(&shapes[i]), copy;

		lab_run(l, VTAP_HOOK_INGRESS, &f, NULL, 1);
		copy = one_copy(l);
		assert_ipv4_headers(&copy, f.size_bytes);
		assert_int_equal(copy.size_bytes, f.size_bytes + HEADER_IPV4_BYTES);
		assert_memory_equal(copy.bytes + HEADER_IPV4_BYTES, f.bytes, f.size_bytes);
		bytes += f.size_bytes;
	}
	assert_int_equal(out_count(l, 0, VTAP_MATCHED_PACKETS), VTAP_ARRAY_SIZE(shapes));
	assert_int_equal(out_count(l, 0, VTAP_MATCHED_BYTES), bytes);
	assert_int_equal(out_count(l, 0, VTAP_MIRRORED_PACKETS), VTAP_ARRAY_SIZE(shapes));
	assert_int_equal(out_count(l, 0, VTAP_MIRRORED_BYTES), bytes + VTAP_ARRAY_SIZE(shapes) * HEADER_IPV4_BYTES);
	assert_int_equal(out_count(l, 0, VTAP_CUT_TO_FIT), 0);
	lab_assert_sum(l, 0, VTAP_DIRECTION_OUT);
}

static void copies_are_whole_over_ipv6(void **state)
{
	struct lab *l = *state;
	struct frame f = built(&dns), copy;
	struct ipv6hdr ip;

	(void)session_start(l, AF_INET6);
	lab_run(l, VTAP_HOOK_INGRESS, &f, NULL, 1);
	copy = one_copy(l);
	assert_int_equal(copy.size_bytes, f.size_bytes + HEADER_IPV6_BYTES);
	assert_memory_equal(copy.bytes + HEADER_IPV6_BYTES, f.bytes, f.size_bytes);
	assert_memory_equal(copy.bytes, outer_macs, sizeof(outer_macs));
	assert_int_equal(copy.bytes[12] << 8 | copy.bytes[13], ETH_P_IPV6);
	memcpy(&ip, copy.bytes + ETH_HLEN, sizeof(ip));
	assert_int_equal(ip.version, 6);
	assert_int_equal(ip.nexthdr, IPPROTO_UDP);
	assert_int_equal(ip.hop_limit, 64);
	assert_int_equal(ip.saddr.s6_addr[15], 1);
	assert_int_equal(ip.daddr.s6_addr[15], 2);
	assert_int_equal(ntohs(ip.payload_len), f.size_bytes + HEADER_IPV6_BYTES - ETH_HLEN - sizeof(ip));
	assert_udp(copy.bytes + ETH_HLEN + sizeof(ip), f.size_bytes + HEADER_IPV6_BYTES - ETH_HLEN - sizeof(ip));
}

/* The outer tag of what arrives lies in the metadata, where it would end up in front of the outer headers. */
static void tags_go_back_inside(void **state)
{
	struct lab *l = *state;

	(void)session_start(l, AF_INET);
	for (unsigned tags = 1; tags <= 2; tags++) {
		struct frame_shape shape = dns;
		struct frame f, copy;

		shape.tag_count = tags;
		shape.tags[0] = 0x6064;
		shape.tags[1] = 200;
		f = built(&shape);
		lab_send(l, l->source_peer, &f);
		lab_wait_count(l, 0, VTAP_DIRECTION_OUT, VTAP_MIRRORED_PACKETS, tags);
		copy = one_copy(l);
		assert_ipv4_headers(&copy, f.size_bytes);
		assert_int_equal(copy.size_bytes, f.size_bytes + HEADER_IPV4_BYTES);
		assert_memory_equal(copy.bytes + HEADER_IPV4_BYTES, f.bytes, f.size_bytes);
	}
}

static void both_directions_share_a_source_port(void **state)
{
	struct frame_shape there = dns, back, other = dns;
	struct lab *l = *state;
	struct frame frames[3], copies[3];

	back = frame_reverse(&there);
	other.sport++;
	frames[0] = built(&there);
	frames[1] = built(&back);
	frames[2] = built(&other);
	(void)session_start(l, AF_INET);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(frames); i++)
		lab_run(l, VTAP_HOOK_INGRESS, &frames[i], NULL, 1);
	assert_int_equal(lab_copies(l, copies, VTAP_ARRAY_SIZE(copies)), VTAP_ARRAY_SIZE(copies));
	assert_int_equal(source_port(&copies[0]), source_port(&copies[1]));
	assert_int_not_equal(source_port(&copies[0]), source_port(&copies[2]));
}

static void copies_are_cut(void **state)
{
	static const struct {
		uint32_t packet_length, room_bytes;
		size_t payload_bytes, copy_bytes;
		bool to_fit;
	} table[] = {
	    {0, 1450, 1407, 1449, false}, {0, 1450, 1408, 1450, false},   {0, 1450, 1409, 1450, true},
	    {64, 1450, 1000, 64, false},  {200, 1450, 1000, 200, false},  {200, 1450, 158, 200, false},
	    {200, 1450, 100, 142, false}, {1450, 1450, 1700, 1450, true}, {1600, 1450, 1700, 1450, true},
	};
	struct lab *l = *state;
	struct vtap_delivery d = session_start(l, AF_INET);
	uint64_t to_fit = 0;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(table); i++) {
		struct frame_shape shape = dns;
		struct frame f, copy;

		shape.payload_bytes = table[i].payload_bytes;
		f = built(&shape);
		d.packet_length = table[i].packet_length;
		d.room_bytes = table[i].room_bytes;
		lab_deliver(l, 0, &d);
		lab_run(l, VTAP_HOOK_INGRESS, &f, NULL, 1);
		copy = one_copy(l);
		assert_ipv4_headers(&copy, table[i].copy_bytes);
		assert_in_range(copy.size_bytes, table[i].copy_bytes + HEADER_IPV4_BYTES, LAB_MTU + ETH_HLEN);
		assert_memory_equal(copy.bytes + HEADER_IPV4_BYTES, f.bytes, table[i].copy_bytes);
		to_fit += table[i].to_fit;
		assert_int_equal(out_count(l, 0, VTAP_CUT_TO_FIT), to_fit);
	}
}

static void too_big_is_dropped_where_asked(void **state)
{
	struct frame_shape fits = dns, big = dns;
	struct lab *l = *state;
	struct vtap_delivery d = session_start(l, AF_INET);
	struct frame f, copy;

	fits.payload_bytes = 1422;
	big.payload_bytes = 1423;
	d.flags |= VTAP_DELIVERY_DROP;
	lab_deliver(l, 0, &d);
	f = built(&fits);
	lab_run(l, VTAP_HOOK_INGRESS, &f, NULL, 1);
	copy = one_copy(l);
	assert_ipv4_headers(&copy, f.size_bytes);
	f = built(&big);
	lab_run(l, VTAP_HOOK_INGRESS, &f, NULL, 1);
	assert_int_equal(lab_copies(l, &copy, 1), 0);
	assert_int_equal(out_count(l, 0, VTAP_LOST_TOO_BIG), 1);
	lab_assert_sum(l, 0, VTAP_DIRECTION_OUT);
}

/* lab_run() compares; here the packet comes with something to lose, through both hooks and on both ways. */
static void packets_keep_what_they_carry(void **state)
{
	const struct __sk_buff ctx = {.mark = 0x11, .priority = 7, .cb = {1, 2, 3, 4, 5}};
	struct lab *l = *state;
	struct vtap_delivery d = session_start(l, AF_INET);
	struct frame f = built(&dns), copy;

	lab_plan_all(l, VTAP_HOOK_EGRESS, 0);
	lab_run(l, VTAP_HOOK_INGRESS, &f, &ctx, 1);
	lab_run(l, VTAP_HOOK_EGRESS, &f, &ctx, 1);
	assert_int_equal(lab_copies(l, &copy, 1), 2);
	assert_int_equal(lab_count(l, 0, VTAP_DIRECTION_IN, VTAP_MIRRORED_PACKETS), 1);
	assert_int_equal(out_count(l, 0, VTAP_MIRRORED_PACKETS), 1);
	d.flags |= VTAP_DELIVERY_STAGE_ALL;
	lab_deliver(l, 0, &d);
	lab_run(l, VTAP_HOOK_INGRESS, &f, &ctx, 1);
	assert_int_equal(out_count(l, 0, VTAP_STAGED), 1);
	lab_assert_sum(l, 0, VTAP_DIRECTION_OUT);
}

/* Whatever wears our mark is not mirrored again, and a packet that wears it by chance is not taken for a copy either. */
static void marked_packets_are_left_alone(void **state)
{
	const struct __sk_buff ctx = {.mark = VTAP_MARK};
	struct vtap_port_counters counters;
	struct lab *l = *state;
	struct frame f = built(&dns), copy;

	(void)session_start(l, AF_INET);
	lab_plan_all(l, VTAP_HOOK_EGRESS, 0);
	lab_run(l, VTAP_HOOK_INGRESS, &f, &ctx, 1);
	lab_run(l, VTAP_HOOK_EGRESS, &f, &ctx, 1);
	assert_int_equal(lab_copies(l, &copy, 1), 0);
	assert_int_equal(out_count(l, 0, VTAP_MATCHED_PACKETS), 0);
	assert_int_equal(vtap_dataplane_port_counters_read(l->dataplane, 0, &counters), 0);
	assert_int_equal(counters.values[VTAP_PORT_OWN], 2);
}

/* With the first word of a VXLAN header behind the UDP header. */
static struct frame built_tunnel(const struct frame_shape *shape)
{
	struct frame f = built(shape);

	memcpy(f.bytes + ETH_HLEN + sizeof(struct iphdr) + sizeof(struct udphdr), (const uint8_t[4]){0x08}, 4);
	return f;
}

static void tunnels_are_not_mirrored(void **state)
{
	static const struct vtap_guard guard = {.address = {[12] = 10, [15] = 2}, .port = 4789};
	struct frame_shape tunnel = dns, answer, other_port = dns, other_end = dns;
	struct lab *l = *state;
	struct frame f;

	tunnel.dport = other_end.dport = 4789;
	answer = tunnel;
	memcpy(answer.src, guard.address, sizeof(answer.src));
	memcpy(answer.dst, (const uint8_t[16]){[12] = 10, [15] = 1}, sizeof(answer.dst));
	memcpy(other_end.dst, (const uint8_t[16]){[12] = 10, [15] = 3}, sizeof(other_end.dst));
	(void)session_start(l, AF_INET);
	assert_int_equal(vtap_dataplane_guards_write(l->dataplane, &guard, 1), 0);

	f = built_tunnel(&tunnel);
	lab_run(l, VTAP_HOOK_INGRESS, &f, NULL, 1);
	f = built_tunnel(&answer);
	lab_run(l, VTAP_HOOK_INGRESS, &f, NULL, 1);
	assert_int_equal(out_count(l, 0, VTAP_MATCHED_PACKETS), 0);
	f = built_tunnel(&other_port);
	lab_run(l, VTAP_HOOK_INGRESS, &f, NULL, 1);
	f = built_tunnel(&other_end);
	lab_run(l, VTAP_HOOK_INGRESS, &f, NULL, 1);
	/* Another service at the same endpoint. */
	f = built(&tunnel);
	lab_run(l, VTAP_HOOK_INGRESS, &f, NULL, 1);
	assert_int_equal(out_count(l, 0, VTAP_MATCHED_PACKETS), 3);
	assert_int_equal(vtap_dataplane_guards_write(l->dataplane, NULL, 0), 0);
	f = built_tunnel(&tunnel);
	lab_run(l, VTAP_HOOK_INGRESS, &f, NULL, 1);
	assert_int_equal(out_count(l, 0, VTAP_MATCHED_PACKETS), 4);
}

static void other_devices_are_left_alone(void **state)
{
	struct lab *l = *state;
	const struct __sk_buff ctx = {.ifindex = l->sink};
	struct frame f = built(&dns), copy;

	(void)session_start(l, AF_INET);
	lab_run(l, VTAP_HOOK_INGRESS, &f, &ctx, 1);
	lab_run(l, VTAP_HOOK_EGRESS, &f, &ctx, 1);
	lab_run(l, VTAP_HOOK_EGRESS, &f, NULL, 1);
	assert_int_equal(lab_copies(l, &copy, 1), 0);
	assert_int_equal(out_count(l, 0, VTAP_MATCHED_PACKETS), 0);
}

static void losses_have_their_reason(void **state)
{
	struct lab *l = *state;
	struct vtap_delivery d = session_start(l, AF_INET);
	struct frame f = built(&dns), copy;

	for (uint16_t reason = VTAP_LOST_NO_ROUTE; reason <= VTAP_LOST_UPLINK_DOWN; reason++) {
		d.lost = reason;
		lab_deliver(l, 0, &d);
		lab_run(l, VTAP_HOOK_INGRESS, &f, NULL, 3);
		assert_int_equal(out_count(l, 0, reason), 3);
	}
	assert_int_equal(vtap_dataplane_session_write(l->dataplane, 0, 0), 0);
	lab_run(l, VTAP_HOOK_INGRESS, &f, NULL, 1);
	assert_int_equal(out_count(l, 0, VTAP_LOST_CHANGED), 1);
	assert_int_equal(lab_copies(l, &copy, 1), 0);
	lab_assert_sum(l, 0, VTAP_DIRECTION_OUT);
}

/*
 * What the stage sends directly is booked by the uplink's program, the only one that can tell that the device is down: each
 * packet anew, before an agent has seen it.
 */
static void direct_copies_tell_of_a_dead_uplink(void **state)
{
	struct lab *l = *state;
	struct vtap_delivery d = session_start(l, AF_INET);
	struct frame f = built(&dns), copy;

	assert_int_equal(vtap_dataplane_attach(l->dataplane, l->sink, VTAP_HOOK_EGRESS, VTAP_PROGRAM_STAGE), 0);
	d.flags |= VTAP_DELIVERY_STAGE_ALL | VTAP_DELIVERY_UPLINK_DIRECT;
	lab_deliver(l, 0, &d);
	for (unsigned i = 1; i <= 2; i++) {
		lab_run(l, VTAP_HOOK_INGRESS, &f, NULL, 1);
		assert_int_equal(out_count(l, 0, VTAP_MIRRORED_PACKETS), i);
		copy = one_copy(l);
		assert_ipv4_headers(&copy, f.size_bytes);
		lab_shell("ip link set u0 down");
		lab_run(l, VTAP_HOOK_INGRESS, &f, NULL, 1);
		assert_int_equal(out_count(l, 0, VTAP_LOST_UPLINK_DOWN), i);
		lab_assert_sum(l, 0, VTAP_DIRECTION_OUT);
		lab_shell("ip link set u0 up");
	}
}

/* 1 in 10 of 2000: 200 are expected, with a standard deviation of 13; ten of those are allowed. */
static void packets_are_sampled(void **state)
{
	struct lab *l = *state;
	struct vtap_delivery d = session_start(l, AF_INET);
	struct frame f = built(&dns), copy;
	uint64_t mirrored;

	d.flags |= VTAP_DELIVERY_SAMPLED;
	d.sample_packets = 10;
	lab_deliver(l, 0, &d);
	for (unsigned i = 0; i < 10; i++) {
		lab_run(l, VTAP_HOOK_INGRESS, &f, NULL, MANY / 10);
		(void)lab_copies(l, &copy, 1);
	}
	mirrored = out_count(l, 0, VTAP_MIRRORED_PACKETS);
	assert_in_range(mirrored, 70, 330);
	assert_int_equal(out_count(l, 0, VTAP_LOST_SAMPLED), MANY - mirrored);
	lab_assert_sum(l, 0, VTAP_DIRECTION_OUT);
}

/* A flow is mirrored in full and in both directions, or not at all. */
static void flows_are_sampled(void **state)
{
	struct lab *l = *state;
	struct vtap_delivery d = session_start(l, AF_INET);
	unsigned flows = 0;

	d.flags |= VTAP_DELIVERY_SAMPLED;
	d.sample_flows = 10;
	lab_deliver(l, 0, &d);
	for (unsigned i = 0; i < MANY; i++) {
		struct frame_shape there = dns, back;
		struct frame f, copies[4];
		size_t count;

		there.sport = (uint16_t)(1024 + i);
		back = frame_reverse(&there);
		f = built(&there);
		lab_run(l, VTAP_HOOK_INGRESS, &f, NULL, 2);
		f = built(&back);
		lab_run(l, VTAP_HOOK_INGRESS, &f, NULL, 2);
		count = lab_copies(l, copies, VTAP_ARRAY_SIZE(copies));
		assert_true(count == 0 || count == 4);
		flows += count == 4;
	}
	assert_in_range(flows, 70, 330);
	assert_int_equal(out_count(l, 0, VTAP_LOST_SAMPLED), 4 * (MANY - flows));
}

/* Each limit lets the first packet through whatever it costs, and those behind it wait: longer than the test lasts. */
static void limits_go_into_debt_by_one_packet(void **state)
{
	static const struct {
		uint64_t packet_interval_ns_q8, bit_interval_ns_q16;
	} limits[] = {{(3600ULL * 1000000000) << 8, 0}, {0, (3600ULL * 1000000000) << 16 >> 10}};
	struct lab *l = *state;
	struct frame f = built(&dns), copy;

	for (uint16_t slot = 0; slot < VTAP_ARRAY_SIZE(limits); slot++) {
		struct vtap_delivery d;

		lab_delivery(l, AF_INET, &d);
		d.flags |= VTAP_DELIVERY_LIMITED;
		d.packet_interval_ns_q8 = limits[slot].packet_interval_ns_q8;
		d.bit_interval_ns_q16 = limits[slot].bit_interval_ns_q16;
		lab_deliver(l, slot, &d);
		lab_plan_all(l, VTAP_HOOK_INGRESS, slot);
		lab_run(l, VTAP_HOOK_INGRESS, &f, NULL, 10);
		assert_int_equal(lab_copies(l, &copy, 1), 1);
		assert_int_equal(out_count(l, slot, VTAP_MIRRORED_PACKETS), 1);
		assert_int_equal(out_count(l, slot, VTAP_LOST_LIMITED), 9);
		lab_assert_sum(l, slot, VTAP_DIRECTION_OUT);
	}
}

/* A super-packet counts as what it will be on the wire; gso_segs may be 0 on what a guest sent. */
static void super_packets_count_as_wire_packets(void **state)
{
	const struct frame_shape shape = {
	    .ip = 4, .protocol = IPPROTO_TCP, .sport = 1, .dport = 80, .payload_bytes = 2501};
	const struct __sk_buff ctxs[] = {{.gso_size = 500}, {.gso_size = 500, .gso_segs = 6}};
	const size_t header_bytes = ETH_HLEN + sizeof(struct iphdr) + FRAME_TCP_BYTES;
	struct lab *l = *state;
	struct vtap_delivery d = session_start(l, AF_INET);
	struct frame f = built(&shape);

	/* What BPF_PROG_TEST_RUN makes of gso_size is no packet that a device would take. */
	d.lost = VTAP_LOST_NO_ROUTE;
	lab_deliver(l, 0, &d);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(ctxs); i++) {
		assert_int_equal(vtap_dataplane_counters_clear(l->dataplane, 0), 0);
		lab_run(l, VTAP_HOOK_INGRESS, &f, &ctxs[i], 1);
		assert_int_equal(out_count(l, 0, VTAP_MATCHED_PACKETS), 6);
		assert_int_equal(out_count(l, 0, VTAP_MATCHED_BYTES), 6 * header_bytes + 2501);
		assert_int_equal(out_count(l, 0, VTAP_LOST_NO_ROUTE), 6);
		lab_assert_sum(l, 0, VTAP_DIRECTION_OUT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(copies_are_whole_over_ipv4, lab_reset),
	    cmocka_unit_test_setup(copies_are_whole_over_ipv6, lab_reset),
	    cmocka_unit_test_setup(tags_go_back_inside, lab_reset),
	    cmocka_unit_test_setup(both_directions_share_a_source_port, lab_reset),
	    cmocka_unit_test_setup(copies_are_cut, lab_reset),
	    cmocka_unit_test_setup(too_big_is_dropped_where_asked, lab_reset),
	    cmocka_unit_test_setup(packets_keep_what_they_carry, lab_reset),
	    cmocka_unit_test_setup(marked_packets_are_left_alone, lab_reset),
	    cmocka_unit_test_setup(tunnels_are_not_mirrored, lab_reset),
	    cmocka_unit_test_setup(other_devices_are_left_alone, lab_reset),
	    cmocka_unit_test_setup(losses_have_their_reason, lab_reset),
	    cmocka_unit_test_setup(direct_copies_tell_of_a_dead_uplink, lab_reset),
	    cmocka_unit_test_setup(packets_are_sampled, lab_reset),
	    cmocka_unit_test_setup(flows_are_sampled, lab_reset),
	    cmocka_unit_test_setup(limits_go_into_debt_by_one_packet, lab_reset),
	    cmocka_unit_test_setup(super_packets_count_as_wire_packets, lab_reset),
	};

	return lab_main("bpf-copies", tests, VTAP_ARRAY_SIZE(tests));
}
