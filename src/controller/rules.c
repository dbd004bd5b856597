/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "basic/log.h"
#include "controller/rules_private.h"

#define DELETIONS_MAX 60 /* keys in one transaction */

static const json_t *text_of(const json_t *rule, const char *name)
{
	return json_object_get(rule, name);
}

static enum vtap_direction direction_of(const json_t *rule)
{
	const char *direction = json_string_value(text_of(rule, "direction"));

	return direction && strcmp(direction, "out") == 0 ? VTAP_DIRECTION_OUT : VTAP_DIRECTION_IN;
}

uint64_t vtap_rules_place(const json_t *rule)
{
	return (uint64_t)direction_of(rule) << 32 | (uint64_t)json_integer_value(json_object_get(rule, "number"));
}

static const char *id_of(const json_t *rule)
{
	return json_string_value(json_object_get(rule, "id"));
}

struct vtap_rules_chunk *vtap_rules_chunk_free(struct vtap_rules_chunk *chunk)
{
	if (!chunk)
		return NULL;
	json_decref(chunk->rules);
	json_decref(chunk->notes);
	free(chunk->text);
	free(chunk);
	return NULL;
}

int vtap_rules_chunk_new(const char *filter, json_t *rules, json_t *notes, struct vtap_rules_chunk **ret_chunk)
{
	VTAP_CLEANUP(vtap_rules_chunk_freep) struct vtap_rules_chunk *chunk = calloc(1, sizeof(*chunk));
	const json_t *rule;
	size_t i;

	if (!chunk) {
		json_decref(rules);
		json_decref(notes);
		return -ENOMEM;
	}
	chunk->rules = rules;
	chunk->notes = notes;
	chunk->text = json_dumps(rules, JSON_COMPACT);
	if (!chunk->text)
		return -ENOMEM;
	chunk->text_bytes = strlen(chunk->text);
	vtap_hash_hex(chunk->text, chunk->text_bytes, chunk->hash);
	snprintf(chunk->filter, sizeof(chunk->filter), "%s", filter);
	json_array_foreach(rules, i, rule)
	{
		chunk->counts[direction_of(rule)]++;
	}
	*ret_chunk = VTAP_STEAL(chunk);
	return 0;
}

void vtap_rules_chunk_unlink(struct vtap_rules *r, struct vtap_rules_chunk *chunk)
{
	const json_t *rule;
	size_t i;

	if (vtap_table_get(r->by_hash, chunk->hash) == chunk)
		(void)vtap_table_remove(r->by_hash, chunk->hash);
	json_array_foreach(chunk->rules, i, rule)
	{
		if (vtap_table_get(r->by_rule, id_of(rule)) == chunk)
			(void)vtap_table_remove(r->by_rule, id_of(rule));
	}
}

int vtap_rules_chunk_link(struct vtap_rules *r, struct vtap_rules_chunk *chunk)
{
	const json_t *rule;
	size_t i;
	int k;

	k = vtap_table_put(r->by_hash, chunk->hash, chunk);
	json_array_foreach(chunk->rules, i, rule)
	{
		if (k >= 0)
			k = vtap_table_put(r->by_rule, id_of(rule), chunk);
	}
	if (k < 0)
		vtap_rules_chunk_unlink(r, chunk);
	return k;
}

int vtap_rules_new(struct vtap_controller *c, struct vtap_rules **ret_rules)
{
	VTAP_CLEANUP(vtap_rules_freep) struct vtap_rules *rules = calloc(1, sizeof(*rules));
	int r;

	if (!rules)
		return -ENOMEM;
	rules->controller = c;
	r = vtap_table_new(&rules->by_hash);
	if (r >= 0)
		r = vtap_table_new(&rules->by_rule);
	if (r < 0)
		return r;
	*ret_rules = VTAP_STEAL(rules);
	return 0;
}

static int chunk_visit_free(const char *key, void *value, void *userdata)
{
	vtap_rules_chunk_free(value);
	return 0;
}

