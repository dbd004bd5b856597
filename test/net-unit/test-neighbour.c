/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "fixture.h"

#define NEW_MAC "02:00:00:00:00:99"
#define SOLICIT_EVERY_MS 50

static enum vtap_neighbour_state neighbour(struct fixture *f, const char *address, struct vtap_mac *ret_mac)
{
	struct vtap_addr a = addr(address);
	enum vtap_neighbour_state s;
	struct vtap_mac m;

	assert_int_equal(vtap_net_neighbour_get(f->net, link_named(f, "v0").ifindex, &a, &m, &s), 0);
	if (ret_mac)
		*ret_mac = m;
	return s;
}

static bool neighbour_is(struct fixture *f, const char *address, const char *expected)
{
	struct vtap_mac m, e = mac(expected);

	return neighbour(f, address, &m) != VTAP_NEIGHBOUR_NONE && vtap_mac_equal(&m, &e);
}

static void follows_entries(void **state)
{
	static const char *const addresses[] = {"10.7.0.5", "fd07::5"};
	struct fixture *f = *state;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(addresses); i++) {
		const char *a = addresses[i];

		fixture_drain(f);
		assert_int_equal(neighbour(f, a, NULL), VTAP_NEIGHBOUR_NONE);
		host_run("ip neigh add %s lladdr 02:00:00:00:00:05 nud permanent dev v0", a);
		WAIT_UNTIL(f, f->events & VTAP_NET_NEIGHBOUR);
		assert_true(neighbour_is(f, a, "02:00:00:00:00:05"));
		assert_int_equal(neighbour(f, a, NULL), VTAP_NEIGHBOUR_KEPT);

		fixture_drain(f);
		host_run("ip neigh change %s lladdr 02:00:00:00:00:06 nud stale dev v0", a);
		WAIT_UNTIL(f, f->events & VTAP_NET_NEIGHBOUR);
		assert_true(neighbour_is(f, a, "02:00:00:00:00:06"));
		assert_int_equal(neighbour(f, a, NULL), VTAP_NEIGHBOUR_STALE);

		fixture_drain(f);
		host_run("ip neigh del %s dev v0", a);
		WAIT_UNTIL(f, f->events & VTAP_NET_NEIGHBOUR);
		assert_int_equal(neighbour(f, a, NULL), VTAP_NEIGHBOUR_NONE);
	}
}

static void resolves(void **state)
{
	static const char *const addresses[] = {"10.7.0.2", "fd07::2"};
	struct fixture *f = *state;
	uint32_t ifindex = link_named(f, "v0").ifindex;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(addresses); i++) {
		struct vtap_addr a = addr(addresses[i]);

		host_try("ip neigh del %s dev v0 2>/dev/null", addresses[i]);
		fixture_drain(f);
		assert_int_equal(neighbour(f, addresses[i], NULL), VTAP_NEIGHBOUR_NONE);
		assert_int_equal(vtap_net_neighbour_resolve(f->net, ifindex, &a), 0);
		WAIT_UNTIL(f, neighbour(f, addresses[i], NULL) == VTAP_NEIGHBOUR_REACHABLE);
		/* A known entry keeps its MAC. */
		assert_int_equal(vtap_net_neighbour_resolve(f->net, ifindex, &a), 0);
		assert_int_equal(neighbour(f, addresses[i], NULL), VTAP_NEIGHBOUR_REACHABLE);
	}
}

/* What an administrator or a routing daemon has written stays as it is. */
static void leaves_kept_ones_alone(void **state)
{
	static const struct {
		const char *address, *how, *shown;
	} rows[] = {
	    {"10.7.0.60", "lladdr 02:00:00:00:00:60 nud permanent", "PERMANENT"},
	    {"10.7.0.61", "lladdr 02:00:00:00:00:61 nud noarp", "NOARP"},
	    {"10.7.0.62", "lladdr 02:00:00:00:00:62 nud reachable extern_learn", "extern_learn"},
	    {"fd07::60", "lladdr 02:00:00:00:00:60 nud permanent", "PERMANENT"},
	    {"10.7.0.2", "managed", "managed"},
	};
	struct fixture *f = *state;
	uint32_t ifindex = link_named(f, "v0").ifindex;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		struct vtap_addr a = addr(rows[i].address);

		host_run("ip neigh replace %s %s dev v0", rows[i].address, rows[i].how);
		WAIT_UNTIL(f, neighbour(f, rows[i].address, NULL) == VTAP_NEIGHBOUR_KEPT);
		assert_int_equal(vtap_net_neighbour_resolve(f->net, ifindex, &a), 0);
		assert_int_equal(neighbour(f, rows[i].address, NULL), VTAP_NEIGHBOUR_KEPT);
		host_run("ip neigh show %s nud all dev v0 | grep -q %s", rows[i].address, rows[i].shown);
		host_run("ip neigh del %s dev v0", rows[i].address);
	}
}

