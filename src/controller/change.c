/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "controller/change_private.h"
#include "crypto/crypto.h"
#include "model/value.h"

int vtap_change_new(struct vtap_controller *controller, struct vtap_change *earlier, int64_t time_s,
		    struct vtap_change **ret_change)
{
	struct vtap_change *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->controller = controller;
	c->earlier = earlier;
	c->time_s = time_s;
	*ret_change = c;
	return 0;
}

static void operations_clear(struct vtap_change_operations *o)
{
	for (size_t i = 0; i < o->count; i++) {
		free(o->array[i].key);
		free(o->array[i].value);
	}
	free(o->array);
	*o = (struct vtap_change_operations){};
}

static void records_clear(struct vtap_change *c)
{
	for (size_t i = 0; i < c->record_count; i++) {
		struct vtap_change_record *record = &c->records[i];

		if (record->type == VTAP_CHANGE_DELETE && record->object)
			vtap_objects_free_detached(record->object);
		json_decref(record->before);
		json_decref(record->after);
	}
	c->record_count = 0;
}

struct vtap_change *vtap_change_free(struct vtap_change *c)
{
	if (!c)
		return NULL;
	records_clear(c);
	free(c->records);
	operations_clear(&c->before);
	operations_clear(&c->main);
	operations_clear(&c->after);
	free(c);
	return NULL;
}

/* Memory that is neither as before nor as after would be served as the truth: better to begin again from the store. */
static void must(int r)
{
	if (r < 0)
		abort();
}

static void record_undo(struct vtap_objects *o, struct vtap_change_record *record)
{
	struct vtap_object *object;

	switch (record->type) {
	case VTAP_CHANGE_PUT:
		if (record->before) {
			must(vtap_objects_put(o, json_incref(record->before), record->before_revision, &object));
			return;
		}
		vtap_objects_detach(o, record->object);
		vtap_objects_free_detached(record->object);
		return;
	case VTAP_CHANGE_DELETE:
		must(vtap_objects_attach(o, VTAP_STEAL(record->object)));
		return;
	case VTAP_CHANGE_END:
		record->end(false, record->userdata);
		return;
	}
}

void vtap_change_undo(struct vtap_change *c)
{
	for (size_t i = c->record_count; i > 0; i--)
		record_undo(c->controller->objects, &c->records[i - 1]);
	records_clear(c);
	operations_clear(&c->before);
	operations_clear(&c->main);
	operations_clear(&c->after);
}

void vtap_change_commit(struct vtap_change *c)
{
	for (size_t i = 0; i < c->record_count; i++) {
		struct vtap_change_record *record = &c->records[i];

		if (record->type == VTAP_CHANGE_END)
			record->end(true, record->userdata);
		else if (record->type == VTAP_CHANGE_PUT)
			record->object->revision = c->revision;
	}
}

struct vtap_controller *vtap_change_controller(const struct vtap_change *c)
{
	return c->controller;
}

int64_t vtap_change_time_s(const struct vtap_change *c)
{
	return c->time_s;
}

static int record_add(struct vtap_change *c, struct vtap_change_record **ret_record)
{
	if (c->record_count == c->record_size) {
		size_t size = c->record_size ? c->record_size * 2 : 4;
		struct vtap_change_record *records = reallocarray(c->records, size, sizeof(*records));

		if (!records)
			return -ENOMEM;
		c->records = records;
		c->record_size = size;
	}
	*ret_record = &c->records[c->record_count];
	**ret_record = (struct vtap_change_record){};
	return 0;
}

int vtap_change_on_end(struct vtap_change *c, void (*end)(bool committed, void *userdata), void *userdata)
{
	struct vtap_change_record *record;
	int r;

	r = record_add(c, &record);
	if (r < 0)
		return r;
	*record = (struct vtap_change_record){.type = VTAP_CHANGE_END, .end = end, .userdata = userdata};
	c->record_count++;
	return 0;
}

static int operation_append(struct vtap_change_operations *o, struct vtap_change_operation *operation)
{
	if (o->count == o->size) {
		size_t size = o->size ? o->size * 2 : 8;
		struct vtap_change_operation *array = reallocarray(o->array, size, sizeof(*array));

		if (!array)
			return -ENOMEM;
		o->array = array;
		o->size = size;
	}
	o->array[o->count++] = *operation;
	o->total_bytes += strlen(operation->key) + operation->value_bytes;
	return 0;
}

