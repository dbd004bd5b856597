// SPDX-License-Identifier: Apache-2.0

/*
 * From the configuration, and the devices, routes and neighbours as they are, to the data plane. Order matters: what a
 * packet may be pointed to is filled before anything points there, and is given back after nothing does any more.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/agent.h"
#include "agent/delivery.h"
#include "agent/stage.h"
#include "agent/wanted.h"
#include "basic/log.h"

static uint64_t now_ns(void)
{
	struct timespec t = {};

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Remembers the first thing that did not work, for status, and goes on: the rest should be mirrored all the same. */
static void failed(struct vtap_agent *a, int r, const char *what, const char *device)
{
	if (!*a->last_apply_error)
		snprintf(a->last_apply_error, sizeof(a->last_apply_error), "%s %s: %s", what, device, strerror(-r));
}

/* The same of one source, whose sessions say so; also of one that is not in what vtap_wanted_make() has made. */
static void refused(void *userdata, uint32_t ifindex, int error)
{
	struct vtap_agent *a = userdata;
	struct vtap_agent_refusal *grown = reallocarray(a->refusals, a->refusal_count + 1, sizeof(*grown));

	if (!grown)
		return;
	a->refusals = grown;
	a->refusals[a->refusal_count++] = (struct vtap_agent_refusal){.ifindex = ifindex, .error = error};
}

static const char *device_name(const struct vtap_agent *a, uint32_t ifindex, char buffer[IFNAMSIZ])
{
	struct vtap_link link;

	if (vtap_net_link_by_index(a->net, ifindex, &link) >= 0)
		memcpy(buffer, link.name, IFNAMSIZ);
	else
		snprintf(buffer, IFNAMSIZ, "%u", ifindex);
	return buffer;
}

/* The one wait of a change: afterwards everything retired before is free. */
static int grace_period(struct vtap_agent *a)
{
	int r = vtap_dataplane_fence(a->dataplane);

	if (r < 0)
		return r;
	vtap_pool_reclaim(a->plans);
	vtap_pool_reclaim(a->deliveries);
	vtap_slots_reclaim(&a->slots);
	return 0;
}

static int slot_assign(struct vtap_agent *a, struct vtap_agent_session *s, const char *name)
{
	bool fresh = false;
	int r;

	r = vtap_slots_take(&a->slots, name, &s->slot, &fresh);
	if (r == -EAGAIN) {
		r = grace_period(a);
		if (r >= 0)
			r = vtap_slots_take(&a->slots, name, &s->slot, &fresh);
	}
	if (r < 0 || !fresh)
		return r;
	free(a->histories[s->slot]);
	a->histories[s->slot] = NULL;
	r = vtap_dataplane_counters_clear(a->dataplane, s->slot);
	if (r >= 0)
		r = vtap_dataplane_slot_name_write(a->dataplane, s->slot, &a->slots.names[s->slot]);
	if (r >= 0)
		memset(s->seen, 0, sizeof(s->seen));
	return r;
}

/* -ENOSPC: some are without one, as there are sessions that have ended and not given theirs back. */
static int slots_assign(struct vtap_agent *a)
{
	bool full = false;

	for (size_t i = 0; i < a->config->session_count; i++) {
		int r = slot_assign(a, &a->sessions[i], a->config->sessions[i].name);

		a->sessions[i].unplaced = r == -ENOSPC;
		if (r < 0 && r != -ENOSPC)
			return r;
		full = full || r < 0;
	}
	return full ? -ENOSPC : 0;
}

/*
 * Sessions that ended give their delivery and slot back; disabled ones their delivery. No plan names them any more; where one may
 * (complete is false), a slot stays theirs, or its next owner would be sent their packets.
 */
static int slots_release(struct vtap_agent *a, bool complete)
{
	static const struct vtap_slot_name nobody;
	bool configured[VTAP_ABI_SESSIONS] = {}, enabled[VTAP_ABI_SESSIONS] = {};
	int r = 0;

	for (size_t i = 0; i < a->config->session_count; i++) {
		if (a->sessions[i].unplaced)
			continue;
		configured[a->sessions[i].slot] = true;
		enabled[a->sessions[i].slot] = a->config->sessions[i].enabled;
	}
	for (uint16_t slot = 0; r >= 0 && slot < VTAP_ABI_SESSIONS; slot++) {
		if (!*a->slots.names[slot].name || enabled[slot])
			continue;
		if (a->slot_delivery[slot]) {
			r = vtap_dataplane_session_write(a->dataplane, slot, 0);
			vtap_pool_put(a->deliveries, a->slot_delivery[slot]);
			a->slot_delivery[slot] = 0;
		}
		if (configured[slot] || !complete)
			continue;
		if (r >= 0)
			r = vtap_dataplane_slot_name_write(a->dataplane, slot, &nobody);
		vtap_slots_retire(&a->slots, slot);
	}
	return r;
}

