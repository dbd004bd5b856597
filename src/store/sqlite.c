/* SPDX-License-Identifier: Apache-2.0 */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "store/backend.h"
#include "store/sqlite_private.h"

enum statement { BEGIN, COMMIT, ROLLBACK, GET, PAGE, CHANGES, PUT, DELETE, RECORD, COMPACT, ADVANCE, STATEMENT_MAX };

static const char *const statement_texts[] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [GET] = "SELECT key, value, revision FROM item WHERE key = ?1",
    [PAGE] = "SELECT key, value, revision FROM item WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3",
    [CHANGES] = "SELECT key, value, id / 64 FROM change WHERE id >= ?3 AND key >= ?1 AND key < ?2 ORDER BY id",
    [PUT] = ("INSERT INTO item (key, value, revision) VALUES (?1, ?2, ?3)"
	     " ON CONFLICT (key) DO UPDATE SET value = excluded.value, revision = excluded.revision"),
    [DELETE] = "DELETE FROM item WHERE key = ?1",
    [RECORD] = "INSERT INTO change (key, value, id) VALUES (?1, ?2, ?3)",
    [COMPACT] = "DELETE FROM change WHERE id < ?1",
    [ADVANCE] = "UPDATE store SET revision = ?1",
};
static_assert(VTAP_ARRAY_SIZE(statement_texts) == STATEMENT_MAX, "every statement has its text");
static_assert(VTAP_STORE_OPERATIONS_MAX == 64, "the ids of table change are made with it");

#define COMPACT_EVERY 64 /* revisions: old changes go many at a time */

struct sqlite {
	struct vtap_store store;
	int lock_fd; /* -1 = not locked */
	sqlite3 *db; /* owned */
	sqlite3_stmt *statements[STATEMENT_MAX]; /* owned; all of them bound and reset by whoever runs them */
	uint64_t compacted; /* no change older than this is in the file */
};

static int fail(struct sqlite *s, int code)
{
	return vtap_sqlite_errno(s->db, code);
}

/* Ends the use of a statement; what it was bound to may go. */
static void finish(struct sqlite *s, enum statement which)
{
	(void)sqlite3_reset(s->statements[which]);
	(void)sqlite3_clear_bindings(s->statements[which]);
}

/* 0 = done, 1 = on a row. Anything but a row ends the use. */
static int step(struct sqlite *s, enum statement which)
{
	int code = sqlite3_step(s->statements[which]);
	int r;

	if (code == SQLITE_ROW)
		return 1;
	r = fail(s, code);
	finish(s, which);
	return r;
}

/* Binding fails only without memory, and when the caller binds what the statement has not. */
static int bind_blob(struct sqlite *s, enum statement which, int index, const void *bytes, size_t count)
{
	/* A NULL pointer would bind NULL, which no value is. */
	return sqlite3_bind_blob64(s->statements[which], index, count > 0 ? bytes : "", count, SQLITE_STATIC) !=
		       SQLITE_OK
		   ? -ENOMEM
		   : 0;
}

static void bind_number(struct sqlite *s, enum statement which, int index, uint64_t number)
{
	(void)sqlite3_bind_int64(s->statements[which], index, (int64_t)number);
}

static int bind_range(struct sqlite *s, enum statement which, const struct vtap_store_range *range)
{
	int r;

	r = bind_blob(s, which, 1, range->lower, range->lower_bytes);
	return r < 0 ? r : bind_blob(s, which, 2, range->upper, range->upper_bytes);
}

/* As text, because SQLite then puts a NUL behind it; the bytes stay as they are. */
static int row_item(struct sqlite *s, enum statement which, struct vtap_store_item *ret_item)
{
	sqlite3_stmt *row = s->statements[which];
	struct vtap_store_item item = {.key = (const char *)sqlite3_column_text(row, 0)};
	bool deleted = sqlite3_column_type(row, 1) == SQLITE_NULL;

	if (!deleted) {
		item.value = sqlite3_column_text(row, 1);
		item.value_bytes = (size_t)sqlite3_column_bytes(row, 1);
	}
	if (!item.key || (!item.value && !deleted))
		return -ENOMEM;
	item.revision = (uint64_t)sqlite3_column_int64(row, 2);
	*ret_item = item;
	return 0;
}

static void sqlite_release(struct vtap_store *store)
{
	struct sqlite *s = (struct sqlite *)store;

	for (size_t i = 0; i < STATEMENT_MAX; i++)
		(void)sqlite3_finalize(s->statements[i]);
	(void)sqlite3_close(s->db);
	vtap_closep(&s->lock_fd);
}

