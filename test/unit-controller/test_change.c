/* SPDX-License-Identifier: Apache-2.0 */

/* Writes: what they do in memory and in the store, undone and refused ones, batches, what observers are told. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core.h"

#define TOLD_MAX 64

static const struct vtap_kind *kind(const char *name)
{
	return vtap_kind_find(name);
}

static bool has_key(struct core *core, const char *key)
{
	void *value = NULL;
	int r = vtap_store_get(core->controller.store, key, &value, NULL, NULL);

	free(value);
	return r >= 0;
}

static struct vtap_object *named(struct core *core, const char *kind_name, const char *name)
{
	return vtap_objects_named(core->controller.objects, kind(kind_name), core->project, name);
}

/* One write of a batch, given by a text: "+name" creates a filter, "-name" deletes one, "=name" changes it, "!" fails. */
struct script {
	struct core *core;
	const char *text;
	struct vtap_write write;
	int result;
	bool done;
};

static int script_step(struct script *s, struct vtap_change *c, char verb, const char *name)
{
	struct vtap_object *object = named(s->core, "filter", name);
	json_t *value;

	switch (verb) {
	case '+':
		if (object)
			return -EEXIST;
		core_put(s->core, c, "filter", "{s:s}", "name", name);
		return 0;
	case '-':
		return object ? vtap_change_delete(c, object) : -ENOENT;
	case '=':
		if (!object)
			return -ENOENT;
		value = json_copy(object->value);
		json_object_set_new(value, "description", json_string(s->text));
		return vtap_change_put(c, object->kind, value, NULL);
	default:
		return -ECANCELED;
	}
}

static int script_run(struct vtap_change *c, void *userdata)
{
	struct script *s = userdata;
	char text[128], *state, *word;
	int r = 0;

	snprintf(text, sizeof(text), "%s", s->text);
	for (word = strtok_r(text, " ", &state); word && r >= 0; word = strtok_r(NULL, " ", &state))
		r = script_step(s, c, *word, word + 1);
	return r;
}

static void script_done(int r, void *userdata)
{
	struct script *s = userdata;

	assert_false(s->done);
	s->done = true;
	s->result = r;
}

static int run(struct core *core, const char *text)
{
	struct script s = {.core = core, .text = text};

	return core_write(core, script_run, &s, false);
}

static int nothing(struct vtap_change *c, void *userdata)
{
	return 0;
}

/* All in one batch; results[i] is of texts[i]. */
static void run_batch(struct core *core, const char *const *texts, const bool *dry, int *results, size_t count)
{
	struct script *scripts = calloc(count, sizeof(*scripts));

	for (size_t i = 0; i < count; i++) {
		scripts[i] = (struct script){.core = core, .text = texts[i]};
		scripts[i].write = (struct vtap_write){
		    .run = script_run, .done = script_done, .userdata = &scripts[i], .dry_run = dry && dry[i]};
		vtap_write_queue(&core->controller, &scripts[i].write);
		assert_false(scripts[i].done);
	}
	assert_true(core_write(core, nothing, NULL, false) <= 0);
	for (size_t i = 0; i < count; i++) {
		assert_true(scripts[i].done);
		results[i] = scripts[i].result;
	}
	free(scripts);
}

static void test_put(void **state)
{
	struct core core;
	const struct vtap_object *f;
	char key[128];

	core_begin(&core);
	assert_int_equal(run(&core, "+a"), 0);
	f = named(&core, "filter", "a");
	assert_non_null(f);
	assert_int_equal(f->version, 1);
	assert_int_equal(f->revision, vtap_store_revision(core.controller.store));
	assert_true(vtap_id_is_valid(kind("filter"), f->id));
	assert_string_equal(f->project, core.project);
	snprintf(key, sizeof(key), "o/filter/%s", f->id);
	assert_true(has_key(&core, key));
	snprintf(key, sizeof(key), "n/filter/%s/a", core.project);
	assert_true(has_key(&core, key));
	assert_int_equal(run(&core, "=a"), 0);
	assert_int_equal(f->version, 2);
	assert_string_equal(json_string_value(json_object_get(f->value, "description")), "=a");
	assert_null(json_object_get(f->value, "sequence"));
	assert_int_equal(run(&core, "-a"), 0);
	assert_null(named(&core, "filter", "a"));
	assert_false(has_key(&core, key));
	core_end(&core);
}

