// SPDX-License-Identifier: Apache-2.0

/*
 * Parser and walk, run by the kernel, against the oracle of src/classify: random rules, and random packets that the oracle
 * knows as they were meant while the kernel gets them as frames.
 */

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "classify/classify.h"
#include "lab.h"

#define SEED 0x2545f4914f6cdd1dULL
#define SETS 400
#define SETS_SMALL 20
#define PACKETS_PER_SET 100
#define SESSIONS_MAX 8
#define RULES_MAX (VTAP_ABI_PLAN_RULES / SESSIONS_MAX)

static uint64_t random_state = SEED;

/* xorshift64; the fixed seed makes every run the same. */
static unsigned random_below(unsigned n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)((random_state >> 32) % n);
}

static bool one_in(unsigned n)
{
	return random_below(n) == 0;
}

#define PICK(array) ((array)[random_below(VTAP_ARRAY_SIZE(array))])

static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_GRE};
static const uint16_t ports[] = {0, 53, 80, 81, 1024, 65535};
static const uint8_t lasts[] = {0, 1, 2, 127, 128, 255};
static const uint16_t ethertypes[] = {ETH_P_ARP, 0x88cc, ETH_P_MPLS_UC};
static const uint8_t extensions[] = {IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_AH, IPPROTO_DSTOPTS, IPPROTO_MH};

/* As in struct vtap_packet. */
static void random_address(uint8_t ip, uint8_t ret[16])
{
	memset(ret, 0, 16);
	if (ip == 6) {
		ret[0] = 0xfd;
		ret[7] = PICK(lasts);
	} else {
		ret[12] = 10;
		ret[14] = PICK(lasts);
	}
	ret[15] = PICK(lasts);
}

static struct vtap_prefix random_prefix(uint8_t ip)
{
	static const uint8_t bits4[] = {0, 8, 23, 24, 25, 31, 32}, bits6[] = {0, 8, 63, 64, 65, 127, 128};
	struct vtap_prefix p = {.addr.family = ip == 6 ? AF_INET6 : AF_INET,
				.bits = ip == 6 ? PICK(bits6) : PICK(bits4)};
	uint8_t bytes[16];

	random_address(ip, bytes);
	memcpy(p.addr.bytes, ip == 6 ? bytes : bytes + 12, ip == 6 ? 16 : 4);
	for (unsigned n = p.bits; n < 128; n++)
		p.addr.bytes[n / 8] &= (uint8_t) ~(0x80U >> n % 8);
	return p;
}

static void random_ports(uint16_t *ret_first, uint16_t *ret_last)
{
	uint16_t a = PICK(ports), b = PICK(ports);

	*ret_first = VTAP_MIN(a, b);
	*ret_last = VTAP_MAX(a, b);
}

static struct vtap_rule random_rule(uint32_t number, enum vtap_direction direction)
{
	uint8_t ip = one_in(2) ? 4 : 6;
	struct vtap_rule r = {
	    .number = number,
	    .direction = direction,
	    .action = one_in(3) ? VTAP_ACTION_REJECT : VTAP_ACTION_ACCEPT,
	    .source_port_last = UINT16_MAX,
	    .destination_port_last = UINT16_MAX,
	    .protocol = one_in(2) ? PICK(protocols) : -1,
	    .icmp_type = -1,
	    .icmp_code = -1,
	    .vlan = one_in(5) ? 1 + (int)random_below(2) : -1,
	    .ethertype = one_in(4)   ? VTAP_ETHERTYPE_ANY
			 : one_in(6) ? PICK(ethertypes)
				     : VTAP_ETHERTYPE_IP,
	};

	if (one_in(2))
		r.source = random_prefix(ip);
	if (one_in(2))
		r.destination = random_prefix(ip);
	if (r.protocol == IPPROTO_ICMP || r.protocol == IPPROTO_ICMPV6) {
		r.icmp_type = (int)random_below(3) - 1;
		r.icmp_code = r.icmp_type < 0 ? -1 : (int)random_below(3) - 1;
	} else {
		if (one_in(2))
			random_ports(&r.source_port_first, &r.source_port_last);
		if (one_in(2))
			random_ports(&r.destination_port_first, &r.destination_port_last);
	}
	return r;
}

