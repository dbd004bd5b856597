// SPDX-License-Identifier: Apache-2.0

#include "agent/status.h"

#include <errno.h>
#include <string.h>

#include "agent/delivery.h"
#include "agent/feed.h"
#include "agent/wanted.h"

static const char *const counter_names[VTAP_COUNTER_MAX] = {
    [VTAP_MATCHED_PACKETS] = "matched_packets",
    [VTAP_MATCHED_BYTES] = "matched_bytes",
    [VTAP_MIRRORED_PACKETS] = "mirrored_packets",
    [VTAP_MIRRORED_BYTES] = "mirrored_bytes",
    [VTAP_CUT_TO_FIT] = "cut_to_fit",
    [VTAP_UNCUT] = "uncut",
    [VTAP_STAGED] = "staged",
    [VTAP_UNSTAGED] = "unstaged",
    [VTAP_LOST_SAMPLED] = "sampled_out",
    [VTAP_LOST_LIMITED] = "lost_limited",
    [VTAP_LOST_TOO_BIG] = "lost_too_big",
    [VTAP_LOST_NOT_CUTTABLE] = "lost_not_cuttable",
    [VTAP_LOST_NO_ROUTE] = "lost_no_route",
    [VTAP_LOST_NO_NEIGHBOUR] = "lost_no_neighbour",
    [VTAP_LOST_BAD_NEXT_HOP] = "lost_bad_next_hop",
    [VTAP_LOST_UPLINK_DOWN] = "lost_uplink_down",
    [VTAP_LOST_QUEUE] = "lost_queue",
    [VTAP_LOST_CHANGED] = "lost_changed",
    [VTAP_LOST_NO_MEMORY] = "lost_no_memory",
    [VTAP_LOST_RECURSION] = "lost_recursion",
    [VTAP_LOST_UNSUPPORTED] = "lost_unsupported",
    [VTAP_LOST_ERROR] = "lost_error",
};

static const char *const hook_names[VTAP_HOOK_MAX] = {
    [VTAP_HOOK_INGRESS] = "ingress",
    [VTAP_HOOK_EGRESS] = "egress",
};

const char *vtap_status_counter_name(enum vtap_counter counter)
{
	return counter_names[counter];
}

uint64_t vtap_status_stage_lost(const struct vtap_counters *c)
{
	uint64_t staged = c->values[VTAP_STAGED], unstaged = c->values[VTAP_UNSTAGED];

	return staged > unstaged ? staged - unstaged : 0;
}

uint64_t vtap_status_lost(const struct vtap_counters *c)
{
	uint64_t lost = vtap_status_stage_lost(c);

	for (size_t i = VTAP_LOST_LIMITED; i < VTAP_COUNTER_MAX; i++)
		lost += c->values[i];
	return lost;
}

static json_t *counters_json(const struct vtap_counters *c)
{
	json_t *o = json_object();

	for (size_t i = 0; i < VTAP_COUNTER_MAX; i++)
		json_object_set_new(o, counter_names[i], json_integer((json_int_t)c->values[i]));
	json_object_set_new(o, "lost_stage", json_integer((json_int_t)vtap_status_stage_lost(c)));
	return o;
}

static json_t *counters_of(struct vtap_dataplane *d, uint16_t slot, struct vtap_counters *ret_sum)
{
	json_t *o = json_object();

	memset(ret_sum, 0, sizeof(*ret_sum));
	for (int direction = 0; direction < VTAP_DIRECTION_MAX; direction++) {
		struct vtap_counters c = {};

		(void)vtap_dataplane_counters_read(d, slot, direction, &c);
		json_object_set_new(o, vtap_direction_name(direction), counters_json(&c));
		for (size_t i = 0; i < VTAP_COUNTER_MAX; i++)
			ret_sum->values[i] += c.values[i];
	}
	return o;
}

static uint64_t own_frames(struct vtap_agent *a, uint32_t ifindex)
{
	struct vtap_port_counters c = {};

	for (size_t i = 0; i < a->port_count; i++) {
		if (a->ports[i].ifindex == ifindex)
			(void)vtap_dataplane_port_counters_read(a->dataplane, a->ports[i].port, &c);
	}
	return c.values[VTAP_PORT_OWN];
}

