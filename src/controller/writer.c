/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "basic/log.h"
#include "controller/change_private.h"

#define BATCH_MAX 256 /* writes */
#define BATCH_RUN_NS 50000000U /* for which writes are added to one: then others have their turn */
#define OBSERVERS_MAX 16

struct vtap_writer {
	struct vtap_controller *controller; /* borrowed */
	sd_event_source *source; /* owned; enabled while something is queued */
	struct vtap_write *first, **end; /* the queue; borrowed */
	struct {
		vtap_change_observer observer;
		void (*settled)(void *userdata);
		void *userdata;
	} observers[OBSERVERS_MAX];
	size_t observer_count;
	struct vtap_writer_figures figures;
};

static int on_turn(sd_event_source *source, void *userdata);

int vtap_writer_new(struct vtap_controller *c, struct vtap_writer **ret_writer)
{
	VTAP_CLEANUP(vtap_writer_freep) struct vtap_writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->controller = c;
	w->end = &w->first;
	r = sd_event_add_defer(c->event, &w->source, on_turn, w);
	if (r >= 0)
		r = sd_event_source_set_enabled(w->source, SD_EVENT_OFF);
	if (r < 0)
		return r;
	*ret_writer = VTAP_STEAL(w);
	return 0;
}

struct vtap_writer *vtap_writer_free(struct vtap_writer *w)
{
	if (!w)
		return NULL;
	sd_event_source_disable_unref(w->source);
	free(w);
	return NULL;
}

void vtap_writer_get_figures(const struct vtap_writer *w, struct vtap_writer_figures *ret_figures)
{
	*ret_figures = w->figures;
}

int vtap_change_observe(struct vtap_controller *c, vtap_change_observer observer, void (*settled)(void *userdata),
			void *userdata)
{
	struct vtap_writer *w = c->writer;

	if (w->observer_count == OBSERVERS_MAX)
		return -ENOSPC;
	w->observers[w->observer_count].observer = observer;
	w->observers[w->observer_count].settled = settled;
	w->observers[w->observer_count].userdata = userdata;
	w->observer_count++;
	return 0;
}

static void tell(struct vtap_writer *w, const struct vtap_changed *changed)
{
	for (size_t i = 0; i < w->observer_count; i++)
		w->observers[i].observer(changed, w->observers[i].userdata);
}

static void tell_of(struct vtap_writer *w, const struct vtap_change *c)
{
	for (size_t i = 0; i < c->record_count; i++) {
		const struct vtap_change_record *record = &c->records[i];
		const json_t *any = record->after ? record->after : record->before;
		struct vtap_changed changed = {
		    .before = record->before, .after = record->after, .revision = c->revision};

		if (record->type == VTAP_CHANGE_END)
			continue;
		changed.id = json_string_value(json_object_get(any, "id"));
		changed.kind = vtap_kind_of_id(changed.id);
		changed.object = record->after ? vtap_objects_get(w->controller->objects, changed.id) : NULL;
		tell(w, &changed);
	}
}

static bool is_written(const struct vtap_write *write)
{
	return write->result >= 0 && !write->dry_run;
}

static size_t operations_of(const struct vtap_change *c)
{
	return c ? c->before.count + c->main.count + c->after.count : 0;
}

static void tell_all(struct vtap_writer *w, struct vtap_write *batch)
{
	bool written = false;

	for (struct vtap_write *at = batch; at; at = at->next)
		if (is_written(at))
			vtap_change_commit(at->change);
	for (struct vtap_write *at = batch; at; at = at->next) {
		if (!is_written(at))
			continue;
		tell_of(w, at->change);
		written = written || operations_of(at->change) > 0;
	}
	for (size_t i = 0; written && i < w->observer_count; i++)
		if (w->observers[i].settled)
			w->observers[i].settled(w->observers[i].userdata);
}

/* The batch as the store takes it. */
struct commit {
	struct vtap_store_operation *operations; /* owned; texts are the changes' */
	size_t operation_count;
	struct vtap_store_transaction *transactions; /* owned */
	size_t transaction_count;
};

static void commit_done(struct commit *c)
{
	free(c->operations);
	free(c->transactions);
}

