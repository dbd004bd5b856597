/* SPDX-License-Identifier: Apache-2.0 */

/* What shows how sessions do, and what goes on: counters, history, checks, traces, the audit log, captures, events. */

#include "fake.h"

#include <sys/stat.h>
#include <unistd.h>

static char file_path[] = "/tmp/vtap-cli-XXXXXX";

static void test_stats(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f;

	fake_begin(
	    &f,
	    (const struct fake_exchange[]){
		{"GET", "/v1/sessions/web/stats", NULL, 200,
		 "{\"counters\":{\"in\":{\"matched_packets\":3,\"lost_no_route\":1},\"out\":{\"matched_packets\":4}},"
		 "\"rates\":{\"mirrored_bits_per_second\":1234.5},"
		 "\"hosts\":[{\"host\":\"a\",\"counters\":{\"in\":{\"matched_packets\":3,\"mirrored_packets\":2,"
		 "\"lost_no_route\":1},\"out\":{\"matched_packets\":4,\"mirrored_packets\":4}}}]}"},
		{},
	    });
	assert_int_equal(RUN(&f, "session", "stats", "web"), 0);
	fake_says(&f,
		  "rates.mirrored_bits_per_second  1234\n"
		  "counters:\n"
		  "  COUNTER          IN  OUT\n"
		  "  matched_packets  3   4\n"
		  "  lost_no_route    1   -\n"
		  "hosts:\n"
		  "  HOST  MATCHED PACKETS  MIRRORED PACKETS  LOST PACKETS\n"
		  "  a     7                6                 1\n",
		  "");
}

static void test_history(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f;

	fake_begin(&f, (const struct fake_exchange[]){
			   {"GET", "/v1/sessions/web/stats/history?seconds=20", NULL, 200,
			    "{\"step\":10,\"end\":1000000000,\"matched_packets\":[1,2],\"mirrored_packets\":[1,1],"
			    "\"mirrored_bytes\":[60,60],\"lost_packets\":[0,1]}"},
			   {},
		       });
	assert_int_equal(RUN(&f, "session", "history", "web", "--seconds", "20"), 0);
	fake_says(&f,
		  "UNTIL                 MATCHED PACKETS  MIRRORED PACKETS  MIRRORED BYTES  LOST PACKETS\n"
		  "2001-09-09T01:46:30Z  1                1                 60              0\n"
		  "2001-09-09T01:46:40Z  2                1                 60              1\n",
		  "");
}

static void test_check(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f, g;

	fake_begin(&f,
		   (const struct fake_exchange[]){{"POST", "/v1/sessions/web/check", NULL, 200,
						   "{\"hops\":[{\"hop\":\"source\",\"state\":\"ok\"},{\"hop\":\"path\","
						   "\"state\":\"failed\",\"detail\":\"lost\"}]}"},
						  {}});
	assert_int_equal(RUN(&f, "session", "check", "web"), VTAP_EXIT_REFUSED);
	fake_says(&f, "HOP     STATE   DETAIL\nsource  ok      -\npath    failed  lost\n", "");
	fake_begin(&g, (const struct fake_exchange[]){{"POST", "/v1/sessions/web/check", NULL, 200,
						       "{\"hops\":[{\"hop\":\"source\",\"state\":\"ok\"}]}"},
						      {}});
	assert_int_equal(RUN(&g, "session", "check", "web"), 0);
}

static void test_lists_inside(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f;

	fake_begin(
	    &f,
	    (const struct fake_exchange[]){
		{"GET", "/v1/trace?interface=web&direction=in", NULL, 200,
		 "{\"sessions\":[{\"session\":\"tms-1\",\"name\":\"s\",\"number\":1,\"mode\":\"copy\",\"taken\":true,"
		 "\"rule\":null,\"reason\":\"it has no filter\"}],\"packet\":{\"source\":\"10.0.0.1\",\"protocol\":6},"
		 "\"assumed\":[\"protocol\",\"source_port\"]}"},
		{},
	    });
	assert_int_equal(RUN(&f, "trace", "--interface", "web", "--direction", "in"), 0);
	fake_says(&f,
		  "packet: source=10.0.0.1 protocol=6; assumed: protocol, source-port\n"
		  "SESSION  NUMBER  MODE  TAKEN  RULE  REASON\ntms-1    1       copy  yes    -     it has no filter\n",
		  "");
}

