/* SPDX-License-Identifier: Apache-2.0 */

#include "basic/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "basic/parse.h"
#include "basic/util.h"

int vtap_addr_parse(const char *text, struct vtap_addr *ret)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(families); i++) {
		struct vtap_addr a = {.family = families[i]};

		if (inet_pton(families[i], text, a.bytes) == 1) {
			*ret = a;
			return 0;
		}
	}
	return -EINVAL;
}

static void clear_host_bits(struct vtap_prefix *p)
{
	unsigned size_bytes = vtap_addr_size_bytes(p->addr.family);

	for (unsigned i = 0; i < size_bytes; i++) {
		if (i * 8 >= p->bits)
			p->addr.bytes[i] = 0;
		else if (p->bits - i * 8 < 8)
			p->addr.bytes[i] &= (uint8_t)(0xff00U >> (p->bits - i * 8));
	}
}

static int prefix_parse(const char *text, struct vtap_prefix *ret)
{
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	char buffer[VTAP_ADDR_STRLEN];
	struct vtap_prefix p;
	uint32_t bits;
	int r;

	if (length >= sizeof(buffer))
		return -EINVAL;
	memcpy(buffer, text, length);
	buffer[length] = '\0';
	r = vtap_addr_parse(buffer, &p.addr);
	if (r < 0)
		return r;

	bits = vtap_addr_size_bytes(p.addr.family) * 8;
	if (slash) {
		/* A length is decimal: 10.0.0.0/0x8 would be a number to the parser, but is no prefix. */
		if (strspn(slash + 1, "0123456789") != strlen(slash + 1) ||
		    vtap_parse_u32(slash + 1, 0, bits, &bits) < 0)
			return -EINVAL;
	}
	p.bits = (uint8_t)bits;
	*ret = p;
	return 0;
}

int vtap_prefix_parse(const char *text, struct vtap_prefix *ret)
{
	struct vtap_prefix given, cleared;
	int r;

	r = prefix_parse(text, &given);
	if (r < 0)
		return r;
	cleared = given;
	clear_host_bits(&cleared);
	if (!vtap_addr_equal(&given.addr, &cleared.addr))
		return -ERANGE;
	*ret = given;
	return 0;
}

int vtap_prefix_parse_loose(const char *text, struct vtap_prefix *ret)
{
	int r;

	r = prefix_parse(text, ret);
	if (r < 0)
		return r;
	clear_host_bits(ret);
	return 0;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	char lower = (c >= 'A' && c <= 'F') ? (char)(c - 'A' + 'a') : c;
	const char *found = lower ? strchr(digits, lower) : NULL;

	return found ? (int)(found - digits) : -1;
}

int vtap_mac_parse(const char *text, struct vtap_mac *ret)
{
	struct vtap_mac m;

	if (strlen(text) != VTAP_MAC_STRLEN - 1)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(m.bytes); i++) {
		int high = hex_digit(text[i * 3]), low = hex_digit(text[i * 3 + 1]);
		char end = i + 1 < sizeof(m.bytes) ? ':' : '\0';

		if (high < 0 || low < 0 || text[i * 3 + 2] != end)
			return -EINVAL;
		m.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*ret = m;
	return 0;
}

char *vtap_addr_format(const struct vtap_addr *a, char buffer[VTAP_ADDR_STRLEN])
{
	if (vtap_addr_size_bytes(a->family) == 0 || !inet_ntop(a->family, a->bytes, buffer, VTAP_ADDR_STRLEN))
		strcpy(buffer, "any");
	return buffer;
}

char *vtap_prefix_format(const struct vtap_prefix *p, char buffer[VTAP_PREFIX_STRLEN])
{
	char text[VTAP_ADDR_STRLEN];

	vtap_addr_format(&p->addr, text);
	if (vtap_addr_size_bytes(p->addr.family) == 0)
		strcpy(buffer, text);
	else
		snprintf(buffer, VTAP_PREFIX_STRLEN, "%s/%u", text, p->bits);
	return buffer;
}

char *vtap_mac_format(const struct vtap_mac *m, char buffer[VTAP_MAC_STRLEN])
{
	snprintf(buffer, VTAP_MAC_STRLEN, "%02x:%02x:%02x:%02x:%02x:%02x", m->bytes[0], m->bytes[1], m->bytes[2],
		 m->bytes[3], m->bytes[4], m->bytes[5]);
	return buffer;
}

bool vtap_addr_equal(const struct vtap_addr *a, const struct vtap_addr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, vtap_addr_size_bytes(a->family)) == 0;
}

bool vtap_mac_equal(const struct vtap_mac *a, const struct vtap_mac *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool vtap_addr_is_any(const struct vtap_addr *a)
{
	static const uint8_t zero[sizeof(a->bytes)];

	return memcmp(a->bytes, zero, vtap_addr_size_bytes(a->family)) == 0;
}

bool vtap_addr_is_multicast(const struct vtap_addr *a)
{
	return (a->family == AF_INET && (a->bytes[0] & 0xf0) == 0xe0) || (a->family == AF_INET6 && a->bytes[0] == 0xff);
}

bool vtap_addr_is_loopback(const struct vtap_addr *a)
{
	static const uint8_t loopback[16] = {[15] = 1};

	return (a->family == AF_INET && a->bytes[0] == 127) ||
	       (a->family == AF_INET6 && memcmp(a->bytes, loopback, sizeof(loopback)) == 0);
}

bool vtap_addr_is_unicast(const struct vtap_addr *a)
{
	return !vtap_addr_is_any(a) && !vtap_addr_is_multicast(a) && !vtap_addr_is_loopback(a) &&
	       !(a->family == AF_INET && (a->bytes[0] & 0xf0) == 0xf0);
}

bool vtap_prefix_contains(const struct vtap_prefix *outer, const struct vtap_prefix *inner)
{
	struct vtap_prefix cut = {.addr = inner->addr, .bits = outer->bits};

	if (vtap_addr_size_bytes(outer->addr.family) == 0 || inner->addr.family != outer->addr.family ||
	    inner->bits < outer->bits)
		return false;
	clear_host_bits(&cut);
	return vtap_addr_equal(&cut.addr, &outer->addr);
}

bool vtap_prefix_has(const struct vtap_prefix *outer, const struct vtap_addr *a)
{
	struct vtap_prefix single = {.addr = *a, .bits = (uint8_t)(vtap_addr_size_bytes(a->family) * 8)};

	return vtap_prefix_contains(outer, &single);
}

bool vtap_prefix_overlaps(const struct vtap_prefix *a, const struct vtap_prefix *b)
{
	return vtap_prefix_contains(a, b) || vtap_prefix_contains(b, a);
}

unsigned vtap_addr_size_bytes(uint8_t family)
{
	switch (family) {
	case AF_INET:
		return 4;
	case AF_INET6:
		return 16;
	default:
		return 0;
	}
}
