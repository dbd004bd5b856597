/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Two fresh network namespaces for each test, host (where the test runs) and peer, joined by the veth pair v0 - v1, both up,
 * with 10.7.0.1/24 and fd07::1/64 at v0, 10.7.0.2/24 and fd07::2/64 at v1. They die with the fixture's descriptors.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* After the headers that it needs and does not include. */
#include <cmocka.h>

#include "net/net.h"

struct fixture {
	int home_fd, host_fd, peer_fd; /* namespaces */
	struct vtap_net *net; /* owned; of host */
	unsigned events; /* seen so far, or-ed */
	unsigned n_callbacks;
};

/* For cmocka_unit_test_setup_teardown(); *state becomes a struct fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Runs the group, or returns 77, which meson counts as skipped, where the tests cannot make namespaces. */
int fixture_main(const char *name, const struct CMUnitTest *tests, size_t n_tests);

/* Makes the calling thread's namespace that of the descriptor. */
void fixture_enter(int namespace_fd);

/* Runs a shell command in host or in peer; the test fails if the command does. */
void host_run(const char *format, ...) VTAP_PRINTF(1, 2);
void peer_run(struct fixture *f, const char *format, ...) VTAP_PRINTF(2, 3);
/* Whether the command succeeds. */
bool host_try(const char *format, ...) VTAP_PRINTF(1, 2);

/* Writes text into a file of /proc/sys. */
void sysctl_write(const char *path, const char *text);

int64_t clock_ms(void);

/* Waits for notifications until the deadline and dispatches them; false when the deadline has passed. */
bool fixture_wait_once(struct fixture *f, int64_t deadline_ms);
#define FIXTURE_WAIT_MS 5000
/* Dispatches until the condition holds; the test fails if it does not in time. */
#define WAIT_UNTIL(f, condition)                                                                                       \
	do {                                                                                                           \
		int64_t deadline_ms_ = clock_ms() + FIXTURE_WAIT_MS;                                                   \
		while (!(condition))                                                                                   \
			assert_true(fixture_wait_once(f, deadline_ms_));                                               \
	} while (0)

/* Dispatches all that waits now and forgets which events were seen. */
void fixture_drain(struct fixture *f);

struct vtap_addr addr(const char *text);
struct vtap_mac mac(const char *text);
void assert_addr(const struct vtap_addr *a, const char *text);

/* The link of that name in the cache; the test fails if there is none. */
struct vtap_link link_named(struct fixture *f, const char *name);
bool has_link(struct fixture *f, const char *name);
