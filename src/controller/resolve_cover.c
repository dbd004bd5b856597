/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>

#include "controller/resolve_private.h"

static bool grants(const struct vtap_resolver *v, const char *project, const char *to)
{
	const struct vtap_thing *thing = vtap_table_get(v->things, project);
	const json_t *list = thing ? json_object_get(thing->value, "grants") : NULL;

	for (size_t i = 0; i < json_array_size(list); i++)
		if (!strcmp(json_string_value(json_array_get(list, i)), to))
			return true;
	return false;
}

/* Whether the session reaches the port by a label that they have in common, and whether it may mirror it. */
static bool reaches(const struct vtap_resolver *v, const struct vtap_session_node *s, const struct vtap_port_node *p,
		    const struct vtap_label *l, bool *ret_granted)
{
	bool given = !strcmp(l->key, p->id);

	*ret_granted = true;
	if (p->is_wire)
		return given;
	if (!strcmp(p->project, s->project))
		return true;
	if (!strncmp(l->key, "tag:", 4))
		return false;
	*ret_granted = grants(v, p->project, s->project);
	return *ret_granted || given;
}

static int set_mirrored(struct vtap_resolver *v, struct vtap_cover_node *c, bool mirrored)
{
	bool own = c->session->own_count > 0;
	int r;

	if (c->mirrored == mirrored)
		return 0;
	c->mirrored = mirrored;
	c->session->mirrored_count += mirrored ? 1 : -1UL;
	if (c->port->own)
		c->session->own_count += mirrored ? 1 : -1UL;
	vtap_endpoint_own(v, c->session, own);
	r = vtap_label_touch_host(v, c->port->plug_host);
	return r < 0 ? r : vtap_session_touch(v, c->session);
}

/* The last one of each list takes its place there. */
int vtap_cover_drop(struct vtap_resolver *v, struct vtap_cover_node *c)
{
	struct vtap_cover_node **at_session = (struct vtap_cover_node **)&c->session->covers.items[c->at_session];
	struct vtap_cover_node **at_port = (struct vtap_cover_node **)&c->port->covers.items[c->at_port];
	int r;

	r = set_mirrored(v, c, false);
	*at_session = vtap_pointers_pop(&c->session->covers);
	(*at_session)->at_session = c->at_session;
	*at_port = vtap_pointers_pop(&c->port->covers);
	(*at_port)->at_port = c->at_port;
	if (r >= 0)
		r = vtap_session_touch(v, c->session);
	free(c);
	return r;
}

static int make(struct vtap_session_node *s, struct vtap_port_node *p, struct vtap_cover_node **ret_cover)
{
	struct vtap_cover_node *c = calloc(1, sizeof(*c));

	if (!c || vtap_pointers_add(&s->covers, c) < 0) {
		free(c);
		return -ENOMEM;
	}
	if (vtap_pointers_add(&p->covers, c) < 0) {
		(void)vtap_pointers_pop(&s->covers);
		free(c);
		return -ENOMEM;
	}
	*c = (struct vtap_cover_node){
	    .session = s,
	    .port = p,
	    .at_session = s->covers.count - 1,
	    .at_port = p->covers.count - 1,
	    .state = VTAP_COVER_MAX,
	};
	*ret_cover = c;
	return 0;
}

/* That they have this label in common. *known is their cover, NULL = none yet. */
static int found(struct vtap_resolver *v, struct vtap_session_node *s, struct vtap_port_node *p,
		 const struct vtap_label *l, struct vtap_cover_node **known)
{
	bool granted, given = !strcmp(l->key, p->id);
	struct vtap_cover_node *c;
	int r;

	if (!reaches(v, s, p, l, &granted))
		return 0;
	if (!*known) {
		r = make(s, p, known);
		if (r < 0)
			return r;
	}
	c = *known;
	if (c->pass != v->pass)
		c->given = c->granted = false;
	c->pass = v->pass;
	c->given |= given;
	c->granted |= granted;
	return 0;
}

