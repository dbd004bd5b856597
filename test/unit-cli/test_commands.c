/* SPDX-License-Identifier: Apache-2.0 */

#include "fake.h"

#include <sys/stat.h>
#include <unistd.h>

#define TARGET "{\"id\":\"tmt-00000000000000001\",\"name\":\"ids\",\"address\":\"10.0.0.1\",\"version\":1}"

static void test_create(void **state)
{
	static const struct fake_exchange script[] = {
	    {"POST", "/v1/targets", "{\"name\":\"ids\",\"address\":\"10.0.0.1\"}", 201, TARGET},
	    {"POST", "/v1/targets", "{\"address\":\"10.0.0.1\"}", 201, TARGET},
	    {"POST", "/v1/targets?dry_run=true", "{\"address\":\"10.0.0.1\"}", 201,
	     "{\"name\":null,\"address\":\"x\"}"},
	    {"POST", "/v1/targets", "{\"address\":\"10.0.0.1\"}", 201, TARGET},
	    {},
	};
	VTAP_CLEANUP(fake_end) struct fake f;

	fake_begin(&f, (const struct fake_exchange[]){script[0], {}});
	assert_int_equal(RUN(&f, "target", "create", "--name", "ids", "--address", "10.0.0.1"), 0);
	fake_says(&f, "target ids (tmt-00000000000000001) created\n", "");
	fake_end(&f);
	fake_begin(&f, (const struct fake_exchange[]){script[1], {}});
	f.header = "Idempotency-Key: k 1";
	assert_int_equal(RUN(&f, "-q", "target", "create", "--address", "10.0.0.1", "--idempotency-key", "k 1"), 0);
	fake_says(&f, "tmt-00000000000000001\n", "");
	fake_end(&f);
	fake_begin(&f, (const struct fake_exchange[]){script[2], {}});
	assert_int_equal(RUN(&f, "target", "create", "--address", "10.0.0.1", "--dry-run"), 0);
	fake_says(&f, "target  created (dry run: nothing was changed)\n", "");
	fake_end(&f);
	fake_begin(&f, (const struct fake_exchange[]){script[3], {}});
	assert_int_equal(RUN(&f, "target", "create", "--address", "10.0.0.1", "-o", "yaml"), 0);
	fake_says(&f, "id: tmt-00000000000000001\nname: ids\naddress: 10.0.0.1\nversion: 1\n", "");
}

/* One that is refused hides neither the others nor itself. */
static void test_many(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f;

	fake_begin(&f, (const struct fake_exchange[]){
			   {"DELETE", "/v1/targets/a", NULL, 204, NULL},
			   {"DELETE", "/v1/targets/b", NULL, 404, PROBLEM(404, "", "there is no target b")},
			   {"DELETE", "/v1/targets/c", NULL, 204, NULL},
			   {},
		       });
	f.header = "If-Match: \"3\"";
	assert_int_equal(RUN(&f, "target", "delete", "a", "b", "c", "--if-version", "3"), VTAP_EXIT_REFUSED);
	fake_says(&f, "target a deleted\ntarget c deleted\n", "vtap: target b: there is no target b\n");
	assert_null(f.next->method);
}

static void test_pages(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f, g;

	fake_begin(
	    &f, (const struct fake_exchange[]){
		    {"GET", "/v1/targets?name=ids&limit=500", NULL, 200,
		     "{\"items\":[{\"id\":\"a\"},{\"id\":\"b\"}],\"next\":\"x y\"}"},
		    {"GET", "/v1/targets?name=ids&limit=500&cursor=x%20y", NULL, 200, "{\"items\":[],\"next\":\"z\"}"},
		    {"GET", "/v1/targets?name=ids&limit=500&cursor=z", NULL, 200,
		     "{\"items\":[{\"id\":\"c\"}],\"next\":null}"},
		    {},
		});
	f.header = "X-Vtap-Project: p";
	f.settings.project = strdup("p");
	assert_int_equal(RUN(&f, "target", "list", "--name", "ids", "-q"), 0);
	fake_says(&f, "a\nb\nc\n", "");
	fake_begin(&g, (const struct fake_exchange[]){
			   {"GET", "/v1/targets?limit=2", NULL, 200,
			    "{\"items\":[{\"id\":\"a\"},{\"id\":\"b\"},{\"id\":\"c\"}],\"next\":\"y\"}"},
			   {},
		       });
	assert_int_equal(RUN(&g, "target", "list", "--limit", "2", "-o", "json"), 0);
	fake_says(&g, "[\n  {\n    \"id\": \"a\"\n  },\n  {\n    \"id\": \"b\"\n  }\n]\n", "");
}

