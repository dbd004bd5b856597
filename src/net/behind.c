/* SPDX-License-Identifier: Apache-2.0 */

/* Who is behind devices: addresses, neighbours, what bridges learned, other ends of cables in other namespaces. */

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "net/net.h"
#include "net/private.h"

int vtap_net_link_at(const struct vtap_net *n, size_t i, struct vtap_link *ret_link)
{
	if (i >= n->links.n)
		return -ENOENT;
	*ret_link = n->links.items[i];
	return 0;
}

struct address_visit {
	void (*visit)(uint32_t ifindex, const struct vtap_addr *address, void *userdata);
	void *userdata; /* borrowed */
};

static int address_parse(const struct nlmsghdr *h, void *userdata)
{
	const struct ifaddrmsg *header = nlmsg_data(h);
	const struct address_visit *v = userdata;
	struct nlattr *tb[IFA_MAX + 1], *local;
	struct vtap_addr address;

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(*header), tb, IFA_MAX, NULL) < 0)
		return -EBADMSG;
	/* On point-to-point links IFA_ADDRESS is the other end's. */
	local = tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
	if (!local || header->ifa_scope == RT_SCOPE_LINK || header->ifa_scope == RT_SCOPE_HOST)
		return 0;
	address = vtap_net_addr_from(header->ifa_family, nla_data(local), (size_t)nla_len(local));
	if (address.family != AF_UNSPEC)
		v->visit(header->ifa_index, &address, v->userdata);
	return 0;
}

int vtap_net_addresses_each(struct vtap_net *n, int32_t namespace_id, uint32_t ifindex,
			    void (*visit)(uint32_t ifindex, const struct vtap_addr *address, void *userdata),
			    void *userdata)
{
	const struct ifaddrmsg header = {.ifa_family = AF_UNSPEC, .ifa_index = ifindex};
	struct address_visit v = {visit, userdata};
	_cleanup_message_ struct nl_msg *m = NULL;

	m = vtap_net_message_new(RTM_GETADDR, NLM_F_DUMP, &header, sizeof(header));
	if (!m || (namespace_id >= 0 && nla_put_u32(m, IFA_TARGET_NETNSID, (uint32_t)namespace_id) < 0))
		return -ENOMEM;
	return vtap_net_request(n, n->strict_fd, m, address_parse, &v);
}

struct neighbour_visit {
	void (*visit)(uint32_t ifindex, const struct vtap_addr *address, const struct vtap_mac *mac, void *userdata);
	void *userdata; /* borrowed */
	uint16_t passed_over; /* states */
};

static int neighbour_parse(const struct nlmsghdr *h, void *userdata)
{
	const struct ndmsg *d = nlmsg_data(h);
	const struct neighbour_visit *v = userdata;
	struct nlattr *tb[NDA_MAX + 1];
	struct vtap_addr address = {};
	struct vtap_mac mac;

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(*d), tb, NDA_MAX, NULL) < 0)
		return -EBADMSG;
	if (!tb[NDA_LLADDR] || nla_len(tb[NDA_LLADDR]) != sizeof(mac.bytes) || d->ndm_state & v->passed_over ||
	    d->ndm_flags & NTF_SELF)
		return 0;
	memcpy(mac.bytes, nla_data(tb[NDA_LLADDR]), sizeof(mac.bytes));
	if (d->ndm_family != AF_BRIDGE && tb[NDA_DST])
		address = vtap_net_addr_from(d->ndm_family, nla_data(tb[NDA_DST]), (size_t)nla_len(tb[NDA_DST]));
	if (d->ndm_family == AF_BRIDGE || address.family != AF_UNSPEC)
		v->visit((uint32_t)d->ndm_ifindex, &address, &mac, v->userdata);
	return 0;
}

