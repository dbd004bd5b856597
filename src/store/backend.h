/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a backend does for store.c, which alone checks limits, evaluates transactions and counts revisions: whatever comes here
 * is within the limits, and no two backends can differ in them.
 */

#include <stdbool.h>

#include "store/store.h"

/* Keys from lower up to, not including, upper, in bytewise order. */
struct vtap_store_range {
	uint8_t lower[VTAP_STORE_KEY_MAX_BYTES + 1];
	size_t lower_bytes;
	uint8_t upper[VTAP_STORE_KEY_MAX_BYTES + 1];
	size_t upper_bytes;
};

/* A change's place in the history: its revision and, of a transaction's writes, the how-manieth it is. */
struct vtap_store_place {
	uint64_t revision;
	unsigned position; /* below VTAP_STORE_OPERATIONS_MAX */
};

struct vtap_store_backend {
	void (*release)(struct vtap_store *s); /* what it has acquired; store.c frees the struct itself */
	int (*get)(struct vtap_store *s, const char *key, void **ret_value, size_t *ret_value_bytes,
		   uint64_t *ret_revision);
	ssize_t (*page)(struct vtap_store *s, const struct vtap_store_range *range, size_t max, vtap_store_visit visit,
			void *userdata);
	/* Every change after that revision, which is no older than VTAP_STORE_HISTORY. */
	int (*changes)(struct vtap_store *s, const struct vtap_store_range *range, uint64_t revision,
		       vtap_store_visit visit, void *userdata);

	/* A commit: begin, any number of holds and write in between, end. Without begin's success there is no end. */
	int (*begin)(struct vtap_store *s);
	/* 1: the compare holds; 0: it does not. */
	int (*holds)(struct vtap_store *s, const struct vtap_store_operation *o);
	/* 1: done and recorded at that place; 0: there was nothing to delete. */
	int (*write)(struct vtap_store *s, const struct vtap_store_operation *o, struct vtap_store_place place);
	/* Keeps everything since begin, durably, with `revision` as the last; or, if !keep or it fails, nothing of it. */
	int (*end)(struct vtap_store *s, bool keep, uint64_t revision);
};

/* Every backend's own struct begins with this one. */
struct vtap_store {
	const struct vtap_store_backend *backend;
	char epoch[VTAP_STORE_EPOCH_STRLEN];
	uint64_t revision;
	bool visiting;
};

/* The oldest revision whose changes must still be there, once `revision` is the last. */
static inline uint64_t vtap_store_history_begin(uint64_t revision)
{
	return revision < VTAP_STORE_HISTORY ? 1 : revision - VTAP_STORE_HISTORY + 1;
}

/* Bytewise; the shorter of two that are equal as far as it goes comes first. */
int vtap_store_key_compare(const void *a, size_t a_bytes, const void *b, size_t b_bytes);
bool vtap_store_range_has(const struct vtap_store_range *range, const char *key);
