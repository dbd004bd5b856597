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
	vtap_rules_chunk_close(chunk);
	free(chunk->text);
	free(chunk->notes_text);
	free(chunk);
	return NULL;
}

/* What is known of it without parsing it. */
static void chunk_count(struct vtap_rules_chunk *chunk)
{
	const json_t *rule;
	size_t i;

	json_array_foreach(chunk->rules, i, rule)
	{
		chunk->counts[direction_of(rule)]++;
		chunk->last_place = vtap_rules_place(rule);
	}
}

static void chunk_belongs(struct vtap_rules_chunk *chunk, const struct vtap_object *filter)
{
	snprintf(chunk->filter, sizeof(chunk->filter), "%s", filter->id);
	snprintf(chunk->project, sizeof(chunk->project), "%s", filter->project ? filter->project : "");
}

int vtap_rules_chunk_new(struct vtap_rules *r, const struct vtap_object *filter, json_t *rules, json_t *notes,
			 struct vtap_rules_chunk **ret_chunk)
{
	VTAP_CLEANUP(vtap_rules_chunk_freep) struct vtap_rules_chunk *chunk = calloc(1, sizeof(*chunk));

	if (!chunk) {
		json_decref(rules);
		json_decref(notes);
		return -ENOMEM;
	}
	chunk->cache = r->cache;
	vtap_rules_chunk_keep(chunk, rules, notes);
	chunk->text = json_dumps(rules, JSON_COMPACT);
	chunk->notes_text = json_dumps(notes, JSON_COMPACT);
	if (!chunk->text || !chunk->notes_text)
		return -ENOMEM;
	chunk->text_bytes = strlen(chunk->text);
	chunk->notes_bytes = strlen(chunk->notes_text);
	vtap_hash_hex(chunk->text, chunk->text_bytes, chunk->hash);
	chunk_belongs(chunk, filter);
	chunk_count(chunk);
	*ret_chunk = VTAP_STEAL(chunk);
	return 0;
}

static size_t count_of(const struct vtap_rules_chunk *chunk)
{
	return chunk->counts[VTAP_DIRECTION_IN] + chunk->counts[VTAP_DIRECTION_OUT];
}

static int project_add(struct vtap_rules *r, const struct vtap_rules_chunk *chunk)
{
	size_t *count = vtap_table_get(r->by_project, chunk->project);
	int k;

	if (!count) {
		count = calloc(1, sizeof(*count));
		k = count ? vtap_table_put(r->by_project, chunk->project, count) : -ENOMEM;
		if (k < 0) {
			free(count);
			return k;
		}
	}
	*count += count_of(chunk);
	return 0;
}

static void project_remove(struct vtap_rules *r, const struct vtap_rules_chunk *chunk)
{
	size_t *count = vtap_table_get(r->by_project, chunk->project);

	*count -= count_of(chunk);
	if (*count == 0)
		free(vtap_table_remove(r->by_project, chunk->project));
}

size_t vtap_rules_total(const struct vtap_rules *r, const char *project)
{
	const size_t *count = vtap_table_get(r->by_project, project);

	return count ? *count : 0;
}

