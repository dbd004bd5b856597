/* SPDX-License-Identifier: Apache-2.0 */

/* Sessions beside each other, and the form and limits of the compiled table. */

#include "unit.h"

#include "packet.h"

#define SESSIONS_MAX 6

static struct vtap_rule accept_rules[] = {{
    .number = 1,
    .action = VTAP_ACTION_ACCEPT,
    .source_port_last = UINT16_MAX,
    .destination_port_last = UINT16_MAX,
    .protocol = -1,
    .icmp_type = -1,
    .icmp_code = -1,
    .vlan = -1,
    .ethertype = VTAP_ETHERTYPE_IP,
}};
static struct vtap_rule reject_rules[] = {{
    .number = 1,
    .action = VTAP_ACTION_REJECT,
    .source_port_last = UINT16_MAX,
    .destination_port_last = UINT16_MAX,
    .protocol = -1,
    .icmp_type = -1,
    .icmp_code = -1,
    .vlan = -1,
    .ethertype = VTAP_ETHERTYPE_IP,
}};
static const struct vtap_filter accepting = {.rules = {accept_rules, accept_rules}, .rule_count = {1, 1}};
static const struct vtap_filter rejecting = {.rules = {reject_rules, reject_rules}, .rule_count = {1, 1}};
static const struct vtap_filter silent = {};

static const struct unit_packet ip = {.src = "10.0.0.1", .dst = "10.0.0.2"};
static const struct unit_packet arp = {.ethertype = 0x0806};

struct given {
	enum vtap_mode mode;
	uint32_t number;
	const struct vtap_filter *filter;
	enum vtap_on_reject on_reject;
	bool disabled;
	bool other_direction;
};

#define X(session_number, its_filter, ...)                                                                             \
	{                                                                                                              \
		.mode = VTAP_MODE_EXCLUSIVE, .number = (session_number), .filter = (its_filter), __VA_ARGS__           \
	}
#define C(its_filter, ...)                                                                                             \
	{                                                                                                              \
		.mode = VTAP_MODE_COPY, .filter = (its_filter), __VA_ARGS__                                            \
	}
#define STOP .on_reject = VTAP_ON_REJECT_STOP

/* taken: one letter for each session in the order given, 'y' for a copy. */
static const struct {
	struct given sessions[SESSIONS_MAX];
	const struct unit_packet *packet;
	const char *taken;
} rows[] = {
    {{X(1, &accepting)}, &ip, "y"},
    {{X(1, &accepting)}, &arp, "n"},
    {{X(1, NULL)}, &arp, "y"},
    {{X(1, &silent)}, &ip, "n"},
    {{X(1, &rejecting)}, &ip, "n"},

    /* The lowest number that accepts takes it, in whatever order they come. */
    {{X(1, &accepting), X(2, &accepting)}, &ip, "yn"},
    {{X(2, &accepting), X(1, &accepting)}, &ip, "ny"},
    {{X(3, NULL), X(2, &rejecting), X(1, &silent)}, &ip, "ynn"},
    {{X(3, NULL), X(2, NULL)}, &arp, "ny"},

    /* A final reject stops those behind it, and only an explicit one does. */
    {{X(1, &rejecting, STOP), X(2, &accepting)}, &ip, "nn"},
    {{X(1, &rejecting), X(2, &accepting)}, &ip, "ny"},
    {{X(1, &silent, STOP), X(2, &accepting)}, &ip, "ny"},
    {{X(1, &rejecting, STOP), X(2, NULL)}, &arp, "ny"},
    {{X(2, &rejecting, STOP), X(1, &accepting)}, &ip, "ny"},
    {{X(2, &rejecting, STOP), X(1, &rejecting), X(3, &accepting)}, &ip, "nnn"},

    /* Copy sessions get their own, whatever the others do, and stop nobody. */
    {{C(&accepting), C(NULL), C(&rejecting), C(&silent)}, &ip, "yynn"},
    {{X(1, &accepting), C(&accepting)}, &ip, "yy"},
    {{X(1, &rejecting, STOP), C(&accepting), X(2, NULL)}, &ip, "nyn"},
    {{C(&rejecting, STOP), X(1, &accepting)}, &ip, "ny"},

    /* What is not enabled or not for this direction is not there. */
    {{X(1, &accepting, .disabled = true), X(2, &accepting)}, &ip, "ny"},
    {{X(1, &accepting, .other_direction = true), X(2, &accepting)}, &ip, "ny"},
    {{X(1, &rejecting, STOP, .disabled = true), X(2, &accepting)}, &ip, "ny"},
    {{C(NULL, .disabled = true), C(NULL, .other_direction = true)}, &ip, "nn"},
};

static void make_session(const struct given *g, enum vtap_direction direction, struct vtap_session *ret)
{
	*ret = (struct vtap_session){
	    .mode = g->mode,
	    .number = g->number,
	    .filter = g->filter,
	    .on_reject = g->on_reject,
	    .enabled = !g->disabled,
	    .direction = {!g->other_direction, !g->other_direction},
	};
	ret->direction[!direction] = g->other_direction;
}

