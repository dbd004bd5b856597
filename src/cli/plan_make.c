/* SPDX-License-Identifier: Apache-2.0 */

/* Goes through a manifest, kind by kind. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "basic/util.h"
#include "cli/plan_private.h"

static void planner_done(struct vtap_planner *p)
{
	vtap_plan_done(&p->plan);
	json_decref(p->ids);
	json_decref(p->names);
	json_decref(p->there);
	json_decref(p->late);
	json_decref(p->kept);
}

static int known_add(struct vtap_planner *p, const struct vtap_kind *kind, const char *name, const char *id)
{
	json_t *by_name = json_object_get(p->ids, kind->name), *list;

	if (!name)
		return 0;
	if (!by_name) {
		by_name = json_object();
		json_object_set_new(p->ids, kind->name, by_name);
	}
	list = json_object_get(by_name, name);
	if (!list) {
		list = json_array();
		json_object_set_new(by_name, name, list);
	}
	if (json_array_append_new(list, json_string(id)) < 0)
		return -ENOMEM;
	return json_object_set_new(p->names, id, json_string(name)) < 0 ? -ENOMEM : 0;
}

static const json_t *known_get(const struct vtap_planner *p, const struct vtap_kind *kind, const char *name)
{
	return json_object_get(json_object_get(p->ids, kind->name), name);
}

static int there_add(struct vtap_planner *p, const struct vtap_kind *kind)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(p->inventory, kind->name), i, item)
	{
		const char *id = vtap_text(item, "id");

		if (!id)
			continue;
		if (json_object_set(p->there, id, item) < 0 || known_add(p, kind, vtap_text(item, "name"), id) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* An id of our own stands for each name that the manifest adds. */
