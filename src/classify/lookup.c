/* SPDX-License-Identifier: Apache-2.0 */

/* The walk of the data plane, built for user space from the same source. */

#include "classify/classify.h"

/* The kernel's helper: calls step for 0 to count - 1, until it returns other than 0. */
static long bpf_loop(__u32 count, long (*step)(__u32 i, void *context), void *context, __u64 flags)
{
	__u32 i = 0;

	while (i < count && !step(i, context))
		i++;
	return i;
}

#include "bpf/classify.bpf.h"

uint64_t vtap_classify_lookup(const struct vtap_plan *plan, const struct vtap_packet *packet)
{
	return vtap_classify(plan, packet);
}
