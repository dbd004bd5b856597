/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "net/net.h"
#include "net/private.h"

struct entry {
	struct vtap_mac mac;
	enum vtap_neighbour_state state;
	bool kept; /* an administrator or a routing daemon looks after it */
};

static const struct {
	uint16_t nud;
	enum vtap_neighbour_state state;
} states[] = {
    {NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE, VTAP_NEIGHBOUR_REACHABLE},
    {NUD_STALE | NUD_DELAY | NUD_PROBE, VTAP_NEIGHBOUR_STALE},
};

static bool is_kept(const struct ndmsg *d, struct nlattr *const tb[])
{
	uint32_t flags = tb[NDA_FLAGS_EXT] ? nla_get_u32(tb[NDA_FLAGS_EXT]) : 0;

	return (d->ndm_state & (NUD_PERMANENT | NUD_NOARP)) || (d->ndm_flags & NTF_EXT_LEARNED) ||
	       (flags & NTF_EXT_MANAGED);
}

static int entry_parse(const struct nlmsghdr *h, void *userdata)
{
	const struct ndmsg *d = nlmsg_data(h);
	struct nlattr *tb[NDA_MAX + 1];
	struct entry *e = userdata;

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(*d), tb, NDA_MAX, NULL) < 0)
		return -EBADMSG;
	e->kept = is_kept(d, tb);
	if (!tb[NDA_LLADDR] || nla_len(tb[NDA_LLADDR]) != sizeof(e->mac.bytes))
		return 0;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(states); i++)
		if (d->ndm_state & states[i].nud) {
			memcpy(e->mac.bytes, nla_data(tb[NDA_LLADDR]), sizeof(e->mac.bytes));
			e->state = states[i].state;
		}
	return 0;
}

static struct nl_msg *neighbour_message(uint16_t type, uint16_t flags, uint8_t neighbour_flags, uint32_t ifindex,
					const struct vtap_addr *address)
{
	const struct ndmsg header = {
	    .ndm_family = address->family,
	    .ndm_ifindex = (int)ifindex,
	    .ndm_flags = neighbour_flags,
	};
	_cleanup_message_ struct nl_msg *m = NULL;

	m = vtap_net_message_new(type, flags, &header, sizeof(header));
	if (!m || nla_put(m, NDA_DST, (int)vtap_addr_size_bytes(address->family), address->bytes) < 0)
		return NULL;
	return VTAP_STEAL(m);
}

static int entry_get(struct vtap_net *n, uint32_t ifindex, const struct vtap_addr *address, struct entry *ret_entry)
{
	_cleanup_message_ struct nl_msg *m = NULL;
	int r;

	*ret_entry = (struct entry){.state = VTAP_NEIGHBOUR_NONE};
	if (vtap_addr_size_bytes(address->family) == 0)
		return -EAFNOSUPPORT;
	m = neighbour_message(RTM_GETNEIGH, 0, 0, ifindex, address);
	if (!m)
		return -ENOMEM;
	r = vtap_net_request(n, n->route_fd, m, entry_parse, ret_entry);
	return r == -ENOENT ? 0 : r;
}

int vtap_net_neighbour_get(struct vtap_net *n, uint32_t ifindex, const struct vtap_addr *address,
			   struct vtap_mac *ret_mac, enum vtap_neighbour_state *ret_state)
{
	struct entry e;
	int r;

	r = entry_get(n, ifindex, address, &e);
	if (r < 0)
		return r;
	*ret_mac = e.mac;
	*ret_state = e.kept && e.state != VTAP_NEIGHBOUR_NONE ? VTAP_NEIGHBOUR_KEPT : e.state;
	return 0;
}

int vtap_net_neighbour_resolve(struct vtap_net *n, uint32_t ifindex, const struct vtap_addr *address)
{
	_cleanup_message_ struct nl_msg *m = NULL;
	struct entry e;
	int r;

	r = entry_get(n, ifindex, address, &e);
	if (r < 0 || e.kept)
		return r;
	/*
	 * Created where missing; an entry that is there keeps its MAC and is only used. One that somebody keeps would be kept no
	 * longer: the kernel takes these signs away from what is used this way.
	 */
	m = neighbour_message(RTM_NEWNEIGH, NLM_F_CREATE, NTF_USE, ifindex, address);
	if (!m)
		return -ENOMEM;
	return vtap_net_request(n, n->route_fd, m, NULL, NULL);
}
