/* SPDX-License-Identifier: Apache-2.0 */

#include "unit.h"

static const struct unit_bad bad_rows[] = {
    {LINE_NAME, "  - name: web to ids", 12, "sessions[0].name", "must be 1..63 letters"},
    {LINE_NAME, "  - nam: web", 12, "sessions[0].nam", "did you mean \"name\"?"},
    {LINE_NAME, "  -", 13, "sessions[0].name", "is required"},
    {LINE_NUMBER, "    number: 0", 13, "sessions[0].number", "must be 1..32766, not 0"},
    {LINE_NUMBER, "    number: 32767", 13, "sessions[0].number", "must be 1..32766, not 32767"},
    {LINE_NUMBER, "    number: one", 13, "sessions[0].number", "must be a number 1..32766, not \"one\""},
    {LINE_NUMBER, NULL, 12, "sessions[0].number", "is required for an exclusive session"},
    {LINE_MODE, "    mode: shared", 14, "sessions[0].mode", "must be exclusive or copy, not \"shared\""},
    {LINE_ENABLED, "    enabled: yes", 15, "sessions[0].enabled", "must be true or false, not \"yes\""},
    {LINE_ENABLED, "    enabled: \"true\"", 15, "sessions[0].enabled", "must be true or false"},
    {LINE_ENABLED, "    enabled:", 15, "sessions[0].enabled", "has no value"},
    {LINE_SOURCES, NULL, 12, "sessions[0].sources", "is required"},
    {LINE_SOURCES, "    sources: []", 16, "sessions[0].sources", "needs at least one device"},
    {LINE_SOURCES, "    sources: v1", 16, "sessions[0].sources", "must be a list, not \"v1\""},
    {LINE_SOURCES, "    sources: [v1]", 16, "sessions[0].sources[0]", "must be a mapping"},
    {LINE_SOURCES, "    sources: [{side: host}]", 16, "sessions[0].sources[0].device", "is required"},
    {LINE_SOURCES, "    sources: [{device: vtap-far, side: host}]", 16, "sessions[0].sources[0].device",
     "a device that is not vtap's own"},
    {LINE_SOURCES, "    sources: [{device: v1},\n      {device: v/2}]", 17, "sessions[0].sources[1].device",
     "must be a device's name"},
    {LINE_SOURCES, "    sources: [{device: v1, side: guest}]", 16, "sessions[0].sources[0].side",
     "must be host or own, not \"guest\""},
    {LINE_SOURCES, "    sources: [{device: v1, vlan: 5}]", 16, "sessions[0].sources[0].vlan",
     "unknown key; known are device, side"},
    {LINE_DIRECTION, "    direction: all", 17, "sessions[0].direction", "must be in, out or both, not \"all\""},
    {LINE_DIRECTION, "    direction: [in]", 17, "sessions[0].direction", "must be in, out or both, not a list"},
    {LINE_FILTER, "    filter: wbe", 18, "sessions[0].filter", "must be the name of one of the filters, not \"wbe\""},
    {LINE_FILTER, "    filter:", 18, "sessions[0].filter", "has no value"},
    {LINE_FILTER, "    filter: [web]", 18, "sessions[0].filter", "must be the name of one of the filters"},
    {LINE_TARGET, NULL, 12, "sessions[0].target", "is required"},
    {LINE_TARGET, "    target: idx", 19, "sessions[0].target", "must be the name of one of the targets, not \"idx\""},
    {LINE_ENCAPSULATION, NULL, 12, "sessions[0].encapsulation", "is required"},
    {LINE_ENCAPSULATION, "    encapsulation: vxlan", 20, "sessions[0].encapsulation", "must be a mapping"},
    {LINE_ENCAPSULATION, "    encapsulation: {type: gre, vni: 1}", 20, "sessions[0].encapsulation.type",
     "must be vxlan, not \"gre\""},
    {LINE_ENCAPSULATION, "    encapsulation: {type: vxlan}", 20, "sessions[0].encapsulation.vni", "is required"},
    {LINE_ENCAPSULATION, "    encapsulation: {vni: 16777216}", 20, "sessions[0].encapsulation.vni",
     "must be 0..16777215, not 16777216"},
    {LINE_ENCAPSULATION, "    encapsulation: {vni: -1}", 20, "sessions[0].encapsulation.vni",
     "must be 0..16777215, not -1"},
    {LINE_ENCAPSULATION, "    encapsulation: {vni: 1, port: 0}", 20, "sessions[0].encapsulation.port",
     "must be 1..65535, not 0"},
    {LINE_ENCAPSULATION, "    encapsulation:\n      vni: 1\n      port: 65536", 22, "sessions[0].encapsulation.port",
     "must be 1..65535, not 65536"},
    {LINE_ENCAPSULATION, "    encapsulation: {vni: 1, key: 1}", 20, "sessions[0].encapsulation.key",
     "unknown key; known are type, vni, port"},
    {LINE_PACKET_LENGTH, "    packet_length: 9217", 21, "sessions[0].packet_length", "must be 0..9216, not 9217"},
    {LINE_MTU_POLICY, "    mtu_policy: fragment", 22, "sessions[0].mtu_policy",
     "must be fit or drop, not \"fragment\""},
    {LINE_ON_REJECT, "    on_reject: end", 23, "sessions[0].on_reject", "must be next or stop, not \"end\""},
    {LINE_SAMPLE, "    sample: {packets: 0}", 24, "sessions[0].sample.packets", "must be 1..1000000, not 0"},
    {LINE_SAMPLE, "    sample: {packets: 1000001}", 24, "sessions[0].sample.packets",
     "must be 1..1000000, not 1000001"},
    {LINE_SAMPLE, "    sample: {flows: 1000001}", 24, "sessions[0].sample.flows", "must be 1..1000000"},
    {LINE_SAMPLE, "    sample: {packets: 2, flows: 2}", 24, "sessions[0].sample", "takes packets or flows, not both"},
    {LINE_SAMPLE, "    sample: 2", 24, "sessions[0].sample", "must be a mapping (key: value), not 2"},
    {LINE_LIMIT, "    limit: {packets_per_second: 1000000001}", 25, "sessions[0].limit.packets_per_second",
     "must be 0..1000000000, not 1000000001"},
    {LINE_LIMIT, "    limit: {bits_per_second: 1000000000001}", 25, "sessions[0].limit.bits_per_second",
     "must be 0..1000000000000, not 1000000000001"},
    {LINE_LIMIT, "    limit: {bits_per_second: 99999999999999999999}", 25, "sessions[0].limit.bits_per_second",
     "must be 0..1000000000000, not \"99999999999999999999\""},
    {LINE_CHECKSUM, "    checksum: raw", 26, "sessions[0].checksum", "must be complete or as_is, not \"raw\""},
    {LINE_CHECKSUM, "    checksums: complete", 26, "sessions[0].checksums", "did you mean \"checksum\"?"},
    {LINE_CHECKSUM, "    vni: 66", 26, "sessions[0].vni",
     "unknown key; known are name, number, mode, enabled, sources, direction, filter, target, encapsulation, "
     "packet_length, mtu_policy, on_reject, sample, limit, checksum"},
    {LINE_CHECKSUM, "  - {name: web-to-ids, number: 2, sources: [{device: v2}], target: ids, encapsulation: {vni: 1}}",
     26, "sessions[1].name", "\"web-to-ids\" is used twice, first on line 12"},

    /* A session that is not enabled is looked at as closely. */
    {LINE_ENABLED, "    enabled: false\n    bogus: 1", 16, "sessions[0].bogus", "unknown key"},
};

