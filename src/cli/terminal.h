/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What commands ask of the terminal. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Columns of the terminal that out is; 0 if it is none or does not tell. COLUMNS in the environment comes first. */
unsigned vtap_terminal_width(FILE *out);
/* Whether out is a terminal that may be coloured: NO_COLOR is not set, TERM is not "dumb". */
bool vtap_terminal_has_colour(FILE *out);
/*
 * One line without its end. A terminal is asked with the prompt and shows nothing of what is typed; a signal that ends the
 * program puts it back before. -ENODATA for the end of input or an empty
 * line, -E2BIG for a line that does not fit, -EINTR.
 */
int vtap_terminal_secret(FILE *in, const char *prompt, char *buffer, size_t size_bytes);
