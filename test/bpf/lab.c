// SPDX-License-Identifier: Apache-2.0
#include "lab.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/delivery.h"

#define LAST_ETHERTYPE 0x88b6 /* of the frame that follows all copies out of the uplink */

void lab_shell(const char *format, ...)
{
	char command[1024];
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	assert_true(n < (int)sizeof(command));
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

/* One CPU for everything, so that frames come out of the uplink in the order in which they went in. */
static void cpu_pin(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

static void sockets_open(struct lab *l)
{
	struct sockaddr_ll address = {
	    .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)l->uplink_peer};

	int on = 1;

	l->capture_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_true(l->capture_fd >= 0);
	assert_int_equal(setsockopt(l->capture_fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)), 0);
	assert_int_equal(bind(l->capture_fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	l->offload_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_true(l->offload_fd >= 0);
	assert_int_equal(setsockopt(l->offload_fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), 0);
}

static void dataplane_set_up(struct lab *l)
{
	static const struct vtap_dataplane_options options = {.hook = VTAP_HOOK_AUTO};
	static const struct vtap_port port = {
	    .plan = {1, 2},
	    .direction = {[VTAP_HOOK_INGRESS] = VTAP_DIRECTION_OUT, [VTAP_HOOK_EGRESS] = VTAP_DIRECTION_IN}};
	struct vtap_error e = {};

	if (vtap_dataplane_open(&options, &l->dataplane, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(vtap_dataplane_port_write(l->dataplane, 0, &port), 0);
	assert_int_equal(vtap_dataplane_port_index_write(l->dataplane, l->source, 0), 0);
	assert_int_equal(vtap_dataplane_attach(l->dataplane, l->source, VTAP_HOOK_INGRESS, VTAP_PROGRAM_IN), 0);
	assert_int_equal(vtap_dataplane_attach(l->dataplane, l->source, VTAP_HOOK_EGRESS, VTAP_PROGRAM_OUT), 0);
	assert_int_equal(vtap_dataplane_attach(l->dataplane, l->uplink, VTAP_HOOK_EGRESS, VTAP_PROGRAM_OUT), 0);
}

int lab_setup(void **state)
{
	struct lab *l = calloc(1, sizeof(*l));

	if (!l)
		return -1;
	*state = l;
	l->home_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	cpu_pin();
	/* Nothing of the kernel's own may go out of the uplink. */
	lab_shell(
	    "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6");
	lab_shell("ip link add s0 type veth peer name s1 && ip link add u0 mtu %d type veth peer name u1 && "
		  "ip link add z0 type veth peer name z1 && for device in lo s0 s1 u0 u1 z0 z1; do ip link set $device "
		  "up || exit 1; done",
		  LAB_MTU);
	l->source = if_nametoindex("s0");
	l->source_peer = if_nametoindex("s1");
	l->uplink = if_nametoindex("u0");
	l->uplink_peer = if_nametoindex("u1");
	l->sink = if_nametoindex("z0");
	sockets_open(l);
	dataplane_set_up(l);
	return 0;
}

int lab_teardown(void **state)
{
	struct lab *l = *state;

	vtap_dataplane_free(l->dataplane);
	vtap_closep(&l->capture_fd);
	vtap_closep(&l->offload_fd);
	assert_int_equal(setns(l->home_fd, CLONE_NEWNET), 0);
	vtap_closep(&l->home_fd);
	free(l);
	return 0;
}

int lab_reset(void **state)
{
	static const struct vtap_plan nothing;
	struct lab *l = *state;
	struct frame unused;

	lab_plan(l, VTAP_HOOK_INGRESS, &nothing);
	lab_plan(l, VTAP_HOOK_EGRESS, &nothing);
	for (uint16_t slot = 0; slot < LAB_SLOTS; slot++) {
		assert_int_equal(vtap_dataplane_session_write(l->dataplane, slot, 0), 0);
		assert_int_equal(vtap_dataplane_counters_clear(l->dataplane, slot), 0);
	}
	assert_int_equal(vtap_dataplane_port_counters_clear(l->dataplane, 0), 0);
	(void)lab_copies(l, &unused, 1);
	return 0;
}

int lab_main(const char *name, const struct CMUnitTest *tests, size_t test_count)
{
	if (geteuid() != 0) {
		(void)printf("1..0 # SKIP needs root\n");
		return 0;
	}
	return _cmocka_run_group_tests(name, tests, test_count, lab_setup, lab_teardown) == 0 ? 0 : 1;
}

void lab_plan(struct lab *l, enum vtap_hook hook, const struct vtap_plan *plan)
{
	assert_int_equal(vtap_dataplane_plan_write(l->dataplane, hook + 1, plan), 0);
}

void lab_plan_all(struct lab *l, enum vtap_hook hook, uint16_t slot)
{
	const struct vtap_plan plan = {.all = 1, .session_count = 1, .slots = {slot}};

	lab_plan(l, hook, &plan);
}

void lab_delivery(const struct lab *l, uint8_t family, struct vtap_delivery *ret_delivery)
{
	struct vtap_target target = {.ttl = 64};
	struct vtap_nexthop nexthop = {.state = VTAP_NEXTHOP_READY, .ifindex = l->uplink, .mtu = LAB_MTU};
	const struct vtap_session session = {
	    .target = &target,
	    .vni = 66,
	    .port = 4789,
	    .checksum = VTAP_CHECKSUM_AS_IS,
	    .sample_packets = 1,
	    .sample_flows = 1,
	};

	assert_int_equal(vtap_addr_parse(family == AF_INET6 ? "2001:db8::2" : "192.0.2.2", &target.address), 0);
	assert_int_equal(vtap_addr_parse(family == AF_INET6 ? "2001:db8::1" : "192.0.2.1", &nexthop.source), 0);
	assert_int_equal(vtap_mac_parse("02:00:00:00:00:aa", &nexthop.source_mac), 0);
	assert_int_equal(vtap_mac_parse("02:00:00:00:00:bb", &nexthop.destination_mac), 0);
	vtap_delivery_make(&session, &nexthop, l->sink, 0, ret_delivery);
}

void lab_deliver(struct lab *l, uint16_t slot, const struct vtap_delivery *delivery)
{
	assert_int_equal(vtap_dataplane_delivery_write(l->dataplane, slot + 1U, delivery), 0);
	assert_int_equal(vtap_dataplane_session_write(l->dataplane, slot, slot + 1U), 0);
}

void lab_run(struct lab *l, enum vtap_hook hook, const struct frame *frame, const struct __sk_buff *ctx,
	     unsigned repeat)
{
	struct __sk_buff in = ctx ? *ctx : (struct __sk_buff){}, out = {};
	struct frame after;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame->bytes, .data_size_in = (uint32_t)frame->size_bytes,
		    .data_out = after.bytes, .data_size_out = sizeof(after.bytes), .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .ctx_out = &out, .ctx_size_out = sizeof(out), .repeat = (int)repeat);
	enum vtap_program program = hook == VTAP_HOOK_INGRESS ? VTAP_PROGRAM_IN : VTAP_PROGRAM_OUT;

	if (!in.ifindex)
		in.ifindex = l->source;
	assert_int_equal(bpf_prog_test_run_opts(vtap_dataplane_program_fd(l->dataplane, program), &options), 0);
	assert_int_equal((int)options.retval, TC_ACT_UNSPEC);
	assert_int_equal(options.data_size_out, frame->size_bytes);
	assert_memory_equal(after.bytes, frame->bytes, frame->size_bytes);
	assert_int_equal(out.mark, in.mark);
	assert_int_equal(out.priority, in.priority);
	assert_memory_equal(out.cb, in.cb, sizeof(in.cb));
}

uint64_t lab_count(struct lab *l, uint16_t slot, enum vtap_direction direction, enum vtap_counter counter)
{
	struct vtap_counters counters;

	assert_int_equal(vtap_dataplane_counters_read(l->dataplane, slot, direction, &counters), 0);
	return counters.values[counter];
}

void lab_wait_count(struct lab *l, uint16_t slot, enum vtap_direction direction, enum vtap_counter counter, uint64_t n)
{
	for (unsigned waited_ms = 0; lab_count(l, slot, direction, counter) < n; waited_ms++) {
		assert_true(waited_ms < LAB_DEADLINE_MS);
		(void)poll(NULL, 0, 1);
	}
}

void lab_assert_sum(struct lab *l, uint16_t slot, enum vtap_direction direction)
{
	struct vtap_counters c;
	uint64_t sum;

	assert_int_equal(vtap_dataplane_counters_read(l->dataplane, slot, direction, &c), 0);
	sum = c.values[VTAP_MIRRORED_PACKETS] + c.values[VTAP_STAGED] - c.values[VTAP_UNSTAGED];
	for (unsigned i = VTAP_LOST_FIRST; i < VTAP_COUNTER_MAX; i++)
		sum += c.values[i];
	assert_int_equal(c.values[VTAP_MATCHED_PACKETS], sum);
}

void lab_send(struct lab *l, uint32_t ifindex, const struct frame *frame)
{
	struct sockaddr_ll address = {
	    .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)ifindex, .sll_halen = 6};

	assert_int_equal(sendto(l->capture_fd, frame->bytes, frame->size_bytes, 0, (const struct sockaddr *)&address,
				sizeof(address)),
			 frame->size_bytes);
}

void lab_send_partial(struct lab *l, uint32_t ifindex, const struct frame *frame, uint16_t start, uint16_t offset)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)ifindex, .sll_halen = 6};
	struct virtio_net_hdr header = {
	    .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = start, .csum_offset = offset};
	struct iovec parts[] = {{&header, sizeof(header)}, {(void *)frame->bytes, frame->size_bytes}};
	const struct msghdr message = {
	    .msg_name = &address, .msg_namelen = sizeof(address), .msg_iov = parts, .msg_iovlen = 2};

	assert_int_equal(sendmsg(l->offload_fd, &message, 0), sizeof(header) + frame->size_bytes);
}

