/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What must hold between the sessions of one host: who may share a device, and what one device can take. */

#include "model/place.h"

/* What the sessions and endpoints so far have taken. */
struct vtap_check;

int vtap_check_new(struct vtap_check **ret_check);
struct vtap_check *vtap_check_free(struct vtap_check *k);
VTAP_DEFINE_CLEANUP(struct vtap_check *, vtap_check_free);

/*
 * Adds an endpoint of never_mirror, or a session, if it goes with those before it; p is its place. One that is refused takes
 * nothing. A session that was added is borrowed until vtap_check_free().
 */
int vtap_check_endpoint(struct vtap_check *k, const struct vtap_place *p, const struct vtap_endpoint *endpoint);
int vtap_check_session(struct vtap_check *k, const struct vtap_place *p, const struct vtap_session *s);

/* p is the list of the sessions that p->config holds. The first that breaks a rule is refused: see vtap_config_parse(). */
int vtap_check_sessions(const struct vtap_place *p);
