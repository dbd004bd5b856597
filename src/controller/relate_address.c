/* SPDX-License-Identifier: Apache-2.0 */

/* Where addresses and MACs of interfaces and gateways may be: inside their subnet or network, and nobody else's there. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "basic/addr.h"
#include "controller/call_private.h"
#include "controller/resource.h"

static bool has_changed(const struct vtap_object *before, const json_t *resource, const char *const *names)
{
	for (size_t i = 0; names[i]; i++)
		if (!before ||
		    !json_equal(json_object_get(before->value, names[i]), json_object_get(resource, names[i])))
			return true;
	return false;
}

/* Everybody has these, in whatever range. */
static bool is_link_local(const struct vtap_addr *a)
{
	struct vtap_prefix prefix;

	(void)vtap_prefix_parse(a->family == AF_INET ? "169.254.0.0/16" : "fe80::/10", &prefix);
	return vtap_prefix_has(&prefix, a);
}

static bool cidrs_have(const json_t *cidrs, const struct vtap_addr *a)
{
	struct vtap_prefix prefix;
	const json_t *cidr;
	size_t i;

	json_array_foreach(cidrs, i, cidr)
	{
		if (vtap_prefix_parse(json_string_value(cidr), &prefix) >= 0 && vtap_prefix_has(&prefix, a))
			return true;
	}
	return false;
}

/* An address of the subnet's IP version is in the subnet; one of the other version is in the network. */
static int check_inside(struct vtap_call *call, const json_t *resource, const char *field, const struct vtap_addr *a)
{
	const struct vtap_object *subnet = vtap_relate_object(call, resource, "subnet");
	const struct vtap_object *network = vtap_relate_object(call, resource, "network");
	struct vtap_prefix prefix;

	if (is_link_local(a))
		return 0;
	if (subnet && vtap_prefix_parse(vtap_text(subnet->value, "cidr"), &prefix) >= 0 &&
	    prefix.addr.family == a->family)
		return vtap_prefix_has(&prefix, a)
			   ? 0
			   : vtap_call_fail(call, -EINVAL, field, "must be inside subnet %s (%s)", subnet->id,
					    vtap_text(subnet->value, "cidr"));
	if (!network || cidrs_have(json_object_get(network->value, "cidrs"), a))
		return 0;
	return vtap_call_fail(call, -EINVAL, field, "must be inside one of the ranges of network %s", network->id);
}

struct holder {
	const struct vtap_object *self, *other;
};

static int find_other(struct vtap_object *object, void *userdata)
{
	struct holder *h = userdata;

	if (object == h->self)
		return 0;
	h->other = object;
	return -ECANCELED;
}

static const struct vtap_object *other_holder(const struct vtap_call *call, const struct vtap_object *self,
					      const char *key)
{
	struct holder h = {.self = self};

	(void)vtap_objects_referrers(call->controller->objects, key, NULL, find_other, &h);
	return h.other;
}

static int check_addresses(struct vtap_call *call, const struct vtap_object *before, const json_t *resource,
			   bool unique)
{
	const char *network = vtap_text(resource, "network");
	const json_t *address;
	char field[32], key[VTAP_OBJECTS_KEY_STRLEN];
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(resource, "addresses"), i, address)
	{
		const struct vtap_object *other = NULL;
		struct vtap_addr a;

		if (vtap_addr_parse(json_string_value(address), &a) < 0)
			return -EINVAL;
		snprintf(field, sizeof(field), "addresses[%zu]", i);
		r = check_inside(call, resource, field, &a);
		if (r >= 0 && unique && network && !is_link_local(&a))
			other = other_holder(call, before,
					     vtap_objects_address_key(network, json_string_value(address), key));
		if (other)
			r = vtap_call_fail(call, -EEXIST, field, "%s is that of %s %s in this network already",
					   json_string_value(address), other->kind->name, other->id);
		if (r < 0)
			return r;
	}
	return r;
}

int vtap_relate_put_interface_addresses(struct vtap_call *call, const struct vtap_object *before,
					const json_t *resource)
{
	static const char *const of_addresses[] = {"addresses", "network", "subnet", NULL};
	static const char *const of_mac[] = {"mac", "subnet", NULL};
	const char *subnet = vtap_text(resource, "subnet"), *mac = vtap_text(resource, "mac");
	char key[VTAP_OBJECTS_KEY_STRLEN];
	const struct vtap_object *other = NULL;
	int r = 0;

	if (has_changed(before, resource, of_addresses))
		r = check_addresses(call, before, resource, true);
	if (r >= 0 && subnet && mac && has_changed(before, resource, of_mac))
		other = other_holder(call, before, vtap_objects_mac_key(subnet, mac, key));
	return other ? vtap_call_fail(call, -EEXIST, "mac", "%s is that of %s %s in this subnet already", mac,
				      other->kind->name, other->id)
		     : r;
}

int vtap_relate_put_gateway(struct vtap_call *call, const struct vtap_object *before, json_t *resource)
{
	static const char *const members[] = {"addresses", "network", NULL};

	return has_changed(before, resource, members) ? check_addresses(call, before, resource, false) : 0;
}

struct narrowing { /* of a network's ranges */
	struct vtap_call *call;
	const json_t *before, *after;
};

static int addresses_stay_inside(struct vtap_object *object, void *userdata)
{
	const struct narrowing *n = userdata;
	const json_t *address;
	struct vtap_addr a;
	size_t i;

	json_array_foreach(json_object_get(object->value, "addresses"), i, address)
	{
		if (vtap_addr_parse(json_string_value(address), &a) >= 0 && cidrs_have(n->before, &a) &&
		    !cidrs_have(n->after, &a))
			return vtap_call_fail(n->call, -EBUSY, "cidrs", "%s %s (%s) would not be inside any more",
					      object->kind->name, object->id, json_string_value(address));
	}
	return 0;
}

int vtap_relate_put_network_addresses(struct vtap_call *call, const struct vtap_object *before, const json_t *resource)
{
	static const char *const kinds[] = {"interface", "gateway"};
	struct narrowing n = {
	    .call = call,
	    .before = json_object_get(before->value, "cidrs"),
	    .after = json_object_get(resource, "cidrs"),
	};
	int r = 0;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(kinds) && r >= 0; i++)
		r = vtap_objects_referrers(call->controller->objects, before->id, vtap_kind_find(kinds[i]),
					   addresses_stay_inside, &n);
	return r;
}
