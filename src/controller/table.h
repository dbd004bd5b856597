/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Texts to pointers, in constant time. Keys are copied, values are the owner's. The hash is seeded: users choose the texts. */

#include <stddef.h>

#include "basic/util.h"

struct vtap_table;

int vtap_table_new(struct vtap_table **ret_table);
/* Values are left alone. */
struct vtap_table *vtap_table_free(struct vtap_table *t);
VTAP_DEFINE_CLEANUP(struct vtap_table *, vtap_table_free);

size_t vtap_table_count(const struct vtap_table *t);
/* NULL: there is none. */
void *vtap_table_get(const struct vtap_table *t, const char *key);
/* Inserts or replaces. value is not NULL. */
int vtap_table_put(struct vtap_table *t, const char *key, void *value);
/* Returns the value that was there, or NULL. */
void *vtap_table_remove(struct vtap_table *t, const char *key);
/*
 * Visits all, in no order; visit() may remove the entry that it is called for and no other, and insert none. Other than 0 ends
 * it, and is returned.
 */
int vtap_table_each(struct vtap_table *t, int (*visit)(const char *key, void *value, void *userdata), void *userdata);