/* Tables have names where resources have ids; what cannot be looked up stays an id. */
static void test_names(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f;

	fake_begin(
	    &f,
	    (const struct fake_exchange[]){
		{"GET", "/v1/wires?limit=500", NULL, 200,
		 "{\"items\":[{\"id\":\"wire-00000000000000001\",\"name\":\"w\",\"host\":\"host-00000000000000001\","
		 "\"device\":\"br0\"},{\"id\":\"wire-00000000000000002\",\"name\":null,\"host\":"
		 "\"host-00000000000000002\",\"device\":\"br1\"}],\"next\":null}"},
		{"GET", "/v1/hosts?limit=1000", NULL, 200,
		 "{\"items\":[{\"id\":\"host-00000000000000001\",\"name\":\"a\"}],\"next\":null}"},
		{},
	    });
	assert_int_equal(RUN(&f, "wire", "list"), 0);
	fake_says(&f,
		  "ID                      NAME  HOST                    DEVICE\n"
		  "wire-00000000000000001  w     a                       br0\n"
		  "wire-00000000000000002  -     host-00000000000000002  br1\n",
		  "");
}

static void test_rules(void **state)
{
	static const char page[] =
	    "{\"items\":[{\"id\":\"tmfr-00000000000000001\",\"direction\":\"in\",\"number\":10},"
	    "{\"id\":\"tmfr-00000000000000002\",\"direction\":\"out\",\"number\":10}],\"next\":null}";
	VTAP_CLEANUP(fake_end) struct fake f, g, h, n;

	fake_begin(&f,
		   (const struct fake_exchange[]){
		       {"POST", "/v1/filters/web/rules", "{\"direction\":\"in\",\"number\":10,\"protocol\":\"tcp\"}",
			201, "{\"id\":\"tmfr-00000000000000001\",\"name\":null}"},
		       {},
		   });
	assert_int_equal(
	    RUN(&f, "rule", "add", "--filter", "web", "--direction", "in", "--number", "10", "--protocol", "tcp"), 0);
	fake_says(&f, "rule in 10 (tmfr-00000000000000001) created\n", "");
	fake_begin(&g, (const struct fake_exchange[]){
			   {"GET", "/v1/filters/a%20b/rules?limit=500", NULL, 200, page},
			   {"DELETE", "/v1/rules/tmfr-00000000000000002", NULL, 204, NULL},
			   {},
		       });
	assert_int_equal(RUN(&g, "rule", "delete", "a b/out/10"), 0);
	fake_begin(&h, (const struct fake_exchange[]){{"GET", "/v1/filters/web/rules?limit=500", NULL, 200, page}, {}});
	assert_int_equal(RUN(&h, "rule", "show", "web/out/11"), VTAP_EXIT_REFUSED);
	fake_says(&h, "", "vtap: filter web has no rule out 11\n");
	/* What is no place is taken for an id. */
	fake_begin(
	    &n, (const struct fake_exchange[]){{"GET", "/v1/rules/web%2F11", NULL, 404, PROBLEM(404, "", "no")}, {}});
	assert_int_equal(RUN(&n, "rule", "show", "web/11"), VTAP_EXIT_REFUSED);
}

static char file_path[] = "/tmp/vtap-cli-XXXXXX";

static const char *file(const char *text)
{
	FILE *out = fopen(file_path, "w");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
	return file_path;
}

static void test_rule_replace(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f, g;

	fake_begin(&f, (const struct fake_exchange[]){{"PUT", "/v1/filters/web/rules",
						       "{\"rules\":[{\"direction\":\"in\",\"number\":1}]}", 200, "{}"},
						      {}});
	assert_int_equal(RUN(&f, "rule", "replace", "--filter", "web", "-f", file("- {direction: in, number: 1}\n")),
			 0);
	fake_says(&f, "filter web has 1 rule now\n", "");
	fake_begin(&g, NULL);
	assert_int_equal(RUN(&g, "rule", "replace", "--filter", "web", "-f", file("rule: []\n")), VTAP_EXIT_USAGE);
	assert_non_null(strstr(g.err, "must be a list of rules"));
	assert_int_equal(RUN(&g, "rule", "replace", "--filter", "web", "-f", file("a: [\n")), VTAP_EXIT_USAGE);
	assert_non_null(strstr(g.err, ": is not YAML"));
	assert_int_equal(RUN(&g, "rule", "replace", "--filter", "web", "-f", "/nowhere/x"), VTAP_EXIT_USAGE);
	assert_string_equal(g.err, "vtap: /nowhere/x: cannot be opened: No such file or directory\n");
}

