/* SPDX-License-Identifier: Apache-2.0 */

/* States and reasons of sessions from what is known of sources and hosts. */

#include "controller/state.h"
#include "unit.h"

#define PARTS_MAX 4

struct source {
	enum vtap_cover_state state;
	bool given, mirrored;
	const char *other;
};

static const struct source mirrored = {VTAP_COVER_OK, .given = true, .mirrored = true};
static const struct source unplugged = {VTAP_COVER_UNPLUGGED, .given = true};
static const struct source unplugged_range = {.state = VTAP_COVER_UNPLUGGED};
static const struct source tie = {.state = VTAP_COVER_TIE, .other = "tms-old"};

static const struct vtap_state_host active = {
    .id = "host-1", .label = "one", .heard = true, .acknowledged = true, .state = "active", .reason = ""};
static const struct vtap_state_host pending = {.id = "host-2", .label = "two", .heard = true};
static const struct vtap_state_host unheard = {.id = "host-3", .label = "three"};
static const struct vtap_state_host away = {
    .id = "host-4", .label = "four", .heard = true, .acknowledged = true, .silent_s = 30, .state = "active"};
static const struct vtap_state_host away_pending = {.id = "host-4", .label = "four", .heard = true, .silent_s = 99};
static const struct vtap_state_host just_here = {
    .id = "host-4", .label = "four", .heard = true, .acknowledged = true, .silent_s = 29, .state = "active"};
static const struct vtap_state_host waiting = {.id = "host-5",
					       .label = "five",
					       .heard = true,
					       .acknowledged = true,
					       .state = "waiting",
					       .reason = "waiting for tap1"};
static const struct vtap_state_host unroutable = {.id = "host-6",
						  .label = "six",
						  .heard = true,
						  .acknowledged = true,
						  .state = "no_route",
						  .reason = "no route to 192.0.2.1"};
static const struct vtap_state_host refused = {
    .id = "host-7", .label = "seven", .heard = true, .plan_error = "the plan is older than mine"};
static const struct vtap_state_host suspended = {.id = "host-8", .label = "eight", .heard = true, .suspended = true};
static const struct vtap_state_host suspended_later = {
    .id = "host-8", .label = "eight", .heard = true, .suspended = true, .acknowledged = true};
static const struct vtap_state_host revoked = {.id = "host-8", .label = "eight", .revoked = true, .silent_s = 99};
static const struct vtap_state_host left_out = {.id = "host-9", .label = "nine", .heard = true, .left_out = true};
static const struct vtap_state_host too_small = {.id = "host-1",
						 .label = "one",
						 .heard = true,
						 .acknowledged = true,
						 .state = "active",
						 .advice = "raise the MTU of the path to 1550"};
static const struct vtap_state_host short_of_room = {
    .id = "host-1", .label = "one", .heard = true, .acknowledged = true, .state = "active", .sources_left_out = 3};

static const struct {
	enum vtap_session_block block;
	const struct source *sources[PARTS_MAX];
	const struct vtap_state_host *hosts[PARTS_MAX];
	const char *state;
	const char *reasons; /* one behind the other, with ';' */
} rows[] = {
    {VTAP_BLOCK_NONE, {&mirrored}, {&active}, "active", ""},
    {VTAP_BLOCK_NONE, {&mirrored}, {&too_small}, "active", "host one: raise the MTU of the path to 1550;"},
    {VTAP_BLOCK_NONE, {&mirrored}, {&pending}, "pending", "host two has not applied it yet;"},
    {VTAP_BLOCK_NONE, {&mirrored}, {&unheard}, "pending", "host three: its agent has not been heard yet;"},
    {VTAP_BLOCK_NONE, {&mirrored, &mirrored}, {&active, &pending}, "pending", "host two has not applied it yet;"},
    {VTAP_BLOCK_NONE, {&mirrored}, {&just_here}, "active", ""},
    {VTAP_BLOCK_NONE, {&mirrored}, {&away}, "degraded", "host four has not been seen for 30 seconds;"},
    {VTAP_BLOCK_NONE, {&mirrored}, {&away_pending}, "pending", "host four has not been seen for 99 seconds;"},
    {VTAP_BLOCK_NONE,
     {&mirrored, &mirrored},
     {&active, &away},
     "degraded",
     "host four has not been seen for 30 seconds;"},
    {VTAP_BLOCK_NONE, {&mirrored}, {&waiting}, "waiting", "host five: waiting for tap1;"},
    {VTAP_BLOCK_NONE, {&mirrored, &mirrored}, {&active, &waiting}, "degraded", "host five: waiting for tap1;"},
    {VTAP_BLOCK_NONE, {&mirrored}, {&unroutable}, "error", "host six: no route to 192.0.2.1;"},
    {VTAP_BLOCK_NONE, {&mirrored, &mirrored}, {&active, &unroutable}, "degraded", "host six: no route to 192.0.2.1;"},
    {VTAP_BLOCK_NONE, {&mirrored}, {&refused}, "error", "host seven: the plan is older than mine;"},
    {VTAP_BLOCK_NONE,
     {&mirrored},
     {&suspended},
     "pending",
     "host eight is suspended, as two agents use its credential;"},
    {VTAP_BLOCK_NONE,
     {&mirrored},
     {&suspended_later},
     "degraded",
     "host eight is suspended, as two agents use its credential;"},
    {VTAP_BLOCK_NONE, {&mirrored}, {&revoked}, "error", "host eight's credential was revoked: let it join again;"},
    {VTAP_BLOCK_NONE,
     {&mirrored, &mirrored},
     {&active, &revoked},
     "degraded",
     "host eight's credential was revoked: let it join again;"},
    {VTAP_BLOCK_NONE, {&mirrored}, {&left_out}, "error", "host nine has as many older sessions as it can take;"},
    {VTAP_BLOCK_NONE,
     {&mirrored},
     {&short_of_room},
     "degraded",
     "host one: 3 sources more than one session can have there;"},
    {VTAP_BLOCK_NONE, {}, {}, "waiting", "no interface fits its sources;"},
    {VTAP_BLOCK_NONE, {&unplugged}, {}, "waiting", "eni is not plugged: it needs a host and a device;"},
    {VTAP_BLOCK_NONE, {&unplugged_range}, {}, "waiting", "1 interface that its sources cover is not plugged;"},
    {VTAP_BLOCK_NONE,
     {&unplugged_range, &unplugged_range},
     {},
     "waiting",
     "2 interfaces that its sources cover are not plugged;"},
    {VTAP_BLOCK_NONE,
     {&mirrored, &unplugged},
     {&active},
     "degraded",
     "eni is not plugged: it needs a host and a device;"},
    {VTAP_BLOCK_NONE,
     {&mirrored, &unplugged_range},
     {&active},
     "active",
     "1 interface that its sources cover is not plugged;"},
    {VTAP_BLOCK_NONE,
     {&tie},
     {},
     "error",
     "eni is mirrored by the older session tms-old, which has the same number: give this one another;"},
    {VTAP_BLOCK_NONE,
     {&mirrored, &tie},
     {&active},
     "degraded",
     "eni is mirrored by the older session tms-old, which has the same number: give this one another;"},
    {VTAP_BLOCK_DISABLED, {&mirrored}, {&active}, "disabled", ""},
    {VTAP_BLOCK_TARGET_DISABLED, {&mirrored}, {}, "disabled", "target ids is disabled;"},
    {VTAP_BLOCK_TARGET_INTERFACE,
     {&mirrored},
     {},
     "error",
     "interface targets are not delivered by this release; give the target an address;"},
    {VTAP_BLOCK_TARGET_UNKNOWN, {&mirrored}, {}, "error", "the target does not exist;"},
};

