// SPDX-License-Identifier: Apache-2.0

/*
 * A capture: what a session's copies look like where they leave the host, without their outer headers. The socket sees what the
 * uplink sends; a filter in the kernel keeps everything else away. On the wire copies are told apart by their tunnel alone, so
 * there is no capture of a session that shares its own with another one of this host, whose packets it would show, too.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "agent/delivery.h"
#include "agent/requests.h"
#include "agent/status.h"

#define FRAME_MAX_BYTES 65535U
#define RECORD_HEADER_BYTES 16U
#define BODY_MAX_BYTES (256U << 10)
#define BODY_SOON_BYTES (128U << 10) /* sent without waiting for more */
#define FLUSH_USEC 200000ULL
#define RECEIVE_BYTES (8 << 20)
#define FRAMES_AT_A_TIME 256
#define LEFT_OUT_MAX 1000000000ULL /* in one request */

struct vtap_tap {
	struct vtap_agent_feed *feed; /* borrowed */
	char id[VTAP_REQUEST_ID_STRLEN];
	char session[VTAP_ABI_NAME_BYTES];
	int fd; /* owned */
	sd_event_source *io, *flush, *end; /* owned */
	uint32_t outer_bytes; /* in front of each frame */
	uint16_t slot; /* of the session */
	struct vtap_delivery delivery; /* by which its copies leave */
	uint64_t packets_left;
	uint32_t frames_read; /* of all that the kernel counts */
	uint64_t left_out; /* packets that found no room, since the controller was told last */
	uint64_t bytes_per_second, second, second_bytes; /* what passed in that second */
	bool begun; /* the controller has been told */
	bool ending; /* the last request is still to be sent */
	bool over; /* it was, or nobody wants it */
	uint64_t post_id; /* 0 = none under way */
	size_t body_bytes;
	uint8_t body[BODY_MAX_BYTES];
	uint8_t frame[FRAME_MAX_BYTES + VTAP_DELIVERY_IPV6_BYTES];
};

bool vtap_tap_is_over(const struct vtap_tap *t)
{
	return t->over && !t->post_id;
}

const char *vtap_tap_id(const struct vtap_tap *t)
{
	return t->id;
}

static void sources_close(struct vtap_tap *t)
{
	t->io = sd_event_source_disable_unref(t->io);
	t->flush = sd_event_source_disable_unref(t->flush);
	t->end = sd_event_source_disable_unref(t->end);
	vtap_closep(&t->fd);
	t->fd = -1;
}

struct vtap_tap *vtap_tap_free(struct vtap_tap *t)
{
	if (!t)
		return NULL;
	if (t->post_id && t->feed->client)
		vtap_client_cancel(t->feed->client, t->post_id);
	if (t->post_id && t->feed->in_flight)
		t->feed->in_flight--;
	sources_close(t);
	free(t);
	return NULL;
}

static void body_send(struct vtap_tap *t);

static void on_posted(struct vtap_client_answer *answer, void *userdata)
{
	struct vtap_tap *t = userdata;

	t->post_id = 0;
	if (!vtap_agent_feed_done(t->feed, answer)) {
		t->over = true;
		sources_close(t);
	} else if (t->ending || t->body_bytes >= BODY_SOON_BYTES) {
		body_send(t);
	}
	vtap_client_answer_done(answer);
}

/* One request at a time; what comes meanwhile waits in the body, as far as there is room. The first one may be without any. */
static void body_send(struct vtap_tap *t)
{
	char path[96 + VTAP_REQUEST_ID_STRLEN], left_out[40] = "";
	const struct vtap_client_request request = {.method = "POST",
						    .path = path,
						    .body = (const char *)t->body,
						    .body_bytes = t->body_bytes,
						    .content_type = "application/octet-stream"};

	if (t->post_id || t->over || (!t->body_bytes && !t->ending && t->begun))
		return;
	t->begun = true;
	if (t->left_out)
		snprintf(left_out, sizeof(left_out), "%cleft_out=%" PRIu64, t->ending ? '&' : '?',
			 VTAP_MIN(t->left_out, (uint64_t)LEFT_OUT_MAX));
	snprintf(path, sizeof(path), "/agent/v1/capture/%s%s%s", t->id, t->ending ? "?end=1" : "", left_out);
	t->left_out = 0;
	t->over = t->ending;
	if (vtap_agent_feed_send(t->feed, &request, on_posted, t, &t->post_id) < 0) {
		t->over = true;
		sources_close(t);
	}
	t->body_bytes = 0;
}

