// SPDX-License-Identifier: Apache-2.0

#include "agent/stage.h"

#include <string.h>

#define STAGE_NEAR "vtap-near"
#define STAGE_FAR "vtap-far"
#define STAGE_END "vtap-end" /* the other end of the port's cable, which nothing ever reaches */

bool vtap_stage_needed(const struct vtap_agent *a)
{
	for (size_t i = 0; i < a->config->session_count; i++) {
		if (a->config->sessions[i].enabled)
			return true;
	}
	return false;
}

bool vtap_stage_has(const struct vtap_agent *a, uint32_t ifindex)
{
	return ifindex && (ifindex == a->near_ifindex || ifindex == a->far_ifindex);
}

bool vtap_stage_owns(const struct vtap_link *link)
{
	return !strcmp(link->name, STAGE_NEAR) || !strcmp(link->name, STAGE_FAR) || !strcmp(link->name, STAGE_END);
}

void vtap_stage_takeover(struct vtap_agent *a)
{
	struct vtap_link link;

	if (vtap_net_link_by_name(a->net, STAGE_NEAR, &link) >= 0)
		a->near_ifindex = link.ifindex;
	if (vtap_net_link_by_name(a->net, STAGE_FAR, &link) >= 0)
		a->far_ifindex = link.ifindex;
}

/* Not so when a device is down, gone, or no longer where it belongs. */
static bool stage_stands(const struct vtap_agent *a)
{
	struct vtap_link near, far;

	return vtap_net_link_by_index(a->net, a->near_ifindex, &near) >= 0 && near.up &&
	       vtap_net_link_by_index(a->net, a->far_ifindex, &far) >= 0 && far.up && far.running &&
	       far.master_ifindex == near.ifindex;
}

int vtap_stage_apply(struct vtap_agent *a)
{
	int r = 0;

	if (!vtap_stage_needed(a))
		return 0;
	if (!stage_stands(a))
		r = vtap_net_stage_ensure(a->net, STAGE_NEAR, STAGE_FAR, STAGE_END, &a->near_ifindex, &a->far_ifindex);
	if (r < 0)
		return r;
	return vtap_dataplane_attach(a->dataplane, a->far_ifindex, VTAP_HOOK_EGRESS, VTAP_PROGRAM_STAGE);
}

int vtap_stage_remove(struct vtap_net *net)
{
	return vtap_net_stage_remove(net, STAGE_NEAR, STAGE_FAR);
}

void vtap_stage_release(struct vtap_agent *a)
{
	if (!a->near_ifindex || vtap_stage_needed(a))
		return;
	(void)vtap_stage_remove(a->net);
	(void)vtap_dataplane_detach(a->dataplane, a->far_ifindex, VTAP_HOOK_EGRESS);
	a->near_ifindex = a->far_ifindex = 0;
}
