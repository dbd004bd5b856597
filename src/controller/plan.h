/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One host's plan, as docs/agent-protocol.md describes it, made of what the resolver found. Pure. */

#include <stddef.h>

#include "controller/resolve.h"
#include "crypto/crypto.h"
#include "model/schema.h"

struct vtap_plan_part { /* what the host does for one session */
	char session[VTAP_ID_STRLEN];
	uint64_t hash; /* changes with anything of the plan that is the session's, its target and filter included */
	uint64_t sequence; /* of the session */
	bool left_out; /* the host has VTAP_SESSIONS_MAX older ones */
	size_t sources_left_out; /* beyond VTAP_SOURCES_MAX */
};

struct vtap_host_plan {
	char *text; /* owned; the document without epoch, revision, hash and requests: sorted members, no blanks */
	size_t text_bytes;
	char hash[VTAP_HASH_STRLEN]; /* of text */
	struct vtap_plan_part *parts; /* owned; sorted by session */
	size_t part_count;
	bool has_endpoints; /* never_mirror is of use here: vtap_resolver_endpoints() matter */
};

/* -ENOENT: the resolver knows no such host. -ENOMEM. */
int vtap_host_plan_make(const struct vtap_resolver *v, const char *host, struct vtap_host_plan **ret_plan);
struct vtap_host_plan *vtap_host_plan_free(struct vtap_host_plan *p);
VTAP_DEFINE_CLEANUP(struct vtap_host_plan *, vtap_host_plan_free);

/* NULL: the host has nothing to do for it. */
const struct vtap_plan_part *vtap_host_plan_part(const struct vtap_host_plan *p, const char *session);
