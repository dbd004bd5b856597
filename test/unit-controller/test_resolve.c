/* SPDX-License-Identifier: Apache-2.0 */

/* Which session covers what: single cases, and a random world against the definition written down plainly. */

#include "controller/resolve.h"
#include "world.h"

static int collect_cover(const struct vtap_cover *cover, void *userdata)
{
	static const char *const names[VTAP_COVER_MAX] = {"ok",    "unplugged",   "tie",       "receives",
							  "taken", "not granted", "own device"};
	char *text = userdata;

	sprintf(text + strlen(text), "%s %s%s%s%s%s\n", cover->source, names[cover->state], cover->other ? " " : "",
		cover->other ? cover->other : "", cover->given ? " given" : "", cover->mirrored ? " mirrored" : "");
	return 0;
}

static void assert_covers(struct world *w, const char *session, const char *expected)
{
	char text[1024] = "";

	vtap_resolver_covers_of_session(w->resolver, session, collect_cover, text);
	assert_string_equal(text, expected);
}

static size_t take_hosts(struct world *w, const char **names, size_t max)
{
	size_t count = 0;
	const char *host;

	while ((host = vtap_resolver_take_host(w->resolver))) {
		if (count < max)
			names[count] = world_text(w, host);
		count++;
	}
	return count;
}

static void settle(struct world *w)
{
	(void)take_hosts(w, NULL, 0);
	while (vtap_resolver_take_session(w->resolver))
		;
}

/* One of each: project, host, network, subnet, interface, target, session. */
static void setup_small(struct world *w)
{
	world_begin(w);
	world_put(w, "project", "{s:s, s:[]}", "id", "proj-a", "grants");
	world_put(w, "project", "{s:s, s:[]}", "id", "proj-b", "grants");
	world_put(w, "host", "{s:s}", "id", "host-1");
	world_put(w, "subnet", "{s:s, s:s, s:s}", "id", "subnet-1", "project", "proj-a", "network", "vpc-1");
	world_put(w, "target", "{s:s, s:s, s:s, s:b}", "id", "tmt-1", "project", "proj-a", "address", "192.0.2.1",
		  "enabled", true);
	world_interface(w, "eni-1", "proj-a", "host-1", "tap1", "host", "subnet-1", "web");
}

static void test_a_given_interface_is_covered(void **state)
{
	struct world w;

	setup_small(&w);
	world_session(&w, "tms-1", "proj-a", 1, true, "eni-1", "tmt-1");
	assert_covers(&w, "tms-1", "eni-1 ok given mirrored\n");
	world_delete(&w, "interface", "eni-1");
	assert_covers(&w, "tms-1", "");
	world_end(&w);
}

static void test_each_selector_finds_it(void **state)
{
	static const char *const selectors[] = {"subnet-1", "vpc-1", "tag:role", "tag:role=web"};
	static const char *const others[] = {"subnet-2", "vpc-2", "tag:rol", "tag:role=we", "tag:role=", "eni-2"};
	struct world w;

	setup_small(&w);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(selectors); i++) {
		world_session(&w, "tms-1", "proj-a", 1, true, selectors[i], "tmt-1");
		assert_covers(&w, "tms-1", "eni-1 ok mirrored\n");
	}
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(others); i++) {
		world_session(&w, "tms-1", "proj-a", 1, true, others[i], "tmt-1");
		assert_covers(&w, "tms-1", "");
	}
	world_end(&w);
}

static void test_an_interface_that_joins_and_leaves(void **state)
{
	struct world w;

	setup_small(&w);
	world_session(&w, "tms-1", "proj-a", 1, true, "tag:role=db", "tmt-1");
	assert_covers(&w, "tms-1", "");
	world_interface(&w, "eni-1", "proj-a", "host-1", "tap1", "host", "subnet-1", "db");
	assert_covers(&w, "tms-1", "eni-1 ok mirrored\n");
	world_interface(&w, "eni-1", "proj-a", NULL, NULL, "host", "subnet-1", "db");
	assert_covers(&w, "tms-1", "eni-1 unplugged\n");
	world_interface(&w, "eni-1", "proj-a", "host-1", "tap1", "host", "subnet-1", "web");
	assert_covers(&w, "tms-1", "");
	world_end(&w);
}

