/* SPDX-License-Identifier: Apache-2.0 */

#include "fake.h"

#include <unistd.h>

#define EMPTY "{\"items\":[],\"next\":null}"
#define REFUSED "{\"detail\":\"no\"}"
#define TARGET                                                                                                         \
	"{\"id\":\"tmt-00000000000000001\",\"name\":\"ids\",\"description\":\"\",\"tags\":{\"vtap-manifest\":\"m\"},"  \
	"\"address\":\"10.0.0.1\",\"interface\":null,\"mtu\":0,\"df\":false,\"dscp\":0,\"ttl\":64,\"local\":null,"     \
	"\"enabled\":true}"
#define LIST(items) "{\"items\":[" items "],\"next\":null}"

static char file_path[] = "/tmp/vtap-apply-XXXXXX";

static const char *file(const char *text)
{
	FILE *out = fopen(file_path, "w");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
	return file_path;
}

/* What a manifest of targets makes apply read: these, and the interfaces that they may refer to. */
#define READS(targets)                                                                                                 \
	{"GET", "/v1/interfaces?limit=1", NULL, 200, EMPTY}, {"GET", "/v1/interfaces?limit=500", NULL, 200, EMPTY},    \
	{                                                                                                              \
		"GET", "/v1/targets?limit=500", NULL, 200, targets                                                     \
	}

static void test_create_and_change(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f;

	fake_begin(&f, (const struct fake_exchange[]){
			   READS(LIST(TARGET)),
			   {"PATCH", "/v1/targets/ids", "{\"address\":\"10.0.0.2\"}", 200, "{}"},
			   {"POST", "/v1/targets", "{\"name\":\"b\",\"address\":\"10.0.0.3\"}", 201, "{}"},
			   {},
		       });
	assert_int_equal(RUN(&f, "apply", "-f",
			     file("targets:\n- {name: ids, address: 10.0.0.2}\n- {name: b, address: 10.0.0.3}\n")),
			 0);
	assert_string_equal(f.out,
			    "target ids updated\ntarget b created\n1 created, 1 changed, 0 deleted, 0 as they were\n");
	assert_string_equal(f.err, "");
}

static void test_diff(void **state)
{
	static const struct fake_exchange script[] = {READS(LIST(TARGET)), {}};
	const char *text = "targets:\n- {name: ids, address: 10.0.0.2}\n- {name: b, address: 10.0.0.3}\n";
	VTAP_CLEANUP(fake_end) struct fake f, g, h, n, u;

	fake_begin(&f, script);
	assert_int_equal(RUN(&f, "diff", "-f", file(text)), 1);
	assert_string_equal(f.out,
			    "~ target ids\n    address: 10.0.0.1 -> 10.0.0.2\n+ target b\n    address: 10.0.0.3\n");
	fake_begin(&g, script);
	assert_int_equal(RUN(&g, "apply", "--dry-run", "-f", file(text), "-o", "json"), 0);
	assert_non_null(strstr(g.out, "\"action\": \"update\""));
	fake_begin(&h, script);
	assert_int_equal(RUN(&h, "diff", "-f", file("targets:\n- {name: ids, address: 10.0.0.1}\n")), 0);
	assert_string_equal(h.out, "");
	fake_begin(&n, (const struct fake_exchange[]){{"GET", "/v1/interfaces?limit=1", NULL, 401, REFUSED}, {}});
	assert_int_equal(RUN(&n, "diff", "-f", file(text)), 2);
	fake_begin(&u, (const struct fake_exchange[]){{"GET", "/v1/interfaces?limit=1", NULL, 0, NULL}, {}});
	assert_int_equal(RUN(&u, "diff", "-f", file(text)), VTAP_EXIT_UNREACHABLE);
}