/* One list of operations as one transaction, or as many as it needs. */
static void commit_add(struct commit *c, const struct vtap_change_operations *list)
{
	struct vtap_store_transaction *t = NULL;
	size_t total_bytes = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct vtap_change_operation *from = &list->array[i];
		size_t size_bytes = strlen(from->key) + from->value_bytes;
		struct vtap_store_operation *to = &c->operations[c->operation_count++];

		if (!t || t->operation_count == VTAP_STORE_OPERATIONS_MAX ||
		    total_bytes + size_bytes > VTAP_STORE_TRANSACTION_MAX_BYTES) {
			t = &c->transactions[c->transaction_count++];
			*t = (struct vtap_store_transaction){.operations = to};
			total_bytes = 0;
		}
		total_bytes += size_bytes;
		*to = (struct vtap_store_operation){
		    .type = from->type, .key = from->key, .value = from->value, .value_bytes = from->value_bytes};
		t->operation_count++;
	}
}

static int commit_make(struct vtap_writer *w, struct vtap_write *batch, struct commit *ret_commit)
{
	struct commit c = {};
	size_t count = 0;

	for (struct vtap_write *at = batch; at; at = at->next)
		count += operations_of(at->change);
	if (count > 0) {
		c.operations = calloc(count, sizeof(*c.operations));
		c.transactions = calloc(count, sizeof(*c.transactions));
		if (!c.operations || !c.transactions) {
			commit_done(&c);
			return -ENOMEM;
		}
	}
	for (struct vtap_write *at = batch; at; at = at->next) {
		if (operations_of(at->change) == 0)
			continue;
		commit_add(&c, &at->change->before);
		commit_add(&c, &at->change->main);
		/* A change that only deletes behind itself has the first of those that do it. */
		at->change->transaction = c.transaction_count ? c.transaction_count - 1 : 0;
		commit_add(&c, &at->change->after);
	}
	*ret_commit = c;
	return 0;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static int commit(struct vtap_writer *w, struct vtap_write *batch)
{
	uint64_t begun_ns = now_ns();
	struct commit c = {};
	int r;

	r = commit_make(w, batch, &c);
	if (r >= 0 && c.transaction_count > 0)
		r = vtap_store_commit(w->controller->store, c.transactions, c.transaction_count);
	for (size_t i = 0; r >= 0 && i < c.transaction_count; i++) {
		if (c.transactions[i].ret_result == 0)
			continue;
		/* Every condition was looked at in memory, whose only source the store is: one of the two is wrong. */
		vtap_log(VTAP_LOG_ERROR, "the store does not hold what was read from it (%s): starting again is needed",
			 strerror(-c.transactions[i].ret_result));
		abort();
	}
	for (struct vtap_write *at = batch; r >= 0 && at; at = at->next)
		if (operations_of(at->change) > 0)
			at->change->revision = c.transactions[at->change->transaction].ret_revision;
	commit_done(&c);
	w->figures.commit_ns += now_ns() - begun_ns;
	w->figures.batches++;
	if (r < 0 && !w->figures.failing)
		vtap_log_err(r, "the store refuses writes: %s", strerror(-r));
	if (r >= 0 && w->figures.failing)
		vtap_log(VTAP_LOG_NOTICE, "the store takes writes again");
	w->figures.failing = r < 0;
	return r;
}

static void write_run(struct vtap_writer *w, struct vtap_write *write, struct vtap_change *earlier, int64_t time_s)
{
	int r;

	r = vtap_change_new(w->controller, earlier, time_s, &write->change);
	if (r >= 0)
		r = write->run(write->change, write->userdata);
	write->result = r;
	if (!write->change || is_written(write))
		return;
	vtap_change_undo(write->change);
	if (r < 0 && !write->dry_run && write->refused)
		write->refused(write->change, r, write->userdata);
}

/* From the last to the first. */
static void undo_all(struct vtap_write *batch, int r)
{
	struct vtap_change *last = NULL;

	for (struct vtap_write *at = batch; at; at = at->next)
		last = at->change ? at->change : last;
	for (; last; last = last->earlier)
		vtap_change_undo(last);
	for (struct vtap_write *at = batch; at; at = at->next)
		if (is_written(at))
			at->result = r;
}

static void finish_all(struct vtap_writer *w, struct vtap_write *batch)
{
	struct vtap_write *next;

	for (struct vtap_write *at = batch; at; at = at->next) {
		*(is_written(at) ? &w->figures.writes : &w->figures.refused) += 1;
		at->change = vtap_change_free(at->change);
	}
	for (struct vtap_write *at = batch; at; at = next) {
		next = at->next;
		at->done(at->result, at->userdata);
	}
}

/* The first of the queue; NULL = it is empty. */
static struct vtap_write *take(struct vtap_writer *w)
{
	struct vtap_write *write = w->first;

	if (!write)
		return NULL;
	w->first = write->next;
	write->next = NULL;
	if (!w->first)
		w->end = &w->first;
	return write;
}

static void batch_run(struct vtap_writer *w)
{
	struct vtap_write *batch = NULL, **end = &batch, *write;
	const uint64_t begun_ns = now_ns();
	struct vtap_change *earlier = NULL;
	int64_t time_s = time(NULL);
	size_t count = 0;
	int r;

	while (count++ < BATCH_MAX && now_ns() - begun_ns < BATCH_RUN_NS && (write = take(w))) {
		*end = write;
		end = &write->next;
		write_run(w, write, earlier, time_s);
		earlier = write->change ? write->change : earlier;
	}
	r = commit(w, batch);
	if (r < 0)
		undo_all(batch, r);
	else
		tell_all(w, batch);
	finish_all(w, batch);
}

void vtap_writer_cancel(struct vtap_writer *w)
{
	struct vtap_write *write;

	while ((write = take(w)))
		write->done(-ECANCELED, write->userdata);
}

static int on_turn(sd_event_source *source, void *userdata)
{
	struct vtap_writer *w = userdata;

	batch_run(w);
	return sd_event_source_set_enabled(source, w->first ? SD_EVENT_ON : SD_EVENT_OFF);
}

void vtap_write_queue(struct vtap_controller *c, struct vtap_write *write)
{
	struct vtap_writer *w = c->writer;

	write->next = NULL;
	write->change = NULL;
	write->result = 0;
	*w->end = write;
	w->end = &write->next;
	(void)sd_event_source_set_enabled(w->source, SD_EVENT_ON);
}

struct now { /* of vtap_write_now() */
	struct vtap_write *write;
	bool done;
	int result;
};

static int now_run(struct vtap_change *c, void *userdata)
{
	const struct now *now = userdata;

	return now->write->run(c, now->write->userdata);
}

static void now_done(int r, void *userdata)
{
	struct now *now = userdata;

	now->done = true;
	now->result = r;
}

int vtap_write_now(struct vtap_controller *c, struct vtap_write *write)
{
	struct now now = {.write = write};
	struct vtap_write own = {.run = now_run, .done = now_done, .userdata = &now, .dry_run = write->dry_run};

	vtap_write_queue(c, &own);
	while (!now.done)
		batch_run(c->writer);
	if (write->done)
		write->done(now.result, write->userdata);
	return now.result;
}

/* The start: the store's objects, in the order of their creation. */
struct loading {
	struct loaded {
		json_t *value; /* owned */
		uint64_t sequence, revision;
	} * array; /* owned */
	size_t count, size;
	char last[VTAP_STORE_KEY_MAX_BYTES + 1];
};

static void loading_done(struct loading *l)
{
	for (size_t i = 0; i < l->count; i++)
		json_decref(l->array[i].value);
	free(l->array);
}

static int load_item(const struct vtap_store_item *item, void *userdata)
{
	struct loading *l = userdata;
	json_t *value;

	snprintf(l->last, sizeof(l->last), "%s", item->key);
	if (l->count == l->size) {
		size_t size = l->size ? l->size * 2 : 1024;
		struct loaded *array = reallocarray(l->array, size, sizeof(*array));

		if (!array)
			return -ENOMEM;
		l->array = array;
		l->size = size;
	}
	value = json_loadb(item->value, item->value_bytes, 0, NULL);
	if (!json_is_string(json_object_get(value, "id"))) {
		json_decref(value);
		return vtap_log_err(-EUCLEAN, "the store's value of %s is no resource", item->key);
	}
	l->array[l->count++] =
	    (struct loaded){.value = value,
			    .sequence = (uint64_t)json_integer_value(json_object_get(value, "sequence")),
			    .revision = item->revision};
	return json_object_del(value, "sequence") < 0 ? -EUCLEAN : 0;
}

static int compare_loaded(const void *a, const void *b)
{
	uint64_t first = ((const struct loaded *)a)->sequence, second = ((const struct loaded *)b)->sequence;

	return first < second ? -1 : first > second;
}

int vtap_writer_load(struct vtap_controller *c)
{
	VTAP_CLEANUP(loading_done) struct loading l = {};
	ssize_t count;
	int r = 0;

	do {
		count = vtap_store_page(c->store, "o/", *l.last ? l.last : NULL, VTAP_STORE_PAGE_MAX, load_item, &l);
	} while (count == VTAP_STORE_PAGE_MAX);
	if (count < 0)
		return (int)count;
	if (l.count > 0)
		qsort(l.array, l.count, sizeof(*l.array), compare_loaded);
	for (size_t i = 0; r >= 0 && i < l.count; i++)
		r = vtap_objects_load(c->objects, VTAP_STEAL(l.array[i].value), l.array[i].sequence,
				      l.array[i].revision);
	return r;
}