static int operation_add(struct vtap_change_operations *o, enum vtap_store_operation_type type, const char *key,
			 const void *value, size_t value_bytes)
{
	struct vtap_change_operation operation = {.type = type, .value_bytes = value_bytes};
	int r = -ENOMEM;

	if (strlen(key) > VTAP_STORE_KEY_MAX_BYTES || value_bytes > VTAP_STORE_VALUE_MAX_BYTES)
		return -E2BIG;
	operation.key = strdup(key);
	operation.value = value ? calloc(1, value_bytes + 1) : NULL;
	if (operation.key && (operation.value || !value)) {
		if (value)
			memcpy(operation.value, value, value_bytes);
		r = operation_append(o, &operation);
	}
	if (r < 0) {
		free(operation.key);
		free(operation.value);
	}
	return r;
}

/* The transaction's limits are looked at here, so that a commit finds nothing to refuse. */
static int main_add(struct vtap_change *c, enum vtap_store_operation_type type, const char *key, const void *value,
		    size_t value_bytes)
{
	if (c->main.count >= VTAP_STORE_OPERATIONS_MAX ||
	    c->main.total_bytes + strlen(key) + value_bytes > VTAP_STORE_TRANSACTION_MAX_BYTES)
		return -E2BIG;
	return operation_add(&c->main, type, key, value, value_bytes);
}

int vtap_change_require_absent(struct vtap_change *c, const char *key)
{
	return main_add(c, VTAP_STORE_IS_ABSENT, key, NULL, 0);
}

int vtap_change_put_key(struct vtap_change *c, const char *key, const void *value, size_t value_bytes)
{
	return main_add(c, VTAP_STORE_PUT, key, value, value_bytes);
}

int vtap_change_delete_key(struct vtap_change *c, const char *key)
{
	return main_add(c, VTAP_STORE_DELETE, key, NULL, 0);
}

int vtap_change_put_key_before(struct vtap_change *c, const char *key, const void *value, size_t value_bytes)
{
	return operation_add(&c->before, VTAP_STORE_PUT, key, value, value_bytes);
}

int vtap_change_delete_key_after(struct vtap_change *c, const char *key)
{
	return operation_add(&c->after, VTAP_STORE_DELETE, key, NULL, 0);
}

bool vtap_change_is_empty(const struct vtap_change *c)
{
	return c->before.count == 0 && c->main.count == 0 && c->after.count == 0;
}

/* The last that the list says of the key; NULL: nothing. */
static const struct vtap_change_operation *operation_find(const struct vtap_change_operations *o, const char *key)
{
	for (size_t i = o->count; i > 0; i--) {
		const struct vtap_change_operation *operation = &o->array[i - 1];

		if (operation->type != VTAP_STORE_IS_ABSENT && strcmp(operation->key, key) == 0)
			return operation;
	}
	return NULL;
}

/* The last that the batch says of the key up to now; NULL: nothing. */
static const struct vtap_change_operation *batch_find(const struct vtap_change *c, const char *key)
{
	const struct vtap_change_operation *found = NULL;

	for (const struct vtap_change *at = c; at && !found; at = at->earlier) {
		found = operation_find(&at->after, key);
		if (!found)
			found = operation_find(&at->main, key);
		if (!found)
			found = operation_find(&at->before, key);
	}
	return found;
}

int vtap_change_get_key(struct vtap_change *c, const char *key, char **ret_value, size_t *ret_value_bytes)
{
	const struct vtap_change_operation *found = batch_find(c, key);
	void *value = NULL;
	int r;

	if (!found) {
		r = vtap_store_get(c->controller->store, key, &value, ret_value_bytes, NULL);
		if (r >= 0)
			*ret_value = value;
		return r;
	}
	if (found->type == VTAP_STORE_DELETE)
		return -ENOENT;
	value = calloc(1, found->value_bytes + 1);
	if (!value)
		return -ENOMEM;
	if (found->value)
		memcpy(value, found->value, found->value_bytes);
	*ret_value = value;
	*ret_value_bytes = found->value_bytes;
	return 0;
}

struct key_walk {
	struct vtap_change *change;
	const char *prefix;
	vtap_store_visit visit;
	void *userdata;
	uint64_t revision; /* of the next that is pending */
	char last[VTAP_STORE_KEY_MAX_BYTES + 1];
};

