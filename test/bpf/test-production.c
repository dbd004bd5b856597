// SPDX-License-Identifier: Apache-2.0

/*
 * A packet that arrives, seen by a program behind ours: it runs, and finds mark and tc_index as another program left them.
 * What BPF_PROG_TEST_RUN can carry, lab_run() compares for every packet of the other tests; tc_index it cannot.
 */

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <unistd.h>

#include "lab.h"

#define MARK 0x11
#define TC_INDEX 0x4321
#define PREFERENCE 100 /* behind ours */

enum { SEEN_MARK, SEEN_TC_INDEX, SEEN_PACKETS, SEEN_MAX };

#define LOAD(register, from, offset)                                                                                   \
	{                                                                                                              \
		.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = (register), .src_reg = (from), .off = (offset)           \
	}
#define STORE(to, offset, register)                                                                                    \
	{                                                                                                              \
		.code = BPF_STX | BPF_MEM | BPF_W, .dst_reg = (to), .src_reg = (register), .off = (offset)             \
	}
#define SET(register, value)                                                                                           \
	{                                                                                                              \
		.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (register), .imm = (value)                             \
	}
#define FIELD(field) offsetof(struct __sk_buff, field)

static int writer_load(void)
{
	const struct bpf_insn instructions[] = {
	    SET(BPF_REG_2, MARK),          STORE(BPF_REG_1, FIELD(mark), BPF_REG_2),
	    SET(BPF_REG_2, TC_INDEX),      STORE(BPF_REG_1, FIELD(tc_index), BPF_REG_2),
	    SET(BPF_REG_0, TC_ACT_UNSPEC), {.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "writer", "GPL", instructions, VTAP_ARRAY_SIZE(instructions),
			     NULL);
}

/* Notes what it sees in the map's only element, SEEN_PACKETS last. */
static int reader_load(int map_fd)
{
	const struct bpf_insn instructions[] = {
	    {.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = BPF_REG_3, .src_reg = BPF_PSEUDO_MAP_VALUE, .imm = map_fd},
	    {},
	    LOAD(BPF_REG_2, BPF_REG_1, FIELD(mark)),
	    STORE(BPF_REG_3, SEEN_MARK * 4, BPF_REG_2),
	    LOAD(BPF_REG_2, BPF_REG_1, FIELD(tc_index)),
	    STORE(BPF_REG_3, SEEN_TC_INDEX * 4, BPF_REG_2),
	    LOAD(BPF_REG_2, BPF_REG_3, SEEN_PACKETS * 4),
	    {.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_2, .imm = 1},
	    STORE(BPF_REG_3, SEEN_PACKETS * 4, BPF_REG_2),
	    SET(BPF_REG_0, TC_ACT_UNSPEC),
	    {.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "reader", "GPL", instructions, VTAP_ARRAY_SIZE(instructions),
			     NULL);
}

/* By clsact, which runs behind tcx; gives the program's descriptor up. */
static void attach(uint32_t ifindex, enum bpf_tc_attach_point point, int fd)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = fd, .handle = 1, .priority = PREFERENCE);
	int r;

	assert_true(fd >= 0);
	r = bpf_tc_hook_create(&hook);
	assert_true(r == 0 || r == -EEXIST);
	assert_int_equal(bpf_tc_attach(&hook, &options), 0);
	(void)close(fd);
}

static void wait_seen(int map_fd, uint32_t packets)
{
	uint32_t zero = 0, seen[SEEN_MAX];
	unsigned waited_ms = 0;

	do {
		assert_true(waited_ms++ < LAB_DEADLINE_MS);
		(void)usleep(1000);
		assert_int_equal(bpf_map_lookup_elem(map_fd, &zero, seen), 0);
	} while (seen[SEEN_PACKETS] < packets);
	assert_int_equal(seen[SEEN_PACKETS], packets);
	assert_int_equal(seen[SEEN_MARK], MARK);
	assert_int_equal(seen[SEEN_TC_INDEX], TC_INDEX);
}

/* Copied the fast way, and through the stage. */
static void packets_arrive_unchanged_behind_ours(void **state)
{
	static const struct frame_shape shape = {.ip = 4, .protocol = IPPROTO_UDP, .sport = 1, .dport = 2};
	_cleanup_close_ int map_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "seen", 4, SEEN_MAX * 4, 1, NULL);
	struct lab *l = *state;
	struct vtap_delivery d;
	struct frame f;

	frame_build(&shape, &f);
	assert_true(map_fd >= 0);
	attach(l->source_peer, BPF_TC_EGRESS, writer_load());
	attach(l->source, BPF_TC_INGRESS, reader_load(map_fd));
	assert_int_equal(vtap_dataplane_attach(l->dataplane, l->sink, VTAP_HOOK_EGRESS, VTAP_PROGRAM_STAGE), 0);
	lab_delivery(l, AF_INET, &d);
	lab_deliver(l, 0, &d);
	lab_plan_all(l, VTAP_HOOK_INGRESS, 0);
	lab_send(l, l->source_peer, &f);
	wait_seen(map_fd, 1);
	assert_int_equal(lab_count(l, 0, VTAP_DIRECTION_OUT, VTAP_MIRRORED_PACKETS), 1);
	d.flags |= VTAP_DELIVERY_STAGE_ALL;
	lab_deliver(l, 0, &d);
	lab_send(l, l->source_peer, &f);
	wait_seen(map_fd, 2);
	assert_int_equal(lab_count(l, 0, VTAP_DIRECTION_OUT, VTAP_STAGED), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(packets_arrive_unchanged_behind_ours, lab_reset),
	};

	return lab_main("bpf-production", tests, VTAP_ARRAY_SIZE(tests));
}
