/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/resolve.h"

#include <errno.h>
#include <string.h>

#include "controller/resolve_private.h"

int vtap_resolver_new(struct vtap_resolver **ret_resolver)
{
	VTAP_CLEANUP(vtap_resolver_freep) struct vtap_resolver *v = calloc(1, sizeof(*v));
	struct vtap_table **tables[] = {&v->labels, &v->sessions, &v->ports, &v->things, &v->endpoints};

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(tables); i++) {
		int r = vtap_table_new(tables[i]);

		if (r < 0)
			return r;
	}
	*ret_resolver = VTAP_STEAL(v);
	return 0;
}

static int free_label(const char *key, void *value, void *userdata)
{
	vtap_label_free(value);
	return 0;
}

static int free_session(const char *key, void *value, void *userdata)
{
	vtap_session_node_free(value);
	return 0;
}

static int free_port(const char *key, void *value, void *userdata)
{
	vtap_port_node_free(value);
	return 0;
}

static int free_thing(const char *key, void *value, void *userdata)
{
	struct vtap_thing *t = value;

	json_decref(t->value);
	vtap_form_done(&t->form);
	free(t);
	return 0;
}

static int free_endpoint(const char *key, void *value, void *userdata)
{
	free(value);
	return 0;
}

struct vtap_resolver *vtap_resolver_free(struct vtap_resolver *v)
{
	if (!v)
		return NULL;
	const struct {
		struct vtap_table *table;
		int (*free)(const char *key, void *value, void *userdata);
	} owned[] = {
	    {v->labels, free_label}, {v->sessions, free_session},   {v->ports, free_port},
	    {v->things, free_thing}, {v->endpoints, free_endpoint},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(owned); i++) {
		if (owned[i].table)
			(void)vtap_table_each(owned[i].table, owned[i].free, NULL);
		vtap_table_free(owned[i].table);
	}
	vtap_pointers_done(&v->dirty_hosts);
	vtap_pointers_done(&v->dirty_sessions);
	free(v);
	return NULL;
}

static int thing_set(struct vtap_resolver *v, json_t *value, json_t **ret_before)
{
	struct vtap_thing *t = vtap_table_get(v->things, vtap_text(value, "id"));

	if (!t) {
		t = calloc(1, sizeof(*t));
		if (!t)
			return -ENOMEM;
		snprintf(t->id, sizeof(t->id), "%s", vtap_text(value, "id"));
		if (vtap_table_put(v->things, t->id, t) < 0) {
			free(t);
			return -ENOMEM;
		}
	}
	*ret_before = t->value;
	t->value = json_incref(value);
	vtap_form_done(&t->form);
	return 0;
}

/* The sessions that have the target or filter. */
static int each_user(struct vtap_resolver *v, const char *id,
		     int (*refresh)(struct vtap_resolver *v, struct vtap_session_node *s))
{
	const struct vtap_label *l = vtap_table_get(v->labels, id);
	int r = 0;

	for (size_t i = 0; l && i < l->users.count && r >= 0; i++)
		r = refresh(v, l->users.items[i]);
	return r;
}

/* Notes which interface the target is; that one and the one that it was are looked at anew. */
static int target_point(struct vtap_resolver *v, struct vtap_thing *t, const char *interface)
{
	struct vtap_label *before = t->interface;
	struct vtap_port_node *p;
	int r = 0;

	t->interface = NULL;
	if (before) {
		p = vtap_table_get(v->ports, before->key);
		vtap_pointers_remove(&before->targets, t);
		vtap_label_settle(v, before);
		r = p ? vtap_cover_evaluate(v, p) : 0;
	}
	if (!interface || r < 0)
		return r;
	t->interface = vtap_label_get(v, interface);
	if (!t->interface)
		return -ENOMEM;
	r = vtap_pointers_add(&t->interface->targets, t);
	p = vtap_table_get(v->ports, interface);
	return r >= 0 && p ? vtap_cover_evaluate(v, p) : r;
}

static int put_target(struct vtap_resolver *v, uint64_t sequence, json_t *value)
{
	json_t *before = NULL;
	int r;

	r = thing_set(v, value, &before);
	if (r >= 0)
		r = target_point(v, vtap_table_get(v->things, vtap_text(value, "id")), vtap_text(value, "interface"));
	if (r >= 0)
		r = each_user(v, vtap_text(value, "id"), vtap_session_refresh);
	json_decref(before);
	return r;
}

