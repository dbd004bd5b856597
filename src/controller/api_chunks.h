/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Pieces of rule sets for agents, several in one answer (docs/agent-protocol.md). */

#include "controller/api.h"

#define VTAP_CHUNKS_HASHES_MAX 64 /* that are asked for at a time */
/* Of one answer, if it has more than one chunk: a thousand agents may ask at the same moment. */
#define VTAP_CHUNKS_ANSWER_BYTES (256U << 10)

/* GET /agent/v1/chunks?hashes=... as a handler. */
int vtap_chunks_get(struct vtap_call *call, struct vtap_change *change);
