/* SPDX-License-Identifier: Apache-2.0 */

#include "model/kinds.h"

#include <errno.h>

#include "model/place.h"
#include "model/words.h"

static const struct vtap_word host_state_words[] = {
    {"connected", 0}, {"away", 1}, {"suspended", 2}, {"revoked", 3}, {"unknown", 4}, {},
};

const struct vtap_attribute vtap_host_attributes[] = {
    {.name = "underlay_address",
     .type = VTAP_TYPE_ADDRESS,
     .flags = VTAP_ATTRIBUTE_SYSTEM,
     .help = "its address towards other hosts; for system admins alone"},
    {.name = "group",
     .type = VTAP_TYPE_TEXT,
     .min = 1,
     .max = VTAP_NAME_MAX,
     .help = "interfaces are followed only between hosts of one group"},
    {.name = "uplink",
     .type = VTAP_TYPE_DEVICE,
     .flags = VTAP_ATTRIBUTE_SYSTEM,
     .help = "the device that copies leave by; null = what the routes say; for system admins alone"},
    {.name = "state",
     .type = VTAP_TYPE_WORD,
     .flags = VTAP_ATTRIBUTE_COMPUTED,
     .words = host_state_words,
     .help = "whether its agent is there; never stored"},
    {.name = "seen",
     .type = VTAP_TYPE_TIME,
     .flags = VTAP_ATTRIBUTE_COMPUTED,
     .help = "when its agent was last heard; never stored"},
    {},
};

const struct vtap_attribute vtap_guest_attributes[] = {
    {.name = "host", .type = VTAP_TYPE_REFERENCE, .kinds = "host", .help = "where it runs"},
    {},
};

static const struct vtap_attribute route_attributes[] = {
    {.name = "destination", .type = VTAP_TYPE_PREFIX, .flags = VTAP_ATTRIBUTE_REQUIRED, .help = "where packets go to"},
    {.name = "gateway",
     .type = VTAP_TYPE_REFERENCE,
     .flags = VTAP_ATTRIBUTE_REQUIRED,
     .kinds = "gateway",
     .help = "the next hop"},
    {},
};

const struct vtap_attribute vtap_network_attributes[] = {
    {.name = "cidrs",
     .type = VTAP_TYPE_PREFIX,
     .flags = VTAP_ATTRIBUTE_REQUIRED | VTAP_ATTRIBUTE_LIST,
     .min_items = 1,
     .max_items = VTAP_CIDRS_MAX,
     .help = "its address ranges, which do not overlap"},
    {.name = "peers",
     .type = VTAP_TYPE_REFERENCE,
     .flags = VTAP_ATTRIBUTE_LIST,
     .max_items = VTAP_LIST_MAX,
     .standard = "[]",
     .kinds = "network",
     .help = "networks that it reaches"},
    {.name = "resolvers",
     .type = VTAP_TYPE_ADDRESS,
     .flags = VTAP_ATTRIBUTE_LIST,
     .max_items = VTAP_ADDRESSES_MAX,
     .standard = "[]",
     .help = "addresses of its DNS resolvers"},
    {.name = "routes",
     .type = VTAP_TYPE_OBJECT,
     .flags = VTAP_ATTRIBUTE_LIST,
     .max_items = VTAP_LIST_MAX,
     .standard = "[]",
     .attributes = route_attributes,
     .help = "next hops by destination; the longest prefix wins"},
    {},
};

const struct vtap_attribute vtap_subnet_attributes[] = {
    {.name = "network",
     .type = VTAP_TYPE_REFERENCE,
     .flags = VTAP_ATTRIBUTE_REQUIRED | VTAP_ATTRIBUTE_IMMUTABLE,
     .kinds = "network",
     .help = "the network that it is a part of"},
    {.name = "cidr",
     .type = VTAP_TYPE_PREFIX,
     .flags = VTAP_ATTRIBUTE_REQUIRED | VTAP_ATTRIBUTE_IMMUTABLE,
     .help = "its range, inside one of the network's and apart from other subnets"},
    {},
};

const struct vtap_attribute vtap_interface_attributes[] = {
    {.name = "mac", .type = VTAP_TYPE_MAC, .help = "its hardware address"},
    {.name = "addresses",
     .type = VTAP_TYPE_ADDRESS,
     .flags = VTAP_ATTRIBUTE_LIST,
     .max_items = VTAP_ADDRESSES_MAX,
     .standard = "[]",
     .help = "its addresses, the primary one first"},
    {.name = "network", .type = VTAP_TYPE_REFERENCE, .kinds = "network", .help = "the network that it is in"},
    {.name = "subnet", .type = VTAP_TYPE_REFERENCE, .kinds = "subnet", .help = "the subnet that it is in"},
    {.name = "guest", .type = VTAP_TYPE_REFERENCE, .kinds = "guest", .help = "the guest that owns it"},
    {.name = "host",
     .type = VTAP_TYPE_REFERENCE,
     .kinds = "host",
     .help = "the host that it is plugged on; it is plugged when it has host and device"},
    {.name = "device", .type = VTAP_TYPE_DEVICE, .help = "the host's device for it"},
    {.name = "side",
     .type = VTAP_TYPE_WORD,
     .standard = "\"host\"",
     .words = vtap_side_words,
     .help = "what the device is: the host's end of a guest's cable, or the interface itself"},
    {.name = "delegated",
     .type = VTAP_TYPE_BOOL,
     .standard = "false",
     .help = "a host's own device (side own) is left to the project's operators; only system admins set it"},
    {},
};

