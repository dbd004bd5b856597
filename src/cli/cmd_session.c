/* SPDX-License-Identifier: Apache-2.0 */

/* How sessions do: counters, history, checks, and which of them takes a packet. Programs get the answer as it is, people a table of it. */

#include <stdio.h>
#include <string.h>

#include "cli/attribute.h"
#include "cli/commands.h"
#include "cli/render.h"
#include "cli/show.h"
#include "model/value.h"

/* The sum of a counter, or of all whose names begin so, in both directions. */
static json_int_t counter_sum(const json_t *counters, const char *name, bool prefix)
{
	const json_t *direction, *value;
	const char *key, *counter;
	json_int_t sum = 0;

	json_object_foreach((json_t *)counters, key, direction)
	{
		json_object_foreach((json_t *)direction, counter, value)
		{
			if (prefix ? strncmp(counter, name, strlen(name)) == 0 : strcmp(counter, name) == 0)
				sum += json_integer_value(value);
		}
	}
	return sum;
}

/* Of each host, only the sums: the reasons are above, for all of them. */
static json_t *hosts_sum(const json_t *hosts)
{
	json_t *rows = json_array();
	const json_t *host;
	size_t i;

	json_array_foreach(hosts, i, host)
	{
		const json_t *counters = json_object_get(host, "counters");

		json_array_append_new(rows,
				      json_pack("{s:O?,s:I,s:I,s:I}", "host", json_object_get(host, "host"),
						"matched_packets", counter_sum(counters, "matched_packets", false),
						"mirrored_packets", counter_sum(counters, "mirrored_packets", false),
						"lost_packets", counter_sum(counters, "lost_", true)));
	}
	return rows;
}

static int stats_show(struct vtap_cli *cli, const char *session, json_t *stats, bool many)
{
	if (cli->output != VTAP_OUTPUT_TABLE)
		return vtap_show_value(cli, stats);
	if (many)
		json_object_set_new(stats, "session", json_string(session));
	json_object_set_new(stats, "hosts", hosts_sum(json_object_get(stats, "hosts")));
	return vtap_show_value(cli, stats);
}

int vtap_cmd_session_stats(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	int status = VTAP_EXIT_DONE;

	for (size_t n = 0; n < i->argument_count; n++) {
		json_t *answer = NULL;
		int one;

		one = vtap_show_ask(cli, i, i->arguments[n], NULL, &answer);
		if (one == VTAP_EXIT_DONE && n > 0 && cli->output == VTAP_OUTPUT_TABLE)
			fputc('\n', cli->out);
		if (one == VTAP_EXIT_DONE)
			one = stats_show(cli, i->arguments[n], answer, i->argument_count > 1);
		json_decref(answer);
		status = status == VTAP_EXIT_DONE ? one : status;
		if (one == VTAP_EXIT_UNREACHABLE)
			break;
	}
	return status;
}

/* Lists of figures, side by side, become rows with a time each. */
static json_t *history_rows(const json_t *history)
{
	json_int_t step = json_integer_value(json_object_get(history, "step"));
	json_int_t end = json_integer_value(json_object_get(history, "end"));
	size_t count = json_array_size(json_object_get(history, "matched_packets"));
	json_t *rows = json_array();
	const json_t *list;
	const char *name;

	for (size_t i = 0; i < count; i++) {
		json_int_t until = end - (json_int_t)(count - 1 - i) * step;
		json_t *row = json_object();
		char text[VTAP_TIME_STRLEN];

		json_object_set_new(row, "until", json_string(vtap_time_format(until, text)));
		json_object_foreach((json_t *)history, name, list)
		{
			if (json_is_array(list))
				json_object_set(row, name, json_array_get(list, i));
		}
		json_array_append_new(rows, row);
	}
	return rows;
}

int vtap_cmd_session_history(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	json_t *answer = NULL, *rows;
	int status;

	status = vtap_show_ask(cli, i, i->arguments[0], NULL, &answer);
	if (status != VTAP_EXIT_DONE || cli->output != VTAP_OUTPUT_TABLE) {
		status = status == VTAP_EXIT_DONE ? vtap_show_value(cli, answer) : status;
	} else {
		rows = history_rows(answer);
		status =
		    vtap_show_list(cli, rows, "until matched_packets mirrored_packets mirrored_bytes lost_packets");
		json_decref(rows);
	}
	json_decref(answer);
	return status;
}

/* A hop that failed makes the whole answer a no. */
int vtap_cmd_session_check(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	json_t *answer = NULL;
	const json_t *hops, *hop;
	json_int_t left_out;
	bool failed = false;
	size_t n;
	int status;

	status = vtap_show_ask(cli, i, i->arguments[0], NULL, &answer);
	hops = json_object_get(answer, "hops");
	if (status == VTAP_EXIT_DONE)
		status = vtap_show_list(cli, hops, "hop state detail");
	json_array_foreach(hops, n, hop)
	{
		const char *state = json_string_value(json_object_get(hop, "state"));

		failed = failed || (state && strcmp(state, "failed") == 0);
	}
	left_out = json_integer_value(json_object_get(answer, "hosts_left_out"));
	if (left_out > 0)
		fprintf(cli->err, "vtap: %lld further host%s of the session %s not asked\n", (long long)left_out,
			left_out == 1 ? "" : "s", left_out == 1 ? "was" : "were");
	json_decref(answer);
	return status == VTAP_EXIT_DONE && failed ? VTAP_EXIT_REFUSED : status;
}

/* The packet that the verdicts are about, and which of its members nobody gave. */
static void packet_print(struct vtap_cli *cli, const json_t *answer)
{
	const json_t *assumed = json_object_get(answer, "assumed");
	_cleanup_free_ char *packet = vtap_render_text(json_object_get(answer, "packet"), NULL);
	_cleanup_free_ char *names = json_array_size(assumed) > 0 ? vtap_render_text(assumed, NULL) : NULL;

	if (names)
		vtap_setting_dashes(names);
	fprintf(cli->out, "packet: %s%s%s\n", packet ? packet : "", names ? "; assumed: " : "", names ? names : "");
}

int vtap_cmd_trace(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	json_t *answer = NULL;
	int status;

	status = vtap_show_ask(cli, i, NULL, NULL, &answer);
	if (status == VTAP_EXIT_DONE && cli->output == VTAP_OUTPUT_TABLE && !cli->quiet) {
		packet_print(cli, answer);
		status =
		    vtap_show_list(cli, json_object_get(answer, "sessions"), "session number mode taken rule reason");
	} else if (status == VTAP_EXIT_DONE) {
		status = vtap_show_value(cli, answer);
	}
	json_decref(answer);
	return status;
}
