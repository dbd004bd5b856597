/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "fixture.h"

static void knows_loopback_and_veth(void **state)
{
	struct fixture *f = *state;
	struct vtap_link lo = link_named(f, "lo"), v0 = link_named(f, "v0"), same;

	assert_true(lo.loopback && lo.up && lo.running && !lo.ethernet);
	assert_string_equal(lo.kind, "");
	assert_true(v0.ethernet && v0.up && v0.running && !v0.loopback);
	assert_string_equal(v0.kind, "veth");
	assert_int_equal(v0.mtu, 1500);
	assert_int_equal(v0.master_ifindex, 0);
	assert_int_equal(vtap_net_link_by_index(f->net, v0.ifindex, &same), 0);
	assert_memory_equal(&same, &v0, sizeof(v0));
	assert_int_equal(vtap_net_link_by_index(f->net, 4242, &same), -ENODEV);
	assert_int_equal(vtap_net_link_by_name(f->net, "nothing", &same), -ENODEV);
}

static void knows_a_device_without_ethernet_headers(void **state)
{
	struct fixture *f = *state;

	/* Kernels have the one or the other. */
	host_run("ip tuntap add t0 mode tun 2>/dev/null || ip link add t0 type gre local 10.7.0.1 remote 10.7.0.2");
	WAIT_UNTIL(f, has_link(f, "t0"));
	assert_false(link_named(f, "t0").ethernet);
	assert_false(link_named(f, "t0").loopback);
}

static void follows_the_life_of_a_link(void **state)
{
	struct fixture *f = *state;
	struct vtap_mac m = mac("02:00:00:00:00:07");
	struct vtap_link l;
	uint32_t ifindex;

	host_run("ip link add a0 type veth peer name a1");
	WAIT_UNTIL(f, has_link(f, "a0") && has_link(f, "a1"));
	assert_int_equal(f->events, VTAP_NET_LINK);
	ifindex = link_named(f, "a0").ifindex;
	assert_false(link_named(f, "a0").up);

	host_run("ip link set a0 up");
	WAIT_UNTIL(f, link_named(f, "a0").up);
	assert_false(link_named(f, "a0").running);
	host_run("ip link set a1 up");
	WAIT_UNTIL(f, link_named(f, "a0").running);

	host_run("ip link set a0 mtu 9000 address 02:00:00:00:00:07");
	WAIT_UNTIL(f, link_named(f, "a0").mtu == 9000);
	WAIT_UNTIL(f, (l = link_named(f, "a0"), vtap_mac_equal(&l.mac, &m)));

	host_run("ip link set a0 down && ip link set a0 name b0");
	WAIT_UNTIL(f, has_link(f, "b0") && !has_link(f, "a0"));
	assert_int_equal(link_named(f, "b0").ifindex, ifindex);

	host_run("ip link del b0");
	WAIT_UNTIL(f, !has_link(f, "b0") && !has_link(f, "a1"));
	assert_int_equal(vtap_net_link_by_index(f->net, ifindex, &l), -ENODEV);

	host_run("ip link add a0 type veth peer name a1");
	WAIT_UNTIL(f, has_link(f, "a0"));
	assert_int_not_equal(link_named(f, "a0").ifindex, ifindex);
}

/* A bridge announces a port that leaves as a deleted link of its own family. */
static void follows_ports_of_a_bridge(void **state)
{
	struct fixture *f = *state;

	host_run("ip link add br0 type bridge && ip link set v0 master br0");
	WAIT_UNTIL(f, has_link(f, "br0") && link_named(f, "v0").master_ifindex == link_named(f, "br0").ifindex);
	assert_string_equal(link_named(f, "br0").kind, "bridge");
	host_run("ip link set v0 nomaster");
	WAIT_UNTIL(f, link_named(f, "v0").master_ifindex == 0);
	fixture_drain(f);
	assert_true(has_link(f, "v0"));
}

static void folds_many_changes_into_one_call(void **state)
{
	struct fixture *f = *state;

	host_run("for i in $(seq 1 20); do echo link add m$i type veth peer name n$i; done | ip -batch -");
	host_run("ip addr add 10.8.0.1/24 dev v0");
	host_run("ip neigh add 10.7.0.9 lladdr 02:00:00:00:00:09 dev v0");
	assert_int_equal(vtap_net_dispatch(f->net), 0);
	assert_int_equal(f->n_callbacks, 1);
	assert_int_equal(f->events, VTAP_NET_LINK | VTAP_NET_ROUTE | VTAP_NET_NEIGHBOUR);
	for (int i = 1; i <= 20; i++) {
		char name[IFNAMSIZ];

		snprintf(name, sizeof(name), "m%d", i);
		assert_true(has_link(f, name));
	}
	/* Nothing waits: no call. */
	assert_int_equal(vtap_net_dispatch(f->net), 0);
	assert_int_equal(f->n_callbacks, 1);
}

