/* SPDX-License-Identifier: Apache-2.0 */

#include "model/yaml.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "basic/parse.h"

struct builder {
	yaml_parser_t parser;
	size_t node_count;
	struct vtap_error *reterr; /* borrowed */
};

static int build_node(struct builder *b, const yaml_event_t *event, unsigned line, unsigned depth,
		      struct vtap_yaml *ret);

static void builder_done(struct builder *b)
{
	yaml_parser_delete(&b->parser);
}

static unsigned mark_line(const yaml_mark_t *mark)
{
	return (unsigned)mark->line + 1;
}

static int fail_memory(struct builder *b)
{
	return vtap_error_set(b->reterr, -ENOMEM, 0, NULL, "out of memory");
}

/* The reader counts bytes, not lines, because it stops before the scanner has seen them. */
static int fail_parser(struct builder *b)
{
	const yaml_parser_t *p = &b->parser;

	switch (p->error) {
	case YAML_MEMORY_ERROR:
		return fail_memory(b);
	case YAML_READER_ERROR: {
		const unsigned char *start = p->input.string.start;
		size_t size_bytes = (size_t)(p->input.string.end - start);
		unsigned line = 1;

		for (size_t i = 0; i < p->problem_offset && i < size_bytes; i++)
			line += start[i] == '\n';
		return vtap_error_set(b->reterr, -EINVAL, line, NULL, "is not clean UTF-8 text: %s", p->problem);
	}
	default:
		return vtap_error_set(b->reterr, -EINVAL, mark_line(&p->problem_mark), NULL, "is not YAML: %s",
				      p->problem ? p->problem : "cannot be read");
	}
}

static int next_event(struct builder *b, yaml_event_t *ret_event)
{
	return yaml_parser_parse(&b->parser, ret_event) ? 0 : fail_parser(b);
}

/* Values that came to NULL for lack of memory are told from those that are meant to be. */
static int node_set(struct builder *b, json_t *value, json_t *lines, struct vtap_yaml *ret)
{
	if (!value || !lines) {
		json_decref(value);
		json_decref(lines);
		return fail_memory(b);
	}
	*ret = (struct vtap_yaml){.values = value, .lines = lines};
	return 0;
}

static json_t *plain_scalar(const char *text)
{
	bool negative = *text == '-';
	uint64_t number;

	if (*text == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0)
		return json_null();
	if (strcmp(text, "true") == 0)
		return json_true();
	if (strcmp(text, "false") == 0)
		return json_false();
	if (vtap_parse_u64(text + negative, 0, INT64_MAX, &number) == 0)
		return json_integer(negative ? -(json_int_t)number : (json_int_t)number);
	return json_string(text);
}

static int build_scalar(struct builder *b, const yaml_event_t *event, unsigned line, struct vtap_yaml *ret)
{
	const char *text = (const char *)event->data.scalar.value;

	if (event->data.scalar.anchor)
		return vtap_error_set(b->reterr, -EINVAL, line, NULL, "anchors (&name) are not supported");
	if (event->data.scalar.tag)
		return vtap_error_set(b->reterr, -EINVAL, line, NULL, "tags (!name) are not supported");
	if (strlen(text) != event->data.scalar.length)
		return vtap_error_set(b->reterr, -EINVAL, line, NULL, "text must not contain a NUL character");
	return node_set(b, event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain_scalar(text) : json_string(text),
			json_integer(line), ret);
}

