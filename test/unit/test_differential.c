/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The oracle against the compiled table, on random rule sets and on packets that are made to sit on the rules' edges. The
 * seed is fixed, so that a failure can be repeated.
 */

#include "unit.h"

#include "packet.h"

#define SEED 0x9e3779b97f4a7c15ULL
#define SETS 4000
#define PACKETS_PER_SET 64 /* for each direction */

struct set {
	struct vtap_classify_session sessions[VTAP_ABI_PLAN_SESSIONS];
	struct vtap_session bodies[VTAP_ABI_PLAN_SESSIONS];
	struct vtap_filter filters[VTAP_ABI_PLAN_SESSIONS];
	struct vtap_rule rules[VTAP_ABI_PLAN_SESSIONS][VTAP_DIRECTION_MAX][VTAP_FILTER_RULES_MAX];
	size_t count;
};

static const struct { /* how many sessions, and at most how many rules each */
	unsigned sessions, rules;
} shapes[] = {{1, 64}, {2, 32}, {4, 16}, {8, 8}, {16, 4}, {64, 1}};

static const uint16_t edge_ports[] = {0, 1, 2, 79, 80, 81, 442, 443, 444, 65534, 65535};
static const uint8_t protocols[] = {0, 1, 6, 17, 47, 58, 132, 255};
static const uint16_t ethertypes[] = {0x0600, 0x0800, 0x0806, 0x86dd, 0x88cc, 0xffff};

/* Few distinct values, so that rules and packets meet, and their neighbours, so that they just miss. */
static const char *const addresses[] = {
    "0.0.0.0",
    "10.0.0.0",
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.255",
    "10.0.1.0",
    "10.127.255.255",
    "10.128.0.0",
    "11.0.0.0",
    "127.255.255.255",
    "128.0.0.0",
    "255.255.255.255",
    "::",
    "::1",
    "::10.0.0.1",
    "2001:db8::",
    "2001:db8::1",
    "2001:db8::ffff:ffff:ffff:ffff",
    "2001:db8:0:1::",
    "2001:db8:8000::",
    "7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "8000::",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
};

static uint64_t random_state;

static uint64_t random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static unsigned random_below(unsigned n)
{
	return (unsigned)((random_u64() >> 32) % n);
}

static bool one_in(unsigned n)
{
	return random_below(n) == 0;
}

#define PICK(array) ((array)[random_below(VTAP_ARRAY_SIZE(array))])

static struct vtap_addr random_address(void)
{
	struct vtap_addr a;

	assert_int_equal(vtap_addr_parse(PICK(addresses), &a), 0);
	return a;
}

static struct vtap_prefix random_prefix(void)
{
	static const uint8_t bits4[] = {0, 1, 8, 9, 24, 30, 31, 32};
	static const uint8_t bits6[] = {0, 1, 32, 33, 63, 64, 65, 96, 127, 128};
	struct vtap_prefix p = {.addr = random_address()};
	char text[VTAP_PREFIX_STRLEN];

	p.bits = p.addr.family == AF_INET ? PICK(bits4) : PICK(bits6);
	assert_int_equal(vtap_prefix_parse_loose(vtap_prefix_format(&p, text), &p), 0);
	return p;
}

static void random_ports(uint16_t *ret_first, uint16_t *ret_last)
{
	uint16_t a = PICK(edge_ports), b = PICK(edge_ports);

	*ret_first = VTAP_MIN(a, b);
	*ret_last = VTAP_MAX(a, b);
}

/* Also rules that a file may not have, such as ports without a protocol: the meaning is the same. */
static struct vtap_rule random_rule(uint32_t number)
{
	struct vtap_rule r = {
	    .number = number,
	    .action = one_in(3) ? VTAP_ACTION_REJECT : VTAP_ACTION_ACCEPT,
	    .source_port_last = UINT16_MAX,
	    .destination_port_last = UINT16_MAX,
	    .protocol = one_in(2) ? PICK(protocols) : -1,
	    .icmp_type = -1,
	    .icmp_code = -1,
	    .vlan = one_in(6) ? 1 + (int32_t)random_below(2) : -1,
	    .ethertype = VTAP_ETHERTYPE_IP,
	};

