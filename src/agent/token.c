// SPDX-License-Identifier: Apache-2.0

#include "agent/token.h"

#include <errno.h>
#include <string.h>

#define PREFIX "vtapjoin-"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

int vtap_token_parse(const char *text, struct vtap_token *ret_token)
{
	struct vtap_token token = {};
	const char *authority, *secret;
	size_t host_bytes;

	if (strncmp(text, PREFIX, strlen(PREFIX)) != 0)
		return -EINVAL;
	text += strlen(PREFIX);
	/* From the end, because the host's id has a '-' of its own. */
	authority = strrchr(text, '-');
	if (!authority || strlen(authority + 1) != VTAP_HASH_STRLEN - 1 ||
	    strspn(authority + 1, "0123456789abcdef") != VTAP_HASH_STRLEN - 1)
		return -EINVAL;
	if (authority - text < VTAP_TOKEN_SECRET_CHARACTERS + 2)
		return -EINVAL;
	secret = authority - VTAP_TOKEN_SECRET_CHARACTERS;
	if (secret[-1] != '-' || strspn(secret, letters) != VTAP_TOKEN_SECRET_CHARACTERS)
		return -EINVAL;
	host_bytes = (size_t)(secret - 1 - text);
	if (host_bytes >= sizeof(token.host))
		return -EINVAL;
	memcpy(token.host, text, host_bytes);
	if (!vtap_id_is_valid(vtap_kind_find("host"), token.host))
		return -EINVAL;
	memcpy(token.authority, authority + 1, sizeof(token.authority));
	token.plain = strspn(token.authority, "0") == VTAP_HASH_STRLEN - 1;
	*ret_token = token;
	return 0;
}
