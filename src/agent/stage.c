// SPDX-License-Identifier: Apache-2.0

#include "agent/stage.h"

#include <stdio.h>
#include <unistd.h>

#include "basic/log.h"

bool vtap_stage_needed(const struct vtap_agent *a)
{
	for (size_t i = 0; i < a->config->session_count; i++) {
		if (a->config->sessions[i].enabled)
			return true;
	}
	return false;
}

static void names_of(uint32_t i, char near[IFNAMSIZ], char far[IFNAMSIZ])
{
	snprintf(near, IFNAMSIZ, "vtap-near%u", i);
	snprintf(far, IFNAMSIZ, "vtap-far%u", i);
}

bool vtap_stage_has(const struct vtap_agent *a, uint32_t ifindex)
{
	for (uint32_t i = 0; ifindex && i < VTAP_STAGES_MAX; i++) {
		if (a->stages[i].near_ifindex == ifindex || a->stages[i].far_ifindex == ifindex)
			return true;
	}
	return false;
}

void vtap_stage_takeover(struct vtap_agent *a)
{
	for (uint32_t i = 0; i < VTAP_STAGES_MAX; i++) {
		char near[IFNAMSIZ], far[IFNAMSIZ];
		struct vtap_link link;

		names_of(i, near, far);
		if (vtap_net_link_by_name(a->net, near, &link) >= 0)
			a->stages[i].near_ifindex = link.ifindex;
		if (vtap_net_link_by_name(a->net, far, &link) >= 0)
			a->stages[i].far_ifindex = link.ifindex;
	}
}

static bool end_is_up(const struct vtap_agent *a, uint32_t ifindex)
{
	struct vtap_link link;

	return vtap_net_link_by_index(a->net, ifindex, &link) >= 0 && link.up;
}

static int pair_apply(struct vtap_agent *a, uint32_t i)
{
	struct vtap_agent_stage *s = &a->stages[i];
	char near[IFNAMSIZ], far[IFNAMSIZ];
	int r = 0;

	if (!end_is_up(a, s->near_ifindex) || !end_is_up(a, s->far_ifindex)) {
		names_of(i, near, far);
		r = vtap_net_stage_ensure(a->net, near, far, VTAP_STAGE_QUEUE_BYTES, &s->near_ifindex, &s->far_ifindex);
	}
	if (r >= 0)
		r = vtap_dataplane_attach(a->dataplane, s->near_ifindex, VTAP_HOOK_EGRESS, VTAP_PROGRAM_STAGE_IN);
	if (r >= 0)
		r = vtap_dataplane_attach(a->dataplane, s->far_ifindex, VTAP_HOOK_INGRESS, VTAP_PROGRAM_STAGE_OUT);
	return r;
}

int vtap_stage_apply(struct vtap_agent *a)
{
	long cpus;
	int r = 0;

	if (!vtap_stage_needed(a))
		return 0;
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	a->stage_count = cpus < 1 ? 1 : (uint32_t)VTAP_MIN(cpus, (long)VTAP_STAGES_MAX);
	for (uint32_t i = 0; r >= 0 && i < a->stage_count; i++)
		r = pair_apply(a, i);
	for (uint32_t cpu = 0; r >= 0 && cpu < VTAP_ABI_STAGES; cpu++)
		r = vtap_dataplane_stage_write(a->dataplane, cpu, a->stages[cpu % a->stage_count].near_ifindex);
	return r;
}

/* The devices first: a copy that came out of a pair without programs would enter this host as if it were its own. */
static void stage_remove(struct vtap_agent *a)
{
	for (uint32_t i = 0; i < VTAP_STAGES_MAX; i++) {
		struct vtap_agent_stage *s = &a->stages[i];
		char near[IFNAMSIZ], far[IFNAMSIZ];

		if (!s->near_ifindex)
			continue;
		names_of(i, near, far);
		(void)vtap_net_stage_remove(a->net, near);
		(void)vtap_dataplane_detach(a->dataplane, s->near_ifindex, VTAP_HOOK_EGRESS);
		(void)vtap_dataplane_detach(a->dataplane, s->far_ifindex, VTAP_HOOK_INGRESS);
		s->near_ifindex = s->far_ifindex = 0;
	}
}

void vtap_stage_release(struct vtap_agent *a)
{
	if (!vtap_stage_needed(a))
		stage_remove(a);
}

int vtap_stage_remove_all(struct vtap_net *net)
{
	int r, first = 0;

	for (uint32_t i = 0; i < VTAP_STAGES_MAX; i++) {
		char near[IFNAMSIZ], far[IFNAMSIZ];

		names_of(i, near, far);
		r = vtap_net_stage_remove(net, near);
		first = first < 0 ? first : r;
	}
	return first;
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
	if (a->stage_stopped_ticks < 2)
		return;
	a->stage_stopped_ticks = 0;
	vtap_log(VTAP_LOG_WARNING, "the segmenting stage has stopped: making it anew");
	stage_remove(a);
}
