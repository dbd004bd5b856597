/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What agents said last: how their sessions do, counters, devices. In memory only: after a restart agents say it again. Reports
 * are documents from the network, so all of one is looked at before anything of it is taken.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "basic/error.h"
#include "controller/history.h"
#include "model/schema.h"

#define VTAP_REPORT_MAX_BYTES (2U << 20)
#define VTAP_REPORT_COUNTERS_MAX 23 /* those that agents have; others are passed over */
#define VTAP_REPORT_DEVICES_MAX 4096
#define VTAP_REPORT_BEHIND_MAX 64 /* of one device; and addresses of each */
#define VTAP_REPORT_BEHIND_ALL_MAX 16384 /* of all devices of a report */
#define VTAP_REPORT_HISTORY_SESSIONS_MAX 64

struct vtap_controller;
struct vtap_reports;
struct vtap_table;

struct vtap_report_session { /* of one session on one host; what is not said otherwise is owned */
	char id[VTAP_ID_STRLEN];
	char state[24];
	char *reason; /* NULL = none */
	json_t *sources; /* those that are not attached; NULL = all are */
	char *advice; /* about the MTU; NULL = none */
	uint64_t (*counters)[VTAP_REPORT_COUNTERS_MAX]; /* by direction; see vtap_report_counter_name() */
	double rates[VTAP_HISTORY_MAX]; /* per second, between the last two reports */
	bool listed; /* by the report that is being taken */
	bool history_taken;
};

struct vtap_report_host {
	char id[VTAP_ID_STRLEN];
	bool heard; /* there was a report */
	bool away; /* noticed as silent */
	uint64_t seen_usec; /* monotonic; 0 = never */
	int64_t seen_s; /* since 1970 */
	int64_t first_ms, last_ms; /* of the first and the last report with counters; 0 = none */
	char *error; /* why the agent refused the last plan; NULL */
	json_t *agent, *uplink; /* as reported; NULL = not said */
	json_t *devices; /* normalised; NULL = not said */
	bool devices_old; /* they were said before it was away: nothing is seen there until it says them again */
	struct vtap_table *devices_by_name; /* owned, the values borrowed from devices; NULL = there are none */
	struct vtap_table *sessions; /* struct vtap_report_session */
};

int vtap_reports_new(struct vtap_controller *c, struct vtap_reports **ret_reports);
struct vtap_reports *vtap_reports_free(struct vtap_reports *r);
VTAP_DEFINE_CLEANUP(struct vtap_reports *, vtap_reports_free);

struct vtap_report_wants {
	bool devices, history;
};
/* -EINVAL, -E2BIG with *reterr naming the field: nothing of it was taken. */
int vtap_reports_take(struct vtap_reports *r, const char *host, const json_t *report,
		      struct vtap_report_wants *ret_wants, struct vtap_error *reterr);
/* The agent was heard, without a report. */
void vtap_reports_seen(struct vtap_reports *r, const char *host);
/* What it said last holds no more, as its credentials were revoked; its counters stay. */
void vtap_reports_unheard(struct vtap_reports *r, const char *host);
void vtap_reports_forget_host(struct vtap_reports *r, const char *host);
void vtap_reports_forget_session(struct vtap_reports *r, const char *session);
/* It was changed: a conflict about it is one only if the next report says so. */
void vtap_reports_forget_interface(struct vtap_reports *r, const char *interface);

/* NULL: never heard. */
const struct vtap_report_host *vtap_reports_host(const struct vtap_reports *r, const char *host);
const struct vtap_report_session *vtap_reports_session(const struct vtap_reports *r, const char *host,
						       const char *session);
/* Seconds since the host was heard; UINT_MAX = never. */
unsigned vtap_reports_silent_s(const struct vtap_reports *r, const struct vtap_report_host *h);
/* Not heard for VTAP_STATE_AWAY_S; nor ever, although it could have been for as long. */
bool vtap_reports_is_away(const struct vtap_reports *r, const char *host);
/* NULL: the host reports no such device. */
const json_t *vtap_reports_device(const struct vtap_reports *r, const char *host, const char *device);
/* Why an interface was not followed to where it is seen; NULL. */
const char *vtap_reports_conflict(const struct vtap_reports *r, const char *interface);

/* Counters, losses and rates of a session over all hosts, and for each; the caller's. NULL: no memory. */
json_t *vtap_reports_stats(const struct vtap_reports *r, const char *session);
json_t *vtap_reports_history(const struct vtap_reports *r, const char *session, unsigned steps_max);
