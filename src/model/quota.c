/* SPDX-License-Identifier: Apache-2.0 */

#include "model/quota.h"

#include <errno.h>
#include <inttypes.h>

const struct vtap_word vtap_profile_words[] = {
    {"native", VTAP_PROFILE_NATIVE},       {"aws", VTAP_PROFILE_AWS},
    {"aliyun", VTAP_PROFILE_ALIYUN},       {"tencent", VTAP_PROFILE_TENCENT},
    {"cloudpods", VTAP_PROFILE_CLOUDPODS}, {},
};

#define QUOTA(text, phrase)                                                                                            \
	{                                                                                                              \
		.name = (text), .type = VTAP_TYPE_NUMBER, .max = VTAP_QUOTA_LIMIT_MAX, .help = (phrase)                \
	}

const struct vtap_attribute vtap_quota_attributes[VTAP_QUOTA_MAX + 1] = {
    [VTAP_QUOTA_SESSIONS] = QUOTA("sessions", "sessions of the project"),
    [VTAP_QUOTA_TARGETS] = QUOTA("targets", "targets of the project"),
    [VTAP_QUOTA_FILTERS] = QUOTA("filters", "filters of the project"),
    [VTAP_QUOTA_RULES] = QUOTA("rules", "rules of all filters of the project"),
    [VTAP_QUOTA_RULES_PER_FILTER] = QUOTA("rules_per_filter", "rules of one filter, both directions together"),
    [VTAP_QUOTA_RULES_PER_FILTER_DIRECTION] =
	QUOTA("rules_per_filter_direction", "rules of one filter for one direction"),
    [VTAP_QUOTA_SESSIONS_PER_FILTER] = QUOTA("sessions_per_filter", "sessions that use one filter"),
    [VTAP_QUOTA_SESSIONS_PER_INTERFACE] =
	QUOTA("sessions_per_interface", "sessions that name one interface as a source"),
    [VTAP_QUOTA_SESSIONS_PER_NETWORK] = QUOTA("sessions_per_network", "sessions with a source in one network"),
    [VTAP_QUOTA_SESSIONS_PER_TARGET] = QUOTA("sessions_per_target", "sessions that use one target"),
    [VTAP_QUOTA_SOURCES_PER_SESSION] = QUOTA("sources_per_session", "sources that one session names"),
    [VTAP_QUOTA_SOURCES_PER_TARGET] =
	QUOTA("sources_per_target", "sources of all sessions to one target that is an interface"),
    [VTAP_QUOTA_INTERFACES] = QUOTA("interfaces", "interfaces of the project"),
    [VTAP_QUOTA_NETWORKS] = QUOTA("networks", "networks of the project"),
    [VTAP_QUOTA_SUBNETS] = QUOTA("subnets", "subnets of the project"),
    [VTAP_QUOTA_GUESTS] = QUOTA("guests", "guests of the project"),
    [VTAP_QUOTA_GATEWAYS] = QUOTA("gateways", "gateways of the project"),
};

static const uint32_t native_limits[VTAP_QUOTA_MAX] = {
    [VTAP_QUOTA_SESSIONS] = 100000,
    [VTAP_QUOTA_TARGETS] = 100000,
    [VTAP_QUOTA_FILTERS] = 100000,
    [VTAP_QUOTA_RULES] = 200000,
    [VTAP_QUOTA_RULES_PER_FILTER] = 20000,
    [VTAP_QUOTA_RULES_PER_FILTER_DIRECTION] = 10000,
    [VTAP_QUOTA_SESSIONS_PER_FILTER] = 100000,
    [VTAP_QUOTA_SESSIONS_PER_INTERFACE] = VTAP_INTERFACE_SESSIONS_MAX,
    [VTAP_QUOTA_SESSIONS_PER_NETWORK] = 100000,
    [VTAP_QUOTA_SESSIONS_PER_TARGET] = 100000,
    [VTAP_QUOTA_SOURCES_PER_SESSION] = VTAP_SOURCES_MAX,
    [VTAP_QUOTA_SOURCES_PER_TARGET] = 100000,
    [VTAP_QUOTA_INTERFACES] = 1000000,
    [VTAP_QUOTA_NETWORKS] = 10000,
    [VTAP_QUOTA_SUBNETS] = 100000,
    [VTAP_QUOTA_GUESTS] = 1000000,
    [VTAP_QUOTA_GATEWAYS] = 10000,
};

