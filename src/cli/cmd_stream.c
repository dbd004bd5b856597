/* SPDX-License-Identifier: Apache-2.0 */

/* What goes on until somebody ends it: live packets, events. */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/grid.h"
#include "cli/show.h"
#include "cli/sse.h"

#define CAPTURE_MARGIN_S 15 /* beyond the seconds that were asked for: the answer's way */

/* Streams the path to on_data() and says what ended it. */
static int stream(struct vtap_cli *cli, const struct vtap_invocation *i, const char *argument, unsigned timeout_ms,
		  int (*on_data)(const void *data, size_t size_bytes, void *userdata), void *userdata)
{
	VTAP_CLEANUP(vtap_client_answer_done) struct vtap_client_answer answer = {};
	VTAP_CLEANUP(vtap_request_done) struct vtap_request made = {};
	struct vtap_client_request request = {
	    .method = "GET", .timeout_ms = timeout_ms, .on_data = on_data, .userdata = userdata};
	struct vtap_ask ask = {.kind = vtap_invocation_kind(i), .command = i->command};
	struct vtap_refusal refusal = {};
	_cleanup_free_ char *project = NULL;
	const char *headers[2] = {};

	if (vtap_request_make(i, argument, NULL, &made) < 0)
		return vtap_show_memory(cli);
	if (cli->settings->project && asprintf(&project, "X-Vtap-Project: %s", cli->settings->project) >= 0)
		headers[0] = project;
	request.path = made.path;
	request.headers = headers;
	vtap_ask_perform(cli, &request, &answer);
	if (*answer.left_out)
		fprintf(cli->err, "vtap: left out: %s\n", answer.left_out);
	if (answer.result == -ECANCELED || (answer.result >= 0 && answer.status >= 200 && answer.status < 300))
		return VTAP_EXIT_DONE;
	vtap_ask_explain(&answer, &ask, cli->settings, &refusal);
	return vtap_cli_fail(cli, refusal.status, "%s", refusal.text);
}

struct capture {
	FILE *out;
	int error; /* of writing: 0 or -errno */
};

static int capture_data(const void *data, size_t size_bytes, void *userdata)
{
	struct capture *c = userdata;

	if (fwrite(data, 1, size_bytes, c->out) == size_bytes && fflush(c->out) == 0)
		return 0;
	c->error = -errno;
	return -ECANCELED;
}

int vtap_cmd_capture(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	const char *path = vtap_invocation_text(i, "write");
	uint64_t seconds = vtap_invocation_number(i, "seconds", 0);
	struct capture c = {.out = cli->out};
	int status;

	if (path && strcmp(path, "-") != 0)
		c.out = fopen(path, "we");
	if (!c.out)
		return vtap_cli_fail(cli, VTAP_EXIT_USAGE, "%s: cannot be opened: %s", path, strerror(errno));
	if (c.out == cli->out && cli->terminal)
		return vtap_cli_fail(cli, VTAP_EXIT_USAGE,
				     "packets are nothing for a terminal: use | tshark -r - or --write FILE");
	status =
	    stream(cli, i, i->arguments[0],
		   seconds > 0 ? (unsigned)(seconds + CAPTURE_MARGIN_S) * 1000 : (unsigned)INT_MAX, capture_data, &c);
	if (c.out != cli->out && fclose(c.out) != 0 && c.error == 0)
		c.error = -errno;
	/* Whoever reads may stop when it has seen enough. */
	if (c.error < 0 && c.error != -EPIPE)
		return vtap_cli_fail(cli, VTAP_EXIT_REFUSED, "the packets cannot be written: %s", strerror(-c.error));
	return status;
}

struct events {
	struct vtap_cli *cli;
	struct vtap_sse *sse; /* borrowed */
	const char *kind; /* NULL = all */
	uint64_t left; /* 0 = without end */
};

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* "updated  session    tms-...  web", and the state behind a name that has a new one. */
static int event_print(struct vtap_cli *cli, const char *event, const json_t *data)
{
	const char *name = text_of(data, "name"), *state = text_of(data, "state");
	VTAP_CLEANUP(vtap_grid_freep) struct vtap_grid *line = NULL;
	char fixed[160], rest[400];
	int r;

	name = *name ? name : text_of(json_object_get(data, "resource"), "name");
	snprintf(fixed, sizeof(fixed), "%-8s %-10s %-28s", event, text_of(data, "kind"), text_of(data, "id"));
	snprintf(rest, sizeof(rest), "%s%s%s", *name ? name : "-", *state ? " " : "", state);
	r = vtap_grid_new(NULL, NULL, 2, &line);
	if (r >= 0)
		r = vtap_grid_add(line, (const char *const[]){fixed, rest});
	if (r >= 0)
		vtap_grid_print(line, 0, 0, false, cli->out);
	return r;
}

/* One line each, so that programs can read them as they come; JSON is YAML too. */
static int event_dump(struct vtap_cli *cli, const char *event, const json_t *data)
{
	json_t *line = json_pack("{s:s}", "event", event);
	int r = 0;

	if (!line || json_object_update_missing(line, (json_t *)data) < 0)
		r = -ENOMEM;
	else if (json_dumpf(line, cli->out, JSON_COMPACT) < 0 || fputc('\n', cli->out) == EOF)
		r = -EIO;
	json_decref(line);
	return r;
}

/* The stream begins with what is no event of a resource. */
static bool is_wanted(const struct events *e, const json_t *data)
{
	const char *kind = text_of(data, "kind");

	return *kind && (!e->kind || strcmp(e->kind, kind) == 0);
}

static int event_take(const char *event, const char *data, void *userdata)
{
	struct events *e = userdata;
	json_t *value = json_loads(data, 0, NULL);
	int r = 0;

	if (!is_wanted(e, value)) {
		json_decref(value);
		return 0;
	}
	if (e->cli->output == VTAP_OUTPUT_TABLE) {
		r = event_print(e->cli, event, value);
	} else {
		r = event_dump(e->cli, event, value);
	}
	json_decref(value);
	if (r >= 0 && fflush(e->cli->out) != 0)
		r = -EIO;
	if (r >= 0 && e->left > 0 && --e->left == 0)
		r = -ECANCELED;
	return r;
}

static int events_data(const void *data, size_t size_bytes, void *userdata)
{
	struct events *e = userdata;

	return vtap_sse_feed(e->sse, data, size_bytes);
}

int vtap_cmd_events(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	VTAP_CLEANUP(vtap_sse_freep) struct vtap_sse *sse = NULL;
	const char *wanted = vtap_invocation_text(i, "kind");
	const struct vtap_noun *noun = wanted ? vtap_noun_find(wanted) : NULL;
	struct events e = {.cli = cli, .left = vtap_invocation_number(i, "count", 0)};

	if (wanted && !noun)
		return vtap_cli_fail(cli, VTAP_EXIT_USAGE, "--kind: must be a noun such as session, not %s", wanted);
	e.kind = noun ? noun->name : NULL;
	if (vtap_sse_new(event_take, &e, &sse) < 0)
		return vtap_show_memory(cli);
	e.sse = sse;
	return stream(cli, i, NULL, (unsigned)INT_MAX, events_data, &e);
}
