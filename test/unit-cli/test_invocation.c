/* SPDX-License-Identifier: Apache-2.0 */

#include "unit.h"

#include "cli/attribute.h"
#include "cli/invocation.h"

#define PARSE(ret, error, ...) parse(ret, error, (const char *const[]){__VA_ARGS__, NULL})

static int parse(struct vtap_invocation *ret, struct vtap_error *error, const char *const *argv)
{
	size_t argc = 0;

	while (argv[argc])
		argc++;
	return vtap_invocation_parse(argc, (char *const *)argv, ret, error);
}

static void refused(const char *field, const char *text, const char *const *argv)
{
	VTAP_CLEANUP(vtap_invocation_done) struct vtap_invocation i = {};
	struct vtap_error error = {};
	int r = parse(&i, &error, argv);

	if (r != -EINVAL || strcmp(error.field, field) != 0 || !strstr(error.text, text))
		fail_msg("%s %s %s: %d, %s: \"%s\"; not %s: \"%s\"", argv[0], argv[1] ? argv[1] : "",
			 argv[1] && argv[2] ? argv[2] : "", r, error.field, error.text, field, text);
}
#define REFUSED(field, text, ...) refused(field, text, (const char *const[]){__VA_ARGS__, NULL})

/* What is asked for: "METHOD PATH BODY". */
static void asks(const char *wanted, const char *const *argv)
{
	VTAP_CLEANUP(vtap_invocation_done) struct vtap_invocation i = {};
	VTAP_CLEANUP(vtap_request_done) struct vtap_request request = {};
	_cleanup_free_ char *got = NULL;
	struct vtap_error error = {};

	if (parse(&i, &error, argv) < 0)
		fail_msg("%s: %s: %s", wanted, error.field, error.text);
	assert_int_equal(vtap_request_make(&i, i.argument_count > 0 ? i.arguments[0] : NULL, NULL, &request), 0);
	assert_true(asprintf(&got, "%s %s%s%s", request.method, request.path, request.body ? " " : "",
			     request.body ? request.body : "") > 0);
	assert_string_equal(got, wanted);
}
#define ASKS(wanted, ...) asks(wanted, (const char *const[]){__VA_ARGS__, NULL})

static void test_requests(void **state)
{
	ASKS("GET /v1/sessions", "session", "list");
	ASKS("GET /v1/sessions", "sessions", "list");
	ASKS("GET /v1/sessions/web", "session", "show", "web");
	ASKS("GET /v1/sessions/a%2Fb%3Fc%20%C3%A4", "session", "show", "a/b?c \xc3\xa4");
	ASKS("DELETE /v1/targets/ids?dry_run=true", "target", "delete", "--dry-run", "ids");
	ASKS("POST /v1/sessions/web/disable", "session", "disable", "web");
}

static void test_selection(void **state)
{
	ASKS("GET /v1/sessions?sort=-created&target=ids&tag:role=web%26x&enabled=true&encapsulation.vni=66", "session",
	     "list", "--target", "ids", "--tag", "role=web&x", "--sort=-created", "--enabled", "--vni", "66");
	REFUSED("--tag", "must be KEY=VALUE", "session", "list", "--tag", "role");
	REFUSED("--tag", "must be KEY=VALUE", "session", "list", "--tag", "=x");
}

static void test_creation(void **state)
{
	ASKS("POST /v1/targets {\"name\":\"ids\",\"address\":\"172.31.0.2\"}", "target", "create", "--name", "ids",
	     "--address=172.31.0.2");
	ASKS("POST /v1/targets {\"address\":\"::1\",\"df\":true,\"enabled\":false,\"mtu\":1400}", "target", "create",
	     "--address", "::1", "--df", "--no-enabled", "--mtu", "1400");
	ASKS("POST /v1/targets {\"df\":false,\"enabled\":true}", "target", "create", "--df=false", "--enabled", "true");
	ASKS("POST /v1/sessions "
	     "{\"sources\":[\"a\",\"b\",\"tag:role=web\"],\"target\":\"t\",\"encapsulation\":{\"vni\":66,"
	     "\"port\":4790},\"tags\":{\"x\":\"1\",\"y\":\"2\"}}",
	     "session", "create", "--source", "a,b", "--target", "t", "--sources", "tag:role=web", "--vni", "66",
	     "--port", "4790", "--tag", "x=1", "--tags", "y=2");
	ASKS("POST /v1/sessions?dry_run=true {\"sources\":[\"a\"],\"target\":\"t\",\"encapsulation\":{\"vni\":1},"
	     "\"packet_length\":128}",
	     "session", "create", "--dry-run", "--source", "a", "--target", "t", "--encapsulation.vni", "1",
	     "--packet_length", "128");
	ASKS("POST /v1/users {\"name\":\"bob\",\"roles\":[{\"project\":\"default\",\"role\":\"viewer\"},{\"project\":"
	     "\"p\",\"role\":\"admin\"}]}",
	     "user", "create", "--name", "bob", "--role", "default=viewer", "--role", "p=admin");
	ASKS("POST /v1/interfaces/adopt {\"host\":\"a\",\"device\":\"tap0\"}", "interface", "adopt", "--host", "a",
	     "--device", "tap0");
	ASKS("POST /v1/hosts/a/token {\"ttl\":\"10m\"}", "host", "token", "a", "--ttl", "10m");
	ASKS("POST /v1/hosts/a/token", "host", "token", "a");
}

