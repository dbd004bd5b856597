/* SPDX-License-Identifier: Apache-2.0 */

#include <stdlib.h>

#include "agent/wanted.h"
#include "unit.h"

/* Devices d1, d2 ... exist with these indexes; "absent" does not. */
static uint32_t device(void *userdata, const struct vtap_source *source)
{
	return source->device[0] == 'd' ? (uint32_t)strtoul(source->device + 1, NULL, 10) : 0;
}

static int make(const struct vtap_config *config, struct vtap_wanted **ret_wanted, struct vtap_error *reterr)
{
	uint16_t *slots = calloc(config->session_count + 1, sizeof(*slots));
	const struct vtap_wanted_source from = {.device = device, .slots = slots};
	int r;

	assert_non_null(slots);
	for (size_t i = 0; i < config->session_count; i++)
		slots[i] = (uint16_t)(100 + i);
	r = vtap_wanted_make(config, &from, ret_wanted, reterr);
	free(slots);
	return r;
}

/* The result for a file whose sessions are these lines. */
static struct vtap_wanted *wanted(const char *sessions)
{
	VTAP_CLEANUP(vtap_config_freep) struct vtap_config *config = NULL;
	_cleanup_free_ char *text = NULL;
	struct vtap_wanted *w = NULL;

	assert_true(asprintf(&text,
			     "never_mirror: [{address: 10.9.0.1, port: 4789}, {address: 'fd00::1', port: 6081}]\n"
			     "targets: [{name: ids, address: 172.31.0.2}, {name: six, address: 'fd00::1'}]\n"
			     "filters:\n"
			     "  - name: web\n"
			     "    rules:\n"
			     "      - {direction: in, number: 1, action: accept, protocol: tcp}\n"
			     "      - {direction: out, number: 1, action: reject, protocol: udp}\n"
			     "      - {direction: out, number: 2, action: accept}\n"
			     "sessions:%s\n",
			     sessions) >= 0);
	config = unit_parse(text);
	assert_int_equal(make(config, &w, NULL), 0);
	return w;
}

static void test_hooks(void **state)
{
	assert_int_equal(vtap_wanted_hook(VTAP_SIDE_HOST, VTAP_DIRECTION_IN), VTAP_HOOK_EGRESS);
	assert_int_equal(vtap_wanted_hook(VTAP_SIDE_HOST, VTAP_DIRECTION_OUT), VTAP_HOOK_INGRESS);
	assert_int_equal(vtap_wanted_hook(VTAP_SIDE_OWN, VTAP_DIRECTION_IN), VTAP_HOOK_INGRESS);
	assert_int_equal(vtap_wanted_hook(VTAP_SIDE_OWN, VTAP_DIRECTION_OUT), VTAP_HOOK_EGRESS);
}

static void test_sides_and_directions(void **state)
{
	static const struct {
		const char *side, *direction;
		bool ingress, egress;
	} cases[] = {
	    {"host", "in", false, true}, {"host", "out", true, false}, {"host", "both", true, true},
	    {"own", "in", true, false},  {"own", "out", false, true},  {"own", "both", true, true},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		VTAP_CLEANUP(vtap_wanted_freep) struct vtap_wanted *w = NULL;
		bool host = !strcmp(cases[i].side, "host");
		char text[256];

		snprintf(text, sizeof(text),
			 " [{name: a, number: 1, sources: [{device: d5, side: %s}], direction: %s, target: ids, "
			 "encapsulation: {vni: 1}}]",
			 cases[i].side, cases[i].direction);
		w = wanted(text);
		assert_int_equal(w->port_count, 1);
		assert_int_equal(w->ports[0].ifindex, 5);
		assert_int_equal(w->ports[0].used[VTAP_HOOK_INGRESS], cases[i].ingress);
		assert_int_equal(w->ports[0].used[VTAP_HOOK_EGRESS], cases[i].egress);
		assert_int_equal(!!w->ports[0].plans[VTAP_HOOK_INGRESS], cases[i].ingress);
		assert_int_equal(!!w->ports[0].plans[VTAP_HOOK_EGRESS], cases[i].egress);
		assert_int_equal(w->ports[0].direction[VTAP_HOOK_INGRESS],
				 host ? VTAP_DIRECTION_OUT : VTAP_DIRECTION_IN);
		assert_int_equal(w->ports[0].direction[VTAP_HOOK_EGRESS],
				 host ? VTAP_DIRECTION_IN : VTAP_DIRECTION_OUT);
	}
}

