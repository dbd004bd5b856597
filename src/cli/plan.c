/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "basic/util.h"
#include "cli/plan_private.h"
#include "model/yaml.h"

/* The controller fills these in, or follows what agents report: silence about them is no wish. */
static const char *const assigned[] = {
    "session.encapsulation.vni", "interface.host",     "interface.device", "interface.side", "interface.mac",
    "interface.addresses",       "project.account_id",
};

const char *vtap_step_action_name(enum vtap_step_action action)
{
	static const char *const names[VTAP_STEP_MAX] = {"create", "update", "rules", "delete"};

	return names[action];
}

void vtap_plan_done(struct vtap_plan *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->steps[i].name);
		json_decref(p->steps[i].body);
		json_decref(p->steps[i].changes);
	}
	free(p->steps);
	*p = (struct vtap_plan){};
}

int vtap_planner_fail(const struct vtap_planner *p, int code, const char *field, const char *text)
{
	const json_t *lines =
	    vtap_yaml_lines_element(vtap_yaml_lines_member(p->manifest->lines, p->kind->plural), p->index);
	char place[sizeof(p->reterr->field)], step[sizeof(p->reterr->field)];
	const json_t *below = lines;

	snprintf(place, sizeof(place), "%s[%zu]%s%s", p->kind->plural, p->index, *field ? "." : "", field);
	/* As deep as the file goes: a member that is missing has the line of what it is missing in. */
	while (below && *field) {
		size_t length = strcspn(field, ".[");

		lines = below;
		if (*field == '[') {
			below = vtap_yaml_lines_element(lines, strtoul(field + 1, NULL, 10));
			field += strcspn(field, "]") + (strchr(field, ']') != NULL);
		} else {
			snprintf(step, sizeof(step), "%.*s", (int)length, field);
			below = vtap_yaml_lines_member(lines, step);
			field += length;
		}
		field += *field == '.';
	}
	return vtap_error_set(p->reterr, code, vtap_yaml_line(below ? below : lines), place, "%s", text);
}

int vtap_planner_step(struct vtap_planner *p, enum vtap_step_action action, const char *name, json_t *body,
		      json_t *changes)
{
	struct vtap_plan *plan = &p->plan;
	char *copy = strdup(name);

	if (plan->count == plan->space) {
		size_t space = VTAP_MAX(2 * plan->space, (size_t)16);
		struct vtap_step *grown = reallocarray(plan->steps, space, sizeof(*grown));

		if (!grown) {
			free(copy);
			copy = NULL;
		} else {
			plan->steps = grown;
			plan->space = space;
		}
	}
	if (!copy) {
		json_decref(body);
		json_decref(changes);
		return -ENOMEM;
	}
	plan->steps[plan->count++] = (struct vtap_step){
	    .action = action,
	    .kind = p->kind,
	    .name = copy,
	    .version = p->version,
	    .body = body,
	    .changes = changes,
	};
	return 0;
}

/* Ids in texts and lists become the names that people know. */
static json_t *readable(const struct vtap_planner *p, const json_t *value)
{
	const char *text = json_string_value(value), *key;
	json_t *name = text ? json_object_get(p->names, text) : NULL, *copy;
	const json_t *item;
	size_t i;

	if (name)
		return json_incref(name);
	if (json_is_array(value)) {
		copy = json_array();
		json_array_foreach(value, i, item) json_array_append_new(copy, readable(p, item));
		return copy;
	}
	if (json_is_object(value)) {
		copy = json_object();
		json_object_foreach((json_t *)value, key, item) json_object_set_new(copy, key, readable(p, item));
		return copy;
	}
	return value ? json_deep_copy(value) : json_null();
}

void vtap_planner_change(const struct vtap_planner *p, json_t *changes, const char *path, const json_t *before,
			 const json_t *after)
{
	json_array_append_new(changes, json_pack("{s:s,s:o,s:o}", "path", path, "before", readable(p, before), "after",
						 readable(p, after)));
}

static bool is_silent(const json_t *input, const char *name)
{
	const json_t *value = json_object_get(input, name);

	return !value || json_is_null(value);
}

static bool is_assigned(const struct vtap_kind *kind, const char *path)
{
	char full[160];

	snprintf(full, sizeof(full), "%s.%.120s", kind->name, path);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(assigned); i++)
		if (strcmp(assigned[i], full) == 0)
			return true;
	return false;
}

struct difference { /* one level of a comparison */
	const struct vtap_planner *planner;
	const json_t *input, *desired, *current;
	const char *prefix; /* of the paths, with its dot */
	json_t *patch, *changes;
};

static int attribute_compare(const struct difference *d, const struct vtap_attribute *a);

