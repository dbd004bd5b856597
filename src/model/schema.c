/* SPDX-License-Identifier: Apache-2.0 */

#include "model/schema.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/value.h"

/* Either a kind with the common attributes, or the members of an object inside. */
struct members {
	const struct vtap_kind *kind; /* NULL = attributes */
	const struct vtap_attribute *attributes;
};

static const struct vtap_attribute *next_member(const struct members *m, const struct vtap_attribute *previous)
{
	const struct vtap_attribute *next;

	if (m->kind)
		return vtap_kind_next_attribute(m->kind, previous);
	next = previous ? previous + 1 : m->attributes;
	return next->name ? next : NULL;
}

static int out_of_memory(const struct vtap_place *p)
{
	return vtap_place_fail(p, -ENOMEM, "out of memory");
}

static int check_known(const struct vtap_place *p, const struct members *m)
{
	const char *names[VTAP_PLACE_NAMES_MAX + 1], *key;
	const struct vtap_attribute *a = NULL;
	size_t n = 0, settable = 0, known;
	json_t *value;

	if (!json_is_object(p->value))
		return vtap_place_fail_value(p, "an object");
	/* Those that can be given stand first, and are the ones that a refusal names. */
	for (unsigned computed = 0; computed < 2; computed++) {
		settable = computed ? n : 0;
		while ((a = next_member(m, a)) && n < VTAP_PLACE_NAMES_MAX)
			if (!(a->flags & VTAP_ATTRIBUTE_COMPUTED) == !computed)
				names[n++] = a->name;
	}
	json_object_foreach((json_t *)p->value, key, value)
	{
		struct vtap_place member = vtap_place_member(p, key);

		for (known = 0; known < n && strcmp(names[known], key) != 0; known++)
			;
		if (known < n)
			continue;
		names[settable] = NULL;
		return vtap_place_fail_unknown(&member, names);
	}
	return 0;
}

static int normalize_members(const struct vtap_normalize *n, const struct vtap_place *p, const struct members *m,
			     const json_t *current, json_t **ret_object);

/* "must be the id or name of a filter", "of an interface, subnet or wire". */
static int fail_reference(const struct vtap_place *p, const char *kinds, const char *what)
{
	char text[sizeof(p->reterr->text)] = "";
	size_t length = 0;

	while (*kinds && length < sizeof(text)) {
		size_t word = strcspn(kinds, " ");
		const char *rest = kinds + word + strspn(kinds + word, " ");

		length += (size_t)snprintf(text + length, sizeof(text) - length, "%.*s%s", (int)word, kinds,
					   !*rest              ? ""
					   : strchr(rest, ' ') ? ", "
							       : " or ");
		kinds = rest;
	}
	return vtap_place_fail_value(p, "the %s of %s %s", what, strchr("aeiou", text[0]) ? "an" : "a", text);
}

static int normalize_selector(const struct vtap_place *p, const char *text, json_t **ret_value)
{
	struct vtap_selector selector;
	struct vtap_error error = {};
	int r;

	r = vtap_selector_parse(text, &selector, &error);
	if (r < 0)
		return vtap_place_fail(p, r, "%s", error.text);
	*ret_value = json_string(text);
	return *ret_value ? 0 : out_of_memory(p);
}

static int normalize_reference(const struct vtap_normalize *n, const struct vtap_place *p,
			       const struct vtap_attribute *a, json_t **ret_value)
{
	const char *text = json_string_value(p->value);
	const struct vtap_kind *kind;
	char id[VTAP_ID_STRLEN];
	struct vtap_error error = {};
	int r;

	if (!text || *text == '\0')
		return fail_reference(p, a->kinds, "id or name");
	if ((a->flags & VTAP_ATTRIBUTE_SELECTOR) && vtap_selector_is_one(text))
		return normalize_selector(p, text, ret_value);
	kind = vtap_kind_of_id(text);
	if (kind && !vtap_kind_is_among(kind, a->kinds))
		return fail_reference(p, a->kinds, "id or name");
	if (n->resolve) {
		r = n->resolve(a->kinds, text, id, &error, n->userdata);
		if (r < 0)
			return vtap_place_fail(p, r, "%s", error.text);
		text = id;
	} else if (!kind) {
		return fail_reference(p, a->kinds, "id");
	}
	*ret_value = json_string(text);
	return *ret_value ? 0 : out_of_memory(p);
}

