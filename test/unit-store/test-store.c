/* SPDX-License-Identifier: Apache-2.0 */

/* The contract of store/store.h, the same for every backend. */

#include "helper.h"

#include <inttypes.h>

#include "crypto/crypto.h"

static struct vtap_store *open_memory(void)
{
	struct vtap_store *s = NULL;

	assert_int_equal(vtap_store_memory_new(&s), 0);
	return s;
}

static struct vtap_store *open_sqlite(void)
{
	return helper_open(helper_path("db"));
}

static const struct backend {
	const char *name;
	struct vtap_store *(*open)(void);
} backends[] = {
    {"memory", open_memory},
    {"sqlite", open_sqlite},
};
static const struct backend *backend;

static int setup(void **state)
{
	helper_folder_make();
	*state = backend->open();
	return 0;
}

static int teardown(void **state)
{
	*state = vtap_store_free(*state);
	helper_folder_remove();
	return 0;
}

static void test_new(void **state)
{
	struct vtap_store *s = *state;
	_cleanup_free_ char *dump = helper_dump(s);

	assert_string_equal(dump, "");
	assert_int_equal(vtap_store_revision(s), 0);
	assert_int_equal(strlen(vtap_store_epoch(s)), VTAP_STORE_EPOCH_STRLEN - 1);
	assert_int_equal(strspn(vtap_store_epoch(s), "0123456789abcdef"), VTAP_STORE_EPOCH_STRLEN - 1);
	helper_has(s, "a", NULL);
	assert_null(vtap_store_free(NULL));
}

static void test_epochs_differ(void **state)
{
	struct vtap_store *s = *state;
	char epoch[VTAP_STORE_EPOCH_STRLEN];

	strcpy(epoch, vtap_store_epoch(s));
	teardown(state);
	setup(state);
	assert_string_not_equal(vtap_store_epoch(*state), epoch);
}

static void test_put_delete(void **state)
{
	struct vtap_store *s = *state;
	_cleanup_free_ char *dump = NULL;

	assert_int_equal(COMMIT(s, PUT("b", "1"), PUT("a", "2")), 0);
	assert_int_equal(vtap_store_revision(s), 1);
	assert_int_equal(COMMIT(s, PUT("a", "3")), 0);
	assert_int_equal(COMMIT(s, PUT("c", "4")), 0);
	assert_int_equal(COMMIT(s, DELETE("b"), PUT("d", "")), 0);
	dump = helper_dump(s);
	assert_string_equal(dump, "a=3@2 c=4@3 d=@4 ");
	helper_has(s, "a", "3");
	helper_has(s, "b", NULL);
	helper_has(s, "d", "");
	assert_int_equal(COMMIT(s, PUT("b", "5")), 0);
	helper_has(s, "b", "5");
}

/* Bytes, with NULs; keys that are prefixes of each other; the same value again is a change. */
static void test_values_are_bytes(void **state)
{
	struct vtap_store *s = *state;
	static const char bytes[] = {'a', 0, (char)0xff, 0, 0};
	const struct vtap_store_operation put = {VTAP_STORE_PUT, "k", bytes, sizeof(bytes)};
	const struct vtap_store_operation is = {VTAP_STORE_IS, "k", bytes, sizeof(bytes)};
	const struct vtap_store_operation is_not = {VTAP_STORE_IS, "k", bytes, sizeof(bytes) - 1};
	const struct vtap_store_operation empty = {VTAP_STORE_PUT, "e", NULL, 0},
					  is_empty = {VTAP_STORE_IS, "e", NULL, 0};
	_cleanup_free_ char *value = NULL;
	_cleanup_free_ char *nothing = NULL;
	size_t size = 0;
	uint64_t revision = 0;

	assert_int_equal(COMMIT(s, put, empty), 0);
	assert_int_equal(vtap_store_get(s, "k", (void **)&value, &size, &revision), 0);
	assert_int_equal(size, sizeof(bytes));
	assert_memory_equal(value, bytes, sizeof(bytes));
	assert_int_equal(value[size], 0);
	assert_int_equal(COMMIT(s, is, is_empty, put), 0);
	assert_int_equal(vtap_store_revision(s), 2);
	assert_int_equal(COMMIT(s, is_not), -EAGAIN);
	assert_int_equal(COMMIT(s, IS("k", "a")), -EAGAIN);
	assert_int_equal(COMMIT(s, IS("e", "a")), -EAGAIN);
	assert_int_equal(vtap_store_get(s, "e", (void **)&nothing, NULL, NULL), 0);
	assert_string_equal(nothing, "");
}

