/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The controller's core without a server: a store in memory, objects, writes, rules, audit, credentials. */

#include "controller/controller.h"
#include "controller/rules.h"
#include "unit.h"

struct core {
	struct vtap_controller_options options;
	struct vtap_controller controller;
	char project[VTAP_ID_STRLEN]; /* one that is there */
};

void core_begin(struct core *core);
void core_end(struct core *core);
/* A second one that has read the first one's store, which stays the first one's. */
void core_read(struct core *core, const struct core *from);
void core_read_end(struct core *core);

/* Runs a write at once; returns what its `done` is told. */
int core_write(struct core *core, int (*run)(struct vtap_change *c, void *userdata), void *userdata, bool dry_run);
/* Normalises and puts, as part of a change; format and what follows as json_pack() takes them. "project" is set. */
struct vtap_object *core_put(struct core *core, struct vtap_change *c, const char *kind, const char *format, ...);
/* A whole rule for a filter, normalised; the caller's. */
json_t *core_rule(const struct vtap_object *filter, const char *direction, unsigned number, const char *action);

/* What vtap_store_commit() fails with from now on; 0 = it works. */
extern int core_commit_fails;
