/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/workers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

struct queue {
	struct vtap_work *first, **end;
	size_t count;
};

struct vtap_workers {
	pthread_mutex_t lock; /* of everything below but source */
	pthread_cond_t wake;
	struct queue waiting, finished;
	size_t queue_max;
	bool ending;
	int fd; /* an eventfd: something has finished */
	sd_event_source *source; /* owned */
	pthread_t *threads; /* owned */
	unsigned thread_count;
};

static void queue_add(struct queue *q, struct vtap_work *work)
{
	work->next = NULL;
	*q->end = work;
	q->end = &work->next;
	q->count++;
}

static struct vtap_work *queue_take(struct queue *q)
{
	struct vtap_work *work = q->first;

	if (!work)
		return NULL;
	q->first = work->next;
	if (!q->first)
		q->end = &q->first;
	q->count--;
	return work;
}

static void *thread_main(void *userdata)
{
	struct vtap_workers *w = userdata;

	(void)pthread_mutex_lock(&w->lock);
	while (!w->ending) {
		struct vtap_work *work = queue_take(&w->waiting);

		if (!work) {
			(void)pthread_cond_wait(&w->wake, &w->lock);
			continue;
		}
		(void)pthread_mutex_unlock(&w->lock);
		work->run(work);
		(void)pthread_mutex_lock(&w->lock);
		queue_add(&w->finished, work);
		(void)eventfd_write(w->fd, 1);
	}
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}

static struct vtap_work *take_locked(struct vtap_workers *w, struct queue *q)
{
	struct vtap_work *work;

	(void)pthread_mutex_lock(&w->lock);
	work = queue_take(q);
	(void)pthread_mutex_unlock(&w->lock);
	return work;
}

static int on_finished(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct vtap_workers *w = userdata;
	struct vtap_work *work;
	eventfd_t value;

	(void)eventfd_read(fd, &value);
	while ((work = take_locked(w, &w->finished)))
		work->done(work, 0);
	return 0;
}

/* Signals are the loop's. */
static int threads_start(struct vtap_workers *w, unsigned threads)
{
	sigset_t all, before;
	int r = 0;

	w->threads = calloc(threads, sizeof(*w->threads));
	if (!w->threads)
		return -ENOMEM;
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	while (r == 0 && w->thread_count < threads) {
		r = pthread_create(&w->threads[w->thread_count], NULL, thread_main, w);
		if (r == 0)
			w->thread_count++;
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

int vtap_workers_new(sd_event *event, unsigned threads, size_t queue_max, struct vtap_workers **ret_workers)
{
	VTAP_CLEANUP(vtap_workers_freep) struct vtap_workers *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_cond_init(&w->wake, NULL);
	w->waiting.end = &w->waiting.first;
	w->finished.end = &w->finished.first;
	w->queue_max = queue_max;
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->fd < 0)
		return -errno;
	r = sd_event_add_io(event, &w->source, w->fd, EPOLLIN, on_finished, w);
	if (r >= 0)
		r = threads_start(w, threads);
	if (r < 0)
		return r;
	*ret_workers = VTAP_STEAL(w);
	return 0;
}

struct vtap_workers *vtap_workers_free(struct vtap_workers *w)
{
	struct vtap_work *work;

	if (!w)
		return NULL;
	(void)pthread_mutex_lock(&w->lock);
	w->ending = true;
	(void)pthread_cond_broadcast(&w->wake);
	(void)pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->thread_count; i++)
		(void)pthread_join(w->threads[i], NULL);
	while ((work = queue_take(&w->finished)))
		work->done(work, 0);
	while ((work = queue_take(&w->waiting)))
		work->done(work, -ECANCELED);
	sd_event_source_disable_unref(w->source);
	vtap_closep(&w->fd);
	(void)pthread_cond_destroy(&w->wake);
	(void)pthread_mutex_destroy(&w->lock);
	free(w->threads);
	free(w);
	return NULL;
}

int vtap_workers_submit(struct vtap_workers *w, struct vtap_work *work)
{
	int r = -EAGAIN;

	(void)pthread_mutex_lock(&w->lock);
	if (w->waiting.count < w->queue_max) {
		queue_add(&w->waiting, work);
		(void)pthread_cond_signal(&w->wake);
		r = 0;
	}
	(void)pthread_mutex_unlock(&w->lock);
	return r;
}
