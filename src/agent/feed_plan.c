// SPDX-License-Identifier: Apache-2.0

/* Plans: offered, completed by their chunks, taken, kept on disk, and ended session by session while the controller is away. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/feed_private.h"
#include "agent/loop.h"
#include "agent/statefile.h"
#include "basic/log.h"

#define SAME_PAUSE_MS 1000U /* before the next question, where the answer was nothing new */

static json_t *chunk_rules(const char *hash, void *userdata)
{
	struct vtap_agent_feed *f = userdata;

	return vtap_chunks_rules(f->chunks, hash);
}

static int plan_error(struct vtap_agent_feed *f, const char *text)
{
	snprintf(f->plan_error, sizeof(f->plan_error), "%s", text);
	vtap_log(VTAP_LOG_ERROR, "the controller's plan is not taken: %s; the one in force stays", text);
	return -EINVAL;
}

/* Where the counters of the sessions stand, and what else goes on over a change of the plan. Takes the document over. */
static int plan_install(struct vtap_agent_feed *f, json_t *document)
{
	VTAP_CLEANUP(vtap_host_plan_freep) struct vtap_host_plan *plan = NULL;
	struct vtap_error e = {};
	char text[400];
	int r;

	r = vtap_plan_read(document, chunk_rules, f, &plan, &e);
	if (r >= 0)
		r = vtap_reload_plan(f->agent, &plan);
	if (r < 0) {
		json_decref(document);
		vtap_error_format(&e, NULL, text, sizeof(text));
		return plan_error(f, *text ? text : strerror(-r));
	}
	json_decref(f->document);
	f->document = document;
	f->taken = f->agent->plan->head;
	*f->plan_error = '\0';
	for (size_t i = 0; i < f->agent->plan->session_count; i++) {
		const struct vtap_plan_session *s = &f->agent->plan->sessions[i];

		if (s->refused)
			vtap_log(VTAP_LOG_WARNING, "session %s (%s) cannot be used: %s", s->label, s->id, s->reason);
	}
	if (f->agent->plan->refused_count)
		vtap_log(VTAP_LOG_WARNING, "parts of the plan cannot be used: %s", f->agent->plan->warning);
	return 0;
}

static bool chunk_unwanted(const char *hash, void *userdata)
{
	return false;
}

/* Nothing of it outlives this. The sessions go with the next apply. */
void vtap_agent_feed_plan_forget(struct vtap_agent_feed *f)
{
	static const struct vtap_plan_head none;
	struct vtap_host_plan *empty = calloc(1, sizeof(*empty));

	if (empty) {
		empty->config = calloc(1, sizeof(*empty->config));
		empty->by_config = calloc(1, sizeof(*empty->by_config));
		if (empty->config && empty->by_config)
			(void)vtap_reload_plan(f->agent, &empty);
		vtap_host_plan_free(empty);
	}
	json_decref(f->document);
	f->document = NULL;
	f->taken = f->applied = none;
	vtap_chunks_collect(f->chunks, chunk_unwanted, NULL);
	(void)vtap_statefile_remove(f->agent->options.state_dir, VTAP_FEED_PLAN_FILE);
}

static bool chunk_listed(const char *hash, void *userdata)
{
	return json_object_get(userdata, hash);
}

static void chunk_list(const char *hash, void *userdata)
{
	(void)json_object_set_new(userdata, hash, json_true());
}

void vtap_agent_feed_plan_keep(struct vtap_agent_feed *f)
{
	json_t *listed = json_object();
	_cleanup_free_ char *text = NULL;
	int r = -ENOMEM;

	(void)json_object_del(f->document, "requests");
	text = json_dumps(f->document, JSON_COMPACT);
	if (text)
		r = vtap_statefile_write(f->agent->options.state_dir, VTAP_FEED_PLAN_FILE, text, strlen(text));
	if (r < 0)
		vtap_log(VTAP_LOG_WARNING, "the plan cannot be kept in %s, and would be missed after a restart: %s",
			 f->agent->options.state_dir, strerror(-r));
	/* Only now: the plan that was kept before may need them. */
	vtap_plan_each_chunk(f->document, chunk_list, listed);
	if (r >= 0 && listed)
		vtap_chunks_collect(f->chunks, chunk_listed, listed);
	json_decref(listed);
}

static bool is_whole(const json_t *document, const struct vtap_plan_head *head)
{
	char hash[VTAP_HASH_STRLEN];

	return vtap_plan_hash(document, hash) >= 0 && strcmp(hash, head->hash) == 0;
}

