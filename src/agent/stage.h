/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The segmenting stage: veth pairs of the agent's own (vtap-near0 and vtap-far0 and so on), there while any session is enabled.
 * One for each CPU, so that a copy is segmented by the CPU that made it; CPUs beyond VTAP_STAGES_MAX share.
 */

#include "agent/agent.h"

bool vtap_stage_needed(const struct vtap_agent *a);

/* Whether that device is an end of one of our pairs. */
bool vtap_stage_has(const struct vtap_agent *a, uint32_t ifindex);

/* Finds the pairs that an earlier process left. */
void vtap_stage_takeover(struct vtap_agent *a);

/* Makes the pairs, puts right what somebody changed, and attaches their programs. */
int vtap_stage_apply(struct vtap_agent *a);

/* Takes them away once no session needs them. */
void vtap_stage_release(struct vtap_agent *a);

/*
 * Once a second: a stage that takes copies in and lets none out any more has stopped (a veth whose queue was stopped and never
 * woken, or somebody's queueing discipline on it). It is made anew; what was in it is counted as lost_stage.
 */
void vtap_stage_watch(struct vtap_agent *a);

/* Every pair of this network namespace, also those of an agent on a host with more CPUs. */
int vtap_stage_remove_all(struct vtap_net *net);