static bool attached_at(struct vtap_dataplane *d, uint32_t ifindex, enum vtap_hook hook)
{
	struct vtap_attachment at;

	for (size_t i = 0; vtap_dataplane_attachment(d, i, &at) >= 0; i++) {
		if (at.ifindex == ifindex && at.hook == hook)
			return true;
	}
	return false;
}

enum source_state {
	SOURCE_ATTACHED,
	SOURCE_WAITING, /* for the device */
	SOURCE_RECEIVES_COPIES,
	SOURCE_NOT_ETHERNET,
	SOURCE_ERROR,
	SOURCE_DISABLED,
	SOURCE_STATE_MAX
};

static const struct {
	const char *name, *reason; /* the reason goes on behind the device's name; NULL = none is needed */
} source_states[SOURCE_STATE_MAX] = {
    [SOURCE_ATTACHED] = {"attached", NULL},
    [SOURCE_WAITING] = {"waiting", "does not exist here"},
    [SOURCE_RECEIVES_COPIES] = {"receives_copies",
				"is what copies to a target leave by: a target must not be its own source"},
    [SOURCE_NOT_ETHERNET] = {"not_ethernet", "has no Ethernet headers"},
    [SOURCE_ERROR] = {"error", "cannot be attached to"},
    [SOURCE_DISABLED] = {"disabled", NULL},
};

/* What the kernel said to it at the last apply. */
static int refusal_of(const struct vtap_agent *a, uint32_t ifindex)
{
	for (size_t i = 0; i < a->refusal_count; i++) {
		if (a->refusals[i].ifindex == ifindex)
			return a->refusals[i].error;
	}
	return 0;
}

static enum source_state source_state(struct vtap_agent *a, const struct vtap_session *s,
				      const struct vtap_source *source, uint32_t *ret_ifindex)
{
	struct vtap_link link;

	*ret_ifindex = 0;
	if (vtap_net_link_by_name(a->net, source->device, &link) < 0)
		return SOURCE_WAITING;
	*ret_ifindex = link.ifindex;
	if (!s->enabled)
		return SOURCE_DISABLED;
	if (!link.ethernet)
		return SOURCE_NOT_ETHERNET;
	if (vtap_apply_receives_copies(a, link.ifindex, source->side))
		return SOURCE_RECEIVES_COPIES;
	for (int direction = 0; direction < VTAP_DIRECTION_MAX; direction++) {
		if (s->direction[direction] &&
		    !attached_at(a->dataplane, link.ifindex, vtap_wanted_hook(source->side, direction)))
			return SOURCE_ERROR;
	}
	return refusal_of(a, link.ifindex) < 0 ? SOURCE_ERROR : SOURCE_ATTACHED;
}

static void source_reason(const struct vtap_agent *a, const struct vtap_source *source, enum source_state state,
			  uint32_t ifindex, char reason[VTAP_STATUS_REASON_STRLEN])
{
	int error = state == SOURCE_ERROR ? refusal_of(a, ifindex) : 0;
	char text[96];

	*reason = '\0';
	if (error == -ENOSPC)
		snprintf(text, sizeof(text), "this host has more than %d sources", VTAP_WANTED_PORTS_MAX);
	else if (error == -E2BIG)
		snprintf(text, sizeof(text), "this host has more than %d different rule tables",
			 VTAP_WANTED_TABLES_MAX);
	else
		snprintf(text, sizeof(text), "%s", error < 0 ? strerror(-error) : "");
	if (source_states[state].reason)
		snprintf(reason, VTAP_STATUS_REASON_STRLEN, "%s %s%s%s", source->device, source_states[state].reason,
			 *text ? ": " : "", text);
}

