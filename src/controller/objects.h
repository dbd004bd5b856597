/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Every resource of the store, in memory: what lists, lookups, uniqueness and the resolver read. Built from the store at the
 * start and changed only by a committed or committing change (controller/change.h). Objects stay where they are in memory
 * until they are deleted; their value is replaced as a whole.
 */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "model/schema.h"

struct vtap_object {
	const struct vtap_kind *kind;
	json_t *value; /* owned; the normalised resource; never changed in place */
	/* Borrowed from value. */
	const char *id;
	const char *name; /* NULL = none */
	const char *project; /* id; NULL for kinds that belong to none */
	uint64_t version; /* 1 at creation, one more with each change: the ETag */
	uint64_t revision; /* of the store, of its last change */
	uint64_t sequence; /* order of creation, for lists and "the older session" */
};

struct vtap_objects;

int vtap_objects_new(struct vtap_objects **ret_objects);
struct vtap_objects *vtap_objects_free(struct vtap_objects *o);
VTAP_DEFINE_CLEANUP(struct vtap_objects *, vtap_objects_free);

/* NULL: there is none. Constant time. */
struct vtap_object *vtap_objects_get(const struct vtap_objects *o, const char *id);
/* By name inside a project (NULL for global kinds); constant time. */
struct vtap_object *vtap_objects_named(const struct vtap_objects *o, const struct vtap_kind *kind, const char *project,
				       const char *name);
size_t vtap_objects_count(const struct vtap_objects *o, const struct vtap_kind *kind);
/* In order of creation; previous = NULL begins. */
struct vtap_object *vtap_objects_next(const struct vtap_objects *o, const struct vtap_kind *kind,
				      const struct vtap_object *previous);

/*
 * Visits the objects of that kind (NULL = any) that refer to `id` (vtap_resource_references()), in order of creation, in time
 * proportional to their number. What is visited may be replaced or deleted meanwhile.
 */
typedef int (*vtap_object_visit)(struct vtap_object *object, void *userdata);
int vtap_objects_referrers(const struct vtap_objects *o, const char *id, const struct vtap_kind *kind,
			   vtap_object_visit visit, void *userdata);
/* How many of them; constant time for kind = NULL. */
size_t vtap_objects_referrer_count(const struct vtap_objects *o, const char *id, const struct vtap_kind *kind);

/*
 * What objects are also found by, besides ids, with vtap_objects_referrers(): a session's VNI in its project, the device on a
 * host where an interface or a wire is, an interface's address in its network and its MAC in its subnet.
 */
#define VTAP_OBJECTS_KEY_STRLEN 128
char *vtap_objects_vni_key(const char *project, uint32_t vni, char buffer[VTAP_OBJECTS_KEY_STRLEN]);
char *vtap_objects_device_key(const char *host, const char *device, char buffer[VTAP_OBJECTS_KEY_STRLEN]);
char *vtap_objects_address_key(const char *network, const char *address, char buffer[VTAP_OBJECTS_KEY_STRLEN]);
char *vtap_objects_mac_key(const char *subnet, const char *mac, char buffer[VTAP_OBJECTS_KEY_STRLEN]);

/*
 * Only for controller/change.c and the start. Inserts or replaces (by the value's id), and takes the value, also on failure.
 * What an object held before is released; who needs it has a reference of its own.
 */
int vtap_objects_put(struct vtap_objects *o, json_t *value, uint64_t revision, struct vtap_object **ret_object);
/* The same for what the store has: in ascending order of sequence. */
int vtap_objects_load(struct vtap_objects *o, json_t *value, uint64_t sequence, uint64_t revision);
/* A detached object is found by nobody, and keeps its place among the others: the last one that was detached is the first to be
 * attached again, or freed. */
void vtap_objects_detach(struct vtap_objects *o, struct vtap_object *object);
int vtap_objects_attach(struct vtap_objects *o, struct vtap_object *object);
void vtap_objects_free_detached(struct vtap_object *object);
