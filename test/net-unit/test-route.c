/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "fixture.h"

static int route_to(struct fixture *f, const char *destination, const char *source, uint32_t oif,
		    struct vtap_route *ret)
{
	struct vtap_addr d = addr(destination), s = addr(source);

	return vtap_net_route_get(f->net, &d, &s, oif, ret);
}

static struct vtap_route good_route_to(struct fixture *f, const char *destination)
{
	struct vtap_route route;

	assert_int_equal(route_to(f, destination, NULL, 0, &route), 0);
	return route;
}

static void finds_what_is_on_the_link(void **state)
{
	struct fixture *f = *state;
	struct vtap_route route = good_route_to(f, "10.7.0.2");

	assert_int_equal(route.ifindex, link_named(f, "v0").ifindex);
	assert_addr(&route.gateway, "any");
	assert_addr(&route.source, "10.7.0.1");
	assert_int_equal(route.mtu, 0);
	assert_false(route.local || route.xfrm);

	route = good_route_to(f, "fd07::2");
	assert_int_equal(route.ifindex, link_named(f, "v0").ifindex);
	assert_addr(&route.gateway, "any");
	assert_addr(&route.source, "fd07::1");
	assert_false(route.local || route.xfrm);
}

static void follows_gateways_and_changes(void **state)
{
	struct fixture *f = *state;
	struct vtap_route route;

	host_run("ip route add 192.0.2.0/24 via 10.7.0.2 mtu 1300");
	WAIT_UNTIL(f, f->events & VTAP_NET_ROUTE);
	route = good_route_to(f, "192.0.2.1");
	assert_addr(&route.gateway, "10.7.0.2");
	assert_addr(&route.source, "10.7.0.1");
	assert_int_equal(route.mtu, 1300);

	f->events = 0;
	host_run("ip route replace 192.0.2.0/24 via 10.7.0.3 src 10.7.0.1");
	WAIT_UNTIL(f, f->events & VTAP_NET_ROUTE);
	route = good_route_to(f, "192.0.2.1");
	assert_addr(&route.gateway, "10.7.0.3");
	assert_int_equal(route.mtu, 0);

	f->events = 0;
	host_run("ip -6 route add 2001:db8::/32 via fd07::2 mtu 1400");
	WAIT_UNTIL(f, f->events & VTAP_NET_ROUTE);
	route = good_route_to(f, "2001:db8::1");
	assert_addr(&route.gateway, "fd07::2");
	assert_addr(&route.source, "fd07::1");
	assert_int_equal(route.mtu, 1400);

	f->events = 0;
	host_run("ip route del 192.0.2.0/24");
	WAIT_UNTIL(f, f->events & VTAP_NET_ROUTE);
	assert_int_equal(route_to(f, "192.0.2.1", NULL, 0, &route), -ENETUNREACH);
}

static void knows_an_ipv6_gateway_of_an_ipv4_route(void **state)
{
	struct fixture *f = *state;
	struct vtap_route route;

	host_run("ip route add 192.0.2.0/24 via inet6 fd07::2 dev v0");
	route = good_route_to(f, "192.0.2.1");
	assert_addr(&route.gateway, "fd07::2");
	assert_addr(&route.source, "10.7.0.1");
}

static void says_why_there_is_no_way(void **state)
{
	static const struct {
		const char *type;
		int r;
	} cases[] = {{"blackhole", -EINVAL}, {"unreachable", -EHOSTUNREACH}, {"prohibit", -EACCES}};
	struct fixture *f = *state;
	struct vtap_route route = {.mtu = 77};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		host_run("ip route replace %s 192.0.2.0/24", cases[i].type);
		host_run("ip -6 route replace %s 2001:db8::/32 dev lo", cases[i].type);
		assert_int_equal(route_to(f, "192.0.2.1", NULL, 0, &route), cases[i].r);
		assert_int_equal(route_to(f, "2001:db8::1", NULL, 0, &route), cases[i].r);
		host_run("ip -6 route del 2001:db8::/32");
	}
	assert_int_equal(route_to(f, "198.51.100.1", NULL, 0, &route), -ENETUNREACH);
	assert_int_equal(route_to(f, "2001:db9::1", NULL, 0, &route), -ENETUNREACH);
	assert_int_equal(route_to(f, NULL, NULL, 0, &route), -EAFNOSUPPORT);
	assert_int_equal(route_to(f, "10.7.0.2", "fd07::1", 0, &route), -EAFNOSUPPORT);
	/* Outputs are untouched on failure. */
	assert_int_equal(route.mtu, 77);
}

