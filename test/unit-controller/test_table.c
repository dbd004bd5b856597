/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "controller/table.h"
#include "crypto/crypto.h"
#include "unit.h"

#define MANY 5000

static char values[MANY];

static char *key_of(unsigned i, char buffer[32])
{
	snprintf(buffer, 32, "key-%u", i);
	return buffer;
}

static void test_many(void **state)
{
	VTAP_CLEANUP(vtap_table_freep) struct vtap_table *t = NULL;
	char key[32];

	assert_int_equal(vtap_table_new(&t), 0);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(vtap_table_put(t, key_of(i, key), &values[i]), 0);
	assert_int_equal(vtap_table_count(t), MANY);
	for (unsigned i = 0; i < MANY; i++)
		assert_ptr_equal(vtap_table_get(t, key_of(i, key)), &values[i]);
	assert_null(vtap_table_get(t, "key-5000"));
	assert_null(vtap_table_get(t, ""));
	for (unsigned i = 0; i < MANY; i += 2)
		assert_ptr_equal(vtap_table_remove(t, key_of(i, key)), &values[i]);
	assert_int_equal(vtap_table_count(t), MANY / 2);
	for (unsigned i = 0; i < MANY; i++)
		assert_ptr_equal(vtap_table_get(t, key_of(i, key)), i % 2 ? &values[i] : NULL);
	assert_null(vtap_table_remove(t, "key-0"));
}

static void test_replaced(void **state)
{
	VTAP_CLEANUP(vtap_table_freep) struct vtap_table *t = NULL;

	assert_int_equal(vtap_table_new(&t), 0);
	assert_int_equal(vtap_table_put(t, "a", &values[0]), 0);
	assert_int_equal(vtap_table_put(t, "a", &values[1]), 0);
	assert_int_equal(vtap_table_count(t), 1);
	assert_ptr_equal(vtap_table_remove(t, "a"), &values[1]);
	assert_int_equal(vtap_table_count(t), 0);
}

struct visits {
	struct vtap_table *table;
	unsigned count, stop_at;
};

static int visit_and_remove(const char *key, void *value, void *userdata)
{
	struct visits *v = userdata;

	assert_ptr_equal(vtap_table_remove(v->table, key), value);
	return ++v->count == v->stop_at ? 7 : 0;
}

static void test_each(void **state)
{
	VTAP_CLEANUP(vtap_table_freep) struct vtap_table *t = NULL;
	struct visits v = {.stop_at = 10};
	char key[32];

	assert_int_equal(vtap_table_new(&t), 0);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(vtap_table_put(t, key_of(i, key), &values[i]), 0);
	v.table = t;
	assert_int_equal(vtap_table_each(t, visit_and_remove, &v), 7);
	assert_int_equal(vtap_table_count(t), MANY - 10);
	assert_int_equal(vtap_table_each(t, visit_and_remove, &v), 0);
	assert_int_equal(vtap_table_count(t), 0);
	assert_int_equal(v.count, MANY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_replaced),
	    cmocka_unit_test(test_each),
	};

	if (vtap_crypto_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
