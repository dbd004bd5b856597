/* SPDX-License-Identifier: Apache-2.0 */

/* What must hold between sessions, their sources and their targets. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "basic/addr.h"
#include "controller/call_private.h"
#include "controller/resource.h"

#define VNI_TRIES 64 /* random ones, before they are gone through one by one */

static const struct vtap_object *get(const struct vtap_call *call, const char *id)
{
	return id ? vtap_objects_get(call->controller->objects, id) : NULL;
}

static bool is_kind(const struct vtap_object *object, const char *kind)
{
	return object && strcmp(object->kind->name, kind) == 0;
}

static bool has_source(const json_t *session, const char *id)
{
	const json_t *source;
	size_t i;

	json_array_foreach(json_object_get(session, "sources"), i, source)
	{
		if (strcmp(json_string_value(source), id) == 0)
			return true;
	}
	return false;
}

/* The interface that gets a target's copies. */
static const char *receiver_of(const struct vtap_call *call, const json_t *session)
{
	const struct vtap_object *target = get(call, vtap_text(session, "target"));

	return target ? vtap_text(target->value, "interface") : NULL;
}

struct others { /* what is asked of the other sessions at an interface */
	struct vtap_call *call;
	const struct vtap_object *self; /* NULL: it is being created */
	const json_t *session; /* as it shall be */
	const char *interface;
	char field[32];
	bool is_new; /* it was no source of the session before */
	uint64_t used; /* sessions that name it, this one too if it did before */
};

/* Of another project's session that is all that may be told. */
static const char *label_of(const struct vtap_call *call, const struct vtap_object *session)
{
	return vtap_call_may_see(call, session) ? session->id : "of another project";
}

static bool is_exclusive(const json_t *session)
{
	const char *mode = session ? vtap_text(session, "mode") : NULL;

	return mode && strcmp(mode, "exclusive") == 0;
}

/* Exclusive sessions that name an interface have different numbers there; enabled or not, so that enabling finds no conflict. */
static int number_differs(struct vtap_object *other, void *userdata)
{
	struct others *o = userdata;

	o->used++;
	if (other == o->self)
		return 0;
	if (!is_exclusive(o->session) || !is_exclusive(other->value) ||
	    !json_equal(json_object_get(other->value, "number"), json_object_get(o->session, "number")))
		return 0;
	return vtap_call_fail(o->call, -EEXIST, "number",
			      "session %s has number %" JSON_INTEGER_FORMAT " at %s already: choose another one",
			      label_of(o->call, other), json_integer_value(json_object_get(other->value, "number")),
			      o->interface);
}

/* A target of the interface that an enabled session uses. */
static int session_is_off(struct vtap_object *session, void *userdata)
{
	struct others *o = userdata;

	if (session == o->self || !json_is_true(json_object_get(session->value, "enabled")))
		return 0;
	return vtap_call_fail(o->call, -EBUSY, o->field,
			      "interface %s receives the copies of session %s, and cannot be a source", o->interface,
			      label_of(o->call, session));
}

static int target_is_unused(struct vtap_object *target, void *userdata)
{
	const struct others *o = userdata;

	return vtap_objects_referrers(o->call->controller->objects, target->id, vtap_kind_find("session"),
				      session_is_off, userdata);
}

static int check_interface(struct others *o)
{
	const struct vtap_objects *objects = o->call->controller->objects;
	const char *receiver = receiver_of(o->call, o->session);
	int r;

	if (receiver && strcmp(receiver, o->interface) == 0 && json_is_true(json_object_get(o->session, "enabled")))
		return vtap_call_fail(o->call, -EINVAL, o->field,
				      "interface %s receives this session's copies, and cannot be its source",
				      o->interface);
	r = vtap_objects_referrers(objects, o->interface, vtap_kind_find("session"), number_differs, o);
	if (r >= 0)
		r = vtap_relate_check_quota(o->call, vtap_text(o->session, "project"),
					    VTAP_QUOTA_SESSIONS_PER_INTERFACE, o->used, o->is_new ? 1 : 0);
	if (r >= 0)
		r = vtap_objects_referrers(objects, o->interface, vtap_kind_find("target"), target_is_unused, o);
	return r;
}