static void test_a_wire_is_covered_by_its_id_alone(void **state)
{
	struct world w;

	setup_small(&w);
	world_put(&w, "wire", "{s:s, s:s, s:s, s:{s:s}}", "id", "wire-1", "host", "host-1", "device", "br0", "tags",
		  "role", "web");
	world_session(&w, "tms-1", "proj-a", 1, true, "tag:role", "tmt-1");
	assert_covers(&w, "tms-1", "eni-1 ok mirrored\n");
	world_session(&w, "tms-1", "proj-a", 1, true, "wire-1", "tmt-1");
	assert_covers(&w, "tms-1", "wire-1 ok given mirrored\n");
	world_end(&w);
}

static void test_a_tie_goes_to_the_older_session(void **state)
{
	struct world w;

	setup_small(&w);
	world_session(&w, "tms-1", "proj-a", 7, true, "subnet-1", "tmt-1");
	world_session(&w, "tms-2", "proj-a", 7, true, "eni-1", "tmt-1");
	world_session(&w, "tms-3", "proj-a", 8, true, "eni-1", "tmt-1");
	assert_covers(&w, "tms-1", "eni-1 ok mirrored\n");
	assert_covers(&w, "tms-2", "eni-1 tie tms-1 given\n");
	assert_covers(&w, "tms-3", "eni-1 ok given mirrored\n");
	world_session(&w, "tms-1", "proj-a", 7, false, "subnet-1", "tmt-1");
	assert_covers(&w, "tms-1", "eni-1 ok\n");
	assert_covers(&w, "tms-2", "eni-1 ok given mirrored\n");
	world_session(&w, "tms-1", "proj-a", 7, true, "subnet-1", "tmt-1");
	assert_covers(&w, "tms-2", "eni-1 tie tms-1 given\n");
	world_delete(&w, "session", "tms-1");
	assert_covers(&w, "tms-2", "eni-1 ok given mirrored\n");
	world_end(&w);
}

static void test_a_receiver_drops_out(void **state)
{
	struct world w;

	setup_small(&w);
	world_put(&w, "target", "{s:s, s:s, s:s, s:b}", "id", "tmt-2", "project", "proj-a", "interface", "eni-1",
		  "enabled", true);
	world_session(&w, "tms-1", "proj-a", 1, true, "vpc-1", "tmt-1");
	assert_covers(&w, "tms-1", "eni-1 ok mirrored\n");
	world_session(&w, "tms-2", "proj-a", 1, true, "wire-9", "tmt-2");
	assert_covers(&w, "tms-1", "eni-1 receives tms-2\n");
	world_put(&w, "target", "{s:s, s:s, s:s, s:b}", "id", "tmt-2", "project", "proj-a", "interface", "eni-1",
		  "enabled", false);
	assert_covers(&w, "tms-1", "eni-1 ok mirrored\n");
	world_put(&w, "target", "{s:s, s:s, s:s, s:b}", "id", "tmt-2", "project", "proj-a", "interface", "eni-2",
		  "enabled", true);
	assert_covers(&w, "tms-1", "eni-1 ok mirrored\n");
	world_end(&w);
}

static void test_one_device_has_one_source(void **state)
{
	struct world w;

	setup_small(&w);
	world_interface(&w, "eni-2", "proj-a", "host-1", "tap1", "host", NULL, NULL);
	world_session(&w, "tms-1", "proj-a", 1, true, "eni-2", "tmt-1");
	assert_covers(&w, "tms-1", "eni-2 taken eni-1 given\n");
	world_interface(&w, "eni-1", "proj-a", "host-1", "tap2", "host", NULL, NULL);
	assert_covers(&w, "tms-1", "eni-2 ok given mirrored\n");
	world_end(&w);
}

static void test_other_projects_must_grant_it(void **state)
{
	struct world w;

	setup_small(&w);
	world_session(&w, "tms-1", "proj-b", 1, true, "eni-1", "tmt-1");
	world_session(&w, "tms-2", "proj-b", 2, true, "subnet-1", "tmt-1");
	world_session(&w, "tms-3", "proj-b", 3, true, "tag:role=web", "tmt-1");
	assert_covers(&w, "tms-1", "eni-1 not granted given\n");
	assert_covers(&w, "tms-2", "");
	world_put(&w, "project", "{s:s, s:[s]}", "id", "proj-a", "grants", "proj-b");
	assert_covers(&w, "tms-1", "eni-1 ok given mirrored\n");
	assert_covers(&w, "tms-2", "eni-1 ok mirrored\n");
	assert_covers(&w, "tms-3", "");
	world_end(&w);
}

