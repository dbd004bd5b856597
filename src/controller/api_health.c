/* SPDX-License-Identifier: Apache-2.0 */

/* For those who watch the controller: alive, ready, and figures for Prometheus. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "controller/call_private.h"
#include "controller/events.h"
#include "metrics/metrics.h"

static int healthz(struct vtap_call *call, struct vtap_change *change)
{
	call->answer = json_pack("{s:s}", "status", "ok");
	return call->answer ? 0 : -ENOMEM;
}

/* Ready to take writes: a disk that is full is somebody's to mend. */
static int readyz(struct vtap_call *call, struct vtap_change *change)
{
	struct vtap_writer_figures figures;

	vtap_writer_get_figures(call->controller->writer, &figures);
	if (figures.failing)
		return vtap_call_fail(call, -EAGAIN, NULL, "not ready");
	call->answer = json_pack("{s:s}", "status", "ready");
	return call->answer ? 0 : -ENOMEM;
}

static const struct {
	const char *name;
	enum vtap_metrics_type type;
	const char *help;
} families[] = {
    {"vtap_controller_objects", VTAP_METRICS_GAUGE, "Resources of each kind."},
    {"vtap_controller_requests_total", VTAP_METRICS_COUNTER, "Requests answered, by the first digit of the status."},
    {"vtap_controller_request_seconds_total", VTAP_METRICS_COUNTER, "Time from a request to its answer, all together."},
    {"vtap_controller_writes_total", VTAP_METRICS_COUNTER, "Writes that were committed."},
    {"vtap_controller_writes_refused_total", VTAP_METRICS_COUNTER, "Writes that were refused."},
    {"vtap_controller_batches_total", VTAP_METRICS_COUNTER, "Batches of writes, each with one sync of the disk."},
    {"vtap_controller_commit_seconds_total", VTAP_METRICS_COUNTER, "Time spent in the store's commits."},
    {"vtap_controller_store_failing", VTAP_METRICS_GAUGE, "1 while the store refuses writes."},
    {"vtap_controller_revision", VTAP_METRICS_GAUGE, "Revision of the store."},
    {"vtap_controller_event_subscribers", VTAP_METRICS_GAUGE, "Clients that listen to events."},
    {"vtap_controller_resident_memory_bytes", VTAP_METRICS_GAUGE, "Resident memory."},
};

static uint64_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	uint64_t total = 0, resident = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%" SCNu64 " %" SCNu64, &total, &resident) != 2)
		resident = 0;
	(void)fclose(file);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int add_objects(struct vtap_metrics *m, const struct vtap_controller *c)
{
	int r = 0;

	for (const struct vtap_kind *k = vtap_kinds; k->name && r >= 0; k++) {
		const struct vtap_metrics_label label = {"kind", k->name};

		if (!(k->flags & VTAP_KIND_INSIDE))
			r = vtap_metrics_add_u64(m, "vtap_controller_objects", &label, 1,
						 vtap_objects_count(c->objects, k));
	}
	return r;
}

static int add_requests(struct vtap_metrics *m, const struct vtap_controller *c)
{
	struct vtap_api_figures figures;
	int r;

	vtap_api_get_figures(c->api, &figures);
	r = vtap_metrics_add_double(m, "vtap_controller_request_seconds_total", NULL, 0,
				    (double)figures.duration_ns / 1e9);
	for (size_t i = 1; i < VTAP_ARRAY_SIZE(figures.answers) && r >= 0; i++) {
		const char text[] = {(char)('0' + i), 'x', 'x', '\0'};
		const struct vtap_metrics_label label = {"status", text};

		r = vtap_metrics_add_u64(m, "vtap_controller_requests_total", &label, 1, figures.answers[i]);
	}
	return r;
}

static int add_writes(struct vtap_metrics *m, const struct vtap_controller *c)
{
	struct vtap_writer_figures figures;
	int r;

	vtap_writer_get_figures(c->writer, &figures);
	r = vtap_metrics_add_u64(m, "vtap_controller_writes_total", NULL, 0, figures.writes);
	if (r >= 0)
		r = vtap_metrics_add_u64(m, "vtap_controller_writes_refused_total", NULL, 0, figures.refused);
	if (r >= 0)
		r = vtap_metrics_add_u64(m, "vtap_controller_batches_total", NULL, 0, figures.batches);
	if (r >= 0)
		r = vtap_metrics_add_double(m, "vtap_controller_commit_seconds_total", NULL, 0,
					    (double)figures.commit_ns / 1e9);
	if (r >= 0)
		r = vtap_metrics_add_u64(m, "vtap_controller_store_failing", NULL, 0, figures.failing);
	return r;
}

static int add_others(struct vtap_metrics *m, const struct vtap_controller *c)
{
	int r;

	r = vtap_metrics_add_u64(m, "vtap_controller_revision", NULL, 0, vtap_store_revision(c->store));
	if (r >= 0)
		r = vtap_metrics_add_u64(m, "vtap_controller_event_subscribers", NULL, 0,
					 vtap_events_subscribers(c->events));
	if (r >= 0)
		r = vtap_metrics_add_u64(m, "vtap_controller_resident_memory_bytes", NULL, 0, resident_bytes());
	return r;
}

static int metrics(struct vtap_call *call, struct vtap_change *change)
{
	static int (*const adders[])(struct vtap_metrics * m, const struct vtap_controller *c) = {
	    add_objects, add_requests, add_writes, add_others};
	VTAP_CLEANUP(vtap_metrics_freep) struct vtap_metrics *m = NULL;
	int r;

	if (!vtap_call_has_role(call))
		return vtap_call_fail(call, -EACCES, NULL, "this needs a role in a project");
	r = vtap_metrics_new(&m);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(families) && r >= 0; i++)
		r = vtap_metrics_declare(m, families[i].name, families[i].type, families[i].help);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(adders) && r >= 0; i++)
		r = adders[i](m, call->controller);
	if (r >= 0)
		r = vtap_metrics_text(m, &call->text, &call->text_bytes);
	call->content_type = VTAP_METRICS_CONTENT_TYPE;
	return r;
}

const struct vtap_api_route vtap_api_routes_health[] = {
    {"GET", "/healthz", healthz, VTAP_ROLE_NONE, VTAP_ROUTE_OPEN, NULL, 0},
    {"GET", "/readyz", readyz, VTAP_ROLE_NONE, VTAP_ROUTE_OPEN, NULL, 0},
    {"GET", "/metrics", metrics, VTAP_ROLE_NONE, 0, NULL, 0},
    {},
};
