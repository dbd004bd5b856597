/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which refusals the audit log holds: of each credential and project so many at once, then one every so often; the others are
 * counted, and how many is told as often. Whoever sends requests that are refused fills no disk by that, and hides nothing but
 * his own. Pure.
 */

#include "basic/addr.h"
#include "model/schema.h"

#define VTAP_AUDIT_REFUSALS_MAX 100 /* at once, of one credential and project */
/* After which there may be one more. */
#define VTAP_AUDIT_REFUSALS_NOBODY_S 10 /* of all requests without valid credentials together */
#define VTAP_AUDIT_REFUSALS_USER_S 60
#define VTAP_AUDIT_REFUSALS_HOST_S 600 /* an agent that is refused asks again and again */
#define VTAP_AUDIT_REFUSED_MAX 4096 /* credentials and projects that are told apart; more count as nobody */

struct vtap_refused { /* who, and where */
	char user[VTAP_ID_STRLEN], host[VTAP_ID_STRLEN]; /* one of them; both empty = nobody who is known */
	char project[VTAP_ID_STRLEN]; /* empty = in none */
	char from[VTAP_ADDR_STRLEN]; /* the address that the last one came from; tells nobody apart */
};

struct vtap_refusals;

int vtap_refusals_new(struct vtap_refusals **ret_refusals);
struct vtap_refusals *vtap_refusals_free(struct vtap_refusals *r);
VTAP_DEFINE_CLEANUP(struct vtap_refusals *, vtap_refusals_free);

/* One more. now_us: of a clock that is never set. True: it is written down, and *ret_left_out before it were not. */
bool vtap_refusals_note(struct vtap_refusals *r, const struct vtap_refused *who, uint64_t now_us,
			uint64_t *ret_left_out);
/* How many were left out, and nobody has been told. */
uint64_t vtap_refusals_left_out(const struct vtap_refusals *r);
/* Tells of them: of each credential and project that has some, and of which nothing was said for its period; or of all. */
void vtap_refusals_tell(struct vtap_refusals *r, uint64_t now_us, bool all,
			void (*tell)(const struct vtap_refused *who, uint64_t left_out, void *userdata),
			void *userdata);
