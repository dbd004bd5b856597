/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What every command works with. The way to the controller and the terminal are handed in, so that commands are tested without. */

#include <stdbool.h>
#include <stdio.h>

#include "cli/invocation.h"
#include "cli/settings.h"
#include "client/client.h"

enum vtap_exit {
	VTAP_EXIT_DONE = 0,
	VTAP_EXIT_REFUSED = 1, /* the controller said no, or the answer is no */
	VTAP_EXIT_USAGE = 2, /* the command line or a file is wrong; nothing was asked for */
	VTAP_EXIT_UNREACHABLE = 3, /* no controller, or none that can be trusted */
};

enum vtap_output { VTAP_OUTPUT_TABLE, VTAP_OUTPUT_JSON, VTAP_OUTPUT_YAML };

struct vtap_cli { /* everything is borrowed */
	FILE *in, *out, *err;
	enum vtap_output output;
	bool quiet; /* ids only */
	bool terminal, in_terminal; /* out is one; in is one */
	bool colour;
	unsigned width; /* of the terminal in columns; 0 = as wide as it gets */
	struct vtap_settings *settings;
	/* As vtap_client_perform(). Headers for the project are added below it. */
	int (*perform)(const struct vtap_client_request *request, struct vtap_client_answer *ret_answer,
		       void *userdata);
	void *userdata;
	/* One line without its end, not shown while it is typed where that can be. -ENODATA at the end. */
	int (*secret)(const char *prompt, char *buffer, size_t size_bytes, void *userdata);
	/* Waits; false ends a command that repeats itself. */
	bool (*pause)(unsigned seconds, void *userdata);
};

/* Does what the invocation says, or shows help; an enum vtap_exit. */
int vtap_cli_run(struct vtap_cli *cli, const struct vtap_invocation *i);

/* Prints "vtap: SENTENCE" on cli->err and returns status. */
int vtap_cli_fail(struct vtap_cli *cli, int status, const char *format, ...) VTAP_PRINTF(3, 4);
int vtap_cli_fail_error(struct vtap_cli *cli, int status, const char *file, const struct vtap_error *error);
