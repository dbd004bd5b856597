/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The command line, understood: which command, its arguments, its options and the resource that they describe. Pure. */

#include "cli/command.h"

struct vtap_invocation {
	const struct vtap_noun *noun; /* NULL = a command that stands alone */
	const struct vtap_command *command; /* NULL = only help or the version is wanted, or there is no command */
	const char **arguments; /* owned; the texts are borrowed from argv */
	size_t argument_count;
	json_t *resource; /* owned; what attribute options make of the resource; names to texts for a selection */
	json_t *secrets; /* owned; array of the paths of secrets that shall be asked for */
	json_t *options; /* owned; names to texts; flags to true */
};

/*
 * argv without the program's name. -EINVAL with *reterr: one sentence for wrong usage; its field is the option with its dashes.
 * What was understood until then is in *ret, too: the owner calls vtap_invocation_done() in any case.
 */
int vtap_invocation_parse(size_t argc, char *const *argv, struct vtap_invocation *ret, struct vtap_error *reterr);
void vtap_invocation_done(struct vtap_invocation *i);

/* The text of an option, NULL if it was not given. */
const char *vtap_invocation_text(const struct vtap_invocation *i, const char *option);
bool vtap_invocation_flag(const struct vtap_invocation *i, const char *option);
/* The value of an option that the parser has checked to be a number. */
uint64_t vtap_invocation_number(const struct vtap_invocation *i, const char *option, uint64_t otherwise);
const struct vtap_kind *vtap_invocation_kind(const struct vtap_invocation *i);

/* What is asked of the controller. */
struct vtap_request {
	const char *method; /* borrowed */
	char *path; /* owned; with query, encoded */
	char *body; /* owned; JSON; NULL = none */
};
/*
 * Makes the command's request for one of its arguments (NULL where it takes none). body = NULL: what the options say.
 * -ENOMEM only.
 */
int vtap_request_make(const struct vtap_invocation *i, const char *argument, const json_t *body,
		      struct vtap_request *ret);
void vtap_request_done(struct vtap_request *r);
/* "/v1/sessions/{}" with the argument as one encoded segment; NULL for lack of memory. Owned by the caller. */
char *vtap_request_path(const char *pattern, const char *plural, const char *argument);