static void test_compare(void **state)
{
	struct vtap_store *s = *state;
	_cleanup_free_ char *dump = NULL;

	assert_int_equal(COMMIT(s, IS_ABSENT("a"), PUT("a", "1")), 0);
	assert_int_equal(COMMIT(s, IS_ABSENT("a"), PUT("a", "2")), -EAGAIN);
	assert_int_equal(COMMIT(s, IS("a", "2"), PUT("a", "3")), -EAGAIN);
	assert_int_equal(COMMIT(s, IS("b", "1"), PUT("a", "3")), -EAGAIN);
	assert_int_equal(COMMIT(s, IS("b", ""), PUT("a", "3")), -EAGAIN);
	assert_int_equal(COMMIT(s, PUT("c", "4"), IS("a", "1"), DELETE("a"), IS_ABSENT("d")), 0);
	/* The compare that fails is the last: what stands before it has not been written. */
	assert_int_equal(COMMIT(s, PUT("e", "5"), DELETE("c"), IS("c", "5")), -EAGAIN);
	dump = helper_dump(s);
	assert_string_equal(dump, "c=4@2 ");
	assert_int_equal(vtap_store_revision(s), 2);
}

/* Operations count in their order; what remains of a key is its last write. */
static void test_order_of_operations(void **state)
{
	struct vtap_store *s = *state;
	_cleanup_free_ char *changes = NULL;

	assert_int_equal(COMMIT(s, PUT("a", "1"), PUT("b", "1"), PUT("c", "1")), 0);
	assert_int_equal(COMMIT(s, DELETE("a"), IS_ABSENT("a"), PUT("a", "2"), IS("a", "2"), PUT("a", "3")), 0);
	assert_int_equal(COMMIT(s, PUT("b", "2"), DELETE("b"), IS_ABSENT("b"), PUT("d", "1"), DELETE("d")), 0);
	assert_int_equal(COMMIT(s, IS("c", "1"), PUT("c", "2"), IS("c", "1")), -EAGAIN);
	assert_int_equal(COMMIT(s, PUT("c", "2"), PUT("c", "3"), IS("c", "2")), -EAGAIN);
	assert_int_equal(COMMIT(s, PUT("c", "2"), IS_ABSENT("c")), -EAGAIN);
	assert_int_equal(COMMIT(s, DELETE("c"), IS("c", "")), -EAGAIN);
	assert_int_equal(COMMIT(s, PUT("c", ""), IS("c", "")), 0);
	changes = helper_changes(s, "", 1);
	assert_string_equal(changes, "a=3@2 -b@3 c=@4 ");
}

/* It has a revision all the same: callers count them. */
static void test_nothing_changed(void **state)
{
	struct vtap_store *s = *state;
	_cleanup_free_ char *changes = NULL;

	assert_int_equal(COMMIT(s, PUT("a", "1")), 0);
	assert_int_equal(COMMIT(s, DELETE("b")), 0);
	assert_int_equal(COMMIT(s, IS("a", "1")), 0);
	assert_int_equal(helper_commit(s, NULL, 0), 0);
	assert_int_equal(vtap_store_revision(s), 4);
	assert_int_equal(vtap_store_commit(s, NULL, 0), 0);
	assert_int_equal(vtap_store_revision(s), 4);
	assert_int_equal(COMMIT(s, DELETE("b"), DELETE("a"), DELETE("c")), 0);
	changes = helper_changes(s, "", 0);
	assert_string_equal(changes, "a=1@1 -a@5 ");
}

