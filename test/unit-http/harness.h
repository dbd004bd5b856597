/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Real requests over loopback: one thread drives the server and its clients. */

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/http.h"

#define REPLY_BYTES 8192
#define WAIT_MS (VTAP_HTTP_TIMEOUT_MS / 2) /* a test that waits longer has failed */

/* A route of a table. */
#define ROUTE(route_method, route_path, route_handler)                                                                 \
	{                                                                                                              \
		.method = (route_method), .path = (route_path), .handler = (route_handler)                             \
	}
/* A whole request without a body, of a client that wants no other. */
#define REQUEST(line) line " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

uint64_t now_ms(void);
/* On 127.0.0.1, at a port of the kernel's choice. */
struct vtap_http_server *server_listen(struct vtap_http_server_options options, const struct vtap_http_route *routes,
				       size_t count, void *userdata);

/* Not blocking. */
int client_connect(const struct vtap_http_server *s);
/* The same from 127.0.0.HOST. */
int client_connect_from(const struct vtap_http_server *s, uint8_t host);
/*
 * Lets the server work until the client's socket has one of the events, at most for wait_ms. Returns what it has. The server
 * runs only when it asks for it, by its descriptor or its timeout: a run too many would hide that it forgot to ask.
 */
short serve(struct vtap_http_server *s, int client, short events, int wait_ms);
/* Lets the server work until the condition holds: `is` is asked after each run. */
void serve_until(struct vtap_http_server *s, bool (*is)(void *userdata), void *userdata);
/* Sends all, unless the server closes before. */
void client_send(struct vtap_http_server *s, int fd, const char *bytes, size_t count);
/* Reads until the server closes; keeps the beginning. Returns how many bytes came. */
size_t client_receive(struct vtap_http_server *s, int fd, char reply[REPLY_BYTES]);
/* Reads until what has come ends with `end`. */
void client_receive_until(struct vtap_http_server *s, int fd, const char *end, char reply[REPLY_BYTES]);
/* A connection for one request. Returns how many bytes came. */
size_t exchange_bytes(struct vtap_http_server *s, const char *bytes, size_t count, char reply[REPLY_BYTES]);
void exchange(struct vtap_http_server *s, const char *request, char reply[REPLY_BYTES]);

bool has_status(const char *reply, unsigned status);
const char *body_of(const char *reply);

struct vtap_http_response text_response(unsigned status, const char *text);