static void test_secrets(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f, g, h;

	fake_begin(&f, (const struct fake_exchange[]){
			   {"POST", "/v1/users", "{\"name\":\"bob\",\"password\":\"correct horse\"}", 201,
			    "{\"id\":\"user-00000000000000001\",\"name\":\"bob\"}"},
			   {},
		       });
	f.cli.in_terminal = true;
	f.typed[0] = f.typed[1] = "correct horse";
	assert_int_equal(RUN(&f, "user", "create", "--name", "bob", "--password"), 0);
	assert_int_equal(f.typed_count, 2);
	fake_begin(&g, NULL);
	g.cli.in_terminal = true;
	g.typed[0] = "correct horse";
	g.typed[1] = "correct hose";
	assert_int_equal(RUN(&g, "user", "create", "--name", "bob", "--password"), VTAP_EXIT_USAGE);
	fake_says(&g, "", "vtap: the two passwords differ\n");
	fake_begin(&h, NULL);
	assert_int_equal(RUN(&h, "user", "create", "--name", "bob", "--password"), VTAP_EXIT_USAGE);
	fake_says(&h, "", "vtap: there is no password on standard input\n");
}

static void test_secret_length(void **state)
{
	char text[1026] = "";
	VTAP_CLEANUP(fake_end) struct fake f, g;

	memset(text, 'x', 1024);
	fake_begin(&f, (const struct fake_exchange[]){{"GET", "/v1/whoami", NULL, 200, "{}"}, {}});
	text[1024] = 'x';
	f.typed[0] = text;
	assert_int_equal(RUN(&f, "user", "password", "bob"), VTAP_EXIT_USAGE);
	fake_says(&f, "", "vtap: the password has more than 1024 bytes\n");
	fake_begin(&g, (const struct fake_exchange[]){{"GET", "/v1/whoami", NULL, 0, NULL}, {}});
	assert_int_equal(RUN(&g, "user", "password", "bob"), VTAP_EXIT_UNREACHABLE);
}

static void test_own_password(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f, g;

	fake_begin(&f, (const struct fake_exchange[]){
			   {"GET", "/v1/whoami", NULL, 200, "{\"user\":\"user-00000000000000001\",\"name\":\"bob\"}"},
			   {"POST", "/v1/users/bob/password", "{\"current\":\"old\",\"password\":\"new\"}", 204, NULL},
			   {},
		       });
	f.typed[0] = "old";
	f.typed[1] = "new";
	assert_int_equal(RUN(&f, "user", "password", "bob"), 0);
	fake_says(&f, "user bob has a new password\n", "");
	fake_begin(&g, (const struct fake_exchange[]){
			   {"GET", "/v1/whoami", NULL, 200, "{\"user\":\"user-00000000000000001\",\"name\":\"admin\"}"},
			   {"POST", "/v1/users/bob/password", "{\"password\":\"new\"}", 204, NULL},
			   {},
		       });
	g.typed[0] = "new";
	assert_int_equal(RUN(&g, "user", "password", "bob"), 0);
}

static void test_login(void **state)
{
	VTAP_CLEANUP(vtap_profile_done) struct vtap_profile kept = {};
	VTAP_CLEANUP(fake_end) struct fake f, g;
	const char *path = file("url: http://old\ntoken: t0\n");

	assert_int_equal(chmod(path, 0600), 0);
	fake_begin(&f, (const struct fake_exchange[]){
			   {"POST", "/v1/login", "{\"user\":\"bob\",\"password\":\"pw\"}", 200,
			    "{\"token\":\"t1\",\"expires\":\"2026-11-22T00:00:00Z\"}"},
			   {},
		       });
	f.settings.profile_path = strdup(path);
	assert_int_equal(vtap_profile_read(path, &f.settings.profile, NULL), 0);
	f.typed[0] = "pw";
	assert_int_equal(RUN(&f, "login", "--user", "bob"), 0);
	assert_non_null(strstr(f.out, "logged in to http://127.0.0.1:8750 as bob, until 2026-11-22T00:00:00Z"));
	assert_int_equal(vtap_profile_read(path, &kept, NULL), 0);
	assert_string_equal(kept.url, "http://127.0.0.1:8750");
	assert_string_equal(kept.token, "t1");
	fake_begin(&g, (const struct fake_exchange[]){{"POST", "/v1/logout", NULL, 204, NULL}, {}});
	g.settings.profile_path = strdup(path);
	g.settings.bearer = strdup("t1");
	g.settings.profile.token = strdup("t1");
	assert_int_equal(RUN(&g, "logout"), 0);
	vtap_profile_done(&kept);
	assert_int_equal(vtap_profile_read(path, &kept, NULL), 0);
	assert_null(kept.token);
}

