/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>

#include "basic/addr.h"
#include "client/private.h"

#define CONNECT_TIMEOUT_MS 20000 /* a controller that a thousand agents come back to has much to do */
#define CONNECTIONS 4
#define EVENTS_MAX 32

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void curl_freep(char **text)
{
	curl_free(*text);
}

static void url_freep(CURLU **url)
{
	curl_url_cleanup(*url);
}

static bool is_loopback(const char *host)
{
	char text[VTAP_ADDR_STRLEN];
	struct vtap_addr address;
	size_t length = strlen(host);
	bool bracketed = length > 2 && host[0] == '[' && host[length - 1] == ']';

	/* Without asking anybody: libcurl takes this name for 127.0.0.1 and ::1. */
	if (strcmp(host, "localhost") == 0)
		return true;
	if (snprintf(text, sizeof(text), "%.*s", (int)length - 2 * bracketed, host + bracketed) >= (int)sizeof(text))
		return false;
	return vtap_addr_parse(text, &address) == 0 && vtap_addr_is_loopback(&address);
}

/* The URL without a slash at its end, the caller's; NULL: no memory. */
static char *whole_url(CURLU *url)
{
	VTAP_CLEANUP(curl_freep) char *whole = NULL;

	if (curl_url_get(url, CURLUPART_URL, &whole, 0) != CURLUE_OK)
		return NULL;
	for (size_t length = strlen(whole); length > 0 && whole[length - 1] == '/'; length--)
		whole[length - 1] = 0;
	return strdup(whole);
}

/* Fills c->named_url and c->connect_to. libcurl takes the name that TLS is about from the URL alone. */
static int name_server(struct vtap_client *c, CURLU *url, const char *host, const char *name)
{
	VTAP_CLEANUP(curl_freep) char *port = NULL;
	VTAP_CLEANUP(curl_freep) char *zone = NULL;
	_cleanup_free_ char *text = NULL;
	int n, inside = (int)strlen(host) - (host[0] == '[');

	if (curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
		return -ENOMEM;
	if (curl_url_get(url, CURLUPART_ZONEID, &zone, 0) == CURLUE_OK)
		n = asprintf(&text, "::%.*s%%%s]:%s", inside, host, zone, port);
	else
		n = asprintf(&text, "::%s:%s", host, port);
	if (n < 0) {
		text = NULL;
		return -ENOMEM;
	}
	c->connect_to = curl_slist_append(NULL, text);
	if (!c->connect_to || curl_url_set(url, CURLUPART_ZONEID, NULL, 0) != CURLUE_OK ||
	    curl_url_set(url, CURLUPART_HOST, name, 0) != CURLUE_OK)
		return -ENOMEM;
	c->named_url = whole_url(url);
	return c->named_url ? 0 : -ENOMEM;
}

/* Fills c->url and c->plain, and what a name of the server's needs. */
static int read_url(struct vtap_client *c, const struct vtap_client_options *o, struct vtap_error *reterr)
{
	static const CURLUPart unwanted[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT};
	VTAP_CLEANUP(url_freep) CURLU *url = curl_url();
	VTAP_CLEANUP(curl_freep) char *scheme = NULL;
	VTAP_CLEANUP(curl_freep) char *host = NULL;
	char quote[VTAP_ERROR_QUOTE_STRLEN];

	if (!url)
		return -ENOMEM;
	if (curl_url_set(url, CURLUPART_URL, o->url, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		return vtap_error_set(reterr, -EINVAL, 0, "url", "must look like https://controller:8750, not \"%s\"",
				      vtap_error_quote(o->url, quote));
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(unwanted); i++) {
		VTAP_CLEANUP(curl_freep) char *part = NULL;

		if (curl_url_get(url, unwanted[i], &part, 0) == CURLUE_OK)
			return vtap_error_set(reterr, -EINVAL, 0, "url",
					      "must hold no credentials, no query and no fragment");
	}
	c->plain = strcmp(scheme, "http") == 0;
	if (c->plain && !o->plain_anywhere && !is_loopback(host))
		return vtap_error_set(
		    reterr, -EINVAL, 0, "url",
		    "must begin with https://, since %s is not on this machine and http is not encrypted",
		    vtap_error_quote(host, quote));
	c->url = whole_url(url);
	if (!c->url)
		return -ENOMEM;
	return o->server_name && !c->plain ? name_server(c, url, host, o->server_name) : 0;
}

static int copy_text(const char *text, char **ret_copy)
{
	*ret_copy = text ? strdup(text) : NULL;
	return text && !*ret_copy ? -ENOMEM : 0;
}

static int file_make(const char *text, struct vtap_client_file *f)
{
	size_t left;
	ssize_t n;

	if (!text)
		return 0;
	f->fd = memfd_create("vtap-client", MFD_CLOEXEC);
	if (f->fd < 0)
		return -errno;
	for (left = strlen(text); left > 0; left -= (size_t)n, text += n) {
		n = write(f->fd, text, left);
		if (n < 0)
			return -errno;
	}
	(void)snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
	return 0;
}

/* libcurl wants to know what happens on a socket. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socket_userdata)
{
	struct vtap_client *c = userdata;
	struct epoll_event event = {.data.fd = fd};

	if (what == CURL_POLL_REMOVE) {
		/* It may have been closed already. */
		(void)epoll_ctl(c->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0U) | (what & CURL_POLL_OUT ? EPOLLOUT : 0U);
	if (epoll_ctl(c->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0)
		return 0;
	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -1;
}

static int on_timer(CURLM *multi, long timeout_ms, void *userdata)
{
	struct vtap_client *c = userdata;
	struct itimerspec spec = {};

	c->deadline_ms = timeout_ms < 0 ? UINT64_MAX : now_ms() + (uint64_t)timeout_ms;
	/* A time of zero would disarm it. */
	if (timeout_ms >= 0) {
		spec.it_value.tv_sec = timeout_ms / 1000;
		spec.it_value.tv_nsec = timeout_ms > 0 ? timeout_ms % 1000 * 1000000 : 1;
	}
	return timerfd_settime(c->timer_fd, 0, &spec, NULL) == 0 ? 0 : -1;
}

static int loop_open(struct vtap_client *c, unsigned connections_max)
{
	struct epoll_event event = {.events = EPOLLIN};

	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	c->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	event.data.fd = c->timer_fd;
	if (c->epoll_fd < 0 || c->timer_fd < 0 || epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, c->timer_fd, &event) < 0)
		return -errno;
	c->multi = curl_multi_init();
	if (!c->multi)
		return -ENOMEM;
	(void)curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	(void)curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	(void)curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	(void)curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
				(long)(connections_max > 0 ? connections_max : CONNECTIONS));
	return 0;
}

