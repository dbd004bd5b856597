/* SPDX-License-Identifier: Apache-2.0 */

#include "agent/owners.h"
#include "unit.h"

static const char *shown(const struct vtap_owner *o)
{
	static char text[512];
	char mac[VTAP_MAC_STRLEN];

	snprintf(text, sizeof(text), "%s %s %s [%s %u %d %s]", o->kind, o->name, o->id, o->device, o->ifindex,
		 o->namespace_id, vtap_mac_format(&o->mac, mac));
	return text;
}

/* As libvirt writes it while a domain runs. */
static void test_libvirt(void **state)
{
	static const char xml[] = "<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE.\n-->\n"
				  "<domstatus state='running' reason='booted' pid='4711'>\n"
				  "  <monitor path='/var/lib/libvirt/qemu/domain-1-web/monitor.sock' type='unix'/>\n"
				  "  <domain type='kvm' id='1'>\n"
				  "    <name>web-1</name>\n"
				  "    <uuid>4b1c2d3e-0000-4000-8000-000000000001</uuid>\n"
				  "    <devices>\n"
				  "      <interface type='network'>\n"
				  "        <mac address='52:54:00:aa:bb:01'/>\n"
				  "        <source network='default' portid='x' bridge='virbr0'/>\n"
				  "        <target dev='vnet0'/>\n"
				  "        <model type='virtio'/>\n"
				  "      </interface>\n"
				  "      <interface type='hostdev'>\n"
				  "        <mac address='52:54:00:aa:bb:02'/>\n"
				  "      </interface>\n"
				  "      <interface type='bridge'>\n"
				  "        <mac address='nonsense'/>\n"
				  "        <target dev='vnet7'/>\n"
				  "      </interface>\n"
				  "      <interface type='bridge'>\n"
				  "        <target dev='a-name-that-is-too-long'/>\n"
				  "      </interface>\n"
				  "    </devices>\n"
				  "  </domain>\n"
				  "</domstatus>\n";
	VTAP_CLEANUP(vtap_owners_done) struct vtap_owners o = {};

	assert_int_equal(vtap_owners_parse_libvirt(&o, xml), 0);
	assert_int_equal(o.count, 2);
	assert_string_equal(shown(&o.items[0]), "libvirt web-1 4b1c2d3e-0000-4000-8000-000000000001 [vnet0 0 -1 "
						"52:54:00:aa:bb:01]");
	assert_string_equal(shown(&o.items[1]), "libvirt web-1 4b1c2d3e-0000-4000-8000-000000000001 [vnet7 0 -1 "
						"00:00:00:00:00:00]");
}

#define WORDS(text) text, sizeof(text)

static void test_qemu(void **state)
{
	VTAP_CLEANUP(vtap_owners_done) struct vtap_owners o = {};

	assert_int_equal(
	    vtap_owners_parse_qemu(
		&o,
		WORDS("/usr/bin/qemu-system-x86_64\0-name\0guest=db,debug-threads=on\0-uuid\0u-1\0-netdev\0"
		      "tap,id=n0,ifname=tap3,script=no\0-device\0virtio-net-pci,netdev=n0,mac=52:54:00:00:00:05\0"
		      "-netdev\0tap,fd=33,id=n1\0-netdev\0user,id=n2\0-nic\0tap,ifname=tap4,mac=52:54:00:00:00:06")),
	    0);
	assert_int_equal(o.count, 2);
	assert_string_equal(shown(&o.items[0]), "qemu db u-1 [tap3 0 -1 52:54:00:00:00:05]");
	assert_string_equal(shown(&o.items[1]), "qemu db u-1 [tap4 0 -1 52:54:00:00:00:06]");
	assert_int_equal(vtap_owners_parse_qemu(&o, WORDS("kvm\0-name\0plain\0-netdev\0tap,ifname=t\0-nic")), 0);
	assert_int_equal(o.count, 3);
	assert_string_equal(shown(&o.items[2]), "qemu plain  [t 0 -1 00:00:00:00:00:00]");
	/* Without a name nobody could be told by it; what was cut off is not read. */
	assert_int_equal(vtap_owners_parse_qemu(&o, WORDS("kvm\0-netdev\0tap,ifname=t")), 0);
	assert_int_equal(vtap_owners_parse_qemu(&o, "kvm", 3), 0);
	assert_int_equal(vtap_owners_parse_qemu(&o, "", 0), 0);
	assert_int_equal(o.count, 3);
}

