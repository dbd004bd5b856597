/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "http/router.h"

#define UTF8_LAST 0x10ffff

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Bytes of the UTF-8 character at `s`; 0 = it is none. The shortest form alone counts, and no surrogates. */
static size_t utf8_character_bytes(const unsigned char *s)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t first;
	} forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(forms); i++) {
		uint32_t code = s[0] & (unsigned char)~forms[i].mask;

		if ((s[0] & forms[i].mask) != forms[i].lead)
			continue;
		for (size_t k = 1; k <= i; k++) {
			if ((s[k] & 0xc0) != 0x80)
				return 0;
			code = code << 6 | (s[k] & 0x3f);
		}
		return code < forms[i].first || code > UTF8_LAST || (code >= 0xd800 && code <= 0xdfff) ? 0 : i + 1;
	}
	return 0;
}

static const char *text_fault(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	while (*s) {
		size_t n = utf8_character_bytes(s);

		if (*s < 0x20 || *s == 0x7f)
			return "control characters are not allowed in the request's address";
		if (n == 0)
			return "the request's address is not UTF-8";
		s += n;
	}
	return NULL;
}

/* Decodes to *to, ends it with NUL and moves *to behind that. Returns NULL, or what is wrong. */
static const char *decode(const char *from, size_t length, bool plus_is_blank, char **to)
{
	char *begin = *to, *out = begin;

	for (size_t i = 0; i < length; i++) {
		char c = from[i];

		if (c == '%') {
			int high = i + 2 < length ? hex_digit(from[i + 1]) : -1;
			int low = i + 2 < length ? hex_digit(from[i + 2]) : -1;

			if (high < 0 || low < 0)
				return "% in the request's address needs two hexadecimal digits";
			c = (char)(high << 4 | low);
			i += 2;
			if (c == 0)
				return "control characters are not allowed in the request's address";
		} else if (c == ' ') {
			return "a blank in the request's address needs to be escaped as %20";
		} else if (c == '+' && plus_is_blank) {
			c = ' ';
		}
		*out++ = c;
	}
	*out++ = 0;
	*to = out;
	return text_fault(begin);
}

static int parse_path(struct vtap_http_target *t, const char *text, size_t length, char **to, const char **reason)
{
	const char *end = text + length;

	while (text < end) {
		const char *slash = memchr(text + 1, '/', (size_t)(end - text) - 1);
		const char *next = slash ? slash : end;
		const char *segment = *to;

		if (t->segment_count == VTAP_HTTP_SEGMENTS_MAX)
			return -ENAMETOOLONG;
		*reason = decode(text + 1, (size_t)(next - text) - 1, false, to);
		if (!*reason && (strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0))
			*reason = "the request's path must not contain . or ..";
		if (*reason)
			return -EBADMSG;
		t->segments[t->segment_count++] = segment;
		text = next;
	}
	return 0;
}

/* The decoded path as a whole. */
static void join_path(struct vtap_http_target *t, char **to)
{
	char *out = *to;

	t->path = out;
	for (size_t i = 0; i < t->segment_count; i++) {
		*out++ = '/';
		t->offsets[i] = (size_t)(out - t->path);
		out = stpcpy(out, t->segments[i]);
	}
	*to = out + 1;
}

static int parse_query(struct vtap_http_target *t, const char *text, char **to, const char **reason)
{
	while (text) {
		size_t length = strcspn(text, "&"), name_length = strcspn(text, "&=");
		struct vtap_http_parameter p = {.name = *to};

		if (length > 0) {
			if (t->query_count == VTAP_HTTP_QUERY_MAX) {
				*reason = "the request's query has more than 64 parameters";
				return -EBADMSG;
			}
			*reason = decode(text, name_length, true, to);
			p.value = *to;
			if (!*reason && name_length < length)
				*reason = decode(text + name_length + 1, length - name_length - 1, true, to);
			else if (!*reason)
				*(*to)++ = 0;
			if (*reason)
				return -EBADMSG;
			t->query[t->query_count++] = p;
		}
		text = text[length] ? text + length + 1 : NULL;
	}
	return 0;
}
_Static_assert(VTAP_HTTP_QUERY_MAX == 64, "the sentence names it");

/* A client that takes us for a proxy names the host as well, which is ours then. */
static const char *skip_host(const char *text)
{
	static const char *const schemes[] = {"http://", "https://"};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(schemes); i++)
		if (strncasecmp(text, schemes[i], strlen(schemes[i])) == 0) {
			text += strlen(schemes[i]);
			return text + strcspn(text, "/?");
		}
	return text;
}

int vtap_http_target_parse(const char *text, struct vtap_http_target *ret_target, const char **ret_reason)
{
	struct vtap_http_target t = {};
	_cleanup_free_ char *storage = NULL;
	const char *reason = NULL;
	size_t path_length;
	char *to;
	int r;

	text = skip_host(text);
	if (text[0] != '/') {
		*ret_reason = "the request's address must begin with /";
		return -EBADMSG;
	}
	/* The path stands in it twice. A parameter takes two NULs more than its texts: there is a separator before each, too. */
	storage = malloc(2 * strlen(text) + 4);
	if (!storage)
		return -ENOMEM;
	to = storage;
	path_length = strcspn(text, "?");
	r = parse_path(&t, text, path_length, &to, &reason);
	if (r == 0) {
		join_path(&t, &to);
		r = parse_query(&t, text[path_length] ? text + path_length + 1 : NULL, &to, &reason);
	}
	if (r < 0) {
		if (r == -EBADMSG)
			*ret_reason = reason;
		return r;
	}
	t.storage = VTAP_STEAL(storage);
	*ret_target = t;
	return 0;
}

void vtap_http_target_done(struct vtap_http_target *t)
{
	free(t->storage);
	*t = (struct vtap_http_target){};
}