static void test_why_a_session_does_not_run(void **state)
{
	struct vtap_resolved resolved;
	struct world w;

	setup_small(&w);
	world_session(&w, "tms-1", "proj-a", 1, true, "eni-1", "tmt-1");
	assert_int_equal(vtap_resolver_session(w.resolver, "tms-1", &resolved), 0);
	assert_int_equal(resolved.block, VTAP_BLOCK_NONE);
	world_put(&w, "target", "{s:s, s:s, s:s, s:b}", "id", "tmt-1", "project", "proj-a", "address", "192.0.2.1",
		  "enabled", false);
	(void)vtap_resolver_session(w.resolver, "tms-1", &resolved);
	assert_int_equal(resolved.block, VTAP_BLOCK_TARGET_DISABLED);
	assert_covers(&w, "tms-1", "eni-1 ok given\n");
	world_put(&w, "target", "{s:s, s:s, s:s, s:b}", "id", "tmt-1", "project", "proj-a", "interface", "eni-7",
		  "enabled", true);
	(void)vtap_resolver_session(w.resolver, "tms-1", &resolved);
	assert_int_equal(resolved.block, VTAP_BLOCK_TARGET_INTERFACE);
	world_delete(&w, "target", "tmt-1");
	(void)vtap_resolver_session(w.resolver, "tms-1", &resolved);
	assert_int_equal(resolved.block, VTAP_BLOCK_TARGET_UNKNOWN);
	assert_int_equal(vtap_resolver_session(w.resolver, "tms-2", &resolved), -ENOENT);
	world_end(&w);
}

/* Hosts of what changed, and no others. */
static void test_a_change_touches_its_hosts(void **state)
{
	const char *hosts[4];
	struct world w;

	setup_small(&w);
	world_put(&w, "host", "{s:s}", "id", "host-2");
	world_put(&w, "filter", "{s:s, s:s, s:[]}", "id", "tmf-1", "project", "proj-a", "chunks");
	world_interface(&w, "eni-2", "proj-a", "host-2", "tap1", "host", NULL, NULL);
	world_session(&w, "tms-1", "proj-a", 1, true, "eni-1", "tmt-1");
	world_session_filter(&w, "tms-2", "proj-a", 1, true, "eni-2", "tmt-1", "tmf-1");
	settle(&w);

	world_session(&w, "tms-1", "proj-a", 2, true, "eni-1", "tmt-1");
	assert_int_equal(take_hosts(&w, hosts, 4), 1);
	assert_string_equal(hosts[0], "host-1");
	world_put(&w, "filter", "{s:s, s:s, s:[s]}", "id", "tmf-1", "project", "proj-a", "chunks", "h");
	assert_int_equal(take_hosts(&w, hosts, 4), 1);
	assert_string_equal(hosts[0], "host-2");
	world_interface(&w, "eni-2", "proj-a", "host-1", "tap2", "host", NULL, NULL);
	assert_int_equal(take_hosts(&w, hosts, 4), 2);
	world_put(&w, "target", "{s:s, s:s, s:s, s:b, s:i}", "id", "tmt-1", "project", "proj-a", "address", "192.0.2.1",
		  "enabled", true, "dscp", 1);
	assert_int_equal(take_hosts(&w, hosts, 4), 1);
	assert_string_equal(hosts[0], "host-1");
	world_session(&w, "tms-3", "proj-a", 9, true, "eni-9", "tmt-1");
	assert_int_equal(take_hosts(&w, hosts, 4), 0);
	world_delete(&w, "host", "host-2");
	assert_int_equal(take_hosts(&w, hosts, 4), 1);
	assert_string_equal(hosts[0], "host-2");
	world_end(&w);
}

