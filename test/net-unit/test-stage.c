/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/udp.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fixture.h"

#define STREAM_BYTES (4U << 20)
#define STREAM_WAIT_MS 20000
#define WIRE_BYTES 1514 /* of an Ethernet with MTU 1500 */
#define PORT 5001
#define FLOWS 8
#define CAPTURE_BYTES (256 << 20)

static void ensure(struct fixture *f, uint32_t *ret_near, uint32_t *ret_far)
{
	assert_int_equal(vtap_net_stage_ensure(f->net, "n0", "f0", "e0", ret_near, ret_far), 0);
}

/* What a command says, as one string; owned by the caller. */
static char *output_of(const char *command)
{
	FILE *f = popen(command, "re");
	char *text = NULL;
	size_t size_bytes = 0;

	assert_non_null(f);
	assert_true(getdelim(&text, &size_bytes, '\0', f) >= 0 || feof(f));
	assert_int_equal(pclose(f), 0);
	assert_non_null(text);
	return text;
}

/* Every "tx-checksum...: on" and its like in what ethtool -k says. */
static void assert_no_offload(const char *features)
{
	static const char *const kinds[] = {"checksum", "tcp", "udp",  "gre",    "ipxip",
					    "sctp",     "esp", "gso-", "tunnel", "fcoe"};
	const char *line = features, *value;

	for (; (line = strstr(line, "\n\ttx-")); line = value) {
		value = strchr(line, ':');
		assert_non_null(value);
		for (size_t i = 0; i < VTAP_ARRAY_SIZE(kinds); i++)
			if (strncmp(line + 5, kinds[i], strlen(kinds[i])) == 0)
				assert_memory_equal(value, ": off", 5);
	}
}

static void assert_says(const char *command, const char *const *texts, size_t n_texts)
{
	_cleanup_free_ char *said = output_of(command);

	for (size_t i = 0; i < n_texts; i++)
		if (!strstr(said, texts[i]))
			fail_msg("%s does not say \"%s\" but: %s", command, texts[i], said);
}

static void assert_in_order(struct fixture *f)
{
	static const char *const near_texts[] = {"NOARP,UP,LOWER_UP", "mtu 65521 ",   "addrgenmode none ",
						 "gso_max_segs 1 ",   "stp_state 0 ", "mcast_snooping 0 "};
	static const char *const far_texts[] = {"NOARP,UP,LOWER_UP", "mtu 65521 ", "addrgenmode none ", "master n0 ",
						"state forwarding "};
	static const char *const near_features[] = {"tx-checksumming: off", "tcp-segmentation-offload: off",
						    "scatter-gather: off", "tx-vlan-offload: on",
						    "tx-vlan-stag-hw-insert: on"};
	_cleanup_free_ char *features = output_of("ethtool -k n0");

	WAIT_UNTIL(f, has_link(f, "n0") && link_named(f, "n0").running && link_named(f, "f0").running);
	assert_says("ip -d link show n0", near_texts, VTAP_ARRAY_SIZE(near_texts));
	assert_says("ip -d link show f0", far_texts, VTAP_ARRAY_SIZE(far_texts));
	assert_says("ethtool -k n0", near_features, VTAP_ARRAY_SIZE(near_features));
	assert_no_offload(features);
	host_run("test -z \"$(ip -6 addr show dev n0)$(ip -6 addr show dev f0)$(ip -6 addr show dev e0)\"");
}

static void is_made_once(void **state)
{
	struct fixture *f = *state;
	uint32_t near, far, near_again, far_again;

	ensure(f, &near, &far);
	assert_in_order(f);
	assert_int_equal(link_named(f, "n0").ifindex, near);
	assert_int_equal(link_named(f, "f0").ifindex, far);
	ensure(f, &near_again, &far_again);
	assert_int_equal(near_again, near);
	assert_int_equal(far_again, far);
	assert_in_order(f);
}

