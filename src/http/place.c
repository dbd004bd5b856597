/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who holds how many connections. Each class of clients has places of its own: whoever knows no credentials takes none from those
 * who do. When there are too many, the one who holds most loses the oldest on which nothing is done: a flood from one address ends
 * its own connections, and nobody else's.
 */

#include <string.h>

#include "http/private.h"

struct vtap_http_holder {
	struct vtap_http_holder *previous, *next; /* of its class */
	char who[VTAP_HTTP_WHO_STRLEN];
	struct vtap_http_connection *oldest, *youngest;
	size_t count; /* it lives as long as there are some */
};

static struct vtap_http_places *places_of(const struct vtap_http_connection *c)
{
	return &c->server->places[c->class];
}

static struct vtap_http_holder *holder_get(struct vtap_http_places *p, const char *who)
{
	struct vtap_http_holder *h = p->holders;

	while (h && strcmp(h->who, who) != 0)
		h = h->next;
	if (h)
		return h;
	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	(void)stpncpy(h->who, who, sizeof(h->who) - 1);
	h->next = p->holders;
	if (h->next)
		h->next->previous = h;
	p->holders = h;
	return h;
}

/* Of those with most, who has been there longest, which is the last: nobody who keeps his place keeps newcomers out. */
static struct vtap_http_holder *heaviest(const struct vtap_http_places *p)
{
	struct vtap_http_holder *most = p->holders;

	for (struct vtap_http_holder *h = p->holders; h; h = h->next)
		if (h->count >= most->count)
			most = h;
	return most;
}

void vtap_http_place_leave(struct vtap_http_connection *c)
{
	struct vtap_http_holder *h = VTAP_STEAL(c->holder);
	struct vtap_http_places *p = places_of(c);

	if (!h)
		return;
	*(c->older ? &c->older->younger : &h->oldest) = c->younger;
	*(c->younger ? &c->younger->older : &h->youngest) = c->older;
	p->count--;
	if (--h->count > 0)
		return;
	*(h->previous ? &h->previous->next : &p->holders) = h->next;
	if (h->next)
		h->next->previous = h->previous;
	free(h);
}

/* Nobody waits there for anything but more of a request. */
static bool is_idle(const struct vtap_http_connection *c)
{
	return !c->exchange || c->exchange->state == VTAP_HTTP_RECEIVING;
}

/* With the next run: libmicrohttpd may be in the middle of its lists. */
static void end_soon(struct vtap_http_connection *c)
{
	vtap_http_place_leave(c);
	vtap_http_deadline_set(c, 0);
	c->ended = true;
}

static void end_one(const struct vtap_http_holder *h, struct vtap_http_connection *otherwise)
{
	struct vtap_http_connection *c = h->oldest;

	while (c && !is_idle(c))
		c = c->younger;
	end_soon(c ? c : otherwise);
}

void vtap_http_place_take(struct vtap_http_connection *c, enum vtap_http_class class, const char *who)
{
	struct vtap_http_places *p = &c->server->places[class];
	struct vtap_http_holder *h = c->holder;

	if (c->ended || (h && c->class == class && strcmp(h->who, who) == 0))
		return;
	vtap_http_place_leave(c);
	c->class = class;
	h = holder_get(p, who);
	if (!h) {
		end_soon(c);
		return;
	}
	c->holder = h;
	c->younger = NULL;
	c->older = h->youngest;
	*(h->youngest ? &h->youngest->younger : &h->oldest) = c;
	h->youngest = c;
	h->count++;
	p->count++;
	if (p->limits.each_max > 0 && h->count > p->limits.each_max)
		end_one(h, c);
	else if (p->limits.max > 0 && p->count > p->limits.max)
		end_one(heaviest(p), c);
}

void vtap_http_place_begin(struct vtap_http_connection *c)
{
	struct vtap_addr network = c->peer;
	char who[VTAP_ADDR_STRLEN];

	if (network.family == AF_INET6)
		memset(network.bytes + 8, 0, 8);
	vtap_http_place_take(c, VTAP_HTTP_UNKNOWN, vtap_addr_format(&network, who));
}

void vtap_http_known(const struct vtap_http_request *r, enum vtap_http_class class, const char *who)
{
	if (r->exchange->connection)
		vtap_http_place_take(r->exchange->connection, class, who);
}
