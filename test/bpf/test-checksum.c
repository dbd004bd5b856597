// SPDX-License-Identifier: Apache-2.0

/* Packets whose checksum was left to the kernel: which copies are finished on the fast way, how, and which need the stage. */

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "lab.h"

#define HEADER_IPV4_BYTES 50U
#define HEADER_IPV6_BYTES 70U
#define MTU 11000
#define FRAME_MAX 10240U /* the longest that is finished on the fast way */
#define START_MAX 254U /* the last even offset from which on bytes are summed there */
#define SEED 0x1234U /* stands for the pseudo header's sum, from which the kernel would start */

static const struct frame_shape dns = {
    .ip = 4, .protocol = IPPROTO_UDP, .sport = 40000, .dport = 53, .payload_bytes = 100};

/* Where a sender's NIC is asked to put the checksum. */
struct place {
	uint16_t start;
	uint16_t offset;
};

static struct place place_of(const struct frame_shape *s, const struct frame *f)
{
	size_t header_bytes = s->protocol == IPPROTO_TCP ? FRAME_TCP_BYTES : 8;

	return (struct place){(uint16_t)(f->size_bytes - s->payload_bytes - header_bytes),
			      s->protocol == IPPROTO_TCP   ? 16
			      : s->protocol == IPPROTO_UDP ? 6
							   : 2};
}

static void write16(struct frame *f, size_t at, uint32_t value)
{
	f->bytes[at] = (uint8_t)(value >> 8);
	f->bytes[at + 1] = (uint8_t)value;
}

/* What a device without offloads makes of the frame. */
static struct frame finished(const struct frame *f, struct place place)
{
	struct frame result = *f;
	uint32_t sum = 0;

	for (size_t i = place.start; i < f->size_bytes; i++)
		sum += (uint32_t)f->bytes[i] << ((i - place.start) % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum ^= 0xffff;
	write16(&result, place.start + place.offset, sum ? sum : 0xffff);
	return result;
}

static struct vtap_delivery session_start(struct lab *l, uint8_t family, uint16_t flags)
{
	struct vtap_delivery d;

	lab_shell("for device in s0 s1 u0 u1; do ip link set $device mtu %d || exit 1; done", MTU);
	lab_delivery(l, family, &d);
	d.flags |= flags;
	d.room_bytes = MTU;
	lab_deliver(l, 0, &d);
	lab_plan_all(l, VTAP_HOOK_INGRESS, 0);
	return d;
}

static uint64_t count(struct lab *l, enum vtap_counter counter)
{
	return lab_count(l, 0, VTAP_DIRECTION_OUT, counter);
}

/* Sends the frame as a guest would and waits until it is booked. Returns how many copies went through the stage. */
static uint64_t mirror(struct lab *l, const struct frame *f, struct place place)
{
	uint64_t matched = count(l, VTAP_MATCHED_PACKETS), staged = count(l, VTAP_STAGED);

	lab_send_partial(l, l->source_peer, f, place.start, place.offset);
	lab_wait_count(l, 0, VTAP_DIRECTION_OUT, VTAP_MATCHED_PACKETS, matched + 1);
	lab_assert_sum(l, 0, VTAP_DIRECTION_OUT);
	return count(l, VTAP_STAGED) - staged;
}

/* The copy on the fast way is what a wire would have carried, and nobody is asked to finish it again. */
static void assert_finished(struct lab *l, const struct frame *f, struct place place, size_t header_bytes)
{
	struct frame wanted = finished(f, place), copies[2];

	assert_int_equal(mirror(l, f, place), 0);
	assert_int_equal(lab_copies(l, copies, VTAP_ARRAY_SIZE(copies)), 1);
	assert_false(copies[0].partial);
	assert_int_equal(copies[0].size_bytes, header_bytes + wanted.size_bytes);
	assert_memory_equal(copies[0].bytes + header_bytes, wanted.bytes, wanted.size_bytes);
}

static void frame_seeded(const struct frame_shape *s, struct frame *ret_frame, struct place *ret_place)
{
	frame_build(s, ret_frame);
	*ret_place = place_of(s, ret_frame);
	write16(ret_frame, (size_t)ret_place->start + ret_place->offset, SEED);
}

static void shape_is_finished(struct lab *l, const struct frame_shape *s, size_t header_bytes)
{
	struct place place;
	struct frame f;

	frame_seeded(s, &f, &place);
	assert_finished(l, &f, place, header_bytes);
}

static const struct frame_shape shapes[] = {
    {.ip = 4, .protocol = IPPROTO_UDP, .sport = 1, .dport = 2},
    {.ip = 4, .protocol = IPPROTO_TCP, .sport = 1, .dport = 2},
    {.ip = 4, .option_words = 10, .protocol = IPPROTO_UDP, .sport = 1, .dport = 2},
    {.ip = 4, .option_words = 1, .protocol = IPPROTO_TCP, .sport = 1, .dport = 2},
    {.ip = 6, .protocol = IPPROTO_UDP, .sport = 1, .dport = 2},
    {.ip = 6, .protocol = IPPROTO_TCP, .sport = 1, .dport = 2},
    {.ip = 6, .protocol = IPPROTO_ICMPV6, .icmp_type = 128},
    {.ip = 6,
     .extension_count = 2,
     .extensions = {IPPROTO_DSTOPTS, IPPROTO_ROUTING},
     .protocol = IPPROTO_UDP,
     .sport = 1,
     .dport = 2},
};

/* Around the least length that the kernel's helpers take, around the pieces that are summed at a time, and far beyond. */
static void every_shape_and_length(void **state)
{
	static const uint16_t frame_bytes[] = {508,  509,  510,  511,  512,  513,  514,  515,           1023,     1024,
					       1025, 1026, 1513, 1514, 1536, 1537, 9014, FRAME_MAX - 1, FRAME_MAX};
	struct lab *l = *state;

	(void)session_start(l, AF_INET, VTAP_DELIVERY_COMPLETE);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(shapes); i++) {
		struct frame_shape s = shapes[i];
		struct frame empty;

		frame_build(&s, &empty);
		for (s.payload_bytes = 0; s.payload_bytes < 100; s.payload_bytes++)
			shape_is_finished(l, &s, HEADER_IPV4_BYTES);
		for (size_t j = 0; j < VTAP_ARRAY_SIZE(frame_bytes); j++) {
			s.payload_bytes = frame_bytes[j] - empty.size_bytes;
			shape_is_finished(l, &s, HEADER_IPV4_BYTES);
		}
	}
	assert_int_equal(count(l, VTAP_MIRRORED_PACKETS), count(l, VTAP_MATCHED_PACKETS));
}