static void join_reasons(const json_t *reasons, char *text)
{
	for (size_t i = 0; i < json_array_size(reasons); i++)
		text += sprintf(text, "%s;", json_string_value(json_object_get(json_array_get(reasons, i), "reason")));
}

static void add_source(struct vtap_state *s, const struct source *source)
{
	const struct vtap_cover cover = {
	    .session = "tms-1",
	    .source = "eni",
	    .host = "host-1",
	    .device = "tap1",
	    .state = source->state,
	    .given = source->given,
	    .mirrored = source->mirrored,
	    .other = source->other,
	};

	vtap_state_add_source(s, &cover);
}

static void test_all_rows(void **state)
{
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		json_auto_t *reasons = NULL;
		struct vtap_state s = {};
		char text[1024] = "";
		const char *found;

		vtap_state_begin(&s, rows[i].block, "ids");
		for (size_t j = 0; j < PARTS_MAX && rows[i].sources[j]; j++)
			add_source(&s, rows[i].sources[j]);
		for (size_t j = 0; j < PARTS_MAX && rows[i].hosts[j]; j++)
			vtap_state_add_host(&s, rows[i].hosts[j]);
		found = vtap_state_end(&s, &reasons);
		join_reasons(reasons, text);
		if (strcmp(found, rows[i].state) != 0 || strcmp(text, rows[i].reasons) != 0)
			fail_msg("row %zu: %s, %s", i, found, text);
	}
}

static void test_sources_of_a_host(void **state)
{
	json_auto_t *sources = json_pack("[{s:s, s:s, s:s, s:s}, {s:s, s:s, s:s, s:s}]", "interface", "eni-1", "device",
					 "tap1", "state", "waiting", "reason", "", "interface", "eni-2", "device",
					 "eth0", "state", "not_ethernet", "reason", "eth0 has no Ethernet headers");
	json_auto_t *reasons = NULL;
	struct vtap_state_host host = active;
	struct vtap_state s = {};
	char text[1024] = "";

	host.sources = sources;
	vtap_state_begin(&s, VTAP_BLOCK_NONE, "ids");
	add_source(&s, &mirrored);
	vtap_state_add_host(&s, &host);
	assert_string_equal(vtap_state_end(&s, &reasons), "degraded");
	join_reasons(reasons, text);
	assert_string_equal(text, "host one, device tap1: it does not exist yet;"
				  "host one, device eth0: eth0 has no Ethernet headers;");
	assert_string_equal(json_string_value(json_object_get(json_array_get(reasons, 1), "source")), "eni-2");
	assert_string_equal(json_string_value(json_object_get(json_array_get(reasons, 1), "host")), "host-1");
}

static void test_reasons_have_a_limit(void **state)
{
	for (size_t more = 0; more < 2; more++) {
		json_auto_t *reasons = NULL;
		struct vtap_state s = {};

		vtap_state_begin(&s, VTAP_BLOCK_NONE, "ids");
		add_source(&s, &mirrored);
		for (size_t i = 0; i < VTAP_STATE_REASONS_MAX + more; i++)
			vtap_state_add_host(&s, &pending);
		assert_string_equal(vtap_state_end(&s, &reasons), "pending");
		assert_int_equal(json_array_size(reasons), VTAP_STATE_REASONS_MAX + more);
		if (more)
			assert_string_equal(json_string_value(json_object_get(
						json_array_get(reasons, VTAP_STATE_REASONS_MAX), "reason")),
					    "and 1 more");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_rows),
	    cmocka_unit_test(test_sources_of_a_host),
	    cmocka_unit_test(test_reasons_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
