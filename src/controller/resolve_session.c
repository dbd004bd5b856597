/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>

#include "controller/resolve_private.h"

void vtap_session_node_free(struct vtap_session_node *s)
{
	for (size_t i = 0; i < s->covers.count; i++)
		free(s->covers.items[i]);
	json_decref(s->value);
	vtap_form_done(&s->form);
	vtap_pointers_done(&s->sources);
	vtap_pointers_done(&s->covers);
	free(s);
}

static enum vtap_session_block block_of(const struct vtap_resolver *v, const struct vtap_session_node *s)
{
	const struct vtap_thing *target = s->target ? vtap_table_get(v->things, s->target->key) : NULL;

	if (!json_is_true(json_object_get(s->value, "enabled")))
		return VTAP_BLOCK_DISABLED;
	if (!target)
		return VTAP_BLOCK_TARGET_UNKNOWN;
	if (json_is_false(json_object_get(target->value, "enabled")))
		return VTAP_BLOCK_TARGET_DISABLED;
	return vtap_text(target->value, "address") ? VTAP_BLOCK_NONE : VTAP_BLOCK_TARGET_INTERFACE;
}

/* The interface that the session's copies go to; NULL. */
static struct vtap_port_node *receiver_of(const struct vtap_resolver *v, const struct vtap_session_node *s)
{
	const struct vtap_thing *target = s->target ? vtap_table_get(v->things, s->target->key) : NULL;
	const char *id = target ? vtap_text(target->value, "interface") : NULL;

	return id ? vtap_table_get(v->ports, id) : NULL;
}

/* Whether it runs. Those that share a port with it are told, and the interface that receives its copies. */
static int update_block(struct vtap_resolver *v, struct vtap_session_node *s)
{
	enum vtap_session_block block = block_of(v, s);
	struct vtap_port_node *receiver = receiver_of(v, s);
	bool changed = block != s->block;
	int r;

	s->block = block;
	s->wanted = block == VTAP_BLOCK_NONE || block == VTAP_BLOCK_TARGET_INTERFACE;
	r = vtap_endpoint_update(v, s);
	if (r >= 0 && changed)
		r = vtap_cover_evaluate_session(v, s);
	return r >= 0 && receiver ? vtap_cover_evaluate(v, receiver) : r;
}

int vtap_session_refresh(struct vtap_resolver *v, struct vtap_session_node *s)
{
	int r = update_block(v, s);

	return r < 0 ? r : vtap_cover_touch_session(v, s);
}

static void leave_sources(struct vtap_resolver *v, struct vtap_session_node *s)
{
	struct vtap_label *l;

	while ((l = vtap_pointers_pop(&s->sources))) {
		vtap_pointers_remove(&l->sessions, s);
		vtap_label_settle(v, l);
	}
}

static int join_sources(struct vtap_resolver *v, struct vtap_session_node *s)
{
	const json_t *list = json_object_get(s->value, "sources");

	for (size_t i = 0; i < json_array_size(list); i++) {
		struct vtap_label *l = vtap_labels_add(v, &s->sources, json_string_value(json_array_get(list, i)));

		if (!l || vtap_pointers_add(&l->sessions, s) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int use(struct vtap_resolver *v, struct vtap_session_node *s, const char *key, struct vtap_label **label)
{
	struct vtap_label *before = *label;

	if (before && key && !strcmp(before->key, key))
		return 0;
	*label = NULL;
	if (before) {
		vtap_pointers_remove(&before->users, s);
		vtap_label_settle(v, before);
	}
	if (!key)
		return 0;
	*label = vtap_label_get(v, key);
	return *label ? vtap_pointers_add(&(*label)->users, s) : -ENOMEM;
}

static int session_new(struct vtap_resolver *v, const char *id, uint64_t sequence, struct vtap_session_node **ret)
{
	struct vtap_session_node *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	snprintf(s->id, sizeof(s->id), "%s", id);
	s->sequence = sequence;
	s->block = VTAP_BLOCK_DISABLED;
	if (vtap_table_put(v->sessions, s->id, s) < 0) {
		free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

/* What decides which sources the session covers, and who else may not. */
static bool covers_alike(const json_t *before, const json_t *after)
{
	static const char *const keys[] = {"sources", "project", "number", "mode"};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(keys); i++)
		if (!before || !json_equal(json_object_get(before, keys[i]), json_object_get(after, keys[i])))
			return false;
	return true;
}

static int cover(struct vtap_resolver *v, struct vtap_session_node *s)
{
	int r;

	s->number = (uint64_t)json_integer_value(json_object_get(s->value, "number"));
	s->exclusive = !strcmp(vtap_text(s->value, "mode"), "exclusive");
	leave_sources(v, s);
	r = join_sources(v, s);
	return r < 0 ? r : vtap_cover_session(v, s);
}

int vtap_session_put(struct vtap_resolver *v, uint64_t sequence, json_t *value)
{
	struct vtap_session_node *s = vtap_table_get(v->sessions, vtap_text(value, "id"));
	struct vtap_port_node *receiver;
	json_t *before;
	bool alike;
	int r;

	if (!s) {
		r = session_new(v, vtap_text(value, "id"), sequence, &s);
		if (r < 0)
			return r;
	}
	before = s->value;
	receiver = receiver_of(v, s);
	alike = covers_alike(before, value);
	s->value = json_incref(value);
	vtap_form_done(&s->form);
	s->project = vtap_text(value, "project");
	r = use(v, s, vtap_text(value, "filter"), &s->filter);
	if (r >= 0)
		r = use(v, s, vtap_text(value, "target"), &s->target);
	if (r >= 0 && !alike)
		r = cover(v, s);
	if (r >= 0)
		r = update_block(v, s);
	if (r >= 0 && receiver)
		r = vtap_cover_evaluate(v, receiver);
	json_decref(before);
	return r < 0 ? r : vtap_cover_touch_session(v, s);
}

int vtap_session_delete(struct vtap_resolver *v, const char *id)
{
	struct vtap_session_node *s = vtap_table_get(v->sessions, id);
	struct vtap_port_node *receiver;
	int r;

	if (!s)
		return 0;
	receiver = receiver_of(v, s);
	s->wanted = false;
	s->block = VTAP_BLOCK_DISABLED;
	r = vtap_cover_evaluate_session(v, s);
	if (r >= 0 && receiver)
		r = vtap_cover_evaluate(v, receiver);
	while (r >= 0 && s->covers.count)
		r = vtap_cover_drop(v, s->covers.items[s->covers.count - 1]);
	if (r >= 0)
		r = vtap_endpoint_update(v, s);
	if (r < 0)
		return r;
	leave_sources(v, s);
	(void)use(v, s, NULL, &s->target);
	(void)use(v, s, NULL, &s->filter);
	if (s->dirty)
		vtap_pointers_remove(&v->dirty_sessions, s);
	(void)vtap_table_remove(v->sessions, s->id);
	vtap_session_node_free(s);
	return 0;
}
