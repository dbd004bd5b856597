// SPDX-License-Identifier: Apache-2.0

/* Every program loads on this kernel, and stays far from the verifier's limit of a million instructions. */

#include <bpf/bpf.h>

#include "lab.h"

#define VERIFIED_MAX 250000U

static uint32_t verified(struct lab *l, enum vtap_program program)
{
	struct bpf_prog_info info = {};
	uint32_t size_bytes = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(vtap_dataplane_program_fd(l->dataplane, program), &info, &size_bytes),
			 0);
	print_message("# %s: %u instructions processed by the verifier, %u bytes of machine code\n", info.name,
		      info.verified_insns, info.jited_prog_len);
	return info.verified_insns;
}

static void programs_are_verified_with_room_to_spare(void **state)
{
	for (unsigned i = 0; i < VTAP_PROGRAM_MAX; i++)
		assert_in_range(verified(*state, i), 1, VERIFIED_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(programs_are_verified_with_room_to_spare)};

	return lab_main("bpf-load", tests, VTAP_ARRAY_SIZE(tests));
}
