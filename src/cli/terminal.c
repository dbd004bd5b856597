/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "basic/parse.h"
#include "basic/util.h"

#define WIDTH_MAX 10000

static volatile sig_atomic_t caught;

unsigned vtap_terminal_width(FILE *out)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	uint32_t width;

	if (!isatty(fileno(out)))
		return 0;
	if (columns && vtap_parse_u32(columns, 1, WIDTH_MAX, &width) == 0)
		return width;
	return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

bool vtap_terminal_has_colour(FILE *out)
{
	const char *never = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(out)) && !(never && *never) && !(term && strcmp(term, "dumb") == 0);
}

static void on_signal(int number)
{
	caught = number;
}

static int line_finish(char *buffer, bool read)
{
	size_t length;

	if (!read)
		return -ENODATA;
	length = strlen(buffer);
	if (length > 0 && buffer[length - 1] != '\n')
		return -E2BIG;
	buffer[strcspn(buffer, "\r\n")] = '\0';
	return *buffer ? 0 : -ENODATA;
}

/* The last line of a file may lack its end; one that fills the buffer is too long. */
static int line_read(FILE *in, char *buffer, size_t size_bytes)
{
	bool read = fgets(buffer, (int)size_bytes, in);

	if (read && feof(in) && strlen(buffer) + 1 < size_bytes)
		strcat(buffer, "\n");
	return line_finish(buffer, read);
}

static int unseen_read(int fd, char *buffer, size_t size_bytes)
{
	ssize_t got = read(fd, buffer, size_bytes - 1);

	buffer[got > 0 ? got : 0] = '\0';
	(void)!write(fd, "\n", 1);
	return line_finish(buffer, got > 0);
}

int vtap_terminal_secret(FILE *in, const char *prompt, char *buffer, size_t size_bytes)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
	_cleanup_close_ int fd = isatty(fileno(in)) ? open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY) : -1;
	struct sigaction action = {.sa_handler = on_signal}, before[VTAP_ARRAY_SIZE(signals)];
	struct termios shown, unseen;
	int r;

	if (fd < 0 || tcgetattr(fd, &shown) < 0)
		return line_read(in, buffer, size_bytes);
	caught = 0;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, &before[i]);
	unseen = shown;
	unseen.c_lflag &= ~(tcflag_t)ECHO;
	dprintf(fd, "%s: ", prompt);
	tcsetattr(fd, TCSAFLUSH, &unseen);
	r = unseen_read(fd, buffer, size_bytes);
	tcsetattr(fd, TCSAFLUSH, &shown);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &before[i], NULL);
	if (caught)
		raise(caught);
	return r;
}
