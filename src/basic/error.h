/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What went wrong with something that a person gave us: one clear sentence, the field and the line it stands on. */

#include "basic/util.h"

struct vtap_error {
	int code; /* negative errno; 0 = no error */
	unsigned line; /* 1-based line of the file; 0 = unknown */
	char field[96]; /* for example "sessions[0].encapsulation.vni"; empty = the whole input */
	char text[256]; /* the sentence, without the field and without a full stop at the end */
};

/* Fills *reterr (NULL is allowed) and returns code, so that callers can write `return vtap_error_set(...)`. */
int vtap_error_set(struct vtap_error *reterr, int code, unsigned line, const char *field, const char *format, ...)
    VTAP_PRINTF(5, 6);

/*
 * Copies what a person gave us, to be repeated in a message: at most VTAP_ERROR_QUOTE_MAX bytes, cut between two UTF-8
 * characters ("..." follows), control characters replaced, so that a message can neither be split nor steer a terminal.
 */
#define VTAP_ERROR_QUOTE_MAX 48
#define VTAP_ERROR_QUOTE_STRLEN (VTAP_ERROR_QUOTE_MAX + sizeof("..."))
const char *vtap_error_quote(const char *text, char buffer[VTAP_ERROR_QUOTE_STRLEN]);

/* Writes "FILE:LINE: FIELD: TEXT" (parts that are unknown are left out) into buffer; always NUL-terminated. */
void vtap_error_format(const struct vtap_error *e, const char *file, char *buffer, size_t size_bytes);
