/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The memory for requests' bodies: who may have how much of it, and for how long. Somebody whom the owner does not know has none,
 * so that whoever knows no credentials takes nothing away from those who do.
 */

#include <errno.h>
#include <string.h>

#include "http/private.h"

#define CAPACITY_MIN_BYTES 4096 /* it doubles from there */

static struct vtap_http_server *server_of(const struct vtap_http_exchange *e)
{
	return e->connection->server;
}

static struct vtap_http_share *share_find(const struct vtap_http_server *s, const char *who)
{
	struct vtap_http_share *share = s->shares;

	while (share && strcmp(share->who, who) != 0)
		share = share->next;
	return share;
}

static int share_take(struct vtap_http_exchange *e)
{
	struct vtap_http_server *s = server_of(e);
	struct vtap_http_share *share = share_find(s, e->who);

	if (!share) {
		share = calloc(1, sizeof(*share));
		if (!share)
			return -ENOMEM;
		memcpy(share->who, e->who, sizeof(share->who));
		share->next = s->shares;
		s->shares = share;
	}
	share->exchanges++;
	e->share = share;
	return 0;
}

static void share_give_back(struct vtap_http_exchange *e)
{
	struct vtap_http_share *share = VTAP_STEAL(e->share), **at;

	if (!share || --share->exchanges > 0)
		return;
	for (at = &server_of(e)->shares; *at != share;)
		at = &(*at)->next;
	*at = share->next;
	free(share);
}

/* Large bodies leave a part to small ones. */
static bool has_room(const struct vtap_http_exchange *e, uint64_t more_bytes)
{
	const struct vtap_http_server *s = server_of(e);
	bool large = e->request.body_bytes + more_bytes > VTAP_HTTP_BODY_SMALL_BYTES;
	size_t all_bytes = large ? s->bodies_max_bytes / 4 * 3 : s->bodies_max_bytes;

	return s->bodies_bytes + more_bytes <= all_bytes && e->share->bytes + more_bytes <= s->body_share_max_bytes;
}

int vtap_http_body_admit(struct vtap_http_exchange *e, uint64_t announced_bytes)
{
	const struct vtap_http_server *s = server_of(e);
	int r;

	/* Without a name for it, an address has a share as everybody else. */
	if (!s->admit)
		vtap_addr_format(&e->request.peer, e->who);
	else if (s->admit(&e->request, e->who, s->userdata) < 0)
		e->request.body_dropped = true;
	if (e->request.body_dropped)
		return 0;
	r = share_take(e);
	return r < 0 || has_room(e, announced_bytes) ? r : -EBUSY;
}

static int reserve(struct vtap_http_exchange *e, size_t size_bytes)
{
	size_t capacity = VTAP_MAX(e->body_capacity_bytes, (size_t)CAPACITY_MIN_BYTES);
	char *body;

	while (capacity < size_bytes)
		capacity *= 2;
	/* The limit need not be a power of two. */
	capacity = VTAP_MIN(capacity, e->body_max_bytes);
	if (capacity <= e->body_capacity_bytes)
		return 0;
	body = realloc(e->body, capacity);
	if (!body)
		return -ENOMEM;
	e->body = body;
	e->body_capacity_bytes = capacity;
	return 0;
}

/* One that holds much comes on quickly, or is cut; the whole request's deadline stands all the same. */
static void keep_pace(struct vtap_http_exchange *e, size_t more_bytes)
{
	struct vtap_http_connection *c = e->connection;

	e->paced_bytes += more_bytes;
	if (e->request.body_bytes <= VTAP_HTTP_BODY_SMALL_BYTES || e->paced_bytes < VTAP_HTTP_BODY_PACE_BYTES)
		return;
	if (e->deadline_ms == 0)
		e->deadline_ms = c->deadline_ms;
	e->paced_bytes = 0;
	vtap_http_deadline_set(c, VTAP_MIN(e->deadline_ms, vtap_http_now_ms() + c->server->pace_ms));
}

int vtap_http_body_add(struct vtap_http_exchange *e, const char *data, size_t size_bytes)
{
	struct vtap_http_request *q = &e->request;

	if (!has_room(e, size_bytes))
		return -EBUSY;
	if (reserve(e, q->body_bytes + size_bytes) < 0)
		return -ENOMEM;
	memcpy(e->body + q->body_bytes, data, size_bytes);
	q->body = e->body;
	q->body_bytes += size_bytes;
	e->counted_bytes += size_bytes;
	e->share->bytes += size_bytes;
	server_of(e)->bodies_bytes += size_bytes;
	keep_pace(e, size_bytes);
	return 0;
}

void vtap_http_body_complete(struct vtap_http_exchange *e)
{
	if (e->deadline_ms > 0)
		vtap_http_deadline_set(e->connection, e->deadline_ms);
	e->deadline_ms = 0;
}

void vtap_http_body_uncount(struct vtap_http_exchange *e)
{
	server_of(e)->bodies_bytes -= e->counted_bytes;
	if (e->share)
		e->share->bytes -= e->counted_bytes;
	e->counted_bytes = 0;
	share_give_back(e);
}

void vtap_http_body_free(struct vtap_http_exchange *e)
{
	free(e->body);
	e->body = NULL;
	e->body_capacity_bytes = 0;
	e->request.body = NULL;
	e->request.body_bytes = 0;
}
