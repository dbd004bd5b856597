/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "basic/parse.h"
#include "model/schema.h"

/* What is being set, for messages. */
struct option {
	const char *path; /* borrowed */
	struct vtap_error *reterr; /* borrowed */
};

static int fail(const struct option *o, int code, const char *text)
{
	return vtap_error_set(o->reterr, code, 0, o->path, "%s", text);
}

/*
 * Takes the text up to the separator into buffer, without the backslashes in front of separators and backslashes. Returns
 * what is behind the separator, or NULL at the end.
 */
static const char *take(const char *text, char separator, char *buffer)
{
	for (; *text && *text != separator; text++) {
		if (*text == '\\' && (text[1] == separator || text[1] == '\\'))
			text++;
		*buffer++ = *text;
	}
	*buffer = '\0';
	return *text ? text + 1 : NULL;
}

static int make_number(const struct option *o, const char *text, json_t **ret_value)
{
	uint64_t number;
	int r;

	r = vtap_parse_u64(text, 0, INT64_MAX, &number);
	if (r == -ERANGE)
		return fail(o, -EINVAL, "is out of range");
	if (r < 0)
		return fail(o, -EINVAL, "must be a number");
	*ret_value = json_integer((json_int_t)number);
	return 0;
}

static int make_bool(const struct option *o, const char *text, json_t **ret_value)
{
	bool is_true = strcmp(text, "true") == 0;

	if (!is_true && strcmp(text, "false") != 0)
		return fail(o, -EINVAL, "must be true or false");
	*ret_value = json_boolean(is_true);
	return 0;
}

static int make_tags(const struct option *o, const char *text, json_t **ret_value)
{
	_cleanup_free_ char *pair = strdup(text), *key = strdup(text);
	json_auto_t *tags = json_object();

	while (tags && pair && key && text && *text) {
		const char *value;

		text = take(text, ',', pair);
		value = take(pair, '=', key);
		if (!value)
			return fail(o, -EINVAL, "must be key=value, and more of these behind commas");
		if (json_object_set_new(tags, key, json_string(value)) < 0)
			return fail(o, -EINVAL, "must be text in UTF-8");
	}
	if (!tags || !pair || !key)
		return fail(o, -ENOMEM, "out of memory");
	*ret_value = VTAP_STEAL(tags);
	return 0;
}

static int make_one(const struct option *o, const struct vtap_attribute *a, const char *text, json_t **ret_value);

static int fail_parts(const struct option *o, const struct vtap_attribute *a)
{
	char parts[128] = "";

	for (const struct vtap_attribute *m = a->attributes; m->name; m++) {
		size_t used = strlen(parts);

		snprintf(parts + used, sizeof(parts) - used, "%s%s", used ? "=" : "", m->name);
	}
	return vtap_error_set(o->reterr, -EINVAL, 0, o->path, "must be %s, and more of these behind commas", parts);
}

/* An object of a list: its members in the order of the table, with '=' between them. */
static int make_object(const struct option *o, const struct vtap_attribute *a, const char *text, json_t **ret_value)
{
	_cleanup_free_ char *part = strdup(text);
	json_auto_t *object = json_object();
	int r;

	for (const struct vtap_attribute *m = a->attributes; m->name && text; m++) {
		json_t *value = NULL;

		if (!object || !part)
			return fail(o, -ENOMEM, "out of memory");
		text = take(text, '=', part);
		r = make_one(o, m, part, &value);
		if (r < 0)
			return r;
		if (json_object_set_new(object, m->name, value) < 0)
			return fail(o, -ENOMEM, "out of memory");
	}
	if (text)
		return fail(o, -EINVAL, "has an '=' too many");
	for (const struct vtap_attribute *m = a->attributes; m->name; m++)
		if ((m->flags & VTAP_ATTRIBUTE_REQUIRED) && !json_object_get(object, m->name))
			return fail_parts(o, a);
	*ret_value = VTAP_STEAL(object);
	return 0;
}

static int make_one(const struct option *o, const struct vtap_attribute *a, const char *text, json_t **ret_value)
{
	switch (a->type) {
	case VTAP_TYPE_NUMBER:
		return make_number(o, text, ret_value);
	case VTAP_TYPE_BOOL:
		return make_bool(o, text, ret_value);
	case VTAP_TYPE_TAGS:
		return make_tags(o, text, ret_value);
	case VTAP_TYPE_OBJECT:
		return make_object(o, a, text, ret_value);
	default:
		*ret_value = json_string(text);
		return *ret_value ? 0 : fail(o, -EINVAL, "must be text in UTF-8");
	}
}

static int make_list(const struct option *o, const struct vtap_attribute *a, const char *text, json_t **ret_value)
{
	_cleanup_free_ char *part = strdup(text);
	json_auto_t *list = json_array();
	int r;

	if (!part || !list)
		return fail(o, -ENOMEM, "out of memory");
	while (text && *text) {
		json_t *value = NULL;

		text = take(text, ',', part);
		r = make_one(o, a, part, &value);
		if (r < 0)
			return r;
		if (json_array_append_new(list, value) < 0)
			return fail(o, -ENOMEM, "out of memory");
	}
	*ret_value = VTAP_STEAL(list);
	return 0;
}

static bool is_plain_text(const struct vtap_attribute *a)
{
	return a->type == VTAP_TYPE_TEXT || a->type == VTAP_TYPE_TAGS || (a->flags & VTAP_ATTRIBUTE_LIST);
}

static int make_value(const struct option *o, const struct vtap_attribute *a, const char *text, json_t **ret_value)
{
	if (*text == '\0' && !(is_plain_text(a) && a->min == 0)) {
		*ret_value = json_null();
		return 0;
	}
	if (a->flags & VTAP_ATTRIBUTE_LIST)
		return make_list(o, a, text, ret_value);
	if (a->type == VTAP_TYPE_OBJECT)
		return fail(o, -EINVAL, "is set member by member");
	return make_one(o, a, text, ret_value);
}

/* Objects on the way are made where they are missing. */
static int put(const struct option *o, json_t *input, json_t *value)
{
	const char *path = o->path, *dot;
	char key[sizeof(o->reterr->field)];

	for (; (dot = strchr(path, '.')); path = dot + 1) {
		json_t *inner;

		snprintf(key, sizeof(key), "%.*s", (int)(dot - path), path);
		inner = json_object_get(input, key);
		if (!json_is_object(inner)) {
			inner = json_object();
			if (json_object_set_new(input, key, inner) < 0) {
				json_decref(value);
				return fail(o, -ENOMEM, "out of memory");
			}
		}
		input = inner;
	}
	return json_object_set_new(input, path, value) < 0 ? fail(o, -ENOMEM, "out of memory") : 0;
}

int vtap_resource_set_text(const struct vtap_kind *kind, json_t *input, const char *path, const char *text,
			   struct vtap_error *reterr)
{
	const struct vtap_attribute *a = vtap_kind_attribute(kind, path);
	struct option o = {path, reterr};
	json_t *value = NULL;
	int r;

	if (!a || strchr(path, '['))
		return vtap_error_set(reterr, -EINVAL, 0, path, "is nothing that a %s has", kind->name);
	if (a->flags & VTAP_ATTRIBUTE_COMPUTED)
		return fail(&o, -EINVAL, "is set by the server");
	r = make_value(&o, a, text, &value);
	return r < 0 ? r : put(&o, input, value);
}
