/* SPDX-License-Identifier: Apache-2.0 */

/* What all kinds have in common: get, create, patch, delete, enable, disable. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/call_private.h"
#include "controller/resource.h"

int vtap_resource_get(struct vtap_call *call, struct vtap_change *change)
{
	const struct vtap_object *object = vtap_call_object(call, call->kind, call->request->parameters[0]);

	return object ? vtap_call_answer_object(call, object, 200) : -ENOENT;
}

static int check_name(struct vtap_call *call, const struct vtap_kind *kind, const struct vtap_object *current,
		      const json_t *resource)
{
	const char *name = vtap_text(resource, "name");
	const struct vtap_object *holder;

	if (!name)
		return 0;
	holder = vtap_objects_named(call->controller->objects, kind, vtap_text(resource, "project"), name);
	if (!holder || holder == current)
		return 0;
	return vtap_call_fail(call, -EEXIST, "name", "%s %s has this name already: choose another one", kind->name,
			      holder->id);
}

static int set_project(struct vtap_call *call, const struct vtap_kind *kind, json_t *resource)
{
	json_t *project;

	if (kind->flags & VTAP_KIND_GLOBAL)
		project = json_null();
	else
		project = json_string(call->project);
	return json_object_set_new(resource, "project", project) < 0 ? -ENOMEM : 0;
}

static int normalize(struct vtap_call *call, const struct vtap_kind *kind, struct vtap_object *current,
		     const json_t *input, json_t **ret_resource)
{
	const struct vtap_normalize n = {
	    .kind = kind,
	    .input = input,
	    .current = current ? current->value : NULL,
	    .resolve = vtap_call_resolve,
	    .userdata = call,
	};
	struct vtap_error e = {};
	int r;

	/* Names that it refers to are those of its own project. */
	if (current && current->project)
		snprintf(call->project, sizeof(call->project), "%s", current->project);
	r = vtap_resource_normalize(&n, ret_resource, &e);
	if (r < 0)
		return r == -ENOMEM ? r : vtap_call_fail_error(call, &e);
	return 0;
}

/* Takes the resource. */
static int put(struct vtap_call *call, struct vtap_change *change, const struct vtap_kind *kind,
	       struct vtap_object *current, json_t *resource)
{
	struct vtap_object *object;
	int r;

	r = current ? 0 : set_project(call, kind, resource);
	if (r >= 0)
		r = check_name(call, kind, current, resource);
	if (r >= 0)
		r = vtap_relate_put(call, current, resource);
	if (r < 0) {
		json_decref(resource);
		return r;
	}
	r = vtap_change_put(change, kind, resource, &object);
	if (r == -E2BIG)
		return vtap_call_fail(call, r, NULL, "the resource is too large to be stored: give it fewer entries");
	return r < 0 ? r : vtap_call_answer_object(call, object, current ? 200 : 201);
}

int vtap_resource_write(struct vtap_call *call, struct vtap_change *change, struct vtap_object *current,
			const json_t *input)
{
	const struct vtap_kind *kind = current ? current->kind : call->kind;
	json_t *resource;
	int r;

	r = normalize(call, kind, current, input, &resource);
	if (r < 0)
		return r;
	if (current && json_equal(resource, current->value)) {
		json_decref(resource);
		return vtap_call_answer_object(call, current, 200);
	}
	return put(call, change, kind, current, resource);
}

int vtap_resource_create(struct vtap_call *call, struct vtap_change *change)
{
	json_t *empty = json_object();
	int r;

	r = vtap_resource_write(call, change, NULL, call->body ? call->body : empty);
	json_decref(empty);
	return r;
}

static struct vtap_object *object_to_change(struct vtap_call *call, int *ret_r)
{
	struct vtap_object *object = vtap_call_object(call, call->kind, call->request->parameters[0]);

	*ret_r = object ? vtap_call_check_version(call, object->version) : -ENOENT;
	return object;
}

int vtap_resource_patch(struct vtap_call *call, struct vtap_change *change)
{
	struct vtap_object *object;
	int r;

	object = object_to_change(call, &r);
	if (r < 0)
		return r;
	if (!call->body)
		return vtap_call_fail(call, -EINVAL, NULL, "the body must be a JSON object with what shall change");
	return vtap_resource_write(call, change, object, call->body);
}

int vtap_resource_delete(struct vtap_call *call, struct vtap_change *change)
{
	struct vtap_object *object;
	int r;

	object = object_to_change(call, &r);
	if (r >= 0)
		r = vtap_relate_cascade(call, change, object);
	if (r >= 0)
		r = vtap_relate_check_unused(call, object);
	if (r >= 0)
		r = vtap_relate_delete(call, change, object);
	return r < 0 ? r : vtap_change_delete(change, object);
}

static int set_member(struct vtap_call *call, struct vtap_change *change, const char *member, bool value)
{
	json_t *input = json_pack("{s:b}", member, (int)value);
	struct vtap_object *object;
	int r;

	object = object_to_change(call, &r);
	if (r >= 0)
		r = vtap_resource_write(call, change, object, input);
	json_decref(input);
	return r;
}

