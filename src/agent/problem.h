/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a controller's refusal says, or why there was none. Pure. */

#include <stddef.h>

#include "client/client.h"

struct vtap_problem {
	char type[48]; /* "vtap:revoked"; empty = none of its own */
	char text[256]; /* one sentence, whatever went wrong */
};

/* From an answer that is not what was hoped for. */
void vtap_problem_read(const struct vtap_client_answer *answer, struct vtap_problem *ret_problem);
