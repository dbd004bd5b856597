/* SPDX-License-Identifier: Apache-2.0 */

/* Where an interface goes when its MAC is seen elsewhere. */

#include "controller/follow.h"
#include "unit.h"

#define PLACES_MAX 3

static const struct {
	const char *what;
	struct vtap_follow_question question; /* of an interface on host a, device tap1 */
	struct vtap_follow_place places[PLACES_MAX];
	enum vtap_follow decision;
	const char *host, *device; /* of the place; NULL = none */
} rows[] = {
    {"nothing is known", {}, {{}}, VTAP_FOLLOW_STAY, NULL, NULL},
    {"seen where it is",
     {.host_knows = true, .device_exists = true},
     {{"a", "tap1", "g"}},
     VTAP_FOLLOW_STAY,
     NULL,
     NULL},
    {"its device is there, and nothing behind it",
     {.host_knows = true, .device_exists = true},
     {{}},
     VTAP_FOLLOW_STAY,
     NULL,
     NULL},
    {"another device of the same host", {.host_knows = true}, {{"a", "tap2", NULL}}, VTAP_FOLLOW_MOVE, "a", "tap2"},
    {"another device, while its own is there",
     {.host_knows = true, .device_exists = true},
     {{"a", "tap2", NULL}},
     VTAP_FOLLOW_STAY,
     NULL,
     NULL},
    {"two other devices of the same host",
     {.host_knows = true},
     {{"a", "tap2", NULL}, {"a", "tap3", NULL}},
     VTAP_FOLLOW_TWICE,
     "a",
     "tap2"},
    {"another host of the group, while its own device is there",
     {.group = "g", .host_knows = true, .device_exists = true},
     {{"b", "tap1", "g"}},
     VTAP_FOLLOW_STILL_HERE,
     "b",
     "tap1"},
    {"another host of the group, after its own device has gone",
     {.group = "g", .host_knows = true},
     {{"b", "tap7", "g"}},
     VTAP_FOLLOW_MOVE,
     "b",
     "tap7"},
    {"another host of the group, before its own has said anything",
     {.group = "g"},
     {{"b", "tap7", "g"}},
     VTAP_FOLLOW_STAY,
     NULL,
     NULL},
    {"another host of the group, after its own is away",
     {.group = "g", .host_away = true, .host_knows = true, .device_exists = true},
     {{"a", "tap1", "g"}, {"b", "tap7", "g"}},
     VTAP_FOLLOW_MOVE,
     "b",
     "tap7"},
    {"another host of another group",
     {.group = "g", .host_knows = true},
     {{"b", "tap7", "h"}},
     VTAP_FOLLOW_GROUP,
     "b",
     "tap7"},
    {"another host, and no groups", {.host_knows = true}, {{"b", "tap7", NULL}}, VTAP_FOLLOW_GROUP, "b", "tap7"},
    {"one host of the group, and one of another",
     {.group = "g", .host_knows = true},
     {{"c", "tap7", "h"}, {"b", "tap7", "g"}},
     VTAP_FOLLOW_MOVE,
     "b",
     "tap7"},
    {"two hosts of the group",
     {.group = "g", .host_knows = true},
     {{"b", "tap7", "g"}, {"c", "tap7", "g"}},
     VTAP_FOLLOW_TWICE,
     "b",
     "tap7"},
    {"gone", {.group = "g", .host_knows = true}, {{}}, VTAP_FOLLOW_STAY, NULL, NULL},
};

static void test_all_rows(void **state)
{
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		struct vtap_follow_question q = rows[i].question;
		const struct vtap_follow_place *place;
		enum vtap_follow decision;

		q.host = "a";
		q.device = "tap1";
		q.places = rows[i].places;
		while (q.place_count < PLACES_MAX && rows[i].places[q.place_count].host)
			q.place_count++;
		decision = vtap_follow_decide(&q, &place);
		if (decision != rows[i].decision)
			fail_msg("%s: %d", rows[i].what, decision);
		assert_int_equal(!place, !rows[i].host);
		if (!place)
			continue;
		assert_string_equal(place->host, rows[i].host);
		assert_string_equal(place->device, rows[i].device);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_rows)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
