/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
/* After the C library's own, which it then leaves alone. */
#include <linux/gen_stats.h>
#include <linux/if.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "net/net.h"
#include "net/private.h"

static const struct nla_policy link_policy[IFLA_MAX + 1] = {
    [IFLA_IFNAME] = {.type = NLA_STRING, .maxlen = IFNAMSIZ},
    [IFLA_MTU] = {.type = NLA_U32},
    [IFLA_OPERSTATE] = {.type = NLA_U8},
    [IFLA_MASTER] = {.type = NLA_U32},
    [IFLA_QDISC] = {.type = NLA_STRING},
    [IFLA_LINKINFO] = {.type = NLA_NESTED},
    [IFLA_STATS64] = {.minlen = offsetof(struct rtnl_link_stats64, rx_nohandler)},
};
static const struct nla_policy link_info_policy[IFLA_INFO_MAX + 1] = {
    [IFLA_INFO_KIND] = {.type = NLA_STRING},
};

static void link_parse_kind(struct nlattr *link_info, struct vtap_link *l)
{
	struct nlattr *tb[IFLA_INFO_MAX + 1];

	if (nla_parse_nested(tb, IFLA_INFO_MAX, link_info, link_info_policy) < 0 || !tb[IFLA_INFO_KIND])
		return;
	nla_strlcpy(l->kind, tb[IFLA_INFO_KIND], sizeof(l->kind));
}

static void link_parse(const struct ifinfomsg *i, struct nlattr *tb[IFLA_MAX + 1], struct vtap_link *ret_link)
{
	uint8_t operstate = tb[IFLA_OPERSTATE] ? nla_get_u8(tb[IFLA_OPERSTATE]) : IF_OPER_UNKNOWN;
	struct vtap_link l;

	/* Padding too, since links are compared as bytes. */
	memset(&l, 0, sizeof(l));
	l.ifindex = (uint32_t)i->ifi_index;
	l.up = i->ifi_flags & IFF_UP;
	/* Devices whose drivers know no operational state say UNKNOWN for ever; their carrier must do. */
	l.running =
	    l.up && (operstate == IF_OPER_UP || (operstate == IF_OPER_UNKNOWN && (i->ifi_flags & IFF_LOWER_UP)));
	l.loopback = i->ifi_flags & IFF_LOOPBACK;
	l.ethernet = i->ifi_type == ARPHRD_ETHER && !l.loopback;
	nla_strlcpy(l.name, tb[IFLA_IFNAME], sizeof(l.name));
	if (tb[IFLA_MTU])
		l.mtu = nla_get_u32(tb[IFLA_MTU]);
	if (tb[IFLA_MASTER])
		l.master_ifindex = nla_get_u32(tb[IFLA_MASTER]);
	if (tb[IFLA_ADDRESS] && nla_len(tb[IFLA_ADDRESS]) == sizeof(l.mac.bytes))
		memcpy(l.mac.bytes, nla_data(tb[IFLA_ADDRESS]), sizeof(l.mac.bytes));
	if (tb[IFLA_LINKINFO])
		link_parse_kind(tb[IFLA_LINKINFO], &l);
	*ret_link = l;
}

/* The place of ifindex, or the one where it belongs. */
static size_t links_place(const struct vtap_net_links *t, uint32_t ifindex)
{
	size_t low = 0, high = t->n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (t->items[middle].ifindex < ifindex)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int links_put(struct vtap_net_links *t, const struct vtap_link *l, bool *ret_changed)
{
	size_t at = links_place(t, l->ifindex), n_allocated;
	struct vtap_link *items;

	if (at < t->n && t->items[at].ifindex == l->ifindex) {
		*ret_changed = memcmp(&t->items[at], l, sizeof(*l)) != 0;
		memcpy(&t->items[at], l, sizeof(*l));
		return 0;
	}
	if (t->n == t->n_allocated) {
		n_allocated = t->n_allocated ? t->n_allocated * 2 : 64;
		items = reallocarray(t->items, n_allocated, sizeof(*items));
		if (!items)
			return -ENOMEM;
		t->items = items;
		t->n_allocated = n_allocated;
	}
	memmove(&t->items[at + 1], &t->items[at], (t->n - at) * sizeof(*t->items));
	memcpy(&t->items[at], l, sizeof(*l));
	t->n++;
	*ret_changed = true;
	return 0;
}

static bool links_drop(struct vtap_net_links *t, uint32_t ifindex)
{
	size_t at = links_place(t, ifindex);

	if (at == t->n || t->items[at].ifindex != ifindex)
		return false;
	t->n--;
	memmove(&t->items[at], &t->items[at + 1], (t->n - at) * sizeof(*t->items));
	return true;
}

static int links_update(struct vtap_net_links *t, const struct nlmsghdr *h, bool *ret_changed)
{
	const struct ifinfomsg *i = nlmsg_data(h);
	struct nlattr *tb[IFLA_MAX + 1];
	struct vtap_link l;

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(*i), tb, IFLA_MAX, link_policy) < 0)
		return -EBADMSG;
	/* A bridge tells of its ports by the same messages: there, "deleted" means "no longer a port". */
	if (i->ifi_family != AF_UNSPEC) {
		*ret_changed = false;
		return 0;
	}
	if (h->nlmsg_type == RTM_DELLINK) {
		*ret_changed = links_drop(t, (uint32_t)i->ifi_index);
		return 0;
	}
	/* Wireless events come as links that carry nothing but the event. */
	if (!tb[IFLA_IFNAME] || tb[IFLA_WIRELESS]) {
		*ret_changed = false;
		return 0;
	}
	link_parse(i, tb, &l);
	return links_put(t, &l, ret_changed);
}