static void says_none_where_nobody_answers(void **state)
{
	struct fixture *f = *state;
	struct vtap_addr a = addr("10.7.0.77");
	enum vtap_neighbour_state s;
	struct vtap_mac m;

	sysctl_write("/proc/sys/net/ipv4/neigh/v0/retrans_time_ms", "10");
	assert_int_equal(vtap_net_neighbour_resolve(f->net, link_named(f, "v0").ifindex, &a), 0);
	assert_int_equal(neighbour(f, "10.7.0.77", NULL), VTAP_NEIGHBOUR_NONE);
	/* Incomplete, then failed. */
	WAIT_UNTIL(f, f->events & VTAP_NET_NEIGHBOUR);
	assert_int_equal(neighbour(f, "10.7.0.77", NULL), VTAP_NEIGHBOUR_NONE);
	assert_true(vtap_net_neighbour_get(f->net, 4242, &a, &m, &s) < 0);
	assert_true(vtap_net_neighbour_resolve(f->net, 4242, &a) < 0);
}

/* A socket that hears v1 of peer; packets of other kinds than ethertype's pass it by. */
static int peer_listen(struct fixture *f, uint16_t ethertype)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ethertype)};
	int fd;

	fixture_enter(f->peer_fd);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ethertype));
	at.sll_ifindex = (int)if_nametoindex("v1");
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	fixture_enter(f->host_fd);
	return fd;
}

static void frame_await(int fd, bool (*fits)(const uint8_t *frame, size_t size_bytes), uint8_t frame[256],
			size_t *ret_bytes)
{
	int64_t deadline_ms = clock_ms() + FIXTURE_WAIT_MS, left_ms;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t size;

	do {
		left_ms = deadline_ms - clock_ms();
		assert_true(left_ms > 0 && poll(&p, 1, (int)left_ms) == 1);
		size = recv(fd, frame, 256, 0);
		assert_true(size > 0);
	} while (!fits(frame, (size_t)size));
	*ret_bytes = (size_t)size;
}

static bool is_arp_request(const uint8_t *frame, size_t size_bytes)
{
	return size_bytes >= 42 && frame[21] == 1;
}

static bool is_solicitation(const uint8_t *frame, size_t size_bytes)
{
	return size_bytes >= 86 && frame[20] == 58 && frame[54] == 135;
}

static void asks_by_broadcast(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fd = peer_listen(f, ETHERTYPE_ARP);
	struct vtap_addr a = addr("10.7.0.2"), source = addr("10.7.0.1");
	struct vtap_link l = link_named(f, "v0");
	uint8_t frame[256], expected[42] = {[0 ... 5] = 0xff, [12] = 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1};
	size_t size_bytes;

	memcpy(expected + 6, l.mac.bytes, 6);
	memcpy(expected + 22, l.mac.bytes, 6);
	memcpy(expected + 28, source.bytes, 4);
	memcpy(expected + 38, a.bytes, 4);
	assert_int_equal(vtap_net_neighbour_solicit(f->net, l.ifindex, &a, &source), 0);
	frame_await(fd, is_arp_request, frame, &size_bytes);
	assert_memory_equal(frame, expected, sizeof(expected));
}

