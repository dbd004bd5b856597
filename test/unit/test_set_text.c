/* SPDX-License-Identifier: Apache-2.0 */

#include "resource.h"
#include "unit.h"

static void test_set(void **state)
{
	static const struct {
		const char *kind, *path, *text, *input;
	} rows[] = {
	    {"session", "number", "5", "{'number': 5}"},
	    {"session", "number", "0x10", "{'number': 16}"},
	    {"session", "number", "9223372036854775807", "{'number': 9223372036854775807}"},
	    {"session", "number", "", "{'number': null}"},
	    {"session", "enabled", "true", "{'enabled': true}"},
	    {"session", "enabled", "false", "{'enabled': false}"},
	    {"session", "enabled", "", "{'enabled': null}"},
	    {"session", "mode", "copy", "{'mode': 'copy'}"},
	    {"session", "filter", "web", "{'filter': 'web'}"},
	    {"session", "filter", "", "{'filter': null}"},
	    {"session", "name", "", "{'name': null}"},
	    {"session", "description", "", "{'description': ''}"},
	    {"session", "description", "a, b = c \\ d", "{'description': 'a, b = c \\\\ d'}"},
	    {"host", "group", "", "{'group': null}"}, /* an empty text would be too short */
	    {"session", "encapsulation.vni", "66", "{'encapsulation': {'vni': 66}}"},
	    {"session", "encapsulation.vni", "", "{'encapsulation': {'vni': null}}"},
	    {"session", "encapsulation", "", "{'encapsulation': null}"},
	    {"session", "sources", "web", "{'sources': ['web']}"},
	    {"session", "sources", "web,tag:role=web,db", "{'sources': ['web', 'tag:role=web', 'db']}"},
	    {"session", "sources", "tag:a=1\\,2,b", "{'sources': ['tag:a=1,2', 'b']}"},
	    {"session", "sources", "a,", "{'sources': ['a']}"},
	    {"session", "sources", "", "{'sources': []}"},
	    {"session", "tags", "role=web,tier=1", "{'tags': {'role': 'web', 'tier': '1'}}"},
	    {"session", "tags", "a=b=c,d=", "{'tags': {'a': 'b=c', 'd': ''}}"},
	    {"session", "tags", "a\\=b=c\\,d", "{'tags': {'a=b': 'c,d'}}"},
	    {"session", "tags", "", "{'tags': {}}"},
	    {"network", "routes", "10.0.0.0/8=nat-1,::/0=nat-2",
	     "{'routes': [{'destination': '10.0.0.0/8', 'gateway': 'nat-1'},"
	     " {'destination': '::/0', 'gateway': 'nat-2'}]}"},
	    {"user", "roles", "default=viewer", "{'roles': [{'project': 'default', 'role': 'viewer'}]}"},
	    {"user", "password", "a,b=c", "{'password': 'a,b=c'}"},
	    {"rule", "destination_ports", "80-443", "{'destination_ports': '80-443'}"},
	    {"rule", "protocol", "6", "{'protocol': '6'}"},
	    {"rule", "protocol", "", "{'protocol': null}"},
	    {"project", "quotas.sessions", "5", "{'quotas': {'sessions': 5}}"},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		json_auto_t *input = json_object(), *expected = unit_json(rows[i].input);
		struct vtap_error error = {};

		if (vtap_resource_set_text(vtap_kind_find(rows[i].kind), input, rows[i].path, rows[i].text, &error) < 0)
			fail_msg("%s %s: %s: %s", rows[i].path, rows[i].text, error.field, error.text);
		if (!json_equal(input, expected))
			fail_msg("%s %s is not %s", rows[i].path, rows[i].text, rows[i].input);
	}
}

/* Members of one object, and a second text for the same member. */
static void test_set_together(void **state)
{
	const struct vtap_kind *kind = vtap_kind_find("session");
	json_auto_t *input = unit_json("{'encapsulation': null}");

	assert_int_equal(vtap_resource_set_text(kind, input, "encapsulation.vni", "1", NULL), 0);
	assert_int_equal(vtap_resource_set_text(kind, input, "encapsulation.port", "2", NULL), 0);
	assert_int_equal(vtap_resource_set_text(kind, input, "encapsulation.vni", "3", NULL), 0);
	unit_has(input, "{'encapsulation': {'vni': 3, 'port': 2}}");
}

static void test_refused(void **state)
{
	static const struct {
		const char *kind, *path, *text, *error;
	} rows[] = {
	    {"session", "colour", "red", "is nothing that a session has"},
	    {"session", "encapsulation.mtu", "5", "is nothing that a session has"},
	    {"session", "sources[0]", "web", "is nothing that a session has"},
	    {"session", "", "web", "is nothing that a session has"},
	    {"session", "id", "x", "is set by the server"},
	    {"session", "state", "active", "is set by the server"},
	    {"session", "number", "five", "must be a number"},
	    {"session", "number", "-5", "is out of range"},
	    {"session", "number", "5 ", "must be a number"},
	    {"session", "number", "9223372036854775808", "is out of range"},
	    {"session", "enabled", "yes", "must be true or false"},
	    {"session", "encapsulation", "vxlan", "is set member by member"},
	    {"session", "tags", "role", "must be key=value, and more of these behind commas"},
	    {"session", "tags", "role=web,tier", "must be key=value"},
	    {"session", "description", "\xff", "must be text in UTF-8"},
	    {"session", "tags", "a=\xff", "must be text in UTF-8"},
	    {"user", "roles", "a=viewer=b", "has an '=' too many"},
	    {"network", "routes", "10.0.0.0/8", "must be destination=gateway, and more of these behind commas"},
	    {"network", "routes", "10.0.0.0/8=nat-1,::/0", "must be destination=gateway"},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		json_auto_t *input = json_object();
		struct vtap_error error = {};

		assert_int_equal(
		    vtap_resource_set_text(vtap_kind_find(rows[i].kind), input, rows[i].path, rows[i].text, &error),
		    -EINVAL);
		assert_string_equal(error.field, rows[i].path);
		if (!strstr(error.text, rows[i].error))
			fail_msg("%s %s: \"%s\"", rows[i].path, rows[i].text, error.text);
		assert_int_equal(json_object_size(input), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_set),
	    cmocka_unit_test(test_set_together),
	    cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
