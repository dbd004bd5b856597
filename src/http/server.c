/* SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include "http/private.h"

#define BACKLOG_MIN 64
#define ROUNDS_MAX 64 /* of one run, so that a client that is fast enough cannot keep our owner from its other work */
#define EVENTS_MAX 64
#define LAST_TIMEOUT_S 1U /* of a connection that has been cut */
/* A client whose machine is gone sends no FIN: it is noticed after KEEPALIVE_IDLE_S + KEEPALIVE_COUNT * KEEPALIVE_INTERVAL_S. */
#define KEEPALIVE_IDLE_S 30
#define KEEPALIVE_INTERVAL_S 10
#define KEEPALIVE_COUNT 3

uint64_t vtap_http_now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void vtap_http_deadline_set(struct vtap_http_connection *c, uint64_t deadline_ms)
{
	if (c->ended)
		return;
	c->deadline_ms = deadline_ms;
	c->server->earliest_ms = VTAP_MIN(c->server->earliest_ms, deadline_ms);
}

/*
 * libmicrohttpd takes the socket of a suspended connection out of its own epoll set. It stands in ours meanwhile, which
 * tells of a closed or broken connection; data that the client sends ahead is none of its business.
 */
void vtap_http_watch_begin(struct vtap_http_connection *c)
{
	struct epoll_event event = {.events = EPOLLRDHUP, .data.ptr = c};

	/* If it fails, the exchange waits for its answer, as one whose client has not left. */
	c->watched = c->watched || epoll_ctl(c->server->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) == 0;
}

void vtap_http_watch_end(struct vtap_http_connection *c)
{
	if (c->watched)
		(void)epoll_ctl(c->server->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	c->watched = false;
}

static void wake_set(struct vtap_http_server *s, bool woken)
{
	eventfd_t count;

	if (woken && !s->woken)
		(void)eventfd_write(s->wake_fd, 1);
	else if (!woken && s->woken)
		(void)eventfd_read(s->wake_fd, &count);
	s->woken = woken;
}

void vtap_http_wake(struct vtap_http_server *s)
{
	s->resumed = true;
	/* A run sees for itself. */
	if (!s->running)
		wake_set(s, true);
}

static void peer_read(struct vtap_http_connection *c, const struct sockaddr *address)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

	if (address->sa_family == AF_INET) {
		c->peer.family = AF_INET;
		memcpy(c->peer.bytes, &v4->sin_addr, 4);
		c->peer_port = ntohs(v4->sin_port);
	} else if (address->sa_family == AF_INET6) {
		bool is_v4 = memcmp(&v6->sin6_addr, mapped, sizeof(mapped)) == 0;

		c->peer.family = is_v4 ? AF_INET : AF_INET6;
		memcpy(c->peer.bytes, v6->sin6_addr.s6_addr + (is_v4 ? sizeof(mapped) : 0), is_v4 ? 4 : 16);
		c->peer_port = ntohs(v6->sin6_port);
	}
}

static void keepalive_set(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
	    {SOL_SOCKET, SO_KEEPALIVE, 1},
	    {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
	    {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
	    {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(options); i++)
		(void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(options[i].value));
}

static void connection_begin(struct vtap_http_server *s, struct MHD_Connection *mhd, int fd, void **socket_context)
{
	struct vtap_http_connection *c = calloc(1, sizeof(*c));
	const union MHD_ConnectionInfo *info;

	if (!c) {
		/* Without a deadline it must not live. */
		(void)shutdown(fd, SHUT_RDWR);
		return;
	}
	c->server = s;
	c->mhd = mhd;
	c->fd = fd;
	vtap_http_deadline_set(c, vtap_http_now_ms() + s->timeout_ms);
	keepalive_set(fd);
	info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	if (info && info->client_addr)
		peer_read(c, info->client_addr);
	c->next = s->connections;
	if (c->next)
		c->next->previous = c;
	s->connections = c;
	vtap_http_place_begin(c);
	if (s->identity)
		vtap_http_handshake_begin(c);
	*socket_context = c;
}

static void connection_end(struct vtap_http_server *s, struct vtap_http_connection *c)
{
	s->place_freed = true;
	if (!c)
		return;
	/* On some of its ways out of a request libmicrohttpd does not tell that it has ended. */
	if (c->exchange)
		vtap_http_exchange_end(c->exchange);
	vtap_http_handshake_end(c);
	vtap_http_place_leave(c);
	if (c->previous)
		c->previous->next = c->next;
	else
		s->connections = c->next;
	if (c->next)
		c->next->previous = c->previous;
	free(c->certificate);
	free(c);
}

static void on_connection(void *userdata, struct MHD_Connection *mhd, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		connection_end(userdata, *socket_context);
		*socket_context = NULL;
		return;
	}
	info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info)
		connection_begin(userdata, mhd, info->connect_fd, socket_context);
}

