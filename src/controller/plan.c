/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/plan.h"

#include <errno.h>
#include <string.h>

#include "controller/resolve_list.h"
#include "model/config.h"

#define PLAN_VERSION 1
#define BUFFER_BYTES 4096 /* at first */

struct use { /* that a session mirrors a source of this host */
	const char *session, *source, *device; /* borrowed */
	const json_t *session_value; /* borrowed */
	uint64_t sequence;
	bool own;
};

struct text { /* that grows */
	char *bytes; /* owned; terminated */
	size_t length, room;
	bool no_memory;
};

struct making {
	const struct vtap_resolver *v;
	struct use *uses; /* owned; sorted by session and device */
	size_t use_count, use_room;
	struct vtap_pointers targets, filters; /* borrowed ids */
	struct vtap_pointers endpoints; /* owned texts "ADDRESS PORT" */
	struct text sessions, never_mirror; /* the elements of these lists */
	uint16_t ports[VTAP_TUNNEL_PORTS_MAX];
	size_t port_count;
	struct vtap_host_plan *plan; /* owned */
};

static void making_done(struct making *m)
{
	free(m->uses);
	vtap_pointers_done(&m->targets);
	vtap_pointers_done(&m->filters);
	for (size_t i = 0; i < m->endpoints.count; i++)
		free(m->endpoints.items[i]);
	vtap_pointers_done(&m->endpoints);
	free(m->sessions.bytes);
	free(m->never_mirror.bytes);
	m->plan = vtap_host_plan_free(m->plan);
}

static void add_bytes(struct text *t, const char *bytes, size_t length)
{
	if (t->length + length + 1 > t->room) {
		size_t room = VTAP_MAX(2 * t->room, t->length + length + BUFFER_BYTES);
		char *larger = realloc(t->bytes, room);

		if (!larger) {
			t->no_memory = true;
			return;
		}
		t->bytes = larger;
		t->room = room;
	}
	memcpy(t->bytes + t->length, bytes, length);
	t->length += length;
	t->bytes[t->length] = 0;
}

static void add_text(struct text *t, const char *text)
{
	add_bytes(t, text, strlen(text));
}

/* As a JSON text: devices have names that the kernel lets pass, quotes too. */
static void add_string(struct text *t, const char *text)
{
	add_text(t, "\"");
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			add_text(t, "\\");
		add_bytes(t, text, 1);
	}
	add_text(t, "\"");
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

static bool has(const struct vtap_pointers *ids, const char *id)
{
	for (size_t i = 0; i < ids->count; i++)
		if (!strcmp(ids->items[i], id))
			return true;
	return false;
}

/* Once for all sessions that have it. */
static int note(struct vtap_pointers *ids, const char *id)
{
	return !id || has(ids, id) ? 0 : vtap_pointers_add(ids, (void *)id);
}

static void add_sources(struct text *t, const struct use *uses, size_t count)
{
	add_text(t, "[");
	for (size_t i = 0; i < count; i++) {
		add_text(t, i ? ",{\"device\":" : "{\"device\":");
		add_string(t, uses[i].device);
		add_text(t, ",\"interface\":");
		add_string(t, uses[i].source);
		add_text(t, uses[i].own ? ",\"side\":\"own\"}" : ",\"side\":\"host\"}");
	}
	add_text(t, "]");
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

/* FNV-1a, on and on. */
static uint64_t hash_more(uint64_t hash, const void *data, size_t size_bytes)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size_bytes; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
	return hash;
}

