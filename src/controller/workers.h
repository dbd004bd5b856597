/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Work that would keep the loop from its other duties: a bounded queue, a few threads. Results come back through the loop. */

#include <stddef.h>
#include <systemd/sd-event.h>

#include "basic/util.h"

struct vtap_workers;

/* Lives until done() has been called; the caller's. */
struct vtap_work {
	void (*run)(struct vtap_work *work); /* by a thread: touches nothing that others use */
	void (*done)(struct vtap_work *work, int r); /* by the loop; r: 0, or -ECANCELED if it has not run */
	struct vtap_work *next;
};

int vtap_workers_new(sd_event *event, unsigned threads, size_t queue_max, struct vtap_workers **ret_workers);
/* Waits for what runs; what has not begun is done with -ECANCELED. */
struct vtap_workers *vtap_workers_free(struct vtap_workers *w);
VTAP_DEFINE_CLEANUP(struct vtap_workers *, vtap_workers_free);

/* -EAGAIN: queue_max are waiting. */
int vtap_workers_submit(struct vtap_workers *w, struct vtap_work *work);