/* Each hook has the rules of its direction, exclusive sessions by number, copies behind them, each with its slot. */
static void test_rule_tables(void **state)
{
	VTAP_CLEANUP(vtap_wanted_freep)
	struct vtap_wanted *w = wanted(
	    "\n  - {name: copy, mode: copy, sources: [{device: d5}], target: ids, encapsulation: {vni: 1}}"
	    "\n  - {name: late, number: 9, sources: [{device: d5}, {device: d6}], target: ids, encapsulation: {vni: 1}}"
	    "\n  - {name: early, number: 2, sources: [{device: d5}], filter: web, target: ids, encapsulation: {vni: 1}}"
	    "\n  - {name: off, number: 3, enabled: false, sources: [{device: d5}, {device: d7}], target: ids, "
	    "encapsulation: {vni: 1}}");
	const struct vtap_plan *in, *out;

	assert_int_equal(w->port_count, 2);
	assert_int_equal(w->ports[0].ifindex, 5);
	assert_int_equal(w->ports[1].ifindex, 6);
	in = w->ports[0].plans[VTAP_HOOK_EGRESS];
	out = w->ports[0].plans[VTAP_HOOK_INGRESS];
	assert_int_equal(in->session_count, 3);
	assert_int_equal(in->slots[0], 102);
	assert_int_equal(in->slots[1], 101);
	assert_int_equal(in->slots[2], 100);
	assert_int_equal(in->exclusive, 3);
	assert_int_equal(in->all, 6);
	assert_int_equal(in->rule_count, 1);
	assert_int_equal(in->rules[0].accept, 1);
	assert_int_equal(out->rule_count, 2);
	assert_int_equal(out->rules[0].accept, 0);
	assert_int_equal(w->ports[1].plans[VTAP_HOOK_INGRESS]->slots[0], 101);
	assert_int_equal(w->ports[1].plans[VTAP_HOOK_INGRESS]->session_count, 1);
}

static void test_absent_devices_are_left_out(void **state)
{
	VTAP_CLEANUP(vtap_wanted_freep)
	struct vtap_wanted *w = wanted(
	    " [{name: a, number: 1, sources: [{device: absent}, {device: d3}], target: ids, encapsulation: {vni: 1}}]");

	assert_int_equal(w->port_count, 1);
	assert_int_equal(w->ports[0].ifindex, 3);
}

static bool guarded(const struct vtap_wanted *w, const uint8_t address[16], uint32_t port)
{
	size_t found = 0;

	for (size_t i = 0; i < w->guard_count; i++)
		found += !memcmp(w->guards[i].address, address, 16) && w->guards[i].port == port;
	assert_in_range(found, 0, 1);
	return found;
}

/* Targets of sessions, disabled ones too, and never_mirror; each endpoint once. */
static void test_guards(void **state)
{
	static const uint8_t ids[16] = {[12] = 172, 31, 0, 2}, other[16] = {[12] = 10, 9, 0, 1},
			     six[16] = {0xfd, [15] = 1};
	VTAP_CLEANUP(vtap_wanted_freep)
	struct vtap_wanted *w = wanted(
	    "\n  - {name: a, number: 1, sources: [{device: d5}], target: ids, encapsulation: {vni: 1}}"
	    "\n  - {name: b, number: 2, sources: [{device: d5}], target: ids, encapsulation: {vni: 2}}"
	    "\n  - {name: c, number: 3, enabled: false, sources: [{device: d5}], target: ids, encapsulation: {vni: 3, "
	    "port: 8472}}"
	    "\n  - {name: d, number: 4, sources: [{device: d5}], target: six, encapsulation: {vni: 4, port: 6081}}");

	assert_int_equal(w->guard_count, 4);
	assert_true(guarded(w, ids, 4789));
	assert_true(guarded(w, ids, 8472));
	assert_true(guarded(w, other, 4789));
	assert_true(guarded(w, six, 6081));
}

