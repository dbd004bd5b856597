// SPDX-License-Identifier: Apache-2.0

#include "agent/feed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "agent/feed_private.h"
#include "agent/join.h"
#include "agent/loop.h"
#include "agent/problem.h"
#include "agent/requests.h"
#include "agent/statefile.h"
#include "basic/log.h"
#include "crypto/pki.h"
#include "model/value.h"

#define POLL_WAIT_S 25U
#define POLL_TIMEOUT_MS 40000U
#define REQUEST_TIMEOUT_MS 15000U
#define REFUSED_RETRY_MS 30000U
#define POLL_PAUSE_MS 1000U /* before another one, when one that should have waited came back at once */
#define CONTACT_SAVE_S 30
#define DEVICES_LOOKS 5U /* after a change: who is behind a new device is known only once it has sent something */

static const char *const state_names[VTAP_FEED_STATE_MAX] = {
    [VTAP_FEED_CONNECTING] = "connecting", [VTAP_FEED_CONNECTED] = "connected", [VTAP_FEED_AWAY] = "away",
    [VTAP_FEED_REFUSED] = "refused",       [VTAP_FEED_SUSPENDED] = "suspended", [VTAP_FEED_REVOKED] = "revoked",
};

uint64_t vtap_agent_feed_now_ms(void)
{
	struct timespec t = {};

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

const char *vtap_agent_feed_state_name(const struct vtap_agent_feed *f)
{
	return state_names[f->state];
}

static void timer_set(sd_event_source *timer, unsigned ms)
{
	if (!timer)
		return;
	(void)sd_event_source_set_time_relative(timer, (uint64_t)ms * 1000);
	(void)sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

/* What the client waits for may have changed. */
static void client_rearm(struct vtap_agent_feed *f)
{
	int ms = f->client ? vtap_client_timeout_ms(f->client) : -1;

	if (ms < 0 && f->client_timer)
		(void)sd_event_source_set_enabled(f->client_timer, SD_EVENT_OFF);
	else if (f->client_timer)
		timer_set(f->client_timer, (unsigned)ms);
}

static void client_run(struct vtap_agent_feed *f)
{
	int r = vtap_client_run(f->client);

	if (r < 0)
		vtap_log(VTAP_LOG_WARNING, "requests to the controller do not proceed: %s", strerror(-r));
	client_rearm(f);
}

static int on_client_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	client_run(userdata);
	return 0;
}

static int on_client_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	client_run(userdata);
	return 0;
}

static void client_close(struct vtap_agent_feed *f)
{
	f->client_io = sd_event_source_disable_unref(f->client_io);
	f->client_timer = sd_event_source_disable_unref(f->client_timer);
	f->client = vtap_client_free(f->client);
	f->in_flight = 0;
}

static int client_open(struct vtap_agent_feed *f, struct vtap_error *reterr)
{
	const struct vtap_client_options options = {
	    .url = f->agent->options.controller,
	    .authority = f->identity.authority,
	    .server_name = VTAP_PKI_AGENTS_SERVER,
	    .certificate = f->identity.certificate,
	    .key = f->identity.key,
	    .bearer = f->identity.bearer,
	    .user_agent = "vtap-agent/" VTAP_VERSION,
	    .plain_anywhere = f->agent->options.plain_anywhere,
	};
	int r;

	r = vtap_client_new(&options, &f->client, reterr);
	if (r >= 0)
		r = sd_event_add_io(f->agent->event, &f->client_io, vtap_client_fd(f->client), EPOLLIN, on_client_io,
				    f);
	if (r >= 0)
		r = sd_event_add_time(f->agent->event, &f->client_timer, CLOCK_MONOTONIC, 0, 1000, on_client_timer, f);
	if (r >= 0)
		client_rearm(f);
	f->client_stale = false;
	return r;
}

