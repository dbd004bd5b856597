/* SPDX-License-Identifier: Apache-2.0 */

/* Which session takes a packet and why, and packets that a session takes. */

#include <netinet/in.h>
#include <stdlib.h>

#include "controller/probe.h"
#include "packet.h"
#include "world.h"

static json_t *chunk; /* owned by the test: the rules of the one filter */

static unsigned chunks_read;

static const json_t *find_chunk(const char *hash, void *userdata)
{
	chunks_read++;
	return !strcmp(hash, "h") ? chunk : NULL;
}

static void setup(struct world *w, const char *rules)
{
	world_begin(w);
	chunk = json_loads(rules, 0, NULL);
	assert_non_null(chunk);
	world_put(w, "project", "{s:s, s:[]}", "id", "proj-a", "grants");
	world_put(w, "host", "{s:s}", "id", "host-1");
	world_put(w, "target", "{s:s, s:s, s:s, s:b, s:i, s:b, s:i, s:i, s:n}", "id", "tmt-1", "project", "proj-a",
		  "address", "192.0.2.1", "enabled", true, "mtu", 0, "df", false, "dscp", 0, "ttl", 64, "local");
	world_put(w, "filter", "{s:s, s:s, s:[s]}", "id", "tmf-1", "project", "proj-a", "chunks", "h");
	world_interface(w, "eni-1", "proj-a", "host-1", "tap1", "host", NULL, NULL);
}

static void finish(struct world *w)
{
	world_end(w);
	json_decref(chunk);
}

static struct vtap_trace *trace_of(struct world *w)
{
	struct vtap_trace *t = NULL;

	assert_int_equal(vtap_trace_new(w->resolver, find_chunk, NULL, "eni-1", &t), 0);
	return t;
}

static void assert_said(struct vtap_trace *t, size_t i, const char *session, bool taken, const char *reason)
{
	assert_string_equal(t->sessions[i].cover.session, session);
	assert_string_equal(t->sessions[i].reason, reason);
	assert_int_equal(t->sessions[i].taken, taken);
}

static struct vtap_packet web(void)
{
	const struct unit_packet p = {.src = "10.0.0.7",
				      .dst = "10.0.0.5",
				      .protocol = IPPROTO_TCP,
				      .sport = 40000,
				      .dport = 443,
				      .flags = VTAP_PACKET_PORTS};

	return unit_packet_make(&p);
}

static const char rules[] = "[{\"id\": \"tmfr-1\", \"direction\": \"in\", \"number\": 10, \"action\": \"reject\", "
			    "\"source\": \"10.0.0.0/29\", \"ethertype\": \"ip\"},"
			    " {\"id\": \"tmfr-2\", \"direction\": \"in\", \"number\": 20, \"action\": \"accept\", "
			    "\"protocol\": \"tcp\", \"destination_ports\": \"443\", \"ethertype\": \"ip\"}]";

static void test_the_first_takes_it(void **state)
{
	struct vtap_packet p = web();
	struct world w;

	setup(&w, "[]");
	world_session_filter(&w, "tms-2", "proj-a", 2, true, "eni-1", "tmt-1", NULL);
	world_session_filter(&w, "tms-1", "proj-a", 1, true, "eni-1", "tmt-1", NULL);
	world_session_filter(&w, "tms-3", "proj-a", 3, false, "eni-1", "tmt-1", NULL);
	VTAP_CLEANUP(vtap_trace_freep) struct vtap_trace *t = trace_of(&w);
	assert_int_equal(t->session_count, 3);
	assert_int_equal(vtap_trace_packet(t, VTAP_DIRECTION_IN, &p), 0);
	assert_said(t, 0, "tms-1", true, "it takes everything, as it has no filter");
	assert_said(t, 1, "tms-2", false,
		    "it takes everything, as it has no filter, but session tms-1, which is tried before, has taken it");
	assert_said(t, 2, "tms-3", false, "the session does not run: see its state");
	finish(&w);
}