static void test_undone(void **state)
{
	struct core core;
	uint64_t revision;

	core_begin(&core);
	assert_int_equal(run(&core, "+a +b"), 0);
	revision = vtap_store_revision(core.controller.store);
	assert_int_equal(run(&core, "=a -b +c =c +b !"), -ECANCELED);
	assert_int_equal(vtap_store_revision(core.controller.store), revision);
	assert_int_equal(named(&core, "filter", "a")->version, 1);
	assert_int_equal(named(&core, "filter", "b")->version, 1);
	assert_null(named(&core, "filter", "c"));
	assert_int_equal(vtap_objects_count(core.controller.objects, kind("filter")), 2);
	assert_string_equal(vtap_objects_next(core.controller.objects, kind("filter"), NULL)->name, "a");
	core_end(&core);
}

static void test_batch(void **state)
{
	static const char *const texts[] = {"+a", "+a", "-a +b", "+a !", "=b", "+a", "-b"};
	static const int wanted[] = {0, -EEXIST, 0, -ECANCELED, 0, 0, 0};
	struct vtap_writer_figures before, after;
	int results[VTAP_ARRAY_SIZE(texts)];
	struct core core;

	core_begin(&core);
	vtap_writer_get_figures(core.controller.writer, &before);
	run_batch(&core, texts, NULL, results, VTAP_ARRAY_SIZE(texts));
	vtap_writer_get_figures(core.controller.writer, &after);
	assert_memory_equal(results, wanted, sizeof(wanted));
	assert_int_equal(after.batches - before.batches, 1);
	assert_int_equal(after.refused - before.refused, 2);
	assert_non_null(named(&core, "filter", "a"));
	assert_null(named(&core, "filter", "b"));
	core_end(&core);
}

static void test_dry_run(void **state)
{
	static const char *const texts[] = {"+a", "=a -a +b", "+b", "+c"};
	static const bool dry[] = {false, true, false, true};
	int results[VTAP_ARRAY_SIZE(texts)];
	struct core core;

	core_begin(&core);
	run_batch(&core, texts, dry, results, VTAP_ARRAY_SIZE(texts));
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(texts); i++)
		assert_int_equal(results[i], 0);
	assert_int_equal(named(&core, "filter", "a")->version, 1);
	assert_non_null(named(&core, "filter", "b"));
	assert_null(named(&core, "filter", "c"));
	core_end(&core);
}

/* What a full disk refuses is not in memory either, and the next write goes on from there. */
static void test_store_refuses(void **state)
{
	static const char *const texts[] = {"+c", "=a +d", "-b", "!"};
	static const int wanted[] = {-ENOSPC, -ENOSPC, -ENOSPC, -ECANCELED};
	int results[VTAP_ARRAY_SIZE(texts)];
	struct vtap_writer_figures figures;
	struct core core;

	core_begin(&core);
	assert_int_equal(run(&core, "+a +b"), 0);
	core_commit_fails = -ENOSPC;
	run_batch(&core, texts, NULL, results, VTAP_ARRAY_SIZE(texts));
	assert_memory_equal(results, wanted, sizeof(wanted));
	vtap_writer_get_figures(core.controller.writer, &figures);
	assert_true(figures.failing);
	core_commit_fails = 0;
	assert_int_equal(vtap_objects_count(core.controller.objects, kind("filter")), 2);
	assert_int_equal(named(&core, "filter", "a")->version, 1);
	assert_int_equal(named(&core, "filter", "b")->version, 1);
	assert_int_equal(run(&core, "+c =a -b"), 0);
	vtap_writer_get_figures(core.controller.writer, &figures);
	assert_false(figures.failing);
	assert_int_equal(named(&core, "filter", "a")->version, 2);
	core_end(&core);
}

struct told {
	struct core *core;
	char texts[TOLD_MAX][64];
	size_t count, settled;
	uint64_t revision;
};

static void on_changed(const struct vtap_changed *changed, void *userdata)
{
	struct told *t = userdata;
	const json_t *any = changed->after ? changed->after : changed->before;

	assert_true(changed->revision >= t->revision);
	assert_true(changed->revision <= vtap_store_revision(t->core->controller.store));
	t->revision = changed->revision;
	if (changed->object)
		assert_string_equal(changed->object->id, changed->id);
	snprintf(t->texts[t->count++], sizeof(t->texts[0]), "%c%s%s",
		 !changed->before ? '+'
		 : changed->after ? '='
				  : '-',
		 json_string_value(json_object_get(any, "name")), changed->object ? "" : " gone");
}

