/* SPDX-License-Identifier: Apache-2.0 */

#include "unit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "cli/settings.h"

#define ENVIRONMENT_MAX 8

static char folder[] = "/tmp/vtap-settings-XXXXXX";
static char path[sizeof(folder) + 32];
static const char *environment[ENVIRONMENT_MAX][2];

static char *lookup(const char *name)
{
	for (size_t i = 0; i < ENVIRONMENT_MAX && environment[i][0]; i++)
		if (strcmp(environment[i][0], name) == 0)
			return (char *)environment[i][1];
	return NULL;
}

static void put(const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

static int begin(void **state)
{
	memset(environment, 0, sizeof(environment));
	environment[0][0] = "VTAP_PROFILE";
	environment[0][1] = path;
	unlink(path);
	return 0;
}

static void add(const char *name, const char *value)
{
	size_t i = 0;

	while (environment[i][0])
		i++;
	environment[i][0] = name;
	environment[i][1] = value;
}

static int read_with(struct vtap_settings *s, struct vtap_error *error, const char *option, const char *value)
{
	VTAP_CLEANUP(vtap_invocation_done) struct vtap_invocation i = {.options = json_object()};

	if (option)
		json_object_set_new(i.options, option, json_string(value));
	return vtap_settings_read(&i, lookup, s, error);
}

static void refused(const char *fragment)
{
	struct vtap_settings s = {};
	struct vtap_error error = {};
	char text[400];

	assert_true(read_with(&s, &error, NULL, NULL) < 0);
	vtap_error_format(&error, NULL, text, sizeof(text));
	if (!strstr(text, fragment))
		fail_msg("\"%s\" lacks \"%s\"", text, fragment);
	assert_null(s.url);
}

static void test_nothing(void **state)
{
	VTAP_CLEANUP(vtap_settings_done) struct vtap_settings s = {};

	assert_int_equal(read_with(&s, NULL, NULL, NULL), 0);
	assert_string_equal(s.url, VTAP_URL_DEFAULT);
	assert_null(s.user);
	assert_null(s.bearer);
	assert_null(s.project);
	assert_string_equal(s.profile_path, path);
}

static void test_places(void **state)
{
	static const struct {
		const char *name, *value, *path;
	} rows[] = {
	    {"XDG_CONFIG_HOME", "/x", "/x/vtap/profile"},
	    {"HOME", "/h", "/h/.config/vtap/profile"},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		VTAP_CLEANUP(vtap_settings_done) struct vtap_settings s = {};

		memset(environment, 0, sizeof(environment));
		add(rows[i].name, rows[i].value);
		assert_int_equal(read_with(&s, NULL, NULL, NULL), 0);
		assert_string_equal(s.profile_path, rows[i].path);
	}
}

static void test_order(void **state)
{
	VTAP_CLEANUP(vtap_settings_done) struct vtap_settings a = {}, b = {}, c = {}, d = {};

	put("url: https://profile:1\nproject: p\naccess_key_id: key-1\nsecret_access_key: s\nca_file: /ca\n", 0600);
	assert_int_equal(read_with(&a, NULL, NULL, NULL), 0);
	assert_string_equal(a.url, "https://profile:1");
	assert_string_equal(a.user, "key-1");
	assert_string_equal(a.password, "s");
	assert_string_equal(a.project, "p");
	assert_string_equal(a.ca_file, "/ca");
	add("VTAP_ACCESS_KEY_ID", "key-2");
	add("VTAP_SECRET_ACCESS_KEY", "t");
	add("VTAP_PROJECT", "q");
	add("VTAP_CA_FILE", "/cb");
	assert_int_equal(read_with(&b, NULL, NULL, NULL), 0);
	assert_string_equal(b.user, "key-2");
	assert_string_equal(b.password, "t");
	assert_string_equal(b.project, "q");
	assert_string_equal(b.ca_file, "/cb");
	add("VTAP_URL", "https://environment:1");
	assert_int_equal(read_with(&c, NULL, "project", "r"), 0);
	assert_string_equal(c.url, "https://environment:1");
	assert_string_equal(c.project, "r");
	assert_int_equal(read_with(&d, NULL, "url", "https://option:1"), 0);
	assert_string_equal(d.url, "https://option:1");
}

static void test_token_comes_first(void **state)
{
	VTAP_CLEANUP(vtap_settings_done) struct vtap_settings s = {}, t = {};

	put("token: tok\naccess_key_id: key-1\nsecret_access_key: s\n", 0600);
	assert_int_equal(read_with(&s, NULL, NULL, NULL), 0);
	assert_string_equal(s.bearer, "tok");
	assert_null(s.user);
	add("VTAP_ACCESS_KEY_ID", "key-2");
	add("VTAP_SECRET_ACCESS_KEY", "t");
	assert_int_equal(read_with(&t, NULL, NULL, NULL), 0);
	assert_null(t.bearer);
	assert_string_equal(t.user, "key-2");
}

/* Another controller must not learn them. */
static void test_credentials_stay_at_home(void **state)
{
	VTAP_CLEANUP(vtap_settings_done) struct vtap_settings s = {}, same = {}, bare = {};

	put("url: https://profile:1\nproject: p\ntoken: tok\n", 0600);
	assert_int_equal(read_with(&s, NULL, "url", "https://profile:1.example"), 0);
	assert_null(s.bearer);
	assert_null(s.project);
	assert_int_equal(read_with(&same, NULL, "url", "https://profile:1/"), 0);
	assert_string_equal(same.bearer, "tok");
	put("token: tok\n", 0600);
	assert_int_equal(read_with(&bare, NULL, "url", "https://profile:1"), 0);
	assert_null(bare.bearer);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *text, *fragment;
	} rows[] = {
	    {"uri: x\n", ":1: \"uri\" is unknown; there are url, project"},
	    {"url: 12\n", ":1: url: must be text"},
	    {"- url\n", "must have lines such as"},
	    {"url: [\n", "is not YAML"},
	    {"access_key_id: x\n", "belong together"},
	    {"project: \"a b\"\n", "--project: must be a project's name or id"},
	};
	char *large = calloc(1, VTAP_PROFILE_MAX_BYTES + 2);

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		put(rows[i].text, 0600);
		refused(rows[i].fragment);
	}
	memset(large, '#', VTAP_PROFILE_MAX_BYTES + 1);
	put(large, 0600);
	refused("is larger than 65536 bytes");
	large[VTAP_PROFILE_MAX_BYTES] = '\0';
	put(large, 0600);
	{
		VTAP_CLEANUP(vtap_settings_done) struct vtap_settings s = {};

		assert_int_equal(read_with(&s, NULL, NULL, NULL), 0);
	}
	free(large);
	unlink(path);
	add("VTAP_ACCESS_KEY_ID", "key-2");
	refused("VTAP_SECRET_ACCESS_KEY: is not set, but VTAP_ACCESS_KEY_ID is");
}

