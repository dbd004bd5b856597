/* SPDX-License-Identifier: Apache-2.0 */
#include "program.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "fixture.h"

#define ETHERTYPE_OFFSET_BYTES 12

static int program_load(void)
{
	const struct bpf_insn instructions[] = {
	    {.code = BPF_ST | BPF_MEM | BPF_H, .dst_reg = BPF_REG_10, .off = -8, .imm = htons(PROGRAM_ETHERTYPE)},
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = ETHERTYPE_OFFSET_BYTES},
	    {.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_3, .src_reg = BPF_REG_10},
	    {.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_3, .imm = -8},
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_4, .imm = sizeof(uint16_t)},
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_5, .imm = 0},
	    {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_store_bytes},
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TC_ACT_UNSPEC},
	    {.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "ethertype", "GPL", instructions, VTAP_ARRAY_SIZE(instructions),
			     NULL);
}

uint32_t program_attach(uint32_t ifindex, bool egress, uint32_t preference)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	_cleanup_close_ int fd = program_load();
	static uint32_t handle;
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = fd, .handle = ++handle, .priority = preference);
	LIBBPF_OPTS(bpf_tc_opts, query, .handle = handle, .priority = preference);
	int r;

	assert_true(fd >= 0);
	r = bpf_tc_hook_create(&hook);
	assert_true(r == 0 || r == -EEXIST);
	assert_int_equal(bpf_tc_attach(&hook, &options), 0);
	assert_int_equal(bpf_tc_query(&hook, &query), 0);
	return query.prog_id;
}
