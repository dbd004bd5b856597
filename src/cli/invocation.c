/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/invocation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "basic/parse.h"
#include "cli/attribute.h"

struct parser {
	size_t argc, next;
	char *const *argv;
	struct vtap_invocation *i;
	struct vtap_error *reterr;
	bool raw; /* no more options */
	char flag[VTAP_ATTRIBUTE_PATH_STRLEN]; /* the last option that takes true or false, and was given neither */
	const char *after_flag; /* the word that followed it */
};

static bool takes(const struct parser *p, unsigned flags)
{
	return p->i->command && (p->i->command->flags & flags);
}

static int fail_option(struct parser *p, const char *name, const char *text)
{
	char field[VTAP_ATTRIBUTE_PATH_STRLEN + 2], shown[VTAP_ERROR_QUOTE_STRLEN];

	snprintf(field, sizeof(field), "%s%s", name[0] && !name[1] ? "-" : "--", vtap_error_quote(name, shown));
	return vtap_error_set(p->reterr, -EINVAL, 0, field, "%s", text);
}

static int fail_memory(struct parser *p)
{
	return vtap_error_set(p->reterr, -ENOMEM, 0, NULL, "out of memory");
}

/* The value behind '=', or else the next word. */
static int value_take(struct parser *p, const char *name, const char *attached, const char **ret_value)
{
	if (attached) {
		*ret_value = attached;
		return 0;
	}
	if (p->next >= p->argc)
		return fail_option(p, name, "needs a value");
	*ret_value = p->argv[p->next++];
	return 0;
}

static bool is_among(const char *words, const char *text)
{
	size_t length = strlen(text);

	while (*words) {
		size_t word = strcspn(words, " ");

		if (word == length && memcmp(words, text, length) == 0)
			return true;
		words += word + strspn(words + word, " ");
	}
	return false;
}

static int option_check(struct parser *p, const struct vtap_option *o, const char *value)
{
	char text[200], shown[VTAP_ERROR_QUOTE_STRLEN];
	uint64_t number;

	if (o->max > 0 && vtap_parse_u64(value, o->min, o->max, &number) < 0) {
		snprintf(text, sizeof(text), "must be a number %llu..%llu, not \"%s\"", (unsigned long long)o->min,
			 (unsigned long long)o->max, vtap_error_quote(value, shown));
		return fail_option(p, o->name, text);
	}
	if (o->completions && *o->completions != '@' && !is_among(o->completions, value)) {
		snprintf(text, sizeof(text), "must be %s, not \"%s\"", o->value, vtap_error_quote(value, shown));
		return fail_option(p, o->name, text);
	}
	return 0;
}

static int reset_path(struct parser *p, const struct vtap_setting *s)
{
	const char *dot = strchr(s->path, '.');
	json_t *object = p->i->resource;

	if (dot) {
		object = json_object_getn(p->i->resource, s->path, (size_t)(dot - s->path));
		if (!object) {
			object = json_object();
			if (json_object_setn_new(p->i->resource, s->path, (size_t)(dot - s->path), object) < 0)
				return fail_memory(p);
		}
	}
	return json_object_set_new(object, dot ? dot + 1 : s->path, json_null()) < 0 ? fail_memory(p) : 0;
}

/* All members of an object at once: "quotas". */
static int reset_object(struct parser *p, const char *name)
{
	const struct vtap_attribute *a = vtap_kind_attribute(vtap_invocation_kind(p->i), name);

	if (!a || a->type != VTAP_TYPE_OBJECT || (a->flags & (VTAP_ATTRIBUTE_COMPUTED | VTAP_ATTRIBUTE_IMMUTABLE)))
		return -ENOENT;
	return json_object_set_new(p->i->resource, name, json_null()) < 0 ? fail_memory(p) : 0;
}

