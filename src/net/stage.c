/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "net/net.h"
#include "net/private.h"

/*
 * Device group of its devices, set in the very message that creates them: the sign by which they are known as ours after
 * any crash. A device of that name without it is somebody else's and is never changed. The letters "vtap".
 */
#define STAGE_GROUP 0x76746170U
#define STAGE_MTU 65521
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
struct end {
	bool exists;
	bool ours;
	uint32_t ifindex;
	uint32_t master_ifindex; /* 0 = no port of a bridge */
};

static int end_parse(const struct nlmsghdr *h, void *userdata)
{
	struct nlattr *tb[IFLA_MAX + 1];
	const struct ifinfomsg *i = nlmsg_data(h);
	struct end *e = userdata;

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(*i), tb, IFLA_MAX, NULL) < 0)
		return -EBADMSG;
	*e = (struct end){
	    .exists = true,
	    .ifindex = (uint32_t)i->ifi_index,
	    .ours = tb[IFLA_GROUP] && nla_get_u32(tb[IFLA_GROUP]) == STAGE_GROUP,
	    .master_ifindex = tb[IFLA_MASTER] ? nla_get_u32(tb[IFLA_MASTER]) : 0,
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
	    nla_put_u32(m, IFLA_MTU, STAGE_MTU) < 0)
		return -ENOMEM;
	return 0;
}

/* No spanning tree, no multicast snooping: it only ever hands on what it is given, to its one port. */
static int bridge_create(struct vtap_net *n, const char *near)
{
	const struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	_cleanup_message_ struct nl_msg *m = NULL;
	struct nlattr *info, *data;

	m = vtap_net_message_new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	if (!m || nla_put_string(m, IFLA_IFNAME, near) < 0 || nla_put_u32(m, IFLA_GROUP, STAGE_GROUP) < 0)
		return -ENOMEM;
	info = nla_nest_start(m, IFLA_LINKINFO);
	if (!info || nla_put_string(m, IFLA_INFO_KIND, "bridge") < 0)
		return -ENOMEM;
	data = nla_nest_start(m, IFLA_INFO_DATA);
	if (!data || nla_put_u32(m, IFLA_BR_STP_STATE, 0) < 0 || nla_put_u8(m, IFLA_BR_MCAST_SNOOPING, 0) < 0)
		return -ENOMEM;
	(void)nla_nest_end(m, data);
	(void)nla_nest_end(m, info);
	return vtap_net_request(n, n->route_fd, m, NULL, NULL);
}

static int pair_create(struct vtap_net *n, const char *far, const char *end)
{
	const struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	_cleanup_message_ struct nl_msg *m = NULL;
	struct nlattr *info, *data, *peer;

	m = vtap_net_message_new(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	if (!m || end_describe(m, far) < 0)
		return -ENOMEM;
	info = nla_nest_start(m, IFLA_LINKINFO);
	if (!info || nla_put_string(m, IFLA_INFO_KIND, "veth") < 0)
		return -ENOMEM;
	data = nla_nest_start(m, IFLA_INFO_DATA);
	peer = data ? nla_nest_start(m, VETH_INFO_PEER) : NULL;
	if (!peer || nlmsg_append(m, (void *)&header, sizeof(header), NLMSG_ALIGNTO) < 0 || end_describe(m, end) < 0)
		return -ENOMEM;
	(void)nla_nest_end(m, peer);
	(void)nla_nest_end(m, data);
	(void)nla_nest_end(m, info);
	return vtap_net_request(n, n->route_fd, m, NULL, NULL);
}

static int master_set(struct vtap_net *n, uint32_t ifindex, uint32_t master_ifindex)
{
	const struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex};
	_cleanup_message_ struct nl_msg *m = NULL;

	m = vtap_net_message_new(RTM_SETLINK, 0, &header, sizeof(header));
	if (!m || nla_put_u32(m, IFLA_MASTER, master_ifindex) < 0)
		return -ENOMEM;
	return vtap_net_request(n, n->route_fd, m, NULL, NULL);
}

/* The three devices of one stage, in the order of vtap_net_stage_ensure()'s names. */
enum { NEAR, FAR, END, DEVICES };

static int devices_get(struct vtap_net *n, const char *const names[DEVICES], struct end ret_devices[DEVICES])
{
	for (int i = 0; i < DEVICES; i++) {
		int r = end_get(n, names[i], &ret_devices[i]);

		if (r < 0)
			return r;
		if (ret_devices[i].exists && !ret_devices[i].ours)
			return -EEXIST;
	}
	return 0;
}

/* Leaves the devices as a stage of ours, by whatever deleting and creating that takes. */
static int devices_ensure(struct vtap_net *n, const char *const names[DEVICES], struct end devices[DEVICES])
{
	int r;

	r = devices_get(n, names, devices);
	if (r < 0)
		return r;
	if (devices[NEAR].exists && devices[FAR].exists && devices[END].exists &&
	    devices[FAR].master_ifindex == devices[NEAR].ifindex)
		return 0;
	/* Deleting one end of a veth pair deletes the other, wherever it was moved or whatever it is called now. */
	for (int i = 0; r == 0 && i < DEVICES; i++)
		r = devices[i].exists ? end_delete(n, devices[i].ifindex) : 0;
	if (r == 0)
		r = bridge_create(n, names[NEAR]);
	if (r == 0)
		r = pair_create(n, names[FAR], names[END]);
	if (r == 0)
		r = devices_get(n, names, devices);
	if (r == 0)
		r = master_set(n, devices[FAR].ifindex, devices[NEAR].ifindex);
	return r;
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

int vtap_net_stage_ensure(struct vtap_net *n, const char *near, const char *far, const char *end,
			  uint32_t *ret_near_ifindex, uint32_t *ret_far_ifindex)
{
	const char *const names[DEVICES] = {near, far, end};
	struct end devices[DEVICES];
	int r;

	for (int i = 0; i < DEVICES; i++) {
		if (strlen(names[i]) >= IFNAMSIZ)
			return -EINVAL;
	}
	r = devices_ensure(n, names, devices);
	/* Everything before the devices are up, so that the first packet already finds it so. */
	for (int i = 0; r == 0 && i < DEVICES; i++)
		r = end_set_no_ipv6(n, devices[i].ifindex, names[i]);
	if (r == 0)
		r = vtap_net_offload_set(n, near, near_offloads, VTAP_ARRAY_SIZE(near_offloads));
	/* A super-packet counts more than one segment and so is cut, even if somebody turns an offload on again. */
	for (int i = DEVICES; r == 0 && i-- > 0;)
		r = end_set(n, devices[i].ifindex, true, i == NEAR ? 1 : 0);
	if (r < 0)
		return r;
	*ret_near_ifindex = devices[NEAR].ifindex;
	*ret_far_ifindex = devices[FAR].ifindex;
	return 0;
}

int vtap_net_stage_remove(struct vtap_net *n, const char *near, const char *far)
{
	const char *const names[] = {far, near};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(names); i++) {
		struct end e;
		int r = end_get(n, names[i], &e);

		if (r == 0 && e.ours)
			r = end_delete(n, e.ifindex);
		if (r < 0)
			return r;
	}
	return 0;
}
