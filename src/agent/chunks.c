// SPDX-License-Identifier: Apache-2.0

#include "agent/chunks.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/statefile.h"
#include "crypto/crypto.h"

struct chunk {
	char hash[VTAP_HASH_STRLEN];
	char *text; /* owned */
	size_t size_bytes;
};

struct vtap_chunks {
	char *dir; /* owned */
	struct chunk *chunks; /* owned; sorted by hash */
	size_t count;
};

int vtap_chunks_new(const char *state_dir, struct vtap_chunks **ret_chunks)
{
	VTAP_CLEANUP(vtap_chunks_freep) struct vtap_chunks *c = calloc(1, sizeof(*c));

	if (!c || asprintf(&c->dir, "%s/chunks", state_dir) < 0)
		return -ENOMEM;
	if (mkdir(c->dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	*ret_chunks = VTAP_STEAL(c);
	return 0;
}

struct vtap_chunks *vtap_chunks_free(struct vtap_chunks *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->count; i++)
		free(c->chunks[i].text);
	free(c->chunks);
	free(c->dir);
	free(c);
	return NULL;
}

static bool hash_is_valid(const char *hash)
{
	return strlen(hash) == VTAP_HASH_STRLEN - 1 && strspn(hash, "0123456789abcdef") == VTAP_HASH_STRLEN - 1;
}

/* The chunk's place, or the one where it belongs. */
static size_t place_of(const struct vtap_chunks *c, const char *hash)
{
	size_t low = 0, high = c->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(c->chunks[middle].hash, hash) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct chunk *chunk_find(struct vtap_chunks *c, const char *hash)
{
	size_t at = place_of(c, hash);

	return at < c->count && !strcmp(c->chunks[at].hash, hash) ? &c->chunks[at] : NULL;
}

/* Takes the text over. */
static int chunk_add(struct vtap_chunks *c, const char *hash, char *text, size_t size_bytes)
{
	size_t at = place_of(c, hash);
	struct chunk *grown = reallocarray(c->chunks, c->count + 1, sizeof(*grown));

	if (!grown) {
		free(text);
		return -ENOMEM;
	}
	c->chunks = grown;
	memmove(&grown[at + 1], &grown[at], (c->count - at) * sizeof(*grown));
	grown[at] = (struct chunk){.text = text, .size_bytes = size_bytes};
	strcpy(grown[at].hash, hash);
	c->count++;
	return 0;
}

int vtap_chunks_put(struct vtap_chunks *c, const char *hash, const char *text, size_t size_bytes)
{
	char found[VTAP_HASH_STRLEN], *copy;
	int r;

	if (size_bytes > VTAP_CHUNK_MAX_BYTES)
		return -E2BIG;
	if (!hash_is_valid(hash) || strcmp(vtap_hash_hex(text, size_bytes, found), hash) != 0)
		return -EBADMSG;
	if (chunk_find(c, hash))
		return 0;
	copy = malloc(size_bytes + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, size_bytes);
	copy[size_bytes] = '\0';
	r = chunk_add(c, hash, copy, size_bytes);
	return r < 0 ? r : vtap_statefile_write(c->dir, hash, text, size_bytes);
}

/* From memory, else from the directory: a file whose text has another hash was damaged, and is as good as none. */
static struct chunk *chunk_get(struct vtap_chunks *c, const char *hash)
{
	char found[VTAP_HASH_STRLEN], *text = NULL;
	struct chunk *chunk;
	size_t size_bytes;

	if (!hash_is_valid(hash))
		return NULL;
	chunk = chunk_find(c, hash);
	if (chunk)
		return chunk;
	if (vtap_statefile_read(c->dir, hash, VTAP_CHUNK_MAX_BYTES, &text, &size_bytes) < 0)
		return NULL;
	if (strcmp(vtap_hash_hex(text, size_bytes, found), hash) != 0) {
		free(text);
		return NULL;
	}
	return chunk_add(c, hash, text, size_bytes) < 0 ? NULL : chunk_find(c, hash);
}

bool vtap_chunks_has(struct vtap_chunks *c, const char *hash)
{
	return chunk_get(c, hash);
}

json_t *vtap_chunks_rules(struct vtap_chunks *c, const char *hash)
{
	const struct chunk *chunk = chunk_get(c, hash);

	return chunk ? json_loadb(chunk->text, chunk->size_bytes, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

static void directory_collect(struct vtap_chunks *c, bool (*wanted)(const char *hash, void *userdata), void *userdata)
{
	DIR *dir = opendir(c->dir);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.' && (!hash_is_valid(entry->d_name) || !wanted(entry->d_name, userdata)))
			(void)vtap_statefile_remove(c->dir, entry->d_name);
	}
	if (dir)
		closedir(dir);
}

void vtap_chunks_collect(struct vtap_chunks *c, bool (*wanted)(const char *hash, void *userdata), void *userdata)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->count; i++) {
		if (wanted(c->chunks[i].hash, userdata))
			c->chunks[kept++] = c->chunks[i];
		else
			free(c->chunks[i].text);
	}
	c->count = kept;
	directory_collect(c, wanted, userdata);
}