/* --reset vni,filter */
static int reset_parse(struct parser *p, const char *list)
{
	char name[VTAP_ATTRIBUTE_PATH_STRLEN], text[160], shown[VTAP_ERROR_QUOTE_STRLEN];
	struct vtap_setting s;
	int r;

	for (;;) {
		size_t length = strcspn(list, ",");

		snprintf(name, sizeof(name), "%.*s", (int)VTAP_MIN(length, sizeof(name) - 1), list);
		r = vtap_setting_find(vtap_invocation_kind(p->i), name,
				      VTAP_ATTRIBUTE_IMMUTABLE | VTAP_ATTRIBUTE_SECRET, &s);
		r = r < 0 ? reset_object(p, name) : reset_path(p, &s);
		if (r == -ENOENT) {
			snprintf(text, sizeof(text), "must be names of options, not \"%s\"",
				 vtap_error_quote(name, shown));
			return fail_option(p, "reset", text);
		}
		if (r < 0 || list[length] == '\0')
			return r;
		list += length + 1;
	}
}

static int option_take(struct parser *p, const struct vtap_option *o, const char *name, const char *attached)
{
	const char *value = NULL;
	int r;

	if (!o->value) {
		if (attached)
			return fail_option(p, name, "takes no value");
		return json_object_set_new(p->i->options, o->name, json_true()) < 0 ? fail_memory(p) : 0;
	}
	r = value_take(p, name, attached, &value);
	if (r >= 0)
		r = option_check(p, o, value);
	if (r < 0)
		return r;
	if (o == vtap_options_reset)
		return reset_parse(p, value);
	if (json_object_set_new(p->i->options, o->name, json_string(value)) < 0)
		return fail_option(p, name, "must be UTF-8 text");
	return 0;
}

/* What list chooses by: name and text as the path's query has them. */
static int selection_take(struct parser *p, const struct vtap_setting *s, const char *value)
{
	char name[VTAP_TAG_KEY_MAX * 4 + 8], shown[VTAP_ERROR_QUOTE_STRLEN], text[160];
	const char *equals;

	if (s->attribute->type != VTAP_TYPE_TAGS) {
		if (json_object_set_new(p->i->resource, s->path, json_string(value)) < 0)
			return fail_option(p, s->option, "must be UTF-8 text");
		return 0;
	}
	equals = strchr(value, '=');
	if (!equals || equals == value || equals - value > VTAP_TAG_KEY_MAX * 4) {
		snprintf(text, sizeof(text), "must be KEY=VALUE, not \"%s\"", vtap_error_quote(value, shown));
		return fail_option(p, s->option, text);
	}
	snprintf(name, sizeof(name), "tag:%.*s", (int)(equals - value), value);
	if (json_object_set_new(p->i->resource, name, json_string(equals + 1)) < 0)
		return fail_option(p, s->option, "must be UTF-8 text");
	return 0;
}

/* --df, --df=false, --df true: a word that follows belongs to it only when it is true or false. */
static const char *bool_value(struct parser *p, const char *name, const char *attached)
{
	const char *next = p->next < p->argc ? p->argv[p->next] : "";

	if (attached)
		return attached;
	if (strcmp(next, "true") != 0 && strcmp(next, "false") != 0) {
		snprintf(p->flag, sizeof(p->flag), "%s", name);
		p->after_flag = next;
		return "true";
	}
	p->next++;
	return next;
}

static int setting_take(struct parser *p, const struct vtap_setting *s, const char *name, const char *attached)
{
	const struct vtap_kind *kind = vtap_invocation_kind(p->i);
	struct vtap_error error = {};
	const char *value = NULL;
	char option[VTAP_ATTRIBUTE_PATH_STRLEN + 2];
	int r;

	if (s->attribute->flags & VTAP_ATTRIBUTE_SECRET) {
		if (attached)
			return fail_option(p, name, "takes no value: it is asked for, or read from standard input");
		return json_array_append_new(p->i->secrets, json_string(s->path)) < 0 ? fail_memory(p) : 0;
	}
	if (s->attribute->type == VTAP_TYPE_BOOL && !(s->attribute->flags & VTAP_ATTRIBUTE_LIST)) {
		value = bool_value(p, s->option, attached);
	} else {
		r = value_take(p, name, attached, &value);
		if (r < 0)
			return r;
	}
	if (takes(p, VTAP_COMMAND_SELECT))
		return selection_take(p, s, value);
	r = vtap_setting_apply(kind, s, p->i->resource, value, &error);
	if (r < 0)
		return vtap_error_set(p->reterr, r, 0, vtap_setting_option_of(kind, s->path, option, sizeof(option)),
				      "%s", error.text);
	return 0;
}

