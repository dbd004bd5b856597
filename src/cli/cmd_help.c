/* SPDX-License-Identifier: Apache-2.0 */

/* What vtap says of itself, all of it from the tables. */

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/attribute.h"
#include "cli/commands.h"
#include "cli/complete.h"
#include "cli/grid.h"
#include "cli/show.h"

static const char *upper(const char *text, char buffer[64])
{
	size_t i;

	for (i = 0; text[i] && i < 63; i++)
		buffer[i] = (char)toupper((unsigned char)text[i]);
	buffer[i] = '\0';
	return buffer;
}

static const char *argument_of(const struct vtap_noun *noun, const struct vtap_command *c, char buffer[64])
{
	if (!c->argument)
		return "";
	return strcmp(c->argument, "*") == 0 ? upper(noun->name, buffer) : c->argument;
}

static void usage_print(FILE *out, const struct vtap_noun *noun, const struct vtap_command *c)
{
	bool optional = c->flags & VTAP_COMMAND_OPTIONAL, many = c->flags & VTAP_COMMAND_MANY;
	char buffer[64];

	fprintf(out, "vtap %s%s%s", noun ? noun->name : "", noun ? " " : "", c->verb);
	if (c->argument)
		fprintf(out, " %s%s%s%s", optional ? "[" : "", argument_of(noun, c, buffer), many ? "..." : "",
			optional ? "]" : "");
	fputs(" [OPTION...]\n", out);
}

static void option_name(const struct vtap_option *o, char *buffer, size_t size_bytes)
{
	char letter[8] = "    ";

	if (o->letter)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	snprintf(buffer, size_bytes, "%s--%s%s%s", letter, o->name, o->value ? " " : "", o->value ? o->value : "");
}

static int options_add(struct vtap_grid *grid, const struct vtap_option *table)
{
	int r = 0;

	for (const struct vtap_option *o = table; o->name && r >= 0; o++) {
		char name[128], help[200];

		option_name(o, name, sizeof(name));
		snprintf(help, sizeof(help), "%s%s", o->help, o->flags & VTAP_OPTION_REQUIRED ? " (required)" : "");
		r = vtap_grid_add(grid, (const char *const[]){name, help});
	}
	return r;
}

/* Tables under one heading; nothing for none. */
static void tables_print(struct vtap_cli *cli, const char *heading, const struct vtap_option *const *tables,
			 size_t count)
{
	VTAP_CLEANUP(vtap_grid_freep) struct vtap_grid *grid = NULL;
	int r;

	r = vtap_grid_new(NULL, NULL, 2, &grid);
	for (size_t i = 0; i < count && r >= 0; i++)
		r = options_add(grid, tables[i]);
	if (r < 0 || vtap_grid_rows(grid) == 0)
		return;
	fprintf(cli->out, "\n%s:\n", heading);
	vtap_grid_print(grid, 2, 0, false, cli->out);
}

struct settings_help {
	struct vtap_grid *grid;
	const struct vtap_command *command;
};

/* One that is worth a word: empty texts, lists and objects are not. */
static bool has_default(const struct vtap_attribute *a)
{
	return a->standard && *a->standard != '[' && *a->standard != '{' && strcmp(a->standard, "\"\"") != 0;
}

static const char *unquoted(const char *json, char *buffer, size_t size_bytes)
{
	size_t quote = *json == '"';

	snprintf(buffer, size_bytes, "%.*s", (int)(strlen(json) - 2 * quote), json + quote);
	return buffer;
}

static int setting_visit(const struct vtap_setting *s, void *userdata)
{
	const struct vtap_attribute *a = s->attribute;
	struct settings_help *h = userdata;
	bool creates = h->command->flags & VTAP_COMMAND_CREATE;
	char name[400], value[256], help[400];

	if ((a->flags & VTAP_ATTRIBUTE_SECRET) && !creates)
		return 0;
	if (a->flags & VTAP_ATTRIBUTE_SECRET)
		snprintf(name, sizeof(name), "    --%s", s->option);
	else
		snprintf(name, sizeof(name), "    --%s %s%s", s->option, vtap_setting_value(a, value, sizeof(value)),
			 a->flags & VTAP_ATTRIBUTE_LIST || a->type == VTAP_TYPE_TAGS ? ",..." : "");
	snprintf(help, sizeof(help), "%s%s%s%s%s", a->help ? a->help : "",
		 a->flags & VTAP_ATTRIBUTE_SECRET ? "; is asked for, or read from standard input" : "",
		 creates && a->flags & VTAP_ATTRIBUTE_REQUIRED ? " (required)" : "",
		 creates && has_default(a) ? "; default " : "",
		 creates && has_default(a) ? unquoted(a->standard, value, sizeof(value)) : "");
	return vtap_grid_add(h->grid, (const char *const[]){name, help});
}