/* An exclusive session takes packets from the later ones, and so from the sessions of the project whose interface it is. */
static int check_mode(const struct others *o, const json_t *before, const struct vtap_object *source, bool is_new)
{
	const char *project = vtap_text(o->session, "project");

	if (!source->project || strcmp(source->project, project) == 0 || o->call->principal.system_admin ||
	    !is_exclusive(o->session) || (!is_new && is_exclusive(before)))
		return 0;
	return vtap_call_fail(o->call, -EACCES, "mode",
			      "must be copy, as %s is of another project: only that project and system admins mirror "
			      "it exclusively",
			      source->id);
}

static int check_source(struct others *o, const json_t *before, const char *source)
{
	struct vtap_call *call = o->call;
	const struct vtap_object *object = get(call, source);
	const char *project = vtap_text(o->session, "project");
	/* Those that were allowed once may stay: the resolver leaves them out. */
	bool is_new = !has_source(before, source);
	int r;

	if (!object) /* a selector: its interfaces are the project's own */
		return 0;
	if (is_new && vtap_relate_is_privileged(object) && !call->principal.system_admin)
		return vtap_call_fail(call, -EACCES, o->field, "only a system admin can mirror %s",
				      is_kind(object, "wire") ? "a wire" : "a host's own device that is not delegated");
	if (is_new && object->project && strcmp(object->project, project) != 0 &&
	    !vtap_project_grants(call->controller, object->project, project))
		return vtap_call_fail(call, -EACCES, o->field,
				      "project %s has not granted its interfaces to project %s", object->project,
				      project);
	r = check_mode(o, before, object, is_new);
	if (r < 0 || (!is_kind(object, "interface") && !is_kind(object, "wire")))
		return r;
	o->interface = object->id;
	o->is_new = is_new;
	o->used = 0;
	return check_interface(o);
}

const char *vtap_relate_network_of(const struct vtap_controller *c, const char *source)
{
	const struct vtap_object *object = vtap_objects_get(c->objects, source);

	return is_kind(object, "network") ? object->id : object ? vtap_text(object->value, "network") : NULL;
}

static bool is_in_network(const struct vtap_call *call, const json_t *session, const char *network)
{
	const json_t *source;
	size_t i;

	json_array_foreach(json_object_get(session, "sources"), i, source)
	{
		const char *of_source = vtap_relate_network_of(call->controller, json_string_value(source));

		if (of_source && strcmp(of_source, network) == 0)
			return true;
	}
	return false;
}

struct in_network {
	const struct vtap_call *call;
	const char *network;
	uint64_t count;
};

static int count_in_network(struct vtap_object *session, void *userdata)
{
	struct in_network *n = userdata;

	n->count += is_in_network(n->call, session->value, n->network);
	return 0;
}

/* Counted only where the project has so many sessions that it matters. */
static int check_networks(struct vtap_call *call, const struct vtap_object *before, const json_t *session)
{
	const struct vtap_objects *objects = call->controller->objects;
	const struct vtap_kind *kind = vtap_kind_find("session");
	const char *project = vtap_text(session, "project");
	const struct vtap_object *owner = get(call, project);
	const json_t *source;
	size_t i;
	int r = 0;

	if (!owner || vtap_objects_referrer_count(objects, project, kind) <
			  vtap_quota_of_project(owner->value, VTAP_QUOTA_SESSIONS_PER_NETWORK))
		return 0;
	json_array_foreach(json_object_get(session, "sources"), i, source)
	{
		struct in_network n = {.call = call};

		n.network = vtap_relate_network_of(call->controller, json_string_value(source));
		if (!n.network || (before && is_in_network(call, before->value, n.network)))
			continue;
		(void)vtap_objects_referrers(objects, project, kind, count_in_network, &n);
		r = vtap_relate_check_quota(call, project, VTAP_QUOTA_SESSIONS_PER_NETWORK, n.count, 1);
		if (r < 0)
			return r;
	}
	return r;
}