/* What nobody sets can still be looked for, such as a session's state. */
static bool computed_find(const struct vtap_kind *kind, const char *name, struct vtap_setting *ret)
{
	struct vtap_setting s = {};

	for (size_t n = 0; name[n] && n < sizeof(s.path) - 1; n++)
		s.path[n] = name[n] == '-' ? '_' : name[n];
	s.attribute = vtap_kind_attribute(kind, s.path);
	if (!s.attribute || !(s.attribute->flags & VTAP_ATTRIBUTE_COMPUTED))
		return false;
	snprintf(s.option, sizeof(s.option), "%s", name);
	*ret = s;
	return true;
}

/* 0, -ENOENT without a word, or what taking it gave. */
static int attribute_option(struct parser *p, const char *name, const char *attached)
{
	const struct vtap_kind *kind = vtap_invocation_kind(p->i);
	unsigned left_out = takes(p, VTAP_COMMAND_UPDATE)   ? VTAP_ATTRIBUTE_IMMUTABLE | VTAP_ATTRIBUTE_SECRET
			    : takes(p, VTAP_COMMAND_SELECT) ? VTAP_ATTRIBUTE_SECRET
							    : 0;
	struct vtap_setting s;

	if (!kind || !takes(p, VTAP_COMMAND_CREATE | VTAP_COMMAND_UPDATE | VTAP_COMMAND_SELECT))
		return -ENOENT;
	if (vtap_setting_find(kind, name, left_out, &s) >= 0)
		return setting_take(p, &s, name, attached);
	if (strncmp(name, "no-", 3) == 0 && !attached && vtap_setting_find(kind, name + 3, left_out, &s) >= 0 &&
	    s.attribute->type == VTAP_TYPE_BOOL)
		return setting_take(p, &s, name, "false");
	if (takes(p, VTAP_COMMAND_SELECT) && computed_find(kind, name, &s))
		return setting_take(p, &s, name, attached);
	if (vtap_setting_find(kind, name, 0, &s) >= 0)
		return fail_option(p, name,
				   s.attribute->flags & VTAP_ATTRIBUTE_SECRET ? "cannot be given here"
									      : "cannot be changed after creation");
	return -ENOENT;
}

static int unknown_option(struct parser *p, const char *name)
{
	const struct vtap_invocation *i = p->i;
	char text[160];

	if (!i->command)
		snprintf(text, sizeof(text), "is unknown, or stands before its command");
	else
		snprintf(text, sizeof(text), "is unknown to vtap %s%s%s; see vtap help %s%s%s",
			 i->noun ? i->noun->name : "", i->noun ? " " : "", i->command->verb,
			 i->noun ? i->noun->name : "", i->noun ? " " : "", i->command->verb);
	return fail_option(p, name, text);
}

static int long_option(struct parser *p, const char *word)
{
	const char *equals = strchr(word, '='), *attached = equals ? equals + 1 : NULL;
	char name[VTAP_ATTRIBUTE_PATH_STRLEN];
	const struct vtap_option *o;
	int r;

	snprintf(name, sizeof(name), "%.*s", (int)(equals ? equals - word : (long)sizeof(name)), word);
	o = p->i->command ? vtap_command_option(p->i->command, name) : vtap_option_general(name);
	if (o && o->name[1])
		return option_take(p, o, name, attached);
	r = attribute_option(p, name, attached);
	return r == -ENOENT ? unknown_option(p, name) : r;
}