/* What is in the way of something else goes out of it: nobody has to know the order. */
static void test_rounds(void **state)
{
	static const char text[] = "targets:\n- {name: a, address: 10.0.0.1}\n- {name: b, address: 10.0.0.2}\n"
				   "- {name: c, address: 10.0.0.3}\n";
	VTAP_CLEANUP(fake_end) struct fake f, g;

	fake_begin(&f, (const struct fake_exchange[]){
			   READS(EMPTY),
			   {"POST", "/v1/targets", "{\"name\":\"a\",\"address\":\"10.0.0.1\"}", 409, REFUSED},
			   {"POST", "/v1/targets", "{\"name\":\"b\",\"address\":\"10.0.0.2\"}", 409, REFUSED},
			   {"POST", "/v1/targets", "{\"name\":\"c\",\"address\":\"10.0.0.3\"}", 201, "{}"},
			   {"POST", "/v1/targets", "{\"name\":\"a\",\"address\":\"10.0.0.1\"}", 409, REFUSED},
			   {"POST", "/v1/targets", "{\"name\":\"b\",\"address\":\"10.0.0.2\"}", 201, "{}"},
			   {"POST", "/v1/targets", "{\"name\":\"a\",\"address\":\"10.0.0.1\"}", 201, "{}"},
			   {},
		       });
	assert_int_equal(RUN(&f, "apply", "-f", file(text)), 0);
	assert_string_equal(f.out, "target c created\ntarget b created\ntarget a created\n"
				   "3 created, 0 changed, 0 deleted, 0 as they were\n");
	/* What never goes is named, once; the rest is done all the same. */
	fake_begin(&g, (const struct fake_exchange[]){
			   READS(EMPTY),
			   {"POST", "/v1/targets", "{\"name\":\"a\",\"address\":\"10.0.0.1\"}", 422, REFUSED},
			   {"POST", "/v1/targets", "{\"name\":\"b\",\"address\":\"10.0.0.2\"}", 201, "{}"},
			   {"POST", "/v1/targets", "{\"name\":\"c\",\"address\":\"10.0.0.3\"}", 201, "{}"},
			   {"POST", "/v1/targets", "{\"name\":\"a\",\"address\":\"10.0.0.1\"}", 422, REFUSED},
			   {},
		       });
	assert_int_equal(RUN(&g, "apply", "-f", file(text)), VTAP_EXIT_REFUSED);
	assert_string_equal(g.err, "vtap: target a: no\n");
	assert_non_null(strstr(g.out, "2 created, "));
	assert_null(g.next->method);
}

#define PRUNED(kind)                                                                                                   \
	{"GET", "/v1/" kind "?limit=1", NULL, 200, EMPTY},                                                             \
	{                                                                                                              \
		"GET", "/v1/" kind "?limit=500", NULL, 200, EMPTY                                                      \
	}
#define PRUNES                                                                                                         \
	PRUNED("projects"), PRUNED("users"), PRUNED("hosts"), PRUNED("guests"), PRUNED("networks"), PRUNED("subnets"), \
	    PRUNED("interfaces"), PRUNED("wires"), PRUNED("gateways"),                                                 \
	    {"GET", "/v1/targets?limit=500", NULL, 200, LIST(TARGET)}, PRUNED("filters"), PRUNED("sessions")

/* Nothing is deleted for the sake of what did not come. */
static void test_prune(void **state)
{
	static const char text[] = "manifest: m\ntargets:\n- {name: b, address: 10.0.0.2}\n";
	static const char body[] = "{\"name\":\"b\",\"address\":\"10.0.0.2\",\"tags\":{\"vtap-manifest\":\"m\"}}";
	VTAP_CLEANUP(fake_end) struct fake f, g, h;

	fake_begin(&f, (const struct fake_exchange[]){
			   PRUNES,
			   {"POST", "/v1/targets", body, 201, "{}"},
			   {"DELETE", "/v1/targets/tmt-00000000000000001", NULL, 204, NULL},
			   {},
		       });
	assert_int_equal(RUN(&f, "apply", "--prune", "-f", file(text)), 0);
	assert_string_equal(f.out, "target b created\ntarget ids deleted\n"
				   "1 created, 0 changed, 1 deleted, 0 as they were\n");
	fake_begin(&g, (const struct fake_exchange[]){PRUNES, {"POST", "/v1/targets", body, 422, REFUSED}, {}});
	assert_int_equal(RUN(&g, "apply", "--prune", "-f", file(text)), VTAP_EXIT_REFUSED);
	assert_null(g.next->method);
	fake_begin(&h, (const struct fake_exchange[]){PRUNES, {"POST", "/v1/targets", body, 0, NULL}, {}});
	assert_int_equal(RUN(&h, "apply", "--prune", "-f", file(text)), VTAP_EXIT_UNREACHABLE);
	assert_string_equal(h.err, "vtap: nobody is there\n");
}

