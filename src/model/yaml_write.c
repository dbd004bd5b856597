/* SPDX-License-Identifier: Apache-2.0 */

#include "model/yaml_write.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "basic/util.h"

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