/*
 * The request line has come. What is returned is the request's context from here on. target.c reads the query; libmicrohttpd would
 * do so as well, from here on, and keep a connection without end when its memory does not hold the parameters.
 */
static void *on_target(void *userdata, const char *target, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct vtap_http_connection *c = info ? info->socket_context : NULL;
	struct vtap_http_exchange *e = c ? vtap_http_exchange_new(c, target ? target : "") : NULL;
	char *query = target ? strchr(target, '?') : NULL;

	/* The text is a part of its buffer, which it goes on working in. */
	if (query)
		query[1] = 0;
	if (!c)
		return NULL;
	/* The first request has what the connection has; a later one ends the time of being idle. */
	if (c->used)
		vtap_http_deadline_set(c, vtap_http_now_ms() + c->server->timeout_ms);
	return e;
}

/* The target is decoded by target.c, which knows what a slash was. */
static size_t on_unescape(void *userdata, struct MHD_Connection *mhd, char *text)
{
	return strlen(text);
}

/* Called once with the headers, then for each piece of the body, then once more at its end, and after each pause. */
static enum MHD_Result on_request(void *userdata, struct MHD_Connection *mhd, const char *path, const char *method,
				  const char *version, const char *data, size_t *size_bytes, void **request_context)
{
	struct vtap_http_exchange *e = *request_context;
	size_t n = *size_bytes;

	if (!e)
		return MHD_NO;
	if (!e->begun)
		return vtap_http_exchange_begin(e, method);
	if (n == 0)
		return vtap_http_exchange_continue(e);
	*size_bytes = 0;
	return vtap_http_exchange_body(e, data, n);
}

static void on_completed(void *userdata, struct MHD_Connection *mhd, void **request_context,
			 enum MHD_RequestTerminationCode code)
{
	struct vtap_http_exchange *e = *request_context;
	struct vtap_http_connection *c = e ? e->connection : NULL;

	if (!e)
		return;
	*request_context = NULL;
	vtap_http_exchange_end(e);
	c->used = true;
	if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		vtap_http_deadline_set(c, vtap_http_now_ms() + c->server->idle_ms);
}

static int listen_open(const struct vtap_addr *address, uint16_t port, unsigned backlog, int *ret_fd)
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
	/* A restarted program must not wait for the connections of the one before it to leave TIME_WAIT. */
	r = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (r == 0 && is_v6)
		r = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof(int));
	if (r == 0)
		r = is_v6 ? bind(fd, (const struct sockaddr *)&v6, sizeof(v6))
			  : bind(fd, (const struct sockaddr *)&v4, sizeof(v4));
	if (r == 0)
		r = listen(fd, (int)backlog);
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

static int tls_load(struct vtap_http_server *s, const struct vtap_http_tls *tls)
{
	int r;

	r = vtap_http_identity_new(tls->certificate, tls->key, &s->identity);
	if (r >= 0 && tls->name) {
		s->name = strdup(tls->name);
		r = s->name ? vtap_http_identity_new(tls->name_certificate, tls->name_key, &s->named) : -ENOMEM;
	}
	if (r < 0 || !tls->client_authority)
		return r;
	r = vtap_http_authority_check(tls->client_authority);
	if (r < 0)
		return r;
	s->client_authority = strdup(tls->client_authority);
	return s->client_authority ? 0 : -ENOMEM;
}

/* Takes the listening socket in every case. */
static int daemon_start(struct vtap_http_server *s, int listen_fd, const struct vtap_http_server_options *o)
{
	unsigned connections_max = o->connections_max > 0 ? o->connections_max : VTAP_HTTP_CONNECTIONS_MAX;
	struct MHD_OptionItem tls[] = {
	    {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, vtap_http_tls_callback()},
	    {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)vtap_http_tls_priorities},
	    {s->client_authority ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, s->client_authority},
	    {MHD_OPTION_END, 0, NULL},
	};
	struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};

	/*
	 * MHD_USE_ERROR_LOG is not given: libmicrohttpd stays silent. The socket is its own from here on, and it closes it
	 * on most failures, so that closing it here could hit somebody else's descriptor.
	 */
	errno = 0;
	s->daemon = MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (s->identity ? MHD_USE_TLS : 0), 0, NULL, NULL, on_request, s,
	    MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_LIMIT, connections_max,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)VTAP_HTTP_CONNECTION_BYTES, MHD_OPTION_NOTIFY_CONNECTION,
	    on_connection, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_URI_LOG_CALLBACK, on_target, s,
	    MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, s, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY,
	    s->identity ? tls : none, MHD_OPTION_END);
	if (!s->daemon)
		return errno > 0 ? -errno : -ENOMEM;
	return 0;
}

