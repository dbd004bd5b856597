/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/attribute.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "basic/util.h"

/* Singulars of lists. An attribute of that very name comes first. */
static const struct {
	const char *option, *attribute;
} aliases[] = {
    {"source", "sources"},
    {"address", "addresses"},
    {"cidr", "cidrs"},
    {"peer", "peers"},
    {"tag", "tags"},
    {"mac", "macs"},
    {"role", "roles"},
    {"route", "routes"},
    {"grant", "grants"},
    {"resolver", "resolvers"},
    {"allowed-target-cidr", "allowed_target_cidrs"},
    {"resource-group", "resource_groups"},
};

static bool is_object(const struct vtap_attribute *a)
{
	return a->type == VTAP_TYPE_OBJECT && !(a->flags & VTAP_ATTRIBUTE_LIST);
}

static bool can_be_set(const struct vtap_attribute *a, unsigned flags_left_out)
{
	return !(a->flags & (VTAP_ATTRIBUTE_COMPUTED | flags_left_out));
}

static const struct vtap_attribute *find_in(const struct vtap_attribute *table, const char *name)
{
	for (const struct vtap_attribute *a = table; a && a->name; a++)
		if (strcmp(a->name, name) == 0)
			return a;
	return NULL;
}

/* How many members of the kind's objects have that name; the first of them. */
static size_t leaves(const struct vtap_kind *kind, const char *name, const struct vtap_attribute **ret_object)
{
	size_t count = 0;

	for (const struct vtap_attribute *a = kind->attributes; a->name; a++) {
		if (!is_object(a) || !find_in(a->attributes, name))
			continue;
		if (count++ == 0)
			*ret_object = a;
	}
	return count;
}

void vtap_setting_dashes(char *text)
{
	for (; *text; text++)
		if (*text == '_')
			*text = '-';
}

/* A leaf's own name serves if it is the only one, is not the name of something on top, and nothing reads like it. */
static void setting_fill(const struct vtap_kind *kind, const struct vtap_attribute *object,
			 const struct vtap_attribute *a, struct vtap_setting *ret)
{
	const struct vtap_attribute *first;
	bool alone = object && leaves(kind, a->name, &first) == 1 && !vtap_kind_attribute(kind, a->name);

	*ret = (struct vtap_setting){.attribute = a};
	snprintf(ret->path, sizeof(ret->path), "%s%s%s", object ? object->name : "", object ? "." : "", a->name);
	snprintf(ret->option, sizeof(ret->option), "%s", alone ? a->name : ret->path);
	vtap_setting_dashes(ret->option);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(aliases); i++)
		if (!object && strcmp(aliases[i].attribute, a->name) == 0 &&
		    !find_in(kind->attributes, aliases[i].option))
			snprintf(ret->option, sizeof(ret->option), "%s", aliases[i].option);
}

int vtap_setting_each(const struct vtap_kind *kind, unsigned flags_left_out,
		      int (*visit)(const struct vtap_setting *setting, void *userdata), void *userdata)
{
	const struct vtap_attribute *a = NULL;
	struct vtap_setting setting;
	int r = 0;

	while (r >= 0 && (a = vtap_kind_next_attribute(kind, a))) {
		if (!can_be_set(a, flags_left_out))
			continue;
		if (!is_object(a)) {
			setting_fill(kind, NULL, a, &setting);
			r = visit(&setting, userdata);
			continue;
		}
		for (const struct vtap_attribute *m = a->attributes; m->name && r >= 0; m++) {
			setting_fill(kind, a, m, &setting);
			r = visit(&setting, userdata);
		}
	}
	return r;
}

struct search {
	const char *name; /* with underscores, or the dashes of an option */
	struct vtap_setting *ret;
};

static int compare(const struct vtap_setting *setting, void *userdata)
{
	struct search *s = userdata;
	char option[VTAP_ATTRIBUTE_PATH_STRLEN];

	snprintf(option, sizeof(option), "%s", setting->path);
	vtap_setting_dashes(option);
	if (strcmp(s->name, setting->option) != 0 && strcmp(s->name, option) != 0)
		return 0;
	*s->ret = *setting;
	return -EEXIST;
}

int vtap_setting_find(const struct vtap_kind *kind, const char *name, unsigned flags_left_out,
		      struct vtap_setting *ret_setting)
{
	char option[VTAP_ATTRIBUTE_PATH_STRLEN];
	struct search search = {.name = option, .ret = ret_setting};

	if (snprintf(option, sizeof(option), "%s", name) >= (int)sizeof(option))
		return -ENOENT;
	vtap_setting_dashes(option);
	return vtap_setting_each(kind, flags_left_out, compare, &search) == -EEXIST ? 0 : -ENOENT;
}

/* The object that holds a path's last member; NULL: not there. */
static json_t *parent_of(json_t *resource, const char *path)
{
	const char *dot = strchr(path, '.');

	return dot ? json_object_getn(resource, path, (size_t)(dot - path)) : resource;
}

