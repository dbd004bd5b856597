/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What only system admins mirror: wires, and hosts' own devices, whose packets are everybody's who uses the host. A host's own
 * device is an interface of side own that is plugged; a system admin can leave it to its project's operators (`delegated`). A
 * session with such a source is a system admin's as a whole: where its copies go, and which packets they are of, is part of what
 * was allowed.
 */

#include <errno.h>
#include <string.h>

#include "controller/call_private.h"
#include "controller/resource.h"

static bool is_own_device(const json_t *interface)
{
	const char *side = json_string_value(json_object_get(interface, "side"));

	return side && strcmp(side, "own") == 0 && json_is_string(json_object_get(interface, "host")) &&
	       json_is_string(json_object_get(interface, "device")) &&
	       !json_is_true(json_object_get(interface, "delegated"));
}

bool vtap_relate_is_privileged(const struct vtap_object *source)
{
	return strcmp(source->kind->name, "wire") == 0 ||
	       (strcmp(source->kind->name, "interface") == 0 && is_own_device(source->value));
}

static bool names(const json_t *session, const char *source)
{
	const json_t *element;
	size_t i;

	json_array_foreach(json_object_get(session, "sources"), i, element)
	{
		if (strcmp(json_string_value(element), source) == 0)
			return true;
	}
	return false;
}

/* The first of a session's sources that needs a system admin, and that it keeps; NULL = there is none. after: NULL = keeps all. */
static const struct vtap_object *privileged_source(const struct vtap_controller *c, const json_t *session,
						   const json_t *after)
{
	const json_t *source;
	size_t i;

	json_array_foreach(json_object_get(session, "sources"), i, source)
	{
		const struct vtap_object *object = vtap_objects_get(c->objects, json_string_value(source));

		if (object && vtap_relate_is_privileged(object) && (!after || names(after, object->id)))
			return object;
	}
	return NULL;
}

static int fail(struct vtap_call *call, const struct vtap_object *session, const struct vtap_object *source)
{
	return vtap_call_fail(
	    call, -EACCES, NULL,
	    "session %s mirrors %s, a wire or a host's own device: only a system admin can change what it "
	    "mirrors or where to; others can disable and delete it",
	    session->id, source->id);
}

static int session_is_not(struct vtap_object *session, void *userdata)
{
	struct vtap_call *call = userdata;
	const struct vtap_object *source = privileged_source(call->controller, session->value, NULL);

	return source ? fail(call, session, source) : 0;
}

/* Names, and an end to mirroring, change nothing of what was allowed. */
static bool is_harmless(const json_t *before, const json_t *after)
{
	static const char *const members[] = {"name", "description", "tags", "updated", "version", NULL};
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)after, key, value)
	{
		bool free_to_change = strcmp(key, "enabled") == 0 && json_is_false(value);

		for (size_t i = 0; members[i] && !free_to_change; i++)
			free_to_change = strcmp(members[i], key) == 0;
		if (!free_to_change && !json_equal(value, json_object_get(before, key)))
			return false;
	}
	return true;
}

int vtap_relate_check_privilege(struct vtap_call *call, const struct vtap_object *before, const json_t *resource)
{
	const struct vtap_object *source;

	if (call->principal.system_admin || (resource && is_harmless(before->value, resource)))
		return 0;
	if (strcmp(before->kind->name, "session") == 0) {
		source = privileged_source(call->controller, before->value, resource);
		return source ? fail(call, before, source) : 0;
	}
	if (!vtap_kind_is_among(before->kind, "target filter"))
		return 0;
	return vtap_objects_referrers(call->controller->objects, before->id, vtap_kind_find("session"), session_is_not,
				      call);
}

static int nobody_names_it(struct vtap_object *session, void *userdata)
{
	return vtap_call_fail(
	    userdata, -EBUSY, "side",
	    "session %s names it, and would mirror the host's own device: take it out there first, or set "
	    "delegated",
	    session->id);
}

int vtap_relate_put_interface_privilege(struct vtap_call *call, const struct vtap_object *before,
					const json_t *resource)
{
	bool was = before && json_is_true(json_object_get(before->value, "delegated"));

	if (was != json_is_true(json_object_get(resource, "delegated")) && !call->principal.system_admin)
		return vtap_call_fail(call, -EACCES, "delegated", "only a system admin can set it");
	/* Who has named it in a session was allowed to mirror something else. */
	if (!before || !is_own_device(resource) || is_own_device(before->value))
		return 0;
	return vtap_objects_referrers(call->controller->objects, before->id, vtap_kind_find("session"), nobody_names_it,
				      call);
}
