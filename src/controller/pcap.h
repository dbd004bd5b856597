/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The pcap format with nanoseconds, little-endian. Pure. */

#include <stddef.h>
#include <stdint.h>

#define VTAP_PCAP_HEADER_BYTES 24
#define VTAP_PCAP_RECORD_BYTES                                                                                         \
	16 /* in front of each frame: seconds, nanoseconds, bytes that follow, bytes on the wire */

/* Of a file of Ethernet frames. */
void vtap_pcap_header(uint8_t ret_header[VTAP_PCAP_HEADER_BYTES]);
/*
 * Looks at records one behind the other, and says how many there are, and in how many bytes the first `max` of them are.
 * -EINVAL: a frame is cut off, larger than frame_max or than what it was on the wire, or has a wrong time.
 */
int vtap_pcap_check(const uint8_t *data, size_t size_bytes, uint32_t frame_max, uint64_t max, uint64_t *ret_count,
		    size_t *ret_bytes);
