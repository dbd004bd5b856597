/* SPDX-License-Identifier: Apache-2.0 */

/* What an invocation asks of the controller: method, path with query, body. */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/invocation.h"

static void put_encoded(FILE *out, const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (isalnum(*c) || strchr("-._~", *c))
			fputc(*c, out);
		else
			fprintf(out, "%%%02X", *c);
	}
}

static void put_path(FILE *out, const char *pattern, const char *plural, const char *argument)
{
	for (const char *c = pattern; *c; c++) {
		if (*c == '*') {
			fputs(plural ? plural : "", out);
		} else if (c[0] == '{' && c[1] == '}') {
			put_encoded(out, argument ? argument : "");
			c++;
		} else {
			fputc(*c, out);
		}
	}
}

static void put_parameter(FILE *out, char *separator, const char *name, const char *value)
{
	fputc(*separator, out);
	*separator = '&';
	/* A tag's key is the user's own: only the colon that the API knows stays as it is. */
	if (strncmp(name, "tag:", 4) == 0) {
		fputs("tag:", out);
		name += 4;
	}
	put_encoded(out, name);
	fputc('=', out);
	put_encoded(out, value);
}

/* "source-port" -> "source_port" */
static const char *member_name(const struct vtap_option *o, char buffer[64])
{
	size_t i;

	for (i = 0; o->name[i] && i < 63; i++)
		buffer[i] = o->name[i] == '-' ? '_' : o->name[i];
	buffer[i] = '\0';
	return buffer;
}

static void put_query(FILE *out, const struct vtap_invocation *i)
{
	const struct vtap_option *tables[VTAP_COMMAND_TABLES];
	size_t count = vtap_command_tables(i->command, tables);
	char separator = '?', buffer[64];
	const json_t *value;
	const char *name;

	for (size_t t = 0; t < count; t++) {
		for (const struct vtap_option *o = tables[t]; o->name; o++) {
			const json_t *given = json_object_get(i->options, o->name);

			if (given && (o->flags & VTAP_OPTION_QUERY))
				put_parameter(out, &separator, member_name(o, buffer),
					      json_is_true(given) ? "true" : json_string_value(given));
		}
	}
	if (!(i->command->flags & VTAP_COMMAND_SELECT))
		return;
	json_object_foreach(i->resource, name, value) put_parameter(out, &separator, name, json_string_value(value));
}

/* NULL also when there is none. */
static json_t *body_make(const struct vtap_invocation *i)
{
	const struct vtap_option *tables[VTAP_COMMAND_TABLES];
	size_t count = vtap_command_tables(i->command, tables);
	bool has = i->command->flags & (VTAP_COMMAND_CREATE | VTAP_COMMAND_UPDATE);
	json_t *body = has ? json_incref(i->resource) : NULL;
	char buffer[64];

	for (size_t t = 0; t < count; t++) {
		for (const struct vtap_option *o = tables[t]; o->name; o++) {
			json_t *given = json_object_get(i->options, o->name);

			if (!given || !(o->flags & VTAP_OPTION_BODY))
				continue;
			if (!body)
				body = json_object();
			json_object_set(body, member_name(o, buffer), given);
		}
	}
	return body;
}

char *vtap_request_path(const char *pattern, const char *plural, const char *argument)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	put_path(out, pattern, plural, argument);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static char *path_make(const struct vtap_invocation *i, const char *argument)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	put_path(out, i->command->path, i->noun ? vtap_noun_plural(i->noun) : NULL, argument);
	put_query(out, i);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

int vtap_request_make(const struct vtap_invocation *i, const char *argument, const json_t *body,
		      struct vtap_request *ret)
{
	VTAP_CLEANUP(vtap_request_done) struct vtap_request request = {.method = i->command->method};
	json_t *own = body ? NULL : body_make(i);

	request.path = path_make(i, argument);
	if (body || own)
		request.body = json_dumps(body ? body : own, JSON_COMPACT);
	json_decref(own);
	if (!request.path || ((body || own) && !request.body))
		return -ENOMEM;
	*ret = request;
	request = (struct vtap_request){};
	return 0;
}

void vtap_request_done(struct vtap_request *r)
{
	free(r->path);
	free(r->body);
	*r = (struct vtap_request){};
}
