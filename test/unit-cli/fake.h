/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A controller that answers from a script, and a terminal whose output can be read. */

#include "unit.h"

#include "cli/cli.h"

/* A refusal's body. */
#define PROBLEM(status, field, detail)                                                                                 \
	"{\"type\":\"about:blank\",\"title\":\"x\",\"status\":" #status ",\"field\":\"" field                          \
	"\",\"detail\":\"" detail "\"}"

struct fake_exchange { /* one request and its answer; an array ends with a NULL method */
	const char *method, *path;
	const char *body; /* that the request must have, as JSON; NULL = none */
	unsigned status; /* 0 = nothing answers */
	const char *answer; /* NULL = no body */
};

struct fake {
	struct vtap_cli cli;
	struct vtap_settings settings;
	const struct fake_exchange *next;
	const char *header; /* that requests must have; NULL = any */
	const char *const *headers; /* that those must have which change something, in order; NULL = any */
	char *out, *err; /* what the last run printed */
	size_t out_bytes, err_bytes;
	const char *typed[4]; /* secrets, in order; NULL = end of input */
	size_t typed_count;
	unsigned retry_after_s[4]; /* of the first answers, in order */
	size_t answer_count;
	unsigned pauses; /* that are still allowed */
	unsigned paused_s; /* all of them together */
};

void fake_begin(struct fake *f, const struct fake_exchange *script);
void fake_end(struct fake *f);
/* Runs a command line, up to NULL; its exit status. Fails when the script asks for more than was asked. */
int fake_run(struct fake *f, const char *const *argv);
/* Exactly this on both outputs. */
void fake_says(const struct fake *f, const char *out, const char *err);
#define RUN(f, ...) fake_run(f, (const char *const[]){__VA_ARGS__, NULL})
