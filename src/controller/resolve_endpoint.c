/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/resolve_private.h"

/* Counts the session among those of its endpoint that mirror a source of their own, or no longer. */
void vtap_endpoint_own(struct vtap_resolver *v, struct vtap_session_node *s, bool before)
{
	bool now = s->own_count > 0;
	size_t uses;

	if (!s->endpoint || before == now)
		return;
	uses = s->endpoint->own_uses;
	s->endpoint->own_uses = now ? uses + 1 : uses - 1;
	if (uses == 0 || s->endpoint->own_uses == 0)
		v->endpoints_version++;
}

static void put(struct vtap_resolver *v, struct vtap_session_node *s)
{
	struct vtap_endpoint_node *e = s->endpoint;
	size_t own_count = s->own_count;

	if (!e)
		return;
	s->own_count = 0;
	vtap_endpoint_own(v, s, own_count > 0);
	s->own_count = own_count;
	s->endpoint = NULL;
	if (--e->uses > 0)
		return;
	(void)vtap_table_remove(v->endpoints, e->key);
	free(e);
	v->endpoint_count--;
	v->endpoints_version++;
}

static int take(struct vtap_resolver *v, struct vtap_session_node *s, const char *address, uint16_t port)
{
	char key[VTAP_ADDR_STRLEN + 8];
	struct vtap_endpoint_node *e;

	snprintf(key, sizeof(key), "%s %u", address, port);
	e = vtap_table_get(v->endpoints, key);
	if (!e) {
		e = calloc(1, sizeof(*e));
		if (!e)
			return -ENOMEM;
		strcpy(e->key, key);
		snprintf(e->address, sizeof(e->address), "%s", address);
		e->port = port;
		if (vtap_table_put(v->endpoints, key, e) < 0) {
			free(e);
			return -ENOMEM;
		}
		v->endpoint_count++;
		v->endpoints_version++;
	}
	e->uses++;
	s->endpoint = e;
	vtap_endpoint_own(v, s, false);
	return 0;
}

int vtap_endpoint_update(struct vtap_resolver *v, struct vtap_session_node *s)
{
	const struct vtap_thing *target = s->target ? vtap_table_get(v->things, s->target->key) : NULL;
	const char *address = target ? vtap_text(target->value, "address") : NULL;
	uint16_t port =
	    (uint16_t)json_integer_value(json_object_get(json_object_get(s->value, "encapsulation"), "port"));
	struct vtap_endpoint_node *e = s->endpoint;
	bool running = s->block == VTAP_BLOCK_NONE;

	if (e && running && e->port == port && !strcmp(e->address, address))
		return 0;
	put(v, s);
	return running ? take(v, s, address, port) : 0;
}

uint64_t vtap_resolver_endpoints_version(const struct vtap_resolver *v)
{
	return v->endpoints_version;
}

size_t vtap_resolver_endpoint_count(const struct vtap_resolver *v)
{
	return v->endpoint_count;
}

struct endpoint_walk {
	int (*visit)(const struct vtap_endpoint_use *use, void *userdata);
	void *userdata;
};

static int on_endpoint(const char *key, void *value, void *userdata)
{
	const struct vtap_endpoint_node *e = value;
	struct vtap_endpoint_use use = {e->address, e->port, e->own_uses > 0};
	struct endpoint_walk *walk = userdata;

	return walk->visit(&use, walk->userdata);
}

int vtap_resolver_endpoints(const struct vtap_resolver *v,
			    int (*visit)(const struct vtap_endpoint_use *use, void *userdata), void *userdata)
{
	struct endpoint_walk walk = {visit, userdata};

	return vtap_table_each(v->endpoints, on_endpoint, &walk);
}