static int nexthops_resolve(struct vtap_agent *a)
{
	for (size_t i = 0; i < a->config->target_count; i++) {
		int r = vtap_nexthop_resolve(a->net, &a->config->targets[i], a->config->uplink, &a->nexthops[i]);

		if (r < 0)
			return r;
		/* Should the request fail, the next round asks again: the state says meanwhile what is missing. */
		(void)vtap_nexthop_request(a->net, &a->nexthops[i]);
	}
	return 0;
}

static bool attachment_find(struct vtap_agent *a, uint32_t ifindex, enum vtap_hook hook, struct vtap_attachment *ret)
{
	for (size_t i = 0; vtap_dataplane_attachment(a->dataplane, i, ret) >= 0; i++) {
		if (ret->ifindex == ifindex && ret->hook == hook)
			return true;
	}
	return false;
}

bool vtap_apply_is_first(struct vtap_agent *a, const struct vtap_attachment *at)
{
	struct vtap_order order;
	uint32_t preference;
	int r = vtap_dataplane_order(a->dataplane, at, &order);

	if (!at->preference)
		return r >= 0 && order.position == 1;
	/* Whatever is attached by tcx runs before every clsact filter. */
	if (r >= 0 && order.count)
		return false;
	return vtap_net_clsact_first(a->net, at->ifindex, at->hook == VTAP_HOOK_EGRESS, at->program_id, &preference) <
	       0;
}

/* Whether nothing can refuse a copy behind our program while the uplink is up. Where that cannot be told: no. */
static bool uplink_is_direct(struct vtap_agent *a, const struct vtap_attachment *at)
{
	struct vtap_order order;
	uint32_t preference;
	bool queue;

	return !at->preference && vtap_dataplane_order(a->dataplane, at, &order) >= 0 && order.count == 1 &&
	       vtap_net_clsact_first(a->net, at->ifindex, true, 0, &preference) == -ENOENT &&
	       vtap_net_has_queue(a->net, at->ifindex, &queue) >= 0 && !queue;
}

/* What was found at an uplink that is ready to be used, as flags of a delivery. */
static uint16_t uplink_flags(struct vtap_agent *a, const struct vtap_nexthop *h)
{
	bool hooked = false, completes = false;
	struct vtap_attachment at;
	uint16_t flags = 0;

	if (vtap_net_completes_checksums(a->net, h->device, &completes) >= 0 && completes)
		flags |= VTAP_DELIVERY_UPLINK_COMPLETES;
	if ((vtap_net_nft_egress(a->net, h->device, &hooked) >= 0 && hooked) ||
	    !attachment_find(a, h->ifindex, VTAP_HOOK_EGRESS, &at) || !vtap_apply_is_first(a, &at))
		flags |= VTAP_DELIVERY_STAGE_ALL;
	else if (uplink_is_direct(a, &at))
		flags |= VTAP_DELIVERY_UPLINK_DIRECT;
	return flags;
}

/* An uplink must be able to finish copies before any is sent there. */
static void uplink_apply(struct vtap_agent *a, const struct vtap_nexthop *h)
{
	int r;

	r = vtap_dataplane_attach(a->dataplane, h->ifindex, VTAP_HOOK_EGRESS, VTAP_PROGRAM_OUT);
	if (r < 0)
		failed(a, r, "cannot attach to the egress of", h->device);
}

static int delivery_publish(struct vtap_agent *a, const struct vtap_delivery *d, uint32_t *ret_index)
{
	bool fresh = false;
	int r;

	r = vtap_pool_take(a->deliveries, d, ret_index, &fresh);
	if (r == -EAGAIN) {
		r = grace_period(a);
		if (r >= 0)
			r = vtap_pool_take(a->deliveries, d, ret_index, &fresh);
	}
	if (r < 0)
		return r;
	if (!fresh) {
		struct vtap_delivery held;

		/* The data plane itself marks a delivery whose uplink lost our program: the agent has put it back. */
		fresh =
		    vtap_dataplane_delivery_read(a->dataplane, *ret_index, &held) < 0 || memcmp(&held, d, sizeof(held));
	}
	return fresh ? vtap_dataplane_delivery_write(a->dataplane, *ret_index, d) : 0;
}