/* Those that the kernel had no room for, and those that nobody reads any more, if they were asked for. */
static void count_unread(struct vtap_tap *t, bool wanted)
{
	struct tpacket_stats stats = {};
	socklen_t stats_bytes = sizeof(stats);

	if (t->fd < 0 || getsockopt(t->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &stats_bytes) < 0)
		return;
	if (wanted && stats.tp_packets > t->frames_read)
		t->left_out += stats.tp_packets - t->frames_read;
	else
		t->left_out += stats.tp_drops;
}

/* wanted: whether what the socket still holds should be in the capture. */
static void end_begin(struct vtap_tap *t, bool wanted)
{
	if (t->ending)
		return;
	t->ending = true;
	count_unread(t, wanted);
	sources_close(t);
	body_send(t);
}

static void put_le32(uint8_t *at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

/* The frame of that many bytes, of which `size_bytes` are here. What finds no room is counted. */
static void frame_take(struct vtap_tap *t, const uint8_t *frame, size_t size_bytes, size_t wire_bytes)
{
	struct timespec now = {};
	uint8_t *at = t->body + t->body_bytes;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if ((uint64_t)now.tv_sec != t->second) {
		t->second = (uint64_t)now.tv_sec;
		t->second_bytes = 0;
	}
	if (t->body_bytes + RECORD_HEADER_BYTES + size_bytes > BODY_MAX_BYTES ||
	    (t->bytes_per_second && t->second_bytes + size_bytes > t->bytes_per_second)) {
		t->left_out++;
		return;
	}
	put_le32(at, (uint32_t)now.tv_sec);
	put_le32(at + 4, (uint32_t)now.tv_nsec);
	put_le32(at + 8, (uint32_t)size_bytes);
	put_le32(at + 12, (uint32_t)wire_bytes);
	memcpy(at + RECORD_HEADER_BYTES, frame, size_bytes);
	t->body_bytes += RECORD_HEADER_BYTES + size_bytes;
	t->second_bytes += size_bytes;
	t->packets_left--;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct vtap_tap *t = userdata;

	for (unsigned i = 0; i < FRAMES_AT_A_TIME && t->packets_left; i++) {
		ssize_t n = recv(t->fd, t->frame, sizeof(t->frame), MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0)
			break;
		t->frames_read++;
		if ((size_t)n > t->outer_bytes)
			frame_take(t, t->frame + t->outer_bytes, VTAP_MIN((size_t)n, sizeof(t->frame)) - t->outer_bytes,
				   (size_t)n - t->outer_bytes);
	}
	if (!t->packets_left)
		end_begin(t, false);
	else if (t->body_bytes >= BODY_SOON_BYTES)
		body_send(t);
	return 0;
}

static int on_flush(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct vtap_tap *t = userdata;

	body_send(t);
	if (!t->flush)
		return 0;
	(void)sd_event_source_set_time_relative(source, FLUSH_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_end(sd_event_source *source, uint64_t usec, void *userdata)
{
	end_begin(userdata, true);
	return 0;
}

/* Appends: the word at that offset must be this one, or the packet is none of ours. */
static void filter_word(struct sock_filter *f, size_t *n, uint16_t size, uint32_t offset, uint32_t value)
{
	f[(*n)++] = (struct sock_filter)BPF_STMT(BPF_LD | size | BPF_ABS, offset);
	f[(*n)++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0);
	f[(*n)++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
}

static uint32_t word_of(const uint8_t *bytes)
{
	uint32_t be;

	memcpy(&be, bytes, sizeof(be));
	return ntohl(be);
}

/* Copies of this host, by the session's tunnel to its target. The headers are our own, and always of one length. */
static int filter_attach(int fd, const struct vtap_session *s)
{
	const struct vtap_addr *target = &s->target->address;
	bool six = target->family == AF_INET6;
	uint32_t address_at = ETH_HLEN + (six ? 24 : 16), udp_at = ETH_HLEN + (six ? 40 : 20);
	struct sock_filter f[40];
	struct sock_fprog program = {.filter = f};
	size_t n = 0;

	filter_word(f, &n, BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE), PACKET_OUTGOING);
	filter_word(f, &n, BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_MARK), VTAP_MARK);
	filter_word(f, &n, BPF_H, 12, six ? ETH_P_IPV6 : ETH_P_IP);
	filter_word(f, &n, BPF_B, six ? ETH_HLEN + 6 : ETH_HLEN + 9, IPPROTO_UDP);
	for (uint32_t i = 0; i < vtap_addr_size_bytes(target->family); i += 4)
		filter_word(f, &n, BPF_W, address_at + i, word_of(target->bytes + i));
	filter_word(f, &n, BPF_H, udp_at + 2, s->port);
	filter_word(f, &n, BPF_W, udp_at + 12, s->vni << 8);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	program.len = (unsigned short)n;
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

static int socket_open(struct vtap_tap *t, const struct vtap_session *s, uint32_t ifindex)
{
	struct sockaddr_ll address = {
	    .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)ifindex};
	int receive_bytes = RECEIVE_BYTES, r;

	/* Without a protocol nothing is received before the filter stands. */
	t->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (t->fd < 0)
		return -errno;
	if (setsockopt(t->fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_bytes, sizeof(receive_bytes)) < 0)
		(void)setsockopt(t->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
	r = filter_attach(t->fd, s);
	if (r < 0)
		return r;
	return bind(t->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

/* Whether the slot is the session's still, and its copies leave as they did. */
static bool is_as_begun(struct vtap_agent *a, const struct vtap_tap *t)
{
	uint32_t index = a->slot_delivery[t->slot];
	struct vtap_delivery now;

	return index && !strcmp(a->slots.names[t->slot].name, t->session) &&
	       vtap_dataplane_delivery_read(a->dataplane, index, &now) >= 0 &&
	       now.uplink_ifindex == t->delivery.uplink_ifindex && vtap_delivery_same_tunnel(&now, &t->delivery);
}

/* Whether nothing but this session's copies leaves by the tunnel, whatever other sessions, also ended ones, still do. */
static bool is_alone(struct vtap_agent *a, const struct vtap_tap *t)
{
	for (uint16_t slot = 0; slot < VTAP_ABI_SESSIONS; slot++) {
		uint32_t index = a->slot_delivery[slot];
		struct vtap_delivery other;

		if (!index || slot == t->slot)
			continue;
		if (vtap_dataplane_delivery_read(a->dataplane, index, &other) < 0 ||
		    vtap_delivery_same_tunnel(&other, &t->delivery))
			return false;
	}
	return true;
}

/* What the socket holds that was sent since is not read any more. */
void vtap_tap_check(struct vtap_tap *t)
{
	struct vtap_agent *a = t->feed->agent;

	if (!t->ending && !t->over && (!is_as_begun(a, t) || !is_alone(a, t)))
		end_begin(t, false);
}

/* All of the session's interfaces here are captured together: copies do not tell which one they are of. */
static bool is_all(const struct vtap_agent *a, const json_t *interfaces, size_t index)
{
	const struct vtap_plan_session *s = a->plan->by_config[index];
	const json_t *interface;
	size_t found = 0, i;

	if (!json_is_array(interfaces))
		return true;
	for (size_t j = 0; j < s->interface_count; j++) {
		json_array_foreach((json_t *)interfaces, i, interface)
		{
			if (json_is_string(interface) && !strcmp(json_string_value(interface), s->interfaces[j])) {
				found++;
				break;
			}
		}
	}
	return found == s->interface_count;
}

static int tap_open(struct vtap_tap *t, const struct vtap_session *s, uint64_t seconds)
{
	struct vtap_agent *a = t->feed->agent;
	int r;

	t->outer_bytes = s->target->address.family == AF_INET6 ? VTAP_DELIVERY_IPV6_BYTES : VTAP_DELIVERY_IPV4_BYTES;
	r = socket_open(t, s, t->delivery.uplink_ifindex);
	if (r >= 0)
		r = sd_event_add_io(a->event, &t->io, t->fd, EPOLLIN, on_io, t);
	if (r >= 0)
		r = sd_event_add_time_relative(a->event, &t->flush, CLOCK_MONOTONIC, 0, 10000, on_flush, t);
	if (r >= 0)
		r = sd_event_add_time_relative(a->event, &t->end, CLOCK_MONOTONIC, seconds * 1000000, 10000, on_end, t);
	return r;
}

static struct vtap_tap *tap_new(struct vtap_agent_feed *f, const char *id, const json_t *request, uint16_t slot)
{
	json_int_t packets = json_integer_value(json_object_get(request, "packets"));
	json_int_t bytes_per_second = json_integer_value(json_object_get(request, "bytes_per_second"));
	struct vtap_tap *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->feed = f;
	t->fd = -1;
	t->slot = slot;
	snprintf(t->id, sizeof(t->id), "%s", id);
	t->packets_left = packets > 0 ? (uint64_t)packets : UINT64_MAX;
	t->bytes_per_second = bytes_per_second > 0 ? (uint64_t)bytes_per_second : 0;
	return t;
}

/* Whether the session can be captured at all; if not, that was answered. */
static bool is_possible(struct vtap_agent_feed *f, const char *id, const json_t *request, size_t index)
{
	char reason[VTAP_STATUS_REASON_STRLEN];
	struct vtap_agent *a = f->agent;

	if (!a->nexthops[a->sessions[index].target].ifindex || !a->config->sessions[index].enabled ||
	    a->sessions[index].unplaced || !a->slot_delivery[a->sessions[index].slot]) {
		(void)vtap_status_session_state(a, index, reason);
		vtap_agent_request_fail(f, id, "the session sends no copies now: %s", reason);
		return false;
	}
	if (!is_all(a, json_object_get(request, "interfaces"), index)) {
		vtap_agent_request_fail(
		    f, id,
		    "copies do not tell which of the session's interfaces they are of: all of them are "
		    "captured, or none; a session of fewer interfaces can be captured by itself");
		return false;
	}
	return true;
}

void vtap_tap_start(struct vtap_agent_feed *f, const char *id, const json_t *request, struct vtap_tap **ret_tap)
{
	json_int_t seconds = json_integer_value(json_object_get(request, "seconds"));
	struct vtap_agent *a = f->agent;
	const struct vtap_session *s;
	struct vtap_tap *t;
	size_t index;
	int r;

	*ret_tap = NULL;
	if (vtap_agent_request_session(f, id, request, &index) < 0 || !is_possible(f, id, request, index))
		return;
	s = &a->config->sessions[index];
	t = tap_new(f, id, request, a->sessions[index].slot);
	if (!t)
		return;
	snprintf(t->session, sizeof(t->session), "%s", s->name);
	r = vtap_dataplane_delivery_read(a->dataplane, a->slot_delivery[t->slot], &t->delivery);
	if (r >= 0 && !is_alone(a, t)) {
		vtap_agent_request_fail(
		    f, id,
		    "another session of this host has the same target address, port and VNI: the copies "
		    "of the two cannot be told apart");
		vtap_tap_free(t);
		return;
	}
	if (r >= 0)
		r = tap_open(t, s, seconds > 0 ? (uint64_t)seconds : 1);
	if (r < 0) {
		vtap_agent_request_fail(f, id, "packets cannot be captured: %s", strerror(-r));
		vtap_tap_free(t);
		return;
	}
	*ret_tap = t;
}