static int added_add(struct vtap_planner *p, const struct vtap_kind *kind)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(p->manifest->values, kind->plural), i, item)
	{
		const char *name = vtap_text(item, "name");
		char hex[VTAP_ID_DIGITS + 1], id[VTAP_ID_STRLEN];

		if (!name || known_get(p, kind, name))
			continue;
		snprintf(hex, sizeof(hex), "ffffffff%09x", p->drawn++);
		if (known_add(p, kind, name, vtap_id_make(kind, hex, id)) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int names_collect(struct vtap_planner *p)
{
	int r = 0;

	for (size_t n = 0; vtap_manifest_kinds[n] && r >= 0; n++) {
		const struct vtap_kind *kind = vtap_kind_find(vtap_manifest_kinds[n]);

		r = there_add(p, kind);
		if (r >= 0)
			r = added_add(p, kind);
	}
	return r;
}

int vtap_planner_resolve(const char *kinds, const char *text, char ret_id[VTAP_ID_STRLEN], struct vtap_error *reterr,
			 void *planner)
{
	const struct vtap_kind *kind = vtap_kind_of_id(text);
	const struct vtap_planner *p = planner;
	char shown[VTAP_ERROR_QUOTE_STRLEN];
	const char *found = NULL, *other = NULL;

	if (kind && vtap_kind_is_among(kind, kinds)) {
		snprintf(ret_id, VTAP_ID_STRLEN, "%s", text);
		return 0;
	}
	for (const struct vtap_kind *k = vtap_kinds; k->name; k++) {
		const json_t *ids = vtap_kind_is_among(k, kinds) ? known_get(p, k, text) : NULL;
		const json_t *id;
		size_t i;

		json_array_foreach(ids, i, id)
		{
			other = found;
			found = json_string_value(id);
		}
	}
	vtap_error_quote(text, shown);
	if (!found)
		return vtap_error_set(reterr, -ENOENT, 0, NULL, "\"%s\" is neither in the manifest nor known", shown);
	if (other)
		return vtap_error_set(reterr, -ENOTUNIQ, 0, NULL, "\"%s\" can mean %s and %s: use the id", shown, other,
				      found);
	snprintf(ret_id, VTAP_ID_STRLEN, "%s", found);
	return 0;
}

/* The resource that the entry means: by its name, or by its id, which must be there. */
static int current_find(struct vtap_planner *p, const json_t *entry, const json_t **ret_current)
{
	const char *name = vtap_text(entry, "name"), *id = vtap_text(entry, "id");
	const json_t *ids = name ? known_get(p, p->kind, name) : NULL;

	*ret_current = NULL;
	if (json_array_size(ids) > 1)
		return vtap_planner_fail(p, -ENOTUNIQ, "name",
					 "is the name of several resources in different projects: use --project");
	if (ids)
		id = json_string_value(json_array_get(ids, 0));
	if (id)
		*ret_current = json_object_get(p->there, id);
	if (!ids && !*ret_current)
		return vtap_planner_fail(p, -ENOENT, "id", "is not there; what shall be created needs a name instead");
	return 0;
}

/* What the entry says of the resource, with the manifest's tag. */
static json_t *input_make(const struct vtap_planner *p, const json_t *entry, const json_t *current)
{
	const char *tag = p->manifest->name;
	json_t *input = json_copy((json_t *)entry), *tags = json_object_get(entry, "tags");

	json_object_del(input, "id");
	if (strcmp(p->kind->name, "filter") == 0)
		json_object_del(input, "rules");
	if (!tag)
		tag = vtap_text(json_object_get(current, "tags"), VTAP_MANIFEST_TAG);
	if (!tag || (tags && !json_is_object(tags) && !json_is_null(tags)))
		return input;
	tags = json_is_object(tags) ? json_copy(tags) : json_object();
	json_object_set_new(tags, VTAP_MANIFEST_TAG, json_string(tag));
	json_object_set_new(input, "tags", tags);
	return input;
}

static int secrets_refuse(struct vtap_planner *p, const json_t *input)
{
	const struct vtap_attribute *a = NULL;

	while ((a = vtap_kind_next_attribute(p->kind, a)))
		if ((a->flags & VTAP_ATTRIBUTE_SECRET) && json_object_get(input, a->name))
			return vtap_planner_fail(p, -EINVAL, a->name,
						 "secrets are nothing for a manifest: use vtap user password");
	return 0;
}

static int owner_check(struct vtap_planner *p, const json_t *current)
{
	const char *owner = vtap_text(json_object_get(current, "tags"), VTAP_MANIFEST_TAG);
	char text[300];

	if (!owner || !p->manifest->name || strcmp(owner, p->manifest->name) == 0)
		return 0;
	snprintf(text, sizeof(text),
		 "belongs to the manifest %.60s; take it out there, or change its tag %s to %.60s with vtap %s update",
		 owner, VTAP_MANIFEST_TAG, p->manifest->name, p->kind->name);
	return vtap_planner_fail(p, -EINVAL, "", text);
}

/* An interface without a network of its own is in its subnet's, which the controller fills in. */
static int network_follow(const struct vtap_planner *p, const json_t *input, json_t *desired)
{
	const char *subnet = vtap_text(desired, "subnet");
	json_t *network = subnet ? json_object_get(json_object_get(p->there, subnet), "network") : NULL;

	if (!network || strcmp(p->kind->name, "interface") != 0 || json_is_string(json_object_get(input, "network")))
		return 0;
	return json_object_set(desired, "network", network) < 0 ? -ENOMEM : 0;
}

static int entry_compare(struct vtap_planner *p, const json_t *entry, const json_t *input, const json_t *current)
{
	struct vtap_normalize n = {.kind = p->kind, .input = input, .resolve = vtap_planner_resolve, .userdata = p};
	const char *name = vtap_text(input, "name") ? vtap_text(input, "name") : vtap_text(entry, "id");
	const json_t *rules = strcmp(p->kind->name, "filter") == 0 ? json_object_get(entry, "rules") : NULL;
	struct vtap_error error = {};
	json_t *desired = NULL;
	bool changed = !current;
	int r;

	r = vtap_resource_normalize(&n, &desired, &error);
	if (r < 0)
		return vtap_planner_fail(p, r, error.field, error.text);
	r = network_follow(p, input, desired);
	if (r >= 0)
		r = current ? vtap_planner_update(p, name, input, desired, current, &changed)
			    : vtap_planner_create(p, name, input, desired);
	json_decref(desired);
	if (r >= 0 && rules)
		r = vtap_planner_rules(p, name, rules, json_object_get(current, "rules"), &changed);
	p->plan.unchanged += r >= 0 && !changed;
	return r;
}

static int entry_plan(struct vtap_planner *p, const json_t *entry)
{
	const json_t *current;
	json_t *input;
	int r;

	r = current_find(p, entry, &current);
	if (r >= 0)
		r = owner_check(p, current);
	if (r < 0)
		return r;
	if (current)
		json_object_set_new(p->kept, vtap_text(current, "id"), json_true());
	p->version = json_integer_value(json_object_get(current, "version"));
	input = input_make(p, entry, current);
	r = secrets_refuse(p, input);
	if (r >= 0)
		r = entry_compare(p, entry, input, current);
	json_decref(input);
	return r;
}

static int late_plan(struct vtap_planner *p)
{
	const json_t *late;
	size_t i;
	int r = 0;

	p->version = 0;
	json_array_foreach(p->late, i, late)
	{
		p->kind = vtap_kind_find(vtap_text(late, "kind"));
		r = vtap_planner_step(p, VTAP_STEP_UPDATE, vtap_text(late, "name"),
				      json_incref(json_object_get(late, "body")), json_array());
		if (r < 0)
			return r;
	}
	return 0;
}

/* What belongs to no project may be another project's concern: a manifest of the same name could have made it there. */
static bool is_pruned(const struct vtap_planner *p, const json_t *resource)
{
	const char *tag = vtap_text(json_object_get(resource, "tags"), VTAP_MANIFEST_TAG),
		   *id = vtap_text(resource, "id");

	return !(p->kind->flags & VTAP_KIND_GLOBAL) && id && tag && strcmp(tag, p->manifest->name) == 0 &&
	       !json_object_get(p->kept, id);
}

/* References to later kinds would keep these from being deleted. */
static int late_reset(struct vtap_planner *p, const json_t *resource)
{
	const struct vtap_attribute *a = NULL;
	json_t *body = json_object();

	while ((a = vtap_kind_next_attribute(p->kind, a)))
		if (vtap_manifest_is_late(p->kind, a) &&
		    !(a->flags & (VTAP_ATTRIBUTE_REQUIRED | VTAP_ATTRIBUTE_COMPUTED)) &&
		    json_array_size(json_object_get(resource, a->name)) > 0)
			json_object_set_new(body, a->name, json_null());
	if (json_object_size(body) > 0)
		return vtap_planner_step(p, VTAP_STEP_UPDATE, vtap_text(resource, "id"), body, json_array());
	json_decref(body);
	return 0;
}

static int delete_plan(struct vtap_planner *p, const json_t *resource)
{
	const char *name = vtap_text(resource, "name");

	/* By id: nothing else could be meant, even if something was renamed meanwhile. */
	json_t *changes =
	    json_pack("[{s:s,s:s,s:n}]", "path", "name", "before", name ? name : vtap_text(resource, "id"), "after");

	return vtap_planner_step(p, VTAP_STEP_DELETE, vtap_text(resource, "id"), NULL, changes);
}

/* Last what others refer to. */
static int prune_plan(struct vtap_planner *p, int (*plan)(struct vtap_planner *p, const json_t *resource))
{
	size_t count = 0, i;
	const json_t *item;
	int r;

	while (vtap_manifest_kinds[count])
		count++;
	while (count-- > 0) {
		p->kind = vtap_kind_find(vtap_manifest_kinds[count]);
		json_array_foreach(json_object_get(p->inventory, p->kind->name), i, item)
		{
			p->version = json_integer_value(json_object_get(item, "version"));
			r = is_pruned(p, item) ? plan(p, item) : 0;
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int kinds_plan(struct vtap_planner *p)
{
	int r = 0;

	for (size_t n = 0; vtap_manifest_kinds[n]; n++) {
		const json_t *entry;

		p->kind = vtap_kind_find(vtap_manifest_kinds[n]);
		json_array_foreach(json_object_get(p->manifest->values, p->kind->plural), p->index, entry)
		{
			r = entry_plan(p, entry);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int vtap_plan_make(const struct vtap_manifest *manifest, const json_t *inventory, bool prune, struct vtap_plan *ret,
		   struct vtap_error *reterr)
{
	VTAP_CLEANUP(planner_done)
	struct vtap_planner p = {
	    .manifest = manifest,
	    .inventory = inventory,
	    .reterr = reterr,
	    .ids = json_object(),
	    .names = json_object(),
	    .there = json_object(),
	    .late = json_array(),
	    .kept = json_object(),
	};
	int r;

	if (!p.ids || !p.names || !p.there || !p.late || !p.kept)
		return -ENOMEM;
	if (prune && !manifest->name)
		return vtap_error_set(reterr, -EINVAL, 0, VTAP_MANIFEST_NAME,
				      "is needed by --prune: the manifest's name tells what it has made");
	r = names_collect(&p);
	if (r >= 0)
		r = kinds_plan(&p);
	if (r >= 0)
		r = late_plan(&p);
	if (r >= 0 && prune)
		r = prune_plan(&p, late_reset);
	if (r >= 0 && prune)
		r = prune_plan(&p, delete_plan);
	if (r < 0)
		return r;
	*ret = p.plan;
	p.plan = (struct vtap_plan){};
	return 0;
}
