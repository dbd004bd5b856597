/* SPDX-License-Identifier: Apache-2.0 */

/* Backups of stores that are open, closed, killed or damaged; what a restored store is. */

#include "helper.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "crypto/crypto.h"
#include "store/sqlite_private.h"

#define PAGE_BYTES 4096

static void backup(const char *path, const char *to)
{
	struct vtap_error error = {};
	int r = vtap_store_sqlite_backup(path, to, &error);

	if (r < 0)
		fail_msg("%s: %d, %s", error.field, r, error.text);
	helper_has_mode(to, 0600);
}

static void restore(const char *from, const char *path)
{
	struct vtap_error error = {};
	int r = vtap_store_sqlite_restore(from, path, NULL, &error);

	if (r < 0)
		fail_msg("%s: %d, %s", error.field, r, error.text);
	helper_has_mode(path, 0600);
}

static int restore_all(const char *from, const char *path, struct vtap_error *reterr)
{
	return vtap_store_sqlite_restore(from, path, NULL, reterr);
}

typedef int (*copy)(const char *from, const char *to, struct vtap_error *reterr);

/* Fails with that code and a message about `about` that has the fragment. */
static void refused(copy how, const char *from, const char *to, int code, const char *about, const char *fragment)
{
	struct vtap_error error = {};
	int r = how(from, to, &error);

	if (r != code || error.code != code || strcmp(error.field, about) != 0 || !strstr(error.text, fragment))
		fail_msg("got %d, %s: \"%s\"; not %d, %s: \"%s\"", r, error.field, error.text, code, about, fragment);
	assert_int_equal(how(from, to, NULL), code);
}

static void write_some(struct vtap_store *s)
{
	_cleanup_free_ char *big = helper_text(20000, 'v');

	assert_int_equal(COMMIT(s, PUT("a", "1"), PUT("big", big), PUT("x", "")), 0);
	assert_int_equal(COMMIT(s, PUT("a", "2"), DELETE("x")), 0);
}

static void has_some(struct vtap_store *s)
{
	_cleanup_free_ char *dump = helper_dump(s), *changes = helper_changes(s, "", 0);

	assert_int_equal(vtap_store_revision(s), 2);
	assert_string_equal(dump, "a=2@2 big=20000@1 ");
	assert_string_equal(changes, "a=1@1 big=20000@1 x=@1 a=2@2 -x@2 ");
}

/* A restored store has everything, goes on counting, and has an epoch of its own. */
static void test_round(void **state)
{
	const char *path = helper_path("db"), *saved = helper_path("saved");
	struct vtap_store *s = helper_open(path), *second;
	char epochs[3][VTAP_STORE_EPOCH_STRLEN];

	write_some(s);
	strcpy(epochs[0], vtap_store_epoch(s));
	backup(path, saved); /* while it is open: by this thread */
	helper_folder_is("", "db db-shm db-wal db.lock saved");
	assert_int_equal(COMMIT(s, PUT("a", "3")), 0);
	for (unsigned i = 1; i < 3; i++) {
		const char *restored = helper_path(i == 1 ? "one" : "two");

		restore(saved, restored);
		second = helper_open(restored);
		has_some(second);
		strcpy(epochs[i], vtap_store_epoch(second));
		assert_int_equal(strlen(epochs[i]), VTAP_STORE_EPOCH_STRLEN - 1);
		assert_int_equal(COMMIT(second, PUT("b", "1")), 0);
		assert_int_equal(vtap_store_revision(second), 3);
		vtap_store_free(second);
	}
	assert_string_not_equal(epochs[0], epochs[1]);
	assert_string_not_equal(epochs[0], epochs[2]);
	assert_string_not_equal(epochs[1], epochs[2]);
	helper_has(s, "a", "3");
	vtap_store_free(s);
	helper_folder_is("", "db db.lock one one.lock saved two two.lock");
}

static void test_left_out(void **state)
{
	static const char *const left_out[] = {"a/", "b", NULL};
	const char *path = helper_path("db"), *saved = helper_path("saved"), *restored = helper_path("restored");
	_cleanup_free_ char *dump = NULL, *changes = NULL;
	struct vtap_store *s = helper_open(path);

	assert_int_equal(COMMIT(s, PUT("a/1", "1"), PUT("a", "2"), PUT("b", "3"), PUT("bc/1", "4"), PUT("c/a/", "5")),
			 0);
	backup(path, saved);
	vtap_store_free(s);
	assert_int_equal(vtap_store_sqlite_restore(saved, restored, left_out, NULL), 0);
	s = helper_open(restored);
	dump = helper_dump(s);
	changes = helper_changes(s, "", 0);
	assert_string_equal(dump, "a=2@1 c/a/=5@1 ");
	assert_string_equal(changes, "a=2@1 c/a/=5@1 ");
	vtap_store_free(s);
}

