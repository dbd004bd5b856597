/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One request and what became of it: the answer's JSON, or one sentence that a person understands. */

#include "cli/cli.h"

#define VTAP_ASK_HEADERS_MAX 4

struct vtap_ask { /* everything is borrowed */
	const char *method, *path;
	const char *body; /* NULL = none */
	const struct vtap_kind *kind; /* whose options a refusal may name; NULL = none */
	const struct vtap_command *command; /* likewise */
	const char *headers[VTAP_ASK_HEADERS_MAX]; /* further ones, up to the first NULL */
	const char *about; /* what stands in front of the sentence, such as "session web"; NULL = nothing */
};

struct vtap_refusal {
	int status; /* enum vtap_exit */
	unsigned http; /* 0 = no answer */
	char text[512]; /* the sentence */
};

#define VTAP_ASK_WAIT_MAX_S 30 /* in all, where the controller asks to wait before it is asked again */

/* As cli->perform(), which is called again as long as the controller asks for that and the wait is not too long. */
void vtap_ask_perform(struct vtap_cli *cli, const struct vtap_client_request *request,
		      struct vtap_client_answer *ret_answer);

/* An enum vtap_exit; *ret_answer is a new reference, null for an answer without a body. *ret_refusal is filled otherwise. */
int vtap_ask_try(struct vtap_cli *cli, const struct vtap_ask *ask, json_t **ret_answer,
		 struct vtap_refusal *ret_refusal);
/* The same, but that it prints the refusal. */
int vtap_ask(struct vtap_cli *cli, const struct vtap_ask *ask, json_t **ret_answer);
/* All pages of a list, at most `limit` (0 = all) of its items. */
int vtap_ask_list(struct vtap_cli *cli, const struct vtap_ask *ask, uint64_t limit, json_t **ret_items);
/* The refusal that an answer is. Pure. */
void vtap_ask_explain(const struct vtap_client_answer *answer, const struct vtap_ask *ask,
		      const struct vtap_settings *settings, struct vtap_refusal *ret);
