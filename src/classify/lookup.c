/* SPDX-License-Identifier: Apache-2.0 */

/* The walk of the data plane, built for user space from the same source. */

#include "classify/classify.h"

#include "bpf/classify.bpf.h"

uint64_t vtap_classify_lookup(const struct vtap_plan *plan, const struct vtap_packet *packet)
{
	return vtap_classify(plan, packet);
}
