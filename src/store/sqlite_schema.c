/* SPDX-License-Identifier: Apache-2.0 */

/* How a database is opened, checked and brought to this release's schema. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "store/sqlite_private.h"

#define APPLICATION_ID 0x76746170 /* "vtap" */

/*
 * A released step never changes: for each there is a database in test/unit-store/fixture, which every later release opens.
 *
 * item: what the store holds. Keys are BLOBs, so that they are ordered bytewise. change: the history; its id is
 * revision * 64 + position of the write in its transaction, so that one tree, which grows at one end and shrinks at the other,
 * keeps both; no value = deleted. store: one row.
 */
const struct vtap_sqlite_step vtap_sqlite_steps[] = {
    {1, "CREATE TABLE item ("
	"  id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL, revision INTEGER NOT NULL) STRICT;"
	"CREATE TABLE change (id INTEGER PRIMARY KEY, key BLOB NOT NULL, value BLOB) STRICT;"
	"CREATE TABLE store ("
	"  id INTEGER PRIMARY KEY CHECK (id = 1), epoch TEXT NOT NULL, revision INTEGER NOT NULL) STRICT;"
	"INSERT INTO store (id, epoch, revision) VALUES (1, lower(hex(randomblob(16))), 0);"},
};
const size_t vtap_sqlite_step_count = VTAP_ARRAY_SIZE(vtap_sqlite_steps);

static const struct {
	int code, r;
} errors[] = {
    /* Extended codes that differ from their kind come first. */
    {SQLITE_IOERR_NOMEM, -ENOMEM},
    {SQLITE_IOERR_CORRUPTFS, -EUCLEAN},
    {SQLITE_FULL, -ENOSPC},
    {SQLITE_NOMEM, -ENOMEM},
    {SQLITE_CORRUPT, -EUCLEAN},
    {SQLITE_NOTADB, -EUCLEAN},
    {SQLITE_BUSY, -EBUSY},
    {SQLITE_LOCKED, -EBUSY},
    {SQLITE_PERM, -EACCES},
    {SQLITE_READONLY, -EACCES},
    {SQLITE_TOOBIG, -E2BIG},
    /* A statement that does not fit the schema: tables or rows are not what our own steps made. */
    {SQLITE_ERROR, -EUCLEAN},
    {SQLITE_CONSTRAINT, -EUCLEAN},
    {SQLITE_MISMATCH, -EUCLEAN},
};

static bool is_full(int code)
{
	return code == ENOSPC || code == EDQUOT || code == EFBIG;
}

/*
 * SQLite itself takes ENOSPC alone for a full disk, and keeps the system's code of other failures per file: the connection's
 * own is not set when it is the commit that fails.
 */
static bool disk_is_full(sqlite3 *db)
{
	sqlite3_file *log = NULL;
	int of_database = 0, of_log = 0;

	(void)sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &of_database);
	(void)sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
	if (log && log->pMethods)
		(void)log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &of_log);
	return is_full(sqlite3_system_errno(db)) || is_full(of_database) || is_full(of_log);
}

int vtap_sqlite_errno(sqlite3 *db, int code)
{
	if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE)
		return 0;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(errors); i++)
		if (errors[i].code == code || errors[i].code == (code & 0xff))
			return errors[i].r;
	if ((code & 0xff) == SQLITE_IOERR && disk_is_full(db))
		return -ENOSPC;
	if ((code & 0xff) == SQLITE_CANTOPEN && sqlite3_system_errno(db) > 0)
		return -sqlite3_system_errno(db);
	return -EIO;
}

int vtap_sqlite_fail(struct vtap_error *reterr, int r, const char *path, sqlite3 *db)
{
	switch (r) {
	case -EUCLEAN:
		return vtap_error_set(reterr, r, 0, path, "the file is damaged (%s); restore a backup",
				      sqlite3_errmsg(db));
	case -ENOSPC:
		return vtap_error_set(reterr, r, 0, path, "the disk is full");
	case -EBUSY:
		return vtap_error_set(reterr, r, 0, path, "another process uses this file; stop it first");
	default:
		return vtap_error_set(reterr, r, 0, path, "the file cannot be used: %s", strerror(-r));
	}
}

