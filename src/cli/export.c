/* SPDX-License-Identifier: Apache-2.0 */

/* What there is, as a manifest. */

#include <errno.h>
#include <string.h>

#include "basic/util.h"
#include "cli/manifest.h"

static json_t *attribute_export(const struct vtap_attribute *a, const json_t *value, const json_t *names);

/* Ids to names, of what has one and nothing else of its kind has. */
static json_t *names_make(const json_t *inventory)
{
	json_t *names = json_object();
	const json_t *list, *item;
	const char *kind;
	size_t i;

	json_object_foreach((json_t *)inventory, kind, list)
	{
		json_t *ids = json_object();

		json_array_foreach(list, i, item)
		{
			const char *name = json_string_value(json_object_get(item, "name"));
			const char *id = json_string_value(json_object_get(item, "id"));
			const char *twin = name ? json_string_value(json_object_get(ids, name)) : NULL;

			if (!name || !id)
				continue;
			if (twin)
				json_object_del(names, twin);
			else
				json_object_set_new(names, id, json_string(name));
			json_object_set_new(ids, name, json_string(id));
		}
		json_decref(ids);
	}
	return names;
}

static bool is_default(const struct vtap_attribute *a, const json_t *value)
{
	json_t *standard = a->standard ? json_loads(a->standard, JSON_DECODE_ANY, NULL) : json_null();
	bool same = json_equal(standard, value);

	json_decref(standard);
	return same;
}

/* A new object with the members that are not what they would be anyway. */
static json_t *members_export(const struct vtap_attribute *table, const json_t *object, const json_t *names)
{
	json_t *result = json_object();

	for (const struct vtap_attribute *a = table; a->name; a++) {
		const json_t *value = json_object_get(object, a->name);

		if (value && !json_is_null(value) && !is_default(a, value))
			json_object_set_new(result, a->name, attribute_export(a, value, names));
	}
	return result;
}

static json_t *attribute_export(const struct vtap_attribute *a, const json_t *value, const json_t *names)
{
	const char *text = json_string_value(value);
	json_t *name = text ? json_object_get(names, text) : NULL, *list;
	const json_t *item;
	size_t i;

	if (json_is_array(value)) {
		list = json_array();
		json_array_foreach(value, i, item) json_array_append_new(list, attribute_export(a, item, names));
		return list;
	}
	if (a->type == VTAP_TYPE_OBJECT)
		return members_export(a->attributes, value, names);
	if (a->type == VTAP_TYPE_REFERENCE && name)
		return json_incref(name);
	return json_deep_copy(value);
}

/* left_out: a further attribute that is not said. */
static json_t *resource_export(const struct vtap_kind *kind, const json_t *resource, const char *left_out,
			       const json_t *names)
{
	const struct vtap_attribute *a = NULL;
	json_t *result = json_object();

	while ((a = vtap_kind_next_attribute(kind, a))) {
		const json_t *value = json_object_get(resource, a->name);
		json_t *exported;

		if ((a->flags & (VTAP_ATTRIBUTE_COMPUTED | VTAP_ATTRIBUTE_SECRET)) || !value || json_is_null(value) ||
		    is_default(a, value) || (left_out && strcmp(left_out, a->name) == 0))
			continue;
		exported = attribute_export(a, value, names);
		if (json_is_object(exported) && json_object_size(exported) == 0)
			json_decref(exported);
		else
			json_object_set_new(result, a->name, exported);
	}
	return result;
}

static json_t *rules_export(const json_t *rules, const json_t *names)
{
	json_t *result = json_array();
	const json_t *rule;
	size_t i;

	json_array_foreach(rules, i, rule)
	    json_array_append_new(result, resource_export(vtap_kind_find("rule"), rule, "filter", names));
	return result;
}

/* The tag is said by the manifest's own name. */
static void tag_remove(json_t *entry)
{
	json_t *tags = json_object_get(entry, "tags");

	json_object_del(tags, VTAP_MANIFEST_TAG);
	if (tags && json_object_size(tags) == 0)
		json_object_del(entry, "tags");
}

static json_t *entry_make(const struct vtap_kind *kind, const json_t *resource, const char *manifest,
			  const json_t *names)
{
	json_t *entry = resource_export(kind, resource, NULL, names);
	const char *id = json_string_value(json_object_get(resource, "id"));
	json_t *rules = json_object_get(resource, "rules");

	if (id && !json_object_get(names, id)) {
		json_t *identified = json_pack("{s:s}", "id", id);

		json_object_update_missing(identified, entry);
		json_decref(entry);
		entry = identified;
	}
	if (manifest)
		tag_remove(entry);
	if (rules)
		json_object_set_new(entry, "rules", rules_export(rules, names));
	return entry;
}

static bool is_of(const json_t *resource, const char *manifest)
{
	const char *tag = json_string_value(json_object_get(json_object_get(resource, "tags"), VTAP_MANIFEST_TAG));

	return !manifest || (tag && strcmp(tag, manifest) == 0);
}

int vtap_manifest_make(const json_t *inventory, const char *name, json_t **ret_values)
{
	json_t *names = names_make(inventory), *values = json_object();

	if (name)
		json_object_set_new(values, VTAP_MANIFEST_NAME, json_string(name));
	for (size_t i = 0; vtap_manifest_kinds[i]; i++) {
		const struct vtap_kind *kind = vtap_kind_find(vtap_manifest_kinds[i]);
		json_t *list = json_array();
		const json_t *item;
		size_t n;

		json_array_foreach(json_object_get(inventory, kind->name), n, item)
		{
			if (is_of(item, name))
				json_array_append_new(list, entry_make(kind, item, name, names));
		}
		if (json_array_size(list) > 0)
			json_object_set(values, kind->plural, list);
		json_decref(list);
	}
	json_decref(names);
	if (!values)
		return -ENOMEM;
	*ret_values = values;
	return 0;
}
