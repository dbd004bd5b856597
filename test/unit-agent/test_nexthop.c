/* SPDX-License-Identifier: Apache-2.0 */

/* The decisions about a next hop, with a kernel that the test makes up: these functions stand in for src/net's. */

#include <stdbool.h>

#include "agent/nexthop.h"
#include "unit.h"

#define UPLINK 7
#define OTHER 8

static struct {
	struct vtap_link links[2];
	struct vtap_route route; /* of any question but one for a device that is not its own */
	int route_error;
	struct vtap_route preferred; /* of a question for OTHER; ifindex 0 = there is none */
	enum vtap_neighbour_state neighbour;
	int neighbour_error;
	struct vtap_addr asked; /* which neighbour */
	unsigned n_resolved, n_solicited;
} kernel;

int vtap_net_link_by_name(const struct vtap_net *n, const char *name, struct vtap_link *ret_link)
{
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(kernel.links); i++) {
		if (kernel.links[i].ifindex && !strcmp(kernel.links[i].name, name)) {
			*ret_link = kernel.links[i];
			return 0;
		}
	}
	return -ENODEV;
}

int vtap_net_link_by_index(const struct vtap_net *n, uint32_t ifindex, struct vtap_link *ret_link)
{
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(kernel.links); i++) {
		if (kernel.links[i].ifindex && kernel.links[i].ifindex == ifindex) {
			*ret_link = kernel.links[i];
			return 0;
		}
	}
	return -ENODEV;
}

int vtap_net_route_get(struct vtap_net *n, const struct vtap_addr *destination, const struct vtap_addr *source,
		       uint32_t oif, struct vtap_route *ret_route)
{
	if (oif == OTHER && !kernel.preferred.ifindex)
		return -EHOSTUNREACH;
	if (!oif && kernel.route_error)
		return kernel.route_error;
	*ret_route = oif == OTHER ? kernel.preferred : kernel.route;
	return 0;
}

int vtap_net_neighbour_get(struct vtap_net *n, uint32_t ifindex, const struct vtap_addr *address,
			   struct vtap_mac *ret_mac, enum vtap_neighbour_state *ret_state)
{
	if (kernel.neighbour_error)
		return kernel.neighbour_error;
	kernel.asked = *address;
	*ret_state = kernel.neighbour;
	if (kernel.neighbour != VTAP_NEIGHBOUR_NONE)
		assert_int_equal(vtap_mac_parse("02:00:00:00:00:99", ret_mac), 0);
	return 0;
}

int vtap_net_neighbour_resolve(struct vtap_net *n, uint32_t ifindex, const struct vtap_addr *address)
{
	assert_true(vtap_addr_equal(address, &kernel.asked));
	kernel.n_resolved++;
	return -EPERM;
}

int vtap_net_neighbour_solicit(struct vtap_net *n, uint32_t ifindex, const struct vtap_addr *address,
			       const struct vtap_addr *source)
{
	kernel.n_solicited++;
	return 0;
}

static struct vtap_addr addr(const char *text)
{
	struct vtap_addr a;

	assert_int_equal(vtap_addr_parse(text, &a), 0);
	return a;
}

static int setup(void **state)
{
	static struct vtap_target target;

	memset(&kernel, 0, sizeof(kernel));
	for (uint32_t i = 0; i < VTAP_ARRAY_SIZE(kernel.links); i++) {
		kernel.links[i] = (struct vtap_link){
		    .ifindex = UPLINK + i, .mtu = 1500, .up = true, .running = true, .ethernet = true};
		snprintf(kernel.links[i].name, IFNAMSIZ, "u%u", UPLINK + i);
		kernel.links[i].mac.bytes[5] = (uint8_t)(UPLINK + i);
	}
	kernel.route = (struct vtap_route){.ifindex = UPLINK, .source = addr("172.31.0.1")};
	kernel.neighbour = VTAP_NEIGHBOUR_REACHABLE;
	target = (struct vtap_target){.name = "ids", .address = addr("172.31.0.2")};
	*state = &target;
	return 0;
}

static struct vtap_nexthop resolve(const struct vtap_target *target, const char *preferred)
{
	struct vtap_nexthop h;

	memset(&h, 0xee, sizeof(h));
	assert_int_equal(vtap_nexthop_resolve(NULL, target, preferred, &h), 0);
	return h;
}