static void is_put_right(void **state)
{
	static const char *const damages[] = {
	    "ethtool -K n0 tx on tso on && ip link set n0 gso_max_segs 65535",
	    "ethtool -K n0 txvlan off",
	    "ethtool -K n0 sg on",
	    "ip link set e0 down",
	    "ip link set n0 mtu 1500 && ip link set f0 mtu 1400",
	    "ip link set n0 down arp on",
	    "ip link set f0 down arp on",
	    "ip link set n0 addrgenmode eui64",
	};
	struct fixture *f = *state;
	uint32_t near, far, near_again, far_again;

	ensure(f, &near, &far);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(damages); i++) {
		host_run("(%s) 2>/dev/null >/dev/null", damages[i]);
		ensure(f, &near_again, &far_again);
		assert_int_equal(near_again, near);
		assert_int_equal(far_again, far);
		assert_in_order(f);
	}
}

/* What cannot be put right is made anew. */
static void is_replaced_when_torn_apart(void **state)
{
	struct fixture *f = *state;
	uint32_t near, far, near_again, far_again;

	ensure(f, &near, &far);
	host_run("ip link set f0 down && ip link set f0 name g0");
	ensure(f, &near_again, &far_again);
	assert_int_not_equal(near_again, near);
	assert_in_order(f);
	WAIT_UNTIL(f, !has_link(f, "g0"));
	host_run("ip link set f0 netns /proc/%d/fd/%d", (int)getpid(), f->peer_fd);
	ensure(f, &near_again, &far_again);
	assert_in_order(f);
	host_run("ip link set f0 nomaster");
	ensure(f, &near_again, &far_again);
	assert_in_order(f);
	host_run("ip link del n0");
	ensure(f, &near_again, &far_again);
	assert_in_order(f);
}

static void is_removed(void **state)
{
	struct fixture *f = *state;
	uint32_t near, far;

	assert_int_equal(vtap_net_stage_remove(f->net, "n0", "f0"), 0);
	ensure(f, &near, &far);
	WAIT_UNTIL(f, has_link(f, "n0") && has_link(f, "f0") && has_link(f, "e0"));
	assert_int_equal(vtap_net_stage_remove(f->net, "n0", "f0"), 0);
	WAIT_UNTIL(f, !has_link(f, "n0") && !has_link(f, "f0") && !has_link(f, "e0"));
	assert_int_equal(vtap_net_stage_remove(f->net, "n0", "f0"), 0);
}

static void leaves_the_devices_of_others_alone(void **state)
{
	struct fixture *f = *state;
	uint32_t near = 7, far = 7;

	assert_int_equal(vtap_net_stage_ensure(f->net, "v0", "f0", "e0", &near, &far), -EEXIST);
	assert_int_equal(vtap_net_stage_ensure(f->net, "n0", "v0", "e0", &near, &far), -EEXIST);
	assert_int_equal(vtap_net_stage_ensure(f->net, "a-name-too-long-for-it", "f0", "e0", &near, &far), -EINVAL);
	assert_int_equal(near, 7);
	assert_int_equal(far, 7);
	assert_int_equal(vtap_net_stage_remove(f->net, "v0", "v0"), 0);
	host_run(
	    "ip link show v0 | grep -q 'mtu 1500 ' && ! ip link show n0 2>/dev/null && ! ip link show f0 2>/dev/null");
}

/* A socket that sees all frames that come in by the device. */
static int capture_open(uint32_t ifindex)
{
	struct sockaddr_ll at = {
	    .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)ifindex};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, size_bytes = CAPTURE_BYTES;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size_bytes, sizeof(size_bytes)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void assert_nothing_missed(int capture_fd)
{
	struct tpacket_stats s;
	socklen_t size_bytes = sizeof(s);

	assert_int_equal(getsockopt(capture_fd, SOL_PACKET, PACKET_STATISTICS, &s, &size_bytes), 0);
	assert_int_equal(s.tp_drops, 0);
}

