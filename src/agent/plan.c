// SPDX-License-Identifier: Apache-2.0

#include "agent/plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/value.h"

/* What is about the plan itself, not about what it asks for. */
static const char *const head_keys[] = {"epoch", "revision", "hash", "requests"};
/* What a session or a rule has beyond the file's keys. */
static const char *const session_keys[] = {"label", "offline", NULL};
static const char *const source_keys[] = {"interface", NULL};
static const char *const rule_keys[] = {"id", NULL};
static const char *const no_keys[] = {NULL};

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/* A text of allowed characters that fits; the copy is untouched otherwise. */
static bool text_read(const json_t *document, const char *key, const char *allowed, char *ret_text, size_t size_bytes)
{
	const char *text = json_string_value(json_object_get(document, key));

	if (!text || !*text || strlen(text) >= size_bytes || text[strspn(text, allowed)] != '\0')
		return false;
	strcpy(ret_text, text);
	return true;
}

int vtap_plan_head_read(const json_t *document, struct vtap_plan_head *ret_head, struct vtap_error *reterr)
{
	const json_t *revision = json_object_get(document, "revision");
	struct vtap_plan_head h = {};
	const char *field = NULL;

	if (json_integer_value(json_object_get(document, "version")) != VTAP_PLAN_VERSION)
		return vtap_error_set(reterr, -EINVAL, 0, "version", "is none that this agent knows");
	if (!text_read(document, "epoch", letters, h.epoch, sizeof(h.epoch)))
		field = "epoch";
	else if (!json_is_integer(revision) || json_integer_value(revision) < 0)
		field = "revision";
	else if (!text_read(document, "hash", letters, h.hash, sizeof(h.hash)))
		field = "hash";
	else if (!text_read(document, "host", "abcdefghijklmnopqrstuvwxyz0123456789-", h.host, sizeof(h.host)))
		field = "host";
	if (field)
		return vtap_error_set(reterr, -EINVAL, 0, field, "is missing or has another form");
	h.revision = (uint64_t)json_integer_value(revision);
	*ret_head = h;
	return 0;
}

enum vtap_plan_verdict vtap_plan_compare(const struct vtap_plan_head *mine, const struct vtap_plan_head *offered)
{
	if (strcmp(mine->epoch, offered->epoch) != 0)
		return VTAP_PLAN_TAKE;
	if (offered->revision < mine->revision)
		return VTAP_PLAN_BACK;
	return strcmp(mine->hash, offered->hash) == 0 ? VTAP_PLAN_SAME : VTAP_PLAN_TAKE;
}

int vtap_plan_hash(const json_t *document, char ret_hash[VTAP_HASH_STRLEN])
{
	json_t *rest = json_copy((json_t *)document);
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(head_keys); i++)
		(void)json_object_del(rest, head_keys[i]);
	text = json_dumps(rest, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(rest);
	if (!text)
		return -ENOMEM;
	(void)vtap_hash_hex(text, strlen(text), ret_hash);
	return 0;
}

void vtap_plan_each_chunk(const json_t *document, void (*visit)(const char *hash, void *userdata), void *userdata)
{
	const json_t *filter, *hash;
	size_t i, j;

	json_array_foreach(json_object_get(document, "filters"), i, filter)
	{
		json_array_foreach(json_object_get(filter, "chunks"), j, hash)
		{
			if (json_is_string(hash))
				visit(json_string_value(hash), userdata);
		}
	}
}

/* A copy of a mapping without some keys and without nulls, which stand for absent ones. What is none comes back as it is. */
static json_t *copy_without(const json_t *value, const char *const *keys)
{
	json_t *copy, *member;
	const char *key;
	void *next;

	if (!json_is_object(value))
		return json_incref((json_t *)value);
	copy = json_copy((json_t *)value);
	for (; copy && *keys; keys++)
		(void)json_object_del(copy, *keys);
	json_object_foreach_safe(copy, next, key, member)
	{
		if (json_is_null(member))
			(void)json_object_del(copy, key);
	}
	return copy;
}

/* The same of every element of a list. */
static json_t *copy_each(const json_t *list, const char *const *keys)
{
	json_t *copies, *value;
	size_t i;

	if (!json_is_array(list))
		return json_incref((json_t *)list);
	copies = json_array();
	json_array_foreach((json_t *)list, i, value)(void) json_array_append_new(copies, copy_without(value, keys));
	return copies;
}