static void test_user_without_password(void **state)
{
	static const struct fake_exchange script[] = {
	    {"POST", "/v1/users", "{\"name\":\"bob\"}", 201, "{\"id\":\"user-00000000000000001\",\"name\":\"bob\"}"},
	    {}};
	VTAP_CLEANUP(fake_end) struct fake f, g;

	fake_begin(&f, script);
	assert_int_equal(RUN(&f, "user", "create", "--name", "bob"), 0);
	fake_says(&f, "user bob (user-00000000000000001) created\n",
		  "vtap: bob has no password, and so no login: vtap user password bob sets one\n");
	fake_begin(&g, script);
	assert_int_equal(RUN(&g, "user", "create", "--name", "bob", "-q"), 0);
	fake_says(&g, "user-00000000000000001\n", "");
}

/* The key of a profile may stand nowhere else. */
static void test_login_leaves_keys_alone(void **state)
{
	static const char *const texts[] = {
	    "{\"access_key_id\": \"a\", \"secret_access_key\": \"b\"}\n",
	    "url: http://127.0.0.1:8750\naccess_key_id: a\nsecret_access_key: b\n",
	    "url: http://old\naccess_key_id: a\nsecret_access_key: b\n",
	};

	for (size_t n = 0; n < VTAP_ARRAY_SIZE(texts); n++) {
		VTAP_CLEANUP(vtap_profile_done) struct vtap_profile kept = {};
		VTAP_CLEANUP(fake_end) struct fake f;
		char said[512];
		struct stat before, after;

		file(texts[n]);
		assert_int_equal(chmod(file_path, 0600), 0);
		assert_int_equal(stat(file_path, &before), 0);
		fake_begin(&f, NULL);
		f.settings.profile_path = strdup(file_path);
		assert_int_equal(vtap_profile_read(file_path, &f.settings.profile, NULL), 0);
		assert_int_equal(RUN(&f, "login", "--user", "bob"), VTAP_EXIT_USAGE);
		snprintf(said, sizeof(said),
			 "vtap: %s holds an access key, and a login does not write to it: name another file for the "
			 "token with --profile-file or VTAP_PROFILE, or unset VTAP_PROFILE\n",
			 file_path);
		fake_says(&f, "", said);
		assert_int_equal(stat(file_path, &after), 0);
		assert_int_equal(before.st_ino, after.st_ino);
		assert_int_equal(vtap_profile_read(file_path, &kept, NULL), 0);
		assert_string_equal(kept.secret_access_key, "b");
	}
}

static void test_logout_of_nobody(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f, g;

	fake_begin(&f, NULL);
	assert_int_equal(RUN(&f, "logout"), VTAP_EXIT_REFUSED);
	fake_says(&f, "", "vtap: nobody is logged in to http://127.0.0.1:8750\n");
	/* A token that is good no more is forgotten. */
	fake_begin(&g, (const struct fake_exchange[]){{"POST", "/v1/logout", NULL, 401, PROBLEM(401, "", "old")}, {}});
	g.settings.profile_path = strdup(file_path);
	g.settings.bearer = strdup("t1");
	assert_int_equal(RUN(&g, "logout"), 0);
}

