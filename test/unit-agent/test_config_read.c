/* SPDX-License-Identifier: Apache-2.0 */

/* Reading of a controller's document part by part: what cannot be used is left out and named, and nothing else. */

#include "unit.h"

#define TEXT_MAX 400

struct told { /* what vtap_config_read() refused, one line each: "sessions[1] encapsulation.vni: must be ..." */
	char lines[16][TEXT_MAX];
	size_t count;
};

static void on_refused(const char *list, size_t index, const struct vtap_error *e, void *userdata)
{
	struct told *told = userdata;
	char text[TEXT_MAX - 40];

	assert_true(told->count < VTAP_ARRAY_SIZE(told->lines));
	vtap_error_format(e, NULL, text, sizeof(text));
	snprintf(told->lines[told->count++], TEXT_MAX, "%s[%zu] %s", list, index, text);
}

static struct vtap_config *read_text(const char *text, struct told *told)
{
	struct vtap_config *config = NULL;
	struct vtap_error e = {};
	json_error_t where;
	json_t *values = json_loads(text, 0, &where);

	if (!values)
		fail_msg("%s at %d in %s", where.text, where.position, text);
	memset(told, 0, sizeof(*told));
	assert_int_equal(vtap_config_read(values, on_refused, told, &config, &e), 0);
	json_decref(values);
	return config;
}

#define TARGETS "\"targets\": [{\"name\": \"t\", \"address\": \"10.0.0.1\"}]"
#define SESSION(name, rest)                                                                                            \
	"{\"name\": \"" name "\", \"target\": \"t\", \"encapsulation\": {\"vni\": 1}, \"mode\": \"copy\", " rest "}"

/* One document for each row; the sessions that are left, and what is said of the others. */
static const struct {
	const char *text;
	const char *sessions; /* their names, with a blank behind each */
	const char *lines[4];
} rows[] = {
    {"{}", "", {}},
    {"{" TARGETS ", \"sessions\": [], \"later\": 1}", "", {}},
    {"{" TARGETS ", \"sessions\": [" SESSION("a", "\"sources\": [{\"device\": \"v1\"}]") ", " SESSION(
	 "b", "\"sources\": [{\"device\": \"v1\"}], \"packet_length\": 9217") ", " SESSION("c",
											   "\"sources\": [{\"device\": "
											   "\"v1\"}]") "]}",
     "a c ",
     {"sessions[1] packet_length: must be 0..9216, not 9217"}},
    {"{" TARGETS ", \"sessions\": [7, " SESSION("a", "\"sources\": [{\"device\": \"v1\"}], \"wat\": 1") "]}",
     "",
     {"sessions[0] must be a mapping (key: value), not 7", "sessions[1] wat: unknown key"}},
    /* Against those that were taken before, not against those that were refused. */
    {"{" TARGETS ", \"sessions\": [" SESSION(
	 "a",
	 "\"sources\": [{\"device\": \"v1\", \"side\": \"own\"}], "
	 "\"packet_length\": -1") ", " SESSION("b",
					       "\"sources\": [{\"device\": \"v1\"}]") ", " SESSION("c",
												   "\"sources\": "
												   "[{\"device\": "
												   "\"v2\"}, "
												   "{\"device\": "
												   "\"v1\", "
												   "\"side\": "
												   "\"own\"}]") ","
														" " SESSION(
														    "d",
														    "\""
														    "so"
														    "ur"
														    "ce"
														    "s"
														    "\""
														    ": "
														    "[{"
														    "\""
														    "de"
														    "vi"
														    "ce"
														    "\""
														    ": "
														    "\""
														    "v2"
														    "\""
														    ", "
														    "\""
														    "si"
														    "de"
														    "\""
														    ": "
														    "\""
														    "ow"
														    "n"
														    "\""
														    "}"
														    "]") "]}",
     "b d ",
     {"sessions[0] packet_length: must be 0..9216",
      "sessions[2] sources[1]: device v1 has another side in another session"}},
    {"{" TARGETS ", \"sessions\": [" SESSION("a", "\"sources\": [{\"device\": \"v1\"}]") ", " SESSION(
	 "a", "\"sources\": [{\"device\": \"v2\"}]") "]}",
     "a ",
     {"sessions[1] name: \"a\" is used twice"}},
    /* A target or a filter takes its sessions along, which say why. */
    {"{\"targets\": [{\"name\": \"t\", \"address\": \"0.0.0.0\"}], \"sessions\": [" SESSION(
	 "a", "\"sources\": [{\"device\": \"v1\"}]") "]}",
     "",
     {"targets[0] address: must be the unicast address",
      "sessions[0] target: t cannot be used: address: must be the unicast address of another host, not \"0.0.0.0\""}},
    {"{" TARGETS ", \"filters\": [{\"name\": \"f\", \"rules\": [{\"direction\": \"in\", \"number\": 1, \"action\": "
     "\"accept\", \"vlan\": 4095}]}, {\"name\": \"g\", \"rules\": []}], \"sessions\": [" SESSION(
	 "a", "\"sources\": [{\"device\": \"v1\"}], \"filter\": \"f\"") ", " SESSION("b", "\"sources\": [{\"device\": "
											  "\"v1\"}], \"filter\": "
											  "\"g\"") "]}",
     "b ",
     {"filters[0] rules[0].vlan: must be 1..4094, not 4095",
      "sessions[0] filter: f cannot be used: rules[0].vlan: must be 1..4094, not 4095"}},
    {"{" TARGETS ", \"filters\": [{\"name\": \"f\", \"rules\": []}, {\"name\": \"f\", \"rules\": []}], \"sessions\": "
     "[" SESSION("a", "\"sources\": [{\"device\": \"v1\"}], \"filter\": \"f\"") "]}",
     "a ",
     {"filters[1] name: \"f\" is used twice"}},
    {"{\"never_mirror\": [{\"address\": \"::\"}, {\"address\": \"10.0.0.9\", \"port\": 1}], \"sessions\": []}",
     "",
     {"never_mirror[0] address: must be the address of one tunnel endpoint"}},
    /* Ports of never_mirror stand before those of sessions. */
    {"{" TARGETS ", \"never_mirror\": [{\"address\": \"10.0.0.9\", \"port\": 1}, {\"address\": \"10.0.0.9\", \"port\": "
     "2}, {\"address\": \"10.0.0.9\", \"port\": 3}, {\"address\": \"10.0.0.9\", \"port\": 4}, {\"address\": "
     "\"10.0.0.9\", \"port\": 5}, {\"address\": \"10.0.0.9\", \"port\": 6}, {\"address\": \"10.0.0.9\", \"port\": 7}, "
     "{\"address\": \"10.0.0.9\", \"port\": 8}, {\"address\": \"10.0.0.9\", \"port\": 9}], \"sessions\": [" SESSION(
	 "a", "\"sources\": [{\"device\": \"v1\"}]") "]}",
     "",
     {"never_mirror[8] port: 9 is one tunnel port too many",
      "sessions[0] encapsulation.port: 4789 is one tunnel port too many"}},
};

