/* SPDX-License-Identifier: Apache-2.0 */

#include "model/place.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "basic/parse.h"
#include "model/yaml.h"

#define KEY_SIZE_MAX_BYTES 32 /* longer keys are not looked at for a likeness */

struct vtap_place vtap_place_member(const struct vtap_place *p, const char *key)
{
	return (struct vtap_place){
	    .value = json_object_get(p->value, key),
	    .lines = vtap_yaml_lines_member(p->lines, key),
	    .parent = p,
	    .key = key,
	    .config = p->config,
	    .reterr = p->reterr,
	};
}

struct vtap_place vtap_place_element(const struct vtap_place *p, size_t index)
{
	return (struct vtap_place){
	    .value = json_array_get(p->value, index),
	    .lines = vtap_yaml_lines_element(p->lines, index),
	    .parent = p,
	    .index = index,
	    .config = p->config,
	    .reterr = p->reterr,
	};
}

static void append(char *buffer, size_t size_bytes, const char *text)
{
	size_t length = strlen(buffer);

	snprintf(buffer + length, size_bytes - length, "%s", text);
}

/* "sessions[0].encapsulation.vni". The recursion is as deep as the value, which the bridge bounds. */
static void path(const struct vtap_place *p, char *buffer, size_t size_bytes)
{
	char step[VTAP_ERROR_QUOTE_STRLEN];

	if (!p->parent)
		return;
	path(p->parent, buffer, size_bytes);
	if (p->key) {
		if (buffer[0])
			append(buffer, size_bytes, ".");
		vtap_error_quote(p->key, step);
	} else {
		snprintf(step, sizeof(step), "[%zu]", p->index);
	}
	append(buffer, size_bytes, step);
}

unsigned vtap_place_line(const struct vtap_place *p)
{
	while (!p->lines && p->parent)
		p = p->parent;
	return vtap_yaml_line(p->lines);
}

VTAP_PRINTF(3, 0)
static int fail(const struct vtap_place *p, int code, const char *format, va_list arguments)
{
	char field[sizeof(p->reterr->field)] = "", text[sizeof(p->reterr->text)];

	path(p, field, sizeof(field));
	vsnprintf(text, sizeof(text), format, arguments);
	return vtap_error_set(p->reterr, code, vtap_place_line(p), field, "%s", text);
}

int vtap_place_fail(const struct vtap_place *p, int code, const char *format, ...)
{
	va_list arguments;
	int r;

	va_start(arguments, format);
	r = fail(p, code, format, arguments);
	va_end(arguments);
	return r;
}

int vtap_place_fail_value(const struct vtap_place *p, const char *format, ...)
{
	char expected[sizeof(p->reterr->text)], shown[VTAP_ERROR_QUOTE_STRLEN];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(expected, sizeof(expected), format, arguments);
	va_end(arguments);
	switch (p->value ? json_typeof(p->value) : JSON_NULL) {
	case JSON_OBJECT:
		return vtap_place_fail(p, -EINVAL, "must be %s, not a mapping", expected);
	case JSON_ARRAY:
		return vtap_place_fail(p, -EINVAL, "must be %s, not a list", expected);
	case JSON_STRING:
		return vtap_place_fail(p, -EINVAL, "must be %s, not \"%s\"", expected,
				       vtap_error_quote(json_string_value(p->value), shown));
	case JSON_INTEGER:
		return vtap_place_fail(p, -EINVAL, "must be %s, not %" JSON_INTEGER_FORMAT, expected,
				       json_integer_value(p->value));
	case JSON_TRUE:
		return vtap_place_fail(p, -EINVAL, "must be %s, not true", expected);
	case JSON_FALSE:
		return vtap_place_fail(p, -EINVAL, "must be %s, not false", expected);
	default:
		return vtap_place_fail(p, -EINVAL, "must be %s", expected);
	}
}

/* How many characters must be added, taken away or replaced to make one key from the other. */
static size_t distance(const char *a, const char *b)
{
	size_t row[KEY_SIZE_MAX_BYTES + 1], length = strlen(b);

	if (strlen(a) > KEY_SIZE_MAX_BYTES || length > KEY_SIZE_MAX_BYTES)
		return SIZE_MAX;
	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < length; j++) {
			size_t replaced = diagonal + (a[i] != b[j]), other = VTAP_MIN(row[j], row[j + 1]) + 1;

			diagonal = row[j + 1];
			row[j + 1] = VTAP_MIN(replaced, other);
		}
	}
	return row[length];
}

