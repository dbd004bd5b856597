/* SPDX-License-Identifier: Apache-2.0 */

#include "unit.h"

#include "cli/plan.h"
#include "model/yaml.h"

/* What is there: as a controller would tell it, but for members that nobody looks at. */
static const char there[] =
    "host: [{id: host-00000000000000001, name: h1, tags: {}, description: '', underlay_address: null, group: null,"
    " uplink: null}]\n"
    "network: [{id: vpc-00000000000000001, name: n1, tags: {}, description: '', cidrs: [10.0.0.0/16], peers: [],"
    " resolvers: [], routes: [{destination: 0.0.0.0/0, gateway: nat-00000000000000001}]}]\n"
    "gateway: [{id: nat-00000000000000001, name: g1, tags: {}, description: '', network: vpc-00000000000000001,"
    " addresses: [10.0.0.1], macs: []}]\n"
    "subnet: [{id: subnet-00000000000000001, name: s1, tags: {}, description: '', network: vpc-00000000000000001,"
    " cidr: 10.0.1.0/24}]\n"
    "interface:\n"
    "- {id: eni-00000000000000001, name: web, tags: {role: web}, description: '', mac: '02:00:00:00:00:01',"
    " addresses: [10.0.1.5], network: vpc-00000000000000001, subnet: subnet-00000000000000001, guest: null,"
    " host: host-00000000000000001, device: tap0, side: host, delegated: false}\n"
    "- {id: eni-00000000000000002, name: null, tags: {}, description: '', mac: null, addresses: [], network: null,"
    " subnet: null, guest: null, host: null, device: null, side: host, delegated: false}\n"
    "target: [{id: tmt-00000000000000001, name: ids, tags: {vtap-manifest: base}, description: '',"
    " address: 172.31.0.2, interface: null, mtu: 0, df: false, dscp: 0, ttl: 64, local: null, enabled: true}]\n"
    "filter: [{id: tmf-00000000000000001, name: all, tags: {}, description: all of it, rules: [\n"
    "  {id: tmfr-00000000000000001, filter: tmf-00000000000000001, name: null, description: '', tags: {},"
    "   direction: in, number: 10, action: accept, protocol: tcp, source: null, destination: null, source_ports: null,"
    "   destination_ports: 80-443, icmp_type: null, icmp_code: null, vlan: null, ethertype: ip}]}]\n"
    "session: [{id: tms-00000000000000001, name: web, tags: {}, description: '', number: 1, mode: exclusive,"
    " enabled: true, sources: [eni-00000000000000001, 'tag:role=db'], direction: both, filter: tmf-00000000000000001,"
    " target: tmt-00000000000000001, encapsulation: {type: vxlan, vni: 66, port: 4789}, packet_length: 0,"
    " mtu_policy: fit, on_reject: next, sample: {packets: 10, flows: 1},"
    " limit: {packets_per_second: 0, bits_per_second: 0}, checksum: complete, offline: keep}]\n";

static json_t *inventory(void)
{
	VTAP_CLEANUP(vtap_yaml_done) struct vtap_yaml yaml = {};
	struct vtap_error error = {};

	if (vtap_yaml_parse(there, strlen(there), &yaml, &error) < 0)
		fail_msg("line %u: %s", error.line, error.text);
	return json_incref(yaml.values);
}

static int plan(const char *text, bool prune, struct vtap_plan *ret, struct vtap_error *error)
{
	VTAP_CLEANUP(vtap_manifest_done) struct vtap_manifest manifest = {};
	json_t *current = inventory();
	int r = vtap_manifest_read(text, strlen(text), &manifest, error);

	if (r >= 0)
		r = vtap_plan_make(&manifest, current, prune, ret, error);
	json_decref(current);
	return r;
}

static void refused(const char *text, unsigned line, const char *field, const char *fragment)
{
	struct vtap_plan p = {};
	struct vtap_error error = {};
	int r = plan(text, false, &p, &error);

	if (r >= 0 || error.line != line || strcmp(error.field, field) != 0 || !strstr(error.text, fragment))
		fail_msg("%d, line %u, %s: \"%s\"; not line %u, %s: \"%s\"\n%s", r, error.line, error.field, error.text,
			 line, field, fragment, text);
	assert_null(p.steps);
}

