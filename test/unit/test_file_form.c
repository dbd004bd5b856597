/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whatever the controller takes, an agent takes: targets, rules and sessions made of random values are normalised, and what
 * passes is put into a file and read. The seed is fixed, so that a failure can be repeated.
 */

#include "model/file_form.h"

#include "resource.h"
#include "unit.h"

#define SEED 0x9e3779b97f4a7c15ULL
#define ROUNDS 8000

#define SESSION "'number': 1, 'target': '" UNIT_ID("tmt") "', 'sources': ['tag:role=web']"
#define SESSION_FORM                                                                                                   \
	"'name': 'tms-00000000000000abc', 'enabled': true, 'direction': 'both', 'target': '" UNIT_ID(                  \
	    "tmt") "',"                                                                                                \
		   " 'packet_length': 0, 'mtu_policy': 'fit', 'on_reject': 'next',"                                    \
		   " 'limit': {'packets_per_second': 0, 'bits_per_second': 0}, 'checksum': 'complete', "

static void test_forms(void **state)
{
	static const struct {
		const char *kind, *input, *form;
	} rows[] = {
	    {"target", "{'address': '172.31.0.2', 'name': 'ids', 'tags': {'a': 'b'}, 'enabled': false}",
	     "{'name': 'tmt-00000000000000abc', 'address': '172.31.0.2', 'df': false, 'dscp': 0, 'ttl': 64}"},
	    {"target", "{'address': '172.31.0.2', 'mtu': 1400, 'local': '172.31.0.1', 'df': true, 'dscp': 46}",
	     "{'name': 'tmt-00000000000000abc', 'address': '172.31.0.2', 'df': true, 'dscp': 46, 'ttl': 64,"
	     " 'mtu': 1400, 'local': '172.31.0.1'}"},
	    {"target", "{'interface': '" UNIT_ID("eni") "'}",
	     "{'name': 'tmt-00000000000000abc', 'df': false, 'dscp': 0, 'ttl': 64}"},
	    {"rule", "{'filter': '" UNIT_ID("tmf") "', 'direction': 'in', 'number': 10, 'name': 'x'}",
	     "{'direction': 'in', 'number': 10, 'action': 'accept', 'ethertype': 'ip'}"},
	    {"rule",
	     "{'filter': '" UNIT_ID(
		 "tmf") "', 'direction': 'out', 'number': 1, 'action': 'reject', 'protocol': 1,"
			" 'source': '10.0.0.0/8', 'destination': '10.0.0.1', 'source_ports': '0-65535', 'icmp_type': 0,"
			" 'icmp_code': 0, 'vlan': 1, 'ethertype': 'ipv4'}",
	     "{'direction': 'out', 'number': 1, 'action': 'reject', 'protocol': 'icmp', 'source': '10.0.0.0/8',"
	     " 'destination': '10.0.0.1/32', 'source_ports': '0-65535', 'icmp_type': 0, 'icmp_code': 0, 'vlan': 1,"
	     " 'ethertype': 'ipv4'}"},
	    {"session", "{" SESSION ", 'encapsulation': {'vni': 66}}",
	     "{" SESSION_FORM "'number': 1, 'mode': 'exclusive',"
	     " 'encapsulation': {'type': 'vxlan', 'vni': 66, 'port': 4789}, 'sample': {}}"},
	    {"session",
	     "{'mode': 'copy', 'target': '" UNIT_ID("tmt") "', 'sources': ['tag:a'], 'filter': '" UNIT_ID(
		 "tmf") "',"
			" 'sample': {'flows': 10}, 'offline': 'stop-after 1h', 'encapsulation': {'vni': 0}}",
	     "{" SESSION_FORM "'mode': 'copy', 'filter': '" UNIT_ID(
		 "tmf") "',"
			" 'encapsulation': {'type': 'vxlan', 'vni': 0, 'port': 4789}, 'sample': {'flows': 10}}"},
	    {"session", "{" SESSION ", 'sample': {'packets': 2}, 'encapsulation': {'port': 1}}",
	     "{" SESSION_FORM "'number': 1, 'mode': 'exclusive', 'encapsulation': {'type': 'vxlan', 'port': 1},"
	     " 'sample': {'packets': 2}}"},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		json_auto_t *resource = unit_stored(rows[i].kind, rows[i].input), *form = NULL;
		json_auto_t *expected = unit_json(rows[i].form);

		assert_int_equal(vtap_file_form(vtap_kind_find(rows[i].kind), resource, &form), 0);
		if (!json_equal(form, expected)) {
			_cleanup_free_ char *text = json_dumps(form, 0);

			fail_msg("%s becomes %s", rows[i].input, text);
		}
	}
}

