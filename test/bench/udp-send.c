// SPDX-License-Identifier: Apache-2.0

/*
 * Sends UDP datagrams through a socket: udp-send ADDRESS PORT FRAME_BYTES COUNT [PACKETS_PER_SECOND]
 *
 * FRAME_BYTES counts Ethernet, IPv4 and UDP headers. Without a rate, as fast as it goes. Ends after COUNT datagrams or on
 * SIGTERM, and prints how many were sent in how many nanoseconds.
 */

#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define HEADER_BYTES (14 + 20 + 8)
#define FRAME_BYTES_MAX 1514

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
	ended = 1;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int connected(const char *address, int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror(address);
		exit(1);
	}
	return fd;
}

/* The next datagram's time counts from the last one's: after a hiccup of the machine there is no burst to catch up. */
static uint64_t send_all(int fd, size_t payload_bytes, uint64_t count, uint64_t gap_ns)
{
	static const char payload[FRAME_BYTES_MAX];
	uint64_t sent = 0, last = 0;

	while (sent < count && !ended) {
		if (gap_ns) {
			uint64_t now;

			do
				now = now_ns();
			while (now - last < gap_ns && !ended);
			last = now - last < 2 * gap_ns ? last + gap_ns : now;
		}
		if (send(fd, payload, payload_bytes, 0) < 0) {
			perror("send");
			exit(1);
		}
		sent++;
	}
	return sent;
}

int main(int argc, char **argv)
{
	uint64_t sent, start, rate = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
	struct sigaction on_term = {.sa_handler = on_signal};
	int frame_bytes = argc > 3 ? atoi(argv[3]) : 0;

	if (argc < 5 || frame_bytes < HEADER_BYTES || frame_bytes > FRAME_BYTES_MAX) {
		fprintf(stderr, "usage: udp-send ADDRESS PORT FRAME_BYTES COUNT [PACKETS_PER_SECOND]\n");
		return 2;
	}
	sigaction(SIGTERM, &on_term, NULL);
	start = now_ns();
	sent = send_all(connected(argv[1], atoi(argv[2])), frame_bytes - HEADER_BYTES, strtoull(argv[4], NULL, 10),
			rate ? 1000000000 / rate : 0);
	printf("%ju packets in %ju ns\n", (uintmax_t)sent, (uintmax_t)(now_ns() - start));
	return 0;
}
