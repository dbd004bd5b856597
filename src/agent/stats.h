/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Counters over time: rates for status, and the text for Prometheus. */

#include "agent/agent.h"

/* Once a second: differences since the last call become rates. now_ns is a monotonic clock. */
void vtap_stats_tick(struct vtap_agent *a, uint64_t now_ns);

/* The metrics page. The text is the caller's. */
int vtap_stats_text(struct vtap_agent *a, char **ret_text, size_t *ret_size_bytes);
