/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the commands share: asking as the invocation says, and showing what came of it. All return an enum vtap_exit. */

#include "cli/cli.h"

/* The invocation's request for one argument; body = NULL: what the options say. */
int vtap_show_ask(struct vtap_cli *cli, const struct vtap_invocation *i, const char *argument, const json_t *body,
		  json_t **ret_answer);
/* In the form that was asked for, with names in the place of ids. */
/* What an answer warns of, on standard error; nothing if it does not. */
void vtap_show_warning(struct vtap_cli *cli, const json_t *answer);
int vtap_show_value(struct vtap_cli *cli, const json_t *value);
int vtap_show_list(struct vtap_cli *cli, const json_t *items, const char *columns);
/* Says that it is done: the command's `done` about the resource. */
int vtap_show_done(struct vtap_cli *cli, const struct vtap_invocation *i, const char *argument, const json_t *answer);
#define VTAP_SHOW_SECRET_MAX 1024 /* bytes; how long a password may be is the controller's to say */
#define VTAP_SHOW_SECRET_STRLEN (VTAP_SHOW_SECRET_MAX + 2) /* with the line's end and NUL */
/* A password from the terminal or standard input; `twice` holds for a terminal only. */
int vtap_show_secret(struct vtap_cli *cli, const char *prompt, bool twice, char *buffer, size_t size_bytes);
/* The help of what the invocation names. */
int vtap_show_help(struct vtap_cli *cli, const struct vtap_invocation *i);
/* Out of memory. */
int vtap_show_memory(struct vtap_cli *cli);
/* All of a file, or of standard input for "-", as text of at most max_bytes. Owned by the caller. */
int vtap_show_file(struct vtap_cli *cli, const char *path, size_t max_bytes, char **ret_text, size_t *ret_bytes);
