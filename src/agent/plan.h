/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A controller's plan for this host, as docs/agent-protocol.md has it: from its JSON to a configuration. Pure. */

#include <jansson.h>

#include "crypto/crypto.h"
#include "model/config.h"
#include "model/schema.h"

#define VTAP_PLAN_VERSION 1
#define VTAP_PLAN_EPOCH_MAX 64
#define VTAP_PLAN_MAX_BYTES (64U << 20)

struct vtap_plan_head { /* all empty = no plan */
	char epoch[VTAP_PLAN_EPOCH_MAX + 1]; /* letters and digits */
	uint64_t revision;
	char hash[VTAP_HASH_STRLEN];
	char host[VTAP_ID_STRLEN];
};

/* A session as the plan lists it, whether it can be used or not. */
struct vtap_plan_session {
	char id[VTAP_NAME_MAX + 1]; /* empty if it has no usable one */
	char label[VTAP_NAME_MAX + 1]; /* for messages */
	bool refused;
	char reason[400]; /* why it was refused */
	size_t index; /* else in config->sessions */
	uint64_t stop_after_s; /* without the controller; 0 = never */
	char (*interfaces)[VTAP_ID_STRLEN]; /* owned; of its sources, in their order */
	size_t interface_count;
};

struct vtap_host_plan {
	struct vtap_plan_head head;
	struct vtap_config *config; /* owned until it is stolen */
	struct vtap_plan_session *sessions; /* owned; in the plan's order */
	size_t session_count;
	struct vtap_plan_session **by_config; /* owned; of config->sessions, by index */
	size_t refused_count; /* parts of the plan besides sessions that could not be used */
	char warning[400]; /* the first of them */
};

/* -EINVAL: no plan of a version that is known here. */
int vtap_plan_head_read(const json_t *document, struct vtap_plan_head *ret_head, struct vtap_error *reterr);

enum vtap_plan_verdict {
	VTAP_PLAN_TAKE,
	VTAP_PLAN_SAME, /* what is in force says the same */
	VTAP_PLAN_BACK, /* older than what is in force, of the same epoch */
};
enum vtap_plan_verdict vtap_plan_compare(const struct vtap_plan_head *mine, const struct vtap_plan_head *offered);

/* The hash of what the document says, to be compared with what it says of itself. -ENOMEM. */
int vtap_plan_hash(const json_t *document, char ret_hash[VTAP_HASH_STRLEN]);

/* Calls visit for every chunk that the plan lists, as often as it does. */
void vtap_plan_each_chunk(const json_t *document, void (*visit)(const char *hash, void *userdata), void *userdata);

/* The rules of a chunk, the caller's, or NULL if it is not here. */
typedef json_t *(*vtap_plan_chunk)(const char *hash, void *userdata);
/*
 * Each session is validated by itself, with its target and filter, and against those accepted before it; one that cannot be used
 * has its reason, and the others go on. -EINVAL with *reterr: the document as a whole is none.
 */
int vtap_plan_read(const json_t *document, vtap_plan_chunk chunk, void *userdata, struct vtap_host_plan **ret_plan,
		   struct vtap_error *reterr);
struct vtap_host_plan *vtap_host_plan_free(struct vtap_host_plan *p);
VTAP_DEFINE_CLEANUP(struct vtap_host_plan *, vtap_host_plan_free);
