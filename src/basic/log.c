/* SPDX-License-Identifier: Apache-2.0 */

#include "basic/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#define LINE_MAX_BYTES 1024

static enum vtap_log_level max_level = VTAP_LOG_INFO;

void vtap_log_set_level(enum vtap_log_level level)
{
	max_level = level;
}

/*
 * JOURNAL_STREAM is inherited by children whose stderr goes elsewhere, so the device and inode that it names must be
 * those of our stderr.
 */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat st;

	return stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
	       st.st_dev == device && st.st_ino == inode;
}

VTAP_PRINTF(2, 0) static void log_line(enum vtap_log_level level, const char *format, va_list arguments)
{
	char line[LINE_MAX_BYTES];
	size_t prefix = 0, length;
	ssize_t written;
	int n;

	if (level > max_level)
		return;
	if (stderr_is_journal())
		prefix = (size_t)snprintf(line, sizeof(line), "<%d>", (int)level);
	n = vsnprintf(line + prefix, sizeof(line) - prefix, format, arguments);
	if (n < 0)
		return;
	length = VTAP_MIN(prefix + (size_t)n, sizeof(line) - 1);

	/* What is logged may come from a file or the network: it must not be able to begin a line of its own. */
	for (size_t i = prefix; i < length; i++) {
		unsigned char c = (unsigned char)line[i];

		if (c < 0x20 || c == 0x7f)
			line[i] = '?';
	}
	line[length] = '\n';

	/* One write per line, so that lines of several processes do not mix. A lost log line has nowhere to be reported. */
	do
		written = write(STDERR_FILENO, line, length + 1);
	while (written < 0 && errno == EINTR);
}

void vtap_log(enum vtap_log_level level, const char *format, ...)
{
	va_list arguments;
	int saved_errno = errno;

	va_start(arguments, format);
	log_line(level, format, arguments);
	va_end(arguments);
	errno = saved_errno;
}

int vtap_log_err(int r, const char *format, ...)
{
	va_list arguments;
	int saved_errno = errno;

	va_start(arguments, format);
	log_line(VTAP_LOG_ERROR, format, arguments);
	va_end(arguments);
	errno = saved_errno;
	return r;
}
