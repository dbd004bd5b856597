/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Server-sent events: what was committed, and states that changed, to everybody who listens and may see it. */

#include "controller/api.h"

#define VTAP_EVENTS_SUBSCRIBERS_MAX 256
#define VTAP_EVENTS_OF_USER_MAX 16
#define VTAP_EVENTS_HEARTBEAT_S 15

struct vtap_events;

int vtap_events_new(struct vtap_controller *c, struct vtap_events **ret_events);
/* Ends all streams. */
struct vtap_events *vtap_events_free(struct vtap_events *e);
VTAP_DEFINE_CLEANUP(struct vtap_events *, vtap_events_free);

/*
 * Tells of an object what is no change of its resource: `event` is "state", "alarm" ...; data (borrowed) is sent with the
 * members kind, id, name and version put in. Goes to those who may see the object.
 */
void vtap_events_tell(struct vtap_events *e, const struct vtap_object *object, const char *event, const json_t *data);
size_t vtap_events_subscribers(const struct vtap_events *e);
