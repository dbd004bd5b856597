/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The agent as one of a controller's (docs/agent-protocol.md): it fetches its host's plan, keeps it, applies it, and reports. The
 * last plan is in force from the start on, with or without the controller.
 */

#include <jansson.h>

#include "agent/agent.h"

struct vtap_metrics;

/*
 * Joins if that was asked for, and takes up the plan that was kept: a->plan and a->config are set, a->plan to NULL while there
 * is none. -EINVAL: the agent has not joined, or must not. The state directory is the agent's already.
 */
int vtap_agent_feed_open(struct vtap_agent *a, struct vtap_error *reterr);
struct vtap_agent_feed *vtap_agent_feed_free(struct vtap_agent_feed *f);
/* Begins to ask, on the agent's event loop; what it kept has been applied. */
int vtap_agent_feed_start(struct vtap_agent *a, struct vtap_error *reterr);

/* Once a second. */
void vtap_agent_feed_tick(struct vtap_agent *a);
/* After each apply, whether it worked or not: what goes by the data plane as it was must not go on. */
void vtap_agent_feed_tried(struct vtap_agent *a);
/* After one that worked: what has changed by it is reported. */
void vtap_agent_feed_applied(struct vtap_agent *a);
/* Links, addresses or neighbours have changed. */
void vtap_agent_feed_devices_changed(struct vtap_agent *a);
/* Asks now, however long it was to wait. */
void vtap_agent_feed_hurry(struct vtap_agent *a);

/* For status: address, state, plan. NULL when memory is short. */
json_t *vtap_agent_feed_status(const struct vtap_agent *a);
/* For the metrics page. */
int vtap_agent_feed_metrics_declare(struct vtap_metrics *m);
void vtap_agent_feed_metrics_add(const struct vtap_agent *a, struct vtap_metrics *m);

/* Without a controller: what the state directory tells of the join, as a sentence for --check. -ENOENT, -EBADMSG. */
int vtap_agent_feed_check(const char *state_dir, char *ret_text, size_t text_bytes);
