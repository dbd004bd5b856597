/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "net/net.h"
#include "net/private.h"

static const struct nla_policy route_policy[RTA_MAX + 1] = {
    [RTA_OIF] = {.type = NLA_U32},
    [RTA_METRICS] = {.type = NLA_NESTED},
    [RTA_VIA] = {.minlen = offsetof(struct rtvia, rtvia_addr) + 4},
};
static const struct nla_policy metrics_policy[RTAX_MAX + 1] = {
    [RTAX_MTU] = {.type = NLA_U32},
};

/* IPv6 may answer with the route that refuses, where IPv4 answers with the error; these are IPv4's errors. */
static const struct {
	uint8_t type;
	int r;
} refusals[] = {
    {RTN_BLACKHOLE, -EINVAL},
    {RTN_UNREACHABLE, -EHOSTUNREACH},
    {RTN_PROHIBIT, -EACCES},
};

struct vtap_addr vtap_net_addr_from(uint8_t family, const void *bytes, size_t size_bytes)
{
	struct vtap_addr a = {};

	if (size_bytes != 0 && size_bytes == vtap_addr_size_bytes(family)) {
		a.family = family;
		memcpy(a.bytes, bytes, size_bytes);
	}
	return a;
}

static struct vtap_addr gateway_parse(uint8_t family, struct nlattr *tb[RTA_MAX + 1])
{
	const struct rtvia *via;

	if (tb[RTA_GATEWAY])
		return vtap_net_addr_from(family, nla_data(tb[RTA_GATEWAY]), (size_t)nla_len(tb[RTA_GATEWAY]));
	if (!tb[RTA_VIA])
		return (struct vtap_addr){};
	/* The gateway is of the other family: IPv4 over an IPv6 next hop. */
	via = nla_data(tb[RTA_VIA]);
	return vtap_net_addr_from((uint8_t)via->rtvia_family, via->rtvia_addr,
				  (size_t)nla_len(tb[RTA_VIA]) - offsetof(struct rtvia, rtvia_addr));
}

static int route_parse(const struct nlmsghdr *h, void *userdata)
{
	struct nlattr *tb[RTA_MAX + 1], *metrics[RTAX_MAX + 1];
	const struct rtmsg *m = nlmsg_data(h);
	struct vtap_route *route = userdata;

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(*m), tb, RTA_MAX, route_policy) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(refusals); i++)
		if (m->rtm_type == refusals[i].type)
			return refusals[i].r;
	if (!tb[RTA_OIF])
		return -ENETUNREACH;
	*route = (struct vtap_route){
	    .ifindex = nla_get_u32(tb[RTA_OIF]),
	    .gateway = gateway_parse(m->rtm_family, tb),
	    .local = m->rtm_type == RTN_LOCAL,
	};
	if (tb[RTA_PREFSRC])
		route->source =
		    vtap_net_addr_from(m->rtm_family, nla_data(tb[RTA_PREFSRC]), (size_t)nla_len(tb[RTA_PREFSRC]));
	if (tb[RTA_METRICS] && nla_parse_nested(metrics, RTAX_MAX, tb[RTA_METRICS], metrics_policy) == 0 &&
	    metrics[RTAX_MTU])
		route->mtu = nla_get_u32(metrics[RTAX_MTU]);
	return 0;
}

/* Only whether there is one: an entry of several next hops names no device of its own. */
static int entry_parse(const struct nlmsghdr *h, void *userdata)
{
	const struct rtmsg *m = nlmsg_data(h);

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(refusals); i++)
		if (m->rtm_type == refusals[i].type)
			return refusals[i].r;
	return 0;
}

/* entry: asks for the entry of the routing table alone, and ret_route stays as it is. */
static int route_ask(struct vtap_net *n, const struct vtap_addr *destination, const struct vtap_addr *source,
		     uint32_t oif, bool entry, struct vtap_route *ret_route)
{
	unsigned size_bytes = vtap_addr_size_bytes(destination->family);
	struct rtmsg header = {.rtm_family = destination->family, .rtm_dst_len = (unsigned char)(size_bytes * 8)};
	_cleanup_message_ struct nl_msg *m = NULL;

	header.rtm_flags = entry ? RTM_F_FIB_MATCH : 0;
	if (source->family != AF_UNSPEC)
		header.rtm_src_len = header.rtm_dst_len;
	m = vtap_net_message_new(RTM_GETROUTE, 0, &header, sizeof(header));
	if (!m || nla_put(m, RTA_DST, (int)size_bytes, destination->bytes) < 0 ||
	    (source->family != AF_UNSPEC && nla_put(m, RTA_SRC, (int)size_bytes, source->bytes) < 0) ||
	    (oif != 0 && nla_put_u32(m, RTA_OIF, oif) < 0))
		return -ENOMEM;
	return vtap_net_request(n, n->route_fd, m, entry ? entry_parse : route_parse, ret_route);
}

int vtap_net_route_get(struct vtap_net *n, const struct vtap_addr *destination, const struct vtap_addr *source,
		       uint32_t oif, struct vtap_route *ret_route)
{
	struct vtap_route route = {};
	int r = 0;

	if (vtap_addr_size_bytes(destination->family) == 0)
		return -EAFNOSUPPORT;
	if (source->family != AF_UNSPEC && source->family != destination->family)
		return -EAFNOSUPPORT;

	/* Asked for a device that no route leads out of, IPv4 would take the destination to be on its link. */
	if (oif != 0)
		r = route_ask(n, destination, source, oif, true, &route);
	if (r >= 0)
		r = route_ask(n, destination, source, oif, false, &route);
	if (r < 0)
		return r;
	/* Asked with a source, IPv4 does not repeat it and IPv6 names the one that it would have taken. */
	if (source->family != AF_UNSPEC)
		route.source = *source;
	r = vtap_net_xfrm_takes(n, destination, &route.source, route.ifindex, &route.xfrm);
	if (r < 0)
		return r;
	*ret_route = route;
	return 0;
}