static int add_session(struct making *m, struct vtap_plan_part *part, const struct use *uses, size_t count)
{
	const json_t *value = uses->session_value;
	const char *target_id = json_string_value(json_object_get(value, "target"));
	const char *filter_id = json_string_value(json_object_get(value, "filter"));
	const struct vtap_form *session = vtap_resolver_form(m->v, part->session);
	const struct vtap_form *target = vtap_resolver_form(m->v, target_id);
	const struct vtap_form *filter = filter_id ? vtap_resolver_form(m->v, filter_id) : NULL;
	size_t begin;
	int r;

	if (!session || !target || (filter_id && !filter))
		return -ENOMEM;
	add_text(&m->sessions, m->sessions.length ? "," : "");
	begin = m->sessions.length;
	add_bytes(&m->sessions, session->text, session->split);
	add_sources(&m->sessions, uses, VTAP_MIN(count, (size_t)VTAP_SOURCES_MAX));
	add_text(&m->sessions, session->text + session->split);
	if (m->sessions.no_memory)
		return -ENOMEM;
	part->hash = hash_more(target->hash, m->sessions.bytes + begin, m->sessions.length - begin);
	if (filter)
		part->hash = hash_more(part->hash, &filter->hash, sizeof(filter->hash));
	(void)add_port(m,
		       (uint16_t)json_integer_value(json_object_get(json_object_get(value, "encapsulation"), "port")));
	r = note(&m->targets, target_id);
	return r < 0 ? r : note(&m->filters, filter_id);
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
	for (size_t i = 0, count = 0; i < m->endpoints.count && count < VTAP_NEVER_MIRROR_MAX; i++) {
		const char *text = m->endpoints.items[i], *blank = strchr(text, ' ');

		if (!add_port(m, (uint16_t)atoi(blank + 1)))
			continue;
		add_text(&m->never_mirror, count++ ? ",{\"address\":\"" : "{\"address\":\"");
		add_bytes(&m->never_mirror, text, (size_t)(blank - text));
		add_text(&m->never_mirror, "\",\"port\":");
		add_text(&m->never_mirror, blank + 1);
		add_text(&m->never_mirror, "}");
	}
	return m->never_mirror.no_memory ? -ENOMEM : 0;
}

static void add_forms(struct text *t, const struct vtap_resolver *v, const struct vtap_pointers *ids)
{
	if (ids->count)
		qsort(ids->items, ids->count, sizeof(*ids->items), compare_texts);
	for (size_t i = 0; i < ids->count; i++) {
		const struct vtap_form *form = vtap_resolver_form(v, ids->items[i]);

		add_text(t, i ? "," : "");
		add_bytes(t, form->text, form->text_bytes);
	}
}

/* Members sorted, no blanks: what the hash is taken of. */
static int finish(struct making *m, const char *host)
{
	const char *uplink = json_string_value(json_object_get(vtap_resolver_value(m->v, host), "uplink"));
	struct text t = {};
	char version[32];

	add_text(&t, "{\"filters\":[");
	add_forms(&t, m->v, &m->filters);
	add_text(&t, "],\"host\":");
	add_string(&t, host);
	add_text(&t, ",\"never_mirror\":[");
	add_bytes(&t, m->never_mirror.bytes ? m->never_mirror.bytes : "", m->never_mirror.length);
	add_text(&t, "],\"sessions\":[");
	add_bytes(&t, m->sessions.bytes ? m->sessions.bytes : "", m->sessions.length);
	add_text(&t, "],\"targets\":[");
	add_forms(&t, m->v, &m->targets);
	if (uplink) {
		add_text(&t, "],\"uplink\":");
		add_string(&t, uplink);
	} else {
		add_text(&t, "]");
	}
	snprintf(version, sizeof(version), ",\"version\":%d}", PLAN_VERSION);
	add_text(&t, version);
	if (t.no_memory) {
		free(t.bytes);
		return -ENOMEM;
	}
	m->plan->text = t.bytes;
	m->plan->text_bytes = t.length;
	vtap_hash_hex(t.bytes, t.length, m->plan->hash);
	return 0;
}

int vtap_host_plan_make(const struct vtap_resolver *v, const char *host, struct vtap_host_plan **ret_plan)
{
	VTAP_CLEANUP(making_done) struct making m = {.v = v, .plan = calloc(1, sizeof(*m.plan))};
	int r;

	if (!vtap_resolver_value(v, host))
		return -ENOENT;
	if (!m.plan)
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