static uint64_t random_state;

static uint64_t draw(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

/* Good and bad values of each type, so that checks between members are met. */
static const char *const texts[VTAP_TYPE_MAX][16] = {
    [VTAP_TYPE_ADDRESS] = {"10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2", "0.0.0.0", "127.0.0.1", "224.0.0.1",
			   "ff02::1", "::", "::1", "240.0.0.1", "fe80::1", "10.0.0"},
    [VTAP_TYPE_PREFIX] = {"0.0.0.0/0", "::/0", "10.0.0.0/8", "10.0.0.1", "2001:db8::/32", "2001:db8::1", "10.0.0.1/8",
			  "::ffff:0.0.0.0/96"},
    [VTAP_TYPE_PORTS] = {"0", "80", "65535", "0-65535", "80-443", "443-80", "80-80", "1-65535", "0-0"},
    [VTAP_TYPE_OFFLINE] = {"keep", "stop-after 10m", "stop-after 0s"},
    [VTAP_TYPE_ETHERTYPE] = {"0x0600", "0x8100", "0xffff", "0x05ff", "0x0800", "0x86dd", "0x88a8"},
    [VTAP_TYPE_PROTOCOL] = {"0", "1", "6", "17", "58", "132", "255", "256"},
};

static json_t *draw_text(enum vtap_type type)
{
	size_t count = 0;

	while (count < VTAP_ARRAY_SIZE(texts[type]) && texts[type][count])
		count++;
	return json_string(texts[type][draw(count)]);
}

static json_t *draw_word(const struct vtap_word *words)
{
	size_t count = 0;

	while (words[count].name)
		count++;
	return json_string(words[draw(count)].name);
}

/* Often an end of the range, sometimes right behind it. */
static json_t *draw_number(const struct vtap_attribute *a)
{
	const uint64_t ends[] = {a->min, a->min + 1, a->max - 1, a->max, a->max + 1, 0, 1};
	uint64_t pick = draw(VTAP_ARRAY_SIZE(ends) * 3);

	if (pick < VTAP_ARRAY_SIZE(ends) && draw(4) == 0)
		return json_integer((json_int_t)ends[pick]);
	if (pick < 4)
		return json_integer((json_int_t)ends[pick]);
	return json_integer((json_int_t)(a->min + draw(a->max - a->min + 1)));
}

static json_t *draw_value(const struct vtap_attribute *a)
{
	json_t *object;
	char id[VTAP_ID_STRLEN];

	switch (a->type) {
	case VTAP_TYPE_NUMBER:
		return draw_number(a);
	case VTAP_TYPE_BOOL:
		return json_boolean(draw(2));
	case VTAP_TYPE_WORD:
		return draw_word(a->words);
	case VTAP_TYPE_PROTOCOL:
	case VTAP_TYPE_ETHERTYPE:
		return draw(3) ? draw_word(a->words) : draw_text(a->type);
	case VTAP_TYPE_REFERENCE:
		vtap_id_make(vtap_kind_find(a->flags & VTAP_ATTRIBUTE_LIST ? "interface" : a->kinds),
			     "0123456789abcdef0", id);
		return json_string(id);
	case VTAP_TYPE_OBJECT:
		object = json_object();
		for (const struct vtap_attribute *m = a->attributes; m->name; m++)
			if (draw(2))
				json_object_set_new(object, m->name, draw(8) ? draw_value(m) : json_null());
		return object;
	default:
		return draw_text(a->type);
	}
}

/* Members come and go, so that most inputs are good. */
static json_t *draw_input(const struct vtap_kind *kind)
{
	json_t *input = json_object();

	for (const struct vtap_attribute *a = kind->attributes; a->name; a++) {
		json_t *value;

		if ((a->flags & VTAP_ATTRIBUTE_COMPUTED) || (!(a->flags & VTAP_ATTRIBUTE_REQUIRED) && draw(4)))
			continue;
		value = draw(10) ? draw_value(a) : json_null();
		json_object_set_new(input, a->name, a->flags & VTAP_ATTRIBUTE_LIST ? json_pack("[o]", value) : value);
	}
	return input;
}

/* A file around one thing. */
static json_t *make_file(const struct vtap_kind *kind, json_t *form)
{
	json_auto_t *target = json_pack("{ssss}", "name", UNIT_ID("tmt"), "address", "192.0.2.1");
	json_auto_t *filter = json_pack("{sss[]}", "name", UNIT_ID("tmf"), "rules");

	if (strcmp(kind->name, "target") == 0)
		return json_pack("{s[O]s[]}", "targets", form, "sessions");
	if (strcmp(kind->name, "rule") == 0)
		return json_pack("{s[{sss[O]}]s[]}", "filters", "name", "f", "rules", form, "sessions");
	return json_pack("{s[O]s[O]s[O]}", "targets", target, "filters", filter, "sessions", form);
}

/* What the controller finds out, as the plan has it. */
static void complete(const struct vtap_kind *kind, json_t *form)
{
	json_t *encapsulation = json_object_get(form, "encapsulation");

	if (strcmp(kind->name, "session") == 0)
		json_object_set_new(form, "sources", json_pack("[{ss}]", "device", "v1"));
	if (encapsulation && !json_object_get(encapsulation, "vni"))
		json_object_set_new(encapsulation, "vni", json_integer(66));
	if (strcmp(kind->name, "target") == 0 && !json_object_get(form, "address"))
		json_object_set_new(form, "address",
				    json_string(strchr(json_string_value(json_object_get(form, "local")) ?: "", ':')
						    ? "2001:db8::9"
						    : "192.0.2.9"));
}

/* Returns whether the input was taken. */
static bool read_back(const struct vtap_kind *kind)
{
	json_auto_t *input = draw_input(kind), *resource = NULL, *form = NULL, *file = NULL;
	struct vtap_normalize n = {.kind = kind, .input = input};
	_cleanup_free_ char *text = NULL;
	char id[VTAP_ID_STRLEN];

	if (vtap_resource_normalize(&n, &resource, NULL) < 0)
		return false;
	vtap_id_make(kind, "0123456789abcdef1", id);
	json_object_set_new(resource, "id", json_string(id));
	assert_int_equal(vtap_file_form(kind, resource, &form), 0);
	complete(kind, form);
	file = make_file(kind, form);
	text = json_dumps(file, 0);
	assert_non_null(text);
	vtap_config_free(unit_parse(text)); /* fails with the file and the sentence */
	return true;
}

static void try_kind(const char *name)
{
	const struct vtap_kind *kind = vtap_kind_find(name);
	size_t taken = 0;

	random_state = SEED;
	for (size_t i = 0; i < ROUNDS; i++)
		taken += read_back(kind);
	/* Both ways are gone often enough to mean something. */
	print_message("%s: %zu of %d taken\n", name, taken, ROUNDS);
	assert_in_range(taken, ROUNDS / 20, ROUNDS - ROUNDS / 20);
}

static void test_random_targets(void **state)
{
	try_kind("target");
}

static void test_random_rules(void **state)
{
	try_kind("rule");
}

static void test_random_sessions(void **state)
{
	try_kind("session");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_forms),
	    cmocka_unit_test(test_random_targets),
	    cmocka_unit_test(test_random_rules),
	    cmocka_unit_test(test_random_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
