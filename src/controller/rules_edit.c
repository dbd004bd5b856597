/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/change_private.h"
#include "controller/rules_private.h"

/*
 * Where chunks end: behind rules whose number says so, about one in CHUNK_ENDS, so that a list that was replaced by one that
 * differs in a few rules has most chunks in common with it. Not before CHUNK_MIN rules.
 */
#define CHUNK_ENDS 64U
#define CHUNK_MIN 16U

/* A stretch of the filter's rules: a chunk as it is, or lists that have been changed and are to be cut into chunks. */
struct piece {
	struct vtap_rules_chunk *chunk; /* borrowed; NULL = changed */
	json_t *rules, *notes; /* owned, when chunk is NULL */
};

struct edit {
	struct vtap_change *change;
	struct vtap_rules *rules;
	struct vtap_object *filter;
	struct piece *pieces; /* owned */
	size_t piece_count;
	json_t *hashes; /* owned; the filter's new list */
	size_t rule_count;
};

static void edit_done(struct edit *e)
{
	for (size_t i = 0; i < e->piece_count; i++) {
		json_decref(e->pieces[i].rules);
		json_decref(e->pieces[i].notes);
	}
	free(e->pieces);
	json_decref(e->hashes);
}

static int edit_begin(struct edit *e, struct vtap_change *c, struct vtap_object *filter)
{
	size_t count = json_array_size(json_object_get(filter->value, "chunks"));

	*e = (struct edit){.change = c, .rules = c->controller->rules, .filter = filter, .hashes = json_array()};
	e->pieces = calloc(count + 1, sizeof(*e->pieces));
	if (!e->pieces || !e->hashes)
		return -ENOMEM;
	for (; e->piece_count < count; e->piece_count++) {
		struct vtap_rules_chunk *chunk = vtap_rules_chunk_of(e->rules, filter, e->piece_count);

		if (!chunk)
			return -EUCLEAN;
		e->pieces[e->piece_count].chunk = chunk;
	}
	return 0;
}

/* Whether it holds that place, or rules behind it. */
static bool reaches(const struct piece *p, uint64_t place)
{
	size_t count = json_array_size(p->rules);

	if (p->chunk)
		return p->chunk->last_place >= place;
	return count > 0 && vtap_rules_place(json_array_get(p->rules, count - 1)) >= place;
}

static int piece_open(struct piece *p)
{
	int r;

	if (!p->chunk)
		return 0;
	r = vtap_rules_chunk_open(p->chunk);
	if (r < 0)
		return r;
	p->rules = json_copy(p->chunk->rules);
	p->notes = json_copy(p->chunk->notes);
	p->chunk = NULL;
	return p->rules && p->notes ? 0 : -ENOMEM;
}

/* The first piece that ends at that place or behind it; without one the last. There is always one: an empty one if need be. */
static int piece_at(struct edit *e, uint64_t place, struct piece **ret_piece)
{
	struct piece *p = e->pieces;

	if (e->piece_count == 0) {
		*p = (struct piece){.rules = json_array(), .notes = json_array()};
		e->piece_count = 1;
	}
	for (size_t i = 0; i < e->piece_count; i++) {
		p = &e->pieces[i];
		if (reaches(p, place))
			break;
	}
	*ret_piece = p;
	return piece_open(p);
}

static int edit_insert(struct edit *e, json_t *rule, json_t *note)
{
	uint64_t place = vtap_rules_place(rule);
	struct piece *p;
	size_t at = 0;
	int r;

	r = piece_at(e, place, &p);
	if (r >= 0) {
		while (at < json_array_size(p->rules) && vtap_rules_place(json_array_get(p->rules, at)) < place)
			at++;
		if (json_array_insert(p->rules, at, rule) < 0 || json_array_insert(p->notes, at, note) < 0)
			r = -ENOMEM;
	}
	return r;
}

static int edit_remove(struct edit *e, const json_t *rule)
{
	struct piece *p;
	const json_t *at;
	size_t i;
	int r;

	r = piece_at(e, vtap_rules_place(rule), &p);
	if (r < 0)
		return r;
	json_array_foreach(p->rules, i, at)
	{
		if (at != rule)
			continue;
		if (json_array_remove(p->rules, i) < 0 || json_array_remove(p->notes, i) < 0)
			return -ENOMEM;
		return 0;
	}
	return -ENOENT;
}

