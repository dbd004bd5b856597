// SPDX-License-Identifier: Apache-2.0

/*
 * The parser, seen through rules that pin what it has to find. Each entry of the table meets a plan of one session per
 * question: all fields at once, and each field with a value that is wrong.
 */

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "lab.h"

#define EXTENSION_HEADERS_MAX 8 /* that the parser follows */
#define FRAGMENT_ID 0x1234

struct entry {
	const char *name;
	struct frame_shape shape;
	uint8_t flags; /* VTAP_PACKET_* that rules can see */
	bool nothing_behind_ip; /* ethertype and tag are found, IP is not */
	bool protocol_differs; /* a chain that is not followed to its end */
};

#define V4 VTAP_PACKET_IPV4
#define V6 VTAP_PACKET_IPV6
#define PORTS VTAP_PACKET_PORTS
#define ICMP VTAP_PACKET_ICMP

static const struct entry entries[] = {
    {"IPv4 TCP", {.ip = 4, .protocol = IPPROTO_TCP, .sport = 40000, .dport = 80}, .flags = V4 | PORTS},
    {"IPv4 UDP",
     {.ip = 4, .protocol = IPPROTO_UDP, .sport = 40000, .dport = 53, .payload_bytes = 20},
     .flags = V4 | PORTS},
    {"IPv4 SCTP", {.ip = 4, .protocol = IPPROTO_SCTP, .sport = 5, .dport = 38412}, .flags = V4 | PORTS},
    {"IPv4 DCCP", {.ip = 4, .protocol = IPPROTO_DCCP, .sport = 5, .dport = 6}, .flags = V4 | PORTS},
    {"IPv4 ICMP", {.ip = 4, .protocol = IPPROTO_ICMP, .icmp_type = 3, .icmp_code = 4}, .flags = V4 | ICMP},
    {"IPv4 GRE", {.ip = 4, .protocol = IPPROTO_GRE, .payload_bytes = 40}, .flags = V4},
    {"IPv4 with one word of options",
     {.ip = 4, .option_words = 1, .protocol = IPPROTO_TCP, .sport = 1, .dport = 2},
     .flags = V4 | PORTS},
    {"IPv4 with all options",
     {.ip = 4, .option_words = 10, .protocol = IPPROTO_UDP, .sport = 1, .dport = 2},
     .flags = V4 | PORTS},
    {"IPv4, TCP cut to its ports",
     {.ip = 4, .protocol = IPPROTO_TCP, .sport = 1, .dport = 2, .size_bytes = ETH_HLEN + 20 + 4},
     .flags = V4 | PORTS},
    {"IPv4, TCP cut inside its ports",
     {.ip = 4, .protocol = IPPROTO_TCP, .sport = 1, .dport = 2, .size_bytes = ETH_HLEN + 20 + 3},
     .flags = V4},
    {"IPv4, ICMP cut behind its type",
     {.ip = 4, .protocol = IPPROTO_ICMP, .icmp_type = 8, .size_bytes = ETH_HLEN + 20 + 1},
     .flags = V4},
    {"IPv4 cut inside its header",
     {.ip = 4, .protocol = IPPROTO_UDP, .sport = 1, .dport = 2, .size_bytes = ETH_HLEN + 19},
     .flags = 0,
     .nothing_behind_ip = true},
    {"IPv4 cut inside its options",
     {.ip = 4, .option_words = 5, .protocol = IPPROTO_UDP, .sport = 1, .dport = 2, .size_bytes = ETH_HLEN + 30},
     .flags = V4},
    {"one VLAN tag in band",
     {.tag_count = 1, .tags = {0x6064}, .ip = 4, .protocol = IPPROTO_UDP, .sport = 1, .dport = 2},
     .flags = V4 | PORTS},
    {"QinQ in band",
     {.tag_count = 2, .tags = {100, 200}, .ip = 6, .protocol = IPPROTO_TCP, .dport = 443},
     .flags = V6 | PORTS},
    {"IPv4 behind a tag, cut inside its header",
     {.tag_count = 1, .tags = {7}, .ip = 4, .protocol = IPPROTO_UDP, .size_bytes = ETH_HLEN + 4 + 8},
     .flags = 0,
     .nothing_behind_ip = true},
    {"IPv6 TCP", {.ip = 6, .protocol = IPPROTO_TCP, .sport = 40000, .dport = 80}, .flags = V6 | PORTS},
    {"IPv6 UDP-Lite", {.ip = 6, .protocol = IPPROTO_UDPLITE, .sport = 40000, .dport = 80}, .flags = V6 | PORTS},
    {"IPv6 ICMP", {.ip = 6, .protocol = IPPROTO_ICMPV6, .icmp_type = 135, .icmp_code = 0}, .flags = V6 | ICMP},
    {"IPv6 without a next header", {.ip = 6, .protocol = IPPROTO_NONE}, .flags = V6},
    {"IPv6 cut inside its header",
     {.ip = 6, .protocol = IPPROTO_UDP, .size_bytes = ETH_HLEN + 39},
     .flags = 0,
     .nothing_behind_ip = true},
    {"IPv6 hop-by-hop",
     {.ip = 6, .extension_count = 1, .extensions = {0}, .protocol = IPPROTO_UDP, .dport = 7},
     .flags = V6 | PORTS},
    {"IPv6 hop-by-hop, routing, AH, options, mobility",
     {.ip = 6,
      .extension_count = 5,
      .extensions = {IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_AH, IPPROTO_DSTOPTS, IPPROTO_MH},
      .protocol = IPPROTO_TCP,
      .sport = 9,
      .dport = 10},
     .flags = V6 | PORTS},
    {"IPv6 with as many extension headers as are followed",
     {.ip = 6,
      .extension_count = EXTENSION_HEADERS_MAX,
      .extensions = {60, 60, 60, 60, 60, 60, 60, 60},
      .protocol = IPPROTO_TCP,
      .sport = 9,
      .dport = 10},
     .flags = V6 | PORTS},
    {"IPv6 with one more",
     {.ip = 6,
      .extension_count = EXTENSION_HEADERS_MAX + 1,
      .extensions = {60, 60, 60, 60, 60, 60, 60, 60, 60},
      .protocol = IPPROTO_TCP,
      .sport = 9,
      .dport = 10},
     .flags = V6,
     .protocol_differs = true},
    {"IPv6 cut inside an extension header",
     {.ip = 6, .extension_count = 1, .extensions = {0}, .protocol = IPPROTO_UDP, .size_bytes = ETH_HLEN + 44},
     .flags = V6,
     .protocol_differs = true},
    {"ARP", {.ethertype = ETH_P_ARP, .payload_bytes = 28}, .flags = 0},
    {"LLDP", {.ethertype = 0x88cc, .payload_bytes = 46}, .flags = 0},
    {"LLC", {.ethertype = 38, .payload_bytes = 46}, .flags = 0},
    {"ARP with a tag", {.tag_count = 1, .tags = {4094}, .ethertype = ETH_P_ARP, .payload_bytes = 28}, .flags = 0},
};

