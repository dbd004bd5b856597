/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Rows of text in columns that fit a terminal. Pure but for the stream. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "basic/util.h"

#define VTAP_GRID_COLUMNS_MAX 32
#define VTAP_GRID_NARROW 8 /* no column is made narrower than that, its header, or what it holds */

struct vtap_grid;

enum {
	VTAP_COLUMN_WHOLE = 1 << 0, /* is never cut: ids */
	VTAP_COLUMN_STATE = 1 << 1, /* known words have a colour */
};

/* headers are copied; NULL = the table has none. flags may be NULL. */
int vtap_grid_new(const char *const *headers, const unsigned *flags, size_t columns, struct vtap_grid **ret_table);
struct vtap_grid *vtap_grid_free(struct vtap_grid *t);
VTAP_DEFINE_CLEANUP(struct vtap_grid *, vtap_grid_free);

/* Copies one text for each column (NULL = "-"); control characters become '?', so that nothing steers the terminal. */
int vtap_grid_add(struct vtap_grid *t, const char *const *cells);
size_t vtap_grid_rows(const struct vtap_grid *t);
/*
 * Each line begins with indent blanks. width = 0: as wide as it gets; else the widest columns are cut ("...") until it fits,
 * as far as that goes. The last column has no blanks behind it.
 */
void vtap_grid_print(const struct vtap_grid *t, unsigned indent, unsigned width, bool colour, FILE *out);

/* How many columns of a terminal the UTF-8 text takes; at most `columns` of them fit into the bytes of *ret_bytes. */
size_t vtap_grid_text_width(const char *text, size_t columns, size_t *ret_bytes);
/* "\033[32m" for "active"; NULL for words without colour. */
const char *vtap_grid_colour(const char *state);