static void check_row(size_t row, enum vtap_direction direction)
{
	struct vtap_classify_session sessions[SESSIONS_MAX];
	struct vtap_session bodies[SESSIONS_MAX];
	struct vtap_packet packet = unit_packet_make(rows[row].packet);
	size_t count = strlen(rows[row].taken);
	bool taken[SESSIONS_MAX] = {};
	struct vtap_plan plan;
	uint64_t bits;

	for (size_t i = 0; i < count; i++) {
		make_session(&rows[row].sessions[i], direction, &bodies[i]);
		sessions[i] = (struct vtap_classify_session){.session = &bodies[i], .slot = (uint16_t)(100 + i)};
	}
	vtap_classify_oracle(sessions, count, direction, &packet, taken);
	for (size_t i = 0; i < count; i++)
		if (taken[i] != (rows[row].taken[i] == 'y'))
			fail_msg("oracle, row %zu, session %zu: %d", row, i, taken[i]);

	assert_int_equal(vtap_classify_compile(sessions, count, direction, &plan, NULL), 0);
	bits = vtap_classify_lookup(&plan, &packet);
	for (size_t i = 0; i < plan.session_count; i++)
		if (((bits >> i) & 1) != (rows[row].taken[plan.slots[i] - 100] == 'y'))
			fail_msg("lookup, row %zu, session %d", row, plan.slots[i] - 100);
	assert_true(plan.session_count == 64 || bits >> plan.session_count == 0);
}

static void test_sessions(void **state)
{
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		check_row(i, VTAP_DIRECTION_IN);
		check_row(i, VTAP_DIRECTION_OUT);
	}
}

/* Exclusive by ascending number, then copy in the order of the input. */
static void test_order(void **state)
{
	static const struct given given[] = {C(&accepting), X(7, NULL, STOP), C(NULL, STOP), X(3, &rejecting),
					     X(5, NULL)};
	static const uint16_t slots[] = {13, 14, 11, 10, 12};
	struct vtap_classify_session sessions[VTAP_ARRAY_SIZE(given)];
	struct vtap_session bodies[VTAP_ARRAY_SIZE(given)];
	struct vtap_plan plan;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(given); i++) {
		make_session(&given[i], VTAP_DIRECTION_IN, &bodies[i]);
		sessions[i] = (struct vtap_classify_session){.session = &bodies[i], .slot = (uint16_t)(10 + i)};
	}
	assert_int_equal(vtap_classify_compile(sessions, VTAP_ARRAY_SIZE(given), VTAP_DIRECTION_IN, &plan, NULL), 0);
	assert_int_equal(plan.session_count, 5);
	assert_memory_equal(plan.slots, slots, sizeof(slots));
	assert_int_equal(plan.exclusive, 0x07);
	assert_int_equal(plan.stop, 0x04);
	assert_int_equal(plan.all, 0x16);
	assert_int_equal(plan.rule_count, 2);
	assert_int_equal(plan.rules[0].session, 0);
	assert_int_equal(plan.rules[0].accept, 0);
	assert_int_equal(plan.rules[1].session, 3);
	assert_int_equal(plan.rules[1].accept, 1);

	assert_int_equal(vtap_classify_compile(NULL, 0, VTAP_DIRECTION_IN, &plan, NULL), 0);
	assert_int_equal(plan.session_count + plan.rule_count, 0);
}

static void test_fields(void **state)
{
	static const char rule[] =
	    "      - {direction: in, number: 10, action: accept, protocol: tcp, source: 10.0.0.0/9, "
	    "destination: 10.0.0.1, destination_ports: 80-443, vlan: 7, ethertype: ipv4}";
	static const uint8_t src_mask[16] = {[12] = 0xff, [13] = 0x80}, dst[16] = {[12] = 10, [15] = 1};
	_cleanup_free_ char *text = unit_edit(9, rule);
	VTAP_CLEANUP(vtap_config_freep) struct vtap_config *c = unit_parse(text);
	struct vtap_classify_session s = {.session = &c->sessions[0], .slot = 5};
	const struct vtap_plan_rule *r;
	struct vtap_plan plan;

	assert_int_equal(vtap_classify_compile(&s, 1, VTAP_DIRECTION_IN, &plan, NULL), 0);
	r = &plan.rules[0];
	assert_memory_equal(r->src_mask, src_mask, sizeof(src_mask));
	assert_memory_equal(r->dst, dst, sizeof(dst));
	assert_int_equal(r->families, VTAP_PACKET_IPV4);
	assert_int_equal(r->needs, VTAP_RULE_NEEDS_PORTS | VTAP_RULE_NEEDS_PROTOCOL | VTAP_RULE_NEEDS_VLAN |
				       VTAP_RULE_NEEDS_ETHERTYPE);
	assert_int_equal(r->sport_first, 0);
	assert_int_equal(r->sport_last, 65535);
	assert_int_equal(r->dport_first, 80);
	assert_int_equal(r->dport_last, 443);
	assert_int_equal(r->protocol, 6);
	assert_int_equal(r->vlan, 7);
	assert_int_equal(r->ethertype, 0x0800);

	assert_int_equal(vtap_classify_compile(&s, 1, VTAP_DIRECTION_OUT, &plan, NULL), 0);
	r = &plan.rules[0];
	assert_int_equal(r->families, VTAP_PACKET_IPV4 | VTAP_PACKET_IPV6);
	assert_int_equal(r->needs, 0);
}