int vtap_net_links_update(struct vtap_net *n, const struct nlmsghdr *h, bool *ret_changed)
{
	return links_update(&n->links, h, ret_changed);
}

static int links_read_one(const struct nlmsghdr *h, void *userdata)
{
	bool changed;

	return links_update(userdata, h, &changed);
}

int vtap_net_links_read(struct vtap_net *n)
{
	const struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	_cleanup_message_ struct nl_msg *m = NULL;
	struct vtap_net_links links = {};
	int r;

	m = vtap_net_message_new(RTM_GETLINK, NLM_F_DUMP, &header, sizeof(header));
	if (!m || nla_put_u32(m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) < 0)
		return -ENOMEM;
	r = vtap_net_request(n, n->route_fd, m, links_read_one, &links);
	if (r < 0) {
		free(links.items);
		return r;
	}
	free(n->links.items);
	n->links = links;
	return 0;
}

int vtap_net_link_by_name(const struct vtap_net *n, const char *name, struct vtap_link *ret_link)
{
	for (size_t i = 0; i < n->links.n; i++)
		if (strcmp(n->links.items[i].name, name) == 0) {
			*ret_link = n->links.items[i];
			return 0;
		}
	return -ENODEV;
}

int vtap_net_link_by_index(const struct vtap_net *n, uint32_t ifindex, struct vtap_link *ret_link)
{
	size_t at = links_place(&n->links, ifindex);

	if (at == n->links.n || n->links.items[at].ifindex != ifindex)
		return -ENODEV;
	*ret_link = n->links.items[at];
	return 0;
}

static int queue_from_link(const struct nlmsghdr *h, void *userdata)
{
	struct nlattr *tb[IFLA_MAX + 1];
	bool *queue = userdata;

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(struct ifinfomsg), tb, IFLA_MAX, link_policy) < 0)
		return -EBADMSG;
	*queue = !tb[IFLA_QDISC] || nla_strcmp(tb[IFLA_QDISC], "noqueue") != 0;
	return 0;
}

int vtap_net_has_queue(struct vtap_net *n, uint32_t ifindex, bool *ret_queue)
{
	const struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex};
	_cleanup_message_ struct nl_msg *m = NULL;

	m = vtap_net_message_new(RTM_GETLINK, 0, &header, sizeof(header));
	if (!m)
		return -ENOMEM;
	*ret_queue = true;
	return vtap_net_request(n, n->route_fd, m, queue_from_link, ret_queue);
}

static int drops_from_link(const struct nlmsghdr *h, void *userdata)
{
	struct vtap_link_drops *drops = userdata;
	struct nlattr *tb[IFLA_MAX + 1];
	struct rtnl_link_stats64 s = {};

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(struct ifinfomsg), tb, IFLA_MAX, link_policy) < 0)
		return -EBADMSG;
	if (!tb[IFLA_STATS64])
		return 0;
	/* Copied, because attributes are aligned to four bytes only, and the kernel's struct may be longer or shorter. */
	memcpy(&s, nla_data(tb[IFLA_STATS64]), VTAP_MIN(sizeof(s), (size_t)nla_len(tb[IFLA_STATS64])));
	drops->rx_dropped = s.rx_dropped;
	drops->tx_dropped = s.tx_dropped;
	drops->tx_errors = s.tx_errors;
	return 0;
}

struct qdisc_drops {
	uint32_t ifindex;
	uint64_t dropped;
};

static int drops_from_qdisc(const struct nlmsghdr *h, void *userdata)
{
	struct nlattr *tb[TCA_MAX + 1], *stats[TCA_STATS_MAX + 1];
	const struct tcmsg *t = nlmsg_data(h);
	struct qdisc_drops *d = userdata;
	struct gnet_stats_queue q;

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(*t), tb, TCA_MAX, NULL) < 0)
		return -EBADMSG;
	/* The root alone: mq and the classful ones add up their children themselves. */
	if ((uint32_t)t->tcm_ifindex != d->ifindex || t->tcm_parent != TC_H_ROOT || !tb[TCA_STATS2])
		return 0;
	if (nla_parse_nested(stats, TCA_STATS_MAX, tb[TCA_STATS2], NULL) < 0)
		return -EBADMSG;
	if (stats[TCA_STATS_QUEUE] && nla_len(stats[TCA_STATS_QUEUE]) >= (int)sizeof(q)) {
		memcpy(&q, nla_data(stats[TCA_STATS_QUEUE]), sizeof(q));
		d->dropped = q.drops;
	}
	return 0;
}

int vtap_net_link_drops(struct vtap_net *n, uint32_t ifindex, struct vtap_link_drops *ret_drops)
{
	const struct ifinfomsg link_header = {.ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex};
	const struct tcmsg qdisc_header = {.tcm_family = AF_UNSPEC, .tcm_ifindex = (int)ifindex};
	_cleanup_message_ struct nl_msg *link_message = NULL, *qdisc_message = NULL;
	struct qdisc_drops qdisc = {.ifindex = ifindex};
	struct vtap_link_drops drops = {};
	int r;

	link_message = vtap_net_message_new(RTM_GETLINK, 0, &link_header, sizeof(link_header));
	qdisc_message = vtap_net_message_new(RTM_GETQDISC, NLM_F_DUMP, &qdisc_header, sizeof(qdisc_header));
	if (!link_message || !qdisc_message)
		return -ENOMEM;
	r = vtap_net_request(n, n->route_fd, link_message, drops_from_link, &drops);
	if (r < 0)
		return r;
	/* Asking for one qdisc would also announce it to every listener, so all are read. */
	r = vtap_net_request(n, n->route_fd, qdisc_message, drops_from_qdisc, &qdisc);
	if (r < 0)
		return r;
	drops.qdisc_dropped = qdisc.dropped;
	*ret_drops = drops;
	return 0;
}
