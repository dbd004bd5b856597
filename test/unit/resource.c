/* SPDX-License-Identifier: Apache-2.0 */

#include "resource.h"

#include "unit.h"

json_t *unit_json(const char *text)
{
	_cleanup_free_ char *json = strdup(text);
	json_error_t error;
	json_t *value;

	assert_non_null(json);
	for (char *c = json; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	value = json_loads(json, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
	if (!value)
		fail_msg("%s: %s", error.text, json);
	return value;
}

json_t *unit_normalize(const char *kind, const json_t *current, const json_t *input)
{
	struct vtap_normalize n = {.kind = vtap_kind_find(kind), .input = input, .current = current};
	struct vtap_error error = {};
	json_t *resource = NULL;
	int r = vtap_resource_normalize(&n, &resource, &error);

	if (r < 0) {
		_cleanup_free_ char *text = json_dumps(input, JSON_ENCODE_ANY);

		fail_msg("%s %.500s is refused (%d), %s: %s", kind, text, r, error.field, error.text);
	}
	assert_non_null(resource);
	return resource;
}

json_t *unit_stored(const char *kind, const char *input)
{
	json_auto_t *given = unit_json(input);
	json_t *resource = unit_normalize(kind, NULL, given);
	char id[VTAP_ID_STRLEN];

	vtap_id_make(vtap_kind_find(kind), "00000000000000abc", id);
	assert_int_equal(json_object_set_new(resource, "id", json_string(id)), 0);
	assert_int_equal(json_object_set_new(resource, "project", json_string(UNIT_ID("proj"))), 0);
	assert_int_equal(json_object_set_new(resource, "created", json_string("2026-11-21T15:00:00Z")), 0);
	assert_int_equal(json_object_set_new(resource, "updated", json_string("2026-11-21T15:00:00Z")), 0);
	assert_int_equal(json_object_set_new(resource, "version", json_integer(1)), 0);
	return resource;
}

void unit_resource_refused(const char *kind, const json_t *current, const json_t *input, int code, const char *field,
			   const char *fragment)
{
	struct vtap_normalize n = {.kind = vtap_kind_find(kind), .input = input, .current = current};
	json_t *resource = (json_t *)&n; /* anything that must not change */
	struct vtap_error error = {};
	int r = vtap_resource_normalize(&n, &resource, &error);

	if (r != code || error.code != code || strcmp(error.field, field) != 0 || !strstr(error.text, fragment)) {
		_cleanup_free_ char *text = json_dumps(input, JSON_ENCODE_ANY);

		fail_msg("%s %.500s gives %d, %s: \"%s\"; not %d, %s: \"%s\"", kind, text, r, error.field, error.text,
			 code, field, fragment);
	}
	assert_ptr_equal(resource, &n);
	assert_int_equal(vtap_resource_normalize(&n, &resource, NULL), code);
}

void unit_has(const json_t *resource, const char *expected)
{
	json_auto_t *members = unit_json(expected);
	const char *key;
	json_t *value;

	json_object_foreach(members, key, value)
	{
		_cleanup_free_ char *text = json_dumps(resource, 0);

		if (!json_equal(json_object_get(resource, key), value))
			fail_msg("\"%s\" of %s is not as in %s", key, text, expected);
	}
}

void unit_resources_refused(const struct unit_resource_bad *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		json_auto_t *current = rows[i].current ? unit_stored(rows[i].kind, rows[i].current) : NULL;
		json_auto_t *input = unit_json(rows[i].input);

		unit_resource_refused(rows[i].kind, current, input, -EINVAL, rows[i].field, rows[i].fragment);
	}
}

void unit_resources_taken(const struct unit_resource_good *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		json_auto_t *current = rows[i].current ? unit_stored(rows[i].kind, rows[i].current) : NULL;
		json_auto_t *input = unit_json(rows[i].input);
		json_auto_t *resource = unit_normalize(rows[i].kind, current, input);

		unit_has(resource, rows[i].expected ? rows[i].expected : rows[i].input);
	}
}

char *unit_repeat(const char *character, size_t times)
{
	size_t length = strlen(character);
	char *text = malloc(length * times + 1);

	assert_non_null(text);
	for (size_t i = 0; i < times; i++)
		memcpy(text + i * length, character, length);
	text[length * times] = '\0';
	return text;
}