int vtap_client_new(const struct vtap_client_options *options, struct vtap_client **ret_client,
		    struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_client_freep) struct vtap_client *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->epoll_fd = c->timer_fd = c->authority.fd = c->certificate.fd = c->key.fd = -1;
	c->deadline_ms = UINT64_MAX;
	c->connect_timeout_ms = options->connect_timeout_ms > 0 ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS;
	c->unverified = options->unverified;
	/* Each client holds it once: libcurl counts. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	r = read_url(c, options, reterr);
	if (r == 0)
		r = copy_text(options->user, &c->user);
	if (r == 0)
		r = copy_text(options->password, &c->password);
	if (r == 0)
		r = copy_text(options->bearer, &c->bearer);
	if (r == 0)
		r = copy_text(options->user_agent, &c->user_agent);
	if (r == 0)
		r = file_make(options->authority, &c->authority);
	if (r == 0)
		r = file_make(options->certificate, &c->certificate);
	if (r == 0)
		r = file_make(options->key, &c->key);
	if (r == 0)
		r = loop_open(c, options->connections_max);
	if (r < 0)
		return r;
	*ret_client = VTAP_STEAL(c);
	return 0;
}

static void transfer_drop(struct vtap_client *c, struct vtap_client_transfer *t)
{
	(void)curl_multi_remove_handle(c->multi, t->easy);
	if (t->previous)
		t->previous->next = t->next;
	else
		c->transfers = t->next;
	if (t->next)
		t->next->previous = t->previous;
	vtap_client_transfer_free(t);
}

struct vtap_client *vtap_client_free(struct vtap_client *c)
{
	if (!c)
		return NULL;
	while (c->transfers)
		transfer_drop(c, c->transfers);
	if (c->easy)
		curl_easy_cleanup(c->easy);
	if (c->multi)
		(void)curl_multi_cleanup(c->multi);
	vtap_closep(&c->epoll_fd);
	vtap_closep(&c->timer_fd);
	vtap_closep(&c->authority.fd);
	vtap_closep(&c->certificate.fd);
	vtap_closep(&c->key.fd);
	free(c->url);
	free(c->named_url);
	curl_slist_free_all(c->connect_to);
	free(c->user);
	free(c->password);
	free(c->bearer);
	free(c->user_agent);
	free(c);
	curl_global_cleanup();
	return NULL;
}

/* For what did not even begin. */
static int answer_failure(int r, struct vtap_client_answer *ret_answer)
{
	*ret_answer = (struct vtap_client_answer){.result = r};
	(void)snprintf(ret_answer->error, sizeof(ret_answer->error), "%s",
		       r == -EINVAL ? "the request's path, method or headers are not fit to be sent" : strerror(-r));
	return r;
}

