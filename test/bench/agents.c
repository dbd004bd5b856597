// SPDX-License-Identifier: Apache-2.0
/*
 * Many agents in one process, without packets: each joins, waits for its plan, fetches the rules that it does not have and
 * reports, as docs/agent-protocol.md says, with a connection and credentials of its own.
 *
 *     agents URL <JOIN-TOKENS
 *
 * Reads one join token a line, then writes one line for each event, with the time on the monotonic clock in nanoseconds:
 * "joined NS HOST", "ready NS COUNT" after the last, "ack NS HOST REVISION SESSIONS" when the controller has a report for the
 * plan, "lost NS HOST" and "back NS HOST" around an interruption, "failed NS HOST SENTENCE". Ends by SIGTERM.
 */

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#include "client/client.h"
#include "crypto/pki.h"

#define AGENTS_MAX 4096
#define WAIT_S 25
#define ANSWER_TIMEOUT_MS ((WAIT_S + 15) * 1000)
#define BACKOFF_MS 200
#define EVENTS_MAX 256
#define HASHES_MAX 512 /* rule chunks of one agent */

struct agent {
	char token[256];
	char host[64];
	char instance[17];
	struct vtap_client *client; /* owned */
	char *key; /* owned; PEM, of a TLS agent */
	char epoch[40];
	uint64_t revision, reported, requests;
	size_t sessions;
	char (*hashes)[VTAP_HASH_STRLEN]; /* owned */
	size_t hash_count;
	json_t *plan; /* owned; that is being accepted */
	uint64_t retry_ns; /* 0 = nothing to repeat */
	bool joined, lost;
};

static const char *url;
static char *authority; /* owned; PEM; NULL = plain */
static struct agent *agents; /* owned */
static size_t agent_count;
static int epoll_fd = -1;

static void ask_plan(struct agent *a);
static void on_chunk(struct vtap_client_answer *answer, void *userdata);

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void fail(const char *what, const char *why)
{
	(void)fprintf(stderr, "agents: %s: %s\n", what, why);
	exit(1);
}

/* Whether the answer is there and has a status below 400; else the agent begins again a little later. */
static bool arrived(struct agent *a, const struct vtap_client_answer *answer)
{
	if (answer->result == 0 && answer->status < 400) {
		if (a->lost)
			printf("back %" PRIu64 " %s\n", now_ns(), a->host);
		a->lost = false;
		return true;
	}
	if (answer->result == 0)
		printf("failed %" PRIu64 " %s status %u: %.200s\n", now_ns(), a->host, answer->status, answer->body);
	else if (!a->lost)
		printf("lost %" PRIu64 " %s\n", now_ns(), a->host);
	a->lost = true;
	a->retry_ns = now_ns() + BACKOFF_MS * 1000000ULL;
	return false;
}

static void start(struct agent *a, const char *method, const char *path, const char *body, vtap_client_done done)
{
	char connection[64];
	const char *const headers[] = {connection, NULL};
	struct vtap_client_request request = {
	    .method = method,
	    .path = path,
	    .body = body,
	    .body_bytes = body ? strlen(body) : 0,
	    .headers = headers,
	    .timeout_ms = ANSWER_TIMEOUT_MS,
	};
	uint64_t id;
	int r;

	(void)snprintf(connection, sizeof(connection), "X-Vtap-Connection: %s:%" PRIu64, a->instance, ++a->requests);
	r = vtap_client_start(a->client, &request, done, a, &id);
	if (r < 0)
		fail("cannot start a request", strerror(-r));
}

static void on_report(struct vtap_client_answer *answer, void *userdata)
{
	struct agent *a = userdata;

	if (arrived(a, answer)) {
		a->reported = a->revision;
		printf("ack %" PRIu64 " %s %" PRIu64 " %zu\n", now_ns(), a->host, a->revision, a->sessions);
		ask_plan(a);
	}
	vtap_client_answer_done(answer);
}