int vtap_cover_session(struct vtap_resolver *v, struct vtap_session_node *s)
{
	int r = 0;

	v->pass++;
	for (size_t i = 0; i < s->covers.count; i++) {
		struct vtap_cover_node *c = s->covers.items[i];

		c->port->scratch = c;
	}
	for (size_t i = 0; i < s->sources.count; i++) {
		const struct vtap_label *l = s->sources.items[i];

		for (size_t j = 0; j < l->ports.count && r >= 0; j++) {
			struct vtap_port_node *p = l->ports.items[j];

			r = found(v, s, p, l, &p->scratch);
		}
	}
	for (size_t i = s->covers.count; i-- > 0 && r >= 0;) {
		struct vtap_cover_node *c = s->covers.items[i];
		struct vtap_port_node *p = c->port;

		p->scratch = NULL;
		if (c->pass != v->pass)
			r = vtap_cover_drop(v, c);
		if (r >= 0)
			r = vtap_cover_evaluate(v, p);
	}
	return r;
}

int vtap_cover_port(struct vtap_resolver *v, struct vtap_port_node *p)
{
	int r = 0;

	v->pass++;
	for (size_t i = 0; i < p->covers.count; i++) {
		struct vtap_cover_node *c = p->covers.items[i];

		c->session->scratch = c;
	}
	for (size_t i = 0; i < p->labels.count; i++) {
		const struct vtap_label *l = p->labels.items[i];

		for (size_t j = 0; j < l->sessions.count && r >= 0; j++) {
			struct vtap_session_node *s = l->sessions.items[j];

			r = found(v, s, p, l, &s->scratch);
		}
	}
	for (size_t i = p->covers.count; i-- > 0 && r >= 0;) {
		struct vtap_cover_node *c = p->covers.items[i];

		c->session->scratch = NULL;
		if (c->pass != v->pass)
			r = vtap_cover_drop(v, c);
	}
	return r < 0 ? r : vtap_cover_evaluate(v, p);
}

static bool is_older(uint64_t sequence, const char *id, uint64_t than_sequence, const char *than_id)
{
	return sequence != than_sequence ? sequence < than_sequence : strcmp(id, than_id) < 0;
}

/* The oldest of those that are plugged into the same device has it. */
static const struct vtap_port_node *device_holder(const struct vtap_port_node *p)
{
	const struct vtap_port_node *holder = p;

	for (size_t i = 0; i < p->plug_device->plugged.count; i++) {
		const struct vtap_port_node *other = p->plug_device->plugged.items[i];

		if (is_older(other->sequence, other->id, holder->sequence, holder->id))
			holder = other;
	}
	return holder;
}

/* The oldest session that is enabled and whose copies go to this interface; NULL. */
static const struct vtap_session_node *sender_to(const struct vtap_resolver *v, const struct vtap_port_node *p)
{
	const struct vtap_label *self = vtap_table_get(v->labels, p->id);
	const struct vtap_session_node *sender = NULL;

	for (size_t i = 0; self && i < self->targets.count; i++) {
		const struct vtap_thing *target = self->targets.items[i];
		const struct vtap_label *l = vtap_table_get(v->labels, target->id);

		for (size_t j = 0; l && j < l->users.count; j++) {
			const struct vtap_session_node *s = l->users.items[j];

			if (s->wanted && (!sender || is_older(s->sequence, s->id, sender->sequence, sender->id)))
				sender = s;
		}
	}
	return sender;
}

static bool competes(const struct vtap_cover_node *c)
{
	return c->session->exclusive && c->session->block == VTAP_BLOCK_NONE && c->granted &&
	       (c->given || !c->port->named_only);
}

/* By number; the oldest session first. */
static int compare_numbers(const void *a, const void *b)
{
	const struct vtap_session_node *x = (*(struct vtap_cover_node *const *)a)->session;
	const struct vtap_session_node *y = (*(struct vtap_cover_node *const *)b)->session;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return is_older(x->sequence, x->id, y->sequence, y->id) ? -1 : 1;
}

