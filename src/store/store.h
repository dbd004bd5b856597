/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The store: keys with values, changed by transactions. Every backend keeps this contract, limits included, so that nothing
 * works on one only; test/unit-store runs the same cases against each. Values are bytes (the controller's are JSON texts).
 *
 * Revisions: every transaction that is committed has one, one higher than the last. An epoch names the history: a restored
 * store begins a new one, so that nobody takes an older revision for a newer.
 *
 * One thread uses a store; vtap_crypto_init() comes before.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "basic/error.h"
#include "basic/util.h"

#define VTAP_STORE_KEY_MAX_BYTES 512 /* at least 1; without NUL. Prefixes may be empty */
#define VTAP_STORE_VALUE_MAX_BYTES (256U << 10)
#define VTAP_STORE_OPERATIONS_MAX 64 /* compares and writes of one transaction together */
#define VTAP_STORE_TRANSACTION_MAX_BYTES (512U << 10) /* keys and values of one transaction together */
#define VTAP_STORE_PAGE_MAX 1000
#define VTAP_STORE_HISTORY 1024 /* revisions whose changes can be visited */
#define VTAP_STORE_EPOCH_STRLEN 33 /* 32 hex digits and NUL */

enum vtap_store_operation_type {
	VTAP_STORE_IS_ABSENT, /* compare: the key does not exist */
	VTAP_STORE_IS, /* compare: the key exists and has exactly this value */
	VTAP_STORE_PUT,
	VTAP_STORE_DELETE, /* nothing if the key does not exist */
};

struct vtap_store_operation {
	enum vtap_store_operation_type type;
	const char *key;
	const void *value; /* of IS and PUT */
	size_t value_bytes;
};

struct vtap_store_transaction {
	const struct vtap_store_operation *operations;
	size_t operation_count;
	/* Set by vtap_store_commit(). */
	int ret_result;
	uint64_t
	    ret_revision; /* with result 0: the transaction's, or that of the one before it if it has changed nothing */
};

struct vtap_store_item { /* owned by the page or the event that it is part of */
	const char *key;
	const void *value; /* NULL in an event: deleted. NUL follows the last byte, for those who expect text */
	size_t value_bytes;
	uint64_t revision; /* of its last change */
};

struct vtap_store;

/* Called for each item; negative ends the walk, and is what the walk returns. It must not use the store. */
typedef int (*vtap_store_visit)(const struct vtap_store_item *item, void *userdata);

struct vtap_store *vtap_store_free(struct vtap_store *s);
VTAP_DEFINE_CLEANUP(struct vtap_store *, vtap_store_free);

/* For tests and for `--store memory`: forgets everything at the end. */
int vtap_store_memory_new(struct vtap_store **ret_store);
/*
 * Opens or creates the database file (mode 0600), migrates it to this release's schema, and locks out other processes by a lock
 * on PATH.lock, which stays. SQLite keeps PATH-wal and PATH-shm beside it: they are part of the store while it is open.
 * -EBUSY: another process has it. -EPROTONOSUPPORT: it was written by a newer release. -EUCLEAN: damaged, or no store. -EINVAL:
 * no regular file. -ENAMETOOLONG, -ENOSPC and what else the system says.
 * *reterr says it; its field is the path.
 */
int vtap_store_sqlite_new(const char *path, struct vtap_store **ret_store, struct vtap_error *reterr);

/* Constant while the store is open. */
const char *vtap_store_epoch(const struct vtap_store *s);
/* Of the last transaction; 0 in a new store. */
uint64_t vtap_store_revision(const struct vtap_store *s);

/*
 * What follows fails with -EINVAL for a key, prefix or maximum out of its limits, and otherwise with what the backend meets:
 * -EIO, -EUCLEAN, -ENOMEM.
 */

/* -ENOENT. The value is copied to *ret_value (free() it), followed by NUL. The other two may be NULL. */
int vtap_store_get(struct vtap_store *s, const char *key, void **ret_value, size_t *ret_value_bytes,
		   uint64_t *ret_revision);
/*
 * Visits at most `max` items (1..VTAP_STORE_PAGE_MAX) whose key begins with prefix and is greater than `after` (NULL = from
 * the first), in bytewise order of keys. Returns how many, or what visit() returned.
 */
ssize_t vtap_store_page(struct vtap_store *s, const char *prefix, const char *after, size_t max, vtap_store_visit visit,
			void *userdata);
/*
 * Commits the transactions, in order, each as a whole or not at all; later ones see the earlier ones' writes. A transaction's
 * operations count in their order too: a compare sees the writes before it, and of several writes of one key the last remains,
 * the only one that the history knows. On return everything that was committed has reached the disk (one sync for all of
 * them). Each transaction's ret_result is 0; -EAGAIN: a compare failed; -E2BIG: too long, too many or too much; -EINVAL: no key,
 * no value, no such type.
 * Returns 0, or -ENOSPC, -EIO ...: then nothing of the whole call has been committed, and every ret_result says the same. After
 * -ENOSPC the store can be read, and written again once there is room.
 */
int vtap_store_commit(struct vtap_store *s, struct vtap_store_transaction *transactions, size_t transaction_count);
/*
 * Visits, in order, every change after `revision` of keys that begin with prefix: for each write of a transaction one, in the
 * order of its operations. -ESTALE: more than VTAP_STORE_HISTORY revisions ago, or not yet there: list again. *ret_revision is
 * where to go on from.
 */
int vtap_store_changes(struct vtap_store *s, const char *prefix, uint64_t revision, vtap_store_visit visit,
		       void *userdata, uint64_t *ret_revision);

/*
 * Both name the file that they speak of in reterr->field. They may run on any thread. Neither leaves half a file behind; both
 * make files of mode 0600 and sync them.
 */

/*
 * Copies a database file that may be open, in another process too, to a new file, without blocking its writers.
 * -EEXIST: there is one already. -ENOENT, -EACCES, -ENOSPC, -EUCLEAN.
 */
int vtap_store_sqlite_backup(const char *path, const char *backup, struct vtap_error *reterr);
/*
 * Makes `path` (must not exist: -EEXIST) from a backup, with a new epoch and this release's schema, and without the keys that
 * begin with one of `left_out` (NULL at its end; NULL = all are kept). -EUCLEAN: the backup is damaged. -EPROTONOSUPPORT: a newer
 * release made it. -ENOENT, -EACCES, -ENOSPC.
 */
int vtap_store_sqlite_restore(const char *backup, const char *path, const char *const *left_out,
			      struct vtap_error *reterr);
