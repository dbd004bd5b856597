// SPDX-License-Identifier: Apache-2.0

/* vtap: the command line of a controller. */

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/terminal.h"

#define AUTHORITY_MAX_BYTES (1U << 20)

struct program {
	struct vtap_invocation invocation;
	struct vtap_settings settings;
	struct vtap_client *client; /* owned; NULL = none is needed */
};

static void program_done(struct program *p)
{
	vtap_client_free(p->client);
	vtap_settings_done(&p->settings);
	vtap_invocation_done(&p->invocation);
}

static int perform(const struct vtap_client_request *request, struct vtap_client_answer *ret_answer, void *userdata)
{
	const struct program *p = userdata;

	return vtap_client_perform(p->client, request, ret_answer);
}

static int secret(const char *prompt, char *buffer, size_t size_bytes, void *userdata)
{
	return vtap_terminal_secret(stdin, prompt, buffer, size_bytes);
}

static bool pause_for(unsigned seconds, void *userdata)
{
	struct timespec left = {.tv_sec = seconds};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		continue;
	return true;
}

static int authority_read(const char *path, char **ret_text, struct vtap_error *reterr)
{
	_cleanup_free_ char *text = calloc(1, AUTHORITY_MAX_BYTES + 1);
	FILE *file = fopen(path, "re");
	size_t used;

	if (!file)
		return vtap_error_set(reterr, -errno, 0, NULL, "%s: cannot be opened: %s", path, strerror(errno));
	used = text ? fread(text, 1, AUTHORITY_MAX_BYTES + 1, file) : 0;
	fclose(file);
	if (used == 0 || used > AUTHORITY_MAX_BYTES)
		return vtap_error_set(reterr, -EINVAL, 0, NULL, "%s: must hold certificates in PEM, at most %u bytes",
				      path, AUTHORITY_MAX_BYTES);
	*ret_text = VTAP_STEAL(text);
	return 0;
}

static int client_make(struct program *p, struct vtap_error *reterr)
{
	bool anonymous = p->invocation.command->flags & VTAP_COMMAND_ANONYMOUS;
	_cleanup_free_ char *authority = NULL;
	struct vtap_client_options options = {
	    .url = p->settings.url,
	    .user = anonymous ? NULL : p->settings.user,
	    .password = anonymous ? NULL : p->settings.password,
	    .bearer = anonymous ? NULL : p->settings.bearer,
	    .user_agent = "vtap/" VTAP_VERSION,
	};
	int r;

	if (p->settings.ca_file) {
		r = authority_read(p->settings.ca_file, &authority, reterr);
		if (r < 0)
			return r;
	}
	options.authority = authority;
	return vtap_client_new(&options, &p->client, reterr);
}

/* Completion works without a controller; whatever else needs one says what is missing. */
static int connection_make(struct program *p, struct vtap_cli *cli)
{
	bool needed = !(p->invocation.command->flags & VTAP_COMMAND_OFFLINE);
	bool wanted = needed || strcmp(p->invocation.command->verb, "complete") == 0;
	struct vtap_error error = {};
	int r;

	if (!wanted)
		return VTAP_EXIT_DONE;
	r = vtap_settings_read(&p->invocation, getenv, &p->settings, &error);
	if (r >= 0)
		r = client_make(p, &error);
	if (r >= 0)
		cli->perform = perform;
	if (r < 0 && needed)
		return vtap_cli_fail_error(cli, VTAP_EXIT_USAGE, NULL, &error);
	return VTAP_EXIT_DONE;
}

int main(int argc, char **argv)
{
	VTAP_CLEANUP(program_done) struct program p = {};
	struct vtap_error error = {};
	struct vtap_cli cli = {
	    .in = stdin,
	    .out = stdout,
	    .err = stderr,
	    .terminal = isatty(STDOUT_FILENO),
	    .in_terminal = isatty(STDIN_FILENO),
	    .colour = vtap_terminal_has_colour(stdout),
	    .width = vtap_terminal_width(stdout),
	    .settings = &p.settings,
	    .userdata = &p,
	    .secret = secret,
	    .pause = pause_for,
	};
	int status = VTAP_EXIT_DONE;

	/* Only how wide characters are; everything is UTF-8. */
	setlocale(LC_CTYPE, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
	if (vtap_invocation_parse((size_t)argc - 1, argv + 1, &p.invocation, &error) < 0)
		return vtap_cli_fail_error(&cli, VTAP_EXIT_USAGE, NULL, &error);
	if (p.invocation.command && !vtap_invocation_flag(&p.invocation, "help"))
		status = connection_make(&p, &cli);
	return status == VTAP_EXIT_DONE ? vtap_cli_run(&cli, &p.invocation) : status;
}
