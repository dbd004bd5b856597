/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Live packets of a session: its hosts' agents upload them, and they go on to the client as one pcap file. */

#include "controller/api.h"

#define VTAP_CAPTURES_MAX 8 /* at a time */
#define VTAP_CAPTURES_OF_USER_MAX 2 /* of those */
#define VTAP_CAPTURE_HOSTS_MAX 64 /* of one session: the others are not asked */
#define VTAP_CAPTURE_SECONDS 60 /* unless asked otherwise */
#define VTAP_CAPTURE_SECONDS_MAX 3600
#define VTAP_CAPTURE_PACKETS_MAX 1000000000ULL
#define VTAP_CAPTURE_BYTES_PER_SECOND (4U << 20) /* to one client */
#define VTAP_CAPTURE_UPLOAD_MAX_BYTES (256U << 10)
#define VTAP_CAPTURE_FRAME_MAX_BYTES 65535U

struct vtap_feed;

/* GET .../capture as a handler: keeps the call. */
int vtap_capture_begin(struct vtap_call *call, const struct vtap_object *session);
/* POST /agent/v1/capture/{id} as a handler. */
int vtap_capture_upload(struct vtap_call *call, struct vtap_change *change);
/* Ends those that are left; no write is queued any more. */
void vtap_captures_end(struct vtap_feed *f);
