/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/complete.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "basic/util.h"
#include "cli/attribute.h"
#include "cli/command.h"

struct line { /* what stands in front of the last word */
	const struct vtap_noun *noun;
	const struct vtap_command *command;
	const struct vtap_option *option; /* whose value the last word is; NULL = of none */
	struct vtap_setting setting; /* likewise; attribute NULL = of none */
	bool lost; /* no such command */
	const char *last;
	struct vtap_candidates *found;
};

static int word_add(struct line *l, const char *text)
{
	if (strncmp(text, l->last, strlen(l->last)) != 0)
		return 0;
	return json_array_append_new(l->found->words, json_string(text)) < 0 ? -ENOMEM : 0;
}

/* "a b c" or "a|b|c" */
static int words_add(struct line *l, const char *words)
{
	int r = 0;

	while (*words && r >= 0) {
		size_t length = strcspn(words, " |");
		char word[64];

		snprintf(word, sizeof(word), "%.*s", (int)length, words);
		r = length > 0 ? word_add(l, word) : 0;
		words += length + (words[length] != '\0');
	}
	return r;
}

static int nouns_add(struct line *l)
{
	int r = 0;

	for (const struct vtap_noun *n = vtap_nouns; n->name && r >= 0; n++)
		r = word_add(l, n->name);
	return r;
}

static int commands_add(struct line *l)
{
	const struct vtap_command *c = NULL;
	int r = 0;

	while (r >= 0 && (c = vtap_command_next(l->noun, c)))
		r = word_add(l, c->verb);
	return r;
}

static int option_add(struct line *l, const char *name)
{
	char text[VTAP_ATTRIBUTE_PATH_STRLEN + 2];

	snprintf(text, sizeof(text), "--%s", name);
	return word_add(l, text);
}

static int setting_visit(const struct vtap_setting *s, void *userdata)
{
	struct line *l = userdata;

	if (l->command->flags & VTAP_COMMAND_SELECT && s->attribute->flags & VTAP_ATTRIBUTE_SECRET)
		return 0;
	return option_add(l, s->option);
}

static unsigned left_out(const struct vtap_command *c)
{
	return c->flags & VTAP_COMMAND_UPDATE ? VTAP_ATTRIBUTE_IMMUTABLE | VTAP_ATTRIBUTE_SECRET : 0;
}

static bool has_settings(const struct line *l)
{
	return l->noun && vtap_noun_kind(l->noun) && l->command &&
	       l->command->flags & (VTAP_COMMAND_CREATE | VTAP_COMMAND_UPDATE | VTAP_COMMAND_SELECT);
}

static int options_add(struct line *l)
{
	const struct vtap_option *tables[VTAP_COMMAND_TABLES] = {vtap_options_general};
	size_t count = l->command ? vtap_command_tables(l->command, tables) : 1;
	int r = 0;

	for (size_t t = 0; t < count; t++)
		for (const struct vtap_option *o = tables[t]; o->name && r >= 0; o++)
			r = option_add(l, o->name);
	if (r >= 0 && has_settings(l))
		r = vtap_setting_each(vtap_noun_kind(l->noun), left_out(l->command), setting_visit, l);
	return r;
}

/* "@noun", "@session" for the names of sessions, or words. */
static int completions_add(struct line *l, const char *completions)
{
	if (!completions)
		return 0;
	if (strcmp(completions, "@noun") == 0)
		return nouns_add(l);
	if (*completions != '@')
		return words_add(l, completions);
	snprintf(l->found->kinds, sizeof(l->found->kinds), "%s", completions + 1);
	return 0;
}

static int value_add(struct line *l)
{
	const struct vtap_attribute *a = l->setting.attribute;
	char text[200];

	if (l->option)
		return completions_add(l, l->option->completions);
	if (a->type == VTAP_TYPE_WORD)
		return words_add(l, vtap_setting_value(a, text, sizeof(text)));
	if (a->type == VTAP_TYPE_BOOL)
		return words_add(l, "true false");
	if (a->type == VTAP_TYPE_REFERENCE)
		snprintf(l->found->kinds, sizeof(l->found->kinds), "%s", a->kinds);
	return 0;
}