void vtap_agent_feed_plan_load(struct vtap_agent_feed *f)
{
	_cleanup_free_ char *text = NULL;
	struct vtap_plan_head head;
	size_t size_bytes;
	json_t *document;

	if (vtap_statefile_read(f->agent->options.state_dir, VTAP_FEED_PLAN_FILE, VTAP_PLAN_MAX_BYTES, &text,
				&size_bytes) < 0)
		return;
	document = json_loadb(text, size_bytes, JSON_REJECT_DUPLICATES, NULL);
	if (!document || vtap_plan_head_read(document, &head, NULL) < 0 || strcmp(head.host, f->identity.host) != 0 ||
	    !is_whole(document, &head)) {
		json_decref(document);
		vtap_log(VTAP_LOG_WARNING, "the plan in %s was damaged, or is another host's: it is passed over",
			 f->agent->options.state_dir);
		return;
	}
	if (plan_install(f, document) < 0)
		return;
	vtap_log(VTAP_LOG_INFO,
		 "the last plan, revision %" PRIu64 " of %zu sessions, is in force until there is another",
		 f->taken.revision, f->agent->plan->session_count);
	(void)vtap_agent_feed_offline_update(f);
}

static void offer_drop(struct vtap_agent_feed *f)
{
	json_decref(f->offer);
	f->offer = NULL;
	free(f->missing);
	f->missing = NULL;
	f->missing_count = f->missing_next = 0;
	f->chunks_stale = f->missing_under_way > 0;
}

/* All that could be had of it is here. */
static void offer_take(struct vtap_agent_feed *f)
{
	json_t *document = json_incref(f->offer);

	offer_drop(f);
	if (plan_install(f, document) < 0) {
		vtap_agent_feed_report(f);
		vtap_agent_feed_poll_later(f);
		return;
	}
	f->failures = 0;
	(void)vtap_loop_apply(f->agent);
	vtap_agent_feed_poll_in(f, 0);
}

static void chunks_fetch(struct vtap_agent_feed *f);

/* Not listed any more, or the controller is away: there is another plan, or this one again. */
static void offer_fail(struct vtap_agent_feed *f)
{
	offer_drop(f);
	vtap_agent_feed_poll_later(f);
}

/* By its text alone: answers come in any order, and may be of an offer that was dropped since. False: nobody has asked for it. */
static bool chunk_take(struct vtap_agent_feed *f, const char *text, size_t size_bytes, size_t *ret_index)
{
	char hash[VTAP_HASH_STRLEN];
	size_t i = 0;
	int r;

	(void)vtap_hash_hex(text, size_bytes, hash);
	while (i < f->missing_count && strcmp(f->missing[i], hash) != 0)
		i++;
	if (i == f->missing_count) {
		vtap_log(VTAP_LOG_ERROR, "a chunk of rules came that does not have its hash");
		return false;
	}
	r = vtap_chunks_put(f->chunks, hash, text, size_bytes);
	if (r < 0)
		vtap_log(VTAP_LOG_WARNING, "a chunk of rules cannot be kept: %s", strerror(-r));
	*ret_index = i;
	return true;
}

static void on_chunk(struct vtap_client_answer *answer, void *userdata)
{
	struct vtap_agent_feed *f = userdata;
	size_t index;

	f->missing_under_way--;
	if (!vtap_agent_feed_done(f, answer))
		offer_fail(f);
	else if (f->offer)
		(void)chunk_take(f, answer->body, answer->body_bytes, &index);
	vtap_client_answer_done(answer);
	if (f->offer)
		chunks_fetch(f);
}

/* One in each line. What was asked for and has not come is asked for again, as long as something comes that was. */
static void chunks_take(struct vtap_agent_feed *f, const struct vtap_client_answer *answer, bool stale)
{
	const char *text = answer->body, *end = answer->body + answer->body_bytes, *newline;
	size_t taken = 0, index;

	for (; text < end && (newline = memchr(text, '\n', (size_t)(end - text))); text = newline + 1) {
		if (!chunk_take(f, text, (size_t)(newline - text), &index))
			continue;
		memcpy(f->missing[index], f->missing[--f->missing_count], sizeof(*f->missing));
		taken++;
	}
	if (stale)
		return;
	if (!answer->body_bytes)
		offer_fail(f);
	else if (!taken)
		f->missing_count = 0;
}

static void on_chunks(struct vtap_client_answer *answer, void *userdata)
{
	struct vtap_agent_feed *f = userdata;
	bool stale = f->chunks_stale;

	f->chunks_stale = false;
	f->missing_under_way--;
	if (vtap_agent_feed_done(f, answer)) {
		if (f->offer)
			chunks_take(f, answer, stale);
	} else if (answer->result == 0 && answer->status == 404) {
		f->chunks_by_one = true;
	} else {
		offer_fail(f);
	}
	vtap_client_answer_done(answer);
	if (f->offer)
		chunks_fetch(f);
}

static int chunk_ask(struct vtap_agent_feed *f)
{
	char path[32 + VTAP_HASH_STRLEN];
	const struct vtap_client_request request = {.method = "GET", .path = path};

	snprintf(path, sizeof(path), "/agent/v1/chunks/%s", f->missing[f->missing_next++]);
	return vtap_agent_feed_send(f, &request, on_chunk, f, NULL);
}

