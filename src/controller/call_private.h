/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A call and what its way through the server needs: call.c (its life and answer), api.c (its beginning), api_write.c (batches). */

#include "controller/api.h"
#include "controller/controller.h"

struct vtap_api_call {
	struct vtap_call call; /* first: a pointer to it is one to this */
	struct vtap_api *api; /* borrowed */
	struct vtap_http_exchange *exchange; /* borrowed; NULL = the client has gone, or it is a stream */
	uint64_t begun_ns;
	bool inside; /* its handler runs, or has not run yet */
	bool streams; /* became a stream: nothing is left to answer */
	bool waits_for_batch; /* queued: the batch ends it */
	bool audited; /* its refusal is in the log, or counted there */

	/* As a write. */
	struct vtap_write write;
	vtap_api_handler handler;
	char once[VTAP_HASH_STRLEN + 16]; /* key of the store for its Idempotency-Key; empty = none */
	char body_hash[VTAP_HASH_STRLEN];
	bool repeated; /* answered with what was kept */
};

struct vtap_api_call *vtap_api_call_of(struct vtap_call *call);
/* The answer of a call that has ended with r. */
void vtap_api_call_respond(struct vtap_api_call *c, int r, struct vtap_http_response *ret_response);
struct vtap_api_call *vtap_api_call_free(struct vtap_api_call *c);
/* The status for a code that a handler returned. */
unsigned vtap_problem_status(int code);
/* What a refusal says whose handler has said nothing; static. */
const char *vtap_problem_sentence(int code);
json_t *vtap_problem_make(const char *type, unsigned status, const char *field, const char *detail);

/* Whether requests have a body there. */
bool vtap_api_route_takes_body(const struct vtap_api_route *route);
/* The query and the body of a call that is allowed: parsed, and refused where the route does not know them. */
int vtap_api_call_read(struct vtap_call *call);
/* The project that a text names, if the call's principal may see it; -ENOENT with the answer set. */
int vtap_api_call_find_project(struct vtap_call *call, const char *text, char ret_project[VTAP_ID_STRLEN]);
/* In a batch: what the writes before it have taken from the principal is not allowed any more. */
int vtap_api_call_allowed(struct vtap_call *call, struct vtap_change *change);
/* Counts an answer: api.c */
void vtap_api_count(struct vtap_api *a, unsigned status, uint64_t begun_ns);
uint64_t vtap_api_now_ns(void);
