/* SPDX-License-Identifier: Apache-2.0 */

/* How much of its quotas a project uses; of those for one filter, session ... what the one that uses most does. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controller/call_private.h"
#include "controller/resource.h"
#include "controller/rules.h"
#include "controller/table.h"

struct tally { /* of one network's sessions */
	uint64_t count;
	const struct vtap_object *last; /* counted once, whatever it names */
};

struct counting {
	const struct vtap_controller *controller;
	uint64_t *used; /* [VTAP_QUOTA_MAX] */
	struct vtap_table *networks; /* struct tally, owned */
};

static void most(struct counting *c, enum vtap_quota quota, uint64_t used)
{
	c->used[quota] = VTAP_MAX(c->used[quota], used);
}

static uint64_t referrers(const struct counting *c, const struct vtap_object *object, const char *kind)
{
	return vtap_objects_referrer_count(c->controller->objects, object->id, vtap_kind_find(kind));
}

static int count_network(struct counting *c, const struct vtap_object *session, const char *network)
{
	struct tally *t = vtap_table_get(c->networks, network);

	if (!t) {
		t = calloc(1, sizeof(*t));
		if (!t)
			return -ENOMEM;
		if (vtap_table_put(c->networks, network, t) < 0) {
			free(t);
			return -ENOMEM;
		}
	}
	t->count += t->last != session;
	t->last = session;
	most(c, VTAP_QUOTA_SESSIONS_PER_NETWORK, t->count);
	return 0;
}

static int count_session(struct vtap_object *session, void *userdata)
{
	struct counting *c = userdata;
	const json_t *sources = json_object_get(session->value, "sources"), *source;
	size_t i;

	most(c, VTAP_QUOTA_SOURCES_PER_SESSION, json_array_size(sources));
	json_array_foreach(sources, i, source)
	{
		const struct vtap_object *object = vtap_objects_get(c->controller->objects, json_string_value(source));
		const char *network = vtap_relate_network_of(c->controller, json_string_value(source));

		if (object && vtap_kind_is_among(object->kind, "interface wire"))
			most(c, VTAP_QUOTA_SESSIONS_PER_INTERFACE, referrers(c, object, "session"));
		if (network && count_network(c, session, network) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int add_sources(struct vtap_object *session, void *userdata)
{
	uint64_t *count = userdata;

	*count += json_array_size(json_object_get(session->value, "sources"));
	return 0;
}

static int count_target(struct vtap_object *target, void *userdata)
{
	struct counting *c = userdata;
	uint64_t sources = 0;

	most(c, VTAP_QUOTA_SESSIONS_PER_TARGET, referrers(c, target, "session"));
	if (!json_is_string(json_object_get(target->value, "interface")))
		return 0;
	(void)vtap_objects_referrers(c->controller->objects, target->id, vtap_kind_find("session"), add_sources,
				     &sources);
	most(c, VTAP_QUOTA_SOURCES_PER_TARGET, sources);
	return 0;
}

static int count_filter(struct vtap_object *filter, void *userdata)
{
	struct counting *c = userdata;
	uint64_t sum = 0;

	for (size_t i = 0; i < VTAP_DIRECTION_MAX; i++) {
		uint64_t count = vtap_rules_count(c->controller->rules, filter, (enum vtap_direction)i);

		most(c, VTAP_QUOTA_RULES_PER_FILTER_DIRECTION, count);
		sum += count;
	}
	most(c, VTAP_QUOTA_RULES_PER_FILTER, sum);
	most(c, VTAP_QUOTA_SESSIONS_PER_FILTER, referrers(c, filter, "session"));
	return 0;
}

static int free_tally(const char *key, void *value, void *userdata)
{
	free(value);
	return 0;
}

int vtap_quota_use(const struct vtap_controller *controller, const struct vtap_object *project,
		   uint64_t ret_used[VTAP_QUOTA_MAX])
{
	static const struct {
		const char *kind;
		vtap_object_visit visit;
	} kinds[] = {{"session", count_session}, {"target", count_target}, {"filter", count_filter}};
	uint64_t used[VTAP_QUOTA_MAX] = {};
	struct counting c = {.controller = controller, .used = used};
	int r;

	r = vtap_table_new(&c.networks);
	if (r < 0)
		return r;
	for (enum vtap_quota q = 0; q < VTAP_QUOTA_MAX; q++) {
		const struct vtap_kind *kind = vtap_relate_counted_kind(q);

		if (kind)
			used[q] = vtap_objects_referrer_count(controller->objects, project->id, kind);
	}
	used[VTAP_QUOTA_RULES] = vtap_rules_total(controller->rules, project->id);
	for (size_t i = 0; r >= 0 && i < VTAP_ARRAY_SIZE(kinds); i++)
		r = vtap_objects_referrers(controller->objects, project->id, vtap_kind_find(kinds[i].kind),
					   kinds[i].visit, &c);
	(void)vtap_table_each(c.networks, free_tally, NULL);
	vtap_table_free(c.networks);
	if (r >= 0)
		memcpy(ret_used, used, sizeof(used));
	return r;
}
