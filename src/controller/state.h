/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How a session does, from what the resolver says of its sources and what is known of the hosts concerned. Pure: begin, then
 * every source, then every host that has one that is mirrored, then the end.
 */

#include <jansson.h>

#include "controller/resolve.h"

#define VTAP_STATE_REASONS_MAX 64 /* further ones are counted in one sentence */
#define VTAP_STATE_SENTENCE_STRLEN 512
#define VTAP_STATE_AWAY_S 30 /* without a word from its agent a host is away */

struct vtap_state_host { /* what is known of a host, and what it does for the session; texts are borrowed */
	const char *id;
	const char *label; /* its name, or id */
	bool heard; /* its agent has reported since the controller started */
	bool suspended; /* two agents use its credential */
	bool revoked; /* its credentials were, and it has not joined again */
	unsigned silent_s; /* since it was heard last; meaningful if heard */
	bool acknowledged; /* it has applied what its plan says of this session now */
	bool left_out; /* see struct vtap_plan_part */
	size_t sources_left_out;
	const char *plan_error; /* why it refused the whole plan; NULL */
	const char *state, *reason; /* of the session, as its agent says; NULL = it says nothing */
	const json_t *sources; /* what is not attached: [{"interface", "device", "state", "reason"}]; NULL */
	const char *advice; /* about the MTU; NULL */
};

struct vtap_state { /* zeroed before vtap_state_begin() */
	enum vtap_session_block block;
	const char *target; /* the target's name, or id, for sentences */
	json_t *reasons; /* owned */
	size_t reason_count; /* those beyond VTAP_STATE_REASONS_MAX too */
	size_t sources, mirrored, unplugged, unplugged_given, lost; /* lost: plugged, and yet not mirrored */
	size_t hosts, active, waiting, failed, pending, away;
	size_t away_acknowledged; /* they go on with what they have */
	size_t flawed; /* active with a source that is not */
	bool no_memory;
};

void vtap_state_begin(struct vtap_state *s, enum vtap_session_block block, const char *target_label);
void vtap_state_add_source(struct vtap_state *s, const struct vtap_cover *cover);
/* A sentence more, which changes nothing of the state. */
void vtap_state_add_note(struct vtap_state *s, const char *source, const char *host, const char *sentence);
void vtap_state_add_host(struct vtap_state *s, const struct vtap_state_host *host);
/*
 * "active", "pending", "waiting", "degraded", "disabled" or "error", static; and the reasons, the caller's: a list of
 * {"source": id or null, "host": id or null, "reason": sentence}. NULL: no memory.
 */
const char *vtap_state_end(struct vtap_state *s, json_t **ret_reasons);

/*
 * Why a source is not mirrored although the session covers it; NULL: nothing is in the way. Of other projects nothing is told but
 * ids that the session names itself.
 */
const char *vtap_state_cover_sentence(const struct vtap_cover *cover, char buffer[VTAP_STATE_SENTENCE_STRLEN]);
/* Why one that is in the host's plan is not mirrored there, as its agent says; NULL: it says nothing against it, or nothing yet. */
const char *vtap_state_source_sentence(const struct vtap_state_host *host, const char *source,
				       char buffer[VTAP_STATE_SENTENCE_STRLEN]);
/* Why a session does not run; NULL: it does. */
const char *vtap_state_block_sentence(enum vtap_session_block block, const char *target_label,
				      char buffer[VTAP_STATE_SENTENCE_STRLEN]);
