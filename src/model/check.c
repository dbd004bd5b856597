// SPDX-License-Identifier: Apache-2.0

#include "model/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ENTRIES_FIRST 64U /* a power of two */

/* What one device and direction has to carry so far. */
struct load {
	size_t sessions, rules;
};

/* A device (number 0), or a number that an exclusive session holds on it. */
struct entry {
	char device[VTAP_DEVICE_MAX + 1]; /* empty = free */
	uint32_t number;
	const struct vtap_session *session; /* the first that used it; borrowed */
	const struct vtap_source *source; /* by which it did; borrowed */
	struct load loads[VTAP_DIRECTION_MAX];
};

struct vtap_check {
	struct entry *entries; /* owned; open addressing */
	size_t size, used;
	uint16_t ports[VTAP_TUNNEL_PORTS_MAX];
	size_t port_count;
};

int vtap_check_new(struct vtap_check **ret_check)
{
	VTAP_CLEANUP(vtap_check_freep) struct vtap_check *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->entries = calloc(ENTRIES_FIRST, sizeof(*k->entries));
	if (!k->entries)
		return -ENOMEM;
	k->size = ENTRIES_FIRST;
	*ret_check = VTAP_STEAL(k);
	return 0;
}

struct vtap_check *vtap_check_free(struct vtap_check *k)
{
	if (!k)
		return NULL;
	free(k->entries);
	free(k);
	return NULL;
}

/* FNV-1a. */
static size_t hash_of(const char *device, uint32_t number)
{
	uint64_t hash = 0xcbf29ce484222325ULL ^ number;

	for (; *device; device++)
		hash = (hash ^ (uint8_t)*device) * 0x100000001b3ULL;
	return (size_t)(hash ^ hash >> 32);
}

/* The entry, or the free one where it belongs. */
static struct entry *entry_find(const struct vtap_check *k, const char *device, uint32_t number)
{
	size_t at = hash_of(device, number) & (k->size - 1);

	while (*k->entries[at].device &&
	       (k->entries[at].number != number || strcmp(k->entries[at].device, device) != 0))
		at = (at + 1) & (k->size - 1);
	return &k->entries[at];
}

/* Makes room for `more` entries, so that adding them cannot fail. */
static int entries_reserve(struct vtap_check *k, size_t more)
{
	struct vtap_check grown = {.size = k->size};

	while ((k->used + more) * 4 > grown.size * 3)
		grown.size *= 2;
	if (grown.size == k->size)
		return 0;
	grown.entries = calloc(grown.size, sizeof(*grown.entries));
	if (!grown.entries)
		return -ENOMEM;
	for (size_t i = 0; i < k->size; i++) {
		const struct entry *e = &k->entries[i];

		if (*e->device)
			*entry_find(&grown, e->device, e->number) = *e;
	}
	free(k->entries);
	k->entries = grown.entries;
	k->size = grown.size;
	return 0;
}

static struct entry *entry_add(struct vtap_check *k, const struct vtap_session *s, const struct vtap_source *source,
			       uint32_t number)
{
	struct entry *e = entry_find(k, source->device, number);

	if (!*e->device) {
		*e = (struct entry){.number = number, .session = s, .source = source};
		strcpy(e->device, source->device);
		k->used++;
	}
	return e;
}

static int fail_source(const struct vtap_place *session, size_t index, const char *device, const char *text,
		       unsigned line)
{
	struct vtap_place sources = vtap_place_member(session, "sources");
	struct vtap_place source = vtap_place_element(&sources, index);
	char where[32] = "";

	if (line)
		snprintf(where, sizeof(where), " on line %u", line);
	return vtap_place_fail(&source, -EINVAL, "device %s %s%s", device, text, where);
}

/* The device once in the session, and with the side that it has in all others. */
static int check_source(const struct vtap_check *k, const struct vtap_place *session, const struct vtap_session *s,
			size_t index)
{
	const struct vtap_source *source = &s->sources[index];
	const struct entry *e = entry_find(k, source->device, 0);

	for (size_t i = 0; i < index; i++) {
		if (strcmp(s->sources[i].device, source->device) == 0)
			return fail_source(session, index, source->device, "is listed twice in this session, first",
					   s->sources[i].line);
	}
	if (*e->device && e->source->side != source->side)
		return fail_source(session, index, source->device,
				   e->source->line ? "has one side in the whole file, and it has another"
						   : "has another side in another session",
				   e->source->line);
	return 0;
}

static int check_number(const struct vtap_check *k, const struct vtap_place *session, const struct vtap_session *s,
			const char *device)
{
	struct vtap_place number = vtap_place_member(session, "number");
	const struct entry *e = entry_find(k, device, s->number);
	char line[32] = "";

	if (s->mode != VTAP_MODE_EXCLUSIVE || !*e->device)
		return 0;
	if (e->session->line)
		snprintf(line, sizeof(line), " (line %u)", e->session->line);
	return vtap_place_fail(&number, -EINVAL,
			       "%u is also the number of session \"%s\"%s, and \"%s\" shares device %s with it",
			       s->number, e->session->name, line, s->name, device);
}

