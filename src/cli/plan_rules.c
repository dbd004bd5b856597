/* SPDX-License-Identifier: Apache-2.0 */

/* The rules of a filter are replaced as a whole: one edit or a thousand are one step. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/plan_private.h"

#define KEY_STRLEN 32

static bool is_nothing(const json_t *value)
{
	const char *text = json_string_value(value);

	return !value || json_is_null(value) || (text && !*text) ||
	       (json_is_object(value) && json_object_size(value) == 0);
}

/* What a person can say of a rule, in one form. */
static json_t *essence(const json_t *rule)
{
	const struct vtap_kind *kind = vtap_kind_find("rule");
	const struct vtap_attribute *a = NULL;
	json_t *result = json_object();

	while ((a = vtap_kind_next_attribute(kind, a))) {
		json_t *value = json_object_get(rule, a->name);

		if (!is_nothing(value) && !(a->flags & VTAP_ATTRIBUTE_COMPUTED) && strcmp(a->name, "filter") != 0)
			json_object_set(result, a->name, value);
	}
	return result;
}

/* "in 10": where it stands in the filter. */
static const char *key_of(const json_t *rule, char buffer[KEY_STRLEN])
{
	const char *direction = json_string_value(json_object_get(rule, "direction"));

	snprintf(buffer, KEY_STRLEN, "%s %" JSON_INTEGER_FORMAT, direction ? direction : "",
		 json_integer_value(json_object_get(rule, "number")));
	return buffer;
}

static int rule_read(struct vtap_planner *p, size_t index, const json_t *rule, json_t *ret_by_key)
{
	const struct vtap_kind *kind = vtap_kind_find("rule");
	json_t *input = json_is_object(rule) ? json_copy((json_t *)rule) : NULL, *desired = NULL;
	char field[sizeof(p->reterr->field)], key[KEY_STRLEN], filter[VTAP_ID_STRLEN];
	struct vtap_normalize n = {.kind = kind, .input = input, .resolve = vtap_planner_resolve, .userdata = p};
	struct vtap_error error = {};
	int r;

	snprintf(field, sizeof(field), "rules[%zu]", index);
	if (!input)
		return vtap_planner_fail(p, -EINVAL, field, "must be a mapping that describes a rule");
	if (json_object_get(input, "filter"))
		r = vtap_planner_fail(p, -EINVAL, field, "the filter is the one that the rule stands in: leave it out");
	else
		r = json_object_set_new(
		    input, "filter", json_string(vtap_id_make(vtap_kind_find("filter"), "00000000000000000", filter)));
	if (r == 0) {
		r = vtap_resource_normalize(&n, &desired, &error);
		snprintf(field, sizeof(field), "rules[%zu]%s%.60s", index, *error.field ? "." : "", error.field);
		if (r < 0)
			r = vtap_planner_fail(p, r, field, error.text);
	}
	if (r >= 0 && json_object_get(ret_by_key, key_of(desired, key)))
		r = vtap_planner_fail(p, -EINVAL, field, "another rule of the filter has this direction and number");
	if (r >= 0)
		r = json_object_set_new(ret_by_key, key, essence(desired)) < 0 ? -ENOMEM : 0;
	json_decref(input);
	json_decref(desired);
	return r;
}

/* Rules that only one side has, and those that differ. */
static json_t *rules_compare(const struct vtap_planner *p, const json_t *before, const json_t *after)
{
	json_t *changes = json_array();
	const json_t *rule;
	const char *key;
	char path[KEY_STRLEN + 8];

	json_object_foreach((json_t *)after, key, rule)
	{
		const json_t *old = json_object_get(before, key);

		snprintf(path, sizeof(path), "rule %s", key);
		if (!old || !json_equal(old, rule))
			vtap_planner_change(p, changes, path, old, rule);
	}
	json_object_foreach((json_t *)before, key, rule)
	{
		snprintf(path, sizeof(path), "rule %s", key);
		if (!json_object_get(after, key))
			vtap_planner_change(p, changes, path, rule, NULL);
	}
	return changes;
}

int vtap_planner_rules(struct vtap_planner *p, const char *name, const json_t *rules, const json_t *current,
		       bool *ret_changed)
{
	json_t *before = json_object(), *after = json_object(), *changes = NULL;
	const json_t *rule;
	char key[KEY_STRLEN];
	size_t i;
	int r = 0;

	json_array_foreach(rules, i, rule)
	{
		r = rule_read(p, i, rule, after);
		if (r < 0)
			goto out;
	}
	json_array_foreach(current, i, rule) json_object_set_new(before, key_of(rule, key), essence(rule));
	changes = rules_compare(p, before, after);
	if (json_array_size(changes) > 0) {
		*ret_changed = true;
		r = vtap_planner_step(p, VTAP_STEP_RULES, name, json_pack("{s:O}", "rules", rules),
				      json_incref(changes));
	}
out:
	json_decref(before);
	json_decref(after);
	json_decref(changes);
	return r;
}
