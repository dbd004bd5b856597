/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/ask.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/attribute.h"

#define PAGE_ITEMS 500
#define PROJECT_HEADER "X-Vtap-Project: "

int vtap_cli_fail(struct vtap_cli *cli, int status, const char *format, ...)
{
	va_list arguments;

	fputs("vtap: ", cli->err);
	va_start(arguments, format);
	vfprintf(cli->err, format, arguments);
	va_end(arguments);
	fputc('\n', cli->err);
	return status;
}

int vtap_cli_fail_error(struct vtap_cli *cli, int status, const char *file, const struct vtap_error *error)
{
	char text[600];

	vtap_error_format(error, file, text, sizeof(text));
	return vtap_cli_fail(cli, status, "%s", *text ? text : strerror(-error->code));
}

/* A server's text must not steer the terminal. */
static void clean(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if (*c < 0x20 || *c == 0x7f)
			*c = ' ';
		else if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = ' ';
	}
}

/* What the person who is not let in can do. */
static void advise(unsigned http, const struct vtap_settings *s, char *buffer, size_t size_bytes)
{
	const char *profile_url = s->profile.url ? s->profile.url : VTAP_URL_DEFAULT;

	*buffer = '\0';
	if (http != 401)
		return;
	if (s->bearer)
		snprintf(buffer, size_bytes, "; vtap login asks for the password again");
	else if (s->user)
		snprintf(buffer, size_bytes,
			 "; look at VTAP_ACCESS_KEY_ID and VTAP_SECRET_ACCESS_KEY, or the profile's access key");
	else if (s->profile.token || s->profile.access_key_id)
		snprintf(buffer, size_bytes,
			 "; what the profile holds is for %s alone: change its url to %s, use vtap login, or set "
			 "VTAP_ACCESS_KEY_ID and VTAP_SECRET_ACCESS_KEY",
			 profile_url, s->url);
	else
		snprintf(buffer, size_bytes, "; use vtap login, or set VTAP_ACCESS_KEY_ID and VTAP_SECRET_ACCESS_KEY");
}

/* What stands between the client and the controller answers so when it does not find the controller. */
static bool is_gateway_failure(unsigned http)
{
	return http == 502 || http == 504;
}

/* What a parameter of the request or an attribute is called where it was given. */
static const char *option_of(const struct vtap_ask *ask, const char *field, char *buffer, size_t size_bytes)
{
	const struct vtap_option *o;
	char name[VTAP_ATTRIBUTE_PATH_STRLEN];

	if (!field || !*field)
		return "";
	snprintf(name, sizeof(name), "%s", field);
	vtap_setting_dashes(name);
	o = ask->command ? vtap_command_option(ask->command, name) : vtap_option_general(name);
	if (!o || !name[1])
		return vtap_setting_option_of(ask->kind, field, buffer, size_bytes);
	snprintf(buffer, size_bytes, "--%s", o->name);
	return buffer;
}

void vtap_ask_explain(const struct vtap_client_answer *answer, const struct vtap_ask *ask,
		      const struct vtap_settings *settings, struct vtap_refusal *ret)
{
	json_t *problem = answer->body ? json_loads(answer->body, 0, NULL) : NULL;
	const char *detail = json_string_value(json_object_get(problem, "detail"));
	const char *title = json_string_value(json_object_get(problem, "title"));
	const char *field = json_string_value(json_object_get(problem, "field"));
	char option[2 * VTAP_ATTRIBUTE_PATH_STRLEN], status[64], advice[sizeof(ret->text)];

	*ret = (struct vtap_refusal){
	    .status = is_gateway_failure(answer->status) ? VTAP_EXIT_UNREACHABLE : VTAP_EXIT_REFUSED,
	    .http = answer->status,
	};
	snprintf(status, sizeof(status), "the controller answers with status %u", answer->status);
	if (answer->result < 0) {
		ret->status = VTAP_EXIT_UNREACHABLE;
		ret->http = 0;
		snprintf(ret->text, sizeof(ret->text), "%s",
			 *answer->error ? answer->error : strerror(-answer->result));
	} else {
		field = option_of(ask, field, option, sizeof(option));
		advise(answer->status, settings, advice, sizeof(advice));
		snprintf(ret->text, sizeof(ret->text), "%s%s%s%s%s%s", ask->about ? ask->about : "",
			 ask->about ? ": " : "", field, *field ? ": " : "",
			 detail  ? detail
			 : title ? title
				 : status,
			 advice);
	}
	clean(ret->text);
	json_decref(problem);
}

static bool is_good(const struct vtap_client_answer *answer)
{
	return answer->result >= 0 && answer->status >= 200 && answer->status < 300;
}

static int answer_parse(const struct vtap_client_answer *answer, const struct vtap_settings *settings,
			json_t **ret_answer, struct vtap_refusal *ret_refusal)
{
	json_t *value = answer->body && answer->body_bytes > 0 ? json_loadb(answer->body, answer->body_bytes, 0, NULL)
							       : json_null();

	if (value) {
		*ret_answer = value;
		return VTAP_EXIT_DONE;
	}
	*ret_refusal = (struct vtap_refusal){.status = VTAP_EXIT_UNREACHABLE, .http = answer->status};
	snprintf(ret_refusal->text, sizeof(ret_refusal->text),
		 "%s: what answers there is no controller: it sends no JSON", settings->url);
	return VTAP_EXIT_UNREACHABLE;
}

