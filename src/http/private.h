/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the server's parts know of each other. libmicrohttpd owns the connections' sockets and calls back; an exchange lives
 * from the request line until libmicrohttpd is done with it and nobody keeps it any more.
 */

#include <microhttpd.h>
#include <time.h>

#include "http/http.h"
#include "http/router.h"

#define VTAP_HTTP_NO_DEADLINE UINT64_MAX

struct vtap_http_identity; /* a certificate and its key, ready for use */

/* The client's certificate, looked at once for each connection. */
struct vtap_http_peer_certificate {
	int r; /* what vtap_http_client_certificate() returns */
	time_t begins, ends;
	char name[256];
	char serial[65];
};

enum vtap_http_handshake {
	VTAP_HTTP_HANDSHAKE_NONE, /* plain, or done */
	VTAP_HTTP_HANDSHAKE_TRIED, /* libmicrohttpd tries it in its next run */
	VTAP_HTTP_HANDSHAKE_PAUSED, /* until the client has sent more */
};

/*
 * One TCP connection. The deadline is ours and not MHD_OPTION_CONNECTION_TIMEOUT, which every byte puts off: a client that
 * drips its request would hold its place for ever.
 */
struct vtap_http_connection {
	struct vtap_http_server *server; /* borrowed */
	struct vtap_http_connection *previous, *next;
	struct MHD_Connection *mhd; /* borrowed, owns us by its socket context */
	struct vtap_http_exchange *exchange; /* borrowed: the one under way; NULL = none */
	struct vtap_http_peer_certificate *certificate; /* owned; NULL = not asked for yet */
	uint64_t deadline_ms;
	struct vtap_addr peer;
	uint16_t peer_port;
	int fd; /* libmicrohttpd's */
	bool used; /* a request has been answered on it */
	bool watched; /* whether the client leaves */
	bool ended; /* to be cut with the next run, or cut for want of a place */
	enum vtap_http_class class;
	struct vtap_http_holder *holder; /* borrowed; NULL = it has no place any more */
	struct vtap_http_connection *older, *younger; /* of the same holder */
	enum vtap_http_handshake handshake;
	struct vtap_http_connection *tried_previous, *tried_next; /* while it is tried */
};

/* What the bodies of one sender take. */
struct vtap_http_share {
	struct vtap_http_share *next;
	char who[VTAP_HTTP_WHO_STRLEN];
	size_t bytes;
	size_t exchanges; /* that are counted here; it lives as long as there are some */
};

struct vtap_http_places { /* of one class of clients */
	struct vtap_http_limits limits;
	struct vtap_http_holder *holders; /* owned by the connections in them */
	size_t count;
};

struct vtap_http_server {
	struct MHD_Daemon *daemon; /* owned, owns the listening socket */
	const struct vtap_http_route *routes; /* borrowed, outlives us */
	size_t route_count;
	void *userdata; /* borrowed, outlives us */
	const char *const *headers; /* borrowed, outlives us */
	struct vtap_http_identity *identity; /* owned; NULL = plain */
	struct vtap_http_identity *named; /* owned; for those who ask for `name`; NULL = nobody is told apart */
	char *name; /* owned; NULL as above */
	char *client_authority; /* owned; libmicrohttpd keeps the pointer */
	int epoll_fd; /* owned: libmicrohttpd's, the one below and the watched connections */
	int wake_fd; /* owned: readable while `woken` */
	uint16_t port;
	unsigned timeout_ms, idle_ms;
	bool problems;
	size_t body_max_bytes;
	size_t bodies_max_bytes, bodies_bytes;
	size_t body_share_max_bytes;
	struct vtap_http_share *shares; /* owned by the exchanges in them */
	struct vtap_http_places places[VTAP_HTTP_CLASSES];
	unsigned pace_ms;
	vtap_http_admit admit;
	vtap_http_refused refused;
	struct vtap_http_connection *connections; /* owned; they end by libmicrohttpd's callback */
	struct vtap_http_connection *tried; /* borrowed: those whose handshake libmicrohttpd tries */
	uint64_t earliest_ms; /* no deadline is before */
	bool running, place_freed;
	bool resumed; /* libmicrohttpd has something to go on with, of which its own descriptor does not tell */
	bool woken; /* there is something to do that nothing else tells of */
};

enum vtap_http_state {
	VTAP_HTTP_RECEIVING,
	VTAP_HTTP_HANDLING, /* inside the handler */
	VTAP_HTTP_WAITING, /* for vtap_http_answer() */
	VTAP_HTTP_ANSWERED, /* with what `response` holds, and that is not queued yet */
	VTAP_HTTP_STREAMING,
	VTAP_HTTP_QUEUED, /* libmicrohttpd has the answer */
};

struct vtap_http_exchange {
	struct vtap_http_request request;
	struct vtap_http_connection *connection; /* borrowed; NULL when libmicrohttpd is done with us */
	enum vtap_http_state state;
	bool begun; /* the headers have come */
	bool head; /* the client wants the headers alone */
	bool kept; /* by the owner of the server */
	bool suspended;
	bool gone; /* the client has left */
	bool queued; /* a stream that libmicrohttpd knows of */
	unsigned refusal; /* the status; 0 = none */
	char refusal_detail[128]; /* empty = none */
	char allow[VTAP_HTTP_ALLOW_BYTES];
	struct vtap_http_target target;
	size_t body_max_bytes;
	char *body; /* owned */
	size_t body_capacity_bytes, discarded_bytes;
	char who[VTAP_HTTP_WHO_STRLEN];
	struct vtap_http_share *share; /* borrowed; NULL = the body is not counted */
	size_t counted_bytes;
	size_t paced_bytes; /* since the last time that it had kept pace */
	uint64_t deadline_ms; /* of the request, while its body's pace has another; 0 = it has none */
	struct vtap_http_response response; /* owned until it is queued */
	struct vtap_http_stream *stream; /* owned */
	void (*on_gone)(void *userdata);
	void *on_gone_userdata; /* borrowed */
};

