/* SPDX-License-Identifier: Apache-2.0 */

/* What every kind of resource has: list, show, create, update, delete, and verbs that are one request each. */

#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/show.h"

static int show_answer(struct vtap_cli *cli, const struct vtap_invocation *i, const char *argument,
		       const json_t *answer)
{
	const json_t *member = i->command->member ? json_object_get(answer, i->command->member) : NULL;

	if (i->command->done)
		return vtap_show_done(cli, i, argument, answer);
	if (!member)
		return vtap_show_value(cli, answer);
	/* Of a list, programs get the elements, as of every other list. */
	if (json_is_array(member))
		return vtap_show_list(cli, member, i->command->columns);
	return vtap_show_value(cli, cli->output == VTAP_OUTPUT_TABLE ? member : answer);
}

/* Goes on after a refusal, so that one wrong name does not hide the others; the first status that is not 0 is the result. */
int vtap_cmd_call(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	size_t count = VTAP_MAX(i->argument_count, (size_t)1);
	int status = VTAP_EXIT_DONE;

	for (size_t n = 0; n < count; n++) {
		const char *argument = n < i->argument_count ? i->arguments[n] : NULL;
		json_t *answer = NULL;
		int one;

		one = vtap_show_ask(cli, i, argument, NULL, &answer);
		if (one == VTAP_EXIT_DONE)
			one = show_answer(cli, i, argument, answer);
		json_decref(answer);
		if (status == VTAP_EXIT_DONE)
			status = one;
		if (one == VTAP_EXIT_UNREACHABLE)
			break;
	}
	return status;
}

int vtap_cmd_list(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	VTAP_CLEANUP(vtap_request_done) struct vtap_request request = {};
	struct vtap_ask ask = {.method = i->command->method, .kind = vtap_invocation_kind(i), .command = i->command};
	json_t *items = NULL;
	int status;

	if (vtap_request_make(i, NULL, NULL, &request) < 0)
		return vtap_show_memory(cli);
	ask.path = request.path;
	status = vtap_ask_list(cli, &ask, vtap_invocation_number(i, "limit", 0), &items);
	if (status == VTAP_EXIT_DONE)
		status = vtap_show_list(cli, items, i->noun->columns);
	json_decref(items);
	return status;
}

/* Of a resource, people do not read the hashes of its rules. */
static json_t *for_people(struct vtap_cli *cli, json_t *answer)
{
	if (cli->output == VTAP_OUTPUT_TABLE)
		json_object_del(answer, "chunks");
	return answer;
}

int vtap_cmd_show(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	json_t *found = json_array();
	int status = VTAP_EXIT_DONE, one;

	for (size_t n = 0; n < i->argument_count && status != VTAP_EXIT_UNREACHABLE; n++) {
		json_t *answer = NULL;

		one = vtap_show_ask(cli, i, i->arguments[n], NULL, &answer);
		if (one == VTAP_EXIT_DONE)
			json_array_append_new(found, for_people(cli, answer));
		else
			status = one;
	}
	for (size_t n = 0; n < json_array_size(found) && cli->output == VTAP_OUTPUT_TABLE; n++) {
		if (n > 0)
			fputc('\n', cli->out);
		one = vtap_show_value(cli, json_array_get(found, n));
		status = status == VTAP_EXIT_DONE ? one : status;
	}
	if (cli->output != VTAP_OUTPUT_TABLE && json_array_size(found) > 0) {
		one = vtap_show_value(cli, i->argument_count == 1 ? json_array_get(found, 0) : found);
		status = status == VTAP_EXIT_DONE ? one : status;
	}
	json_decref(found);
	return status;
}

/* Asks for each secret that an option named. A new one is asked for twice where it is typed unseen. */
static int secrets_ask(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	char buffer[VTAP_SHOW_SECRET_STRLEN];
	const json_t *path;
	size_t n;

	json_array_foreach(i->secrets, n, path)
	{
		int r = vtap_show_secret(cli, "New password", true, buffer, sizeof(buffer));

		if (r != VTAP_EXIT_DONE)
			return r;
		r = json_object_set_new(i->resource, json_string_value(path), json_string(buffer));
		explicit_bzero(buffer, sizeof(buffer));
		if (r < 0)
			return vtap_cli_fail(cli, VTAP_EXIT_USAGE, "--%s: must be UTF-8 text", json_string_value(path));
	}
	return VTAP_EXIT_DONE;
}

/* Nobody finds out only at the login. */
static void say_no_login(struct vtap_cli *cli, const struct vtap_invocation *i, const json_t *answer)
{
	const char *name = json_string_value(json_object_get(answer, "name"));

	if (strcmp(i->noun->name, "user") == 0 && !json_object_get(i->resource, "password") && name && !cli->quiet &&
	    cli->output == VTAP_OUTPUT_TABLE)
		fprintf(cli->err, "vtap: %s has no password, and so no login: vtap user password %s sets one\n", name,
			name);
}

int vtap_cmd_create(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	json_t *answer = NULL;
	int status;

	status = secrets_ask(cli, i);
	if (status == VTAP_EXIT_DONE)
		status = vtap_show_ask(cli, i, NULL, NULL, &answer);
	if (status == VTAP_EXIT_DONE)
		status = show_answer(cli, i, NULL, answer);
	if (status == VTAP_EXIT_DONE && (i->command->flags & VTAP_COMMAND_ONCE) && cli->terminal)
		fputs("vtap: keep the secret: it is not shown again\n", cli->err);
	if (status == VTAP_EXIT_DONE)
		say_no_login(cli, i, answer);
	json_decref(answer);
	return status;
}
