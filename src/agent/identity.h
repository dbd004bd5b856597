/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who the agent is to its controller: what a join gave it, kept in the state directory. */

#include <stdbool.h>
#include <stdint.h>

#include "basic/error.h"
#include "crypto/crypto.h"
#include "model/schema.h"

struct vtap_agent_identity { /* texts are owned */
	char host[VTAP_ID_STRLEN];
	char *url; /* of the controller that it joined */
	char *authority, *certificate, *key; /* PEM; NULL where the controller speaks plain HTTP */
	char *bearer; /* instead of these */
	int64_t issued_s, expires_s; /* of the certificate, since 1970; 0 = none */
	char joined_by[VTAP_HASH_STRLEN]; /* SHA-256 of the join token, which serves only once */
};

void vtap_agent_identity_done(struct vtap_agent_identity *i);
/* -ENOENT: the agent has not joined. -EBADMSG: the file was damaged. */
int vtap_agent_identity_load(const char *state_dir, struct vtap_agent_identity *ret_identity);
int vtap_agent_identity_save(const char *state_dir, const struct vtap_agent_identity *identity);
int vtap_agent_identity_remove(const char *state_dir);

/* Takes another certificate and its key over, both owned from then on, and reads how long it is good. -EINVAL: it is none. */
int vtap_agent_identity_renew(struct vtap_agent_identity *i, char *certificate, char *key, int64_t now_s);
/* When the certificate should be renewed: at half of its life. INT64_MAX without one. */
int64_t vtap_agent_identity_renewal_s(const struct vtap_agent_identity *i);
