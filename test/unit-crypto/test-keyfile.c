/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "crypto/crypto.h"

static char folder[] = "/tmp/vtap-keyfile-XXXXXX", path[sizeof(folder) + 16];

static void file_write(const char *text, mode_t mode)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static int remove_key(void **state)
{
	(void)unlink(path);
	(void)rmdir(path);
	return 0;
}

static void refused(int code, const char *fragment)
{
	uint8_t key[VTAP_KEY_BYTES] = {5}, before[VTAP_KEY_BYTES] = {5};
	struct vtap_error error = {};

	assert_int_equal(vtap_key_load(path, key, &error), code);
	assert_int_equal(error.code, code);
	assert_string_equal(error.field, path);
	if (!strstr(error.text, fragment))
		fail_msg("\"%s\" does not say \"%s\"", error.text, fragment);
	assert_memory_equal(key, before, sizeof(key));
	assert_int_equal(vtap_key_load(path, key, NULL), code);
}

static void test_made_once(void **state)
{
	uint8_t key[VTAP_KEY_BYTES] = {}, again[VTAP_KEY_BYTES] = {}, none[VTAP_KEY_BYTES] = {};
	struct vtap_error error = {};
	struct stat s;

	assert_int_equal(vtap_key_load(path, key, &error), 0);
	assert_memory_not_equal(key, none, sizeof(key));
	assert_int_equal(stat(path, &s), 0);
	assert_int_equal(s.st_mode, S_IFREG | 0600);
	assert_int_equal(s.st_nlink, 1);
	assert_int_equal(s.st_size, 2 * VTAP_KEY_BYTES + 1);
	assert_int_equal(vtap_key_load(path, again, &error), 0);
	assert_memory_equal(key, again, sizeof(key));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(vtap_key_load(path, again, &error), 0);
	assert_memory_not_equal(key, again, sizeof(key));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0); /* nothing else was left */
	assert_int_equal(mkdir(folder, 0700), 0);
}

static void test_known(void **state)
{
	static const uint8_t expected[VTAP_KEY_BYTES] = {0xab, 0xcd, 0xef};
	uint8_t key[VTAP_KEY_BYTES];

	file_write("abcdef0000000000000000000000000000000000000000000000000000000000\n", 0400);
	assert_int_equal(vtap_key_load(path, key, NULL), 0);
	assert_memory_equal(key, expected, sizeof(key));
}

static void test_malformed(void **state)
{
	static const char *const texts[] = {
	    "",
	    "\n",
	    "abcdef000000000000000000000000000000000000000000000000000000000\n", /* 63 */
	    "abcdef0000000000000000000000000000000000000000000000000000000000", /* no newline */
	    "abcdef00000000000000000000000000000000000000000000000000000000000\n", /* 65 */
	    "abcdef000000000000000000000000000000000000000000000000000000000g\n",
	    "abcdef0000000000000000000000000000000000000000000000000000000000\n\n",
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(texts); i++) {
		file_write(texts[i], 0600);
		refused(-EINVAL, "64 hexadecimal digits");
	}
}

static void test_others_can_read(void **state)
{
	static const mode_t modes[] = {0640, 0604, 0620, 0601};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(modes); i++) {
		file_write("abcdef0000000000000000000000000000000000000000000000000000000000\n", modes[i]);
		refused(-EPERM, "0600");
	}
}

static void test_no_file(void **state)
{
	assert_int_equal(mkdir(path, 0700), 0);
	refused(-EINVAL, "regular file");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	refused(-EINVAL, "regular file");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
	refused(-ENOENT, "cannot be made");
	assert_int_equal(mkdir(folder, 0700), 0);
}

/* Of many that start at once with no file, all get the same key. */
static void test_race(void **state)
{
	uint8_t first[VTAP_KEY_BYTES], key[VTAP_KEY_BYTES];
	int keys[2], gate[2], status;

	assert_int_equal(pipe2(keys, O_CLOEXEC), 0);
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	for (unsigned i = 0; i < 8; i++) {
		pid_t child = fork();

		assert_true(child >= 0);
		if (child > 0)
			continue;
		close(gate[1]);
		if (read(gate[0], key, 1) != 0 || vtap_key_load(path, key, NULL) < 0)
			_exit(1);
		_exit(write(keys[1], key, sizeof(key)) != sizeof(key));
	}
	close(gate[0]);
	close(gate[1]);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(read(keys[0], i ? key : first, sizeof(key)), sizeof(key));
		assert_memory_equal(i ? key : first, first, sizeof(key));
	}
	for (unsigned i = 0; i < 8; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	close(keys[0]);
	close(keys[1]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_made_once, remove_key),
	    cmocka_unit_test_teardown(test_known, remove_key),
	    cmocka_unit_test_teardown(test_malformed, remove_key),
	    cmocka_unit_test_teardown(test_others_can_read, remove_key),
	    cmocka_unit_test_teardown(test_no_file, remove_key),
	    cmocka_unit_test_teardown(test_race, remove_key),
	};
	int failed;

	if (vtap_crypto_init() < 0 || !mkdtemp(folder))
		return 1;
	snprintf(path, sizeof(path), "%s/key", folder);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	return rmdir(folder) < 0 || failed;
}