/* Sessions of the plan, one question each. */
enum question {
	ALL_FIELDS,
	OTHER_SRC,
	OTHER_DST,
	ANY_PORTS,
	OTHER_SPORT,
	OTHER_DPORT,
	OTHER_PROTOCOL,
	IS_IPV4,
	IS_IPV6,
	ICMP_TYPE,
	OTHER_ICMP_TYPE,
	OTHER_ICMP_CODE,
	OTHER_VLAN,
	OTHER_ETHERTYPE,
	EVERY_FRAME, /* the last that is counted: then the others are, too */
	QUESTION_MAX
};

/* A rule that holds for p in every field. */
static struct vtap_plan_rule rule_exact(const struct vtap_packet *p)
{
	struct vtap_plan_rule r = {
	    .sport_first = p->sport,
	    .sport_last = p->sport,
	    .dport_first = p->dport,
	    .dport_last = p->dport,
	    .ethertype = p->ethertype,
	    .vlan = p->vlan,
	    .protocol = p->protocol,
	    .icmp_type = p->icmp_type,
	    .icmp_code = p->icmp_code,
	    .needs = VTAP_RULE_NEEDS_VLAN | VTAP_RULE_NEEDS_ETHERTYPE,
	    .accept = 1,
	};

	if (p->flags & (V4 | V6)) {
		r.families = p->flags & (V4 | V6);
		r.needs |= VTAP_RULE_NEEDS_PROTOCOL;
		memcpy(r.src, p->src, sizeof(r.src));
		memcpy(r.dst, p->dst, sizeof(r.dst));
		memset(r.src_mask, 0xff, sizeof(r.src_mask));
		memset(r.dst_mask, 0xff, sizeof(r.dst_mask));
	}
	if (p->flags & PORTS)
		r.needs |= VTAP_RULE_NEEDS_PORTS;
	if (p->flags & ICMP)
		r.needs |= VTAP_RULE_NEEDS_ICMP_TYPE | VTAP_RULE_NEEDS_ICMP_CODE;
	return r;
}