static void send_report(struct agent *a)
{
	char body[512];

	(void)snprintf(body, sizeof(body),
		       "{\"epoch\":\"%s\",\"revision\":%" PRIu64 ",\"agent\":{\"version\":\"" VTAP_VERSION
		       "\"},\"sessions\":[]}",
		       a->epoch, a->revision);
	start(a, "POST", "/agent/v1/report", body, on_report);
}

static bool has_chunk(const struct agent *a, const char *hash)
{
	for (size_t i = 0; i < a->hash_count; i++) {
		if (strcmp(a->hashes[i], hash) == 0)
			return true;
	}
	return false;
}

/* The first chunk that the plan lists and this agent does not have; NULL: it has all. */
static const char *missing_chunk(const struct agent *a)
{
	json_t *filter, *hash;
	size_t i, j;

	json_array_foreach(json_object_get(a->plan, "filters"), i, filter)
	{
		json_array_foreach(json_object_get(filter, "chunks"), j, hash)
		{
			if (!has_chunk(a, json_string_value(hash)))
				return json_string_value(hash);
		}
	}
	return NULL;
}

/* Asks for what is missing, one after another; then the plan is accepted. After a loss it is asked for again. */
static void accept_plan(struct agent *a)
{
	const char *hash = missing_chunk(a);
	char path[128];

	if (hash) {
		(void)snprintf(path, sizeof(path), "/agent/v1/chunks/%s", hash);
		start(a, "GET", path, NULL, on_chunk);
		return;
	}
	a->revision = (uint64_t)json_integer_value(json_object_get(a->plan, "revision"));
	(void)snprintf(a->epoch, sizeof(a->epoch), "%s", json_string_value(json_object_get(a->plan, "epoch")));
	a->sessions = json_array_size(json_object_get(a->plan, "sessions"));
	send_report(a);
}

static void on_chunk(struct vtap_client_answer *answer, void *userdata)
{
	struct agent *a = userdata;

	if (arrived(a, answer)) {
		if (a->hash_count == HASHES_MAX)
			a->hash_count = 0;
		vtap_hash_hex(answer->body, answer->body_bytes, a->hashes[a->hash_count++]);
		accept_plan(a);
	}
	vtap_client_answer_done(answer);
}

static void on_plan(struct vtap_client_answer *answer, void *userdata)
{
	struct agent *a = userdata;

	if (arrived(a, answer)) {
		if (answer->status == 304) {
			ask_plan(a);
		} else {
			json_decref(a->plan);
			a->plan = json_loadb(answer->body, answer->body_bytes, 0, NULL);
			if (!a->plan)
				fail("no JSON in the plan", a->host);
			accept_plan(a);
		}
	}
	vtap_client_answer_done(answer);
}

static void ask_plan(struct agent *a)
{
	char path[160];

	(void)snprintf(path, sizeof(path), "/agent/v1/plan?epoch=%s&revision=%" PRIu64 "&wait=%d", a->epoch,
		       a->revision, WAIT_S);
	start(a, "GET", path, NULL, on_plan);
}

static void watch(struct agent *a)
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = a};

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, vtap_client_fd(a->client), &e) < 0)
		fail("epoll", strerror(errno));
}

/* The client that joined has no credentials: a new one takes its place. */
static void connect_again(struct agent *a, const char *certificate, const char *bearer)
{
	const struct vtap_client_options options = {
	    .url = url, .authority = authority, .certificate = certificate, .key = a->key, .bearer = bearer};
	struct vtap_error e;

	a->client = vtap_client_free(a->client);
	if (vtap_client_new(&options, &a->client, &e) < 0)
		fail(url, e.text);
	watch(a);
}

