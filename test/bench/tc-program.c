// SPDX-License-Identifier: Apache-2.0

/*
 * Runs one of the benchmark's own programs at a device, by tcx where the kernel has it, else by clsact.
 *   tc-program clone DEVICE ingress|egress UPLINK
 *   tc-program collect DEVICE
 * Says "ready", then answers each line that it reads with the packets counted so far; ends with its input.
 */

#include <errno.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bench.skel.h"

#define TCX_INGRESS 46 /* enum bpf_attach_type of Linux 6.6 */
#define TCX_EGRESS 47
#define CPUS_MAX 1024

static int fail(const char *what, int r)
{
	fprintf(stderr, "tc-program: %s: %s\n", what, strerror(-r));
	return 1;
}

/* The link lives until this process ends. A clsact filter goes with its device. */
static int attach(int program_fd, int ifindex, int egress)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
			    .attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program_fd);
	int r;

	if (bpf_link_create(program_fd, ifindex, egress ? TCX_EGRESS : TCX_INGRESS, NULL) >= 0)
		return 0;
	r = bpf_tc_hook_create(&hook);
	if (r < 0 && r != -EEXIST)
		return r;
	return bpf_tc_attach(&hook, &options);
}

static int print_count(int map_fd)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t values[CPUS_MAX], sum = 0;
	uint32_t zero = 0;
	int r = cpus > CPUS_MAX ? -E2BIG : bpf_map_lookup_elem(map_fd, &zero, values);

	if (r < 0)
		return r;
	for (int i = 0; i < cpus; i++)
		sum += values[i];
	printf("%ju\n", (uintmax_t)sum);
	fflush(stdout);
	return 0;
}

static int serve(struct bench *b)
{
	char line[16];
	int r = 0;

	printf("ready\n");
	fflush(stdout);
	while (r >= 0 && fgets(line, sizeof(line), stdin))
		r = print_count(bpf_map__fd(b->maps.packets));
	return r < 0 ? fail("map", r) : 0;
}

int main(int argc, char **argv)
{
	int clones = argc == 5 && !strcmp(argv[1], "clone"), collects = argc == 3 && !strcmp(argv[1], "collect");
	struct bench *b;
	int r;

	if (!clones && !collects) {
		fprintf(stderr, "usage: tc-program clone DEVICE ingress|egress UPLINK | tc-program collect DEVICE\n");
		return 2;
	}
	b = bench__open();
	if (!b)
		return fail("open", -errno);
	if (clones)
		b->rodata->uplink_ifindex = if_nametoindex(argv[4]);
	r = bench__load(b);
	if (r >= 0)
		r = attach(bpf_program__fd(clones ? b->progs.clone : b->progs.collect), if_nametoindex(argv[2]),
			   clones && !strcmp(argv[3], "egress"));
	r = r < 0 ? fail(argv[2], r) : serve(b);
	bench__destroy(b);
	return r;
}
