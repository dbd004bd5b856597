/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/render.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "cli/grid.h"
#include "model/yaml.h"

#define KEY_STRLEN 128

static void put_text(FILE *out, const json_t *value, const json_t *names);

static void put_joined(FILE *out, const json_t *value, const json_t *names)
{
	const char *separator = "", *key;
	const json_t *item;
	size_t i;

	json_array_foreach(value, i, item)
	{
		fputs(separator, out);
		put_text(out, item, names);
		separator = ", ";
	}
	json_object_foreach((json_t *)value, key, item)
	{
		if (json_is_null(item))
			continue;
		fprintf(out, "%s%s=", separator, key);
		put_text(out, item, names);
		separator = json_is_object(value) ? " " : ", ";
	}
}

static void put_real(FILE *out, double value)
{
	fprintf(out, fabs(value) >= 100 || value == floor(value) ? "%.0f" : "%.2f", value);
}

static void put_text(FILE *out, const json_t *value, const json_t *names)
{
	const char *text = json_string_value(value), *name;

	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_STRING:
		name = json_string_value(json_object_get(names, text));
		fputs(name ? name : text, out);
		return;
	case JSON_INTEGER:
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return;
	case JSON_REAL:
		put_real(out, json_real_value(value));
		return;
	case JSON_TRUE:
	case JSON_FALSE:
		fputs(json_is_true(value) ? "yes" : "no", out);
		return;
	case JSON_NULL:
		fputc('-', out);
		return;
	case JSON_ARRAY:
	case JSON_OBJECT:
		if (json_array_size(value) + json_object_size(value) == 0)
			fputc('-', out);
		put_joined(out, value, names);
		return;
	}
}

char *vtap_render_text(const json_t *value, const json_t *names)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	put_text(out, value, names);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

const json_t *vtap_render_member(const json_t *object, const char *path)
{
	for (;;) {
		size_t length = strcspn(path, ".");

		object = json_object_getn(object, path, length);
		if (!object || path[length] == '\0')
			return object;
		path += length + 1;
	}
}

static int render_document(const struct vtap_view *v, const json_t *value)
{
	if (v->output == VTAP_OUTPUT_YAML)
		return vtap_yaml_write(value, v->out);
	if (json_dumpf(value, v->out, JSON_INDENT(2) | JSON_ENCODE_ANY) < 0)
		return -EIO;
	return fputc('\n', v->out) == EOF ? -EIO : 0;
}

struct columns {
	char headers[VTAP_GRID_COLUMNS_MAX][KEY_STRLEN];
	char paths[VTAP_GRID_COLUMNS_MAX][KEY_STRLEN];
	unsigned flags[VTAP_GRID_COLUMNS_MAX];
	size_t count;
};

static void column_add(struct columns *c, const char *header, size_t header_length, const char *path,
		       size_t path_length)
{
	size_t n = c->count++;

	snprintf(c->headers[n], KEY_STRLEN, "%.*s", (int)header_length, header);
	snprintf(c->paths[n], KEY_STRLEN, "%.*s", (int)path_length, path);
	c->flags[n] = strcmp(c->headers[n], "id") == 0        ? VTAP_COLUMN_WHOLE
		      : strcmp(c->headers[n], "state") == 0   ? VTAP_COLUMN_STATE
		      : strcmp(c->headers[n], "outcome") == 0 ? VTAP_COLUMN_STATE
							      : 0;
	for (char *h = c->headers[n]; *h; h++)
		*h = *h == '_' ? ' ' : (char)toupper((unsigned char)*h);
}

static void columns_parse(const char *text, struct columns *c)
{
	while (*text && c->count < VTAP_GRID_COLUMNS_MAX) {
		size_t length = strcspn(text, " "), header = strcspn(text, " =");
		bool named = header < length;
		size_t begin = 0;

		for (size_t i = 0; i < length && !named; i++)
			if (text[i] == '.')
				begin = i + 1;
		if (named)
			column_add(c, text, header, text + header + 1, length - header - 1);
		else
			column_add(c, text + begin, length - begin, text, length);
		text += length + strspn(text + length, " ");
	}
}

/* Every key that one of the objects has a value for, in the order of appearance. */
static void columns_collect(const json_t *items, struct columns *c)
{
	const json_t *item, *value;
	const char *key;
	size_t i;

	json_array_foreach(items, i, item)
	{
		json_object_foreach((json_t *)item, key, value)
		{
			size_t n = 0;

			while (n < c->count && strcmp(c->paths[n], key) != 0)
				n++;
			if (n < c->count || n >= VTAP_GRID_COLUMNS_MAX || json_is_null(value) || strchr(key, '.'))
				continue;
			column_add(c, key, strlen(key), key, strlen(key));
		}
	}
}

static int row_add(struct vtap_grid *t, const struct columns *c, const json_t *item, const json_t *names)
{
	char *cells[VTAP_GRID_COLUMNS_MAX] = {};
	int r = 0;

	for (size_t i = 0; i < c->count && r >= 0; i++) {
		/* An object's own id and name are what they are; elsewhere an id reads better as a name. */
		bool own = strcmp(c->paths[i], "id") == 0;

		cells[i] = vtap_render_text(vtap_render_member(item, c->paths[i]), own ? NULL : names);
		r = cells[i] ? 0 : -ENOMEM;
	}
	if (r >= 0)
		r = vtap_grid_add(t, (const char *const *)cells);
	for (size_t i = 0; i < c->count; i++)
		free(cells[i]);
	return r;
}

