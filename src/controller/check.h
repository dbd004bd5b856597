/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* POST /v1/sessions/{id}/check: the agents concerned send a marked probe along the session's way, and say how far it came. */

#include "controller/api.h"

#define VTAP_CHECK_HOSTS_MAX 16 /* of one session: the others are not asked */
#define VTAP_CHECK_S 10 /* for the agents' answers */

/* As a handler: answers, or keeps the call. */
int vtap_check_begin(struct vtap_call *call, const struct vtap_object *session);
