/* SPDX-License-Identifier: Apache-2.0 */

/* What must hold between the members of one resource, and the ends of the ranges. */

#include "resource.h"
#include "unit.h"

#define TARGET "'target': '" UNIT_ID("tmt") "', 'sources': ['tag:role=web']"
#define SESSION "'number': 1, " TARGET
#define RULE "'filter': '" UNIT_ID("tmf") "', 'direction': 'in', 'number': 10"

static const struct unit_resource_bad bad[] = {
    /* projects */
    {"project", NULL, "{'account_id': '12345678901'}", "account_id", "must have 12 characters, not 11"},
    {"project", NULL, "{'account_id': '1234567890123'}", "account_id", "must have 12 characters, not 13"},
    {"project", NULL, "{'account_id': '12345678901a'}", "account_id", "must be 12 digits, not \"12345678901a\""},
    {"project", NULL, "{'account_id': 123456789012}", "account_id", "must be text"},
    {"project", NULL, "{'profile': 'azure'}", "profile", "must be native, aws, aliyun, tencent or cloudpods"},
    {"project", NULL, "{'allowed_target_cidrs': ['10.0.0.1/8']}", "allowed_target_cidrs[0]", "must be 10.0.0.0/8"},

    /* users */
    {"user", NULL,
     "{'name': 'ann', 'roles': [{'project': '" UNIT_ID("proj") "', 'role': 'viewer'},"
							       " {'project': '" UNIT_ID("proj") "', 'role': 'admin'}]}",
     "roles[1].project", UNIT_ID("proj") " is named twice: a user has one role in a project"},

    /* hosts, interfaces, gateways */
    {"host", NULL, "{'underlay_address': '127.0.0.1'}", "underlay_address",
     "must be a unicast address, which is not a loopback one, not \"127.0.0.1\""},
    {"host", NULL, "{'underlay_address': '224.0.0.1'}", "underlay_address", "must be a unicast address"},
    {"host", NULL, "{'underlay_address': '0.0.0.0'}", "underlay_address", "must be a unicast address"},
    {"host", NULL, "{'underlay_address': '255.255.255.255'}", "underlay_address", "must be a unicast address"},
    {"host", NULL, "{'underlay_address': '::1'}", "underlay_address", "must be a unicast address"},
    {"host", NULL, "{'underlay_address': 'ff02::1'}", "underlay_address", "must be a unicast address"},
    {"interface", NULL, "{'addresses': ['10.0.0.1', '224.0.0.1']}", "addresses[1]", "must be a unicast address"},
    {"gateway", NULL, "{'network': '" UNIT_ID("vpc") "', 'addresses': ['::']}", "addresses[0]",
     "must be a unicast address"},

    /* networks */
    {"network", NULL, "{'cidrs': ['10.0.0.0/8', '192.168.0.0/16', '10.1.0.0/16']}", "cidrs[2]",
     "10.1.0.0/16 overlaps 10.0.0.0/8 of this network"},
    {"network", NULL, "{'cidrs': ['10.1.0.0/16', '10.0.0.0/8']}", "cidrs[1]", "overlaps 10.1.0.0/16"},
    {"network", NULL, "{'cidrs': ['2001:db8::/32', '::/0']}", "cidrs[1]", "::/0 overlaps 2001:db8::/32"},
    {"network", "{'cidrs': ['10.0.0.0/8']}",
     "{'routes': [{'destination': '0.0.0.0/0', 'gateway': '" UNIT_ID(
	 "nat") "'},"
		" {'destination': '0.0.0.0/0', 'gateway': '" UNIT_ID2("nat") "'}]}",
     "routes[1].destination", "0.0.0.0/0 has a route already: routes[0]"},

    /* targets */
    {"target", NULL, "{}", "address", "is required, unless interface is given"},
    {"target", NULL, "{'address': '10.0.0.1', 'interface': '" UNIT_ID("eni") "'}", "address",
     "must not be given together with interface"},
    {"target", "{'address': '10.0.0.1'}", "{'interface': '" UNIT_ID("eni") "'}", "address",
     "must not be given together"},
    {"target", "{'address': '10.0.0.1'}", "{'address': null}", "address", "is required"},
    {"target", NULL, "{'address': '0.0.0.0'}", "address", "must be the unicast address of another host"},
    {"target", NULL, "{'address': '127.0.0.1'}", "address", "must be the unicast address of another host"},
    {"target", NULL, "{'address': '224.0.0.1'}", "address", "must be the unicast address of another host"},
    {"target", NULL, "{'address': '255.255.255.255'}", "address", "must be the unicast address"},
    {"target", NULL, "{'address': 'ff02::1'}", "address", "must be the unicast address"},
    {"target", NULL, "{'address': '::1'}", "address", "must be the unicast address"},
    {"target", NULL, "{'address': '10.0.0.1', 'local': '2001:db8::1'}", "local", "must have the IP version of address"},
    {"target", NULL, "{'address': '10.0.0.1', 'local': '10.0.0.1'}", "local", "must not be the target's own address"},
    {"target", NULL, "{'address': '10.0.0.1', 'local': '224.0.0.1'}", "local",
     "must be a unicast address of this host"},
    {"target", NULL, "{'interface': '" UNIT_ID("eni") "', 'local': '::'}", "local", "must be a unicast address"},
    {"target", NULL, "{'address': '10.0.0.1', 'mtu': 1}", "mtu", "must be 0 or 576..9216, not 1"},
    {"target", NULL, "{'address': '10.0.0.1', 'mtu': 9217}", "mtu", "must be 0 or 576..9216, not 9217"},
    {"target", NULL, "{'address': '10.0.0.1', 'mtu': 'x'}", "mtu", "must be a number 0 or 576..9216, not"},
    {"target", NULL, "{'address': '10.0.0.1', 'mtu': 575}", "mtu", "must be 0 or 576..9216, not 575"},
    {"target", NULL, "{'address': '2001:db8::1', 'mtu': 1279}", "mtu", "must be 1280..9216 with an IPv6 address"},
    {"target", "{'address': '10.0.0.1', 'mtu': 600}", "{'address': '2001:db8::1'}", "mtu", "must be 1280..9216"},

    /* rules: the sentences are those of the agent's file */
    {"rule", NULL, "{" RULE ", 'source_ports': 80}", "source_ports", "ports need protocol tcp, udp or sctp"},
    {"rule", NULL, "{" RULE ", 'protocol': 'icmp', 'destination_ports': '80-81'}", "destination_ports", "ports need"},
    {"rule", NULL, "{" RULE ", 'icmp_type': 3}", "icmp_type", "needs protocol icmp or icmpv6"},
    {"rule", NULL, "{" RULE ", 'protocol': 'icmp', 'icmp_code': 3}", "icmp_code", "needs icmp_type"},
    {"rule", NULL, "{" RULE ", 'source': '10.0.0.0/8', 'destination': '::/0'}", "destination",
     "is about IPv6, but source is about IPv4"},
    {"rule", NULL, "{" RULE ", 'source': '10.0.0.0/8', 'protocol': 'icmpv6'}", "protocol",
     "is about IPv6, but source is about IPv4"},
    {"rule", NULL, "{" RULE ", 'source': '10.0.0.0/8', 'ethertype': 'ipv6'}", "ethertype",
     "is about IPv6, but source is about IPv4"},
    {"rule", NULL, "{" RULE ", 'protocol': 'tcp', 'ethertype': 'arp'}", "protocol",
     "is about IP packets, but ethertype is arp, which is not IP"},
    {"rule", NULL, "{" RULE ", 'destination': '10.0.0.0/8', 'ethertype': 'lldp'}", "destination", "ethertype is lldp"},
    {"rule", NULL, "{" RULE ", 'source': '10.0.0.0/8', 'ethertype': '0x88b5'}", "source", "but ethertype is another"},
    {"rule", "{" RULE ", 'protocol': 'tcp', 'source_ports': 80}", "{'protocol': null}", "source_ports", "ports need"},
    {"rule", NULL, "{'filter': '" UNIT_ID("tmf") "', 'direction': 'both', 'number': 10}", "direction",
     "must be in or out, not \"both\""},

    /* sessions */
    {"session", NULL, "{" TARGET "}", "number", "is required for an exclusive session (1..32766)"},
    {"session", NULL, "{" TARGET ", 'number': 0}", "number", "is required for an exclusive session"},
    {"session", "{" TARGET ", 'mode': 'copy'}", "{'mode': 'exclusive'}", "number",
     "is required for an exclusive session"},
    {"session", NULL, "{" SESSION ", 'sample': {'packets': 2, 'flows': 2}}", "sample",
     "takes packets or flows, not both: set packets (2) or flows (2) to 1"},
    {"session", "{" SESSION ", 'sample': {'packets': 10}}", "{'sample': {'flows': 20}}", "sample",
     "set packets (10) or flows (20) to 1"},
    {"session", NULL, "{" SESSION ", 'encapsulation': {'type': 'gre'}}", "encapsulation.type",
     "must be vxlan, not \"gre\""},
    {"session", NULL, "{" SESSION ", 'direction': 'ingress'}", "direction", "must be in, out or both"},
    {"session", NULL, "{" SESSION ", 'mode': 'shared'}", "mode", "must be exclusive or copy"},
    {"session", NULL, "{" SESSION ", 'mtu_policy': 'fragment'}", "mtu_policy", "must be fit or drop"},
    {"session", NULL, "{" SESSION ", 'on_reject': 'last'}", "on_reject", "must be next or stop"},
    {"session", NULL, "{" SESSION ", 'checksum': 'none'}", "checksum", "must be complete or as_is"},
    {"session", NULL, "{" SESSION ", 'offline': 'stop'}", "offline", "must be keep or stop-after 1s..365d"},
};