static void asks_by_solicited_node_multicast(void **state)
{
	static const uint8_t group[6] = {0x33, 0x33, 0xff, 0xcd, 0xef, 0x12};
	static const uint8_t group_address[16] = {0xff, 2, [11] = 1, 0xff, 0xcd, 0xef, 0x12};
	struct fixture *f = *state;
	_cleanup_close_ int fd = peer_listen(f, ETHERTYPE_IPV6);
	struct vtap_addr a = addr("fd07::abcd:ef12"), source = addr("fd07::1");
	struct vtap_link l = link_named(f, "v0");
	uint8_t frame[256];
	uint32_t sum = 32 + 58;
	size_t size_bytes;

	assert_int_equal(vtap_net_neighbour_solicit(f->net, l.ifindex, &a, &source), 0);
	frame_await(fd, is_solicitation, frame, &size_bytes);
	assert_int_equal(size_bytes, 86);
	assert_memory_equal(frame, group, 6);
	assert_memory_equal(frame + 6, l.mac.bytes, 6);
	assert_int_equal(frame[14], 0x60);
	assert_int_equal(frame[21], 255);
	assert_memory_equal(frame + 22, source.bytes, 16);
	assert_memory_equal(frame + 38, group_address, 16);
	assert_memory_equal(frame + 62, a.bytes, 16);
	assert_int_equal(frame[78], 1);
	assert_int_equal(frame[79], 1);
	assert_memory_equal(frame + 80, l.mac.bytes, 6);
	for (size_t i = 22; i < size_bytes; i += 2)
		sum += (uint32_t)frame[i] << 8 | frame[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal(sum, 0xffff);
}

/* What the kernel would believe for another 15 to 45 s, since its own table says that the neighbour is reachable. */
static void finds_a_target_that_moved_without_a_word(void **state)
{
	static const char *const pairs[][2] = {{"10.7.0.2", "10.7.0.1"}, {"fd07::2", "fd07::1"}};
	struct fixture *f = *state;
	uint32_t ifindex = link_named(f, "v0").ifindex;

	/* By default the kernel keeps a MAC for a second against contradicting answers; with 0, still for a clock tick. */
	sysctl_write("/proc/sys/net/ipv4/neigh/v0/locktime", "0");
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(pairs); i++) {
		struct vtap_addr a = addr(pairs[i][0]);

		assert_int_equal(vtap_net_neighbour_resolve(f->net, ifindex, &a), 0);
		WAIT_UNTIL(f, neighbour(f, pairs[i][0], NULL) == VTAP_NEIGHBOUR_REACHABLE);
	}
	peer_run(f, "ip link set v1 address " NEW_MAC);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(pairs); i++) {
		struct vtap_addr a = addr(pairs[i][0]), source = addr(pairs[i][1]);

		int64_t deadline_ms = clock_ms() + FIXTURE_WAIT_MS;

		assert_false(neighbour_is(f, pairs[i][0], NEW_MAC));
		while (!neighbour_is(f, pairs[i][0], NEW_MAC)) {
			assert_true(clock_ms() < deadline_ms);
			assert_int_equal(vtap_net_neighbour_solicit(f->net, ifindex, &a, &source), 0);
			(void)fixture_wait_once(f, clock_ms() + SOLICIT_EVERY_MS);
		}
	}
}

static void refuses_to_ask_in_vain(void **state)
{
	struct fixture *f = *state;
	struct vtap_addr v4 = addr("10.7.0.2"), v6 = addr("fd07::2"), none = addr(NULL);
	uint32_t ifindex = link_named(f, "v0").ifindex;

	assert_int_equal(vtap_net_neighbour_solicit(f->net, ifindex, &v4, &v6), -EAFNOSUPPORT);
	assert_int_equal(vtap_net_neighbour_solicit(f->net, ifindex, &none, &none), -EAFNOSUPPORT);
	assert_int_equal(vtap_net_neighbour_solicit(f->net, 4242, &v4, &v4), -ENODEV);
	assert_int_equal(vtap_net_neighbour_solicit(f->net, link_named(f, "lo").ifindex, &v4, &v4), -EOPNOTSUPP);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(follows_entries),
	    TEST(resolves),
	    TEST(leaves_kept_ones_alone),
	    TEST(says_none_where_nobody_answers),
	    TEST(asks_by_broadcast),
	    TEST(asks_by_solicited_node_multicast),
	    TEST(finds_a_target_that_moved_without_a_word),
	    TEST(refuses_to_ask_in_vain),
	};

	return fixture_main("neighbour", tests, VTAP_ARRAY_SIZE(tests));
}
