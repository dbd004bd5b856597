/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <string.h>

#include "net/net.h"
#include "net/private.h"

/*
 * A copy is handed to the uplink below the IP layer, where IPsec is past. So a policy that would encrypt (or refuse) what
 * the host itself sends to a collector makes that collector unusable, instead of the copies leaving in clear.
 */

struct lookup {
	const struct vtap_addr *destination, *source; /* borrowed; the source may be AF_UNSPEC */
	uint32_t ifindex;
	bool found;
	uint32_t priority; /* of the policy that decides: the lowest number wins, as in the kernel */
	bool takes;
};

static bool prefix_has(const xfrm_address_t *prefix, unsigned bits, const struct vtap_addr *a)
{
	const uint8_t *p = (const uint8_t *)prefix;
	uint8_t mask;

	if (a->family == AF_UNSPEC)
		return true;
	bits = VTAP_MIN(bits, vtap_addr_size_bytes(a->family) * 8);
	if (memcmp(p, a->bytes, bits / 8) != 0)
		return false;
	if (bits % 8 == 0)
		return true;
	mask = (uint8_t)(0xff << (8 - bits % 8));
	return (p[bits / 8] & mask) == (a->bytes[bits / 8] & mask);
}

static bool selector_has(const struct xfrm_selector *s, const struct lookup *l)
{
	return (s->family == AF_UNSPEC || s->family == l->destination->family) &&
	       (s->ifindex == 0 || (uint32_t)s->ifindex == l->ifindex) &&
	       /* The protocols that carry copies. */
	       (s->proto == 0 || s->proto == IPPROTO_UDP || s->proto == IPPROTO_GRE) &&
	       prefix_has(&s->daddr, s->prefixlen_d, l->destination) &&
	       prefix_has(&s->saddr, s->prefixlen_s, l->source);
}

/* Policies for marked packets, or for an xfrm device alone, see none of ours. */
static bool is_for_others(struct nlattr *tb[XFRMA_MAX + 1])
{
	const struct xfrm_mark *mark;

	if (tb[XFRMA_IF_ID] && nla_len(tb[XFRMA_IF_ID]) >= 4 && nla_get_u32(tb[XFRMA_IF_ID]) != 0)
		return true;
	if (!tb[XFRMA_MARK] || nla_len(tb[XFRMA_MARK]) < (int)sizeof(*mark))
		return false;
	mark = nla_data(tb[XFRMA_MARK]);
	return (mark->v & mark->m) != 0;
}

static int policy_take(const struct nlmsghdr *h, void *userdata)
{
	struct nlattr *tb[XFRMA_MAX + 1];
	struct xfrm_userpolicy_info p;
	struct lookup *l = userdata;
	bool takes, narrowed;

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(p), tb, XFRMA_MAX, NULL) < 0)
		return -EBADMSG;
	/* Messages are aligned to four bytes, this struct to eight. */
	memcpy(&p, nlmsg_data(h), sizeof(p));
	if (p.dir != XFRM_POLICY_OUT || is_for_others(tb) || !selector_has(&p.sel, l))
		return 0;
	takes = p.action != XFRM_POLICY_ALLOW || tb[XFRMA_TMPL];
	/* Ports and protocol of the copies are not known here: an exception for some of them excepts none for sure. */
	narrowed = p.sel.proto != 0 || p.sel.sport_mask != 0 || p.sel.dport_mask != 0;
	if (narrowed && !takes)
		return 0;
	if (!l->found || p.priority < l->priority) {
		l->priority = p.priority;
		l->takes = takes;
		l->found = true;
	} else if (p.priority == l->priority) {
		l->takes |= takes;
	}
	return 0;
}

int vtap_net_xfrm_takes(struct vtap_net *n, const struct vtap_addr *destination, const struct vtap_addr *source,
			uint32_t ifindex, bool *ret_takes)
{
	struct lookup l = {.destination = destination, .source = source, .ifindex = ifindex};
	const struct xfrm_userpolicy_id header = {.dir = XFRM_POLICY_OUT};
	_cleanup_message_ struct nl_msg *m = NULL;
	int r;

	if (n->xfrm_fd < 0) {
		*ret_takes = false;
		return 0;
	}
	m = vtap_net_message_new(XFRM_MSG_GETPOLICY, NLM_F_DUMP, &header, sizeof(header));
	if (!m)
		return -ENOMEM;
	r = vtap_net_request(n, n->xfrm_fd, m, policy_take, &l);
	if (r < 0 && r != -EPERM)
		return r;
	*ret_takes = l.takes;
	return 0;
}
