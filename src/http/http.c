/* SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "http/http.h"

#define BACKLOG 64
#define ALLOW_MAX_BYTES 128
#define ROUNDS_MAX 64 /* of one run, so that a client that is fast enough cannot keep our owner from its other work */

/*
 * One TCP connection. The deadline is ours and not MHD_OPTION_CONNECTION_TIMEOUT, which every byte puts off: a client that
 * drips its request would hold its place for ever.
 */
struct connection {
	struct vtap_http_server *server; /* borrowed */
	struct connection *previous, *next;
	int fd; /* libmicrohttpd's */
	uint64_t deadline_ms;
};

struct upload { /* one request on its way in */
	const struct vtap_http_route *route; /* borrowed */
	char *body; /* owned */
	size_t body_bytes;
	bool too_large;
};

struct vtap_http_server {
	struct MHD_Daemon *daemon; /* owned, owns the listening socket */
	const struct vtap_http_route *routes; /* borrowed, outlives us */
	size_t route_count;
	void *userdata; /* borrowed, outlives us */
	uint16_t port;
	unsigned timeout_ms;
	struct connection *connections; /* owned; they end by libmicrohttpd's callback */
	bool place_freed;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void connection_begin(struct vtap_http_server *s, int fd, void **socket_context)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c) {
		/* Without a deadline it must not live. */
		(void)shutdown(fd, SHUT_RDWR);
		return;
	}
	c->server = s;
	c->fd = fd;
	c->deadline_ms = now_ms() + s->timeout_ms;
	c->next = s->connections;
	if (c->next)
		c->next->previous = c;
	s->connections = c;
	*socket_context = c;
}

static void connection_end(struct vtap_http_server *s, struct connection *c)
{
	s->place_freed = true;
	if (!c)
		return;
	if (c->previous)
		c->previous->next = c->next;
	else
		s->connections = c->next;
	if (c->next)
		c->next->previous = c->previous;
	free(c);
}

static void on_connection(void *userdata, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		connection_end(userdata, *socket_context);
		*socket_context = NULL;
		return;
	}
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info)
		connection_begin(userdata, info->connect_fd, socket_context);
}

static void on_completed(void *userdata, struct MHD_Connection *connection, void **request_context,
			 enum MHD_RequestTerminationCode code)
{
	const union MHD_ConnectionInfo *info;
	struct vtap_http_server *s = userdata;
	struct upload *u = *request_context;
	struct connection *c;

	if (u) {
		free(u->body);
		free(u);
		*request_context = NULL;
	}
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	c = info ? info->socket_context : NULL;
	if (c && code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		c->deadline_ms = now_ms() + s->timeout_ms;
}

/* Hands the body over to libmicrohttpd in every case. */
static enum MHD_Result answer(struct MHD_Connection *connection, struct vtap_http_response *p, const char *allow)
{
	struct MHD_Response *response;
	enum MHD_Result result = MHD_YES;

