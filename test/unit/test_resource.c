/* SPDX-License-Identifier: Apache-2.0 */

#include "resource.h"

#include "unit.h"

#define TARGET UNIT_ID("tmt")
#define SESSION "'number': 1, 'target': '" TARGET "', 'sources': ['tag:role=web']"
#define RULE "'filter': '" UNIT_ID("tmf") "', 'direction': 'in', 'number': 10"
#define REST "'description': '', 'tags': {}"

/* The least that creates one of each kind, and all that comes of it. */
static void test_defaults(void **state)
{
	static const struct {
		const char *kind, *input, *resource;
	} rows[] = {
	    {"project", "{}",
	     "{'name': null, " REST ", 'account_id': null, 'region': 'local', 'profile': 'native',"
	     " 'quotas': {'sessions': null, 'targets': null, 'filters': null, 'rules': null, 'rules_per_filter': null,"
	     " 'rules_per_filter_direction': null, 'sessions_per_filter': null, 'sessions_per_interface': null,"
	     " 'sessions_per_network': null, 'sessions_per_target': null, 'sources_per_session': null,"
	     " 'sources_per_target': null, 'interfaces': null, 'networks': null, 'subnets': null, 'guests': null,"
	     " 'gateways': null}, 'allowed_target_cidrs': null, 'resource_groups': [], 'grants': []}"},
	    {"user", "{'name': 'ann'}",
	     "{'name': 'ann', " REST ", 'system_admin': false, 'disabled': false, 'roles': []}"},
	    {"key", "{'user': '" UNIT_ID("user") "'}",
	     "{'name': null, " REST ", 'user': '" UNIT_ID("user") "', 'disabled': false}"},
	    {"host", "{}", "{'name': null, " REST ", 'underlay_address': null, 'group': null, 'uplink': null}"},
	    {"guest", "{}", "{'name': null, " REST ", 'host': null}"},
	    {"network", "{'cidrs': ['10.0.0.0/8']}",
	     "{'name': null, " REST ", 'cidrs': ['10.0.0.0/8'], 'peers': [], 'resolvers': [], 'routes': []}"},
	    {"subnet", "{'network': '" UNIT_ID("vpc") "', 'cidr': '10.0.0.0/24'}",
	     "{'name': null, " REST ", 'network': '" UNIT_ID("vpc") "', 'cidr': '10.0.0.0/24'}"},
	    {"interface", "{}",
	     "{'name': null, " REST ", 'mac': null, 'addresses': [], 'network': null, 'subnet': null, 'guest': null,"
	     " 'host': null, 'device': null, 'side': 'host', 'delegated': false}"},
	    {"wire", "{'host': '" UNIT_ID("host") "', 'device': 'br0'}",
	     "{'name': null, " REST ", 'host': '" UNIT_ID("host") "', 'device': 'br0'}"},
	    {"gateway", "{'network': '" UNIT_ID("vpc") "'}",
	     "{'name': null, " REST ", 'network': '" UNIT_ID("vpc") "', 'addresses': [], 'macs': []}"},
	    {"target", "{'address': '172.31.0.2'}",
	     "{'name': null, " REST ", 'address': '172.31.0.2', 'interface': null, 'mtu': 0, 'df': false, 'dscp': 0,"
	     " 'ttl': 64, 'local': null, 'enabled': true}"},
	    {"filter", "{}", "{'name': null, " REST "}"},
	    {"rule", "{" RULE "}",
	     "{'name': null, " REST ", " RULE ", 'action': 'accept', 'protocol': null, 'source': null,"
	     " 'destination': null, 'source_ports': null, 'destination_ports': null, 'icmp_type': null,"
	     " 'icmp_code': null, 'vlan': null, 'ethertype': 'ip'}"},
	    {"session", "{" SESSION "}",
	     "{'name': null, " REST ", " SESSION ", 'mode': 'exclusive', 'enabled': true, 'direction': 'both',"
	     " 'filter': null, 'encapsulation': {'type': 'vxlan', 'vni': null, 'port': 4789}, 'packet_length': 0,"
	     " 'mtu_policy': 'fit', 'on_reject': 'next', 'sample': {'packets': 1, 'flows': 1},"
	     " 'limit': {'packets_per_second': 0, 'bits_per_second': 0}, 'checksum': 'complete',"
	     " 'offline': 'keep'}"},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		json_auto_t *input = unit_json(rows[i].input), *expected = unit_json(rows[i].resource);
		json_auto_t *resource = unit_normalize(rows[i].kind, NULL, input);

		unit_has(resource, rows[i].resource);
		assert_int_equal(json_object_size(resource), json_object_size(expected));
		assert_string_equal(vtap_kinds[i].name, rows[i].kind);
	}
	assert_null(vtap_kinds[VTAP_ARRAY_SIZE(rows)].name);
}