static void test_change(void **state)
{
	ASKS("PATCH /v1/sessions/web {\"filter\":null,\"encapsulation\":{\"vni\":null},\"packet_length\":64}",
	     "session", "update", "web", "--reset", "filter,vni", "--packet-length", "64");
	ASKS("PATCH /v1/projects/p {\"quotas\":null}", "project", "update", "p", "--reset", "quotas");
	REFUSED("--network", "cannot be changed after creation", "subnet", "update", "s", "--network", "n");
	REFUSED("--password", "cannot be given here", "user", "update", "u", "--password");
	REFUSED("--reset", "must be names of options, not \"nothing\"", "session", "update", "s", "--reset", "nothing");
	REFUSED("", "nothing to change", "session", "update", "s");
}

static void test_queries(void **state)
{
	ASKS("GET "
	     "/v1/trace?interface=web&direction=in&source=10.0.0.1&protocol=tcp&source_port=0&destination_port=65535",
	     "trace", "--interface", "web", "--direction", "in", "--source", "10.0.0.1", "--protocol", "tcp",
	     "--source-port", "0", "--destination-port", "65535");
	REFUSED("--destination-port", "must be a number 0..65535, not \"65536\"", "trace", "--destination-port",
		"65536");
	REFUSED("--direction", "must be in|out, not \"both\"", "trace", "--direction", "both");
	REFUSED("--interface", "is required", "trace", "--direction", "in");
	ASKS("GET /v1/sessions/web/capture?seconds=3600&packets=1", "capture", "web", "--seconds", "3600", "--packets",
	     "1");
	REFUSED("--seconds", "1..3600", "capture", "web", "--seconds", "3601");
	REFUSED("--seconds", "1..3600", "capture", "web", "--seconds", "0");
}

static void test_refusals(void **state)
{
	REFUSED("", "\"sesion\" is no command", "sesion", "list");
	REFUSED("", "session has no verb \"lst\", but list, show, create", "session", "lst");
	REFUSED("", "audit has no verb \"create\", but list", "audit", "create");
	REFUSED("", "session show needs a name or an id", "session", "show");
	REFUSED("", "\"b\" is one word too many", "session", "history", "a", "b");
	REFUSED("", "\"x\" is one word too many; options begin with --", "session", "list", "x");
	REFUSED("", "\"fa\" is one word too many: --filter is needed, such as --filter fa", "rule", "list", "fa");
	REFUSED("--enabled", "must be true or false, not \"maybe\"", "session", "update", "s", "--enabled", "maybe");
	REFUSED("--enabled", "must be true or false, not \"maybe\"", "session", "create", "--enabled", "maybe");
	REFUSED("--colour", "is unknown to vtap session list", "session", "list", "--colour");
	REFUSED("-x", "is unknown to vtap session list", "session", "list", "-x");
	REFUSED("--sort", "stands before its command", "--sort", "x", "session", "list");
	REFUSED("--output", "must be table|json|yaml, not \"xml\"", "session", "list", "-o", "xml");
	REFUSED("--output", "must be table|json|yaml", "-oxml", "session", "list");
	REFUSED("--output", "needs a value", "session", "list", "--output");
	REFUSED("--quiet", "takes no value", "session", "list", "--quiet=yes");
	REFUSED("--source", "is required", "session", "create", "--target", "t");
	REFUSED("--target", "is required", "session", "create", "--source", "t");
	REFUSED("--vni", "must be a number", "session", "create", "--vni", "many");
	REFUSED("--df", "must be true or false", "target", "create", "--df=maybe");
	REFUSED("--password", "takes no value: it is asked for", "user", "create", "--name", "bob",
		"--password=secret");
	REFUSED("--id", "is unknown", "target", "create", "--id", "tmt-1");
	REFUSED("--file", "is required", "apply");
	REFUSED("--interval", "must be a number 1..3600, not \"3601\"", "session", "list", "--interval", "3601");
	REFUSED("--url", "needs a value", "session", "list", "--url");
}

static void test_options_anywhere(void **state)
{
	VTAP_CLEANUP(vtap_invocation_done) struct vtap_invocation i = {};
	struct vtap_error error = {};

	assert_int_equal(PARSE(&i, &error, "-qo", "json", "--url", "http://h", "session", "show", "a", "--", "-b"), 0);
	assert_string_equal(i.noun->name, "session");
	assert_string_equal(i.command->verb, "show");
	assert_int_equal(i.argument_count, 2);
	assert_string_equal(i.arguments[1], "-b");
	assert_string_equal(vtap_invocation_text(&i, "output"), "json");
	assert_string_equal(vtap_invocation_text(&i, "url"), "http://h");
	assert_true(vtap_invocation_flag(&i, "quiet"));
	assert_false(vtap_invocation_flag(&i, "help"));
	assert_int_equal(vtap_invocation_number(&i, "interval", 7), 7);
}

