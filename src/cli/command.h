/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Every noun, verb and option of vtap, as tables: parsing, help, completion and the check of the man pages read the same ones.
 * The options that describe a resource are not here: they come from the tables of model/schema.h, see cli/attribute.h.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/schema.h"

struct vtap_cli;
struct vtap_invocation;

/* Returns an exit status, enum vtap_exit. */
typedef int (*vtap_command_run)(struct vtap_cli *cli, const struct vtap_invocation *invocation);

enum {
	VTAP_OPTION_QUERY = 1 << 0, /* becomes a parameter of the request's path, with '_' for '-' */
	VTAP_OPTION_BODY = 1 << 1, /* becomes a member of the request's body, likewise */
	VTAP_OPTION_REQUIRED = 1 << 2,
};

struct vtap_option {
	const char *name; /* "seconds"; ends a table when NULL */
	char letter; /* 0 = none */
	unsigned flags;
	const char *value; /* what the help shows for the value; NULL = a flag */
	uint64_t min, max; /* of a number; max 0 = the value is no number */
	const char *completions; /* words, or "@interface" for names of such resources; NULL = none */
	const char *help;
};

enum {
	VTAP_COMMAND_CREATE = 1 << 0, /* takes the options of the noun's attributes, as for a new resource */
	VTAP_COMMAND_UPDATE = 1 << 1, /* the same, but for what cannot change, and --reset */
	VTAP_COMMAND_SELECT = 1 << 2, /* takes them to choose among resources */
	VTAP_COMMAND_DRY_RUN = 1 << 3, /* takes --dry-run */
	VTAP_COMMAND_WATCH = 1 << 4, /* takes --watch and --interval */
	VTAP_COMMAND_MANY = 1 << 5, /* takes one argument or more, not exactly one */
	VTAP_COMMAND_OPTIONAL = 1 << 6, /* takes arguments or none */
	VTAP_COMMAND_OFFLINE = 1 << 7, /* needs no controller */
	VTAP_COMMAND_HIDDEN = 1 << 8, /* for scripts of ours only */
	VTAP_COMMAND_RAW = 1 << 9, /* what follows are arguments, whatever they look like */
	VTAP_COMMAND_ONCE = 1 << 10, /* the answer shows something that is never shown again */
	VTAP_COMMAND_ANONYMOUS = 1 << 11, /* sends no credentials */
	VTAP_COMMAND_LENIENT = 1 << 12, /* what the attributes require may be left out: the controller fills it in */
};

struct vtap_command {
	const char *noun; /* NULL = stands alone, or is one of the verbs that several nouns share */
	const char *verb; /* ends a table when NULL */
	unsigned flags;
	const char *argument; /* as the usage shows it; "*" = the noun in capitals; NULL = none */
	const struct vtap_option *options; /* NULL = none of its own */
	const char *method;
	const char *path; /* "*" stands for the noun's plural, "{}" for the argument */
	const char *done; /* "deleted": says that about the argument; NULL = shows the answer */
	const char *member; /* of the answer, to be shown alone to people; NULL = all of it */
	const char *columns; /* of the member, when it is a list; NULL = what its elements have */
	vtap_command_run run; /* NULL = vtap_cmd_call() */
	const char *help;
};

struct vtap_noun {
	const char *name; /* ends the table when NULL; that of its kind, where it has one */
	const char
	    *verbs; /* all that it has, separated by blanks, as they are shown; special ones come before shared ones */
	const char *columns; /* of lists, see cli/render.h */
	const char *help; /* NULL = the kind's */
};

extern const struct vtap_noun vtap_nouns[];
extern const struct vtap_command vtap_commands_shared[]; /* verbs of several nouns */
extern const struct vtap_command vtap_commands_special[]; /* of one noun, or without noun */
extern const struct vtap_option vtap_options_general[]; /* taken by every command */
extern const struct vtap_option vtap_options_watch[];
extern const struct vtap_option vtap_options_dry_run[];
extern const struct vtap_option vtap_options_reset[];
extern const struct vtap_option vtap_options_list[];

/* Also by plural. NULL. */
const struct vtap_noun *vtap_noun_find(const char *name);
/* NULL for nouns that are no kinds of the model. */
const struct vtap_kind *vtap_noun_kind(const struct vtap_noun *noun);
/* The collection's name in paths: "sessions". */
const char *vtap_noun_plural(const struct vtap_noun *noun);
const char *vtap_noun_help(const struct vtap_noun *noun);
/* noun = NULL: of those that stand alone. NULL. */
const struct vtap_command *vtap_command_find(const struct vtap_noun *noun, const char *verb);
/* All of a noun (NULL: that stand alone), hidden ones left out; previous = NULL begins, NULL ends. */
const struct vtap_command *vtap_command_next(const struct vtap_noun *noun, const struct vtap_command *previous);
/* The tables of options that the command takes, its own first; at most VTAP_COMMAND_TABLES. Returns how many. */
#define VTAP_COMMAND_TABLES 6
size_t vtap_command_tables(const struct vtap_command *command,
			   const struct vtap_option *ret_tables[VTAP_COMMAND_TABLES]);
/* Finds an option by its name, or by its letter for a name of one character. NULL. */
const struct vtap_option *vtap_command_option(const struct vtap_command *command, const char *name);
/* The general ones alone, which may stand in front of the noun. */
const struct vtap_option *vtap_option_general(const char *name);
