/* SPDX-License-Identifier: Apache-2.0 */

/* What others may see of the resolver. */

#include <errno.h>
#include <string.h>

#include "controller/resolve_private.h"

const json_t *vtap_resolver_value(const struct vtap_resolver *v, const char *id)
{
	const struct vtap_session_node *s = vtap_table_get(v->sessions, id);
	const struct vtap_port_node *p = s ? NULL : vtap_table_get(v->ports, id);
	const struct vtap_thing *t = s || p ? NULL : vtap_table_get(v->things, id);

	return s ? s->value : p ? p->value : t ? t->value : NULL;
}

static const json_t *thing_value(const struct vtap_resolver *v, const struct vtap_label *l)
{
	const struct vtap_thing *t = l ? vtap_table_get(v->things, l->key) : NULL;

	return t ? t->value : NULL;
}

int vtap_resolver_session(const struct vtap_resolver *v, const char *id, struct vtap_resolved *ret)
{
	const struct vtap_session_node *s = vtap_table_get(v->sessions, id);

	if (!s)
		return -ENOENT;
	*ret = (struct vtap_resolved){
	    .value = s->value,
	    .target = thing_value(v, s->target),
	    .filter = thing_value(v, s->filter),
	    .block = s->block,
	    .cover_count = s->covers.count,
	    .mirrored_count = s->mirrored_count,
	};
	return 0;
}

static int visit_covers(const struct vtap_resolver *v, const struct vtap_pointers *covers, vtap_cover_visit visit,
			void *userdata)
{
	int r = 0;

	for (size_t i = 0; i < covers->count && r == 0; i++) {
		const struct vtap_cover_node *c = covers->items[i];
		const struct vtap_session_node *s = c->session;
		const struct vtap_port_node *p = c->port;
		struct vtap_cover cover = {
		    .session = s->id,
		    .source = p->id,
		    .session_value = s->value,
		    .source_value = p->value,
		    .sequence = s->sequence,
		    .host = p->host,
		    .device = p->device,
		    .own = p->own,
		    .given = c->given,
		    .mirrored = c->mirrored,
		    .state = c->state,
		    .other = c->other,
		    .other_value = c->other ? vtap_resolver_value(v, c->other) : NULL,
		};

		r = visit(&cover, userdata);
	}
	return r;
}

int vtap_resolver_covers_of_session(const struct vtap_resolver *v, const char *id, vtap_cover_visit visit,
				    void *userdata)
{
	const struct vtap_session_node *s = vtap_table_get(v->sessions, id);

	return s ? visit_covers(v, &s->covers, visit, userdata) : 0;
}

int vtap_resolver_covers_of_source(const struct vtap_resolver *v, const char *id, vtap_cover_visit visit,
				   void *userdata)
{
	const struct vtap_port_node *p = vtap_table_get(v->ports, id);

	return p ? visit_covers(v, &p->covers, visit, userdata) : 0;
}

int vtap_resolver_covers_of_host(const struct vtap_resolver *v, const char *id, vtap_cover_visit visit, void *userdata)
{
	const struct vtap_label *l = vtap_table_get(v->labels, id);
	int r = 0;

	for (size_t i = 0; l && i < l->plugged.count && r == 0; i++)
		r = visit_covers(v, &((struct vtap_port_node *)l->plugged.items[i])->covers, visit, userdata);
	return r;
}

int vtap_resolver_interfaces_by_mac(const struct vtap_resolver *v, const char *mac,
				    int (*visit)(const char *id, const json_t *value, void *userdata), void *userdata)
{
	char key[sizeof("mac:") + VTAP_MAC_STRLEN];
	const struct vtap_label *l;
	int r = 0;

	snprintf(key, sizeof(key), "mac:%s", mac);
	l = vtap_table_get(v->labels, key);
	for (size_t i = 0; l && i < l->ports.count && r == 0; i++) {
		const struct vtap_port_node *p = l->ports.items[i];

		r = visit(p->id, p->value, userdata);
	}
	return r;
}
