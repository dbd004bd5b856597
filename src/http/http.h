/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A small HTTP/1.1 server (libmicrohttpd's owner): a table of routes, limits, no TLS. No thread of its own: its
 * owner polls vtap_http_server_fd() for reading, at most for vtap_http_server_timeout_ms(), and calls
 * vtap_http_server_run() after either. Handlers run inside that call. It never logs.
 */

#include <stddef.h>
#include <stdint.h>

#include "basic/addr.h"
#include "basic/util.h"

#define VTAP_HTTP_CONNECTIONS_MAX 64 /* further ones wait in the kernel's backlog until one has ended */
/* Request line, headers and answer headers of one connection; a request that needs more is refused with 431 or 414. */
#define VTAP_HTTP_CONNECTION_BYTES (16U << 10)
#define VTAP_HTTP_BODY_MAX_BYTES (64U << 10) /* of a request: else 413 */
#define VTAP_HTTP_TIMEOUT_MS 10000 /* for each request and its answer, waiting for it included */

struct vtap_http_endpoint {
	struct vtap_addr address;
	uint16_t port; /* 0 = the kernel chooses one */
};

/* "127.0.0.1:9100", "[::]:0"; an IPv6 address needs its brackets. -EINVAL, -ERANGE for the port; *ret untouched. */
int vtap_http_endpoint_parse(const char *text, struct vtap_http_endpoint *ret_endpoint);

/* All strings are borrowed for the time of the handler's call. */
struct vtap_http_request {
	const char *method; /* "GET" also for a HEAD request, whose body the server leaves out by itself */
	const char *path; /* decoded, without the query */
	const char *body; /* body_bytes bytes, not terminated; NULL if there are none */
	size_t body_bytes;
};

struct vtap_http_response {
	unsigned status; /* for example 200 */
	const char *content_type; /* static string; NULL = none */
	char *body; /* from malloc(), handed over to the server; NULL if body_bytes is 0 */
	size_t body_bytes;
};

/* Returns 0 with *ret_response filled, or -errno with it untouched: the client sees status 500 without a reason. */
typedef int (*vtap_http_handler)(const struct vtap_http_request *request, struct vtap_http_response *ret_response,
				 void *userdata);

struct vtap_http_route {
	const char *method;
	const char *path; /* compared as a whole */
	vtap_http_handler handler;
};

struct vtap_http_server;

/*
 * Listens in the calling thread's network namespace; "::" takes IPv4 clients too. routes and userdata are borrowed and
 * outlive the server. An unknown path is answered with 404, a known one with another method with 405 and Allow.
 * -EADDRINUSE, -EADDRNOTAVAIL, -EACCES ...: as the kernel says.
 */
int vtap_http_server_new(const struct vtap_addr *address, uint16_t port, const struct vtap_http_route *routes,
			 size_t route_count, void *userdata, struct vtap_http_server **ret_server);
/* Cuts all connections. */
struct vtap_http_server *vtap_http_server_free(struct vtap_http_server *s);
VTAP_DEFINE_CLEANUP(struct vtap_http_server *, vtap_http_server_free);

/* Instead of VTAP_HTTP_TIMEOUT_MS, for connections and requests that begin from now on. */
void vtap_http_server_set_timeout_ms(struct vtap_http_server *s, unsigned timeout_ms);

/* The port that it listens on: the kernel's choice if it was asked for 0. */
uint16_t vtap_http_server_port(const struct vtap_http_server *s);
/* An epoll descriptor, readable when vtap_http_server_run() has something to do. Owned by the server. */
int vtap_http_server_fd(const struct vtap_http_server *s);
/* Milliseconds after which vtap_http_server_run() must be called even if nothing is readable; -1 = never. */
int vtap_http_server_timeout_ms(const struct vtap_http_server *s);
/*
 * Does what can be done without waiting, for a bounded time; vtap_http_server_timeout_ms() is 0 if more is left to do.
 * -EIO if the server is broken for good.
 */
int vtap_http_server_run(struct vtap_http_server *s);