static void knows_own_addresses(void **state)
{
	static const char *const own[] = {"10.7.0.1", "127.0.0.1", "fd07::1", "::1"};
	struct fixture *f = *state;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(own); i++)
		assert_true(good_route_to(f, own[i]).local);
}

static void is_narrowed_by_source_and_device(void **state)
{
	struct fixture *f = *state;
	struct vtap_route route;

	host_run("ip link add a0 type veth peer name a1 && ip link set a0 up && ip link set a1 up &&"
		 "ip addr add 10.9.0.1/24 dev a0 && ip route add default via 10.7.0.2 &&"
		 "ip route add default via 10.9.0.2 metric 100 && ip route add default via 10.9.0.3 table 5");
	fixture_drain(f);
	host_run("ip rule add from 10.9.0.1 table 5");
	WAIT_UNTIL(f, f->events & VTAP_NET_ROUTE);

	route = good_route_to(f, "192.0.2.1");
	assert_addr(&route.gateway, "10.7.0.2");
	assert_int_equal(route_to(f, "192.0.2.1", "10.9.0.1", 0, &route), 0);
	assert_addr(&route.gateway, "10.9.0.3");
	assert_addr(&route.source, "10.9.0.1");
	assert_int_equal(route_to(f, "192.0.2.1", NULL, link_named(f, "a0").ifindex, &route), 0);
	assert_addr(&route.gateway, "10.9.0.2");
	assert_addr(&route.source, "10.9.0.1");
	assert_int_equal(route.ifindex, link_named(f, "a0").ifindex);
}

static void follows_nexthop_objects(void **state)
{
	struct fixture *f = *state;
	struct vtap_route route;

	host_run("ip nexthop add id 1 via 10.7.0.2 dev v0 && ip route add 192.0.2.0/24 nhid 1");
	fixture_drain(f);
	host_run("ip nexthop replace id 1 via 10.7.0.3 dev v0");
	WAIT_UNTIL(f, f->events & VTAP_NET_ROUTE);
	route = good_route_to(f, "192.0.2.1");
	assert_addr(&route.gateway, "10.7.0.3");
}

#define TEMPLATE "tmpl src 10.7.0.1 dst 10.7.0.2 proto esp mode tunnel"

static void sees_outbound_ipsec_policies(void **state)
{
	struct fixture *f = *state;

	if (!host_try("ip xfrm policy list >/dev/null 2>&1"))
		skip();
	host_run("ip xfrm policy add src 0.0.0.0/0 dst 10.7.0.2/32 dir in priority 5 " TEMPLATE);
	host_run("ip xfrm policy add src 10.99.0.0/16 dst 10.7.0.2/32 dir out priority 5 " TEMPLATE);
	host_run("ip xfrm policy add src 0.0.0.0/0 dst 10.7.0.2/32 proto tcp dir out priority 5 " TEMPLATE);
	host_run("ip xfrm policy add src 0.0.0.0/0 dst 10.7.0.2/32 mark 9 mask 0xff dir out priority 5 " TEMPLATE);
	assert_false(good_route_to(f, "10.7.0.2").xfrm);

	host_run("ip xfrm policy add src 10.7.0.0/24 dst 10.7.0.0/30 dir out priority 10 " TEMPLATE);
	assert_true(good_route_to(f, "10.7.0.2").xfrm);
	assert_false(good_route_to(f, "10.7.0.4").xfrm);
	assert_false(good_route_to(f, "fd07::2").xfrm);

	/* An exception for everything to there wins; one for a single port excepts no copies for sure. */
	host_run("ip xfrm policy add src 10.7.0.1/32 dst 10.7.0.2/32 proto udp dport 500 dir out priority 1");
	assert_true(good_route_to(f, "10.7.0.2").xfrm);
	host_run("ip xfrm policy add src 10.7.0.1/32 dst 10.7.0.2/32 dir out priority 2");
	assert_false(good_route_to(f, "10.7.0.2").xfrm);
	assert_true(good_route_to(f, "10.7.0.3").xfrm);

	host_run("ip xfrm policy add src ::/0 dst fd07::2/128 dir out action block priority 3");
	assert_true(good_route_to(f, "fd07::2").xfrm);
	assert_false(good_route_to(f, "fd07::3").xfrm);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(finds_what_is_on_the_link),
	    TEST(follows_gateways_and_changes),
	    TEST(knows_an_ipv6_gateway_of_an_ipv4_route),
	    TEST(says_why_there_is_no_way),
	    TEST(knows_own_addresses),
	    TEST(is_narrowed_by_source_and_device),
	    TEST(follows_nexthop_objects),
	    TEST(sees_outbound_ipsec_policies),
	};

	return fixture_main("route", tests, VTAP_ARRAY_SIZE(tests));
}
