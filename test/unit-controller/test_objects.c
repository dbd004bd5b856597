/* SPDX-License-Identifier: Apache-2.0 */

/* Objects in memory: order, names, who refers to whom while that changes, and what else they are found by. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/rules_private.h"
#include "core.h"

#define INTERFACES 20

static const struct vtap_kind *kind(const char *name)
{
	return vtap_kind_find(name);
}

struct making {
	struct core *core;
	char guest[VTAP_ID_STRLEN];
	char interfaces[INTERFACES][VTAP_ID_STRLEN];
};

static int make_run(struct vtap_change *c, void *userdata)
{
	struct making *m = userdata;
	char name[16];

	snprintf(m->guest, sizeof(m->guest), "%s", core_put(m->core, c, "guest", "{s:s}", "name", "g")->id);
	for (unsigned i = 0; i < INTERFACES; i++) {
		snprintf(name, sizeof(name), "e%u", i);
		snprintf(m->interfaces[i], VTAP_ID_STRLEN, "%s",
			 core_put(m->core, c, "interface", "{s:s, s:s}", "name", name, "guest", m->guest)->id);
	}
	return 0;
}

static void begin(struct core *core, struct making *m)
{
	core_begin(core);
	m->core = core;
	assert_int_equal(core_write(core, make_run, m, false), 0);
}

static void test_order(void **state)
{
	const struct vtap_object *at = NULL;
	struct vtap_objects *o;
	struct making m = {};
	struct core core;

	begin(&core, &m);
	o = core.controller.objects;
	for (unsigned i = 0; i < INTERFACES; i++) {
		at = vtap_objects_next(o, kind("interface"), at);
		assert_string_equal(at->id, m.interfaces[i]);
	}
	assert_null(vtap_objects_next(o, kind("interface"), at));
	assert_null(vtap_objects_next(o, kind("wire"), NULL));
	assert_int_equal(vtap_objects_count(o, kind("interface")), 20);
	assert_ptr_equal(vtap_objects_named(o, kind("interface"), core.project, "e7"),
			 vtap_objects_get(o, m.interfaces[7]));
	assert_null(vtap_objects_named(o, kind("interface"), NULL, "e7"));
	assert_null(vtap_objects_named(o, kind("guest"), core.project, "e7"));
	core_end(&core);
}

static void test_counts(void **state)
{
	struct vtap_objects *o;
	struct making m = {};
	struct core core;

	begin(&core, &m);
	o = core.controller.objects;
	assert_int_equal(vtap_objects_referrer_count(o, m.guest, NULL), 20);
	assert_int_equal(vtap_objects_referrer_count(o, m.guest, kind("interface")), 20);
	assert_int_equal(vtap_objects_referrer_count(o, m.guest, kind("session")), 0);
	assert_int_equal(vtap_objects_referrer_count(o, core.project, NULL), 21);
	assert_int_equal(vtap_objects_referrer_count(o, core.project, kind("guest")), 1);
	assert_int_equal(vtap_objects_referrer_count(o, "nobody", NULL), 0);
	core_end(&core);
}

/* Deletes what is visited, and what comes after it. */
struct visiting {
	struct vtap_change *change;
	struct vtap_objects *objects;
	const struct making *making;
	unsigned visited[INTERFACES], count;
};

static int visit(struct vtap_object *object, void *userdata)
{
	struct visiting *v = userdata;
	struct vtap_object *next;
	unsigned i = 0;

	while (strcmp(v->making->interfaces[i], object->id) != 0)
		i++;
	v->visited[v->count++] = i;
	assert_int_equal(vtap_change_delete(v->change, object), 0);
	next = i + 1 < INTERFACES ? vtap_objects_get(v->objects, v->making->interfaces[i + 1]) : NULL;
	return next && i % 4 == 0 ? vtap_change_delete(v->change, next) : 0;
}

static int visit_run(struct vtap_change *c, void *userdata)
{
	struct visiting *v = userdata;

	v->change = c;
	return vtap_objects_referrers(v->objects, v->making->guest, kind("interface"), visit, v);
}

static void test_visited_while_they_go(void **state)
{
	struct visiting v = {};
	struct making m = {};
	struct core core;

	begin(&core, &m);
	v.objects = core.controller.objects;
	v.making = &m;
	assert_int_equal(core_write(&core, visit_run, &v, true), 0);
	assert_int_equal(v.count, 15);
	for (unsigned i = 0; i < v.count; i++)
		assert_true(v.visited[i] % 4 != 1 && (i == 0 || v.visited[i] > v.visited[i - 1]));
	assert_int_equal(vtap_objects_referrer_count(v.objects, m.guest, NULL), 20);
	core_end(&core);
}

static int stop_at_third(struct vtap_object *object, void *userdata)
{
	return ++*(unsigned *)userdata == 3 ? -ECANCELED : 0;
}

/* Of several kinds, in order of their creation. */
static int in_order(struct vtap_object *object, void *userdata)
{
	uint64_t *last = userdata;

	assert_true(object->sequence > *last);
	*last = object->sequence;
	return 0;
}

static void test_visits(void **state)
{
	struct vtap_objects *o;
	struct making m = {};
	struct core core;
	unsigned count = 0;
	uint64_t last = 0;

	begin(&core, &m);
	o = core.controller.objects;
	assert_int_equal(vtap_objects_referrers(o, m.guest, NULL, stop_at_third, &count), -ECANCELED);
	assert_int_equal(vtap_objects_referrers(o, core.project, NULL, in_order, &last), 0);
	assert_true(last > 0);
	core_end(&core);
}