	response = MHD_create_response_from_buffer(p->body_bytes, p->body,
						   p->body ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
	if (!response) {
		free(p->body);
		return MHD_NO;
	}
	if (p->content_type)
		result = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, p->content_type);
	if (result == MHD_YES && allow)
		result = MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
	if (result == MHD_YES)
		result = MHD_queue_response(connection, p->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_status(struct MHD_Connection *connection, unsigned status, const char *allow)
{
	struct vtap_http_response p = {.status = status, .content_type = "text/plain; charset=utf-8"};
	int n;

	n = asprintf(&p.body, "%u %s\n", status, MHD_get_reason_phrase_for(status));
	if (n < 0)
		return MHD_NO;
	p.body_bytes = (size_t)n;
	return answer(connection, &p, allow);
}

/* Finds the route. Returns 0, or the status of the refusal; for 405 allow holds the methods that the path has. */
static unsigned route_find(const struct vtap_http_server *s, const char *method, const char *path,
			   char allow[ALLOW_MAX_BYTES], const struct vtap_http_route **ret_route)
{
	size_t used = 0;

	if (strcmp(method, MHD_HTTP_METHOD_HEAD) == 0)
		method = MHD_HTTP_METHOD_GET;
	for (size_t i = 0; i < s->route_count; i++) {
		const struct vtap_http_route *route = &s->routes[i];
		int n;

		if (strcmp(route->path, path) != 0)
			continue;
		if (strcmp(route->method, method) == 0) {
			*ret_route = route;
			return 0;
		}
		n = snprintf(allow + used, ALLOW_MAX_BYTES - used, "%s%s%s", used > 0 ? ", " : "", route->method,
			     strcmp(route->method, MHD_HTTP_METHOD_GET) == 0 ? ", HEAD" : "");
		if (n > 0 && (size_t)n < ALLOW_MAX_BYTES - used)
			used += (size_t)n;
		allow[used] = 0;
	}
	return used > 0 ? MHD_HTTP_METHOD_NOT_ALLOWED : MHD_HTTP_NOT_FOUND;
}

/* The body's size as the client announces it, in time to refuse it unread; a chunked one is found out while it comes. */
static bool announced_too_large(struct MHD_Connection *connection)
{
	const char *text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	/* libmicrohttpd has refused what is not a number; strtoull() saturates. */
	return text && strtoull(text, NULL, 10) > VTAP_HTTP_BODY_MAX_BYTES;
}

static enum MHD_Result request_begin(struct vtap_http_server *s, struct MHD_Connection *connection, const char *path,
				     const char *method, void **request_context)
{
	char allow[ALLOW_MAX_BYTES] = "";
	const struct vtap_http_route *route = NULL;
	struct upload *u;
	unsigned status;

	status = route_find(s, method, path, allow, &route);
	if (status == 0 && announced_too_large(connection))
		status = MHD_HTTP_CONTENT_TOO_LARGE;
	if (status != 0)
		return answer_status(connection, status, allow[0] ? allow : NULL);
	u = calloc(1, sizeof(*u));
	if (!u)
		return MHD_NO;
	u->route = route;
	*request_context = u;
	return MHD_YES;
}

static enum MHD_Result request_body(struct upload *u, const char *data, size_t *size_bytes)
{
	char *body;

	if (*size_bytes > VTAP_HTTP_BODY_MAX_BYTES - u->body_bytes)
		u->too_large = true;
	if (!u->too_large) {
		body = realloc(u->body, u->body_bytes + *size_bytes);
		if (!body)
			return MHD_NO;
		memcpy(body + u->body_bytes, data, *size_bytes);
		u->body = body;
		u->body_bytes += *size_bytes;
	}
	*size_bytes = 0;
	return MHD_YES;
}

static enum MHD_Result request_end(struct vtap_http_server *s, struct MHD_Connection *connection, const char *path,
				   struct upload *u)
{
	struct vtap_http_response response = {};
	struct vtap_http_request request = {
	    .method = u->route->method,
	    .path = path,
	    .body = u->body,
	    .body_bytes = u->body_bytes,
	};

	/* The answer could not be queued while the body came: libmicrohttpd takes one before it or after it. */
	if (u->too_large)
		return answer_status(connection, MHD_HTTP_CONTENT_TOO_LARGE, NULL);
	if (u->route->handler(&request, &response, s->userdata) < 0)
		return answer_status(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL);
	return answer(connection, &response, NULL);
}

/* Called once with the headers, then for each piece of the body, then once more at its end. */
static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *data, size_t *size_bytes,
				  void **request_context)
{
	struct vtap_http_server *s = userdata;

	if (!*request_context)
		return request_begin(s, connection, path, method, request_context);
	if (*size_bytes > 0)
		return request_body(*request_context, data, size_bytes);
	return request_end(s, connection, path, *request_context);
}

static int listen_open(const struct vtap_addr *address, uint16_t port, int *ret_fd)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	_cleanup_close_ int fd = -1;
	bool is_v6 = address->family == AF_INET6;
	int r;

	if (address->family != AF_INET && !is_v6)
		return -EAFNOSUPPORT;
	memcpy(&v4.sin_addr, address->bytes, sizeof(v4.sin_addr));
	memcpy(&v6.sin6_addr, address->bytes, sizeof(v6.sin6_addr));
	fd = socket(address->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* A restarted agent must not wait for the connections of the one before it to leave TIME_WAIT. */
	r = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (r == 0 && is_v6)
		r = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof(int));
	if (r == 0)
		r = is_v6 ? bind(fd, (const struct sockaddr *)&v6, sizeof(v6))
			  : bind(fd, (const struct sockaddr *)&v4, sizeof(v4));
	if (r == 0)
		r = listen(fd, BACKLOG);
	if (r < 0)
		return -errno;
	*ret_fd = VTAP_STEAL_FD(fd);
	return 0;
}

static int listen_port(int fd, uint16_t *ret_port)
{
	struct sockaddr_storage address = {};
	socklen_t size_bytes = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &size_bytes) < 0)
		return -errno;
	/* The port of both families stands at the same place. */
	*ret_port = ntohs(((const struct sockaddr_in *)&address)->sin_port);
	return 0;
}

