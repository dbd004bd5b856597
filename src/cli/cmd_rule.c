/* SPDX-License-Identifier: Apache-2.0 */

/* Rules stand inside a filter: what is asked for goes there. */

#include <stdio.h>
#include <string.h>

#include "basic/parse.h"
#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "model/yaml.h"

#define FILE_MAX_BYTES (16U << 20)

int vtap_cmd_rule_list(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	VTAP_CLEANUP(vtap_request_done) struct vtap_request request = {};
	struct vtap_ask ask = {.method = "GET", .kind = vtap_invocation_kind(i), .command = i->command};
	json_t *items = NULL;
	int status;

	if (vtap_request_make(i, vtap_invocation_text(i, "filter"), NULL, &request) < 0)
		return vtap_show_memory(cli);
	ask.path = request.path;
	status = vtap_ask_list(cli, &ask, 0, &items);
	if (status == VTAP_EXIT_DONE)
		status = vtap_show_list(cli, items, i->noun->columns);
	json_decref(items);
	return status;
}

/* "web/in/10" taken apart. */
struct place {
	char filter[160], direction[8];
	uint32_t number;
};

static bool place_parse(const char *text, struct place *ret)
{
	const char *number = strrchr(text, '/'), *direction = number;

	while (direction && direction > text && direction[-1] != '/')
		direction--;
	if (!number || direction <= text || direction - 1 - text >= (long)sizeof(ret->filter) ||
	    number - direction >= (long)sizeof(ret->direction) ||
	    vtap_parse_u32(number + 1, 1, UINT32_MAX, &ret->number) < 0)
		return false;
	snprintf(ret->filter, sizeof(ret->filter), "%.*s", (int)(direction - 1 - text), text);
	snprintf(ret->direction, sizeof(ret->direction), "%.*s", (int)(number - direction), direction);
	return true;
}

/* The id of the rule that stands there; owned by the caller. */
static int rule_find(struct vtap_cli *cli, const struct place *place, char **ret_id)
{
	_cleanup_free_ char *path = vtap_request_path("/v1/filters/{}/rules", NULL, place->filter);
	struct vtap_ask ask = {.method = "GET", .path = path};
	json_t *rules = NULL;
	const json_t *rule;
	size_t i;
	int status;

	status = path ? vtap_ask_list(cli, &ask, 0, &rules) : vtap_show_memory(cli);
	json_array_foreach(rules, i, rule)
	{
		const char *direction = json_string_value(json_object_get(rule, "direction"));
		const char *id = json_string_value(json_object_get(rule, "id"));

		if (id && direction && strcmp(direction, place->direction) == 0 &&
		    json_integer_value(json_object_get(rule, "number")) == place->number)
			*ret_id = strdup(id);
	}
	json_decref(rules);
	if (status == VTAP_EXIT_DONE && !*ret_id)
		return vtap_cli_fail(cli, VTAP_EXIT_REFUSED, "filter %s has no rule %s %u", place->filter,
				     place->direction, place->number);
	return status;
}

/* Rules are known by their ids; for people, by their place in a filter. */
int vtap_cmd_rule_call(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	int status = VTAP_EXIT_DONE;

	for (size_t n = 0; n < i->argument_count; n++) {
		struct vtap_invocation one = *i;
		const char *argument = i->arguments[n];
		_cleanup_free_ char *id = NULL;
		struct place place;
		int r = VTAP_EXIT_DONE;

		if (place_parse(argument, &place))
			r = rule_find(cli, &place, &id);
		argument = id ? id : argument;
		one.arguments = &argument;
		one.argument_count = 1;
		if (r == VTAP_EXIT_DONE)
			r = vtap_cmd_call(cli, &one);
		status = status == VTAP_EXIT_DONE ? r : status;
		if (r == VTAP_EXIT_UNREACHABLE)
			break;
	}
	return status;
}

/* The filter is named by the path, not by the rule. */
int vtap_cmd_rule_create(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	json_t *body = json_copy(i->resource), *answer = NULL;
	char place[80];
	int status;

	json_object_del(body, "filter");
	status = vtap_show_ask(cli, i, json_string_value(json_object_get(i->resource, "filter")), body, &answer);
	snprintf(place, sizeof(place), "%s %" JSON_INTEGER_FORMAT,
		 json_string_value(json_object_get(i->resource, "direction")),
		 json_integer_value(json_object_get(i->resource, "number")));
	if (status == VTAP_EXIT_DONE)
		status = vtap_show_done(cli, i, place, answer);
	json_decref(body);
	json_decref(answer);
	return status;
}

/* A list of rules, or a mapping whose only key is `rules`. A new reference; NULL: something else. */
static json_t *rules_of(const json_t *values)
{
	json_t *rules = json_object_get(values, "rules");

	if (json_is_array(values))
		return json_incref((json_t *)values);
	return json_is_array(rules) && json_object_size(values) == 1 ? json_incref(rules) : NULL;
}

static int rules_read(struct vtap_cli *cli, const char *path, json_t **ret_rules)
{
	VTAP_CLEANUP(vtap_yaml_done) struct vtap_yaml yaml = {};
	_cleanup_free_ char *text = NULL;
	struct vtap_error error = {};
	size_t bytes = 0;
	json_t *rules;
	int status;

	status = vtap_show_file(cli, path, FILE_MAX_BYTES, &text, &bytes);
	if (status != VTAP_EXIT_DONE)
		return status;
	if (vtap_yaml_parse(text, bytes, &yaml, &error) < 0)
		return vtap_cli_fail_error(cli, VTAP_EXIT_USAGE, path, &error);
	rules = rules_of(yaml.values);
	if (!rules)
		return vtap_cli_fail(cli, VTAP_EXIT_USAGE, "%s: must be a list of rules, or the key rules with one",
				     path);
	*ret_rules = rules;
	return VTAP_EXIT_DONE;
}

int vtap_cmd_rule_replace(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	const char *filter = vtap_invocation_text(i, "filter");
	json_t *rules = NULL, *body = NULL, *answer = NULL;
	int status;

	status = rules_read(cli, vtap_invocation_text(i, "file"), &rules);
	if (status == VTAP_EXIT_DONE) {
		body = json_pack("{s:O}", "rules", rules);
		status = body ? vtap_show_ask(cli, i, filter, body, &answer) : vtap_show_memory(cli);
	}
	if (status == VTAP_EXIT_DONE && cli->output != VTAP_OUTPUT_TABLE)
		status = vtap_show_value(cli, answer);
	else if (status == VTAP_EXIT_DONE && !cli->quiet)
		fprintf(cli->out, "filter %s has %zu rule%s now%s\n", filter, json_array_size(rules),
			json_array_size(rules) == 1 ? "" : "s",
			vtap_invocation_flag(i, "dry-run") ? " (dry run: nothing was changed)" : "");
	if (status == VTAP_EXIT_DONE)
		vtap_show_warning(cli, answer);
	json_decref(rules);
	json_decref(body);
	json_decref(answer);
	return status;
}