static void test_rules_decide(void **state)
{
	struct vtap_packet p = web();
	struct world w;

	setup(&w, rules);
	world_session_filter(&w, "tms-1", "proj-a", 1, true, "eni-1", "tmt-1", "tmf-1");
	world_session_filter(&w, "tms-2", "proj-a", 2, true, "eni-1", "tmt-1", NULL);
	VTAP_CLEANUP(vtap_trace_freep) struct vtap_trace *t = trace_of(&w);
	assert_int_equal(vtap_trace_packet(t, VTAP_DIRECTION_IN, &p), 0);
	assert_said(t, 0, "tms-1", false, "rule 10 rejects it");
	assert_true(t->sessions[0].decided);
	assert_int_equal(t->sessions[0].rule_number, 10);
	assert_said(t, 1, "tms-2", true, "it takes everything, as it has no filter");
	p.src_bytes[15] = 9;
	assert_int_equal(vtap_trace_packet(t, VTAP_DIRECTION_IN, &p), 0);
	assert_said(t, 0, "tms-1", true, "rule 20 accepts it");
	p.dport = 80;
	assert_int_equal(vtap_trace_packet(t, VTAP_DIRECTION_IN, &p), 0);
	assert_said(t, 0, "tms-1", false, "no rule of its filter for direction in matches");
	assert_false(t->sessions[0].decided);
	finish(&w);
}

/* A rule that depends on what nobody has said decides nothing, and that is said. */
static void test_what_was_not_given(void **state)
{
	struct vtap_packet p = web();
	struct world w;

	setup(&w, rules);
	world_session_filter(&w, "tms-1", "proj-a", 1, true, "eni-1", "tmt-1", "tmf-1");
	world_session_filter(&w, "tms-2", "proj-a", 2, true, "eni-1", "tmt-1", NULL);
	VTAP_CLEANUP(vtap_trace_freep) struct vtap_trace *t = trace_of(&w);
	p.src_bytes[15] = 9;
	t->assumed = VTAP_TRACE_SOURCE;
	assert_int_equal(vtap_trace_packet(t, VTAP_DIRECTION_IN, &p), 0);
	assert_said(t, 0, "tms-1", true, "rule 20 accepts it; rule 10 depends on source, which was not given");
	assert_said(t, 1, "tms-2", false,
		    "it takes everything, as it has no filter, but session tms-1, which is tried before, has taken it");
	t->assumed = VTAP_TRACE_PROTOCOL | VTAP_TRACE_DESTINATION_PORT;
	p.dport = 0;
	assert_int_equal(vtap_trace_packet(t, VTAP_DIRECTION_IN, &p), 0);
	assert_said(
	    t, 0, "tms-1", false,
	    "no rule of its filter for direction in matches; rule 20 depends on destination_port, which was not "
	    "given");
	t->assumed |= VTAP_TRACE_SOURCE | VTAP_TRACE_ICMP_TYPE;
	p.protocol = IPPROTO_UDP;
	assert_int_equal(vtap_trace_packet(t, VTAP_DIRECTION_IN, &p), 0);
	assert_said(t, 0, "tms-1", false,
		    "no rule of its filter for direction in matches; rule 10 depends on source, which was not given");
	t->assumed = VTAP_TRACE_DESTINATION | VTAP_TRACE_ICMP_CODE;
	assert_int_equal(vtap_trace_packet(t, VTAP_DIRECTION_IN, &p), 0);
	assert_said(t, 0, "tms-1", false, "no rule of its filter for direction in matches");
	finish(&w);
}

static json_t *session_value(struct world *w, const char *id)
{
	return json_deep_copy(vtap_resolver_value(w->resolver, id));
}

static void test_a_reject_that_stops(void **state)
{
	struct vtap_packet p = web();
	struct world w;
	json_t *value;

	setup(&w, rules);
	world_session_filter(&w, "tms-1", "proj-a", 1, true, "eni-1", "tmt-1", "tmf-1");
	world_session_filter(&w, "tms-2", "proj-a", 2, true, "eni-1", "tmt-1", NULL);
	world_session_filter(&w, "tms-3", "proj-a", 0, true, "eni-1", "tmt-1", NULL);
	value = session_value(&w, "tms-1");
	json_object_set_new(value, "on_reject", json_string("stop"));
	world_put_value(&w, "session", value);
	value = session_value(&w, "tms-3");
	json_object_set_new(value, "mode", json_string("copy"));
	json_object_set_new(value, "direction", json_string("in"));
	world_put_value(&w, "session", value);
	VTAP_CLEANUP(vtap_trace_freep) struct vtap_trace *t = trace_of(&w);
	assert_int_equal(vtap_trace_packet(t, VTAP_DIRECTION_IN, &p), 0);
	assert_said(t, 0, "tms-1", false, "rule 10 rejects it, and for all sessions that are tried later");
	assert_said(
	    t, 1, "tms-2", false,
	    "it takes everything, as it has no filter, but session tms-1, which is tried before, has rejected it "
	    "for all");
	assert_said(t, 2, "tms-3", true, "it takes everything, as it has no filter");
	assert_int_equal(vtap_trace_packet(t, VTAP_DIRECTION_OUT, &p), 0);
	assert_said(t, 2, "tms-3", false, "it does not mirror what the interface sends");
	finish(&w);
}