	if (one_in(3))
		r.source = random_prefix();
	if (one_in(3)) {
		do
			r.destination = random_prefix();
		while (r.source.addr.family && r.destination.addr.family != r.source.addr.family);
	}
	if (one_in(4))
		random_ports(&r.source_port_first, &r.source_port_last);
	if (one_in(4))
		random_ports(&r.destination_port_first, &r.destination_port_last);
	if (one_in(5)) {
		r.protocol = one_in(2) ? 1 : 58;
		r.icmp_type = (int32_t)random_below(3);
		r.icmp_code = one_in(2) ? (int32_t)random_below(3) : -1;
	}
	if (one_in(4))
		r.ethertype = one_in(3) ? VTAP_ETHERTYPE_ANY : PICK(ethertypes);
	return r;
}

static void random_session(struct set *set, size_t i, unsigned rules_max)
{
	struct vtap_filter *f = &set->filters[i];

	for (size_t d = 0; d < VTAP_DIRECTION_MAX; d++) {
		f->rules[d] = set->rules[i][d];
		f->rule_count[d] = random_below(rules_max + 1);
		for (size_t j = 0; j < f->rule_count[d]; j++)
			f->rules[d][j] = random_rule((uint32_t)j + 1);
	}
	/* 7919 is prime and larger than the number of sessions, so that the numbers differ and are in no order. */
	set->bodies[i] = (struct vtap_session){
	    .number = (uint32_t)((i + 1) * 7919 % VTAP_SESSION_NUMBER_MAX) + 1,
	    .mode = one_in(3) ? VTAP_MODE_COPY : VTAP_MODE_EXCLUSIVE,
	    .enabled = !one_in(8),
	    .direction = {!one_in(5), !one_in(5)},
	    .on_reject = one_in(3) ? VTAP_ON_REJECT_STOP : VTAP_ON_REJECT_NEXT,
	    .filter = one_in(10) ? NULL : f,
	};
	set->sessions[i] = (struct vtap_classify_session){.session = &set->bodies[i], .slot = (uint16_t)(i * 3 + 1)};
}

static void random_set(struct set *set)
{
	size_t shape = random_below(VTAP_ARRAY_SIZE(shapes));

	set->count = shapes[shape].sessions;
	for (size_t i = 0; i < set->count; i++)
		random_session(set, i, shapes[shape].rules);
}

static struct vtap_packet random_packet(void)
{
	struct vtap_addr src = random_address(), dst = random_address();
	struct vtap_packet p = {
	    .ethertype = PICK(ethertypes),
	    .vlan = one_in(2) ? VTAP_VLAN_NONE : (uint16_t)(1 + random_below(2)),
	    .sport = PICK(edge_ports),
	    .dport = PICK(edge_ports),
	    .protocol = PICK(protocols),
	    .icmp_type = (uint8_t)random_below(3),
	    .icmp_code = (uint8_t)random_below(3),
	    .flags = (uint8_t)(random_u64() & (VTAP_PACKET_PORTS | VTAP_PACKET_ICMP | VTAP_PACKET_FRAGMENT |
					       VTAP_PACKET_LATER_FRAGMENT)),
	};

	if (one_in(6))
		return p;
	while (dst.family != src.family)
		dst = random_address();
	unit_packet_address(&src, p.src_bytes);
	unit_packet_address(&dst, p.dst_bytes);
	p.flags |= src.family == AF_INET ? VTAP_PACKET_IPV4 : VTAP_PACKET_IPV6;
	p.ethertype = src.family == AF_INET ? 0x0800 : 0x86dd;
	return p;
}

/* An end of the prefix, or the address right outside of it. */
static void to_prefix_edge(const struct vtap_prefix *prefix, uint8_t bytes[16])
{
	unsigned size_bytes = vtap_addr_size_bytes(prefix->addr.family), choice = random_below(4);
	unsigned first_bit = 128 - 8 * size_bytes;

	unit_packet_address(&prefix->addr, bytes);
	if (choice >= 2) /* the last address */
		for (unsigned n = first_bit + prefix->bits; n < 128; n++)
			bytes[n / 8] |= (uint8_t)(0x80U >> n % 8);
	if (choice == 3 && prefix->bits > 0) /* another prefix: the bit that still counts */
		bytes[(first_bit + prefix->bits - 1) / 8] ^= (uint8_t)(0x80U >> (prefix->bits - 1) % 8);
}

