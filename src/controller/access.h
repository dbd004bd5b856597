/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Credentials: users with passwords, access keys, bearer tokens. Secrets at rest: passwords hashed ("password/USER"), keys' secrets
 * sealed ("secret/KEY", since request signing needs them in clear), tokens hashed ("token/HASH").
 */

#include "controller/api.h"

#define VTAP_ACCESS_SECRET_CHARACTERS 40 /* of an access key's secret, and of a token */
#define VTAP_ACCESS_TOKEN_STRLEN (sizeof("vtap_") + VTAP_ACCESS_SECRET_CHARACTERS)
#define VTAP_ACCESS_TOKEN_TTL_MIN_S 60
#define VTAP_ACCESS_TOKEN_TTL_MAX_S (30 * 86400)
#define VTAP_ACCESS_TOKEN_TTL_S (12 * 3600) /* unless asked otherwise */
#define VTAP_ACCESS_TOKENS_MAX 100 /* of one user; the one that expires first makes room */
#define VTAP_ACCESS_KEYS_MAX 100 /* of one user */
/* Failed logins in a row; then one more for each of the periods. A correct one counts as none. */
/* Failed logins: so many at once, then one in each period. */
#define VTAP_ACCESS_USER_TRIES 5 /* as one user from one address */
#define VTAP_ACCESS_USER_PERIOD_S 12
#define VTAP_ACCESS_EVERYWHERE_TRIES 50 /* as one user, from addresses that she has not logged in from lately */
#define VTAP_ACCESS_EVERYWHERE_PERIOD_S 6
#define VTAP_ACCESS_LATELY_S (30 * 86400)
#define VTAP_ACCESS_HOMES_MAX 100 /* of one user, that outlive a restart; the one that expires first makes room */
#define VTAP_ACCESS_ADDRESS_TRIES 20
#define VTAP_ACCESS_ADDRESS_PERIOD_S 3
#define VTAP_ACCESS_THREADS 2 /* that hash passwords, which takes 64 MiB each */
#define VTAP_ACCESS_QUEUE_MAX 64 /* passwords that wait for them: else -EAGAIN */

struct vtap_access;

/* Reads tokens from the store. Comes after c->objects are there. */
int vtap_access_new(struct vtap_controller *c, struct vtap_access **ret_access);
/* Waits for the threads. Calls that wait for them get no answer: the server is freed first. */
struct vtap_access *vtap_access_free(struct vtap_access *a);
VTAP_DEFINE_CLEANUP(struct vtap_access *, vtap_access_free);

/*
 * Who a request comes from: HTTP Basic with an access key, or a bearer token. -EPERM: nobody; with *reterr's sentence, which
 * does not tell an unknown one from a wrong one.
 */
int vtap_access_authenticate(struct vtap_access *a, const struct vtap_http_request *request,
			     struct vtap_principal *ret_principal, struct vtap_error *reterr);
/* Also after the request: false once the user, the key or the token is gone, disabled or expired. */
bool vtap_access_still_valid(struct vtap_access *a, const struct vtap_principal *principal);
/* How many tokens writes have ended up to now: as long as it is the same, no token that was good is good no more, but for time. */
uint64_t vtap_access_tokens_ended(const struct vtap_access *a);
/* A user's role in a project, without regard to system admins. */
enum vtap_role vtap_access_role(const struct vtap_controller *c, const char *user, const char *project);

/* A password's hash, or whether one is right, by a thread. `done` is called from the loop, once. -EAGAIN: too many wait. */
typedef void (*vtap_access_hashed)(int r, const char *hash, void *userdata);
int vtap_access_hash(struct vtap_access *a, const char *password, vtap_access_hashed done, void *userdata);
/* r: 0 = right, -EACCES = wrong; hash: the one that was compared. user = NULL or one without a password takes as long, and is wrong. */
int vtap_access_verify(struct vtap_access *a, const char *user, const char *password, vtap_access_hashed done,
		       void *userdata);

/* As parts of a change. What becomes of tokens holds for the later writes of the batch, too. */
int vtap_access_put_password(struct vtap_change *c, const char *user, const char *hash);
/* Whether that still is the user's hash. -EACCES. */
int vtap_access_check_password(struct vtap_change *c, const char *user, const char *hash);
int vtap_access_put_secret(struct vtap_change *c, const char *key, const char *secret);
int vtap_access_put_token(struct vtap_change *c, const char *user, int64_t expires_s,
			  char ret_token[VTAP_ACCESS_TOKEN_STRLEN]);
/* hash: SHA-256 of the token. */
int vtap_access_delete_token(struct vtap_change *c, const char *hash);
/* All tokens of a user but one (NULL = all), when the password has changed or the user is deleted. */
int vtap_access_delete_tokens(struct vtap_change *c, const char *user, const char *except);
int vtap_access_delete_password(struct vtap_change *c, const char *user);
int vtap_access_delete_secret(struct vtap_change *c, const char *key);

/* The secret of an access key, in clear, for requests that are signed with it; wipe and free() it. -ENOENT. */
int vtap_access_secret(struct vtap_controller *c, const char *key, char **ret_secret);

/*
 * Whether a login may be tried: 0, or the seconds after which it may. Counts as a failure until vtap_access_try_succeeded().
 * What is counted for an IPv6 address is its /64; for a user, the name and the id are one.
 */
unsigned vtap_access_try(struct vtap_access *a, const char *user_name, const struct vtap_addr *address);
void vtap_access_try_succeeded(struct vtap_access *a, const char *user_name, const struct vtap_addr *address);
/* As part of a change: after a restart the user is at home there, too. user: an id. */
int vtap_access_put_home(struct vtap_change *c, const char *user, const struct vtap_addr *address);
