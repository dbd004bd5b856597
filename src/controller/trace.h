/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which sessions take a packet of an interface or wire, and why: the sessions as their host's agent reads them, judged by the
 * classifier's own oracle. Pure.
 */

#include <jansson.h>

#include "classify/classify.h"
#include "controller/resolve.h"
#include "model/config.h"

#define VTAP_TRACE_REASON_STRLEN 512

struct vtap_trace_session { /* that covers the source */
	struct vtap_cover cover; /* borrowed, like what it holds */
	const struct vtap_session *session; /* borrowed; as the agent has it; NULL: it is not there, see reason */
	bool foreign; /* set by who asks: reasons do not name it */
	bool taken;
	bool decided; /* by rule; else nothing matched, or there is no filter */
	enum vtap_direction rule_direction;
	uint32_t rule_number;
	char reason[VTAP_TRACE_REASON_STRLEN];
};

/* What nobody has said of the packet: there stands something in it, but a rule that depends on it decides nothing. */
enum {
	VTAP_TRACE_SOURCE = 1 << 0,
	VTAP_TRACE_DESTINATION = 1 << 1,
	VTAP_TRACE_PROTOCOL = 1 << 2,
	VTAP_TRACE_SOURCE_PORT = 1 << 3,
	VTAP_TRACE_DESTINATION_PORT = 1 << 4,
	VTAP_TRACE_ICMP_TYPE = 1 << 5,
	VTAP_TRACE_ICMP_CODE = 1 << 6,
};
/* "source", "destination", "protocol" ... by bit; ends with NULL. */
extern const char *const vtap_trace_names[];

struct vtap_trace {
	unsigned assumed; /* by who asks: of those above; 0 = all of the packet was said */
	struct vtap_config *config; /* owned */
	struct vtap_trace_session
	    *sessions; /* owned; exclusive ones first, as they are tried; then the others by age */
	size_t session_count;
};

/* The rules of a chunk, borrowed; NULL: unknown. */
typedef const json_t *(*vtap_trace_chunk)(const char *hash, void *userdata);

/* Valid until the next change. Unknown sources have no sessions. */
int vtap_trace_new(const struct vtap_resolver *v, vtap_trace_chunk chunk, void *userdata, const char *source,
		   struct vtap_trace **ret_trace);
struct vtap_trace *vtap_trace_free(struct vtap_trace *t);
VTAP_DEFINE_CLEANUP(struct vtap_trace *, vtap_trace_free);

/* Fills what is said of each session. -ENOMEM. */
int vtap_trace_packet(struct vtap_trace *t, enum vtap_direction direction, const struct vtap_packet *packet);
/* Whether the session of that id takes the packet. */
bool vtap_trace_takes(struct vtap_trace *t, const char *session, enum vtap_direction direction,
		      const struct vtap_packet *packet);
/* Whether the rule, and it alone, is one for the packet. */
bool vtap_trace_rule_fits(const struct vtap_rule *rule, const struct vtap_packet *packet);
