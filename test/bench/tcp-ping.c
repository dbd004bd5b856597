// SPDX-License-Identifier: Apache-2.0

/*
 * Round trips of one byte over one TCP connection.
 *   tcp-ping serve PORT               answers one connection until it ends
 *   tcp-ping ADDRESS PORT ROUNDS      prints median and mean of ROUNDS round trips in nanoseconds
 */

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP_ROUNDS 500

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static int serve(int port)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, peer;
	char byte;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0 || listen(fd, 1) < 0)
		return fail("listen");
	peer = accept(fd, NULL, NULL);
	if (peer < 0)
		return fail("accept");
	setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	while (read(peer, &byte, 1) == 1) {
		if (write(peer, &byte, 1) != 1)
			return fail("write");
	}
	return 0;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int measure(const char *address, int port, size_t rounds)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	uint64_t *took_ns = calloc(rounds, sizeof(*took_ns)), sum_ns = 0;
	char byte = 0;

	if (!took_ns || inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return fail(address);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	for (size_t i = 0; i < rounds + WARM_UP_ROUNDS; i++) {
		uint64_t start = now_ns();

		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			return fail("round trip");
		if (i >= WARM_UP_ROUNDS)
			sum_ns += took_ns[i - WARM_UP_ROUNDS] = now_ns() - start;
	}
	qsort(took_ns, rounds, sizeof(*took_ns), by_size);
	printf("%ju %ju\n", (uintmax_t)took_ns[rounds / 2], (uintmax_t)(sum_ns / rounds));
	free(took_ns);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(atoi(argv[2]));
	if (argc == 4 && atol(argv[3]) > 0)
		return measure(argv[1], atoi(argv[2]), atol(argv[3]));
	fprintf(stderr, "usage: tcp-ping serve PORT | tcp-ping ADDRESS PORT ROUNDS\n");
	return 2;
}