static void settings_print(struct vtap_cli *cli, const struct vtap_noun *noun, const struct vtap_command *c)
{
	unsigned left_out = c->flags & VTAP_COMMAND_UPDATE ? VTAP_ATTRIBUTE_IMMUTABLE | VTAP_ATTRIBUTE_SECRET : 0;
	VTAP_CLEANUP(vtap_grid_freep) struct vtap_grid *t = NULL;
	struct settings_help help = {.command = c};

	if (vtap_grid_new(NULL, NULL, 2, &t) < 0)
		return;
	help.grid = t;
	if (vtap_setting_each(vtap_noun_kind(noun), left_out, setting_visit, &help) >= 0)
		vtap_grid_print(t, 2, 0, false, cli->out);
}

static void command_help(struct vtap_cli *cli, const struct vtap_noun *noun, const struct vtap_command *c)
{
	const struct vtap_option *tables[VTAP_COMMAND_TABLES];
	size_t count = vtap_command_tables(c, tables);

	fputs("Usage: ", cli->out);
	usage_print(cli->out, noun, c);
	fprintf(cli->out, "\n%s.\n", c->help);
	if (c->flags & (VTAP_COMMAND_CREATE | VTAP_COMMAND_UPDATE | VTAP_COMMAND_SELECT) && noun &&
	    vtap_noun_kind(noun)) {
		fprintf(cli->out, "\nAttributes of %s (%s):\n", noun->name, vtap_noun_help(noun));
		settings_print(cli, noun, c);
	}
	/* The general ones are the last. */
	tables_print(cli, "Options", tables, count - 1);
	tables_print(cli, "Options of every command", tables + count - 1, 1);
}

static void noun_help(struct vtap_cli *cli, const struct vtap_noun *noun)
{
	VTAP_CLEANUP(vtap_grid_freep) struct vtap_grid *t = NULL;
	const struct vtap_command *c = NULL;
	char name[128], buffer[64];
	int r;

	fprintf(cli->out, "Usage: vtap %s VERB [OPTION...]\n\n%s: %s.\n\nVerbs:\n", noun->name, noun->name,
		vtap_noun_help(noun));
	r = vtap_grid_new(NULL, NULL, 2, &t);
	while (r >= 0 && (c = vtap_command_next(noun, c))) {
		snprintf(name, sizeof(name), "%s %s", c->verb, argument_of(noun, c, buffer));
		r = vtap_grid_add(t, (const char *const[]){name, c->help});
	}
	if (r >= 0)
		vtap_grid_print(t, 2, 0, false, cli->out);
	fprintf(cli->out, "\nvtap help %s VERB has the options.\n", noun->name);
}

static void verbs_join(const struct vtap_noun *noun, char *buffer, size_t size_bytes)
{
	const struct vtap_command *c = NULL;
	size_t used = 0;

	*buffer = '\0';
	while ((c = vtap_command_next(noun, c)) && used < size_bytes)
		used += (size_t)snprintf(buffer + used, size_bytes - used, "%s%s", used ? " " : "", c->verb);
}

static void general_help(struct vtap_cli *cli)
{
	VTAP_CLEANUP(vtap_grid_freep) struct vtap_grid *nouns = NULL, *commands = NULL;
	const struct vtap_command *c = NULL;
	char verbs[256], name[128];
	FILE *out = cli->out;
	int r;

	fputs(
	    "Usage: vtap NOUN VERB [NAME...] [OPTION...]\n       vtap COMMAND [OPTION...]\n\nNouns and their verbs:\n",
	    out);
	r = vtap_grid_new(NULL, NULL, 2, &nouns);
	for (const struct vtap_noun *n = vtap_nouns; n->name && r >= 0; n++) {
		verbs_join(n, verbs, sizeof(verbs));
		r = vtap_grid_add(nouns, (const char *const[]){n->name, verbs});
	}
	if (r >= 0)
		vtap_grid_print(nouns, 2, 0, false, out);
	fputs("\nCommands:\n", out);
	r = vtap_grid_new(NULL, NULL, 2, &commands);
	while (r >= 0 && (c = vtap_command_next(NULL, c))) {
		snprintf(name, sizeof(name), "%s %s", c->verb, c->argument ? c->argument : "");
		r = vtap_grid_add(commands, (const char *const[]){name, c->help});
	}
	if (r >= 0)
		vtap_grid_print(commands, 2, 0, false, out);
	tables_print(cli, "Options of every command", (const struct vtap_option *const[]){vtap_options_general}, 1);
	fputs(
	    "\nA name serves wherever an id does. vtap help NOUN VERB has the options of a command, vtap(1) the rest.\n"
	    "Exit status: 0 done, 1 refused, 2 wrong usage, 3 controller not reached.\n",
	    out);
}