/* 64 sessions fit. Of 65, the last in the order of the plan is named, and the plan stays as it was. */
static void test_session_limit(void **state)
{
	struct vtap_classify_session sessions[VTAP_ABI_PLAN_SESSIONS + 6], turned[VTAP_ABI_PLAN_SESSIONS + 6];
	struct vtap_session bodies[VTAP_ABI_PLAN_SESSIONS + 6];
	struct vtap_plan plan, before;
	struct vtap_error error = {};

	for (unsigned i = 0; i < VTAP_ARRAY_SIZE(sessions); i++) {
		bodies[i] =
		    (struct vtap_session){.number = 100 - i, .line = 1000 + i, .enabled = true, .direction = {true}};
		snprintf(bodies[i].name, sizeof(bodies[i].name), "s%u", i);
		sessions[i] = (struct vtap_classify_session){.session = &bodies[i], .slot = (uint16_t)i};
	}
	assert_int_equal(vtap_classify_compile(sessions, 64, VTAP_DIRECTION_IN, &plan, &error), 0);
	assert_int_equal(plan.session_count, 64);
	assert_int_equal(plan.slots[63], 0);
	assert_true(plan.all == UINT64_MAX);

	before = plan;
	assert_int_equal(vtap_classify_compile(sessions, 65, VTAP_DIRECTION_IN, &plan, &error), -E2BIG);
	assert_memory_equal(&plan, &before, sizeof(plan));
	assert_int_equal(error.line, 1000);
	assert_string_equal(error.text, "session \"s0\" is one too many: an interface takes 64 sessions per direction");

	/* Of 70 it is the 65th, in whatever order they come. */
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(sessions); i++)
		turned[i] = sessions[VTAP_ARRAY_SIZE(sessions) - 1 - i];
	assert_int_equal(vtap_classify_compile(sessions, 70, VTAP_DIRECTION_IN, &plan, &error), -E2BIG);
	assert_int_equal(error.line, 1005);
	assert_int_equal(vtap_classify_compile(turned, 70, VTAP_DIRECTION_IN, &plan, &error), -E2BIG);
	assert_int_equal(error.line, 1005);

	bodies[30].mode = VTAP_MODE_COPY;
	assert_int_equal(vtap_classify_compile(sessions, 65, VTAP_DIRECTION_IN, &plan, &error), -E2BIG);
	assert_int_equal(error.line, 1030);
	bodies[30].enabled = false;
	assert_int_equal(vtap_classify_compile(sessions, 65, VTAP_DIRECTION_IN, &plan, &error), 0);
	assert_int_equal(vtap_classify_compile(sessions, 65, VTAP_DIRECTION_OUT, &plan, &error), 0);
	assert_int_equal(plan.session_count, 0);
}

static void test_rule_limit(void **state)
{
	struct vtap_rule rules[VTAP_FILTER_RULES_MAX];
	struct vtap_filter most = {.rules = {rules}, .rule_count = {VTAP_FILTER_RULES_MAX - 1}};
	struct vtap_session first = {
	    .name = "first", .number = 1, .enabled = true, .direction = {true}, .filter = &most};
	struct vtap_session second = {
	    .name = "second", .line = 7, .number = 2, .enabled = true, .direction = {true}, .filter = &accepting};
	struct vtap_classify_session sessions[] = {{.session = &second, .slot = 2}, {.session = &first, .slot = 1}};
	struct vtap_error error = {};
	struct vtap_plan plan;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rules); i++)
		rules[i] = accept_rules[0];
	assert_int_equal(vtap_classify_compile(sessions, 2, VTAP_DIRECTION_IN, &plan, &error), 0);
	assert_int_equal(plan.rule_count, VTAP_ABI_PLAN_RULES);
	assert_int_equal(plan.rules[63].session, 1);

	most.rule_count[VTAP_DIRECTION_IN]++;
	assert_int_equal(vtap_classify_compile(sessions, 2, VTAP_DIRECTION_IN, &plan, &error), -E2BIG);
	assert_int_equal(error.line, 7);
	assert_string_equal(error.text,
			    "with session \"second\" the rules for one interface and direction are 65, and at "
			    "most 64 are possible");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sessions),      cmocka_unit_test(test_order),      cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_session_limit), cmocka_unit_test(test_rule_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
