/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Join tokens as docs/agent-protocol.md has them. Pure. */

#include <stdbool.h>

#include "crypto/crypto.h"
#include "model/schema.h"

#define VTAP_TOKEN_SECRET_CHARACTERS 40

struct vtap_token {
	char host[VTAP_ID_STRLEN];
	char authority[VTAP_HASH_STRLEN]; /* SHA-256 of the DER of the controller's authority */
	bool plain; /* the controller speaks plain HTTP, and has none */
};

/* "vtapjoin-HOST-SECRET-AUTHORITY". -EINVAL. */
int vtap_token_parse(const char *text, struct vtap_token *ret_token);