static void on_settled(void *userdata)
{
	struct told *t = userdata;

	t->settled++;
}

static void test_observers(void **state)
{
	static const char *const texts[] = {"+a", "+x !", "=a +b", "-b"};
	static const char *const wanted[] = {"+a", "=a", "+b gone", "-b gone"};
	int results[VTAP_ARRAY_SIZE(texts)];
	struct told told = {};
	struct core core;

	core_begin(&core);
	told.core = &core;
	assert_int_equal(vtap_change_observe(&core.controller, on_changed, on_settled, &told), 0);
	run_batch(&core, texts, NULL, results, VTAP_ARRAY_SIZE(texts));
	assert_int_equal(told.count, VTAP_ARRAY_SIZE(wanted));
	for (size_t i = 0; i < told.count; i++)
		assert_string_equal(told.texts[i], wanted[i]);
	assert_int_equal(told.settled, 1);
	core_commit_fails = -EIO;
	assert_int_equal(run(&core, "=a"), -EIO);
	core_commit_fails = 0;
	assert_int_equal(run(&core, "!"), -ECANCELED);
	assert_int_equal(told.count, VTAP_ARRAY_SIZE(wanted));
	assert_int_equal(told.settled, 1);
	core_end(&core);
}

static int fill_main(struct vtap_change *c, void *userdata)
{
	unsigned count = *(unsigned *)userdata;
	char key[32];
	int r = 0;

	for (unsigned i = 0; i < count && r >= 0; i++) {
		snprintf(key, sizeof(key), "k/%u", i);
		r = vtap_change_put_key(c, key, "v", 1);
	}
	return r;
}

static int fill_bytes(struct vtap_change *c, void *userdata)
{
	size_t size_bytes = *(size_t *)userdata;
	char *value = calloc(1, size_bytes);
	int r;

	r = vtap_change_put_key(c, "k/large", value, size_bytes);
	free(value);
	return r;
}

static void test_limits(void **state)
{
	unsigned most = VTAP_STORE_OPERATIONS_MAX, more = most + 1;
	size_t most_bytes = VTAP_STORE_VALUE_MAX_BYTES, more_bytes = most_bytes + 1;
	struct core core;

	core_begin(&core);
	assert_int_equal(core_write(&core, fill_main, &most, false), 0);
	assert_int_equal(core_write(&core, fill_main, &more, false), -E2BIG);
	assert_int_equal(core_write(&core, fill_bytes, &most_bytes, false), 0);
	assert_int_equal(core_write(&core, fill_bytes, &more_bytes, false), -E2BIG);
	core_end(&core);
}

#define OUTSIDE 500 /* keys in front of and behind a change: more than a transaction holds */

static int put_outside(struct vtap_change *c, void *userdata)
{
	char key[32];
	int r = 0;

	for (unsigned i = 0; i < OUTSIDE && r >= 0; i++) {
		snprintf(key, sizeof(key), "part/%u", i);
		r = userdata ? vtap_change_delete_key_after(c, key) : vtap_change_put_key_before(c, key, "v", 1);
	}
	return r < 0 ? r : vtap_change_put_key(c, "pointer", userdata ? "none" : "all", userdata ? 4 : 3);
}

static int count_item(const struct vtap_store_item *item, void *userdata)
{
	return 0;
}

static void test_more_than_a_transaction(void **state)
{
	struct core core;

	core_begin(&core);
	assert_int_equal(core_write(&core, put_outside, NULL, false), 0);
	assert_int_equal(vtap_store_page(core.controller.store, "part/", NULL, 1000, count_item, NULL), OUTSIDE);
	assert_true(has_key(&core, "pointer"));
	core_commit_fails = -ENOSPC;
	assert_int_equal(core_write(&core, put_outside, &core, false), -ENOSPC);
	core_commit_fails = 0;
	assert_int_equal(vtap_store_page(core.controller.store, "part/", NULL, 1000, count_item, NULL), OUTSIDE);
	assert_int_equal(core_write(&core, put_outside, &core, false), 0);
	assert_int_equal(vtap_store_page(core.controller.store, "part/", NULL, 1000, count_item, NULL), 0);
	core_end(&core);
}

