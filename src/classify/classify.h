/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Rules of all sessions of one interface and direction -> the table that the data plane walks (struct vtap_plan), and the
 * oracle that says, straight from the rules, what the answer must be. Pure.
 */

#include "basic/error.h"
#include "bpf/mirror_abi.h"
#include "model/config.h"

struct vtap_classify_session {
	const struct vtap_session *session; /* borrowed */
	uint16_t slot; /* session slot of the data plane */
};

/*
 * Compiles the sessions' rules of one direction. Order of the input does not matter. Returns -E2BIG, with *reterr filled
 * (line of the session that is one too many), when sessions or rules exceed what one interface and direction can hold.
 */
int vtap_classify_compile(const struct vtap_classify_session *sessions, size_t session_count,
			  enum vtap_direction direction, struct vtap_plan *ret_plan, struct vtap_error *reterr);

/*
 * The truth: ret_taken[i] says whether sessions[i] gets a copy of the packet. Independent of the compiled form.
 */
void vtap_classify_oracle(const struct vtap_classify_session *sessions, size_t session_count,
			  enum vtap_direction direction, const struct vtap_packet *packet, bool *ret_taken);

/* The walk of the data plane in user space, from the same source: bit i = session index i of the plan. */
uint64_t vtap_classify_lookup(const struct vtap_plan *plan, const struct vtap_packet *packet);