static void test_modes(void **state)
{
	static const mode_t bad[] = {0640, 0604, 0620, 0602, 0644, 0610};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(bad); i++) {
		put("token: t\n", bad[i]);
		refused("its mode must be 0600, not 06");
	}
	put("token: t\n", 0400);
	{
		VTAP_CLEANUP(vtap_settings_done) struct vtap_settings s = {};

		assert_int_equal(read_with(&s, NULL, NULL, NULL), 0);
	}
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	refused("is no file");
	rmdir(path);
}

static void test_write(void **state)
{
	VTAP_CLEANUP(vtap_profile_done) struct vtap_profile p = {}, q = {};
	char below[sizeof(path) + 32];
	struct stat st;

	p.url = strdup("https://c:8750");
	p.token = strdup("yes: \"#");
	snprintf(below, sizeof(below), "%s.d/e/profile", path);
	assert_int_equal(vtap_profile_write(below, &p, NULL), 0);
	assert_int_equal(stat(below, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	free(p.url);
	p.url = NULL;
	assert_int_equal(vtap_profile_write(below, &p, NULL), 0);
	assert_int_equal(vtap_profile_read(below, &q, NULL), 0);
	assert_string_equal(q.token, "yes: \"#");
	assert_null(q.url);
	unlink(below);
	*strrchr(below, '/') = '\0';
	assert_int_equal(rmdir(below), 0); /* nothing is left beside it */
	*strrchr(below, '/') = '\0';
	assert_int_equal(rmdir(below), 0);
}

static void test_write_fails(void **state)
{
	struct vtap_profile p = {};
	struct vtap_error error = {};

	assert_int_equal(vtap_profile_write("/dev/null/x/profile", &p, &error), -ENOTDIR);
	assert_non_null(strstr(error.text, "its folder cannot be made"));
	assert_int_equal(vtap_profile_write("/dev/null/profile", &p, &error), -ENOTDIR);
	assert_non_null(strstr(error.text, "cannot be written"));
}

static int end(void **state)
{
	unlink(path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_nothing, begin),
	    cmocka_unit_test_setup(test_places, begin),
	    cmocka_unit_test_setup(test_order, begin),
	    cmocka_unit_test_setup(test_token_comes_first, begin),
	    cmocka_unit_test_setup(test_credentials_stay_at_home, begin),
	    cmocka_unit_test_setup(test_refusals, begin),
	    cmocka_unit_test_setup(test_modes, begin),
	    cmocka_unit_test_setup(test_write, begin),
	    cmocka_unit_test_setup(test_write_fails, begin),
	};

	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof(path), "%s/profile", folder);
	return cmocka_run_group_tests(tests, NULL, end);
}