static uint64_t source_count(const json_t *session)
{
	return json_array_size(json_object_get(session, "sources"));
}

static uint64_t growth(uint64_t before, uint64_t after)
{
	return after > before ? after - before : 0;
}

static int check_sources(struct vtap_call *call, const struct vtap_object *before, const json_t *session)
{
	struct others o = {.call = call, .self = before, .session = session};
	const json_t *sources = json_object_get(session, "sources"), *source;
	size_t used = before ? source_count(before->value) : 0, i;
	int r;

	r = vtap_relate_check_quota(call, vtap_text(session, "project"), VTAP_QUOTA_SOURCES_PER_SESSION, used,
				    growth(used, json_array_size(sources)));
	json_array_foreach(sources, i, source)
	{
		if (r < 0)
			return r;
		snprintf(o.field, sizeof(o.field), "sources[%zu]", i);
		r = check_source(&o, before ? before->value : NULL, json_string_value(source));
	}
	return r;
}

struct receivers { /* sessions that name as a source what now gets copies */
	struct vtap_call *call;
	const struct vtap_object *self;
	const char *field;
};

static int is_no_source(struct vtap_object *session, void *userdata)
{
	const struct receivers *r = userdata;

	if (session == r->self)
		return 0;
	return vtap_call_fail(r->call, -EBUSY, r->field,
			      "the target's interface is a source of session %s: an interface cannot do both",
			      label_of(r->call, session));
}

static int check_receiver(struct vtap_call *call, const struct vtap_object *self, const char *interface,
			  const char *field)
{
	struct receivers r = {.call = call, .self = self, .field = field};

	return vtap_objects_referrers(call->controller->objects, interface, vtap_kind_find("session"), is_no_source,
				      &r);
}

static int count_sources(struct vtap_object *session, void *userdata)
{
	uint64_t *count = userdata;

	*count += source_count(session->value);
	return 0;
}

static int check_target(struct vtap_call *call, const struct vtap_object *before, const json_t *session)
{
	const struct vtap_kind *kind = vtap_kind_find("session");
	const struct vtap_objects *objects = call->controller->objects;
	const char *target = vtap_text(session, "target"), *receiver = receiver_of(call, session);
	const char *project = vtap_text(session, "project");
	uint64_t used = 0;
	bool is_new = !before || strcmp(vtap_text(before->value, "target"), target) != 0;
	int r = 0;

	if (is_new)
		r = vtap_relate_check_quota(call, project, VTAP_QUOTA_SESSIONS_PER_TARGET,
					    vtap_objects_referrer_count(objects, target, kind), 1);
	if (r < 0 || !receiver)
		return r;
	(void)vtap_objects_referrers(objects, target, kind, count_sources, &used);
	r = vtap_relate_check_quota(call, project, VTAP_QUOTA_SOURCES_PER_TARGET, used,
				    growth(is_new ? 0 : source_count(before->value), source_count(session)));
	if (r < 0 || !json_is_true(json_object_get(session, "enabled")))
		return r;
	return check_receiver(call, before, receiver, "target");
}

static int check_filter(struct vtap_call *call, const struct vtap_object *before, const json_t *session)
{
	const char *filter = vtap_text(session, "filter"), *was = before ? vtap_text(before->value, "filter") : NULL;

	if (!filter || (was && strcmp(was, filter) == 0))
		return 0;
	return vtap_relate_check_quota(
	    call, vtap_text(session, "project"), VTAP_QUOTA_SESSIONS_PER_FILTER,
	    vtap_objects_referrer_count(call->controller->objects, filter, vtap_kind_find("session")), 1);
}

static bool vni_is_free(const struct vtap_call *call, const char *project, uint32_t vni)
{
	char key[VTAP_OBJECTS_KEY_STRLEN];

	return vtap_objects_referrer_count(call->controller->objects, vtap_objects_vni_key(project, vni, key), NULL) ==
	       0;
}

