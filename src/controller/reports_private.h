/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "controller/controller.h"
#include "controller/reports.h"
#include "controller/table.h"
#include "model/config.h"

struct vtap_report_total { /* of one session, over all hosts and those that have it no more */
	char id[VTAP_ID_STRLEN];
	uint64_t base[VTAP_DIRECTION_MAX][VTAP_REPORT_COUNTERS_MAX]; /* of what is reported no more */
	struct vtap_history *history; /* owned */
};

struct vtap_reports {
	struct vtap_controller *controller; /* borrowed */
	struct vtap_table *hosts, *totals; /* owned, with what they hold */
	struct vtap_table *conflicts; /* owned texts, by interface */
	struct vtap_table *macs; /* owned lists of sightings, by MAC */
	struct vtap_table *followed; /* MACs that the report that is being taken has had looked at; empty in between */
	sd_event_source *tick; /* owned */
};

/* reports_read.c: whether all of a document is as it should be. Values are not kept. */
int vtap_report_check(const json_t *report, struct vtap_error *reterr);
/* These members of a checked object, as far as it has them; others may be anything, and are never kept. NULL: no memory. */
json_t *vtap_report_copy(const json_t *object, const char *const *keys, size_t count);

/* reports_session.c */
/* "matched_packets" ...; below VTAP_REPORT_COUNTERS_MAX. */
const char *vtap_report_counter_name(size_t number);
int vtap_reports_take_sessions(struct vtap_reports *r, struct vtap_report_host *h, const json_t *sessions);
int vtap_reports_take_history(struct vtap_reports *r, struct vtap_report_host *h, const json_t *history);
/* Its counters become part of the session's base. */
void vtap_report_session_drop(struct vtap_reports *r, struct vtap_report_host *h, struct vtap_report_session *s);
void vtap_report_session_free(struct vtap_report_session *s);
/* NULL: no memory. */
struct vtap_report_total *vtap_reports_total(struct vtap_reports *r, const char *session);
void vtap_report_total_free(struct vtap_report_total *t);

/* reports_device.c */
int vtap_reports_take_devices(struct vtap_reports *r, struct vtap_report_host *h, const json_t *devices);
/* The host is away, or gone: nothing counts as seen there any more. */
void vtap_reports_age_devices(struct vtap_reports *r, struct vtap_report_host *h);
void vtap_reports_free_macs(struct vtap_reports *r);

/* reports_follow.c */
/* Looks at the interfaces that have this MAC, or are plugged on this host. */
void vtap_reports_follow_mac(struct vtap_reports *r, const char *mac);
void vtap_reports_follow_host(struct vtap_reports *r, const char *host);

struct vtap_sightings { /* where a MAC is seen */
	struct vtap_sighting {
		char host[VTAP_ID_STRLEN];
		char device[VTAP_DEVICE_MAX + 1];
	} * array; /* owned */
	size_t count, room;
};
/* NULL: nowhere. */
const struct vtap_sightings *vtap_reports_sightings(const struct vtap_reports *r, const char *mac);
