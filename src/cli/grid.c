/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/grid.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

#define GAP 2
#define CUT_MARK "..."
#define CUT_MARK_WIDTH 3

struct grid_column {
	char *header; /* owned; NULL = none */
	unsigned flags;
	size_t width; /* of its widest text */
};

struct vtap_grid {
	struct grid_column columns[VTAP_GRID_COLUMNS_MAX];
	size_t column_count, row_count, row_space;
	bool headers;
	char **cells; /* owned, also each text; row by row */
};

static const struct {
	const char *state, *colour;
} colours[] = {
    {"active", "\033[32m"},   {"up", "\033[32m"},        {"ok", "\033[32m"},       {"error", "\033[31m"},
    {"conflict", "\033[31m"}, {"suspended", "\033[31m"}, {"revoked", "\033[31m"},  {"lost", "\033[31m"},
    {"pending", "\033[33m"},  {"waiting", "\033[33m"},   {"degraded", "\033[33m"}, {"disabled", "\033[2m"},
    {"away", "\033[33m"},     {"connected", "\033[32m"},
};

/* One character: its code point and how many bytes it has; what is no UTF-8 counts as one character for each byte. */
static uint32_t character(const char *text, size_t *ret_bytes)
{
	const unsigned char *c = (const unsigned char *)text;
	size_t bytes = c[0] < 0xc2 ? 1 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : c[0] < 0xf5 ? 4 : 1;
	uint32_t value = bytes == 1 ? c[0] : c[0] & (0xffU >> (bytes + 1));

	for (size_t i = 1; i < bytes; i++) {
		if ((c[i] & 0xc0) != 0x80) {
			*ret_bytes = 1;
			return '?';
		}
		value = value << 6 | (c[i] & 0x3f);
	}
	*ret_bytes = bytes;
	return value;
}

/* Without a locale that knows the character, one column is the best guess. */
static size_t character_width(uint32_t value)
{
	int width = wcwidth((wchar_t)value);

	return width < 0 ? 1 : (size_t)width;
}

size_t vtap_grid_text_width(const char *text, size_t columns, size_t *ret_bytes)
{
	size_t width = 0, offset = 0, bytes;

	while (text[offset]) {
		size_t more = character_width(character(text + offset, &bytes));

		if (width + more > columns)
			break;
		width += more;
		offset += bytes;
	}
	if (ret_bytes)
		*ret_bytes = offset;
	return width;
}

const char *vtap_grid_colour(const char *state)
{
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(colours); i++)
		if (strcmp(colours[i].state, state) == 0)
			return colours[i].colour;
	return NULL;
}

int vtap_grid_new(const char *const *headers, const unsigned *flags, size_t columns, struct vtap_grid **ret_table)
{
	VTAP_CLEANUP(vtap_grid_freep) struct vtap_grid *t = calloc(1, sizeof(*t));

	if (columns > VTAP_GRID_COLUMNS_MAX)
		return -E2BIG;
	if (!t)
		return -ENOMEM;
	t->column_count = columns;
	t->headers = headers;
	for (size_t i = 0; i < columns; i++) {
		t->columns[i].flags = flags ? flags[i] : 0;
		if (!headers)
			continue;
		t->columns[i].header = strdup(headers[i]);
		if (!t->columns[i].header)
			return -ENOMEM;
		t->columns[i].width = vtap_grid_text_width(headers[i], SIZE_MAX, NULL);
	}
	*ret_table = VTAP_STEAL(t);
	return 0;
}

struct vtap_grid *vtap_grid_free(struct vtap_grid *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->row_count * t->column_count; i++)
		free(t->cells[i]);
	for (size_t i = 0; i < t->column_count; i++)
		free(t->columns[i].header);
	free(t->cells);
	free(t);
	return NULL;
}

/* C1 controls are U+0080 to U+009F; the bytes of one become two '?'. */
static char *cell_make(const char *text)
{
	char *copy = strdup(text ? text : "-");
	size_t bytes;

	for (size_t i = 0; copy && copy[i]; i += bytes) {
		uint32_t value = character(copy + i, &bytes);

		if (value < 0x20 || (value >= 0x7f && value < 0xa0) || (bytes == 1 && value >= 0x80) ||
		    (bytes == 1 && (unsigned char)copy[i] >= 0x80))
			memset(copy + i, '?', bytes);
	}
	return copy;
}