static int key_check(struct builder *b, const yaml_event_t *event, const json_t *object, const json_t *lines)
{
	unsigned line = mark_line(&event->start_mark);
	char shown[VTAP_ERROR_QUOTE_STRLEN];
	const char *key;

	if (event->type == YAML_ALIAS_EVENT)
		return vtap_error_set(b->reterr, -EINVAL, line, NULL, "aliases (*name) are not supported");
	if (event->type != YAML_SCALAR_EVENT)
		return vtap_error_set(b->reterr, -EINVAL, line, NULL, "a key must be a word, not a mapping or a list");
	if (event->data.scalar.anchor || event->data.scalar.tag)
		return vtap_error_set(b->reterr, -EINVAL, line, NULL, "keys take no anchors and no tags");
	key = (const char *)event->data.scalar.value;
	if (*key == '\0' || strlen(key) != event->data.scalar.length)
		return vtap_error_set(b->reterr, -EINVAL, line, NULL,
				      "a key must not be empty or contain a NUL character");
	if (json_object_get(object, key))
		return vtap_error_set(b->reterr, -EINVAL, line, NULL, "key \"%s\" appears twice, first on line %u",
				      vtap_error_quote(key, shown), vtap_yaml_line(vtap_yaml_lines_member(lines, key)));
	return 0;
}

/* Reads the value of one key and stores it; *event is the key's. */
static int build_member(struct builder *b, const yaml_event_t *event, unsigned depth, struct vtap_yaml *mapping)
{
	VTAP_CLEANUP(vtap_yaml_done) struct vtap_yaml child = {};
	VTAP_CLEANUP(yaml_event_delete) yaml_event_t value = {};
	const char *key;
	int r;

	r = key_check(b, event, mapping->values, mapping->lines);
	if (r < 0)
		return r;
	key = (const char *)event->data.scalar.value;
	r = next_event(b, &value);
	if (r < 0)
		return r;
	r = build_node(b, &value, mark_line(&event->start_mark), depth, &child);
	if (r < 0)
		return r;
	if (json_object_set_new(mapping->values, key, VTAP_STEAL(child.values)) < 0 ||
	    json_object_set_new(mapping->lines, key, VTAP_STEAL(child.lines)) < 0)
		return fail_memory(b);
	return 0;
}

static int build_element(struct builder *b, const yaml_event_t *event, unsigned depth, struct vtap_yaml *list)
{
	VTAP_CLEANUP(vtap_yaml_done) struct vtap_yaml child = {};
	int r;

	r = build_node(b, event, mark_line(&event->start_mark), depth, &child);
	if (r < 0)
		return r;
	if (json_array_append_new(list->values, VTAP_STEAL(child.values)) < 0 ||
	    json_array_append_new(list->lines, VTAP_STEAL(child.lines)) < 0)
		return fail_memory(b);
	return 0;
}

/* Reads to the end of a mapping or list whose start event was taken. */
static int build_children(struct builder *b, bool mapping, unsigned line, unsigned depth, struct vtap_yaml *ret)
{
	VTAP_CLEANUP(vtap_yaml_done) struct vtap_yaml node = {};
	int r;

	r = node_set(b, mapping ? json_object() : json_array(), mapping ? json_object() : json_array(), &node);
	if (r < 0)
		return r;
	if ((mapping ? json_object_set_new(node.lines, "", json_integer(line))
		     : json_array_append_new(node.lines, json_integer(line))) < 0)
		return fail_memory(b);
	for (;;) {
		VTAP_CLEANUP(yaml_event_delete) yaml_event_t event = {};

		r = next_event(b, &event);
		if (r < 0)
			return r;
		if (event.type == YAML_MAPPING_END_EVENT || event.type == YAML_SEQUENCE_END_EVENT)
			break;
		r = mapping ? build_member(b, &event, depth, &node) : build_element(b, &event, depth, &node);
		if (r < 0)
			return r;
	}
	ret->values = VTAP_STEAL(node.values);
	ret->lines = VTAP_STEAL(node.lines);
	return 0;
}

/* depth counts the collections around the node. The recursion is bounded by VTAP_YAML_DEPTH_MAX. */
static int build_node(struct builder *b, const yaml_event_t *event, unsigned line, unsigned depth,
		      struct vtap_yaml *ret)
{
	bool mapping = event->type == YAML_MAPPING_START_EVENT;

