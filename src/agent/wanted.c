// SPDX-License-Identifier: Apache-2.0

#include "agent/wanted.h"

#include <errno.h>
#include <string.h>

#include "classify/classify.h"

enum vtap_hook vtap_wanted_hook(enum vtap_side side, enum vtap_direction direction)
{
	/* The host end of a cable sends what the interface behind it receives. */
	static const enum vtap_hook hooks[2][VTAP_DIRECTION_MAX] = {
	    [VTAP_SIDE_HOST] = {[VTAP_DIRECTION_IN] = VTAP_HOOK_EGRESS, [VTAP_DIRECTION_OUT] = VTAP_HOOK_INGRESS},
	    [VTAP_SIDE_OWN] = {[VTAP_DIRECTION_IN] = VTAP_HOOK_INGRESS, [VTAP_DIRECTION_OUT] = VTAP_HOOK_EGRESS},
	};

	return hooks[side][direction];
}

struct vtap_wanted *vtap_wanted_free(struct vtap_wanted *w)
{
	if (!w)
		return NULL;
	for (size_t i = 0; i < w->port_count; i++) {
		for (size_t hook = 0; hook < VTAP_HOOK_MAX; hook++)
			free(w->ports[i].plans[hook]);
	}
	free(w->ports);
	free(w->guards);
	free(w);
	return NULL;
}

/* That an enabled session names a device. */
struct use {
	const struct vtap_source *source; /* borrowed */
	size_t session; /* index */
	size_t order; /* among all uses */
};

/* All uses of one device: uses[first] .. uses[first + count - 1], in the order of the sessions. */
struct group {
	size_t first, count;
};

struct uses {
	struct use *uses; /* owned; by device, then by order */
	struct group *groups; /* owned; in the order of their first uses */
	size_t count, group_count;
};

static void uses_done(struct uses *u)
{
	free(u->uses);
	free(u->groups);
}

static int compare_uses(const void *a, const void *b)
{
	const struct use *x = a, *y = b;
	int r = strcmp(x->source->device, y->source->device);

	return r ? r : (x->order > y->order) - (x->order < y->order);
}

static int compare_groups(const void *a, const void *b, void *uses)
{
	size_t x = ((const struct use *)uses)[((const struct group *)a)->first].order;
	size_t y = ((const struct use *)uses)[((const struct group *)b)->first].order;

	return (x > y) - (x < y);
}

static int uses_make(const struct vtap_config *c, struct uses *u)
{
	size_t n = 0;

	for (size_t i = 0; i < c->session_count; i++)
		n += c->sessions[i].enabled ? c->sessions[i].source_count : 0;
	u->uses = calloc(n + 1, sizeof(*u->uses));
	u->groups = calloc(n + 1, sizeof(*u->groups));
	if (!u->uses || !u->groups)
		return -ENOMEM;
	for (size_t i = 0; i < c->session_count; i++) {
		for (size_t j = 0; c->sessions[i].enabled && j < c->sessions[i].source_count; j++, u->count++)
			u->uses[u->count] = (struct use){&c->sessions[i].sources[j], i, u->count};
	}
	qsort(u->uses, n, sizeof(*u->uses), compare_uses);
	for (size_t i = 0; i < n; i++) {
		if (!i || strcmp(u->uses[i - 1].source->device, u->uses[i].source->device))
			u->groups[u->group_count++].first = i;
		u->groups[u->group_count - 1].count++;
	}
	qsort_r(u->groups, u->group_count, sizeof(*u->groups), compare_groups, u->uses);
	return 0;
}

static int port_compile(const struct vtap_config *c, const uint16_t *slots, const struct use *uses, size_t count,
			struct vtap_wanted_port *port, struct vtap_error *reterr)
{
	_cleanup_free_ struct vtap_classify_session *sessions = calloc(count, sizeof(*sessions));
	int r = 0;