static void test_batch(void **state)
{
	struct vtap_store *s = *state;
	const struct vtap_store_operation first[] = {PUT("a", "1")},
					  second[] = {IS("a", "1"), PUT("a", "2"), PUT("b", "2")};
	const struct vtap_store_operation failing[] = {IS("a", "1"), PUT("c", "3")}, nothing[] = {DELETE("z")};
	const struct vtap_store_operation wrong[] = {PUT("", "3")}, last[] = {IS_ABSENT("c"), DELETE("a")};
	struct vtap_store_transaction batch[] = {
	    {first, 1, 1, 0},   {second, 3, 1, 0}, {failing, 2, 1, 0},
	    {nothing, 1, 1, 0}, {wrong, 1, 1, 0},  {last, 2, 1, 0},
	};
	static const int results[] = {0, 0, -EAGAIN, 0, -EINVAL, 0};
	static const uint64_t revisions[] = {1, 2, 0, 3, 0, 4};
	_cleanup_free_ char *dump = NULL, *changes = NULL;

	assert_int_equal(vtap_store_commit(s, batch, VTAP_ARRAY_SIZE(batch)), 0);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(batch); i++) {
		assert_int_equal(batch[i].ret_result, results[i]);
		assert_int_equal(batch[i].ret_revision, revisions[i]);
	}
	assert_int_equal(vtap_store_revision(s), 4);
	dump = helper_dump(s);
	changes = helper_changes(s, "", 0);
	assert_string_equal(dump, "b=2@2 ");
	assert_string_equal(changes, "a=1@1 a=2@2 b=2@2 -a@4 ");
}

static void test_order(void **state)
{
	struct vtap_store *s = *state;
	static const char *const keys[] = {"b", "a\xff", "a", "a/", "\xff\xff", "ab", "B", "a/\x01", "\xc3\xa4", "~"};
	_cleanup_free_ char *dump = NULL, *page = helper_text(0, 0);

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(keys); i++)
		assert_int_equal(COMMIT(s, PUT(keys[i], "")), 0);
	dump = helper_dump(s);
	assert_string_equal(dump, "B=@7 a=@3 a/=@4 a/\x01=@8 ab=@6 a\xff=@2 b=@1 ~=@10 \xc3\xa4=@9 \xff\xff=@5 ");
	assert_int_equal(vtap_store_page(s, "a/", NULL, 10, helper_collect, &page), 2);
	assert_int_equal(vtap_store_page(s, "\xff", NULL, 10, helper_collect, &page), 1);
	assert_int_equal(vtap_store_page(s, "a\xff", NULL, 10, helper_collect, &page), 1);
	assert_int_equal(vtap_store_page(s, "c", NULL, 10, helper_collect, &page), 0);
	assert_string_equal(page, "a/=@4 a/\x01=@8 \xff\xff=@5 a\xff=@2 ");
}

static int stop_at_third(const struct vtap_store_item *item, void *userdata)
{
	return ++*(unsigned *)userdata == 3 ? -ECANCELED : 0;
}

static void test_page(void **state)
{
	struct vtap_store *s = *state;
	_cleanup_free_ char *page = helper_text(0, 0);
	unsigned visited = 0;

	assert_int_equal(COMMIT(s, PUT("a", "1"), PUT("p/1", "1"), PUT("p/2", "2"), PUT("p/4", "4"), PUT("q", "1")), 0);
	assert_int_equal(vtap_store_page(s, "p/", NULL, 2, helper_collect, &page), 2);
	assert_int_equal(vtap_store_page(s, "p/", "p/2", 2, helper_collect, &page), 1);
	assert_string_equal(page, "p/1=1@1 p/2=2@1 p/4=4@1 ");
	/* `after` need not be there, nor begin with the prefix. */
	assert_int_equal(vtap_store_page(s, "p/", "p/3", 2, helper_collect, &page), 1);
	assert_int_equal(vtap_store_page(s, "p/", "p/4", 2, helper_collect, &page), 0);
	assert_int_equal(vtap_store_page(s, "p/", "a", 9, helper_collect, &page), 3);
	assert_int_equal(vtap_store_page(s, "p/", "q", 9, helper_collect, &page), 0);
	assert_int_equal(vtap_store_page(s, "", "p/4", 9, helper_collect, &page), 1);
	assert_int_equal(vtap_store_page(s, "", NULL, 9, stop_at_third, &visited), -ECANCELED);
	assert_int_equal(visited, 3);
	visited = 0; /* and the store can be used as before */
	assert_int_equal(vtap_store_page(s, "q", NULL, 9, stop_at_third, &visited), 1);
}