/* The newest first. What is visited may add operations behind those that are looked at. */
static int walk_pending(struct key_walk *w, const struct vtap_change_operations *o)
{
	int r = 0;

	for (size_t i = o->count; r >= 0 && i > 0; i--) {
		const struct vtap_change_operation *at = &o->array[i - 1];
		struct vtap_store_item item = {.key = at->key, .value = at->value, .value_bytes = at->value_bytes};

		if (at->type != VTAP_STORE_PUT || strncmp(at->key, w->prefix, strlen(w->prefix)) != 0 ||
		    batch_find(w->change, at->key) != at)
			continue;
		item.revision = w->revision--;
		r = w->visit(&item, w->userdata);
	}
	return r;
}

static int walk_stored(const struct vtap_store_item *item, void *userdata)
{
	struct key_walk *w = userdata;

	snprintf(w->last, sizeof(w->last), "%s", item->key);
	return batch_find(w->change, item->key) ? 0 : w->visit(item, w->userdata);
}

/* Those that the batch puts. */
static int each_pending(struct vtap_change *c, const char *prefix, vtap_store_visit visit, void *userdata)
{
	struct key_walk w = {
	    .change = c, .prefix = prefix, .visit = visit, .userdata = userdata, .revision = UINT64_MAX};
	int r = 0;

	for (const struct vtap_change *at = c; r >= 0 && at; at = at->earlier) {
		r = walk_pending(&w, &at->after);
		if (r >= 0)
			r = walk_pending(&w, &at->main);
		if (r >= 0)
			r = walk_pending(&w, &at->before);
	}
	return r < 0 ? r : 0;
}

int vtap_change_each_key(struct vtap_change *c, const char *prefix, vtap_store_visit visit, void *userdata)
{
	struct key_walk w = {.change = c, .prefix = prefix, .visit = visit, .userdata = userdata};
	ssize_t n;
	int r;

	r = each_pending(c, prefix, visit, userdata);
	if (r < 0)
		return r;
	do {
		n = vtap_store_page(c->controller->store, prefix, *w.last ? w.last : NULL, VTAP_STORE_PAGE_MAX,
				    walk_stored, &w);
	} while (n == VTAP_STORE_PAGE_MAX);
	return n < 0 ? (int)n : 0;
}

static char *object_key(const struct vtap_kind *kind, const char *id, char buffer[VTAP_STORE_KEY_MAX_BYTES])
{
	snprintf(buffer, VTAP_STORE_KEY_MAX_BYTES, "o/%s/%s", kind->name, id);
	return buffer;
}

static char *name_key(const struct vtap_kind *kind, const char *project, const char *name,
		      char buffer[VTAP_STORE_KEY_MAX_BYTES])
{
	snprintf(buffer, VTAP_STORE_KEY_MAX_BYTES, "n/%s/%s/%s", kind->name, project ? project : "-", name);
	return buffer;
}

static int name_keys(struct vtap_change *c, const struct vtap_kind *kind, const json_t *before, const json_t *after)
{
	const char *old_name = json_string_value(json_object_get(before, "name"));
	const char *new_name = json_string_value(json_object_get(after, "name"));
	const char *project = json_string_value(json_object_get(after, "project"));
	const char *id = json_string_value(json_object_get(after, "id"));
	char key[VTAP_STORE_KEY_MAX_BYTES];
	int r = 0;

	if (old_name && new_name && strcmp(old_name, new_name) == 0)
		return 0;
	if (old_name)
		r = vtap_change_delete_key(c, name_key(kind, project, old_name, key));
	if (r >= 0 && new_name) {
		r = vtap_change_require_absent(c, name_key(kind, project, new_name, key));
		if (r >= 0)
			r = vtap_change_put_key(c, key, id, strlen(id));
	}
	return r;
}

static int set_text(json_t *resource, const char *name, const char *text)
{
	return json_object_set_new(resource, name, json_string(text)) < 0 ? -ENOMEM : 0;
}

/* Members that the server computes. */
static int stamp(struct vtap_change *c, const struct vtap_kind *kind, json_t *resource,
		 const struct vtap_object *current)
{
	char id[VTAP_ID_STRLEN], hex[VTAP_ID_DIGITS + 1], now[VTAP_TIME_STRLEN];
	int r = 0;

	vtap_time_format(c->time_s, now);
	if (!json_is_string(json_object_get(resource, "id")))
		r = set_text(resource, "id", vtap_id_make(kind, vtap_random_hex(VTAP_ID_DIGITS, hex), id));
	if (r >= 0 && !current)
		r = set_text(resource, "created", now);
	if (r >= 0)
		r = set_text(resource, "updated", now);
	if (r >= 0 &&
	    json_object_set_new(resource, "version", json_integer(current ? (json_int_t)current->version + 1 : 1)) < 0)
		r = -ENOMEM;
	return r;
}

