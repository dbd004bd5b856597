/* SPDX-License-Identifier: Apache-2.0 */

/* Agents that ask for their plan, and wait until there is something for them. */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "basic/parse.h"
#include "controller/feed_request_private.h"

#define WAIT_MAX_S 60
#define WAIT_ACCURACY_USEC 100000
#define INSTANCE_MIN 16
#define INSTANCE_MAX 32

struct asked { /* what the agent has, by the query */
	const char *epoch, *hash; /* NULL = nothing */
	uint64_t revision, request, wait_s;
};

static bool has_news(const struct vtap_feed *f, const struct vtap_feed_host *h, const struct asked *a)
{
	if (!a->epoch || strcmp(a->epoch, vtap_store_epoch(f->controller->store)) != 0)
		return true;
	if (!a->hash)
		return h->revision > a->revision;
	return strcmp(a->hash, h->plan->hash) != 0 && h->revision >= a->revision;
}

/* The document: what it is known by, then the plan's content unless the agent has it. */
static int answer_text(const struct vtap_feed *f, const struct vtap_feed_host *h, uint64_t request, bool unchanged,
		       char **ret_text)
{
	const char *epoch = vtap_store_epoch(f->controller->store);
	json_auto_t *requests = vtap_feed_requests_json(h, request);
	_cleanup_free_ char *list = requests ? json_dumps(requests, JSON_COMPACT) : NULL;
	int n;

	if (!list)
		return -ENOMEM;
	if (unchanged)
		n = asprintf(ret_text,
			     "{\"epoch\":\"%s\",\"hash\":\"%s\",\"host\":\"%s\",\"requests\":%s,\"revision\":%" PRIu64
			     ",\"unchanged\":true,\"version\":1}",
			     epoch, h->plan->hash, h->id, list, h->revision);
	else
		n = asprintf(ret_text, "{\"epoch\":\"%s\",\"hash\":\"%s\",\"requests\":%s,\"revision\":%" PRIu64 ",%s",
			     epoch, h->plan->hash, list, h->revision, h->plan->text + 1);
	return n < 0 ? -ENOMEM : n;
}

static int set_answer(struct vtap_call *call, const struct vtap_feed *f, const struct vtap_feed_host *h,
		      uint64_t request, bool unchanged)
{
	int r = answer_text(f, h, request, unchanged, &call->text);

	if (r < 0)
		return r;
	call->text_bytes = (size_t)r;
	call->content_type = "application/json";
	return 0;
}

/* The call is nobody's any more. */
static struct vtap_call *take_waiter(struct vtap_feed_host *h)
{
	(void)sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
	return VTAP_STEAL(h->waiter);
}

static void finish_unchanged(struct vtap_feed_host *h)
{
	struct vtap_call *call = take_waiter(h);

	call->status = 304;
	vtap_call_finish(call, 0);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
	finish_unchanged(userdata);
	return 0;
}

static void on_gone(struct vtap_call *call)
{
	struct vtap_feed_host *h = call->userdata;

	if (h->waiter == call)
		(void)take_waiter(h);
}

/* The waiter has the plan as it was: only a new one, and requests, wake it. */
void vtap_feed_wake(struct vtap_feed *f, struct vtap_feed_host *h)
{
	struct vtap_call *call = h->waiter;
	const char *hash;

	if (!call)
		return;
	hash = vtap_http_query(call->request, "hash");
	take_waiter(h);
	vtap_call_finish(call, set_answer(call, f, h, h->waiter_request, hash && !strcmp(hash, h->plan->hash)));
}

void vtap_feed_refuse_waiter(struct vtap_feed *f, struct vtap_feed_host *h, int code, const char *problem_type,
			     const char *sentence)
{
	struct vtap_call *call = h->waiter;

	if (!call)
		return;
	take_waiter(h);
	call->problem_type = problem_type;
	vtap_call_finish(call, vtap_call_fail(call, code, NULL, "%s", sentence));
}

static int wait_for_news(struct vtap_call *call, struct vtap_feed *f, struct vtap_feed_host *h, const struct asked *a)
{
	uint64_t wait_usec = a->wait_s * 1000000U;
	int r;

	if (!h->timer)
		r = sd_event_add_time_relative(f->controller->event, &h->timer, CLOCK_MONOTONIC, wait_usec,
					       WAIT_ACCURACY_USEC, on_timeout, h);
	else
		r = sd_event_source_set_time_relative(h->timer, wait_usec);
	if (r >= 0)
		r = sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT);
	if (r < 0)
		return r;
	h->waiter = call;
	h->waiter_request = a->request;
	call->gone = on_gone;
	call->userdata = h;
	return VTAP_HTTP_LATER;
}