static void expect(const struct vtap_target *target, enum vtap_nexthop_state wanted, const char *reason)
{
	struct vtap_nexthop h = resolve(target, "");

	assert_int_equal(h.state, wanted);
	assert_string_equal(h.reason, reason);
}

static void expect_addr(const struct vtap_addr *a, const char *text)
{
	char buffer[VTAP_ADDR_STRLEN];

	assert_string_equal(vtap_addr_format(a, buffer), text);
}

static void test_on_the_link(void **state)
{
	struct vtap_nexthop h = resolve(*state, "");

	assert_int_equal(h.state, VTAP_NEXTHOP_READY);
	assert_string_equal(h.reason, "");
	assert_int_equal(h.ifindex, UPLINK);
	assert_string_equal(h.device, "u7");
	assert_int_equal(h.mtu, 1500);
	assert_false(h.local);
	expect_addr(&h.neighbour, "172.31.0.2");
	expect_addr(&h.source, "172.31.0.1");
	assert_int_equal(h.source_mac.bytes[5], UPLINK);
	assert_int_equal(h.destination_mac.bytes[5], 0x99);
	assert_int_equal(kernel.n_resolved, 0);
}

static void test_behind_a_gateway(void **state)
{
	struct vtap_nexthop h;

	kernel.route.gateway = addr("172.31.0.254");
	h = resolve(*state, "");
	assert_int_equal(h.state, VTAP_NEXTHOP_READY);
	expect_addr(&h.neighbour, "172.31.0.254");
	expect_addr(&kernel.asked, "172.31.0.254");
}

static void test_local_address_of_the_target(void **state)
{
	struct vtap_target *target = *state;
	struct vtap_nexthop h;

	target->local = addr("172.31.0.77");
	h = resolve(target, "");
	expect_addr(&h.source, "172.31.0.77");
}

static void test_preferred_device(void **state)
{
	kernel.preferred = (struct vtap_route){.ifindex = OTHER, .source = addr("172.31.1.1")};
	assert_int_equal(resolve(*state, "").ifindex, UPLINK);
	assert_int_equal(resolve(*state, "u8").ifindex, OTHER);
	assert_int_equal(resolve(*state, "nowhere").ifindex, UPLINK);
	kernel.preferred.ifindex = 0;
	assert_int_equal(resolve(*state, "u8").ifindex, UPLINK);
}

static void test_least_mtu(void **state)
{
	static const struct {
		uint32_t device, route, target, wanted;
	} cases[] = {{1500, 0, 0, 1500},       {1500, 1400, 0, 1400},    {1500, 0, 1300, 1300},
		     {1500, 1400, 1300, 1300}, {1500, 1300, 1400, 1300}, {1200, 1300, 1400, 1200},
		     {9000, 9000, 9216, 9000}};
	struct vtap_target *target = *state;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		kernel.links[0].mtu = cases[i].device;
		kernel.route.mtu = cases[i].route;
		target->mtu = cases[i].target;
		assert_int_equal(resolve(target, "").mtu, cases[i].wanted);
	}
}

static void test_no_route(void **state)
{
	kernel.route_error = -ENETUNREACH;
	expect(*state, VTAP_NEXTHOP_NO_ROUTE, "there is no route to 172.31.0.2: Network is unreachable");
	assert_int_equal(resolve(*state, "").ifindex, 0);
	kernel.route_error = -EACCES;
	expect(*state, VTAP_NEXTHOP_NO_ROUTE, "there is no route to 172.31.0.2: Permission denied");
	kernel.route_error = 0;
	kernel.links[0].ifindex = 0;
	expect(*state, VTAP_NEXTHOP_NO_ROUTE, "the route to 172.31.0.2 leads out of a device that is gone");
}