static uint32_t sum_words(const uint8_t *bytes, size_t size_bytes, uint32_t sum)
{
	for (size_t i = 0; i + 1 < size_bytes; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	if (size_bytes % 2)
		sum += (uint32_t)bytes[size_bytes - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* One wire packet, its checksums whole. */
static const struct iphdr *frame_check(const uint8_t *frame, size_t size_bytes, size_t *ret_ip_bytes)
{
	const struct iphdr *ip = (const struct iphdr *)(frame + ETH_HLEN);
	size_t ip_bytes = ntohs(ip->tot_len), header_bytes = ip->ihl * 4U;

	assert_true(size_bytes <= WIRE_BYTES);
	assert_int_equal(frame[12] << 8 | frame[13], ETHERTYPE_IP);
	assert_true(ip->version == 4 && ETH_HLEN + ip_bytes <= size_bytes);
	assert_int_equal(sum_words((const uint8_t *)ip, header_bytes, 0), 0xffff);
	assert_int_equal(sum_words((const uint8_t *)&ip->saddr, 8,
				   sum_words((const uint8_t *)ip + header_bytes, ip_bytes - header_bytes,
					     ip->protocol + (uint32_t)(ip_bytes - header_bytes))),
			 0xffff);
	*ret_ip_bytes = ip_bytes;
	return ip;
}

static uint8_t pattern(uint32_t offset)
{
	return (uint8_t)(offset * 7 + offset / 251);
}

struct stream {
	int listener_fd, sender_fd, receiver_fd, copies_fd, originals_fd;
	uint32_t n_bytes, sent, received;
	uint32_t first_sequence; /* of the payload */
	bool began;
	uint32_t covered; /* bytes of the payload that were in some copy */
	uint8_t *seen; /* owned; one for each byte of the payload */
	size_t largest_original_bytes;
	unsigned n_copies;
};

static void stream_open(struct fixture *f, struct stream *s)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};

	at.sin_addr.s_addr = inet_addr("10.7.0.1");
	s->listener_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener_fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(s->listener_fd, 1), 0);
	fixture_enter(f->peer_fd);
	s->sender_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(s->sender_fd, (struct sockaddr *)&at, sizeof(at)), 0);
	fixture_enter(f->host_fd);
	s->receiver_fd = accept4(s->listener_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(s->receiver_fd >= 0);
	assert_int_equal(fcntl(s->sender_fd, F_SETFL, O_NONBLOCK), 0);
	s->seen = calloc(1, s->n_bytes);
	assert_non_null(s->seen);
}

static void stream_close(struct stream *s)
{
	vtap_closep(&s->listener_fd);
	vtap_closep(&s->sender_fd);
	vtap_closep(&s->receiver_fd);
	free(s->seen);
}

static void stream_send(struct stream *s)
{
	uint8_t buffer[65536];
	uint32_t left = VTAP_MIN(s->n_bytes - s->sent, (uint32_t)sizeof(buffer));
	ssize_t size;

	for (uint32_t i = 0; i < left; i++)
		buffer[i] = pattern(s->sent + i);
	size = left ? send(s->sender_fd, buffer, left, MSG_NOSIGNAL) : 0;
	if (size > 0)
		s->sent += (uint32_t)size;
}

static void stream_receive(struct stream *s)
{
	uint8_t buffer[65536];
	ssize_t size;

	while ((size = recv(s->receiver_fd, buffer, sizeof(buffer), 0)) > 0)
		s->received += (uint32_t)size;
}