struct vtap_rules *vtap_rules_free(struct vtap_rules *r)
{
	if (!r)
		return NULL;
	if (r->by_hash)
		(void)vtap_table_each(r->by_hash, chunk_visit_free, NULL);
	vtap_table_free(r->by_hash);
	vtap_table_free(r->by_rule);
	free(r);
	return NULL;
}

const json_t *vtap_rules_chunk(const struct vtap_rules *r, const char *hash)
{
	const struct vtap_rules_chunk *chunk = vtap_table_get(r->by_hash, hash);

	return chunk ? chunk->rules : NULL;
}

const char *vtap_rules_chunk_text(const struct vtap_rules *r, const char *hash, size_t *ret_bytes)
{
	const struct vtap_rules_chunk *chunk = vtap_table_get(r->by_hash, hash);

	if (!chunk)
		return NULL;
	*ret_bytes = chunk->text_bytes;
	return chunk->text;
}

struct vtap_rules_chunk *vtap_rules_chunk_of(const struct vtap_rules *r, const struct vtap_object *filter, size_t index)
{
	const json_t *hash = json_array_get(json_object_get(filter->value, "chunks"), index);

	return hash ? vtap_table_get(r->by_hash, json_string_value(hash)) : NULL;
}

static const json_t *rule_in(const struct vtap_rules_chunk *chunk, const char *id, const json_t **ret_note)
{
	const json_t *rule;
	size_t i;

	json_array_foreach(chunk->rules, i, rule)
	{
		if (strcmp(id_of(rule), id) == 0) {
			*ret_note = json_array_get(chunk->notes, i);
			return rule;
		}
	}
	return NULL;
}

const json_t *vtap_rules_find(const struct vtap_rules *r, const char *rule_id, struct vtap_object **ret_filter)
{
	const struct vtap_rules_chunk *chunk = vtap_table_get(r->by_rule, rule_id);
	const json_t *note;

	if (!chunk)
		return NULL;
	*ret_filter = vtap_objects_get(r->controller->objects, chunk->filter);
	return *ret_filter ? rule_in(chunk, rule_id, &note) : NULL;
}

int vtap_rules_each(const struct vtap_rules *r, const struct vtap_object *filter,
		    int (*visit)(const json_t *rule, void *userdata), void *userdata)
{
	const struct vtap_rules_chunk *chunk;

	for (size_t i = 0; (chunk = vtap_rules_chunk_of(r, filter, i)); i++) {
		const json_t *rule;
		size_t j;

		json_array_foreach(chunk->rules, j, rule)
		{
			int k = visit(rule, userdata);

			if (k < 0)
				return k;
		}
	}
	return 0;
}

size_t vtap_rules_count(const struct vtap_rules *r, const struct vtap_object *filter, enum vtap_direction direction)
{
	const struct vtap_rules_chunk *chunk;
	size_t count = 0;

	for (size_t i = 0; (chunk = vtap_rules_chunk_of(r, filter, i)); i++)
		count += chunk->counts[direction];
	return count;
}

const json_t *vtap_rules_at(const struct vtap_rules *r, const struct vtap_object *filter, enum vtap_direction direction,
			    uint32_t number)
{
	const uint64_t wanted = (uint64_t)direction << 32 | number;
	const struct vtap_rules_chunk *chunk;

	for (size_t i = 0; (chunk = vtap_rules_chunk_of(r, filter, i)); i++) {
		const json_t *rule;
		size_t j;

		if (vtap_rules_place(json_array_get(chunk->rules, json_array_size(chunk->rules) - 1)) < wanted)
			continue;
		json_array_foreach(chunk->rules, j, rule)
		{
			if (vtap_rules_place(rule) == wanted)
				return rule;
		}
		return NULL;
	}
	return NULL;
}