static const struct unit_resource_bad bad[] = {
    /* form */
    {"host", NULL, "[]", "", "must be an object, not a list"},
    {"host", NULL, "null", "", "must be an object"},
    {"host", NULL, "'x'", "", "must be an object, not \"x\""},
    {"host", NULL, "{'nam': 'x'}", "nam", "did you mean \"name\"?"},
    {"guest", NULL, "{'colour': 'red'}", "colour", "unknown key; known are name, description, tags, host"},
    {"session", NULL, "{" SESSION ", 'encapsulation': {'nvi': 5}}", "encapsulation.nvi", "did you mean \"vni\"?"},
    {"session", NULL, "{" SESSION ", 'encapsulation': 5}", "encapsulation", "must be an object, not 5"},
    {"network", NULL, "{'cidrs': '10.0.0.0/8'}", "cidrs", "must be a list, not \"10.0.0.0/8\""},
    {"network", NULL, "{'cidrs': {}}", "cidrs", "must be a list, not a mapping"},
    {"network", NULL, "{'cidrs': ['10.0.0.0/8', 5]}", "cidrs[1]", "must be a prefix such as"},
    {"network", NULL, "{'cidrs': ['10.0.0.0/8', null]}", "cidrs[1]", "has no value"},
    {"network", NULL, "{'cidrs': ['10.0.0.0/8', '10.0.0.0/8']}", "cidrs[1]", "is the same as entry 0 of the list"},
    {"gateway", NULL, "{'network': '" UNIT_ID("vpc") "', 'macs': ['02:00:00:00:00:0a', '02:00:00:00:00:0A']}",
     "macs[1]", "is the same as entry 0 of the list"},
    {"network", NULL, "{'cidrs': ['10.0.0.0/8'], 'routes': [{'destination': '0.0.0.0/0'}]}", "routes[0].gateway",
     "is required"},
    {"network", NULL, "{'cidrs': ['10.0.0.0/8'], 'routes': ['0.0.0.0/0']}", "routes[0]", "must be an object"},
    {"user", NULL, "{'name': 'ann', 'roles': [{'project': '" UNIT_ID("proj") "', 'role': 'root'}]}", "roles[0].role",
     "must be viewer, operator or admin, not \"root\""},
    {"project", NULL, "{'quotas': {'session': 5}}", "quotas.session", "did you mean \"sessions\"?"},

    /* what is required */
    {"user", NULL, "{}", "name", "is required"},
    {"user", NULL, "{'name': null}", "name", "is required"},
    {"key", NULL, "{}", "user", "is required"},
    {"network", NULL, "{}", "cidrs", "is required"},
    {"network", NULL, "{'cidrs': []}", "cidrs", "needs 1..64 entries, and has 0"},
    {"subnet", NULL, "{'cidr': '10.0.0.0/8'}", "network", "is required"},
    {"subnet", NULL, "{'network': '" UNIT_ID("vpc") "'}", "cidr", "is required"},
    {"wire", NULL, "{'device': 'br0'}", "host", "is required"},
    {"wire", NULL, "{'host': '" UNIT_ID("host") "'}", "device", "is required"},
    {"gateway", NULL, "{}", "network", "is required"},
    {"rule", NULL, "{'direction': 'in', 'number': 1}", "filter", "is required"},
    {"rule", NULL, "{'filter': '" UNIT_ID("tmf") "', 'number': 1}", "direction", "is required"},
    {"rule", NULL, "{'filter': '" UNIT_ID("tmf") "', 'direction': 'in'}", "number", "is required"},
    {"session", NULL, "{'number': 1, 'sources': ['tag:a']}", "target", "is required"},
    {"session", NULL, "{'number': 1, 'target': '" TARGET "'}", "sources", "is required"},
    {"session", NULL, "{'number': 1, 'target': '" TARGET "', 'sources': []}", "sources",
     "needs 1..256 entries, and has 0"},

    /* what the server sets */
    {"host", NULL, "{'id': '" UNIT_ID("host") "'}", "id", "is set by the server: leave it out"},
    {"host", NULL, "{'version': 1}", "version", "is set by the server"},
    {"host", NULL, "{'created': '2026-11-21T15:00:00Z'}", "created", "is set by the server"},
    {"host", NULL, "{'project': '" UNIT_ID("proj") "'}", "project", "is set by the server"},
    {"host", "{}", "{'version': 2}", "version", "is set by the server"},
    {"host", "{}", "{'version': null}", "version", "is set by the server"},
    {"filter", NULL, "{'chunks': []}", "chunks", "is set by the server"},
    {"filter", NULL, "{'rule_count': 0}", "rule_count", "is set by the server"},
    {"session", "{" SESSION "}", "{'state': 'active'}", "state", "is set by the server"},

    /* what stays as it was created */
    {"subnet", "{'network': '" UNIT_ID("vpc") "', 'cidr': '10.0.0.0/24'}", "{'network': '" UNIT_ID2("vpc") "'}",
     "network", "cannot be changed after creation"},
    {"subnet", "{'network': '" UNIT_ID("vpc") "', 'cidr': '10.0.0.0/24'}", "{'cidr': '10.0.1.0/24'}", "cidr",
     "cannot be changed after creation"},
    {"subnet", "{'network': '" UNIT_ID("vpc") "', 'cidr': '10.0.0.0/24'}", "{'cidr': null}", "cidr", "is required"},
    {"key", "{'user': '" UNIT_ID("user") "'}", "{'user': '" UNIT_ID2("user") "'}", "user", "cannot be changed"},
    {"rule", "{" RULE "}", "{'filter': '" UNIT_ID2("tmf") "'}", "filter", "cannot be changed"},

    /* patches are checked like creations */
    {"session", "{" SESSION "}", "{'target': null}", "target", "is required"},
    {"session", "{" SESSION "}", "{'sources': []}", "sources", "needs 1..256 entries"},
    {"session", "{" SESSION "}", "{'encapsulation': {'port': 0}}", "encapsulation.port", "must be 1..65535, not 0"},
    {"session", "{" SESSION "}", "{'number': null}", "number", "is required for an exclusive session (1..32766)"},
    {"session", "{" SESSION "}", "{'sample': 10}", "sample", "must be an object, not 10"},

    /* references, as ids */
    {"session", NULL, "{'number': 1, 'sources': ['tag:a'], 'target': 'ids'}", "target",
     "must be the id of a target, not \"ids\""},
    {"session", NULL, "{'number': 1, 'sources': ['tag:a'], 'target': ''}", "target",
     "must be the id or name of a target"},
    {"session", NULL, "{'number': 1, 'sources': ['tag:a'], 'target': 5}", "target", "not 5"},
    {"session", NULL, "{" SESSION ", 'filter': '" TARGET "'}", "filter", "must be the id or name of a filter, not"},
    {"session", NULL, "{'number': 1, 'target': '" TARGET "', 'sources': ['" UNIT_ID("i") "']}", "sources[0]",
     "must be the id or name of an interface, subnet, network or wire, not \"" UNIT_ID("i") "\""},
    {"session", NULL, "{" SESSION ", 'filter': 'tag:a'}", "filter", "must be the id of a filter"},
    {"session", NULL, "{'number': 1, 'target': '" TARGET "', 'sources': ['tag:']}", "sources[0]",
     "must select by a key of 1..128 characters"},
    {"session", NULL, "{'number': 1, 'target': '" TARGET "', 'sources': ['tag:a', 'tag:a']}", "sources[1]",
     "is the same as entry 0"},
    {"network", NULL, "{'cidrs': ['10.0.0.0/8'], 'peers': ['other']}", "peers[0]", "must be the id of a network"},
};