/* One value that is there and not null: an element of a list, or the member itself. */
static int normalize_one(const struct vtap_normalize *n, const struct vtap_place *p, const struct vtap_attribute *a,
			 const json_t *current, json_t **ret_value)
{
	struct members m = {.attributes = a->attributes};

	switch (a->type) {
	case VTAP_TYPE_OBJECT:
		return normalize_members(n, p, &m, current, ret_value);
	case VTAP_TYPE_REFERENCE:
		return normalize_reference(n, p, a, ret_value);
	default:
		return vtap_value_normalize(p, a, ret_value);
	}
}

static int check_count(const struct vtap_place *p, const struct vtap_attribute *a)
{
	size_t count = json_array_size(p->value);

	if (!json_is_array(p->value))
		return vtap_place_fail_value(p, "a list");
	if (count < a->min_items)
		return vtap_place_fail(p, -EINVAL, "needs %u..%u entries, and has %zu", a->min_items, a->max_items,
				       count);
	if (count > a->max_items)
		return vtap_place_fail(p, -E2BIG, "has %zu entries, and at most %u are possible", count, a->max_items);
	return 0;
}

static int normalize_list(const struct vtap_normalize *n, const struct vtap_place *p, const struct vtap_attribute *a,
			  json_t **ret_list)
{
	json_auto_t *list = json_array();
	int r;

	r = check_count(p, a);
	if (r < 0)
		return r;
	for (size_t i = 0; i < json_array_size(p->value); i++) {
		struct vtap_place element = vtap_place_element(p, i);
		json_t *value = NULL;

		if (json_is_null(element.value))
			return vtap_place_fail(&element, -EINVAL, "has no value");
		r = normalize_one(n, &element, a, NULL, &value);
		if (r < 0)
			return r;
		if (json_array_append_new(list, value) < 0)
			return out_of_memory(p);
		for (size_t j = 0; j < i; j++)
			if (json_equal(value, json_array_get(list, j)))
				return vtap_place_fail(&element, -EINVAL, "is the same as entry %zu of the list", j);
	}
	*ret_list = VTAP_STEAL(list);
	return 0;
}

static int make_default(const struct vtap_normalize *n, const struct vtap_place *p, const struct vtap_attribute *a,
			json_t **ret_value)
{
	json_auto_t *nothing = NULL;
	struct vtap_place empty = *p;

	if (a->type == VTAP_TYPE_OBJECT && !(a->flags & VTAP_ATTRIBUTE_LIST)) {
		empty.value = nothing = json_object();
		return normalize_one(n, &empty, a, NULL, ret_value);
	}
	*ret_value = a->standard ? json_loads(a->standard, JSON_DECODE_ANY, NULL) : json_null();
	return *ret_value ? 0 : out_of_memory(p);
}

/* A member that is not computed. p->value is NULL if it was not given, which means: keep what there is. */
static int normalize_member(const struct vtap_normalize *n, const struct vtap_place *p, const struct vtap_attribute *a,
			    json_t *current, json_t **ret_value)
{
	bool null = json_is_null(p->value);

	if (!p->value && current) {
		*ret_value = json_incref(current);
		return 0;
	}
	if (!p->value || null) {
		if (a->flags & VTAP_ATTRIBUTE_REQUIRED)
			return vtap_place_fail(p, -EINVAL, "is required");
		return make_default(n, p, a, ret_value);
	}
	if (a->flags & VTAP_ATTRIBUTE_LIST)
		return normalize_list(n, p, a, ret_value);
	return normalize_one(n, p, a, current, ret_value);
}

static int check_computed(const struct vtap_place *p, const json_t *current)
{
	if (!p->value || (current ? json_equal(p->value, current) : json_is_null(p->value)))
		return 0;
	return vtap_place_fail(p, -EINVAL, "is set by the server: leave it out");
}

