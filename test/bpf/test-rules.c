// SPDX-License-Identifier: Apache-2.0

/* Who gets a packet: sessions as a file has them, compiled by src/classify, walked by the kernel. */

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "classify/classify.h"
#include "lab.h"

#define TEXT_MAX_BYTES 32768

static const struct frame_shape web = {.ip = 4, .protocol = IPPROTO_TCP, .sport = 40000, .dport = 80};
static const struct frame_shape dns = {.ip = 4, .protocol = IPPROTO_UDP, .sport = 40000, .dport = 53};
static const struct frame_shape ping6 = {.ip = 6, .protocol = IPPROTO_ICMPV6, .icmp_type = 128};
static const struct frame_shape arp = {.ethertype = 0x0806, .payload_bytes = 28};

#define FILTERS                                                                                                        \
	"filters:\n"                                                                                                   \
	"  - {name: web, rules: [{direction: out, number: 10, action: accept, protocol: tcp, destination_ports: "      \
	"80}]}\n"                                                                                                      \
	"  - {name: no-web, rules: [{direction: out, number: 10, action: reject, protocol: tcp, destination_ports: "   \
	"80},\n"                                                                                                       \
	"                           {direction: out, number: 20, action: accept}]}\n"                                  \
	"  - {name: web-twice, rules: [{direction: out, number: 20, action: reject, destination: 10.0.0.0/8},\n"       \
	"                              {direction: out, number: 10, action: accept, protocol: tcp}]}\n"                \
	"  - {name: inwards, rules: [{direction: in, number: 10, action: accept}]}\n"                                  \
	"  - {name: empty, rules: []}\n"
#define HEAD "targets: [{name: t, address: 192.0.2.2}]\n" FILTERS "sessions:\n"
#define SESSION(name, rest)                                                                                            \
	"  - {name: " name ", sources: [{device: s0}], target: t, encapsulation: {vni: 1}, " rest "}\n"

struct entry {
	const char *name;
	const char *text;
	const struct frame_shape *shape;
	const char *taken; /* names of the sessions that get a copy, in the file's order */
};

static const struct entry entries[] = {
    {"no filter: every frame", HEAD SESSION("a", "number: 1"), &arp, "a"},
    {"a rule accepts", HEAD SESSION("a", "number: 1, filter: web"), &web, "a"},
    {"no rule matches", HEAD SESSION("a", "number: 1, filter: web"), &dns, ""},
    {"an empty filter", HEAD SESSION("a", "number: 1, filter: empty"), &dns, ""},
    {"rules of the other direction", HEAD SESSION("a", "number: 1, filter: inwards"), &dns, ""},
    {"a session of the other direction", HEAD SESSION("a", "number: 1, direction: in"), &dns, ""},
    {"a disabled session", HEAD SESSION("a", "number: 1, enabled: false"), &dns, ""},
    {"a rule rejects", HEAD SESSION("a", "number: 1, filter: no-web"), &web, ""},
    {"a later rule accepts", HEAD SESSION("a", "number: 1, filter: no-web"), &ping6, "a"},
    {"rules without an ethertype are about IP", HEAD SESSION("a", "number: 1, filter: no-web"), &arp, ""},
    {"the lowest number decides", HEAD SESSION("a", "number: 1, filter: web-twice"), &web, "a"},
    {"the next one decides for others", HEAD SESSION("a", "number: 1, filter: web-twice"), &dns, ""},
    {"exclusive: the first by number", HEAD SESSION("a", "number: 2") SESSION("b", "number: 1"), &web, "b"},
    {"exclusive: the next when the first does not match",
     HEAD SESSION("a", "number: 2") SESSION("b", "number: 1, filter: web"), &dns, "a"},
    {"a reject goes on to the next",
     HEAD SESSION("a", "number: 1, filter: no-web, on_reject: next") SESSION("b", "number: 2"), &web, "b"},
    {"a reject that is final",
     HEAD SESSION("a", "number: 1, filter: no-web, on_reject: stop") SESSION("b", "number: 2"), &web, ""},
    {"a final reject comes too late",
     HEAD SESSION("a", "number: 2, filter: no-web, on_reject: stop") SESSION("b", "number: 1"), &web, "b"},
    {"no match is no reject", HEAD SESSION("a", "number: 1, filter: web, on_reject: stop") SESSION("b", "number: 2"),
     &dns, "b"},
    {"copy sessions get their own",
     HEAD SESSION("a", "mode: copy") SESSION("b", "number: 1") SESSION("c", "mode: copy, filter: web"), &web, "abc"},
    {"copy sessions heed no final reject",
     HEAD SESSION("a", "mode: copy") SESSION("b", "number: 1, filter: no-web, on_reject: stop"), &web, "a"},
};

