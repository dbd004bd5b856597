// SPDX-License-Identifier: Apache-2.0

#include "agent/stage.h"

#include "basic/log.h"

bool vtap_stage_needed(const struct vtap_agent *a)
{
	for (size_t i = 0; i < a->config->session_count; i++) {
		if (a->config->sessions[i].enabled)
			return true;
	}
	return false;
}

static bool end_is_up(const struct vtap_agent *a, uint32_t ifindex)
{
	struct vtap_link link;

	return vtap_net_link_by_index(a->net, ifindex, &link) >= 0 && link.up;
}

int vtap_stage_apply(struct vtap_agent *a)
{
	int r;

	if (!vtap_stage_needed(a))
		return 0;
	if (!end_is_up(a, a->near_ifindex) || !end_is_up(a, a->far_ifindex)) {
		r = vtap_net_stage_ensure(a->net, VTAP_STAGE_NEAR, VTAP_STAGE_FAR, VTAP_STAGE_QUEUE_BYTES,
					  &a->near_ifindex, &a->far_ifindex);
		if (r < 0)
			return r;
	}
	r = vtap_dataplane_attach(a->dataplane, a->near_ifindex, VTAP_HOOK_EGRESS, VTAP_PROGRAM_STAGE_IN);
	if (r >= 0)
		r = vtap_dataplane_attach(a->dataplane, a->far_ifindex, VTAP_HOOK_INGRESS, VTAP_PROGRAM_STAGE_OUT);
	return r;
}

/* The devices first: a copy that came out of a pair without programs would enter this host as if it were its own. */
static void stage_remove(struct vtap_agent *a)
{
	(void)vtap_net_stage_remove(a->net, VTAP_STAGE_NEAR);
	(void)vtap_dataplane_detach(a->dataplane, a->near_ifindex, VTAP_HOOK_EGRESS);
	(void)vtap_dataplane_detach(a->dataplane, a->far_ifindex, VTAP_HOOK_INGRESS);
	a->near_ifindex = a->far_ifindex = 0;
}

void vtap_stage_release(struct vtap_agent *a)
{
	if (a->near_ifindex && !vtap_stage_needed(a))
		stage_remove(a);
}

void vtap_stage_watch(struct vtap_agent *a)
{
	uint64_t taken = 0, out = 0;
	bool stopped;

	for (size_t i = 0; i < a->config->session_count; i++) {
		for (int direction = 0; direction < VTAP_DIRECTION_MAX; direction++) {
			struct vtap_counters c;

			if (vtap_dataplane_counters_read(a->dataplane, a->sessions[i].slot, direction, &c) < 0)
				return;
			taken += c.values[VTAP_STAGED] + c.values[VTAP_LOST_STAGE_QUEUE];
			out += c.values[VTAP_UNSTAGED];
		}
	}
	stopped = taken > a->stage_taken && a->stage_taken && out == a->stage_out;
	a->stage_taken = taken;
	a->stage_out = out;
	a->stage_stopped_ticks = stopped ? a->stage_stopped_ticks + 1 : 0;
	/* Once may be a single copy that was on its way just then. */
	if (a->stage_stopped_ticks < 2 || !a->near_ifindex)
		return;
	a->stage_stopped_ticks = 0;
	vtap_log(VTAP_LOG_WARNING, "the segmenting stage has stopped: making it anew");
	stage_remove(a);
}