/* "create target ids {...}" for each step. */
static void plans(const char *text, bool prune, const char *const *steps)
{
	VTAP_CLEANUP(vtap_plan_done) struct vtap_plan p = {};
	struct vtap_error error = {};
	size_t count = 0;

	if (plan(text, prune, &p, &error) < 0)
		fail_msg("line %u: %s: %s\n%s", error.line, error.field, error.text, text);
	while (steps[count])
		count++;
	for (size_t i = 0; i < VTAP_MAX(count, p.count); i++) {
		_cleanup_free_ char *body = NULL, *got = NULL;
		const struct vtap_step *s = &p.steps[i];

		if (i >= p.count)
			fail_msg("the step %s is missing", steps[i]);
		body = s->body ? json_dumps(s->body, JSON_COMPACT) : NULL;
		assert_true(asprintf(&got, "%s %s %s%s%s", vtap_step_action_name(s->action), s->kind->name, s->name,
				     body ? " " : "", body ? body : "") > 0);
		assert_string_equal(got, i < count ? steps[i] : "nothing");
	}
}
#define PLANS(text, prune, ...) plans(text, prune, (const char *const[]){__VA_ARGS__, NULL})

static void test_form(void **state)
{
	refused("- a\n", 1, "", "must be a mapping");
	refused("session: []\n", 1, "", "\"session\" is no kind of resource in the plural");
	refused("targets:\n- name: a\nkeys: []\n", 3, "keys", "keys have secrets");
	refused("rules: []\n", 1, "rules", "rules stand inside their filter");
	refused("targets: {}\n", 1, "targets", "must be a list");
	refused("targets:\n- a\n", 2, "targets[0]", "must be a mapping");
	refused("targets:\n- address: 10.0.0.1\n", 2, "targets[0]", "needs a name");
	refused("targets:\n- name: a\n  address: 10.0.0.1\n- name: a\n", 4, "targets[1]", "\"a\" appears twice");
	refused("filters:\n- name: a\n  rules: 1\n", 2, "filters[0]", "rules must be a list");
	refused("manifest: a b\n", 1, "manifest", "must be a name");
	refused("manifest: [a]\n", 1, "manifest", "must be a name");
	refused("a: b: c\n", 1, "", "is not YAML");
	PLANS("", false, NULL);
	PLANS("targets:\nsessions: []\n", false, NULL);
}

/* What the tables say of the resources is found on its line. */
static void test_content(void **state)
{
	refused("targets:\n- name: a\n", 2, "targets[0].address", "is required, unless interface is given");
	refused("targets:\n- name: a\n  address: 10.0.0.1\n  mtu: 9217\n", 4, "targets[0].mtu", "9216");
	refused("targets:\n- name: a\n  address: 10.0.0.1\n  colour: red\n", 4, "targets[0].colour", "");
	refused("sessions:\n- name: a\n  number: 1\n  sources: [web]\n  target: ids\n  encapsulation:\n    vni: -1\n",
		7, "sessions[0].encapsulation.vni", "16777215");
	refused("sessions:\n- name: a\n  number: 1\n  sources:\n  - web\n  - nowhere\n  target: ids\n", 6,
		"sessions[0].sources[1]", "\"nowhere\" is neither in the manifest nor known");
	refused("filters:\n- name: a\n  rules:\n  - {direction: in, number: 1}\n  - {direction: in, number: 0}\n", 5,
		"filters[0].rules[1].number", "16777216");
	refused("filters:\n- name: a\n  rules:\n  - {direction: in, number: 1}\n  - {direction: in, number: 1}\n", 5,
		"filters[0].rules[1]", "another rule");
	refused("filters:\n- name: a\n  rules:\n  - {direction: in, number: 1, filter: a}\n", 4, "filters[0].rules[0]",
		"leave it out");
	refused("filters:\n- name: a\n  rules: [1]\n", 3, "filters[0].rules[0]", "must be a mapping");
	refused("users:\n- name: bob\n  password: secret-secret\n", 3, "users[0].password", "vtap user password");
	refused("interfaces:\n- id: eni-0000000000000000f\n", 2, "interfaces[0].id", "is not there");
	refused("subnets:\n- name: s1\n  network: n1\n  cidr: 10.0.2.0/24\n", 4, "subnets[0].cidr",
		"cannot be changed: it is 10.0.1.0/24");
	refused("manifest: other\ntargets:\n- name: ids\n  address: 172.31.0.2\n", 3, "targets[0]",
		"belongs to the manifest base");
}