int vtap_sqlite_run(sqlite3 *db, const char *sql)
{
	return vtap_sqlite_errno(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

/* The statement stands on its only row. */
static int ask(sqlite3 *db, const char *sql, sqlite3_stmt **ret_statement)
{
	VTAP_CLEANUP(vtap_sqlite_finalizep) sqlite3_stmt *statement = NULL;
	int code;

	code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code != SQLITE_ROW)
		return code == SQLITE_DONE ? -EUCLEAN : vtap_sqlite_errno(db, code);
	*ret_statement = VTAP_STEAL(statement);
	return 0;
}

int vtap_sqlite_text(sqlite3 *db, const char *sql, char *buffer, size_t buffer_bytes)
{
	VTAP_CLEANUP(vtap_sqlite_finalizep) sqlite3_stmt *statement = NULL;
	const char *text;
	int r;

	r = ask(db, sql, &statement);
	if (r < 0)
		return r;
	text = (const char *)sqlite3_column_text(statement, 0);
	if (!text)
		return -EUCLEAN;
	snprintf(buffer, buffer_bytes, "%s", text);
	return 0;
}

int vtap_sqlite_number(sqlite3 *db, const char *sql, int64_t *ret_number)
{
	VTAP_CLEANUP(vtap_sqlite_finalizep) sqlite3_stmt *statement = NULL;
	int r;

	r = ask(db, sql, &statement);
	if (r < 0)
		return r;
	*ret_number = sqlite3_column_int64(statement, 0);
	return 0;
}

int vtap_sqlite_sync_folder(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_close_ int fd = -1;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int vtap_sqlite_recognise(sqlite3 *db, const char *path, int64_t *ret_version, struct vtap_error *reterr)
{
	int64_t application = 0, version = 0, tables = 0;
	int r;

	r = vtap_sqlite_number(db, "PRAGMA application_id", &application);
	if (r == 0)
		r = vtap_sqlite_number(db, "PRAGMA user_version", &version);
	if (r == 0)
		r = vtap_sqlite_number(db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (r < 0)
		return vtap_sqlite_fail(reterr, r, path, db);
	if (application != APPLICATION_ID && (application != 0 || version != 0 || tables != 0))
		return vtap_error_set(reterr, -EUCLEAN, 0, path,
				      "the file is another program's database, no store of vtap");
	*ret_version = version;
	return 0;
}

static int steps_run(sqlite3 *db, const struct vtap_sqlite_step *steps, size_t step_count, int64_t version)
{
	char pragmas[96];
	int r = 0;

	for (size_t i = 0; i < step_count && r == 0; i++) {
		if (steps[i].version <= version)
			continue;
		r = vtap_sqlite_run(db, steps[i].sql);
		snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id = %d; PRAGMA user_version = %d",
			 APPLICATION_ID, steps[i].version);
		if (r == 0)
			r = vtap_sqlite_run(db, pragmas);
	}
	return r;
}

int vtap_sqlite_migrate(sqlite3 *db, const char *path, const struct vtap_sqlite_step *steps, size_t step_count,
			struct vtap_error *reterr)
{
	int64_t version = 0;
	int newest = steps[step_count - 1].version;
	int r;

	r = vtap_sqlite_recognise(db, path, &version, reterr);
	if (r < 0)
		return r;
	if (version > newest)
		return vtap_error_set(reterr, -EPROTONOSUPPORT, 0, path,
				      "the store is of a newer release of vtap (schema %" PRId64
				      "; this release knows up to %d); use that release",
				      version, newest);
	if (version == newest)
		return 0;
	r = vtap_sqlite_run(db, "BEGIN IMMEDIATE");
	if (r == 0)
		r = steps_run(db, steps, step_count, version);
	if (r == 0)
		r = vtap_sqlite_run(db, "COMMIT");
	if (r == 0)
		return 0;
	r = vtap_sqlite_fail(reterr, r, path, db);
	if (!sqlite3_get_autocommit(db))
		(void)vtap_sqlite_run(db, "ROLLBACK");
	return r;
}

/*
 * synchronous=FULL: without it WAL commits reach the disk with the next checkpoint only. The schema of a damaged or foreign
 * file is not trusted. A big transaction's log is cut at the next checkpoint.
 */
static int configure(sqlite3 *db, const char *path, struct vtap_error *reterr)
{
	char mode[16] = "";
	int r;

	sqlite3_busy_timeout(db, VTAP_SQLITE_BUSY_TIMEOUT_MS);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	r = vtap_sqlite_run(db, "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA foreign_keys = ON");
	if (r == 0)
		r = vtap_sqlite_text(db, "PRAGMA journal_mode = WAL", mode, sizeof(mode));
	if (r == 0)
		r = vtap_sqlite_run(db, "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216");
	if (r < 0)
		return vtap_sqlite_fail(reterr, r, path, db);
	if (strcmp(mode, "wal") != 0)
		return vtap_error_set(reterr, -EOPNOTSUPP, 0, path,
				      "its file system cannot keep a write-ahead log; use a local one");
	return 0;
}

int vtap_sqlite_check(sqlite3 *db, const char *path, bool indexes, struct vtap_error *reterr)
{
	char verdict[128] = "";
	int r;

	r = vtap_sqlite_text(db, indexes ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)", verdict,
			     sizeof(verdict));
	if (r < 0)
		return vtap_sqlite_fail(reterr, r, path, db);
	if (strcmp(verdict, "ok") != 0)
		return vtap_error_set(reterr, -EUCLEAN, 0, path, "the file is damaged (%s); restore a backup", verdict);
	return 0;
}

int vtap_sqlite_open(const char *path, bool may_be_empty, sqlite3 **ret_db, struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_sqlite_closep) sqlite3 *db = NULL;
	int64_t version = 0;
	int r;

	/* NOMUTEX: one thread at a time. A file that is not there is an error: its mode would be umask's. */
	r = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (r != SQLITE_OK)
		return vtap_sqlite_fail(reterr, vtap_sqlite_errno(db, r), path, db);
	r = vtap_sqlite_recognise(db, path, &version, reterr);
	if (r < 0)
		return r;
	if (version == 0 && !may_be_empty)
		return vtap_error_set(reterr, -EUCLEAN, 0, path, "the file is empty, no store of vtap");
	r = configure(db, path, reterr);
	if (r == 0)
		r = vtap_sqlite_check(db, path, false, reterr);
	if (r == 0)
		r = vtap_sqlite_migrate(db, path, vtap_sqlite_steps, vtap_sqlite_step_count, reterr);
	if (r < 0)
		return r;
	*ret_db = VTAP_STEAL(db);
	return 0;
}