static void test_page_limits(void **state)
{
	struct vtap_store *s = *state;
	_cleanup_free_ char *longest = helper_text(VTAP_STORE_KEY_MAX_BYTES, 'k');
	_cleanup_free_ char *longer = helper_text(VTAP_STORE_KEY_MAX_BYTES + 1, 'k');
	_cleanup_free_ char *highest = helper_text(VTAP_STORE_KEY_MAX_BYTES, '\xff');
	struct vtap_store_operation operations[VTAP_STORE_OPERATIONS_MAX];
	char keys[VTAP_ARRAY_SIZE(operations)][8];
	char *none = NULL;
	unsigned n = 0, visited = 100000;

	while (n < VTAP_STORE_PAGE_MAX + 1) {
		size_t count = 0;

		for (; count < VTAP_ARRAY_SIZE(operations) && n < VTAP_STORE_PAGE_MAX + 1; count++, n++) {
			snprintf(keys[count], sizeof(keys[count]), "n%04u", n);
			operations[count] = PUT(keys[count], "");
		}
		assert_int_equal(helper_commit(s, operations, count), 0);
	}
	assert_int_equal(vtap_store_page(s, "n", NULL, 0, helper_collect, &none), -EINVAL);
	assert_int_equal(vtap_store_page(s, "n", NULL, VTAP_STORE_PAGE_MAX + 1, helper_collect, &none), -EINVAL);
	assert_int_equal(vtap_store_page(s, "n", NULL, VTAP_STORE_PAGE_MAX, stop_at_third, &visited),
			 VTAP_STORE_PAGE_MAX);
	assert_int_equal(vtap_store_page(s, "n", "n0999", VTAP_STORE_PAGE_MAX, stop_at_third, &visited), 1);
	assert_int_equal(vtap_store_page(s, longer, NULL, 1, helper_collect, &none), -EINVAL);
	assert_int_equal(vtap_store_page(s, "", longer, 1, helper_collect, &none), -EINVAL);
	assert_int_equal(COMMIT(s, PUT(longest, "")), 0);
	assert_int_equal(vtap_store_page(s, longest, NULL, 9, stop_at_third, &visited), 1);
	assert_int_equal(vtap_store_page(s, longest, longest, 9, stop_at_third, &visited), 0);
	assert_int_equal(vtap_store_page(s, "k", longest, 9, stop_at_third, &visited), 0);
	assert_int_equal(COMMIT(s, PUT(highest, "")), 0);
	assert_int_equal(vtap_store_page(s, highest, NULL, 9, stop_at_third, &visited), 1);
	assert_int_equal(vtap_store_page(s, "\xff", highest, 9, stop_at_third, &visited), 0);
}

static void test_key_limits(void **state)
{
	struct vtap_store *s = *state;
	_cleanup_free_ char *longest = helper_text(VTAP_STORE_KEY_MAX_BYTES, 'k');
	_cleanup_free_ char *longer = helper_text(VTAP_STORE_KEY_MAX_BYTES + 1, 'k');
	void *none = NULL;
	size_t size;
	uint64_t revision;

	assert_int_equal(COMMIT(s, PUT(longest, "1")), 0);
	assert_int_equal(COMMIT(s, IS(longest, "1"), PUT("k", "1")), 0);
	helper_has(s, longest, "1");
	assert_int_equal(COMMIT(s, PUT(longer, "1")), -E2BIG);
	assert_int_equal(COMMIT(s, DELETE(longer)), -E2BIG);
	assert_int_equal(COMMIT(s, IS(longer, "1")), -E2BIG);
	assert_int_equal(COMMIT(s, IS_ABSENT(longer)), -E2BIG);
	assert_int_equal(COMMIT(s, PUT("", "1")), -EINVAL);
	assert_int_equal(COMMIT(s, IS_ABSENT("")), -EINVAL);
	assert_int_equal(COMMIT(s, DELETE(NULL)), -EINVAL);
	assert_int_equal(vtap_store_get(s, longer, &none, &size, &revision), -EINVAL);
	assert_int_equal(vtap_store_get(s, "", &none, &size, &revision), -EINVAL);
	assert_null(none);
	assert_int_equal(COMMIT(s, (struct vtap_store_operation){VTAP_STORE_PUT, "a", NULL, 1}), -EINVAL);
	assert_int_equal(COMMIT(s, (struct vtap_store_operation){VTAP_STORE_DELETE + 1, "a", NULL, 0}), -EINVAL);
	assert_int_equal(vtap_store_revision(s), 2);
}

