// SPDX-License-Identifier: Apache-2.0

#include "agent/problem.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* Control characters could split the line of a log, and nothing of the controller's is repeated without a bound. */
static void text_copy(const char *from, char *to, size_t size_bytes)
{
	snprintf(to, size_bytes, "%s", from);
	for (; *to; to++) {
		if ((unsigned char)*to < 0x20 || *to == 0x7f)
			*to = ' ';
	}
}

void vtap_problem_read(const struct vtap_client_answer *answer, struct vtap_problem *ret_problem)
{
	struct vtap_problem p = {};
	const char *type, *detail;
	json_t *o;

	if (answer->result < 0) {
		text_copy(*answer->error ? answer->error : strerror(-answer->result), p.text, sizeof(p.text));
		*ret_problem = p;
		return;
	}
	o = json_loadb(answer->body, answer->body_bytes, 0, NULL);
	type = json_string_value(json_object_get(o, "type"));
	detail = json_string_value(json_object_get(o, "detail"));
	if (type && strcmp(type, "about:blank") != 0)
		text_copy(type, p.type, sizeof(p.type));
	if (detail)
		text_copy(detail, p.text, sizeof(p.text));
	else
		snprintf(p.text, sizeof(p.text), "it answered with status %u", answer->status);
	json_decref(o);
	*ret_problem = p;
}
