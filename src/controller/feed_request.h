/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What agents are asked to do once: probes, captures. They get it with the answer to the GET of their plan. */

#include "controller/feed.h"

#define VTAP_FEED_REQUESTS_MAX 32 /* of one host at a time */

/*
 * Called once, from the loop: with the answer's body (borrowed); NULL: there was none in time, or the host has gone. The
 * request does not exist any more. Not called after vtap_feed_request_drop().
 */
typedef void (*vtap_feed_answered)(const json_t *answer, void *userdata);

struct vtap_feed_request; /* one that was made and not answered yet */

/*
 * Asks the host's agent: `members` (taken, also on failure) are those besides number, id, type and expires. answered = NULL: no
 * answer is wanted. -ENOENT: no such host. -EUSERS: VTAP_FEED_REQUESTS_MAX.
 */
int vtap_feed_request_make(struct vtap_feed *f, const char *host, const char *type, json_t *members, unsigned seconds,
			   vtap_feed_answered answered, void *userdata, struct vtap_feed_request **ret_request);
/* The request and its id, as long as it is there. */
const char *vtap_feed_request_id(const struct vtap_feed_request *q);
void vtap_feed_request_drop(struct vtap_feed *f, struct vtap_feed_request *q);
/* An agent's answer. -ENOENT: no such request of this host. */
int vtap_feed_request_answer(struct vtap_feed *f, const char *host, const char *id, const json_t *answer);