int vtap_rules_resource(const struct vtap_rules *r, const char *rule_id, json_t **ret_resource)
{
	const struct vtap_kind *kind = vtap_kind_find("rule");
	const struct vtap_rules_chunk *chunk = vtap_table_get(r->by_rule, rule_id);
	const json_t *note = NULL, *rule = chunk ? rule_in(chunk, rule_id, &note) : NULL;
	const struct vtap_attribute *a = NULL;
	const struct vtap_object *filter;
	json_t *resource;
	int k = 0;

	filter = chunk ? vtap_objects_get(r->controller->objects, chunk->filter) : NULL;
	if (!rule || !filter)
		return -ENOENT;
	resource = json_object();
	while ((a = vtap_kind_next_attribute(kind, a))) {
		json_t *value = json_object_get(rule, a->name);

		if (!value)
			value = json_object_get(note, a->name);
		if (value)
			k |= json_object_set(resource, a->name, value);
		else
			k |= json_object_set_new(resource, a->name,
						 a->standard ? json_loads(a->standard, JSON_DECODE_ANY, NULL)
							     : json_null());
	}
	k |= json_object_set_new(resource, "project", json_string(filter->project));
	k |= json_object_set_new(resource, "filter", json_string(filter->id));
	if (k < 0) {
		json_decref(resource);
		return -ENOMEM;
	}
	*ret_resource = resource;
	return 0;
}

/* The start. */
struct loading {
	struct vtap_rules *rules;
	struct vtap_table *notes; /* hash: array, owned */
	char last[VTAP_STORE_KEY_MAX_BYTES + 1];
	char (*orphans)[VTAP_HASH_STRLEN]; /* owned */
	size_t orphan_count;
};

static int load_notes(const struct vtap_store_item *item, void *userdata)
{
	struct loading *l = userdata;
	json_t *notes = json_loadb(item->value, item->value_bytes, 0, NULL);
	int r;

	snprintf(l->last, sizeof(l->last), "%s", item->key);
	if (!json_is_array(notes)) {
		json_decref(notes);
		return vtap_log_err(-EUCLEAN, "the store's value of %s is no list", item->key);
	}
	r = vtap_table_put(l->notes, item->key + strlen("notes/"), notes);
	if (r < 0)
		json_decref(notes);
	return r;
}

/* A chunk whose notes are lost loses nothing that agents or rules depend on. */
static json_t *notes_for(struct loading *l, const char *hash, size_t count)
{
	json_t *notes = vtap_table_remove(l->notes, hash);

	if (notes && json_array_size(notes) == count)
		return notes;
	json_decref(notes);
	notes = json_array();
	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(notes, json_pack("{s:i}", "version", 1));
	return notes;
}

static int load_chunk(const struct vtap_store_item *item, void *userdata)
{
	struct loading *l = userdata;
	const char *hash = item->key + strlen("chunk/");
	json_t *rules = json_loadb(item->value, item->value_bytes, 0, NULL);
	struct vtap_rules_chunk *chunk;
	int r;

	snprintf(l->last, sizeof(l->last), "%s", item->key);
	if (json_array_size(rules) == 0) {
		json_decref(rules);
		return vtap_log_err(-EUCLEAN, "the store's value of %s is no list", item->key);
	}
	r = vtap_rules_chunk_new("", rules, notes_for(l, hash, json_array_size(rules)), &chunk);
	if (r < 0)
		return r;
	if (strcmp(chunk->hash, hash) != 0)
		r = vtap_log_err(-EUCLEAN, "the store's value of %s has another hash", item->key);
	if (r >= 0)
		r = vtap_table_put(l->rules->by_hash, chunk->hash, chunk);
	if (r < 0)
		vtap_rules_chunk_free(chunk);
	return r;
}

static int load_all(struct loading *l, const char *prefix, vtap_store_visit visit)
{
	struct vtap_store *store = l->rules->controller->store;
	ssize_t count;

	*l->last = '\0';
	do {
		count = vtap_store_page(store, prefix, *l->last ? l->last : NULL, VTAP_STORE_PAGE_MAX, visit, l);
	} while (count == VTAP_STORE_PAGE_MAX);
	return count < 0 ? (int)count : 0;
}

