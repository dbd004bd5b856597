/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/capture.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "basic/log.h"
#include "controller/audit.h"
#include "controller/feed_private.h"
#include "controller/pcap.h"
#include "controller/state.h"

#define CONTENT_TYPE "application/vnd.tcpdump.pcap"
#define START_S                                                                                                        \
	2 /* within which agents say that they cannot; then a silent one is taken for one that sees no packets */
#define MARGIN_S 5 /* beyond the capture's seconds: the agents' last words */
#define CANCEL_S 10
#define FAILED_STRLEN 320
#define NOTES_STRLEN 1024 /* further hosts are counted */
#define LEFT_OUT "X-Vtap-Left-Out" /* the stream's trailer: what the file has not, and should have */
#define NOBODY_WANTS "nobody wants these packets any more"

struct tapped { /* one host that was asked */
	struct capture *capture;
	char host[VTAP_ID_STRLEN];
	char request_id[VTAP_ID_STRLEN];
	struct vtap_feed_request *request; /* NULL = it has ended, or never began */
	bool heard; /* it has begun to upload */
};

struct capture {
	struct vtap_feed *feed; /* borrowed */
	struct vtap_call *call; /* kept, until it is a stream or refused; NULL = neither, the client has gone */
	struct vtap_http_stream *stream; /* NULL = not yet */
	struct vtap_write write; /* of the audit log */
	sd_event_source *timer; /* owned; its beginning, then its end; NULL = no host was asked yet */
	char failed[FAILED_STRLEN]; /* why the first host that cannot; empty = none has said so */
	char session[VTAP_ID_STRLEN], user[VTAP_ID_STRLEN];
	uint64_t seconds, packets_left;
	struct tapped hosts[VTAP_CAPTURE_HOSTS_MAX];
	size_t host_count, hosts_open;
	size_t hosts_beyond; /* those that are not asked as there are too many */
	uint64_t packets_lost; /* those that agents or we had no room for */
	char notes[NOTES_STRLEN]; /* hosts whose packets are not there, with reasons */
	size_t notes_beyond; /* that found no room */
	uint64_t filled_usec; /* when `room_bytes` was right */
	uint64_t room_bytes; /* that may be sent on now */
};

static uint64_t now_usec(const struct vtap_feed *f)
{
	uint64_t usec = 0;

	(void)sd_event_now(f->controller->event, CLOCK_MONOTONIC, &usec);
	return usec;
}

/* An agent that uploads hears of it by that; one that has nothing to say would look at packets on and on. */
static void close_request(struct capture *c, struct tapped *t)
{
	vtap_feed_request_drop(c->feed, VTAP_STEAL(t->request));
	(void)vtap_feed_request_make(c->feed, t->host, "cancel", json_pack("{s:s}", "request", t->request_id), CANCEL_S,
				     NULL, NULL, NULL);
}

static const char *label_of(const struct capture *c, const char *host)
{
	const struct vtap_object *object = vtap_objects_get(c->feed->controller->objects, host);

	return object && object->name ? object->name : host;
}