static void test_audit(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f;

	fake_begin(
	    &f,
	    (const struct fake_exchange[]){
		{"GET", "/v1/audit?user=bob&since=2026-11-21T15%3A00%3A00Z&limit=500", NULL, 200,
		 "{\"items\":[{\"time\":\"t1\",\"user\":\"user-1\",\"user_name\":\"bob\",\"method\":\"POST\",\"path\":"
		 "\"/v1/"
		 "x\",\"outcome\":\"refused\",\"reason\":\"no\"},{\"time\":\"t2\",\"action\":\"expired\",\"resource\":"
		 "\"y\",\"outcome\":\"done\"}],\"next\":null}"},
		{},
	    });
	assert_int_equal(RUN(&f, "audit", "list", "--user", "bob", "--since", "2026-11-21T15:00:00Z"), 0);
	fake_says(&f,
		  "TIME  WHO  WHAT        OUTCOME  REASON\n"
		  "t1    bob  POST /v1/x  refused  no\n"
		  "t2    -    expired y   done     -\n",
		  "");
}

static void test_audit_refused(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f, g;

	fake_begin(&f, NULL);
	assert_int_equal(RUN(&f, "audit", "list", "--since", "bogus"), VTAP_EXIT_USAGE);
	fake_says(
	    &f, "",
	    "vtap: --since: must be a time such as 2026-11-21T15:00:00Z or a duration such as 90s, 10m, 2h or 7d, not "
	    "\"bogus\"\n");
	fake_begin(&g, (const struct fake_exchange[]){
			   {"GET", "/v1/audit?since=2026-11-21T15%3A00%3A00Z&limit=500", NULL, 400,
			    "{\"field\":\"project\",\"detail\":\"say which project is meant\"}"},
			   {},
		       });
	assert_int_equal(RUN(&g, "audit", "list", "--since", "2026-11-21T15:00:00Z"), VTAP_EXIT_REFUSED);
	fake_says(&g, "", "vtap: --project: say which project is meant\n");
}

static void test_capture(void **state)
{
	static const struct fake_exchange script[] = {
	    {"GET", "/v1/sessions/web/capture?seconds=5", NULL, 200, "0123456789 pcap"}, {}};
	VTAP_CLEANUP(fake_end) struct fake f, g, h, n;
	char text[32] = "";
	FILE *in;

	fake_begin(&f, script);
	assert_int_equal(RUN(&f, "capture", "web", "--seconds", "5"), 0);
	fake_says(&f, "0123456789 pcap", "");
	fake_begin(&g, NULL);
	g.cli.terminal = true;
	assert_int_equal(RUN(&g, "capture", "web"), VTAP_EXIT_USAGE);
	fake_says(&g, "", "vtap: packets are nothing for a terminal: use | tshark -r - or --write FILE\n");
	fake_begin(&h, script);
	h.cli.terminal = true;
	assert_int_equal(RUN(&h, "capture", "web", "--seconds", "5", "-w", file_path), 0);
	in = fopen(file_path, "r");
	assert_non_null(fgets(text, sizeof(text), in));
	fclose(in);
	assert_string_equal(text, "0123456789 pcap");
	fake_begin(&n, (const struct fake_exchange[]){
			   {"GET", "/v1/sessions/web/capture", NULL, 403, PROBLEM(403, "", "you may not")}, {}});
	assert_int_equal(RUN(&n, "capture", "web"), VTAP_EXIT_REFUSED);
	fake_says(&n, "", "vtap: you may not\n");
}

static void test_capture_to_a_full_disk(void **state)
{
	VTAP_CLEANUP(fake_end) struct fake f;

	fake_begin(&f, (const struct fake_exchange[]){{"GET", "/v1/sessions/web/capture", NULL, 200, "packets"}, {}});
	assert_int_equal(RUN(&f, "capture", "web", "--write", "/dev/full"), VTAP_EXIT_REFUSED);
	fake_says(&f, "", "vtap: the packets cannot be written: No space left on device\n");
}

