/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* HTTP requests to a controller. libcurl's owner. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "basic/error.h"
#include "basic/util.h"

#define VTAP_CLIENT_ANSWER_MAX_BYTES (64U << 20)
#define VTAP_CLIENT_RETRY_AFTER_MAX_S 3600

struct vtap_client_options { /* texts are copied */
	const char
	    *url; /* "https://controller:8750", a path may follow; http only for loopback, unless plain_anywhere */
	const char *authority; /* PEM text; NULL = the system's */
	const char *server_name; /* that TLS asks for and expects, wherever the URL leads; NULL = the URL's */
	const char *certificate, *key; /* PEM texts; NULL = none */
	const char *user, *password; /* access key id and secret, sent as HTTP Basic; NULL = none */
	const char *bearer; /* instead of these; NULL = none */
	const char *user_agent;
	unsigned connect_timeout_ms; /* TLS included; 0 = 20000 */
	unsigned connections_max; /* at a time, without waiting; further requests queue for one; 0 = 4 */
	bool plain_anywhere;
	bool unverified; /* for the authority itself, whose hash is compared afterwards */
};

struct vtap_client_answer { /* owned by the receiver: vtap_client_answer_done() */
	/*
	 * 0 = there is an answer; else -ECONNREFUSED, -ECONNRESET, -ETIMEDOUT, -EHOSTUNREACH (also for an unknown name),
	 * -EPROTO, -E2BIG, -ECANCELED by on_data, -EKEYREJECTED for a certificate that does not verify, -ENOMEM.
	 */
	int result;
	char error[256]; /* the sentence for result != 0 */
	unsigned status;
	char *body; /* NUL-terminated; never NULL when result is 0 */
	size_t body_bytes;
	char etag[96];
	char left_out[512]; /* the header or trailer X-Vtap-Left-Out, cut if it is longer; empty = none */
	/* How long a 429 or 503 asks to wait before the same is asked again, VTAP_CLIENT_RETRY_AFTER_MAX_S at most; 0 = it does not. */
	unsigned retry_after_s;
};
void vtap_client_answer_done(struct vtap_client_answer *a);

struct vtap_client_request {
	const char *method;
	const char *path; /* with query, encoded; begins with / */
	const char *body; /* NULL = none */
	size_t body_bytes;
	const char *content_type; /* NULL = application/json */
	const char *const *headers; /* further ones, "Name: value", ends with NULL; NULL = none */
	unsigned timeout_ms; /* for the whole; 0 = 30000 */
	/* Instead of collecting the body of a 2xx answer; negative cancels. NULL = collect. */
	int (*on_data)(const void *data, size_t size_bytes, void *userdata);
	void *userdata;
};

struct vtap_client;

/* -EINVAL with *reterr: no such URL, or plain HTTP to somewhere else than loopback. */
int vtap_client_new(const struct vtap_client_options *options, struct vtap_client **ret_client,
		    struct vtap_error *reterr);
struct vtap_client *vtap_client_free(struct vtap_client *c);
VTAP_DEFINE_CLEANUP(struct vtap_client *, vtap_client_free);

/*
 * Waits for the answer, whose result is returned too. Connections are kept for the next request. -EINVAL, as the result: the
 * path is none, or a part of the request holds control characters.
 */
int vtap_client_perform(struct vtap_client *c, const struct vtap_client_request *request,
			struct vtap_client_answer *ret_answer);

/*
 * Without waiting, for programs with a loop: the owner polls vtap_client_fd() for reading, at most for
 * vtap_client_timeout_ms() (-1 = for ever), and calls vtap_client_run() after either; `done` is called from there only, owns
 * the answer's parts, and may start and cancel requests, but not free the client. The descriptor is readable also when time
 * has run out, so that an owner may leave vtap_client_timeout_ms() alone. Requests are copied. vtap_client_free() drops what
 * is under way without calling `done`. -EINVAL: as for vtap_client_perform().
 */
typedef void (*vtap_client_done)(struct vtap_client_answer *answer, void *userdata);
int vtap_client_start(struct vtap_client *c, const struct vtap_client_request *request, vtap_client_done done,
		      void *userdata, uint64_t *ret_id);
/* `done` is not called any more. Unknown ids are ignored. */
void vtap_client_cancel(struct vtap_client *c, uint64_t id);
int vtap_client_fd(const struct vtap_client *c);
int vtap_client_timeout_ms(const struct vtap_client *c);
/* -EIO if the client is broken for good. */
int vtap_client_run(struct vtap_client *c);
