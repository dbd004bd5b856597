// SPDX-License-Identifier: GPL-2.0-only
/*
 * The data plane's programs. Read from top to bottom, they are the path of a packet:
 *
 *   vtap_in, vtap_out      at a source's ingress and egress: parse, classify, limit, clone. vtap_out also sits first at each
 *                          uplink's egress, where it finishes the clones that come the fast way.
 *   vtap_stage             at the egress of the segmenting stage's port: finishes each wire packet and sends it to the uplink.
 *
 * A production packet always goes on to the next program: every exit of vtap_in and vtap_out that concerns one is VTAP_NEXT.
 */

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "checksum.bpf.h"
#include "classify.bpf.h"
#include "clone.bpf.h"
#include "encap.bpf.h"
#include "fragment.bpf.h"
#include "guard.bpf.h"
#include "maps.bpf.h"
#include "parse.bpf.h"
#include "stage.bpf.h"
#include "stats.bpf.h"

#define VTAP_NEXT TC_ACT_UNSPEC /* = TCX_NEXT: the programs behind ours run as if we were not there */

static __always_inline void vtap_count_own(__u32 port)
{
	struct vtap_port_counters *c = bpf_map_lookup_elem(&vtap_port_counters, &port);

	if (c)
		c->values[VTAP_PORT_OWN]++;
}

/* What a source's hook does with a packet. The packet itself is only read. */
static __always_inline void vtap_source_packet(struct __sk_buff *skb, __u32 hook)
{
	struct vtap_packet packet = {};
	struct vtap_fragment fragment = {};
	struct vtap_source source = {.skb = skb, .packet = &packet};
	__u32 ifindex = skb->ifindex, *index;
	const struct vtap_port *port;

	index = bpf_map_lookup_elem(&vtap_port_index, &ifindex);
	if (!index)
		return;
	port = bpf_map_lookup_elem(&vtap_ports, index);
	if (!port || !port->plan[hook])
		return;
	if (skb->mark == VTAP_MARK) {
		vtap_count_own(*index);
		return;
	}
	source.plan = bpf_map_lookup_elem(&vtap_plans, &port->plan[hook]);
	if (!source.plan)
		return;
	vtap_parse(skb, &packet, &fragment);
	if (packet.flags & VTAP_PACKET_FRAGMENT)
		vtap_fragment_ports(skb, &packet, &fragment);
	packet.hash = vtap_parse_hash(&packet);
	if (vtap_guard_is_own(skb, &packet)) {
		vtap_count_own(*index);
		return;
	}
	source.taken = vtap_classify(source.plan, &packet);
	if (!source.taken)
		return;
	source.direction = port->direction[hook];
	vtap_clone_all(&source);
}

/* Whose copy the clone is. From here on it is a frame like any other of this host, but for its mark. */
static __always_inline void vtap_copy_papers(struct __sk_buff *skb, struct vtap_copy *ret_copy)
{
	__u32 session = skb->cb[VTAP_CB_SESSION];

	ret_copy->slot = session & 0xffff;
	ret_copy->direction = session >> VTAP_CB_DIRECTION_SHIFT & 1;
	ret_copy->checksum = session >> VTAP_CB_CHECKSUM_SHIFT;
	ret_copy->hash = skb->cb[VTAP_CB_HASH];
	skb->cb[VTAP_CB_SECRET] = 0;
}

SEC("tc") int vtap_in(struct __sk_buff *skb)
{
	vtap_source_packet(skb, VTAP_HOOK_INGRESS);
	return VTAP_NEXT;
}

/*
 * The two halves of vtap_out. Functions of their own, because Linux 6.1 does not let one frame hold the stacks of both.
 */
static __noinline int vtap_source_egress(struct __sk_buff *skb)
{
	vtap_source_packet(skb, VTAP_HOOK_EGRESS);
	return VTAP_NEXT;
}