int vtap_cmd_help(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	const char *first = i->argument_count > 0 ? i->arguments[0] : NULL;
	const char *second = i->argument_count > 1 ? i->arguments[1] : NULL;
	const struct vtap_noun *noun = first ? vtap_noun_find(first) : NULL;
	const struct vtap_command *c = second || !noun ? vtap_command_find(noun, noun    ? second
										 : first ? first
											 : "")
						       : NULL;

	if (i->argument_count > 2 || (first && !noun && (!c || second)) || (second && !c)) {
		char shown[VTAP_ERROR_QUOTE_STRLEN];

		return vtap_cli_fail(cli, VTAP_EXIT_USAGE, "there is no help for \"%s\"; see vtap help",
				     vtap_error_quote(i->arguments[i->argument_count - 1], shown));
	}
	if (c)
		command_help(cli, noun, c);
	else if (noun)
		noun_help(cli, noun);
	else
		general_help(cli);
	return VTAP_EXIT_DONE;
}

int vtap_show_help(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	if (i->command)
		command_help(cli, i->noun, i->command);
	else if (i->noun)
		noun_help(cli, i->noun);
	else
		general_help(cli);
	return VTAP_EXIT_DONE;
}

int vtap_cmd_version(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	fputs("vtap " VTAP_VERSION "\n", cli->out);
	return VTAP_EXIT_DONE;
}

int vtap_cmd_completion(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	const char *script = vtap_complete_script(i->arguments[0]);
	char shown[VTAP_ERROR_QUOTE_STRLEN];

	if (!script)
		return vtap_cli_fail(cli, VTAP_EXIT_USAGE, "the shell must be bash or zsh, not \"%s\"",
				     vtap_error_quote(i->arguments[0], shown));
	fputs(script, cli->out);
	return VTAP_EXIT_DONE;
}

/* Names of resources, as far as a controller tells them: nothing is said otherwise. */
static void names_print(struct vtap_cli *cli, const char *kinds, const char *last)
{
	while (*kinds) {
		size_t length = strcspn(kinds, " "), i;
		struct vtap_refusal refusal = {};
		struct vtap_ask ask = {.method = "GET"};
		const struct vtap_kind *kind;
		json_t *page = NULL, *item;
		char word[32], path[64];

		snprintf(word, sizeof(word), "%.*s", (int)length, kinds);
		kinds += length + (kinds[length] != '\0');
		kind = vtap_kind_find(word);
		if (!kind || (kind->flags & VTAP_KIND_INSIDE))
			continue;
		snprintf(path, sizeof(path), "/v1/%s?limit=500", kind->plural);
		ask.path = path;
		if (vtap_ask_try(cli, &ask, &page, &refusal) == VTAP_EXIT_UNREACHABLE)
			return;
		json_array_foreach(json_object_get(page, "items"), i, item)
		{
			const char *name = json_string_value(json_object_get(item, "name"));

			name = name ? name : json_string_value(json_object_get(item, "id"));
			if (name && strncmp(name, last, strlen(last)) == 0)
				fprintf(cli->out, "%s\n", name);
		}
		json_decref(page);
	}
}

int vtap_cmd_complete(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	VTAP_CLEANUP(vtap_complete_done) struct vtap_candidates found = {};
	const json_t *word;
	size_t n;

	/* The scripts put "--" in front of the words. */
	bool dashes = i->argument_count > 0 && strcmp(i->arguments[0], "--") == 0;

	if (vtap_complete_find(i->argument_count - dashes, i->arguments + dashes, &found) < 0)
		return VTAP_EXIT_REFUSED;
	json_array_foreach(found.words, n, word) fprintf(cli->out, "%s\n", json_string_value(word));
	if (cli->perform && i->argument_count > 0)
		names_print(cli, found.kinds, i->arguments[i->argument_count - 1]);
	return VTAP_EXIT_DONE;
}