/* -q, -o json, -ojson, -qo json */
static int short_options(struct parser *p, const char *letters)
{
	int r = 0;

	for (; *letters && r >= 0; letters++) {
		const char name[2] = {*letters, '\0'};
		const struct vtap_option *o =
		    p->i->command ? vtap_command_option(p->i->command, name) : vtap_option_general(name);

		if (!o)
			return unknown_option(p, name);
		if (o->value)
			return option_take(p, o, name, letters[1] ? letters + 1 : NULL);
		r = option_take(p, o, name, NULL);
	}
	return r;
}

static int fail_verb(struct parser *p, const char *word)
{
	const struct vtap_noun *noun = p->i->noun;
	const struct vtap_command *c = NULL;
	char known[200] = "", shown[VTAP_ERROR_QUOTE_STRLEN];
	size_t used = 0;

	while ((c = vtap_command_next(noun, c)) && used < sizeof(known))
		used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", used ? ", " : "", c->verb);
	return vtap_error_set(p->reterr, -EINVAL, 0, NULL, "%s has no verb \"%s\", but %s", noun->name,
			      vtap_error_quote(word, shown), known);
}

static int word_take(struct parser *p, const char *word)
{
	struct vtap_invocation *i = p->i;
	char shown[VTAP_ERROR_QUOTE_STRLEN];

	if (i->command) {
		i->arguments[i->argument_count++] = word;
		return 0;
	}
	if (i->noun) {
		i->command = vtap_command_find(i->noun, word);
		return i->command ? 0 : fail_verb(p, word);
	}
	i->command = vtap_command_find(NULL, word);
	if (i->command) {
		p->raw = i->command->flags & VTAP_COMMAND_RAW;
		return 0;
	}
	i->noun = vtap_noun_find(word);
	if (!i->noun)
		return vtap_error_set(p->reterr, -EINVAL, 0, NULL, "\"%s\" is no command; see vtap help",
				      vtap_error_quote(word, shown));
	return 0;
}

static int words_parse(struct parser *p)
{
	int r = 0;

	while (p->next < p->argc && r >= 0) {
		const char *word = p->argv[p->next++];

		if (p->raw || word[0] != '-' || word[1] == '\0')
			r = word_take(p, word);
		else if (strcmp(word, "--") == 0)
			p->raw = true;
		else if (strcmp(word, "--version") == 0 && !p->i->command)
			r = word_take(p, "version");
		else if (word[1] == '-')
			r = long_option(p, word + 2);
		else
			r = short_options(p, word + 1);
	}
	return r;
}

/* A word behind an option that takes true or false was most likely meant for that. */
static int fail_surplus(struct parser *p, const char *word)
{
	char text[160], shown[VTAP_ERROR_QUOTE_STRLEN];

	for (size_t n = 0; n < p->i->argument_count; n++) {
		if (p->i->arguments[n] != p->after_flag)
			continue;
		snprintf(text, sizeof(text), "must be true or false, not \"%s\"",
			 vtap_error_quote(p->after_flag, shown));
		return fail_option(p, p->flag, text);
	}
	vtap_error_quote(word, shown);
	for (const struct vtap_option *o = p->i->command->options; o && o->name; o++)
		if ((o->flags & VTAP_OPTION_REQUIRED) && !vtap_invocation_text(p->i, o->name))
			return vtap_error_set(p->reterr, -EINVAL, 0, NULL,
					      "\"%s\" is one word too many: --%s is needed, such as --%s %s", shown,
					      o->name, o->name, shown);
	return vtap_error_set(p->reterr, -EINVAL, 0, NULL, "\"%s\" is one word too many; options begin with --", shown);
}

static int arguments_check(struct parser *p)
{
	const struct vtap_invocation *i = p->i;
	unsigned flags = i->command->flags;

	if (!i->command->argument && i->argument_count > 0)
		return fail_surplus(p, i->arguments[0]);
	if (!i->command->argument || (flags & VTAP_COMMAND_OPTIONAL))
		return 0;
	if (i->argument_count == 0)
		return vtap_error_set(p->reterr, -EINVAL, 0, NULL, "%s%s%s needs %s", i->noun ? i->noun->name : "",
				      i->noun ? " " : "", i->command->verb,
				      strcmp(i->command->argument, "*") == 0 ? "a name or an id"
									     : i->command->argument);
	if (i->argument_count > 1 && !(flags & VTAP_COMMAND_MANY))
		return fail_surplus(p, i->arguments[1]);
	return 0;
}

