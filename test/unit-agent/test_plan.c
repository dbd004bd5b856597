/* SPDX-License-Identifier: Apache-2.0 */

#include "agent/plan.h"
#include "unit.h"

#define HOST "host-0123456789abcdef0"
#define HEAD(revision)                                                                                                 \
	"\"version\": 1, \"epoch\": \"e1\", \"revision\": " #revision ", \"hash\": \"h1\", \"host\": \"" HOST "\""
#define TARGETS "\"targets\": [{\"name\": \"tmt-1\", \"address\": \"10.0.0.1\", \"mtu\": null}]"
#define SESSION(name, rest)                                                                                            \
	"{\"name\": \"" name "\", \"label\": \"L" name "\", \"target\": \"tmt-1\", \"encapsulation\": {\"vni\": 1}, "  \
	"\"mode\": \"copy\", \"number\": null, \"sources\": [{\"device\": \"v1\", \"interface\": \"eni-1\"}, "         \
	"{\"device\": \"v2\", \"side\": null, \"interface\": \"eni-2\"}]" rest "}"
#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static json_t *json(const char *text)
{
	json_error_t e;
	json_t *value = json_loads(text, 0, &e);

	if (!value)
		fail_msg("%s at %d of %s", e.text, e.position, text);
	return value;
}

/* Two chunks are here; each has one rule, whose number is its own. */
static json_t *chunk(const char *hash, void *userdata)
{
	if (strcmp(hash, HASH_A) && strcmp(hash, HASH_B))
		return NULL;
	return json_pack("[{s:s, s:s, s:i, s:s, s:n}]", "id", "tmfr-1", "direction", "out", "number",
			 *hash == 'a' ? 1 : 2, "action", "accept", "protocol");
}

static struct vtap_host_plan *read_text(const char *text)
{
	json_t *document = json(text);
	struct vtap_host_plan *plan = NULL;
	struct vtap_error e = {};

	if (vtap_plan_read(document, chunk, NULL, &plan, &e) < 0)
		fail_msg("%s: %s", e.field, e.text);
	json_decref(document);
	return plan;
}

static void test_head(void **state)
{
	static const struct {
		const char *text, *field;
	} rows[] = {
	    {"{\"version\": 2, \"epoch\": \"e\", \"revision\": 1, \"hash\": \"h\", \"host\": \"" HOST "\"}", "version"},
	    {"{\"version\": 1, \"epoch\": \"\", \"revision\": 1, \"hash\": \"h\", \"host\": \"" HOST "\"}", "epoch"},
	    {"{\"version\": 1, \"epoch\": \"a&b\", \"revision\": 1, \"hash\": \"h\", \"host\": \"" HOST "\"}", "epoch"},
	    {"{\"version\": 1, \"epoch\": \"e\", \"revision\": -1, \"hash\": \"h\", \"host\": \"" HOST "\"}",
	     "revision"},
	    {"{\"version\": 1, \"epoch\": \"e\", \"revision\": \"1\", \"hash\": \"h\", \"host\": \"" HOST "\"}",
	     "revision"},
	    {"{\"version\": 1, \"epoch\": \"e\", \"revision\": 1, \"hash\": 1, \"host\": \"" HOST "\"}", "hash"},
	    {"{\"version\": 1, \"epoch\": \"e\", \"revision\": 1, \"hash\": \"h\"}", "host"},
	    {"{\"version\": 1, \"epoch\": \"e\", \"revision\": 1, \"hash\": \"h\", \"host\": \"" HOST HOST "\"}",
	     "host"},
	    {"[]", "version"},
	};
	struct vtap_plan_head head;
	json_t *document = json("{" HEAD(7) "}");

	assert_int_equal(vtap_plan_head_read(document, &head, NULL), 0);
	assert_int_equal(head.revision, 7);
	assert_string_equal(head.epoch, "e1");
	assert_string_equal(head.host, HOST);
	json_decref(document);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		struct vtap_error e = {};

		document = json(rows[i].text);
		assert_int_equal(vtap_plan_head_read(document, &head, &e), -EINVAL);
		assert_string_equal(e.field, rows[i].field);
		json_decref(document);
	}
	assert_int_equal(head.revision, 7);
}