static const struct unit_good good_rows[] = {
    {LINE_NUMBER, "    number: 32766"},
    {LINE_MODE, "    mode: copy"},
    {LINE_ENABLED, "    enabled: false"},
    {LINE_FILTER, NULL},
    {LINE_ENCAPSULATION, "    encapsulation: {vni: 0, port: 1}"},
    {LINE_ENCAPSULATION, "    encapsulation: {vni: 16777215, port: 65535}"},
    {LINE_PACKET_LENGTH, "    packet_length: 1"},
    {LINE_PACKET_LENGTH, "    packet_length: 9216"},
    {LINE_SAMPLE, "    sample: {}"},
    {LINE_SAMPLE, "    sample: {packets: 1000000}"},
    {LINE_SAMPLE, "    sample: {flows: 1000000}"},
    {LINE_LIMIT, "    limit: {packets_per_second: 1000000000, bits_per_second: 1000000000000}"},
    {LINE_LIMIT, "    limit: {}"},
};

static void test_bad(void **state)
{
	unit_all_refused(bad_rows, VTAP_ARRAY_SIZE(bad_rows));
}

static void test_good(void **state)
{
	unit_all_taken(good_rows, VTAP_ARRAY_SIZE(good_rows));
}

static void test_values(void **state)
{
	static const char text[] = "targets: [{name: a, address: 10.0.0.1}, {name: b, address: 'fd00::1'}]\n"
				   "filters: [{name: f, rules: []}, {name: g, rules: []}]\n"
				   "sessions:\n"
				   "  - name: s\n"
				   "    mode: copy\n"
				   "    enabled: false\n"
				   "    sources: [{device: v1, side: own}, {device: v2}]\n"
				   "    direction: out\n"
				   "    filter: g\n"
				   "    target: b\n"
				   "    encapsulation: {type: vxlan, vni: 16777215, port: 8472}\n"
				   "    packet_length: 128\n"
				   "    mtu_policy: drop\n"
				   "    on_reject: stop\n"
				   "    sample: {flows: 7}\n"
				   "    limit: {packets_per_second: 5, bits_per_second: 1000000000000}\n"
				   "    checksum: as_is\n";
	VTAP_CLEANUP(vtap_config_freep) struct vtap_config *c = unit_parse(text);
	const struct vtap_session *s = &c->sessions[0];

	assert_string_equal(s->name, "s");
	assert_int_equal(s->number, 0);
	assert_int_equal(s->mode, VTAP_MODE_COPY);
	assert_false(s->enabled);
	assert_int_equal(s->source_count, 2);
	assert_int_equal(s->sources[0].side, VTAP_SIDE_OWN);
	assert_string_equal(s->sources[1].device, "v2");
	assert_int_equal(s->sources[1].side, VTAP_SIDE_HOST);
	assert_int_equal(s->sources[1].line, 7);
	assert_false(s->direction[VTAP_DIRECTION_IN]);
	assert_true(s->direction[VTAP_DIRECTION_OUT]);
	assert_ptr_equal(s->filter, &c->filters[1]);
	assert_ptr_equal(s->target, &c->targets[1]);
	assert_int_equal(s->vni, 0xffffff);
	assert_int_equal(s->port, 8472);
	assert_int_equal(s->packet_length, 128);
	assert_int_equal(s->mtu_policy, VTAP_MTU_DROP);
	assert_int_equal(s->on_reject, VTAP_ON_REJECT_STOP);
	assert_int_equal(s->sample_packets, 1);
	assert_int_equal(s->sample_flows, 7);
	assert_int_equal(s->limit_packets_per_second, 5);
	assert_true(s->limit_bits_per_second == 1000000000000ULL);
	assert_int_equal(s->checksum, VTAP_CHECKSUM_AS_IS);
}

static void test_source_limit(void **state)
{
	for (int n = VTAP_SOURCES_MAX; n <= VTAP_SOURCES_MAX + 1; n++) {
		_cleanup_free_ char *text = NULL, *edited = NULL;
		size_t size;
		FILE *f = open_memstream(&text, &size);

		fprintf(f, "    sources:");
		for (int i = 0; i < n; i++)
			fprintf(f, "\n    - device: v%d", i);
		assert_int_equal(fclose(f), 0);
		edited = unit_edit(LINE_SOURCES, text);
		if (n > VTAP_SOURCES_MAX)
			unit_refused(edited, -E2BIG, 16, "sessions[0].sources",
				     "has 257 entries, and at most 256 are possible");
		else
			vtap_config_free(unit_parse(edited));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_source_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
