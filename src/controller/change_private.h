/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What change.c (one write) and writer.c (batches of them) share. */

#include "controller/change.h"
#include "controller/controller.h"
#include "store/store.h"

struct vtap_change_operation {
	enum vtap_store_operation_type type;
	char *key; /* owned */
	char *value; /* owned; NULL = none */
	size_t value_bytes;
};

struct vtap_change_operations {
	struct vtap_change_operation *array; /* owned */
	size_t count, size;
	size_t total_bytes;
};

enum vtap_change_record_type { VTAP_CHANGE_PUT, VTAP_CHANGE_DELETE, VTAP_CHANGE_END };

struct vtap_change_record { /* one step that may have to be undone */
	enum vtap_change_record_type type;
	struct vtap_object *object; /* owned when type is VTAP_CHANGE_DELETE: it is detached; else borrowed */
	json_t *before, *after; /* owned references */
	uint64_t before_revision;
	void (*end)(bool committed, void *userdata);
	void *userdata;
};

struct vtap_change {
	struct vtap_controller *controller; /* borrowed */
	struct vtap_change *earlier; /* borrowed; the change before this one in the batch */
	int64_t time_s;
	struct vtap_change_record *records; /* owned */
	size_t record_count, record_size;
	struct vtap_change_operations before, main, after;
	size_t transaction; /* the one of the batch that publishes it */
	uint64_t revision; /* of that, once committed */
};

int vtap_change_new(struct vtap_controller *controller, struct vtap_change *earlier, int64_t time_s,
		    struct vtap_change **ret_change);
/* Releases what was deleted for good: after the observers have been told. */
struct vtap_change *vtap_change_free(struct vtap_change *c);
/* Memory is as it was before the change, and it holds no operations any more. */
void vtap_change_undo(struct vtap_change *c);
/* Tells the modules that it is committed. */
void vtap_change_commit(struct vtap_change *c);