static int collect_endpoint(const struct vtap_endpoint_use *use, void *userdata)
{
	char *text = userdata;

	sprintf(text + strlen(text), "%s:%u%s;", use->address, use->port, use->own ? " own" : "");
	return 0;
}

static void assert_endpoints(struct world *w, const char *expected, bool changed)
{
	uint64_t version = vtap_resolver_endpoints_version(w->resolver);
	char text[1024] = "";

	assert_int_equal(version != w->endpoints_version, changed);
	w->endpoints_version = version;
	vtap_resolver_endpoints(w->resolver, collect_endpoint, text);
	assert_string_equal(text, expected);
}

static void test_endpoints_are_those_of_running_sessions(void **state)
{
	struct world w;

	setup_small(&w);
	assert_endpoints(&w, "", false);
	world_session(&w, "tms-1", "proj-a", 1, true, "eni-1", "tmt-1");
	assert_endpoints(&w, "192.0.2.1:4789;", true);
	world_session(&w, "tms-2", "proj-a", 2, true, "eni-1", "tmt-1");
	assert_endpoints(&w, "192.0.2.1:4789;", false);
	world_interface(&w, "eni-1", "proj-a", "host-1", "eth0", "own", NULL, NULL);
	assert_endpoints(&w, "192.0.2.1:4789 own;", true);
	world_session(&w, "tms-1", "proj-a", 1, false, "eni-1", "tmt-1");
	assert_endpoints(&w, "192.0.2.1:4789 own;", false);
	world_delete(&w, "session", "tms-2");
	assert_endpoints(&w, "", true);
	world_end(&w);
}

static void test_own_devices_are_named(void **state)
{
	struct world w;

	setup_small(&w);
	world_interface(&w, "eni-1", "proj-a", "host-1", "eth0", "own", NULL, "web");
	world_session(&w, "tms-1", "proj-a", 1, true, "tag:role=web", "tmt-1");
	assert_covers(&w, "tms-1", "eni-1 own device\n");
	/* It does not keep the number from one that names it. */
	world_session(&w, "tms-2", "proj-a", 1, true, "eni-1", "tmt-1");
	assert_covers(&w, "tms-2", "eni-1 ok given mirrored\n");
	world_put(&w, "interface", "{s:s, s:s, s:s, s:s, s:s, s:b, s:{s:s}}", "id", "eni-1", "project", "proj-a",
		  "host", "host-1", "device", "eth0", "side", "own", "delegated", 1, "tags", "role", "web");
	assert_covers(&w, "tms-1", "eni-1 ok mirrored\n");
	assert_covers(&w, "tms-2", "eni-1 tie tms-1 given\n");
	world_end(&w);
}

static int find_mac(const char *id, const json_t *value, void *userdata)
{
	strcat(strcat(userdata, id), " ");
	return 0;
}

static void test_interfaces_are_found_by_mac(void **state)
{
	char text[100] = "";
	struct world w;

	setup_small(&w);
	world_put(&w, "interface", "{s:s, s:s, s:s}", "id", "eni-5", "project", "proj-a", "mac", "02:00:00:00:00:05");
	vtap_resolver_interfaces_by_mac(w.resolver, "02:00:00:00:00:05", find_mac, text);
	assert_string_equal(text, "eni-5 ");
	vtap_resolver_interfaces_by_mac(w.resolver, "02:00:00:00:00:06", find_mac, text);
	assert_string_equal(text, "eni-5 ");
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_given_interface_is_covered),
	    cmocka_unit_test(test_each_selector_finds_it),
	    cmocka_unit_test(test_an_interface_that_joins_and_leaves),
	    cmocka_unit_test(test_a_wire_is_covered_by_its_id_alone),
	    cmocka_unit_test(test_a_tie_goes_to_the_older_session),
	    cmocka_unit_test(test_a_receiver_drops_out),
	    cmocka_unit_test(test_one_device_has_one_source),
	    cmocka_unit_test(test_other_projects_must_grant_it),
	    cmocka_unit_test(test_why_a_session_does_not_run),
	    cmocka_unit_test(test_a_change_touches_its_hosts),
	    cmocka_unit_test(test_endpoints_are_those_of_running_sessions),
	    cmocka_unit_test(test_own_devices_are_named),
	    cmocka_unit_test(test_interfaces_are_found_by_mac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
