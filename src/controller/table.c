/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/table.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "crypto/crypto.h"

#define BUCKETS_FIRST 64

struct entry {
	struct entry *next;
	void *value;
	uint64_t hash;
	char key[];
};

struct vtap_table {
	struct entry **buckets; /* owned; a power of two of them */
	size_t bucket_count, count;
	uint64_t seed;
};

/* FNV-1a from a random start, and a last round that mixes the bits which choose the bucket. */
static uint64_t hash_of(const struct vtap_table *t, const char *key)
{
	uint64_t hash = t->seed;

	for (; *key; key++)
		hash = (hash ^ (unsigned char)*key) * 0x100000001b3ULL;
	hash ^= hash >> 32;
	hash *= 0xd6e8feb86659fd93ULL;
	return hash ^ (hash >> 32);
}

static struct entry **place_of(const struct vtap_table *t, const char *key, uint64_t hash)
{
	struct entry **place = &t->buckets[hash & (t->bucket_count - 1)];

	while (*place && ((*place)->hash != hash || strcmp((*place)->key, key) != 0))
		place = &(*place)->next;
	return place;
}

int vtap_table_new(struct vtap_table **ret_table)
{
	VTAP_CLEANUP(vtap_table_freep) struct vtap_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->buckets = calloc(BUCKETS_FIRST, sizeof(*t->buckets));
	if (!t->buckets)
		return -ENOMEM;
	t->bucket_count = BUCKETS_FIRST;
	vtap_random_bytes(&t->seed, sizeof(t->seed));
	*ret_table = VTAP_STEAL(t);
	return 0;
}

struct vtap_table *vtap_table_free(struct vtap_table *t)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->bucket_count; i++) {
		struct entry *next;

		for (struct entry *e = t->buckets[i]; e; e = next) {
			next = e->next;
			free(e);
		}
	}
	free(t->buckets);
	free(t);
	return NULL;
}

size_t vtap_table_count(const struct vtap_table *t)
{
	return t->count;
}

void *vtap_table_get(const struct vtap_table *t, const char *key)
{
	const struct entry *e = *place_of(t, key, hash_of(t, key));

	return e ? e->value : NULL;
}

/* Without memory for more buckets it goes on with longer chains. */
static void grow(struct vtap_table *t)
{
	size_t count = t->bucket_count * 2;
	struct entry **buckets = calloc(count, sizeof(*buckets));

	if (!buckets)
		return;
	for (size_t i = 0; i < t->bucket_count; i++) {
		struct entry *next;

		for (struct entry *e = t->buckets[i]; e; e = next) {
			next = e->next;
			e->next = buckets[e->hash & (count - 1)];
			buckets[e->hash & (count - 1)] = e;
		}
	}
	free(t->buckets);
	t->buckets = buckets;
	t->bucket_count = count;
}

int vtap_table_put(struct vtap_table *t, const char *key, void *value)
{
	uint64_t hash = hash_of(t, key);
	struct entry **place = place_of(t, key, hash);
	size_t size_bytes = strlen(key) + 1;
	struct entry *e = *place;

	if (e) {
		e->value = value;
		return 0;
	}
	e = malloc(sizeof(*e) + size_bytes);
	if (!e)
		return -ENOMEM;
	e->next = NULL;
	e->value = value;
	e->hash = hash;
	memcpy(e->key, key, size_bytes);
	*place = e;
	if (++t->count > t->bucket_count)
		grow(t);
	return 0;
}

void *vtap_table_remove(struct vtap_table *t, const char *key)
{
	struct entry **place = place_of(t, key, hash_of(t, key));
	struct entry *e = *place;
	void *value;

	if (!e)
		return NULL;
	value = e->value;
	*place = e->next;
	free(e);
	t->count--;
	return value;
}

int vtap_table_each(struct vtap_table *t, int (*visit)(const char *key, void *value, void *userdata), void *userdata)
{
	for (size_t i = 0; i < t->bucket_count; i++) {
		struct entry *next;

		for (struct entry *e = t->buckets[i]; e; e = next) {
			int r;

			next = e->next;
			r = visit(e->key, e->value, userdata);
			if (r != 0)
				return r;
		}
	}
	return 0;
}