static void test_what_is_not_there(void **state)
{
	struct vtap_packet p = web();
	struct world w;

	setup(&w, rules);
	world_interface(&w, "eni-1", "proj-a", NULL, NULL, "host", NULL, NULL);
	world_session_filter(&w, "tms-1", "proj-a", 1, true, "eni-1", "tmt-1", "tmf-1");
	VTAP_CLEANUP(vtap_trace_freep) struct vtap_trace *t = trace_of(&w);
	assert_int_equal(vtap_trace_packet(t, VTAP_DIRECTION_IN, &p), 0);
	assert_said(t, 0, "tms-1", false, "eni-1 is not plugged: it needs a host and a device");
	finish(&w);
}

static void test_a_session_that_agents_refuse(void **state)
{
	struct vtap_packet p = web();
	struct world w;
	json_t *value;

	setup(&w, rules);
	world_session_filter(&w, "tms-1", "proj-a", 1, true, "eni-1", "tmt-1", "tmf-1");
	value = session_value(&w, "tms-1");
	json_object_set_new(value, "packet_length", json_integer(1 << 20));
	world_put_value(&w, "session", value);
	VTAP_CLEANUP(vtap_trace_freep) struct vtap_trace *t = trace_of(&w);
	assert_int_equal(vtap_trace_packet(t, VTAP_DIRECTION_IN, &p), 0);
	assert_false(t->sessions[0].taken);
	assert_non_null(strstr(t->sessions[0].reason, "agents refuse the session: packet_length must be"));
	finish(&w);
}

static void find_probe(struct world *w, const char *session, const char *own, struct vtap_packet *ret_packet,
		       enum vtap_direction *ret_direction)
{
	VTAP_CLEANUP(vtap_trace_freep) struct vtap_trace *t = trace_of(w);
	struct vtap_probe_side side = {};
	struct vtap_addr address;

	if (own) {
		assert_int_equal(vtap_addr_parse(own, &address), 0);
		side = (struct vtap_probe_side){&address, 1};
	}
	assert_int_equal(vtap_probe_find(t, session, &side, ret_direction, ret_packet), 0);
	assert_true(vtap_trace_takes(t, session, *ret_direction, ret_packet));
}

static void test_a_probe_avoids_what_is_rejected(void **state)
{
	enum vtap_direction direction;
	struct vtap_packet p;
	struct world w;

	setup(&w, rules);
	world_session_filter(&w, "tms-1", "proj-a", 1, true, "eni-1", "tmt-1", "tmf-1");
	find_probe(&w, "tms-1", "10.0.0.5", &p, &direction);
	json_auto_t *json = vtap_probe_json(&p);
	assert_int_equal(direction, VTAP_DIRECTION_IN);
	assert_string_equal(json_string_value(json_object_get(json, "destination")), "10.0.0.5");
	assert_int_equal(json_integer_value(json_object_get(json, "destination_port")), 443);
	assert_int_equal(json_integer_value(json_object_get(json, "protocol")), IPPROTO_TCP);
	assert_true(json_is_null(json_object_get(json, "vlan")));
	finish(&w);
}

static void test_no_probe_where_nothing_can_be_taken(void **state)
{
	const struct vtap_probe_side none = {};
	enum vtap_direction direction;
	struct vtap_packet p;
	struct world w;

	setup(&w, "[]");
	world_session_filter(&w, "tms-1", "proj-a", 1, true, "eni-1", "tmt-1", NULL);
	world_session_filter(&w, "tms-2", "proj-a", 2, true, "eni-1", "tmt-1", NULL);
	world_session_filter(&w, "tms-3", "proj-a", 3, true, "eni-1", "tmt-1", "tmf-1");
	VTAP_CLEANUP(vtap_trace_freep) struct vtap_trace *t = trace_of(&w);
	assert_int_equal(vtap_probe_find(t, "tms-2", &none, &direction, &p), -ENOENT);
	assert_int_equal(vtap_probe_find(t, "tms-3", &none, &direction, &p), -ENOENT);
	assert_int_equal(vtap_probe_find(t, "tms-9", &none, &direction, &p), -ENOENT);
	find_probe(&w, "tms-1", NULL, &p, &direction);
	finish(&w);
}

