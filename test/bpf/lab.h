/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The data plane, loaded and set up by hand in a network namespace of its own: a source device (port 0; packets are handed to
 * its programs by BPF_PROG_TEST_RUN), and an uplink whose other end is read. Plan session i has slot i unless said otherwise.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* After the headers that it needs and does not include. */
#include <cmocka.h>

#include "agent/dataplane.h"
#include "frame.h"
#include "model/config.h"

#define LAB_MTU 1500
#define LAB_DEADLINE_MS 10000
#define LAB_SLOTS 128 /* slots that lab_reset() clears */

struct lab {
	int home_fd; /* namespace */
	struct vtap_dataplane *dataplane; /* owned */
	uint32_t source, source_peer, uplink, uplink_peer, sink; /* devices; what goes into the sink is gone */
	int capture_fd; /* of uplink_peer */
	int offload_fd; /* sends what is still to be finished */
};

/* For cmocka's group setup and teardown; *state becomes a struct lab. */
int lab_setup(void **state);
int lab_teardown(void **state);
/* For the setup of each test: no plan, no delivery, no count, nothing waiting to be read. */
int lab_reset(void **state);

/* Runs the group; says so and skips where there is no root. */
int lab_main(const char *name, const struct CMUnitTest *tests, size_t test_count);

/* Runs a shell command inside the lab; the test fails if the command does. */
void lab_shell(const char *format, ...) VTAP_PRINTF(1, 2);

/* The rules at a hook of the source. Ingress mirrors direction out, egress direction in. */
void lab_plan(struct lab *l, enum vtap_hook hook, const struct vtap_plan *plan);
/* A plan without a filter: one copy session of that slot. */
void lab_plan_all(struct lab *l, enum vtap_hook hook, uint16_t slot);

/* A session whose copies go from 192.0.2.1 to 192.0.2.2 (or 2001:db8::1 to ::2) with VNI 66; change it and hand it in. */
void lab_delivery(const struct lab *l, uint8_t family, struct vtap_delivery *ret_delivery);
void lab_deliver(struct lab *l, uint16_t slot, const struct vtap_delivery *delivery);

/*
 * Runs the source's program of that hook `repeat` times on the frame. *ctx (NULL: zeroes) is what the packet carries. Fails
 * the test unless frame, mark, priority and cb are afterwards what they were, and the packet goes on to the next program.
 */
void lab_run(struct lab *l, enum vtap_hook hook, const struct frame *frame, const struct __sk_buff *ctx,
	     unsigned repeat);

uint64_t lab_count(struct lab *l, uint16_t slot, enum vtap_direction direction, enum vtap_counter counter);
/* Waits until a counter has reached n; the test fails if it does not in time. */
void lab_wait_count(struct lab *l, uint16_t slot, enum vtap_direction direction, enum vtap_counter counter, uint64_t n);
/* matched = mirrored + the sum of all reasons + what is in the stage. */
void lab_assert_sum(struct lab *l, uint16_t slot, enum vtap_direction direction);

/* All that has come out of the uplink since the last call, at most max of them; returns how many there were. */
size_t lab_copies(struct lab *l, struct frame *ret_frames, size_t max);

/* Sends a frame out of a device. Out of source_peer: it arrives at the source as any packet does, its outer tag set apart. */
void lab_send(struct lab *l, uint32_t ifindex, const struct frame *frame);

/*
 * The same with the checksum left to the kernel: it is to sum the bytes from `start` on and to write the sum `offset` bytes
 * behind that, as a guest's NIC asks for it.
 */
void lab_send_partial(struct lab *l, uint32_t ifindex, const struct frame *frame, uint16_t start, uint16_t offset);