#define TARGET_AT(version, address)                                                                                    \
	"{\"id\":\"tmt-00000000000000001\",\"name\":\"ids\",\"version\":" version ",\"address\":\"" address "\","      \
	"\"description\":\"\",\"tags\":{},\"interface\":null,\"mtu\":0,\"df\":false,\"dscp\":0,\"ttl\":64,"            \
	"\"local\":null,\"enabled\":true}"
#define PATCHES(status, answer)                                                                                        \
	{                                                                                                              \
		"PATCH", "/v1/targets/ids", "{\"address\":\"10.0.0.2\"}", status, answer                               \
	}

/* What somebody else has changed since it was read is read again before it is changed. */
static void test_changed_meanwhile(void **state)
{
	static const char *const versions[] = {"If-Match: \"7\"", "If-Match: \"8\"", "If-Match: \"9\"",
					       "If-Match: \"10\""};
	static const char text[] = "targets:\n- {name: ids, address: 10.0.0.2}\n";
	VTAP_CLEANUP(fake_end) struct fake f, g, h;

	fake_begin(&f, (const struct fake_exchange[]){
			   READS(LIST(TARGET_AT("7", "10.0.0.1"))),
			   PATCHES(412, REFUSED),
			   READS(LIST(TARGET_AT("8", "10.0.0.3"))),
			   PATCHES(200, "{\"version\":9}"),
			   {},
		       });
	f.headers = versions;
	assert_int_equal(RUN(&f, "apply", "-f", file(text)), 0);
	fake_says(&f, "target ids updated\n0 created, 1 changed, 0 deleted, 0 as they were\n",
		  "vtap: target ids was changed by somebody else meanwhile: everything is read again\n");
	/* It may be as it shall be then. */
	fake_begin(&g, (const struct fake_exchange[]){
			   READS(LIST(TARGET_AT("7", "10.0.0.1"))),
			   PATCHES(412, REFUSED),
			   READS(LIST(TARGET_AT("8", "10.0.0.2"))),
			   {},
		       });
	assert_int_equal(RUN(&g, "apply", "-f", file(text)), 0);
	fake_begin(&h, (const struct fake_exchange[]){
			   READS(LIST(TARGET_AT("7", "10.0.0.1"))),
			   PATCHES(412, REFUSED),
			   READS(LIST(TARGET_AT("8", "10.0.0.1"))),
			   PATCHES(412, REFUSED),
			   READS(LIST(TARGET_AT("9", "10.0.0.1"))),
			   PATCHES(412, REFUSED),
			   READS(LIST(TARGET_AT("10", "10.0.0.1"))),
			   PATCHES(412, REFUSED),
			   {},
		       });
	h.headers = versions;
	assert_int_equal(RUN(&h, "-q", "apply", "-f", file(text)), VTAP_EXIT_REFUSED);
	fake_says(&h, "", "vtap: target ids: others change it time and again: apply the manifest again later\n");
	assert_null(h.next->method);
}

