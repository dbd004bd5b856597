/* SPDX-License-Identifier: Apache-2.0 */

#include "basic/error.h"

#include <stdarg.h>
#include <stdio.h>

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
