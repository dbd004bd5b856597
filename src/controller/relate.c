/* SPDX-License-Identifier: Apache-2.0 */

/* What must hold between resources, apart from sessions and targets, and what may be done by whom beyond the roles. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "basic/addr.h"
#include "controller/access.h"
#include "controller/call_private.h"
#include "controller/feed_credential.h"
#include "controller/resource.h"
#include "controller/rules.h"

#define USERS_NAMED 5 /* of what is in use; the others are counted */

const struct vtap_object *vtap_relate_object(const struct vtap_call *call, const json_t *resource, const char *name)
{
	const char *id = vtap_text(resource, name);

	return id ? vtap_objects_get(call->controller->objects, id) : NULL;
}

static bool has_changed(const struct vtap_object *before, const json_t *resource, const char *name)
{
	const json_t *now = json_object_get(resource, name);

	return !before ? !json_is_null(now) && now : !json_equal(json_object_get(before->value, name), now);
}

int vtap_relate_check_quota(struct vtap_call *call, const char *project, enum vtap_quota quota, uint64_t used,
			    uint64_t wanted)
{
	const struct vtap_object *object = vtap_objects_get(call->controller->objects, project);
	uint64_t limit;

	if (!object)
		return 0;
	limit = vtap_quota_of_project(object->value, quota);
	return vtap_quota_check(quota, limit, used, wanted, NULL) < 0
		   ? vtap_call_fail_quota(call, quota, limit, used, wanted)
		   : 0;
}

const struct vtap_kind *vtap_relate_counted_kind(enum vtap_quota quota)
{
	static const char *const kinds[VTAP_QUOTA_MAX] = {
	    [VTAP_QUOTA_SESSIONS] = "session",     [VTAP_QUOTA_TARGETS] = "target",   [VTAP_QUOTA_FILTERS] = "filter",
	    [VTAP_QUOTA_INTERFACES] = "interface", [VTAP_QUOTA_NETWORKS] = "network", [VTAP_QUOTA_SUBNETS] = "subnet",
	    [VTAP_QUOTA_GUESTS] = "guest",         [VTAP_QUOTA_GATEWAYS] = "gateway",
	};

	return kinds[quota] ? vtap_kind_find(kinds[quota]) : NULL;
}

/* How many of a kind a project may have. */
static int check_count(struct vtap_call *call, const struct vtap_kind *kind, const char *project)
{
	for (enum vtap_quota q = 0; q < VTAP_QUOTA_MAX; q++)
		if (vtap_relate_counted_kind(q) == kind)
			return vtap_relate_check_quota(
			    call, project, q, vtap_objects_referrer_count(call->controller->objects, project, kind), 1);
	return 0;
}

/* What belongs to a project refers to what belongs to the same one, to hosts, and, as sources, to what was granted. */
struct foreign {
	const struct vtap_call *call;
	const char *project;
	char path[96];
	const struct vtap_object *object;
};

static int find_foreign(const char *path, const char *id, void *userdata)
{
	struct foreign *f = userdata;
	const struct vtap_object *object = vtap_objects_get(f->call->controller->objects, id);

	if (!object || !object->project || strcmp(object->project, f->project) == 0 || strncmp(path, "sources", 7) == 0)
		return 0;
	snprintf(f->path, sizeof(f->path), "%s", path);
	f->object = object;
	return -ECANCELED;
}

static int check_foreign(struct vtap_call *call, const struct vtap_kind *kind, const json_t *resource)
{
	struct foreign f = {.call = call, .project = vtap_text(resource, "project")};

	if (!f.project)
		return 0;
	(void)vtap_resource_references(kind, resource, find_foreign, &f);
	return f.object ? vtap_call_fail(call, -EINVAL, f.path,
					 "%s belongs to another project: choose one of this project", f.object->id)
			: 0;
}