int vtap_http_server_new(const struct vtap_addr *address, uint16_t port, const struct vtap_http_route *routes,
			 size_t route_count, void *userdata, struct vtap_http_server **ret_server)
{
	VTAP_CLEANUP(vtap_http_server_freep) struct vtap_http_server *s = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->routes = routes;
	s->route_count = route_count;
	s->userdata = userdata;
	s->timeout_ms = VTAP_HTTP_TIMEOUT_MS;
	r = listen_open(address, port, &fd);
	if (r < 0)
		return r;
	r = listen_port(fd, &s->port);
	if (r < 0)
		return r;
	/*
	 * MHD_USE_ERROR_LOG is not given: libmicrohttpd stays silent. The socket is its own from here on, and it closes it
	 * on most failures, so that closing it here could hit somebody else's descriptor.
	 */
	errno = 0;
	s->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET,
				     VTAP_STEAL_FD(fd), MHD_OPTION_CONNECTION_LIMIT,
				     (unsigned)VTAP_HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				     (size_t)VTAP_HTTP_CONNECTION_BYTES, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
				     MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_END);
	if (!s->daemon)
		return errno > 0 ? -errno : -ENOMEM;
	*ret_server = VTAP_STEAL(s);
	return 0;
}

struct vtap_http_server *vtap_http_server_free(struct vtap_http_server *s)
{
	if (!s)
		return NULL;
	if (s->daemon)
		MHD_stop_daemon(s->daemon);
	free(s);
	return NULL;
}

void vtap_http_server_set_timeout_ms(struct vtap_http_server *s, unsigned timeout_ms)
{
	s->timeout_ms = timeout_ms;
}

uint16_t vtap_http_server_port(const struct vtap_http_server *s)
{
	return s->port;
}

int vtap_http_server_fd(const struct vtap_http_server *s)
{
	return MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

int vtap_http_server_timeout_ms(const struct vtap_http_server *s)
{
	MHD_UNSIGNED_LONG_LONG mhd_ms;
	uint64_t now = now_ms(), timeout_ms = UINT64_MAX;

	if (MHD_get_timeout(s->daemon, &mhd_ms) == MHD_YES)
		timeout_ms = mhd_ms;
	for (const struct connection *c = s->connections; c; c = c->next) {
		uint64_t left_ms = c->deadline_ms > now ? c->deadline_ms - now : 0;

		timeout_ms = VTAP_MIN(timeout_ms, left_ms);
	}
	if (timeout_ms == UINT64_MAX)
		return -1;
	return (int)VTAP_MIN(timeout_ms, (uint64_t)INT32_MAX);
}

/* It has read or written a part, and could go on at once: its descriptor does not tell of that. */
static bool is_busy(struct vtap_http_server *s)
{
	MHD_UNSIGNED_LONG_LONG mhd_ms;

	return MHD_get_timeout(s->daemon, &mhd_ms) == MHD_YES && mhd_ms == 0;
}

int vtap_http_server_run(struct vtap_http_server *s)
{
	uint64_t now = now_ms();
	unsigned rounds = 0;

	/* libmicrohttpd sees the end of the stream and closes; a cut connection is not cut twice. */
	for (struct connection *c = s->connections; c; c = c->next)
		if (c->deadline_ms <= now) {
			(void)shutdown(c->fd, SHUT_RDWR);
			c->deadline_ms = UINT64_MAX;
		}
	/* At the limit it stops to listen, and looks whether a place became free only when a run begins. */
	do {
		s->place_freed = false;
		if (MHD_run(s->daemon) != MHD_YES)
			return -EIO;
	} while (s->place_freed || (is_busy(s) && ++rounds < ROUNDS_MAX));
	return 0;
}
