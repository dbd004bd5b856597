/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Deletes from the store what has a time to live: audit entries older than the retention, and keys K for which there is a key
 * "due/SECONDS/K" (SECONDS since 1970, 20 digits) that has passed, unless K's value, a JSON object, says by its "expires" that
 * it was put anew and lives longer. Looks once a minute, and works in small batches.
 *
 * What is deleted because a clock is wrong is gone for good, so a clock that is VTAP_JANITOR_JUMP_S or more ahead of when the store was
 * used last (key "clock", written once an hour) is believed only after the controller has run with it for VTAP_JANITOR_DOUBT_S, of
 * which it keeps count over restarts (in the same key).
 */

#include "controller/controller.h"

#define VTAP_JANITOR_JUMP_S 86400
#define VTAP_JANITOR_DOUBT_S (7 * 86400) /* so long that no certificate of before is still good */

struct vtap_janitor;

int vtap_janitor_new(struct vtap_controller *c, struct vtap_janitor **ret_janitor);
struct vtap_janitor *vtap_janitor_free(struct vtap_janitor *j);
VTAP_DEFINE_CLEANUP(struct vtap_janitor *, vtap_janitor_free);

struct vtap_janitor_clock {
	int64_t believed_s; /* the time that was believed last, since 1970; 0 = never any */
	int64_t doubted_s; /* for which the controller has run while the clock was doubted */
	int64_t
	    doubted_run_s; /* the running time when that was counted last; 0 = the clock was not doubted in this life */
};
/* Whether to go by a clock that says now_s; run_s: 1 or more, grows with time whatever is done to clocks. Pure. */
bool vtap_janitor_believes(struct vtap_janitor_clock *k, int64_t now_s, int64_t run_s);