static void test_refused(void **state)
{
	unit_resources_refused(bad, VTAP_ARRAY_SIZE(bad));
}

/* A request without a body. */
static void test_nothing_given(void **state)
{
	struct vtap_normalize n = {.kind = vtap_kind_find("host")};
	struct vtap_error error = {};
	json_t *resource = NULL;

	assert_int_equal(vtap_resource_normalize(&n, &resource, &error), -EINVAL);
	assert_string_equal(error.text, "must be an object");
	assert_null(resource);
}

static const struct unit_resource_good patches[] = {
    {"host", "{'name': 'h1', 'group': 'a'}", "{}", "{'name': 'h1', 'group': 'a', 'version': 1}"},
    {"host", "{'name': 'h1', 'group': 'a'}", "{'group': 'b'}", "{'name': 'h1', 'group': 'b'}"},
    {"host", "{'name': 'h1', 'group': 'a'}", "{'name': null, 'group': null}", NULL},
    {"host", "{}", "{'version': 1, 'id': 'host-00000000000000abc', 'created': '2026-11-21T15:00:00Z'}", NULL},
    {"host", "{'description': 'x'}", "{'description': null}", "{'description': ''}"},
    {"host", "{'tags': {'a': '1', 'b': '2'}}", "{'tags': {'c': '3'}}", NULL}, /* as a whole */
    {"host", "{'tags': {'a': '1'}}", "{'tags': null}", "{'tags': {}}"},
    {"interface", "{'side': 'own'}", "{'side': null}", "{'side': 'host'}"},
    {"interface", "{'addresses': ['10.0.0.1', '10.0.0.2']}", "{'addresses': ['10.0.0.3']}", NULL},
    {"interface", "{'addresses': ['10.0.0.1']}", "{'addresses': null}", "{'addresses': []}"},
    {"subnet", "{'network': '" UNIT_ID("vpc") "', 'cidr': '10.0.0.0/24'}",
     "{'network': '" UNIT_ID("vpc") "', 'cidr': '10.0.0.0/24', 'name': 's'}", NULL},
    {"session", "{" SESSION ", 'encapsulation': {'vni': 66, 'port': 8472}}", "{'encapsulation': {'vni': 67}}",
     "{'encapsulation': {'type': 'vxlan', 'vni': 67, 'port': 8472}}"},
    {"session", "{" SESSION ", 'encapsulation': {'vni': 66, 'port': 8472}}", "{'encapsulation': {'port': null}}",
     "{'encapsulation': {'type': 'vxlan', 'vni': 66, 'port': 4789}}"},
    {"session", "{" SESSION ", 'encapsulation': {'vni': 66, 'port': 8472}}", "{'encapsulation': null}",
     "{'encapsulation': {'type': 'vxlan', 'vni': null, 'port': 4789}}"},
    {"session", "{" SESSION ", 'encapsulation': {'vni': 66}}", "{'encapsulation': {}}",
     "{'encapsulation': {'type': 'vxlan', 'vni': 66, 'port': 4789}}"},
    {"session", "{" SESSION "}", "{'number': null, 'mode': 'copy'}", "{'number': 0, 'mode': 'copy'}"},
    {"project", "{'quotas': {'sessions': 5, 'filters': 6}}", "{'quotas': {'sessions': null, 'targets': 0}}", "{}"},
    {"user", "{'name': 'ann', 'roles': [{'project': '" UNIT_ID("proj") "', 'role': 'viewer'}]}",
     "{'roles': [{'project': '" UNIT_ID2("proj") "', 'role': 'admin'}]}", NULL},
};

