/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Reading of sessions from a configuration file. */

#include "model/place.h"

/*
 * Reads one element of `sessions` into a zeroed struct vtap_session, which vtap_session_done() empties also after a failure.
 * Targets and filters must have been read into the place's configuration before.
 */
int vtap_session_read(const struct vtap_place *p, void *session);
void vtap_session_done(struct vtap_session *s);