static struct vtap_config *parse(const char *name, const char *text)
{
	struct vtap_config *config = NULL;
	struct vtap_error e = {};

	if (vtap_config_parse(text, strlen(text), &config, &e) < 0)
		fail_msg("%s: line %u: %s: %s", name, e.line, e.field, e.text);
	return config;
}

/* The sessions at the source's ingress, session i with slot i. */
static void sessions_set(struct lab *l, const struct vtap_config *config)
{
	struct vtap_classify_session sessions[VTAP_ABI_PLAN_SESSIONS];
	struct vtap_error e = {};
	struct vtap_plan plan;

	for (size_t i = 0; i < config->session_count; i++)
		sessions[i] = (struct vtap_classify_session){&config->sessions[i], (uint16_t)i};
	if (vtap_classify_compile(sessions, config->session_count, VTAP_DIRECTION_OUT, &plan, &e) < 0)
		fail_msg("%s", e.text);
	lab_plan(l, VTAP_HOOK_INGRESS, &plan);
}

static void run(struct lab *l, const struct frame_shape *shape)
{
	struct frame f;

	frame_build(shape, &f);
	lab_run(l, VTAP_HOOK_INGRESS, &f, NULL, 1);
}

static uint64_t matched(struct lab *l, size_t slot)
{
	assert_int_equal(lab_count(l, (uint16_t)slot, VTAP_DIRECTION_IN, VTAP_MATCHED_PACKETS), 0);
	return lab_count(l, (uint16_t)slot, VTAP_DIRECTION_OUT, VTAP_MATCHED_PACKETS);
}

static void sessions_take_what_their_rules_say(void **state)
{
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(entries); i++) {
		VTAP_CLEANUP(vtap_config_freep) struct vtap_config *config = parse(entries[i].name, entries[i].text);

		assert_int_equal(lab_reset(state), 0);
		sessions_set(*state, config);
		run(*state, entries[i].shape);
		for (size_t j = 0; j < config->session_count; j++) {
			uint64_t wanted = strchr(entries[i].taken, *config->sessions[j].name) != NULL;

			if (matched(*state, j) != wanted)
				fail_msg("%s: session %s: matched %u, not %u times", entries[i].name,
					 config->sessions[j].name, (unsigned)matched(*state, j), (unsigned)wanted);
		}
	}
}

/* The last of as many rules as an interface and direction can hold, in the first and in the last of its sessions. */
static void the_last_rule_counts(void **state)
{
	struct frame_shape shape = dns;
	char text[TEXT_MAX_BYTES];
	int n = snprintf(text, sizeof(text),
			 "targets: [{name: t, address: 192.0.2.2}]\nfilters:\n  - name: f\n    rules:\n");

	for (int i = 1; i <= VTAP_ABI_PLAN_RULES; i++)
		n += snprintf(
		    text + n, sizeof(text) - (size_t)n,
		    "      - {direction: out, number: %d, action: accept, protocol: udp, destination_ports: %d}\n", i,
		    i);
	(void)snprintf(text + n, sizeof(text) - (size_t)n, "sessions:\n" SESSION("a", "number: 1, filter: f"));

	VTAP_CLEANUP(vtap_config_freep) struct vtap_config *config = parse("64 rules", text);

	sessions_set(*state, config);
	for (uint16_t port = 1; port <= VTAP_ABI_PLAN_RULES + 1; port++) {
		shape.dport = port;
		run(*state, &shape);
		assert_int_equal(matched(*state, 0), VTAP_MIN(port, VTAP_ABI_PLAN_RULES));
	}
}

static void the_last_session_counts(void **state)
{
	char text[TEXT_MAX_BYTES];
	int n = snprintf(text, sizeof(text), HEAD);

	for (int i = 1; i <= VTAP_ABI_PLAN_SESSIONS; i++)
		n += snprintf(
		    text + n, sizeof(text) - (size_t)n,
		    "  - {name: s%d, mode: copy, sources: [{device: s0}], target: t, encapsulation: {vni: %d}%s}\n", i,
		    i, i == VTAP_ABI_PLAN_SESSIONS ? ", filter: web" : "");

	VTAP_CLEANUP(vtap_config_freep) struct vtap_config *config = parse("64 sessions", text);

	sessions_set(*state, config);
	run(*state, &dns);
	run(*state, &web);
	for (size_t i = 0; i < VTAP_ABI_PLAN_SESSIONS; i++)
		assert_int_equal(matched(*state, i), i == VTAP_ABI_PLAN_SESSIONS - 1 ? 1 : 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(sessions_take_what_their_rules_say, lab_reset),
	    cmocka_unit_test_setup(the_last_rule_counts, lab_reset),
	    cmocka_unit_test_setup(the_last_session_counts, lab_reset),
	};

	return lab_main("bpf-rules", tests, VTAP_ARRAY_SIZE(tests));
}