static int put_project(struct vtap_call *call, const struct vtap_object *before, json_t *resource)
{
	static const char *const system[] = {"account_id",           "region", "profile", "quotas",
					     "allowed_target_cidrs", "name"};
	uint64_t number;
	char text[16];

	for (size_t i = 0; before && !call->principal.system_admin && i < VTAP_ARRAY_SIZE(system); i++)
		if (has_changed(before, resource, system[i]))
			return vtap_call_fail(call, -EACCES, system[i], "only a system admin can change it");
	if (vtap_text(resource, "account_id"))
		return 0;
	vtap_random_bytes(&number, sizeof(number));
	snprintf(text, sizeof(text), "%012" PRIu64, number % 1000000000000U);
	return json_object_set_new(resource, "account_id", json_string(text)) < 0 ? -ENOMEM : 0;
}

static size_t active_admins(const struct vtap_call *call, const struct vtap_object *except)
{
	const struct vtap_objects *o = call->controller->objects;
	const struct vtap_kind *kind = vtap_kind_find("user");
	size_t count = 0;

	for (const struct vtap_object *u = vtap_objects_next(o, kind, NULL); u; u = vtap_objects_next(o, kind, u))
		if (u != except && json_is_true(json_object_get(u->value, "system_admin")) &&
		    !json_is_true(json_object_get(u->value, "disabled")))
			count++;
	return count;
}

/* Nobody could ever change anything again. */
static int check_last_admin(struct vtap_call *call, const struct vtap_object *before, const json_t *resource)
{
	bool stays = json_is_true(json_object_get(resource, "system_admin")) &&
		     !json_is_true(json_object_get(resource, "disabled"));

	if (!before || stays || !json_is_true(json_object_get(before->value, "system_admin")) ||
	    active_admins(call, before) > 0)
		return 0;
	return vtap_call_fail(call, -EBUSY, NULL, "this is the last system admin: make another one first");
}

static int put_user(struct vtap_call *call, const struct vtap_object *before, json_t *resource)
{
	return check_last_admin(call, before, resource);
}

static int prefix_of(const json_t *text, struct vtap_prefix *ret)
{
	return vtap_prefix_parse(json_string_value(text), ret);
}

static bool cidrs_hold(const json_t *cidrs, const struct vtap_prefix *inner)
{
	struct vtap_prefix outer;
	const json_t *cidr;
	size_t i;

	json_array_foreach(cidrs, i, cidr)
	{
		if (prefix_of(cidr, &outer) >= 0 && vtap_prefix_contains(&outer, inner))
			return true;
	}
	return false;
}

struct subnets { /* of one network, seen from a change */
	struct vtap_call *call;
	const json_t *cidrs; /* the network's new ones */
	const struct vtap_object *self;
	struct vtap_prefix prefix; /* the subnet's new one */
	int r;
};

static int subnet_stays_inside(struct vtap_object *subnet, void *userdata)
{
	struct subnets *s = userdata;
	struct vtap_prefix prefix;

	if (prefix_of(json_object_get(subnet->value, "cidr"), &prefix) >= 0 && cidrs_hold(s->cidrs, &prefix))
		return 0;
	return s->r = vtap_call_fail(s->call, -EBUSY, "cidrs", "subnet %s (%s) would not be inside any more",
				     subnet->id, vtap_text(subnet->value, "cidr"));
}

static int put_network(struct vtap_call *call, const struct vtap_object *before, json_t *resource)
{
	struct subnets s = {.call = call, .cidrs = json_object_get(resource, "cidrs")};
	int r;

	if (!before || !has_changed(before, resource, "cidrs"))
		return 0;
	r = vtap_objects_referrers(call->controller->objects, before->id, vtap_kind_find("subnet"), subnet_stays_inside,
				   &s);
	return r < 0 ? r : vtap_relate_put_network_addresses(call, before, resource);
}

