/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Agents' credentials in the store, as parts of a change: join tokens "join/HOST/HASH", what was issued "cert/HOST/SERIAL" (of
 * bearer tokens the hash, too), "revoked/HOST" while certificates may be about that were issued before a revocation, and
 * "suspended/HOST". A certificate of our authority that is not listed is good unless its host is revoked: it may have been
 * issued after the backup that the store comes from.
 */

#include "controller/change.h"

#define VTAP_JOIN_TOKEN_PREFIX "vtapjoin-"
#define VTAP_JOIN_SECRET_CHARACTERS 40
#define VTAP_JOIN_TOKEN_STRLEN 192
#define VTAP_JOIN_TTL_S 3600 /* unless asked otherwise */
#define VTAP_JOIN_TTL_MIN_S 60
#define VTAP_JOIN_TTL_MAX_S (7 * 86400)
#define VTAP_AGENT_CERTIFICATE_S (7 * 86400)
#define VTAP_AGENT_CREDENTIALS_MAX 8 /* of one host, and as many join tokens: one more makes the oldest void */

/* A join token of the host. authority: SHA-256 of its DER in hex; NULL = plain. */
int vtap_join_make(struct vtap_change *c, const char *host, int64_t ttl_s, const char *authority,
		   char ret_token[VTAP_JOIN_TOKEN_STRLEN]);
/* Takes one that is good; it is good no more. -EACCES. */
int vtap_join_take(struct vtap_change *c, const char *token, char ret_host[VTAP_ID_STRLEN]);

/* A client certificate for the request's key. -EINVAL: it is no request. */
int vtap_credential_issue_certificate(struct vtap_change *c, const char *host, const char *request,
				      char **ret_certificate);
int vtap_credential_issue_token(struct vtap_change *c, const char *host, char **ret_token);
/* All that was issued up to now, join tokens and a suspension too. */
int vtap_credential_revoke(struct vtap_change *c, const char *host);
/* The keys of a host that does not exist any more. */
int vtap_credential_forget(struct vtap_change *c, const char *host);