static void test_value_limits(void **state)
{
	struct vtap_store *s = *state;
	_cleanup_free_ char *most = helper_text(VTAP_STORE_VALUE_MAX_BYTES, 'v');
	_cleanup_free_ char *more = helper_text(VTAP_STORE_VALUE_MAX_BYTES + 1, 'v');

	assert_int_equal(COMMIT(s, PUT("a", most)), 0);
	assert_int_equal(COMMIT(s, IS("a", most), PUT("b", "1")), 0);
	assert_int_equal(COMMIT(s, PUT("a", more)), -E2BIG);
	assert_int_equal(COMMIT(s, IS("a", more)), -E2BIG);
	helper_has(s, "a", most);
	assert_int_equal(vtap_store_revision(s), 2);
}

static void test_operation_limits(void **state)
{
	struct vtap_store *s = *state;
	struct vtap_store_operation operations[VTAP_STORE_OPERATIONS_MAX + 1];
	char keys[VTAP_ARRAY_SIZE(operations)][8];
	_cleanup_free_ char *changes = NULL;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(operations); i++) {
		snprintf(keys[i], sizeof(keys[i]), "n%04zu", i);
		operations[i] = PUT(keys[i], "1");
	}
	assert_int_equal(helper_commit(s, operations, VTAP_ARRAY_SIZE(operations)), -E2BIG);
	operations[0] = IS_ABSENT("a"); /* compares count as well */
	assert_int_equal(helper_commit(s, operations, VTAP_ARRAY_SIZE(operations)), -E2BIG);
	operations[0] = PUT(keys[0], "1");
	assert_int_equal(helper_commit(s, operations, VTAP_STORE_OPERATIONS_MAX), 0);
	/* Every one of them has a place of its own in the history. */
	assert_int_equal(COMMIT(s, PUT("a", "1")), 0);
	changes = helper_changes(s, "", 0);
	assert_string_equal(strstr(changes, "n0062=1@1"), "n0062=1@1 n0063=1@1 a=1@2 ");
}

static void test_transaction_limits(void **state)
{
	struct vtap_store *s = *state;
	_cleanup_free_ char *most = helper_text(VTAP_STORE_VALUE_MAX_BYTES, 'v');
	_cleanup_free_ char *rest = helper_text(VTAP_STORE_TRANSACTION_MAX_BYTES - VTAP_STORE_VALUE_MAX_BYTES - 1, 'v');

	/* Keys "a" and "b": with the first byte of rest's value 1 less, exactly the limit. */
	assert_int_equal(COMMIT(s, PUT("a", most), PUT("b", rest)), -E2BIG);
	assert_int_equal(COMMIT(s, PUT("a", most), PUT("b", rest + 1)), 0);
	assert_int_equal(COMMIT(s, PUT("b", rest + 1), IS("a", most)), 0);
	assert_int_equal(COMMIT(s, PUT("b", rest), IS("a", most)), -E2BIG);
	assert_int_equal(COMMIT(s, PUT("b", rest + 1), IS("a", most), DELETE("c")), -E2BIG);
	assert_int_equal(vtap_store_revision(s), 2);
}

static void test_changes(void **state)
{
	struct vtap_store *s = *state;
	_cleanup_free_ char *all = NULL, *some = NULL, *last = NULL, *none = NULL;
	unsigned visited = 0;
	uint64_t next = 77;

	assert_int_equal(COMMIT(s, PUT("o/b", "1"), PUT("x", "1"), PUT("o/a", "1")), 0);
	assert_int_equal(COMMIT(s, PUT("o/a", "2")), 0);
	assert_int_equal(COMMIT(s, DELETE("o/b"), DELETE("o/none"), PUT("o/c", "")), 0);
	all = helper_changes(s, "", 0);
	some = helper_changes(s, "o/", 0);
	last = helper_changes(s, "o/", 2);
	none = helper_changes(s, "", 3);
	assert_string_equal(all, "o/b=1@1 x=1@1 o/a=1@1 o/a=2@2 -o/b@3 o/c=@3 ");
	assert_string_equal(some, "o/b=1@1 o/a=1@1 o/a=2@2 -o/b@3 o/c=@3 ");
	assert_string_equal(last, "-o/b@3 o/c=@3 ");
	assert_string_equal(none, "");
	assert_int_equal(vtap_store_changes(s, "", 4, stop_at_third, &visited, &next), -ESTALE);
	assert_int_equal(vtap_store_changes(s, "", 0, stop_at_third, &visited, &next), -ECANCELED);
	assert_int_equal(visited, 3);
	assert_int_equal(next, 77);
}