const struct vtap_attribute vtap_wire_attributes[] = {
    {.name = "host",
     .type = VTAP_TYPE_REFERENCE,
     .flags = VTAP_ATTRIBUTE_REQUIRED,
     .kinds = "host",
     .help = "the host that it is on"},
    {.name = "device", .type = VTAP_TYPE_DEVICE, .flags = VTAP_ATTRIBUTE_REQUIRED, .help = "the bridge or uplink"},
    {},
};

const struct vtap_attribute vtap_gateway_attributes[] = {
    {.name = "network",
     .type = VTAP_TYPE_REFERENCE,
     .flags = VTAP_ATTRIBUTE_REQUIRED,
     .kinds = "network",
     .help = "the network that it is a next hop of"},
    {.name = "addresses",
     .type = VTAP_TYPE_ADDRESS,
     .flags = VTAP_ATTRIBUTE_LIST,
     .max_items = VTAP_ADDRESSES_MAX,
     .standard = "[]",
     .help = "its addresses in the network"},
    {.name = "macs",
     .type = VTAP_TYPE_MAC,
     .flags = VTAP_ATTRIBUTE_LIST,
     .max_items = VTAP_ADDRESSES_MAX,
     .standard = "[]",
     .help = "its hardware addresses"},
    {},
};

static int check_unicast(const struct vtap_place *p)
{
	struct vtap_addr a;

	if (!json_is_string(p->value) || vtap_addr_parse(json_string_value(p->value), &a) < 0 ||
	    vtap_addr_is_unicast(&a))
		return 0;
	return vtap_place_fail_value(p, "a unicast address, which is not a loopback one");
}

int vtap_host_check(const struct vtap_kind *kind, const json_t *resource, struct vtap_error *reterr)
{
	struct vtap_place root = {.value = resource, .reterr = reterr};
	struct vtap_place address = vtap_place_member(&root, "underlay_address");

	return check_unicast(&address);
}

int vtap_addresses_check(const struct vtap_kind *kind, const json_t *resource, struct vtap_error *reterr)
{
	struct vtap_place root = {.value = resource, .reterr = reterr};
	struct vtap_place addresses = vtap_place_member(&root, "addresses");
	int r = 0;

	for (size_t i = 0; i < json_array_size(addresses.value) && r >= 0; i++) {
		struct vtap_place element = vtap_place_element(&addresses, i);

		r = check_unicast(&element);
	}
	return r;
}

/* Which of two overlapping ranges an address belongs to would be anybody's guess. */
static int check_cidrs(const struct vtap_place *p)
{
	size_t n = json_array_size(p->value);
	struct vtap_prefix cidrs[VTAP_CIDRS_MAX];

	for (size_t i = 0; i < n; i++) {
		struct vtap_place element = vtap_place_element(p, i);

		(void)vtap_prefix_parse(json_string_value(element.value), &cidrs[i]);
		for (size_t j = 0; j < i; j++)
			if (vtap_prefix_overlaps(&cidrs[i], &cidrs[j]))
				return vtap_place_fail(&element, -EINVAL, "%s overlaps %s of this network",
						       json_string_value(element.value),
						       json_string_value(json_array_get(p->value, j)));
	}
	return 0;
}

static int check_routes(const struct vtap_place *p)
{
	for (size_t i = 0; i < json_array_size(p->value); i++) {
		struct vtap_place element = vtap_place_element(p, i);
		struct vtap_place destination = vtap_place_member(&element, "destination");

		for (size_t j = 0; j < i; j++)
			if (json_equal(destination.value, json_object_get(json_array_get(p->value, j), "destination")))
				return vtap_place_fail(&destination, -EINVAL, "%s has a route already: routes[%zu]",
						       json_string_value(destination.value), j);
	}
	return 0;
}

int vtap_network_check(const struct vtap_kind *kind, const json_t *resource, struct vtap_error *reterr)
{
	struct vtap_place root = {.value = resource, .reterr = reterr};
	struct vtap_place cidrs = vtap_place_member(&root, "cidrs"), routes = vtap_place_member(&root, "routes");
	int r;

	r = check_cidrs(&cidrs);
	return r < 0 ? r : check_routes(&routes);
}
