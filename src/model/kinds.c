/* SPDX-License-Identifier: Apache-2.0 */

#include "model/kinds.h"

#include <stdio.h>
#include <string.h>

const struct vtap_attribute vtap_attributes_common[] = {
    {.name = "id",
     .type = VTAP_TYPE_TEXT,
     .flags = VTAP_ATTRIBUTE_COMPUTED,
     .min = 1,
     .max = VTAP_ID_STRLEN - 1,
     .help = "what the resource is referred to by; never changes"},
    {.name = "name",
     .type = VTAP_TYPE_NAME,
     .help = "unique among its kind in the project; serves wherever an id does"},
    {.name = "description",
     .type = VTAP_TYPE_TEXT,
     .max = VTAP_DESCRIPTION_MAX,
     .standard = "\"\"",
     .help = "what it is for, for people"},
    {.name = "tags", .type = VTAP_TYPE_TAGS, .standard = "{}", .help = "keys and values to find and select it by"},
    {.name = "project",
     .type = VTAP_TYPE_REFERENCE,
     .flags = VTAP_ATTRIBUTE_COMPUTED,
     .kinds = "project",
     .help = "the project it belongs to: that of the call that created it"},
    {.name = "created", .type = VTAP_TYPE_TIME, .flags = VTAP_ATTRIBUTE_COMPUTED, .help = "when it was created"},
    {.name = "updated", .type = VTAP_TYPE_TIME, .flags = VTAP_ATTRIBUTE_COMPUTED, .help = "when it was last changed"},
    {.name = "version",
     .type = VTAP_TYPE_NUMBER,
     .flags = VTAP_ATTRIBUTE_COMPUTED,
     .min = 1,
     .max = INT64_MAX,
     .help = "1 at creation, one more with each change: the entity tag"},
    {},
};

/* The first of the common ones that stands behind the kind's own. */
#define COMMON_BEHIND "created"

const struct vtap_kind vtap_kinds[] = {
    {.name = "project",
     .plural = "projects",
     .prefix = "proj",
     .flags = VTAP_KIND_GLOBAL,
     .attributes = vtap_project_attributes,
     .check = vtap_project_check,
     .help = "what belongs together and is kept apart from the rest, with quotas of its own"},
    {.name = "user",
     .plural = "users",
     .prefix = "user",
     .flags = VTAP_KIND_GLOBAL,
     .attributes = vtap_user_attributes,
     .check = vtap_user_check,
     .help = "somebody with a password, and roles in projects"},
    {.name = "key",
     .plural = "keys",
     .prefix = "key",
     .flags = VTAP_KIND_GLOBAL,
     .attributes = vtap_key_attributes,
     .help = "a user's access key, for programs: its id and a secret that is shown once"},
    {.name = "host",
     .plural = "hosts",
     .prefix = "host",
     .flags = VTAP_KIND_GLOBAL,
     .attributes = vtap_host_attributes,
     .check = vtap_host_check,
     .help = "a Linux machine with an agent"},
    {.name = "guest",
     .plural = "guests",
     .prefix = "i",
     .attributes = vtap_guest_attributes,
     .help = "a virtual machine or container, which owns interfaces"},
    {.name = "network",
     .plural = "networks",
     .prefix = "vpc",
     .attributes = vtap_network_attributes,
     .check = vtap_network_check,
     .help = "a VPC: address ranges with subnets and routes"},
    {.name = "subnet",
     .plural = "subnets",
     .prefix = "subnet",
     .attributes = vtap_subnet_attributes,
     .help = "an address range inside a network"},
    {.name = "interface",
     .plural = "interfaces",
     .prefix = "eni",
     .attributes = vtap_interface_attributes,
     .check = vtap_addresses_check,
     .help = "a network interface, and where it is plugged"},
    {.name = "wire",
     .plural = "wires",
     .prefix = "wire",
     .flags = VTAP_KIND_GLOBAL,
     .attributes = vtap_wire_attributes,
     .help = "a layer-2 segment of a host: a bridge or an uplink"},
    {.name = "gateway",
     .plural = "gateways",
     .prefix = "nat",
     .attributes = vtap_gateway_attributes,
     .check = vtap_addresses_check,
     .help = "a NAT gateway or other next hop of a network"},
    {.name = "target",
     .plural = "targets",
     .prefix = "tmt",
     .attributes = vtap_target_attributes,
     .check = vtap_target_check,
     .help = "where copies go: an address or an interface"},
    {.name = "filter",
     .plural = "filters",
     .prefix = "tmf",
     .attributes = vtap_filter_attributes,
     .help = "a list of rules for each direction; without rules it mirrors nothing"},
    {.name = "rule",
     .plural = "rules",
     .prefix = "tmfr",
     .flags = VTAP_KIND_INSIDE,
     .attributes = vtap_rule_attributes,
     .check = vtap_rule_check,
     .help = "accepts or rejects packets; the first of a direction that matches decides"},
    {.name = "session",
     .plural = "sessions",
     .prefix = "tms",
     .attributes = vtap_session_attributes,
     .check = vtap_session_check,
     .help = "sources, direction, filter, target, and how copies are delivered"},
    {},
};

