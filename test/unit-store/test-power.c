/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The power fails hundreds of times under a store that is written to, at any change of its files. Each time everything that
 * was acknowledged is there, and what was being committed is there as a whole or not at all. A store in memory, which gets the
 * same commits, says what has to be there. The seed is fixed, so that a failure can be repeated.
 */

#include "helper.h"

#include "crypto/crypto.h"
#include "lossy.h"

#define SEED 0x9e3779b97f4a7c15ULL
#define FAILURES 300
#define KEYS 40
#define TRANSACTIONS_MAX 6
#define OPERATIONS_MAX 5
#define HISTORY_SHOWN 30

/* A commit that can be repeated. */
struct commit {
	struct vtap_store_transaction transactions[TRANSACTIONS_MAX];
	struct vtap_store_operation operations[TRANSACTIONS_MAX][OPERATIONS_MAX];
	char keys[TRANSACTIONS_MAX][OPERATIONS_MAX][8];
	size_t count;
};

static uint64_t random_state = SEED;
static char noise[20000]; /* what values are cut from */
static struct commit pending; /* the last, which may have been cut off */
static char epoch[VTAP_STORE_EPOCH_STRLEN];
static unsigned taken, in_checkpoint;

static unsigned random_below(unsigned n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)((random_state >> 32) % n);
}

static void commit_make(struct commit *c)
{
	static const size_t sizes[] = {0, 10, 20, 20, 50, 100, 100, 200, 500, 5000};

	c->count = 1 + random_below(TRANSACTIONS_MAX);
	for (size_t i = 0; i < c->count; i++) {
		struct vtap_store_transaction *t = &c->transactions[i];

		*t = (struct vtap_store_transaction){.operations = c->operations[i],
						     .operation_count = 1 + random_below(OPERATIONS_MAX)};
		for (size_t j = 0; j < t->operation_count; j++) {
			struct vtap_store_operation *o = &c->operations[i][j];
			unsigned kind = random_below(20);

			snprintf(c->keys[i][j], sizeof(c->keys[i][j]), "k%02u", random_below(KEYS));
			*o = (struct vtap_store_operation){.type = kind == 0  ? VTAP_STORE_IS_ABSENT
								   : kind < 5 ? VTAP_STORE_DELETE
									      : VTAP_STORE_PUT,
							   .key = c->keys[i][j]};
			if (o->type == VTAP_STORE_PUT) {
				o->value_bytes = sizes[random_below(VTAP_ARRAY_SIZE(sizes))];
				o->value = noise + random_below((unsigned)(sizeof(noise) - o->value_bytes));
			}
		}
	}
}

/* "key=hash@revision " of each; deletions without hash. */
static int digest(const struct vtap_store_item *item, void *userdata)
{
	char hash[VTAP_HASH_STRLEN] = "";
	struct vtap_store_item shown = *item;

	if (item->value) {
		vtap_hash_hex(item->value, item->value_bytes, hash);
		hash[8] = '\0';
		shown.value = hash;
		shown.value_bytes = 8;
	}
	return helper_collect(&shown, userdata);
}

/* Revision, items and the last changes; the caller's. */
static char *state_of(struct vtap_store *s)
{
	uint64_t revision = vtap_store_revision(s), next;
	char *text = NULL;

	assert_true(asprintf(&text, "%llu: ", (unsigned long long)revision) >= 0);
	assert_in_range(vtap_store_page(s, "", NULL, VTAP_STORE_PAGE_MAX, digest, &text), 0, KEYS);
	assert_int_equal(
	    vtap_store_changes(s, "", revision < HISTORY_SHOWN ? 0 : revision - HISTORY_SHOWN, digest, &text, &next),
	    0);
	return text;
}

/* Writes until the power fails, or some commits. Returns whether `pending` was being committed when it failed. */
static bool write_some(struct vtap_store *s, struct vtap_store *model)
{
	unsigned commits = random_below(30);

	for (unsigned i = 0; i < commits && !lossy_failed(); i++) {
		commit_make(&pending);
		if (vtap_store_commit(s, pending.transactions, pending.count) < 0) {
			assert_true(lossy_failed());
			return true;
		}
		assert_int_equal(vtap_store_commit(model, pending.transactions, pending.count), 0);
		/* The checkpoint that follows a commit may fail without the commit's failing. */
	}
	return false;
}

/* Uses the store until the power fails: while it writes, while it is closed, or when it has nothing to do. */
static bool use(const char *path, struct vtap_store *model)
{
	VTAP_CLEANUP(vtap_store_freep) struct vtap_store *s = helper_open(path);
	enum { AT_ONCE, LATER, AT_SYNC, IN_CLOSE, IDLE, WHEN_MAX } when = random_below(WHEN_MAX);
	bool was_pending;

	assert_string_equal(*epoch ? epoch : vtap_store_epoch(s), vtap_store_epoch(s));
	strcpy(epoch, vtap_store_epoch(s));
	lossy_fail_at(when == AT_ONCE ? 1 + random_below(80) : when == LATER ? 1 + random_below(500) : 0);
	lossy_fail_at_sync(when == AT_SYNC ? 1 + random_below(8) : 0);
	was_pending = write_some(s, model);
	if (when == IN_CLOSE)
		lossy_fail_at(1 + random_below(60));
	else if (when == IDLE)
		lossy_fail();
	s = vtap_store_free(s);
	in_checkpoint += lossy_failed() && lossy_failed_in_checkpoint();
	lossy_fail();
	lossy_recover();
	return was_pending;
}