void vtap_rules_chunk_unlink(struct vtap_rules *r, struct vtap_rules_chunk *chunk)
{
	const json_t *rule;
	size_t i;

	if (vtap_rules_chunk_open(chunk) < 0)
		abort(); /* rules would be found in what is not there any more */
	project_remove(r, chunk);
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

	k = vtap_rules_chunk_open(chunk);
	if (k >= 0)
		k = project_add(r, chunk);
	if (k < 0)
		return k;
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
	if (r >= 0)
		r = vtap_table_new(&rules->by_project);
	if (r >= 0)
		r = vtap_rules_cache_new(c->event, &rules->cache);
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

static int count_visit_free(const char *key, void *value, void *userdata)
{
	free(value);
	return 0;
}

struct vtap_rules *vtap_rules_free(struct vtap_rules *r)
{
	if (!r)
		return NULL;
	if (r->by_hash)
		(void)vtap_table_each(r->by_hash, chunk_visit_free, NULL);
	if (r->by_project)
		(void)vtap_table_each(r->by_project, count_visit_free, NULL);
	vtap_table_free(r->by_hash);
	vtap_table_free(r->by_rule);
	vtap_table_free(r->by_project);
	vtap_rules_cache_free(r->cache);
	free(r);
	return NULL;
}

const json_t *vtap_rules_chunk(const struct vtap_rules *r, const char *hash)
{
	struct vtap_rules_chunk *chunk = vtap_table_get(r->by_hash, hash);

	return chunk && vtap_rules_chunk_open(chunk) >= 0 ? chunk->rules : NULL;
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

static const json_t *rule_in(struct vtap_rules_chunk *chunk, const char *id, const json_t **ret_note)
{
	const json_t *rule;
	size_t i;

	if (vtap_rules_chunk_open(chunk) < 0)
		return NULL;
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
	struct vtap_rules_chunk *chunk = vtap_table_get(r->by_rule, rule_id);
	const json_t *note;

	if (!chunk)
		return NULL;
	*ret_filter = vtap_objects_get(r->controller->objects, chunk->filter);
	return *ret_filter ? rule_in(chunk, rule_id, &note) : NULL;
}

/* The index of the first chunk that ends at that place or behind it. */
static size_t chunk_from(const struct vtap_rules *r, const struct vtap_object *filter, uint64_t place)
{
	size_t first = 0, end = json_array_size(json_object_get(filter->value, "chunks"));

	while (first < end) {
		size_t middle = first + (end - first) / 2;
		const struct vtap_rules_chunk *chunk = vtap_rules_chunk_of(r, filter, middle);

		if (chunk && chunk->last_place < place)
			first = middle + 1;
		else
			end = middle;
	}
	return first;
}

/* The same of the rules of a chunk. */
static size_t rule_from(const json_t *rules, uint64_t place)
{
	size_t first = 0, end = json_array_size(rules);

	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (vtap_rules_place(json_array_get(rules, middle)) < place)
			first = middle + 1;
		else
			end = middle;
	}
	return first;
}

int vtap_rules_each(const struct vtap_rules *r, const struct vtap_object *filter, uint64_t from_place,
		    int (*visit)(const json_t *rule, void *userdata), void *userdata)
{
	struct vtap_rules_chunk *chunk;
	int k;

	for (size_t i = chunk_from(r, filter, from_place); (chunk = vtap_rules_chunk_of(r, filter, i)); i++) {
		k = vtap_rules_chunk_open(chunk);
		if (k < 0)
			return k;
		for (size_t j = rule_from(chunk->rules, from_place); j < json_array_size(chunk->rules); j++) {
			k = visit(json_array_get(chunk->rules, j), userdata);
			if (k != 0)
				return k < 0 ? k : 0;
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
	struct vtap_rules_chunk *chunk = vtap_rules_chunk_of(r, filter, chunk_from(r, filter, wanted));
	const json_t *rule;

	if (!chunk || vtap_rules_chunk_open(chunk) < 0)
		return NULL;
	rule = json_array_get(chunk->rules, rule_from(chunk->rules, wanted));
	return rule && vtap_rules_place(rule) == wanted ? rule : NULL;
}

int vtap_rules_resource(const struct vtap_rules *r, const char *rule_id, json_t **ret_resource)
{
	const struct vtap_kind *kind = vtap_kind_find("rule");
	struct vtap_rules_chunk *chunk = vtap_table_get(r->by_rule, rule_id);
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
	struct vtap_table *notes; /* hash: text, owned */
	char last[VTAP_STORE_KEY_MAX_BYTES + 1];
	char (*orphans)[VTAP_HASH_STRLEN]; /* owned */
	size_t orphan_count;
};

static int load_notes(const struct vtap_store_item *item, void *userdata)
{
	struct loading *l = userdata;
	char *text = strndup(item->value, item->value_bytes);
	int r;

	snprintf(l->last, sizeof(l->last), "%s", item->key);
	r = text ? vtap_table_put(l->notes, item->key + strlen("notes/"), text) : -ENOMEM;
	if (r < 0)
		free(text);
	return r;
}

static int load_chunk(const struct vtap_store_item *item, void *userdata)
{
	struct loading *l = userdata;
	const char *hash = item->key + strlen("chunk/");
	VTAP_CLEANUP(vtap_rules_chunk_freep) struct vtap_rules_chunk *chunk = calloc(1, sizeof(*chunk));
	int r;

	snprintf(l->last, sizeof(l->last), "%s", item->key);
	if (!chunk)
		return -ENOMEM;
	chunk->cache = l->rules->cache;
	chunk->text = strndup(item->value, item->value_bytes);
	if (!chunk->text)
		return -ENOMEM;
	chunk->text_bytes = strlen(chunk->text);
	chunk->notes_text = vtap_table_remove(l->notes, hash);
	chunk->notes_bytes = chunk->notes_text ? strlen(chunk->notes_text) : 0;
	if (strcmp(vtap_hash_hex(chunk->text, chunk->text_bytes, chunk->hash), hash) != 0)
		return vtap_log_err(-EUCLEAN, "the store's value of %s has another hash", item->key);
	r = vtap_table_put(l->rules->by_hash, chunk->hash, chunk);
	if (r >= 0)
		(void)VTAP_STEAL(chunk);
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
		if (*chunk->filter || vtap_rules_chunk_open(chunk) < 0)
			return vtap_log_err(-EUCLEAN, "the store's value of chunk/%s is no list of one filter",
					    chunk->hash);
		chunk_belongs(chunk, filter);
		chunk_count(chunk);
		r = vtap_rules_chunk_link(rules, chunk);
		vtap_rules_chunk_close(chunk);
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

static void loading_done(struct loading *l)
{
	if (l->notes)
		(void)vtap_table_each(l->notes, count_visit_free, NULL);
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