static int sqlite_get(struct vtap_store *store, const char *key, void **ret_value, size_t *ret_value_bytes,
		      uint64_t *ret_revision)
{
	struct sqlite *s = (struct sqlite *)store;
	struct vtap_store_item item;
	char *value = NULL;
	int r;

	r = bind_blob(s, GET, 1, key, strlen(key));
	if (r < 0)
		return r;
	r = step(s, GET);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	r = row_item(s, GET, &item);
	if (r == 0)
		value = malloc(item.value_bytes + 1);
	if (value) {
		memcpy(value, item.value, item.value_bytes + 1);
		*ret_value = value;
		*ret_value_bytes = item.value_bytes;
		*ret_revision = item.revision;
	}
	finish(s, GET);
	return value ? 0 : -ENOMEM;
}

/* Returns how many rows, or the first error. */
static ssize_t visit_rows(struct sqlite *s, enum statement which, vtap_store_visit visit, void *userdata)
{
	struct vtap_store_item item;
	ssize_t n = 0;
	int r;

	for (;;) {
		r = step(s, which);
		if (r <= 0)
			return r < 0 ? r : n;
		r = row_item(s, which, &item);
		if (r == 0)
			r = visit(&item, userdata);
		if (r < 0) {
			finish(s, which);
			return r;
		}
		n++;
	}
}

static ssize_t sqlite_page(struct vtap_store *store, const struct vtap_store_range *range, size_t max,
			   vtap_store_visit visit, void *userdata)
{
	struct sqlite *s = (struct sqlite *)store;
	int r;

	r = bind_range(s, PAGE, range);
	if (r < 0)
		return r;
	bind_number(s, PAGE, 3, max);
	return visit_rows(s, PAGE, visit, userdata);
}

static int sqlite_changes(struct vtap_store *store, const struct vtap_store_range *range, uint64_t revision,
			  vtap_store_visit visit, void *userdata)
{
	struct sqlite *s = (struct sqlite *)store;
	ssize_t n;
	int r;

	r = bind_range(s, CHANGES, range);
	if (r < 0)
		return r;
	bind_number(s, CHANGES, 3, (revision + 1) * VTAP_STORE_OPERATIONS_MAX);
	n = visit_rows(s, CHANGES, visit, userdata);
	return n < 0 ? (int)n : 0;
}

static int sqlite_begin(struct vtap_store *store)
{
	return step((struct sqlite *)store, BEGIN);
}

static int sqlite_holds(struct vtap_store *store, const struct vtap_store_operation *o)
{
	struct sqlite *s = (struct sqlite *)store;
	struct vtap_store_item item;
	int r;

	r = bind_blob(s, GET, 1, o->key, strlen(o->key));
	if (r < 0)
		return r;
	r = step(s, GET);
	if (r <= 0)
		return r < 0 ? r : o->type == VTAP_STORE_IS_ABSENT;
	r = row_item(s, GET, &item);
	if (r == 0)
		r = o->type == VTAP_STORE_IS && item.value_bytes == o->value_bytes &&
		    (o->value_bytes == 0 || memcmp(item.value, o->value, o->value_bytes) == 0);
	finish(s, GET);
	return r;
}

/* Binds what PUT, DELETE and RECORD share; value only where there is one. */
static int write_row(struct sqlite *s, enum statement which, const struct vtap_store_operation *o, uint64_t number)
{
	int r;

	r = bind_blob(s, which, 1, o->key, strlen(o->key));
	if (r == 0 && o->type == VTAP_STORE_PUT)
		r = bind_blob(s, which, 2, o->value, o->value_bytes);
	if (r < 0)
		return r;
	if (which != DELETE)
		bind_number(s, which, 3, number);
	return step(s, which);
}

static int sqlite_write(struct vtap_store *store, const struct vtap_store_operation *o, struct vtap_store_place place)
{
	struct sqlite *s = (struct sqlite *)store;
	int r;

	r = write_row(s, o->type == VTAP_STORE_PUT ? PUT : DELETE, o, place.revision);
	if (r < 0)
		return r;
	if (sqlite3_changes(s->db) == 0)
		return 0;
	r = write_row(s, RECORD, o, place.revision * VTAP_STORE_OPERATIONS_MAX + place.position);
	return r < 0 ? r : 1;
}

/* What goes with a batch that has changed something: the revision, and now and then the end of the oldest changes. */
static int advance(struct sqlite *s, uint64_t revision, uint64_t *ret_compacted)
{
	uint64_t begin = vtap_store_history_begin(revision);
	int r;

	bind_number(s, ADVANCE, 1, revision);
	r = step(s, ADVANCE);
	if (r < 0 || begin < s->compacted + COMPACT_EVERY)
		return r;
	bind_number(s, COMPACT, 1, begin * VTAP_STORE_OPERATIONS_MAX);
	r = step(s, COMPACT);
	if (r == 0)
		*ret_compacted = begin;
	return r;
}

