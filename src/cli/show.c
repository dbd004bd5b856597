/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/show.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/names.h"
#include "cli/render.h"

#define HEADER_STRLEN 320

int vtap_show_memory(struct vtap_cli *cli)
{
	return vtap_cli_fail(cli, VTAP_EXIT_REFUSED, "out of memory");
}

/* What could not be written to standard output is no success. */
static int rendered(struct vtap_cli *cli, int r)
{
	if (r < 0 && errno != EPIPE)
		return vtap_cli_fail(cli, VTAP_EXIT_REFUSED, "the output cannot be written: %s", strerror(-r));
	return VTAP_EXIT_DONE;
}

static struct vtap_view view_of(struct vtap_cli *cli, const json_t *names)
{
	return (struct vtap_view){
	    .out = cli->out,
	    .output = cli->output,
	    .width = cli->width,
	    .colour = cli->colour,
	    .names = names,
	};
}

static void ids_print(struct vtap_cli *cli, const json_t *value)
{
	const char *id = json_string_value(json_object_get(value, "id"));
	const json_t *item;
	size_t i;

	if (id)
		fprintf(cli->out, "%s\n", id);
	json_array_foreach(value, i, item) ids_print(cli, item);
}

void vtap_show_warning(struct vtap_cli *cli, const json_t *answer)
{
	const char *text = json_string_value(json_object_get(answer, "warning"));
	_cleanup_free_ char *shown = text ? strdup(text) : NULL;

	for (char *c = shown; c && *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
	if (shown && !cli->quiet)
		fprintf(cli->err, "vtap: %s\n", shown);
}

int vtap_show_value(struct vtap_cli *cli, const json_t *value)
{
	json_t *names = NULL;
	struct vtap_view view;
	int r = 0;

	if (json_is_null(value))
		return VTAP_EXIT_DONE;
	if (cli->quiet) {
		ids_print(cli, value);
		return VTAP_EXIT_DONE;
	}
	names = vtap_names_find(cli, value);
	view = view_of(cli, names);
	r = vtap_render_value(&view, value);
	json_decref(names);
	return rendered(cli, r);
}

int vtap_show_list(struct vtap_cli *cli, const json_t *items, const char *columns)
{
	json_t *names = NULL;
	struct vtap_view view;
	int r;

	if (cli->quiet) {
		ids_print(cli, items);
		return VTAP_EXIT_DONE;
	}
	names = vtap_names_find(cli, items);
	view = view_of(cli, names);
	r = vtap_render_list(&view, items, columns);
	json_decref(names);
	return rendered(cli, r);
}

/* "session web (tms-...) created" */
int vtap_show_done(struct vtap_cli *cli, const struct vtap_invocation *i, const char *argument, const json_t *answer)
{
	const char *id = json_string_value(json_object_get(answer, "id"));
	const char *name = json_string_value(json_object_get(answer, "name"));
	const char *known = name ? name : argument ? argument : id ? id : "";
	bool both = id && strcmp(id, known) != 0;

	if (cli->quiet) {
		if (id)
			fprintf(cli->out, "%s\n", id);
		return VTAP_EXIT_DONE;
	}
	if (cli->output != VTAP_OUTPUT_TABLE)
		return vtap_show_value(cli, answer);
	fprintf(cli->out, "%s %s%s%s%s %s%s\n", i->noun->name, known, both ? " (" : "", both ? id : "", both ? ")" : "",
		i->command->done, vtap_invocation_flag(i, "dry-run") ? " (dry run: nothing was changed)" : "");
	return VTAP_EXIT_DONE;
}

/* What stands in front of a refusal when there are several arguments. */
static const char *about(const struct vtap_invocation *i, const char *argument, char *buffer, size_t size_bytes)
{
	char shown[VTAP_ERROR_QUOTE_STRLEN];

	if (i->argument_count < 2 || !argument || !i->noun)
		return NULL;
	snprintf(buffer, size_bytes, "%s %s", i->noun->name, vtap_error_quote(argument, shown));
	return buffer;
}

int vtap_show_ask(struct vtap_cli *cli, const struct vtap_invocation *i, const char *argument, const json_t *body,
		  json_t **ret_answer)
{
	VTAP_CLEANUP(vtap_request_done) struct vtap_request request = {};
	const char *key = vtap_invocation_text(i, "idempotency-key"), *version = vtap_invocation_text(i, "if-version");
	char key_header[HEADER_STRLEN], version_header[64], name[96];
	struct vtap_ask ask = {
	    .kind = vtap_invocation_kind(i),
	    .command = i->command,
	    .about = about(i, argument, name, sizeof(name)),
	};
	size_t headers = 0;

	if (vtap_request_make(i, argument, body, &request) < 0)
		return vtap_show_memory(cli);
	ask.method = request.method;
	ask.path = request.path;
	ask.body = request.body;
	if (key) {
		snprintf(key_header, sizeof(key_header), "Idempotency-Key: %s", key);
		ask.headers[headers++] = key_header;
	}
	if (version) {
		snprintf(version_header, sizeof(version_header), "If-Match: \"%s\"", version);
		ask.headers[headers++] = version_header;
	}
	return vtap_ask(cli, &ask, ret_answer);
}

int vtap_show_secret(struct vtap_cli *cli, const char *prompt, bool twice, char *buffer, size_t size_bytes)
{
	_cleanup_free_ char *again = twice && cli->in_terminal ? malloc(size_bytes) : NULL;
	bool same = true;
	int r;

	r = cli->secret(prompt, buffer, size_bytes, cli->userdata);
	if (r >= 0 && again) {
		r = cli->secret("The same again", again, size_bytes, cli->userdata);
		same = r < 0 || strcmp(buffer, again) == 0;
		explicit_bzero(again, size_bytes);
	}
	if (r == -E2BIG)
		return vtap_cli_fail(cli, VTAP_EXIT_USAGE, "the password has more than %u bytes",
				     (unsigned)(size_bytes - 2));
	if (r < 0)
		return vtap_cli_fail(cli, VTAP_EXIT_USAGE, "there is no password on standard input");
	if (!same)
		return vtap_cli_fail(cli, VTAP_EXIT_USAGE, "the two passwords differ");
	return VTAP_EXIT_DONE;
}

static int stream_read(FILE *in, size_t max_bytes, char **ret_text, size_t *ret_bytes)
{
	size_t used = 0, space = 0;
	_cleanup_free_ char *text = NULL;

	do {
		char *grown;

		space = VTAP_MAX(2 * space, (size_t)65536);
		space = VTAP_MIN(space, max_bytes + 1);
		grown = realloc(text, space + 1);
		if (!grown)
			return -ENOMEM;
		text = grown;
		used += fread(text + used, 1, space - used, in);
	} while (used == space && space <= max_bytes);
	if (ferror(in))
		return -EIO;
	if (used > max_bytes)
		return -E2BIG;
	text[used] = '\0';
	*ret_bytes = used;
	*ret_text = VTAP_STEAL(text);
	return 0;
}

int vtap_show_file(struct vtap_cli *cli, const char *path, size_t max_bytes, char **ret_text, size_t *ret_bytes)
{
	FILE *in = strcmp(path, "-") == 0 ? cli->in : fopen(path, "re");
	int r;

	if (!in)
		return vtap_cli_fail(cli, VTAP_EXIT_USAGE, "%s: cannot be opened: %s", path, strerror(errno));
	r = stream_read(in, max_bytes, ret_text, ret_bytes);
	if (in != cli->in)
		fclose(in);
	if (r == -E2BIG)
		return vtap_cli_fail(cli, VTAP_EXIT_USAGE, "%s: is larger than %zu bytes", path, max_bytes);
	if (r < 0)
		return vtap_cli_fail(cli, VTAP_EXIT_USAGE, "%s: cannot be read: %s", path, strerror(-r));
	return VTAP_EXIT_DONE;
}
