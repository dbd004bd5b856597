// SPDX-License-Identifier: Apache-2.0

/*
 * What a packet that nobody wants costs: a table of nanoseconds by BPF_PROG_TEST_RUN, each the least of several rounds, all
 * rows taken in turn within each round.
 */

#include <bpf/bpf.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "lab.h"

#define ROUNDS 15
#define REPEAT 100000

static const struct frame_shape udp4 = {
    .ip = 4, .protocol = IPPROTO_UDP, .sport = 40000, .dport = 53, .payload_bytes = 214};
static const struct frame_shape tcp4 = {
    .ip = 4, .protocol = IPPROTO_TCP, .sport = 40000, .dport = 80, .payload_bytes = 202};
static const struct frame_shape tcp6 = {
    .ip = 6, .protocol = IPPROTO_TCP, .sport = 40000, .dport = 80, .payload_bytes = 182};

enum program { EMPTY, NO_SOURCE, SOURCE };

static const struct row {
	const char *name;
	enum program program;
	const struct frame_shape *shape;
	uint16_t rules; /* none of which fits, but for their protocol */
} rows[] = {
    {"empty program", EMPTY, &udp4, 0},        {"a device that is no source", NO_SOURCE, &udp4, 0},
    {"IPv4 UDP, no rule", SOURCE, &udp4, 0},   {"IPv4 UDP, 10 rules", SOURCE, &udp4, 10},
    {"IPv4 UDP, 64 rules", SOURCE, &udp4, 64}, {"IPv4 TCP, no rule", SOURCE, &tcp4, 0},
    {"IPv4 TCP, 10 rules", SOURCE, &tcp4, 10}, {"IPv6 TCP, 10 rules", SOURCE, &tcp6, 10},
    {"IPv6 TCP, 64 rules", SOURCE, &tcp6, 64},
};

static int empty_load(void)
{
	const struct bpf_insn instructions[] = {
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TC_ACT_UNSPEC},
	    {.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "empty", "GPL", instructions, VTAP_ARRAY_SIZE(instructions),
			     NULL);
}

static void plan_write(struct lab *l, uint16_t rules)
{
	struct vtap_plan plan = {.session_count = 1, .rule_count = rules};

	for (uint16_t i = 0; i < rules; i++) {
		plan.rules[i] = (struct vtap_plan_rule){
		    .families = VTAP_PACKET_IPV4 | VTAP_PACKET_IPV6,
		    .needs = VTAP_RULE_NEEDS_PORTS,
		    .sport_last = UINT16_MAX,
		    .dport_first = (uint16_t)(1000 + i),
		    .dport_last = (uint16_t)(1000 + i),
		    .dst_mask = {0, UINT64_MAX << 32},
		    .accept = 1,
		};
	}
	lab_plan(l, VTAP_HOOK_INGRESS, &plan);
}

static uint32_t row_measure(struct lab *l, const struct row *row, int empty_fd)
{
	struct __sk_buff ctx = {.ifindex = row->program == NO_SOURCE ? l->sink : l->source};
	struct frame f;

	frame_build(row->shape, &f);
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = f.bytes, .data_size_in = (uint32_t)f.size_bytes,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = REPEAT);
	plan_write(l, row->rules);
	assert_int_equal(
	    bpf_prog_test_run_opts(
		row->program == EMPTY ? empty_fd : vtap_dataplane_program_fd(l->dataplane, VTAP_PROGRAM_IN), &options),
	    0);
	return options.duration;
}

static void cost(void **state)
{
	uint32_t least[VTAP_ARRAY_SIZE(rows)];
	int empty_fd = empty_load();

	assert_true(empty_fd >= 0);
	memset(least, 0xff, sizeof(least));
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++)
			least[i] = VTAP_MIN(least[i], row_measure(*state, &rows[i], empty_fd));
	}
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++)
		print_message("# %-28s %4u ns, net %4u ns\n", rows[i].name, least[i], least[i] - least[0]);
	(void)close(empty_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup(cost, lab_reset)};

	return lab_main("bpf-cost", tests, VTAP_ARRAY_SIZE(tests));
}
