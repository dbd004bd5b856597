/* SPDX-License-Identifier: Apache-2.0 */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "crypto/crypto.h"
#include "store/backend.h"

/* Never changed, and shared by the items and the history. */
struct entry {
	unsigned references;
	bool deleted;
	uint64_t revision;
	size_t value_bytes;
	const char *value; /* behind the key, inside this allocation; NUL follows */
	char key[];
};

struct change {
	struct entry *after; /* owned */
	struct entry *before; /* owned while its commit can still fail; NULL = there was none */
};

struct memory {
	struct vtap_store store;
	struct entry **items; /* owned; ascending keys */
	size_t item_count, item_size;
	struct change *history; /* owned; ascending revisions */
	size_t history_count, history_size;
	size_t kept; /* of the history, by the commits that have ended */
};

static struct entry *entry_unref(struct entry *e)
{
	if (e && --e->references == 0)
		free(e);
	return NULL;
}
VTAP_DEFINE_CLEANUP(struct entry *, entry_unref);

static struct entry *entry_new(const struct vtap_store_operation *o, uint64_t revision)
{
	size_t key_bytes = strlen(o->key) + 1, value_bytes = o->type == VTAP_STORE_PUT ? o->value_bytes : 0;
	struct entry *e = calloc(1, sizeof(*e) + key_bytes + value_bytes + 1);

	if (!e)
		return NULL;
	e->references = 1;
	e->deleted = o->type == VTAP_STORE_DELETE;
	e->revision = revision;
	memcpy(e->key, o->key, key_bytes);
	if (value_bytes > 0)
		memcpy(e->key + key_bytes, o->value, value_bytes);
	e->value = e->key + key_bytes;
	e->value_bytes = value_bytes;
	return e;
}

static struct vtap_store_item entry_item(const struct entry *e)
{
	return (struct vtap_store_item){
	    .key = e->key,
	    .value = e->deleted ? NULL : e->value,
	    .value_bytes = e->value_bytes,
	    .revision = e->revision,
	};
}

/* Room for one more; `size` counts elements. */
static int grow(void **array, size_t count, size_t *size, size_t element_bytes)
{
	size_t wanted = *size ? *size * 2 : 64;
	void *grown;

	if (count < *size)
		return 0;
	grown = reallocarray(*array, wanted, element_bytes);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*size = wanted;
	return 0;
}

