/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a controller asks for once: probes and captures (docs/agent-protocol.md). */

#include "agent/feed_private.h"

#define VTAP_REQUESTS_AT_A_TIME 8 /* of each type; further ones are refused */
#define VTAP_REQUEST_ID_STRLEN 32

int vtap_agent_requests_new(struct vtap_agent_feed *f, struct vtap_agent_requests **ret_requests);
struct vtap_agent_requests *vtap_agent_requests_free(struct vtap_agent_requests *q);

/* The requests that came with an answer; those that were taken before are passed over. */
void vtap_agent_requests_take(struct vtap_agent_feed *f, const json_t *requests);
/* Whether one is under way; nothing of it outlives its client. */
bool vtap_agent_requests_busy(const struct vtap_agent_feed *f);

/* After the data plane has changed. */
void vtap_agent_requests_check(struct vtap_agent_feed *f);

/* Answers a request; takes the answer over. */
void vtap_agent_request_answer(struct vtap_agent_feed *f, const char *id, json_t *answer);
void vtap_agent_request_fail(struct vtap_agent_feed *f, const char *id, const char *format, ...) VTAP_PRINTF(3, 4);
/* The session that it names, by index in the configuration; -ENOENT, which was answered. */
int vtap_agent_request_session(struct vtap_agent_feed *f, const char *id, const json_t *request, size_t *ret_index);

/* probe.c */
struct vtap_probe;
/* Answers by itself, at once or a second later. *ret_probe is NULL if it has; else it is the caller's, until done is called. */
void vtap_probe_start(struct vtap_agent_feed *f, const char *id, const json_t *request, struct vtap_probe **ret_probe);
/* Whether it has answered. */
bool vtap_probe_is_over(const struct vtap_probe *p);
struct vtap_probe *vtap_probe_free(struct vtap_probe *p);

/* capture.c */
struct vtap_tap;
void vtap_tap_start(struct vtap_agent_feed *f, const char *id, const json_t *request, struct vtap_tap **ret_tap);
bool vtap_tap_is_over(const struct vtap_tap *t);
const char *vtap_tap_id(const struct vtap_tap *t);
/* After the data plane has changed: ends one that could show what is not its session's. */
void vtap_tap_check(struct vtap_tap *t);
struct vtap_tap *vtap_tap_free(struct vtap_tap *t);