static int adopt(struct vtap_rules *rules, const struct vtap_object *filter)
{
	const json_t *hash;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(filter->value, "chunks"), i, hash)
	{
		struct vtap_rules_chunk *chunk = vtap_table_get(rules->by_hash, json_string_value(hash));

		if (!chunk)
			return vtap_log_err(-EUCLEAN, "rules of filter %s are missing in the store", filter->id);
		snprintf(chunk->filter, sizeof(chunk->filter), "%s", filter->id);
		r = vtap_rules_chunk_link(rules, chunk);
		if (r < 0)
			return r;
	}
	return r;
}

static int find_orphan(const char *hash, void *value, void *userdata)
{
	const struct vtap_rules_chunk *chunk = value;
	struct loading *l = userdata;
	void *orphans;

	if (*chunk->filter)
		return 0;
	orphans = reallocarray(l->orphans, l->orphan_count + 1, sizeof(*l->orphans));
	if (!orphans)
		return -ENOMEM;
	l->orphans = orphans;
	memcpy(l->orphans[l->orphan_count++], chunk->hash, sizeof(chunk->hash));
	return 0;
}

static int delete_keys(struct vtap_store *store, const char *prefix, char (*hashes)[VTAP_HASH_STRLEN], size_t count)
{
	char keys[DELETIONS_MAX][VTAP_HASH_STRLEN + 16];
	struct vtap_store_operation operations[DELETIONS_MAX] = {};
	struct vtap_store_transaction t = {.operations = operations};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < count; i++) {
		size_t at = t.operation_count++;

		snprintf(keys[at], sizeof(keys[at]), "%s%s", prefix, hashes[i]);
		operations[at] = (struct vtap_store_operation){.type = VTAP_STORE_DELETE, .key = keys[at]};
		if (t.operation_count == DELETIONS_MAX || i + 1 == count) {
			r = vtap_store_commit(store, &t, 1);
			t.operation_count = 0;
		}
	}
	return r;
}

/* What a crash left behind. That it cannot be deleted now is no reason not to start. */
static int drop_orphans(struct loading *l)
{
	struct vtap_rules *rules = l->rules;
	int r;

	r = vtap_table_each(rules->by_hash, find_orphan, l);
	if (r < 0 || l->orphan_count == 0)
		return r;
	for (size_t i = 0; i < l->orphan_count; i++)
		vtap_rules_chunk_free(vtap_table_remove(rules->by_hash, l->orphans[i]));
	r = delete_keys(rules->controller->store, "chunk/", l->orphans, l->orphan_count);
	if (r >= 0)
		r = delete_keys(rules->controller->store, "notes/", l->orphans, l->orphan_count);
	if (r < 0)
		vtap_log(VTAP_LOG_WARNING, "rules that no filter has cannot be deleted, ignoring: %s", strerror(-r));
	return 0;
}

static int notes_visit_free(const char *key, void *value, void *userdata)
{
	json_decref(value);
	return 0;
}

static void loading_done(struct loading *l)
{
	if (l->notes)
		(void)vtap_table_each(l->notes, notes_visit_free, NULL);
	vtap_table_free(l->notes);
	free(l->orphans);
}

int vtap_rules_load(struct vtap_controller *c)
{
	const struct vtap_kind *kind = vtap_kind_find("filter");
	VTAP_CLEANUP(loading_done) struct loading l = {.rules = c->rules};
	int r;

	r = vtap_table_new(&l.notes);
	if (r >= 0)
		r = load_all(&l, "notes/", load_notes);
	if (r >= 0)
		r = load_all(&l, "chunk/", load_chunk);
	for (struct vtap_object *f = vtap_objects_next(c->objects, kind, NULL); f && r >= 0;
	     f = vtap_objects_next(c->objects, kind, f))
		r = adopt(c->rules, f);
	return r < 0 ? r : drop_orphans(&l);
}