static void test_rows(void **state)
{
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		VTAP_CLEANUP(vtap_config_freep) struct vtap_config *config = NULL;
		char names[200] = "";
		struct told told;
		size_t lines = 0;

		config = read_text(rows[i].text, &told);
		for (size_t j = 0; j < config->session_count; j++)
			snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s ", config->sessions[j].name);
		assert_string_equal(names, rows[i].sessions);
		while (lines < VTAP_ARRAY_SIZE(rows[i].lines) && rows[i].lines[lines])
			lines++;
		assert_int_equal(told.count, lines);
		for (size_t j = 0; j < lines; j++)
			if (strncmp(told.lines[j], rows[i].lines[j], strlen(rows[i].lines[j])))
				fail_msg("row %zu: \"%s\" is not \"%s\"", i, told.lines[j], rows[i].lines[j]);
	}
}

static void test_not_a_document(void **state)
{
	static const char *const texts[] = {"[]", "{\"sessions\": {}}", "{\"targets\": 1}", "{\"uplink\": \"a b\"}"};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(texts); i++) {
		json_t *values = json_loads(texts[i], 0, NULL);
		struct vtap_config *config = NULL;
		struct vtap_error e = {};
		struct told told = {};

		assert_int_equal(vtap_config_read(values, on_refused, &told, &config, &e), -EINVAL);
		assert_int_equal(e.code, -EINVAL);
		assert_null(config);
		json_decref(values);
	}
}

/* That many copy sessions, each with a device of its own. */
static struct vtap_config *read_many(size_t count, struct told *told)
{
	struct vtap_config *config;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fprintf(f, "{" TARGETS ", \"sessions\": [");
	for (size_t i = 0; i < count; i++)
		fprintf(
		    f,
		    "%s{\"name\": \"s%zu\", \"target\": \"t\", \"encapsulation\": {\"vni\": 1}, \"mode\": \"copy\", "
		    "\"sources\": [{\"device\": \"v%zu\"}]}",
		    i ? "," : "", i, i);
	fprintf(f, "]}");
	assert_int_equal(fclose(f), 0);
	config = read_text(text, told);
	free(text);
	return config;
}

static void test_session_limit(void **state)
{
	struct vtap_config *config;
	struct told told;

	config = read_many(VTAP_SESSIONS_MAX, &told);
	assert_int_equal(config->session_count, VTAP_SESSIONS_MAX);
	assert_int_equal(told.count, 0);
	vtap_config_free(config);
	config = read_many(VTAP_SESSIONS_MAX + 1, &told);
	assert_int_equal(config->session_count, VTAP_SESSIONS_MAX);
	assert_int_equal(told.count, 1);
	assert_string_equal(told.lines[0], "sessions[1024] one host cannot have more of its kind");
	vtap_config_free(config);
}

/* The 65th session of one device and direction is refused alone, and takes no room in the other direction. */
static void test_device_limit(void **state)
{
	char *text = NULL;
	struct vtap_config *config;
	struct told told;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fprintf(f, "{" TARGETS ", \"sessions\": [");
	for (size_t i = 0; i < VTAP_INTERFACE_SESSIONS_MAX + 2; i++)
		fprintf(
		    f,
		    "%s{\"name\": \"s%zu\", \"target\": \"t\", \"encapsulation\": {\"vni\": 1}, \"mode\": \"copy\", "
		    "\"sources\": [{\"device\": \"v\"}], \"direction\": \"%s\"}",
		    i ? "," : "", i,
		    i == VTAP_INTERFACE_SESSIONS_MAX  ? "both"
		    : i > VTAP_INTERFACE_SESSIONS_MAX ? "out"
						      : "in");
	fprintf(f, "]}");
	assert_int_equal(fclose(f), 0);
	config = read_text(text, &told);
	assert_int_equal(config->session_count, VTAP_INTERFACE_SESSIONS_MAX + 1);
	assert_string_equal(config->sessions[VTAP_INTERFACE_SESSIONS_MAX].name, "s65");
	assert_int_equal(told.count, 1);
	assert_non_null(strstr(told.lines[0], "sessions[64] is one session too many for device v, direction in"));
	vtap_config_free(config);
	free(text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_not_a_document),
	    cmocka_unit_test(test_session_limit),
	    cmocka_unit_test(test_device_limit),
	};

	return cmocka_run_group_tests_name("config_read", tests, NULL, NULL);
}