static void test_events(void **state)
{
	static const char stream[] =
	    ": hello\n\nevent: ready\nid: 1\ndata: {\"epoch\":\"e\",\"revision\":1}\n\n"
	    "event: created\ndata: {\"kind\":\"target\",\"id\":\"tmt-1\",\"resource\":{\"name\":\"ids\"}}\n\n"
	    "event: state\r\ndata: {\"kind\":\"session\",\ndata: "
	    "\"id\":\"tms-1\",\"name\":\"web\",\"state\":\"active\"}\r\n\r\n"
	    "event: deleted\ndata: {\"kind\":\"target\",\"id\":\"tmt-1\"}\n\n";
	VTAP_CLEANUP(fake_end) struct fake f, g, h, n;

	fake_begin(&f, (const struct fake_exchange[]){{"GET", "/v1/events", NULL, 200, stream}, {}});
	assert_int_equal(RUN(&f, "events"), 0);
	fake_says(&f,
		  "created  target     tmt-1                         ids\n"
		  "state    session    tms-1                         web active\n"
		  "deleted  target     tmt-1                         -\n",
		  "");
	fake_begin(&g, (const struct fake_exchange[]){{"GET", "/v1/events", NULL, 200, stream}, {}});
	assert_int_equal(RUN(&g, "events", "--kind", "targets", "--count", "1", "-o", "json"), 0);
	fake_says(&g, "{\"event\":\"created\",\"kind\":\"target\",\"id\":\"tmt-1\",\"resource\":{\"name\":\"ids\"}}\n",
		  "");
	fake_begin(&h, NULL);
	assert_int_equal(RUN(&h, "events", "--kind", "thing"), VTAP_EXIT_USAGE);
	fake_begin(&n, (const struct fake_exchange[]){{"GET", "/v1/events", NULL, 0, NULL}, {}});
	assert_int_equal(RUN(&n, "events"), VTAP_EXIT_UNREACHABLE);
}

static void test_watch(void **state)
{
	static const struct fake_exchange script[] = {
	    {"GET", "/v1/targets?limit=500", NULL, 200, "{\"items\":[],\"next\":null}"},
	    {"GET", "/v1/targets?limit=500", NULL, 0, NULL},
	    {"GET", "/v1/targets?limit=500", NULL, 200, "{\"items\":[{\"id\":\"a\"}],\"next\":null}"},
	    {},
	};
	VTAP_CLEANUP(fake_end) struct fake f, g;

	fake_begin(&f, script);
	f.pauses = 2;
	assert_int_equal(RUN(&f, "target", "list", "--watch"), 0);
	fake_says(&f,
		  "ID  NAME  ADDRESS  INTERFACE  MTU  ENABLED\n\n\n"
		  "ID  NAME  ADDRESS  INTERFACE  MTU  ENABLED\n"
		  "a   -     -        -          -    -\n",
		  "vtap: nobody is there\n");
	/* A terminal shows one at a time; the last one stays when the controller goes away. */
	fake_begin(&g, script);
	g.cli.terminal = true;
	g.pauses = 1;
	assert_int_equal(RUN(&g, "target", "list", "--watch"), VTAP_EXIT_UNREACHABLE);
	assert_string_equal(g.out, "\033[H\033[2JID  NAME  ADDRESS  INTERFACE  MTU  ENABLED\n\n");
}
int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stats),   cmocka_unit_test(test_history),
	    cmocka_unit_test(test_check),   cmocka_unit_test(test_lists_inside),
	    cmocka_unit_test(test_audit),   cmocka_unit_test(test_audit_refused),
	    cmocka_unit_test(test_capture), cmocka_unit_test(test_capture_to_a_full_disk),
	    cmocka_unit_test(test_events),  cmocka_unit_test(test_watch),
	};
	int fd = mkstemp(file_path), r;

	assert_true(fd >= 0);
	close(fd);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(file_path);
	return r;
}