static void is_silent_about_what_it_does_not_keep(void **state)
{
	struct fixture *f = *state;

	host_run("ip link set v0 group 7");
	assert_true(fixture_wait_once(f, clock_ms() + FIXTURE_WAIT_MS));
	assert_int_equal(f->n_callbacks, 0);
}

static void reads_again_after_a_loss(void **state)
{
	struct fixture *f = *state;
	int receive_bytes = 1;

	assert_int_equal(setsockopt(vtap_net_fd(f->net), SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes)),
			 0);
	host_run("(for i in $(seq 1 50); do echo link add m$i type veth peer name n$i; done;"
		 "echo link set v0 mtu 1400; for i in $(seq 1 49); do echo link del m$i; done) | ip -batch -");
	assert_int_equal(vtap_net_dispatch(f->net), 0);
	assert_int_equal(f->n_callbacks, 1);
	assert_int_equal(f->events, VTAP_NET_LINK | VTAP_NET_ROUTE | VTAP_NET_NEIGHBOUR | VTAP_NET_LOST);
	assert_int_equal(link_named(f, "v0").mtu, 1400);
	assert_false(has_link(f, "m1"));
	assert_true(has_link(f, "m50") && has_link(f, "n50"));
	fixture_drain(f);
	host_run("ip link set v0 mtu 1300");
	WAIT_UNTIL(f, link_named(f, "v0").mtu == 1300);
	assert_int_equal(f->events, VTAP_NET_LINK);
}

static void believes_only_the_kernel(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct sockaddr_nl to;
	socklen_t to_bytes = sizeof(to);
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} lie = {
	    .h = {.nlmsg_len = sizeof(lie), .nlmsg_type = RTM_DELLINK},
	    .i = {.ifi_family = AF_UNSPEC, .ifi_index = 1},
	};

	assert_int_equal(getsockname(vtap_net_fd(f->net), (struct sockaddr *)&to, &to_bytes), 0);
	assert_int_equal(sendto(fd, &lie, sizeof(lie), 0, (struct sockaddr *)&to, to_bytes), sizeof(lie));
	assert_int_equal(vtap_net_dispatch(f->net), 0);
	assert_true(has_link(f, "lo"));
	assert_int_equal(f->n_callbacks, 0);
}

/* Every frame is larger than such a fifo, so each one that is sent is dropped by it. */
static void counts_drops_of_the_root_qdisc(void **state)
{
	struct fixture *f = *state;
	struct vtap_addr to = addr("10.7.0.2"), from = addr("10.7.0.1");
	uint32_t ifindex = link_named(f, "v0").ifindex;
	struct vtap_link_drops drops;

	assert_int_equal(vtap_net_link_drops(f->net, ifindex, &drops), 0);
	assert_int_equal(drops.qdisc_dropped, 0);
	host_run("tc qdisc add dev v0 root bfifo limit 1");
	for (int i = 0; i < 3; i++)
		(void)vtap_net_neighbour_solicit(f->net, ifindex, &to, &from);
	assert_int_equal(vtap_net_link_drops(f->net, ifindex, &drops), 0);
	assert_true(drops.qdisc_dropped >= 3);
	assert_int_equal(vtap_net_link_drops(f->net, 4242, &drops), -ENODEV);
}

/* A veth's receiver refuses what exceeds its MTU, and the sender counts it. */
static void counts_drops_of_the_device(void **state)
{
	static const uint8_t payload[1000];
	struct fixture *f = *state;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t ifindex = link_named(f, "v0").ifindex;
	struct vtap_link_drops before, after;

	to.sin_addr.s_addr = inet_addr("10.7.0.2");
	host_run("ip neigh replace 10.7.0.2 lladdr 02:00:00:00:00:02 nud permanent dev v0");
	peer_run(f, "ip link set v1 mtu 600");
	assert_int_equal(vtap_net_link_drops(f->net, ifindex, &before), 0);
	for (int i = 0; i < 3; i++)
		(void)sendto(fd, payload, sizeof(payload), 0, (const struct sockaddr *)&to, sizeof(to));
	assert_int_equal(vtap_net_link_drops(f->net, ifindex, &after), 0);
	assert_int_equal(after.tx_dropped - before.tx_dropped, 3);
	assert_int_equal(after.qdisc_dropped, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(knows_loopback_and_veth),          TEST(knows_a_device_without_ethernet_headers),
	    TEST(follows_the_life_of_a_link),       TEST(follows_ports_of_a_bridge),
	    TEST(folds_many_changes_into_one_call), TEST(is_silent_about_what_it_does_not_keep),
	    TEST(reads_again_after_a_loss),         TEST(believes_only_the_kernel),
	    TEST(counts_drops_of_the_root_qdisc),   TEST(counts_drops_of_the_device),
	};

	return fixture_main("link", tests, VTAP_ARRAY_SIZE(tests));
}