/* The first of several reasons is the one that says most. */
static void test_unsupported(void **state)
{
	static const char down[] = "the uplink u7 is down",
			  xfrm[] = "an IPsec policy (xfrm) takes packets to the target",
			  plain[] = "the route leads out of u7, which has no Ethernet headers",
			  own[] = "the target is an address of this host itself";

	kernel.links[0].running = false;
	expect(*state, VTAP_NEXTHOP_UPLINK_DOWN, down);
	kernel.links[0].running = true;
	kernel.links[0].up = false;
	expect(*state, VTAP_NEXTHOP_UPLINK_DOWN, down);
	kernel.route.xfrm = true;
	expect(*state, VTAP_NEXTHOP_UNSUPPORTED, xfrm);
	kernel.links[0].ethernet = false;
	expect(*state, VTAP_NEXTHOP_UNSUPPORTED, plain);
	kernel.route.local = true;
	expect(*state, VTAP_NEXTHOP_UNSUPPORTED, own);
	assert_true(resolve(*state, "").local);
	kernel.route.local = false;
	kernel.links[0].loopback = true;
	expect(*state, VTAP_NEXTHOP_UNSUPPORTED, own);
	/* Nobody is asked on a device that copies cannot leave by. */
	assert_int_equal(kernel.n_resolved, 0);
	assert_int_equal(kernel.asked.family, AF_UNSPEC);
}

static void test_neighbours(void **state)
{
	struct vtap_nexthop h;

	kernel.neighbour = VTAP_NEIGHBOUR_STALE;
	assert_int_equal(resolve(*state, "").state, VTAP_NEXTHOP_READY);
	assert_int_equal(kernel.n_resolved, 0);
	kernel.neighbour = VTAP_NEIGHBOUR_NONE;
	expect(*state, VTAP_NEXTHOP_NO_NEIGHBOUR, "172.31.0.2 does not answer on u7");
	h = resolve(*state, "");
	assert_int_equal(kernel.n_resolved, 0);
	assert_int_equal(vtap_nexthop_request(NULL, &h), -EPERM);
	assert_int_equal(kernel.n_resolved, 1);
	h.state = VTAP_NEXTHOP_READY;
	assert_int_equal(vtap_nexthop_request(NULL, &h), 0);
	assert_int_equal(kernel.n_resolved, 1);
	kernel.neighbour_error = -ENOBUFS;
	assert_int_equal(vtap_nexthop_resolve(NULL, *state, "", &h), -ENOBUFS);
}

static void test_solicit(void **state)
{
	static const bool asked[VTAP_NEXTHOP_MAX] = {[VTAP_NEXTHOP_READY] = true, [VTAP_NEXTHOP_NO_NEIGHBOUR] = true};
	struct vtap_nexthop h = resolve(*state, "");

	for (int i = 0; i < VTAP_NEXTHOP_MAX; i++) {
		kernel.n_solicited = 0;
		h.state = (enum vtap_nexthop_state)i;
		assert_int_equal(vtap_nexthop_solicit(NULL, &h), 0);
		assert_int_equal(kernel.n_solicited, asked[i]);
	}
	kernel.neighbour = VTAP_NEIGHBOUR_KEPT;
	kernel.n_solicited = kernel.n_resolved = 0;
	h = resolve(*state, "");
	assert_int_equal(h.state, VTAP_NEXTHOP_READY);
	assert_int_equal(vtap_nexthop_solicit(NULL, &h), 0);
	assert_int_equal(kernel.n_solicited + kernel.n_resolved, 0);
}

static void test_names(void **state)
{
	assert_string_equal(vtap_nexthop_state_name(VTAP_NEXTHOP_READY), "active");
	assert_string_equal(vtap_nexthop_state_name(VTAP_NEXTHOP_NO_ROUTE), "no_route");
	assert_string_equal(vtap_nexthop_state_name(VTAP_NEXTHOP_NO_NEIGHBOUR), "no_neighbour");
	assert_string_equal(vtap_nexthop_state_name(VTAP_NEXTHOP_UNSUPPORTED), "error");
	assert_string_equal(vtap_nexthop_state_name(VTAP_NEXTHOP_UPLINK_DOWN), "uplink_down");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_on_the_link, setup),
	    cmocka_unit_test_setup(test_behind_a_gateway, setup),
	    cmocka_unit_test_setup(test_local_address_of_the_target, setup),
	    cmocka_unit_test_setup(test_preferred_device, setup),
	    cmocka_unit_test_setup(test_least_mtu, setup),
	    cmocka_unit_test_setup(test_no_route, setup),
	    cmocka_unit_test_setup(test_unsupported, setup),
	    cmocka_unit_test_setup(test_neighbours, setup),
	    cmocka_unit_test_setup(test_solicit, setup),
	    cmocka_unit_test_setup(test_names, setup),
	};

	return cmocka_run_group_tests_name("nexthop", tests, NULL, NULL);
}
