/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Prints the tables of kinds as JSON for test_contract.py; with the name of a YAML file, that file as JSON beside them, read as
 * the programs read theirs: dump-schema [FILE]
 */

#include <stdio.h>
#include <string.h>

#include "model/quota.h"
#include "model/schema.h"
#include "model/yaml.h"

static json_t *dump_attribute(const struct vtap_attribute *a);

static json_t *dump_words(const struct vtap_word *words)
{
	json_t *list = json_array();

	for (; words->name; words++)
		json_array_append_new(list, json_string(words->name));
	return list;
}

static json_t *dump_attributes(const struct vtap_attribute *a)
{
	json_t *list = json_array();

	for (; a->name; a++)
		json_array_append_new(list, dump_attribute(a));
	return list;
}

static json_t *dump_attribute(const struct vtap_attribute *a)
{
	static const struct {
		unsigned flag;
		const char *name;
	} flags[] = {
	    {VTAP_ATTRIBUTE_REQUIRED, "required"}, {VTAP_ATTRIBUTE_IMMUTABLE, "immutable"},
	    {VTAP_ATTRIBUTE_COMPUTED, "computed"}, {VTAP_ATTRIBUTE_SECRET, "secret"},
	    {VTAP_ATTRIBUTE_SYSTEM, "system"},     {VTAP_ATTRIBUTE_LIST, "list"},
	    {VTAP_ATTRIBUTE_SELECTOR, "selector"},
	};
	json_t *o = json_pack("{ss,ss,sI,sI,sI,sI,so,ss?,ss}", "name", a->name, "type", vtap_type_name(a->type), "min",
			      (json_int_t)a->min, "max", (json_int_t)a->max, "min_items", (json_int_t)a->min_items,
			      "max_items", (json_int_t)a->max_items, "default",
			      a->standard ? json_loads(a->standard, JSON_DECODE_ANY, NULL) : json_null(), "kinds",
			      a->kinds, "help", a->help);

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(flags); i++)
		json_object_set_new(o, flags[i].name, json_boolean(a->flags & flags[i].flag));
	if (a->words)
		json_object_set_new(o, "words", dump_words(a->words));
	if (a->attributes)
		json_object_set_new(o, "attributes", dump_attributes(a->attributes));
	return o;
}

static json_t *dump_kind(const struct vtap_kind *k)
{
	json_t *attributes = json_array();

	for (const struct vtap_attribute *a = NULL; (a = vtap_kind_next_attribute(k, a));)
		json_array_append_new(attributes, dump_attribute(a));
	return json_pack("{ss,ss,ss,ss,sb,sb,so}", "name", k->name, "plural", k->plural, "prefix", k->prefix, "help",
			 k->help, "global", !!(k->flags & VTAP_KIND_GLOBAL), "inside", !!(k->flags & VTAP_KIND_INSIDE),
			 "attributes", attributes);
}

static json_t *read_yaml(const char *name)
{
	VTAP_CLEANUP(vtap_yaml_done) struct vtap_yaml yaml = {};
	static char text[4 << 20];
	struct vtap_error error = {};
	FILE *file = fopen(name, "re");
	size_t size_bytes;

	if (!file) {
		perror(name);
		return NULL;
	}
	size_bytes = fread(text, 1, sizeof(text), file);
	fclose(file);
	if (vtap_yaml_parse(text, size_bytes, &yaml, &error) < 0) {
		fprintf(stderr, "%s:%u: %s: %s\n", name, error.line, error.field, error.text);
		return NULL;
	}
	return json_incref(yaml.values);
}

int main(int argc, char **argv)
{
	json_auto_t *all = json_object();
	json_t *kinds = json_array();

	for (const struct vtap_kind *k = vtap_kinds; k->name; k++)
		json_array_append_new(kinds, dump_kind(k));
	json_object_set_new(all, "kinds", kinds);
	json_object_set_new(
	    all, "tags",
	    json_pack("{si,si,si}", "entries", VTAP_TAGS_MAX, "key", VTAP_TAG_KEY_MAX, "value", VTAP_TAG_VALUE_MAX));
	json_object_set_new(all, "quotas", dump_attributes(vtap_quota_attributes));
	if (argc > 1) {
		json_t *values = read_yaml(argv[1]);

		if (!values)
			return 1;
		json_object_set_new(all, "file", values);
	}
	return json_dumpf(all, stdout, JSON_INDENT(1)) < 0 || putchar('\n') == EOF;
}