	if (++b->node_count > VTAP_YAML_NODES_MAX)
		return vtap_error_set(b->reterr, -E2BIG, line, NULL, "has more than %u values", VTAP_YAML_NODES_MAX);
	if (event->type == YAML_SCALAR_EVENT)
		return build_scalar(b, event, line, ret);
	if (event->type == YAML_ALIAS_EVENT)
		return vtap_error_set(b->reterr, -EINVAL, line, NULL, "aliases (*name) are not supported");
	if (mapping ? event->data.mapping_start.anchor : event->data.sequence_start.anchor)
		return vtap_error_set(b->reterr, -EINVAL, line, NULL, "anchors (&name) are not supported");
	if (mapping ? event->data.mapping_start.tag : event->data.sequence_start.tag)
		return vtap_error_set(b->reterr, -EINVAL, line, NULL, "tags (!name) are not supported");
	if (depth >= VTAP_YAML_DEPTH_MAX)
		return vtap_error_set(b->reterr, -E2BIG, line, NULL, "is nested deeper than %d levels",
				      VTAP_YAML_DEPTH_MAX);
	return build_children(b, mapping, line, depth + 1, ret);
}

/* STREAM-START, DOCUMENT-START, the root, DOCUMENT-END, STREAM-END; without any document the second is STREAM-END. */
static int build_document(struct builder *b, struct vtap_yaml *ret)
{
	VTAP_CLEANUP(vtap_yaml_done) struct vtap_yaml root = {};
	int r;

	for (;;) {
		VTAP_CLEANUP(yaml_event_delete) yaml_event_t event = {};

		r = next_event(b, &event);
		if (r < 0)
			return r;
		if (event.type == YAML_STREAM_END_EVENT)
			break;
		if (event.type == YAML_STREAM_START_EVENT || event.type == YAML_DOCUMENT_END_EVENT)
			continue;
		if (event.type == YAML_DOCUMENT_START_EVENT && root.values)
			return vtap_error_set(b->reterr, -EINVAL, mark_line(&event.start_mark), NULL,
					      "must be one document, but a second one begins here");
		if (event.type == YAML_DOCUMENT_START_EVENT)
			continue;
		r = build_node(b, &event, mark_line(&event.start_mark), 0, &root);
		if (r < 0)
			return r;
	}
	if (!root.values) {
		r = node_set(b, json_null(), json_integer(1), &root);
		if (r < 0)
			return r;
	}
	ret->values = VTAP_STEAL(root.values);
	ret->lines = VTAP_STEAL(root.lines);
	return 0;
}

int vtap_yaml_parse(const char *text, size_t size_bytes, struct vtap_yaml *ret, struct vtap_error *reterr)
{
	VTAP_CLEANUP(builder_done) struct builder b = {.reterr = reterr};

	if (!yaml_parser_initialize(&b.parser))
		return fail_memory(&b);
	/* Without this, libyaml would take a file that begins like UTF-16 for such. */
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, size_bytes);
	return build_document(&b, ret);
}

void vtap_yaml_done(struct vtap_yaml *y)
{
	json_decref(y->values);
	json_decref(y->lines);
	*y = (struct vtap_yaml){};
}

const json_t *vtap_yaml_lines_member(const json_t *lines, const char *key)
{
	return json_object_get(lines, key);
}

const json_t *vtap_yaml_lines_element(const json_t *lines, size_t index)
{
	return json_array_get(lines, index + 1);
}

unsigned vtap_yaml_line(const json_t *lines)
{
	const json_t *own = lines;

	if (json_is_object(lines))
		own = json_object_get(lines, "");
	else if (json_is_array(lines))
		own = json_array_get(lines, 0);
	return (unsigned)json_integer_value(own);
}

static int write_node(yaml_emitter_t *e, const json_t *value);

static int write_out(void *data, unsigned char *buffer, size_t size_bytes)
{
	return fwrite(buffer, 1, size_bytes, data) == size_bytes;
}

/* libyaml forgets what an event held once it was taken, also on failure. */
static int emit(yaml_emitter_t *e, yaml_event_t *event, int made)
{
	if (!made)
		return -ENOMEM;
	if (yaml_emitter_emit(e, event))
		return 0;
	return e->error == YAML_MEMORY_ERROR ? -ENOMEM : -EIO;
}