struct added { /* a chunk that a change brought */
	struct vtap_rules *rules;
	struct vtap_rules_chunk *chunk;
};

static void added_end(bool committed, void *userdata)
{
	struct added *a = userdata;

	if (!committed) {
		vtap_rules_chunk_unlink(a->rules, a->chunk);
		vtap_rules_chunk_free(a->chunk);
	}
	free(a);
}

static void retired_end(bool committed, void *userdata)
{
	struct added *a = userdata;

	if (committed)
		vtap_rules_chunk_free(a->chunk);
	else if (vtap_rules_chunk_link(a->rules, a->chunk) < 0)
		abort(); /* rules that nobody finds would be lost with the next edit */
	free(a);
}

static int chunk_hook(struct edit *e, struct vtap_rules_chunk *chunk, void (*end)(bool committed, void *userdata))
{
	struct added *a = malloc(sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	*a = (struct added){.rules = e->rules, .chunk = chunk};
	r = vtap_change_on_end(e->change, end, a);
	if (r < 0)
		free(a);
	return r;
}

struct renoted { /* notes that a change replaced */
	struct vtap_rules_chunk *chunk;
	char *before; /* owned */
	size_t before_bytes;
};

static void renoted_end(bool committed, void *userdata)
{
	struct renoted *n = userdata;

	if (!committed) {
		vtap_rules_chunk_close(n->chunk);
		free(n->chunk->notes_text);
		n->chunk->notes_text = VTAP_STEAL(n->before);
		n->chunk->notes_bytes = n->before_bytes;
	}
	free(n->before);
	free(n);
}

/* By those of another chunk, which loses them. */
static int notes_replace(struct edit *e, struct vtap_rules_chunk *chunk, struct vtap_rules_chunk *from)
{
	struct renoted *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	n->chunk = chunk;
	r = vtap_change_on_end(e->change, renoted_end, n);
	if (r < 0) {
		free(n);
		return r;
	}
	n->before = chunk->notes_text;
	n->before_bytes = chunk->notes_bytes;
	chunk->notes_text = VTAP_STEAL(from->notes_text);
	chunk->notes_bytes = from->notes_bytes;
	vtap_rules_chunk_close(chunk);
	return 0;
}

static int chunk_store(struct edit *e, const struct vtap_rules_chunk *chunk, bool text_too)
{
	char key[VTAP_HASH_STRLEN + 16];
	int r = 0;

	if (text_too) {
		snprintf(key, sizeof(key), "chunk/%s", chunk->hash);
		r = vtap_change_put_key_before(e->change, key, chunk->text, chunk->text_bytes);
	}
	snprintf(key, sizeof(key), "notes/%s", chunk->hash);
	return r < 0 ? r : vtap_change_put_key_before(e->change, key, chunk->notes_text, chunk->notes_bytes);
}

/* Notes alone, when the rules are those of a chunk that is there. */
static int chunk_keep(struct edit *e, struct vtap_rules_chunk *chunk, struct vtap_rules_chunk *from)
{
	int r;

	if (chunk->notes_text && strcmp(chunk->notes_text, from->notes_text) == 0)
		return 0;
	r = notes_replace(e, chunk, from);
	return r < 0 ? r : chunk_store(e, chunk, false);
}

/* Takes rules and notes. */
static int chunk_add(struct edit *e, json_t *rules, json_t *notes)
{
	VTAP_CLEANUP(vtap_rules_chunk_freep) struct vtap_rules_chunk *chunk = NULL;
	struct vtap_rules_chunk *same;
	int r;

	e->rule_count += json_array_size(rules);
	r = vtap_rules_chunk_new(e->rules, e->filter, rules, notes, &chunk);
	if (r < 0)
		return r;
	if (json_array_append_new(e->hashes, json_string(chunk->hash)) < 0)
		return -ENOMEM;
	same = vtap_table_get(e->rules->by_hash, chunk->hash);
	if (same)
		return chunk_keep(e, same, chunk);
	r = chunk_store(e, chunk, true);
	if (r >= 0)
		r = vtap_rules_chunk_link(e->rules, chunk);
	if (r < 0)
		return r;
	r = chunk_hook(e, chunk, added_end);
	if (r < 0)
		vtap_rules_chunk_unlink(e->rules, chunk);
	else
		(void)VTAP_STEAL(chunk);
	return r;
}

static bool ends_chunk(const json_t *rule)
{
	uint64_t mixed = vtap_rules_place(rule);

	mixed = (mixed ^ (mixed >> 33)) * 0xff51afd7ed558ccdULL;
	mixed = (mixed ^ (mixed >> 33)) * 0xc4ceb9fe1a85ec53ULL;
	return (mixed >> 33) % CHUNK_ENDS == 0;
}

static size_t size_of(const json_t *value)
{
	return json_dumpb(value, NULL, 0, JSON_COMPACT) + 1;
}

/* How many rules from there on make a chunk. */
static size_t cut_next(const struct piece *p, size_t from)
{
	size_t count = json_array_size(p->rules), rules_bytes = 2, notes_bytes = 2, i;

	for (i = from; i < count && i - from < VTAP_RULES_CHUNK_MAX; i++) {
		const json_t *rule = json_array_get(p->rules, i);

		rules_bytes += size_of(rule);
		notes_bytes += size_of(json_array_get(p->notes, i));
		if (i > from && (rules_bytes > VTAP_RULES_CHUNK_MAX_BYTES || notes_bytes > VTAP_RULES_CHUNK_MAX_BYTES))
			break;
		if (i + 1 - from >= CHUNK_MIN && ends_chunk(rule))
			return i + 1 - from;
	}
	return i - from;
}

static int piece_cut(struct edit *e, const struct piece *p)
{
	int r = 0;

	for (size_t from = 0; r >= 0 && from < json_array_size(p->rules);) {
		size_t count = cut_next(p, from);
		json_t *rules = json_array(), *notes = json_array();

		for (size_t i = from; i < from + count; i++)
			if (json_array_append(rules, json_array_get(p->rules, i)) < 0 ||
			    json_array_append(notes, json_array_get(p->notes, i)) < 0)
				r = -ENOMEM;
		if (r < 0) {
			json_decref(rules);
			json_decref(notes);
			return r;
		}
		r = chunk_add(e, rules, notes);
		from += count;
	}
	return r;
}

/* Chunks that have become small are put together with the next one. */
static int pieces_merge(struct edit *e)
{
	for (size_t i = 0; i + 1 < e->piece_count; i++) {
		struct piece *p = &e->pieces[i], *next = &e->pieces[i + 1];

		if (p->chunk || json_array_size(p->rules) >= CHUNK_MIN)
			continue;
		if (piece_open(next) < 0 || json_array_extend(p->rules, next->rules) < 0 ||
		    json_array_extend(p->notes, next->notes) < 0)
			return -ENOMEM;
		json_array_clear(next->rules);
		json_array_clear(next->notes);
		return 0;
	}
	return 0;
}

static bool is_listed(const json_t *hashes, const char *hash)
{
	const json_t *at;
	size_t i;

	json_array_foreach(hashes, i, at)
	{
		if (strcmp(json_string_value(at), hash) == 0)
			return true;
	}
	return false;
}

static int retire(struct edit *e, struct vtap_rules_chunk *chunk)
{
	char key[VTAP_HASH_STRLEN + 16];
	int r;

	snprintf(key, sizeof(key), "chunk/%s", chunk->hash);
	r = vtap_change_delete_key_after(e->change, key);
	snprintf(key, sizeof(key), "notes/%s", chunk->hash);
	if (r >= 0)
		r = vtap_change_delete_key_after(e->change, key);
	if (r >= 0)
		r = chunk_hook(e, chunk, retired_end);
	if (r >= 0)
		vtap_rules_chunk_unlink(e->rules, chunk);
	return r;
}

static int retire_unlisted(struct edit *e)
{
	const json_t *old = json_object_get(e->filter->value, "chunks"), *hash;
	size_t i;
	int r = 0;

	json_array_foreach(old, i, hash)
	{
		struct vtap_rules_chunk *chunk = vtap_table_get(e->rules->by_hash, json_string_value(hash));

		if (chunk && !is_listed(e->hashes, chunk->hash))
			r = retire(e, chunk);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The pieces become the filter's chunks. */
static int edit_finish(struct edit *e)
{
	struct vtap_object *filter = e->filter;
	json_t *value;
	int r;

	r = pieces_merge(e);
	for (size_t i = 0; r >= 0 && i < e->piece_count; i++) {
		const struct piece *p = &e->pieces[i];

		if (p->chunk) {
			for (size_t d = 0; d < VTAP_DIRECTION_MAX; d++)
				e->rule_count += p->chunk->counts[d];
			if (json_array_append_new(e->hashes, json_string(p->chunk->hash)) < 0)
				r = -ENOMEM;
		} else {
			r = piece_cut(e, p);
		}
	}
	if (r >= 0 && json_array_size(e->hashes) > VTAP_RULES_CHUNKS_MAX)
		r = -E2BIG;
	if (r >= 0)
		r = retire_unlisted(e);
	if (r < 0)
		return r;
	value = json_copy(filter->value);
	if (!value || json_object_set(value, "chunks", e->hashes) < 0 ||
	    json_object_set_new(value, "rule_count", json_integer((json_int_t)e->rule_count)) < 0) {
		json_decref(value);
		return -ENOMEM;
	}
	return vtap_change_put(e->change, filter->kind, value, NULL);
}

int vtap_rules_put(struct vtap_change *c, struct vtap_object *filter, const json_t *rule, char ret_id[VTAP_ID_STRLEN])
{
	VTAP_CLEANUP(edit_done) struct edit e = {};
	VTAP_CLEANUP(vtap_rules_parts_done) struct vtap_rules_parts parts = {};
	int r;

	r = edit_begin(&e, c, filter);
	if (r >= 0)
		r = vtap_rules_parts_make(c, rule, &parts);
	if (r >= 0 && parts.old_rule)
		r = edit_remove(&e, parts.old_rule);
	if (r >= 0)
		r = edit_insert(&e, parts.rule, parts.note);
	if (r >= 0)
		r = edit_finish(&e);
	if (r >= 0)
		snprintf(ret_id, VTAP_ID_STRLEN, "%s", parts.id);
	return r;
}

int vtap_rules_delete(struct vtap_change *c, const char *rule_id)
{
	VTAP_CLEANUP(edit_done) struct edit e = {};
	struct vtap_object *filter = NULL;
	const json_t *rule = vtap_rules_find(c->controller->rules, rule_id, &filter);
	int r;

	if (!rule)
		return -ENOENT;
	r = edit_begin(&e, c, filter);
	if (r >= 0)
		r = edit_remove(&e, rule);
	return r < 0 ? r : edit_finish(&e);
}

int vtap_rules_replace(struct vtap_change *c, struct vtap_object *filter, const json_t *rules)
{
	VTAP_CLEANUP(edit_done) struct edit e = {};
	const json_t *rule;
	struct piece *p;
	size_t i;
	int r;

	r = edit_begin(&e, c, filter);
	if (r < 0)
		return r;
	e.piece_count = 1;
	p = e.pieces;
	*p = (struct piece){.rules = json_array(), .notes = json_array()};
	json_array_foreach(rules, i, rule)
	{
		VTAP_CLEANUP(vtap_rules_parts_done) struct vtap_rules_parts parts = {};

		r = vtap_rules_parts_make(c, rule, &parts);
		if (r >= 0 &&
		    (json_array_append(p->rules, parts.rule) < 0 || json_array_append(p->notes, parts.note) < 0))
			r = -ENOMEM;
		if (r < 0)
			return r;
	}
	return edit_finish(&e);
}

int vtap_rules_drop(struct vtap_change *c, const struct vtap_object *filter)
{
	struct edit e = {.change = c, .rules = c->controller->rules};
	struct vtap_rules_chunk *chunk;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < json_array_size(json_object_get(filter->value, "chunks")); i++) {
		chunk = vtap_rules_chunk_of(e.rules, filter, i);
		if (chunk)
			r = retire(&e, chunk);
	}
	return r;
}