static int count(const struct vtap_store_item *item, void *userdata)
{
	++*(unsigned *)userdata;
	return 0;
}

/* N = VTAP_STORE_HISTORY revisions ago is answered, N + 1 is not, whether they came one by one or many at a time. */
static void test_history_limits(void **state)
{
	struct vtap_store *s = *state;
	const struct vtap_store_operation put = PUT("k", "v");
	struct vtap_store_transaction batch[100];
	uint64_t next;
	unsigned n = 0;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(batch); i++)
		batch[i] = (struct vtap_store_transaction){.operations = &put, .operation_count = 1};
	while (vtap_store_revision(s) < 2 * VTAP_STORE_HISTORY)
		assert_int_equal(vtap_store_commit(s, batch, n++ % 2 ? 1 : VTAP_ARRAY_SIZE(batch)), 0);
	n = 0;
	next = vtap_store_revision(s) - VTAP_STORE_HISTORY;
	assert_int_equal(vtap_store_changes(s, "", next - 1, count, &n, &next), -ESTALE);
	assert_int_equal(vtap_store_changes(s, "", 0, count, &n, &next), -ESTALE);
	assert_int_equal(n, 0);
	assert_int_equal(vtap_store_changes(s, "", next, count, &n, &next), 0);
	assert_int_equal(n, VTAP_STORE_HISTORY);
	assert_int_equal(next, vtap_store_revision(s));
	n = 0;
	assert_int_equal(vtap_store_changes(s, "", next - 1, count, &n, &next), 0);
	assert_int_equal(n, 1);
}

/* Against the simplest store of all: an array that is searched from its beginning. */
static void test_random(void **state)
{
	struct vtap_store *s = *state;
	char values[8][8] = {}, key[3] = "k0", value[8];
	_cleanup_free_ char *all = NULL, *since = NULL;
	char expected[256] = "";
	uint64_t revisions[8] = {}, revision = 0;
	uint32_t random[2];

	for (unsigned n = 0; n < 1500; n++) {
		struct vtap_store_operation compare, write;
		unsigned i;

		vtap_random_bytes(random, sizeof(random));
		i = random[0] % 8;
		key[1] = (char)('0' + i);
		snprintf(value, sizeof(value), "%u", random[1] % 1000);
		compare = values[i][0] ? IS(key, values[i]) : IS_ABSENT(key);
		write = random[1] % 3 ? PUT(key, value) : DELETE(key);
		if (random[0] & 256) { /* a compare that fails */
			compare = values[i][0] ? IS_ABSENT(key) : IS(key, value);
			assert_int_equal(COMMIT(s, compare, write), -EAGAIN);
			continue;
		}
		assert_int_equal(COMMIT(s, compare, write), 0);
		revision++;
		if (write.type == VTAP_STORE_PUT)
			revisions[i] = revision;
		strcpy(values[i], write.type == VTAP_STORE_PUT ? value : "");
		assert_int_equal(vtap_store_revision(s), revision);
	}
	for (unsigned i = 0; i < 8; i++)
		if (values[i][0])
			snprintf(expected + strlen(expected), 32, "k%u=%.7s@%" PRIu64 " ", i, values[i], revisions[i]);
	all = helper_dump(s);
	assert_string_equal(all, expected);
	assert_int_equal(COMMIT(s, PUT("last", "1")), 0);
	since = helper_changes(s, "", revision);
	snprintf(expected, sizeof(expected), "last=1@%" PRIu64 " ", revision + 1);
	assert_string_equal(since, expected);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_new, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_epochs_differ, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_put_delete, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_values_are_bytes, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_compare, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_order_of_operations, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_nothing_changed, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_batch, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_page, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_page_limits, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_key_limits, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_value_limits, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_operation_limits, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_transaction_limits, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_changes, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_history_limits, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_random, setup, teardown),
	};
	int failed = vtap_crypto_init() < 0;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(backends); i++) {
		backend = &backends[i];
		failed += cmocka_run_group_tests_name(backend->name, tests, NULL, NULL);
	}
	return failed;
}