/* Where the first item is that is not before the key. */
static size_t item_place(const struct memory *m, const void *key, size_t key_bytes)
{
	size_t low = 0, high = m->item_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const char *other = m->items[middle]->key;

		if (vtap_store_key_compare(other, strlen(other), key, key_bytes) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct entry *item_find(const struct memory *m, const char *key, size_t *ret_place)
{
	*ret_place = item_place(m, key, strlen(key));
	return *ret_place < m->item_count && strcmp(m->items[*ret_place]->key, key) == 0 ? m->items[*ret_place] : NULL;
}

/* Takes e (NULL or deleted = none) for the key's item, and gives away the one that was there. There is room for it. */
static struct entry *item_exchange(struct memory *m, const char *key, struct entry *e)
{
	size_t place;
	struct entry *before = item_find(m, key, &place);
	struct entry **at = m->items + place;
	bool wanted = e && !e->deleted;

	if (before && !wanted)
		memmove(at, at + 1, (--m->item_count - place) * sizeof(*at));
	else if (!before && wanted)
		memmove(at + 1, at, (m->item_count++ - place) * sizeof(*at));
	if (wanted) {
		e->references++;
		*at = e;
	}
	return before;
}

static void memory_release(struct vtap_store *s)
{
	struct memory *m = (struct memory *)s;

	for (size_t i = 0; i < m->item_count; i++)
		entry_unref(m->items[i]);
	for (size_t i = 0; i < m->history_count; i++)
		entry_unref(m->history[i].after);
	free(m->items);
	free(m->history);
}

static int memory_get(struct vtap_store *s, const char *key, void **ret_value, size_t *ret_value_bytes,
		      uint64_t *ret_revision)
{
	size_t place;
	const struct entry *e = item_find((struct memory *)s, key, &place);
	char *value;

	if (!e)
		return -ENOENT;
	value = malloc(e->value_bytes + 1);
	if (!value)
		return -ENOMEM;
	memcpy(value, e->value, e->value_bytes + 1);
	*ret_value = value;
	*ret_value_bytes = e->value_bytes;
	*ret_revision = e->revision;
	return 0;
}

static ssize_t memory_page(struct vtap_store *s, const struct vtap_store_range *range, size_t max,
			   vtap_store_visit visit, void *userdata)
{
	struct memory *m = (struct memory *)s;
	size_t place = item_place(m, range->lower, range->lower_bytes), visited = 0;
	int r;

	for (; visited < max && place < m->item_count && vtap_store_range_has(range, m->items[place]->key);
	     visited++, place++) {
		struct vtap_store_item item = entry_item(m->items[place]);

		r = visit(&item, userdata);
		if (r < 0)
			return r;
	}
	return (ssize_t)visited;
}

static int memory_changes(struct vtap_store *s, const struct vtap_store_range *range, uint64_t revision,
			  vtap_store_visit visit, void *userdata)
{
	struct memory *m = (struct memory *)s;
	size_t i = m->history_count;
	int r;

	while (i > 0 && m->history[i - 1].after->revision > revision)
		i--;
	for (; i < m->history_count; i++) {
		struct vtap_store_item item = entry_item(m->history[i].after);

		if (!vtap_store_range_has(range, item.key))
			continue;
		r = visit(&item, userdata);
		if (r < 0)
			return r;
	}
	return 0;
}

static int memory_begin(struct vtap_store *s)
{
	return 0;
}

static int memory_holds(struct vtap_store *s, const struct vtap_store_operation *o)
{
	size_t place;
	const struct entry *e = item_find((struct memory *)s, o->key, &place);

	if (o->type == VTAP_STORE_IS_ABSENT)
		return !e;
	return e && e->value_bytes == o->value_bytes &&
	       (e->value_bytes == 0 || memcmp(e->value, o->value, e->value_bytes) == 0);
}

static int memory_write(struct vtap_store *s, const struct vtap_store_operation *o, struct vtap_store_place place)
{
	struct memory *m = (struct memory *)s;
	VTAP_CLEANUP(entry_unrefp) struct entry *e = NULL;
	struct change *c;
	size_t index;
	int r;

	if (o->type == VTAP_STORE_DELETE && !item_find(m, o->key, &index))
		return 0;
	r = grow((void **)&m->items, m->item_count, &m->item_size, sizeof(*m->items));
	if (r < 0)
		return r;
	r = grow((void **)&m->history, m->history_count, &m->history_size, sizeof(*m->history));
	if (r < 0)
		return r;
	e = entry_new(o, place.revision);
	if (!e)
		return -ENOMEM;
	c = &m->history[m->history_count++];
	c->before = item_exchange(m, o->key, e);
	c->after = VTAP_STEAL(e);
	return 1;
}

/* In the opposite order, so that a key that was written twice ends as it was before the first time. */
static void undo(struct memory *m)
{
	while (m->history_count > m->kept) {
		struct change *c = &m->history[--m->history_count];

		entry_unref(item_exchange(m, c->after->key, c->before));
		entry_unref(c->before);
		entry_unref(c->after);
	}
}

/* Not for each of the old ones the whole array moves: some more than VTAP_STORE_HISTORY revisions stay. */
static void compact(struct memory *m, uint64_t revision)
{
	size_t old = 0;

	while (old < m->history_count && m->history[old].after->revision < vtap_store_history_begin(revision))
		old++;
	if (old == 0 || old < m->history_count / 2)
		return;
	for (size_t i = 0; i < old; i++)
		entry_unref(m->history[i].after);
	memmove(m->history, m->history + old, (m->history_count - old) * sizeof(*m->history));
	m->history_count -= old;
}

static int memory_end(struct vtap_store *s, bool keep, uint64_t revision)
{
	struct memory *m = (struct memory *)s;

	if (!keep) {
		undo(m);
		return 0;
	}
	for (size_t i = m->kept; i < m->history_count; i++)
		m->history[i].before = entry_unref(m->history[i].before);
	compact(m, revision);
	m->kept = m->history_count;
	return 0;
}

static const struct vtap_store_backend backend = {
    .release = memory_release,
    .get = memory_get,
    .page = memory_page,
    .changes = memory_changes,
    .begin = memory_begin,
    .holds = memory_holds,
    .write = memory_write,
    .end = memory_end,
};

int vtap_store_memory_new(struct vtap_store **ret_store)
{
	struct memory *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->store.backend = &backend;
	vtap_random_hex(VTAP_STORE_EPOCH_STRLEN - 1, m->store.epoch);
	*ret_store = &m->store;
	return 0;
}
