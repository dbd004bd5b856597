/* SPDX-License-Identifier: Apache-2.0 */

#include "agent/chunks.h"
#include "agent/statefile.h"
#include "crypto/crypto.h"
#include "folder.h"

static const char first[] = "[{\"number\": 1}]", second[] = "[]", third[] = "[{\"number\": 3}]";

static const char *hash_of(const char *text)
{
	static char hashes[4][VTAP_HASH_STRLEN];
	static unsigned next;

	return vtap_hash_hex(text, strlen(text), hashes[next++ % 4]);
}

static struct vtap_chunks *opened(const char *dir)
{
	struct vtap_chunks *c = NULL;

	assert_int_equal(vtap_chunks_new(dir, &c), 0);
	return c;
}

static void rules_are(struct vtap_chunks *c, const char *text)
{
	json_t *rules = vtap_chunks_rules(c, hash_of(text)), *wanted = json_loads(text, 0, NULL);

	assert_true(json_equal(rules, wanted));
	json_decref(rules);
	json_decref(wanted);
}

static void test_kept(void **state)
{
	struct vtap_chunks *c = opened(*state);

	assert_false(vtap_chunks_has(c, hash_of(first)));
	assert_null(vtap_chunks_rules(c, hash_of(first)));
	assert_int_equal(vtap_chunks_put(c, hash_of(first), first, strlen(first)), 0);
	assert_int_equal(vtap_chunks_put(c, hash_of(first), first, strlen(first)), 0);
	assert_int_equal(vtap_chunks_put(c, hash_of(second), second, strlen(second)), 0);
	rules_are(c, first);
	rules_are(c, second);
	vtap_chunks_free(c);
	/* By another process, too. */
	c = opened(*state);
	assert_true(vtap_chunks_has(c, hash_of(second)));
	rules_are(c, first);
	vtap_chunks_free(c);
}

static void test_not_its_hash(void **state)
{
	struct vtap_chunks *c = opened(*state);
	char dir[512];

	assert_int_equal(vtap_chunks_put(c, hash_of(first), second, strlen(second)), -EBADMSG);
	assert_int_equal(vtap_chunks_put(c, "../plan.json", second, strlen(second)), -EBADMSG);
	assert_false(vtap_chunks_has(c, "../plan.json"));
	snprintf(dir, sizeof(dir), "%s/chunks", (const char *)*state);
	assert_int_equal(folder_count(dir), 0);
	/* A file that was damaged is as good as none. */
	folder_write(dir, hash_of(first), second);
	assert_false(vtap_chunks_has(c, hash_of(first)));
	vtap_chunks_free(c);
}

static void test_limit(void **state)
{
	_cleanup_free_ char *text = malloc(VTAP_CHUNK_MAX_BYTES + 2);
	struct vtap_chunks *c = opened(*state);

	memset(text, ' ', VTAP_CHUNK_MAX_BYTES + 1);
	memcpy(text, "[]", 2);
	text[VTAP_CHUNK_MAX_BYTES] = '\0';
	assert_int_equal(vtap_chunks_put(c, hash_of(text), text, VTAP_CHUNK_MAX_BYTES), 0);
	text[VTAP_CHUNK_MAX_BYTES] = ' ';
	text[VTAP_CHUNK_MAX_BYTES + 1] = '\0';
	assert_int_equal(vtap_chunks_put(c, hash_of(text), text, VTAP_CHUNK_MAX_BYTES + 1), -E2BIG);
	vtap_chunks_free(c);
}

static bool is_first(const char *hash, void *userdata)
{
	(*(unsigned *)userdata)++;
	return strcmp(hash, hash_of(first)) == 0;
}

static void test_collect(void **state)
{
	struct vtap_chunks *c = opened(*state);
	unsigned asked = 0;
	char dir[512];

	assert_int_equal(vtap_chunks_put(c, hash_of(first), first, strlen(first)), 0);
	assert_int_equal(vtap_chunks_put(c, hash_of(second), second, strlen(second)), 0);
	vtap_chunks_free(c);
	c = opened(*state);
	assert_int_equal(vtap_chunks_put(c, hash_of(third), third, strlen(third)), 0);
	snprintf(dir, sizeof(dir), "%s/chunks", (const char *)*state);
	folder_write(dir, "left.new", "half a chunk");
	assert_int_equal(folder_count(dir), 4);
	vtap_chunks_collect(c, is_first, &asked);
	assert_int_equal(asked, 1 + 3);
	assert_int_equal(folder_count(dir), 1);
	rules_are(c, first);
	assert_false(vtap_chunks_has(c, hash_of(third)));
	vtap_chunks_free(c);
}

/* What all files of the state directory have in common. */
static void test_statefile(void **state)
{
	const char *dir = *state;
	size_t size_bytes = 0;
	char path[512], *text = NULL;
	struct stat st;

	folder_write(dir, "f", "old");
	assert_int_equal(vtap_statefile_write(dir, "f", "new text", 8), 0);
	assert_int_equal(vtap_statefile_read(dir, "f", 8, &text, &size_bytes), 0);
	assert_string_equal(text, "new text");
	assert_int_equal(size_bytes, 8);
	free(text);
	text = NULL;
	assert_int_equal(vtap_statefile_read(dir, "f", 7, &text, &size_bytes), -E2BIG);
	assert_int_equal(vtap_statefile_read(dir, "g", 7, &text, &size_bytes), -ENOENT);
	assert_null(text);
	snprintf(path, sizeof(path), "%s/f", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(folder_count(dir), 1);
	assert_int_equal(vtap_statefile_write("/nonexistent/dir", "f", "x", 1), -ENOENT);
	assert_int_equal(vtap_statefile_remove(dir, "f"), 0);
	assert_int_equal(vtap_statefile_remove(dir, "f"), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_kept, folder_make, folder_remove),
	    cmocka_unit_test_setup_teardown(test_not_its_hash, folder_make, folder_remove),
	    cmocka_unit_test_setup_teardown(test_limit, folder_make, folder_remove),
	    cmocka_unit_test_setup_teardown(test_collect, folder_make, folder_remove),
	    cmocka_unit_test_setup_teardown(test_statefile, folder_make, folder_remove),
	};

	if (vtap_crypto_init() < 0)
		return 1;
	return cmocka_run_group_tests_name("chunks", tests, NULL, NULL);
}
