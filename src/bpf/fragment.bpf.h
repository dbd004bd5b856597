/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* Fragments: later ones carry no ports, so the first one's are remembered for them. */

#include "maps.bpf.h"
#include "parse.bpf.h"

static __always_inline void vtap_fragment_ports(struct __sk_buff *skb, struct vtap_packet *p,
						const struct vtap_fragment *f)
{
	struct vtap_fragment_key key = {
	    .src = {p->src[0], p->src[1]},
	    .dst = {p->dst[0], p->dst[1]},
	    .id = f->id,
	    .ifindex = skb->ifindex,
	    .protocol = f->protocol,
	};
	struct vtap_fragment_ports *known;

	if (!(p->flags & VTAP_PACKET_LATER_FRAGMENT)) {
		struct vtap_fragment_ports ports = {.sport = p->sport, .dport = p->dport, .protocol = p->protocol};

		if (f->more && (p->flags & VTAP_PACKET_PORTS))
			bpf_map_update_elem(&vtap_fragments, &key, &ports, BPF_ANY);
		return;
	}
	known = bpf_map_lookup_elem(&vtap_fragments, &key);
	if (!known)
		return;
	p->sport = known->sport;
	p->dport = known->dport;
	p->protocol = known->protocol;
	p->flags |= VTAP_PACKET_PORTS;
}
