/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "net/net.h"
#include "net/private.h"

/* Kernels from 6.18 on name "every device that begins with" so; Debian 12's headers do not know it yet. */
#define DEVICE_PREFIX 2

struct egress_lookup {
	const char *device; /* borrowed */
	bool hooked;
};

/* A name without its NUL is a prefix: how kernels 6.16 and 6.17 write "every device that begins with". */
static bool device_matches(struct nlattr *a, const char *device)
{
	size_t size_bytes = (size_t)nla_len(a), name_bytes = strnlen(nla_data(a), size_bytes);
	bool is_prefix = nla_type(a) == DEVICE_PREFIX || name_bytes == size_bytes;

	return strncmp(device, nla_data(a), name_bytes) == 0 && (is_prefix || device[name_bytes] == '\0');
}

static int chain_take(const struct nlmsghdr *h, void *userdata)
{
	struct nlattr *tb[NFTA_CHAIN_MAX + 1], *hook[NFTA_HOOK_MAX + 1], *device;
	struct egress_lookup *l = userdata;
	int left;

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(struct nfgenmsg), tb, NFTA_CHAIN_MAX, NULL) < 0)
		return -EBADMSG;
	/* Only base chains have a hook. */
	if (!tb[NFTA_CHAIN_HOOK])
		return 0;
	if (nla_parse_nested(hook, NFTA_HOOK_MAX, tb[NFTA_CHAIN_HOOK], NULL) < 0)
		return -EBADMSG;
	if (!hook[NFTA_HOOK_HOOKNUM] || nla_len(hook[NFTA_HOOK_HOOKNUM]) < 4 ||
	    ntohl(nla_get_u32(hook[NFTA_HOOK_HOOKNUM])) != NF_NETDEV_EGRESS)
		return 0;
	if (hook[NFTA_HOOK_DEV])
		l->hooked |=
		    strncmp(nla_data(hook[NFTA_HOOK_DEV]), l->device, (size_t)nla_len(hook[NFTA_HOOK_DEV])) == 0;
	if (hook[NFTA_HOOK_DEVS])
		nla_for_each_nested(device, hook[NFTA_HOOK_DEVS], left) l->hooked |= device_matches(device, l->device);
	return 0;
}

int vtap_net_nft_egress(struct vtap_net *n, const char *device, bool *ret_hooked)
{
	const struct nfgenmsg header = {.nfgen_family = NFPROTO_NETDEV, .version = NFNETLINK_V0};
	struct egress_lookup l = {.device = device};
	_cleanup_message_ struct nl_msg *m = NULL;
	int r;

	if (n->netfilter_fd < 0) {
		*ret_hooked = false;
		return 0;
	}
	m = vtap_net_message_new(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, NLM_F_DUMP, &header, sizeof(header));
	if (!m)
		return -ENOMEM;
	r = vtap_net_request(n, n->netfilter_fd, m, chain_take, &l);
	/* nfnetlink's answers where nf_tables, or its family netdev, is not there. */
	if (r < 0 && r != -EINVAL && r != -EOPNOTSUPP && r != -EAFNOSUPPORT)
		return r;
	*ret_hooked = l.hooked;
	return 0;
}

struct filter_lookup {
	uint32_t program_id;
	bool found; /* ours: what the kernel lists later runs later */
	uint32_t preference; /* 0 = none seen; the kernel gives out none below 1 */
};

static bool is_program(struct nlattr *tb[TCA_MAX + 1], uint32_t program_id)
{
	struct nlattr *options[TCA_BPF_MAX + 1];

	return nla_strcmp(tb[TCA_KIND], "bpf") == 0 && tb[TCA_OPTIONS] &&
	       nla_parse_nested(options, TCA_BPF_MAX, tb[TCA_OPTIONS], NULL) == 0 && options[TCA_BPF_ID] &&
	       nla_len(options[TCA_BPF_ID]) >= 4 && nla_get_u32(options[TCA_BPF_ID]) == program_id;
}

