/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Tables show names where resources hold ids: this finds them. */

#include "cli/cli.h"

#define VTAP_NAMES_MAX 1000 /* of one kind; with more of them, the rest is shown by id */

/*
 * Looks up the names of what the values (an object, or a list of them) refer to by id, one list of the controller for each kind
 * that is met. Never fails: what cannot be found out is left out. NULL for nothing, else a new reference.
 */
json_t *vtap_names_find(struct vtap_cli *cli, const json_t *values);
