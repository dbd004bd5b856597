/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "net/net.h"
#include "net/private.h"

/*
 * Device group of both ends, set in the very message that creates them: the sign by which they are known as ours after
 * any crash. A device of that name without it is somebody else's and is never changed. The letters "vtap".
 */
#define STAGE_GROUP 0x76746170U
#define STAGE_MTU 65521
/*
 * One queue only. A veth whose ring runs by GRO alone does not know which queue of its peer a ring belongs to and always
 * wakes the first (drivers/net/veth.c registers the number with XDP only): any other queue that once ran full would stay
 * stopped for good.
 */
#define STAGE_QUEUES 1U

/*
 * What leaves near must be what goes over a wire: one packet each, its checksum whole, and a VLAN tag still in metadata, as
 * it would be for a real device. Without scatter-gather the kernel copies a segment's bytes and sums them up in one go;
 * with it they would be summed first, and copied all the same once the copy is cut.
 */
static const struct vtap_net_offload near_offloads[] = {
    {"tx-scatter-gather*", false},
    {"tx-vlan-hw-insert", true},
    {"tx-vlan-stag-hw-insert", true},
    {"tx-checksum*", false},
    {"tx-tcp*", false},
    {"tx-udp*", false},
    {"tx-gre*", false},
    {"tx-ipxip*", false},
    {"tx-sctp*", false},
    {"tx-esp*", false},
    {"tx-gso*", false},
    {"tx-tunnel*", false},
    {"tx-fcoe*", false},
    {"tx-macsec*", false},
};
/* GRO gives far a ring and a NAPI of its own; the two kinds that would join UDP packets again stay off. */
static const struct vtap_net_offload far_offloads[] = {
    {"rx-gro", true},
    {"rx-gro-list", false},
    {"rx-udp-gro-forwarding", false},
};

struct end {
	bool exists;
	bool ours;
	uint32_t ifindex;
	uint32_t peer_ifindex; /* 0 = not in this namespace */
};

static int end_parse(const struct nlmsghdr *h, void *userdata)
{
	struct nlattr *tb[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1] = {};
	const struct ifinfomsg *i = nlmsg_data(h);
	struct end *e = userdata;

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(*i), tb, IFLA_MAX, NULL) < 0 ||
	    (tb[IFLA_LINKINFO] && nla_parse_nested(info, IFLA_INFO_MAX, tb[IFLA_LINKINFO], NULL) < 0))
		return -EBADMSG;
	*e = (struct end){
	    .exists = true,
	    .ifindex = (uint32_t)i->ifi_index,
	    .ours = info[IFLA_INFO_KIND] && nla_strcmp(info[IFLA_INFO_KIND], "veth") == 0 && tb[IFLA_GROUP] &&
		    nla_get_u32(tb[IFLA_GROUP]) == STAGE_GROUP,
	    /* A peer in another namespace is named by its index there. */
	    .peer_ifindex = tb[IFLA_LINK] && !tb[IFLA_LINK_NETNSID] ? nla_get_u32(tb[IFLA_LINK]) : 0,
	};
	return 0;
}

/* Asks the kernel, because the cache lags behind what this file has just ordered. */
static int end_get(struct vtap_net *n, const char *name, struct end *ret_end)
{
	const struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	_cleanup_message_ struct nl_msg *m = NULL;
	struct end e = {};
	int r;

	m = vtap_net_message_new(RTM_GETLINK, 0, &header, sizeof(header));
	if (!m || nla_put_string(m, IFLA_IFNAME, name) < 0)
		return -ENOMEM;
	r = vtap_net_request(n, n->route_fd, m, end_parse, &e);
	if (r < 0 && r != -ENODEV)
		return r;
	*ret_end = e;
	return 0;
}

