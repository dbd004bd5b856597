/* SPDX-License-Identifier: Apache-2.0 */

#include "unit.h"

static const struct unit_bad bad_rows[] = {
    /* the whole file */
    {0, "", 1, "", "is empty"},
    {0, "# nothing\n", 1, "", "is empty"},
    {0, "targets: []\n", 1, "sessions", "is required"},
    {0, "- sessions\n", 1, "", "must be a mapping (key: value), not a list"},
    {0, "sessions\n", 1, "", "must be a mapping (key: value), not \"sessions\""},
    {0, "sessions: {}\n", 1, "sessions", "must be a list, not a mapping"},
    {0, "sessions: []\n---\n", 2, "", "one document"},
    {0, "sessions: [}\n", 1, "", "is not YAML"},
    {0, "sessions: []\nsessions: []\n", 2, "", "key \"sessions\" appears twice, first on line 1"},
    {11, "sesions:", 11, "sesions", "unknown key; did you mean \"sessions\"?"},
    {1, "interface: uA", 1, "interface", "unknown key; known are uplink, never_mirror, targets, filters, sessions"},
    {1, "\"up\\nlink\\u001b\": uA", 1, "up?link?", "unknown key"},
    {1, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: 1", 1,
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...", "unknown key"},

    /* uplink: device names */
    {1, "uplink:", 1, "uplink", "has no value"},
    {1, "uplink: [uA]", 1, "uplink", "must be a device's name"},
    {1, "uplink: ''", 1, "uplink", "must be a device's name: 1..15 characters"},
    {1, "uplink: a234567890123456", 1, "uplink", "must be a device's name: 1..15 characters"},
    {1, "uplink: a/b", 1, "uplink", "must be a device's name"},
    {1, "uplink: a b", 1, "uplink", "must be a device's name"},
    {1, "uplink: \"a\\tb\"", 1, "uplink", "not \"a?b\""},
    {1, "uplink: eth0:1", 1, "uplink", "must be a device's name"},
    {1, "uplink: .", 1, "uplink", "must be a device's name"},
    {1, "uplink: ..", 1, "uplink", "must be a device's name"},
    {1, "uplink: 5", 1, "uplink", "in quotes"},
    {1, "uplink: true", 1, "uplink", "must be a device's name"},

    /* never_mirror */
    {3, "  - {port: 4789}", 3, "never_mirror[0].address", "is required"},
    {3, "  - {address: 10.9.0.1, prot: 4789}", 3, "never_mirror[0].prot", "did you mean \"port\"?"},
    {3, "  - {address: 10.9.0.0/24}", 3, "never_mirror[0].address", "must be an IPv4 or IPv6 address"},
    {3, "  - {address: 0.0.0.0}", 3, "never_mirror[0].address", "must be the address of one tunnel endpoint"},
    {3, "  - {address: 10.9.0.1, port: 0}", 3, "never_mirror[0].port", "must be 1..65535, not 0"},
    {3, "  - {address: 10.9.0.1, port: 65536}", 3, "never_mirror[0].port", "must be 1..65535, not 65536"},
    {3, "  - 10.9.0.1", 3, "never_mirror[0]", "must be a mapping (key: value), not \"10.9.0.1\""},

    /* targets */
    {5, "  - {address: 172.31.0.2}", 5, "targets[0].name", "is required"},
    {5, "  - {name: ids}", 5, "targets[0].address", "is required"},
    {5, "  - {name: '', address: 172.31.0.2}", 5, "targets[0].name", "must be 1..63 letters"},
    {5, "  - {name: a b, address: 172.31.0.2}", 5, "targets[0].name", "must be 1..63 letters"},
    {5, "  - {name: 7, address: 172.31.0.2}", 5, "targets[0].name", "in quotes"},
    {5, "  - {name: ids, address: 172.31.0.256}", 5, "targets[0].address", "must be an IPv4 or IPv6 address"},
    {5, "  - {name: ids, address: 0.0.0.0}", 5, "targets[0].address", "must be the unicast address"},
    {5, "  - {name: ids, address: '::'}", 5, "targets[0].address", "must be the unicast address"},
    {5, "  - {name: ids, address: 239.1.1.1}", 5, "targets[0].address", "must be the unicast address"},
    {5, "  - {name: ids, address: ff02::1}", 5, "targets[0].address", "must be the unicast address"},
    {5, "  - {name: ids, address: 255.255.255.255}", 5, "targets[0].address", "must be the unicast address"},
    {5, "  - {name: ids, address: 127.0.0.1}", 5, "targets[0].address", "must be the unicast address"},
    {5, "  - {name: ids, address: '::1'}", 5, "targets[0].address", "must be the unicast address"},
    {5, "  - {name: ids, address: 172.31.0.2, local: 224.0.0.1}", 5, "targets[0].local", "must be a unicast"},
    {5, "  - {name: ids, address: 172.31.0.2, local: 172.31.0.2}", 5, "targets[0].local", "target's own address"},
    {5, "  - {name: ids, address: 172.31.0.2, local: fd00::1}", 5, "targets[0].local", "IP version"},
    {5, "  - {name: ids, address: 172.31.0.2, mtu: 575}", 5, "targets[0].mtu", "must be 576..9216, not 575"},
    {5, "  - {name: ids, address: 172.31.0.2, mtu: 9217}", 5, "targets[0].mtu", "must be 576..9216, not 9217"},
    {5, "  - {name: ids, address: 'fd00::2', mtu: 1279}", 5, "targets[0].mtu",
     "must be 1280..9216 with an IPv6 address, not 1279"},
    {5, "  - {name: ids, address: 172.31.0.2, df: 1}", 5, "targets[0].df", "must be true or false, not 1"},
    {5, "  - {name: ids, address: 172.31.0.2, df: yes}", 5, "targets[0].df", "must be true or false, not \"yes\""},
    {5, "  - {name: ids, address: 172.31.0.2, dscp: 64}", 5, "targets[0].dscp", "must be 0..63, not 64"},
    {5, "  - {name: ids, address: 172.31.0.2, dscp: -1}", 5, "targets[0].dscp", "must be 0..63, not -1"},
    {5, "  - {name: ids, address: 172.31.0.2, ttl: 0}", 5, "targets[0].ttl", "must be 1..255, not 0"},
    {5, "  - {name: ids, address: 172.31.0.2, ttl: 256}", 5, "targets[0].ttl", "must be 1..255, not 256"},
    {5, "  - {name: ids, address: 172.31.0.2, ttl: 1.5}", 5, "targets[0].ttl", "must be a number 1..255, not \"1.5\""},
    {5, "  - {name: ids, address: 172.31.0.2, ttl: [1]}", 5, "targets[0].ttl", "must be a number 1..255, not a list"},
    {5, "  - {name: ids, address: 172.31.0.2}\n  - name: ids\n    address: 172.31.0.3", 6, "targets[1].name",
     "\"ids\" is used twice, first on line 5"},
};

static const struct unit_good good_rows[] = {
    {0, "sessions: []\n"},
    {0, "{\"sessions\": [], \"uplink\": \"eth0\", \"targets\": [{\"name\": \"a\", \"address\": \"::2\"}]}"},
    {1, NULL},
    {1, "uplink: a23456789012345"},
    {1, "uplink: 'enp0s3.100@x'"},
    {3, "  []"},
    {3, "  - {address: 10.9.0.1, port: 1}\n  - {address: 'fd00::1', port: 65535}"},
    {5, "  - {name: ids, address: 172.31.0.2, mtu: 576, df: true, dscp: 63, ttl: 255, local: 10.0.0.1}"},
    {5, "  - {name: ids, address: 'fd00::2', mtu: 1280, df: false, dscp: 0, ttl: 1, local: fd00::1}"},
    {5, "  - {name: ids, address: 172.31.0.2, mtu: 9216, dscp: \"0x2e\", ttl: 0xff}"},
};

static void test_bad(void **state)
{
	unit_all_refused(bad_rows, VTAP_ARRAY_SIZE(bad_rows));
}

static void test_good(void **state)
{
	unit_all_taken(good_rows, VTAP_ARRAY_SIZE(good_rows));
}

static void check_session(const struct vtap_config *c, const struct vtap_session *s)
{
	assert_int_equal(s->number, 1);
	assert_int_equal(s->mode, VTAP_MODE_EXCLUSIVE);
	assert_true(s->enabled);
	assert_true(s->direction[VTAP_DIRECTION_IN]);
	assert_true(s->direction[VTAP_DIRECTION_OUT]);
	assert_int_equal(s->on_reject, VTAP_ON_REJECT_NEXT);
	assert_int_equal(s->source_count, 1);
	assert_string_equal(s->sources[0].device, "v1");
	assert_int_equal(s->sources[0].side, VTAP_SIDE_HOST);
	assert_ptr_equal(s->target, &c->targets[0]);
	assert_int_equal(s->vni, 66);
	assert_int_equal(s->port, 4789);
	assert_int_equal(s->packet_length, 0);
	assert_int_equal(s->mtu_policy, VTAP_MTU_FIT);
	assert_int_equal(s->checksum, VTAP_CHECKSUM_COMPLETE);
	assert_int_equal(s->sample_packets, 1);
	assert_int_equal(s->sample_flows, 1);
	assert_int_equal(s->limit_packets_per_second, 0);
	assert_int_equal(s->limit_bits_per_second, 0);
}

/* A file that leaves out what it can means the same as one that says it all. */
static void test_defaults(void **state)
{
	static const char shortest[] = "targets: [{name: ids, address: 172.31.0.2}]\n"
				       "sessions:\n"
				       "  - name: s\n"
				       "    number: 1\n"
				       "    sources: [{device: v1}]\n"
				       "    target: ids\n"
				       "    encapsulation: {vni: 66}\n";
	VTAP_CLEANUP(vtap_config_freep) struct vtap_config *full = unit_parse(unit_file), *c = unit_parse(shortest);
	const struct vtap_target *t = &c->targets[0];

	check_session(full, &full->sessions[0]);
	assert_ptr_equal(full->sessions[0].filter, &full->filters[0]);
	assert_int_equal(full->sessions[0].line, 12);
	assert_string_equal(full->uplink, "uA");
	assert_int_equal(full->never_mirror[0].port, 4789);

	check_session(c, &c->sessions[0]);
	assert_null(c->sessions[0].filter);
	assert_string_equal(c->uplink, "");
	assert_int_equal(c->never_mirror_count + c->filter_count, 0);
	assert_int_equal(t->line, 1);
	assert_int_equal(t->local.family, AF_UNSPEC);
	assert_int_equal(t->mtu, 0);
	assert_false(t->df);
	assert_int_equal(t->dscp, 0);
	assert_int_equal(t->ttl, 64);
}

static void test_names(void **state)
{
	assert_string_equal(vtap_direction_name(VTAP_DIRECTION_IN), "in");
	assert_string_equal(vtap_direction_name(VTAP_DIRECTION_OUT), "out");
	assert_string_equal(vtap_side_name(VTAP_SIDE_HOST), "host");
	assert_string_equal(vtap_side_name(VTAP_SIDE_OWN), "own");
	assert_string_equal(vtap_mode_name(VTAP_MODE_EXCLUSIVE), "exclusive");
	assert_string_equal(vtap_mode_name(VTAP_MODE_COPY), "copy");
}

static void test_name_length(void **state)
{
	for (int length = VTAP_NAME_MAX; length <= VTAP_NAME_MAX + 1; length++) {
		_cleanup_free_ char *text = NULL;

		assert_true(
		    asprintf(&text, "sessions: []\ntargets: [{address: 10.0.0.1, name: \"%0*d\"}]\n", length, 0) > 0);
		if (length > VTAP_NAME_MAX)
			unit_refused(text, -EINVAL, 2, "targets[0].name", "must be 1..63 letters");
		else
			vtap_config_free(unit_parse(text));
	}
}

/* Lists at their limit and one above it; item has the place of the index, twice if it wants. */
static void check_list(const char *key, const char *item, size_t max)
{
	for (size_t n = max; n <= max + 1; n++) {
		_cleanup_free_ char *text = NULL;
		size_t size;
		FILE *f = open_memstream(&text, &size);

		fprintf(f, "%s%s:\n",
			strcmp(key, "sessions") == 0 ? "targets: [{name: t, address: 10.0.0.1}]\n" : "sessions: []\n",
			key);
		for (size_t i = 0; i < n; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			fprintf(f, item, i, i);
#pragma GCC diagnostic pop
		}
		assert_int_equal(fclose(f), 0);
		if (n > max)
			unit_refused(text, -E2BIG, 2, key, "entries, and at most");
		else
			vtap_config_free(unit_parse(text));
	}
}

static void test_list_limits(void **state)
{
	check_list("targets", "- {name: t%zu, address: 10.0.0.1}\n", VTAP_TARGETS_MAX);
	check_list("filters", "- {name: f%zu, rules: []}\n", VTAP_FILTERS_MAX);
	check_list("never_mirror", "- {address: '10:%zx::'}\n", VTAP_NEVER_MIRROR_MAX);
	check_list("sessions",
		   "- {name: s%zu, number: 1, target: t, sources: [{device: v%zu}], encapsulation: {vni: 1}}\n",
		   VTAP_SESSIONS_MAX);
}

static void test_file_size(void **state)
{
	_cleanup_free_ char *text = malloc(VTAP_FILE_MAX_BYTES + 1);
	struct vtap_config *c = NULL;
	struct vtap_error error = {};

	memset(text, ' ', VTAP_FILE_MAX_BYTES + 1);
	memcpy(text, "sessions: []", 12);
	assert_int_equal(vtap_config_parse(text, VTAP_FILE_MAX_BYTES, &c, &error), 0);
	c = vtap_config_free(c);
	assert_int_equal(vtap_config_parse(text, VTAP_FILE_MAX_BYTES + 1, &c, &error), -E2BIG);
	assert_null(c);
	assert_non_null(strstr(error.text, "must be at most 4194304 bytes, not 4194305"));
	assert_null(vtap_config_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bad),       cmocka_unit_test(test_good),        cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_names),     cmocka_unit_test(test_name_length), cmocka_unit_test(test_list_limits),
	    cmocka_unit_test(test_file_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