static int render_table(const struct vtap_view *v, const json_t *items, const struct columns *c, unsigned indent)
{
	VTAP_CLEANUP(vtap_grid_freep) struct vtap_grid *t = NULL;
	const char *headers[VTAP_GRID_COLUMNS_MAX];
	const json_t *item;
	size_t i;
	int r;

	for (i = 0; i < c->count; i++)
		headers[i] = c->headers[i];
	r = vtap_grid_new(headers, c->flags, c->count, &t);
	json_array_foreach(items, i, item) if (r >= 0) r = row_add(t, c, item, v->names);
	if (r < 0)
		return r;
	vtap_grid_print(t, indent, v->width, v->colour, v->out);
	return 0;
}

int vtap_render_list(const struct vtap_view *v, const json_t *items, const char *columns)
{
	struct columns c = {};

	if (v->output != VTAP_OUTPUT_TABLE)
		return render_document(v, items);
	if (columns)
		columns_parse(columns, &c);
	else
		columns_collect(items, &c);
	return render_table(v, items, &c, 0);
}

static bool is_list_of_objects(const json_t *value)
{
	return json_array_size(value) > 0 && json_is_object(json_array_get(value, 0));
}

/* {"in": {...}, "out": {...}} */
static bool is_both_directions(const json_t *value)
{
	return json_object_size(value) == 2 && json_is_object(json_object_get(value, "in")) &&
	       json_is_object(json_object_get(value, "out"));
}

/* One row for each counter that is not zero in both directions. */
static int render_directions(const struct vtap_view *v, const json_t *value, unsigned indent)
{
	const json_t *in = json_object_get(value, "in"), *out = json_object_get(value, "out"), *number;
	json_t *rows = json_array(), *all = json_deep_copy(in);
	struct columns c = {};
	const char *key;
	int r;

	columns_parse("counter in out", &c);
	json_object_update_missing(all, (json_t *)out);
	json_object_foreach(all, key, number)
	{
		const json_t *i = json_object_get(in, key), *o = json_object_get(out, key);

		if (json_number_value(i) != 0 || json_number_value(o) != 0)
			json_array_append_new(rows, json_pack("{s:s,s:O?,s:O?}", "counter", key, "in", i, "out", o));
	}
	r = rows ? render_table(v, rows, &c, indent) : -ENOMEM;
	json_decref(rows);
	json_decref(all);
	return r;
}

/* What has a place of its own below the facts. */
static bool is_section(const json_t *value)
{
	return is_list_of_objects(value) || is_both_directions(value);
}

/* Nothing to be told of: null, an empty text, list or object. */
static bool is_empty(const json_t *value)
{
	const char *text = json_string_value(value);

	if (json_is_array(value) || json_is_object(value))
		return json_array_size(value) + json_object_size(value) == 0;
	return json_is_null(value) || (text && !*text);
}

static int facts_add(const struct vtap_view *v, const json_t *object, const char *prefix, struct vtap_grid *t)
{
	const json_t *value;
	const char *key;
	int r = 0;

	json_object_foreach((json_t *)object, key, value)
	{
		_cleanup_free_ char *text = NULL;
		char path[KEY_STRLEN];
		bool own = !*prefix && strcmp(key, "id") == 0, tags = strcmp(key, "tags") == 0;

		snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", key);
		if (is_empty(value) || is_section(value))
			continue;
		if (json_is_object(value) && !tags) {
			r = facts_add(v, value, path, t);
		} else {
			text = vtap_render_text(value, own ? NULL : v->names);
			r = text ? vtap_grid_add(t, (const char *const[]){path, text}) : -ENOMEM;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int section_render(const struct vtap_view *v, const char *path, const json_t *value)
{
	struct columns c = {};

	fprintf(v->out, "%s:\n", path);
	if (is_both_directions(value))
		return render_directions(v, value, 2);
	columns_collect(value, &c);
	return render_table(v, value, &c, 2);
}

static int sections_render(const struct vtap_view *v, const json_t *object, const char *prefix)
{
	const json_t *value;
	const char *key;
	int r = 0;

	json_object_foreach((json_t *)object, key, value)
	{
		char path[KEY_STRLEN];

		snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", key);
		if (is_section(value))
			r = section_render(v, path, value);
		else if (json_is_object(value))
			r = sections_render(v, value, path);
		if (r < 0)
			return r;
	}
	return 0;
}

static int object_render(const struct vtap_view *v, const json_t *object)
{
	const unsigned flags[] = {VTAP_COLUMN_WHOLE, VTAP_COLUMN_STATE | VTAP_COLUMN_WHOLE};
	VTAP_CLEANUP(vtap_grid_freep) struct vtap_grid *t = NULL;
	int r;

	r = vtap_grid_new(NULL, flags, VTAP_ARRAY_SIZE(flags), &t);
	if (r >= 0)
		r = facts_add(v, object, "", t);
	if (r < 0)
		return r;
	vtap_grid_print(t, 0, v->width, v->colour, v->out);
	return sections_render(v, object, "");
}

int vtap_render_value(const struct vtap_view *v, const json_t *value)
{
	_cleanup_free_ char *text = NULL;
	struct columns c = {};

	if (v->output != VTAP_OUTPUT_TABLE)
		return render_document(v, value);
	if (is_list_of_objects(value)) {
		columns_collect(value, &c);
		return render_table(v, value, &c, 0);
	}
	if (json_is_object(value))
		return object_render(v, value);
	text = vtap_render_text(value, v->names);
	if (!text)
		return -ENOMEM;
	return fprintf(v->out, "%s\n", text) < 0 ? -EIO : 0;
}