static __noinline int vtap_finish_fast(struct __sk_buff *skb)
{
	struct vtap_inside *inside = vtap_inside();
	const struct vtap_delivery *d;
	struct vtap_finished *finished;
	struct vtap_copy copy;
	long r = 0;

	vtap_copy_papers(skb, &copy);
	d = vtap_clone_delivery(copy.slot);
	if (!inside)
		return TC_ACT_SHOT;
	finished = &inside->finished;
	if (!d || d->lost || d->uplink_ifindex != skb->ifindex) {
		finished->lost = VTAP_LOST_CHANGED;
		return TC_ACT_SHOT;
	}
	if (copy.checksum)
		r = vtap_checksum_complete(skb, copy.checksum);
	if (r)
		finished->lost = vtap_stats_reason(r);
	else
		vtap_encap_finish(skb, d, copy.hash, finished);
	return finished->lost ? TC_ACT_SHOT : VTAP_NEXT;
}

/* A copy that the stage finished and sent by bpf_redirect(), which answers nobody: it is booked here, at the last place. */
static __always_inline int vtap_sent_direct(struct __sk_buff *skb)
{
	struct vtap_finished finished = {.bytes = skb->cb[VTAP_CB_BYTES], .note = skb->cb[VTAP_CB_NOTE]};
	struct vtap_inside *inside = vtap_inside();
	struct vtap_counters *c;
	struct vtap_copy copy;

	vtap_copy_papers(skb, &copy);
	c = vtap_stats_of(copy.slot, copy.direction);
	if (!c || !inside)
		return TC_ACT_SHOT;
	if (inside->uplink_up == VTAP_UPLINK_UNKNOWN)
		inside->uplink_up = vtap_kernel_device_up(skb) ? VTAP_UPLINK_UP : VTAP_UPLINK_DOWN;
	if (inside->uplink_up == VTAP_UPLINK_DOWN)
		finished.lost = VTAP_LOST_UPLINK_DOWN;
	vtap_stats_add(c, VTAP_UNSTAGED, 1);
	vtap_stats_sent(c, 0, &finished, 1);
	return finished.lost ? TC_ACT_SHOT : VTAP_NEXT;
}

SEC("tc") int vtap_out(struct __sk_buff *skb)
{
	__u32 sign;

	if (skb->mark != VTAP_MARK)
		return vtap_source_egress(skb);
	sign = skb->cb[VTAP_CB_SECRET];
	if (sign == vtap_secret + VTAP_COPY_BARE)
		return vtap_finish_fast(skb);
	if (sign == vtap_secret + VTAP_COPY_DIRECT)
		return vtap_sent_direct(skb);
	if (sign != vtap_secret + VTAP_COPY_FINISHED)
		return vtap_source_egress(skb);
	skb->cb[VTAP_CB_SECRET] = 0;
	return VTAP_NEXT;
}

SEC("tc") int vtap_stage(struct __sk_buff *skb)
{
	struct vtap_finished finished = {};
	const struct vtap_delivery *d;
	struct vtap_counters *c;
	struct vtap_copy copy;
	long r = 0;

	if (!vtap_stage_papers(skb->mark, &copy))
		return TC_ACT_SHOT;
	skb->mark = VTAP_MARK;
	d = vtap_clone_delivery(copy.slot);
	if (!d || d->lost)
		finished.lost = d ? d->lost : VTAP_LOST_CHANGED;
	else
		vtap_encap_finish(skb, d, copy.hash, &finished);
	if (d && !finished.lost) {
		if (d->flags & VTAP_DELIVERY_UPLINK_DIRECT) {
			vtap_copy_sign(skb, VTAP_COPY_DIRECT, vtap_copy_session(copy.slot, copy.direction, 0),
				       finished.note);
			skb->cb[VTAP_CB_BYTES] = finished.bytes;
			return bpf_redirect(d->uplink_ifindex, 0);
		}
		vtap_copy_sign(skb, VTAP_COPY_FINISHED, 0, 0);
		r = bpf_clone_redirect(skb, d->uplink_ifindex, 0);
	}
	c = vtap_stats_of(copy.slot, copy.direction);
	if (!c)
		return TC_ACT_SHOT;
	vtap_stats_add(c, VTAP_UNSTAGED, 1);
	vtap_stats_sent(c, r, &finished, 1);
	return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "GPL";
