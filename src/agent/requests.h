/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a controller asks for once: probes and captures (docs/agent-protocol.md). */

#include "agent/feed_private.h"

int vtap_agent_requests_new(struct vtap_agent_feed *f, struct vtap_agent_requests **ret_requests);
struct vtap_agent_requests *vtap_agent_requests_free(struct vtap_agent_requests *q);

/* The requests that came with an answer; those that were taken before are passed over. */
void vtap_agent_requests_take(struct vtap_agent_feed *f, const json_t *requests);
/* Once a second. */
void vtap_agent_requests_tick(struct vtap_agent_feed *f);