const struct vtap_kind *vtap_kind_find(const char *name)
{
	for (const struct vtap_kind *k = vtap_kinds; k->name; k++)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

const struct vtap_kind *vtap_kind_by_plural(const char *plural)
{
	for (const struct vtap_kind *k = vtap_kinds; k->name; k++)
		if (strcmp(k->plural, plural) == 0)
			return k;
	return NULL;
}

const struct vtap_kind *vtap_kind_of_id(const char *id)
{
	for (const struct vtap_kind *k = vtap_kinds; k->name; k++)
		if (vtap_id_is_valid(k, id))
			return k;
	return NULL;
}

bool vtap_kind_is_among(const struct vtap_kind *kind, const char *kinds)
{
	size_t length = strlen(kind->name);

	while (*kinds) {
		size_t word = strcspn(kinds, " ");

		if (word == length && memcmp(kinds, kind->name, length) == 0)
			return true;
		kinds += word + strspn(kinds + word, " ");
	}
	return false;
}

static const struct vtap_attribute *find(const struct vtap_attribute *attributes, const char *name, size_t length)
{
	for (const struct vtap_attribute *a = attributes; a && a->name; a++)
		if (strlen(a->name) == length && memcmp(a->name, name, length) == 0)
			return a;
	return NULL;
}

const struct vtap_attribute *vtap_kind_attribute(const struct vtap_kind *kind, const char *path)
{
	const struct vtap_attribute *table = kind->attributes, *a;
	bool top = true;

	for (;;) {
		size_t length = strcspn(path, ".["), step = length;

		a = find(table, path, length);
		if (!a && top)
			a = find(vtap_attributes_common, path, length);
		if (a && path[length] == '[' && (a->flags & VTAP_ATTRIBUTE_LIST)) {
			step += 1 + strspn(path + length + 1, "0123456789");
			if (path[step] != ']')
				return NULL;
			step++;
		}
		if (!a || path[step] == '\0')
			return a;
		if (path[step] != '.' || a->type != VTAP_TYPE_OBJECT)
			return NULL;
		path += step + 1;
		table = a->attributes;
		top = false;
	}
}

static const struct vtap_attribute *find_text(const struct vtap_attribute *attributes, const char *name)
{
	return find(attributes, name, strlen(name));
}

/* A common one, or the kind's own in its place. NULL at the end of the table. */
static const struct vtap_attribute *common_or_own(const struct vtap_kind *kind, const struct vtap_attribute *common)
{
	const struct vtap_attribute *own = common->name ? find_text(kind->attributes, common->name) : NULL;

	if (own)
		return own;
	return common->name ? common : NULL;
}

/* The kind's own from a on, less those in the place of a common one; behind the last the common ones go on. */
static const struct vtap_attribute *own_from(const struct vtap_kind *kind, const struct vtap_attribute *a)
{
	for (; a->name; a++)
		if (!find_text(vtap_attributes_common, a->name))
			return a;
	return common_or_own(kind, find_text(vtap_attributes_common, COMMON_BEHIND));
}

const struct vtap_attribute *vtap_kind_next_attribute(const struct vtap_kind *kind,
						      const struct vtap_attribute *previous)
{
	const struct vtap_attribute *common = previous ? find_text(vtap_attributes_common, previous->name) : NULL;

	if (!previous)
		return common_or_own(kind, vtap_attributes_common);
	if (!common)
		return own_from(kind, previous + 1);
	if (common[1].name && strcmp(common[1].name, COMMON_BEHIND) == 0)
		return own_from(kind, kind->attributes);
	return common_or_own(kind, common + 1);
}

const char *vtap_type_name(enum vtap_type type)
{
	static const char *const names[] = {
	    [VTAP_TYPE_TEXT] = "text",     [VTAP_TYPE_NAME] = "name",         [VTAP_TYPE_NUMBER] = "number",
	    [VTAP_TYPE_BOOL] = "bool",     [VTAP_TYPE_WORD] = "word",         [VTAP_TYPE_ADDRESS] = "address",
	    [VTAP_TYPE_PREFIX] = "prefix", [VTAP_TYPE_MAC] = "mac",           [VTAP_TYPE_DEVICE] = "device",
	    [VTAP_TYPE_PORTS] = "ports",   [VTAP_TYPE_OFFLINE] = "offline",   [VTAP_TYPE_DURATION] = "duration",
	    [VTAP_TYPE_TIME] = "time",     [VTAP_TYPE_TAGS] = "tags",         [VTAP_TYPE_REFERENCE] = "reference",
	    [VTAP_TYPE_OBJECT] = "object", [VTAP_TYPE_PROTOCOL] = "protocol", [VTAP_TYPE_ETHERTYPE] = "ethertype",
	};
	_Static_assert(VTAP_ARRAY_SIZE(names) == VTAP_TYPE_MAX, "name every type");

	return names[type];
}

char *vtap_id_make(const struct vtap_kind *kind, const char hex[VTAP_ID_DIGITS + 1], char buffer[VTAP_ID_STRLEN])
{
	snprintf(buffer, VTAP_ID_STRLEN, "%s-%s", kind->prefix, hex);
	return buffer;
}

bool vtap_id_is_valid(const struct vtap_kind *kind, const char *id)
{
	size_t length;

	if (!kind)
		return vtap_kind_of_id(id) != NULL;
	length = strlen(kind->prefix);
	return strncmp(id, kind->prefix, length) == 0 && id[length] == '-' &&
	       strspn(id + length + 1, "0123456789abcdef") == VTAP_ID_DIGITS && id[length + 1 + VTAP_ID_DIGITS] == '\0';
}