uint64_t vtap_http_now_ms(void);

/* server.c */
void vtap_http_deadline_set(struct vtap_http_connection *c, uint64_t deadline_ms);
/* From now on the server notices when the client leaves, although libmicrohttpd does not look at the socket. */
void vtap_http_watch_begin(struct vtap_http_connection *c);
void vtap_http_watch_end(struct vtap_http_connection *c);
/* A suspended exchange was resumed. */
void vtap_http_wake(struct vtap_http_server *s);
/* A connected socket, handed over, as if it had been accepted: for tests. */
int vtap_http_server_adopt(struct vtap_http_server *s, int fd);

/* handshake.c */
void vtap_http_handshake_begin(struct vtap_http_connection *c);
void vtap_http_handshake_end(struct vtap_http_connection *c);
/* After each run of libmicrohttpd. */
void vtap_http_handshakes_pause(struct vtap_http_server *s);
/* The client has sent more, or left. */
void vtap_http_handshake_resume(struct vtap_http_connection *c);

/* place.c */
/* A new connection is anybody's. */
void vtap_http_place_begin(struct vtap_http_connection *c);
/* It is that one's from now on; one too many ends. */
void vtap_http_place_take(struct vtap_http_connection *c, enum vtap_http_class class, const char *who);
void vtap_http_place_leave(struct vtap_http_connection *c);

/* exchange.c: libmicrohttpd's callbacks */
/* At the request line; NULL = out of memory. */
struct vtap_http_exchange *vtap_http_exchange_new(struct vtap_http_connection *c, const char *target);
enum MHD_Result vtap_http_exchange_begin(struct vtap_http_exchange *e, const char *method);
enum MHD_Result vtap_http_exchange_body(struct vtap_http_exchange *e, const char *data, size_t size_bytes);
/* Also after a pause. */
enum MHD_Result vtap_http_exchange_continue(struct vtap_http_exchange *e);
/* libmicrohttpd forgets it. */
void vtap_http_exchange_end(struct vtap_http_exchange *e);
/* The client has left: the owner is told, and libmicrohttpd is made to close the connection. */
void vtap_http_exchange_gone(struct vtap_http_exchange *e);
void vtap_http_exchange_suspend(struct vtap_http_exchange *e);
void vtap_http_exchange_resume(struct vtap_http_exchange *e);
/* The owner does not keep it any more. */
void vtap_http_exchange_release(struct vtap_http_exchange *e);

/* body.c */
/*
 * Of a request that announces one, before its first byte: counts it in its sender's share, or marks it as dropped. announced_bytes:
 * 0 = not known. -EBUSY: there is no room for it now; -ENOMEM.
 */
int vtap_http_body_admit(struct vtap_http_exchange *e, uint64_t announced_bytes);
/* One more piece of an admitted one. -EBUSY: all, or the sender, has too much under way; -ENOMEM. */
int vtap_http_body_add(struct vtap_http_exchange *e, const char *data, size_t size_bytes);
/* No more of it is kept: it need not keep pace. */
void vtap_http_body_complete(struct vtap_http_exchange *e);
/* It takes nothing from others any more, though its owner may still look at it. */
void vtap_http_body_uncount(struct vtap_http_exchange *e);
void vtap_http_body_free(struct vtap_http_exchange *e);

/* answer.c */
/* Both hand the body over to libmicrohttpd, or free it, in every case. */
enum MHD_Result vtap_http_answer_queue(struct vtap_http_exchange *e, struct vtap_http_response *p);
/* The server's own words for a status; detail is free of what JSON escapes, NULL = none. */
enum MHD_Result vtap_http_answer_refuse(struct vtap_http_exchange *e, unsigned status, const char *detail);
/* The headers of every answer. */
enum MHD_Result vtap_http_answer_headers(const struct vtap_http_server *s, struct MHD_Response *response);
/* "Name: value" lines, NULL-terminated. */
bool vtap_http_headers_valid(const char *const *headers);

/* stream.c */
enum MHD_Result vtap_http_stream_queue(struct vtap_http_exchange *e);
struct vtap_http_stream *vtap_http_stream_free(struct vtap_http_stream *s);

/* tls.c */
/* -EINVAL: no certificate, no key, or not a pair. */
int vtap_http_identity_new(const char *certificate, const char *key, struct vtap_http_identity **ret_identity);
struct vtap_http_identity *vtap_http_identity_free(struct vtap_http_identity *i);
VTAP_DEFINE_CLEANUP(struct vtap_http_identity *, vtap_http_identity_free);
/* -EINVAL: the text holds no certificate. */
int vtap_http_authority_check(const char *certificates);
/* What MHD_OPTION_HTTPS_PRIORITIES and MHD_OPTION_HTTPS_CERT_CALLBACK take. */
extern const char vtap_http_tls_priorities[];
void *vtap_http_tls_callback(void);
