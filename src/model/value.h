/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Single values of the API: what the texts mean that stand for a time or a duration, and the canonical form of each type. */

#include "model/schema.h"

#define VTAP_DURATION_STRLEN 24
#define VTAP_TIME_STRLEN 24
#define VTAP_DURATION_MAX_S (3650ULL * 86400)
#define VTAP_OFFLINE_MAX_S (365ULL * 86400)

/* "90s", "10m", "2h", "7d"; -EINVAL for anything else, -ERANGE for less than min_s or more than max_s. */
int vtap_duration_parse(const char *text, uint64_t min_s, uint64_t max_s, uint64_t *ret_seconds);
/* In the largest unit that divides it: "90s", "2m". */
char *vtap_duration_format(uint64_t seconds, char buffer[VTAP_DURATION_STRLEN]);

/* "keep" is 0 seconds; "stop-after 10m" is 600. -EINVAL, -ERANGE for less than 1 s or more than VTAP_OFFLINE_MAX_S. */
int vtap_offline_parse(const char *text, uint64_t *ret_seconds);

/* "2026-11-21T15:00:00Z" as seconds since 1970, and back; -EINVAL. Years 1970..9999. */
int vtap_time_parse(const char *text, int64_t *ret_seconds);
char *vtap_time_format(int64_t seconds, char buffer[VTAP_TIME_STRLEN]);

/* Characters of UTF-8; -EINVAL if it is none, or has control characters. */
int vtap_text_length(const char *text, size_t *ret_characters);

/*
 * The canonical form of the one value at p: of every type but references and objects, which need more than the value. Lists
 * are the caller's too. Fails as vtap_place_fail() does.
 */
int vtap_value_normalize(const struct vtap_place *p, const struct vtap_attribute *a, json_t **ret_value);
