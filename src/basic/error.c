/* SPDX-License-Identifier: Apache-2.0 */

#include "basic/error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

int vtap_error_set(struct vtap_error *reterr, int code, unsigned line, const char *field, const char *format, ...)
{
	va_list arguments;

	if (!reterr)
		return code;
	reterr->code = code;
	reterr->line = line;
	snprintf(reterr->field, sizeof(reterr->field), "%s", field ? field : "");
	va_start(arguments, format);
	vsnprintf(reterr->text, sizeof(reterr->text), format, arguments);
	va_end(arguments);
	return code;
}

/* C0 and DEL are one byte; C1 is U+0080 to U+009F, two bytes. */
static bool is_control(unsigned char before, unsigned char c, unsigned char after)
{
	return c < 0x20 || c == 0x7f || (c == 0xc2 && after >= 0x80 && after < 0xa0) ||
	       (before == 0xc2 && c >= 0x80 && c < 0xa0);
}

const char *vtap_error_quote(const char *text, char buffer[VTAP_ERROR_QUOTE_STRLEN])
{
	size_t length = strlen(text), shown = length;

	if (length > VTAP_ERROR_QUOTE_MAX) {
		shown = VTAP_ERROR_QUOTE_MAX;
		while (shown > 0 && ((unsigned char)text[shown] & 0xc0) == 0x80)
			shown--;
	}
	for (size_t i = 0; i < shown; i++) {
		unsigned char before = i > 0 ? (unsigned char)text[i - 1] : 0;

		buffer[i] = is_control(before, (unsigned char)text[i], (unsigned char)text[i + 1]) ? '?' : text[i];
	}
	strcpy(buffer + shown, shown < length ? "..." : "");
	return buffer;
}

void vtap_error_format(const struct vtap_error *e, const char *file, char *buffer, size_t size_bytes)
{
	char place[16] = "";

	if (size_bytes == 0)
		return;
	if (e->line > 0)
		snprintf(place, sizeof(place), file ? ":%u" : "line %u", e->line);
	snprintf(buffer, size_bytes, "%s%s%s%s%s%s", file ? file : "", place, file || e->line > 0 ? ": " : "", e->field,
		 e->field[0] ? ": " : "", e->text);
}