static void test_compare(void **state)
{
	static const struct {
		struct vtap_plan_head mine, offered;
		enum vtap_plan_verdict verdict;
	} rows[] = {
	    {{}, {"e", 0, "h", ""}, VTAP_PLAN_TAKE},
	    {{"e", 5, "h", ""}, {"e", 6, "i", ""}, VTAP_PLAN_TAKE},
	    {{"e", 5, "h", ""}, {"e", 5, "i", ""}, VTAP_PLAN_TAKE},
	    {{"e", 5, "h", ""}, {"e", 5, "h", ""}, VTAP_PLAN_SAME},
	    {{"e", 5, "h", ""}, {"e", 6, "h", ""}, VTAP_PLAN_SAME},
	    {{"e", 5, "h", ""}, {"e", 4, "i", ""}, VTAP_PLAN_BACK},
	    {{"e", 5, "h", ""}, {"e", 4, "h", ""}, VTAP_PLAN_BACK},
	    {{"e", 5, "h", ""}, {"f", 1, "h", ""}, VTAP_PLAN_TAKE},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++)
		assert_int_equal(vtap_plan_compare(&rows[i].mine, &rows[i].offered), rows[i].verdict);
}

/* Of the rest alone, by sorted names and without blanks. */
static void test_hash(void **state)
{
	json_t *one = json("{" HEAD(7) ", \"requests\": [1], \"b\": {\"d\": 1, \"c\": \"\u00fc\"}, \"a\": []}");
	json_t *other =
	    json("{\"a\": [], \"b\": {\"c\": \"\u00fc\", \"d\": 1}, \"host\": \"" HOST "\", \"version\": 1}");
	static const char text[] = "{\"a\":[],\"b\":{\"c\":\"\u00fc\",\"d\":1},\"host\":\"" HOST "\",\"version\":1}";
	char first[VTAP_HASH_STRLEN], second[VTAP_HASH_STRLEN], wanted[VTAP_HASH_STRLEN];

	assert_int_equal(vtap_plan_hash(one, first), 0);
	assert_int_equal(vtap_plan_hash(other, second), 0);
	assert_string_equal(first, second);
	assert_string_equal(first, vtap_hash_hex(text, strlen(text), wanted));
	assert_int_equal(json_integer_value(json_object_get(one, "revision")), 7);
	json_decref(one);
	json_decref(other);
}

static void test_read(void **state)
{
	VTAP_CLEANUP(vtap_host_plan_freep)
	struct vtap_host_plan *p = read_text("{" HEAD(
	    7) ", \"uplink\": \"eth0\", \"later\": {}, \"requests\": [], \"never_mirror\": [{\"address\": "
	       "\"10.0.0.9\", \"port\": 4790, \"later\": 1}], " TARGETS
	       ", \"filters\": [{\"name\": \"tmf-1\", \"chunks\": [\"" HASH_B "\", \"" HASH_A "\"]}, {\"name\": "
	       "\"tmf-2\", \"chunks\": []}], \"sessions\": [" SESSION("tms-1", ", \"filter\": \"tmf-1\"") ", " SESSION(
		   "tms-2", ", \"filter\": \"tmf-2\", \"offline\": \"stop-after 10m\"") ", " SESSION("tms-3",
												     ", \"offline\": "
												     "\"keep\"") "]}");

	assert_int_equal(p->head.revision, 7);
	assert_string_equal(p->config->uplink, "eth0");
	assert_int_equal(p->config->never_mirror_count, 1);
	assert_int_equal(p->config->never_mirror[0].port, 4790);
	assert_int_equal(p->refused_count, 0);
	assert_int_equal(p->session_count, 3);
	assert_int_equal(p->config->session_count, 3);
	assert_int_equal(p->config->sessions[0].filter->rule_count[VTAP_DIRECTION_OUT], 2);
	assert_int_equal(p->config->sessions[0].filter->rules[VTAP_DIRECTION_OUT][1].number, 2);
	assert_int_equal(p->config->sessions[1].filter->rule_count[VTAP_DIRECTION_OUT], 0);
	assert_null(p->config->sessions[2].filter);
	assert_int_equal(p->sessions[0].stop_after_s, 0);
	assert_int_equal(p->sessions[1].stop_after_s, 600);
	assert_int_equal(p->sessions[2].stop_after_s, 0);
	for (size_t i = 0; i < 3; i++) {
		assert_ptr_equal(p->by_config[i], &p->sessions[i]);
		assert_int_equal(p->sessions[i].interface_count, 2);
		assert_string_equal(p->sessions[i].interfaces[1], "eni-2");
	}
	assert_string_equal(p->sessions[0].label, "Ltms-1");
}