int vtap_client_perform(struct vtap_client *c, const struct vtap_client_request *request,
			struct vtap_client_answer *ret_answer)
{
	VTAP_CLEANUP(vtap_client_transfer_freep) struct vtap_client_transfer *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return answer_failure(-ENOMEM, ret_answer);
	if (!c->easy)
		c->easy = curl_easy_init();
	if (!c->easy)
		return answer_failure(-ENOMEM, ret_answer);
	/* Connections survive this. */
	curl_easy_reset(c->easy);
	r = vtap_client_transfer_prepare(t, c, c->easy, request);
	if (r < 0)
		(void)answer_failure(r, ret_answer);
	else
		vtap_client_transfer_finish(t, curl_easy_perform(c->easy), ret_answer);
	/* The handle is the client's, and must not know what goes now. */
	t->easy = NULL;
	curl_easy_reset(c->easy);
	return ret_answer->result;
}

int vtap_client_start(struct vtap_client *c, const struct vtap_client_request *request, vtap_client_done done,
		      void *userdata, uint64_t *ret_id)
{
	VTAP_CLEANUP(vtap_client_transfer_freep) struct vtap_client_transfer *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	r = vtap_client_transfer_prepare(t, c, NULL, request);
	if (r < 0)
		return r;
	if (curl_multi_add_handle(c->multi, t->easy) != CURLM_OK)
		return -ENOMEM;
	t->id = ++c->last_id;
	t->done = done;
	t->done_userdata = userdata;
	t->next = c->transfers;
	if (t->next)
		t->next->previous = t;
	c->transfers = t;
	if (ret_id)
		*ret_id = t->id;
	(void)VTAP_STEAL(t);
	return 0;
}

void vtap_client_cancel(struct vtap_client *c, uint64_t id)
{
	for (struct vtap_client_transfer *t = c->transfers; t; t = t->next) {
		if (t->id != id)
			continue;
		/* libcurl may be calling us from inside it. */
		t->over = true;
		if (!c->running)
			transfer_drop(c, t);
		return;
	}
}

int vtap_client_fd(const struct vtap_client *c)
{
	return c->epoll_fd;
}

int vtap_client_timeout_ms(const struct vtap_client *c)
{
	uint64_t now = now_ms();

	if (c->deadline_ms == UINT64_MAX)
		return -1;
	return c->deadline_ms > now ? (int)VTAP_MIN(c->deadline_ms - now, (uint64_t)INT32_MAX) : 0;
}

/* The answer is out of libcurl's hands before `done` starts the next request, on the same connection as likely as not. */
static void finish_transfers(struct vtap_client *c)
{
	const CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(c->multi, &left))) {
		struct vtap_client_transfer *t = NULL;
		struct vtap_client_answer answer = {};
		CURLcode code = message->data.result;

		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
		if (!t || t->over)
			continue;
		t->over = true;
		vtap_client_transfer_finish(t, code, &answer);
		t->done(&answer, t->done_userdata);
	}
}

static void drop_ended(struct vtap_client *c)
{
	struct vtap_client_transfer *next;

	for (struct vtap_client_transfer *t = c->transfers; t; t = next) {
		next = t->next;
		if (t->over)
			transfer_drop(c, t);
	}
}

static CURLMcode run_events(struct vtap_client *c)
{
	struct epoll_event events[EVENTS_MAX];
	CURLMcode code = CURLM_OK;
	uint64_t expired;
	int n, running;

	n = epoll_wait(c->epoll_fd, events, EVENTS_MAX, 0);
	for (int i = 0; i < n && code == CURLM_OK; i++) {
		int what = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
			   (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			   (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

		if (events[i].data.fd != c->timer_fd)
			code = curl_multi_socket_action(c->multi, events[i].data.fd, what, &running);
		else if (read(c->timer_fd, &expired, sizeof(expired)) < 0 && errno != EAGAIN)
			code = CURLM_INTERNAL_ERROR;
	}
	if (code == CURLM_OK && c->deadline_ms <= now_ms()) {
		c->deadline_ms = UINT64_MAX;
		code = curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	return code;
}

int vtap_client_run(struct vtap_client *c)
{
	CURLMcode code;

	c->running = true;
	code = run_events(c);
	finish_transfers(c);
	c->running = false;
	drop_ended(c);
	return code == CURLM_OK ? 0 : -EIO;
}
