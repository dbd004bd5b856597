/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/janitor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "basic/log.h"
#include "controller/change.h"

#define ROUND_USEC 60000000ULL
#define AUDIT_KEYS_MAX 100 /* of one batch */
#define DUE_KEYS_MAX 50
#define SECONDS_DIGITS 20
#define CLOCK                                                                                                          \
	"clock" /* key of the store: when the clock was last believed, and for how long it was doubted since; in seconds */
#define CLOCK_WRITE_S 3600

struct vtap_janitor {
	struct vtap_controller *controller; /* borrowed */
	sd_event_source *timer; /* owned */
	struct vtap_write write;
	bool busy; /* the write is queued */
	bool believes; /* the clock */
	int64_t now_s;
	struct vtap_janitor_clock clock;
	struct vtap_janitor_clock written; /* what the store has of it */
	char keys[AUDIT_KEYS_MAX + DUE_KEYS_MAX]
		 [VTAP_STORE_KEY_MAX_BYTES + 1]; /* of the audit log, or "due/SECONDS/KEY" */
	size_t count;
	char measured[VTAP_STORE_KEY_MAX_BYTES + 1]; /* up to this key the audit log takes: */
	uint64_t audit_bytes, going_bytes; /* and so many of them go with this write */
	bool told; /* that entries go before their time */
};

static void key_add(struct vtap_janitor *j, const char *key)
{
	snprintf(j->keys[j->count++], sizeof(j->keys[0]), "%s", key);
}

static bool is_due(const char *key, int64_t *ret_seconds)
{
	return sscanf(key, "due/%" SCNd64, ret_seconds) == 1;
}

static uint64_t size_of(const struct vtap_store_item *item)
{
	return strlen(item->key) + item->value_bytes;
}

static int visit_size(const struct vtap_store_item *item, void *userdata)
{
	struct vtap_janitor *j = userdata;

	snprintf(j->measured, sizeof(j->measured), "%s", item->key);
	j->audit_bytes += size_of(item);
	return 0;
}

/* A page of what was not measured yet, of a whole log after the start. Returns whether there is more. */
static bool measure(struct vtap_janitor *j)
{
	char after[sizeof(j->measured)];

	memcpy(after, j->measured, sizeof(after));
	return vtap_store_page(j->controller->store, "audit/", *after ? after : NULL, VTAP_STORE_PAGE_MAX, visit_size,
			       j) == VTAP_STORE_PAGE_MAX;
}

/* A clock that was set back leaves entries that come late in the log: they go without having been measured. */
static uint64_t left_bytes(const struct vtap_janitor *j)
{
	return j->audit_bytes - VTAP_MIN(j->going_bytes, j->audit_bytes);
}

static bool is_too_much(const struct vtap_janitor *j)
{
	return left_bytes(j) > j->controller->options->audit_max_bytes;
}

static bool is_too_old(const struct vtap_janitor *j, const char *key)
{
	int64_t retention_s = (int64_t)j->controller->options->audit_retention_days * 86400;
	uint64_t microseconds;

	return j->believes && sscanf(key, "audit/%16" SCNu64, &microseconds) == 1 &&
	       (int64_t)(microseconds / 1000000U) < j->now_s - retention_s;
}

static void tell_of_size(struct vtap_janitor *j)
{
	if (!j->told)
		vtap_log(VTAP_LOG_WARNING,
			 "the audit log takes more than %" PRIu64 " MiB: its oldest entries go before their time "
			 "(--audit-max)",
			 j->controller->options->audit_max_bytes >> 20);
	j->told = true;
}

/* Keys sort by time: the first that may stay ends it. */
static int visit_audit(const struct vtap_store_item *item, void *userdata)
{
	struct vtap_janitor *j = userdata;
	bool old = is_too_old(j, item->key);

	if (!old && !is_too_much(j))
		return -ECANCELED;
	if (!old)
		tell_of_size(j);
	if (strcmp(item->key, j->measured) <= 0)
		j->going_bytes += size_of(item);
	key_add(j, item->key);
	return 0;
}

static int visit_due(const struct vtap_store_item *item, void *userdata)
{
	struct vtap_janitor *j = userdata;
	int64_t seconds;

	if (!is_due(item->key, &seconds) || seconds >= j->now_s)
		return -ECANCELED;
	key_add(j, item->key);
	return 0;
}

/* What was put anew since then says until when it is good now; another "due/" stands for that. */
static bool lives_longer(struct vtap_change *c, const char *key, int64_t seconds)
{
	_cleanup_free_ char *text = NULL;
	size_t text_bytes;
	json_t *value;
	bool lives;

	if (vtap_change_get_key(c, key, &text, &text_bytes) < 0)
		return false;
	value = json_loadb(text, text_bytes, 0, NULL);
	lives = json_integer_value(json_object_get(value, "expires")) > seconds;
	json_decref(value);
	return lives;
}