static void plan_make(const struct vtap_packet *p, struct vtap_plan *ret_plan)
{
	struct vtap_plan plan = {.all = 1ULL << EVERY_FRAME, .session_count = QUESTION_MAX, .rule_count = QUESTION_MAX};
	struct vtap_plan_rule *r = plan.rules;

	for (unsigned i = 0; i < QUESTION_MAX; i++) {
		plan.slots[i] = (uint16_t)i;
		r[i] = rule_exact(p);
		r[i].session = (uint8_t)i;
	}
	r[OTHER_SRC].src[1] ^= 1ULL << 63;
	r[OTHER_DST].dst[1] ^= 1ULL << 63;
	r[ANY_PORTS] = (struct vtap_plan_rule){.session = ANY_PORTS,
					       .accept = 1,
					       .needs = VTAP_RULE_NEEDS_PORTS,
					       .sport_last = 65535,
					       .dport_last = 65535};
	r[OTHER_SPORT].sport_first = r[OTHER_SPORT].sport_last = p->sport + 1;
	r[OTHER_DPORT].dport_first = r[OTHER_DPORT].dport_last = p->dport + 1;
	r[OTHER_PROTOCOL].protocol++;
	r[IS_IPV4] = (struct vtap_plan_rule){.session = IS_IPV4, .accept = 1, .families = V4};
	r[IS_IPV6] = (struct vtap_plan_rule){.session = IS_IPV6, .accept = 1, .families = V6};
	r[ICMP_TYPE] = (struct vtap_plan_rule){
	    .session = ICMP_TYPE, .accept = 1, .needs = VTAP_RULE_NEEDS_ICMP_TYPE, .icmp_type = p->icmp_type};
	r[OTHER_ICMP_TYPE].icmp_type++;
	r[OTHER_ICMP_CODE].icmp_code++;
	r[OTHER_VLAN].vlan++;
	r[OTHER_ETHERTYPE].ethertype++;
	*ret_plan = plan;
}

/* Which sessions a packet with those flags must match. */
static bool answer(enum question q, uint8_t flags)
{
	bool ip = flags & (V4 | V6);

	switch (q) {
	case ALL_FIELDS:
	case EVERY_FRAME:
		return true;
	case OTHER_SRC:
	case OTHER_DST:
	case OTHER_PROTOCOL:
		return !ip;
	case ANY_PORTS:
		return flags & PORTS;
	case OTHER_SPORT:
	case OTHER_DPORT:
		return !(flags & PORTS);
	case IS_IPV4:
		return flags & V4;
	case IS_IPV6:
		return flags & V6;
	case ICMP_TYPE:
		return flags & ICMP;
	case OTHER_ICMP_TYPE:
	case OTHER_ICMP_CODE:
		return !(flags & ICMP);
	default:
		return false;
	}
}

enum way { HANDED_IN, ARRIVING };

/* Gives the frame to the source's program and compares who matched. */
static void expect(struct lab *l, const char *name, enum way way, const struct frame *f, const struct vtap_packet *p)
{
	struct vtap_plan plan;

	plan_make(p, &plan);
	for (unsigned q = 0; q < QUESTION_MAX; q++)
		assert_int_equal(vtap_dataplane_counters_clear(l->dataplane, (uint16_t)q), 0);
	lab_plan(l, VTAP_HOOK_INGRESS, &plan);
	if (way == HANDED_IN)
		lab_run(l, VTAP_HOOK_INGRESS, f, NULL, 1);
	else
		lab_send(l, l->source_peer, f);
	lab_wait_count(l, EVERY_FRAME, VTAP_DIRECTION_OUT, VTAP_MATCHED_PACKETS, 1);
	for (unsigned q = 0; q < QUESTION_MAX; q++) {
		uint64_t matched = lab_count(l, (uint16_t)q, VTAP_DIRECTION_OUT, VTAP_MATCHED_PACKETS);

		if (matched != (uint64_t)answer(q, p->flags))
			fail_msg("%s: question %u: matched %u times", name, q, (unsigned)matched);
	}
}

