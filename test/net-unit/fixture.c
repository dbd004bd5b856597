/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SKIPPED 77

static void events_note(unsigned events, void *userdata)
{
	struct fixture *f = userdata;

	f->events |= events;
	f->n_callbacks++;
}

static int namespace_new(void)
{
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

void fixture_enter(int namespace_fd)
{
	assert_int_equal(setns(namespace_fd, CLONE_NEWNET), 0);
}

static bool VTAP_PRINTF(1, 0) run(const char *format, va_list arguments, bool must)
{
	char command[1024];
	bool good;

	assert_true(vsnprintf(command, sizeof(command), format, arguments) < (int)sizeof(command));
	good = system(command) == 0;
	if (must && !good)
		fail_msg("failed: %s", command);
	return good;
}

void host_run(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)run(format, arguments, true);
	va_end(arguments);
}

bool host_try(const char *format, ...)
{
	va_list arguments;
	bool good;

	va_start(arguments, format);
	good = run(format, arguments, false);
	va_end(arguments);
	return good;
}

void peer_run(struct fixture *f, const char *format, ...)
{
	va_list arguments;

	fixture_enter(f->peer_fd);
	va_start(arguments, format);
	(void)run(format, arguments, true);
	va_end(arguments);
	fixture_enter(f->host_fd);
}

void sysctl_write(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

int64_t clock_ms(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

bool fixture_wait_once(struct fixture *f, int64_t deadline_ms)
{
	struct pollfd p = {.fd = vtap_net_fd(f->net), .events = POLLIN};
	int64_t left_ms = deadline_ms - clock_ms();

	if (left_ms <= 0 || poll(&p, 1, (int)left_ms) <= 0)
		return false;
	assert_int_equal(vtap_net_dispatch(f->net), 0);
	return true;
}

void fixture_drain(struct fixture *f)
{
	assert_int_equal(vtap_net_dispatch(f->net), 0);
	f->events = 0;
	f->n_callbacks = 0;
}

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	*state = f;
	f->home_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	f->peer_fd = namespace_new();
	/* No duplicate address detection: addresses are usable at once. */
	sysctl_write("/proc/sys/net/ipv6/conf/all/accept_dad", "0");
	sysctl_write("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
	f->host_fd = namespace_new();
	sysctl_write("/proc/sys/net/ipv6/conf/all/accept_dad", "0");
	sysctl_write("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
	host_run(
	    "ip link set lo up && ip link add v0 type veth peer name v1 netns /proc/%d/fd/%d && ip link set v0 up && "
	    "ip addr add 10.7.0.1/24 dev v0 && ip addr add fd07::1/64 dev v0 nodad",
	    (int)getpid(), f->peer_fd);
	peer_run(f, "ip link set lo up && ip link set v1 up && ip addr add 10.7.0.2/24 dev v1 && "
		    "ip addr add fd07::2/64 dev v1 nodad");
	assert_int_equal(vtap_net_new(events_note, f, &f->net), 0);
	/* Both ends up takes the kernel a moment to notice. */
	WAIT_UNTIL(f, link_named(f, "v0").running);
	fixture_drain(f);
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	vtap_net_free(f->net);
	fixture_enter(f->home_fd);
	vtap_closep(&f->peer_fd);
	vtap_closep(&f->host_fd);
	vtap_closep(&f->home_fd);
	free(f);
	return 0;
}

int fixture_main(const char *name, const struct CMUnitTest *tests, size_t n_tests)
{
	_cleanup_close_ int home_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (home_fd < 0 || geteuid() != 0 || unshare(CLONE_NEWNET) < 0) {
		(void)fprintf(stderr, "%s: needs root and network namespaces\n", name);
		return SKIPPED;
	}
	return _cmocka_run_group_tests(name, tests, n_tests, NULL, NULL) == 0 ? 0 : 1;
}

struct vtap_addr addr(const char *text)
{
	struct vtap_addr a = {};

	if (text)
		assert_int_equal(vtap_addr_parse(text, &a), 0);
	return a;
}

struct vtap_mac mac(const char *text)
{
	struct vtap_mac m;

	assert_int_equal(vtap_mac_parse(text, &m), 0);
	return m;
}

void assert_addr(const struct vtap_addr *a, const char *text)
{
	char buffer[VTAP_ADDR_STRLEN];

	assert_string_equal(vtap_addr_format(a, buffer), text);
}

struct vtap_link link_named(struct fixture *f, const char *name)
{
	struct vtap_link l;

	assert_int_equal(vtap_net_link_by_name(f->net, name, &l), 0);
	return l;
}

bool has_link(struct fixture *f, const char *name)
{
	struct vtap_link l;

	return vtap_net_link_by_name(f->net, name, &l) == 0;
}