/* What was there comes first; a tag that is given again has its new value. */
static int merge(json_t *parent, const char *leaf, json_t *before)
{
	json_t *now = json_object_get(parent, leaf);
	int r = 0;

	if (json_is_array(before) && json_is_array(now))
		r = json_array_extend(before, now);
	else if (json_is_object(before) && json_is_object(now))
		r = json_object_update(before, now);
	if (r == 0 && before)
		r = json_object_set(parent, leaf, before);
	json_decref(before);
	return r < 0 ? -ENOMEM : 0;
}

int vtap_setting_apply(const struct vtap_kind *kind, const struct vtap_setting *setting, json_t *resource,
		       const char *text, struct vtap_error *reterr)
{
	bool grows = setting->attribute->flags & VTAP_ATTRIBUTE_LIST || setting->attribute->type == VTAP_TYPE_TAGS;
	const char *dot = strrchr(setting->path, '.'), *leaf = dot ? dot + 1 : setting->path;
	json_t *before = grows ? json_incref(json_object_get(parent_of(resource, setting->path), leaf)) : NULL;
	int r;

	r = vtap_resource_set_text(kind, resource, setting->path, text, reterr);
	if (r < 0) {
		json_decref(before);
		return r;
	}
	return merge(parent_of(resource, setting->path), leaf, before);
}

static const char *words_value(const struct vtap_word *words, char *buffer, size_t size_bytes)
{
	size_t used = 0;

	*buffer = '\0';
	for (const struct vtap_word *w = words; w && w->name && used < size_bytes; w++)
		used += (size_t)snprintf(buffer + used, size_bytes - used, "%s%s", used ? "|" : "", w->name);
	return buffer;
}

/* "interface subnet" -> "INTERFACE|SUBNET" */
static const char *kinds_value(const char *kinds, char *buffer, size_t size_bytes)
{
	size_t i;

	for (i = 0; kinds[i] && i + 1 < size_bytes; i++)
		buffer[i] = kinds[i] == ' ' ? '|' : (char)toupper((unsigned char)kinds[i]);
	buffer[i] = '\0';
	return buffer;
}

static const char *object_value(const struct vtap_attribute *members, char *buffer, size_t size_bytes)
{
	size_t i;

	snprintf(buffer, size_bytes, "%s=%s", members[0].name, members[1].name ? members[1].name : "");
	for (i = 0; buffer[i]; i++)
		buffer[i] = (char)toupper((unsigned char)buffer[i]);
	return buffer;
}

const char *vtap_setting_value(const struct vtap_attribute *attribute, char *buffer, size_t size_bytes)
{
	static const char *const names[VTAP_TYPE_MAX] = {
	    [VTAP_TYPE_TEXT] = "TEXT",         [VTAP_TYPE_NAME] = "NAME",
	    [VTAP_TYPE_BOOL] = "true|false",   [VTAP_TYPE_ADDRESS] = "ADDRESS",
	    [VTAP_TYPE_PREFIX] = "PREFIX",     [VTAP_TYPE_MAC] = "MAC",
	    [VTAP_TYPE_DEVICE] = "DEVICE",     [VTAP_TYPE_PORTS] = "PORT[-PORT]",
	    [VTAP_TYPE_DURATION] = "DURATION", [VTAP_TYPE_OFFLINE] = "keep|stop-after DURATION",
	    [VTAP_TYPE_TIME] = "TIME",         [VTAP_TYPE_TAGS] = "KEY=VALUE",
	    [VTAP_TYPE_PROTOCOL] = "PROTOCOL", [VTAP_TYPE_ETHERTYPE] = "ETHERTYPE",
	};

	switch (attribute->type) {
	case VTAP_TYPE_NUMBER:
		snprintf(buffer, size_bytes, "%" PRIu64 "..%" PRIu64, attribute->min, attribute->max);
		return buffer;
	case VTAP_TYPE_WORD:
		return words_value(attribute->words, buffer, size_bytes);
	case VTAP_TYPE_REFERENCE:
		return kinds_value(attribute->kinds, buffer, size_bytes);
	case VTAP_TYPE_OBJECT:
		return object_value(attribute->attributes, buffer, size_bytes);
	default:
		snprintf(buffer, size_bytes, "%s", names[attribute->type] ? names[attribute->type] : "VALUE");
		return buffer;
	}
}

const char *vtap_setting_option_of(const struct vtap_kind *kind, const char *field, char *buffer, size_t size_bytes)
{
	char path[VTAP_ATTRIBUTE_PATH_STRLEN];
	struct vtap_setting setting;
	const char *member;

	snprintf(path, sizeof(path), "%.*s", (int)strcspn(field, "["), field);
	if (!kind || !*path)
		return field;
	/* Of "tags.role" and other places that no option reaches, what stands above them is named. */
	while (vtap_setting_find(kind, path, 0, &setting) < 0) {
		char *dot = strrchr(path, '.');

		if (!dot)
			return field;
		*dot = '\0';
	}
	member = strchr(field, '[') ? strrchr(field, '.') : NULL;
	snprintf(buffer, size_bytes, "--%s%s%s%s", setting.option, member ? " (" : "", member ? member + 1 : "",
		 member ? ")" : "");
	return buffer;
}