static void table_run(struct lab *l, enum way way)
{
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(entries); i++) {
		const struct entry *e = &entries[i];
		struct vtap_packet p;
		struct frame f;

		/* BPF_PROG_TEST_RUN refuses a frame that has less than its IP header. */
		if (way == HANDED_IN && e->nothing_behind_ip)
			continue;
		frame_build(&e->shape, &f);
		frame_packet(&e->shape, &p);
		p.flags = e->flags;
		if (e->nothing_behind_ip)
			p.protocol = 0;
		if (e->protocol_differs)
			p.protocol = e->shape.extensions[0];
		expect(l, e->name, way, &f, &p);
	}
}

static void frames_are_understood(void **state)
{
	table_run(*state, HANDED_IN);
}

/* The kernel takes the outer tag out of what arrives and keeps it in the packet's metadata. */
static void arriving_frames_are_understood(void **state)
{
	table_run(*state, ARRIVING);
}

/* A fragment of an IPv4 or IPv6 datagram from port 40000 to 53, and what has to be found in it. */
static void expect_fragment(struct lab *l, const char *name, uint8_t ip, uint16_t offset, bool more, uint32_t id,
			    bool ports)
{
	const struct frame_shape shape = {
	    .ip = ip,
	    .extension_count = ip == 6,
	    .extensions = {IPPROTO_FRAGMENT},
	    .fragment_offset = offset,
	    .more = more,
	    .fragment_id = id,
	    .protocol = IPPROTO_UDP,
	    .sport = 40000,
	    .dport = 53,
	    .payload_bytes = 64,
	};
	struct vtap_packet p;
	struct frame f;

	frame_build(&shape, &f);
	frame_packet(&shape, &p);
	if (!ports)
		p.flags &= (uint8_t)~PORTS;
	expect(l, name, HANDED_IN, &f, &p);
}

static void first_fragments_lend_their_ports(void **state)
{
	for (unsigned ip = 4; ip <= 6; ip += 2) {
		expect_fragment(*state, "later fragment of an unknown datagram", (uint8_t)ip, 9, true, FRAGMENT_ID,
				false);
		expect_fragment(*state, "first fragment", (uint8_t)ip, 0, true, FRAGMENT_ID, true);
		expect_fragment(*state, "second fragment", (uint8_t)ip, 9, true, FRAGMENT_ID, true);
		expect_fragment(*state, "last fragment", (uint8_t)ip, 18, false, FRAGMENT_ID, true);
		expect_fragment(*state, "fragment of another datagram", (uint8_t)ip, 9, true, FRAGMENT_ID + 1, false);
	}
}

/* RFC 8200: headers behind the fragment header stand in the first fragment only. */
static void ports_are_lent_behind_options(void **state)
{
	struct frame_shape first = {
	    .ip = 6,
	    .extension_count = 2,
	    .extensions = {IPPROTO_FRAGMENT, IPPROTO_DSTOPTS},
	    .more = true,
	    .fragment_id = FRAGMENT_ID + 2,
	    .protocol = IPPROTO_UDP,
	    .sport = 40000,
	    .dport = 53,
	    .payload_bytes = 64,
	};
	struct frame_shape later = {.ip = 6,
				    .extension_count = 1,
				    .extensions = {IPPROTO_FRAGMENT},
				    .fragment_offset = 10,
				    .fragment_id = FRAGMENT_ID + 2,
				    .protocol = IPPROTO_DSTOPTS,
				    .payload_bytes = 64};
	struct vtap_packet p;
	struct frame f;

	frame_packet(&first, &p);
	frame_build(&first, &f);
	expect(*state, "first fragment with options", HANDED_IN, &f, &p);
	frame_build(&later, &f);
	expect(*state, "later fragment", HANDED_IN, &f, &p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(frames_are_understood, lab_reset),
	    cmocka_unit_test_setup(arriving_frames_are_understood, lab_reset),
	    cmocka_unit_test_setup(first_fragments_lend_their_ports, lab_reset),
	    cmocka_unit_test_setup(ports_are_lent_behind_options, lab_reset),
	};

	return lab_main("bpf-parse", tests, VTAP_ARRAY_SIZE(tests));
}
