/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* JSON values as people, or other programs, like to read them. Pure but for the stream. */

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "cli/cli.h"

struct vtap_view { /* everything is borrowed */
	FILE *out;
	enum vtap_output output;
	unsigned width; /* as for vtap_grid_print() */
	bool colour;
	const json_t *names; /* ids to names, shown in their place; NULL = none are known */
};

/*
 * A list of resources in the columns "name vni=encapsulation.vni ...": the path of a member, behind its header if that shall
 * differ from the path's last word (NULL = every member that one of them has). JSON and YAML show the whole list as it is. -ENOMEM, -EIO.
 */
int vtap_render_list(const struct vtap_view *v, const json_t *items, const char *columns);
/*
 * Any value. As table: an object member by member (absent ones are left out), lists of objects and counters of both directions
 * as tables below.
 */
int vtap_render_value(const struct vtap_view *v, const json_t *value);
/* One value in one line: lists separated by commas, yes and no. NULL for lack of memory; owned by the caller. */
char *vtap_render_text(const json_t *value, const json_t *names);
/* The member that "encapsulation.vni" leads to, or NULL. */
const json_t *vtap_render_member(const json_t *object, const char *path);
