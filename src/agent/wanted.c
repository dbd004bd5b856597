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

static const struct vtap_source *session_source(const struct vtap_session *s, const char *device)
{
	for (size_t i = 0; i < s->source_count; i++) {
		if (!strcmp(s->sources[i].device, device))
			return &s->sources[i];
	}
	return NULL;
}

/* All enabled sessions with that source. The array is the caller's. */
static int sessions_of(const struct vtap_config *c, const uint16_t *slots, const char *device,
		       struct vtap_classify_session **ret_sessions, size_t *ret_count)
{
	struct vtap_classify_session *sessions = calloc(c->session_count, sizeof(*sessions));
	size_t count = 0;

	if (!sessions)
		return -ENOMEM;
	for (size_t i = 0; i < c->session_count; i++) {
		const struct vtap_session *s = &c->sessions[i];

		if (s->enabled && session_source(s, device))
			sessions[count++] = (struct vtap_classify_session){.session = s, .slot = slots[i]};
	}
	*ret_sessions = sessions;
	*ret_count = count;
	return 0;
}

static int port_compile(const struct vtap_config *c, const uint16_t *slots, const struct vtap_source *source,
			struct vtap_wanted_port *port, struct vtap_error *reterr)
{
	_cleanup_free_ struct vtap_classify_session *sessions = NULL;
	size_t count = 0;
	int r;

	r = sessions_of(c, slots, source->device, &sessions, &count);
	for (int direction = 0; r >= 0 && direction < VTAP_DIRECTION_MAX; direction++) {
		enum vtap_hook hook = vtap_wanted_hook(source->side, direction);
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

static bool port_known(const struct vtap_wanted *w, uint32_t ifindex)
{
	for (size_t i = 0; i < w->port_count; i++) {
		if (w->ports[i].ifindex == ifindex)
			return true;
	}
	return false;
}

static int port_add(const struct vtap_config *c, const struct vtap_wanted_source *from,
		    const struct vtap_source *source, struct vtap_wanted *w, struct vtap_error *reterr)
{
	uint32_t ifindex = from->device(from->userdata, source);
	struct vtap_wanted_port *grown;

	if (!ifindex || port_known(w, ifindex))
		return 0;
	if (w->port_count == VTAP_ABI_PORTS - 1)
		return vtap_error_set(reterr, -E2BIG, source->line, "sources",
				      "one host can have at most %d source devices", VTAP_ABI_PORTS - 1);
	grown = reallocarray(w->ports, w->port_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	w->ports = grown;
	w->ports[w->port_count] = (struct vtap_wanted_port){.ifindex = ifindex};
	return port_compile(c, from->slots, source, &w->ports[w->port_count++], reterr);
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
	for (size_t i = 0; r >= 0 && i < config->session_count; i++) {
		const struct vtap_session *s = &config->sessions[i];

		for (size_t j = 0; r >= 0 && s->enabled && j < s->source_count; j++)
			r = port_add(config, source, &s->sources[j], w, reterr);
	}
	if (r < 0)
		return r;
	*ret_wanted = VTAP_STEAL(w);
	return 0;
}