static bool is_instance(const char *text, size_t length)
{
	return length >= INSTANCE_MIN && length <= INSTANCE_MAX && strspn(text, "0123456789abcdef") >= length;
}

static int read_connection(struct vtap_call *call, char instance[VTAP_HASH_STRLEN], uint64_t *ret_counter)
{
	const char *text = vtap_http_header(call->request, "X-Vtap-Connection"),
		   *colon = text ? strchr(text, ':') : NULL;

	if (!colon || !is_instance(text, (size_t)(colon - text)) ||
	    vtap_parse_u64(colon + 1, 0, INT64_MAX, ret_counter) < 0)
		return vtap_call_fail(call, -EINVAL, "X-Vtap-Connection",
				      "must be %d to %d hex digits in lower case, a colon and a number", INSTANCE_MIN,
				      INSTANCE_MAX);
	snprintf(instance, VTAP_HASH_STRLEN, "%.*s", (int)(colon - text), text);
	return 0;
}

/* A second user of the credential ends it for both. r: what the connection's note returned. */
static int suspend_two(struct vtap_call *call, struct vtap_feed *f, struct vtap_feed_host *h, int r)
{
	if (r >= 0)
		return 0;
	r = vtap_feed_suspend(f, h, "two agents use the credential of the host");
	if (r < 0)
		return r;
	call->problem_type = VTAP_PROBLEM_SUSPENDED;
	return vtap_call_fail(call, -EACCES, NULL,
			      "two agents use the credential of host %s: both are suspended until "
			      "`vtap host resume`",
			      h->id);
}

static int note_connection(struct vtap_call *call, struct vtap_feed *f, struct vtap_feed_host *h)
{
	char instance[VTAP_HASH_STRLEN];
	uint64_t counter;
	int r;

	r = read_connection(call, instance, &counter);
	return r < 0 ? r : suspend_two(call, f, h, vtap_feed_connection_note(&h->connection, instance, counter));
}

int vtap_feed_note_report(struct vtap_call *call)
{
	struct vtap_feed *f = call->controller->feed;
	struct vtap_feed_host *h = vtap_feed_find(f, call->principal.host);
	const json_t *value = json_object_get(json_object_get(call->body, "agent"), "instance");
	const char *instance = json_string_value(value);

	if (!h || !value || json_is_null(value))
		return 0;
	if (!instance || !is_instance(instance, json_string_length(value)))
		return vtap_call_fail(call, -EINVAL, "agent.instance", "must be %d to %d hex digits in lower case",
				      INSTANCE_MIN, INSTANCE_MAX);
	return suspend_two(call, f, h, vtap_feed_connection_note_report(&h->connection, instance));
}

static int read_query(struct vtap_call *call, struct asked *ret)
{
	struct asked a = {
	    .epoch = vtap_http_query(call->request, "epoch"),
	    .hash = vtap_http_query(call->request, "hash"),
	};
	int r;

	r = vtap_call_query_number(call, "revision", 0, INT64_MAX, 0, &a.revision);
	if (r >= 0)
		r = vtap_call_query_number(call, "request", 0, INT64_MAX, 0, &a.request);
	if (r >= 0)
		r = vtap_call_query_number(call, "wait", 0, WAIT_MAX_S, 0, &a.wait_s);
	if (r >= 0)
		*ret = a;
	return r;
}

int vtap_feed_get_plan(struct vtap_call *call, struct vtap_change *change)
{
	struct vtap_feed *f = call->controller->feed;
	struct vtap_feed_host *h = vtap_feed_find(f, call->principal.host);
	struct asked asked;
	bool news;
	int r;

	if (!h)
		return vtap_call_fail(call, -ENOENT, NULL, "there is no such host");
	r = read_query(call, &asked);
	if (r >= 0)
		r = note_connection(call, f, h);
	if (r < 0)
		return r;
	vtap_reports_seen(f->controller->reports, h->id);
	if (h->waiter)
		finish_unchanged(h);
	news = has_news(f, h, &asked);
	if (news || vtap_feed_requests_after(h, asked.request))
		return set_answer(call, f, h, asked.request, !news);
	if (asked.wait_s)
		return wait_for_news(call, f, h, &asked);
	call->status = 304;
	return 0;
}
