/* SPDX-License-Identifier: Apache-2.0 */

/* SQLite's file: what lasts, who may open it, and what is refused. `test-store-sqlite FILE` makes a fixture of this schema. */

#include "helper.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "crypto/crypto.h"
#include "store/sqlite_private.h"

#define PAGE_BYTES 4096

/* What every fixture holds, written in this order, so that revisions and history are the same. */
static void fixture_write(struct vtap_store *s)
{
	static const char bytes[] = {'b', 0, (char)0xff, 'b'};
	_cleanup_free_ char *big = helper_text(10000, 'v');

	assert_int_equal(COMMIT(s, PUT("o/target/tmt-1", "{}"), PUT("x", "gone")), 0);
	assert_int_equal(COMMIT(s, (struct vtap_store_operation){VTAP_STORE_PUT, "bytes", bytes, sizeof(bytes)}), 0);
	assert_int_equal(COMMIT(s, PUT("\xff\xfe", "key"), PUT("big", big), PUT("empty", "")), 0);
	assert_int_equal(COMMIT(s, DELETE("x"), PUT("o/target/tmt-1", "{\"a\":1}")), 0);
}

static void fixture_check(struct vtap_store *s)
{
	_cleanup_free_ char *dump = helper_dump(s), *changes = helper_changes(s, "", 0), *bytes = NULL;
	_cleanup_free_ char *big = helper_text(10000, 'v');
	size_t size;

	assert_int_equal(vtap_store_revision(s), 4);
	assert_string_equal(dump, "big=10000@3 bytes=b@2 empty=@3 o/target/tmt-1={\"a\":1}@4 \xff\xfe=key@3 ");
	assert_string_equal(changes, "o/target/tmt-1={}@1 x=gone@1 bytes=b@2 \xff\xfe=key@3 big=10000@3 empty=@3 -x@4 "
				     "o/target/tmt-1={\"a\":1}@4 ");
	helper_has(s, "big", big);
	assert_int_equal(vtap_store_get(s, "bytes", (void **)&bytes, &size, NULL), 0);
	assert_int_equal(size, 4);
	assert_memory_equal(bytes,
			    "b\0\xff"
			    "b",
			    4);
}

static void test_lasts(void **state)
{
	const char *path = helper_path("db");
	struct vtap_store *s = helper_open(path);
	char epoch[VTAP_STORE_EPOCH_STRLEN];

	strcpy(epoch, vtap_store_epoch(s));
	fixture_write(s);
	fixture_check(s);
	vtap_store_free(s);
	helper_folder_is("", "db db.lock");
	s = helper_open(path);
	fixture_check(s);
	assert_string_equal(vtap_store_epoch(s), epoch);
	assert_int_equal(COMMIT(s, PUT("y", "1")), 0);
	assert_int_equal(vtap_store_revision(s), 5);
	vtap_store_free(s);
}

/* The history that is over goes from the file too, in whichever life of the process. */
static void test_history_is_bounded(void **state)
{
	const char *path = helper_path("db");
	const struct vtap_store_operation put = PUT("k", "v");
	struct vtap_store_transaction batch[60];
	struct vtap_store *s = helper_open(path);
	sqlite3 *db = NULL;
	int64_t changes = 0;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(batch); i++)
		batch[i] = (struct vtap_store_transaction){.operations = &put, .operation_count = 1};
	for (unsigned i = 0; i < 60; i++) {
		if (i % 7 == 0) {
			s = vtap_store_free(s);
			s = helper_open(path);
		}
		assert_int_equal(vtap_store_commit(s, batch, VTAP_ARRAY_SIZE(batch)), 0);
	}
	vtap_store_free(s);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	assert_int_equal(vtap_sqlite_number(db, "SELECT count(*) FROM change", &changes), 0);
	assert_in_range(changes, VTAP_STORE_HISTORY, VTAP_STORE_HISTORY + 128);
	sqlite3_close(db);
}

static void test_modes(void **state)
{
	const char *path = helper_path("db");
	mode_t before = umask(0);
	struct vtap_store *s = helper_open(path);

	assert_int_equal(COMMIT(s, PUT("a", "1")), 0);
	helper_has_mode(path, 0600);
	helper_has_mode(helper_path("db-wal"), 0600);
	helper_has_mode(helper_path("db-shm"), 0600);
	helper_has_mode(helper_path("db.lock"), 0600);
	vtap_store_free(s);
	assert_int_equal(chmod(path, 0644), 0);
	s = helper_open(path);
	helper_has_mode(path, 0600);
	helper_has_mode(helper_path("db-wal"), 0600);
	vtap_store_free(s);
	umask(before);
}