static int end_delete(struct vtap_net *n, uint32_t ifindex)
{
	const struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex};
	_cleanup_message_ struct nl_msg *m = NULL;
	int r;

	m = vtap_net_message_new(RTM_DELLINK, 0, &header, sizeof(header));
	if (!m)
		return -ENOMEM;
	r = vtap_net_request(n, n->route_fd, m, NULL, NULL);
	return r == -ENODEV ? 0 : r;
}

static int end_describe(struct nl_msg *m, const char *name)
{
	if (nla_put_string(m, IFLA_IFNAME, name) < 0 || nla_put_u32(m, IFLA_GROUP, STAGE_GROUP) < 0 ||
	    nla_put_u32(m, IFLA_MTU, STAGE_MTU) < 0 || nla_put_u32(m, IFLA_NUM_TX_QUEUES, STAGE_QUEUES) < 0 ||
	    nla_put_u32(m, IFLA_NUM_RX_QUEUES, STAGE_QUEUES) < 0)
		return -ENOMEM;
	return 0;
}

static int pair_create(struct vtap_net *n, const char *near, const char *far)
{
	const struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	_cleanup_message_ struct nl_msg *m = NULL;
	struct nlattr *info, *data, *peer;

	m = vtap_net_message_new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	if (!m || end_describe(m, near) < 0)
		return -ENOMEM;
	info = nla_nest_start(m, IFLA_LINKINFO);
	if (!info || nla_put_string(m, IFLA_INFO_KIND, "veth") < 0)
		return -ENOMEM;
	data = nla_nest_start(m, IFLA_INFO_DATA);
	peer = data ? nla_nest_start(m, VETH_INFO_PEER) : NULL;
	if (!peer || nlmsg_append(m, (void *)&header, sizeof(header), NLMSG_ALIGNTO) < 0 || end_describe(m, far) < 0)
		return -ENOMEM;
	(void)nla_nest_end(m, peer);
	(void)nla_nest_end(m, data);
	(void)nla_nest_end(m, info);
	return vtap_net_request(n, n->route_fd, m, NULL, NULL);
}

/* Leaves near and far as a pair of ours, by whatever deleting and creating that takes. */
static int pair_ensure(struct vtap_net *n, const char *near, const char *far, struct end *ret_near, struct end *ret_far)
{
	struct end a, b;
	int r;

	r = end_get(n, near, &a);
	if (r < 0)
		return r;
	r = end_get(n, far, &b);
	if (r < 0)
		return r;
	if ((a.exists && !a.ours) || (b.exists && !b.ours))
		return -EEXIST;
	if (!a.exists || !b.exists || a.peer_ifindex != b.ifindex) {
		/* Deleting one end of a pair deletes the other, wherever it was moved or whatever it is called now. */
		r = a.exists ? end_delete(n, a.ifindex) : 0;
		if (r == 0 && b.exists)
			r = end_delete(n, b.ifindex);
		if (r == 0)
			r = pair_create(n, near, far);
		if (r == 0)
			r = end_get(n, near, &a);
		if (r == 0)
			r = end_get(n, far, &b);
		if (r < 0)
			return r;
		if (!a.exists || !b.exists)
			return -ENODEV;
	}
	*ret_near = a;
	*ret_far = b;
	return 0;
}

/* Devices that have no IPv6 at all answer -EAFNOSUPPORT, which is as good. */
static int end_set_no_ipv6(struct vtap_net *n, uint32_t ifindex, const char *name)
{
	const struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex};
	char path[sizeof("/proc/sys/net/ipv6/conf//disable_ipv6") + IFNAMSIZ];
	_cleanup_message_ struct nl_msg *m = NULL;
	_cleanup_close_ int fd = -1;
	struct nlattr *spec, *inet6;
	int r;

	m = vtap_net_message_new(RTM_SETLINK, 0, &header, sizeof(header));
	spec = m ? nla_nest_start(m, IFLA_AF_SPEC) : NULL;
	inet6 = spec ? nla_nest_start(m, AF_INET6) : NULL;
	if (!inet6 || nla_put_u8(m, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE) < 0)
		return -ENOMEM;
	(void)nla_nest_end(m, inet6);
	(void)nla_nest_end(m, spec);
	r = vtap_net_request(n, n->route_fd, m, NULL, NULL);
	if (r == -EAFNOSUPPORT)
		return 0;
	if (r < 0)
		return r;
	/* In a container this may be read-only; the device then joins the all-nodes group, and has still no address. */
	(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!write(fd, "1", 1);
	return 0;
}

