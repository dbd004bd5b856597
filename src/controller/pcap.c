/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/pcap.h"

#include <errno.h>

#define MAGIC_NANOSECONDS 0xa1b23c4dU
#define SNAP_BYTES 262144
#define LINK_ETHERNET 1

static void put32(uint8_t *at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

void vtap_pcap_header(uint8_t ret_header[VTAP_PCAP_HEADER_BYTES])
{
	const uint32_t words[] = {MAGIC_NANOSECONDS, 4U << 16 | 2U, 0, 0, SNAP_BYTES, LINK_ETHERNET};

	for (unsigned i = 0; i < 6; i++)
		put32(ret_header + 4 * i, words[i]);
}

int vtap_pcap_check(const uint8_t *data, size_t size_bytes, uint32_t frame_max, uint64_t max, uint64_t *ret_count,
		    size_t *ret_bytes)
{
	size_t at = 0, kept_bytes = 0;
	uint64_t count = 0;

	while (at < size_bytes) {
		uint32_t follow, wire;

		if (size_bytes - at < VTAP_PCAP_RECORD_BYTES)
			return -EINVAL;
		follow = get32(data + at + 8);
		wire = get32(data + at + 12);
		if (get32(data + at + 4) >= 1000000000U || follow > frame_max || follow > wire ||
		    follow > size_bytes - at - VTAP_PCAP_RECORD_BYTES)
			return -EINVAL;
		at += VTAP_PCAP_RECORD_BYTES + follow;
		if (++count <= max)
			kept_bytes = at;
	}
	*ret_count = count;
	*ret_bytes = kept_bytes;
	return 0;
}