static int filter_take(const struct nlmsghdr *h, void *userdata)
{
	const struct tcmsg *t = nlmsg_data(h);
	uint32_t preference = t->tcm_info >> 16;
	struct filter_lookup *l = userdata;
	struct nlattr *tb[TCA_MAX + 1];

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(*t), tb, TCA_MAX, NULL) < 0)
		return -EBADMSG;
	/* Handle 0 is the list that holds filters of one preference, not a filter. */
	if (!tb[TCA_KIND] || t->tcm_handle == 0)
		return 0;
	/* Other chains are reached only from a filter of chain 0. */
	if (tb[TCA_CHAIN] && nla_len(tb[TCA_CHAIN]) >= 4 && nla_get_u32(tb[TCA_CHAIN]) != 0)
		return 0;
	l->found = l->found || is_program(tb, l->program_id);
	if (!l->found && (l->preference == 0 || preference < l->preference))
		l->preference = preference;
	return 0;
}

int vtap_net_clsact_first(struct vtap_net *n, uint32_t ifindex, bool egress, uint32_t program_id,
			  uint32_t *ret_preference)
{
	const struct tcmsg header = {
	    .tcm_family = AF_UNSPEC,
	    .tcm_ifindex = (int)ifindex,
	    .tcm_parent = TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS),
	};
	struct filter_lookup l = {.program_id = program_id};
	_cleanup_message_ struct nl_msg *m = NULL;
	int r;

	m = vtap_net_message_new(RTM_GETTFILTER, NLM_F_DUMP, &header, sizeof(header));
	if (!m)
		return -ENOMEM;
	r = vtap_net_request(n, n->route_fd, m, filter_take, &l);
	if (r < 0)
		return r;
	if (l.preference == 0)
		return -ENOENT;
	*ret_preference = l.preference;
	return 0;
}

static int any_take(const struct nlmsghdr *h, void *userdata)
{
	bool *any = userdata;

	*any = true;
	return 0;
}

static int hook_look(struct vtap_net *n, uint16_t type, uint32_t ifindex, uint32_t hook, bool *any)
{
	const struct tcmsg header = {
	    .tcm_family = AF_UNSPEC, .tcm_ifindex = (int)ifindex, .tcm_parent = TC_H_MAKE(TC_H_CLSACT, hook)};
	_cleanup_message_ struct nl_msg *m = vtap_net_message_new(type, NLM_F_DUMP, &header, sizeof(header));

	return m ? vtap_net_request(n, n->route_fd, m, any_take, any) : -ENOMEM;
}

int vtap_net_clsact_empty(struct vtap_net *n, uint32_t ifindex, bool *ret_empty)
{
	static const uint32_t hooks[] = {TC_H_MIN_INGRESS, TC_H_MIN_EGRESS};
	bool any = false;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < VTAP_ARRAY_SIZE(hooks); i++) {
		r = hook_look(n, RTM_GETTFILTER, ifindex, hooks[i], &any);
		if (r >= 0)
			r = hook_look(n, RTM_GETCHAIN, ifindex, hooks[i], &any);
	}
	if (r < 0)
		return r;
	*ret_empty = !any;
	return 0;
}

struct qdisc_visit {
	void (*visit)(uint32_t ifindex, void *userdata);
	void *userdata;
};

static int qdisc_take(const struct nlmsghdr *h, void *userdata)
{
	const struct tcmsg *t = nlmsg_data(h);
	const struct qdisc_visit *v = userdata;
	struct nlattr *tb[TCA_MAX + 1];

	if (nlmsg_parse((struct nlmsghdr *)h, sizeof(*t), tb, TCA_MAX, NULL) < 0)
		return -EBADMSG;
	if (tb[TCA_KIND] && nla_strcmp(tb[TCA_KIND], "clsact") == 0)
		v->visit((uint32_t)t->tcm_ifindex, v->userdata);
	return 0;
}

int vtap_net_clsact_each(struct vtap_net *n, void (*visit)(uint32_t ifindex, void *userdata), void *userdata)
{
	const struct tcmsg header = {.tcm_family = AF_UNSPEC};
	struct qdisc_visit v = {.visit = visit, .userdata = userdata};
	_cleanup_message_ struct nl_msg *m = vtap_net_message_new(RTM_GETQDISC, NLM_F_DUMP, &header, sizeof(header));

	return m ? vtap_net_request(n, n->route_fd, m, qdisc_take, &v) : -ENOMEM;
}
