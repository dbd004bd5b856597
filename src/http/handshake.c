/* SPDX-License-Identifier: Apache-2.0 */

/*
 * TLS handshakes. While one waits for the client, libmicrohttpd tries it again in every run, and asks for the next run at once:
 * one client that goes silent half-way would keep a processor busy, and a thousand that come at a time would wait for each
 * other's tries. So a handshake is suspended after each try, and tried again when the client has sent something.
 */

#include <gnutls/gnutls.h>
#include <sys/epoll.h>

#include "http/private.h"

static void list_add(struct vtap_http_connection *c)
{
	c->handshake = VTAP_HTTP_HANDSHAKE_TRIED;
	c->tried_previous = NULL;
	c->tried_next = c->server->tried;
	if (c->tried_next)
		c->tried_next->tried_previous = c;
	c->server->tried = c;
}

static void list_remove(struct vtap_http_connection *c)
{
	if (c->tried_previous)
		c->tried_previous->tried_next = c->tried_next;
	else
		c->server->tried = c->tried_next;
	if (c->tried_next)
		c->tried_next->tried_previous = c->tried_previous;
}

/* The client's part ends with its "finished", whatever the version; what the server still has to say it says in the same try. */
static int on_finished(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
		       const gnutls_datum_t *message)
{
	/* libmicrohttpd has made its connection known to the session. */
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(gnutls_session_get_ptr(session), MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct vtap_http_connection *c = info ? info->socket_context : NULL;

	if (c && incoming)
		vtap_http_handshake_end(c);
	return 0;
}

void vtap_http_handshake_begin(struct vtap_http_connection *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	if (!info || !info->tls_session)
		return;
	gnutls_handshake_set_hook_function(info->tls_session, GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_POST, on_finished);
	list_add(c);
}

void vtap_http_handshake_end(struct vtap_http_connection *c)
{
	if (c->handshake == VTAP_HTTP_HANDSHAKE_TRIED)
		list_remove(c);
	c->handshake = VTAP_HTTP_HANDSHAKE_NONE;
}

void vtap_http_handshakes_pause(struct vtap_http_server *s)
{
	struct vtap_http_connection *next;

	for (struct vtap_http_connection *c = s->tried; c; c = next) {
		struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};

		next = c->tried_next;
		/* If it fails, the handshake goes on all the same, the busy way. */
		if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0)
			continue;
		list_remove(c);
		c->handshake = VTAP_HTTP_HANDSHAKE_PAUSED;
		MHD_suspend_connection(c->mhd);
	}
}

void vtap_http_handshake_resume(struct vtap_http_connection *c)
{
	if (c->handshake != VTAP_HTTP_HANDSHAKE_PAUSED)
		return;
	(void)epoll_ctl(c->server->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	list_add(c);
	MHD_resume_connection(c->mhd);
}
