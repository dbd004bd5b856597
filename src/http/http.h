/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An HTTP/1.1 server (libmicrohttpd's owner): a table of routes, limits, TLS, answers that come later, streams. No thread of
 * its own: its owner polls vtap_http_server_fd() for reading, at most for vtap_http_server_timeout_ms(), and calls
 * vtap_http_server_run() after either. Handlers and callbacks run inside that call. It never logs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "basic/addr.h"
#include "basic/util.h"

#define VTAP_HTTP_CONNECTIONS_MAX 64 /* further ones wait in the kernel's backlog until one has ended */
/*
 * Request line, headers and answer headers of one connection. A request that needs more is refused with 431 or 414 in the words
 * of libmicrohttpd, which leaves nobody else any.
 */
#define VTAP_HTTP_CONNECTION_BYTES (32U << 10)
#define VTAP_HTTP_HEADERS_MAX_BYTES (16U << 10) /* of a request, its first line included: else 431 */
#define VTAP_HTTP_BODY_MAX_BYTES (64U << 10) /* of a request: else 413 */
#define VTAP_HTTP_BODIES_MAX_BYTES (64U << 20) /* of all requests that are under way at a time: else 503 */
#define VTAP_HTTP_BODY_SMALL_BYTES (64U << 10) /* larger ones leave a quarter of that to small ones, and keep pace: */
#define VTAP_HTTP_BODY_PACE_BYTES (64U << 10) /* come within each */
#define VTAP_HTTP_BODY_PACE_MS 5000 /* of time, else the connection is cut */
#define VTAP_HTTP_WHO_STRLEN 64
#define VTAP_HTTP_TIMEOUT_MS 10000 /* for each request and its answer, waiting for it included */
#define VTAP_HTTP_PARAMETERS_MAX 4 /* {names} of one route */
#define VTAP_HTTP_SEGMENTS_MAX 16 /* of a path: else 404 */
#define VTAP_HTTP_QUERY_MAX 64 /* parameters of a query: else 400 */
#define VTAP_HTTP_CHAIN_MAX 8 /* certificates of a server */
#define VTAP_HTTP_STREAM_MAX_BYTES (1U << 20) /* written to one stream and not yet taken by the client's kernel */

struct vtap_http_endpoint {
	struct vtap_addr address;
	uint16_t port; /* 0 = the kernel chooses one */
};

/* "127.0.0.1:9100", "[::]:0"; an IPv6 address needs its brackets. -EINVAL, -ERANGE for the port; *ret untouched. */
int vtap_http_endpoint_parse(const char *text, struct vtap_http_endpoint *ret_endpoint);

struct vtap_http_server;
struct vtap_http_exchange; /* one request and its answer */
struct vtap_http_stream;
struct vtap_http_route;

/* All is borrowed for the handler's call; after VTAP_HTTP_LATER until the answer is given or the client has gone. */
struct vtap_http_request {
	const char *method; /* "GET" also for a HEAD request, whose body the server leaves out by itself */
	const char *path; /* decoded, without the query; for people: what it means is in the route and its parameters */
	const char *body; /* body_bytes bytes, not terminated; NULL if there are none */
	size_t body_bytes;
	bool body_dropped; /* there was one, of somebody who was not admitted */
	const struct vtap_http_route *route; /* the one that was chosen; NULL if there is none, which no handler sees */
	const char *parameters[VTAP_HTTP_PARAMETERS_MAX]; /* decoded, in the path's order; the others are NULL */
	struct vtap_addr peer; /* an IPv4 client is AF_INET also where the server listens on "::" */
	uint16_t peer_port;
	struct vtap_http_exchange *exchange;
};

struct vtap_http_response {
	unsigned status; /* for example 200 */
	const char *content_type; /* static string; NULL = none */
	char *body; /* from malloc(), handed over to the server; NULL if body_bytes is 0 */
	size_t body_bytes;
	char etag[80]; /* with its quotes; empty = none */
	char location[160]; /* empty = none */
	unsigned retry_after_s; /* 0 = none */
	const char *const *headers; /* further ones, static, "Name: value", NULL-terminated; NULL = none */
	bool gzip; /* the body is gzip'd */
};

/*
 * Returns 0 with *ret_response filled; or VTAP_HTTP_LATER with it untouched: request->exchange is kept, and answered with
 * vtap_http_answer() or vtap_http_stream_begin(); or -errno with it untouched: the client sees status 500 without a reason.
 */
typedef int (*vtap_http_handler)(const struct vtap_http_request *request, struct vtap_http_response *ret_response,
				 void *userdata);
#define VTAP_HTTP_LATER 1

/*
 * A path's segments are compared decoded. "{id}" takes one segment that is not empty, "{path...}" at the end takes the rest,
 * which may be empty. Literal segments win over {id}, whatever the order in the table is; a rest takes only paths that no other
 * pattern has.
 * A path that holds "." or "..", a broken escape, a control character or no UTF-8 is refused with 400 and reaches no handler;
 * an escaped slash is part of its segment's name, and refused inside a rest.
 */
struct vtap_http_route {
	const char *method;
	const char *path; /* "/v1/sessions/{id}/stats" */
	vtap_http_handler handler;
	const void *data; /* the handler's own, borrowed: request->route->data */
	size_t body_max_bytes; /* 0 = the server's */
	bool no_head; /* GET does something, or never ends: HEAD is no way to ask for it */
};

/* The query's parameter (decoded; the first of that name; "" if it has no value), or NULL. */
const char *vtap_http_query(const struct vtap_http_request *r, const char *name);
/* Visits all in order until one returns other than 0, which is returned. */
int vtap_http_query_each(const struct vtap_http_request *r,
			 int (*visit)(const char *name, const char *value, void *userdata), void *userdata);
/* The request's header (the first of that name, whatever its case), or NULL. */
const char *vtap_http_header(const struct vtap_http_request *r, const char *name);
/*
 * The verified client certificate's common name and serial (lower-case hex). -ENOENT: there is none. -EKEYREJECTED: it is not
 * of the client authority, not for clients, or not valid now. -ENAMETOOLONG: it does not fit.
 */
int vtap_http_client_certificate(const struct vtap_http_request *r, char *ret_name, size_t name_bytes, char *ret_serial,
				 size_t serial_bytes);
/* When the certificate that the client has shown expires, in seconds since 1970; 0: it has shown none that is good. */
int64_t vtap_http_client_certificate_ends_s(const struct vtap_http_request *r);

/*
 * Exactly once for each exchange that was kept and neither has gone nor became a stream; also from inside the handler, which
 * then returns VTAP_HTTP_LATER all the same. Takes the response's body in every case. The exchange must not be used afterwards.
 */
void vtap_http_answer(struct vtap_http_exchange *e, struct vtap_http_response *response);
/*
 * `gone` is called at most once, from inside vtap_http_server_run() or vtap_http_server_free(), if the client leaves before
 * the answer: the exchange must not be used afterwards. With a stream: if it leaves before vtap_http_stream_end(), which
 * must still be called, from there or later. Without it, an exchange whose client has left still waits for its answer.
 */
void vtap_http_on_gone(struct vtap_http_exchange *e, void (*gone)(void *userdata), void *userdata);

/*
 * Instead of an answer: a body without an announced end (chunked), for events and live captures. What is written waits in a
 * buffer of at most VTAP_HTTP_STREAM_MAX_BYTES. content_type is static. -EPIPE: the client has left, and the exchange waits
 * for its answer as before; -ENOMEM: likewise.
 */
int vtap_http_stream_begin(struct vtap_http_exchange *e, unsigned status, const char *content_type,
			   struct vtap_http_stream **ret_stream);
/* All or nothing. -ENOBUFS: the client reads too slowly and nothing was taken. -EPIPE: it has left. */
int vtap_http_stream_write(struct vtap_http_stream *s, const void *data, size_t size_bytes);
/*
 * A line behind the body, for clients that take such: the name is static, the value (NULL = to come) copied. The last one before
 * the end counts; if it is told right after the beginning, a header announces it. -EINVAL: a value that is no header's.
 */
int vtap_http_stream_trailer(struct vtap_http_stream *s, const char *name, const char *value);
/* What is buffered is still sent. Exactly once for each stream, also after `gone`; it must not be used afterwards. */
void vtap_http_stream_end(struct vtap_http_stream *s);

/*
 * Asked once its headers have come, of each request that announces a body: in whose share it is counted. -errno: of nobody that is
 * known; the body is read and dropped, and the handler sees body_dropped.
 */
typedef int (*vtap_http_admit)(const struct vtap_http_request *request, char ret_who[VTAP_HTTP_WHO_STRLEN],
			       void *userdata);
/*
 * Told of a request that the server refuses by itself, which no handler sees: with its status and what the answer says; detail is
 * NULL if it says nothing more. The request's path is NULL if it makes none.
 */
typedef void (*vtap_http_refused)(const struct vtap_http_request *request, unsigned status, const char *detail,
				  void *userdata);

/* Whose connection it is, as far as its requests have shown. */
enum vtap_http_class {
	VTAP_HTTP_UNKNOWN, /* anybody's: counted by IPv4 address or IPv6 network of 64 bits */
	VTAP_HTTP_USER,
	VTAP_HTTP_AGENT,
	VTAP_HTTP_CLASSES,
};

/*
 * Connections of one class, 0 = no limit. With one more, the oldest ends that waits for a request or its rest: of the one who
 * has more than each_max, else of the one who has most; if there is none, the new one.
 */
struct vtap_http_limits {
	unsigned max, each_max;
};

/* The request's credentials are good: its connection is one of that class, and of `who` (shorter than VTAP_HTTP_WHO_STRLEN). */
void vtap_http_known(const struct vtap_http_request *r, enum vtap_http_class class, const char *who);

struct vtap_http_tls { /* PEM texts, copied */
	const char *certificate, *key; /* the certificate may be followed by its chain: VTAP_HTTP_CHAIN_MAX in all */
	const char
	    *client_authority; /* certificates of this authority are asked for, and optional; NULL = never asked for */
	const char *name; /* whoever asks for this server is shown the next two instead; NULL = nobody is */
	const char *name_certificate, *name_key;
};

struct vtap_http_server_options {
	struct vtap_addr address;
	uint16_t port; /* 0 = the kernel chooses one */
	const struct vtap_http_tls *tls; /* TLS 1.2 or later; NULL = plain */
	unsigned
	    connections_max; /* 0 = VTAP_HTTP_CONNECTIONS_MAX; each takes a descriptor: RLIMIT_NOFILE is the owner's */
	struct vtap_http_limits limits[VTAP_HTTP_CLASSES];
	size_t body_max_bytes; /* 0 = VTAP_HTTP_BODY_MAX_BYTES; a route may have a limit of its own */
	size_t bodies_max_bytes; /* 0 = VTAP_HTTP_BODIES_MAX_BYTES */
	size_t body_share_max_bytes; /* of those for one who is admitted; 0 = all */
	unsigned pace_ms; /* 0 = VTAP_HTTP_BODY_PACE_MS */
	vtap_http_admit admit; /* NULL = everybody is, by the address */
	vtap_http_refused refused; /* NULL = nobody is told */
	unsigned
	    timeout_ms; /* 0 = VTAP_HTTP_TIMEOUT_MS; counts not while an answer is waited for, or for an open stream */
	unsigned idle_ms; /* for the next request on a connection that is kept; 0 = timeout_ms */
	const char *const *headers; /* for every answer, borrowed, "Name: value", NULL-terminated; NULL = none */
	bool problems; /* the server's own refusals are application/problem+json instead of text */
};

/*
 * Listens in the calling thread's network namespace; "::" takes IPv4 clients too. routes, their texts and userdata are
 * borrowed and outlive the server. An unknown path is answered with 404, a known one with another method with 405 and Allow.
 * -EADDRINUSE, -EADDRNOTAVAIL, -EACCES ...: as the kernel says. -EINVAL: tls holds no certificate, no key, or not a pair; a
 * header without a colon; a path that is no pattern.
 */
int vtap_http_server_listen(const struct vtap_http_server_options *options, const struct vtap_http_route *routes,
			    size_t route_count, void *userdata, struct vtap_http_server **ret_server);
/* The same with nothing but defaults. */
int vtap_http_server_new(const struct vtap_addr *address, uint16_t port, const struct vtap_http_route *routes,
			 size_t route_count, void *userdata, struct vtap_http_server **ret_server);
/* Cuts all connections. Exchanges that were kept have gone; streams still wait for vtap_http_stream_end(). */
struct vtap_http_server *vtap_http_server_free(struct vtap_http_server *s);
VTAP_DEFINE_CLEANUP(struct vtap_http_server *, vtap_http_server_free);

/* Instead of the option's, for connections and requests that begin from now on. */
void vtap_http_server_set_timeout_ms(struct vtap_http_server *s, unsigned timeout_ms);

/* Another certificate, for connections that begin from now on. -EINVAL: as above, or the server has no TLS. */
int vtap_http_server_set_certificate(struct vtap_http_server *s, const char *certificate, const char *key);

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
