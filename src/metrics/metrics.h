/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Writes counters and gauges in the Prometheus text format 0.0.4. Pure. Families are declared first, then samples are added
 * in any order: the text keeps the samples of a family together, families in the order of their declaration. That two
 * samples of a family differ in their labels is the caller's duty. Doubles need the C locale's decimal point.
 */

#include <stddef.h>
#include <stdint.h>

#include "basic/util.h"

#define VTAP_METRICS_FAMILIES_MAX 128
#define VTAP_METRICS_LABELS_MAX 8
#define VTAP_METRICS_SAMPLES_MAX_BYTES (32U << 20) /* of the text, without its HELP and TYPE lines */
#define VTAP_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum vtap_metrics_type { VTAP_METRICS_COUNTER, VTAP_METRICS_GAUGE, VTAP_METRICS_TYPE_MAX };

struct vtap_metrics_label {
	const char *name;
	const char *value; /* any bytes; what is not UTF-8 is shown as U+FFFD */
};

struct vtap_metrics;

int vtap_metrics_new(struct vtap_metrics **ret_metrics);
struct vtap_metrics *vtap_metrics_free(struct vtap_metrics *m);
VTAP_DEFINE_CLEANUP(struct vtap_metrics *, vtap_metrics_free);

/* Strings are copied. -EINVAL for a name that Prometheus refuses, -EEXIST for a second declaration, -E2BIG at the limit. */
int vtap_metrics_declare(struct vtap_metrics *m, const char *name, enum vtap_metrics_type type, const char *help);

/*
 * Add one sample. -ENOENT if the family is not declared, -EINVAL for a label name that Prometheus refuses or that occurs
 * twice, -E2BIG at a limit. After a failure the text is as it was before.
 */
int vtap_metrics_add_u64(struct vtap_metrics *m, const char *name, const struct vtap_metrics_label *labels,
			 size_t label_count, uint64_t value);
int vtap_metrics_add_double(struct vtap_metrics *m, const char *name, const struct vtap_metrics_label *labels,
			    size_t label_count, double value);

/* The whole text, terminated, the caller's; size without the terminator. Families without samples are left out. */
int vtap_metrics_text(const struct vtap_metrics *m, char **ret_text, size_t *ret_size_bytes);