static int subnet_is_apart(struct vtap_object *subnet, void *userdata)
{
	struct subnets *s = userdata;
	struct vtap_prefix other;

	if (subnet == s->self || prefix_of(json_object_get(subnet->value, "cidr"), &other) < 0 ||
	    !vtap_prefix_overlaps(&other, &s->prefix))
		return 0;
	return vtap_call_fail(s->call, -EEXIST, "cidr", "overlaps with subnet %s (%s): choose another range",
			      subnet->id, vtap_text(subnet->value, "cidr"));
}

static int put_subnet(struct vtap_call *call, const struct vtap_object *before, json_t *resource)
{
	const struct vtap_object *network = vtap_relate_object(call, resource, "network");
	struct subnets s = {.call = call, .self = before};

	if (!network || prefix_of(json_object_get(resource, "cidr"), &s.prefix) < 0)
		return -EINVAL;
	if (!cidrs_hold(json_object_get(network->value, "cidrs"), &s.prefix))
		return vtap_call_fail(call, -EINVAL, "cidr", "must be inside one of the ranges of network %s",
				      network->id);
	return vtap_objects_referrers(call->controller->objects, network->id, vtap_kind_find("subnet"), subnet_is_apart,
				      &s);
}

struct device_use {
	const struct vtap_object *self, *other;
};

static int find_other(struct vtap_object *object, void *userdata)
{
	struct device_use *use = userdata;

	if (object != use->self)
		use->other = object;
	return 0;
}

/* One device is one place: two interfaces there would be mirrored as each other. */
static int check_device(struct vtap_call *call, const struct vtap_object *before, const json_t *resource)
{
	const char *host = vtap_text(resource, "host"), *device = vtap_text(resource, "device");
	struct device_use use = {.self = before};
	char key[VTAP_OBJECTS_KEY_STRLEN];

	if (!host || !device)
		return 0;
	(void)vtap_objects_referrers(call->controller->objects, vtap_objects_device_key(host, device, key), NULL,
				     find_other, &use);
	return use.other ? vtap_call_fail(call, -EEXIST, "device", "%s %s is at this device of the host already",
					  use.other->kind->name, use.other->id)
			 : 0;
}

/* Where an interface is decides whose packets are seen as its own. */
static int check_plug(struct vtap_call *call, const struct vtap_object *before, const json_t *resource)
{
	/* By its MAC an interface is followed to where its guest has gone. */
	static const char *const members[] = {"host", "device", "side", "mac"};

	if (call->principal.system_admin || !vtap_text(resource, "host") || !vtap_text(resource, "device"))
		return 0;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(members); i++)
		if (!before || has_changed(before, resource, members[i]))
			return vtap_call_fail(
			    call, -EACCES, members[i],
			    "only a system admin can say at which device of a host an interface is, and "
			    "change its MAC while it is there");
	return 0;
}

static int put_interface(struct vtap_call *call, const struct vtap_object *before, json_t *resource)
{
	const struct vtap_object *subnet = vtap_relate_object(call, resource, "subnet");
	const char *network = vtap_text(resource, "network");
	const char *of_subnet = subnet ? vtap_text(subnet->value, "network") : NULL;
	int r;

	if (of_subnet && network && strcmp(of_subnet, network) != 0)
		return vtap_call_fail(call, -EINVAL, "subnet", "is in network %s, not in %s", of_subnet, network);
	if (of_subnet && !network && json_object_set_new(resource, "network", json_string(of_subnet)) < 0)
		return -ENOMEM;
	r = check_plug(call, before, resource);
	if (r >= 0)
		r = vtap_relate_put_interface_privilege(call, before, resource);
	if (r >= 0)
		r = vtap_relate_put_interface_addresses(call, before, resource);
	return r < 0 ? r : check_device(call, before, resource);
}

static int put_wire(struct vtap_call *call, const struct vtap_object *before, json_t *resource)
{
	return check_device(call, before, resource);
}