static int epoll_open(struct vtap_http_server *s)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct epoll_event event = {.events = EPOLLIN};

	/* Neither of the two is a connection. */
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (s->epoll_fd < 0 || s->wake_fd < 0 || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, info->epoll_fd, &event) < 0 ||
	    epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->wake_fd, &event) < 0)
		return -errno;
	return 0;
}

static void options_read(struct vtap_http_server *s, const struct vtap_http_server_options *o)
{
	s->headers = o->headers;
	s->problems = o->problems;
	s->body_max_bytes = o->body_max_bytes > 0 ? o->body_max_bytes : VTAP_HTTP_BODY_MAX_BYTES;
	s->bodies_max_bytes = o->bodies_max_bytes > 0 ? o->bodies_max_bytes : VTAP_HTTP_BODIES_MAX_BYTES;
	s->body_share_max_bytes = o->body_share_max_bytes > 0 ? o->body_share_max_bytes : s->bodies_max_bytes;
	s->pace_ms = o->pace_ms > 0 ? o->pace_ms : VTAP_HTTP_BODY_PACE_MS;
	s->admit = o->admit;
	s->refused = o->refused;
	for (size_t i = 0; i < VTAP_HTTP_CLASSES; i++)
		s->places[i].limits = o->limits[i];
	s->timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : VTAP_HTTP_TIMEOUT_MS;
	s->idle_ms = o->idle_ms > 0 ? o->idle_ms : s->timeout_ms;
}

int vtap_http_server_listen(const struct vtap_http_server_options *options, const struct vtap_http_route *routes,
			    size_t route_count, void *userdata, struct vtap_http_server **ret_server)
{
	VTAP_CLEANUP(vtap_http_server_freep) struct vtap_http_server *s = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	for (size_t i = 0; i < route_count; i++)
		if (vtap_http_pattern_check(routes[i].path) < 0)
			return -EINVAL;
	if (!vtap_http_headers_valid(options->headers))
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->routes = routes;
	s->route_count = route_count;
	s->userdata = userdata;
	s->epoll_fd = s->wake_fd = -1;
	s->earliest_ms = VTAP_HTTP_NO_DEADLINE;
	options_read(s, options);
	r = options->tls ? tls_load(s, options->tls) : 0;
	if (r == 0)
		r = listen_open(&options->address, options->port,
				VTAP_MAX((unsigned)BACKLOG_MIN, options->connections_max), &fd);
	if (r == 0)
		r = listen_port(fd, &s->port);
	if (r == 0)
		r = daemon_start(s, VTAP_STEAL_FD(fd), options);
	if (r == 0)
		r = epoll_open(s);
	if (r < 0)
		return r;
	*ret_server = VTAP_STEAL(s);
	return 0;
}

int vtap_http_server_new(const struct vtap_addr *address, uint16_t port, const struct vtap_http_route *routes,
			 size_t route_count, void *userdata, struct vtap_http_server **ret_server)
{
	struct vtap_http_server_options options = {.address = *address, .port = port};

	return vtap_http_server_listen(&options, routes, route_count, userdata, ret_server);
}

struct vtap_http_server *vtap_http_server_free(struct vtap_http_server *s)
{
	if (!s)
		return NULL;
	/* libmicrohttpd does not stop while a connection is suspended. */
	s->running = true;
	for (struct vtap_http_connection *c = s->connections; c; c = c->next) {
		if (c->exchange)
			vtap_http_exchange_gone(c->exchange);
		vtap_http_handshake_resume(c);
	}
	if (s->daemon)
		MHD_stop_daemon(s->daemon);
	vtap_closep(&s->epoll_fd);
	vtap_closep(&s->wake_fd);
	vtap_http_identity_free(s->identity);
	vtap_http_identity_free(s->named);
	free(s->name);
	free(s->client_authority);
	free(s);
	return NULL;
}

