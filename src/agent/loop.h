/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The running agent: opens everything, joins it to one event loop, and goes on until a signal ends it. */

#include "agent/agent.h"

/*
 * Runs until SIGTERM or SIGINT; mirroring stays when pinned. On failure *reterr says why: -EINVAL and -E2BIG when it is the
 * configuration's fault.
 */
int vtap_loop_run(const struct vtap_agent_options *options, struct vtap_error *reterr);

/* For those who run on the loop. Applies what is wanted, and tells whoever must know; what went wrong is logged. */
int vtap_loop_apply(struct vtap_agent *a);
/* Ends the loop; r < 0 is what the program ends with. */
void vtap_loop_end(struct vtap_agent *a, int r);