int vtap_grid_add(struct vtap_grid *t, const char *const *cells)
{
	char **row;

	if (t->row_count == t->row_space) {
		size_t space = VTAP_MAX(2 * t->row_space, (size_t)16);
		char **grown = reallocarray(t->cells, space * t->column_count, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		t->cells = grown;
		t->row_space = space;
	}
	row = t->cells + t->row_count * t->column_count;
	for (size_t i = 0; i < t->column_count; i++) {
		row[i] = cell_make(cells[i]);
		if (!row[i]) {
			while (i > 0)
				free(row[--i]);
			return -ENOMEM;
		}
	}
	for (size_t i = 0; i < t->column_count; i++)
		t->columns[i].width = VTAP_MAX(t->columns[i].width, vtap_grid_text_width(row[i], SIZE_MAX, NULL));
	t->row_count++;
	return 0;
}

size_t vtap_grid_rows(const struct vtap_grid *t)
{
	return t->row_count;
}

static size_t least_width(const struct grid_column *c)
{
	size_t header = c->header ? vtap_grid_text_width(c->header, SIZE_MAX, NULL) : 0;
	size_t least = VTAP_MAX(header, (size_t)VTAP_GRID_NARROW);

	return c->flags & VTAP_COLUMN_WHOLE ? c->width : VTAP_MIN(c->width, least);
}

/* Takes from the widest column that still can give. */
static void widths_fit(const struct vtap_grid *t, unsigned indent, unsigned width, size_t widths[VTAP_GRID_COLUMNS_MAX])
{
	size_t total = indent;

	for (size_t i = 0; i < t->column_count; i++) {
		widths[i] = t->columns[i].width;
		total += widths[i] + (i > 0 ? GAP : 0);
	}
	while (width > 0 && total > width) {
		size_t widest = t->column_count;

		for (size_t i = 0; i < t->column_count; i++)
			if (widths[i] > least_width(&t->columns[i]) &&
			    (widest == t->column_count || widths[i] > widths[widest]))
				widest = i;
		if (widest == t->column_count)
			return;
		widths[widest]--;
		total--;
	}
}

static void print_cell(const char *text, size_t width, bool last, const char *colour, FILE *out)
{
	size_t whole = vtap_grid_text_width(text, SIZE_MAX, NULL), bytes = strlen(text), shown = whole;
	bool cut = whole > width;

	if (cut)
		shown = vtap_grid_text_width(text, width - CUT_MARK_WIDTH, &bytes) + CUT_MARK_WIDTH;
	fprintf(out, "%s%.*s%s%s", colour ? colour : "", (int)bytes, text, cut ? CUT_MARK : "",
		colour ? "\033[0m" : "");
	if (!last)
		fprintf(out, "%*s", (int)(width - shown + GAP), "");
}

void vtap_grid_print(const struct vtap_grid *t, unsigned indent, unsigned width, bool colour, FILE *out)
{
	size_t widths[VTAP_GRID_COLUMNS_MAX];

	widths_fit(t, indent, width, widths);
	for (size_t i = 0; i < t->column_count && t->headers; i++) {
		fprintf(out, "%*s", i == 0 ? (int)indent : 0, "");
		print_cell(t->columns[i].header, widths[i], i + 1 == t->column_count, colour ? "\033[1m" : NULL, out);
	}
	if (t->headers)
		fputc('\n', out);
	for (size_t row = 0; row < t->row_count; row++) {
		fprintf(out, "%*s", (int)indent, "");
		for (size_t i = 0; i < t->column_count; i++) {
			const char *text = t->cells[row * t->column_count + i];
			bool coloured = colour && (t->columns[i].flags & VTAP_COLUMN_STATE);

			print_cell(text, widths[i], i + 1 == t->column_count, coloured ? vtap_grid_colour(text) : NULL,
				   out);
		}
		fputc('\n', out);
	}
}
