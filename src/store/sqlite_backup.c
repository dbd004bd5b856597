/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Backup and restore. Both make the new file under another name beside its place, check it there, and rename it when it is
 * whole and on the disk. A backup is one file: it keeps no write-ahead log.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>

#include "crypto/crypto.h"
#include "store/sqlite_private.h"

#define COPY_BYTES (1U << 30)

static const char *const companions[] = {"-wal", "-journal", "-shm"}; /* SQLite's, beside a database */

struct draft { /* a file on its way to its name */
	const char *path; /* borrowed */
	char name[VTAP_SQLITE_PATH_MAX + 16];
	bool made;
};

static int say(struct vtap_error *reterr, int code, const char *path)
{
	return vtap_error_set(reterr, code, 0, path, "%s", strerror(-code));
}

/* What went wrong with a draft is told of the file that it was made from, or is to become. */
static int blame(struct vtap_error *reterr, int code, const char *path)
{
	if (reterr)
		snprintf(reterr->field, sizeof(reterr->field), "%s", path);
	return code;
}

/* The name of the first of a database's companions that is there, or NULL. */
static const char *companion(const char *path)
{
	char name[VTAP_SQLITE_PATH_MAX + 32];

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(companions); i++) {
		snprintf(name, sizeof(name), "%s%s", path, companions[i]);
		if (access(name, F_OK) == 0)
			return companions[i];
	}
	return NULL;
}

static void draft_done(struct draft *d)
{
	char name[VTAP_SQLITE_PATH_MAX + 32];

	if (!d->made)
		return;
	(void)unlink(d->name);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(companions); i++) {
		snprintf(name, sizeof(name), "%s%s", d->name, companions[i]);
		(void)unlink(name);
	}
}

/* A log that an older database left behind would be taken for the new file's. */
static int draft_begin(struct draft *d, const char *path, struct vtap_error *reterr)
{
	const char *left;
	int fd;

	d->path = path;
	if (strnlen(path, VTAP_SQLITE_PATH_MAX + 1) > VTAP_SQLITE_PATH_MAX)
		return say(reterr, -ENAMETOOLONG, path);
	if (access(path, F_OK) == 0)
		return vtap_error_set(reterr, -EEXIST, 0, path,
				      "there is such a file already; move it away or choose another name");
	left = companion(path);
	if (left)
		return vtap_error_set(reterr, -EEXIST, 0, path,
				      "a file of that name with %s at its end is left of an older store; move it away",
				      left);
	snprintf(d->name, sizeof(d->name), "%s.XXXXXX", path);
	fd = mkostemp(d->name, O_CLOEXEC);
	if (fd < 0)
		return say(reterr, -errno, path);
	(void)close(fd);
	d->made = true;
	return 0;
}

/* Not every file system can rename without replacing. */
static int rename_new(const char *from, const char *to)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	return link(from, to) < 0 || unlink(from) < 0 ? -errno : 0;
}

/* Nobody has the file open any more: to close a descriptor would take SQLite's locks from other users in this process. */
static int draft_finish(struct draft *d, struct vtap_error *reterr)
{
	_cleanup_close_ int fd = open(d->name, O_RDWR | O_CLOEXEC);
	int r;

	r = fd < 0 || fsync(fd) < 0 ? -errno : 0;
	if (r == 0)
		r = rename_new(d->name, d->path);
	if (r < 0)
		return say(reterr, r, d->path);
	d->made = false;
	r = vtap_sqlite_sync_folder(d->path);
	return r < 0 ? say(reterr, r, d->path) : 0;
}

/* Takes everything into the one file. */
static int settle(sqlite3 *db, const char *path, struct vtap_error *reterr)
{
	char mode[16] = "";
	int r;

	r = vtap_sqlite_text(db, "PRAGMA journal_mode = DELETE", mode, sizeof(mode));
	if (r == 0 && strcmp(mode, "delete") != 0)
		r = -EIO;
	return r < 0 ? vtap_sqlite_fail(reterr, r, path, db) : 0;
}

static int open_plain(const char *path, sqlite3 **ret_db, struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_sqlite_closep) sqlite3 *db = NULL;
	int r;

	r = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (r != SQLITE_OK)
		return vtap_sqlite_fail(reterr, vtap_sqlite_errno(db, r), path, db);
	sqlite3_busy_timeout(db, VTAP_SQLITE_BUSY_TIMEOUT_MS);
	*ret_db = VTAP_STEAL(db);
	return 0;
}