static void test_patches(void **state)
{
	unit_resources_taken(patches, VTAP_ARRAY_SIZE(patches));
}

static void test_quotas_merge(void **state)
{
	json_auto_t *current = unit_stored("project", "{'quotas': {'sessions': 5, 'filters': 6}}");
	json_auto_t *input = unit_json("{'quotas': {'sessions': null, 'targets': 0}}");
	json_auto_t *resource = unit_normalize("project", current, input);
	const json_t *quotas = json_object_get(resource, "quotas");

	assert_true(json_is_null(json_object_get(quotas, "sessions")));
	assert_int_equal(json_integer_value(json_object_get(quotas, "filters")), 6);
	assert_true(json_is_integer(json_object_get(quotas, "targets")));
}

/* A resource that an older release stored has not what this one added, and may have what it dropped. */
static void test_older_resources(void **state)
{
	json_auto_t *current = unit_stored("session", "{" SESSION "}"), *input = unit_json("{'name': 'n'}");
	json_auto_t *resource = NULL;

	json_object_del(current, "checksum");
	json_object_del(json_object_get(current, "encapsulation"), "port");
	json_object_set_new(current, "dropped", json_true());
	resource = unit_normalize("session", current, input);
	unit_has(resource, "{'checksum': 'complete', 'name': 'n'}");
	assert_null(json_object_get(resource, "dropped"));
}

static void test_nothing_is_changed(void **state)
{
	json_auto_t *current = unit_stored("session", "{" SESSION ", 'encapsulation': {'vni': 66}}");
	json_auto_t *before = json_deep_copy(current), *input = unit_json("{'encapsulation': {'port': 1}, 'tags': {}}");
	json_auto_t *given = json_deep_copy(input);
	json_auto_t *resource = unit_normalize("session", current, input);

	assert_true(json_equal(current, before));
	assert_true(json_equal(input, given));
	assert_false(json_equal(resource, current));
}