static int get_pending(struct vtap_change *c, void *userdata)
{
	char *value = NULL;
	size_t value_bytes = 0;

	assert_int_equal(vtap_change_get_key(c, "k", &value, &value_bytes), -ENOENT);
	assert_int_equal(vtap_change_put_key(c, "k", "one", 3), 0);
	assert_int_equal(vtap_change_get_key(c, "k", &value, &value_bytes), 0);
	assert_string_equal(value, "one");
	free(value);
	assert_int_equal(vtap_change_delete_key(c, "k"), 0);
	assert_int_equal(vtap_change_get_key(c, "k", &value, &value_bytes), -ENOENT);
	return vtap_change_put_key(c, "k", "two", 3);
}

static int get_of_earlier(struct vtap_change *c, void *userdata)
{
	char *value = NULL;
	size_t value_bytes = 0;

	assert_int_equal(vtap_change_get_key(c, "k", &value, &value_bytes), 0);
	assert_string_equal(value, "two");
	free(value);
	return 0;
}

static void ignore_done(int r, void *userdata)
{
	assert_int_equal(r, 0);
}

static void test_keys_of_the_batch(void **state)
{
	struct vtap_write first = {.run = get_pending, .done = ignore_done};
	struct core core;

	core_begin(&core);
	vtap_write_queue(&core.controller, &first);
	assert_int_equal(core_write(&core, get_of_earlier, NULL, false), 0);
	core_end(&core);
}

static int refused_run(struct vtap_change *c, void *userdata)
{
	assert_int_equal(vtap_change_put_key(c, "k", "v", 1), 0);
	return -EACCES;
}

static void refused_log(struct vtap_change *c, int r, void *userdata)
{
	assert_int_equal(r, -EACCES);
	assert_true(vtap_change_is_empty(c));
	assert_int_equal(vtap_change_put_key(c, "log", "v", 1), 0);
}

static void refused_done(int r, void *userdata)
{
	assert_int_equal(r, -EACCES);
}

static void test_refusals_are_written(void **state)
{
	struct vtap_write write = {.run = refused_run, .refused = refused_log, .done = refused_done};
	struct core core;

	core_begin(&core);
	vtap_write_queue(&core.controller, &write);
	assert_int_equal(core_write(&core, nothing, NULL, false), 0);
	assert_false(has_key(&core, "k"));
	assert_true(has_key(&core, "log"));
	core_end(&core);
}

static int canceled;

static void cancel_done(int r, void *userdata)
{
	assert_int_equal(r, -ECANCELED);
	canceled++;
}

static void test_cancel(void **state)
{
	struct vtap_write writes[3];
	struct core core;

	core_begin(&core);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(writes); i++) {
		writes[i] = (struct vtap_write){.run = nothing, .done = cancel_done};
		vtap_write_queue(&core.controller, &writes[i]);
	}
	vtap_writer_cancel(core.controller.writer);
	assert_int_equal(canceled, 3);
	core_end(&core);
}

struct slow { /* a write that takes its time */
	struct vtap_write write;
	bool done;
};

static int slow_run(struct vtap_change *c, void *userdata)
{
	const clock_t begun = clock();

	while (clock() - begun < CLOCKS_PER_SEC / 10)
		;
	return 0;
}

static void slow_done(int r, void *userdata)
{
	struct slow *s = userdata;

	s->done = true;
}

/* A batch takes no more writes once it has taken long: whatever else waits for the loop has its turn. */
static void test_slow_writes(void **state)
{
	struct slow writes[3] = {};
	struct core core;

	core_begin(&core);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(writes); i++) {
		writes[i].write = (struct vtap_write){.run = slow_run, .done = slow_done, .userdata = &writes[i]};
		vtap_write_queue(&core.controller, &writes[i].write);
	}
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(writes); i++) {
		assert_true(sd_event_run(core.controller.event, 0) > 0);
		for (size_t j = 0; j < VTAP_ARRAY_SIZE(writes); j++)
			assert_int_equal(writes[j].done, j <= i);
	}
	core_end(&core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_slow_writes),
	    cmocka_unit_test(test_put),
	    cmocka_unit_test(test_undone),
	    cmocka_unit_test(test_batch),
	    cmocka_unit_test(test_dry_run),
	    cmocka_unit_test(test_store_refuses),
	    cmocka_unit_test(test_observers),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_more_than_a_transaction),
	    cmocka_unit_test(test_keys_of_the_batch),
	    cmocka_unit_test(test_refusals_are_written),
	    cmocka_unit_test(test_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