int vtap_agent_feed_send(struct vtap_agent_feed *f, const struct vtap_client_request *request, vtap_client_done done,
			 void *userdata, uint64_t *ret_id)
{
	struct vtap_client_request r = *request;
	uint64_t id = 0;
	int result;

	if (!r.timeout_ms)
		r.timeout_ms = REQUEST_TIMEOUT_MS;
	result = f->client ? vtap_client_start(f->client, &r, done, userdata, &id) : -ENOTCONN;
	if (result < 0) {
		vtap_log(VTAP_LOG_WARNING, "the controller cannot be asked: %s", strerror(-result));
		return result;
	}
	f->in_flight++;
	if (ret_id)
		*ret_id = id;
	client_rearm(f);
	return 0;
}

int vtap_agent_feed_post(struct vtap_agent_feed *f, const char *path, json_t *body, vtap_client_done done,
			 void *userdata, uint64_t *ret_id)
{
	_cleanup_free_ char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct vtap_client_request request = {.method = "POST", .path = path, .body = text};

	json_decref(body);
	if (!text)
		return -ENOMEM;
	request.body_bytes = strlen(text);
	return vtap_agent_feed_send(f, &request, done, userdata, ret_id);
}

void vtap_agent_feed_poll_in(struct vtap_agent_feed *f, unsigned ms)
{
	uint64_t now_ms = vtap_agent_feed_now_ms();

	if (f->quiet_until_ms > now_ms)
		ms = VTAP_MAX(ms, (unsigned)(f->quiet_until_ms - now_ms));
	timer_set(f->poll_timer, ms);
}

void vtap_agent_feed_poll_later(struct vtap_agent_feed *f)
{
	uint32_t random;

	vtap_random_bytes(&random, sizeof(random));
	f->failures++;
	vtap_agent_feed_poll_in(f, vtap_contact_backoff_ms(f->failures, random));
}

/* 429 or 503: nothing is asked for as long as the controller wishes. */
static void keep_quiet(struct vtap_agent_feed *f, unsigned retry_after_s)
{
	uint32_t random;

	if (!retry_after_s)
		return;
	vtap_random_bytes(&random, sizeof(random));
	f->quiet_until_ms = vtap_agent_feed_now_ms() + vtap_contact_retry_after_ms(retry_after_s, random);
}

static void heard(struct vtap_agent_feed *f)
{
	vtap_contact_now(&f->contact);
}

static void contact_save(struct vtap_agent_feed *f)
{
	if (vtap_contact_save(f->agent->options.state_dir, &f->contact) >= 0)
		f->saved = f->contact;
}

/* Everything goes, and does not come back: the host is not this controller's any more. */
static void host_revoked(struct vtap_agent_feed *f, const char *text)
{
	struct vtap_agent *a = f->agent;

	f->state = VTAP_FEED_REVOKED;
	snprintf(f->reason, sizeof(f->reason), "%s", text);
	vtap_log(VTAP_LOG_ERROR, "the controller has revoked this host: %s; nothing is mirrored any more", text);
	(void)vtap_agent_identity_remove(a->options.state_dir);
	(void)vtap_contact_remove(a->options.state_dir);
	vtap_agent_feed_plan_forget(f);
	(void)vtap_loop_apply(a);
	vtap_loop_end(a, -EKEYREVOKED);
}

static void state_set(struct vtap_agent_feed *f, enum vtap_feed_state state, const char *reason)
{
	bool changed = f->state != state;

	if (f->state == VTAP_FEED_CONNECTED)
		contact_save(f);
	f->state = state;
	snprintf(f->reason, sizeof(f->reason), "%s", reason);
	if (changed)
		vtap_log(VTAP_LOG_WARNING, "the controller at %s: %s: %s; mirroring goes on by the last plan",
			 f->agent->options.controller, state_names[state], reason);
}