static void test_no_sessions(void **state)
{
	VTAP_CLEANUP(vtap_wanted_freep) struct vtap_wanted *w = wanted(" []");

	assert_int_equal(w->port_count, 0);
	assert_int_equal(w->guard_count, 2);
}

/* More endpoints than a file can name, so that the data plane's own limit is met. */
static void test_limit_of_guards(void **state)
{
	_cleanup_free_ struct vtap_endpoint *endpoints = calloc(VTAP_ABI_GUARDS + 1, sizeof(*endpoints));
	struct vtap_config config = {.never_mirror = endpoints, .never_mirror_count = VTAP_ABI_GUARDS};
	VTAP_CLEANUP(vtap_wanted_freep) struct vtap_wanted *w = NULL;
	struct vtap_error error = {};

	assert_non_null(endpoints);
	for (size_t i = 0; i <= VTAP_ABI_GUARDS; i++)
		endpoints[i] = (struct vtap_endpoint){
		    .address = {.family = AF_INET, .bytes = {10, 9, i >> 8, i & 0xff}}, .port = 4789};
	assert_int_equal(make(&config, &w, &error), 0);
	assert_int_equal(w->guard_count, VTAP_ABI_GUARDS);
	w = vtap_wanted_free(w);
	config.never_mirror_count++;
	assert_int_equal(make(&config, &w, &error), -E2BIG);
	assert_null(w);
	assert_string_equal(error.field, "never_mirror");
}

struct refusal {
	uint32_t ifindex;
	int error;
	size_t count;
};

static void on_refused(void *userdata, uint32_t ifindex, int error)
{
	struct refusal *refusal = userdata;

	*refusal = (struct refusal){ifindex, error, refusal->count + 1};
}

static int make_telling(const struct vtap_config *config, struct refusal *refusal, struct vtap_wanted **ret_wanted)
{
	uint16_t slots[VTAP_SESSIONS_MAX];
	const struct vtap_wanted_source from = {
	    .device = device, .refused = on_refused, .userdata = refusal, .slots = slots};

	for (uint16_t i = 0; i < VTAP_SESSIONS_MAX; i++)
		slots[i] = i;
	return vtap_wanted_make(config, &from, ret_wanted, NULL);
}

static void test_limit_of_devices(void **state)
{
	enum { SOURCES = VTAP_ABI_PORTS };
	struct vtap_source sources[SOURCES] = {};
	struct vtap_target target = {.address = {.family = AF_INET, .bytes = {172, 31, 0, 2}}};
	struct vtap_session session = {.name = "a",
				       .number = 1,
				       .enabled = true,
				       .direction = {true, true},
				       .target = &target,
				       .port = 4789,
				       .sources = sources,
				       .source_count = SOURCES - 1};
	struct vtap_config config = {.sessions = &session, .session_count = 1, .targets = &target, .target_count = 1};
	VTAP_CLEANUP(vtap_wanted_freep) struct vtap_wanted *w = NULL;
	struct vtap_error error = {};
	struct refusal refusal = {};

	for (unsigned i = 0; i < SOURCES; i++) {
		sources[i].line = i + 1;
		snprintf(sources[i].device, sizeof(sources[i].device), "d%u", i + 1);
	}
	assert_int_equal(make(&config, &w, &error), 0);
	assert_int_equal(w->port_count, VTAP_WANTED_PORTS_MAX);
	assert_int_equal(vtap_wanted_check(&config, &error), 0);
	w = vtap_wanted_free(w);
	session.source_count++;
	assert_int_equal(make(&config, &w, &error), -E2BIG);
	assert_int_equal(error.line, SOURCES);
	assert_string_equal(error.field, "sessions[0].sources[1023].device");
	assert_string_equal(error.text, "d1024 is one source too many, at session a: one host can have at most 1023");
	assert_int_equal(vtap_wanted_check(&config, NULL), -E2BIG);
	/* Or only that one is left out, and told. */
	assert_int_equal(make_telling(&config, &refusal, &w), 0);
	assert_int_equal(w->port_count, VTAP_WANTED_PORTS_MAX);
	assert_int_equal(refusal.ifindex, SOURCES);
	assert_int_equal(refusal.error, -ENOSPC);
}

