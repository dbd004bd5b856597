/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What each session did in steps of 10 s over the last hour, in memory: for a controller that was restarted. Steps end at whole
 * multiples of 10 s of the wall clock.
 */

#include <jansson.h>

#include "agent/agent.h"

#define VTAP_HISTORY_STEP_S 10
#define VTAP_HISTORY_STEPS 360
#define VTAP_HISTORY_SESSIONS_AT_A_TIME 64

struct vtap_history_step {
	uint64_t matched_packets, mirrored_packets, mirrored_bytes, lost_packets;
};

/* A ring. */
struct vtap_history {
	int64_t end_s; /* end of the last step, since 1970 */
	unsigned count, next;
	struct vtap_history_step total; /* of the counters at that end */
	struct vtap_history_step steps[VTAP_HISTORY_STEPS];
};

/*
 * Takes the totals at that moment; does nothing before the step's end. Steps that were missed are 0, as is one in which counters
 * went back. Pure.
 */
void vtap_history_take(struct vtap_history *h, int64_t now_s, const struct vtap_history_step *total);
/* The i-th step, the oldest first. */
const struct vtap_history_step *vtap_history_at(const struct vtap_history *h, unsigned i);

/* Once a second: for every session. */
void vtap_history_tick(struct vtap_agent *a, int64_t now_s);
/* Of some sessions from *next on, which then tells the first one that is left. */
json_t *vtap_history_json(struct vtap_agent *a, size_t *next);
void vtap_history_done(struct vtap_agent *a);