/* What is being made. */
struct making {
	const json_t *document; /* borrowed */
	vtap_plan_chunk chunk;
	void *userdata;
	struct vtap_host_plan *plan; /* borrowed */
	json_t *values; /* owned; as the file would have them */
	json_t *incomplete; /* owned; names of filters whose chunks are not here -> why */
};

/* The rules of all chunks, in their order. NULL with a reason: they are not all here. */
static json_t *rules_make(const struct making *m, const json_t *chunks, char *reason, size_t reason_bytes)
{
	json_t *rules = json_array(), *hash, *value;
	size_t i, j;

	json_array_foreach((json_t *)chunks, i, hash)
	{
		const char *text = json_string_value(hash);
		json_t *chunk = text ? m->chunk(text, m->userdata) : NULL;

		if (!json_is_array(chunk)) {
			snprintf(reason, reason_bytes, "its rules could not be fetched (chunk %.64s)",
				 text ? text : "");
			json_decref(chunk);
			json_decref(rules);
			return NULL;
		}
		json_array_foreach(chunk, j, value)(void) json_array_append_new(rules, copy_without(value, rule_keys));
		json_decref(chunk);
	}
	return rules;
}

static json_t *filters_make(struct making *m)
{
	json_t *filters = json_array(), *filter;
	size_t i;

	json_array_foreach(json_object_get(m->document, "filters"), i, filter)
	{
		const char *name = json_string_value(json_object_get(filter, "name"));
		json_t *rules, *made;
		char reason[160];

		rules = rules_make(m, json_object_get(filter, "chunks"), reason, sizeof(reason));
		if (!rules) {
			(void)json_object_set_new(m->incomplete, name ? name : "", json_string(reason));
			continue;
		}
		made = json_object();
		if (name)
			(void)json_object_set_new(made, "name", json_string(name));
		(void)json_object_set_new(made, "rules", rules);
		(void)json_array_append_new(filters, made);
	}
	return filters;
}

/* Only what is known of an endpoint is read: one that is left out would be mirrored. */
static json_t *endpoints_make(const struct making *m)
{
	json_t *endpoints = json_array(), *endpoint;
	size_t i;

	json_array_foreach(json_object_get(m->document, "never_mirror"), i, endpoint)
	{
		json_t *made = json_object();

		(void)json_object_set(made, "address", json_object_get(endpoint, "address"));
		if (json_is_integer(json_object_get(endpoint, "port")))
			(void)json_object_set(made, "port", json_object_get(endpoint, "port"));
		(void)json_array_append_new(endpoints, made);
	}
	return endpoints;
}

/* NULL = it is refused, and says why. */
static json_t *session_make(const struct making *m, const json_t *session, struct vtap_plan_session *s)
{
	const char *filter = json_string_value(json_object_get(session, "filter"));
	const char *offline = json_string_value(json_object_get(session, "offline"));
	const char *missing = json_string_value(json_object_get(m->incomplete, filter ? filter : ""));
	json_t *made;

	if (filter && missing) {
		snprintf(s->reason, sizeof(s->reason), "filter: %s cannot be used: %s", filter, missing);
		return NULL;
	}
	if (offline && vtap_offline_parse(offline, &s->stop_after_s) < 0) {
		snprintf(s->reason, sizeof(s->reason), "offline: must be keep or stop-after DURATION");
		return NULL;
	}
	made = copy_without(session, session_keys);
	if (json_is_object(made))
		(void)json_object_set_new(made, "sources", copy_each(json_object_get(session, "sources"), source_keys));
	return made;
}

static int interfaces_read(const json_t *session, struct vtap_plan_session *s)
{
	const json_t *sources = json_object_get(session, "sources"), *source;
	size_t i;

	s->interfaces = calloc(json_array_size(sources) + 1, sizeof(*s->interfaces));
	if (!s->interfaces)
		return -ENOMEM;
	json_array_foreach((json_t *)sources, i, source)
	{
		const char *interface = json_string_value(json_object_get(source, "interface"));

		snprintf(s->interfaces[i], sizeof(s->interfaces[i]), "%s", interface ? interface : "");
	}
	s->interface_count = i;
	return 0;
}