static void test_create(void **state)
{
	PLANS(
	    "sessions:\n- {name: new, number: 2, sources: [fresh, 'tag:a=b'], target: there, filter: f}\n"
	    "filters:\n- name: f\n  rules:\n  - {direction: in, number: 1, protocol: udp}\n"
	    "targets:\n- {name: there, address: 172.31.0.3}\n"
	    "interfaces:\n- {name: fresh, network: far, host: h1, device: tap1}\n"
	    "gateways:\n- {name: out, network: far, addresses: [10.9.0.1]}\n"
	    "networks:\n- {name: far, cidrs: [10.9.0.0/16], peers: [n1],"
	    " routes: [{destination: 0.0.0.0/0, gateway: out}]}\n",
	    false, "create network far {\"name\":\"far\",\"cidrs\":[\"10.9.0.0/16\"]}",
	    "create gateway out {\"name\":\"out\",\"network\":\"far\",\"addresses\":[\"10.9.0.1\"]}",
	    "create interface fresh {\"name\":\"fresh\",\"network\":\"far\",\"host\":\"h1\",\"device\":\"tap1\"}",
	    "create target there {\"name\":\"there\",\"address\":\"172.31.0.3\"}", "create filter f {\"name\":\"f\"}",
	    "rules filter f {\"rules\":[{\"direction\":\"in\",\"number\":1,\"protocol\":\"udp\"}]}",
	    "create session new "
	    "{\"name\":\"new\",\"number\":2,\"sources\":[\"fresh\",\"tag:a=b\"],\"target\":\"there\","
	    "\"filter\":\"f\"}",
	    "update network far {\"peers\":[\"n1\"],\"routes\":[{\"destination\":\"0.0.0.0/0\",\"gateway\":\"out\"}]}");
}

static void test_update(void **state)
{
	/* Said by the manifest, silent about it, and assigned by the controller. */
	PLANS("sessions:\n- {name: web, number: 1, sources: [web, 'tag:role=db'], target: ids, direction: in}\n", false,
	      "update session web {\"direction\":\"in\",\"filter\":null,\"sample\":{\"packets\":null}}");
	PLANS("sessions:\n- {name: web, number: 1, sources: [eni-00000000000000001, 'tag:role=db'], target: ids,"
	      " filter: all, sample: {packets: 10}, encapsulation: {vni: 67}}\n",
	      false, "update session web {\"encapsulation\":{\"vni\":67}}");
	PLANS("sessions:\n- {name: web, number: 1, sources: [web, 'tag:role=db'], target: ids, filter: all,"
	      " sample: {packets: 10}, encapsulation: {vni: null}}\n",
	      false, NULL);
	PLANS("interfaces:\n- {name: web, network: n1, subnet: s1, tags: {role: db}}\n", false,
	      "update interface web {\"tags\":{\"role\":\"db\"}}");
	PLANS("interfaces:\n- {name: web, network: n1, subnet: s1, tags: {role: web}, host: null, device: tap1}\n",
	      false, "update interface web {\"device\":\"tap1\"}");
	/* The controller has filled in the subnet's network. */
	PLANS("interfaces:\n- {name: web, subnet: s1, tags: {role: web}}\n", false, NULL);
	PLANS("interfaces:\n- {name: web, subnet: s1, network: null, tags: {role: web}}\n", false, NULL);
	PLANS("interfaces:\n- {name: web, tags: {role: web}}\n", false,
	      "update interface web {\"network\":null,\"subnet\":null}");
	PLANS("subnets:\n- {name: s2, network: n2, cidr: 10.1.0.0/24}\n"
	      "networks:\n- {name: n2, cidrs: [10.1.0.0/16]}\n"
	      "interfaces:\n- {name: web, subnet: s2, tags: {role: web}}\n",
	      false, "create network n2 {\"name\":\"n2\",\"cidrs\":[\"10.1.0.0/16\"]}",
	      "create subnet s2 {\"name\":\"s2\",\"network\":\"n2\",\"cidr\":\"10.1.0.0/24\"}",
	      "update interface web {\"network\":null,\"subnet\":\"s2\"}");
	PLANS("interfaces:\n- {id: eni-00000000000000002, description: x}\n", false,
	      "update interface eni-00000000000000002 {\"description\":\"x\"}");
}

