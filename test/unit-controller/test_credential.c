/* SPDX-License-Identifier: Apache-2.0 */

/* Agents' credentials in one batch: what is issued, limited and revoked counts what the batch has not committed yet. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/change.h"
#include "controller/feed_credential.h"
#include "core.h"

#define WRITES_MAX 120

struct test {
	struct core core;
	char host[VTAP_ID_STRLEN];
	char join[VTAP_JOIN_TOKEN_STRLEN];
	struct vtap_write writes[WRITES_MAX];
	size_t count;
};

static int put_host(struct vtap_change *c, void *userdata)
{
	struct test *t = userdata;

	snprintf(t->host, sizeof(t->host), "%s", core_put(&t->core, c, "host", "{s:s}", "name", "h")->id);
	return 0;
}

static int issue(struct vtap_change *c, void *userdata)
{
	struct test *t = userdata;
	_cleanup_free_ char *token = NULL;

	return vtap_credential_issue_token(c, t->host, &token);
}

static int make_join(struct vtap_change *c, void *userdata)
{
	struct test *t = userdata;

	return vtap_join_make(c, t->host, VTAP_JOIN_TTL_S, NULL, t->join);
}

static int take_join(struct vtap_change *c, void *userdata)
{
	struct test *t = userdata;
	char host[VTAP_ID_STRLEN];

	return vtap_join_take(c, t->join, host);
}

static int revoke_all(struct vtap_change *c, void *userdata)
{
	struct test *t = userdata;

	return vtap_credential_revoke(c, t->host);
}

static void done(int r, void *userdata)
{
	assert_int_equal(r, 0);
}

/* Waits for the batch that the next write runs. */
static void queue(struct test *t, int (*run)(struct vtap_change *c, void *userdata))
{
	struct vtap_write *write = &t->writes[t->count++];

	*write = (struct vtap_write){.run = run, .done = done, .userdata = t};
	vtap_write_queue(&t->core.controller, write);
}

static int count_item(const struct vtap_store_item *item, void *userdata)
{
	return 0;
}

static ssize_t count(struct test *t, const char *prefix)
{
	return vtap_store_page(t->core.controller.store, prefix, NULL, VTAP_STORE_PAGE_MAX, count_item, NULL);
}

static void begin(struct test *t)
{
	memset(t, 0, sizeof(*t));
	core_begin(&t->core);
	assert_int_equal(core_write(&t->core, put_host, t, false), 0);
}

static void test_revoked_in_the_batch(void **state)
{
	struct test t;

	begin(&t);
	assert_int_equal(core_write(&t.core, issue, &t, false), 0);
	for (size_t i = 0; i < 5; i++)
		queue(&t, issue);
	queue(&t, make_join);
	assert_int_equal(core_write(&t.core, revoke_all, &t, false), 0);
	assert_int_equal(count(&t, "cert/"), 0);
	assert_int_equal(count(&t, "join/"), 0);
	assert_int_equal(count(&t, "revoked/"), 1);
	assert_int_equal(core_write(&t.core, take_join, &t, false), -EACCES);
	queue(&t, issue);
	assert_int_equal(core_write(&t.core, issue, &t, false), 0);
	assert_int_equal(count(&t, "cert/"), 2);
	core_end(&t.core);
}

static void test_limited_in_the_batch(void **state)
{
	struct test t;

	begin(&t);
	for (size_t i = 0; i < 110; i++)
		queue(&t, i % 2 ? issue : make_join);
	assert_int_equal(core_write(&t.core, issue, &t, false), 0);
	assert_int_equal(count(&t, "cert/"), VTAP_AGENT_CREDENTIALS_MAX);
	assert_int_equal(count(&t, "join/"), VTAP_AGENT_CREDENTIALS_MAX);
	/* The newest are those that remain. */
	assert_int_equal(core_write(&t.core, take_join, &t, false), 0);
	core_end(&t.core);
}

static int put_records(struct vtap_change *c, void *userdata)
{
	struct test *t = userdata;
	char key[128];
	int r = 0;

	for (unsigned i = 0; r >= 0 && i < 2 * VTAP_STORE_OPERATIONS_MAX; i++) {
		snprintf(key, sizeof(key), "cert/%s/%032u", t->host, i);
		r = vtap_change_put_key_before(c, key, "{}", 2);
	}
	return r;
}

/* However they came to be there. */
static void test_more_than_a_transaction_holds(void **state)
{
	struct test t;

	begin(&t);
	assert_int_equal(core_write(&t.core, put_records, &t, false), 0);
	assert_int_equal(core_write(&t.core, revoke_all, &t, false), 0);
	assert_int_equal(count(&t, "cert/"), 0);
	assert_int_equal(core_write(&t.core, put_records, &t, false), 0);
	assert_int_equal(core_write(&t.core, issue, &t, false), 0);
	assert_int_equal(count(&t, "cert/"), VTAP_AGENT_CREDENTIALS_MAX);
	core_end(&t.core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_revoked_in_the_batch),
	    cmocka_unit_test(test_limited_in_the_batch),
	    cmocka_unit_test(test_more_than_a_transaction_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
