/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How an agent becomes one of a controller's: a join token in, an identity out. */

#include <jansson.h>
#include <stdbool.h>

#include "agent/identity.h"

struct vtap_join_options {
	const char *url;
	const char *token;
	bool plain_anywhere; /* plain HTTP to somewhere else than loopback, too */
};

/*
 * Waits for the controller. -EINVAL: the token is none, or the controller refuses it. -EKEYREJECTED: the controller is not the
 * one that made it. Other errors: it cannot be reached. *reterr says it in one sentence.
 */
int vtap_join(const struct vtap_join_options *options, struct vtap_agent_identity *ret_identity,
	      struct vtap_error *reterr);

/* Members of "agent" in what is sent to the controller. The caller's; NULL when memory is short. */
json_t *vtap_join_agent_json(void);
