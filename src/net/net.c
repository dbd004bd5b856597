/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "net/private.h"

/* Room for the notifications of some ten thousand changes, so that a busy container host loses none in one round. */
#define MONITOR_RECEIVE_BYTES (8 << 20)
/* A flood of notifications must not keep the owner's loop from its other work; what is left makes the fd readable. */
#define DATAGRAMS_PER_DISPATCH 4096
#define DUMP_ATTEMPTS 8

static const unsigned monitor_groups[] = {
    RTNLGRP_LINK,       RTNLGRP_NEIGH,     RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
    RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE,   RTNLGRP_NEXTHOP,     RTNLGRP_TC,
};

static int netlink_open(int protocol, int flags, int *ret_fd)
{
	const struct sockaddr_nl any = {.nl_family = AF_NETLINK};
	_cleanup_close_ int fd = -1;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, protocol);
	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		return -errno;

	*ret_fd = VTAP_STEAL_FD(fd);
	return 0;
}

/* A family that this kernel does not have leaves -1 and is no error. */
static int netlink_open_optional(int protocol, int *ret_fd)
{
	int r;

	r = netlink_open(protocol, 0, ret_fd);
	return r == -EPROTONOSUPPORT ? 0 : r;
}

static int monitor_open(int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	int r, receive_bytes = MONITOR_RECEIVE_BYTES;

	r = netlink_open(NETLINK_ROUTE, SOCK_NONBLOCK, &fd);
	if (r < 0)
		return r;
	/* Without the right to go past net.core.rmem_max, as much as that allows: a loss is noticed and cured. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_bytes, sizeof(receive_bytes)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(monitor_groups); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &monitor_groups[i], sizeof(monitor_groups[i])) <
		    0)
			return -errno;

	*ret_fd = VTAP_STEAL_FD(fd);
	return 0;
}

int vtap_net_new(vtap_net_callback callback, void *userdata, struct vtap_net **ret_net)
{
	VTAP_CLEANUP(vtap_net_freep) struct vtap_net *n = NULL;
	int r, strict = 1;

	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->monitor_fd = n->route_fd = n->strict_fd = n->xfrm_fd = n->netfilter_fd = n->packet_fd = -1;
	n->callback = callback;
	n->userdata = userdata;

	/* All of them now, because a socket belongs to the namespace in which it was opened. */
	r = netlink_open(NETLINK_ROUTE, 0, &n->route_fd);
	if (r < 0)
		return r;
	r = netlink_open(NETLINK_ROUTE, 0, &n->strict_fd);
	if (r < 0)
		return r;
	if (setsockopt(n->strict_fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &strict, sizeof(strict)) < 0)
		return -errno;
	r = netlink_open_optional(NETLINK_XFRM, &n->xfrm_fd);
	if (r < 0)
		return r;
	r = netlink_open_optional(NETLINK_NETFILTER, &n->netfilter_fd);
	if (r < 0)
		return r;
	/* Whoever only asks has no need to be privileged. */
	n->packet_fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (n->packet_fd < 0 && errno != EPERM)
		return -errno;

	/* Listening begins before reading, so that no change falls between the two. */
	r = monitor_open(&n->monitor_fd);
	if (r < 0)
		return r;
	r = vtap_net_links_read(n);
	if (r < 0)
		return r;

	*ret_net = VTAP_STEAL(n);
	return 0;
}

struct vtap_net *vtap_net_free(struct vtap_net *n)
{
	if (!n)
		return NULL;
	vtap_closep(&n->monitor_fd);
	vtap_closep(&n->route_fd);
	vtap_closep(&n->strict_fd);
	vtap_closep(&n->xfrm_fd);
	vtap_closep(&n->netfilter_fd);
	vtap_closep(&n->packet_fd);
	free(n->links.items);
	free(n);
	return NULL;
}

int vtap_net_fd(const struct vtap_net *n)
{
	return n->monitor_fd;
}

struct nl_msg *vtap_net_message_new(uint16_t type, uint16_t flags, const void *header, size_t header_bytes)
{
	_cleanup_message_ struct nl_msg *m = NULL;
	struct nlmsghdr *h;

	m = nlmsg_alloc();
	if (!m)
		return NULL;
	h = nlmsg_put(m, 0, 0, type, (int)header_bytes, flags);
	if (!h)
		return NULL;
	memcpy(nlmsg_data(h), header, header_bytes);
	return VTAP_STEAL(m);
}

/* Datagrams that the kernel did not send are dropped unread: anyone on the machine may send to a netlink socket. */
static int receive(int fd, unsigned char buffer[VTAP_NET_BUFFER_BYTES], size_t *ret_bytes)
{
	struct sockaddr_nl sender;
	struct iovec iov = {.iov_base = buffer, .iov_len = VTAP_NET_BUFFER_BYTES};
	struct msghdr m = {.msg_name = &sender, .msg_namelen = sizeof(sender), .msg_iov = &iov, .msg_iovlen = 1};
	ssize_t size;

	for (;;) {
		m.msg_namelen = sizeof(sender);
		size = recvmsg(fd, &m, 0);
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -errno;
		if (m.msg_flags & MSG_TRUNC)
			return -EMSGSIZE;
		if (sender.nl_pid != 0)
			continue;
		*ret_bytes = (size_t)size;
		return 0;
	}
}

