// SPDX-License-Identifier: Apache-2.0

#include "agent/pool.h"

#include <errno.h>
#include <string.h>

struct entry {
	void *value; /* owned; NULL = free */
	uint64_t hash;
	uint32_t references; /* 0 with a value: retired */
};

struct vtap_pool {
	struct entry *entries; /* owned */
	uint32_t count;
	size_t value_bytes;
};

int vtap_pool_new(uint32_t entries, size_t value_bytes, struct vtap_pool **ret_pool)
{
	VTAP_CLEANUP(vtap_pool_freep) struct vtap_pool *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->entries = calloc(entries, sizeof(*p->entries));
	if (!p->entries)
		return -ENOMEM;
	p->count = entries;
	p->value_bytes = value_bytes;
	*ret_pool = VTAP_STEAL(p);
	return 0;
}

struct vtap_pool *vtap_pool_free(struct vtap_pool *p)
{
	if (!p)
		return NULL;
	for (uint32_t i = 0; p->entries && i < p->count; i++)
		free(p->entries[i].value);
	free(p->entries);
	free(p);
	return NULL;
}

/* FNV-1a by words, whose high bits are folded back, as a multiplication carries upwards only. */
static uint64_t hash_of(const void *value, size_t size_bytes)
{
	const uint8_t *bytes = value;
	uint64_t hash = 0xcbf29ce484222325ULL, word;

	for (; size_bytes >= sizeof(word); size_bytes -= sizeof(word), bytes += sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		hash = (hash ^ word) * 0x100000001b3ULL;
		hash ^= hash >> 32;
	}
	for (; size_bytes > 0; size_bytes--)
		hash = (hash ^ *bytes++) * 0x100000001b3ULL;
	return hash;
}

static int entry_fill(struct vtap_pool *p, uint32_t index, const void *value, uint64_t hash)
{
	void *copy = malloc(p->value_bytes);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, value, p->value_bytes);
	p->entries[index] = (struct entry){.value = copy, .hash = hash, .references = 1};
	return 0;
}

int vtap_pool_take(struct vtap_pool *p, const void *value, uint32_t *ret_index, bool *ret_fresh)
{
	uint64_t hash = hash_of(value, p->value_bytes);
	uint32_t free_index = 0;
	bool retired = false;
	int r;

	for (uint32_t i = 1; i < p->count; i++) {
		struct entry *e = &p->entries[i];

		if (!e->value) {
			free_index = free_index ? free_index : i;
			continue;
		}
		retired = retired || !e->references;
		if (e->hash == hash && !memcmp(e->value, value, p->value_bytes)) {
			e->references++;
			*ret_index = i;
			*ret_fresh = false;
			return 0;
		}
	}
	if (!free_index)
		return retired ? -EAGAIN : -ENOSPC;
	r = entry_fill(p, free_index, value, hash);
	if (r < 0)
		return r;
	*ret_index = free_index;
	*ret_fresh = true;
	return 0;
}

void vtap_pool_put(struct vtap_pool *p, uint32_t index)
{
	if (index && index < p->count && p->entries[index].references)
		p->entries[index].references--;
}

void vtap_pool_reclaim(struct vtap_pool *p)
{
	for (uint32_t i = 1; i < p->count; i++) {
		struct entry *e = &p->entries[i];

		if (!e->value || e->references)
			continue;
		free(e->value);
		e->value = NULL;
	}
}

int vtap_pool_adopt(struct vtap_pool *p, uint32_t index, const void *value)
{
	struct entry *e;

	if (!index || index >= p->count)
		return -ERANGE;
	e = &p->entries[index];
	if (!e->value)
		return entry_fill(p, index, value, hash_of(value, p->value_bytes));
	if (memcmp(e->value, value, p->value_bytes))
		return -EBUSY;
	e->references++;
	return 0;
}

uint32_t vtap_pool_used(const struct vtap_pool *p)
{
	uint32_t used = 0;

	for (uint32_t i = 1; i < p->count; i++)
		used += p->entries[i].references > 0;
	return used;
}