/* Words that YAML 1.1 takes for booleans and nothing. */
static bool is_word_of_yaml(const char *text)
{
	static const char *const words[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(words); i++)
		if (strcasecmp(text, words[i]) == 0)
			return true;
	return false;
}

/* Beginning with a digit, only IPv4 addresses and prefixes cannot be mistaken for numbers or times. */
static bool may_be_plain(const char *text)
{
	unsigned dots = 0;

	if (isalpha((unsigned char)*text) || *text == '/')
		return !is_word_of_yaml(text);
	if (!isdigit((unsigned char)*text))
		return false;
	for (const char *c = text; *c; c++) {
		if (!isdigit((unsigned char)*c) && *c != '.' && *c != '/')
			return false;
		dots += *c == '.';
	}
	return dots == 3;
}

static int write_scalar(yaml_emitter_t *e, const char *text, bool plain)
{
	yaml_scalar_style_t style = plain ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	yaml_event_t event;

	return emit(e, &event,
		    yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text), 1, 1,
						 style));
}

static int write_number(yaml_emitter_t *e, const json_t *value)
{
	char text[40];

	if (json_is_integer(value))
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		snprintf(text, sizeof(text), "%.15g", json_real_value(value));
	return write_scalar(e, text, true);
}

/* Empty collections are written as [] and {}, whatever the style. */
static int write_list(yaml_emitter_t *e, const json_t *list)
{
	const json_t *item;
	yaml_event_t event;
	size_t i;
	int r;

	r = emit(e, &event, yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE));
	json_array_foreach(list, i, item)
	{
		if (r < 0)
			return r;
		r = write_node(e, item);
	}
	if (r < 0)
		return r;
	return emit(e, &event, yaml_sequence_end_event_initialize(&event));
}

static int write_mapping(yaml_emitter_t *e, const json_t *mapping)
{
	const json_t *item;
	const char *key;
	yaml_event_t event;
	int r;

	r = emit(e, &event, yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE));
	json_object_foreach((json_t *)mapping, key, item)
	{
		if (r >= 0)
			r = write_scalar(e, key, may_be_plain(key));
		if (r < 0)
			return r;
		r = write_node(e, item);
	}
	if (r < 0)
		return r;
	return emit(e, &event, yaml_mapping_end_event_initialize(&event));
}

/* The recursion is as deep as the value. */
static int write_node(yaml_emitter_t *e, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return write_mapping(e, value);
	case JSON_ARRAY:
		return write_list(e, value);
	case JSON_STRING:
		return write_scalar(e, json_string_value(value), may_be_plain(json_string_value(value)));
	case JSON_INTEGER:
	case JSON_REAL:
		return write_number(e, value);
	case JSON_TRUE:
		return write_scalar(e, "true", true);
	case JSON_FALSE:
		return write_scalar(e, "false", true);
	case JSON_NULL:
		return write_scalar(e, "null", true);
	}
	return -EINVAL;
}

static int write_document(yaml_emitter_t *e, const json_t *value)
{
	yaml_event_t event;
	int r;

	r = emit(e, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
	if (r >= 0)
		r = emit(e, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
	if (r >= 0)
		r = write_node(e, value);
	if (r >= 0)
		r = emit(e, &event, yaml_document_end_event_initialize(&event, 1));
	if (r >= 0)
		r = emit(e, &event, yaml_stream_end_event_initialize(&event));
	return r;
}

int vtap_yaml_write(const json_t *value, FILE *out)
{
	VTAP_CLEANUP(yaml_emitter_delete) yaml_emitter_t e;

	if (!yaml_emitter_initialize(&e))
		return -ENOMEM;
	yaml_emitter_set_output(&e, write_out, out);
	yaml_emitter_set_unicode(&e, 1);
	yaml_emitter_set_width(&e, -1);
	return write_document(&e, value);
}