static void trouble(struct vtap_agent_feed *f, const struct vtap_client_answer *answer)
{
	char reason[sizeof(f->reason)], expired[VTAP_TIME_STRLEN];
	struct vtap_problem p;

	vtap_problem_read(answer, &p);
	snprintf(reason, sizeof(reason), "%s", p.text);
	if (f->identity.expires_s && time(NULL) > f->identity.expires_s) {
		snprintf(reason, sizeof(reason), "this agent's certificate has expired at %s: let it join again",
			 vtap_time_format(f->identity.expires_s, expired));
		state_set(f, VTAP_FEED_REFUSED, reason);
	} else if (answer->result == 0 && answer->status == 401 && !strcmp(p.type, "vtap:revoked")) {
		host_revoked(f, p.text);
		return;
	} else if (answer->result == 0 && answer->status == 401) {
		state_set(f, VTAP_FEED_REFUSED, reason);
	} else if (answer->result == 0 && answer->status == 403) {
		state_set(f, VTAP_FEED_SUSPENDED, reason);
	} else {
		state_set(f, VTAP_FEED_AWAY, reason);
		keep_quiet(f, answer->retry_after_s);
		vtap_agent_feed_poll_later(f);
		return;
	}
	vtap_agent_feed_poll_in(f, REFUSED_RETRY_MS);
}

/* Whatever was asked for. */
static bool is_trouble(const struct vtap_client_answer *answer)
{
	return answer->result < 0 || answer->status == 401 || answer->status == 403 || answer->status == 429 ||
	       answer->status >= 500;
}

bool vtap_agent_feed_done(struct vtap_agent_feed *f, const struct vtap_client_answer *answer)
{
	f->in_flight -= f->in_flight > 0;
	if (answer->result == 0 && answer->status != 401 && answer->status != 403)
		heard(f);
	if (answer->result == 0 && (answer->status < 300 || answer->status == 304))
		return true;
	if (is_trouble(answer))
		trouble(f, answer);
	return false;
}

static void connected(struct vtap_agent_feed *f)
{
	bool changed = f->state != VTAP_FEED_CONNECTED;

	f->state = VTAP_FEED_CONNECTED;
	*f->reason = '\0';
	if (!changed)
		return;
	f->chunks_by_one = false;
	vtap_log(VTAP_LOG_INFO, "connected to the controller at %s as %s", f->agent->options.controller,
		 f->identity.host);
	if (vtap_agent_feed_offline_update(f))
		(void)vtap_loop_apply(f->agent);
	(void)vtap_agent_feed_devices_look(f);
	vtap_agent_feed_report(f);
}

static void poll_take(struct vtap_agent_feed *f, const struct vtap_client_answer *answer)
{
	json_t *document = json_loadb(answer->body, answer->body_bytes, JSON_REJECT_DUPLICATES, NULL);
	bool unchanged = json_is_true(json_object_get(document, "unchanged"));

	if (!document) {
		snprintf(f->plan_error, sizeof(f->plan_error), "the controller's answer is no JSON");
		vtap_log(VTAP_LOG_ERROR, "%s", f->plan_error);
		vtap_agent_feed_poll_later(f);
		return;
	}
	vtap_agent_requests_take(f, json_object_get(document, "requests"));
	if (unchanged) {
		f->failures = 0;
		vtap_agent_feed_poll_in(f, 0);
	} else {
		vtap_agent_feed_plan_offer(f, json_incref(document));
	}
	json_decref(document);
}

static void on_poll(struct vtap_client_answer *answer, void *userdata)
{
	struct vtap_agent_feed *f = userdata;
	bool early = f->poll_waits && vtap_agent_feed_now_ms() - f->poll_started_ms < POLL_PAUSE_MS, good;

	f->poll_id = 0;
	good = vtap_agent_feed_done(f, answer);
	if (good)
		connected(f);
	if (good && answer->status == 200) {
		poll_take(f, answer);
	} else if (good) {
		f->failures = 0;
		vtap_agent_feed_poll_in(f, early ? POLL_PAUSE_MS : 0);
	} else if (!is_trouble(answer)) {
		trouble(f, answer);
	}
	vtap_client_answer_done(answer);
}

/* Only from the loop itself: a client cannot be replaced from inside its own callback. */
static void client_replace(struct vtap_agent_feed *f)
{
	struct vtap_error e = {};

	client_close(f);
	if (client_open(f, &e) < 0)
		vtap_log(VTAP_LOG_ERROR, "the renewed certificate cannot be used: %s", e.text);
}

