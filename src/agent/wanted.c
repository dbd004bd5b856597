// SPDX-License-Identifier: Apache-2.0

#include "agent/wanted.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/pool.h"
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

static void port_done(struct vtap_wanted_port *port)
{
	for (size_t hook = 0; hook < VTAP_HOOK_MAX; hook++)
		free(port->plans[hook]);
}

struct vtap_wanted *vtap_wanted_free(struct vtap_wanted *w)
{
	if (!w)
		return NULL;
	for (size_t i = 0; i < w->port_count; i++)
		port_done(&w->ports[i]);
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

struct making {
	const struct vtap_config *config; /* borrowed */
	const struct vtap_wanted_source *from; /* borrowed */
	struct vtap_wanted *wanted; /* borrowed; its ports have room for one of each device */
	struct vtap_error *reterr; /* borrowed */
	size_t table_count; /* of all ports, equal ones too */
	struct vtap_pool *tables; /* owned; the different ones; NULL = there is room even if none were equal */
};

/* The device finds no room: it is told of, or the whole fails at the session that names it first. */
static int port_refuse(const struct making *m, const struct use *use, uint32_t ifindex, int error)
{
	const struct vtap_session *s = &m->config->sessions[use->session];
	char field[64];

	if (m->from->refused) {
		m->from->refused(m->from->userdata, ifindex, error);
		return 0;
	}
	snprintf(field, sizeof(field), "sessions[%zu].sources[%td].device", use->session, use->source - s->sources);
	if (error == -ENOSPC)
		return vtap_error_set(m->reterr, -E2BIG, use->source->line, field,
				      "%s is one source too many, at session %s: one host can have at most %d",
				      use->source->device, s->name, VTAP_WANTED_PORTS_MAX);
	return vtap_error_set(m->reterr, -E2BIG, use->source->line, field,
			      "%s needs one rule table too many, at session %s: one host can have at most %d different "
			      "ones, one for each direction of a device",
			      use->source->device, s->name, VTAP_WANTED_TABLES_MAX);
}

/* Takes a port's rule tables into those that differ. -E2BIG: not all of them find room, and none was taken. */
static int tables_take(struct vtap_pool *tables, const struct vtap_wanted_port *port)
{
	uint32_t taken[VTAP_HOOK_MAX] = {};
	bool fresh;
	int r = 0;

	for (size_t hook = 0; r >= 0 && hook < VTAP_HOOK_MAX; hook++) {
		if (port->used[hook])
			r = vtap_pool_take(tables, port->plans[hook], &taken[hook], &fresh);
	}
	if (r >= 0)
		return 0;
	for (size_t hook = 0; hook < VTAP_HOOK_MAX; hook++)
		vtap_pool_put(tables, taken[hook]);
	vtap_pool_reclaim(tables);
	return r == -ENOSPC ? -E2BIG : r;
}

/* The rule tables of the last port, beside those of the others. -E2BIG: they find no room. */
static int tables_add(struct making *m)
{
	const struct vtap_wanted *w = m->wanted;
	const struct vtap_wanted_port *last = &w->ports[w->port_count - 1];
	int r = 0;

	m->table_count += last->used[VTAP_HOOK_INGRESS] + last->used[VTAP_HOOK_EGRESS];
	if (m->table_count <= VTAP_WANTED_TABLES_MAX)
		return 0;
	if (m->tables)
		return tables_take(m->tables, last);
	/* Index 0 is never given out. */
	r = vtap_pool_new(VTAP_WANTED_TABLES_MAX + 1, sizeof(struct vtap_plan), &m->tables);
	for (size_t i = 0; r >= 0 && i < w->port_count; i++)
		r = tables_take(m->tables, &w->ports[i]);
	return r;
}

static int port_add(struct making *m, const struct use *uses, size_t count)
{
	uint32_t ifindex = m->from->device(m->from->userdata, uses->source);
	struct vtap_wanted *w = m->wanted;
	int r;

	if (!ifindex)
		return 0;
	if (w->port_count == VTAP_WANTED_PORTS_MAX)
		return port_refuse(m, uses, ifindex, -ENOSPC);
	w->ports[w->port_count] = (struct vtap_wanted_port){.ifindex = ifindex};
	r = port_compile(m->config, m->from->slots, uses, count, &w->ports[w->port_count++], m->reterr);
	if (r < 0)
		return r;
	r = tables_add(m);
	if (r != -E2BIG)
		return r;
	port_done(&w->ports[--w->port_count]);
	return port_refuse(m, uses, ifindex, r);
}

static int ports_make(struct making *m)
{
	VTAP_CLEANUP(uses_done) struct uses u = {};
	int r;

	r = uses_make(m->config, &u);
	if (r < 0)
		return r;
	m->wanted->ports =
	    calloc(VTAP_MIN(u.group_count, (size_t)VTAP_WANTED_PORTS_MAX) + 1, sizeof(*m->wanted->ports));
	if (!m->wanted->ports)
		return -ENOMEM;
	for (size_t i = 0; r >= 0 && i < u.group_count; i++)
		r = port_add(m, &u.uses[u.groups[i].first], u.groups[i].count);
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
	struct making m = {.config = config, .from = source, .wanted = w, .reterr = reterr};
	int r;

	if (!w)
		return -ENOMEM;
	r = guards_make(config, w, reterr);
	if (r >= 0)
		r = ports_make(&m);
	vtap_pool_free(m.tables);
	if (r < 0)
		return r;
	*ret_wanted = VTAP_STEAL(w);
	return 0;
}

/* Each device is asked for once. */
static uint32_t any_device(void *userdata, const struct vtap_source *source)
{
	uint32_t *count = userdata;

	return ++*count;
}

int vtap_wanted_check(const struct vtap_config *config, struct vtap_error *reterr)
{
	_cleanup_free_ uint16_t *slots = calloc(config->session_count + 1, sizeof(*slots));
	VTAP_CLEANUP(vtap_wanted_freep) struct vtap_wanted *w = NULL;
	uint32_t count = 0;
	const struct vtap_wanted_source source = {.device = any_device, .userdata = &count, .slots = slots};

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < config->session_count; i++)
		slots[i] = (uint16_t)i;
	return vtap_wanted_make(config, &source, &w, reterr);
}