static void random_shape(struct frame_shape *ret_shape)
{
	struct frame_shape s = {
	    .ip = one_in(8)   ? 0
		  : one_in(2) ? 4
			      : 6,
	    .ethertype = PICK(ethertypes),
	    .tag_count = one_in(3) ? 1 + random_below(2) : 0,
	    .tags = {(uint16_t)(1 + random_below(3)), 2},
	    .protocol = PICK(protocols),
	    .sport = PICK(ports),
	    .dport = PICK(ports),
	    .icmp_type = (uint8_t)random_below(2),
	    .icmp_code = (uint8_t)random_below(2),
	    .payload_bytes = 16,
	};

	random_address(s.ip, s.src);
	random_address(s.ip, s.dst);
	if (s.ip == 4)
		s.option_words = (uint8_t)(one_in(3) ? random_below(11) : 0);
	if (s.ip == 6 && one_in(3)) {
		s.extension_count = (uint8_t)random_below(9);
		for (unsigned i = 0; i < s.extension_count; i++)
			s.extensions[i] = PICK(extensions);
	}
	*ret_shape = s;
}

struct set {
	struct vtap_classify_session sessions[SESSIONS_MAX];
	struct vtap_session bodies[SESSIONS_MAX];
	struct vtap_filter filters[SESSIONS_MAX];
	struct vtap_rule rules[SESSIONS_MAX][RULES_MAX];
	size_t count;
};

static void random_set(struct set *set, enum vtap_direction direction)
{
	set->count = 1 + random_below(SESSIONS_MAX);
	for (size_t i = 0; i < set->count; i++) {
		struct vtap_filter *f = &set->filters[i];

		*f = (struct vtap_filter){};
		f->rule_count[direction] = random_below(RULES_MAX + 1);
		f->rules[direction] = set->rules[i];
		for (size_t j = 0; j < f->rule_count[direction]; j++)
			set->rules[i][j] = random_rule((uint32_t)j + 1, direction);
		set->bodies[i] = (struct vtap_session){
		    .number = (uint32_t)(SESSIONS_MAX - i),
		    .mode = one_in(3) ? VTAP_MODE_COPY : VTAP_MODE_EXCLUSIVE,
		    .enabled = true,
		    .direction = {true, true},
		    .on_reject = one_in(2) ? VTAP_ON_REJECT_STOP : VTAP_ON_REJECT_NEXT,
		    .filter = one_in(8) ? NULL : f,
		};
		set->sessions[i] = (struct vtap_classify_session){&set->bodies[i], (uint16_t)i};
	}
}

static void set_run(struct lab *l, unsigned number, const struct set *set, enum vtap_hook hook,
		    enum vtap_direction direction, uint64_t *taken_total)
{
	uint64_t wanted[SESSIONS_MAX] = {}, before[SESSIONS_MAX];
	struct vtap_plan plan;

	assert_int_equal(vtap_classify_compile(set->sessions, set->count, direction, &plan, NULL), 0);
	lab_plan(l, hook, &plan);
	for (uint16_t i = 0; i < set->count; i++)
		before[i] = lab_count(l, i, direction, VTAP_MATCHED_PACKETS);
	for (unsigned n = 0; n < PACKETS_PER_SET; n++) {
		bool taken[SESSIONS_MAX];
		struct frame_shape shape;
		struct vtap_packet p;
		struct frame f;

		random_shape(&shape);
		frame_build(&shape, &f);
		frame_packet(&shape, &p);
		vtap_classify_oracle(set->sessions, set->count, direction, &p, taken);
		lab_run(l, hook, &f, NULL, 1);
		for (uint16_t i = 0; i < set->count; i++) {
			wanted[i] += taken[i];
			*taken_total += taken[i];
			if (lab_count(l, i, direction, VTAP_MATCHED_PACKETS) - before[i] != wanted[i])
				fail_msg("set %u, packet %u, session %u: the oracle says %s", number, n, i,
					 taken[i] ? "taken" : "left");
		}
	}
}

static void kernel_and_oracle_agree(void **state)
{
	unsigned sets = getenv("VTAP_TEST_SMALL") ? SETS_SMALL : SETS;
	uint64_t taken = 0;
	struct set set;

	for (unsigned i = 0; i < sets; i++) {
		enum vtap_hook hook = i % 2 ? VTAP_HOOK_EGRESS : VTAP_HOOK_INGRESS;
		enum vtap_direction direction = i % 2 ? VTAP_DIRECTION_IN : VTAP_DIRECTION_OUT;

		random_set(&set, direction);
		set_run(*state, i, &set, hook, direction, &taken);
	}
	/* Rules that nothing meets would agree as well. */
	assert_true(taken > sets * PACKETS_PER_SET / 4);
	print_message("# %u packets, taken %u times\n", sets * PACKETS_PER_SET, (unsigned)taken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(kernel_and_oracle_agree, lab_reset),
	};

	return lab_main("bpf-random", tests, VTAP_ARRAY_SIZE(tests));
}
