/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A frame from what a probe's request says of it. Pure. */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define VTAP_PROBE_FRAME_MAX_BYTES 512
#define VTAP_PROBE_MARK_MAX_BYTES 128 /* more is cut off */

/*
 * "packet" of the request, with the mark as payload; lengths and checksums are right. Absent members are 0; an address of either
 * version decides on the IP version where the ethertype does not. -EINVAL: it says nothing that makes a frame.
 */
int vtap_probe_frame_make(const json_t *packet, const char *mark, uint8_t ret_frame[VTAP_PROBE_FRAME_MAX_BYTES],
			  size_t *ret_bytes);
