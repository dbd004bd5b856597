/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The state directory: one agent at a time holds it, and answers --status there. The answer travels as a sealed file
 * descriptor, so that no client, however slow, can hold the agent up.
 */

#include <jansson.h>

#include "agent/agent.h"

#define VTAP_STATE_DIR_DEFAULT "/run/vtap"
#define VTAP_STATE_DIR_KEPT "/var/lib/vtap" /* with a controller */

/* Makes the directory, takes its lock and listens. -EBUSY: another agent runs there. */
int vtap_control_open(struct vtap_agent *a, struct vtap_error *reterr);
/* Answers one waiting client. */
int vtap_control_answer(struct vtap_agent *a);

/* Client side. -ECONNREFUSED or -ENOENT: no agent runs there. */
int vtap_control_ask(const char *state_dir, json_t **ret_status);
/* Whether an agent holds that state directory. */
bool vtap_control_taken(const char *state_dir);