/* A filter begins without rules; they have routes of their own. */
static int put_filter(struct vtap_call *call, const struct vtap_object *before, json_t *resource)
{
	if (before)
		return 0;
	if (json_object_set_new(resource, "chunks", json_array()) < 0 ||
	    json_object_set_new(resource, "rule_count", json_integer(0)) < 0)
		return -ENOMEM;
	return 0;
}

int vtap_relate_put(struct vtap_call *call, const struct vtap_object *before, json_t *resource)
{
	static const struct {
		const char *kind;
		int (*put)(struct vtap_call *call, const struct vtap_object *before, json_t *resource);
	} table[] = {
	    {"project", put_project},
	    {"user", put_user},
	    {"network", put_network},
	    {"subnet", put_subnet},
	    {"interface", put_interface},
	    {"wire", put_wire},
	    {"gateway", vtap_relate_put_gateway},
	    {"filter", put_filter},
	    {"target", vtap_relate_put_target},
	    {"session", vtap_relate_put_session},
	};
	const struct vtap_kind *kind = before ? before->kind : call->kind;
	const char *project = vtap_text(resource, "project");
	int r = 0;

	if (!before && project)
		r = check_count(call, kind, project);
	if (r >= 0)
		r = check_foreign(call, kind, resource);
	if (r >= 0 && before)
		r = vtap_relate_check_privilege(call, before, resource);
	for (size_t i = 0; r >= 0 && i < VTAP_ARRAY_SIZE(table); i++)
		if (strcmp(table[i].kind, kind->name) == 0)
			return table[i].put(call, before, resource);
	return r;
}

static int delete_key(struct vtap_object *key, void *userdata)
{
	struct vtap_change *change = userdata;
	int r;

	r = vtap_access_delete_secret(change, key->id);
	return r < 0 ? r : vtap_change_delete_after(change, key);
}

int vtap_relate_cascade(struct vtap_call *call, struct vtap_change *change, struct vtap_object *object)
{
	int r;

	if (strcmp(object->kind->name, "user") != 0)
		return 0;
	r = check_last_admin(call, object, NULL);
	if (r >= 0)
		r = vtap_objects_referrers(call->controller->objects, object->id, vtap_kind_find("key"), delete_key,
					   change);
	if (r >= 0)
		r = vtap_access_delete_tokens(change, object->id, NULL);
	return r < 0 ? r : vtap_access_delete_password(change, object->id);
}

int vtap_relate_delete(struct vtap_call *call, struct vtap_change *change, struct vtap_object *object)
{
	if (strcmp(object->kind->name, "filter") == 0)
		return vtap_rules_drop(change, object);
	if (strcmp(object->kind->name, "key") == 0)
		return vtap_access_delete_secret(change, object->id);
	if (strcmp(object->kind->name, "host") == 0)
		return vtap_credential_drop(change, object->id);
	return 0;
}

struct users {
	const struct vtap_object *object;
	size_t count;
	char text[USERS_NAMED * 128];
};

static int user_add(struct vtap_object *object, void *userdata)
{
	struct users *u = userdata;
	size_t used = strlen(u->text);

	if (object == u->object)
		return 0;
	if (u->count++ < USERS_NAMED)
		snprintf(u->text + used, sizeof(u->text) - used, "%s%s %s%s%s%s", used ? ", " : "", object->kind->name,
			 object->id, object->name ? " (" : "", object->name ? object->name : "",
			 object->name ? ")" : "");
	return 0;
}

int vtap_relate_check_unused(struct vtap_call *call, const struct vtap_object *object)
{
	struct users u = {.object = object};
	char more[48] = "";
	int r;

	r = vtap_objects_referrers(call->controller->objects, object->id, NULL, user_add, &u);
	if (r < 0 || u.count == 0)
		return r;
	if (u.count > USERS_NAMED)
		snprintf(more, sizeof(more), " and %zu more", u.count - USERS_NAMED);
	return vtap_call_fail(call, -EBUSY, NULL, "%s %s is used by %s%s: change or delete them first",
			      object->kind->name, object->id, u.text, more);
}