static uint16_t port_edge(uint16_t first, uint16_t last)
{
	const uint16_t choices[] = {first, last, (uint16_t)(first - 1), (uint16_t)(last + 1)};

	return PICK(choices);
}

/* A packet that one rule of the set matches, or just misses. */
static struct vtap_packet edge_packet(const struct set *set, enum vtap_direction direction)
{
	const struct vtap_filter *f = &set->filters[random_below((unsigned)set->count)];
	struct vtap_packet p = random_packet();
	const struct vtap_rule *r;

	if (f->rule_count[direction] == 0 || one_in(6))
		return p;
	r = &f->rules[direction][random_below((unsigned)f->rule_count[direction])];
	if (r->source.addr.family != AF_UNSPEC || r->destination.addr.family != AF_UNSPEC) {
		uint8_t family = r->source.addr.family ? r->source.addr.family : r->destination.addr.family;

		p.flags &= (uint8_t) ~(VTAP_PACKET_IPV4 | VTAP_PACKET_IPV6);
		p.flags |= family == AF_INET ? VTAP_PACKET_IPV4 : VTAP_PACKET_IPV6;
		p.ethertype = family == AF_INET ? 0x0800 : 0x86dd;
	}
	if (r->source.addr.family != AF_UNSPEC)
		to_prefix_edge(&r->source, p.src_bytes);
	if (r->destination.addr.family != AF_UNSPEC)
		to_prefix_edge(&r->destination, p.dst_bytes);
	if (r->protocol >= 0)
		p.protocol = (uint8_t)r->protocol;
	if (r->ethertype >= 0)
		p.ethertype = (uint16_t)r->ethertype;
	if (r->vlan >= 0)
		p.vlan = (uint16_t)r->vlan;
	if (!one_in(4))
		p.flags |= VTAP_PACKET_PORTS | VTAP_PACKET_ICMP;
	p.sport = port_edge(r->source_port_first, r->source_port_last);
	p.dport = port_edge(r->destination_port_first, r->destination_port_last);
	return p;
}

/* How often each answer was given, so that a generator that never meets a rule is noticed. */
struct tally {
	unsigned pairs, none, one, several;
};

static void compare(const struct set *set, unsigned number, enum vtap_direction direction, const struct vtap_plan *plan,
		    struct tally *tally)
{
	struct vtap_packet packet = edge_packet(set, direction);
	uint64_t bits = vtap_classify_lookup(plan, &packet);
	bool taken[VTAP_ABI_PLAN_SESSIONS], walked[VTAP_ABI_PLAN_SESSIONS] = {};
	unsigned count = 0;

	vtap_classify_oracle(set->sessions, set->count, direction, &packet, taken);
	for (size_t i = 0; i < plan->session_count; i++)
		walked[(plan->slots[i] - 1) / 3] = (bits >> i) & 1;
	for (size_t i = 0; i < set->count; i++) {
		if (taken[i] != walked[i])
			fail_msg("set %u, direction %d, session %zu: oracle %d, lookup %d", number, direction, i,
				 taken[i], walked[i]);
		count += taken[i];
	}
	tally->pairs++;
	tally->none += count == 0;
	tally->one += count == 1;
	tally->several += count > 1;
}

static void test_differential(void **state)
{
	_cleanup_free_ struct set *set = calloc(1, sizeof(*set));
	struct tally tally = {};

	random_state = SEED;
	for (unsigned i = 0; i < SETS; i++) {
		random_set(set);
		for (enum vtap_direction d = 0; d < VTAP_DIRECTION_MAX; d++) {
			struct vtap_plan plan;

			assert_int_equal(vtap_classify_compile(set->sessions, set->count, d, &plan, NULL), 0);
			for (unsigned j = 0; j < PACKETS_PER_SET; j++)
				compare(set, i, d, &plan, &tally);
		}
	}
	print_message("%u pairs: no copy %u, one %u, several %u\n", tally.pairs, tally.none, tally.one, tally.several);
	assert_true(tally.pairs >= 200000);
	assert_true(tally.none > tally.pairs / 10);
	assert_true(tally.one > tally.pairs / 10);
	assert_true(tally.several > tally.pairs / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_differential)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
