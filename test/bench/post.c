// SPDX-License-Identifier: Apache-2.0
/*
 * Sends many requests to a controller, several at a time.
 *
 *     post URL METHOD PATH CONCURRENT <BODIES
 *
 * One body a line; credentials and authority from VTAP_ACCESS_KEY_ID, VTAP_SECRET_ACCESS_KEY and VTAP_CA_FILE. A PATH with "{}" takes the line there
 * instead and sends no body. Writes each answer's body as one line, in the order of the requests, then
 * "COUNT SECONDS" to standard error. Exit status 1 when one of them was refused.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "client/client.h"

#define CONCURRENT_MAX 256

static char **lines, **answers; /* owned */
static size_t line_count, sent, received, refused;
static const char *method, *path;
static struct vtap_client *client; /* owned */

static void send_next(void);

static double now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_answer(struct vtap_client_answer *answer, void *userdata)
{
	char **slot = userdata;

	received++;
	if (answer->result < 0 || answer->status >= 400) {
		if (refused++ == 0)
			(void)fprintf(stderr, "post: %u %s\n", answer->status,
				      answer->result < 0 ? answer->error : answer->body);
	}
	*slot = answer->result < 0 ? NULL : VTAP_STEAL(answer->body);
	vtap_client_answer_done(answer);
	send_next();
}

static void send_next(void)
{
	struct vtap_client_request request = {.method = method, .path = path};
	const char *place = strstr(path, "{}");
	char filled[512];
	uint64_t id;

	if (sent == line_count)
		return;
	if (place) {
		(void)snprintf(filled, sizeof(filled), "%.*s%s%s", (int)(place - path), path, lines[sent], place + 2);
		request.path = filled;
	} else {
		request.body = lines[sent];
		request.body_bytes = strlen(lines[sent]);
	}
	if (vtap_client_start(client, &request, on_answer, &answers[sent], &id) < 0)
		abort();
	sent++;
}

/* The PEM text that VTAP_CA_FILE names; NULL without it. */
static char *read_authority(void)
{
	const char *name = getenv("VTAP_CA_FILE");
	char *text = NULL;
	size_t room = 0;
	FILE *f;

	if (!name)
		return NULL;
	f = fopen(name, "re");
	if (!f || getdelim(&text, &room, '\0', f) < 0) {
		(void)fprintf(stderr, "post: cannot read %s: %s\n", name, strerror(errno));
		exit(2);
	}
	(void)fclose(f);
	return text;
}

static void read_lines(void)
{
	size_t room = 0, capacity = 0;
	char *line = NULL;
	ssize_t n;

	while ((n = getline(&line, &room, stdin)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if (line_count == capacity) {
			capacity = capacity ? capacity * 2 : 1024;
			lines = reallocarray(lines, capacity, sizeof(*lines));
			if (!lines)
				abort();
		}
		lines[line_count++] = VTAP_STEAL(line);
		room = 0;
	}
	answers = calloc(line_count + 1, sizeof(*answers));
	if (!answers)
		abort();
}

int main(int argc, char **argv)
{
	struct vtap_client_options options = {
	    .user = getenv("VTAP_ACCESS_KEY_ID"),
	    .password = getenv("VTAP_SECRET_ACCESS_KEY"),
	};
	struct epoll_event e = {.events = EPOLLIN};
	int concurrent, epoll_fd;
	struct vtap_error error;
	double began;

	if (argc != 5) {
		(void)fprintf(stderr, "usage: post URL METHOD PATH CONCURRENT <BODIES\n");
		return 2;
	}
	options.url = argv[1];
	options.authority = read_authority();
	options.connections_max = (unsigned)atoi(argv[4]);
	method = argv[2];
	path = argv[3];
	concurrent = atoi(argv[4]);
	if (concurrent < 1 || concurrent > CONCURRENT_MAX || vtap_client_new(&options, &client, &error) < 0) {
		(void)fprintf(stderr, "post: %s\n", concurrent < 1 ? "CONCURRENT must be 1 to 256" : error.text);
		return 2;
	}
	read_lines();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	(void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, vtap_client_fd(client), &e);
	began = now_s();
	for (int i = 0; i < concurrent; i++)
		send_next();
	while (received < line_count) {
		(void)epoll_wait(epoll_fd, &e, 1, vtap_client_timeout_ms(client));
		if (vtap_client_run(client) < 0)
			abort();
	}
	(void)fprintf(stderr, "%zu %.6f\n", line_count, now_s() - began);
	for (size_t i = 0; i < line_count; i++)
		puts(answers[i] ? answers[i] : "");
	return refused != 0;
}
