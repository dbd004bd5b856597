/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>

#include "controller/resolve_private.h"

struct vtap_label *vtap_label_get(struct vtap_resolver *v, const char *key)
{
	struct vtap_label *l = vtap_table_get(v->labels, key);

	if (l)
		return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->key = strdup(key);
	if (!l->key || vtap_table_put(v->labels, key, l) < 0) {
		vtap_label_free(l);
		return NULL;
	}
	return l;
}

void vtap_label_free(struct vtap_label *l)
{
	vtap_pointers_done(&l->sessions);
	vtap_pointers_done(&l->users);
	vtap_pointers_done(&l->ports);
	vtap_pointers_done(&l->plugged);
	vtap_pointers_done(&l->targets);
	free(l->key);
	free(l);
}

void vtap_label_settle(struct vtap_resolver *v, struct vtap_label *l)
{
	if (l->dirty || l->sessions.count || l->users.count || l->ports.count || l->plugged.count || l->targets.count)
		return;
	(void)vtap_table_remove(v->labels, l->key);
	vtap_label_free(l);
}

struct vtap_label *vtap_labels_add(struct vtap_resolver *v, struct vtap_pointers *labels, const char *key)
{
	struct vtap_label *l = vtap_label_get(v, key);

	return l && vtap_pointers_add(labels, l) >= 0 ? l : NULL;
}

int vtap_label_touch_host(struct vtap_resolver *v, struct vtap_label *l)
{
	if (l->dirty)
		return 0;
	l->dirty = true;
	return vtap_pointers_add(&v->dirty_hosts, l);
}

int vtap_session_touch(struct vtap_resolver *v, struct vtap_session_node *s)
{
	if (s->dirty)
		return 0;
	s->dirty = true;
	return vtap_pointers_add(&v->dirty_sessions, s);
}
