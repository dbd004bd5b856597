/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/names.h"

#include <stdio.h>
#include <string.h>

#include "cli/ask.h"

#define KINDS_MAX 32

struct search {
	bool wanted[KINDS_MAX]; /* by place in vtap_kinds */
	const char *own; /* the id of the value itself: no reference; NULL = it is a list */
};

/* Texts that are ids, wherever they stand. The recursion is as deep as the answer. */
static void collect(struct search *s, const json_t *value)
{
	const char *text = json_string_value(value), *key;
	const struct vtap_kind *kind = text ? vtap_kind_of_id(text) : NULL;
	const json_t *item;
	size_t i;

	if (kind && kind - vtap_kinds < KINDS_MAX && !(s->own && strcmp(s->own, text) == 0))
		s->wanted[kind - vtap_kinds] = true;
	json_array_foreach(value, i, item) collect(s, item);
	json_object_foreach((json_t *)value, key, item) if (strcmp(key, "id") != 0) collect(s, item);
}

static void names_add(json_t *names, const json_t *page)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(page, "items"), i, item)
	{
		const char *id = json_string_value(json_object_get(item, "id"));
		json_t *name = json_object_get(item, "name");

		if (id && json_is_string(name))
			json_object_set(names, id, name);
	}
}

json_t *vtap_names_find(struct vtap_cli *cli, const json_t *values)
{
	struct search s = {.own = json_string_value(json_object_get(values, "id"))};
	json_t *names = json_object();

	if (cli->output != VTAP_OUTPUT_TABLE)
		return names;
	collect(&s, values);
	for (const struct vtap_kind *k = vtap_kinds; k->name && k - vtap_kinds < KINDS_MAX; k++) {
		struct vtap_refusal refusal = {};
		struct vtap_ask ask = {.method = "GET"};
		json_t *page = NULL;
		char path[64];

		if (!s.wanted[k - vtap_kinds] || (k->flags & VTAP_KIND_INSIDE))
			continue;
		snprintf(path, sizeof(path), "/v1/%s?limit=%d", k->plural, VTAP_NAMES_MAX);
		ask.path = path;
		if (vtap_ask_try(cli, &ask, &page, &refusal) == VTAP_EXIT_DONE)
			names_add(names, page);
		json_decref(page);
	}
	return names;
}
