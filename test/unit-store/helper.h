/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What every test of the store includes: cmocka with what it needs, a folder of its own, and short ways to write and to look. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "store/store.h"

#define PUT(k, v) ((struct vtap_store_operation){VTAP_STORE_PUT, (k), (v), strlen(v)})
#define DELETE(k) ((struct vtap_store_operation){VTAP_STORE_DELETE, (k), NULL, 0})
#define IS(k, v) ((struct vtap_store_operation){VTAP_STORE_IS, (k), (v), strlen(v)})
#define IS_ABSENT(k) ((struct vtap_store_operation){VTAP_STORE_IS_ABSENT, (k), NULL, 0})

/* A new empty folder, and a path in it; the paths are valid until helper_folder_remove(), at most 32 at a time. */
void helper_folder_make(void);
const char *helper_path(const char *name);
void helper_folder_remove(void);
/* The folder in it, "" = itself, holds these files and no others; sorted, with a blank between each two. */
void helper_folder_is(const char *name, const char *files);

/* Runs SQL on the file, as somebody else would. */
void helper_sql(const char *path, const char *text);
/* Writes a file anew; reads one, the result is the caller's. */
void helper_write(const char *path, const void *bytes, size_t count);
uint8_t *helper_read(const char *path, size_t *ret_count);
void helper_has_mode(const char *path, mode_t mode);

/* Opens a store that must open. */
struct vtap_store *helper_open(const char *path);
/* Must not open: with that code, and a message about that path with that fragment. */
void helper_refused(const char *path, int code, const char *fragment);

/* Commits the operations as one transaction; the result is its own, or the call's. */
int helper_commit(struct vtap_store *s, const struct vtap_store_operation *operations, size_t count);
#define COMMIT(s, ...)                                                                                                 \
	({                                                                                                             \
		const struct vtap_store_operation operations_[] = {__VA_ARGS__};                                       \
		helper_commit(s, operations_, VTAP_ARRAY_SIZE(operations_));                                           \
	})

/* A value of that many bytes. The result is the caller's. */
char *helper_text(size_t bytes, char fill);

/* The key has this value, NULL = is absent. */
void helper_has(struct vtap_store *s, const char *key, const char *value);
/* Everything in the store, "key=value@revision " each, values longer than 8 bytes as their length; the caller's. */
char *helper_dump(struct vtap_store *s);
/* The changes after a revision, "key=value@revision " or "-key@revision " each; the caller's. */
char *helper_changes(struct vtap_store *s, const char *prefix, uint64_t revision);
/* A walk's way to write into a text that grows: userdata is a char **. */
int helper_collect(const struct vtap_store_item *item, void *userdata);