/* A new resource with its members in the order of the tables: what the server computes does not stand at the end. */
static int put_in_order(const struct vtap_kind *kind, json_t *resource)
{
	const struct vtap_attribute *a = NULL;
	json_t *ordered = json_object();
	int r = 0;

	while (ordered && (a = vtap_kind_next_attribute(kind, a))) {
		json_t *value = json_object_get(resource, a->name);

		if (value)
			r |= json_object_set(ordered, a->name, value);
	}
	r |= json_object_update_missing(ordered, resource);
	r |= json_object_clear(resource);
	r |= json_object_update(resource, ordered);
	json_decref(ordered);
	return r < 0 ? -ENOMEM : 0;
}

/* The resource with the place that it has among its kind, which is not for users to see. */
static int value_put(struct vtap_change *c, const struct vtap_object *object)
{
	_cleanup_free_ char *text = json_dumps(object->value, JSON_COMPACT);
	_cleanup_free_ char *value = NULL;
	char key[VTAP_STORE_KEY_MAX_BYTES];
	int n;

	if (!text)
		return -ENOMEM;
	n = asprintf(&value, "{\"sequence\":%" PRIu64 ",%s", object->sequence, text + 1);
	if (n < 0) {
		value = NULL;
		return -ENOMEM;
	}
	object_key(object->kind, object->id, key);
	return vtap_change_put_key(c, key, value, (size_t)n);
}

static int put(struct vtap_change *c, const struct vtap_kind *kind, json_t *resource, struct vtap_object **ret_object)
{
	struct vtap_objects *o = c->controller->objects;
	const char *id = json_string_value(json_object_get(resource, "id"));
	struct vtap_object *current = id ? vtap_objects_get(o, id) : NULL;
	struct vtap_change_record *record;
	json_t *before = current ? current->value : NULL;
	uint64_t before_revision = current ? current->revision : 0;
	struct vtap_object *object;
	int r;

	r = stamp(c, kind, resource, current);
	if (r >= 0 && !current)
		r = put_in_order(kind, resource);
	if (r >= 0)
		r = name_keys(c, kind, before, resource);
	if (r >= 0)
		r = record_add(c, &record);
	if (r < 0)
		return r;
	json_incref(before);
	r = vtap_objects_put(o, json_incref(resource), before_revision, &object);
	if (r < 0) {
		json_decref(before);
		return r;
	}
	*record = (struct vtap_change_record){.type = VTAP_CHANGE_PUT,
					      .object = object,
					      .before = before,
					      .before_revision = before_revision,
					      .after = json_incref(resource)};
	c->record_count++;
	r = value_put(c, object);
	if (r >= 0 && ret_object)
		*ret_object = object;
	return r;
}

int vtap_change_put(struct vtap_change *c, const struct vtap_kind *kind, json_t *resource,
		    struct vtap_object **ret_object)
{
	int r;

	r = put(c, kind, resource, ret_object);
	json_decref(resource);
	return r;
}

static int delete_object(struct vtap_change *c, struct vtap_object *object,
			 int (*delete_key)(struct vtap_change *c, const char *key))
{
	struct vtap_change_record *record;
	char key[VTAP_STORE_KEY_MAX_BYTES];
	int r = 0;

	if (object->name)
		r = delete_key(c, name_key(object->kind, object->project, object->name, key));
	if (r >= 0)
		r = delete_key(c, object_key(object->kind, object->id, key));
	if (r >= 0)
		r = record_add(c, &record);
	if (r < 0)
		return r;
	vtap_objects_detach(c->controller->objects, object);
	*record = (struct vtap_change_record){.type = VTAP_CHANGE_DELETE,
					      .object = object,
					      .before = json_incref(object->value),
					      .before_revision = object->revision};
	c->record_count++;
	return 0;
}

int vtap_change_delete(struct vtap_change *c, struct vtap_object *object)
{
	return delete_object(c, object, vtap_change_delete_key);
}

int vtap_change_delete_after(struct vtap_change *c, struct vtap_object *object)
{
	return delete_object(c, object, vtap_change_delete_key_after);
}
