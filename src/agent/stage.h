/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The segmenting stage: a veth pair of the agent's own, there while any session is enabled. */

#include "agent/agent.h"

bool vtap_stage_needed(const struct vtap_agent *a);

/* Makes the pair, puts it right where somebody changed it, and attaches its programs. */
int vtap_stage_apply(struct vtap_agent *a);

/* Takes it away once no session needs it. */
void vtap_stage_release(struct vtap_agent *a);

/*
 * Once a second: a stage that takes copies in and lets none out any more has stopped (a veth whose queue was stopped and never
 * woken, or somebody's queueing discipline on it). It is made anew; what was in it is counted as lost_stage.
 */
void vtap_stage_watch(struct vtap_agent *a);