int vtap_net_neighbours_each(struct vtap_net *n, bool bridged,
			     void (*visit)(uint32_t ifindex, const struct vtap_addr *address,
					   const struct vtap_mac *mac, void *userdata),
			     void *userdata)
{
	const struct ndmsg header = {.ndm_family = bridged ? AF_BRIDGE : AF_UNSPEC};
	/* A bridge's permanent entries are its ports' own. */
	struct neighbour_visit v = {visit, userdata, bridged ? NUD_PERMANENT : NUD_NOARP | NUD_INCOMPLETE | NUD_FAILED};
	_cleanup_message_ struct nl_msg *m = NULL;

	m = vtap_net_message_new(RTM_GETNEIGH, NLM_F_DUMP, &header, sizeof(header));
	return m ? vtap_net_request(n, n->route_fd, m, neighbour_parse, &v) : -ENOMEM;
}

static int peer_parse(const struct nlmsghdr *h, void *userdata)
{
	struct nlattr *tb[IFLA_MAX + 1];
	struct vtap_peer *peer = userdata;

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(struct ifinfomsg), tb, IFLA_MAX, NULL) < 0)
		return -EBADMSG;
	if (tb[IFLA_LINK])
		peer->ifindex = nla_get_u32(tb[IFLA_LINK]);
	if (tb[IFLA_LINK_NETNSID])
		peer->namespace_id = (int32_t)nla_get_u32(tb[IFLA_LINK_NETNSID]);
	return 0;
}

static int peer_parse_mac(const struct nlmsghdr *h, void *userdata)
{
	struct nlattr *tb[IFLA_MAX + 1];
	struct vtap_peer *peer = userdata;

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(struct ifinfomsg), tb, IFLA_MAX, NULL) < 0)
		return -EBADMSG;
	if (tb[IFLA_ADDRESS] && nla_len(tb[IFLA_ADDRESS]) == sizeof(peer->mac.bytes))
		memcpy(peer->mac.bytes, nla_data(tb[IFLA_ADDRESS]), sizeof(peer->mac.bytes));
	return 0;
}

static int link_ask(struct vtap_net *n, uint32_t ifindex, int32_t namespace_id, vtap_net_handler handler,
		    struct vtap_peer *peer)
{
	const struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex};
	_cleanup_message_ struct nl_msg *m = NULL;

	m = vtap_net_message_new(RTM_GETLINK, 0, &header, sizeof(header));
	if (!m || (namespace_id >= 0 && nla_put_u32(m, IFLA_TARGET_NETNSID, (uint32_t)namespace_id) < 0) ||
	    nla_put_u32(m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) < 0)
		return -ENOMEM;
	return vtap_net_request(n, n->route_fd, m, handler, peer);
}

int vtap_net_peer(struct vtap_net *n, uint32_t ifindex, struct vtap_peer *ret_peer)
{
	struct vtap_peer peer = {.namespace_id = -1};
	int r;

	r = link_ask(n, ifindex, -1, peer_parse, &peer);
	if (r >= 0 && !peer.ifindex)
		r = -ENOENT;
	if (r >= 0)
		r = link_ask(n, peer.ifindex, peer.namespace_id, peer_parse_mac, &peer);
	if (r < 0)
		return r;
	*ret_peer = peer;
	return 0;
}

static int namespace_parse(const struct nlmsghdr *h, void *userdata)
{
	struct nlattr *tb[NETNSA_MAX + 1];
	int32_t *id = userdata;

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(struct rtgenmsg), tb, NETNSA_MAX, NULL) < 0)
		return -EBADMSG;
	if (tb[NETNSA_NSID])
		*id = (int32_t)nla_get_u32(tb[NETNSA_NSID]);
	return 0;
}

int vtap_net_namespace_id(struct vtap_net *n, int fd, int32_t *ret_id)
{
	const struct rtgenmsg header = {.rtgen_family = AF_UNSPEC};
	_cleanup_message_ struct nl_msg *m = NULL;
	int32_t id = NETNSA_NSID_NOT_ASSIGNED;
	int r;

	m = vtap_net_message_new(RTM_GETNSID, 0, &header, sizeof(header));
	if (!m || nla_put_u32(m, NETNSA_FD, (uint32_t)fd) < 0)
		return -ENOMEM;
	r = vtap_net_request(n, n->route_fd, m, namespace_parse, &id);
	if (r < 0)
		return r;
	if (id < 0)
		return -ENOENT;
	*ret_id = id;
	return 0;
}
