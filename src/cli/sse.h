/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Server-sent events, as they come in pieces. Pure. */

#include <stddef.h>

#include "basic/util.h"

#define VTAP_SSE_LINE_MAX_BYTES (4U << 20)

struct vtap_sse;

/* event is "message" unless the stream names one; data has its lines joined by '\n'. Negative ends the stream. */
typedef int (*vtap_sse_event)(const char *event, const char *data, void *userdata);

int vtap_sse_new(vtap_sse_event event, void *userdata, struct vtap_sse **ret_sse);
struct vtap_sse *vtap_sse_free(struct vtap_sse *s);
VTAP_DEFINE_CLEANUP(struct vtap_sse *, vtap_sse_free);

/* What the callback returned, -E2BIG for an event that is too long, -ENOMEM. Comments and empty events are passed over. */
int vtap_sse_feed(struct vtap_sse *s, const void *data, size_t size_bytes);