static void test_one_process(void **state)
{
	const char *path = helper_path("db");
	struct vtap_store *s = helper_open(path), *none = NULL;
	int ready[2], status;
	pid_t child;
	char byte;

	helper_refused(path, -EBUSY, "another process");
	child = fork();
	if (child == 0)
		_exit(vtap_store_sqlite_new(path, &none, NULL) == -EBUSY ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	vtap_store_free(s);
	/* Who holds it is killed: it is free at once, and nothing is lost. */
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		s = helper_open(path);
		assert_int_equal(COMMIT(s, PUT("a", "1")), 0);
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	helper_refused(path, -EBUSY, "another process");
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	s = helper_open(path);
	helper_has(s, "a", "1");
	vtap_store_free(s);
	close(ready[0]);
	close(ready[1]);
}

static void test_path(void **state)
{
	_cleanup_free_ char *name = helper_text(VTAP_SQLITE_PATH_MAX + 1, '/');
	const char *path = helper_path("db");
	size_t length = strlen(path);
	struct vtap_store *s = NULL;

	helper_refused(helper_path("none/db"), -ENOENT, "No such file");
	assert_int_equal(mkdir(path, 0755), 0);
	helper_refused(path, -EINVAL, "regular file");
	helper_has_mode(path, 0755);
	assert_int_equal(rmdir(path), 0);
	/* As many slashes as fit at the beginning; the path itself at the end. */
	memcpy(name + VTAP_SQLITE_PATH_MAX + 1 - length, path, length);
	assert_int_equal(vtap_store_sqlite_new(name, &s, NULL), -ENAMETOOLONG);
	assert_null(s);
	vtap_store_free(helper_open(name + 1));
	assert_int_equal(unlink(path), 0);
	helper_write(helper_path("db-wal"), "x", 1);
	helper_refused(path, -EUCLEAN, "-wal");
}

/* The database of each released schema, which lies in the tests, is what that release wrote. */
static void test_fixtures(void **state)
{
	char fixture[4096], name[32];

	assert_int_equal(vtap_sqlite_steps[vtap_sqlite_step_count - 1].version, vtap_sqlite_step_count);
	for (size_t i = 1; i <= vtap_sqlite_step_count; i++) {
		_cleanup_free_ uint8_t *bytes = NULL;
		const char *path;
		struct vtap_store *s;
		size_t count;

		snprintf(fixture, sizeof(fixture), FIXTURES "/schema-%zu.db", i);
		bytes = helper_read(fixture, &count);
		snprintf(name, sizeof(name), "db%zu", i);
		path = helper_path(name);
		helper_write(path, bytes, count);
		s = helper_open(path);
		fixture_check(s);
		assert_int_equal(COMMIT(s, IS("x", "gone")), -EAGAIN);
		assert_int_equal(COMMIT(s, DELETE("big")), 0);
		vtap_store_free(s);
	}
}

static int64_t number(sqlite3 *db, const char *text)
{
	int64_t n = 0;

	assert_int_equal(vtap_sqlite_number(db, text, &n), 0);
	return n;
}

/* The way of a schema that this release does not have yet. */
static void test_steps(void **state)
{
	static const struct vtap_sqlite_step steps[] = {
	    {1, "CREATE TABLE a (n INTEGER) STRICT; INSERT INTO a VALUES (1)"},
	    {2, "ALTER TABLE a ADD COLUMN m INTEGER; UPDATE a SET m = n + 1"},
	    {3, "CREATE TABLE b (n INTEGER) STRICT; INSERT INTO b SELECT m + 1 FROM a"},
	};
	static const struct vtap_sqlite_step broken[] = {
	    {1, "SELECT 1"},
	    {2, "ALTER TABLE a ADD COLUMN m INTEGER"},
	    {3, "UPDATE a SET n = 7; INSERT INTO nowhere VALUES (1)"},
	};
	const char *path = helper_path("db");
	struct vtap_error error = {};
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(vtap_sqlite_migrate(db, path, steps, 1, &error), 0);
	assert_int_equal(number(db, "PRAGMA user_version"), 1);
	/* The second would pass, the third does not: nothing of both remains. */
	assert_int_equal(vtap_sqlite_migrate(db, path, broken, 3, &error), -EUCLEAN);
	assert_int_equal(number(db, "PRAGMA user_version"), 1);
	assert_int_equal(number(db, "SELECT count(*) FROM pragma_table_info('a')"), 1);
	assert_int_equal(vtap_sqlite_migrate(db, path, steps, 3, &error), 0);
	assert_int_equal(number(db, "PRAGMA user_version"), 3);
	assert_int_equal(number(db, "SELECT n FROM b"), 3);
	assert_int_equal(vtap_sqlite_migrate(db, path, steps, 3, &error), 0);
	assert_int_equal(vtap_sqlite_migrate(db, path, steps, 2, &error), -EPROTONOSUPPORT);
	assert_non_null(strstr(error.text, "schema 3; this release knows up to 2"));
	sqlite3_close(db);
}

static void test_newer_release(void **state)
{
	const char *path = helper_path("db");
	struct vtap_store *s = helper_open(path);
	char pragma[48];

	fixture_write(s);
	vtap_store_free(s);
	snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %zu", vtap_sqlite_step_count + 1);
	helper_sql(path, pragma);
	helper_refused(path, -EPROTONOSUPPORT, "newer release");
	snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %zu", vtap_sqlite_step_count);
	helper_sql(path, pragma);
	s = helper_open(path);
	fixture_check(s);
	vtap_store_free(s);
}

static void test_foreign_files(void **state)
{
	static const char text[] =
	    "Dear diary, today I was taken for a database. It is not the first time that this happens.\n";
	const char *path = helper_path("db");
	_cleanup_free_ uint8_t *bytes = NULL;
	size_t count;

	helper_write(path, text, strlen(text));
	helper_refused(path, -EUCLEAN, "not a database");
	bytes = helper_read(path, &count);
	assert_int_equal(count, strlen(text));
	assert_memory_equal(bytes, text, count);
	assert_int_equal(truncate(path, 0), 0);
	helper_sql(path, "CREATE TABLE mail (id INTEGER PRIMARY KEY)");
	helper_refused(path, -EUCLEAN, "another program");
	assert_int_equal(truncate(path, 0), 0);
	helper_sql(path, "PRAGMA application_id = 77");
	helper_refused(path, -EUCLEAN, "another program");
}

static void test_damaged(void **state)
{
	static const char *const damages[] = {
	    "DROP TABLE store",
	    "DROP TABLE item",
	    "DELETE FROM store",
	    "UPDATE store SET epoch = 'abc'",
	    "UPDATE store SET revision = -1",
	};
	const char *path = helper_path("db");
	_cleanup_free_ uint8_t *good = NULL, *bad = NULL;
	struct vtap_store *s = helper_open(path);
	size_t count;

	fixture_write(s);
	vtap_store_free(s);
	good = helper_read(path, &count);
	bad = malloc(count);
	assert_non_null(bad);
	assert_in_range(count / PAGE_BYTES, 8, 100);
	for (size_t page = 0; page < count / PAGE_BYTES; page++) {
		memcpy(bad, good, count);
		memset(bad + page * PAGE_BYTES, 0xaa, PAGE_BYTES);
		helper_write(path, bad, count);
		helper_refused(path, -EUCLEAN, "the file is damaged");
	}
	helper_write(path, good, count - PAGE_BYTES);
	helper_refused(path, -EUCLEAN, "the file is damaged");
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(damages); i++) {
		helper_write(path, good, count);
		helper_sql(path, damages[i]);
		helper_refused(path, -EUCLEAN, "the file is damaged");
	}
	helper_write(path, good, count);
	s = helper_open(path);
	fixture_check(s);
	vtap_store_free(s);
}

