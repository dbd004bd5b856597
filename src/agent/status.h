/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What `vtap-agent --status` shows: one JSON document, made here from the agent's state or from the pins of an absent one. */

#include <jansson.h>
#include <stdio.h>

#include "agent/agent.h"

/* The running agent's own view. NULL when memory is short. The result is the caller's. */
json_t *vtap_status_make(struct vtap_agent *a);

/* One session of the configuration, as it stands in that document. */
json_t *vtap_status_session(struct vtap_agent *a, size_t index);
/* Its state, one word, and why it is that. */
#define VTAP_STATUS_REASON_STRLEN 192
const char *vtap_status_session_state(struct vtap_agent *a, size_t index, char reason[VTAP_STATUS_REASON_STRLEN]);

/* Counters and attachments of pinned state without an agent. -ENOENT: nothing is pinned there. */
int vtap_status_make_pinned(const char *pin_dir, json_t **ret_status);

/* For people. */
void vtap_status_print(const json_t *status, FILE *out);

/* Copies that went missing for any reason, sampling aside: what status and rates call "lost". */
uint64_t vtap_status_lost(const struct vtap_counters *c);
/* Staged copies that never came out of the stage; 0 while some are on their way is not promised. */
uint64_t vtap_status_stage_lost(const struct vtap_counters *c);

/* "mirrored_packets", "lost_queue" ...: the names of counters in JSON, text and metrics. */
const char *vtap_status_counter_name(enum vtap_counter counter);