static void test_closed_store(void **state)
{
	const char *path = helper_path("db"), *saved = helper_path("saved");
	struct vtap_store *s = helper_open(path);

	write_some(s);
	vtap_store_free(s);
	backup(path, saved);
	helper_folder_is("", "db db.lock saved");
	assert_int_equal(unlink(path), 0);
	restore(saved, path);
	helper_folder_is("", "db db.lock saved");
	s = helper_open(path);
	has_some(s);
	vtap_store_free(s);
}

/* What a killed process leaves: the newest is in the log only. */
static void test_killed_store(void **state)
{
	const char *path = helper_path("db"), *saved = helper_path("saved"), *restored = helper_path("restored");
	struct vtap_store *s;
	pid_t child = fork();
	int status;

	if (child == 0) {
		s = helper_open(path);
		write_some(s);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	helper_folder_is("", "db db-shm db-wal db.lock");
	refused(restore_all, path, restored, -EUCLEAN, path, "no backup");
	backup(path, saved);
	restore(saved, restored);
	s = helper_open(restored);
	has_some(s);
	vtap_store_free(s);
	s = helper_open(path);
	has_some(s);
	vtap_store_free(s);
}

struct saver { /* makes backups on a thread of its own */
	const char *path;
	const char *saved[5];
	int results[5];
	atomic_uint done;
};

static void *saver_run(void *userdata)
{
	struct saver *w = userdata;

	for (unsigned i = 0; i < VTAP_ARRAY_SIZE(w->saved); i++) {
		w->results[i] = vtap_store_sqlite_backup(w->path, w->saved[i], NULL);
		atomic_store(&w->done, i + 1);
	}
	return NULL;
}

/* Every transaction writes its revision to both keys: a backup has one revision, and it in both. */
static void is_consistent(const char *saved, uint64_t first, uint64_t last)
{
	const char *restored = helper_path("restored");
	struct vtap_store *s;
	char text[24];

	restore(saved, restored);
	s = helper_open(restored);
	assert_in_range(vtap_store_revision(s), first, last);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)vtap_store_revision(s));
	helper_has(s, "a", text);
	helper_has(s, "z", text);
	vtap_store_free(s);
	assert_int_equal(unlink(restored), 0);
}

static void commit_revision(struct vtap_store *s)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)vtap_store_revision(s) + 1);
	assert_int_equal(COMMIT(s, PUT("a", text), PUT("z", text)), 0);
}

static void test_while_writing(void **state)
{
	const char *path = helper_path("db");
	struct saver w = {.path = path};
	struct vtap_store *s = helper_open(path);
	uint64_t revision = 0;
	pthread_t thread;
	char name[16];

	write_some(s);
	for (unsigned i = 0; i < VTAP_ARRAY_SIZE(w.saved); i++) {
		snprintf(name, sizeof(name), "saved%u", i);
		w.saved[i] = helper_path(name);
	}
	commit_revision(s);
	assert_int_equal(pthread_create(&thread, NULL, saver_run, &w), 0);
	while (atomic_load(&w.done) < VTAP_ARRAY_SIZE(w.saved))
		commit_revision(s);
	assert_int_equal(pthread_join(thread, NULL), 0);
	revision = vtap_store_revision(s);
	vtap_store_free(s);
	for (unsigned i = 0; i < VTAP_ARRAY_SIZE(w.saved); i++) {
		assert_int_equal(w.results[i], 0);
		is_consistent(w.saved[i], 3, revision);
	}
}

/* By another process, as `vtapd --backup` does. */
static void test_by_another_process(void **state)
{
	const char *path = helper_path("db"), *saved = helper_path("saved");
	struct vtap_store *s = helper_open(path);
	int status = 0;
	pid_t child;

	commit_revision(s);
	/* SQLite's connections do not survive a fork: the child comes before, and waits for the store. */
	s = vtap_store_free(s);
	child = fork();
	if (child == 0)
		_exit(vtap_store_sqlite_backup(path, saved, NULL) < 0 ||
		      vtap_store_sqlite_backup(path, helper_path("second"), NULL) < 0);
	s = helper_open(path);
	while (waitpid(child, &status, WNOHANG) == 0)
		commit_revision(s);
	assert_int_equal(status, 0);
	commit_revision(s);
	is_consistent(saved, 1, vtap_store_revision(s));
	is_consistent(helper_path("second"), 1, vtap_store_revision(s));
	vtap_store_free(s);
}