/* All pages within one reading transaction: writers go on in the log meanwhile, and no write of theirs makes it begin anew. */
static int pages_copy(sqlite3 *from, sqlite3 *to, const char *path, const char *backup, struct vtap_error *reterr)
{
	sqlite3_backup *copy = sqlite3_backup_init(to, "main", from, "main");
	int code, r;

	if (!copy)
		return vtap_sqlite_fail(reterr, vtap_sqlite_errno(to, sqlite3_errcode(to)), backup, to);
	(void)sqlite3_backup_step(copy, -1);
	code = sqlite3_backup_finish(copy);
	r = vtap_sqlite_errno(to, code);
	return r < 0 ? vtap_sqlite_fail(reterr, r, r == -ENOSPC ? backup : path, to) : 0;
}

int vtap_store_sqlite_backup(const char *path, const char *backup, struct vtap_error *reterr)
{
	VTAP_CLEANUP(draft_done) struct draft draft = {};
	VTAP_CLEANUP(vtap_sqlite_closep) sqlite3 *from = NULL;
	VTAP_CLEANUP(vtap_sqlite_closep) sqlite3 *to = NULL;
	int64_t version = 0;
	int r;

	if (access(path, R_OK | W_OK) < 0)
		return say(reterr, -errno, path);
	r = draft_begin(&draft, backup, reterr);
	if (r == 0)
		r = open_plain(path, &from, reterr);
	if (r == 0)
		r = vtap_sqlite_recognise(from, path, &version, reterr);
	if (r == 0 && version == 0)
		r = vtap_error_set(reterr, -EUCLEAN, 0, path, "the file is empty, no store of vtap");
	if (r < 0)
		return r;
	r = open_plain(draft.name, &to, reterr);
	if (r < 0)
		return blame(reterr, r, backup);
	r = pages_copy(from, to, path, backup, reterr);
	if (r == 0)
		r = settle(to, backup, reterr);
	if (r == 0)
		r = vtap_sqlite_check(to, path, true, reterr);
	if (r < 0)
		return r;
	vtap_sqlite_closep(&to);
	to = NULL;
	return draft_finish(&draft, reterr);
}

static int file_copy(const char *from, const char *to)
{
	_cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (in < 0 || out < 0)
		return -errno;
	do
		n = sendfile(out, in, NULL, COPY_BYTES);
	while (n > 0);
	return n < 0 ? -errno : 0;
}

/* Prefixes of keys are the program's own words: no quotes are in them. */
static int leave_out(sqlite3 *db, const char *prefix)
{
	static const char *const tables[] = {"item", "change"};
	char sql[256];
	int r = 0;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(tables) && r == 0; i++) {
		snprintf(sql, sizeof(sql), "DELETE FROM %s WHERE substr(CAST(key AS TEXT), 1, %zu) = '%s'", tables[i],
			 strlen(prefix), prefix);
		r = vtap_sqlite_run(db, sql);
	}
	return r;
}

static int renew(const char *path, const char *const *left_out, struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_sqlite_closep) sqlite3 *db = NULL;
	char epoch[VTAP_STORE_EPOCH_STRLEN], sql[96];
	int r;

	r = vtap_sqlite_open(path, false, &db, reterr);
	if (r == 0)
		r = vtap_sqlite_check(db, path, true, reterr);
	if (r < 0)
		return r;
	snprintf(sql, sizeof(sql), "UPDATE store SET epoch = '%s'", vtap_random_hex(sizeof(epoch) - 1, epoch));
	r = vtap_sqlite_run(db, sql);
	for (size_t i = 0; left_out && left_out[i] && r == 0; i++)
		r = leave_out(db, left_out[i]);
	return r < 0 ? vtap_sqlite_fail(reterr, r, path, db) : settle(db, path, reterr);
}

int vtap_store_sqlite_restore(const char *backup, const char *path, const char *const *left_out,
			      struct vtap_error *reterr)
{
	VTAP_CLEANUP(draft_done) struct draft draft = {};
	const char *left;
	int r;

	if (access(backup, R_OK) < 0)
		return say(reterr, -errno, backup);
	left = companion(backup);
	if (left)
		return vtap_error_set(
		    reterr, -EUCLEAN, 0, backup,
		    "it is no backup but a store: beside it lies a file with %s at its end; back it up first", left);
	r = draft_begin(&draft, path, reterr);
	if (r < 0)
		return r;
	r = file_copy(backup, draft.name);
	if (r < 0)
		return say(reterr, r, path);
	r = renew(draft.name, left_out, reterr);
	if (r < 0)
		return blame(reterr, r, r == -EUCLEAN || r == -EPROTONOSUPPORT ? backup : path);
	return draft_finish(&draft, reterr);
}