/* Nothing was done yet when it answers so: any request may be sent again. */
void vtap_ask_perform(struct vtap_cli *cli, const struct vtap_client_request *request,
		      struct vtap_client_answer *ret_answer)
{
	unsigned waited_s = 0;

	for (;;) {
		(void)cli->perform(request, ret_answer, cli->userdata);
		if (ret_answer->result < 0 || !ret_answer->retry_after_s ||
		    waited_s + ret_answer->retry_after_s > VTAP_ASK_WAIT_MAX_S)
			return;
		fprintf(cli->err, "vtap: the controller asks to wait: trying again in %u s\n",
			ret_answer->retry_after_s);
		if (!cli->pause(ret_answer->retry_after_s, cli->userdata))
			return;
		waited_s += ret_answer->retry_after_s;
		vtap_client_answer_done(ret_answer);
	}
}

int vtap_ask_try(struct vtap_cli *cli, const struct vtap_ask *ask, json_t **ret_answer,
		 struct vtap_refusal *ret_refusal)
{
	VTAP_CLEANUP(vtap_client_answer_done) struct vtap_client_answer answer = {};
	const char *headers[VTAP_ASK_HEADERS_MAX + 2] = {};
	_cleanup_free_ char *project = NULL;
	struct vtap_client_request request = {
	    .method = ask->method,
	    .path = ask->path,
	    .body = ask->body,
	    .body_bytes = ask->body ? strlen(ask->body) : 0,
	    .headers = headers,
	};
	size_t count = 0;

	while (count < VTAP_ASK_HEADERS_MAX && ask->headers[count]) {
		headers[count] = ask->headers[count];
		count++;
	}
	if (cli->settings->project && asprintf(&project, PROJECT_HEADER "%s", cli->settings->project) >= 0)
		headers[count] = project;
	vtap_ask_perform(cli, &request, &answer);
	if (is_good(&answer))
		return answer_parse(&answer, cli->settings, ret_answer, ret_refusal);
	vtap_ask_explain(&answer, ask, cli->settings, ret_refusal);
	return ret_refusal->status;
}

int vtap_ask(struct vtap_cli *cli, const struct vtap_ask *ask, json_t **ret_answer)
{
	struct vtap_refusal refusal = {};
	int status;

	status = vtap_ask_try(cli, ask, ret_answer, &refusal);
	if (status != VTAP_EXIT_DONE)
		vtap_cli_fail(cli, status, "%s", refusal.text);
	return status;
}

/* PATH with its query, and the page's own parameters. */
static char *page_path(const char *path, uint64_t limit, const char *cursor)
{
	char *text = NULL, *encoded = cursor ? vtap_request_path("{}", NULL, cursor) : NULL;
	unsigned items = limit > 0 && limit < PAGE_ITEMS ? (unsigned)limit : PAGE_ITEMS;
	int r;

	r = asprintf(&text, "%s%climit=%u%s%s", path, strchr(path, '?') ? '&' : '?', items, encoded ? "&cursor=" : "",
		     encoded ? encoded : "");
	free(encoded);
	return r < 0 ? NULL : text;
}

/* Appends a page, which may be empty and have a next one; *ret_cursor is what the next one is asked with, or NULL. */
static int page_take(json_t *items, const json_t *page, uint64_t limit, char **ret_cursor)
{
	const json_t *list = json_is_array(page) ? page : json_object_get(page, "items");
	const char *next = json_string_value(json_object_get(page, "next"));
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item)
	{
		if (limit > 0 && json_array_size(items) >= limit)
			return 0;
		if (json_array_append(items, item) < 0)
			return -ENOMEM;
	}
	if (!next)
		return 0;
	*ret_cursor = strdup(next);
	return *ret_cursor ? 0 : -ENOMEM;
}

int vtap_ask_list(struct vtap_cli *cli, const struct vtap_ask *ask, uint64_t limit, json_t **ret_items)
{
	_cleanup_free_ char *cursor = NULL;
	json_t *items = json_array();
	int status = VTAP_EXIT_DONE, r = items ? 0 : -ENOMEM;

	do {
		_cleanup_free_ char *path = page_path(ask->path, limit, cursor);
		struct vtap_ask page = *ask;
		json_t *answer = NULL;

		page.path = path;
		free(VTAP_STEAL(cursor));
		status = path ? vtap_ask(cli, &page, &answer) : VTAP_EXIT_REFUSED;
		if (status == VTAP_EXIT_DONE)
			r = page_take(items, answer, limit, &cursor);
		json_decref(answer);
	} while (status == VTAP_EXIT_DONE && r >= 0 && cursor);
	if (r < 0)
		status = vtap_cli_fail(cli, VTAP_EXIT_REFUSED, "out of memory");
	if (status == VTAP_EXIT_DONE)
		*ret_items = VTAP_STEAL(items);
	json_decref(items);
	return status;
}
