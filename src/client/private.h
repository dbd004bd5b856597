/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the client's parts know of each other. */

#include <curl/curl.h>

#include "client/client.h"

#define VTAP_CLIENT_FILE_STRLEN 32

/* libcurl with GnuTLS reads PEM from files alone: these are in memory, and have a name as long as they are open. */
struct vtap_client_file {
	int fd; /* owned; -1 = none */
	char path[VTAP_CLIENT_FILE_STRLEN];
};

struct vtap_client {
	char *url; /* owned, without a slash at its end */
	char *
	    named_url; /* owned; the same with the server's name, which leads nowhere by itself; NULL = there is none */
	struct curl_slist *connect_to; /* owned; where that leads; NULL as above */
	char *user, *password, *bearer, *user_agent; /* owned; NULL = none */
	struct vtap_client_file authority, certificate, key;
	unsigned connect_timeout_ms;
	bool plain, unverified;
	CURL *easy; /* owned: for vtap_client_perform() */
	CURLM *multi; /* owned: for vtap_client_start() */
	int epoll_fd, timer_fd; /* owned */
	uint64_t deadline_ms; /* of libcurl's timer; UINT64_MAX = none */
	struct vtap_client_transfer *transfers; /* owned */
	uint64_t last_id;
	bool running; /* inside vtap_client_run(): transfers must not be freed */
};

/* One request of vtap_client_start(), or of vtap_client_perform() for its time. */
struct vtap_client_transfer {
	struct vtap_client_transfer *previous, *next;
	const struct vtap_client *client; /* borrowed */
	CURL *easy; /* owned, unless it is the client's own */
	struct curl_slist *headers; /* owned */
	uint64_t id;
	vtap_client_done done;
	void *done_userdata; /* borrowed */
	int (*on_data)(const void *data, size_t size_bytes, void *userdata);
	void *userdata; /* borrowed */
	bool over; /* `done` was called, or must not be */
	int failure; /* why our own callback ended the transfer; 0 = it did not */
	size_t capacity_bytes;
	struct vtap_client_answer answer;
	char error[CURL_ERROR_SIZE];
};

/* Makes t->easy, or the given one, ready. -EINVAL, -ENOMEM. */
int vtap_client_transfer_prepare(struct vtap_client_transfer *t, const struct vtap_client *c, CURL *easy,
				 const struct vtap_client_request *request);
/* The transfer has ended so; the answer is handed over. */
void vtap_client_transfer_finish(struct vtap_client_transfer *t, CURLcode code, struct vtap_client_answer *ret_answer);
struct vtap_client_transfer *vtap_client_transfer_free(struct vtap_client_transfer *t);
VTAP_DEFINE_CLEANUP(struct vtap_client_transfer *, vtap_client_transfer_free);