static void join(struct agent *a)
{
	const struct vtap_client_options options = {.url = url, .authority = authority};
	_cleanup_free_ char *request = NULL, *text = NULL;
	struct vtap_client_answer answer;
	struct vtap_error e;
	json_t *body, *got;
	int r;

	if (authority && vtap_pki_request_new("agent", &a->key, &request) < 0)
		fail("no signing request", a->token);
	body =
	    json_pack("{s:s, s:s?, s:{s:s}}", "token", a->token, "request", request, "agent", "version", VTAP_VERSION);
	text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	if (!text || vtap_client_new(&options, &a->client, &e) < 0)
		fail(url, e.text);
	r = vtap_client_perform(
	    a->client,
	    &(struct vtap_client_request){
		.method = "POST", .path = "/agent/v1/join", .body = text, .body_bytes = strlen(text)},
	    &answer);
	if (r < 0)
		fail("cannot join", answer.error);
	if (answer.status != 201)
		fail("cannot join", answer.body);
	got = json_loadb(answer.body, answer.body_bytes, 0, NULL);
	(void)snprintf(a->host, sizeof(a->host), "%s", json_string_value(json_object_get(got, "host")));
	connect_again(a, json_string_value(json_object_get(got, "certificate")),
		      json_string_value(json_object_get(got, "token")));
	json_decref(got);
	vtap_client_answer_done(&answer);
	printf("joined %" PRIu64 " %s\n", now_ns(), a->host);
}

/* Trusts what answers: the benchmark made both ends, and the agents proper compare the hash in their token. */
static void fetch_authority(void)
{
	const struct vtap_client_options options = {.url = url, .unverified = true};
	VTAP_CLEANUP(vtap_client_freep) struct vtap_client *client = NULL;
	struct vtap_client_answer answer;
	struct vtap_error e;

	if (strncmp(url, "https:", 6) != 0)
		return;
	if (vtap_client_new(&options, &client, &e) < 0)
		fail(url, e.text);
	if (vtap_client_perform(client, &(struct vtap_client_request){.method = "GET", .path = "/agent/v1/authority"},
				&answer) < 0)
		fail("no authority", answer.error);
	authority = VTAP_STEAL(answer.body);
	vtap_client_answer_done(&answer);
}

static void begin(const char *line, size_t length)
{
	struct agent *a;

	if (agent_count == AGENTS_MAX)
		fail("too many agents", "more than 4096");
	a = &agents[agent_count++];
	(void)snprintf(a->token, sizeof(a->token), "%.*s", (int)length, line);
	vtap_random_hex(16, a->instance);
	a->hashes = calloc(HASHES_MAX, sizeof(*a->hashes));
	if (!a->hashes)
		fail("cannot start", "no memory");
	join(a);
	ask_plan(a);
}

/* Runs the clients that have something to do, and those whose time has come. */
static void turn(void)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(epoll_fd, events, EVENTS_MAX, 50);

	for (int i = 0; i < n; i++) {
		struct agent *a = events[i].data.ptr;

		(void)vtap_client_run(a->client);
	}
	for (size_t i = 0; i < agent_count; i++) {
		struct agent *a = &agents[i];

		if (vtap_client_timeout_ms(a->client) == 0)
			(void)vtap_client_run(a->client);
		if (a->retry_ns != 0 && now_ns() >= a->retry_ns) {
			a->retry_ns = 0;
			/* A report is answered at once, where a plan that is still the same would be waited for. */
			if (*a->epoch)
				send_report(a);
			else
				ask_plan(a);
		}
	}
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	struct rlimit files;
	char line[256];

	if (argc != 2) {
		(void)fprintf(stderr, "usage: agents URL <JOIN-TOKENS\n");
		return 2;
	}
	url = argv[1];
	/* Three descriptors for each agent. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	agents = calloc(AGENTS_MAX, sizeof(*agents));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!agents || epoll_fd < 0 || vtap_crypto_init() < 0)
		fail("cannot start", strerror(errno));
	fetch_authority();
	while (fgets(line, sizeof(line), stdin))
		begin(line, strcspn(line, "\n"));
	printf("ready %" PRIu64 " %zu\n", now_ns(), agent_count);
	for (;;)
		turn();
}
