/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The segmenting stage: a bridge of the agent's own (vtap-near) with one port (vtap-far), there while any session is enabled. The
 * bridge has no offloads, so the kernel hands it finished wire packets; the port's egress program takes every one of them.
 */

#include "agent/agent.h"

bool vtap_stage_needed(const struct vtap_agent *a);

/* Whether that device is one of the stage's. */
bool vtap_stage_has(const struct vtap_agent *a, uint32_t ifindex);

/* The same by name, whoever made it: none of them is ever anybody's interface. */
bool vtap_stage_owns(const struct vtap_link *link);

/* Finds the stage that an earlier process left. */
void vtap_stage_takeover(struct vtap_agent *a);

/* Makes the stage, puts right what somebody changed, and attaches its program. */
int vtap_stage_apply(struct vtap_agent *a);

/* Takes it away once no session needs it. */
void vtap_stage_release(struct vtap_agent *a);

/* Removes the stage of this network namespace. 0 also when there is none. */
int vtap_stage_remove(struct vtap_net *net);