/* Each kind of rule by itself has a packet; with any own address. */
static void test_a_probe_for_each_kind_of_rule(void **state)
{
	static const char *const conditions[] = {
	    "\"ethertype\": \"ip\"",
	    "\"ethertype\": \"any\"",
	    "\"ethertype\": \"arp\"",
	    "\"ethertype\": \"ip\", \"protocol\": \"icmp\", \"icmp_type\": 3, \"icmp_code\": 1",
	    "\"ethertype\": \"ip\", \"protocol\": \"icmpv6\"",
	    "\"ethertype\": \"ipv6\"",
	    "\"ethertype\": \"ip\", \"vlan\": 7",
	    "\"ethertype\": \"ip\", \"protocol\": \"gre\"",
	    "\"ethertype\": \"ip\", \"source\": \"2001:db8::/32\"",
	    "\"ethertype\": \"ip\", \"destination\": \"198.51.100.4/30\"",
	    "\"ethertype\": \"ip\", \"destination\": \"198.51.100.4/32\"",
	    "\"ethertype\": \"ip\", \"protocol\": \"udp\", \"source_ports\": \"100-200\", \"destination_ports\": "
	    "\"53\"",
	};

	for (size_t i = 0; i < 2 * VTAP_ARRAY_SIZE(conditions); i++) {
		enum vtap_direction direction;
		struct vtap_packet p;
		struct world w;
		char text[512];

		sprintf(text, "[{\"direction\": \"%s\", \"number\": 1, \"action\": \"accept\", %s}]",
			i % 2 ? "in" : "out", conditions[i / 2]);
		setup(&w, text);
		world_session_filter(&w, "tms-1", "proj-a", 1, true, "eni-1", "tmt-1", "tmf-1");
		find_probe(&w, "tms-1", i % 3 ? "10.0.0.5" : "2001:db8::5", &p, &direction);
		assert_int_equal(direction, i % 2 ? VTAP_DIRECTION_IN : VTAP_DIRECTION_OUT);
		finish(&w);
	}
}

/* A filter of many chunks is read as far as agents would. */
static void test_a_filter_that_is_too_long(void **state)
{
	for (int count = VTAP_FILTER_RULES_MAX; count <= VTAP_FILTER_RULES_MAX + 1; count++) {
		json_t *list = json_array();
		struct vtap_packet p = web();
		struct world w;
		char *text;

		for (int i = 1; i <= count; i++)
			json_array_append_new(list, json_pack("{s:s, s:i, s:s, s:s}", "direction", "in", "number", i,
							      "action", "accept", "ethertype", "ip"));
		text = json_dumps(list, 0);
		setup(&w, text);
		free(text);
		json_decref(list);
		world_put(&w, "filter", "{s:s, s:s, s:[sss]}", "id", "tmf-1", "project", "proj-a", "chunks", "h", "x",
			  "y");
		world_session_filter(&w, "tms-1", "proj-a", 1, true, "eni-1", "tmt-1", "tmf-1");
		chunks_read = 0;
		VTAP_CLEANUP(vtap_trace_freep) struct vtap_trace *t = trace_of(&w);
		assert_int_equal(vtap_trace_packet(t, VTAP_DIRECTION_IN, &p), 0);
		assert_int_equal(t->sessions[0].taken, count == VTAP_FILTER_RULES_MAX);
		assert_int_equal(chunks_read, count == VTAP_FILTER_RULES_MAX ? 3 : 1);
		if (count > VTAP_FILTER_RULES_MAX)
			assert_non_null(
			    strstr(t->sessions[0].reason, "a filter has at most 64 rules for direction in"));
		finish(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_first_takes_it),
	    cmocka_unit_test(test_rules_decide),
	    cmocka_unit_test(test_what_was_not_given),
	    cmocka_unit_test(test_a_reject_that_stops),
	    cmocka_unit_test(test_what_is_not_there),
	    cmocka_unit_test(test_a_session_that_agents_refuse),
	    cmocka_unit_test(test_a_filter_that_is_too_long),
	    cmocka_unit_test(test_a_probe_avoids_what_is_rejected),
	    cmocka_unit_test(test_no_probe_where_nothing_can_be_taken),
	    cmocka_unit_test(test_a_probe_for_each_kind_of_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
