/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/plan.h"

#include <errno.h>
#include <string.h>

#include "controller/resolve_list.h"
#include "model/config.h"
#include "model/file_form.h"

#define PLAN_VERSION 1
#define DUMP_FLAGS (JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY)

struct use { /* that a session mirrors a source of this host */
	const char *session, *source, *device; /* borrowed */
	const json_t *session_value; /* borrowed */
	uint64_t sequence;
	bool own;
};

struct making {
	const struct vtap_resolver *v;
	struct use *uses; /* owned; sorted by session and device */
	size_t use_count, use_room;
	json_t *targets, *filters; /* owned; by id, as the plan has them */
	json_t *sessions; /* owned; the list */
	json_t *never_mirror; /* owned */
	struct vtap_pointers endpoints; /* owned texts "ADDRESS PORT", while they are sorted */
	uint16_t ports[VTAP_TUNNEL_PORTS_MAX];
	size_t port_count;
	struct vtap_host_plan *plan; /* owned */
};

static void making_done(struct making *m)
{
	free(m->uses);
	json_decref(m->targets);
	json_decref(m->filters);
	json_decref(m->sessions);
	json_decref(m->never_mirror);
	for (size_t i = 0; i < m->endpoints.count; i++)
		free(m->endpoints.items[i]);
	vtap_pointers_done(&m->endpoints);
	m->plan = vtap_host_plan_free(m->plan);
}

static int add_use(const struct vtap_cover *c, void *userdata)
{
	struct making *m = userdata;

	if (!c->mirrored)
		return 0;
	if (m->use_count == m->use_room) {
		size_t room = m->use_room ? 2 * m->use_room : 16;
		struct use *uses = reallocarray(m->uses, room, sizeof(*uses));

		if (!uses)
			return -ENOMEM;
		m->uses = uses;
		m->use_room = room;
	}
	m->uses[m->use_count++] = (struct use){
	    .session = c->session,
	    .source = c->source,
	    .device = c->device,
	    .session_value = c->session_value,
	    .sequence = c->sequence,
	    .own = c->own,
	};
	m->plan->has_endpoints |= c->own;
	return 0;
}

static int compare_uses(const void *a, const void *b)
{
	const struct use *x = a, *y = b;
	int r = strcmp(x->session, y->session);

	return r ? r : strcmp(x->device, y->device);
}

static int compare_ages(const void *a, const void *b)
{
	const struct vtap_plan_part *x = *(struct vtap_plan_part *const *)a, *y = *(struct vtap_plan_part *const *)b;

	if (x->sequence != y->sequence)
		return x->sequence < y->sequence ? -1 : 1;
	return strcmp(x->session, y->session);
}

/* When there are too many sessions, the younger ones stay out. */
static int leave_out(struct vtap_host_plan *p)
{
	_cleanup_free_ struct vtap_plan_part **ages = NULL;

	if (p->part_count <= VTAP_SESSIONS_MAX)
		return 0;
	ages = calloc(p->part_count, sizeof(*ages));
	if (!ages)
		return -ENOMEM;
	for (size_t i = 0; i < p->part_count; i++)
		ages[i] = &p->parts[i];
	qsort(ages, p->part_count, sizeof(*ages), compare_ages);
	for (size_t i = VTAP_SESSIONS_MAX; i < p->part_count; i++)
		ages[i]->left_out = true;
	return 0;
}

static int make_parts(struct making *m)
{
	struct vtap_host_plan *p = m->plan;
	struct vtap_plan_part *part = NULL;

	if (m->use_count == 0)
		return 0;
	qsort(m->uses, m->use_count, sizeof(*m->uses), compare_uses);
	p->parts = calloc(m->use_count, sizeof(*p->parts));
	if (!p->parts)
		return -ENOMEM;
	for (size_t i = 0, sources = 0; i < m->use_count; i++) {
		if (!part || strcmp(part->session, m->uses[i].session) != 0) {
			part = &p->parts[p->part_count++];
			snprintf(part->session, sizeof(part->session), "%s", m->uses[i].session);
			part->sequence = m->uses[i].sequence;
			sources = 0;
		}
		if (++sources > VTAP_SOURCES_MAX)
			part->sources_left_out++;
	}
	return leave_out(p);
}

/* FNV-1a over the text of a value. */
static int hash_value(const json_t *value, uint64_t *hash)
{
	_cleanup_free_ char *text = json_dumps(value, DUMP_FLAGS);

	if (!text)
		return -ENOMEM;
	for (const char *c = text; *c; c++)
		*hash = (*hash ^ (uint8_t)*c) * 0x100000001b3ULL;
	return 0;
}