/* The next frame out of the uplink; the test fails if none comes in time. */
static void receive(struct lab *l, struct frame *ret_frame)
{
	uint8_t control[CMSG_SPACE(sizeof(struct tpacket_auxdata))] __attribute__((aligned(8)));
	struct iovec bytes = {ret_frame->bytes, sizeof(ret_frame->bytes)};
	struct msghdr message = {
	    .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct pollfd p = {.fd = l->capture_fd, .events = POLLIN};
	struct tpacket_auxdata auxdata;
	ssize_t n;

	assert_int_equal(poll(&p, 1, LAB_DEADLINE_MS), 1);
	n = recvmsg(l->capture_fd, &message, MSG_TRUNC);
	assert_in_range(n, 14, sizeof(ret_frame->bytes));
	ret_frame->size_bytes = (size_t)n;
	assert_non_null(CMSG_FIRSTHDR(&message));
	memcpy(&auxdata, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(auxdata));
	ret_frame->partial = auxdata.tp_status & TP_STATUS_CSUMNOTREADY;
}

size_t lab_copies(struct lab *l, struct frame *ret_frames, size_t max)
{
	static const struct frame_shape last = {.ethertype = LAST_ETHERTYPE};
	struct frame frame, end;

	frame_build(&last, &end);
	lab_send(l, l->uplink, &end);
	for (size_t count = 0;; count++) {
		receive(l, &frame);
		if (frame.size_bytes == end.size_bytes && !memcmp(frame.bytes, end.bytes, end.size_bytes))
			return count;
		if (count < max)
			ret_frames[count] = frame;
	}
}