static int enable(struct vtap_call *call, struct vtap_change *change)
{
	return set_member(call, change, "enabled", true);
}

static int disable(struct vtap_call *call, struct vtap_change *change)
{
	return set_member(call, change, "enabled", false);
}

static int allow(struct vtap_call *call, struct vtap_change *change)
{
	return set_member(call, change, "disabled", false);
}

static int forbid(struct vtap_call *call, struct vtap_change *change)
{
	return set_member(call, change, "disabled", true);
}

#define READ(plural)                                                                                                   \
	{"GET", "/v1/" plural, vtap_resource_list, VTAP_ROLE_VIEWER, VTAP_ROUTE_CONDITIONS, "limit cursor sort", 0},   \
	{                                                                                                              \
		"GET", "/v1/" plural "/{id}", vtap_resource_get, VTAP_ROLE_VIEWER, 0, NULL, 0                          \
	}
#define WRITE(plural, least, more)                                                                                     \
	{"POST", "/v1/" plural, vtap_resource_create, least, VTAP_ROUTE_WRITE | (more), NULL, 0},                      \
	    {"PATCH", "/v1/" plural "/{id}", vtap_resource_patch, least, VTAP_ROUTE_WRITE | (more), NULL, 0},          \
	{                                                                                                              \
		"DELETE", "/v1/" plural "/{id}", vtap_resource_delete, least, VTAP_ROUTE_WRITE | (more), NULL, 0       \
	}
#define SWITCH(plural, least, more, on, off)                                                                           \
	{"POST", "/v1/" plural "/{id}/enable", on, least, VTAP_ROUTE_WRITE | VTAP_ROUTE_BARE | (more), NULL, 0},       \
	{                                                                                                              \
		"POST", "/v1/" plural "/{id}/disable", off, least, VTAP_ROUTE_WRITE | VTAP_ROUTE_BARE | (more), NULL,  \
		    0                                                                                                  \
	}

/* Users are created and changed in api_access.c, keys created: what they have besides is secret. */
const struct vtap_api_route vtap_api_routes_resources[] = {
    READ("guests"),
    WRITE("guests", VTAP_ROLE_OPERATOR, 0),
    READ("networks"),
    WRITE("networks", VTAP_ROLE_OPERATOR, 0),
    READ("subnets"),
    WRITE("subnets", VTAP_ROLE_OPERATOR, 0),
    READ("interfaces"),
    WRITE("interfaces", VTAP_ROLE_OPERATOR, 0),
    READ("gateways"),
    WRITE("gateways", VTAP_ROLE_OPERATOR, 0),
    READ("targets"),
    WRITE("targets", VTAP_ROLE_OPERATOR, 0),
    SWITCH("targets", VTAP_ROLE_OPERATOR, 0, enable, disable),
    READ("filters"),
    WRITE("filters", VTAP_ROLE_OPERATOR, 0),
    READ("sessions"),
    WRITE("sessions", VTAP_ROLE_OPERATOR, 0),
    SWITCH("sessions", VTAP_ROLE_OPERATOR, 0, enable, disable),
    READ("hosts"),
    WRITE("hosts", VTAP_ROLE_NONE, VTAP_ROUTE_SYSTEM),
    READ("wires"),
    WRITE("wires", VTAP_ROLE_NONE, VTAP_ROUTE_SYSTEM),
    READ("projects"),
    {"POST", "/v1/projects", vtap_resource_create, VTAP_ROLE_NONE, VTAP_ROUTE_WRITE | VTAP_ROUTE_SYSTEM, NULL, 0},
    {"PATCH", "/v1/projects/{id}", vtap_resource_patch, VTAP_ROLE_ADMIN, VTAP_ROUTE_WRITE, NULL, 0},
    {"DELETE", "/v1/projects/{id}", vtap_resource_delete, VTAP_ROLE_NONE, VTAP_ROUTE_WRITE | VTAP_ROUTE_SYSTEM, NULL,
     0},
    READ("users"),
    {"DELETE", "/v1/users/{id}", vtap_resource_delete, VTAP_ROLE_NONE, VTAP_ROUTE_WRITE | VTAP_ROUTE_SYSTEM, NULL, 0},
    SWITCH("users", VTAP_ROLE_NONE, VTAP_ROUTE_SYSTEM, allow, forbid),
    READ("keys"),
    {"PATCH", "/v1/keys/{id}", vtap_resource_patch, VTAP_ROLE_NONE, VTAP_ROUTE_WRITE, NULL, 0},
    {"DELETE", "/v1/keys/{id}", vtap_resource_delete, VTAP_ROLE_NONE, VTAP_ROUTE_WRITE, NULL, 0},
    SWITCH("keys", VTAP_ROLE_NONE, 0, allow, forbid),
    {},
};
