/* SPDX-License-Identifier: Apache-2.0 */

#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "basic/log.h"

/* What the logging functions write goes to a pipe in place of stderr, which has room for all of it. */
struct capture {
	int pipe[2];
	int saved;
	char text[8192];
};

static void capture_begin(struct capture *c)
{
	assert_int_equal(pipe2(c->pipe, O_CLOEXEC), 0);
	c->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(c->saved >= 0);
	assert_true(dup2(c->pipe[1], STDERR_FILENO) >= 0);
}

static const char *capture_end(struct capture *c)
{
	size_t length = 0;
	ssize_t n;

	assert_true(dup2(c->saved, STDERR_FILENO) >= 0);
	close(c->saved);
	close(c->pipe[1]);
	while ((n = read(c->pipe[0], c->text + length, sizeof(c->text) - 1 - length)) > 0)
		length += (size_t)n;
	c->text[length] = '\0';
	close(c->pipe[0]);
	return c->text;
}

static void test_levels(void **state)
{
	struct capture c;

	unsetenv("JOURNAL_STREAM");
	capture_begin(&c);
	vtap_log(VTAP_LOG_DEBUG, "not shown");
	vtap_log(VTAP_LOG_INFO, "shown %d", 1);
	vtap_log_set_level(VTAP_LOG_ERROR);
	vtap_log(VTAP_LOG_WARNING, "not shown");
	assert_int_equal(vtap_log_err(-EPERM, "shown %s", "too"), -EPERM);
	vtap_log_set_level(VTAP_LOG_INFO);
	assert_string_equal(capture_end(&c), "shown 1\nshown too\n");
}

static void test_one_line(void **state)
{
	struct capture c;
	char big[4000];
	const char *text;

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	errno = EDOM;
	capture_begin(&c);
	vtap_log(VTAP_LOG_INFO, "a\nb\x1b[1m\x7f");
	vtap_log(VTAP_LOG_INFO, "%s", big);
	text = capture_end(&c);
	assert_int_equal(errno, EDOM);
	assert_memory_equal(text, "a?b?[1m?\nxxx", 12);
	assert_int_equal(strlen(text), 9 + 1024);
	assert_int_equal(text[strlen(text) - 1], '\n');
}

static void test_journal(void **state)
{
	struct capture c;
	char stream[64];
	struct stat st;

	capture_begin(&c);
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	vtap_log(VTAP_LOG_NOTICE, "to the journal");
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1);
	vtap_log(VTAP_LOG_NOTICE, "elsewhere");
	setenv("JOURNAL_STREAM", "x", 1);
	vtap_log(VTAP_LOG_NOTICE, "elsewhere");
	unsetenv("JOURNAL_STREAM");
	assert_string_equal(capture_end(&c), "<5>to the journal\nelsewhere\nelsewhere\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_levels),
	    cmocka_unit_test(test_one_line),
	    cmocka_unit_test(test_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
