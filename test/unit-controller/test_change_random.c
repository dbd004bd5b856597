/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Random writes in random batches, of which some fail, some are dry runs, and some meet a store that refuses: after each batch
 * memory is what a second controller reads from the store.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define ROUNDS 100
#define BATCH_MAX 12
#define STEPS_MAX 6
#define NAMES 8

struct random_write {
	struct core *core;
	struct vtap_write write;
};

static unsigned chance(unsigned of)
{
	return (unsigned)rand() % of;
}

static struct vtap_object *any(struct core *core, const char *kind_name)
{
	const struct vtap_kind *kind = vtap_kind_find(kind_name);
	size_t count = vtap_objects_count(core->controller.objects, kind);
	struct vtap_object *object = NULL;

	for (size_t skip = count > 0 ? chance((unsigned)count) + 1 : 0; skip > 0; skip--)
		object = vtap_objects_next(core->controller.objects, kind, object);
	return object;
}

static int step_create(struct core *core, struct vtap_change *c)
{
	static const char *const kinds[] = {"filter", "interface", "guest"};
	const char *kind = kinds[chance(VTAP_ARRAY_SIZE(kinds))];
	char name[8];

	snprintf(name, sizeof(name), "n%u", chance(NAMES));
	if (vtap_objects_named(core->controller.objects, vtap_kind_find(kind), core->project, name))
		return 0;
	core_put(core, c, kind, "{s:s}", "name", name);
	return 0;
}

static int step_refer(struct core *core, struct vtap_change *c)
{
	struct vtap_object *interface = any(core, "interface"), *guest = any(core, "guest");
	json_t *value;

	if (!interface)
		return 0;
	value = json_copy(interface->value);
	json_object_set_new(value, "guest", guest && chance(4) ? json_string(guest->id) : json_null());
	json_object_set_new(value, "name", json_null());
	return vtap_change_put(c, interface->kind, value, NULL);
}

static int step_delete(struct core *core, struct vtap_change *c)
{
	static const char *const kinds[] = {"filter", "interface", "guest"};
	struct vtap_object *object = any(core, kinds[chance(VTAP_ARRAY_SIZE(kinds))]);
	int r = 0;

	if (!object || vtap_objects_referrer_count(core->controller.objects, object->id, NULL) > 0)
		return 0;
	if (strcmp(object->kind->name, "filter") == 0)
		r = vtap_rules_drop(c, object);
	return r < 0 ? r : vtap_change_delete(c, object);
}

static int step_rule(struct core *core, struct vtap_change *c)
{
	struct vtap_object *filter = any(core, "filter");
	const json_t *at;
	char id[VTAP_ID_STRLEN];
	unsigned number = 1 + chance(300);
	json_t *rule;
	int r;

	if (!filter)
		return 0;
	at = vtap_rules_at(core->controller.rules, filter, VTAP_DIRECTION_IN, number);
	if (at && chance(2))
		return vtap_rules_delete(c, json_string_value(json_object_get(at, "id")));
	rule = core_rule(filter, "in", number, chance(2) ? "accept" : "reject");
	if (at)
		json_object_set(rule, "id", json_object_get(at, "id"));
	if (chance(3) == 0)
		json_object_set_new(rule, "description", json_sprintf("d%u", chance(3)));
	r = vtap_rules_put(c, filter, rule, id);
	json_decref(rule);
	return r;
}

static int step_rules(struct core *core, struct vtap_change *c)
{
	struct vtap_object *filter = any(core, "filter");
	json_t *rules;
	int r;

	if (!filter)
		return 0;
	rules = json_array();
	for (unsigned number = 1 + chance(3); number < 300; number += 1 + chance(3)) {
		json_t *rule = core_rule(filter, "in", number, "accept");
		const json_t *at = vtap_rules_at(core->controller.rules, filter, VTAP_DIRECTION_IN, number);

		if (at)
			json_object_set(rule, "id", json_object_get(at, "id"));
		json_array_append_new(rules, rule);
	}
	r = vtap_rules_replace(c, filter, rules);
	json_decref(rules);
	return r;
}

static int random_run(struct vtap_change *c, void *userdata)
{
	static int (*const steps[])(struct core * core, struct vtap_change * c) = {
	    step_create, step_create, step_refer, step_delete, step_rule, step_rule, step_rules};
	struct random_write *w = userdata;
	int r = 0;

	for (unsigned i = chance(STEPS_MAX) + 1; i > 0 && r >= 0; i--)
		r = steps[chance(VTAP_ARRAY_SIZE(steps))](w->core, c);
	return r >= 0 && chance(5) == 0 ? -ECANCELED : r;
}

static void random_done(int r, void *userdata)
{
	assert_true(r == 0 || r == -ECANCELED || r == -ENOSPC || r == -E2BIG);
	free(userdata);
}

