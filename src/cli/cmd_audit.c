/* SPDX-License-Identifier: Apache-2.0 */

/* The audit log, one line for each entry. */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "model/value.h"

#define SINCE_DEFAULT "24h"

static const char *text_of(const json_t *entry, const char *key)
{
	const char *text = json_string_value(json_object_get(entry, key));

	return text && *text ? text : NULL;
}

/* Who asked what, in a word each; entries without a user are an agent's or the controller's own. */
static json_t *row_of(const json_t *entry)
{
	const char *who = text_of(entry, "user_name"), *what = text_of(entry, "action");
	char request[256];

	who = who ? who : text_of(entry, "user");
	who = who ? who : text_of(entry, "host");
	if (!what) {
		snprintf(request, sizeof(request), "%s %s", text_of(entry, "method") ? text_of(entry, "method") : "",
			 text_of(entry, "path") ? text_of(entry, "path") : "");
		what = request;
	} else if (text_of(entry, "resource")) {
		snprintf(request, sizeof(request), "%s %s", what, text_of(entry, "resource"));
		what = request;
	}
	return json_pack("{s:O?,s:s?,s:s,s:O?,s:O?}", "time", json_object_get(entry, "time"), "who", who, "what", what,
			 "outcome", json_object_get(entry, "outcome"), "reason", json_object_get(entry, "reason"));
}

/* "2h" means two hours ago. -EINVAL for what is neither a duration nor a time. */
static int since_format(const char *since, char buffer[VTAP_TIME_STRLEN])
{
	uint64_t ago;
	int64_t seconds;
	int r;

	r = vtap_time_parse(since, &seconds);
	if (r < 0) {
		r = vtap_duration_parse(since, 1, VTAP_DURATION_MAX_S, &ago);
		seconds = (int64_t)time(NULL) - (int64_t)ago;
	}
	if (r >= 0)
		vtap_time_format(seconds, buffer);
	return r;
}

static int entries_show(struct vtap_cli *cli, const struct vtap_invocation *i, const json_t *entries)
{
	json_t *rows;
	const json_t *entry;
	size_t n;
	int status;

	if (cli->output != VTAP_OUTPUT_TABLE || cli->quiet)
		return vtap_show_list(cli, entries, NULL);
	rows = json_array();
	json_array_foreach(entries, n, entry) json_array_append_new(rows, row_of(entry));
	status = vtap_show_list(cli, rows, i->noun->columns);
	json_decref(rows);
	return status;
}

/* The log is read from its older end: what was asked for is what stands last. */
static json_t *latest_of(const json_t *entries, uint64_t limit)
{
	size_t count = json_array_size(entries), first = limit > 0 && limit < count ? count - (size_t)limit : 0;
	json_t *latest = json_array();

	for (size_t i = first; i < count; i++)
		json_array_append(latest, json_array_get(entries, i));
	return latest;
}

int vtap_cmd_audit_list(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	VTAP_CLEANUP(vtap_request_done) struct vtap_request request = {};
	const char *since = vtap_invocation_text(i, "since");
	_cleanup_free_ char *path = NULL, *encoded = NULL;
	struct vtap_ask ask = {.method = "GET", .command = i->command};
	json_t *entries = NULL, *latest;
	char text[VTAP_TIME_STRLEN], shown[VTAP_ERROR_QUOTE_STRLEN];
	int status;

	if (since_format(since ? since : SINCE_DEFAULT, text) < 0)
		return vtap_cli_fail(cli, VTAP_EXIT_USAGE,
				     "--since: must be a time such as 2026-11-21T15:00:00Z or a duration such as 90s, "
				     "10m, 2h or 7d, not \"%s\"",
				     vtap_error_quote(since, shown));
	encoded = vtap_request_path("{}", NULL, text);
	if (!encoded || vtap_request_make(i, NULL, NULL, &request) < 0 ||
	    asprintf(&path, "%s%csince=%s", request.path, strchr(request.path, '?') ? '&' : '?', encoded) < 0)
		return vtap_show_memory(cli);
	ask.path = path;
	status = vtap_ask_list(cli, &ask, 0, &entries);
	if (status != VTAP_EXIT_DONE)
		return status;
	latest = latest_of(entries, vtap_invocation_number(i, "limit", 0));
	status = entries_show(cli, i, latest);
	json_decref(latest);
	json_decref(entries);
	return status;
}
