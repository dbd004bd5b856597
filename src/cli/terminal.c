/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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

/* The signals are blocked but for the time of waiting, so that none gets lost in front of it. */
static int unseen_read(int fd, const sigset_t *waiting, char *buffer, size_t size_bytes)
{
	struct pollfd poll = {.fd = fd, .events = POLLIN};
	ssize_t got;

	if (ppoll(&poll, 1, NULL, waiting) < 0)
		return -EINTR;
	got = read(fd, buffer, size_bytes - 1);
	buffer[got > 0 ? got : 0] = '\0';
	(void)!write(fd, "\n", 1);
	return line_finish(buffer, got > 0);
}

static int unseen_ask(int fd, const char *prompt, const sigset_t *waiting, char *buffer, size_t size_bytes)
{
	struct termios shown, unseen;
	int r;

	if (tcgetattr(fd, &shown) < 0)
		return -errno;
	unseen = shown;
	unseen.c_lflag &= ~(tcflag_t)ECHO;
	/* In this order: whoever sees the prompt can type unseen. */
	tcsetattr(fd, TCSAFLUSH, &unseen);
	dprintf(fd, "%s: ", prompt);
	r = unseen_read(fd, waiting, buffer, size_bytes);
	tcsetattr(fd, TCSAFLUSH, &shown);
	return r;
}

int vtap_terminal_secret(FILE *in, const char *prompt, char *buffer, size_t size_bytes)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
	_cleanup_close_ int fd = isatty(fileno(in)) ? open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY) : -1;
	struct sigaction action = {.sa_handler = on_signal}, before[VTAP_ARRAY_SIZE(signals)];
	sigset_t blocked, waiting;
	int r;

	if (fd < 0)
		return line_read(in, buffer, size_bytes);
	caught = 0;
	sigemptyset(&blocked);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(signals); i++)
		sigaddset(&blocked, signals[i]);
	sigprocmask(SIG_BLOCK, &blocked, &waiting);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, &before[i]);
	r = unseen_ask(fd, prompt, &waiting, buffer, size_bytes);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &before[i], NULL);
	if (caught)
		raise(caught);
	sigprocmask(SIG_SETMASK, &waiting, NULL);
	return r;
}
