/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What every unit test includes: cmocka with what it needs, and configuration files made by editing one good file. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/config.h"

/*
 * One good file with every key that has a place in it. Its lines, each of which a test can replace:
 *  1 uplink   3 never_mirror[0]   5 targets[0]   7 filters[0].name   9, 10 rules in and out   12 to 26 sessions[0]
 */
extern const char unit_file[];

enum { /* lines of sessions[0] */
       LINE_NAME = 12,
       LINE_NUMBER,
       LINE_MODE,
       LINE_ENABLED,
       LINE_SOURCES,
       LINE_DIRECTION,
       LINE_FILTER,
       LINE_TARGET,
       LINE_ENCAPSULATION,
       LINE_PACKET_LENGTH,
       LINE_MTU_POLICY,
       LINE_ON_REJECT,
       LINE_SAMPLE,
       LINE_LIMIT,
       LINE_CHECKSUM,
};

struct unit_bad {
	unsigned line; /* of unit_file, to be replaced; 0 = text is the whole file */
	const char *text; /* without the last newline; NULL = the line is taken out */
	unsigned error_line;
	const char *field;
	const char *fragment; /* of the message */
};

struct unit_good {
	unsigned line;
	const char *text;
};

/* unit_file with that line replaced; the result is the caller's. */
char *unit_edit(unsigned line, const char *text);

/* Parses text, which must be good; the result is the caller's. */
struct vtap_config *unit_parse(const char *text);
/* Parses text, which must fail with that code, line, field and a message that contains the fragment. */
void unit_refused(const char *text, int code, unsigned line, const char *field, const char *fragment);

/* Every row of the table is refused with -EINVAL as it says; every row is taken. */
void unit_all_refused(const struct unit_bad *rows, size_t count);
void unit_all_taken(const struct unit_good *rows, size_t count);
