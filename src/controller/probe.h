/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A packet that a session would take, found from its rules. Pure. */

#include "controller/trace.h"

struct vtap_probe_side { /* the interface that the packet comes from or goes to */
	const struct vtap_addr *addresses; /* borrowed */
	size_t address_count;
};

/* -ENOENT: none of those that were tried is taken by this session. */
int vtap_probe_find(struct vtap_trace *t, const char *session, const struct vtap_probe_side *own,
		    enum vtap_direction *ret_direction, struct vtap_packet *ret_packet);
/* As the request to the agent has it: addresses, protocol, ports ...; NULL: no memory. The caller's. */
json_t *vtap_probe_json(const struct vtap_packet *packet);