static json_t *sources_json(struct vtap_agent *a, const struct vtap_session *s)
{
	char reason[VTAP_STATUS_REASON_STRLEN];
	json_t *list = json_array();

	for (size_t i = 0; i < s->source_count; i++) {
		const struct vtap_source *source = &s->sources[i];
		uint32_t ifindex;
		enum source_state state = source_state(a, s, source, &ifindex);

		source_reason(a, source, state, ifindex, reason);
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "device", source->device, "side",
						vtap_side_name(source->side), "state", source_states[state].name,
						"reason", reason, "ifindex", (json_int_t)ifindex, "own_frames",
						(json_int_t)(ifindex ? own_frames(a, ifindex) : 0)));
	}
	return list;
}

/* How many sources are in each state, and why the first of those is that could not be attached. */
static void sources_count(struct vtap_agent *a, const struct vtap_session *s, size_t counts[SOURCE_STATE_MAX],
			  char reason[VTAP_STATUS_REASON_STRLEN])
{
	*reason = '\0';
	for (size_t i = 0; i < s->source_count; i++) {
		uint32_t ifindex;
		enum source_state state = source_state(a, s, &s->sources[i], &ifindex);

		counts[state]++;
		if (!*reason && state != SOURCE_WAITING)
			source_reason(a, &s->sources[i], state, ifindex, reason);
	}
}

/* Waiting only if no source is there: the others are mirrored meanwhile. */
const char *vtap_status_session_state(struct vtap_agent *a, size_t index, char reason[VTAP_STATUS_REASON_STRLEN])
{
	const struct vtap_session *s = &a->config->sessions[index];
	const struct vtap_nexthop *h = &a->nexthops[a->sessions[index].target];
	size_t counts[SOURCE_STATE_MAX] = {};

	sources_count(a, s, counts, reason);
	if (a->sessions[index].stopped) {
		snprintf(reason, VTAP_STATUS_REASON_STRLEN, "the controller has been away for as long as it may be");
		return "stopped";
	}
	if (!s->enabled)
		return "disabled";
	if (a->sessions[index].error < 0) {
		snprintf(reason, VTAP_STATUS_REASON_STRLEN, "the kernel refuses it: %s",
			 strerror(-a->sessions[index].error));
		return "error";
	}
	if (counts[SOURCE_WAITING] && !counts[SOURCE_ATTACHED]) {
		snprintf(reason, VTAP_STATUS_REASON_STRLEN, "waiting for %s%s", s->sources[0].device,
			 s->source_count > 1 ? " and others" : "");
		return "waiting";
	}
	if (h->state != VTAP_NEXTHOP_READY) {
		snprintf(reason, VTAP_STATUS_REASON_STRLEN, "%s", h->reason);
		return vtap_nexthop_state_name(h->state);
	}
	if (!counts[SOURCE_ATTACHED]) {
		if (!*reason)
			snprintf(reason, VTAP_STATUS_REASON_STRLEN, "no source could be attached");
		return "error";
	}
	if (counts[SOURCE_WAITING])
		snprintf(reason, VTAP_STATUS_REASON_STRLEN, "%zu of %zu source devices do not exist yet",
			 counts[SOURCE_WAITING], s->source_count);
	return "active";
}

/* The least inner frame that must fit is a full one of the source: what the path would need for it. */
static json_t *mtu_json(struct vtap_agent *a, const struct vtap_session *s, const struct vtap_nexthop *h)
{
	uint32_t overhead_bytes = vtap_delivery_overhead_bytes(s->target->address.family), needed = 0;
	json_t *o = json_object();
	char advice[192] = "";

	for (size_t i = 0; i < s->source_count; i++) {
		struct vtap_link link;

		if (vtap_net_link_by_name(a->net, s->sources[i].device, &link) >= 0)
			needed = VTAP_MAX(needed, link.mtu + 14 + overhead_bytes);
	}
	if (s->packet_length && needed > s->packet_length + overhead_bytes)
		needed = s->packet_length + overhead_bytes;
	json_object_set_new(o, "path", json_integer(h->mtu));
	json_object_set_new(o, "needed", json_integer(needed));
	if (h->state == VTAP_NEXTHOP_READY && needed > h->mtu)
		snprintf(
		    advice, sizeof(advice),
		    "full-size packets are %s: raise the MTU of the path to %u, or set packet_length to %u or less",
		    s->mtu_policy == VTAP_MTU_FIT ? "cut to fit, which makes holes in TCP streams" : "not mirrored",
		    needed, h->mtu > overhead_bytes ? h->mtu - overhead_bytes : 0);
	json_object_set_new(o, "advice", json_string(advice));
	return o;
}

