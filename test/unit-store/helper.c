/* SPDX-License-Identifier: Apache-2.0 */

#include "helper.h"

#include <dirent.h>
#include <inttypes.h>
#include <sqlite3.h>

static char folder[32];
static char paths[32][64];
static unsigned next_path;

void helper_folder_make(void)
{
	strcpy(folder, "/tmp/vtap-store-XXXXXX");
	assert_non_null(mkdtemp(folder));
}

const char *helper_path(const char *name)
{
	char *path = paths[next_path++ % VTAP_ARRAY_SIZE(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

void helper_folder_remove(void)
{
	char command[48];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
}

void helper_folder_is(const char *name, const char *files)
{
	struct dirent **entries = NULL;
	char found[512] = "";
	int n = scandir(helper_path(name), &entries, NULL, alphasort);

	assert_true(n >= 0);
	for (int i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.') {
			strncat(found, *found ? " " : "", 2);
			strncat(found, entries[i]->d_name, sizeof(found) - strlen(found) - 2);
		}
		free(entries[i]);
	}
	free(entries);
	assert_string_equal(found, files);
}

void helper_sql(const char *path, const char *text)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

void helper_write(const char *path, const void *bytes, size_t count)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, count, f), count);
	assert_int_equal(fclose(f), 0);
}

uint8_t *helper_read(const char *path, size_t *ret_count)
{
	FILE *f = fopen(path, "re");
	struct stat s;
	uint8_t *bytes;

	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &s), 0);
	bytes = malloc((size_t)s.st_size + 1);
	assert_non_null(bytes);
	*ret_count = fread(bytes, 1, (size_t)s.st_size, f);
	assert_int_equal(*ret_count, s.st_size);
	fclose(f);
	return bytes;
}

void helper_has_mode(const char *path, mode_t mode)
{
	struct stat s;

	assert_int_equal(stat(path, &s), 0);
	assert_int_equal(s.st_mode & 07777, mode);
}

struct vtap_store *helper_open(const char *path)
{
	struct vtap_store *s = NULL;
	struct vtap_error error = {};
	int r = vtap_store_sqlite_new(path, &s, &error);

	if (r < 0)
		fail_msg("%s: %d, %s", error.field, r, error.text);
	assert_non_null(s);
	return s;
}

void helper_refused(const char *path, int code, const char *fragment)
{
	struct vtap_store *s = NULL;
	struct vtap_error error = {};
	int r = vtap_store_sqlite_new(path, &s, &error);

	if (r != code || error.code != code || strcmp(error.field, path) != 0 || !strstr(error.text, fragment))
		fail_msg("got %d, %s: \"%s\"; not %d, %s: \"%s\"", r, error.field, error.text, code, path, fragment);
	assert_null(s);
	assert_int_equal(vtap_store_sqlite_new(path, &s, NULL), code);
}

int helper_commit(struct vtap_store *s, const struct vtap_store_operation *operations, size_t count)
{
	struct vtap_store_transaction t = {.operations = operations, .operation_count = count, .ret_result = 1};
	int r = vtap_store_commit(s, &t, 1);

	if (r < 0)
		assert_int_equal(t.ret_result, r);
	assert_true(t.ret_result <= 0);
	if (t.ret_result == 0)
		assert_int_equal(t.ret_revision, vtap_store_revision(s));
	return t.ret_result;
}

char *helper_text(size_t bytes, char fill)
{
	char *text = malloc(bytes + 1);

	assert_non_null(text);
	memset(text, fill, bytes);
	text[bytes] = '\0';
	return text;
}

void helper_has(struct vtap_store *s, const char *key, const char *value)
{
	_cleanup_free_ void *found = NULL;
	size_t bytes = 0;
	uint64_t revision = 0;
	int r = vtap_store_get(s, key, &found, &bytes, &revision);

	if (!value) {
		assert_int_equal(r, -ENOENT);
		assert_null(found);
		return;
	}
	assert_int_equal(r, 0);
	assert_int_equal(bytes, strlen(value));
	assert_string_equal(found, value);
	assert_in_range(revision, 1, vtap_store_revision(s));
}

int helper_collect(const struct vtap_store_item *item, void *userdata)
{
	char **text = userdata, *before = *text;
	int n;

	if (!item->value)
		n = asprintf(text, "%s-%s@%" PRIu64 " ", before, item->key, item->revision);
	else if (item->value_bytes > 8)
		n = asprintf(text, "%s%s=%zu@%" PRIu64 " ", before, item->key, item->value_bytes, item->revision);
	else
		n = asprintf(text, "%s%s=%s@%" PRIu64 " ", before, item->key, (const char *)item->value,
			     item->revision);
	assert_true(n >= 0);
	if (item->value) /* there is a NUL behind it */
		assert_int_equal(((const char *)item->value)[item->value_bytes], 0);
	free(before);
	return 0;
}

char *helper_dump(struct vtap_store *s)
{
	char *text = helper_text(0, 0);

	assert_in_range(vtap_store_page(s, "", NULL, VTAP_STORE_PAGE_MAX, helper_collect, &text), 0,
			VTAP_STORE_PAGE_MAX - 1);
	return text;
}

char *helper_changes(struct vtap_store *s, const char *prefix, uint64_t revision)
{
	char *text = helper_text(0, 0);
	uint64_t next = 0;

	assert_int_equal(vtap_store_changes(s, prefix, revision, helper_collect, &text, &next), 0);
	assert_int_equal(next, vtap_store_revision(s));
	return text;
}