static void test_rules(void **state)
{
	VTAP_CLEANUP(vtap_plan_done) struct vtap_plan p = {};
	_cleanup_free_ char *changes = NULL;

	PLANS("filters:\n- {name: all, description: all of it}\n", false, NULL);
	PLANS("filters:\n- name: all\n  description: all of it\n  rules:\n"
	      "  - {direction: in, number: 10, protocol: 6, destination_ports: 80-443, action: accept}\n",
	      false, NULL);
	PLANS("filters:\n- {name: all, description: all of it, rules: []}\n", false, "rules filter all {\"rules\":[]}");
	assert_int_equal(plan("filters:\n- name: all\n  description: all of it\n  rules:\n"
			      "  - {direction: in, number: 10, protocol: udp, destination_ports: 80-443}\n"
			      "  - {direction: out, number: 5}\n",
			      false, &p, NULL),
			 0);
	assert_int_equal(p.count, 1);
	assert_int_equal(json_array_size(p.steps[0].changes), 2);
	changes = json_dumps(json_array_get(p.steps[0].changes, 1), JSON_COMPACT);
	assert_non_null(strstr(changes, "{\"path\":\"rule out 5\",\"before\":null,\"after\":{"));
}

/* The manifest's name becomes a tag; a manifest without a name leaves that tag alone. */
static void test_tag(void **state)
{
	PLANS("manifest: base\ntargets:\n- {name: ids, address: 172.31.0.2}\n- {name: b, address: 172.31.0.3,"
	      " tags: {x: y}}\n",
	      false,
	      "create target b "
	      "{\"name\":\"b\",\"address\":\"172.31.0.3\",\"tags\":{\"x\":\"y\",\"vtap-manifest\":\"base\"}}");
	PLANS("targets:\n- {name: ids, address: 172.31.0.2}\n", false, NULL);
	PLANS("manifest: base\nsubnets:\n- {name: s1, network: n1, cidr: 10.0.1.0/24}\n", false,
	      "update subnet s1 {\"tags\":{\"vtap-manifest\":\"base\"}}");
}

static void test_prune(void **state)
{
	struct vtap_plan p = {};
	struct vtap_error error = {};

	PLANS("manifest: base\ntargets: []\n", true, "delete target tmt-00000000000000001");
	PLANS("manifest: base\n", false, NULL);
	PLANS("manifest: other\n", true, NULL);
	assert_int_equal(plan("targets: []\n", true, &p, &error), -EINVAL);
	assert_string_equal(error.field, "manifest");
}

/* Whatever is last to be created is first to be deleted; what would hold on to it lets go before. The host belongs to all. */
static void test_prune_order(void **state)
{
	VTAP_CLEANUP(vtap_manifest_done) struct vtap_manifest manifest = {};
	VTAP_CLEANUP(vtap_plan_done) struct vtap_plan p = {};
	static const char *const order[] = {"session", "filter", "target", "interface", "gateway", "subnet", "network"};
	json_t *current = inventory(), *list, *item;
	const char *kind, *text = "manifest: base\n";
	size_t i;

	json_object_foreach(current, kind, list)
	{
		json_array_foreach(list, i, item)
		    json_object_set_new(item, "tags", json_pack("{s:s}", VTAP_MANIFEST_TAG, "base"));
	}
	assert_int_equal(vtap_manifest_read(text, strlen(text), &manifest, NULL), 0);
	assert_int_equal(vtap_plan_make(&manifest, current, true, &p, NULL), 0);
	assert_int_equal(p.count, 9);
	assert_int_equal(p.steps[0].action, VTAP_STEP_UPDATE);
	assert_string_equal(p.steps[0].name, "vpc-00000000000000001");
	assert_true(json_is_null(json_object_get(p.steps[0].body, "routes")));
	for (size_t step = 1, n = 0; step < p.count; step++) {
		assert_int_equal(p.steps[step].action, VTAP_STEP_DELETE);
		if (strcmp(p.steps[step].kind->name, order[n]) != 0)
			n++;
		assert_string_equal(p.steps[step].kind->name, order[n]);
	}
	json_decref(current);
}

/* What export prints, apply finds nothing to do for; and it says only what is not the default. */
static void test_round_trip(void **state)
{
	static const char wanted[] = "sessions:\n"
				     "- name: web\n"
				     "  number: 1\n"
				     "  sources:\n"
				     "  - web\n"
				     "  - tag:role=db\n"
				     "  filter: all\n"
				     "  target: ids\n"
				     "  encapsulation:\n"
				     "    vni: 66\n"
				     "  sample:\n"
				     "    packets: 10\n";
	json_t *current = inventory(), *values = NULL;
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(vtap_manifest_make(current, NULL, &values), 0);
	assert_int_equal(vtap_yaml_write(values, out), 0);
	fclose(out);
	PLANS(text, false, NULL);
	if (!strstr(text, wanted))
		fail_msg("%s", text);
	assert_non_null(strstr(text, "- id: eni-00000000000000002\n"));
	assert_null(strstr(text, "tmt-0"));
	json_decref(values);
	json_decref(current);
}

