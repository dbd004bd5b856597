/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The parts of controller/access.h: access.c (who asks), access_token.c, access_password.c, access_try.c. */

#include "controller/access.h"
#include "controller/controller.h"
#include "controller/table.h"
#include "controller/workers.h"

struct vtap_access_token {
	char hash[VTAP_HASH_STRLEN]; /* of the token's text */
	char user[VTAP_ID_STRLEN];
	int64_t expires_s;
	bool ended; /* by a write of the batch that is being run */
};

struct vtap_access {
	struct vtap_controller *controller; /* borrowed */
	struct vtap_workers *workers; /* owned */
	struct vtap_table *tokens; /* hash: struct vtap_access_token, owned */
	/*
	 * Access keys that were right: the hash of the whole header, and the key's id, owned. A key's secret never changes, and
	 * whether the key still is there is looked at each time.
	 */
	struct vtap_table *known;
	struct vtap_table *tries, *homes; /* owned; see access_try.c */
	uint64_t tokens_ended; /* by writes; see vtap_access_tokens_ended() */
	char dummy_hash[VTAP_PASSWORD_HASH_STRLEN]; /* of nobody's password */
};

int vtap_access_load_tokens(struct vtap_access *a);
/* NULL: not known, expired, or ended. */
const struct vtap_access_token *vtap_access_token_find(struct vtap_access *a, const char *hash);
void vtap_access_tokens_free(struct vtap_access *a);
/* From where users have logged in lately, in the store. */
int vtap_access_load_homes(struct vtap_access *a);
void vtap_access_tries_free(struct vtap_access *a);