static int check_load(const struct vtap_check *k, const struct vtap_place *session, const struct vtap_session *s,
		      const char *device)
{
	const struct entry *e = entry_find(k, device, 0);

	for (size_t d = 0; d < VTAP_DIRECTION_MAX && s->enabled; d++) {
		size_t rules = e->loads[d].rules + (s->filter ? s->filter->rule_count[d] : 0);

		if (!s->direction[d])
			continue;
		if (e->loads[d].sessions == VTAP_INTERFACE_SESSIONS_MAX)
			return vtap_place_fail(session, -E2BIG,
					       "is one session too many for device %s, direction %s: at most %d are "
					       "possible",
					       device, vtap_direction_name((enum vtap_direction)d),
					       VTAP_INTERFACE_SESSIONS_MAX);
		if (rules > VTAP_FILTER_RULES_MAX)
			return vtap_place_fail(session, -E2BIG,
					       "brings the rules of device %s, direction %s, to %zu over all sessions: "
					       "at most %d are possible",
					       device, vtap_direction_name((enum vtap_direction)d), rules,
					       VTAP_FILTER_RULES_MAX);
	}
	return 0;
}

/* Whether the port is known already, or finds room. */
static bool port_fits(const struct vtap_check *k, uint16_t port, bool *ret_known)
{
	*ret_known = false;
	for (size_t i = 0; i < k->port_count && !*ret_known; i++)
		*ret_known = k->ports[i] == port;
	return *ret_known || k->port_count < VTAP_TUNNEL_PORTS_MAX;
}

static int check_port(const struct vtap_check *k, const struct vtap_place *p, uint16_t port, bool *ret_known)
{
	if (port_fits(k, port, ret_known))
		return 0;
	return vtap_place_fail(p, -E2BIG,
			       "%u is one tunnel port too many: sessions and never_mirror have at most %d together",
			       port, VTAP_TUNNEL_PORTS_MAX);
}

int vtap_check_endpoint(struct vtap_check *k, const struct vtap_place *p, const struct vtap_endpoint *endpoint)
{
	struct vtap_place port = vtap_place_member(p, "port");
	bool known;
	int r;

	r = check_port(k, &port, endpoint->port, &known);
	if (r >= 0 && !known)
		k->ports[k->port_count++] = endpoint->port;
	return r;
}

static void session_add(struct vtap_check *k, const struct vtap_session *s)
{
	for (size_t i = 0; i < s->source_count; i++) {
		struct entry *e = entry_add(k, s, &s->sources[i], 0);

		for (size_t d = 0; d < VTAP_DIRECTION_MAX && s->enabled; d++) {
			e->loads[d].sessions += s->direction[d];
			e->loads[d].rules += s->direction[d] && s->filter ? s->filter->rule_count[d] : 0;
		}
		if (s->mode == VTAP_MODE_EXCLUSIVE)
			(void)entry_add(k, s, &s->sources[i], s->number);
	}
}

int vtap_check_session(struct vtap_check *k, const struct vtap_place *p, const struct vtap_session *s)
{
	struct vtap_place encapsulation = vtap_place_member(p, "encapsulation");
	struct vtap_place port = vtap_place_member(&encapsulation, "port");
	bool known;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < s->source_count; i++) {
		r = check_source(k, p, s, i);
		if (r >= 0)
			r = check_number(k, p, s, s->sources[i].device);
		if (r >= 0)
			r = check_load(k, p, s, s->sources[i].device);
	}
	if (r >= 0)
		r = check_port(k, &port, s->port, &known);
	if (r >= 0 && entries_reserve(k, s->source_count * 2) < 0)
		r = vtap_place_fail(p, -ENOMEM, "out of memory");
	if (r < 0)
		return r;
	session_add(k, s);
	if (!known)
		k->ports[k->port_count++] = s->port;
	return 0;
}

int vtap_check_sessions(const struct vtap_place *p)
{
	VTAP_CLEANUP(vtap_check_freep) struct vtap_check *k = NULL;
	const struct vtap_config *config = p->config;
	int r;

	r = vtap_check_new(&k);
	if (r < 0)
		return vtap_place_fail(p, r, "out of memory");
	for (size_t i = 0; r >= 0 && i < config->never_mirror_count; i++) {
		struct vtap_place list = vtap_place_member(p->parent, "never_mirror");
		struct vtap_place element = vtap_place_element(&list, i);

		r = vtap_check_endpoint(k, &element, &config->never_mirror[i]);
	}
	for (size_t i = 0; r >= 0 && i < config->session_count; i++) {
		struct vtap_place session = vtap_place_element(p, i);

		r = vtap_check_session(k, &session, &config->sessions[i]);
	}
	return r;
}