static void test_targets_refused(void **state)
{
	_cleanup_free_ char *name = helper_text(VTAP_SQLITE_PATH_MAX + 1, '/');
	const char *path = helper_path("db"), *saved = helper_path("saved"), *there = helper_path("there");
	static const copy ways[] = {vtap_store_sqlite_backup, restore_all};
	_cleanup_free_ uint8_t *bytes = NULL;
	size_t count;

	vtap_store_free(helper_open(path));
	backup(path, saved);
	helper_write(there, "mine", 4);
	for (unsigned i = 0; i < VTAP_ARRAY_SIZE(ways); i++) {
		const char *none = helper_path("none/db"), *left = helper_path("left");

		refused(ways[i], saved, there, -EEXIST, there, "already");
		helper_write(helper_path("left-wal"), "", 0);
		refused(ways[i], saved, left, -EEXIST, left, "-wal");
		assert_int_equal(unlink(helper_path("left-wal")), 0);
		helper_write(helper_path("left-journal"), "", 0);
		refused(ways[i], saved, left, -EEXIST, left, "-journal");
		assert_int_equal(unlink(helper_path("left-journal")), 0);
		refused(ways[i], saved, none, -ENOENT, none, "No such file");
		assert_int_equal(ways[i](saved, name, NULL), -ENAMETOOLONG);
		refused(ways[i], none, left, -ENOENT, none, "No such file");
	}
	bytes = helper_read(there, &count);
	assert_int_equal(count, 4);
	helper_folder_is("", "db db.lock saved there");
}

/* The file is gone from the folder, and no half copy is there. */
static void source_refused(const char *bad, const void *bytes, size_t count, int code, const char *fragment)
{
	const char *to = helper_path("to");

	helper_write(bad, bytes, count);
	refused(vtap_store_sqlite_backup, bad, to, code, bad, fragment);
	refused(restore_all, bad, to, code, bad, fragment);
	assert_int_equal(unlink(bad), 0);
	helper_folder_is("", "db db.lock good");
}

static void test_sources_refused(void **state)
{
	static const char text[] =
	    "This is no database, but it is long enough to be taken for one by its length alone.\n";
	const char *path = helper_path("db"), *good = helper_path("good"), *bad = helper_path("bad");
	_cleanup_free_ uint8_t *bytes = NULL, *damaged = NULL;
	struct vtap_store *s = helper_open(path);
	size_t count;

	write_some(s);
	vtap_store_free(s);
	backup(path, good);
	bytes = helper_read(good, &count);
	damaged = malloc(count);
	assert_non_null(damaged);
	source_refused(bad, "", 0, -EUCLEAN, "empty");
	source_refused(bad, text, strlen(text), -EUCLEAN, "not a database");
	for (size_t page = 0; page < count / PAGE_BYTES; page++) {
		memcpy(damaged, bytes, count);
		memset(damaged + page * PAGE_BYTES, 0xaa, PAGE_BYTES);
		source_refused(bad, damaged, count, -EUCLEAN, "damaged");
	}
	source_refused(bad, bytes, count - PAGE_BYTES, -EUCLEAN, "damaged");
}

/* An index that does not fit its table is found as well. */
static void test_index_damaged(void **state)
{
	const char *path = helper_path("db"), *to = helper_path("to");
	struct vtap_store *s = helper_open(path);

	write_some(s);
	vtap_store_free(s);
	helper_sql(path,
		   "PRAGMA writable_schema = ON;"
		   "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'change'),"
		   " sql = 'CREATE TABLE item (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB,"
		   " revision INTEGER)' WHERE name = 'item'");
	refused(vtap_store_sqlite_backup, path, to, -EUCLEAN, path, "damaged");
	refused(restore_all, path, to, -EUCLEAN, path, "damaged");
	helper_folder_is("", "db db.lock");
}

static void test_newer_release(void **state)
{
	const char *path = helper_path("db"), *saved = helper_path("saved"), *to = helper_path("to");
	char pragma[48];

	vtap_store_free(helper_open(path));
	backup(path, saved);
	snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %zu", vtap_sqlite_step_count + 1);
	helper_sql(saved, pragma);
	refused(restore_all, saved, to, -EPROTONOSUPPORT, saved, "newer release");
	helper_folder_is("", "db db.lock saved");
}

/* From every released schema. */
static void test_fixtures(void **state)
{
	char fixture[4096], name[16];

	for (size_t i = 1; i <= vtap_sqlite_step_count; i++) {
		struct vtap_store *s;
		const char *path;

		snprintf(fixture, sizeof(fixture), FIXTURES "/schema-%zu.db", i);
		snprintf(name, sizeof(name), "db%zu", i);
		path = helper_path(name);
		restore(fixture, path);
		s = helper_open(path);
		assert_int_equal(vtap_store_revision(s), 4);
		helper_has(s, "o/target/tmt-1", "{\"a\":1}");
		vtap_store_free(s);
	}
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

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_round, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_left_out, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_closed_store, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_killed_store, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_while_writing, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_by_another_process, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_targets_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_sources_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_index_damaged, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_newer_release, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_fixtures, setup, teardown),
	};

	return vtap_crypto_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
