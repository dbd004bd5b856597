// SPDX-License-Identifier: Apache-2.0

/* What an earlier process left in the kernel, read back, so that a restart changes nothing that is still wanted. */

#include <errno.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/stage.h"

static int slots_takeover(struct vtap_agent *a)
{
	for (uint32_t slot = 0; slot < VTAP_ABI_SESSIONS; slot++) {
		struct vtap_delivery d;
		uint32_t index = 0;
		int r;

		r = vtap_dataplane_slot_name_read(a->dataplane, slot, &a->slots.names[slot]);
		if (r >= 0)
			r = vtap_dataplane_session_read(a->dataplane, slot, &index);
		if (r < 0)
			return r;
		if (!index)
			continue;
		r = vtap_dataplane_delivery_read(a->dataplane, index, &d);
		if (r >= 0)
			r = vtap_pool_adopt(a->deliveries, index, &d);
		if (r < 0)
			return r;
		a->slot_delivery[slot] = index;
	}
	return 0;
}

static int port_takeover(struct vtap_agent *a, uint32_t ifindex, uint32_t port)
{
	struct vtap_agent_port *grown = reallocarray(a->ports, a->port_count + 1, sizeof(*grown));
	_cleanup_free_ struct vtap_plan *plan = malloc(sizeof(*plan));
	struct vtap_agent_port p = {.ifindex = ifindex, .port = port};
	int r;

	if (grown)
		a->ports = grown;
	if (!grown || !plan)
		return -ENOMEM;
	if (port >= VTAP_ABI_PORTS)
		return -ERANGE;
	r = vtap_dataplane_port_read(a->dataplane, port, &p.value);
	for (size_t hook = 0; r >= 0 && hook < VTAP_HOOK_MAX; hook++) {
		if (!p.value.plan[hook])
			continue;
		r = vtap_dataplane_plan_read(a->dataplane, p.value.plan[hook], plan);
		if (r >= 0)
			r = vtap_pool_adopt(a->plans, p.value.plan[hook], plan);
	}
	if (r < 0)
		return r;
	a->port_used[port] = true;
	a->ports[a->port_count++] = p;
	return 0;
}

int vtap_takeover(struct vtap_agent *a)
{
	uint32_t ifindex = 0, port;
	int r;

	r = slots_takeover(a);
	while (r >= 0 && (r = vtap_dataplane_port_index_next(a->dataplane, &ifindex, &port)) >= 0)
		r = port_takeover(a, ifindex, port);
	if (r < 0 && r != -ENOENT)
		return r;
	vtap_stage_takeover(a);
	return 0;
}