/* The state of one question while its answer is read. */
struct exchange {
	vtap_net_handler handler;
	void *userdata; /* borrowed */
	bool interrupted;
	bool done;
	int r; /* the first error, of the handler or the kernel */
};

static void exchange_take(struct exchange *x, const struct nlmsghdr *h)
{
	const int *code = nlmsg_data(h);
	int r = 0;

	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		x->interrupted = true;
	switch (h->nlmsg_type) {
	case NLMSG_ERROR:
	case NLMSG_DONE:
		/* Both begin with an error code, which an old kernel may leave out of NLMSG_DONE. */
		x->done = true;
		if (nlmsg_datalen(h) >= (int)sizeof(*code))
			r = *code;
		break;
	case NLMSG_NOOP:
		break;
	default:
		if (x->handler)
			r = x->handler(h, x->userdata);
	}
	if (x->r == 0 && r < 0)
		x->r = r;
}

static int exchange_run(struct vtap_net *n, int fd, struct nlmsghdr *request, struct exchange *x)
{
	struct nlmsghdr *h;
	size_t size_bytes;
	int r, left;

	request->nlmsg_seq = ++n->sequence;
	if (send(fd, request, request->nlmsg_len, 0) < 0)
		return -errno;
	while (!x->done) {
		r = receive(fd, n->answer, &size_bytes);
		if (r < 0)
			return r;
		left = (int)size_bytes;
		for (h = (struct nlmsghdr *)n->answer; nlmsg_ok(h, left); h = nlmsg_next(h, &left))
			/* What an earlier question, given up half read, has left behind carries another number. */
			if (h->nlmsg_seq == request->nlmsg_seq)
				exchange_take(x, h);
	}
	return x->r;
}

int vtap_net_request(struct vtap_net *n, int fd, struct nl_msg *m, vtap_net_handler handler, void *userdata)
{
	struct nlmsghdr *h = nlmsg_hdr(m);
	bool dump = (h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	int r;

	h->nlmsg_flags |= NLM_F_REQUEST | (dump ? 0 : NLM_F_ACK);
	for (unsigned i = 0; i < DUMP_ATTEMPTS; i++) {
		struct exchange x = {.handler = handler, .userdata = userdata};

		r = exchange_run(n, fd, h, &x);
		if (r < 0)
			return r;
		if (!x.interrupted)
			return 0;
	}
	/* Something changes all the time; what was seen is as good as it gets, and the notifications tell the rest. */
	return 0;
}

static bool is_ip(const struct nlmsghdr *h)
{
	const struct rtgenmsg *g = nlmsg_data(h);

	return nlmsg_datalen(h) >= (int)sizeof(*g) && (g->rtgen_family == AF_INET || g->rtgen_family == AF_INET6);
}

static int note(struct vtap_net *n, const struct nlmsghdr *h, unsigned *events)
{
	bool changed = false;
	int r;

	switch (h->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		r = vtap_net_links_update(n, h, &changed);
		if (r < 0)
			return r;
		*events |= changed ? VTAP_NET_LINK : 0;
		return 0;
	case RTM_NEWQDISC:
	case RTM_DELQDISC:
		*events |= VTAP_NET_LINK;
		return 0;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		/* Bridges announce what they learn by the same message, in a family of their own. */
		*events |= is_ip(h) ? VTAP_NET_NEIGHBOUR : 0;
		return 0;
	case RTM_NEWADDR:
	case RTM_DELADDR:
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWRULE:
	case RTM_DELRULE:
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		*events |= VTAP_NET_ROUTE;
		return 0;
	default:
		return 0;
	}
}

static int dispatch_datagram(struct vtap_net *n, unsigned *events)
{
	struct nlmsghdr *h;
	size_t size_bytes;
	int r, left;

	r = receive(n->monitor_fd, n->monitor, &size_bytes);
	if (r < 0)
		return r;
	left = (int)size_bytes;
	for (h = (struct nlmsghdr *)n->monitor; nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
		r = note(n, h, events);
		if (r < 0)
			return r;
	}
	return 0;
}

int vtap_net_dispatch(struct vtap_net *n)
{
	unsigned events = 0;
	int r = 0;

	for (unsigned i = 0; i < DATAGRAMS_PER_DISPATCH && r != -EAGAIN; i++) {
		r = dispatch_datagram(n, &events);
		/* Whatever the reason, a notification is gone. ENOBUFS is the kernel's word for its queue being full. */
		if (r < 0 && r != -EAGAIN)
			n->lost = true;
		if (r < 0 && r != -EAGAIN && r != -ENOBUFS && r != -EMSGSIZE)
			return r;
	}
	/* Only after the rest of the queue, which is older than what is read now and would spoil it. */
	if (n->lost && r == -EAGAIN) {
		r = vtap_net_links_read(n);
		if (r < 0)
			return r;
		n->lost = false;
		events = VTAP_NET_LINK | VTAP_NET_ROUTE | VTAP_NET_NEIGHBOUR | VTAP_NET_LOST;
	}
	if (events && n->callback)
		n->callback(events, n->userdata);
	return 0;
}