/*
 * That many sessions, each of whose devices has two rule tables of its own; the last one has two devices, which share theirs.
 * Devices that are not there ("x1" ...) count only for vtap_wanted_check().
 */
static struct vtap_config *config_of_tables(unsigned session_count, char prefix)
{
	_cleanup_free_ char *text = NULL;
	size_t size_bytes;
	FILE *out = open_memstream(&text, &size_bytes);

	assert_non_null(out);
	fputs("targets: [{name: ids, address: 172.31.0.2}]\n"
	      "filters: [{name: web, rules: [{direction: in, number: 1, action: accept, protocol: tcp}]}]\n"
	      "sessions:\n",
	      out);
	for (unsigned i = 1; i <= session_count; i++) {
		fprintf(out, "  - {name: s%u, number: 1, target: ids, filter: web, encapsulation: {vni: 1}, ", i);
		fprintf(out, "sources: [{device: %c%u}%s]}\n", prefix, i,
			i == session_count ? ", {device: d1023}" : "");
	}
	fclose(out);
	return unit_parse(text);
}

static void test_limit_of_tables(void **state)
{
	enum { SESSIONS = VTAP_WANTED_TABLES_MAX / 2 };
	VTAP_CLEANUP(vtap_config_freep) struct vtap_config *fits = config_of_tables(SESSIONS, 'd');
	VTAP_CLEANUP(vtap_config_freep) struct vtap_config *too_many = config_of_tables(SESSIONS + 1, 'd');
	VTAP_CLEANUP(vtap_config_freep) struct vtap_config *to_come = config_of_tables(SESSIONS + 1, 'x');
	VTAP_CLEANUP(vtap_wanted_freep) struct vtap_wanted *w = NULL;
	struct vtap_error error = {};
	struct refusal refusal = {};

	assert_int_equal(vtap_wanted_check(fits, &error), 0);
	assert_int_equal(make(fits, &w, &error), 0);
	assert_int_equal(w->port_count, SESSIONS + 1);
	w = vtap_wanted_free(w);
	assert_int_equal(make(too_many, &w, &error), -E2BIG);
	assert_int_equal(error.line, 3 + SESSIONS + 1);
	assert_string_equal(error.field, "sessions[480].sources[0].device");
	assert_string_equal(error.text,
			    "d481 needs one rule table too many, at session s481: one host can have at most "
			    "960 different ones, one for each direction of a device");
	/* Foreseen also while the devices are not there. */
	assert_int_equal(make(to_come, &w, &error), 0);
	w = vtap_wanted_free(w);
	assert_int_equal(vtap_wanted_check(to_come, &error), -E2BIG);
	/* Or what finds no room is left out, and told; the rest is complete. */
	assert_int_equal(make_telling(too_many, &refusal, &w), 0);
	assert_int_equal(w->port_count, SESSIONS);
	assert_int_equal(refusal.count, 2);
	assert_int_equal(refusal.ifindex, 1023);
	assert_int_equal(refusal.error, -E2BIG);
	for (size_t i = 0; i < w->port_count; i++)
		assert_int_equal(w->ports[i].ifindex, i + 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hooks),           cmocka_unit_test(test_sides_and_directions),
	    cmocka_unit_test(test_rule_tables),     cmocka_unit_test(test_absent_devices_are_left_out),
	    cmocka_unit_test(test_guards),          cmocka_unit_test(test_no_sessions),
	    cmocka_unit_test(test_limit_of_guards), cmocka_unit_test(test_limit_of_devices),
	    cmocka_unit_test(test_limit_of_tables),
	};

	return cmocka_run_group_tests_name("wanted", tests, NULL, NULL);
}