static int add_member(const struct vtap_normalize *n, const struct vtap_place *p, const struct vtap_attribute *a,
		      json_t *current, json_t *object)
{
	json_auto_t *value = NULL;
	int r;

	if (a->flags & VTAP_ATTRIBUTE_COMPUTED) {
		r = check_computed(p, current);
		value = json_incref(current);
	} else {
		r = normalize_member(n, p, a, current, &value);
	}
	if (r < 0)
		return r;
	if ((a->flags & VTAP_ATTRIBUTE_IMMUTABLE) && current && !json_equal(value, current))
		return vtap_place_fail(p, -EINVAL, "cannot be changed after creation");
	if (!value || (a->flags & VTAP_ATTRIBUTE_SECRET))
		return 0;
	return json_object_set(object, a->name, value) < 0 ? out_of_memory(p) : 0;
}

static int normalize_members(const struct vtap_normalize *n, const struct vtap_place *p, const struct members *m,
			     const json_t *current, json_t **ret_object)
{
	const struct vtap_attribute *a = NULL;
	json_auto_t *object = json_object();
	int r;

	if (!object)
		return out_of_memory(p);
	r = check_known(p, m);
	while (r >= 0 && (a = next_member(m, a))) {
		struct vtap_place member = vtap_place_member(p, a->name);

		r = add_member(n, &member, a, json_object_get(current, a->name), object);
	}
	if (r < 0)
		return r;
	*ret_object = VTAP_STEAL(object);
	return 0;
}

int vtap_resource_normalize(const struct vtap_normalize *n, json_t **ret_resource, struct vtap_error *reterr)
{
	struct vtap_place root = {.value = n->input, .reterr = reterr};
	struct members m = {.kind = n->kind};
	json_auto_t *resource = NULL;
	int r;

	r = normalize_members(n, &root, &m, n->current, &resource);
	if (r >= 0 && n->kind->check)
		r = n->kind->check(n->kind, resource, reterr);
	if (r < 0)
		return r;
	*ret_resource = VTAP_STEAL(resource);
	return 0;
}

/* The ids that were visited, so that each is visited once. */
struct visiting {
	int (*visit)(const char *path, const char *id, void *userdata);
	void *userdata; /* borrowed */
	json_t *seen; /* borrowed; an object with the ids as keys */
};

static int visit_value(struct visiting *v, const char *path, const json_t *value)
{
	const char *id = json_string_value(value);

	if (!id || vtap_selector_is_one(id) || json_object_get(v->seen, id))
		return 0;
	if (json_object_set_new(v->seen, id, json_true()) < 0)
		return -ENOMEM;
	return v->visit(path, id, v->userdata);
}

static int visit_members(struct visiting *v, const struct members *m, const char *path, const json_t *object);

static int visit_attribute(struct visiting *v, const struct vtap_attribute *a, const char *path, const json_t *value)
{
	struct members m = {.attributes = a->attributes};

	if (a->type == VTAP_TYPE_REFERENCE)
		return visit_value(v, path, value);
	return a->type == VTAP_TYPE_OBJECT ? visit_members(v, &m, path, value) : 0;
}

static int visit_members(struct visiting *v, const struct members *m, const char *path, const json_t *object)
{
	const struct vtap_attribute *a = NULL;
	char inner[sizeof(((struct vtap_error *)0)->field)];
	int r = 0;

	while (r >= 0 && (a = next_member(m, a))) {
		const json_t *value = json_object_get(object, a->name);

		snprintf(inner, sizeof(inner), "%s%s%s", path, *path ? "." : "", a->name);
		if (!(a->flags & VTAP_ATTRIBUTE_LIST))
			r = visit_attribute(v, a, inner, value);
		for (size_t i = 0; i < json_array_size(value) && r >= 0; i++) {
			snprintf(inner, sizeof(inner), "%s%s%s[%zu]", path, *path ? "." : "", a->name, i);
			r = visit_attribute(v, a, inner, json_array_get(value, i));
		}
	}
	return r;
}

int vtap_resource_references(const struct vtap_kind *kind, const json_t *resource,
			     int (*visit)(const char *path, const char *id, void *userdata), void *userdata)
{
	json_auto_t *seen = json_object();
	struct visiting v = {visit, userdata, seen};
	struct members m = {.kind = kind};

	return seen ? visit_members(&v, &m, "", resource) : -ENOMEM;
}