json_t *vtap_status_session(struct vtap_agent *a, size_t i)
{
	const struct vtap_session *s = &a->config->sessions[i];
	const struct vtap_nexthop *h = &a->nexthops[a->sessions[i].target];
	const struct vtap_rates *rates = &a->sessions[i].rates;
	char address[VTAP_ADDR_STRLEN], mac[VTAP_MAC_STRLEN], reason[VTAP_STATUS_REASON_STRLEN];
	struct vtap_counters sum;
	json_t *o, *sources, *counters;
	const char *state;

	sources = sources_json(a, s);
	counters = counters_of(a->dataplane, a->sessions[i].slot, &sum);
	state = vtap_status_session_state(a, i, reason);
	o = json_pack("{s:s, s:s, s:s, s:I, s:s, s:b, s:b, s:s, s:s, s:I, s:I, s:s, s:s}", "name", s->name, "state",
		      state, "reason", reason, "number", (json_int_t)s->number, "mode", vtap_mode_name(s->mode), "in",
		      s->direction[VTAP_DIRECTION_IN], "out", s->direction[VTAP_DIRECTION_OUT], "target",
		      s->target->name, "address", vtap_addr_format(&s->target->address, address), "vni",
		      (json_int_t)s->vni, "port", (json_int_t)s->port, "uplink", h->device, "next_hop_mac",
		      h->state == VTAP_NEXTHOP_READY ? vtap_mac_format(&h->destination_mac, mac) : "");
	if (a->plan)
		json_object_set_new(o, "label", json_string(a->plan->by_config[i]->label));
	json_object_set_new(o, "filter", s->filter ? json_string(s->filter->name) : json_null());
	json_object_set_new(o, "mtu", mtu_json(a, s, h));
	json_object_set_new(o, "sources", sources);
	json_object_set_new(o, "counters", counters);
	json_object_set_new(o, "total", counters_json(&sum));
	json_object_set_new(o, "lost", json_integer((json_int_t)vtap_status_lost(&sum)));
	json_object_set_new(o, "rates",
			    json_pack("{s:f, s:f, s:f, s:f}", "matched_packets_per_second", rates->matched_pps,
				      "mirrored_packets_per_second", rates->mirrored_pps, "mirrored_bits_per_second",
				      rates->mirrored_bps, "lost_packets_per_second", rates->lost_pps));
	return o;
}

static json_t *attachment_json(struct vtap_dataplane *d, const struct vtap_attachment *at)
{
	json_t *o = json_pack("{s:I, s:s, s:s, s:I}", "ifindex", (json_int_t)at->ifindex, "hook", hook_names[at->hook],
			      "kind", at->preference ? "clsact" : "tcx", "program_id", (json_int_t)at->program_id);
	struct vtap_order order;

	if (at->preference) {
		json_object_set_new(o, "preference", json_integer(at->preference));
		return o;
	}
	if (vtap_dataplane_order(d, at, &order) >= 0) {
		json_t *ids = json_array();

		for (uint32_t i = 0; i < order.count; i++)
			json_array_append_new(ids, json_integer(order.ids[i]));
		json_object_set_new(o, "position", json_integer(order.position));
		json_object_set_new(o, "programs", ids);
	}
	return o;
}