/* What the slot is to point to from now on. */
static int delivery_switch(struct vtap_agent *a, uint16_t slot, const struct vtap_delivery *d)
{
	uint32_t index;
	int r;

	r = delivery_publish(a, d, &index);
	if (r >= 0 && index != a->slot_delivery[slot])
		r = vtap_dataplane_session_write(a->dataplane, slot, index);
	if (r < 0)
		return r;
	/* The reference that was held before, or the second one on the same entry. */
	vtap_pool_put(a->deliveries, a->slot_delivery[slot]);
	a->slot_delivery[slot] = index;
	return 0;
}

/* What the kernel refuses to one session is that session's own affair. */
static void deliveries_apply(struct vtap_agent *a)
{
	uint32_t uplink = 0;
	uint16_t flags = 0;

	for (size_t i = 0; i < a->config->session_count; i++) {
		const struct vtap_session *s = &a->config->sessions[i];
		const struct vtap_nexthop *h = &a->nexthops[a->sessions[i].target];
		struct vtap_delivery d;

		a->sessions[i].error = 0;
		if (!s->enabled)
			continue;
		/* Sessions of one uplink mostly stand together: it is looked at once. */
		if (h->state == VTAP_NEXTHOP_READY && h->ifindex != uplink) {
			uplink = h->ifindex;
			uplink_apply(a, h);
			flags = uplink_flags(a, h);
		}
		vtap_delivery_make(s, h, a->near_ifindex, h->state == VTAP_NEXTHOP_READY ? flags : 0, &d);
		a->sessions[i].error = delivery_switch(a, a->sessions[i].slot, &d);
		if (a->sessions[i].error < 0)
			failed(a, a->sessions[i].error, "cannot set up session", s->name);
	}
}

static int plan_publish(struct vtap_agent *a, const struct vtap_plan *plan, uint32_t *ret_index)
{
	bool fresh = false;
	int r;

	r = vtap_pool_take(a->plans, plan, ret_index, &fresh);
	if (r == -EAGAIN) {
		r = grace_period(a);
		if (r >= 0)
			r = vtap_pool_take(a->plans, plan, ret_index, &fresh);
	}
	/* Devices that are no sources any more still hold theirs: in the next round these are free. */
	if (r == -ENOSPC)
		r = -EAGAIN;
	if (r < 0)
		return r;
	return fresh ? vtap_dataplane_plan_write(a->dataplane, *ret_index, plan) : 0;
}

static struct vtap_agent_port *port_find(struct vtap_agent *a, uint32_t ifindex)
{
	for (size_t i = 0; i < a->port_count; i++) {
		if (a->ports[i].ifindex == ifindex)
			return &a->ports[i];
	}
	return NULL;
}

static int port_add(struct vtap_agent *a, uint32_t ifindex, struct vtap_agent_port **ret_port)
{
	struct vtap_agent_port *grown = reallocarray(a->ports, a->port_count + 1, sizeof(*grown));
	uint32_t port = 0;

	if (!grown)
		return -ENOMEM;
	a->ports = grown;
	while (port < VTAP_ABI_PORTS && a->port_used[port])
		port++;
	if (port == VTAP_ABI_PORTS)
		return -ENOSPC;
	a->port_used[port] = true;
	(void)vtap_dataplane_port_counters_clear(a->dataplane, port);
	a->ports[a->port_count] = (struct vtap_agent_port){.ifindex = ifindex, .port = port};
	*ret_port = &a->ports[a->port_count++];
	return 0;
}

/* Tables first, then the one word that points to them. */
static int port_write(struct vtap_agent *a, const struct vtap_wanted_port *w)
{
	struct vtap_agent_port *p = port_find(a, w->ifindex);
	struct vtap_port value = {};
	int r = 0;

	if (!p) {
		r = port_add(a, w->ifindex, &p);
		if (r < 0)
			return r;
	}
	for (size_t hook = 0; hook < VTAP_HOOK_MAX; hook++) {
		value.direction[hook] = w->direction[hook];
		if (!w->used[hook])
			continue;
		r = plan_publish(a, w->plans[hook], &value.plan[hook]);
		if (r < 0) {
			vtap_pool_put(a->plans, value.plan[VTAP_HOOK_INGRESS]);
			return r;
		}
	}
	if (memcmp(&value, &p->value, sizeof(value)))
		r = vtap_dataplane_port_write(a->dataplane, p->port, &value);
	if (r >= 0)
		r = vtap_dataplane_port_index_write(a->dataplane, w->ifindex, p->port);
	for (size_t hook = 0; hook < VTAP_HOOK_MAX; hook++)
		vtap_pool_put(a->plans, p->value.plan[hook]);
	p->value = value;
	return r;
}