static int on_poll_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct vtap_agent_feed *f = userdata;
	char path[320], header[96];
	const char *const headers[] = {header, NULL};
	const struct vtap_client_request request = {
	    .method = "GET", .path = path, .headers = headers, .timeout_ms = POLL_TIMEOUT_MS};
	int n;

	if (f->poll_id || f->offer || f->state == VTAP_FEED_REVOKED)
		return 0;
	if (f->client_stale && !f->in_flight && !vtap_agent_requests_busy(f))
		client_replace(f);
	/* The first answer after a silence tells that the controller is there: it is not waited for. */
	f->poll_waits = f->state == VTAP_FEED_CONNECTED;
	n = snprintf(path, sizeof(path), "/agent/v1/plan?wait=%u&request=%" PRIu64, f->poll_waits ? POLL_WAIT_S : 0,
		     f->request_taken);
	if (*f->taken.epoch)
		snprintf(path + n, sizeof(path) - (size_t)n, "&epoch=%s&revision=%" PRIu64 "&hash=%s", f->taken.epoch,
			 f->taken.revision, f->taken.hash);
	snprintf(header, sizeof(header), "X-Vtap-Connection: %s:%" PRIu64, f->instance, ++f->polls);
	f->poll_started_ms = vtap_agent_feed_now_ms();
	if (vtap_agent_feed_send(f, &request, on_poll, f, &f->poll_id) < 0)
		vtap_agent_feed_poll_later(f);
	return 0;
}

static int on_report_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	vtap_agent_feed_report(userdata);
	return 0;
}

static int joined(struct vtap_agent_feed *f, struct vtap_error *reterr)
{
	const struct vtap_agent_options *o = &f->agent->options;
	const struct vtap_join_options join = {
	    .url = o->controller, .token = o->join, .plain_anywhere = o->plain_anywhere};
	char hash[VTAP_HASH_STRLEN];
	int r;

	r = vtap_agent_identity_load(o->state_dir, &f->identity);
	/* A token serves once: with the one that it has joined by, the agent is only started again. */
	if (r >= 0 && (!o->join || !strcmp(vtap_hash_hex(o->join, strlen(o->join), hash), f->identity.joined_by)))
		return 0;
	if (r < 0 && r != -ENOENT && !o->join)
		return vtap_error_set(reterr, -EINVAL, 0, "",
				      "what %s tells of the join is damaged: join again with --join TOKEN",
				      o->state_dir);
	if (!o->join)
		return vtap_error_set(reterr, -EINVAL, 0, "",
				      "this host has not joined a controller: give --join TOKEN, which vtap host token "
				      "HOST prints");
	vtap_agent_identity_done(&f->identity);
	r = vtap_join(&join, &f->identity, reterr);
	if (r >= 0)
		r = vtap_agent_identity_save(o->state_dir, &f->identity);
	if (r < 0)
		return reterr->code
			   ? r
			   : vtap_error_set(reterr, r, 0, "", "%s cannot be written: %s", o->state_dir, strerror(-r));
	(void)vtap_statefile_remove(o->state_dir, VTAP_FEED_PLAN_FILE);
	vtap_log(VTAP_LOG_INFO, "joined the controller at %s as %s", o->controller, f->identity.host);
	return 0;
}

int vtap_agent_feed_open(struct vtap_agent *a, struct vtap_error *reterr)
{
	struct vtap_agent_feed *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	a->feed = f;
	f->agent = a;
	f->started_s = time(NULL);
	r = vtap_crypto_init();
	if (r >= 0)
		r = vtap_chunks_new(a->options.state_dir, &f->chunks);
	if (r >= 0)
		r = vtap_agent_requests_new(f, &f->requests);
	if (r < 0)
		return vtap_error_set(reterr, r, 0, "", "the state directory %s cannot be used: %s",
				      a->options.state_dir, strerror(-r));
	(void)vtap_random_hex(sizeof(f->instance) - 1, f->instance);
	a->config = calloc(1, sizeof(*a->config));
	a->sessions = calloc(1, sizeof(*a->sessions));
	a->nexthops = calloc(1, sizeof(*a->nexthops));
	if (!a->config || !a->sessions || !a->nexthops)
		return -ENOMEM;
	r = joined(f, reterr);
	if (r < 0)
		return r;
	if (vtap_contact_load(a->options.state_dir, &f->contact) < 0) {
		heard(f);
		contact_save(f);
	}
	f->saved = f->contact;
	vtap_agent_feed_plan_load(f);
	return 0;
}