/* 0 is never assigned: some collectors take it for none. */
static int vni_assign(struct vtap_call *call, json_t *session)
{
	const char *project = vtap_text(session, "project");
	json_t *encapsulation = json_copy(json_object_get(session, "encapsulation"));
	uint32_t vni = 0;
	bool found = false;

	for (unsigned i = 0; !found && i < VNI_TRIES; i++) {
		vtap_random_bytes(&vni, sizeof(vni));
		vni = 1 + vni % VTAP_VNI_MAX;
		found = vni_is_free(call, project, vni);
	}
	for (vni = found ? vni : 1; !found && vni <= VTAP_VNI_MAX; vni++)
		found = vni_is_free(call, project, vni);
	if (!found || !encapsulation || json_object_set_new(encapsulation, "vni", json_integer((json_int_t)vni)) < 0) {
		json_decref(encapsulation);
		return found ? -ENOMEM
			     : vtap_call_fail(call, -EEXIST, "encapsulation.vni",
					      "every VNI of the project is in use: give one");
	}
	return json_object_set_new(session, "encapsulation", encapsulation) < 0 ? -ENOMEM : 0;
}

int vtap_relate_put_session(struct vtap_call *call, const struct vtap_object *before, json_t *resource)
{
	const json_t *vni;
	int r;

	r = check_sources(call, before, resource);
	if (r >= 0)
		r = check_networks(call, before, resource);
	if (r >= 0)
		r = check_target(call, before, resource);
	if (r >= 0)
		r = check_filter(call, before, resource);
	vni = json_object_get(json_object_get(resource, "encapsulation"), "vni");
	return r >= 0 && !json_is_integer(vni) ? vni_assign(call, resource) : r;
}

/* For a project without a list of its own: all there is is one project on one machine. */
static bool is_private(const struct vtap_controller *c, const struct vtap_prefix *address)
{
	static const char *const networks[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"};
	struct vtap_prefix network;

	if (vtap_objects_count(c->objects, vtap_kind_find("project")) != 1 || !vtap_controller_is_local(c))
		return false;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(networks); i++)
		if (vtap_prefix_parse(networks[i], &network) >= 0 && vtap_prefix_contains(&network, address))
			return true;
	return false;
}

bool vtap_relate_allows_target(const struct vtap_controller *c, const char *project, const char *address)
{
	const struct vtap_object *object = project ? vtap_objects_get(c->objects, project) : NULL;
	struct vtap_prefix inner, outer;
	const json_t *cidrs, *cidr;
	size_t i;

	if (!object || vtap_prefix_parse(address, &inner) < 0)
		return false;
	cidrs = json_object_get(object->value, "allowed_target_cidrs");
	if (!json_is_array(cidrs))
		return is_private(c, &inner);
	json_array_foreach(cidrs, i, cidr)
	{
		if (vtap_prefix_parse(json_string_value(cidr), &outer) >= 0 && vtap_prefix_contains(&outer, &inner))
			return true;
	}
	return false;
}

static int enabled_gets_no_source(struct vtap_object *session, void *userdata)
{
	const struct others *o = userdata;

	if (!json_is_true(json_object_get(session->value, "enabled")))
		return 0;
	return check_receiver(o->call, NULL, o->interface, "interface");
}

int vtap_relate_put_target(struct vtap_call *call, const struct vtap_object *before, json_t *resource)
{
	const char *address = vtap_text(resource, "address"), *interface = vtap_text(resource, "interface");
	const char *was = before ? vtap_text(before->value, "address") : NULL;
	struct others o = {.call = call, .interface = interface};

	if (address && (!was || strcmp(was, address) != 0) && !call->principal.system_admin &&
	    !vtap_relate_allows_target(call->controller, vtap_text(resource, "project"), address))
		return vtap_call_fail(call, -EACCES, "address",
				      "is not in the project's allowed_target_cidrs: only a system admin can use it");
	if (!before || !interface)
		return 0;
	return vtap_objects_referrers(call->controller->objects, before->id, vtap_kind_find("session"),
				      enabled_gets_no_source, &o);
}