static void test_secrets_are_not_kept(void **state)
{
	json_auto_t *good = unit_json("{'name': 'ann', 'password': 'correct horse'}");
	json_auto_t *short_one = unit_json("{'name': 'ann', 'password': '123456789'}");
	json_auto_t *resource = unit_normalize("user", NULL, good);
	_cleanup_free_ char *text = unit_repeat("p", VTAP_PASSWORD_CHARACTERS_MAX + 1);
	json_auto_t *long_one = json_pack("{ssss}", "name", "ann", "password", text);
	json_auto_t *longest = json_pack("{ssss}", "name", "ann", "password", text + 1);
	json_auto_t *again = unit_normalize("user", resource, good);
	json_auto_t *taken = unit_normalize("user", NULL, longest);

	assert_null(json_object_get(resource, "password"));
	assert_null(json_object_get(again, "password"));
	assert_null(json_object_get(taken, "password"));
	unit_resource_refused("user", NULL, short_one, -EINVAL, "password", "must have 10..64 characters, not 9");
	unit_resource_refused("user", NULL, long_one, -EINVAL, "password", "must have 10..64 characters, not 65");
}

/* The i-th of many that differ. */
static json_t *address(size_t i)
{
	return json_sprintf("10.0.%zu.%zu", i / 256, i % 256);
}

static json_t *cidr(size_t i)
{
	return json_sprintf("10.%zu.%zu.0/24", i / 256, i % 256);
}

static json_t *mac(size_t i)
{
	return json_sprintf("02:00:00:00:%02zx:%02zx", i / 256, i % 256);
}

static json_t *name(size_t i)
{
	return json_sprintf("group%zu", i);
}

static json_t *network(size_t i)
{
	return json_sprintf("vpc-%017zx", i);
}

static json_t *project(size_t i)
{
	return json_sprintf("proj-%017zx", i);
}

static json_t *interface(size_t i)
{
	return json_sprintf("eni-%017zx", i);
}

static json_t *selector(size_t i)
{
	return json_sprintf("tag:%zu", i);
}

static json_t *route(size_t i)
{
	return json_pack("{so,ss}", "destination", cidr(i), "gateway", UNIT_ID("nat"));
}

static json_t *role(size_t i)
{
	return json_pack("{so,ss}", "project", project(i), "role", "viewer");
}

static json_t *list_of(json_t *(*make)(size_t i), size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		assert_int_equal(json_array_append_new(list, make(i)), 0);
	return list;
}

/* Every list takes as many entries as it says, and not one more. */
static void test_lengths_of_lists(void **state)
{
	static const struct {
		const char *kind, *input, *list;
		json_t *(*make)(size_t i);
		size_t max;
	} rows[] = {
	    {"network", "{}", "cidrs", cidr, VTAP_CIDRS_MAX},
	    {"network", "{'cidrs': ['10.0.0.0/8']}", "resolvers", address, VTAP_ADDRESSES_MAX},
	    {"network", "{'cidrs': ['10.0.0.0/8']}", "peers", network, VTAP_LIST_MAX},
	    {"interface", "{}", "addresses", address, VTAP_ADDRESSES_MAX},
	    {"gateway", "{'network': '" UNIT_ID("vpc") "'}", "addresses", address, VTAP_ADDRESSES_MAX},
	    {"gateway", "{'network': '" UNIT_ID("vpc") "'}", "macs", mac, VTAP_ADDRESSES_MAX},
	    {"network", "{'cidrs': ['10.0.0.0/8']}", "routes", route, VTAP_LIST_MAX},
	    {"user", "{'name': 'ann'}", "roles", role, VTAP_LIST_MAX},
	    {"project", "{}", "allowed_target_cidrs", address, VTAP_LIST_MAX},
	    {"project", "{}", "resource_groups", name, VTAP_LIST_MAX},
	    {"project", "{}", "grants", project, VTAP_LIST_MAX},
	    {"session", "{'number': 1, 'target': '" TARGET "'}", "sources", interface, VTAP_SOURCES_MAX},
	    {"session", "{'number': 1, 'target': '" TARGET "'}", "sources", selector, VTAP_SOURCES_MAX},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		json_auto_t *input = unit_json(rows[i].input), *resource = NULL;
		char text[80];

		json_object_set_new(input, rows[i].list, list_of(rows[i].make, rows[i].max));
		resource = unit_normalize(rows[i].kind, NULL, input);
		json_object_set_new(input, rows[i].list, list_of(rows[i].make, rows[i].max + 1));
		snprintf(text, sizeof(text), "has %zu entries, and at most %zu are possible", rows[i].max + 1,
			 rows[i].max);
		unit_resource_refused(rows[i].kind, NULL, input, -E2BIG, rows[i].list, text);
	}
}