/* What a cloud's documents say, in places of the native figures; 0 = they say nothing. */
static const uint32_t profile_limits[VTAP_PROFILE_MAX][VTAP_QUOTA_MAX] = {
    [VTAP_PROFILE_AWS] =
	{
	    [VTAP_QUOTA_SESSIONS] = 10000,
	    [VTAP_QUOTA_TARGETS] = 10000,
	    [VTAP_QUOTA_FILTERS] = 10000,
	    [VTAP_QUOTA_RULES] = 100000,
	    [VTAP_QUOTA_RULES_PER_FILTER] = 10,
	    [VTAP_QUOTA_RULES_PER_FILTER_DIRECTION] = 10,
	    [VTAP_QUOTA_SESSIONS_PER_INTERFACE] = 3,
	    [VTAP_QUOTA_SOURCES_PER_SESSION] = 1,
	    [VTAP_QUOTA_SOURCES_PER_TARGET] = 10,
	},
    [VTAP_PROFILE_ALIYUN] =
	{
	    [VTAP_QUOTA_SESSIONS] = 20000,
	    [VTAP_QUOTA_FILTERS] = 100,
	    [VTAP_QUOTA_RULES] = 2000,
	    [VTAP_QUOTA_RULES_PER_FILTER] = 20,
	    [VTAP_QUOTA_RULES_PER_FILTER_DIRECTION] = 20,
	    [VTAP_QUOTA_SESSIONS_PER_FILTER] = 2000,
	    [VTAP_QUOTA_SESSIONS_PER_INTERFACE] = 3,
	    [VTAP_QUOTA_SOURCES_PER_SESSION] = 10,
	    [VTAP_QUOTA_SOURCES_PER_TARGET] = 20,
	},
    [VTAP_PROFILE_TENCENT] =
	{
	    [VTAP_QUOTA_SESSIONS_PER_NETWORK] = 5,
	    [VTAP_QUOTA_SOURCES_PER_SESSION] = 20,
	},
    [VTAP_PROFILE_CLOUDPODS] =
	{
	    [VTAP_QUOTA_SESSIONS] = 32752,
	},
};

uint64_t vtap_quota_limit(enum vtap_profile profile, const json_t *overrides, enum vtap_quota quota)
{
	const json_t *given = json_object_get(overrides, vtap_quota_attributes[quota].name);

	if (json_is_integer(given))
		return (uint64_t)json_integer_value(given);
	if (profile_limits[profile][quota] > 0)
		return profile_limits[profile][quota];
	return native_limits[quota];
}

uint64_t vtap_quota_of_project(const json_t *project, enum vtap_quota quota)
{
	const char *name = json_string_value(json_object_get(project, "profile"));
	int profile = VTAP_PROFILE_NATIVE;

	if (name)
		(void)vtap_word_find(vtap_profile_words, name, &profile);
	return vtap_quota_limit((enum vtap_profile)profile, json_object_get(project, "quotas"), quota);
}

int vtap_quota_check(enum vtap_quota quota, uint64_t limit, uint64_t used, uint64_t wanted, struct vtap_error *reterr)
{
	if (wanted == 0 || (used <= limit && wanted <= limit - used))
		return 0;
	return vtap_error_set(
	    reterr, -EDQUOT, 0, NULL,
	    "quota %s: at most %" PRIu64 " %s are allowed, %" PRIu64 " are in use, and this needs %" PRIu64 " more",
	    vtap_quota_attributes[quota].name, limit, vtap_quota_attributes[quota].help, used, wanted);
}
