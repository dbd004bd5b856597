/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Each host's plan: what its agent shall mirror, as one JSON document (docs/agent-protocol.md), made by controller/resolve.c
 * and kept until something that concerns the host changes. Agents wait for a newer revision of theirs.
 */

#include "controller/api.h"

struct vtap_feed;

int vtap_feed_new(struct vtap_controller *c, struct vtap_feed **ret_feed);
struct vtap_feed *vtap_feed_free(struct vtap_feed *f);
VTAP_DEFINE_CLEANUP(struct vtap_feed *, vtap_feed_free);

/* The plan of a host and its revision; NULL: no such host. Borrowed until the next change. */
const json_t *vtap_feed_plan(struct vtap_feed *f, const char *host, uint64_t *ret_revision);
/* What the host's agent has acknowledged; 0 = nothing yet. */
uint64_t vtap_feed_acknowledged(const struct vtap_feed *f, const char *host);