/* What is attached, where, and whether somebody came before us. */
static json_t *attachments_json(struct vtap_agent *a, json_t *warnings)
{
	json_t *list = json_array();
	struct vtap_attachment at;

	for (size_t i = 0; vtap_dataplane_attachment(a->dataplane, i, &at) >= 0; i++) {
		json_t *o = attachment_json(a->dataplane, &at);
		struct vtap_link link = {};
		char text[160];
		bool first;

		(void)vtap_net_link_by_index(a->net, at.ifindex, &link);
		json_object_set_new(o, "device", json_string(link.name));
		first = vtap_apply_is_first(a, &at);
		json_object_set_new(o, "first", json_boolean(first));
		json_array_append_new(list, o);
		if (first)
			continue;
		snprintf(text, sizeof(text),
			 "%s %s: another program runs before ours, and packets that it takes are not mirrored",
			 link.name, hook_names[at.hook]);
		json_array_append_new(warnings, json_string(text));
	}
	return list;
}

static void device_append(struct vtap_agent *a, json_t *list, uint32_t ifindex, const char *role)
{
	struct vtap_link_drops drops;
	struct vtap_link link;

	if (!ifindex || vtap_net_link_by_index(a->net, ifindex, &link) < 0 ||
	    vtap_net_link_drops(a->net, ifindex, &drops) < 0)
		return;
	json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "device", link.name, "role", role,
					      "rx_dropped", (json_int_t)drops.rx_dropped, "tx_dropped",
					      (json_int_t)drops.tx_dropped, "tx_errors", (json_int_t)drops.tx_errors,
					      "queue_dropped", (json_int_t)drops.qdisc_dropped));
}

/* Devices whose own queues can lose copies behind our back. */
static json_t *devices_json(struct vtap_agent *a)
{
	json_t *list = json_array();

	device_append(a, list, a->near_ifindex, "stage");
	device_append(a, list, a->far_ifindex, "stage");
	for (size_t i = 0; i < a->config->target_count; i++) {
		bool known = false;

		for (size_t j = 0; j < i; j++)
			known = known || a->nexthops[j].ifindex == a->nexthops[i].ifindex;
		if (!known)
			device_append(a, list, a->nexthops[i].ifindex, "uplink");
	}
	return list;
}

/* What the plan asks for and cannot be had. */
static void refused_append(const struct vtap_agent *a, json_t *sessions)
{
	for (size_t i = 0; a->plan && i < a->plan->session_count; i++) {
		const struct vtap_plan_session *s = &a->plan->sessions[i];

		if (s->refused)
			json_array_append_new(sessions, json_pack("{s:s, s:s, s:s, s:s, s:[], s:{}}", "name", s->id,
								  "label", s->label, "state", "error", "reason",
								  s->reason, "sources", "counters"));
	}
}

json_t *vtap_status_make(struct vtap_agent *a)
{
	json_t *sessions = json_array(), *warnings = json_array(), *status;
	const struct vtap_error *e = &a->last_error;
	char text[400];

	for (size_t i = 0; i < a->config->session_count; i++)
		json_array_append_new(sessions, vtap_status_session(a, i));
	refused_append(a, sessions);
	if (a->plan && a->plan->refused_count)
		json_array_append_new(warnings, json_string(a->plan->warning));
	if (e->code) {
		vtap_error_format(e, a->options.config_path, text, sizeof(text));
		json_array_append_new(warnings, json_string(text));
	}
	if (*a->last_apply_error)
		json_array_append_new(warnings, json_string(a->last_apply_error));
	if (!vtap_dataplane_pins_complete(a->dataplane)) {
		snprintf(text, sizeof(text),
			 "pins below %.200s are gone: mirroring ends with this agent; start it again",
			 a->options.pin_dir);
		json_array_append_new(warnings, json_string(text));
	}
	status = json_pack("{s:{s:s, s:I, s:s, s:b, s:s?, s:I, s:I, s:I}}", "agent", "version", VTAP_VERSION, "pid",
			   (json_int_t)getpid(), "hook", vtap_dataplane_uses_tcx(a->dataplane) ? "tcx" : "clsact",
			   "pinned", vtap_dataplane_is_pinned(a->dataplane), "config", a->options.config_path,
			   "generation", (json_int_t)a->generation, "plans_used", (json_int_t)vtap_pool_used(a->plans),
			   "deliveries_used", (json_int_t)vtap_pool_used(a->deliveries));
	if (!status)
		return NULL;
	if (a->feed)
		json_object_set_new(status, "controller", vtap_agent_feed_status(a));
	json_object_set_new(status, "sessions", sessions);
	json_object_set_new(status, "attachments", attachments_json(a, warnings));
	json_object_set_new(status, "devices", devices_json(a));
	json_object_set_new(status, "warnings", warnings);
	return status;
}

