/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>

#include "model/value.h"

#define SELECTOR "tag:"

bool vtap_selector_is_one(const char *text)
{
	return strncmp(text, SELECTOR, strlen(SELECTOR)) == 0;
}

static int fail(struct vtap_error *reterr, const char *text)
{
	return vtap_error_set(reterr, -EINVAL, 0, NULL, "%s", text);
}

int vtap_selector_parse(const char *text, struct vtap_selector *ret, struct vtap_error *reterr)
{
	struct vtap_selector s = {.any_value = true};
	const char *key = text + strlen(SELECTOR), *equals;
	size_t length;

	if (!vtap_selector_is_one(text))
		return fail(reterr, "must be a tag selector such as tag:role=web");
	if (vtap_text_length(key, &length) < 0)
		return fail(reterr, "must not have control characters");
	equals = strchr(key, '=');
	length = equals ? (size_t)(equals - key) : strlen(key);
	if (length < sizeof(s.key)) {
		memcpy(s.key, key, length);
		s.key[length] = '\0';
		(void)vtap_text_length(s.key, &length);
	}
	if (length < 1 || length > VTAP_TAG_KEY_MAX)
		return vtap_error_set(reterr, -EINVAL, 0, NULL, "must select by a key of 1..%d characters",
				      VTAP_TAG_KEY_MAX);
	if (equals) {
		(void)vtap_text_length(equals + 1, &length);
		if (length > VTAP_TAG_VALUE_MAX)
			return vtap_error_set(reterr, -EINVAL, 0, NULL,
					      "must select by a value of at most %d characters", VTAP_TAG_VALUE_MAX);
		strcpy(s.value, equals + 1);
		s.any_value = false;
	}
	*ret = s;
	return 0;
}
