/* SPDX-License-Identifier: Apache-2.0 */

/* Agents' credentials in one batch: what is issued, limited and revoked counts what the batch has not committed yet. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "controller/change.h"
#include "controller/feed_credential.h"
#include "core.h"
#include "crypto/pki.h"

#define WRITES_MAX 120

struct test {
	struct core core;
	char host[VTAP_ID_STRLEN];
	char join[VTAP_JOIN_TOKEN_STRLEN];
	char *request; /* owned; of a key */
	char in_use[VTAP_PKI_SERIAL_STRLEN]; /* of the certificate that stays; empty = of none */
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
	/* One that says so of the host, and one for each token, so that its agent hears of it. */
	assert_int_equal(count(&t, "void/"), 1 + 6);
	assert_int_equal(core_write(&t.core, take_join, &t, false), -EACCES);
	queue(&t, issue);
	assert_int_equal(core_write(&t.core, issue, &t, false), 0);
	assert_int_equal(count(&t, "cert/"), 2);
	core_end(&t.core);
}

static void test_tokens_that_are_remembered(void **state)
{
	struct test t;

	begin(&t);
	for (size_t i = 0; i < VTAP_AGENT_CREDENTIALS_MAX + 1; i++) {
		assert_int_equal(count(&t, "void/"), i ? 1 + i : 0);
		assert_int_equal(core_write(&t.core, issue, &t, false), 0);
		assert_int_equal(core_write(&t.core, revoke_all, &t, false), 0);
	}
	assert_int_equal(count(&t, "void/"), 1 + VTAP_AGENT_CREDENTIALS_MAX);
	core_end(&t.core);
}

static struct vtap_credential_void voided(struct test *t)
{
	struct vtap_credential_void v;
	char key[64];
	void *text = NULL;

	snprintf(key, sizeof(key), "void/%s", t->host);
	if (vtap_store_get(t->core.controller.store, key, &text, NULL, NULL) == -ENOENT)
		return (struct vtap_credential_void){};
	v = vtap_credential_void_read(text);
	free(text);
	return v;
}

static int sign(struct vtap_change *c, void *userdata)
{
	struct test *t = userdata;
	_cleanup_free_ char *certificate = NULL;

	return vtap_credential_issue_certificate(c, t->host, t->request, t->in_use, &certificate);
}

static int take_serial(const struct vtap_store_item *item, void *userdata)
{
	struct test *t = userdata;

	snprintf(t->in_use, sizeof(t->in_use), "%s", strrchr(item->key, '/') + 1);
	return 0;
}

static bool is_listed(struct test *t, const char *serial)
{
	char key[128];
	void *text = NULL;

	snprintf(key, sizeof(key), "cert/%s/%s", t->host, serial);
	if (vtap_store_get(t->core.controller.store, key, &text, NULL, NULL) < 0)
		return false;
	free(text);
	return true;
}

/* Those that had to make room are no good from then on; nothing was revoked by that, and the one that is used stays. */
static void test_many_certificates(void **state)
{
	int64_t before_s = time(NULL);
	char *key = NULL;
	struct test t;

	begin(&t);
	assert_int_equal(vtap_pki_authority_new("test", &t.core.controller.authority), 0);
	assert_int_equal(vtap_pki_request_new("anybody", &key, &t.request), 0);
	free(key);
	assert_int_equal(core_write(&t.core, sign, &t, false), 0);
	assert_int_equal(vtap_store_page(t.core.controller.store, "cert/", NULL, 1, take_serial, &t), 1);
	for (size_t i = 1; i < VTAP_AGENT_CREDENTIALS_MAX; i++)
		assert_int_equal(core_write(&t.core, sign, &t, false), 0);
	assert_int_equal(voided(&t).replaced_s, 0);
	for (size_t i = 0; i < 2 * VTAP_AGENT_CREDENTIALS_MAX; i++)
		assert_int_equal(core_write(&t.core, sign, &t, false), 0);
	assert_int_equal(count(&t, "cert/"), VTAP_AGENT_CREDENTIALS_MAX);
	assert_true(is_listed(&t, t.in_use));
	assert_in_range(voided(&t).replaced_s, before_s, time(NULL));
	assert_int_equal(voided(&t).revoked_s, 0);
	assert_int_equal(core_write(&t.core, revoke_all, &t, false), 0);
	assert_false(is_listed(&t, t.in_use));
	assert_in_range(voided(&t).revoked_s, voided(&t).replaced_s, time(NULL));
	vtap_identity_done(&t.core.controller.authority);
	free(t.request);
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
	    cmocka_unit_test(test_tokens_that_are_remembered),
	    cmocka_unit_test(test_many_certificates),
	    cmocka_unit_test(test_limited_in_the_batch),
	    cmocka_unit_test(test_more_than_a_transaction_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