static void test_machine(void **state)
{
	VTAP_CLEANUP(vtap_owners_done) struct vtap_owners o = {};

	assert_int_equal(vtap_owners_parse_machine(&o,
						   "# This is private data. Do not parse.\nNAME=box\nSCOPE=x.scope\n"
						   "ID=0123\nCLASS=container\nNETIF=7 12 x 0\n"),
			 0);
	assert_int_equal(o.count, 2);
	assert_string_equal(shown(&o.items[0]), "machined box 0123 [ 7 -1 00:00:00:00:00:00]");
	assert_string_equal(shown(&o.items[1]), "machined box 0123 [ 12 -1 00:00:00:00:00:00]");
	assert_int_equal(vtap_owners_parse_machine(&o, "NAME=box\n"), 0);
	assert_int_equal(vtap_owners_parse_machine(&o, "NETIF=1\n"), 0);
	assert_int_equal(vtap_owners_parse_machine(&o, ""), 0);
	assert_int_equal(o.count, 2);
}

static void test_docker(void **state)
{
	static const char good[] = "{\"ID\": \"f00d\", \"Name\": \"/web\", \"NetworkSettings\": {\"SandboxKey\": "
				   "\"/var/run/docker/netns/0123456789ab\"}}";
	static const char *const bad[] = {"", "{}", "{\"Name\": \"/web\", \"NetworkSettings\": {\"SandboxKey\": \"\"}}",
					  "{\"Name\": \"/web\", \"NetworkSettings\": {\"SandboxKey\": \"/a/\"}}",
					  "{\"NetworkSettings\": {\"SandboxKey\": \"/a/b\"}}"};
	struct vtap_owner owner;
	char file[16];

	assert_true(vtap_owners_parse_docker(good, strlen(good), file, sizeof(file), &owner));
	assert_string_equal(file, "0123456789ab");
	assert_string_equal(shown(&owner), "docker web f00d [ 0 -1 00:00:00:00:00:00]");
	assert_false(vtap_owners_parse_docker(good, strlen(good), file, 12, &owner));
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(bad); i++)
		assert_false(vtap_owners_parse_docker(bad[i], strlen(bad[i]), file, sizeof(file), &owner));
}

static void test_find(void **state)
{
	VTAP_CLEANUP(vtap_owners_done) struct vtap_owners o = {};
	const struct vtap_link by_name = {.name = "vnet0", .ifindex = 3}, by_index = {.name = "x", .ifindex = 7},
			       neither = {.name = "y", .ifindex = 8};

	assert_int_equal(vtap_owners_add(&o, &(struct vtap_owner){.device = "vnet0", .namespace_id = -1, .name = "a"}),
			 0);
	assert_int_equal(vtap_owners_add(&o, &(struct vtap_owner){.ifindex = 7, .namespace_id = -1, .name = "b"}), 0);
	assert_int_equal(vtap_owners_add(&o, &(struct vtap_owner){.namespace_id = 0, .name = "c"}), 0);
	assert_string_equal(vtap_owners_find(&o, &by_name, -1)->name, "a");
	assert_string_equal(vtap_owners_find(&o, &by_index, -1)->name, "b");
	assert_string_equal(vtap_owners_find(&o, &neither, 0)->name, "c");
	assert_null(vtap_owners_find(&o, &neither, -1));
	assert_null(vtap_owners_find(&o, &neither, 1));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_libvirt), cmocka_unit_test(test_qemu), cmocka_unit_test(test_machine),
	    cmocka_unit_test(test_docker),  cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests_name("owners", tests, NULL, NULL);
}
