/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One write on its way into the store. A handler adds to it what shall be written; each part takes effect in memory at once, so
 * that the next write of the same batch sees it, and is undone if the handler fails. All writes that are waiting run one
 * after another, are committed together with one sync, and only then anything is told to anybody: observers first (the
 * resolver, events), then the clients. Nothing else runs in between, so nobody sees what is not on the disk.
 */

#include "controller/objects.h"

struct vtap_controller;
struct vtap_change;

/* Inserts or replaces a resource; takes it. Sets version and updated, for a new one also id (unless it is there) and created. */
int vtap_change_put(struct vtap_change *c, const struct vtap_kind *kind, json_t *resource,
		    struct vtap_object **ret_object);
int vtap_change_delete(struct vtap_change *c, struct vtap_object *object);
/* Other keys of the store: uniqueness, rule chunks, tokens, audit. Values are copied. */
int vtap_change_require_absent(struct vtap_change *c, const char *key);
int vtap_change_put_key(struct vtap_change *c, const char *key, const void *value, size_t value_bytes);
int vtap_change_delete_key(struct vtap_change *c, const char *key);
/* What has been committed, one object at a time, in order. */
struct vtap_changed {
	const struct vtap_kind *kind;
	const char *id;
	const json_t *before; /* NULL = created */
	const json_t *after; /* NULL = deleted */
	struct vtap_object *object; /* NULL = deleted */
	uint64_t revision;
};
typedef void (*vtap_change_observer)(const struct vtap_changed *changed, void *userdata);
/* `settled` is called once after the last of a batch (NULL = not): the place for work that many changes share. */
int vtap_change_observe(struct vtap_controller *c, vtap_change_observer observer, void (*settled)(void *userdata),
			void *userdata);
