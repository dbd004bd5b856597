/* SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>

#include "harness.h"

uint64_t now_ms(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

struct vtap_http_server *server_listen(struct vtap_http_server_options options, const struct vtap_http_route *routes,
				       size_t count, void *userdata)
{
	struct vtap_http_server *s = NULL;

	assert_int_equal(vtap_addr_parse("127.0.0.1", &options.address), 0);
	assert_int_equal(vtap_http_server_listen(&options, routes, count, userdata, &s), 0);
	assert_int_not_equal(vtap_http_server_port(s), 0);
	return s;
}

int client_connect(const struct vtap_http_server *s)
{
	return client_connect_from(s, 1);
}

int client_connect_from(const struct vtap_http_server *s, uint8_t host)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(vtap_http_server_port(s))};
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + host)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&from, sizeof(from)), 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* One round; returns the events of the client. */
static short serve_once(struct vtap_http_server *s, int client, short events, int left_ms)
{
	struct pollfd fds[] = {{.fd = vtap_http_server_fd(s), .events = POLLIN}, {.fd = client, .events = events}};
	int timeout_ms = vtap_http_server_timeout_ms(s), n;
	bool asked = timeout_ms >= 0 && timeout_ms <= left_ms;

	n = poll(fds, VTAP_ARRAY_SIZE(fds), asked ? timeout_ms : left_ms);
	assert_true(n >= 0);
	if (fds[0].revents || (n == 0 && asked))
		assert_int_equal(vtap_http_server_run(s), 0);
	return fds[1].revents;
}

short serve(struct vtap_http_server *s, int client, short events, int wait_ms)
{
	uint64_t now = now_ms(), end_ms = now + (uint64_t)wait_ms;

	for (; now < end_ms; now = now_ms()) {
		short found = serve_once(s, client, events, (int)(end_ms - now));

		if (found)
			return found;
	}
	return 0;
}

void serve_until(struct vtap_http_server *s, bool (*is)(void *userdata), void *userdata)
{
	uint64_t now = now_ms(), end_ms = now + WAIT_MS;

	for (; !is(userdata); now = now_ms()) {
		assert_true(now < end_ms);
		(void)serve_once(s, -1, 0, (int)(end_ms - now));
	}
}

void client_send(struct vtap_http_server *s, int fd, const char *bytes, size_t count)
{
	while (count > 0) {
		ssize_t n = send(fd, bytes, count, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return;
		if (n < 0) {
			assert_int_not_equal(serve(s, fd, POLLOUT, WAIT_MS), 0);
			continue;
		}
		bytes += n;
		count -= (size_t)n;
	}
}

size_t client_receive(struct vtap_http_server *s, int fd, char reply[REPLY_BYTES])
{
	static char chunk[65536];
	size_t kept = 0, total = 0;

	for (;;) {
		ssize_t n = recv(fd, chunk, sizeof(chunk), 0);

		if (n < 0 && errno == EAGAIN) {
			assert_int_not_equal(serve(s, fd, POLLIN, WAIT_MS), 0);
			continue;
		}
		if (n <= 0)
			break;
		total += (size_t)n;
		n = VTAP_MIN(n, (ssize_t)(REPLY_BYTES - 1 - kept));
		memcpy(reply + kept, chunk, (size_t)n);
		kept += (size_t)n;
	}
	reply[kept] = 0;
	return total;
}

void client_receive_until(struct vtap_http_server *s, int fd, const char *end, char reply[REPLY_BYTES])
{
	size_t used = 0, length = strlen(end);

	while (used < length || memcmp(reply + used - length, end, length) != 0) {
		ssize_t n = recv(fd, reply + used, 1, 0);

		if (n < 0 && errno == EAGAIN) {
			assert_int_not_equal(serve(s, fd, POLLIN, WAIT_MS), 0);
			continue;
		}
		assert_int_equal(n, 1);
		used++;
		assert_true(used < REPLY_BYTES);
	}
	reply[used] = 0;
}

size_t exchange_bytes(struct vtap_http_server *s, const char *bytes, size_t count, char reply[REPLY_BYTES])
{
	_cleanup_close_ int fd = client_connect(s);

	client_send(s, fd, bytes, count);
	return client_receive(s, fd, reply);
}

void exchange(struct vtap_http_server *s, const char *request, char reply[REPLY_BYTES])
{
	(void)exchange_bytes(s, request, strlen(request), reply);
}

bool has_status(const char *reply, unsigned status)
{
	char wanted[32];

	(void)snprintf(wanted, sizeof(wanted), "HTTP/1.1 %u ", status);
	return strncmp(reply, wanted, strlen(wanted)) == 0;
}

const char *body_of(const char *reply)
{
	const char *end = strstr(reply, "\r\n\r\n");

	assert_non_null(end);
	return end + 4;
}

struct vtap_http_response text_response(unsigned status, const char *text)
{
	struct vtap_http_response p = {.status = status, .content_type = "text/plain", .body_bytes = strlen(text)};

	p.body = strdup(text);
	assert_non_null(p.body);
	return p;
}
