/* SPDX-License-Identifier: Apache-2.0 */

#include "model/target.h"

#include <errno.h>
#include <string.h>

static const struct vtap_field target_fields[] = {
    {VTAP_FIELD("name", struct vtap_target, name, vtap_place_read_name), .required = true},
    {VTAP_FIELD("address", struct vtap_target, address, vtap_place_read_address), .required = true},
    {VTAP_FIELD("local", struct vtap_target, local, vtap_place_read_address)},
    {VTAP_FIELD_NUMBER("mtu", struct vtap_target, mtu, VTAP_MTU_MIN_IPV4, VTAP_MTU_MAX)},
    {VTAP_FIELD("df", struct vtap_target, df, vtap_place_read_bool)},
    {VTAP_FIELD_NUMBER("dscp", struct vtap_target, dscp, 0, VTAP_DSCP_MAX)},
    {VTAP_FIELD_NUMBER("ttl", struct vtap_target, ttl, 1, 255)},
    {},
};

static int check_target(const struct vtap_place *p, const struct vtap_target *t)
{
	struct vtap_place address = vtap_place_member(p, "address"), local = vtap_place_member(p, "local");
	struct vtap_place mtu = vtap_place_member(p, "mtu"), name = vtap_place_member(p, "name");

	if (!vtap_addr_is_unicast(&t->address))
		return vtap_place_fail_value(&address, "the unicast address of another host");
	if (local.value && !vtap_addr_is_unicast(&t->local))
		return vtap_place_fail_value(&local, "a unicast address of this host");
	if (local.value && t->local.family != t->address.family)
		return vtap_place_fail(&local, -EINVAL, "must have the IP version of address");
	if (local.value && vtap_addr_equal(&t->local, &t->address))
		return vtap_place_fail(&local, -EINVAL, "must not be the target's own address");
	if (t->mtu > 0 && t->mtu < VTAP_MTU_MIN_IPV6 && t->address.family == AF_INET6)
		return vtap_place_fail_value(&mtu, "%d..%d with an IPv6 address", VTAP_MTU_MIN_IPV6, VTAP_MTU_MAX);
	for (const struct vtap_target *other = p->config->targets; other < t; other++)
		if (strcmp(other->name, t->name) == 0)
			return vtap_place_fail(&name, -EINVAL, "\"%s\" is used twice, first on line %u", t->name,
					       other->line);
	return 0;
}

int vtap_target_read(const struct vtap_place *p, void *object)
{
	struct vtap_target *t = object;
	int r;

	t->line = vtap_place_line(p);
	t->ttl = VTAP_TTL;
	r = vtap_place_read_mapping(p, target_fields, t);
	return r < 0 ? r : check_target(p, t);
}
