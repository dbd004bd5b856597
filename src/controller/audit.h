/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The audit log: one entry for every write that was committed or refused, and for every request that was refused for who it came
 * from; under "audit/TIME", never changed, deleted when older than the retention.
 */

#include "controller/api.h"

#define VTAP_AUDIT_ENTRY_MAX_BYTES (128U << 10) /* resources that would make it larger are left out */
#define VTAP_AUDIT_RETENTION_DAYS 365 /* unless told otherwise */
#define VTAP_AUDIT_RETENTION_MAX_DAYS 3650
#define VTAP_AUDIT_REFUSALS_PER_SECOND 10 /* of requests without valid credentials; more are counted in the next one */

struct vtap_audit;

int vtap_audit_new(struct vtap_controller *c, struct vtap_audit **ret_audit);
struct vtap_audit *vtap_audit_free(struct vtap_audit *a);
VTAP_DEFINE_CLEANUP(struct vtap_audit *, vtap_audit_free);

/* As part of a change: what the call did (r >= 0), or why it was refused; a flood of refusals of nobody is counted only. */
int vtap_audit_add(struct vtap_change *c, const struct vtap_call *call, int r);
/* What the controller did by itself; `resource` is an id or NULL, `detail` is borrowed or NULL. */
int vtap_audit_add_own(struct vtap_change *c, const char *action, const char *resource, const json_t *detail);
/* A request that got no further than its authentication or its role; written with the next batch. */
void vtap_audit_refused(struct vtap_audit *a, const struct vtap_call *call);