/* Of the exclusive sessions that run on the port with the same number, the oldest holds it. */
static int find_number_holders(struct vtap_port_node *p)
{
	_cleanup_free_ struct vtap_cover_node **competitors = NULL;
	size_t count = 0;

	if (!p->covers.count)
		return 0;
	competitors = calloc(p->covers.count, sizeof(struct vtap_cover_node *));
	if (!competitors)
		return -ENOMEM;
	for (size_t i = 0; i < p->covers.count; i++) {
		struct vtap_cover_node *c = p->covers.items[i];

		c->number_holder = NULL;
		if (competes(c))
			competitors[count++] = c;
	}
	qsort(competitors, count, sizeof(struct vtap_cover_node *), compare_numbers);
	for (size_t i = 0; i < count; i++) {
		struct vtap_cover_node *before = i ? competitors[i - 1] : NULL, *c = competitors[i];
		bool same = before && before->session->number == c->session->number;

		c->number_holder = same ? before->number_holder : c->session;
	}
	return 0;
}

static enum vtap_cover_state state_of(const struct vtap_cover_node *c, const struct vtap_port_node *device,
				      const struct vtap_session_node *sender, const char **ret_other)
{
	*ret_other = NULL;
	if (!c->granted)
		return VTAP_COVER_NOT_GRANTED;
	if (!c->port->host)
		return VTAP_COVER_UNPLUGGED;
	if (c->port->named_only && !c->given)
		return VTAP_COVER_OWN_DEVICE;
	if (device != c->port) {
		*ret_other = device->id;
		return VTAP_COVER_DEVICE_TAKEN;
	}
	if (sender) {
		*ret_other = sender->id;
		return VTAP_COVER_RECEIVES;
	}
	if (!c->number_holder || c->number_holder == c->session)
		return VTAP_COVER_OK;
	*ret_other = c->number_holder->id;
	return VTAP_COVER_TIE;
}

int vtap_cover_evaluate(struct vtap_resolver *v, struct vtap_port_node *p)
{
	const struct vtap_port_node *device = p->host ? device_holder(p) : p;
	const struct vtap_session_node *sender = p->covers.count ? sender_to(v, p) : NULL;
	int r = find_number_holders(p);

	for (size_t i = 0; i < p->covers.count && r >= 0; i++) {
		struct vtap_cover_node *c = p->covers.items[i];
		const char *other;
		enum vtap_cover_state state = state_of(c, device, sender, &other);

		if (c->state != state || c->other != other)
			r = vtap_session_touch(v, c->session);
		c->state = state;
		c->other = other;
		if (r >= 0)
			r = set_mirrored(v, c, state == VTAP_COVER_OK && c->session->block == VTAP_BLOCK_NONE);
	}
	return r;
}

int vtap_cover_evaluate_session(struct vtap_resolver *v, struct vtap_session_node *s)
{
	int r = 0;

	for (size_t i = 0; i < s->covers.count && r >= 0; i++)
		r = vtap_cover_evaluate(v, ((struct vtap_cover_node *)s->covers.items[i])->port);
	return r;
}

int vtap_cover_suspend(struct vtap_resolver *v, struct vtap_port_node *p)
{
	int r = 0;

	for (size_t i = 0; i < p->covers.count && r >= 0; i++)
		r = set_mirrored(v, p->covers.items[i], false);
	return r;
}

int vtap_cover_touch_session(struct vtap_resolver *v, struct vtap_session_node *s)
{
	int r = vtap_session_touch(v, s);

	for (size_t i = 0; i < s->covers.count && r >= 0; i++) {
		const struct vtap_cover_node *c = s->covers.items[i];

		if (c->mirrored)
			r = vtap_label_touch_host(v, c->port->plug_host);
	}
	return r;
}