static int put_places(struct vtap_change *c, void *userdata)
{
	struct core *core = userdata;
	struct vtap_object *host = core_put(core, c, "host", "{}");
	struct vtap_object *target = core_put(core, c, "target", "{s:s}", "address", "10.0.0.1");
	struct vtap_object *wire = core_put(core, c, "wire", "{s:s, s:s}", "host", host->id, "device", "br0");
	char key[VTAP_OBJECTS_KEY_STRLEN];

	core_put(core, c, "session", "{s:i, s:[s], s:s, s:{s:i}}", "number", 1, "sources", wire->id, "target",
		 target->id, "encapsulation", "vni", 66);
	assert_int_equal(
	    vtap_objects_referrer_count(core->controller.objects, vtap_objects_device_key(host->id, "br0", key), NULL),
	    1);
	assert_int_equal(vtap_objects_referrer_count(core->controller.objects,
						     vtap_objects_vni_key(core->project, 66, key), kind("session")),
			 1);
	assert_int_equal(vtap_change_delete(c, wire), 0);
	assert_int_equal(
	    vtap_objects_referrer_count(core->controller.objects, vtap_objects_device_key(host->id, "br0", key), NULL),
	    0);
	return 0;
}

static void test_places(void **state)
{
	struct core core;

	core_begin(&core);
	assert_int_equal(core_write(&core, put_places, &core, true), 0);
	core_end(&core);
}

/* A filter whose rules have notes of which no two fit into one chunk. */
struct filling {
	struct core *core;
	size_t count;
};

static json_t *large_tags(void)
{
	json_t *tags = json_object();
	char key[VTAP_TAG_KEY_MAX * 4 + 1], value[VTAP_TAG_VALUE_MAX * 4 + 1] = "";

	for (unsigned i = 0; i < VTAP_TAG_VALUE_MAX; i++)
		strcat(value, "\xf0\x9f\x8c\x8d");
	for (unsigned i = 0; i < VTAP_TAGS_MAX; i++) {
		snprintf(key, sizeof(key), "%u", i);
		json_object_set_new(tags, key, json_string(value));
	}
	return tags;
}

static int fill_run(struct vtap_change *c, void *userdata)
{
	const struct filling *f = userdata;
	struct vtap_object *filter = core_put(f->core, c, "filter", "{}");
	json_t *rules = json_array(), *tags = large_tags();
	int r;

	for (size_t i = 0; i < f->count; i++) {
		json_t *rule = core_rule(filter, "in", (unsigned)i + 1, "accept");

		json_object_set(rule, "tags", tags);
		json_array_append_new(rules, rule);
	}
	r = vtap_rules_replace(c, filter, rules);
	if (r >= 0)
		assert_int_equal(json_array_size(json_object_get(filter->value, "chunks")), f->count);
	json_decref(rules);
	json_decref(tags);
	return r;
}

static void test_as_many_chunks_as_allowed(void **state)
{
	struct filling f;
	struct core core;

	core_begin(&core);
	f = (struct filling){.core = &core, .count = VTAP_RULES_CHUNKS_MAX};
	assert_int_equal(core_write(&core, fill_run, &f, true), 0);
	f.count++;
	assert_int_equal(core_write(&core, fill_run, &f, true), -E2BIG);
	assert_int_equal(vtap_objects_count(core.controller.objects, kind("filter")), 0);
	core_end(&core);
}

static int count_rule(const json_t *rule, void *userdata)
{
	(*(size_t *)userdata)++;
	return 0;
}

struct plain { /* a filter of so many rules */
	struct core *core;
	size_t count;
	struct vtap_object *filter;
};

static int plain_run(struct vtap_change *c, void *userdata)
{
	struct plain *p = userdata;
	json_t *rules = json_array();
	int r;

	p->filter = core_put(p->core, c, "filter", "{}");
	for (size_t i = 0; i < p->count; i++)
		json_array_append_new(rules, core_rule(p->filter, "in", (unsigned)i + 1, "accept"));
	r = vtap_rules_replace(c, p->filter, rules);
	json_decref(rules);
	return r;
}

/* Memory has the rules as text: parsed are no more than so many once the loop has turned, whatever was looked at. */
static void test_parsed_rules(void **state)
{
	const struct vtap_rules *rules;
	size_t count = 0;
	struct plain p;
	struct core core;

	core_begin(&core);
	rules = core.controller.rules;
	p = (struct plain){.core = &core, .count = VTAP_RULES_PARSED_MAX + 1};
	assert_int_equal(core_write(&core, plain_run, &p, false), 0);
	assert_int_equal(vtap_rules_cache_count(rules->cache), p.count);
	while (vtap_rules_cache_count(rules->cache) > VTAP_RULES_PARSED_MAX)
		assert_true(sd_event_run(core.controller.event, 0) > 0);
	assert_int_equal(vtap_rules_each(rules, p.filter, 0, count_rule, &count), 0);
	assert_int_equal(count, p.count);
	while (vtap_rules_cache_count(rules->cache) > VTAP_RULES_PARSED_MAX)
		assert_true(sd_event_run(core.controller.event, 0) > 0);
	assert_int_equal(vtap_rules_total(rules, core.project), p.count);
	core_end(&core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_counts),
	    cmocka_unit_test(test_visited_while_they_go),
	    cmocka_unit_test(test_visits),
	    cmocka_unit_test(test_places),
	    cmocka_unit_test(test_as_many_chunks_as_allowed),
	    cmocka_unit_test(test_parsed_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
