/* SPDX-License-Identifier: Apache-2.0 */

/* What a request gives besides its path: parameters of the query, and the body. What its route does not know is refused. */

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "controller/call_private.h"

/* Whether the text, words with blanks between, has the word. */
static bool has_word(const char *words, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = words; at && *at; at += strspn(at, " ")) {
		size_t n = strcspn(at, " ");

		if (n == length && memcmp(at, word, n) == 0)
			return true;
		at += n;
	}
	return false;
}

static bool is_read(const struct vtap_api_route *route)
{
	return strcmp(route->method, "GET") == 0;
}

bool vtap_api_route_takes_body(const struct vtap_api_route *route)
{
	return !is_read(route) && strcmp(route->method, "DELETE") != 0 && !(route->flags & VTAP_ROUTE_BARE);
}

/* What acts beyond the store, or hands out a credential, cannot be tried. */
static bool can_be_tried(const struct vtap_api_route *route)
{
	return !(route->flags & (VTAP_ROUTE_OPEN | VTAP_ROUTE_AGENT | VTAP_ROUTE_ACTS));
}

static int fail_unknown(struct vtap_call *call, const char *name)
{
	const struct vtap_api_route *route = call->route;
	char quoted[VTAP_ERROR_QUOTE_STRLEN];
	bool project = !(route->flags & VTAP_ROUTE_OPEN), dry_run = !is_read(route) && can_be_tried(route);

	vtap_error_quote(name, quoted);
	if (!project && !dry_run && !route->parameters)
		return vtap_call_fail(call, -EINVAL, quoted, "is not known: this request takes no parameters");
	return vtap_call_fail(call, -EINVAL, quoted, "is no parameter of this request, which takes: %s%s%s%s%s",
			      project ? "project" : "", dry_run ? " dry_run" : "",
			      (project || dry_run) && route->parameters ? " " : "",
			      route->parameters ? route->parameters : "",
			      route->flags & VTAP_ROUTE_CONDITIONS ? " and members of what is listed" : "");
}

struct occurrences {
	const char *name;
	unsigned count;
};

static int count_parameter(const char *name, const char *value, void *userdata)
{
	struct occurrences *c = userdata;

	c->count += strcmp(name, c->name) == 0;
	return 0;
}

static unsigned times_given(const struct vtap_call *call, const char *name)
{
	struct occurrences c = {.name = name};

	(void)vtap_http_query_each(call->request, count_parameter, &c);
	return c.count;
}

static int check_parameter(const char *name, const char *value, void *userdata)
{
	struct vtap_call *call = userdata;
	const struct vtap_api_route *route = call->route;
	bool known = has_word(route->parameters, name);

	known = known || (strcmp(name, "project") == 0 && !(route->flags & VTAP_ROUTE_OPEN));
	known = known || (strcmp(name, "dry_run") == 0 && !is_read(route));
	/* A condition twice means either; list.c knows which there are. */
	if (!known)
		return route->flags & VTAP_ROUTE_CONDITIONS ? 0 : fail_unknown(call, name);
	if (times_given(call, name) > 1)
		return vtap_call_fail(call, -EINVAL, name, "is given more than once: give it once");
	return 0;
}

static int parse_dry_run(struct vtap_call *call)
{
	const char *text = vtap_http_query(call->request, "dry_run");

	if (!text || is_read(call->route))
		return 0;
	call->dry_run = strcmp(text, "true") == 0;
	if (!call->dry_run && strcmp(text, "false") != 0)
		return vtap_call_fail(call, -EINVAL, "dry_run", "must be true or false");
	if (call->dry_run && !can_be_tried(call->route))
		return vtap_call_fail(call, -EINVAL, "dry_run", "cannot be had of this request: leave it out");
	return 0;
}

static bool is_json_type(const char *type)
{
	static const char *const types[] = {"application/json", "application/merge-patch+json"};

	for (size_t i = 0; type && i < VTAP_ARRAY_SIZE(types); i++) {
		size_t length = strlen(types[i]);

		if (strncasecmp(type, types[i], length) == 0 && strchr("; \t", type[length]))
			return true;
	}
	return false;
}

/* An empty object says nothing, and may stand where nothing is to be said. */
static int check_bare(struct vtap_call *call)
{
	char quoted[VTAP_ERROR_QUOTE_STRLEN];
	const char *key;
	json_t *value;

	if (vtap_api_route_takes_body(call->route))
		return 0;
	json_object_foreach(call->body, key, value)
	{
		return vtap_call_fail(call, -EINVAL, vtap_error_quote(key, quoted),
				      "is not known: this request takes no body");
	}
	return 0;
}

/* A form that a foreign web page sends with the user's credentials has another content type. */
static int parse_body(struct vtap_call *call)
{
	const struct vtap_http_request *request = call->request;
	char quoted[VTAP_ERROR_QUOTE_STRLEN];
	json_error_t e;

	if (request->body_bytes == 0 || (call->route->flags & VTAP_ROUTE_RAW))
		return 0;
	if (!is_json_type(vtap_http_header(request, "Content-Type")))
		return vtap_call_fail(call, -EPROTOTYPE, NULL, "the header Content-Type must be application/json");
	call->body = json_loadb(request->body, request->body_bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
	if (!call->body && json_error_code(&e) == json_error_null_character)
		return vtap_call_fail(call, -EINVAL, NULL,
				      "line %d, column %d of the body: no text may hold the character \\u0000", e.line,
				      e.column);
	if (!call->body)
		return vtap_call_fail(call, -EINVAL, NULL, "the body is no JSON: line %d, column %d: %s", e.line,
				      e.column, vtap_error_quote(e.text, quoted));
	if (!json_is_object(call->body))
		return vtap_call_fail(call, -EINVAL, NULL, "the body must be a JSON object");
	return check_bare(call);
}

int vtap_api_call_read(struct vtap_call *call)
{
	int r = 0;

	/* A newer agent may say more than this controller knows. */
	if (strncmp(call->route->path, "/agent/", strlen("/agent/")) != 0)
		r = vtap_http_query_each(call->request, check_parameter, call);
	if (r >= 0)
		r = parse_dry_run(call);
	return r >= 0 ? parse_body(call) : r;
}