static void outer_headers_of_ipv6(void **state)
{
	struct lab *l = *state;

	(void)session_start(l, AF_INET6, VTAP_DELIVERY_COMPLETE);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(shapes); i++)
		shape_is_finished(l, &shapes[i], HEADER_IPV6_BYTES);
}

/* For UDP, 0 in the field says that there is no checksum. */
static void a_checksum_of_zero(void **state)
{
	struct lab *l = *state;
	struct frame f, wanted;
	struct place place;

	(void)session_start(l, AF_INET, VTAP_DELIVERY_COMPLETE);
	frame_seeded(&dns, &f, &place);
	/* The seed that brings the sum to 0xffff, and so the checksum to 0. */
	write16(&f, (size_t)place.start + place.offset, 0);
	wanted = finished(&f, place);
	write16(&f, (size_t)place.start + place.offset,
		(uint32_t)wanted.bytes[place.start + place.offset] << 8 | wanted.bytes[place.start + place.offset + 1]);
	wanted = finished(&f, place);
	assert_int_equal(wanted.bytes[place.start + place.offset], 0xff);
	assert_int_equal(wanted.bytes[place.start + place.offset + 1], 0xff);
	assert_finished(l, &f, place, HEADER_IPV4_BYTES);
}

/* A cut copy carries the checksum of the whole packet, also where the cut goes through the headers. */
static void cut_copies(void **state)
{
	static const uint32_t lengths[] = {1, 14, 34, 40, 41, 42, 60, 127, 128, 142, 600};
	struct lab *l = *state;
	struct vtap_delivery d = session_start(l, AF_INET, VTAP_DELIVERY_COMPLETE);

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(lengths) * VTAP_ARRAY_SIZE(shapes); i++) {
		struct frame_shape s = shapes[i % VTAP_ARRAY_SIZE(shapes)];
		struct frame f, wanted, copy;
		struct place place;
		size_t size_bytes;

		s.payload_bytes = 700;
		frame_seeded(&s, &f, &place);
		wanted = finished(&f, place);
		d.packet_length = lengths[i / VTAP_ARRAY_SIZE(shapes)];
		lab_deliver(l, 0, &d);
		assert_int_equal(mirror(l, &f, place), 0);
		assert_int_equal(lab_copies(l, &copy, 1), 1);
		/* The kernel cuts no deeper than to the transport header: the outer header says where the copy ends. */
		size_bytes = (size_t)(copy.bytes[ETH_HLEN + 2] << 8 | copy.bytes[ETH_HLEN + 3]) + ETH_HLEN;
		assert_int_equal(size_bytes, HEADER_IPV4_BYTES + d.packet_length);
		assert_false(copy.partial);
		assert_memory_equal(copy.bytes + HEADER_IPV4_BYTES, wanted.bytes, d.packet_length);
	}
	assert_int_equal(count(l, VTAP_UNCUT), 0);
}