static int nothing(struct vtap_change *c, void *userdata)
{
	return 0;
}

static int append_rule(const json_t *rule, void *userdata)
{
	return json_array_append((json_t *)userdata, (json_t *)rule);
}

/* Everything that can be asked of a controller's memory. */
static json_t *describe(const struct core *core)
{
	const struct vtap_objects *o = core->controller.objects;
	json_t *all = json_array();

	for (const struct vtap_kind *k = vtap_kinds; k->name; k++) {
		json_array_append_new(all, json_integer((json_int_t)vtap_objects_count(o, k)));
		for (struct vtap_object *at = vtap_objects_next(o, k, NULL); at; at = vtap_objects_next(o, k, at)) {
			json_t *rules = json_array();

			assert_ptr_equal(vtap_objects_get(o, at->id), at);
			if (at->name)
				assert_ptr_equal(vtap_objects_named(o, k, at->project, at->name), at);
			if (strcmp(k->name, "filter") == 0)
				assert_int_equal(vtap_rules_each(core->controller.rules, at, 0, append_rule, rules), 0);
			json_array_append_new(
			    all, json_pack("{s:O, s:I, s:I, s:I, s:o}", "value", at->value, "version",
					   (json_int_t)at->version, "revision", (json_int_t)at->revision, "referrers",
					   (json_int_t)vtap_objects_referrer_count(o, at->id, NULL), "rules", rules));
		}
	}
	return all;
}

static void rules_are_consistent(const struct core *core)
{
	const struct vtap_kind *kind = vtap_kind_find("filter");
	const struct vtap_objects *o = core->controller.objects;

	for (struct vtap_object *f = vtap_objects_next(o, kind, NULL); f; f = vtap_objects_next(o, kind, f)) {
		json_t *rules = json_array();
		const json_t *rule;
		json_int_t last = 0;
		size_t i;

		assert_int_equal(vtap_rules_each(core->controller.rules, f, 0, append_rule, rules), 0);
		assert_int_equal(json_array_size(rules), json_integer_value(json_object_get(f->value, "rule_count")));
		json_array_foreach(rules, i, rule)
		{
			struct vtap_object *filter = NULL;
			json_t *whole;

			assert_true(json_integer_value(json_object_get(rule, "number")) > last);
			last = json_integer_value(json_object_get(rule, "number"));
			assert_ptr_equal(vtap_rules_find(core->controller.rules,
							 json_string_value(json_object_get(rule, "id")), &filter),
					 rule);
			assert_ptr_equal(filter, f);
			assert_int_equal(vtap_rules_resource(core->controller.rules,
							     json_string_value(json_object_get(rule, "id")), &whole),
					 0);
			json_decref(whole);
		}
		json_decref(rules);
	}
}

static int count_item(const struct vtap_store_item *item, void *userdata)
{
	return 0;
}

static size_t count_chunks(const struct core *core)
{
	const struct vtap_kind *kind = vtap_kind_find("filter");
	const struct vtap_objects *o = core->controller.objects;
	size_t count = 0;

	for (struct vtap_object *f = vtap_objects_next(o, kind, NULL); f; f = vtap_objects_next(o, kind, f))
		count += json_array_size(json_object_get(f->value, "chunks"));
	return count;
}

static void compare(const struct core *core)
{
	struct vtap_store *store = core->controller.store;
	json_t *memory = describe(core), *stored;
	size_t chunks = count_chunks(core);
	struct core second;

	assert_int_equal(vtap_store_page(store, "chunk/", NULL, 1000, count_item, NULL), chunks);
	assert_int_equal(vtap_store_page(store, "notes/", NULL, 1000, count_item, NULL), chunks);
	core_read(&second, core);
	stored = describe(&second);
	if (!json_equal(memory, stored))
		fail_msg("memory\n%s\nstore\n%s", json_dumps(memory, JSON_INDENT(1)),
			 json_dumps(stored, JSON_INDENT(1)));
	rules_are_consistent(core);
	core_read_end(&second);
	json_decref(memory);
	json_decref(stored);
}

static void test_random(void **state)
{
	struct core core;

	srand(4711);
	core_begin(&core);
	for (unsigned round = 0; round < ROUNDS; round++) {
		core_commit_fails = chance(6) == 0 ? -ENOSPC : 0;
		for (unsigned i = chance(BATCH_MAX); i > 0; i--) {
			struct random_write *w = calloc(1, sizeof(*w));

			w->core = &core;
			w->write = (struct vtap_write){
			    .run = random_run, .done = random_done, .userdata = w, .dry_run = chance(8) == 0};
			vtap_write_queue(&core.controller, &w->write);
		}
		(void)core_write(&core, nothing, NULL, false);
		core_commit_fails = 0;
		compare(&core);
	}
	core_end(&core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