static int end_set(struct vtap_net *n, uint32_t ifindex, bool up, uint32_t gso_max_segs)
{
	const struct ifinfomsg header = {
	    .ifi_family = AF_UNSPEC,
	    .ifi_index = (int)ifindex,
	    .ifi_flags = IFF_NOARP | (up ? IFF_UP : 0),
	    .ifi_change = IFF_NOARP | (up ? IFF_UP : 0),
	};
	_cleanup_message_ struct nl_msg *m = NULL;

	m = vtap_net_message_new(RTM_SETLINK, 0, &header, sizeof(header));
	if (!m || nla_put_u32(m, IFLA_MTU, STAGE_MTU) < 0 ||
	    (gso_max_segs != 0 && nla_put_u32(m, IFLA_GSO_MAX_SEGS, gso_max_segs) < 0))
		return -ENOMEM;
	return vtap_net_request(n, n->route_fd, m, NULL, NULL);
}

static int fifo_set(struct vtap_net *n, uint32_t ifindex, uint32_t limit_bytes)
{
	const struct tcmsg header = {.tcm_family = AF_UNSPEC, .tcm_ifindex = (int)ifindex, .tcm_parent = TC_H_ROOT};
	const struct tc_fifo_qopt options = {.limit = limit_bytes};
	_cleanup_message_ struct nl_msg *m = NULL;

	m = vtap_net_message_new(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header));
	if (!m || nla_put_string(m, TCA_KIND, "bfifo") < 0 || nla_put(m, TCA_OPTIONS, sizeof(options), &options) < 0)
		return -ENOMEM;
	return vtap_net_request(n, n->route_fd, m, NULL, NULL);
}

int vtap_net_stage_ensure(struct vtap_net *n, const char *near, const char *far, uint32_t queue_bytes,
			  uint32_t *ret_near_ifindex, uint32_t *ret_far_ifindex)
{
	struct end a, b;
	int r;

	if (strlen(near) >= IFNAMSIZ || strlen(far) >= IFNAMSIZ)
		return -EINVAL;
	r = pair_ensure(n, near, far, &a, &b);
	if (r < 0)
		return r;

	/* Everything before the devices are up, so that the first packet already finds it so. */
	r = end_set_no_ipv6(n, a.ifindex, near);
	if (r == 0)
		r = end_set_no_ipv6(n, b.ifindex, far);
	if (r == 0)
		r = vtap_net_offload_set(n, near, near_offloads, VTAP_ARRAY_SIZE(near_offloads));
	if (r == 0)
		r = vtap_net_offload_set(n, far, far_offloads, VTAP_ARRAY_SIZE(far_offloads));
	if (r == 0)
		r = fifo_set(n, a.ifindex, VTAP_MAX(queue_bytes, 1U));
	/* A super-packet counts more than one segment and so is cut, even if somebody turns an offload on again. */
	if (r == 0)
		r = end_set(n, a.ifindex, true, 1);
	if (r == 0)
		r = end_set(n, b.ifindex, true, 0);
	if (r < 0)
		return r;
	*ret_near_ifindex = a.ifindex;
	*ret_far_ifindex = b.ifindex;
	return 0;
}

int vtap_net_stage_remove(struct vtap_net *n, const char *near)
{
	struct end e;
	int r;

	r = end_get(n, near, &e);
	if (r < 0)
		return r;
	return e.ours ? end_delete(n, e.ifindex) : 0;
}