/* A commit that meets damage half-way leaves no transaction open, and nothing of itself. */
static void test_damage_met_late(void **state)
{
	const char *path = helper_path("db");
	struct vtap_store *s = helper_open(path);

	fixture_write(s);
	helper_sql(path, "INSERT INTO change (id, key) VALUES (5 * 64 + 1, x'78')");
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(COMMIT(s, PUT("y", "1"), PUT("z", "1")), -EUCLEAN);
	helper_has(s, "y", NULL);
	helper_sql(path, "DELETE FROM change WHERE id = 5 * 64 + 1");
	fixture_check(s);
	assert_int_equal(COMMIT(s, PUT("y", "1"), PUT("z", "1")), 0);
	assert_int_equal(vtap_store_revision(s), 5);
	vtap_store_free(s);
}

static int make_fixture(const char *path)
{
	struct vtap_store *s;

	helper_folder_make();
	s = helper_open(helper_path("db"));
	fixture_write(s);
	assert_int_equal(vtap_store_sqlite_backup(helper_path("db"), path, NULL), 0);
	vtap_store_free(s);
	helper_folder_remove();
	return 0;
}

static int setup(void **state)
{
	helper_folder_make();
	return 0;
}

static int teardown(void **state)
{
	helper_folder_remove();
	return 0;
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_lasts, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_history_is_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_modes, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_one_process, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_path, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_fixtures, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_steps, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_newer_release, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_foreign_files, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_damage_met_late, setup, teardown),
	};

	if (vtap_crypto_init() < 0)
		return 1;
	return argc > 1 ? make_fixture(argv[1]) : cmocka_run_group_tests(tests, NULL, NULL);
}