/* Arguments: names of the noun's resources, of sessions, nouns, or words that stand in the usage. */
static int arguments_add(struct line *l)
{
	const char *argument = l->command->argument;

	if (!argument)
		return 0;
	if (strcmp(argument, "*") == 0 || strcmp(argument, "SESSION") == 0) {
		snprintf(l->found->kinds, sizeof(l->found->kinds), "%s", *argument == '*' ? l->noun->name : "session");
		return 0;
	}
	if (strncmp(argument, "NOUN", 4) == 0)
		return nouns_add(l);
	return strchr(argument, '|') ? words_add(l, argument) : 0;
}

/* Whether the word is an option whose value comes next. */
static void option_begin(struct line *l, const char *word)
{
	const char *name = word[1] == '-' ? word + 2 : word + 1;

	if (strchr(name, '='))
		return;
	l->option = l->command ? vtap_command_option(l->command, name) : vtap_option_general(name);
	if (l->option && !l->option->value)
		l->option = NULL;
	else if (!l->option && has_settings(l) &&
		 (vtap_setting_find(vtap_noun_kind(l->noun), name, left_out(l->command), &l->setting) < 0 ||
		  l->setting.attribute->flags & VTAP_ATTRIBUTE_SECRET))
		l->setting.attribute = NULL;
}

static void word_pass(struct line *l, const char *word)
{
	bool is_value = l->option || l->setting.attribute;

	/* The value of a bool may be left out: an option in its place is one. */
	if (is_value && !(*word == '-' && l->setting.attribute && l->setting.attribute->type == VTAP_TYPE_BOOL)) {
		l->option = NULL;
		l->setting.attribute = NULL;
		return;
	}
	l->setting.attribute = NULL;
	if (word[0] == '-' && word[1] != '\0') {
		option_begin(l, word);
		return;
	}
	if (l->command)
		return;
	l->command = vtap_command_find(l->noun, word);
	if (!l->command && !l->noun)
		l->noun = vtap_noun_find(word);
	else
		l->lost = !l->command;
	l->lost = l->lost || (!l->command && !l->noun);
}

static int candidates_add(struct line *l)
{
	int r;

	if (l->lost)
		return 0;
	if (l->option || l->setting.attribute) {
		bool optional = !l->option && l->setting.attribute->type == VTAP_TYPE_BOOL;

		if (!optional || *l->last != '-')
			return value_add(l);
	}
	if (*l->last == '-')
		return options_add(l);
	if (l->command)
		return arguments_add(l);
	if (l->noun)
		return commands_add(l);
	r = nouns_add(l);
	return r < 0 ? r : commands_add(l);
}

int vtap_complete_find(size_t argc, const char *const *argv, struct vtap_candidates *ret)
{
	struct vtap_candidates found = {.words = json_array()};
	struct line l = {.last = argc > 0 ? argv[argc - 1] : "", .found = &found};
	int r;

	if (!found.words)
		return -ENOMEM;
	for (size_t i = 0; i + 1 < argc; i++)
		word_pass(&l, argv[i]);
	r = candidates_add(&l);
	if (r < 0) {
		vtap_complete_done(&found);
		return r;
	}
	*ret = found;
	return 0;
}

void vtap_complete_done(struct vtap_candidates *c)
{
	json_decref(c->words);
	*c = (struct vtap_candidates){};
}

static const char bash_script[] =
    "# bash completion of vtap(1); vtap completion bash prints it.\n"
    "_vtap() {\n"
    "\tmapfile -t COMPREPLY < <(\"${COMP_WORDS[0]}\" complete -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
    "}\n"
    "complete -o default -F _vtap vtap\n";

static const char zsh_script[] =
    "#compdef vtap\n"
    "# zsh completion of vtap(1); vtap completion zsh prints it.\n"
    "_vtap() {\n"
    "\tlocal -a found\n"
    "\tfound=(${(f)\"$(\"${words[1]}\" complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\"})\n"
    "\tif (( ${#found} )); then\n"
    "\t\tcompadd -a found\n"
    "\telse\n"
    "\t\t_files\n"
    "\tfi\n"
    "}\n"
    "if [ \"$funcstack[1]\" = \"_vtap\" ]; then\n"
    "\t_vtap \"$@\"\n"
    "else\n"
    "\tcompdef _vtap vtap\n"
    "fi\n";

const char *vtap_complete_script(const char *shell)
{
	if (strcmp(shell, "bash") == 0)
		return bash_script;
	return strcmp(shell, "zsh") == 0 ? zsh_script : NULL;
}