static int required_visit(const struct vtap_setting *s, void *userdata)
{
	struct parser *p = userdata;

	if (!(s->attribute->flags & VTAP_ATTRIBUTE_REQUIRED) || strchr(s->path, '.') ||
	    json_object_get(p->i->resource, s->path))
		return 0;
	return fail_option(p, s->option, "is required");
}

static int required_check(struct parser *p)
{
	const struct vtap_invocation *i = p->i;
	const struct vtap_option *tables[VTAP_COMMAND_TABLES];
	size_t count = vtap_command_tables(i->command, tables);

	for (size_t t = 0; t < count; t++)
		for (const struct vtap_option *o = tables[t]; o->name; o++)
			if ((o->flags & VTAP_OPTION_REQUIRED) && !json_object_get(i->options, o->name))
				return fail_option(p, o->name, "is required");
	if (takes(p, VTAP_COMMAND_UPDATE) && json_object_size(i->resource) == 0)
		return vtap_error_set(p->reterr, -EINVAL, 0, NULL,
				      "nothing to change was given; see vtap help %s update", i->noun->name);
	if (takes(p, VTAP_COMMAND_CREATE) && !takes(p, VTAP_COMMAND_LENIENT))
		return vtap_setting_each(vtap_invocation_kind(i), 0, required_visit, p);
	return 0;
}

static bool wants_help(const struct vtap_invocation *i)
{
	return vtap_invocation_flag(i, "help");
}

/* Whoever asks for help gets it, whatever else the line has. */
static void help_look(const struct parser *p)
{
	for (size_t n = 0; n < p->argc && strcmp(p->argv[n], "--") != 0 && strcmp(p->argv[n], "complete") != 0; n++)
		if (strcmp(p->argv[n], "--help") == 0 || strcmp(p->argv[n], "-h") == 0)
			json_object_set_new(p->i->options, "help", json_true());
}

int vtap_invocation_parse(size_t argc, char *const *argv, struct vtap_invocation *ret, struct vtap_error *reterr)
{
	struct parser p = {.argc = argc, .argv = argv, .i = ret, .reterr = reterr};
	int r;

	*ret = (struct vtap_invocation){
	    .arguments = calloc(argc + 1, sizeof(*ret->arguments)),
	    .resource = json_object(),
	    .secrets = json_array(),
	    .options = json_object(),
	};
	if (!ret->arguments || !ret->resource || !ret->secrets || !ret->options)
		return fail_memory(&p);
	help_look(&p);
	r = words_parse(&p);
	if (r >= 0 && ret->command && !wants_help(ret)) {
		r = arguments_check(&p);
		if (r >= 0)
			r = required_check(&p);
	}
	return wants_help(ret) ? 0 : r;
}

void vtap_invocation_done(struct vtap_invocation *i)
{
	free(i->arguments);
	json_decref(i->resource);
	json_decref(i->secrets);
	json_decref(i->options);
	*i = (struct vtap_invocation){};
}

const char *vtap_invocation_text(const struct vtap_invocation *i, const char *option)
{
	return json_string_value(json_object_get(i->options, option));
}

bool vtap_invocation_flag(const struct vtap_invocation *i, const char *option)
{
	return json_is_true(json_object_get(i->options, option));
}

uint64_t vtap_invocation_number(const struct vtap_invocation *i, const char *option, uint64_t otherwise)
{
	const char *text = vtap_invocation_text(i, option);
	uint64_t number = otherwise;

	if (text)
		(void)vtap_parse_u64(text, 0, UINT64_MAX, &number);
	return number;
}

const struct vtap_kind *vtap_invocation_kind(const struct vtap_invocation *i)
{
	return i->noun ? vtap_noun_kind(i->noun) : NULL;
}