/* Every session of the document has its place in the list, refused ones as null. */
static int sessions_make(struct making *m, json_t **ret_sessions)
{
	json_t *sessions = json_object_get(m->document, "sessions"), *list = json_array(), *session;
	struct vtap_host_plan *p = m->plan;
	size_t i;
	int r = 0;

	p->sessions = calloc(json_array_size(sessions) + 1, sizeof(*p->sessions));
	if (!p->sessions || !list)
		r = -ENOMEM;
	json_array_foreach(sessions, i, session)
	{
		const char *id = json_string_value(json_object_get(session, "name"));
		const char *label = json_string_value(json_object_get(session, "label"));
		struct vtap_plan_session *s;
		json_t *made;

		if (r < 0)
			break;
		s = &p->sessions[p->session_count++];
		snprintf(s->id, sizeof(s->id), "%s", id ? id : "");
		snprintf(s->label, sizeof(s->label), "%s", label ? label : s->id);
		r = interfaces_read(session, s);
		made = session_make(m, session, s);
		(void)json_array_append_new(list, made ? made : json_null());
	}
	*ret_sessions = list;
	return r;
}

static int values_make(struct making *m)
{
	const json_t *uplink = json_object_get(m->document, "uplink");
	json_t *sessions = NULL;
	int r;

	m->values = json_object();
	m->incomplete = json_object();
	if (!m->values || !m->incomplete)
		return -ENOMEM;
	if (json_is_string(uplink))
		(void)json_object_set(m->values, "uplink", (json_t *)uplink);
	(void)json_object_set_new(m->values, "never_mirror", endpoints_make(m));
	(void)json_object_set_new(m->values, "targets", copy_each(json_object_get(m->document, "targets"), no_keys));
	(void)json_object_set_new(m->values, "filters", filters_make(m));
	r = sessions_make(m, &sessions);
	(void)json_object_set_new(m->values, "sessions", sessions);
	return r;
}

static void on_refused(const char *list, size_t index, const struct vtap_error *e, void *userdata)
{
	struct vtap_host_plan *p = userdata;
	char text[sizeof(p->warning) - 32];

	vtap_error_format(e, NULL, text, sizeof(text));
	if (strcmp(list, "sessions") == 0) {
		struct vtap_plan_session *s = &p->sessions[index];

		s->refused = true;
		if (!*s->reason)
			snprintf(s->reason, sizeof(s->reason), "%s", text);
		return;
	}
	if (!p->refused_count++)
		snprintf(p->warning, sizeof(p->warning), "%s[%zu]: %s", list, index, text);
}

/* What was accepted stands in the configuration in the same order. */
static int sessions_index(struct vtap_host_plan *p)
{
	size_t index = 0;

	p->by_config = calloc(p->config->session_count + 1, sizeof(*p->by_config));
	if (!p->by_config)
		return -ENOMEM;
	for (size_t i = 0; i < p->session_count; i++) {
		if (p->sessions[i].refused)
			continue;
		p->by_config[index] = &p->sessions[i];
		p->sessions[i].index = index++;
	}
	return 0;
}

/* Sessions are required even if there are none, so that half a document does not end all mirroring. */
static int lists_check(const json_t *document, struct vtap_error *reterr)
{
	static const char *const lists[] = {"never_mirror", "targets", "filters", "sessions"};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(lists); i++) {
		const json_t *list = json_object_get(document, lists[i]);

		if (!json_is_array(list) && (list || !strcmp(lists[i], "sessions")))
			return vtap_error_set(reterr, -EINVAL, 0, lists[i], "must be a list");
	}
	return 0;
}

int vtap_plan_read(const json_t *document, vtap_plan_chunk chunk, void *userdata, struct vtap_host_plan **ret_plan,
		   struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_host_plan_freep) struct vtap_host_plan *p = calloc(1, sizeof(*p));
	struct making m = {.document = document, .chunk = chunk, .userdata = userdata, .plan = p};
	int r;

	if (!p)
		return -ENOMEM;
	r = vtap_plan_head_read(document, &p->head, reterr);
	if (r >= 0)
		r = lists_check(document, reterr);
	if (r < 0)
		return r;
	r = values_make(&m);
	if (r >= 0)
		r = vtap_config_read(m.values, on_refused, p, &p->config, reterr);
	json_decref(m.values);
	json_decref(m.incomplete);
	if (r >= 0)
		r = sessions_index(p);
	if (r < 0)
		return r;
	*ret_plan = VTAP_STEAL(p);
	return 0;
}

struct vtap_host_plan *vtap_host_plan_free(struct vtap_host_plan *p)
{
	if (!p)
		return NULL;
	for (size_t i = 0; i < p->session_count; i++)
		free(p->sessions[i].interfaces);
	vtap_config_free(p->config);
	free(p->sessions);
	free(p->by_config);
	free(p);
	return NULL;
}