/* Why a host's packets are not there. What its agent says may hold anything. */
static void note(struct capture *c, const char *host, const char *reason)
{
	size_t used = strlen(c->notes);
	int n = snprintf(c->notes + used, sizeof(c->notes) - used, "%shost %.64s: %.240s", used ? "; " : "",
			 label_of(c, host), reason);

	if ((size_t)n >= sizeof(c->notes) - used) {
		c->notes[used] = '\0';
		c->notes_beyond++;
	}
	for (char *at = c->notes + used; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = ' ';
}

/* Those that have not come to their end, and are not there, or never said anything. With enough packets nobody is missed. */
static void note_missing(struct capture *c)
{
	for (size_t i = 0; i < c->host_count && c->packets_left; i++) {
		const struct tapped *t = &c->hosts[i];
		const char *unheard = t->request ? vtap_feed_host_unheard(c->feed, t->host) : NULL;

		if (t->request && (unheard || !t->heard))
			note(c, t->host, unheard ? unheard : "its agent has not begun to capture");
	}
}

/* One line, empty if nothing was left out: "12 packets; host b: ...; 3 further hosts". */
static void tell_left_out(struct capture *c)
{
	size_t beyond = c->hosts_beyond + c->notes_beyond;
	char packets[64] = "", hosts[64] = "", text[NOTES_STRLEN + 160];

	if (c->packets_lost)
		snprintf(packets, sizeof(packets), "%" PRIu64 " packet%s", c->packets_lost,
			 c->packets_lost == 1 ? "" : "s");
	if (beyond)
		snprintf(hosts, sizeof(hosts), "%zu further host%s", beyond, beyond == 1 ? "" : "s");
	snprintf(text, sizeof(text), "%s%s%s%s%s", packets, *packets && *c->notes ? "; " : "", c->notes,
		 *hosts && (*packets || *c->notes) ? "; " : "", hosts);
	(void)vtap_http_stream_trailer(c->stream, LEFT_OUT, text);
}

static void capture_end(struct capture *c)
{
	if (c->stream) {
		note_missing(c);
		tell_left_out(c);
	}
	for (size_t i = 0; i < c->host_count; i++)
		if (c->hosts[i].request)
			close_request(c, &c->hosts[i]);
	c->timer = sd_event_source_disable_unref(c->timer);
	if (c->stream)
		vtap_http_stream_end(VTAP_STEAL(c->stream));
	if (c->call)
		vtap_call_finish(VTAP_STEAL(c->call), -ECANCELED);
	vtap_pointers_remove(&c->feed->captures, c);
	free(c);
}

/* Ends with the next turn of the loop: the server may be on its way out, with all that wait for it. */
static void end_soon(struct capture *c)
{
	if (c->timer && sd_event_source_set_time(c->timer, 0) >= 0)
		(void)sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

static void on_stream_gone(void *userdata)
{
	end_soon(userdata);
}

/* Before any host was asked, the audit log's answer ends it. */
static void on_call_gone(struct vtap_call *call)
{
	struct capture *c = call->userdata;

	c->call = NULL;
	end_soon(c);
}

/* From now on the client sees packets. Whatever fails, the call is ended. */
static int begin_stream(struct capture *c)
{
	uint8_t header[VTAP_PCAP_HEADER_BYTES];
	int r;

	r = vtap_call_finish_stream(VTAP_STEAL(c->call), CONTENT_TYPE, on_stream_gone, c, &c->stream);
	if (r < 0)
		return r;
	vtap_pcap_header(header);
	(void)vtap_http_stream_trailer(c->stream, LEFT_OUT, NULL);
	r = vtap_http_stream_write(c->stream, header, sizeof(header));
	if (r >= 0)
		r = sd_event_source_set_time_relative(c->timer, (c->seconds + MARGIN_S) * 1000000U);
	return r < 0 ? r : sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct capture *c = userdata;

	if (!c->call || begin_stream(c) < 0)
		capture_end(c);
	return 0;
}

/* A host that has nothing more to say. */
static void close_host(struct tapped *t)
{
	struct capture *c = t->capture;
	struct vtap_call *call;

	t->request = NULL;
	if (--c->hosts_open > 0)
		return;
	call = VTAP_STEAL(c->call);
	if (call)
		vtap_call_finish(call, vtap_call_fail(call, *c->failed ? -EBUSY : -EHOSTDOWN, NULL, "%s",
						      *c->failed ? c->failed : "no agent has answered"));
	capture_end(c);
}

static void on_answered(const json_t *answer, void *userdata)
{
	struct tapped *t = userdata;
	struct capture *c = t->capture;
	const char *failed = json_string_value(json_object_get(answer, "failed"));

	if (failed)
		vtap_log(VTAP_LOG_WARNING, "host %s: it does not capture: %.200s", t->host, failed);
	if (failed)
		note(c, t->host, failed);
	if (failed && !*c->failed)
		snprintf(c->failed, sizeof(c->failed), "host %.64s: %.240s", label_of(c, t->host), failed);
	close_host(t);
}

static int ask(struct capture *c, struct tapped *t)
{
	json_t *members = json_pack("{s:s, s:I, s:I, s:I}", "session", c->session, "seconds", (json_int_t)c->seconds,
				    "packets", (json_int_t)c->packets_left, "bytes_per_second",
				    (json_int_t)(VTAP_CAPTURE_BYTES_PER_SECOND / c->host_count));
	int r;

	r = vtap_feed_request_make(c->feed, t->host, "capture", members, (unsigned)c->seconds + MARGIN_S, on_answered,
				   t, &t->request);
	if (r < 0)
		return r;
	snprintf(t->request_id, sizeof(t->request_id), "%s", vtap_feed_request_id(t->request));
	c->hosts_open++;
	return 0;
}

static int add_host(const struct vtap_cover *cover, void *userdata)
{
	struct capture *c = userdata;
	const char *unheard = vtap_feed_host_unheard(c->feed, cover->host);
	struct tapped *t = &c->hosts[c->host_count];

	if (unheard) {
		note(c, cover->host, unheard);
	} else if (c->host_count == VTAP_CAPTURE_HOSTS_MAX) {
		c->hosts_beyond++;
	} else {
		t->capture = c;
		snprintf(t->host, sizeof(t->host), "%s", cover->host);
		c->host_count++;
	}
	return 0;
}

static const char *why_not_asked(int r)
{
	return r == -EUSERS   ? "its agent is asked too much already: try again later"
	       : r == -ENOENT ? "it was deleted"
			      : strerror(-r);
}

/* It is in the audit log: now the hosts are asked. */
static int begin_asking(struct capture *c)
{
	int r;

	r = sd_event_add_time_relative(c->feed->controller->event, &c->timer, CLOCK_MONOTONIC, START_S * 1000000U, 0,
				       on_time, c);
	if (r < 0)
		return r;
	for (size_t i = 0; i < c->host_count; i++) {
		r = ask(c, &c->hosts[i]);
		if (r < 0)
			note(c, c->hosts[i].host, why_not_asked(r));
	}
	return c->hosts_open ? 0 : vtap_call_fail(c->call, -EBUSY, NULL, "no agent can be asked: %s", c->notes);
}

static int run_audit(struct vtap_change *change, void *userdata)
{
	const struct capture *c = userdata;

	return c->call ? vtap_audit_add(change, c->call, 0) : -ECANCELED;
}

static void audit_done(int r, void *userdata)
{
	struct capture *c = userdata;

	if (r >= 0)
		r = c->call ? begin_asking(c) : -ECANCELED;
	if (r >= 0)
		return;
	if (c->call)
		vtap_call_finish(VTAP_STEAL(c->call), r);
	capture_end(c);
}

static int read_query(struct vtap_call *call, struct capture *c)
{
	int r;

	r = vtap_call_query_number(call, "seconds", 1, VTAP_CAPTURE_SECONDS_MAX, VTAP_CAPTURE_SECONDS, &c->seconds);
	if (r < 0)
		return r;
	return vtap_call_query_number(call, "packets", 1, VTAP_CAPTURE_PACKETS_MAX, VTAP_CAPTURE_PACKETS_MAX,
				      &c->packets_left);
}

static size_t count_of(const struct vtap_feed *f, const char *user)
{
	size_t count = 0;

	for (size_t i = 0; i < f->captures.count; i++)
		count += strcmp(((const struct capture *)f->captures.items[i])->user, user) == 0;
	return count;
}

static int check_possible(struct vtap_call *call, const struct vtap_object *session)
{
	const struct vtap_feed *f = call->controller->feed;
	struct vtap_resolved resolved;
	int r;

	if (f->captures.count >= VTAP_CAPTURES_MAX)
		return vtap_call_fail(call, -EUSERS, NULL, "there are %d captures already: try again later",
				      VTAP_CAPTURES_MAX);
	if (count_of(f, call->principal.user) >= VTAP_CAPTURES_OF_USER_MAX)
		return vtap_call_fail(call, -EUSERS, NULL,
				      "%d captures of yours are under way: end one, or try again later",
				      VTAP_CAPTURES_OF_USER_MAX);
	r = vtap_resolver_session(f->controller->resolver, session->id, &resolved);
	if (r >= 0 && !resolved.mirrored_count)
		return vtap_call_fail(call, -EBUSY, NULL, "none of its sources is mirrored now: see its state");
	return r;
}

static int find_hosts(struct vtap_call *call, const struct vtap_object *session, struct capture *c)
{
	vtap_feed_session_hosts(c->feed, session->id, add_host, c);
	if (c->host_count > 0)
		return 0;
	if (!c->notes_beyond)
		return vtap_call_fail(call, -EBUSY, NULL, "no agent can be asked: %s", c->notes);
	return vtap_call_fail(call, -EBUSY, NULL, "no agent can be asked: %s; and %zu further hosts", c->notes,
			      c->notes_beyond);
}

int vtap_capture_begin(struct vtap_call *call, const struct vtap_object *session)
{
	struct vtap_feed *f = call->controller->feed;
	struct capture *c;
	int r;

	r = check_possible(call, session);
	if (r < 0)
		return r;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->feed = f;
	r = read_query(call, c);
	if (r >= 0)
		r = find_hosts(call, session, c);
	if (r >= 0)
		r = vtap_pointers_add(&f->captures, c);
	if (r < 0) {
		free(c);
		return r;
	}
	c->call = call;
	c->room_bytes = VTAP_CAPTURE_BYTES_PER_SECOND;
	c->filled_usec = now_usec(f);
	snprintf(c->session, sizeof(c->session), "%s", session->id);
	snprintf(c->user, sizeof(c->user), "%s", call->principal.user);
	call->gone = on_call_gone;
	call->userdata = c;
	call->audit = json_pack("{s:s, s:I}", "session", session->id, "seconds", (json_int_t)c->seconds);
	c->write = (struct vtap_write){.run = run_audit, .done = audit_done, .userdata = c};
	vtap_write_queue(f->controller, &c->write);
	return VTAP_HTTP_LATER;
}

static struct tapped *find_tapped(struct vtap_feed *f, const char *host, const char *id)
{
	for (size_t i = 0; i < f->captures.count; i++) {
		struct capture *c = f->captures.items[i];

		for (size_t j = 0; j < c->host_count; j++)
			if (c->hosts[j].request && !strcmp(c->hosts[j].request_id, id) &&
			    !strcmp(c->hosts[j].host, host))
				return &c->hosts[j];
	}
	return NULL;
}

/* Whether there is room for so many bytes at this rate. */
static bool has_room(struct capture *c, size_t size_bytes)
{
	uint64_t now = now_usec(c->feed), grown = (now - c->filled_usec) * VTAP_CAPTURE_BYTES_PER_SECOND / 1000000U;

	c->room_bytes = VTAP_MIN(c->room_bytes + grown, (uint64_t)VTAP_CAPTURE_BYTES_PER_SECOND);
	c->filled_usec = now;
	if (c->room_bytes < size_bytes)
		return false;
	c->room_bytes -= size_bytes;
	return true;
}

/* What a slow client has no room for is left out, and counted. */
static int pass_on(struct capture *c, const struct vtap_http_request *request)
{
	uint64_t count;
	size_t bytes;
	int r;

	if (!request->body_bytes)
		return 0;
	r = vtap_pcap_check((const uint8_t *)request->body, request->body_bytes, VTAP_CAPTURE_FRAME_MAX_BYTES,
			    c->packets_left, &count, &bytes);
	if (r < 0)
		return r;
	count = VTAP_MIN(count, c->packets_left);
	if (has_room(c, bytes) && vtap_http_stream_write(c->stream, request->body, bytes) >= 0)
		c->packets_left -= count;
	else
		c->packets_lost += count;
	return 0;
}

int vtap_capture_upload(struct vtap_call *call, struct vtap_change *change)
{
	struct tapped *t = find_tapped(call->controller->feed, call->principal.host, call->request->parameters[0]);
	const char *end = vtap_http_query(call->request, "end");
	uint64_t lost = 0;
	struct capture *c;
	int r;

	if (!t)
		return vtap_call_fail(call, -ENOENT, NULL, NOBODY_WANTS);
	r = vtap_call_query_number(call, "left_out", 0, VTAP_CAPTURE_PACKETS_MAX, 0, &lost);
	if (r < 0)
		return r;
	c = t->capture;
	t->heard = true;
	if (!c->stream && (!c->call || begin_stream(c) < 0)) {
		capture_end(c);
		return vtap_call_fail(call, -ENOENT, NULL, NOBODY_WANTS);
	}
	r = pass_on(c, call->request);
	if (r < 0)
		return vtap_call_fail(call, r, NULL, "the body must be pcap records with nanoseconds, little-endian");
	c->packets_lost += lost;
	vtap_reports_seen(call->controller->reports, t->host);
	if (c->packets_left == 0) {
		capture_end(c);
	} else if (end && !strcmp(end, "1")) {
		vtap_feed_request_drop(c->feed, VTAP_STEAL(t->request));
		close_host(t);
	}
	return 0;
}

void vtap_captures_end(struct vtap_feed *f)
{
	while (f->captures.count)
		capture_end(f->captures.items[f->captures.count - 1]);
	vtap_pointers_done(&f->captures);
}
