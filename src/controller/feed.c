/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/feed.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "basic/log.h"
#include "controller/capture.h"
#include "controller/feed_private.h"
#include "controller/feed_request_private.h"

void vtap_feed_break(struct vtap_feed *f, int r)
{
	if (f->broken)
		return;
	f->broken = true;
	vtap_log_err(r, "cannot keep the hosts' plans: %s; the controller ends, and begins anew when it is started",
		     strerror(-r));
	(void)sd_event_exit(f->controller->event, r);
}

struct vtap_feed_host *vtap_feed_find(const struct vtap_feed *f, const char *host)
{
	return vtap_table_get(f->hosts, host);
}

static int host_new(struct vtap_feed *f, const char *id, struct vtap_feed_host **ret_host)
{
	struct vtap_feed_host *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->feed = f;
	(void)sd_event_now(f->controller->event, CLOCK_MONOTONIC, &h->known_usec);
	snprintf(h->id, sizeof(h->id), "%s", id);
	if (vtap_table_put(f->hosts, id, h) < 0) {
		free(h);
		return -ENOMEM;
	}
	*ret_host = h;
	return 0;
}

struct vtap_feed_host *vtap_feed_host_free(struct vtap_feed_host *h)
{
	if (!h)
		return NULL;
	sd_event_source_disable_unref(h->timer);
	vtap_host_plan_free(h->plan);
	vtap_pointers_done(&h->requests);
	free(h->since);
	free(h);
	return NULL;
}

/* The host was deleted: its agent is told, and who asked something of it. */
static void host_drop(struct vtap_feed *f, struct vtap_feed_host *h)
{
	vtap_feed_refuse_waiter(f, h, -EKEYREVOKED, VTAP_PROBLEM_REVOKED, "the host was deleted");
	vtap_feed_requests_end(f, h);
	vtap_reports_forget_host(f->controller->reports, h->id);
	(void)vtap_table_remove(f->hosts, h->id);
	vtap_feed_host_free(h);
}

/* Since when each part is as it is now. */
static int since_make(const struct vtap_feed_host *h, const struct vtap_host_plan *plan, uint64_t revision,
		      uint64_t **ret_since)
{
	uint64_t *since = calloc(plan->part_count + 1, sizeof(*since));

	if (!since)
		return -ENOMEM;
	for (size_t i = 0; i < plan->part_count; i++) {
		const struct vtap_plan_part *before =
		    h->plan ? vtap_host_plan_part(h->plan, plan->parts[i].session) : NULL;

		since[i] = before && before->hash == plan->parts[i].hash ? h->since[before - h->plan->parts] : revision;
	}
	*ret_since = since;
	return 0;
}

/* Makes the plan anew. Only a new hash is a new plan. */
static int host_update(struct vtap_feed *f, const char *id)
{
	VTAP_CLEANUP(vtap_host_plan_freep) struct vtap_host_plan *plan = NULL;
	struct vtap_feed_host *h = vtap_feed_find(f, id);
	uint64_t revision = vtap_store_revision(f->controller->store);
	_cleanup_free_ uint64_t *since = NULL;
	bool is_new;
	int r;

	r = vtap_host_plan_make(f->controller->resolver, id, &plan);
	if (r == -ENOENT && h)
		host_drop(f, h);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (!h) {
		r = host_new(f, id, &h);
		if (r < 0)
			return r;
	}
	r = since_make(h, plan, revision, &since);
	if (r < 0)
		return r;
	is_new = !h->plan || strcmp(h->plan->hash, plan->hash) != 0;
	vtap_host_plan_free(h->plan);
	h->plan = VTAP_STEAL(plan);
	free(h->since);
	h->since = VTAP_STEAL(since);
	if (!is_new)
		return 0;
	h->revision = revision;
	vtap_feed_wake(f, h);
	return 0;
}

static int update_endpoints(const char *key, void *value, void *userdata)
{
	struct vtap_feed *f = userdata;
	const struct vtap_feed_host *h = value;

	return h->plan->has_endpoints ? host_update(f, h->id) : 0;
}

/* Everything that the resolver has marked since the last time. */
static int update_all(struct vtap_feed *f)
{
	struct vtap_resolver *v = f->controller->resolver;
	const char *id;
	int r = 0;

	while (r >= 0 && (id = vtap_resolver_take_host(v)))
		r = host_update(f, id);
	if (r >= 0 && f->endpoints_version != vtap_resolver_endpoints_version(v)) {
		f->endpoints_version = vtap_resolver_endpoints_version(v);
		r = vtap_table_each(f->hosts, update_endpoints, f);
	}
	while ((id = vtap_resolver_take_session(v)))
		vtap_feed_state_touch(f, id);
	return r;
}