static int object_compare(const struct difference *d, const struct vtap_attribute *a, const char *path)
{
	json_t *patch = json_object();
	char prefix[160];
	struct difference below = {
	    .planner = d->planner,
	    .input = json_object_get(d->input, a->name),
	    .desired = json_object_get(d->desired, a->name),
	    .current = json_object_get(d->current, a->name),
	    .prefix = prefix,
	    .patch = patch,
	    .changes = d->changes,
	};
	int r = 0;

	snprintf(prefix, sizeof(prefix), "%.90s.", path);
	for (const struct vtap_attribute *m = a->attributes; m->name && r >= 0; m++)
		r = attribute_compare(&below, m);
	if (json_object_size(patch) > 0)
		json_object_set(d->patch, a->name, patch);
	json_decref(patch);
	return r;
}

/* Puts what must change into the patch: what the manifest says, or null where it is silent. */
static int attribute_compare(const struct difference *d, const struct vtap_attribute *a)
{
	const json_t *desired = json_object_get(d->desired, a->name), *current = json_object_get(d->current, a->name);
	json_t *said = json_object_get(d->input, a->name);
	char path[160], text[160], shown[VTAP_ERROR_QUOTE_STRLEN];
	const struct vtap_planner *p = d->planner;

	if (a->flags & (VTAP_ATTRIBUTE_COMPUTED | VTAP_ATTRIBUTE_SECRET))
		return 0;
	snprintf(path, sizeof(path), "%.100s%.50s", d->prefix, a->name);
	if (json_equal(desired, current) ||
	    ((!desired || json_is_null(desired)) && (!current || json_is_null(current))))
		return 0;
	if (is_silent(d->input, a->name) && is_assigned(p->kind, path))
		return 0;
	if (a->type == VTAP_TYPE_OBJECT && !(a->flags & VTAP_ATTRIBUTE_LIST) && json_is_object(current))
		return object_compare(d, a, path);
	if (a->flags & VTAP_ATTRIBUTE_IMMUTABLE) {
		const char *is = json_string_value(current),
			   *name = is ? json_string_value(json_object_get(p->names, is)) : NULL;

		snprintf(text, sizeof(text), "cannot be changed%s%s; delete the resource first, or use another name",
			 is ? ": it is " : "", is ? vtap_error_quote(name ? name : is, shown) : "");
		return vtap_planner_fail(p, -EINVAL, path, text);
	}
	json_object_set_new(d->patch, a->name, is_silent(d->input, a->name) ? json_null() : json_incref(said));
	vtap_planner_change(p, d->changes, path, current, desired);
	return 0;
}

/* A change of what is there. Nothing is planned where nothing differs. */
int vtap_planner_update(struct vtap_planner *p, const char *name, const json_t *input, const json_t *desired,
			const json_t *current, bool *ret_changed)
{
	json_t *patch = json_object(), *changes = json_array();
	struct difference d = {
	    .planner = p,
	    .input = input,
	    .desired = desired,
	    .current = current,
	    .prefix = "",
	    .patch = patch,
	    .changes = changes,
	};
	const struct vtap_attribute *a = NULL;
	int r = 0;

	while (r >= 0 && (a = vtap_kind_next_attribute(p->kind, a)))
		r = attribute_compare(&d, a);
	if (r < 0 || json_object_size(patch) == 0) {
		json_decref(patch);
		json_decref(changes);
		return r;
	}
	*ret_changed = true;
	return vtap_planner_step(p, VTAP_STEP_UPDATE, name, patch, changes);
}

/* What refers to things that may come later is left for a step of its own. */
int vtap_planner_create(struct vtap_planner *p, const char *name, const json_t *input, const json_t *desired)
{
	json_t *body = json_copy((json_t *)input), *late = json_object(), *changes = json_array();
	const struct vtap_attribute *a = NULL;

	while ((a = vtap_kind_next_attribute(p->kind, a))) {
		json_t *said = json_object_get(input, a->name);

		if (!said || json_is_null(said))
			continue;
		vtap_planner_change(p, changes, a->name, NULL, json_object_get(desired, a->name));
		if (!vtap_manifest_is_late(p->kind, a) || (a->flags & VTAP_ATTRIBUTE_REQUIRED))
			continue;
		json_object_set(late, a->name, said);
		json_object_del(body, a->name);
	}
	if (json_object_size(late) > 0)
		json_array_append_new(p->late,
				      json_pack("{s:s,s:s,s:O}", "kind", p->kind->name, "name", name, "body", late));
	json_decref(late);
	return vtap_planner_step(p, VTAP_STEP_CREATE, name, body, changes);
}