/* Then the programs. */
static int port_attach(struct vtap_agent *a, const struct vtap_wanted_port *w)
{
	int r = 0;

	if (w->used[VTAP_HOOK_INGRESS])
		r = vtap_dataplane_attach(a->dataplane, w->ifindex, VTAP_HOOK_INGRESS, VTAP_PROGRAM_IN);
	if (r >= 0 && w->used[VTAP_HOOK_EGRESS])
		r = vtap_dataplane_attach(a->dataplane, w->ifindex, VTAP_HOOK_EGRESS, VTAP_PROGRAM_OUT);
	return r;
}

static bool port_wanted(const struct vtap_wanted *w, uint32_t ifindex)
{
	for (size_t i = 0; i < w->port_count; i++) {
		if (w->ports[i].ifindex == ifindex)
			return true;
	}
	return false;
}

static void ports_release(struct vtap_agent *a, const struct vtap_wanted *w)
{
	static const struct vtap_port nothing;

	for (size_t i = a->port_count; i-- > 0;) {
		struct vtap_agent_port *p = &a->ports[i];

		if (port_wanted(w, p->ifindex))
			continue;
		(void)vtap_dataplane_port_write(a->dataplane, p->port, &nothing);
		(void)vtap_dataplane_port_index_delete(a->dataplane, p->ifindex);
		for (size_t hook = 0; hook < VTAP_HOOK_MAX; hook++)
			vtap_pool_put(a->plans, p->value.plan[hook]);
		a->port_used[p->port] = false;
		*p = a->ports[--a->port_count];
	}
}

static bool is_uplink(const struct vtap_agent *a, uint32_t ifindex)
{
	for (size_t i = 0; i < a->config->session_count; i++) {
		const struct vtap_nexthop *h = &a->nexthops[a->sessions[i].target];

		if (a->config->sessions[i].enabled && h->state == VTAP_NEXTHOP_READY && h->ifindex == ifindex)
			return true;
	}
	return false;
}

static bool attachment_needed(const struct vtap_agent *a, const struct vtap_attachment *at)
{
	for (size_t i = 0; i < a->port_count; i++) {
		if (a->ports[i].ifindex == at->ifindex && a->ports[i].value.plan[at->hook])
			return true;
	}
	if (vtap_stage_has(a, at->ifindex))
		return vtap_stage_needed(a);
	return at->hook == VTAP_HOOK_EGRESS && is_uplink(a, at->ifindex);
}

/*
 * A source's program that looked a delivery up before it changed may still send a clone to the uplink of old: the program
 * there goes only after the grace period, or the clone would leave without its headers.
 */
static void attachments_release(struct vtap_agent *a)
{
	struct vtap_attachment at;
	bool waited = false;
	size_t i = 0;

	while (vtap_dataplane_attachment(a->dataplane, i, &at) >= 0) {
		if (attachment_needed(a, &at)) {
			i++;
			continue;
		}
		if (!waited && grace_period(a) < 0)
			return;
		waited = true;
		if (vtap_dataplane_detach(a->dataplane, at.ifindex, at.hook) < 0)
			i++;
	}
}

bool vtap_apply_receives_copies(const struct vtap_agent *a, uint32_t ifindex, enum vtap_side side)
{
	if (side != VTAP_SIDE_HOST)
		return false;
	for (size_t i = 0; i < a->config->session_count; i++) {
		const struct vtap_nexthop *h = &a->nexthops[a->sessions[i].target];

		if (a->config->sessions[i].enabled && h->ifindex == ifindex)
			return true;
	}
	return false;
}

/* A device without Ethernet headers shows nothing to parse; one that receives copies would mirror them again. */
static uint32_t source_device(void *userdata, const struct vtap_source *source)
{
	const struct vtap_agent *a = userdata;
	struct vtap_link link;

	if (vtap_net_link_by_name(a->net, source->device, &link) < 0 || !link.ethernet ||
	    vtap_stage_has(a, link.ifindex) || vtap_apply_receives_copies(a, link.ifindex, source->side))
		return 0;
	return link.ifindex;
}