static void test_bad_files(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f;
	char wanted[128];

	fake_begin(&f, NULL);
	assert_int_equal(RUN(&f, "apply", "-f", file("targets:\n- {}\n")), VTAP_EXIT_USAGE);
	snprintf(wanted, sizeof(wanted), "vtap: %s:2: targets[0]: needs a name", file_path);
	assert_non_null(strstr(f.err, wanted));
	assert_int_equal(RUN(&f, "apply", "-f", "/nowhere/x"), VTAP_EXIT_USAGE);
	assert_int_equal(RUN(&f, "apply", "-f", "/"), VTAP_EXIT_USAGE);
	assert_string_equal(f.err, "vtap: /: cannot be read: Input/output error\n");
}

static void test_file_size(void **state)
{
	static const size_t limit = 16U << 20;
	VTAP_CLEANUP(fake_end) struct fake f;
	FILE *out = fopen(file_path, "w");
	char line[4096];

	memset(line, '#', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (size_t i = 0; i < limit / sizeof(line); i++)
		assert_int_equal(fwrite(line, 1, sizeof(line), out), sizeof(line));
	fclose(out);
	fake_begin(&f, NULL);
	assert_int_equal(RUN(&f, "apply", "-f", file_path), 0);
	out = fopen(file_path, "a");
	fputc('\n', out);
	fclose(out);
	assert_int_equal(RUN(&f, "apply", "-f", file_path), VTAP_EXIT_USAGE);
	assert_non_null(strstr(f.err, "is larger than 16777216 bytes"));
}

static void test_standard_input(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f;
	char text[] = "targets: []\n";

	fake_begin(&f, NULL);
	f.cli.in = fmemopen(text, strlen(text), "r");
	assert_int_equal(RUN(&f, "apply", "-f", "-"), 0);
	assert_string_equal(f.out, "0 created, 0 changed, 0 deleted, 0 as they were\n");
	fclose(f.cli.in);
}

/* Kinds that one may not see are left out, unless they were asked for. */
static void test_export(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f, g, h;

#define NOT_SEEN(kind) {"GET", "/v1/" kind "?limit=1", NULL, 403, REFUSED}
	fake_begin(&f, (const struct fake_exchange[]){
			   NOT_SEEN("projects"),
			   NOT_SEEN("users"),
			   NOT_SEEN("hosts"),
			   NOT_SEEN("guests"),
			   NOT_SEEN("networks"),
			   NOT_SEEN("subnets"),
			   NOT_SEEN("interfaces"),
			   NOT_SEEN("wires"),
			   NOT_SEEN("gateways"),
			   {"GET", "/v1/targets?limit=1", NULL, 200, EMPTY},
			   {"GET", "/v1/targets?limit=500", NULL, 200, LIST(TARGET)},
			   NOT_SEEN("filters"),
			   NOT_SEEN("sessions"),
			   {},
		       });
	assert_int_equal(RUN(&f, "export"), 0);
	assert_string_equal(f.out, "targets:\n- name: ids\n  tags:\n    vtap-manifest: m\n  address: 10.0.0.1\n");
	fake_begin(&g, NULL);
	assert_int_equal(RUN(&g, "export", "key"), VTAP_EXIT_USAGE);
	assert_string_equal(g.err, "vtap: manifests have no \"key\"\n");
	fake_begin(
	    &h, (const struct fake_exchange[]){
		    NOT_SEEN("projects"), NOT_SEEN("users"), {"GET", "/v1/hosts?limit=500", NULL, 403, REFUSED}, {}});
	assert_int_equal(RUN(&h, "export", "host"), VTAP_EXIT_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_create_and_change),
	    cmocka_unit_test(test_diff),
	    cmocka_unit_test(test_rounds),
	    cmocka_unit_test(test_prune),
	    cmocka_unit_test(test_changed_meanwhile),
	    cmocka_unit_test(test_bad_files),
	    cmocka_unit_test(test_file_size),
	    cmocka_unit_test(test_standard_input),
	    cmocka_unit_test(test_export),
	};
	int fd = mkstemp(file_path), r;

	assert_true(fd >= 0);
	close(fd);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(file_path);
	return r;
}