static int sqlite_end(struct vtap_store *store, bool keep, uint64_t revision)
{
	struct sqlite *s = (struct sqlite *)store;
	uint64_t compacted = s->compacted;
	int r = 0;

	if (keep && revision != store->revision)
		r = advance(s, revision, &compacted);
	if (keep && r == 0) {
		r = step(s, COMMIT);
		if (r == 0) {
			s->compacted = compacted;
			return 0;
		}
	}
	/* SQLite has rolled back by itself after some errors. */
	if (!sqlite3_get_autocommit(s->db))
		(void)step(s, ROLLBACK);
	return r;
}

static const struct vtap_store_backend backend = {
    .release = sqlite_release,
    .get = sqlite_get,
    .page = sqlite_page,
    .changes = sqlite_changes,
    .begin = sqlite_begin,
    .holds = sqlite_holds,
    .write = sqlite_write,
    .end = sqlite_end,
};

static int say_errno(struct vtap_error *reterr, const char *path, const char *verb)
{
	int code = -errno;

	return vtap_error_set(reterr, code, 0, path, "the store cannot be %s: %s", verb, strerror(-code));
}

static int lock(struct sqlite *s, const char *path, struct vtap_error *reterr)
{
	char name[VTAP_SQLITE_PATH_MAX + 16];

	snprintf(name, sizeof(name), "%s.lock", path);
	s->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0)
		return say_errno(reterr, path, "locked");
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return vtap_error_set(reterr, -EBUSY, 0, path, "another process uses this store; stop it first");
	return say_errno(reterr, path, "locked");
}

/* Makes the empty file that SQLite then opens, since SQLite would give it umask's mode; keeps others out of an old one. */
static int prepare_file(const char *path, struct vtap_error *reterr)
{
	char log[VTAP_SQLITE_PATH_MAX + 16];
	_cleanup_close_ int fd = -1;
	struct stat is;

	if (stat(path, &is) == 0) {
		if (!S_ISREG(is.st_mode))
			return vtap_error_set(reterr, -EINVAL, 0, path, "the store must be a regular file");
		return chmod(path, 0600) < 0 ? say_errno(reterr, path, "opened") : 0;
	}
	if (errno != ENOENT)
		return say_errno(reterr, path, "opened");
	snprintf(log, sizeof(log), "%s-wal", path);
	if (access(log, F_OK) == 0)
		return vtap_error_set(reterr, -EUCLEAN, 0, path,
				      "the file is missing, but its log, which ends in -wal, is there; put both back");
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? say_errno(reterr, path, "made") : 0;
}

static int prepare_statements(struct sqlite *s)
{
	int code = SQLITE_OK;

	for (size_t i = 0; i < STATEMENT_MAX && code == SQLITE_OK; i++)
		code = sqlite3_prepare_v3(s->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT, &s->statements[i],
					  NULL);
	return fail(s, code);
}

static int load(struct sqlite *s)
{
	int64_t revision, oldest;
	int r;

	r = prepare_statements(s);
	if (r == 0)
		r = vtap_sqlite_text(s->db, "SELECT epoch FROM store WHERE id = 1", s->store.epoch,
				     sizeof(s->store.epoch));
	if (r == 0)
		r = vtap_sqlite_number(s->db, "SELECT revision FROM store WHERE id = 1", &revision);
	if (r == 0)
		r = vtap_sqlite_number(s->db, "SELECT coalesce(min(id), 0) / 64 FROM change", &oldest);
	if (r < 0)
		return r;
	s->store.revision = (uint64_t)revision;
	s->compacted = (uint64_t)oldest;
	return strlen(s->store.epoch) == VTAP_STORE_EPOCH_STRLEN - 1 && revision >= 0 ? 0 : -EUCLEAN;
}

static int open_locked(struct sqlite *s, const char *path, struct vtap_error *reterr)
{
	int r;

	r = prepare_file(path, reterr);
	if (r < 0)
		return r;
	r = vtap_sqlite_open(path, true, &s->db, reterr);
	if (r < 0)
		return r;
	r = load(s);
	if (r == 0)
		r = vtap_sqlite_sync_folder(path);
	return r < 0 ? vtap_sqlite_fail(reterr, r, path, s->db) : 0;
}

int vtap_store_sqlite_new(const char *path, struct vtap_store **ret_store, struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_store_freep) struct vtap_store *store = NULL;
	struct sqlite *s;
	int r;

	if (strnlen(path, VTAP_SQLITE_PATH_MAX + 1) > VTAP_SQLITE_PATH_MAX)
		return vtap_error_set(reterr, -ENAMETOOLONG, 0, path, "the path is longer than %d bytes",
				      VTAP_SQLITE_PATH_MAX);
	s = calloc(1, sizeof(*s));
	if (!s)
		return vtap_error_set(reterr, -ENOMEM, 0, path, "out of memory");
	store = &s->store;
	store->backend = &backend;
	s->lock_fd = -1;
	r = lock(s, path, reterr);
	if (r == 0)
		r = open_locked(s, path, reterr);
	if (r < 0)
		return r;
	*ret_store = VTAP_STEAL(store);
	return 0;
}
