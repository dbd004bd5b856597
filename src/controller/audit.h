/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The audit log: one entry for every write that was committed or refused, for what acts beyond the store (captures, checks),
 * for every request that was refused for who it came from, and for what the HTTP server refuses of a write by somebody who is
 * known; under "audit/TIME", never changed, deleted when older than the
 * retention, or the oldest of too many. An entry has the project of the object that it is about. Floods of refusals are counted, see audit_refusals.h: the
 * counts are entries, too.
 */

#include "controller/api.h"

#define VTAP_AUDIT_ENTRY_MAX_BYTES (128U << 10) /* resources that would make it larger are left out */
#define VTAP_AUDIT_RETENTION_DAYS 365 /* unless told otherwise */
#define VTAP_AUDIT_RETENTION_MAX_DAYS 3650
#define VTAP_AUDIT_MAX_MIB 4096U /* unless told otherwise; then the oldest entries go */
#define VTAP_AUDIT_MAX_MAX_MIB 1048576U

struct vtap_audit;

int vtap_audit_new(struct vtap_controller *c, struct vtap_audit **ret_audit);
struct vtap_audit *vtap_audit_free(struct vtap_audit *a);
VTAP_DEFINE_CLEANUP(struct vtap_audit *, vtap_audit_free);
/* Looks in the store for the newest entry: those to come sort behind it, also if the clock was ahead when it was made. */
int vtap_audit_load(struct vtap_controller *c);
/* Writes at once what is queued, or only counted yet: before the other parts end. */
void vtap_audit_end(struct vtap_audit *a);

/* As part of a change: what the call did (r >= 0), or why it was refused. */
int vtap_audit_add(struct vtap_change *c, const struct vtap_call *call, int r);
/* What the controller did by itself; `resource` is an id or NULL, `detail` is borrowed or NULL. */
int vtap_audit_add_own(struct vtap_change *c, const char *action, const char *resource, const json_t *detail);
/* A call that ended without a change, with the next batch: one that was refused, its answer is set; one that has acted. */
void vtap_audit_refused(struct vtap_audit *a, const struct vtap_call *call);
void vtap_audit_acted(struct vtap_audit *a, const struct vtap_call *call);