/* Puts the target into the plan, once for all sessions that have it. */
static int add_target(struct making *m, const char *id, json_t **ret_target)
{
	json_t *target = json_object_get(m->targets, id);
	int r;

	if (!target) {
		r = vtap_file_form(vtap_kind_find("target"), vtap_resolver_value(m->v, id), &target);
		if (r < 0)
			return r;
		if (json_object_set_new(m->targets, id, target) < 0)
			return -ENOMEM;
	}
	*ret_target = target;
	return 0;
}

static int add_filter(struct making *m, const char *id, json_t **ret_filter)
{
	json_t *filter = json_object_get(m->filters, id);

	if (!filter) {
		json_t *chunks = json_object_get(vtap_resolver_value(m->v, id), "chunks");

		filter = json_pack("{s:s, s:O?}", "name", id, "chunks", chunks);
		if (!filter || (!chunks && json_object_set_new(filter, "chunks", json_array()) < 0) ||
		    json_object_set_new(m->filters, id, filter) < 0)
			return -ENOMEM;
	}
	*ret_filter = filter;
	return 0;
}

static json_t *make_sources(const struct use *uses, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count && list; i++) {
		json_t *source = json_pack("{s:s, s:s, s:s}", "device", uses[i].device, "side",
					   uses[i].own ? "own" : "host", "interface", uses[i].source);

		if (json_array_append_new(list, source) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* A session as the file has it, with what the file has not: label, the sources' interfaces, offline. */
static int make_session(const json_t *value, const struct use *uses, size_t count, json_t **ret_session)
{
	const char *name = json_string_value(json_object_get(value, "name"));
	json_t *offline = json_object_get(value, "offline");
	json_auto_t *session = NULL;
	int r;

	r = vtap_file_form(vtap_kind_find("session"), value, &session);
	if (r < 0)
		return r;
	if (json_object_set_new(session, "sources", make_sources(uses, VTAP_MIN(count, (size_t)VTAP_SOURCES_MAX))) < 0)
		return -ENOMEM;
	if (json_object_set_new(session, "label", json_string(name ? name : uses->session)) < 0)
		return -ENOMEM;
	if (json_object_set_new(session, "offline",
				json_is_string(offline) ? json_incref(offline) : json_string("keep")) < 0)
		return -ENOMEM;
	*ret_session = VTAP_STEAL(session);
	return 0;
}

static bool add_port(struct making *m, uint16_t port)
{
	for (size_t i = 0; i < m->port_count; i++)
		if (m->ports[i] == port)
			return true;
	if (m->port_count == VTAP_TUNNEL_PORTS_MAX)
		return false;
	m->ports[m->port_count++] = port;
	return true;
}

static int add_session(struct making *m, struct vtap_plan_part *part, const struct use *uses, size_t count)
{
	const json_t *value = uses->session_value;
	const char *filter_id = json_string_value(json_object_get(value, "filter"));
	json_t *session = NULL, *target = NULL, *filter = NULL;
	int r;

	r = make_session(value, uses, count, &session);
	if (r >= 0 && json_array_append_new(m->sessions, session) < 0)
		r = -ENOMEM;
	if (r >= 0)
		r = add_target(m, json_string_value(json_object_get(value, "target")), &target);
	if (r >= 0 && filter_id)
		r = add_filter(m, filter_id, &filter);
	if (r < 0)
		return r;
	(void)add_port(m,
		       (uint16_t)json_integer_value(json_object_get(json_object_get(value, "encapsulation"), "port")));
	part->hash = 0xcbf29ce484222325ULL;
	r = hash_value(session, &part->hash);
	if (r >= 0)
		r = hash_value(target, &part->hash);
	return r >= 0 && filter ? hash_value(filter, &part->hash) : r;
}

static int add_sessions(struct making *m)
{
	size_t first = 0;
	int r = 0;

	for (size_t i = 0; i < m->plan->part_count && r >= 0; i++) {
		struct vtap_plan_part *part = &m->plan->parts[i];
		size_t end = first;

		while (end < m->use_count && !strcmp(m->uses[end].session, part->session))
			end++;
		if (!part->left_out)
			r = add_session(m, part, &m->uses[first], end - first);
		first = end;
	}
	return r;
}

struct endpoint_choice {
	struct making *m;
	bool all;
};

static int add_endpoint(const struct vtap_endpoint_use *use, void *userdata)
{
	const struct endpoint_choice *choice = userdata;
	char *text;

	if (!choice->all && !use->own)
		return 0;
	if (asprintf(&text, "%s %u", use->address, use->port) < 0)
		return -ENOMEM;
	if (vtap_pointers_add(&choice->m->endpoints, text) < 0) {
		free(text);
		return -ENOMEM;
	}
	return 0;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * Where the copies of all hosts go to, for hosts that see their tunnels pass: those that mirror an interface of their own, or a
 * wire. If there are too many, copies can go in circles only between such hosts. Ports beyond the agent's number are left
 * out: its sessions come first.
 */
static int add_endpoints(struct making *m)
{
	struct endpoint_choice choice = {m, vtap_resolver_endpoint_count(m->v) <= VTAP_NEVER_MIRROR_MAX};
	int r;

	if (!m->plan->has_endpoints)
		return 0;
	r = vtap_resolver_endpoints(m->v, add_endpoint, &choice);
	if (r < 0)
		return r;
	if (m->endpoints.count)
		qsort(m->endpoints.items, m->endpoints.count, sizeof(*m->endpoints.items), compare_texts);
	for (size_t i = 0; i < m->endpoints.count && json_array_size(m->never_mirror) < VTAP_NEVER_MIRROR_MAX; i++) {
		char *text = m->endpoints.items[i], *blank = strchr(text, ' ');
		uint16_t port = (uint16_t)atoi(blank + 1);

		if (!add_port(m, port))
			continue;
		if (json_array_append_new(m->never_mirror, json_pack("{s:s%, s:i}", "address", text,
								     (size_t)(blank - text), "port", port)) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* The values of an object, by key. */
static json_t *values_of(json_t *object)
{
	_cleanup_free_ const char **keys = calloc(json_object_size(object) + 1, sizeof(*keys));
	json_t *list = json_array(), *value;
	size_t count = 0;
	const char *key;

	if (!keys)
		list = (json_decref(list), NULL);
	json_object_foreach(object, key, value)
	{
		if (keys)
			keys[count++] = key;
	}
	if (keys)
		qsort(keys, count, sizeof(*keys), compare_texts);
	for (size_t i = 0; i < count && list; i++) {
		if (json_array_append(list, json_object_get(object, keys[i])) < 0)
			list = (json_decref(list), NULL);
	}
	return list;
}

static int finish(struct making *m, const char *host)
{
	const char *uplink = json_string_value(json_object_get(vtap_resolver_value(m->v, host), "uplink"));
	json_auto_t *document = NULL;

	document = json_pack("{s:i, s:s, s:O, s:o, s:o, s:O}", "version", PLAN_VERSION, "host", host, "never_mirror",
			     m->never_mirror, "targets", values_of(m->targets), "filters", values_of(m->filters),
			     "sessions", m->sessions);
	if (!document || (uplink && json_object_set_new(document, "uplink", json_string(uplink)) < 0))
		return -ENOMEM;
	m->plan->text = json_dumps(document, DUMP_FLAGS);
	if (!m->plan->text)
		return -ENOMEM;
	m->plan->text_bytes = strlen(m->plan->text);
	vtap_hash_hex(m->plan->text, m->plan->text_bytes, m->plan->hash);
	return 0;
}

int vtap_host_plan_make(const struct vtap_resolver *v, const char *host, struct vtap_host_plan **ret_plan)
{
	VTAP_CLEANUP(making_done)
	struct making m = {
	    .v = v,
	    .targets = json_object(),
	    .filters = json_object(),
	    .sessions = json_array(),
	    .never_mirror = json_array(),
	    .plan = calloc(1, sizeof(*m.plan)),
	};
	int r;

	if (!vtap_resolver_value(v, host))
		return -ENOENT;
	if (!m.targets || !m.filters || !m.sessions || !m.never_mirror || !m.plan)
		return -ENOMEM;
	r = vtap_resolver_covers_of_host(v, host, add_use, &m);
	if (r >= 0)
		r = make_parts(&m);
	if (r >= 0)
		r = add_sessions(&m);
	if (r >= 0)
		r = add_endpoints(&m);
	if (r >= 0)
		r = finish(&m, host);
	if (r < 0)
		return r;
	*ret_plan = VTAP_STEAL(m.plan);
	return 0;
}

struct vtap_host_plan *vtap_host_plan_free(struct vtap_host_plan *p)
{
	if (!p)
		return NULL;
	free(p->text);
	free(p->parts);
	free(p);
	return NULL;
}

static int compare_part(const void *key, const void *part)
{
	return strcmp(key, ((const struct vtap_plan_part *)part)->session);
}

const struct vtap_plan_part *vtap_host_plan_part(const struct vtap_host_plan *p, const char *session)
{
	return p->part_count ? bsearch(session, p->parts, p->part_count, sizeof(*p->parts), compare_part) : NULL;
}