int vtap_http_server_adopt(struct vtap_http_server *s, int fd)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	return MHD_add_connection(s->daemon, fd, (const struct sockaddr *)&address, sizeof(address)) == MHD_YES ? 0
														: -EIO;
}

void vtap_http_server_set_timeout_ms(struct vtap_http_server *s, unsigned timeout_ms)
{
	s->timeout_ms = timeout_ms;
	s->idle_ms = timeout_ms;
}

int vtap_http_server_set_certificate(struct vtap_http_server *s, const char *certificate, const char *key)
{
	return s->identity ? vtap_http_identity_new(certificate, key, &s->identity) : -EINVAL;
}

uint16_t vtap_http_server_port(const struct vtap_http_server *s)
{
	return s->port;
}

int vtap_http_server_fd(const struct vtap_http_server *s)
{
	return s->epoll_fd;
}

static uint64_t mhd_timeout_ms(const struct vtap_http_server *s)
{
	MHD_UNSIGNED_LONG_LONG mhd_ms;

	return MHD_get_timeout(s->daemon, &mhd_ms) == MHD_YES ? mhd_ms : UINT64_MAX;
}

/* It has read or written a part, and could go on at once: its descriptor does not tell of that. */
static bool is_busy(const struct vtap_http_server *s)
{
	return mhd_timeout_ms(s) == 0;
}

int vtap_http_server_timeout_ms(const struct vtap_http_server *s)
{
	uint64_t now = vtap_http_now_ms(), timeout_ms = mhd_timeout_ms(s);

	if (s->resumed || s->earliest_ms <= now)
		return 0;
	if (s->earliest_ms != VTAP_HTTP_NO_DEADLINE)
		timeout_ms = VTAP_MIN(timeout_ms, s->earliest_ms - now);
	return timeout_ms == UINT64_MAX ? -1 : (int)VTAP_MIN(timeout_ms, (uint64_t)INT32_MAX);
}

static void cut_late_connections(struct vtap_http_server *s)
{
	uint64_t now = vtap_http_now_ms(), earliest_ms = VTAP_HTTP_NO_DEADLINE;

	if (s->earliest_ms > now)
		return;
	for (struct vtap_http_connection *c = s->connections; c; c = c->next) {
		if (c->deadline_ms <= now) {
			/*
			 * libmicrohttpd sees the end of the stream and closes; or, where it does not look at the
			 * socket, it has a time to do so. A cut connection is not cut twice.
			 */
			(void)shutdown(c->fd, SHUT_RDWR);
			(void)MHD_set_connection_option(c->mhd, MHD_CONNECTION_OPTION_TIMEOUT, LAST_TIMEOUT_S);
			c->deadline_ms = VTAP_HTTP_NO_DEADLINE;
		}
		earliest_ms = VTAP_MIN(earliest_ms, c->deadline_ms);
	}
	s->earliest_ms = earliest_ms;
}

/* Clients that have left, and those that have gone on with their handshake. */
static int notice_clients(struct vtap_http_server *s)
{
	struct epoll_event events[EVENTS_MAX];
	int n, rounds = 0;

	do {
		n = epoll_wait(s->epoll_fd, events, EVENTS_MAX, 0);
		if (n < 0)
			return errno == EINTR ? 0 : -EIO;
		for (int i = 0; i < n; i++) {
			struct vtap_http_connection *c = events[i].data.ptr;

			/* One of the others may have been told, and have answered this one. */
			if (c && c->watched && c->exchange)
				vtap_http_exchange_gone(c->exchange);
			else if (c)
				vtap_http_handshake_resume(c);
		}
	} while (n == EVENTS_MAX && ++rounds < ROUNDS_MAX);
	return 0;
}

/* At the limit it stops to listen, and looks whether a place became free only when a run begins. */
static int run_rounds(struct vtap_http_server *s)
{
	unsigned rounds = 0;

	do {
		s->place_freed = s->resumed = false;
		if (MHD_run(s->daemon) != MHD_YES)
			return -EIO;
		vtap_http_handshakes_pause(s);
	} while ((s->place_freed || s->resumed || is_busy(s)) && ++rounds < ROUNDS_MAX);
	return 0;
}

int vtap_http_server_run(struct vtap_http_server *s)
{
	int r;

	s->running = true;
	wake_set(s, false);
	cut_late_connections(s);
	r = notice_clients(s);
	if (r == 0)
		r = run_rounds(s);
	s->running = false;
	wake_set(s, s->place_freed || s->resumed || is_busy(s));
	return r;
}
