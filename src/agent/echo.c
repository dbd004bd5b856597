// SPDX-License-Identifier: Apache-2.0

#include "agent/echo.h"

#include <errno.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

struct vtap_echo {
	int fd; /* owned */
	sd_event_source *io, *timer; /* owned */
	struct vtap_addr target;
	uint16_t id, sequence;
	void (*done)(enum vtap_echo_result result, void *userdata);
	void *userdata; /* borrowed */
};

struct vtap_echo *vtap_echo_free(struct vtap_echo *e)
{
	if (!e)
		return NULL;
	sd_event_source_disable_unref(e->io);
	sd_event_source_disable_unref(e->timer);
	vtap_closep(&e->fd);
	free(e);
	return NULL;
}

static socklen_t address_fill(const struct vtap_addr *address, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *four = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = address->family;
	if (address->family == AF_INET6) {
		memcpy(&six->sin6_addr, address->bytes, sizeof(six->sin6_addr));
		return sizeof(*six);
	}
	memcpy(&four->sin_addr, address->bytes, sizeof(four->sin_addr));
	return sizeof(*four);
}

static uint16_t checksum(const void *data, size_t bytes)
{
	const uint8_t *at = data;
	uint32_t sum = 0;
	uint16_t word;

	for (; bytes > 1; bytes -= 2, at += 2) {
		memcpy(&word, at, sizeof(word));
		sum += word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Whether the message is of this echo: an answer, or an error about it. -1 = neither. */
static int result_of(const struct vtap_echo *e, const uint8_t *data, size_t bytes)
{
	bool six = e->target.family == AF_INET6;
	size_t ip_bytes = six ? 0 : 20; /* raw IPv4 sockets see the IP header, which may have options */
	uint8_t answered = six ? ICMPV6_ECHO_REPLY : ICMP_ECHOREPLY;
	uint8_t unreachable = six ? ICMPV6_DEST_UNREACH : ICMP_DEST_UNREACH;
	size_t inner_bytes = six ? 40 : 20;
	struct icmphdr h, inner;

	if (bytes < ip_bytes + sizeof(h))
		return -1;
	if (!six)
		ip_bytes = (size_t)(data[0] & 0x0f) * 4;
	if (bytes < ip_bytes + sizeof(h))
		return -1;
	memcpy(&h, data + ip_bytes, sizeof(h));
	if (h.type == answered && h.un.echo.id == e->id && h.un.echo.sequence == e->sequence)
		return VTAP_ECHO_ANSWERED;
	if (h.type != unreachable || bytes < ip_bytes + sizeof(h) + inner_bytes + sizeof(inner))
		return -1;
	memcpy(&inner, data + ip_bytes + sizeof(h) + inner_bytes, sizeof(inner));
	return inner.un.echo.id == e->id && inner.un.echo.sequence == e->sequence ? VTAP_ECHO_UNREACHABLE : -1;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct vtap_echo *e = userdata;
	uint8_t data[1500];
	ssize_t n;

	while ((n = recv(e->fd, data, sizeof(data), MSG_DONTWAIT)) > 0) {
		int result = result_of(e, data, (size_t)n);

		if (result >= 0) {
			e->done((enum vtap_echo_result)result, e->userdata);
			return 0;
		}
	}
	if (n < 0 && (errno == EHOSTUNREACH || errno == ENETUNREACH))
		e->done(VTAP_ECHO_UNREACHABLE, e->userdata);
	return 0;
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct vtap_echo *e = userdata;

	e->done(VTAP_ECHO_SILENT, e->userdata);
	return 0;
}

static int echo_send(struct vtap_echo *e, const struct vtap_addr *source)
{
	bool six = e->target.family == AF_INET6;
	struct icmphdr h = {.type = six ? ICMPV6_ECHO_REQUEST : ICMP_ECHO};
	struct sockaddr_storage to, from;
	socklen_t to_bytes = address_fill(&e->target, &to), from_bytes = address_fill(source, &from);

	h.un.echo.id = e->id;
	h.un.echo.sequence = e->sequence;
	/* The kernel itself completes that of IPv6. */
	if (!six)
		h.checksum = checksum(&h, sizeof(h));
	e->fd = socket(e->target.family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, six ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	if (e->fd < 0 || bind(e->fd, (struct sockaddr *)&from, from_bytes) < 0 ||
	    sendto(e->fd, &h, sizeof(h), 0, (struct sockaddr *)&to, to_bytes) < 0)
		return -errno;
	return 0;
}

int vtap_echo_start(sd_event *event, const struct vtap_addr *target, const struct vtap_addr *source,
		    void (*done)(enum vtap_echo_result result, void *userdata), void *userdata,
		    struct vtap_echo **ret_echo)
{
	struct vtap_echo *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	*e = (struct vtap_echo){.fd = -1, .target = *target, .done = done, .userdata = userdata};
	(void)getrandom(&e->id, sizeof(e->id), 0);
	(void)getrandom(&e->sequence, sizeof(e->sequence), 0);
	r = echo_send(e, source);
	if (r >= 0)
		r = sd_event_add_io(event, &e->io, e->fd, EPOLLIN, on_io, e);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &e->timer, CLOCK_MONOTONIC, VTAP_ECHO_TIMEOUT_MS * 1000ULL, 1000,
					       on_time, e);
	if (r < 0) {
		vtap_echo_free(e);
		return r;
	}
	*ret_echo = e;
	return 0;
}
