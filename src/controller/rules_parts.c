/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/change_private.h"
#include "controller/rules_private.h"
#include "model/value.h"

/* What a chunk has of a rule: the kind's own members that are not null, but for the filter. */
static int rule_part(const json_t *resource, const char *id, json_t **ret_rule)
{
	const struct vtap_kind *kind = vtap_kind_find("rule");
	json_t *rule = json_object();
	int r;

	r = json_object_set_new(rule, "id", json_string(id));
	for (const struct vtap_attribute *a = kind->attributes; a->name; a++) {
		json_t *value = json_object_get(resource, a->name);

		if (value && !json_is_null(value) && strcmp(a->name, "filter") != 0)
			r |= json_object_set(rule, a->name, value);
	}
	if (r < 0) {
		json_decref(rule);
		return -ENOMEM;
	}
	*ret_rule = rule;
	return 0;
}

static bool is_same(const json_t *a, const json_t *b)
{
	return a && b ? json_equal(a, b) : !a && !b;
}

/* The rest: as it was if nothing changed, else with the next version. Members that have their default are left out. */
static int note_part(struct vtap_change *c, const json_t *resource, const json_t *old, bool same_rule,
		     json_t **ret_note)
{
	static const char *const names[] = {"name", "description", "tags"};
	json_int_t version = json_integer_value(json_object_get(old, "version"));
	json_t *note = json_object();
	char now[VTAP_TIME_STRLEN];
	int r = 0;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(names); i++) {
		json_t *value = json_object_get(resource, names[i]);
		bool standard = json_is_null(value) || (json_is_object(value) && json_object_size(value) == 0) ||
				(json_is_string(value) && json_string_length(value) == 0);

		if (value && !standard)
			r |= json_object_set(note, names[i], value);
		same_rule = same_rule && is_same(json_object_get(note, names[i]), json_object_get(old, names[i]));
	}
	if (old && same_rule) {
		json_decref(note);
		*ret_note = json_incref((json_t *)old);
		return 0;
	}
	vtap_time_format(vtap_change_time_s(c), now);
	if (old && json_object_get(old, "created"))
		r |= json_object_set(note, "created", json_object_get(old, "created"));
	else
		r |= json_object_set_new(note, "created", json_string(now));
	r |= json_object_set_new(note, "updated", json_string(now));
	r |= json_object_set_new(note, "version", json_integer(version + 1));
	if (r < 0) {
		json_decref(note);
		return -ENOMEM;
	}
	*ret_note = note;
	return 0;
}

void vtap_rules_parts_done(struct vtap_rules_parts *p)
{
	json_decref(p->rule);
	json_decref(p->note);
}

int vtap_rules_parts_make(struct vtap_change *c, const json_t *resource, struct vtap_rules_parts *p)
{
	const char *id = json_string_value(json_object_get(resource, "id"));
	const struct vtap_rules *rules = c->controller->rules;
	struct vtap_rules_chunk *chunk = id ? vtap_table_get(rules->by_rule, id) : NULL;
	char hex[VTAP_ID_DIGITS + 1];
	const json_t *old_note = NULL;
	size_t i;
	int r;

	if (id)
		snprintf(p->id, sizeof(p->id), "%s", id);
	else
		vtap_id_make(vtap_kind_find("rule"), vtap_random_hex(VTAP_ID_DIGITS, hex), p->id);
	r = chunk ? vtap_rules_chunk_open(chunk) : 0;
	if (r < 0)
		return r;
	for (i = 0; chunk && !p->old_rule && i < json_array_size(chunk->rules); i++) {
		const json_t *rule = json_array_get(chunk->rules, i);

		if (strcmp(json_string_value(json_object_get(rule, "id")), id) == 0) {
			p->old_rule = rule;
			old_note = json_array_get(chunk->notes, i);
		}
	}
	r = rule_part(resource, p->id, &p->rule);
	if (r >= 0)
		r = note_part(c, resource, old_note, p->old_rule && json_equal(p->rule, p->old_rule), &p->note);
	return r;
}