static void stream_take_copies(struct stream *s)
{
	_Alignas(4) uint8_t buffer[65536 + 2];
	uint8_t *frame = buffer + 2;
	const struct iphdr *ip;
	const struct tcphdr *tcp;
	const uint8_t *payload;
	uint32_t offset, payload_bytes;
	size_t ip_bytes;
	ssize_t size;

	while ((size = recv(s->copies_fd, frame, 65536, 0)) > 0) {
		s->n_copies++;
		ip = frame_check(frame, (size_t)size, &ip_bytes);
		assert_int_equal(ip->protocol, IPPROTO_TCP);
		tcp = (const struct tcphdr *)((const uint8_t *)ip + ip->ihl * 4U);
		payload = (const uint8_t *)tcp + tcp->doff * 4U;
		payload_bytes = (uint32_t)((const uint8_t *)ip + ip_bytes - payload);
		if (tcp->syn) {
			s->first_sequence = ntohl(tcp->seq) + 1;
			s->began = true;
		}
		assert_true(s->began);
		offset = ntohl(tcp->seq) - s->first_sequence;
		assert_true(payload_bytes == 0 || offset + payload_bytes <= s->n_bytes);
		for (uint32_t i = 0; i < payload_bytes; i++) {
			assert_int_equal(payload[i], pattern(offset + i));
			s->covered += !s->seen[offset + i];
			s->seen[offset + i] = 1;
		}
	}
}

static void stream_measure_originals(struct stream *s)
{
	uint8_t byte;
	ssize_t size;

	while ((size = recv(s->originals_fd, &byte, 1, MSG_TRUNC)) > 0)
		s->largest_original_bytes = VTAP_MAX(s->largest_original_bytes, (size_t)size);
}

static uint64_t drops_of(struct fixture *f, uint32_t ifindex)
{
	struct vtap_link_drops d;

	assert_int_equal(vtap_net_link_drops(f->net, ifindex, &d), 0);
	return d.rx_dropped + d.tx_dropped + d.qdisc_dropped;
}

static uint64_t drops_of_stage(struct fixture *f)
{
	return drops_of(f, link_named(f, "n0").ifindex) + drops_of(f, link_named(f, "f0").ifindex) +
	       drops_of(f, link_named(f, "e0").ifindex);
}

/* Sends the stream and checks every copy; returns when each byte of it was in a copy or can be in one that was dropped. */
static void stream_run(struct fixture *f, struct stream *s)
{
	uint64_t dropped_before = drops_of_stage(f), n_dropped = 0;
	int64_t deadline_ms = clock_ms() + STREAM_WAIT_MS;

	while (s->received < s->n_bytes || s->covered + n_dropped * WIRE_BYTES < s->n_bytes) {
		struct pollfd p[] = {
		    {.fd = s->sender_fd, .events = s->sent < s->n_bytes ? POLLOUT : 0},
		    {.fd = s->receiver_fd, .events = POLLIN},
		    {.fd = s->copies_fd, .events = POLLIN},
		};

		assert_true(clock_ms() < deadline_ms);
		(void)poll(p, VTAP_ARRAY_SIZE(p), 100);
		stream_send(s);
		stream_receive(s);
		stream_take_copies(s);
		stream_measure_originals(s);
		if (s->received == s->n_bytes)
			n_dropped = drops_of_stage(f) - dropped_before;
	}
	assert_nothing_missed(s->copies_fd);
}

static void mirror_into_stage(void)
{
	host_run("tc qdisc add dev v0 clsact && tc filter add dev v0 ingress pref 1 protocol ip u32 match u32 0 0 "
		 "action mirred egress mirror dev n0");
}

/* Super-packets of a TCP sender with partial checksums, copied into the pair, come out as what a wire would carry. */
static void cuts_super_packets_and_completes_checksums(void **state)
{
	struct stream s = {.n_bytes = STREAM_BYTES};
	struct fixture *f = *state;
	uint32_t near, far;

	ensure(f, &near, &far);
	WAIT_UNTIL(f, has_link(f, "e0") && link_named(f, "e0").running);
	mirror_into_stage();
	_cleanup_close_ int copies_fd = capture_open(link_named(f, "e0").ifindex),
			    originals_fd = capture_open(link_named(f, "v0").ifindex);
	s.copies_fd = copies_fd;
	s.originals_fd = originals_fd;
	stream_open(f, &s);
	stream_run(f, &s);
	assert_int_equal(s.covered, STREAM_BYTES);
	/* Otherwise nothing was tested. */
	assert_true(s.largest_original_bytes > 10 * WIRE_BYTES);
	stream_close(&s);
}