static void test_lengths_of_texts(void **state)
{
	static const struct {
		const char *kind, *member;
		size_t min, max;
	} rows[] = {
	    {"host", "description", 0, VTAP_DESCRIPTION_MAX},
	    {"host", "group", 1, VTAP_NAME_MAX},
	    {"project", "region", 1, VTAP_NAME_MAX},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *most = unit_repeat("\u4e2d", rows[i].max),
				    *more = unit_repeat("x", rows[i].max + 1);
		json_auto_t *fits = json_pack("{ss}", rows[i].member, most);
		json_auto_t *too_long = json_pack("{ss}", rows[i].member, more), *empty = NULL;

		json_decref(unit_normalize(rows[i].kind, NULL, fits));
		unit_resource_refused(rows[i].kind, NULL, too_long, -EINVAL, rows[i].member, "characters, not ");
		empty = json_pack("{ss}", rows[i].member, "");
		if (rows[i].min == 0)
			json_decref(unit_normalize(rows[i].kind, NULL, empty));
		else
			unit_resource_refused(rows[i].kind, NULL, empty, -EINVAL, rows[i].member, "characters, not 0");
	}
}

static void step_over(const struct vtap_kind *kind, const char *least, const char *path, const struct vtap_attribute *a)
{
	json_auto_t *input = unit_json(least);
	const char *dot = strchr(path, '.'), *member = dot ? dot + 1 : path;
	json_t *object = input;
	char outer[32], range[80];

	if (dot) {
		snprintf(outer, sizeof(outer), "%.*s", (int)(dot - path), path);
		object = json_object();
		json_object_set_new(input, outer, object);
	}
	snprintf(range, sizeof(range), "must be %s%ju..%ju, not ", a->least > 0 ? "0 or " : "",
		 (uintmax_t)VTAP_MAX(a->min, a->least), (uintmax_t)a->max);
	json_object_set_new(object, member, json_integer((json_int_t)a->max + 1));
	unit_resource_refused(kind->name, NULL, input, -EINVAL, path, range);
	json_object_set_new(object, member, json_integer((json_int_t)a->min - 1));
	unit_resource_refused(kind->name, NULL, input, -EINVAL, path, range);
	json_object_set_new(object, member, json_string("5"));
	unit_resource_refused(kind->name, NULL, input, -EINVAL, path, "must be a number ");
}

/* Every number of every kind, from the tables. What lies at the ends of the range is taken: see test_kind_checks.c. */
static void test_ranges_of_numbers(void **state)
{
	static const struct {
		const char *kind, *least;
	} rows[] = {
	    {"project", "{}"},
	    {"target", "{'address': '10.0.0.1'}"},
	    {"rule", "{" RULE ", 'protocol': 'icmp', 'icmp_type': 3}"},
	    {"session", "{" SESSION "}"},
	};
	size_t count = 0;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		const struct vtap_kind *kind = vtap_kind_find(rows[i].kind);
		char path[64];

		for (const struct vtap_attribute *a = NULL; (a = vtap_kind_next_attribute(kind, a));) {
			if (a->type == VTAP_TYPE_NUMBER && !(a->flags & VTAP_ATTRIBUTE_COMPUTED)) {
				step_over(kind, rows[i].least, a->name, a);
				count++;
			}
			if (a->type != VTAP_TYPE_OBJECT || (a->flags & VTAP_ATTRIBUTE_LIST))
				continue;
			for (const struct vtap_attribute *m = a->attributes; m->name; m++) {
				snprintf(path, sizeof(path), "%s.%s", a->name, m->name);
				if (m->type == VTAP_TYPE_NUMBER)
					step_over(kind, rows[i].least, path, m);
				count += m->type == VTAP_TYPE_NUMBER;
			}
		}
	}
	assert_in_range(count, 29, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults),           cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_nothing_given),      cmocka_unit_test(test_patches),
	    cmocka_unit_test(test_quotas_merge),       cmocka_unit_test(test_older_resources),
	    cmocka_unit_test(test_nothing_is_changed), cmocka_unit_test(test_secrets_are_not_kept),
	    cmocka_unit_test(test_lengths_of_lists),   cmocka_unit_test(test_lengths_of_texts),
	    cmocka_unit_test(test_ranges_of_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
