/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Each host's plan: what its agent shall mirror, as one JSON document (docs/agent-protocol.md), made by controller/plan.c of
 * what controller/resolve.c found, and kept until something that concerns the host changes. Agents wait for a newer one.
 */

#include "controller/api.h"

struct vtap_feed;

/*
 * Reads all objects and makes all plans; observes what is committed from then on. Makes and owns c->resolver and c->reports
 * too: both are set when it returns, and NULL after vtap_feed_free(). Comes after c->objects and c->writer are there, and
 * before the first request; is freed after the last.
 */
int vtap_feed_new(struct vtap_controller *c, struct vtap_feed **ret_feed);
struct vtap_feed *vtap_feed_free(struct vtap_feed *f);
VTAP_DEFINE_CLEANUP(struct vtap_feed *, vtap_feed_free);

/*
 * Who an agent's request comes from: by the client certificate, or by the bearer token that begins with VTAP_AGENT_TOKEN_PREFIX.
 * Sets *ret_principal (host, serial). -EACCES: not known, or expired; *ret_principal is untouched. Whose credential it is is
 * known, and set, with the others: -EKEYREVOKED: the host was deleted or revoked (401 VTAP_PROBLEM_REVOKED). -ENOENT: there is
 * no such host, and was none as far as the store knows. -EBUSY: suspended (403 VTAP_PROBLEM_SUSPENDED). -EIO: it cannot be looked
 * up. *reterr has the sentence. With a change, what the writes before it in the batch have revoked is no credential any more;
 * NULL = outside of a batch.
 */
int vtap_feed_authenticate(struct vtap_feed *f, struct vtap_change *change, const struct vtap_http_request *request,
			   struct vtap_principal *ret_principal, struct vtap_error *reterr);
#define VTAP_AGENT_TOKEN_PREFIX "vtapagent-"
#define VTAP_PROBLEM_REVOKED "vtap:revoked"
#define VTAP_PROBLEM_SUSPENDED "vtap:suspended"

/*
 * "state" and "reasons" of a session, as its GET shows them. *ret_state is static; *ret_reasons is the caller's list of
 * {"level", "code", "text", "host"?, "source"?}. -ENOENT: no such session.
 */
int vtap_feed_session_state(struct vtap_feed *f, const char *session, const char **ret_state, json_t **ret_reasons);

/* Why agents refuse sessions with the filter: it has too many rules; NULL: nothing is in the way. buffer: VTAP_STATE_SENTENCE_STRLEN. */
const char *vtap_feed_filter_sentence(const struct vtap_controller *c, const struct vtap_object *filter, char buffer[]);

/*
 * Why a source that is in its host's plan is not mirrored there, as the agent says of this plan; NULL: it says nothing against it.
 */
struct vtap_cover;
const char *vtap_feed_source_sentence(struct vtap_feed *f, const struct vtap_cover *cover, char buffer[]);

/*
 * What a host's GET shows as "state", static: "connected", "away" (not heard for VTAP_STATE_AWAY_S), "suspended", "revoked", or
 * "unknown" until its agent is heard; and when that was last, in seconds since 1970, 0 = not since the controller has started.
 */
const char *vtap_feed_host_state(const struct vtap_feed *f, const char *host, int64_t *ret_seen_s);
/* Why an agent cannot be asked for anything now, as the end of a sentence about its host; NULL: it can. */
const char *vtap_feed_host_unheard(const struct vtap_feed *f, const char *host);
/* Each host that mirrors a source of the session, by the first of them; ends when `visit` returns anything but 0. */
void vtap_feed_session_hosts(struct vtap_feed *f, const char *session,
			     int (*visit)(const struct vtap_cover *cover, void *userdata), void *userdata);