	if (!sessions)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		sessions[i] = (struct vtap_classify_session){.session = &c->sessions[uses[i].session],
							     .slot = slots[uses[i].session]};
	for (int direction = 0; r >= 0 && direction < VTAP_DIRECTION_MAX; direction++) {
		enum vtap_hook hook = vtap_wanted_hook(uses->source->side, direction);
		_cleanup_free_ struct vtap_plan *plan = calloc(1, sizeof(*plan));

		if (!plan)
			return -ENOMEM;
		r = vtap_classify_compile(sessions, count, direction, plan, reterr);
		port->direction[hook] = direction;
		if (r >= 0 && plan->session_count) {
			port->used[hook] = true;
			port->plans[hook] = VTAP_STEAL(plan);
		}
	}
	return r;
}

/* w->ports has room for it. */
static int port_add(const struct vtap_config *c, const struct vtap_wanted_source *from, const struct use *uses,
		    size_t count, struct vtap_wanted *w, struct vtap_error *reterr)
{
	uint32_t ifindex = from->device(from->userdata, uses->source);

	if (!ifindex)
		return 0;
	if (w->port_count == VTAP_ABI_PORTS - 1 && from->refused) {
		from->refused(from->userdata, ifindex);
		return 0;
	}
	if (w->port_count == VTAP_ABI_PORTS - 1)
		return vtap_error_set(reterr, -E2BIG, uses->source->line, "sources",
				      "one host can have at most %d source devices", VTAP_ABI_PORTS - 1);
	w->ports[w->port_count] = (struct vtap_wanted_port){.ifindex = ifindex};
	return port_compile(c, from->slots, uses, count, &w->ports[w->port_count++], reterr);
}

static int ports_make(const struct vtap_config *c, const struct vtap_wanted_source *from, struct vtap_wanted *w,
		      struct vtap_error *reterr)
{
	VTAP_CLEANUP(uses_done) struct uses u = {};
	int r;

	r = uses_make(c, &u);
	if (r < 0)
		return r;
	w->ports = calloc(VTAP_MIN(u.group_count, (size_t)VTAP_ABI_PORTS) + 1, sizeof(*w->ports));
	if (!w->ports)
		return -ENOMEM;
	for (size_t i = 0; r >= 0 && i < u.group_count; i++)
		r = port_add(c, from, &u.uses[u.groups[i].first], u.groups[i].count, w, reterr);
	return r;
}

static int guard_add(struct vtap_wanted *w, const struct vtap_addr *address, uint16_t port, struct vtap_error *reterr)
{
	struct vtap_guard g = {.port = port}, *grown;

	if (address->family == AF_INET)
		memcpy(g.address + 12, address->bytes, 4);
	else
		memcpy(g.address, address->bytes, 16);
	for (size_t i = 0; i < w->guard_count; i++) {
		if (!memcmp(&w->guards[i], &g, sizeof(g)))
			return 0;
	}
	if (w->guard_count == VTAP_ABI_GUARDS)
		return vtap_error_set(reterr, -E2BIG, 0, "never_mirror",
				      "targets and never_mirror name more than %d endpoints", VTAP_ABI_GUARDS);
	grown = reallocarray(w->guards, w->guard_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	w->guards = grown;
	w->guards[w->guard_count++] = g;
	return 0;
}

/* Every target of a session, disabled ones too: another host may still send there. */
static int guards_make(const struct vtap_config *c, struct vtap_wanted *w, struct vtap_error *reterr)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < c->session_count; i++)
		r = guard_add(w, &c->sessions[i].target->address, c->sessions[i].port, reterr);
	for (size_t i = 0; r >= 0 && i < c->never_mirror_count; i++)
		r = guard_add(w, &c->never_mirror[i].address, c->never_mirror[i].port, reterr);
	return r;
}

int vtap_wanted_make(const struct vtap_config *config, const struct vtap_wanted_source *source,
		     struct vtap_wanted **ret_wanted, struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_wanted_freep) struct vtap_wanted *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	r = guards_make(config, w, reterr);
	if (r >= 0)
		r = ports_make(config, source, w, reterr);
	if (r < 0)
		return r;
	*ret_wanted = VTAP_STEAL(w);
	return 0;
}
