/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A state directory for one test, and what lies in it. */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

static inline int folder_make(void **state)
{
	char *path = strdup("/tmp/vtap-unit-XXXXXX");

	assert_non_null(mkdtemp(path));
	*state = path;
	return 0;
}

static inline void folder_empty(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		_cleanup_free_ char *child = NULL;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		assert_true(asprintf(&child, "%s/%s", path, entry->d_name) > 0);
		if (unlink(child) < 0) {
			folder_empty(child);
			assert_int_equal(rmdir(child), 0);
		}
	}
	if (dir)
		closedir(dir);
}

static inline int folder_remove(void **state)
{
	folder_empty(*state);
	assert_int_equal(rmdir(*state), 0);
	free(*state);
	return 0;
}

/* How many files there are. */
static inline size_t folder_count(const char *path)
{
	DIR *dir = opendir(path);
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

static inline void folder_write(const char *path, const char *name, const char *text)
{
	_cleanup_free_ char *child = NULL;
	FILE *file;

	assert_true(asprintf(&child, "%s/%s", path, name) > 0);
	file = fopen(child, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}
