/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of the SQLite backend share; nobody else includes it but its tests. */

#include <sqlite3.h>
#include <stdbool.h>

#include "store/store.h"

#define VTAP_SQLITE_BUSY_TIMEOUT_MS 5000 /* for another process that opens or closes the database for a backup */
#define VTAP_SQLITE_PATH_MAX 3968 /* of a database; its companions' names are longer */

static inline void vtap_sqlite_closep(sqlite3 **db)
{
	(void)sqlite3_close(*db);
}
static inline void vtap_sqlite_finalizep(sqlite3_stmt **statement)
{
	(void)sqlite3_finalize(*statement);
}

/* The negative errno for what the last call on db returned; a full disk is -ENOSPC however it shows, damage -EUCLEAN. */
int vtap_sqlite_errno(sqlite3 *db, int code);
/* Fills reterr with the sentence for that errno, and returns it. */
int vtap_sqlite_fail(struct vtap_error *reterr, int r, const char *path, sqlite3 *db);
/* Runs statements that return nothing of interest. */
int vtap_sqlite_run(sqlite3 *db, const char *sql);
/* The first column of the only row: as text, cut to the buffer; as a number. */
int vtap_sqlite_text(sqlite3 *db, const char *sql, char *buffer, size_t buffer_bytes);
int vtap_sqlite_number(sqlite3 *db, const char *sql, int64_t *ret_number);

/* A step of the schema: takes the one before it to this version. */
struct vtap_sqlite_step {
	int version;
	const char *sql;
};
/* This release's. */
extern const struct vtap_sqlite_step vtap_sqlite_steps[];
extern const size_t vtap_sqlite_step_count;

/* The version of its schema, 0 of an empty database. -EUCLEAN: another program's. */
int vtap_sqlite_recognise(sqlite3 *db, const char *path, int64_t *ret_version, struct vtap_error *reterr);
/*
 * Takes the database from its user_version through the steps that it lacks, in one transaction. -EPROTONOSUPPORT: it is newer
 * than the last of them. -EUCLEAN: it is a database of another program. *reterr says it.
 */
int vtap_sqlite_migrate(sqlite3 *db, const char *path, const struct vtap_sqlite_step *steps, size_t step_count,
			struct vtap_error *reterr);
/* -EUCLEAN: SQLite finds the file damaged. With `indexes` it also compares them with their tables, which takes longer. */
int vtap_sqlite_check(sqlite3 *db, const char *path, bool indexes, struct vtap_error *reterr);
/*
 * Opens the existing file, checks it and migrates it; an empty one, if it may be, becomes a new store. The lock and the mode
 * are the caller's.
 */
int vtap_sqlite_open(const char *path, bool may_be_empty, sqlite3 **ret_db, struct vtap_error *reterr);
/* Syncs the folder that path is in, so that the name is there after a power loss. */
int vtap_sqlite_sync_folder(const char *path);