bool vtap_janitor_believes(struct vtap_janitor_clock *k, int64_t now_s, int64_t run_s)
{
	bool jumped = k->believed_s && now_s >= k->believed_s + VTAP_JANITOR_JUMP_S;

	if (jumped && k->doubted_run_s)
		k->doubted_s += run_s - k->doubted_run_s;
	if (jumped && k->doubted_s < VTAP_JANITOR_DOUBT_S) {
		k->doubted_run_s = run_s;
		return false;
	}
	*k = (struct vtap_janitor_clock){.believed_s = now_s};
	return true;
}

/* As of when the store was used last. */
static struct vtap_janitor_clock clock_read(const struct vtap_controller *c)
{
	struct vtap_janitor_clock k = {};
	size_t text_bytes;
	void *text = NULL;

	if (vtap_store_get(c->store, CLOCK, &text, &text_bytes, NULL) >= 0)
		(void)sscanf(text, "%" SCNd64 " %" SCNd64, &k.believed_s, &k.doubted_s);
	free(text);
	return k;
}

static bool may_delete(struct vtap_janitor *j)
{
	bool doubted = j->clock.doubted_run_s;
	struct timespec run = {};
	bool believes;

	(void)clock_gettime(CLOCK_BOOTTIME, &run);
	believes = vtap_janitor_believes(&j->clock, j->now_s, run.tv_sec + 1);
	if (!believes && !doubted)
		vtap_log(VTAP_LOG_WARNING,
			 "the clock is %" PRId64
			 " days ahead of when the store was used last: nothing that has expired is "
			 "deleted until it is back, or vtapd has run with it for %d days",
			 (j->now_s - j->clock.believed_s) / 86400, VTAP_JANITOR_DOUBT_S / 86400);
	return believes;
}

static bool is_to_be_written(const struct vtap_janitor *j)
{
	return llabs(j->clock.believed_s - j->written.believed_s) >= CLOCK_WRITE_S ||
	       llabs(j->clock.doubted_s - j->written.doubted_s) >= CLOCK_WRITE_S;
}

static int clock_write(struct vtap_change *c, const struct vtap_janitor_clock *k)
{
	char text[64];

	snprintf(text, sizeof(text), "%" PRId64 " %" PRId64, k->believed_s, k->doubted_s);
	return vtap_change_put_key(c, CLOCK, text, strlen(text));
}

static int run(struct vtap_change *c, void *userdata)
{
	struct vtap_janitor *j = userdata;
	int r = clock_write(c, &j->clock);

	for (size_t i = 0; r >= 0 && i < j->count; i++) {
		const char *key = j->keys[i] + strlen("due/") + SECONDS_DIGITS + 1;
		int64_t seconds;

		if (is_due(j->keys[i], &seconds) && !lives_longer(c, key, seconds))
			r = vtap_change_delete_key_after(c, key);
		if (r >= 0)
			r = vtap_change_delete_key_after(c, j->keys[i]);
	}
	return r;
}

static void look(struct vtap_janitor *j);

/* After a full batch there is perhaps more; a store that refuses is tried again in the next round. */
static void done(int r, void *userdata)
{
	struct vtap_janitor *j = userdata;

	j->busy = false;
	if (r < 0)
		return;
	j->audit_bytes = left_bytes(j);
	j->written = j->clock;
	look(j);
}

static void look(struct vtap_janitor *j)
{
	struct vtap_store *store = j->controller->store;

	if (j->busy)
		return;
	j->count = 0;
	j->going_bytes = 0;
	j->now_s = time(NULL);
	j->believes = may_delete(j);
	/* What is too much goes whatever the clock says. */
	(void)vtap_store_page(store, "audit/", NULL, AUDIT_KEYS_MAX, visit_audit, j);
	if (j->believes)
		(void)vtap_store_page(store, "due/", NULL, DUE_KEYS_MAX, visit_due, j);
	if (j->count == 0 && !is_to_be_written(j))
		return;
	j->busy = true;
	j->write = (struct vtap_write){.run = run, .done = done, .userdata = j};
	vtap_write_queue(j->controller, &j->write);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	bool more = measure(userdata);
	int r;

	look(userdata);
	r = sd_event_source_set_time_relative(source, more ? 0 : ROUND_USEC);
	return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int vtap_janitor_new(struct vtap_controller *c, struct vtap_janitor **ret_janitor)
{
	VTAP_CLEANUP(vtap_janitor_freep) struct vtap_janitor *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return -ENOMEM;
	j->controller = c;
	j->clock = j->written = clock_read(c);
	r = sd_event_add_time_relative(c->event, &j->timer, CLOCK_MONOTONIC, 0, 1000000, on_timer, j);
	if (r < 0)
		return r;
	*ret_janitor = VTAP_STEAL(j);
	return 0;
}

struct vtap_janitor *vtap_janitor_free(struct vtap_janitor *j)
{
	if (!j)
		return NULL;
	sd_event_source_disable_unref(j->timer);
	free(j);
	return NULL;
}