struct vtap_agent_feed *vtap_agent_feed_free(struct vtap_agent_feed *f)
{
	if (!f)
		return NULL;
	vtap_agent_requests_free(f->requests);
	client_close(f);
	sd_event_source_disable_unref(f->poll_timer);
	sd_event_source_disable_unref(f->report_timer);
	vtap_chunks_free(f->chunks);
	json_decref(f->offer);
	json_decref(f->document);
	json_decref(f->devices);
	vtap_secret_wipe(f->renew_key);
	free(f->renew_key);
	free(f->missing);
	vtap_agent_identity_done(&f->identity);
	free(f);
	return NULL;
}

int vtap_agent_feed_start(struct vtap_agent *a, struct vtap_error *reterr)
{
	struct vtap_agent_feed *f = a->feed;
	int r;

	r = client_open(f, reterr);
	if (r >= 0)
		r = sd_event_add_time(a->event, &f->poll_timer, CLOCK_MONOTONIC, 0, 1000, on_poll_timer, f);
	if (r >= 0)
		r = sd_event_add_time(a->event, &f->report_timer, CLOCK_MONOTONIC, 0, 1000, on_report_timer, f);
	if (r >= 0)
		r = sd_event_source_set_enabled(f->report_timer, SD_EVENT_OFF);
	if (r < 0)
		return r;
	if (!a->unfinished)
		f->applied = f->taken;
	vtap_agent_feed_poll_in(f, 0);
	return 0;
}

/* Seldom, as each is a write to the disk; more often where a session ends soon after. */
static bool contact_save_due(const struct vtap_agent_feed *f)
{
	uint64_t interval_s = CONTACT_SAVE_S;
	const struct vtap_host_plan *p = f->agent->plan;

	for (size_t i = 0; p && i < p->session_count; i++) {
		if (p->sessions[i].stop_after_s)
			interval_s = VTAP_MIN(interval_s, p->sessions[i].stop_after_s / 10);
	}
	return vtap_contact_elapsed_s(&f->saved, &f->contact) >= VTAP_MAX(interval_s, (uint64_t)1);
}

void vtap_agent_feed_tick(struct vtap_agent *a)
{
	struct vtap_agent_feed *f = a->feed;
	bool due;

	if (vtap_agent_feed_offline_update(f))
		(void)vtap_loop_apply(a);
	if (contact_save_due(f))
		contact_save(f);
	vtap_agent_feed_renew(f);
	if (f->state != VTAP_FEED_CONNECTED)
		return;
	due = ++f->report_ticks >= VTAP_FEED_REPORT_TICKS;
	if ((due || f->devices_looks) && vtap_agent_feed_devices_look(f))
		due = true;
	if (due)
		vtap_agent_feed_report(f);
}

void vtap_agent_feed_tried(struct vtap_agent *a)
{
	vtap_agent_requests_check(a->feed);
}

void vtap_agent_feed_applied(struct vtap_agent *a)
{
	struct vtap_agent_feed *f = a->feed;
	bool fresh = strcmp(f->applied.epoch, f->taken.epoch) || f->applied.revision != f->taken.revision ||
		     strcmp(f->applied.hash, f->taken.hash);

	if (a->unfinished)
		return;
	f->applied = f->taken;
	if (fresh) {
		vtap_agent_feed_plan_keep(f);
		vtap_agent_feed_report(f);
	} else if (vtap_agent_feed_states_changed(f)) {
		vtap_agent_feed_report_soon(f);
	}
}

void vtap_agent_feed_devices_changed(struct vtap_agent *a)
{
	a->feed->devices_looks = DEVICES_LOOKS;
}

void vtap_agent_feed_hurry(struct vtap_agent *a)
{
	a->feed->failures = 0;
	a->feed->quiet_until_ms = 0;
	vtap_agent_feed_poll_in(a->feed, 0);
}
