/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Agents' credentials in the store, as parts of a change: join tokens "join/HOST/HASH", what was issued "cert/HOST/SERIAL" (of
 * bearer tokens the hash, too), "suspended/HOST", "joined/HOST" for as long as the host is there, and what was ended, for as long as somebody may come with it:
 * "void/HOST/SERIAL", a bearer token that was revoked, and "void/HOST", which says up to when certificates were issued that are
 * no good unless they are listed. Other certificates of our authority are good, listed or not: they may have been issued after
 * the backup that the store comes from. A host that is deleted leaves its "void/" behind.
 */

#include "controller/change.h"

#define VTAP_JOINED_PREFIX "joined/"
#define VTAP_JOIN_TOKEN_PREFIX "vtapjoin-"
#define VTAP_JOIN_SECRET_CHARACTERS 40
#define VTAP_JOIN_TOKEN_STRLEN 192
#define VTAP_JOIN_TTL_S 3600 /* unless asked otherwise */
#define VTAP_JOIN_TTL_MIN_S 60
#define VTAP_JOIN_TTL_MAX_S (7 * 86400)
#define VTAP_AGENT_CERTIFICATE_S (7 * 86400)
#define VTAP_AGENT_CREDENTIALS_MAX 8 /* of one host, and as many join tokens: one more makes the oldest void */
#define VTAP_AGENT_VOID_TOKEN_S                                                                                        \
	(365 * 86400) /* for which a bearer token that was revoked is remembered; it would not expire by itself */

/* A join token of the host. authority: SHA-256 of its DER in hex; NULL = plain. */
int vtap_join_make(struct vtap_change *c, const char *host, int64_t ttl_s, const char *authority,
		   char ret_token[VTAP_JOIN_TOKEN_STRLEN]);
/* Takes one that is good; it is good no more. -EACCES. */
int vtap_join_take(struct vtap_change *c, const char *token, char ret_host[VTAP_ID_STRLEN]);

/* A client certificate for the request's key. in_use: the serial of the one that stays; NULL = none. -EINVAL: it is no request. */
int vtap_credential_issue_certificate(struct vtap_change *c, const char *host, const char *request, const char *in_use,
				      char **ret_certificate);
int vtap_credential_issue_token(struct vtap_change *c, const char *host, char **ret_token);
/* All that was issued up to now, join tokens and a suspension too. */
int vtap_credential_revoke(struct vtap_change *c, const char *host);
/* The same when the host is deleted. */
int vtap_credential_drop(struct vtap_change *c, const char *host);
/* An agent has joined it, which is remembered whatever becomes of its credentials. */
int vtap_credential_note_joined(struct vtap_change *c, const char *host);

/* What "void/HOST" says. Certificates that are not listed and were issued up to these times, in seconds since 1970: */
struct vtap_credential_void {
	int64_t revoked_s; /* were revoked; 0 = none were */
	int64_t replaced_s; /* had to make room for newer ones; 0 = none had to */
};
/* text: the value; 0s if it is none. */
struct vtap_credential_void vtap_credential_void_read(const char *text);
