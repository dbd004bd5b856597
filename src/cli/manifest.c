/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/manifest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "basic/util.h"
#include "model/yaml.h"

const char *const vtap_manifest_kinds[] = {
    "project",   "user", "host",   "network", "subnet",  "gateway", "guest",
    "interface", "wire", "target", "filter",  "session", NULL,
};

struct reader {
	struct vtap_error *reterr;
	const json_t *lines;
};

static int order_of(const char *kind)
{
	for (int i = 0; vtap_manifest_kinds[i]; i++)
		if (strcmp(vtap_manifest_kinds[i], kind) == 0)
			return i;
	return -1;
}

bool vtap_manifest_is_late(const struct vtap_kind *kind, const struct vtap_attribute *attribute)
{
	int own = order_of(kind->name);

	for (int i = own; own >= 0 && attribute->kinds && vtap_manifest_kinds[i]; i++)
		if (vtap_kind_is_among(vtap_kind_find(vtap_manifest_kinds[i]), attribute->kinds))
			return true;
	for (const struct vtap_attribute *a = attribute->attributes; a && a->name; a++)
		if (vtap_manifest_is_late(kind, a))
			return true;
	return false;
}

static int key_check(const struct reader *r, const char *key)
{
	static const struct {
		const char *plural, *instead;
	} refused[] = {
	    {"keys", "keys have secrets: use vtap key create"},
	    {"rules", "rules stand inside their filter"},
	};
	unsigned line = vtap_yaml_line(vtap_yaml_lines_member(r->lines, key));
	const struct vtap_kind *kind = vtap_kind_by_plural(key);
	char shown[VTAP_ERROR_QUOTE_STRLEN];

	if (strcmp(key, VTAP_MANIFEST_NAME) == 0 || (kind && order_of(kind->name) >= 0))
		return 0;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(refused); i++)
		if (strcmp(refused[i].plural, key) == 0)
			return vtap_error_set(r->reterr, -EINVAL, line, key, "%s", refused[i].instead);
	return vtap_error_set(r->reterr, -EINVAL, line, NULL,
			      "\"%s\" is no kind of resource in the plural, such as sessions",
			      vtap_error_quote(key, shown));
}

/* A resource is known by its name, or by its id where it has none. */
static int entry_check(const struct reader *r, const char *plural, size_t index, const json_t *entry, json_t *known)
{
	unsigned line = vtap_yaml_line(vtap_yaml_lines_element(vtap_yaml_lines_member(r->lines, plural), index));
	const json_t *name = json_object_get(entry, "name"), *id = json_object_get(entry, "id");
	const char *text = json_string_value(json_is_null(name) || !name ? id : name);
	char place[sizeof(r->reterr->field)], shown[VTAP_ERROR_QUOTE_STRLEN];

	snprintf(place, sizeof(place), "%s[%zu]", plural, index);
	if (!json_is_object(entry))
		return vtap_error_set(r->reterr, -EINVAL, line, place, "must be a mapping that describes a resource");
	if (!text)
		return vtap_error_set(r->reterr, -EINVAL, line, place,
				      "needs a name; an id serves only for a resource that is there and has no name");
	if (json_object_get(known, text))
		return vtap_error_set(r->reterr, -EINVAL, line, place, "\"%s\" appears twice",
				      vtap_error_quote(text, shown));
	if (json_object_get(entry, "rules") && !json_is_array(json_object_get(entry, "rules")))
		return vtap_error_set(r->reterr, -EINVAL, line, place, "rules must be a list");
	return json_object_set_new(known, text, json_true()) < 0 ? -ENOMEM : 0;
}

static int list_check(const struct reader *r, const char *plural, const json_t *list)
{
	unsigned line = vtap_yaml_line(vtap_yaml_lines_member(r->lines, plural));
	json_t *known = json_object();
	const json_t *entry;
	size_t i;
	int error = 0;

	if (!json_is_array(list))
		error = vtap_error_set(r->reterr, -EINVAL, line, plural, "must be a list of resources");
	json_array_foreach(list, i, entry)
	{
		error = entry_check(r, plural, i, entry, known);
		if (error < 0)
			break;
	}
	json_decref(known);
	return error;
}

static int name_check(const struct reader *r, const json_t *name)
{
	const char *text = json_string_value(name);
	char shown[VTAP_ERROR_QUOTE_STRLEN];
	size_t length = text ? strlen(text) : 0;

	if (length >= 1 && length <= 63 &&
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == length)
		return 0;
	return vtap_error_set(r->reterr, -EINVAL, vtap_yaml_line(vtap_yaml_lines_member(r->lines, VTAP_MANIFEST_NAME)),
			      VTAP_MANIFEST_NAME, "must be a name of 1 to 63 letters, digits, '.', '_' and '-'%s%s",
			      text ? ", not " : "", text ? vtap_error_quote(text, shown) : "");
}

static int form_check(const struct vtap_yaml *yaml, struct vtap_error *reterr)
{
	struct reader reader = {.reterr = reterr, .lines = yaml->lines};
	const json_t *value;
	const char *key;
	int r = 0;

	if (!json_is_object(yaml->values) && !json_is_null(yaml->values))
		return vtap_error_set(reterr, -EINVAL, vtap_yaml_line(yaml->lines), NULL,
				      "must be a mapping with keys such as sessions, targets and filters");
	json_object_foreach(yaml->values, key, value)
	{
		r = key_check(&reader, key);
		if (r >= 0 && strcmp(key, VTAP_MANIFEST_NAME) == 0)
			r = name_check(&reader, value);
		else if (r >= 0 && !json_is_null(value))
			r = list_check(&reader, key, value);
		if (r < 0)
			return r;
	}
	return 0;
}

int vtap_manifest_read(const char *text, size_t size_bytes, struct vtap_manifest *ret, struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_yaml_done) struct vtap_yaml yaml = {};
	int r;

	r = vtap_yaml_parse(text, size_bytes, &yaml, reterr);
	if (r >= 0)
		r = form_check(&yaml, reterr);
	if (r < 0)
		return r;
	ret->values = VTAP_STEAL(yaml.values);
	ret->lines = VTAP_STEAL(yaml.lines);
	ret->name = json_string_value(json_object_get(ret->values, VTAP_MANIFEST_NAME));
	return 0;
}

void vtap_manifest_done(struct vtap_manifest *m)
{
	json_decref(m->values);
	json_decref(m->lines);
	*m = (struct vtap_manifest){};
}
