/* SPDX-License-Identifier: Apache-2.0 */

#include "model/check.h"

#include <errno.h>
#include <string.h>

/* That a session names a device. */
struct use {
	const struct vtap_session *session; /* borrowed */
	const struct vtap_source *source; /* borrowed */
	size_t session_index, source_index;
};

/* What one device and direction has to carry so far. */
struct load {
	size_t sessions, rules;
};

/* By device, and in the order of the file for one device. */
static int compare_uses(const void *a, const void *b)
{
	const struct use *x = a, *y = b;
	int r = strcmp(x->source->device, y->source->device);

	if (r != 0)
		return r;
	if (x->session_index != y->session_index)
		return x->session_index < y->session_index ? -1 : 1;
	return (x->source_index > y->source_index) - (x->source_index < y->source_index);
}

static int fail_use(const struct vtap_place *sessions, const struct use *u, int code, const char *text,
		    const struct use *other)
{
	struct vtap_place session = vtap_place_element(sessions, u->session_index);
	struct vtap_place sources = vtap_place_member(&session, "sources");
	struct vtap_place source = vtap_place_element(&sources, u->source_index);

	return vtap_place_fail(&source, code, "device %s %s on line %u", u->source->device, text, other->source->line);
}

/* u against the use of the same device right before it. */
static int check_neighbours(const struct vtap_place *sessions, const struct use *before, const struct use *u)
{
	if (before->session == u->session)
		return fail_use(sessions, u, -EINVAL, "is listed twice in this session, first", before);
	if (before->source->side != u->source->side)
		return fail_use(sessions, u, -EINVAL, "has one side in the whole file, and it has another", before);
	return 0;
}

/* holders[n] is the last use by an exclusive session with number n, of whatever device. */
static int check_number(const struct vtap_place *sessions, const struct use *u, const struct use **holders)
{
	const struct use *holder = holders[u->session->number];

	if (u->session->mode != VTAP_MODE_EXCLUSIVE)
		return 0;
	if (holder && strcmp(holder->source->device, u->source->device) == 0) {
		struct vtap_place session = vtap_place_element(sessions, u->session_index);
		struct vtap_place number = vtap_place_member(&session, "number");

		return vtap_place_fail(&number, -EINVAL,
				       "%u is also the number of session \"%s\" (line %u), and \"%s\" shares device %s "
				       "with it",
				       u->session->number, holder->session->name, holder->session->line,
				       u->session->name, u->source->device);
	}
	holders[u->session->number] = u;
	return 0;
}

static int check_load(const struct vtap_place *sessions, const struct use *u, struct load loads[VTAP_DIRECTION_MAX])
{
	const struct vtap_session *s = u->session;
	struct vtap_place session = vtap_place_element(sessions, u->session_index);

	for (size_t d = 0; d < VTAP_DIRECTION_MAX && s->enabled; d++) {
		if (!s->direction[d])
			continue;
		loads[d].sessions++;
		loads[d].rules += s->filter ? s->filter->rule_count[d] : 0;
		if (loads[d].sessions > VTAP_INTERFACE_SESSIONS_MAX)
			return vtap_place_fail(&session, -E2BIG,
					       "is one session too many for device %s, direction %s: at most %d are "
					       "possible",
					       u->source->device, vtap_direction_name((enum vtap_direction)d),
					       VTAP_INTERFACE_SESSIONS_MAX);
		if (loads[d].rules > VTAP_FILTER_RULES_MAX)
			return vtap_place_fail(&session, -E2BIG,
					       "brings the rules of device %s, direction %s, to %zu over all sessions: "
					       "at most %d are possible",
					       u->source->device, vtap_direction_name((enum vtap_direction)d),
					       loads[d].rules, VTAP_FILTER_RULES_MAX);
	}
	return 0;
}

static int check_devices(const struct vtap_place *sessions)
{
	const struct vtap_config *config = sessions->config;
	_cleanup_free_ const struct use **holders = NULL;
	_cleanup_free_ struct use *uses = NULL;
	struct load loads[VTAP_DIRECTION_MAX] = {};
	size_t count = 0, n = 0;
	int r;

	for (size_t i = 0; i < config->session_count; i++)
		count += config->sessions[i].source_count;
	if (count == 0)
		return 0;
	uses = calloc(count, sizeof(*uses));
	holders = calloc(VTAP_SESSION_NUMBER_MAX + 1, sizeof(*holders));
	if (!uses || !holders)
		return vtap_place_fail(sessions, -ENOMEM, "out of memory");
	for (size_t i = 0; i < config->session_count; i++)
		for (size_t j = 0; j < config->sessions[i].source_count; j++)
			uses[n++] = (struct use){&config->sessions[i], &config->sessions[i].sources[j], i, j};
	qsort(uses, count, sizeof(*uses), compare_uses);

	for (size_t i = 0; i < count; i++) {
		bool same = i > 0 && strcmp(uses[i - 1].source->device, uses[i].source->device) == 0;

		if (!same)
			memset(loads, 0, sizeof(loads));
		r = same ? check_neighbours(sessions, &uses[i - 1], &uses[i]) : 0;
		if (r >= 0)
			r = check_number(sessions, &uses[i], holders);
		if (r >= 0)
			r = check_load(sessions, &uses[i], loads);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Counts the port unless it is among the first *count. False if it finds no room. */
static bool add_port(uint16_t ports[VTAP_TUNNEL_PORTS_MAX], size_t *count, uint16_t port)
{
	for (size_t i = 0; i < *count; i++)
		if (ports[i] == port)
			return true;
	if (*count == VTAP_TUNNEL_PORTS_MAX)
		return false;
	ports[(*count)++] = port;
	return true;
}

static int fail_port(const struct vtap_place *p, uint16_t port)
{
	return vtap_place_fail(p, -E2BIG,
			       "%u is one tunnel port too many: sessions and never_mirror have at most %d together",
			       port, VTAP_TUNNEL_PORTS_MAX);
}

static int check_ports(const struct vtap_place *sessions)
{
	const struct vtap_config *config = sessions->config;
	uint16_t ports[VTAP_TUNNEL_PORTS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < config->never_mirror_count; i++) {
		struct vtap_place list = vtap_place_member(sessions->parent, "never_mirror");
		struct vtap_place element = vtap_place_element(&list, i);
		struct vtap_place port = vtap_place_member(&element, "port");

		if (!add_port(ports, &count, config->never_mirror[i].port))
			return fail_port(&port, config->never_mirror[i].port);
	}
	for (size_t i = 0; i < config->session_count; i++) {
		struct vtap_place session = vtap_place_element(sessions, i);
		struct vtap_place encapsulation = vtap_place_member(&session, "encapsulation");
		struct vtap_place port = vtap_place_member(&encapsulation, "port");

		if (!add_port(ports, &count, config->sessions[i].port))
			return fail_port(&port, config->sessions[i].port);
	}
	return 0;
}

int vtap_check_sessions(const struct vtap_place *p)
{
	int r;

	r = check_devices(p);
	return r < 0 ? r : check_ports(p);
}