static int put_filter(struct vtap_resolver *v, uint64_t sequence, json_t *value)
{
	const char *id = vtap_text(value, "id");
	json_t *before = NULL;
	int r;

	r = thing_set(v, value, &before);
	json_decref(before);
	if (r < 0)
		return r;
	((struct vtap_thing *)vtap_table_get(v->things, id))->is_filter = true;
	return each_user(v, id, vtap_cover_touch_session);
}

static int put_host(struct vtap_resolver *v, uint64_t sequence, json_t *value)
{
	struct vtap_label *l = vtap_label_get(v, vtap_text(value, "id"));
	json_t *before = NULL;
	int r;

	if (!l)
		return -ENOMEM;
	r = thing_set(v, value, &before);
	json_decref(before);
	return r < 0 ? r : vtap_label_touch_host(v, l);
}

/* Whom a project lets mirror its interfaces may have changed. */
static int put_project(struct vtap_resolver *v, uint64_t sequence, json_t *value)
{
	const struct vtap_label *l = vtap_table_get(v->labels, vtap_text(value, "id"));
	json_t *before = NULL;
	bool alike;
	int r;

	r = thing_set(v, value, &before);
	if (r < 0)
		return r;
	alike = before && json_equal(json_object_get(before, "grants"), json_object_get(value, "grants"));
	json_decref(before);
	for (size_t i = 0; l && i < l->ports.count && !alike && r >= 0; i++)
		r = vtap_cover_port(v, l->ports.items[i]);
	return r;
}

static int put_subnet(struct vtap_resolver *v, uint64_t sequence, json_t *value)
{
	json_t *before = NULL;
	int r = thing_set(v, value, &before);

	json_decref(before);
	return r;
}

static int put_interface(struct vtap_resolver *v, uint64_t sequence, json_t *value)
{
	return vtap_port_put(v, sequence, value, false);
}

static int put_wire(struct vtap_resolver *v, uint64_t sequence, json_t *value)
{
	return vtap_port_put(v, sequence, value, true);
}

/* It is forgotten before those that used it are asked. */
static int delete_thing(struct vtap_resolver *v, const char *id)
{
	struct vtap_thing *t = vtap_table_remove(v->things, id);
	int r;

	if (!t)
		return 0;
	r = target_point(v, t, NULL);
	json_decref(t->value);
	vtap_form_done(&t->form);
	free(t);
	return r < 0 ? r : each_user(v, id, vtap_session_refresh);
}

static int delete_host(struct vtap_resolver *v, const char *id)
{
	struct vtap_label *l = vtap_label_get(v, id);
	int r;

	if (!l)
		return -ENOMEM;
	r = vtap_label_touch_host(v, l);
	return r < 0 ? r : delete_thing(v, id);
}

static const struct {
	const char *kind;
	int (*put)(struct vtap_resolver *v, uint64_t sequence, json_t *value);
	int (*delete)(struct vtap_resolver *v, const char *id);
} kinds[] = {
    {"project", put_project, delete_thing}, {"host", put_host, delete_host},
    {"subnet", put_subnet, delete_thing},   {"target", put_target, delete_thing},
    {"filter", put_filter, delete_thing},   {"interface", put_interface, vtap_port_delete},
    {"wire", put_wire, vtap_port_delete},   {"session", vtap_session_put, vtap_session_delete},
};

int vtap_resolver_put(struct vtap_resolver *v, const char *kind, uint64_t sequence, json_t *value)
{
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].kind, kind))
			return kinds[i].put(v, sequence, value);
	return 0;
}

int vtap_resolver_delete(struct vtap_resolver *v, const char *kind, const char *id)
{
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].kind, kind))
			return kinds[i].delete(v, id);
	return 0;
}

const char *vtap_resolver_take_host(struct vtap_resolver *v)
{
	struct vtap_label *l = vtap_pointers_pop(&v->dirty_hosts);

	if (!l)
		return NULL;
	l->dirty = false;
	snprintf(v->taken, sizeof(v->taken), "%s", l->key);
	vtap_label_settle(v, l);
	return v->taken;
}

const char *vtap_resolver_take_session(struct vtap_resolver *v)
{
	struct vtap_session_node *s = vtap_pointers_pop(&v->dirty_sessions);

	if (!s)
		return NULL;
	s->dirty = false;
	return s->id;
}
