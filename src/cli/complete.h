/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the last word of an unfinished command line can become. Pure. */

#include <jansson.h>
#include <stddef.h>

struct vtap_candidates {
	json_t *words; /* owned; array of texts that begin like the last word */
	char kinds[96]; /* of resources whose names fit, too: names of kinds, separated by blanks; empty = none */
};

/* argv without the program's name; the last word may be empty. -ENOMEM. */
int vtap_complete_find(size_t argc, const char *const *argv, struct vtap_candidates *ret);
void vtap_complete_done(struct vtap_candidates *c);

/* The completion script of "bash" or "zsh", which asks `vtap complete`; NULL for another shell. */
const char *vtap_complete_script(const char *shell);