static const char *nearest(const char *const *names, const char *key)
{
	size_t best = 3; /* two wrong characters are a slip, three are another word */
	const char *name = NULL;

	for (; *names; names++) {
		size_t d = distance(key, *names);

		if (d < best && d < strlen(*names)) {
			best = d;
			name = *names;
		}
	}
	return name;
}

int vtap_place_fail_unknown(const struct vtap_place *p, const char *const *names)
{
	const char *near = nearest(names, p->key);
	char known[sizeof(p->reterr->text)] = "";

	if (near)
		return vtap_place_fail(p, -EINVAL, "unknown key; did you mean \"%s\"?", near);
	for (; *names; names++) {
		if (known[0])
			append(known, sizeof(known), ", ");
		append(known, sizeof(known), *names);
	}
	return vtap_place_fail(p, -EINVAL, "unknown key; known are %s", known);
}

static int fail_unknown(const struct vtap_place *p, const struct vtap_field *fields)
{
	const char *names[VTAP_PLACE_NAMES_MAX + 1] = {};

	for (size_t i = 0; i < VTAP_PLACE_NAMES_MAX && fields[i].name; i++)
		names[i] = fields[i].name;
	return vtap_place_fail_unknown(p, names);
}

int vtap_place_read_mapping(const struct vtap_place *p, const struct vtap_field *fields, void *object)
{
	const char *key;
	json_t *value;
	int r;

	if (!json_is_object(p->value))
		return vtap_place_fail_value(p, "a mapping (key: value)");
	/* jansson's iteration takes a pointer to non-const, though it changes nothing. */
	json_object_foreach((json_t *)p->value, key, value)
	{
		struct vtap_place member = vtap_place_member(p, key);
		const struct vtap_field *f = fields;

		while (f->name && strcmp(f->name, key) != 0)
			f++;
		if (!f->name)
			return fail_unknown(&member, fields);
		if (json_is_null(value))
			return vtap_place_fail(&member, -EINVAL, "has no value");
	}
	for (const struct vtap_field *f = fields; f->name; f++) {
		struct vtap_place member = vtap_place_member(p, f->name);

		if (!member.value && f->required)
			return vtap_place_fail(&member, -EINVAL, "is required");
		r = member.value ? f->read(&member, f, object) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

int vtap_place_read_list(const struct vtap_place *p, size_t max, size_t object_size_bytes, void **array, size_t *count,
			 int (*read)(const struct vtap_place *p, void *object))
{
	size_t n = json_array_size(p->value);
	int r;

	if (!json_is_array(p->value))
		return vtap_place_fail_value(p, "a list");
	if (n > max)
		return vtap_place_fail(p, -E2BIG, "has %zu entries, and at most %zu are possible", n, max);
	if (n == 0)
		return 0;
	*array = calloc(n, object_size_bytes);
	if (!*array)
		return vtap_place_fail(p, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		struct vtap_place element = vtap_place_element(p, i);

		(*count)++;
		r = read(&element, (char *)*array + i * object_size_bytes);
		if (r < 0)
			return r;
	}
	return 0;
}

static void *member_of(const struct vtap_field *f, void *object)
{
	return (char *)object + f->offset;
}

/* By type, so that it works in either byte order. */
static void store_number(const struct vtap_field *f, void *object, uint64_t number)
{
	void *member = member_of(f, object);

	switch (f->size_bytes) {
	case sizeof(uint8_t):
		*(uint8_t *)member = (uint8_t)number;
		break;
	case sizeof(uint16_t):
		*(uint16_t *)member = (uint16_t)number;
		break;
	case sizeof(uint32_t):
		*(uint32_t *)member = (uint32_t)number;
		break;
	default:
		*(uint64_t *)member = number;
		break;
	}
}

int vtap_place_read_number(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	uint64_t number = 0;
	int r = -EINVAL;

	if (json_is_integer(p->value)) {
		json_int_t given = json_integer_value(p->value);

		number = (uint64_t)given;
		r = given < 0 || number < f->min || number > f->max ? -ERANGE : 0;
	} else if (json_is_string(p->value)) {
		r = vtap_parse_u64(json_string_value(p->value), f->min, f->max, &number);
	}
	if (r < 0)
		return vtap_place_fail_value(p, "%s%" PRIu64 "..%" PRIu64, r == -EINVAL ? "a number " : "", f->min,
					     f->max);
	store_number(f, object, number);
	return 0;
}

int vtap_place_read_bool(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	if (!json_is_boolean(p->value))
		return vtap_place_fail_value(p, "true or false");
	*(bool *)member_of(f, object) = json_is_true(p->value);
	return 0;
}

int vtap_place_read_word(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	char known[sizeof(p->reterr->text)] = "";
	const struct vtap_word *w = f->words;
	int value;

	if (json_is_string(p->value) && vtap_word_find(w, json_string_value(p->value), &value)) {
		memcpy(member_of(f, object), &value, sizeof(value));
		return 0;
	}
	for (; w->name; w++) {
		append(known, sizeof(known), w->name);
		if (w[1].name)
			append(known, sizeof(known), w[2].name ? ", " : " or ");
	}
	return vtap_place_fail_value(p, "%s", known);
}

int vtap_place_read_name(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	const char *text = json_string_value(p->value);

	if (!text && json_is_integer(p->value))
		return vtap_place_fail_value(p, "a name (put a name that looks like a number in quotes)");
	if (!text || *text == '\0' || strlen(text) >= f->size_bytes || text[strspn(text, allowed)] != '\0')
		return vtap_place_fail_value(p, "1..%zu letters, digits, '.', '_' or '-'", f->size_bytes - 1);
	strcpy(member_of(f, object), text);
	return 0;
}

/* What the kernel takes as the name of a device, less control characters. */
static bool device_is_valid(const char *name)
{
	if (*name == '\0' || strlen(name) > VTAP_DEVICE_MAX || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (; *name; name++) {
		unsigned char c = (unsigned char)*name;

		if (c <= 0x20 || c == 0x7f || c == '/' || c == ':')
			return false;
	}
	return true;
}

/* What the agent keeps for itself: the segmenting stage. */
static const char *const own_devices[] = {"vtap-near", "vtap-far", "vtap-end"};

int vtap_place_read_device(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	const char *text = json_string_value(p->value);

	if (!text && json_is_integer(p->value))
		return vtap_place_fail_value(p, "a device's name (put a name that looks like a number in quotes)");
	if (!text || !device_is_valid(text))
		return vtap_place_fail_value(p, "a device's name: 1..%d characters without spaces, '/' and ':'",
					     VTAP_DEVICE_MAX);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(own_devices); i++) {
		if (!strcmp(text, own_devices[i]))
			return vtap_place_fail_value(p, "a device that is not vtap's own");
	}
	strcpy(member_of(f, object), text);
	return 0;
}

int vtap_place_read_address(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	const char *text = json_string_value(p->value);

	if (!text || vtap_addr_parse(text, member_of(f, object)) < 0)
		return vtap_place_fail_value(p, "an IPv4 or IPv6 address");
	return 0;
}

int vtap_place_read_prefix(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	struct vtap_prefix *prefix = (struct vtap_prefix *)((char *)object + f->offset), meant;
	const char *text = json_string_value(p->value);
	char buffer[VTAP_PREFIX_STRLEN];
	int r;

	r = text ? vtap_prefix_parse(text, prefix) : -EINVAL;
	if (r == -ERANGE && vtap_prefix_parse_loose(text, &meant) == 0)
		return vtap_place_fail_value(p, "%s (the bits behind the prefix must be 0)",
					     vtap_prefix_format(&meant, buffer));
	if (r < 0)
		return vtap_place_fail_value(p, "a prefix such as 10.0.0.0/8 or 2001:db8::/32");
	return 0;
}

int vtap_place_read_ports(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	uint16_t *range = (uint16_t *)((char *)object + f->offset);
	const char *text = json_string_value(p->value);
	json_int_t port = json_integer_value(p->value);
	int r = -EINVAL;

	if (text) {
		r = vtap_parse_port_range(text, &range[0], &range[1]);
	} else if (json_is_integer(p->value) && port >= 0 && port <= UINT16_MAX) {
		range[0] = range[1] = (uint16_t)port;
		r = 0;
	}
	if (r == -EDOM)
		return vtap_place_fail_value(p, "a range from the lower port to the higher");
	if (r < 0)
		return vtap_place_fail_value(p, "a port 0..65535 or a range such as 80-443");
	return 0;
}

int vtap_place_read_fields(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	return vtap_place_read_mapping(p, f->fields, object);
}

const char *vtap_word_name(const struct vtap_word *words, int value)
{
	for (; words->name; words++)
		if (words->value == value)
			return words->name;
	return NULL;
}

bool vtap_word_find(const struct vtap_word *words, const char *name, int *ret_value)
{
	for (; words->name; words++) {
		if (strcmp(words->name, name) == 0) {
			*ret_value = words->value;
			return true;
		}
	}
	return false;
}