/* With `as_is` too, a cut that may reach in front of the checksum's place is made once it is finished. */
static void as_is(void **state)
{
	struct lab *l = *state;
	struct vtap_delivery d = session_start(l, AF_INET, 0);
	struct frame f, wanted, copy;
	struct place place;

	frame_seeded(&dns, &f, &place);
	wanted = finished(&f, place);
	assert_int_equal(mirror(l, &f, place), 0);
	assert_int_equal(lab_copies(l, &copy, 1), 1);
	assert_true(copy.partial);
	assert_memory_equal(copy.bytes + HEADER_IPV4_BYTES, f.bytes, f.size_bytes);
	d.packet_length = 50;
	lab_deliver(l, 0, &d);
	assert_int_equal(mirror(l, &f, place), 0);
	assert_int_equal(lab_copies(l, &copy, 1), 1);
	assert_false(copy.partial);
	assert_int_equal(copy.size_bytes, HEADER_IPV4_BYTES + 50);
	assert_memory_equal(copy.bytes + HEADER_IPV4_BYTES, wanted.bytes, 50);
}

/* An uplink that offloads no checksum has the kernel finish it, at less cost. */
static void an_uplink_that_completes(void **state)
{
	struct lab *l = *state;
	struct frame f, copy;
	struct place place;

	(void)session_start(l, AF_INET, VTAP_DELIVERY_COMPLETE | VTAP_DELIVERY_UPLINK_COMPLETES);
	frame_seeded(&dns, &f, &place);
	assert_int_equal(mirror(l, &f, place), 0);
	assert_int_equal(lab_copies(l, &copy, 1), 1);
	assert_true(copy.partial);
}

/* A tag that the receiving device took into the metadata is in nobody's way; one in the frame's bytes is. */
static void tags(void **state)
{
	struct lab *l = *state;

	(void)session_start(l, AF_INET, VTAP_DELIVERY_COMPLETE);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(shapes); i++) {
		struct frame_shape s = shapes[i];
		struct place place;
		struct frame f;

		s.tag_count = 1;
		s.tags[0] = 0x6064;
		shape_is_finished(l, &s, HEADER_IPV4_BYTES);
		s.tag_count = 2;
		s.tags[1] = 200;
		frame_seeded(&s, &f, &place);
		assert_int_equal(mirror(l, &f, place), 1);
	}
}

/* What is left to the kernel, in the stage, and the last that is not. */
static void only_the_kernel_can(void **state)
{
	static const struct {
		const char *name;
		struct place place;
		size_t frame_bytes;
		bool staged;
	} table[] = {
	    {"a start that is far behind", {START_MAX, 6}, 600, false},
	    {"one that is farther", {START_MAX + 2, 6}, 600, true},
	    {"an odd start", {35, 6}, 600, true},
	    {"TCP's offset, the largest", {34, 16}, 600, false},
	    {"an offset that nothing has", {34, 18}, 600, true},
	    {"SCTP's offset: a CRC", {34, 8}, 600, true},
	    {"a checksum at the very end", {34, 6}, 42, false},
	    {"the longest frame", {34, 6}, FRAME_MAX, false},
	    {"a longer frame", {34, 6}, FRAME_MAX + 1, true},
	};
	struct lab *l = *state;

	(void)session_start(l, AF_INET, VTAP_DELIVERY_COMPLETE);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(table); i++) {
		struct frame_shape s = dns;
		struct frame f;

		s.payload_bytes = table[i].frame_bytes - 42;
		frame_build(&s, &f);
		if (!table[i].staged)
			assert_finished(l, &f, table[i].place, HEADER_IPV4_BYTES);
		else if (mirror(l, &f, table[i].place) != 1)
			fail_msg("%s: not through the stage", table[i].name);
	}
}

/* Not IP, as far as the kernel knows: its helpers would refuse. */
static void no_ip(void **state)
{
	const struct frame_shape s = {.ethertype = 0x88b5, .payload_bytes = 200};
	struct lab *l = *state;
	struct frame f;

	(void)session_start(l, AF_INET, VTAP_DELIVERY_COMPLETE);
	frame_build(&s, &f);
	assert_int_equal(mirror(l, &f, (struct place){34, 6}), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(every_shape_and_length, lab_reset),
	    cmocka_unit_test_setup(outer_headers_of_ipv6, lab_reset),
	    cmocka_unit_test_setup(a_checksum_of_zero, lab_reset),
	    cmocka_unit_test_setup(cut_copies, lab_reset),
	    cmocka_unit_test_setup(as_is, lab_reset),
	    cmocka_unit_test_setup(an_uplink_that_completes, lab_reset),
	    cmocka_unit_test_setup(tags, lab_reset),
	    cmocka_unit_test_setup(only_the_kernel_can, lab_reset),
	    cmocka_unit_test_setup(no_ip, lab_reset),
	};

	return lab_main("bpf-checksum", tests, VTAP_ARRAY_SIZE(tests));
}