static const char refused_text[] =
    "{" HEAD(
	7) ", \"uplink\": null, \"never_mirror\": [{\"port\": 1}], " TARGETS
	   ", \"filters\": [{\"name\": \"tmf-1\", \"chunks\": [\"" HASH_A "\", \"00\"]}, {\"name\": \"tmf-2\", "
	   "\"chunks\": [\"" HASH_A "\"]}], \"sessions\": [" SESSION("tms-1", ", \"filter\": \"tmf-1\"") ", " SESSION(
	       "tms-2",
	       ", "
	       "\"filter\": "
	       "\"tmf-2\"") ", " SESSION("tms-3",
					 ", \"offline\": \"never\"") ", " SESSION("tms-4",
										  ", \"next_hop\": "
										  "\"nat-1\"") ", "
											       "7,"
											       " " SESSION("tms-5", "") ", " SESSION(
												   "tms-6",
												   ", \"offline\": "
												   "\"stop-after "
												   "0s\"") ", "
													   "{\"name"
													   "\": "
													   "\"tms-"
													   "7\", "
													   "\"targe"
													   "t\": "
													   "\"tmt-"
													   "2\", "
													   "\"encap"
													   "sulatio"
													   "n\": "
													   "{\"vni"
													   "\": "
													   "1}, "
													   "\"mode"
													   "\": "
													   "\"copy"
													   "\", "
													   "\"sourc"
													   "es\": "
													   "[{"
													   "\"devic"
													   "e\": "
													   "\"v1\"}"
													   "]}]}";

/* What is wrong with one does not stop the others, and is told under its own place. */
static void test_refused(void **state)
{
	static const struct {
		const char *id, *reason;
	} wanted[] = {
	    {"tms-1", "filter: tmf-1 cannot be used: its rules could not be fetched (chunk 00"},
	    {"tms-2", NULL},
	    {"tms-3", "offline: must be keep or stop-after DURATION"},
	    {"tms-4", "next_hop: unknown key"},
	    {"", "must be a mapping"},
	    {"tms-5", NULL},
	    {"tms-6", "offline: must be keep"},
	    {"tms-7", "target: must be the name of one of the targets, not \"tmt-2\""},
	};
	VTAP_CLEANUP(vtap_host_plan_freep) struct vtap_host_plan *p = read_text(refused_text);
	size_t index = 0;

	assert_int_equal(p->session_count, VTAP_ARRAY_SIZE(wanted));
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(wanted); i++) {
		const struct vtap_plan_session *s = &p->sessions[i];

		assert_string_equal(s->id, wanted[i].id);
		assert_int_equal(s->refused, wanted[i].reason != NULL);
		if (wanted[i].reason && !strstr(s->reason, wanted[i].reason))
			fail_msg("%s: %s", s->id, s->reason);
		if (!s->refused) {
			assert_int_equal(s->index, index);
			assert_string_equal(p->config->sessions[index].name, s->id);
			assert_ptr_equal(p->by_config[index++], s);
		}
	}
	assert_int_equal(p->config->session_count, index);
	assert_int_equal(p->refused_count, 1);
	assert_string_equal(p->warning, "never_mirror[0]: address: is required");
}

static void test_no_document(void **state)
{
	static const char *const texts[] = {"{" HEAD(7) ", \"sessions\": {}}", "{" HEAD(7) ", \"targets\": 1}",
					    "{" HEAD(7) ", \"uplink\": \"a/b\", \"sessions\": []}", "{" HEAD(7) "}",
					    "{}"};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(texts); i++) {
		struct vtap_host_plan *plan = NULL;
		json_t *document = json(texts[i]);
		struct vtap_error e = {};

		assert_int_equal(vtap_plan_read(document, chunk, NULL, &plan, &e), -EINVAL);
		assert_int_equal(e.code, -EINVAL);
		assert_null(plan);
		json_decref(document);
	}
}

static void count(const char *hash, void *userdata)
{
	strcat(userdata, *hash == 'a' ? "a" : "b");
}

static void test_each_chunk(void **state)
{
	json_t *document = json("{\"filters\": [{\"chunks\": [\"" HASH_B "\", 1]}, 7, {}, {\"chunks\": [\"" HASH_A
				"\", \"" HASH_B "\"]}]}");
	char seen[8] = "";

	vtap_plan_each_chunk(document, count, seen);
	assert_string_equal(seen, "bab");
	json_decref(document);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_head),       cmocka_unit_test(test_compare), cmocka_unit_test(test_hash),
	    cmocka_unit_test(test_read),       cmocka_unit_test(test_refused), cmocka_unit_test(test_no_document),
	    cmocka_unit_test(test_each_chunk),
	};

	return vtap_crypto_init() < 0 ? 1 : cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
