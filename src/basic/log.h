/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Lines to stderr, with the journal's <N> priority in front when stderr is the journal (JOURNAL_STREAM is set). */

#include "basic/util.h"

enum vtap_log_level {
	VTAP_LOG_ERROR = 3, /* the numbers of syslog(3) */
	VTAP_LOG_WARNING = 4,
	VTAP_LOG_NOTICE = 5,
	VTAP_LOG_INFO = 6,
	VTAP_LOG_DEBUG = 7,
};

/* Lines above this level are dropped; VTAP_LOG_INFO until set. */
void vtap_log_set_level(enum vtap_log_level level);

/* Logs one line; format carries no newline. */
void vtap_log(enum vtap_log_level level, const char *format, ...) VTAP_PRINTF(2, 3);

/* Logs an error and returns r, so that callers can write `return vtap_log_err(r, "...")`. */
int vtap_log_err(int r, const char *format, ...) VTAP_PRINTF(2, 3);