static int wanted_make(struct vtap_agent *a, const struct vtap_config *config, struct vtap_wanted **ret_wanted)
{
	_cleanup_free_ uint16_t *slots = calloc(config->session_count + 1, sizeof(*slots));
	const struct vtap_wanted_source from = {
	    .device = source_device, .refused = a->plan ? refused : NULL, .userdata = a, .slots = slots};
	struct vtap_error e = {};
	int r;

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < config->session_count; i++)
		slots[i] = a->sessions[i].slot;
	r = vtap_wanted_make(config, &from, ret_wanted, &e);
	if (r < 0 && *e.text)
		snprintf(a->last_apply_error, sizeof(a->last_apply_error), "%s", e.text);
	return r;
}

/* A port whose programs are still to be attached, each of which takes as long as the kernel's grace period. */
static bool port_is_slow(struct vtap_agent *a, const struct vtap_wanted_port *w)
{
	struct vtap_attachment at;

	for (size_t hook = 0; hook < VTAP_HOOK_MAX; hook++) {
		if (w->used[hook] && !attachment_find(a, w->ifindex, hook, &at))
			return true;
	}
	return false;
}

/* False: some ports may still have the rule tables of before. */
static bool ports_apply(struct vtap_agent *a, const struct vtap_wanted *w)
{
	uint64_t start_ns = now_ns();
	bool complete = true;
	char name[IFNAMSIZ];
	int r;

	for (size_t i = 0; i < w->port_count; i++) {
		if (a->apply_budget_ns && now_ns() - start_ns > a->apply_budget_ns && port_is_slow(a, &w->ports[i])) {
			a->unfinished = true;
			complete = false;
			continue;
		}
		r = port_write(a, &w->ports[i]);
		complete = complete && r >= 0;
		if (r >= 0)
			r = port_attach(a, &w->ports[i]);
		if (r >= 0)
			continue;
		refused(a, w->ports[i].ifindex, r);
		failed(a, r, "cannot mirror", device_name(a, w->ports[i].ifindex, name));
	}
	return complete;
}

/*
 * Sessions that have ended hold so many slots that new ones find none: the data plane does without either first. What goes on
 * loses nothing.
 */
static int slots_make_room(struct vtap_agent *a)
{
	size_t count = a->config->session_count;
	_cleanup_free_ struct vtap_session *sessions = calloc(count + 1, sizeof(*sessions));
	VTAP_CLEANUP(vtap_wanted_freep) struct vtap_wanted *w = NULL;
	struct vtap_config without = *a->config;
	uint64_t budget_ns = a->apply_budget_ns;
	bool complete;
	int r;

	if (!sessions)
		return -ENOMEM;
	without.sessions = sessions;
	for (size_t i = 0; i < count; i++) {
		sessions[i] = a->config->sessions[i];
		sessions[i].enabled = sessions[i].enabled && !a->sessions[i].unplaced;
	}
	r = wanted_make(a, &without, &w);
	if (r < 0)
		return r;
	a->apply_budget_ns = 0;
	complete = ports_apply(a, w);
	a->apply_budget_ns = budget_ns;
	ports_release(a, w);
	r = slots_release(a, complete);
	return r < 0 ? r : slots_assign(a);
}

int vtap_apply(struct vtap_agent *a)
{
	VTAP_CLEANUP(vtap_wanted_freep) struct vtap_wanted *w = NULL;
	bool complete;
	int r;

	*a->last_apply_error = 0;
	a->refusal_count = 0;
	a->unfinished = false;
	r = nexthops_resolve(a);
	if (r >= 0)
		r = slots_assign(a);
	if (r == -ENOSPC)
		r = slots_make_room(a);
	if (r >= 0)
		r = wanted_make(a, a->config, &w);
	if (r < 0)
		return r;
	r = vtap_stage_apply(a);
	if (r < 0)
		failed(a, r, "cannot set up", "the segmenting stage");
	r = vtap_dataplane_guards_write(a->dataplane, w->guards, w->guard_count);
	if (r < 0)
		return r;
	deliveries_apply(a);
	complete = ports_apply(a, w);
	r = a->unfinished ? 0 : vtap_dataplane_switch(a->dataplane);
	if (r < 0)
		failed(a, r, "cannot take over what is attached", "by an earlier agent");
	ports_release(a, w);
	r = slots_release(a, complete);
	/* What is still to be done may need an attachment that an earlier agent left. */
	if (a->unfinished)
		return r;
	attachments_release(a);
	vtap_stage_release(a);
	return r < 0 ? r : vtap_dataplane_commit(a->dataplane);
}
