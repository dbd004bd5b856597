/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* IP addresses, prefixes and MAC addresses as values: parse, format, compare. No I/O. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define VTAP_ADDR_STRLEN 46 /* INET6_ADDRSTRLEN */
#define VTAP_PREFIX_STRLEN 50 /* address, '/', three digits, NUL */
#define VTAP_MAC_STRLEN 18

struct vtap_addr {
	uint8_t family; /* AF_INET, AF_INET6, or AF_UNSPEC for "none" */
	uint8_t bytes[16]; /* network order; IPv4 uses the first four, the rest is 0 */
};

struct vtap_prefix {
	struct vtap_addr addr; /* AF_UNSPEC = any address of any version */
	uint8_t bits; /* 0..32 or 0..128 */
};

struct vtap_mac {
	uint8_t bytes[6];
};

/* "10.0.0.1" or "2001:db8::1"; -EINVAL for anything else, *ret untouched. */
int vtap_addr_parse(const char *text, struct vtap_addr *ret);

/* "10.0.0.0/8", "::/0"; a bare address is its /32 or /128. Host bits must be zero: -ERANGE if not. -EINVAL otherwise. */
int vtap_prefix_parse(const char *text, struct vtap_prefix *ret);
/* The same, but host bits are cleared: what a refused prefix should have been. */
int vtap_prefix_parse_loose(const char *text, struct vtap_prefix *ret);

/* "02:00:00:00:00:01"; -EINVAL for anything else. */
int vtap_mac_parse(const char *text, struct vtap_mac *ret);

/* All three write into buffer, return it, and never overrun the *_STRLEN sizes; AF_UNSPEC is "any". */
char *vtap_addr_format(const struct vtap_addr *a, char buffer[VTAP_ADDR_STRLEN]);
char *vtap_prefix_format(const struct vtap_prefix *p, char buffer[VTAP_PREFIX_STRLEN]);
char *vtap_mac_format(const struct vtap_mac *m, char buffer[VTAP_MAC_STRLEN]);

bool vtap_addr_equal(const struct vtap_addr *a, const struct vtap_addr *b);
bool vtap_mac_equal(const struct vtap_mac *a, const struct vtap_mac *b);
/* True for unspecified (0.0.0.0, ::) addresses and AF_UNSPEC. */
bool vtap_addr_is_any(const struct vtap_addr *a);
bool vtap_addr_is_multicast(const struct vtap_addr *a);
bool vtap_addr_is_loopback(const struct vtap_addr *a);
/*
 * One machine's own address on a network: none of those above, nor of 240.0.0.0/4, which holds the broadcast address and what was
 * never given out.
 */
bool vtap_addr_is_unicast(const struct vtap_addr *a);
/* Whether all addresses of inner are in outer. AF_UNSPEC is in nothing and has nothing. */
bool vtap_prefix_contains(const struct vtap_prefix *outer, const struct vtap_prefix *inner);
bool vtap_prefix_has(const struct vtap_prefix *outer, const struct vtap_addr *a);
bool vtap_prefix_overlaps(const struct vtap_prefix *a, const struct vtap_prefix *b);
/* Bytes of an address of that family: 4, 16 or 0. */
unsigned vtap_addr_size_bytes(uint8_t family);