/* The power may fail once more while it is opened. */
static struct vtap_store *recover(const char *path)
{
	struct vtap_store *s = NULL;

	lossy_fail_at(random_below(4) ? 0 : 1 + random_below(12));
	(void)vtap_store_sqlite_new(path, &s, NULL);
	lossy_fail_at(0);
	if (!lossy_failed())
		return s;
	vtap_store_free(s);
	lossy_recover();
	return helper_open(path);
}

static void check_recovered(struct vtap_store *s, struct vtap_store *model, bool was_pending)
{
	_cleanup_free_ char *found = state_of(s), *acknowledged = state_of(model), *with_pending = NULL;

	if (strcmp(found, acknowledged) != 0) {
		assert_true(was_pending);
		assert_int_equal(vtap_store_commit(model, pending.transactions, pending.count), 0);
		with_pending = state_of(model);
		assert_string_equal(found, with_pending);
		taken++;
	} else if (was_pending) { /* as a client that tries again */
		assert_int_equal(vtap_store_commit(s, pending.transactions, pending.count), 0);
		assert_int_equal(vtap_store_commit(model, pending.transactions, pending.count), 0);
	}
}

static void test_power_loss(void **state)
{
	VTAP_CLEANUP(vtap_store_freep) struct vtap_store *model = NULL;
	const char *path = helper_path("db");
	unsigned cut = 0;

	assert_int_equal(vtap_store_memory_new(&model), 0);
	for (unsigned i = 0; i < FAILURES; i++) {
		bool was_pending = use(path, model);
		struct vtap_store *s = recover(path);

		assert_non_null(s);
		check_recovered(s, model, was_pending);
		cut += was_pending;
		vtap_store_free(s);
	}
	print_message("%u power failures, %u in a commit, of which %u were there as a whole; %u in a checkpoint\n",
		      FAILURES, cut, taken, in_checkpoint);
	/* Otherwise the test does not test what it says. */
	assert_in_range(cut, FAILURES / 4, FAILURES);
	assert_in_range(taken, FAILURES / 50, FAILURES);
	assert_in_range(in_checkpoint, FAILURES / 20, FAILURES);
}

/* From the first byte on: a new store is there, or it is made. */
static void test_power_loss_at_creation(void **state)
{
	const char *path = helper_path("db"), *lock = helper_path("db.lock");
	struct vtap_store *s = NULL;
	bool made = false;

	for (unsigned n = 1; !made; n++) {
		lossy_fail_at(n);
		made = vtap_store_sqlite_new(path, &s, NULL) == 0 && !lossy_failed();
		s = vtap_store_free(s);
		lossy_recover();
		s = helper_open(path);
		assert_int_equal(vtap_store_revision(s), 0);
		assert_int_equal(COMMIT(s, PUT("a", "1")), 0);
		s = vtap_store_free(s);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(unlink(lock), 0);
		lossy_remove();
		lossy_install(SEED + n);
		assert_in_range(n, 1, 200);
	}
}

/* One sync for a commit, however many transactions it has. */
static void test_one_sync(void **state)
{
	struct vtap_store *s = helper_open(helper_path("db"));
	struct vtap_store_transaction batch[50];
	struct vtap_store_operation puts[VTAP_ARRAY_SIZE(batch)];
	char keys[VTAP_ARRAY_SIZE(batch)][8];
	unsigned syncs;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(batch); i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
		puts[i] = PUT(keys[i], "v");
		batch[i] = (struct vtap_store_transaction){.operations = &puts[i], .operation_count = 1};
	}
	assert_int_equal(vtap_store_commit(s, batch, 1), 0);
	syncs = lossy_log_syncs();
	assert_int_equal(vtap_store_commit(s, batch, 1), 0);
	assert_int_equal(lossy_log_syncs() - syncs, 1);
	assert_int_equal(vtap_store_commit(s, batch, VTAP_ARRAY_SIZE(batch)), 0);
	assert_int_equal(lossy_log_syncs() - syncs, 2);
	assert_int_equal(COMMIT(s, IS("k0", "w"), PUT("k0", "v")), -EAGAIN);
	assert_int_equal(lossy_log_syncs() - syncs, 2);
	vtap_store_free(s);
}

static int setup(void **state)
{
	helper_folder_make();
	lossy_install(SEED);
	return 0;
}

static int teardown(void **state)
{
	lossy_remove();
	helper_folder_remove();
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_one_sync, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_power_loss_at_creation, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_power_loss, setup, teardown),
	};

	if (vtap_crypto_init() < 0)
		return 1;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)random_below(256);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
