/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The devices of this host that may be mirrored, and what is known of who is behind them. */

#include <jansson.h>

#include "agent/agent.h"

/* "devices" of a report (docs/agent-protocol.md). The caller's; NULL when memory is short. */
json_t *vtap_discover_json(struct vtap_agent *a);
