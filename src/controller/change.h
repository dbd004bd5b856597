/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One write on its way into the store. A handler adds to it what shall be written; each part takes effect in memory at once, so
 * that the next write of the same batch sees it, and is undone if the handler fails. All writes that are waiting run one
 * after another, are committed together with one sync, and only then anything is told to anybody: observers first (the
 * resolver, events), then the clients. Nothing else runs in between, so nobody sees what is not on the disk. When the store
 * refuses (a full disk), every write of the batch fails, and memory is as it was before.
 */

#include <stdbool.h>

#include "controller/objects.h"
#include "store/store.h"

struct vtap_controller;
struct vtap_writer;
struct vtap_change;

/* Inserts or replaces a resource; takes it. Sets version and updated, for a new one also id (unless it is there) and created. */
int vtap_change_put(struct vtap_change *c, const struct vtap_kind *kind, json_t *resource,
		    struct vtap_object **ret_object);
/* Also its name. Who refers to it is the caller's care. */
int vtap_change_delete(struct vtap_change *c, struct vtap_object *object);
/*
 * The same behind the change's own transaction, in as many as are needed: of what is nobody's without something that the change
 * deletes itself. A crash may leave some of them behind.
 */
int vtap_change_delete_after(struct vtap_change *c, struct vtap_object *object);
/* Other keys of the store: uniqueness, rule chunks, tokens, audit. Values are copied. -E2BIG: VTAP_STORE_OPERATIONS_MAX ... */
int vtap_change_require_absent(struct vtap_change *c, const char *key);
int vtap_change_put_key(struct vtap_change *c, const char *key, const void *value, size_t value_bytes);
int vtap_change_delete_key(struct vtap_change *c, const char *key);
/*
 * For what is more than one transaction may hold, and means nothing until another key points to it: as many transactions as
 * needed in front of (put) or behind (delete) that of the change. A crash may leave some of these keys behind.
 */
int vtap_change_put_key_before(struct vtap_change *c, const char *key, const void *value, size_t value_bytes);
int vtap_change_delete_key_after(struct vtap_change *c, const char *key);
/* Nothing has been added to it. */
bool vtap_change_is_empty(const struct vtap_change *c);
/* What the key will hold once the batch is committed: -ENOENT. The value is copied, followed by NUL; free() it. */
int vtap_change_get_key(struct vtap_change *c, const char *key, char **ret_value, size_t *ret_value_bytes);
/*
 * Visits the keys below the prefix as they will be once the batch is committed: first those that it puts, the newest first and
 * with revisions higher than any of the store's, then the others. `visit` may add to the change, and must not use the store.
 */
int vtap_change_each_key(struct vtap_change *c, const char *prefix, vtap_store_visit visit, void *userdata);
/*
 * Calls end() when it is known what becomes of the change: committed, in order and before the observers; or not, in reverse order
 * between the undoing of its objects. For what a module keeps in memory beside the objects.
 */
int vtap_change_on_end(struct vtap_change *c, void (*end)(bool committed, void *userdata), void *userdata);
struct vtap_controller *vtap_change_controller(const struct vtap_change *c);
/* Of the batch, in seconds since 1970: the same for everything in it. */
int64_t vtap_change_time_s(const struct vtap_change *c);

/* One write. The struct is the caller's, and lives until `done`. */
struct vtap_write {
	/* Negative: nothing of it remains. */
	int (*run)(struct vtap_change *c, void *userdata);
	/* After it failed with r and was undone: may add keys (the audit log's) that are written all the same. NULL = none. */
	void (*refused)(struct vtap_change *c, int r, void *userdata);
	/* r: what run() returned; or the store's refusal: -ENOSPC, -EIO ... */
	void (*done)(int r, void *userdata);
	void *userdata;
	bool dry_run; /* run, undone, and not committed; `refused` is not called */

	/* change.c's own. */
	struct vtap_write *next;
	struct vtap_change *change;
	int result;
};
/* Queues it for the batch of this loop turn. `done` is never called from in here. */
void vtap_write_queue(struct vtap_controller *c, struct vtap_write *write);
/* Runs it, and what is queued before it, at once; returns what `done` was told. For the start, the end, and tests. */
int vtap_write_now(struct vtap_controller *c, struct vtap_write *write);

int vtap_writer_new(struct vtap_controller *c, struct vtap_writer **ret_writer);
struct vtap_writer *vtap_writer_free(struct vtap_writer *w);
VTAP_DEFINE_CLEANUP(struct vtap_writer *, vtap_writer_free);
/* Ends what is queued with -ECANCELED: before those are freed who wait for it. */
void vtap_writer_cancel(struct vtap_writer *w);
/* Fills c->objects from c->store. -EUCLEAN: something in it cannot be read; logged. */
int vtap_writer_load(struct vtap_controller *c);

struct vtap_writer_figures {
	uint64_t batches, writes, refused; /* committed batches; writes that were committed; and that were not */
	uint64_t commit_ns; /* all commits together */
	bool failing; /* the last commit was refused by the store */
};
void vtap_writer_get_figures(const struct vtap_writer *w, struct vtap_writer_figures *ret_figures);

/* What has been committed, one object at a time, in order. */
struct vtap_changed {
	const struct vtap_kind *kind;
	const char *id;
	const json_t *before; /* NULL = created */
	const json_t *after; /* NULL = deleted */
	struct vtap_object *object; /* NULL = deleted, perhaps by a later write of the same batch */
	uint64_t revision;
};
typedef void (*vtap_change_observer)(const struct vtap_changed *changed, void *userdata);
/*
 * `settled` is called once after the last of a batch that has written anything, objects or other keys (NULL = not): the place
 * for work that many changes share.
 */
int vtap_change_observe(struct vtap_controller *c, vtap_change_observer observer, void (*settled)(void *userdata),
			void *userdata);