static void on_changed(const struct vtap_changed *changed, void *userdata)
{
	struct vtap_feed *f = userdata;
	struct vtap_resolver *v = f->controller->resolver;
	int r;

	if (changed->after)
		r = vtap_resolver_put(v, changed->kind->name, changed->object ? changed->object->sequence : 0,
				      (json_t *)changed->after);
	else
		r = vtap_resolver_delete(v, changed->kind->name, changed->id);
	if (r < 0)
		vtap_feed_break(f, r);
	if (!strcmp(changed->kind->name, "interface"))
		vtap_reports_forget_interface(f->controller->reports, changed->id);
	if (changed->after)
		return;
	if (!strcmp(changed->kind->name, "session")) {
		vtap_reports_forget_session(f->controller->reports, changed->id);
		vtap_feed_state_forget(f, changed->id);
	}
}

static void on_settled(void *userdata)
{
	struct vtap_feed *f = userdata;
	int r = update_all(f);

	if (r < 0)
		vtap_feed_break(f, r);
}

/* What others refer to comes first. */
static int load(struct vtap_feed *f)
{
	static const char *const order[] = {"project", "host",      "subnet", "target",
					    "filter",  "interface", "wire",   "session"};
	const struct vtap_objects *objects = f->controller->objects;
	int r = 0;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(order); i++) {
		const struct vtap_kind *kind = vtap_kind_find(order[i]);

		for (struct vtap_object *o = vtap_objects_next(objects, kind, NULL); o && r >= 0;
		     o = vtap_objects_next(objects, kind, o))
			r = vtap_resolver_put(f->controller->resolver, kind->name, o->sequence, o->value);
	}
	return r < 0 ? r : update_all(f);
}

/* Requests of one life of the controller have higher numbers than those of the lives before. */
static uint64_t first_request_number(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000U + (uint64_t)t.tv_nsec / 1000U;
}

int vtap_feed_new(struct vtap_controller *c, struct vtap_feed **ret_feed)
{
	VTAP_CLEANUP(vtap_feed_freep) struct vtap_feed *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->controller = c;
	f->request_number = first_request_number();
	r = vtap_table_new(&f->hosts);
	if (r >= 0)
		r = vtap_resolver_new(&c->resolver);
	if (r >= 0)
		r = vtap_reports_new(c, &c->reports);
	if (r >= 0)
		r = vtap_feed_state_begin(f);
	if (r >= 0)
		r = load(f);
	if (r >= 0)
		r = vtap_feed_access_load(f);
	if (r >= 0)
		r = vtap_change_observe(c, on_changed, on_settled, f);
	if (r < 0)
		return r;
	*ret_feed = VTAP_STEAL(f);
	return 0;
}

static int free_host(const char *key, void *value, void *userdata)
{
	struct vtap_feed_host *h = value;

	vtap_feed_requests_end(userdata, h);
	vtap_feed_host_free(h);
	return 0;
}

struct vtap_feed *vtap_feed_free(struct vtap_feed *f)
{
	if (!f)
		return NULL;
	vtap_captures_end(f);
	if (f->hosts)
		(void)vtap_table_each(f->hosts, free_host, f);
	vtap_table_free(f->hosts);
	vtap_feed_state_end(f);
	f->controller->reports = vtap_reports_free(f->controller->reports);
	f->controller->resolver = vtap_resolver_free(f->controller->resolver);
	free(f);
	return NULL;
}

bool vtap_feed_has_applied(const struct vtap_feed_host *h, const struct vtap_plan_part *part)
{
	return h->acknowledged >= h->since[part - h->plan->parts];
}

bool vtap_feed_acknowledge(struct vtap_feed *f, const char *host, const char *epoch, uint64_t revision,
			   const char *hash)
{
	struct vtap_feed_host *h = vtap_feed_find(f, host);
	uint64_t acknowledged;

	if (!h)
		return false;
	if (hash && !strcmp(hash, h->plan->hash))
		acknowledged = h->revision;
	else if (epoch && !strcmp(epoch, vtap_store_epoch(f->controller->store)) && revision < h->revision)
		acknowledged = revision;
	else
		acknowledged = 0;
	if (acknowledged == h->acknowledged)
		return false;
	h->acknowledged = acknowledged;
	return true;
}
