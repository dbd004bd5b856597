/* SPDX-License-Identifier: Apache-2.0 */

#include "core.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/access.h"
#include "controller/audit.h"

int core_commit_fails;

int __real_vtap_store_commit(struct vtap_store *s, struct vtap_store_transaction *transactions, size_t count);
int __wrap_vtap_store_commit(struct vtap_store *s, struct vtap_store_transaction *transactions, size_t count);

int __wrap_vtap_store_commit(struct vtap_store *s, struct vtap_store_transaction *transactions, size_t count)
{
	return core_commit_fails < 0 ? core_commit_fails : __real_vtap_store_commit(s, transactions, count);
}

static int put_project(struct vtap_change *c, void *userdata)
{
	struct core *core = userdata;
	struct vtap_object *project = core_put(core, c, "project", "{s:s}", "name", "p");

	snprintf(core->project, sizeof(core->project), "%s", project->id);
	return 0;
}

static void parts_new(struct core *core)
{
	struct vtap_controller *c = &core->controller;

	core->options = (struct vtap_controller_options){.listen = "127.0.0.1:0",
							 .memory = true,
							 .audit_retention_days = VTAP_AUDIT_RETENTION_DAYS,
							 .audit_max_bytes = (uint64_t)VTAP_AUDIT_MAX_MIB << 20};
	c->options = &core->options;
	assert_int_equal(vtap_crypto_init(), 0);
	assert_true(sd_event_new(&c->event) >= 0);
	assert_int_equal(vtap_objects_new(&c->objects), 0);
	assert_int_equal(vtap_writer_new(c, &c->writer), 0);
	assert_int_equal(vtap_rules_new(c, &c->rules), 0);
	assert_int_equal(vtap_audit_new(c, &c->audit), 0);
}

static void parts_free(struct core *core)
{
	struct vtap_controller *c = &core->controller;

	c->access = vtap_access_free(c->access);
	c->audit = vtap_audit_free(c->audit);
	c->rules = vtap_rules_free(c->rules);
	c->writer = vtap_writer_free(c->writer);
	c->objects = vtap_objects_free(c->objects);
	c->event = sd_event_unref(c->event);
}

void core_begin(struct core *core)
{
	memset(core, 0, sizeof(*core));
	core_commit_fails = 0;
	parts_new(core);
	assert_int_equal(vtap_store_memory_new(&core->controller.store), 0);
	assert_int_equal(core_write(core, put_project, core, false), 0);
}

void core_end(struct core *core)
{
	parts_free(core);
	core->controller.store = vtap_store_free(core->controller.store);
}

void core_read(struct core *core, const struct core *from)
{
	memset(core, 0, sizeof(*core));
	parts_new(core);
	core->controller.store = from->controller.store;
	assert_int_equal(vtap_writer_load(&core->controller), 0);
	assert_int_equal(vtap_rules_load(&core->controller), 0);
	assert_int_equal(vtap_audit_load(&core->controller), 0);
}

void core_read_end(struct core *core)
{
	parts_free(core);
}

int core_write(struct core *core, int (*run)(struct vtap_change *c, void *userdata), void *userdata, bool dry_run)
{
	struct vtap_write write = {.run = run, .userdata = userdata, .dry_run = dry_run};

	return vtap_write_now(&core->controller, &write);
}

struct vtap_object *core_put(struct core *core, struct vtap_change *c, const char *kind_name, const char *format, ...)
{
	const struct vtap_kind *kind = vtap_kind_find(kind_name);
	struct vtap_error e = {};
	struct vtap_object *object;
	json_t *input, *resource;
	va_list ap;

	va_start(ap, format);
	input = json_vpack_ex(NULL, 0, format, ap);
	va_end(ap);
	assert_non_null(input);
	if (vtap_resource_normalize(&(struct vtap_normalize){.kind = kind, .input = input}, &resource, &e) < 0)
		fail_msg("%s: %s", e.field, e.text);
	json_decref(input);
	if (!(kind->flags & VTAP_KIND_GLOBAL))
		json_object_set_new(resource, "project", json_string(core->project));
	if (strcmp(kind_name, "filter") == 0) {
		json_object_set_new(resource, "chunks", json_array());
		json_object_set_new(resource, "rule_count", json_integer(0));
	}
	assert_int_equal(vtap_change_put(c, kind, resource, &object), 0);
	return object;
}

json_t *core_rule(const struct vtap_object *filter, const char *direction, unsigned number, const char *action)
{
	json_t *input = json_pack("{s:s, s:s, s:i, s:s}", "filter", filter->id, "direction", direction, "number",
				  (int)number, "action", action);
	struct vtap_error e = {};
	json_t *rule;

	if (vtap_resource_normalize(&(struct vtap_normalize){.kind = vtap_kind_find("rule"), .input = input}, &rule,
				    &e) < 0)
		fail_msg("%s: %s", e.field, e.text);
	json_decref(input);
	return rule;
}
