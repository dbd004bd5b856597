/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Frames of every shape that the parser must know, made from a few fields. Everything left out is 0 or a fixed default. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/mirror_abi.h"

#define FRAME_MAX_BYTES 12000
#define FRAME_TAGS_MAX 3
#define FRAME_EXTENSIONS_MAX 10
#define FRAME_TCP_BYTES 20

struct frame {
	uint8_t bytes[FRAME_MAX_BYTES];
	size_t size_bytes;
	bool partial; /* of one that was received: its checksum is still to be filled in */
};

struct frame_shape {
	unsigned tag_count;
	uint16_t tags[FRAME_TAGS_MAX]; /* TCI; the outer ones of two or more are 802.1ad */
	uint8_t ip; /* 4, 6, or 0: not IP */
	uint16_t ethertype; /* for frames that are not IP */
	uint8_t src[16], dst[16]; /* as in struct vtap_packet; all 0 = 10.0.0.1 to 10.0.0.2, or fd00::1 to fd00::2 */
	uint8_t option_words; /* IPv4 */
	uint8_t extension_count; /* IPv6 */
	uint8_t extensions[FRAME_EXTENSIONS_MAX];
	bool fragment; /* IPv4; in IPv6 the extension header says so */
	bool more;
	uint16_t fragment_offset; /* in units of 8 bytes */
	uint32_t fragment_id;
	uint8_t protocol;
	uint16_t sport, dport;
	uint8_t icmp_type, icmp_code;
	size_t payload_bytes;
	size_t size_bytes; /* cut to that size; 0 = whole */
};

void frame_build(const struct frame_shape *shape, struct frame *ret_frame);

/* What the parser has to find in a whole, unfragmented frame of that shape; offsets and hash are left out. */
void frame_packet(const struct frame_shape *shape, struct vtap_packet *ret_packet);

/* The same shape with the ends exchanged. */
struct frame_shape frame_reverse(const struct frame_shape *shape);
