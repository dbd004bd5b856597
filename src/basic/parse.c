/* SPDX-License-Identifier: Apache-2.0 */

#include "basic/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Digits of one base to the end of the text; more than 64 bits are -ERANGE. */
static int digits_parse(const char *text, unsigned base, uint64_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	bool overflow = false;
	uint64_t value = 0;

	if (*text == '\0')
		return -EINVAL;
	for (; *text; text++) {
		const char *found = memchr(digits, tolower((unsigned char)*text), base);

		if (!found)
			return -EINVAL;
		overflow |= __builtin_mul_overflow(value, base, &value);
		overflow |= __builtin_add_overflow(value, (uint64_t)(found - digits), &value);
	}
	if (overflow)
		return -ERANGE;
	*ret = value;
	return 0;
}

int vtap_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	bool negative = *text == '-';
	uint64_t value;
	int r;

	text += negative;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		r = digits_parse(text + 2, 16, &value);
	else if (text[0] == '0' && text[1] != '\0')
		return -EINVAL; /* 010 is eight to some readers and ten to others. */
	else
		r = digits_parse(text, 10, &value);
	if (r < 0)
		return r;
	if (negative || value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int vtap_parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *ret)
{
	uint64_t value;
	int r;

	r = vtap_parse_u64(text, min, max, &value);
	if (r < 0)
		return r;
	*ret = (uint32_t)value;
	return 0;
}

int vtap_parse_port_range(const char *text, uint16_t *ret_first, uint16_t *ret_last)
{
	const char *dash = strchr(text, '-');
	char buffer[16];
	size_t length = dash ? (size_t)(dash - text) : strlen(text);
	uint32_t first, last;
	int r, q;

	if (length == 0 || length >= sizeof(buffer))
		return -EINVAL;
	memcpy(buffer, text, length);
	buffer[length] = '\0';
	r = vtap_parse_u32(buffer, 0, UINT16_MAX, &first);
	if (r == -EINVAL)
		return r;
	q = dash ? vtap_parse_u32(dash + 1, 0, UINT16_MAX, &last) : 0;
	if (q == -EINVAL)
		return q;
	if (r < 0 || q < 0)
		return -ERANGE;
	if (!dash)
		last = first;
	if (first > last)
		return -EDOM;
	*ret_first = (uint16_t)first;
	*ret_last = (uint16_t)last;
	return 0;
}
