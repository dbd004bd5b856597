/* SPDX-License-Identifier: Apache-2.0 */

/* A full disk, or memory: nothing is written, everything can be read, nothing is to be repaired when there is room again. */

#include "helper.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "crypto/crypto.h"
#include "lossy.h"

static unsigned allocations_left; /* 0 = no limit */

/* The linker puts these in front of the C library's. */
void *__wrap_calloc(size_t count, size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_reallocarray(void *array, size_t count, size_t size);
void *__real_reallocarray(void *array, size_t count, size_t size);

static bool allocation_fails(void)
{
	return allocations_left > 0 && --allocations_left == 0;
}

void *__wrap_calloc(size_t count, size_t size)
{
	return allocation_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_reallocarray(void *array, size_t count, size_t size)
{
	return allocation_fails() ? NULL : __real_reallocarray(array, count, size);
}

static struct vtap_store *store_fill(struct vtap_store *s)
{
	assert_int_equal(COMMIT(s, PUT("a", "1"), PUT("b", "2")), 0);
	assert_int_equal(COMMIT(s, PUT("b", "3")), 0);
	return s;
}

static struct vtap_store *filled_store(const char *path)
{
	return store_fill(helper_open(path));
}

/* As store_fill() left it. */
static void is_unchanged(struct vtap_store *s)
{
	_cleanup_free_ char *dump = helper_dump(s), *changes = helper_changes(s, "", 0);

	assert_string_equal(dump, "a=1@1 b=3@2 ");
	assert_string_equal(changes, "a=1@1 b=2@1 b=3@2 ");
	assert_int_equal(vtap_store_revision(s), 2);
	helper_has(s, "a", "1");
}

/* Two transactions of which both fail, or none. */
static int commit_two(struct vtap_store *s, const char *value)
{
	const struct vtap_store_operation first[] = {PUT("c", value), DELETE("a")},
					  second[] = {IS("c", value), PUT("d", value)};
	const struct vtap_store_operation failing[] = {IS_ABSENT("b")};
	struct vtap_store_transaction batch[] = {
	    {.operations = first, .operation_count = 2, .ret_result = 1},
	    {.operations = failing, .operation_count = 1, .ret_result = 1},
	    {.operations = second, .operation_count = 2, .ret_result = 1},
	};
	int r = vtap_store_commit(s, batch, VTAP_ARRAY_SIZE(batch));

	assert_int_equal(batch[0].ret_result, r);
	assert_int_equal(batch[1].ret_result, r < 0 ? r : -EAGAIN);
	assert_int_equal(batch[2].ret_result, r);
	return r;
}

/* The room ends before each write of a commit in turn. */
static void test_each_write(void **state)
{
	_cleanup_free_ char *value = helper_text(20000, 'v');
	unsigned n = 0;
	int r;

	do {
		char name[16];
		struct vtap_store *s;

		snprintf(name, sizeof(name), "db%u", n);
		lossy_install(1);
		s = filled_store(helper_path(name));
		lossy_full_at(++n);
		r = commit_two(s, value);
		if (r < 0) {
			assert_int_equal(r, -ENOSPC);
			is_unchanged(s);
			assert_int_equal(commit_two(s, value), -ENOSPC);
			assert_int_equal(COMMIT(s, IS("a", "2"), PUT("a", "2")), -EAGAIN);
			is_unchanged(s);
			lossy_full_at(0);
			assert_int_equal(commit_two(s, value), 0);
		}
		assert_int_equal(vtap_store_revision(s), 4);
		helper_has(s, "d", value);
		s = vtap_store_free(s);
		s = helper_open(helper_path(name));
		assert_int_equal(vtap_store_revision(s), 4);
		helper_has(s, "a", NULL);
		helper_has(s, "d", value);
		vtap_store_free(s);
		lossy_remove();
	} while (r < 0);
	assert_in_range(n, 10, 1000);
}

/* Each allocation of a commit fails in turn. */
static void test_memory(void **state)
{
	unsigned n = 0;
	int r;

	do {
		VTAP_CLEANUP(vtap_store_freep) struct vtap_store *s = NULL;

		assert_int_equal(vtap_store_memory_new(&s), 0);
		store_fill(s);
		allocations_left = ++n;
		r = commit_two(s, "v");
		allocations_left = 0;
		if (r < 0) {
			assert_int_equal(r, -ENOMEM);
			is_unchanged(s);
			assert_int_equal(commit_two(s, "v"), 0);
		}
		assert_int_equal(vtap_store_revision(s), 4);
		helper_has(s, "a", NULL);
		helper_has(s, "d", "v");
	} while (r < 0);
	assert_int_equal(n, 4); /* three entries, and room enough for them */
}

/* A limit of the process counts as a full disk. */
static void test_file_size_limit(void **state)
{
	_cleanup_free_ char *value = helper_text(VTAP_STORE_VALUE_MAX_BYTES / 2, 'v');
	struct vtap_store *s = filled_store(helper_path("db"));
	struct rlimit before, small;
	int r;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 100000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	r = commit_two(s, value);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(r, -ENOSPC);
	is_unchanged(s);
	assert_int_equal(commit_two(s, value), 0);
	vtap_store_free(s);
}

/* Takes all the room that is left. */
static void fill(const char *path)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	char block[4096] = {};

	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
}

static void backup_finds_it_full(const char *path)
{
	const char *backup = helper_path("disk/backup"), *elsewhere = helper_path("backup");
	const char *restored = helper_path("disk/restored");
	struct vtap_error error = {};

	assert_int_equal(vtap_store_sqlite_backup(path, backup, &error), -ENOSPC);
	assert_string_equal(error.text, "the disk is full");
	assert_string_equal(error.field, backup);
	assert_int_equal(vtap_store_sqlite_backup(path, elsewhere, &error), 0);
	assert_int_equal(vtap_store_sqlite_restore(elsewhere, restored, NULL, &error), -ENOSPC);
	assert_string_equal(error.field, restored);
	helper_folder_is("disk", "db db-shm db-wal db.lock filler");
}

static void test_file_system(void **state)
{
	_cleanup_free_ char *value = helper_text(20000, 'v');
	const char *disk = helper_path("disk"), *filler = helper_path("disk/filler"), *path = helper_path("disk/db");
	struct vtap_store *s;

	/* The mount is this process' alone. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		skip();
	assert_int_equal(mkdir(disk, 0700), 0);
	assert_int_equal(mount("tmpfs", disk, "tmpfs", 0, "size=1m"), 0);
	s = filled_store(path);
	fill(filler);
	assert_int_equal(commit_two(s, value), -ENOSPC);
	is_unchanged(s);
	backup_finds_it_full(path);
	/* The log cannot be taken into the database: it stays, and with it all that a new start needs. */
	vtap_store_free(s);
	fill(filler);
	s = helper_open(path);
	is_unchanged(s);
	assert_int_equal(commit_two(s, value), -ENOSPC);
	is_unchanged(s);
	assert_int_equal(unlink(filler), 0);
	assert_int_equal(commit_two(s, value), 0);
	vtap_store_free(s);
	helper_folder_is("disk", "db db.lock");
	fill(filler);
	helper_refused(path, -ENOSPC, "the disk is full");
	assert_int_equal(unlink(filler), 0);
	vtap_store_free(helper_open(path));
	assert_int_equal(umount(disk), 0);
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
	    cmocka_unit_test_setup_teardown(test_each_write, setup, teardown),
	    cmocka_unit_test(test_memory),
	    cmocka_unit_test_setup_teardown(test_file_size_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_file_system, setup, teardown),
	};

	return vtap_crypto_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