#define BURSTS 1000
#define BURSTS_SMALL 50 /* where the machine is an emulated one */
#define SEGMENTS 40
#define SEGMENT_BYTES 1000

static unsigned copies_count(int fd)
{
	_Alignas(4) uint8_t buffer[65536 + 2];
	unsigned n_copies = 0;
	size_t ip_bytes;
	ssize_t size;

	while ((size = recv(fd, buffer + 2, 65536, 0)) > 0) {
		assert_int_equal(frame_check(buffer + 2, (size_t)size, &ip_bytes)->protocol, IPPROTO_UDP);
		n_copies++;
	}
	return n_copies;
}

/* A sender in peer; each has a port, and so a hash, of its own. */
static int burst_open(struct fixture *f)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int segment_bytes = SEGMENT_BYTES, fd;

	to.sin_addr.s_addr = inet_addr("10.7.0.1");
	fixture_enter(f->peer_fd);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment_bytes, sizeof(segment_bytes)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	fixture_enter(f->host_fd);
	return fd;
}

/* The host's answer, "port unreachable", fails the next send, which is then made again. */
static void burst_send(int fd)
{
	static const uint8_t payload[SEGMENTS * SEGMENT_BYTES];
	ssize_t size;

	do
		size = send(fd, payload, sizeof(payload), 0);
	while (size < 0 && errno == ECONNREFUSED);
	assert_int_equal(size, sizeof(payload));
}

/* UDP super-packets of several flows in bursts as fast as they go: each segment arrives, or a device has counted it. */
static void loses_nothing_without_counting_it(void **state)
{
	struct fixture *f = *state;
	unsigned n_bursts = getenv("VTAP_TEST_SMALL") ? BURSTS_SMALL : BURSTS;
	uint64_t n_copies = 0, n_dropped = 0;
	uint32_t near, far;
	int64_t deadline_ms;
	int fds[FLOWS];

	ensure(f, &near, &far);
	WAIT_UNTIL(f, has_link(f, "e0") && link_named(f, "e0").running);
	mirror_into_stage();
	_cleanup_close_ int copies_fd = capture_open(link_named(f, "e0").ifindex);
	for (size_t i = 0; i < FLOWS; i++)
		fds[i] = burst_open(f);
	for (unsigned i = 0; i < n_bursts; i++) {
		burst_send(fds[i % FLOWS]);
		n_copies += copies_count(copies_fd);
	}
	deadline_ms = clock_ms() + STREAM_WAIT_MS;
	while (n_copies + n_dropped < n_bursts * SEGMENTS) {
		struct pollfd p = {.fd = copies_fd, .events = POLLIN};

		assert_true(clock_ms() < deadline_ms);
		(void)poll(&p, 1, 100);
		n_copies += copies_count(copies_fd);
		n_dropped = drops_of_stage(f);
	}
	for (size_t i = 0; i < FLOWS; i++)
		(void)close(fds[i]);
	assert_int_equal(n_copies + n_dropped, n_bursts * SEGMENTS);
	assert_nothing_missed(copies_fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(is_made_once),
	    TEST(is_put_right),
	    TEST(is_replaced_when_torn_apart),
	    TEST(is_removed),
	    TEST(leaves_the_devices_of_others_alone),
	    TEST(cuts_super_packets_and_completes_checksums),
	    TEST(loses_nothing_without_counting_it),
	};

	return fixture_main("stage", tests, VTAP_ARRAY_SIZE(tests));
}