static void test_export_of_a_manifest(void **state)
{
	json_t *current = inventory(), *values = NULL;
	_cleanup_free_ char *text = NULL;

	assert_int_equal(vtap_manifest_make(current, "base", &values), 0);
	text = json_dumps(values, JSON_COMPACT);
	assert_string_equal(text,
			    "{\"manifest\":\"base\",\"targets\":[{\"name\":\"ids\",\"address\":\"172.31.0.2\"}]}");
	PLANS(text, true, NULL);
	json_decref(values);
	json_decref(current);
}

/* Two of one name, in different projects: neither a manifest nor its references can mean both. */
static void test_ambiguous(void **state)
{
	VTAP_CLEANUP(vtap_manifest_done) struct vtap_manifest a = {}, b = {};
	const char *by_name = "targets:\n- {name: ids, address: 10.0.0.1}\n";
	const char *by_reference = "sessions:\n- {name: web, number: 1, sources: [web], target: ids}\n";
	json_t *current = inventory(), *targets = json_object_get(current, "target");
	json_t *twin = json_deep_copy(json_array_get(targets, 0)), *values = NULL;
	struct vtap_error error = {};
	struct vtap_plan p = {};
	_cleanup_free_ char *text = NULL;

	json_object_set_new(twin, "id", json_string("tmt-00000000000000002"));
	json_array_append_new(targets, twin);
	assert_int_equal(vtap_manifest_read(by_name, strlen(by_name), &a, NULL), 0);
	assert_int_equal(vtap_plan_make(&a, current, false, &p, &error), -ENOTUNIQ);
	assert_non_null(strstr(error.text, "--project"));
	assert_int_equal(vtap_manifest_read(by_reference, strlen(by_reference), &b, NULL), 0);
	assert_int_equal(vtap_plan_make(&b, current, false, &p, &error), -ENOTUNIQ);
	assert_non_null(strstr(error.text, "tmt-00000000000000001 and tmt-00000000000000002"));
	/* An export names neither. */
	assert_int_equal(vtap_manifest_make(current, NULL, &values), 0);
	text = json_dumps(json_object_get(values, "sessions"), JSON_COMPACT);
	assert_non_null(strstr(text, "\"target\":\"tmt-00000000000000001\""));
	json_decref(values);
	json_decref(current);
}

/* Each kind stands behind those that it refers to, unless the attribute can be set later. */
static void test_order(void **state)
{
	for (const struct vtap_kind *k = vtap_kinds; k->name; k++) {
		const struct vtap_attribute *a = NULL;
		bool listed = false;

		for (size_t i = 0; vtap_manifest_kinds[i]; i++)
			listed = listed || strcmp(vtap_manifest_kinds[i], k->name) == 0;
		if (strcmp(k->name, "key") == 0 || strcmp(k->name, "rule") == 0) {
			assert_false(listed);
			continue;
		}
		assert_true(listed);
		while ((a = vtap_kind_next_attribute(k, a)))
			if (!(a->flags & VTAP_ATTRIBUTE_COMPUTED) && vtap_manifest_is_late(k, a))
				assert_false(a->flags & VTAP_ATTRIBUTE_REQUIRED);
	}
	assert_true(
	    vtap_manifest_is_late(vtap_kind_find("network"), vtap_kind_attribute(vtap_kind_find("network"), "routes")));
	assert_false(vtap_manifest_is_late(vtap_kind_find("session"),
					   vtap_kind_attribute(vtap_kind_find("session"), "sources")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_form),       cmocka_unit_test(test_content),
	    cmocka_unit_test(test_create),     cmocka_unit_test(test_update),
	    cmocka_unit_test(test_rules),      cmocka_unit_test(test_tag),
	    cmocka_unit_test(test_prune),      cmocka_unit_test(test_prune_order),
	    cmocka_unit_test(test_round_trip), cmocka_unit_test(test_export_of_a_manifest),
	    cmocka_unit_test(test_ambiguous),  cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