static void test_once(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f, g;

	fake_begin(&f, (const struct fake_exchange[]){
			   {"POST", "/v1/keys", "{}", 201,
			    "{\"id\":\"key-00000000000000001\",\"access_key_id\":\"key-00000000000000001\","
			    "\"secret_access_key\":\"s\"}"},
			   {},
		       });
	f.cli.terminal = true;
	assert_int_equal(RUN(&f, "key", "create"), 0);
	fake_says(&f,
		  "id                 key-00000000000000001\n"
		  "access_key_id      key-00000000000000001\n"
		  "secret_access_key  s\n",
		  "vtap: keep the secret: it is not shown again\n");
	fake_begin(&g,
		   (const struct fake_exchange[]){
		       {"POST", "/v1/hosts/h/token", NULL, 201, "{\"token\":\"vtapjoin-x\",\"expires\":\"y\"}"}, {}});
	assert_int_equal(RUN(&g, "host", "token", "h"), 0);
	fake_says(&g, "vtapjoin-x\n", "");
}

static void test_options_refused(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f, g;

	fake_begin(&f, (const struct fake_exchange[]){
			   {"GET", "/v1/hosts?sort=x&limit=500", NULL, 400, "{\"field\":\"sort\",\"detail\":\"no\"}"},
			   {},
		       });
	assert_int_equal(RUN(&f, "host", "list", "--sort", "x"), VTAP_EXIT_REFUSED);
	fake_says(&f, "", "vtap: --sort: no\n");
	fake_begin(&g,
		   (const struct fake_exchange[]){
		       {"POST", "/v1/hosts/h/token", "{\"ttl\":\"9y\"}", 400, "{\"field\":\"ttl\",\"detail\":\"no\"}"},
		       {},
		   });
	assert_int_equal(RUN(&g, "host", "token", "h", "--ttl", "9y"), VTAP_EXIT_REFUSED);
	fake_says(&g, "", "vtap: --ttl: no\n");
}

static void test_help(void **state)
{
	static const struct {
		const char *argv[5];
		int status;
		const char *out, *err;
	} rows[] = {
	    {{"help"}, 0, "Usage: vtap NOUN VERB", NULL},
	    {{"--help"}, 0, "Exit status: 0 done", NULL},
	    {{"help", "session"}, 0, "stats SESSION", NULL},
	    {{"session", "--help"}, 0, "stats SESSION", NULL},
	    {{"session", "create", "-h"}, 0, "--vni 0..16777215", NULL},
	    {{"help", "session", "list"}, 0, "--watch", NULL},
	    {{"help", "rule", "add"}, 0, "--filter FILTER", NULL},
	    {{"help", "apply"}, 0, "-f, --file FILE", NULL},
	    {{"user", "create", "--help"}, 0, "is asked for, or read from standard input", NULL},
	    {{"help", "nothing"}, 2, NULL, "there is no help for \"nothing\""},
	    {{"help", "session", "nothing"}, 2, NULL, "there is no help for \"nothing\""},
	    {{"help", "apply", "x"}, 2, NULL, "there is no help for \"x\""},
	    {{NULL}, 2, NULL, "Usage: vtap NOUN VERB"},
	    {{"session"}, 2, NULL, "Usage: vtap session VERB"},
	    {{"version"}, 0, "vtap " VTAP_VERSION "\n", NULL},
	    {{"--version"}, 0, "vtap " VTAP_VERSION "\n", NULL},
	    {{"completion", "bash"}, 0, "complete -o default -F _vtap vtap", NULL},
	    {{"completion", "zsh"}, 0, "#compdef vtap", NULL},
	    {{"completion", "fish"}, 2, NULL, "the shell must be bash or zsh, not \"fish\""},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		VTAP_CLEANUP(fake_end) struct fake f;

		fake_begin(&f, NULL);
		assert_int_equal(fake_run(&f, rows[i].argv), rows[i].status);
		if (!strstr(rows[i].out ? f.out : f.err, rows[i].out ? rows[i].out : rows[i].err))
			fail_msg("row %zu: %s%s", i, f.out, f.err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_create),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_pages),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_rules),
	    cmocka_unit_test(test_rule_replace),
	    cmocka_unit_test(test_secrets),
	    cmocka_unit_test(test_secret_length),
	    cmocka_unit_test(test_own_password),
	    cmocka_unit_test(test_login),
	    cmocka_unit_test(test_user_without_password),
	    cmocka_unit_test(test_login_leaves_keys_alone),
	    cmocka_unit_test(test_logout_of_nobody),
	    cmocka_unit_test(test_once),
	    cmocka_unit_test(test_options_refused),
	    cmocka_unit_test(test_help),
	};
	int fd = mkstemp(file_path), r;

	assert_true(fd >= 0);
	close(fd);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(file_path);
	return r;
}