static int chunks_ask(struct vtap_agent_feed *f)
{
	char path[32 + VTAP_FEED_CHUNKS_AT_A_TIME * VTAP_HASH_STRLEN] = "/agent/v1/chunks?hashes=",
						    *at = path + strlen(path);
	const struct vtap_client_request request = {.method = "GET", .path = path};

	for (size_t i = 0; i < VTAP_MIN(f->missing_count, (size_t)VTAP_FEED_CHUNKS_AT_A_TIME); i++)
		at += sprintf(at, "%s%s", i ? "," : "", f->missing[i]);
	return vtap_agent_feed_send(f, &request, on_chunks, f, NULL);
}

/* As few requests as can be; once the last chunk has come, the plan is taken. */
static void chunks_fetch(struct vtap_agent_feed *f)
{
	size_t at_a_time = f->chunks_by_one ? VTAP_FEED_CHUNK_REQUESTS : 1;
	int r = 0;

	while (r >= 0 && f->missing_next < f->missing_count && f->missing_under_way < at_a_time) {
		r = f->chunks_by_one ? chunk_ask(f) : chunks_ask(f);
		f->missing_under_way += r >= 0;
	}
	if (r < 0)
		offer_fail(f);
	else if (!f->missing_under_way)
		offer_take(f);
}

static void chunk_miss(const char *hash, void *userdata)
{
	struct vtap_agent_feed *f = userdata;
	char(*grown)[VTAP_HASH_STRLEN];

	if (strlen(hash) != VTAP_HASH_STRLEN - 1 || strspn(hash, "0123456789abcdef") != VTAP_HASH_STRLEN - 1 ||
	    vtap_chunks_has(f->chunks, hash))
		return;
	for (size_t i = 0; i < f->missing_count; i++) {
		if (!strcmp(f->missing[i], hash))
			return;
	}
	grown = reallocarray(f->missing, f->missing_count + 1, sizeof(*grown));
	if (!grown)
		return;
	f->missing = grown;
	strcpy(f->missing[f->missing_count++], hash);
}

/* What is wrong with an offer; 0 with the verdict otherwise. */
static int offer_check(struct vtap_agent_feed *f, const json_t *document, enum vtap_plan_verdict *ret_verdict)
{
	struct vtap_plan_head head;
	struct vtap_error e = {};
	char text[256];

	if (vtap_plan_head_read(document, &head, &e) < 0) {
		vtap_error_format(&e, NULL, text, sizeof(text));
		return plan_error(f, text);
	}
	if (strcmp(head.host, f->identity.host) != 0) {
		snprintf(text, sizeof(text), "it is of %s, and this is %s", head.host, f->identity.host);
		return plan_error(f, text);
	}
	*ret_verdict = vtap_plan_compare(&f->taken, &head);
	if (*ret_verdict == VTAP_PLAN_BACK) {
		snprintf(text, sizeof(text), "revision %" PRIu64 " is older than %" PRIu64 ", which is in force",
			 head.revision, f->taken.revision);
		return plan_error(f, text);
	}
	if (!is_whole(document, &head))
		return plan_error(f, "it does not have the hash that it says");
	return 0;
}

void vtap_agent_feed_plan_offer(struct vtap_agent_feed *f, json_t *document)
{
	enum vtap_plan_verdict verdict;

	if (offer_check(f, document, &verdict) < 0) {
		json_decref(document);
		vtap_agent_feed_report_soon(f);
		vtap_agent_feed_poll_later(f);
		return;
	}
	if (verdict == VTAP_PLAN_SAME) {
		f->taken.revision = (uint64_t)json_integer_value(json_object_get(document, "revision"));
		*f->plan_error = '\0';
		json_decref(document);
		vtap_agent_feed_applied(f->agent);
		vtap_agent_feed_poll_in(f, SAME_PAUSE_MS);
		return;
	}
	offer_drop(f);
	f->offer = document;
	vtap_plan_each_chunk(document, chunk_miss, f);
	chunks_fetch(f);
}

bool vtap_agent_feed_offline_update(struct vtap_agent_feed *f)
{
	struct vtap_agent *a = f->agent;
	struct vtap_contact now;
	uint64_t away_s = 0;
	bool changed = false;

	if (!a->plan || !a->plan->by_config)
		return false;
	if (f->state != VTAP_FEED_CONNECTED) {
		vtap_contact_now(&now);
		away_s = vtap_contact_elapsed_s(&f->contact, &now);
	}
	for (size_t i = 0; i < a->config->session_count; i++) {
		const struct vtap_plan_session *s = a->plan->by_config[i];
		bool stop = s->stop_after_s && away_s >= s->stop_after_s;

		if (stop == a->sessions[i].stopped || (!a->sessions[i].stopped && !a->config->sessions[i].enabled))
			continue;
		a->sessions[i].stopped = stop;
		a->config->sessions[i].enabled = !stop;
		changed = true;
		vtap_log(VTAP_LOG_NOTICE, "session %s (%s) %s", s->label, s->id,
			 stop ? "stops: the controller has been away for as long as it may be"
			      : "goes on: the controller is back");
	}
	return changed;
}
