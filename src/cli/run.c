/* SPDX-License-Identifier: Apache-2.0 */

/* From an invocation to its exit status. */

#include <errno.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/show.h"

#define WATCH_INTERVAL_S 2
#define CLEAR "\033[H\033[2J"

static vtap_command_run function_of(const struct vtap_command *c)
{
	return c->run ? c->run : vtap_cmd_call;
}

/* What a command prints, all of it; so that a terminal never shows half of it. */
static int run_into(struct vtap_cli *cli, const struct vtap_invocation *i, char **ret_text, size_t *ret_bytes)
{
	struct vtap_cli to = *cli;
	int status;

	to.out = open_memstream(ret_text, ret_bytes);
	if (!to.out)
		return vtap_show_memory(cli);
	status = function_of(i->command)(&to, i);
	fclose(to.out);
	return status;
}

/* Goes on while the controller cannot be reached: it may come back. */
static int watch(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	unsigned interval_s = (unsigned)vtap_invocation_number(i, "interval", WATCH_INTERVAL_S);
	bool first = true;
	int status;

	do {
		_cleanup_free_ char *text = NULL;
		size_t bytes = 0;

		status = run_into(cli, i, &text, &bytes);
		if (cli->terminal && status == VTAP_EXIT_DONE)
			fputs(CLEAR, cli->out);
		else if (!first && cli->output == VTAP_OUTPUT_TABLE)
			fputc('\n', cli->out);
		first = false;
		if (text)
			fwrite(text, 1, bytes, cli->out);
		if (fflush(cli->out) != 0)
			return VTAP_EXIT_DONE;
	} while ((status == VTAP_EXIT_DONE || status == VTAP_EXIT_UNREACHABLE) &&
		 cli->pause(interval_s, cli->userdata));
	return status;
}

static enum vtap_output output_of(const struct vtap_invocation *i)
{
	const char *text = vtap_invocation_text(i, "output");

	if (!text || strcmp(text, "table") == 0)
		return VTAP_OUTPUT_TABLE;
	return strcmp(text, "json") == 0 ? VTAP_OUTPUT_JSON : VTAP_OUTPUT_YAML;
}

static int run_command(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	if (vtap_invocation_flag(i, "help"))
		return vtap_show_help(cli, i);
	if (!i->command) {
		struct vtap_cli to = *cli;

		to.out = cli->err;
		(void)vtap_show_help(&to, i);
		return VTAP_EXIT_USAGE;
	}
	cli->output = output_of(i);
	cli->quiet = vtap_invocation_flag(i, "quiet");
	if ((i->command->flags & VTAP_COMMAND_WATCH) && vtap_invocation_flag(i, "watch"))
		return watch(cli, i);
	return function_of(i->command)(cli, i);
}

int vtap_cli_run(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	int status = run_command(cli, i);

	/* A reader that has seen enough, such as head, is no failure. */
	errno = 0;
	if (fflush(cli->out) != 0 && errno != EPIPE)
		return vtap_cli_fail(cli, VTAP_EXIT_REFUSED, "the output cannot be written: %s", strerror(errno));
	return status;
}
