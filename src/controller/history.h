/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a session did in each of the last steps of time, over all hosts. Pure: the time is the caller's. */

#include <jansson.h>
#include <stdint.h>

#include "basic/util.h"

#define VTAP_HISTORY_STEP_S 10
#define VTAP_HISTORY_STEPS 360

enum vtap_history_value {
	VTAP_HISTORY_MATCHED_PACKETS,
	VTAP_HISTORY_MIRRORED_PACKETS,
	VTAP_HISTORY_MIRRORED_BYTES,
	VTAP_HISTORY_LOST_PACKETS,
	VTAP_HISTORY_MAX
};

struct vtap_history; /* takes memory only once something else than zeros was added */

int vtap_history_new(struct vtap_history **ret_history);
struct vtap_history *vtap_history_free(struct vtap_history *h);
VTAP_DEFINE_CLEANUP(struct vtap_history *, vtap_history_free);

/* "matched_packets" ... */
const char *vtap_history_value_name(enum vtap_history_value value);

/*
 * Adds what happened from one time to another (milliseconds since 1970), evenly. What is older than the last steps that there
 * is room for is forgotten. -ENOMEM.
 */
int vtap_history_add(struct vtap_history *h, int64_t from_ms, int64_t to_ms, const double values[VTAP_HISTORY_MAX]);
/*
 * The steps up to the one that ended last: {"step": 10, "end": seconds, "matched_packets": [...], ...}, oldest first, without the
 * leading zeros of a history that has just begun; at most so many. NULL: no memory. The caller's.
 */
json_t *vtap_history_json(const struct vtap_history *h, int64_t now_ms, unsigned steps_max);
