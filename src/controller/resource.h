/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The generic handlers, for routes of other files that add something to them, and what they ask of relate.c. */

#include "controller/api.h"

#define VTAP_LIST_PAGE 100 /* unless asked otherwise */
#define VTAP_LIST_PAGE_MAX 1000
#define VTAP_LIST_CONDITIONS_MAX 16

int vtap_resource_list(struct vtap_call *call, struct vtap_change *change);
int vtap_resource_get(struct vtap_call *call, struct vtap_change *change);
int vtap_resource_create(struct vtap_call *call, struct vtap_change *change);
int vtap_resource_patch(struct vtap_call *call, struct vtap_change *change);
int vtap_resource_delete(struct vtap_call *call, struct vtap_change *change);
/* The input as the body would be; normalised, checked against everything else, and put. current = NULL: a creation. */
int vtap_resource_write(struct vtap_call *call, struct vtap_change *change, struct vtap_object *current,
			const json_t *input);

/*
 * The rules between resources, in the write: before the resource is put, which may be completed. before = NULL: a creation.
 * Sets the answer and returns what vtap_call_fail() does.
 */
int vtap_relate_put(struct vtap_call *call, const struct vtap_object *before, json_t *resource);
/* What goes with an object, before it is looked at whether others use it; and then with the object itself. */
int vtap_relate_cascade(struct vtap_call *call, struct vtap_change *change, struct vtap_object *object);
int vtap_relate_delete(struct vtap_call *call, struct vtap_change *change, struct vtap_object *object);
/* Whether others use it: -EBUSY, naming them. */
int vtap_relate_check_unused(struct vtap_call *call, const struct vtap_object *object);

/* What a member of the resource refers to by its id; NULL: nothing. */
const struct vtap_object *vtap_relate_object(const struct vtap_call *call, const json_t *resource, const char *name);

/* relate_privilege.c */
/* Whether it is a wire, or an interface that is a host's own device and not left to its project: for system admins to mirror. */
bool vtap_relate_is_privileged(const struct vtap_object *source);
/*
 * Whether others than system admins may make the resource of the session, target or filter `before` (NULL = change anything about
 * it): -EACCES if a session with such a source is concerned.
 */
int vtap_relate_check_privilege(struct vtap_call *call, const struct vtap_object *before, const json_t *resource);
int vtap_relate_put_interface_privilege(struct vtap_call *call, const struct vtap_object *before,
					const json_t *resource);

/* relate_address.c and relate_session.c, for relate.c's table. */
int vtap_relate_put_interface_addresses(struct vtap_call *call, const struct vtap_object *before,
					const json_t *resource);
/* Whether all that has an address in the network still has it there with its new ranges: -EBUSY names the first that has not. */
int vtap_relate_put_network_addresses(struct vtap_call *call, const struct vtap_object *before, const json_t *resource);
int vtap_relate_put_gateway(struct vtap_call *call, const struct vtap_object *before, json_t *resource);
int vtap_relate_put_session(struct vtap_call *call, const struct vtap_object *before, json_t *resource);
/* Whether others than system admins may send copies of this project's to that address. */
bool vtap_relate_allows_target(const struct vtap_controller *c, const char *project, const char *address);
int vtap_relate_put_target(struct vtap_call *call, const struct vtap_object *before, json_t *resource);

/* The kind of which a quota bounds how many there are in the project; NULL = it bounds something else. */
const struct vtap_kind *vtap_relate_counted_kind(enum vtap_quota quota);
/* The network that a session's source is, or is in; NULL for wires and selectors. */
const char *vtap_relate_network_of(const struct vtap_controller *c, const char *source);
/* What a project uses of each quota; of those for one thing what the one does that uses most. -ENOMEM. */
int vtap_quota_use(const struct vtap_controller *c, const struct vtap_object *project,
		   uint64_t ret_used[VTAP_QUOTA_MAX]);
/*
 * Whether so much more than is used would be too much: the quota of the project. What needs nothing more is never refused: a lower
 * quota takes nothing away that is there, and what is there can still be changed.
 */
int vtap_relate_check_quota(struct vtap_call *call, const char *project, enum vtap_quota quota, uint64_t used,
			    uint64_t wanted);