/* The slots of all sessions that a program takes packets for. */
static int attached_slots(struct vtap_dataplane *d, bool ret_attached[VTAP_ABI_SESSIONS])
{
	_cleanup_free_ struct vtap_plan *plan = malloc(sizeof(*plan));
	uint32_t ifindex = 0, index;
	struct vtap_port port;

	if (!plan)
		return -ENOMEM;
	while (vtap_dataplane_port_index_next(d, &ifindex, &index) >= 0) {
		if (vtap_dataplane_port_read(d, index, &port) < 0)
			continue;
		for (size_t hook = 0; hook < VTAP_HOOK_MAX; hook++) {
			if (!port.plan[hook] || !attached_at(d, ifindex, hook) ||
			    vtap_dataplane_plan_read(d, port.plan[hook], plan) < 0)
				continue;
			for (size_t i = 0; i < VTAP_MIN(plan->session_count, (uint16_t)VTAP_ABI_PLAN_SESSIONS); i++)
				ret_attached[plan->slots[i] % VTAP_ABI_SESSIONS] = true;
		}
	}
	return 0;
}

/* Without an agent nobody knows more of a session than what the data plane goes by. */
static json_t *pinned_session(struct vtap_dataplane *d, uint32_t slot, const char *name, bool attached)
{
	const char *state = "active", *reason = "mirroring goes on without an agent";
	struct vtap_delivery delivery = {};
	struct vtap_counters sum;
	json_t *o, *counters;
	uint32_t index = 0;

	if (vtap_dataplane_session_read(d, slot, &index) >= 0 && index)
		(void)vtap_dataplane_delivery_read(d, index, &delivery);
	if (!index) {
		state = "disabled";
		reason = "";
	} else if (!attached) {
		state = "waiting";
		reason = "no program is attached to any of its sources";
	} else if (delivery.lost) {
		state = "error";
		reason = delivery.lost < VTAP_COUNTER_MAX ? counter_names[delivery.lost] : "";
	}
	counters = counters_of(d, (uint16_t)slot, &sum);
	o = json_pack("{s:s, s:s, s:s}", "name", name, "state", state, "reason", reason);
	json_object_set_new(o, "counters", counters);
	json_object_set_new(o, "total", counters_json(&sum));
	json_object_set_new(o, "lost", json_integer((json_int_t)vtap_status_lost(&sum)));
	return o;
}

int vtap_status_make_pinned(const char *pin_dir, json_t **ret_status)
{
	VTAP_CLEANUP(vtap_dataplane_freep) struct vtap_dataplane *d = NULL;
	bool attached[VTAP_ABI_SESSIONS] = {};
	json_t *sessions, *attachments;
	struct vtap_attachment at;
	int r;

	r = vtap_dataplane_open_pinned(pin_dir, &d);
	if (r >= 0)
		r = attached_slots(d, attached);
	if (r < 0)
		return r;
	sessions = json_array();
	attachments = json_array();
	for (uint32_t slot = 0; slot < VTAP_ABI_SESSIONS; slot++) {
		struct vtap_slot_name name;

		if (vtap_dataplane_slot_name_read(d, slot, &name) >= 0 && *name.name)
			json_array_append_new(sessions, pinned_session(d, slot, name.name, attached[slot]));
	}
	for (size_t i = 0; vtap_dataplane_attachment(d, i, &at) >= 0; i++)
		json_array_append_new(attachments, attachment_json(d, &at));
	*ret_status =
	    json_pack("{s:n, s:o, s:o, s:[], s:[s]}", "agent", "sessions", sessions, "attachments", attachments,
		      "devices", "warnings", "no agent is running: what is pinned goes on as it was");
	return *ret_status ? 0 : -ENOMEM;
}
