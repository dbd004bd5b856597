/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as what a client sends. The first byte of an input says how: bit 0, that the client then closes its side; bit 1, that it
 * sends the first half alone at first; bit 2, that it leaves before those answers that come later.
 */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "http/private.h"

#define HALF_CLOSED 1
#define HALVES 2
#define LEAVES 4
#define BODY_MAX_BYTES 64
#define WAITING_MAX 64
#define ROUNDS_MAX 1000

static struct vtap_http_exchange *waiting[WAITING_MAX]; /* borrowed */
static struct vtap_http_stream *stream; /* owned until it ends */

static void check_request(const struct vtap_http_request *q)
{
	FUZZ_CHECK(q->path[0] == '/');
	FUZZ_CHECK(q->body_bytes <= BODY_MAX_BYTES && !q->body == !q->body_bytes);
	for (size_t i = 0; i < VTAP_HTTP_PARAMETERS_MAX && q->parameters[i]; i++)
		FUZZ_CHECK(strcmp(q->parameters[i], "..") != 0);
	(void)vtap_http_query(q, "a");
	(void)vtap_http_header(q, "A");
}

static void on_gone(void *userdata)
{
	*(struct vtap_http_exchange **)userdata = NULL;
}

static void on_stream_gone(void *userdata)
{
	vtap_http_stream_end(VTAP_STEAL(stream));
}

static int handle_now(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	check_request(q);
	*ret_response = (struct vtap_http_response){.status = 200, .body = strdup("now"), .body_bytes = 3};
	return 0;
}

static int handle_later(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	check_request(q);
	for (size_t i = 0; i < WAITING_MAX; i++)
		if (!waiting[i]) {
			waiting[i] = q->exchange;
			vtap_http_on_gone(q->exchange, on_gone, &waiting[i]);
			return VTAP_HTTP_LATER;
		}
	return -EBUSY;
}

static int handle_stream(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	check_request(q);
	if (stream)
		return -EBUSY;
	FUZZ_CHECK(vtap_http_stream_begin(q->exchange, 200, "text/plain", &stream) == 0);
	FUZZ_CHECK(vtap_http_stream_write(stream, "stream", 6) == 0);
	vtap_http_on_gone(q->exchange, on_stream_gone, NULL);
	return VTAP_HTTP_LATER;
}

static const struct vtap_http_route routes[] = {
    {.method = "GET", .path = "/now/{a}", .handler = handle_now},
    {.method = "POST", .path = "/now/{a}/{b...}", .handler = handle_now},
    {.method = "GET", .path = "/later", .handler = handle_later},
    {.method = "POST", .path = "/later", .handler = handle_later},
    {.method = "GET", .path = "/stream", .handler = handle_stream},
};

static struct vtap_http_server *server_new(void)
{
	struct vtap_http_server_options options = {.body_max_bytes = BODY_MAX_BYTES, .problems = true};
	struct vtap_http_server *s = NULL;

	FUZZ_CHECK(vtap_addr_parse("127.0.0.1", &options.address) == 0);
	FUZZ_CHECK(vtap_http_server_listen(&options, routes, VTAP_ARRAY_SIZE(routes), NULL, &s) == 0);
	return s;
}

/* Until it has nothing to do, as its descriptor says. */
static void serve(struct vtap_http_server *s)
{
	struct pollfd fd = {.fd = vtap_http_server_fd(s), .events = POLLIN};

	for (unsigned i = 0; i < ROUNDS_MAX; i++) {
		if (poll(&fd, 1, 0) == 0 && vtap_http_server_timeout_ms(s) != 0)
			return;
		FUZZ_CHECK(vtap_http_server_run(s) == 0);
	}
	FUZZ_CHECK(!"it comes to rest");
}

static void answer_all(void)
{
	for (size_t i = 0; i < WAITING_MAX; i++)
		if (waiting[i]) {
			struct vtap_http_response p = {.status = 200, .body = strdup("later"), .body_bytes = 5};

			vtap_http_answer(VTAP_STEAL(waiting[i]), &p);
		}
	if (stream)
		vtap_http_stream_end(VTAP_STEAL(stream));
}

static bool is_waited_for(void)
{
	for (size_t i = 0; i < WAITING_MAX; i++)
		if (waiting[i])
			return true;
	return stream;
}

/* Whatever comes back begins like an answer. */
static void check_reply(int fd)
{
	static char reply[1 << 20];
	size_t used = 0;
	ssize_t n;

	while (used < sizeof(reply) && (n = recv(fd, reply + used, sizeof(reply) - used, MSG_DONTWAIT)) > 0)
		used += (size_t)n;
	FUZZ_CHECK(used == 0 || (used > 12 && memcmp(reply, "HTTP/1.", 7) == 0 && reply[9] >= '1' && reply[9] <= '5'));
}

static void client_send(struct vtap_http_server *s, int fd, const uint8_t *data, size_t size_bytes)
{
	/* What the kernel does not take, or the server does not want, is not sent. */
	(void)!send(fd, data, size_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
	serve(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	static struct vtap_http_server *s; /* for all inputs */
	size_t half;
	uint8_t how;
	int fds[2];

	if (size_bytes < 2)
		return 0;
	if (!s)
		s = server_new();
	how = *data++;
	size_bytes--;
	half = how & HALVES ? size_bytes / 2 : 0;
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	FUZZ_CHECK(vtap_http_server_adopt(s, fds[1]) == 0);
	if (half > 0)
		client_send(s, fds[0], data, half);
	client_send(s, fds[0], data + half, size_bytes - half);
	if (how & HALF_CLOSED)
		(void)shutdown(fds[0], SHUT_WR);
	serve(s);
	/* A request that was sent ahead may wait behind each answer. */
	for (unsigned i = 0; is_waited_for() && !(how & LEAVES); i++) {
		FUZZ_CHECK(i < ROUNDS_MAX);
		answer_all();
		serve(s);
	}
	check_reply(fds[0]);
	(void)close(fds[0]);
	serve(s);
	FUZZ_CHECK(!is_waited_for() && s->bodies_bytes == 0);
	/*
	 * With a NUL in the request line libmicrohttpd reads parameters where the server sees none; if they are too many, the
	 * connection stands until its time is over.
	 */
	FUZZ_CHECK(!s->connections || memchr(data, 0, size_bytes));
	if (s->connections)
		s = vtap_http_server_free(s);
	return 0;
}
