/* SPDX-License-Identifier: Apache-2.0 */

/* Plans as documents: what is in them, that the agent's reader takes them, when their hash changes, and their limits. */

#include "controller/plan.h"
#include "model/config.h"
#include "world.h"

static struct vtap_host_plan *make(struct world *w, const char *host)
{
	struct vtap_host_plan *plan = NULL;

	assert_int_equal(vtap_host_plan_make(w->resolver, host, &plan), 0);
	return plan;
}

static json_t *document_of(const struct vtap_host_plan *plan)
{
	json_t *document = json_loads(plan->text, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(document);
	return document;
}

static void setup(struct world *w)
{
	world_begin(w);
	world_put(w, "project", "{s:s, s:[]}", "id", "proj-a", "grants");
	world_put(w, "host", "{s:s, s:s}", "id", "host-1", "uplink", "eth0");
	world_put(w, "host", "{s:s}", "id", "host-2");
	world_put(w, "target", "{s:s, s:s, s:s, s:b, s:i, s:b, s:i, s:i, s:n}", "id", "tmt-1", "project", "proj-a",
		  "address", "192.0.2.1", "enabled", true, "mtu", 0, "df", false, "dscp", 0, "ttl", 64, "local");
	world_put(w, "filter", "{s:s, s:s, s:[s]}", "id", "tmf-1", "project", "proj-a", "chunks", "c0ffee");
	world_interface(w, "eni-1", "proj-a", "host-1", "tap1", "host", NULL, NULL);
	world_interface(w, "eni-2", "proj-a", "host-2", "tap1", "host", NULL, NULL);
}

static void test_the_whole_document(void **state)
{
	struct world w;

	setup(&w);
	world_session_filter(&w, "tms-1", "proj-a", 1, true, "eni-1", "tmt-1", "tmf-1");
	VTAP_CLEANUP(vtap_host_plan_freep) struct vtap_host_plan *plan = make(&w, "host-1");
	assert_string_equal(
	    plan->text,
	    "{\"filters\":[{\"chunks\":[\"c0ffee\"],\"name\":\"tmf-1\"}],\"host\":\"host-1\",\"never_mirror\":[],"
	    "\"sessions\":[{\"checksum\":\"complete\",\"direction\":\"both\",\"enabled\":true,"
	    "\"encapsulation\":{\"port\":4789,\"type\":\"vxlan\",\"vni\":66},\"filter\":\"tmf-1\",\"label\":\"tms-1\","
	    "\"limit\":{\"bits_per_second\":0,\"packets_per_second\":0},\"mode\":\"exclusive\",\"mtu_policy\":\"fit\","
	    "\"name\":\"tms-1\",\"number\":1,\"offline\":\"keep\",\"on_reject\":\"next\",\"packet_length\":0,"
	    "\"sample\":{},\"sources\":[{\"device\":\"tap1\",\"interface\":\"eni-1\",\"side\":\"host\"}],"
	    "\"target\":\"tmt-1\"}],"
	    "\"targets\":[{\"address\":\"192.0.2.1\",\"df\":false,\"dscp\":0,\"name\":\"tmt-1\",\"ttl\":64}],"
	    "\"uplink\":\"eth0\",\"version\":1}");
	assert_int_equal(plan->text_bytes, strlen(plan->text));
	assert_non_null(vtap_host_plan_part(plan, "tms-1"));
	assert_null(vtap_host_plan_part(plan, "tms-2"));
	world_end(&w);
}

static void test_a_host_without_sessions(void **state)
{
	struct world w;

	setup(&w);
	VTAP_CLEANUP(vtap_host_plan_freep) struct vtap_host_plan *plan = make(&w, "host-2");
	assert_string_equal(plan->text, "{\"filters\":[],\"host\":\"host-2\",\"never_mirror\":[],\"sessions\":[],"
					"\"targets\":[],\"version\":1}");
	struct vtap_host_plan *none = NULL;
	assert_int_equal(vtap_host_plan_make(w.resolver, "host-3", &none), -ENOENT);
	assert_null(none);
	world_end(&w);
}

static void refused(const char *list, size_t index, const struct vtap_error *error, void *userdata)
{
	fail_msg("%s[%zu].%s %s", list, index, error->field, error->text);
}

/* What an agent does with a plan before its reader sees it. */
static void strip(json_t *document)
{
	json_t *item, *source;
	size_t i, j;

	json_array_foreach(json_object_get(document, "filters"), i, item)
	{
		json_object_del(item, "chunks");
		json_object_set_new(item, "rules", json_array());
	}
	json_array_foreach(json_object_get(document, "sessions"), i, item)
	{
		json_object_del(item, "label");
		json_object_del(item, "offline");
		json_array_foreach(json_object_get(item, "sources"), j, source)
		{
			json_object_del(source, "interface");
		}
	}
}

static void test_the_agents_reader_takes_it(void **state)
{
	VTAP_CLEANUP(vtap_config_freep) struct vtap_config *config = NULL;
	struct vtap_error error = {};
	struct world w;

	setup(&w);
	world_session_filter(&w, "tms-1", "proj-a", 1, true, "eni-1", "tmt-1", "tmf-1");
	world_session(&w, "tms-2", "proj-a", 2, true, "eni-1", "tmt-1");
	world_put(&w, "wire", "{s:s, s:s, s:s}", "id", "wire-1", "host", "host-1", "device", "eth0");
	world_session(&w, "tms-3", "proj-a", 3, true, "wire-1", "tmt-1");
	VTAP_CLEANUP(vtap_host_plan_freep) struct vtap_host_plan *plan = make(&w, "host-1");
	json_auto_t *document = document_of(plan);
	strip(document);
	assert_int_equal(vtap_config_read(document, refused, NULL, &config, &error), 0);
	assert_int_equal(config->session_count, 3);
	assert_int_equal(config->target_count, 1);
	assert_int_equal(config->filter_count, 1);
	assert_int_equal(config->never_mirror_count, 1);
	assert_string_equal(config->uplink, "eth0");
	assert_int_equal(config->sessions[2].sources[0].side, VTAP_SIDE_OWN);
	world_end(&w);
}

static void test_the_hash_is_that_of_the_content(void **state)
{
	uint64_t other, changed;
	struct world w;

	setup(&w);
	world_session(&w, "tms-1", "proj-a", 1, true, "eni-1", "tmt-1");
	world_session_filter(&w, "tms-2", "proj-a", 2, true, "eni-1", "tmt-1", "tmf-1");
	VTAP_CLEANUP(vtap_host_plan_freep) struct vtap_host_plan *first = make(&w, "host-1");
	world_interface(&w, "eni-1", "proj-a", "host-1", "tap1", "host", NULL, "web");
	VTAP_CLEANUP(vtap_host_plan_freep) struct vtap_host_plan *same = make(&w, "host-1");
	assert_string_equal(first->hash, same->hash);
	other = vtap_host_plan_part(first, "tms-1")->hash;
	changed = vtap_host_plan_part(first, "tms-2")->hash;

	world_put(&w, "filter", "{s:s, s:s, s:[s, s]}", "id", "tmf-1", "project", "proj-a", "chunks", "c0ffee", "beef");
	VTAP_CLEANUP(vtap_host_plan_freep) struct vtap_host_plan *second = make(&w, "host-1");
	assert_string_not_equal(first->hash, second->hash);
	assert_int_equal(vtap_host_plan_part(second, "tms-1")->hash, other);
	assert_true(vtap_host_plan_part(second, "tms-2")->hash != changed);
	world_end(&w);
}

static void add_sessions(struct world *w, int count)
{
	for (int i = 0; i < count; i++) {
		char id[32];

		/* The older a session is the later its id stands in order. */
		sprintf(id, "tms-%04d", 9999 - i);
		world_session(w, id, "proj-a", 1 + i, true, "eni-1", "tmt-1");
	}
}

static void test_the_youngest_sessions_stay_out(void **state)
{
	struct world w;

	setup(&w);
	add_sessions(&w, VTAP_SESSIONS_MAX);
	VTAP_CLEANUP(vtap_host_plan_freep) struct vtap_host_plan *full = make(&w, "host-1");
	json_auto_t *document = document_of(full);
	assert_int_equal(json_array_size(json_object_get(document, "sessions")), VTAP_SESSIONS_MAX);

	world_session(&w, "tms-0000", "proj-a", 2000, true, "eni-1", "tmt-1");
	VTAP_CLEANUP(vtap_host_plan_freep) struct vtap_host_plan *over = make(&w, "host-1");
	assert_string_equal(over->text, full->text);
	assert_true(vtap_host_plan_part(over, "tms-0000")->left_out);
	assert_false(vtap_host_plan_part(over, "tms-9999")->left_out);
	world_end(&w);
}

static void test_sources_beyond_the_number_stay_out(void **state)
{
	struct world w;

	setup(&w);
	world_session(&w, "tms-1", "proj-a", 1, true, "tag:role", "tmt-1");
	for (int i = 0; i <= VTAP_SOURCES_MAX; i++) {
		VTAP_CLEANUP(vtap_host_plan_freep) struct vtap_host_plan *plan = NULL;
		char id[32], device[16];

		sprintf(id, "eni-%d", 100 + i);
		sprintf(device, "vnet%d", i);
		world_interface(&w, id, "proj-a", "host-1", device, "host", NULL, "web");
		if (i < VTAP_SOURCES_MAX - 1)
			continue;
		plan = make(&w, "host-1");
		json_auto_t *document = document_of(plan);
		assert_int_equal(json_array_size(json_object_get(
				     json_array_get(json_object_get(document, "sessions"), 0), "sources")),
				 VTAP_SOURCES_MAX);
		assert_int_equal(vtap_host_plan_part(plan, "tms-1")->sources_left_out, i == VTAP_SOURCES_MAX);
	}
	world_end(&w);
}

static size_t never_mirror_count(struct world *w, const char *host)
{
	VTAP_CLEANUP(vtap_host_plan_freep) struct vtap_host_plan *plan = make(w, host);
	json_auto_t *document = document_of(plan);

	return json_array_size(json_object_get(document, "never_mirror"));
}

static void add_target(struct world *w, int number)
{
	char target[32], session[32], address[32];

	sprintf(target, "tmt-%d", 100 + number);
	sprintf(session, "tms-%d", 100 + number);
	sprintf(address, "198.51.%d.%d", number / 250, 1 + number % 250);
	world_put(w, "target", "{s:s, s:s, s:s, s:b}", "id", target, "project", "proj-a", "address", address, "enabled",
		  true);
	world_session(w, session, "proj-a", 100 + number, true, "eni-1", target);
}

static void test_endpoints_only_where_tunnels_pass(void **state)
{
	struct world w;

	setup(&w);
	world_session(&w, "tms-1", "proj-a", 1, true, "eni-1", "tmt-1");
	world_session(&w, "tms-2", "proj-a", 1, true, "eni-2", "tmt-1");
	assert_int_equal(never_mirror_count(&w, "host-1"), 0);
	world_interface(&w, "eni-2", "proj-a", "host-2", "eth0", "own", NULL, NULL);
	assert_int_equal(never_mirror_count(&w, "host-1"), 0);
	assert_int_equal(never_mirror_count(&w, "host-2"), 1);
	add_target(&w, 1);
	assert_int_equal(never_mirror_count(&w, "host-2"), 2);
	world_end(&w);
}

/* Beyond the number, only those of hosts between which copies can go in circles. */
static void test_endpoints_have_a_limit(void **state)
{
	struct world w;

	setup(&w);
	world_interface(&w, "eni-2", "proj-a", "host-2", "eth0", "own", NULL, NULL);
	world_session(&w, "tms-1", "proj-a", 1, true, "eni-2", "tmt-1");
	for (int i = 1; i < VTAP_NEVER_MIRROR_MAX; i++)
		add_target(&w, i);
	assert_int_equal(never_mirror_count(&w, "host-2"), VTAP_NEVER_MIRROR_MAX);
	add_target(&w, VTAP_NEVER_MIRROR_MAX);
	assert_int_equal(never_mirror_count(&w, "host-2"), 1);
	world_end(&w);
}

static void test_ports_have_a_limit(void **state)
{
	struct world w;

	setup(&w);
	world_interface(&w, "eni-2", "proj-a", "host-2", "eth0", "own", NULL, NULL);
	world_session(&w, "tms-1", "proj-a", 1, true, "eni-2", "tmt-1");
	for (int i = 0; i < VTAP_TUNNEL_PORTS_MAX; i++) {
		char id[32];

		assert_int_equal(never_mirror_count(&w, "host-2"), 1 + i);
		sprintf(id, "tms-%d", 10 + i);
		world_put(&w, "session", "{s:s, s:s, s:i, s:s, s:b, s:[s], s:s, s:{s:s, s:i, s:i}}", "id", id,
			  "project", "proj-a", "number", 10 + i, "mode", "exclusive", "enabled", true, "sources",
			  "eni-1", "target", "tmt-1", "encapsulation", "type", "vxlan", "vni", 1, "port", 5000 + i);
	}
	assert_int_equal(never_mirror_count(&w, "host-2"), VTAP_TUNNEL_PORTS_MAX);
	world_end(&w);
}

#define MANY_HOSTS 1000
#define MANY_INTERFACES 10000

/* However much there is, a change is one of the hosts that it concerns. */
static void test_a_change_among_many(void **state)
{
	char id[32], host[32], device[32], session[32];
	const char *touched;
	struct world w;

	setup(&w);
	for (int i = 0; i < MANY_INTERFACES; i++) {
		sprintf(id, "eni-m%d", i);
		sprintf(host, "host-m%d", i % MANY_HOSTS);
		sprintf(device, "tap%d", i / MANY_HOSTS);
		sprintf(session, "tms-m%d", i);
		if (i < MANY_HOSTS)
			world_put(&w, "host", "{s:s}", "id", host);
		world_interface(&w, id, "proj-a", host, device, "host", NULL, NULL);
		world_session(&w, session, "proj-a", 1, true, id, "tmt-1");
	}
	while (vtap_resolver_take_host(w.resolver))
		;
	world_session(&w, "tms-m4711", "proj-a", 2, true, "eni-m4711", "tmt-1");
	touched = vtap_resolver_take_host(w.resolver);
	assert_string_equal(touched, "host-m711");
	assert_null(vtap_resolver_take_host(w.resolver));
	VTAP_CLEANUP(vtap_host_plan_freep) struct vtap_host_plan *plan = make(&w, "host-m711");
	assert_int_equal(plan->part_count, MANY_INTERFACES / MANY_HOSTS);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_whole_document),
	    cmocka_unit_test(test_a_host_without_sessions),
	    cmocka_unit_test(test_the_agents_reader_takes_it),
	    cmocka_unit_test(test_the_hash_is_that_of_the_content),
	    cmocka_unit_test(test_the_youngest_sessions_stay_out),
	    cmocka_unit_test(test_sources_beyond_the_number_stay_out),
	    cmocka_unit_test(test_endpoints_only_where_tunnels_pass),
	    cmocka_unit_test(test_endpoints_have_a_limit),
	    cmocka_unit_test(test_ports_have_a_limit),
	    cmocka_unit_test(test_a_change_among_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