static void test_help_wins(void **state)
{
	static const char *const lines[][4] = {
	    {"--help"}, {"session", "-h"}, {"session", "lst", "--help"}, {"session", "create", "--vni", "-h"}};

	for (size_t n = 0; n < VTAP_ARRAY_SIZE(lines); n++) {
		VTAP_CLEANUP(vtap_invocation_done) struct vtap_invocation i = {};
		size_t argc = 0;

		while (argc < 4 && lines[n][argc])
			argc++;
		assert_int_equal(vtap_invocation_parse(argc, (char *const *)lines[n], &i, NULL), 0);
		assert_true(vtap_invocation_flag(&i, "help"));
	}
}

static void test_secret_is_asked_for(void **state)
{
	VTAP_CLEANUP(vtap_invocation_done) struct vtap_invocation i = {};

	assert_int_equal(PARSE(&i, NULL, "user", "create", "--password", "--name", "bob"), 0);
	assert_int_equal(json_array_size(i.secrets), 1);
	assert_string_equal(json_string_value(json_array_get(i.secrets, 0)), "password");
	assert_null(json_object_get(i.resource, "password"));
}

struct clash {
	const struct vtap_noun *noun;
	const struct vtap_command *command;
};

static int clash_visit(const struct vtap_setting *s, void *userdata)
{
	const struct clash *c = userdata;
	struct vtap_setting found;

	/* A general --project says where something is made; nothing is made "in" a project by an attribute. */
	if (vtap_command_option(c->command, s->option))
		fail_msg("%s %s: --%s means two things", c->noun->name, c->command->verb, s->option);
	assert_int_equal(vtap_setting_find(vtap_noun_kind(c->noun), s->option, 0, &found), 0);
	assert_string_equal(found.path, s->path);
	assert_int_equal(vtap_setting_find(vtap_noun_kind(c->noun), s->path, 0, &found), 0);
	assert_ptr_equal(found.attribute, s->attribute);
	assert_non_null(s->attribute->help);
	return 0;
}

/* Every kind has a noun; no option has two meanings. */
static void test_tables(void **state)
{
	for (const struct vtap_kind *k = vtap_kinds; k->name; k++)
		assert_non_null(vtap_noun_find(k->name));
	for (const struct vtap_noun *n = vtap_nouns; n->name; n++) {
		const struct vtap_command *c = NULL;
		size_t count = 0;

		assert_non_null(vtap_noun_help(n));
		while ((c = vtap_command_next(n, c))) {
			struct clash clash = {.noun = n, .command = c};
			bool settings = c->flags & (VTAP_COMMAND_CREATE | VTAP_COMMAND_UPDATE | VTAP_COMMAND_SELECT);

			assert_ptr_equal(vtap_command_find(n, c->verb), c);
			if (settings && vtap_noun_kind(n))
				assert_int_equal(vtap_setting_each(vtap_noun_kind(n), 0, clash_visit, &clash), 0);
			count++;
		}
		for (const char *v = n->verbs; *v; v++)
			count -= *v == ' ';
		assert_int_equal(count, 1);
	}
	assert_null(vtap_command_find(NULL, "list"));
	assert_null(vtap_command_find(vtap_noun_find("audit"), "show"));
	assert_ptr_equal(vtap_command_find(vtap_noun_find("rule"), "add"),
			 vtap_command_find(vtap_noun_find("rule"), "create"));
}

static void test_fields_as_options(void **state)
{
	static const struct {
		const char *kind, *field, *option;
	} rows[] = {
	    {"session", "encapsulation.vni", "--vni"},
	    {"session", "sources[2]", "--source"},
	    {"session", "tags.role", "--tag"},
	    {"session", "nothing", "nothing"},
	    {"session", "", ""},
	    {"user", "roles[0].project", "--role (project)"},
	    {"network", "routes[1].gateway", "--route (gateway)"},
	    {"rule", "source_ports", "--source-ports"},
	    {"rule", "source", "--source"},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		char buffer[VTAP_ATTRIBUTE_PATH_STRLEN];

		assert_string_equal(
		    vtap_setting_option_of(vtap_kind_find(rows[i].kind), rows[i].field, buffer, sizeof(buffer)),
		    rows[i].option);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_requests),
	    cmocka_unit_test(test_selection),
	    cmocka_unit_test(test_creation),
	    cmocka_unit_test(test_change),
	    cmocka_unit_test(test_queries),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_options_anywhere),
	    cmocka_unit_test(test_help_wins),
	    cmocka_unit_test(test_secret_is_asked_for),
	    cmocka_unit_test(test_tables),
	    cmocka_unit_test(test_fields_as_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