static const struct unit_resource_good good[] = {
    {"project", NULL, "{'account_id': '000000000001', 'region': 'eu-west-1', 'profile': 'aws'}", NULL},
    {"project", NULL, "{'allowed_target_cidrs': ['10.0.0.0/8', '10.0.0.0/16', 'fc00::/7']}", NULL},
    {"network", NULL, "{'cidrs': ['10.0.0.0/9', '10.128.0.0/9', '::/0']}", NULL},
    {"network", NULL,
     "{'cidrs': ['10.0.0.0/8'], 'routes': [{'destination': '0.0.0.0/0', 'gateway': '" UNIT_ID(
	 "nat") "'},"
		" {'destination': '::/0', 'gateway': '" UNIT_ID("nat") "'}]}",
     NULL},
    {"interface", NULL, "{'device': 'tap0', 'side': 'own', 'mac': '02:00:00:00:00:01'}", NULL},

    {"target", NULL, "{'address': '10.0.0.1', 'mtu': 0}", NULL},
    {"target", NULL, "{'address': '10.0.0.1', 'mtu': 576, 'dscp': 0, 'ttl': 1}", NULL},
    {"target", NULL, "{'address': '10.0.0.1', 'mtu': 9216, 'dscp': 63, 'ttl': 255}", NULL},
    {"target", NULL, "{'address': '2001:db8::1', 'mtu': 1280, 'local': '2001:db8::2', 'df': true}", NULL},
    {"target", NULL, "{'interface': '" UNIT_ID("eni") "', 'enabled': false}", NULL},
    {"target", NULL, "{'interface': '" UNIT_ID("eni") "', 'local': '10.0.0.1', 'mtu': 600}", NULL},
    {"target", NULL, "{'interface': '" UNIT_ID("eni") "', 'local': '2001:db8::1', 'mtu': 1280}", NULL},
    {"target", "{'address': '10.0.0.1'}", "{'address': null, 'interface': '" UNIT_ID("eni") "'}", NULL},

    {"rule", NULL, "{'filter': '" UNIT_ID("tmf") "', 'direction': 'in', 'number': 1}", NULL},
    {"rule", NULL, "{'filter': '" UNIT_ID("tmf") "', 'direction': 'out', 'number': 16777216, 'action': 'reject'}",
     NULL},
    {"rule", NULL, "{" RULE ", 'protocol': 'icmp', 'icmp_type': 0, 'icmp_code': 255, 'vlan': 1}", NULL},
    {"rule", NULL, "{" RULE ", 'protocol': 'icmpv6', 'icmp_type': 255, 'icmp_code': 0, 'vlan': 4094}", NULL},
    {"rule", NULL, "{" RULE ", 'source_ports': '0-65535'}", NULL}, /* no condition, so it needs no protocol */
    {"rule", NULL, "{" RULE ", 'ethertype': 'any', 'vlan': 7}", NULL},
    {"rule", NULL, "{" RULE ", 'ethertype': null}", "{'ethertype': 'ip'}"},

    {"session", NULL, "{" TARGET ", 'number': 1}", NULL},
    {"session", NULL, "{" TARGET ", 'number': 32766, 'encapsulation': {'type': 'vxlan', 'vni': 0, 'port': 1}}", NULL},
    {"session", NULL, "{" SESSION ", 'encapsulation': {'type': 'vxlan', 'vni': 16777215, 'port': 65535}}", NULL},
    {"session", NULL, "{" TARGET ", 'mode': 'copy'}", "{'number': 0}"},
    {"session", NULL, "{" TARGET ", 'mode': 'copy', 'number': 5}", NULL},
    {"session", NULL, "{" SESSION ", 'packet_length': 9216, 'sample': {'packets': 1000000, 'flows': 1}}", NULL},
    {"session", NULL, "{" SESSION ", 'sample': {'packets': 1, 'flows': 1000000}}", NULL},
    {"session", NULL, "{" SESSION ", 'limit': {'packets_per_second': 1000000000, 'bits_per_second': 1000000000000}}",
     NULL},
    {"session", "{" SESSION ", 'sample': {'packets': 10}}", "{'sample': {'flows': 20, 'packets': null}}",
     "{'sample': {'packets': 1, 'flows': 20}}"},
    {"session", NULL, "{" SESSION ", 'filter': '" UNIT_ID("tmf") "', 'direction': 'in', 'on_reject': 'stop'}", NULL},
    {"session", NULL, "{" SESSION ", 'offline': 'stop-after 3600s'}", "{'offline': 'stop-after 1h'}"},
    {"session", NULL,
     "{'number': 1, 'target': '" UNIT_ID("tmt") "', 'sources': ['" UNIT_ID("eni") "', '" UNIT_ID(
	 "subnet") "', '" UNIT_ID("vpc") "', '" UNIT_ID("wire") "', 'tag:role', 'tag:role=']}",
     NULL},

    {"project", NULL, "{'quotas': {'sessions': 0, 'targets': 10000000}}", "{}"},

    {"host", NULL, "{'underlay_address': '223.255.255.255'}", NULL},
    {"host", NULL, "{'underlay_address': 'fe80::1'}", NULL},
};

static void test_refused(void **state)
{
	unit_resources_refused(bad, VTAP_ARRAY_SIZE(bad));
}

static void test_taken(void **state)
{
	unit_resources_taken(good, VTAP_ARRAY_SIZE(good));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
