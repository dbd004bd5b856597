/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>

#include "basic/parse.h"
#include "http/http.h"

int vtap_http_endpoint_parse(const char *text, struct vtap_http_endpoint *ret_endpoint)
{
	char host[VTAP_ADDR_STRLEN];
	struct vtap_http_endpoint e = {};
	const char *colon = strrchr(text, ':');
	size_t length;
	uint32_t port;
	uint8_t family = AF_INET;
	int r;

	if (!colon)
		return -EINVAL;
	length = (size_t)(colon - text);
	if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
		family = AF_INET6;
		text++;
		length -= 2;
	}
	if (length >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, length);
	host[length] = 0;
	r = vtap_addr_parse(host, &e.address);
	if (r < 0)
		return r;
	/* Without brackets the last group of an IPv6 address would be taken for the port. */
	if (e.address.family != family)
		return -EINVAL;
	r = vtap_parse_u32(colon + 1, 0, UINT16_MAX, &port);
	if (r < 0)
		return r;
	e.port = (uint16_t)port;
	*ret_endpoint = e;
	return 0;
}
