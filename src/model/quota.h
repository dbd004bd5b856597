/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How much a project may hold. A project has a profile, whose figures are those of the clouds' own documents, and may have
 * other figures of its own for single quotas. Pure: who counts is the controller.
 */

#include <jansson.h>
#include <stdint.h>

#include "model/schema.h"

enum vtap_quota {
	VTAP_QUOTA_SESSIONS,
	VTAP_QUOTA_TARGETS,
	VTAP_QUOTA_FILTERS,
	VTAP_QUOTA_RULES, /* of all filters together */
	VTAP_QUOTA_RULES_PER_FILTER, /* of both directions together */
	VTAP_QUOTA_RULES_PER_FILTER_DIRECTION,
	VTAP_QUOTA_SESSIONS_PER_FILTER,
	VTAP_QUOTA_SESSIONS_PER_INTERFACE, /* that name it as an explicit source */
	VTAP_QUOTA_SESSIONS_PER_NETWORK, /* with a source in it: the network, its subnets, interfaces in it */
	VTAP_QUOTA_SESSIONS_PER_TARGET,
	VTAP_QUOTA_SOURCES_PER_SESSION, /* entries of its list */
	VTAP_QUOTA_SOURCES_PER_TARGET, /* entries of all sessions to one interface; no cloud bounds what has an address */
	VTAP_QUOTA_INTERFACES,
	VTAP_QUOTA_NETWORKS,
	VTAP_QUOTA_SUBNETS,
	VTAP_QUOTA_GUESTS,
	VTAP_QUOTA_GATEWAYS,
	VTAP_QUOTA_MAX
};

enum vtap_profile {
	VTAP_PROFILE_NATIVE, /* generous */
	VTAP_PROFILE_AWS,
	VTAP_PROFILE_ALIYUN,
	VTAP_PROFILE_TENCENT,
	VTAP_PROFILE_CLOUDPODS,
	VTAP_PROFILE_MAX
};

#define VTAP_QUOTA_LIMIT_MAX 10000000U /* that a project can be given */

extern const struct vtap_word vtap_profile_words[]; /* enum vtap_profile */
/* One for each quota, in the order of enum vtap_quota: its name and help. Also the members of a project's `quotas`. */
extern const struct vtap_attribute vtap_quota_attributes[VTAP_QUOTA_MAX + 1];

/* The limit: overrides (a project's `quotas`; NULL = none) where they have a number, else the profile's. */
uint64_t vtap_quota_limit(enum vtap_profile profile, const json_t *overrides, enum vtap_quota quota);
/* The same of a normalised project. */
uint64_t vtap_quota_of_project(const json_t *project, enum vtap_quota quota);
/*
 * The refusal of more than the limit: 0 if nothing more is wanted, however much is in use since the limit was lowered, or if
 * used + wanted <= limit; else -EDQUOT with a sentence that names all three.
 */
int vtap_quota_check(enum vtap_quota quota, uint64_t limit, uint64_t used, uint64_t wanted, struct vtap_error *reterr);
