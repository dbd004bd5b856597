/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/feed_request.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "controller/feed_request_private.h"
#include "crypto/crypto.h"

struct vtap_feed_request {
	struct vtap_feed *feed; /* borrowed */
	struct vtap_feed_host *host; /* borrowed */
	uint64_t number, expires_usec;
	char id[VTAP_ID_STRLEN];
	json_t *members; /* owned; with id and type */
	sd_event_source *timer; /* owned */
	vtap_feed_answered answered; /* NULL = nobody waits */
	void *userdata;
};

static uint64_t now_usec(const struct vtap_feed *f)
{
	uint64_t usec = 0;

	(void)sd_event_now(f->controller->event, CLOCK_MONOTONIC, &usec);
	return usec;
}

static void request_free(struct vtap_feed_request *q)
{
	sd_event_source_disable_unref(q->timer);
	json_decref(q->members);
	free(q);
}

const char *vtap_feed_request_id(const struct vtap_feed_request *q)
{
	return q->id;
}

void vtap_feed_request_drop(struct vtap_feed *f, struct vtap_feed_request *q)
{
	if (!q)
		return;
	vtap_pointers_remove(&q->host->requests, q);
	request_free(q);
}

/* It is gone before its owner hears of it, who may make another one at once. */
static void finish(struct vtap_feed_request *q, const json_t *answer)
{
	vtap_feed_answered answered = q->answered;
	void *userdata = q->userdata;

	vtap_feed_request_drop(q->feed, q);
	if (answered)
		answered(answer, userdata);
}

static int on_expired(sd_event_source *source, uint64_t usec, void *userdata)
{
	finish(userdata, NULL);
	return 0;
}

static int request_new(struct vtap_feed *f, const char *type, json_t *members, unsigned seconds,
		       struct vtap_feed_request **ret_request)
{
	struct vtap_feed_request *q = calloc(1, sizeof(*q));
	char hex[VTAP_ID_DIGITS + 1];
	int r;

	if (!q) {
		json_decref(members);
		return -ENOMEM;
	}
	q->feed = f;
	q->members = members;
	q->number = ++f->request_number;
	q->expires_usec = now_usec(f) + (uint64_t)seconds * 1000000U;
	snprintf(q->id, sizeof(q->id), "req-%s", vtap_random_hex(VTAP_ID_DIGITS, hex));
	r = sd_event_add_time(f->controller->event, &q->timer, CLOCK_MONOTONIC, q->expires_usec, 0, on_expired, q);
	if (r >= 0 && (json_object_set_new(members, "id", json_string(q->id)) < 0 ||
		       json_object_set_new(members, "type", json_string(type)) < 0 ||
		       json_object_set_new(members, "number", json_integer((json_int_t)q->number)) < 0))
		r = -ENOMEM;
	if (r < 0) {
		request_free(q);
		return r;
	}
	*ret_request = q;
	return 0;
}

int vtap_feed_request_make(struct vtap_feed *f, const char *host, const char *type, json_t *members, unsigned seconds,
			   vtap_feed_answered answered, void *userdata, struct vtap_feed_request **ret_request)
{
	struct vtap_feed_host *h = vtap_feed_find(f, host);
	struct vtap_feed_request *q = NULL;
	int r;

	if (!members)
		return -ENOMEM;
	if (!h || h->requests.count >= VTAP_FEED_REQUESTS_MAX) {
		json_decref(members);
		return h ? -EUSERS : -ENOENT;
	}
	r = request_new(f, type, members, seconds, &q);
	if (r < 0)
		return r;
	q->host = h;
	q->answered = answered;
	q->userdata = userdata;
	r = vtap_pointers_add(&h->requests, q);
	if (r < 0) {
		request_free(q);
		return r;
	}
	if (ret_request)
		*ret_request = q;
	vtap_feed_wake(f, h);
	return 0;
}

int vtap_feed_request_answer(struct vtap_feed *f, const char *host, const char *id, const json_t *answer)
{
	const struct vtap_feed_host *h = vtap_feed_find(f, host);

	for (size_t i = 0; h && i < h->requests.count; i++) {
		struct vtap_feed_request *q = h->requests.items[i];

		if (strcmp(q->id, id) != 0)
			continue;
		finish(q, answer);
		return 0;
	}
	return -ENOENT;
}

void vtap_feed_requests_end(struct vtap_feed *f, struct vtap_feed_host *h)
{
	while (h->requests.count)
		finish(h->requests.items[h->requests.count - 1], NULL);
}

bool vtap_feed_requests_after(const struct vtap_feed_host *h, uint64_t number)
{
	for (size_t i = 0; i < h->requests.count; i++)
		if (((const struct vtap_feed_request *)h->requests.items[i])->number > number)
			return true;
	return false;
}

static int compare_numbers(const void *a, const void *b)
{
	const struct vtap_feed_request *x = *(void *const *)a, *y = *(void *const *)b;

	return (x->number > y->number) - (x->number < y->number);
}

json_t *vtap_feed_requests_json(const struct vtap_feed_host *h, uint64_t number)
{
	json_auto_t *list = json_array();
	uint64_t now;

	if (h->requests.count)
		qsort(h->requests.items, h->requests.count, sizeof(*h->requests.items), compare_numbers);
	for (size_t i = 0; i < h->requests.count; i++) {
		const struct vtap_feed_request *q = h->requests.items[i];
		json_t *copy;

		if (q->number <= number)
			continue;
		now = now_usec(q->feed);
		copy = json_copy(q->members);
		if (json_array_append_new(list, copy) < 0 ||
		    json_object_set_new(
			copy, "expires",
			json_integer((json_int_t)((q->expires_usec > now ? q->expires_usec - now : 0) / 1000000U))) < 0)
			return NULL;
	}
	return VTAP_STEAL(list);
}
