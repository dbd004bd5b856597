/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Typed, table-driven reading of jansson values into structs. A place knows its value, its line and the way to it from the
 * root, so that every refusal names field and line. Places live on the stack of the functions that step down.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "basic/error.h"
#include "model/config.h"

struct vtap_place {
	const json_t *value; /* borrowed; NULL = the key is not there */
	const json_t *lines; /* borrowed; as in model/yaml.h; NULL = unknown */
	const struct vtap_place *parent; /* borrowed; NULL = the root */
	const char *key; /* borrowed; the member's key; NULL = an element of a list */
	size_t index; /* the element's */
	struct vtap_config *config; /* borrowed; what is being read into, for references by name */
	struct vtap_error *reterr; /* borrowed; NULL is allowed */
};

struct vtap_word { /* a name as the file has it */
	const char *name;
	int value;
};

/* One key of a mapping and where its value goes. read() is called only for a value that is there and is not null. */
struct vtap_field {
	const char *name;
	int (*read)(const struct vtap_place *p, const struct vtap_field *f, void *object);
	size_t offset; /* of the member of object */
	size_t size_bytes; /* of the member */
	uint64_t min, max; /* numbers */
	union {
		const struct vtap_word *words; /* vtap_place_read_word(): ends with a NULL name */
		const struct vtap_field *fields; /* vtap_place_read_fields(): ends with a NULL name */
	};
	bool required;
};

struct vtap_place vtap_place_member(const struct vtap_place *p, const char *key);
struct vtap_place vtap_place_element(const struct vtap_place *p, size_t index);

/* The line that it stands on; its parent's if it is not there; 0 = unknown. */
unsigned vtap_place_line(const struct vtap_place *p);
/* Fills *p->reterr with the place's line and path, and returns code. */
int vtap_place_fail(const struct vtap_place *p, int code, const char *format, ...) VTAP_PRINTF(3, 4);
/* The same for what should be of another form: "must be EXPECTED, not VALUE". Returns -EINVAL. */
int vtap_place_fail_value(const struct vtap_place *p, const char *format, ...) VTAP_PRINTF(2, 3);

/* For a member that its mapping does not know: names (ends with NULL, at most VTAP_PLACE_NAMES_MAX) are those it does. */
#define VTAP_PLACE_NAMES_MAX 32
int vtap_place_fail_unknown(const struct vtap_place *p, const char *const *names);

/* Reads a mapping: refuses keys that the table does not know, and missing ones that are required. */
int vtap_place_read_mapping(const struct vtap_place *p, const struct vtap_field *fields, void *object);
/*
 * Reads a list of at most max elements into a new array of zeroed objects. *array and *count are always such that the owner
 * can free them, also when an element fails half-way.
 */
int vtap_place_read_list(const struct vtap_place *p, size_t max, size_t object_size_bytes, void **array, size_t *count,
			 int (*read)(const struct vtap_place *p, void *object));

/* For the table. A number's member has 1, 2, 4 or 8 bytes; a word's is an enum. Texts are arrays of char. */
int vtap_place_read_number(const struct vtap_place *p, const struct vtap_field *f, void *object);
int vtap_place_read_bool(const struct vtap_place *p, const struct vtap_field *f, void *object);
int vtap_place_read_word(const struct vtap_place *p, const struct vtap_field *f, void *object);
int vtap_place_read_name(const struct vtap_place *p, const struct vtap_field *f, void *object);
int vtap_place_read_device(const struct vtap_place *p, const struct vtap_field *f, void *object);
int vtap_place_read_address(const struct vtap_place *p, const struct vtap_field *f, void *object);
int vtap_place_read_prefix(const struct vtap_place *p, const struct vtap_field *f, void *object);
/* Two uint16_t: the first port goes to the field's offset, the last one right behind it. */
int vtap_place_read_ports(const struct vtap_place *p, const struct vtap_field *f, void *object);
/* A mapping inside the mapping, whose keys go into the same object. */
int vtap_place_read_fields(const struct vtap_place *p, const struct vtap_field *f, void *object);

#define VTAP_FIELD(key, type, member, reader)                                                                          \
	.name = (key), .read = (reader), .offset = offsetof(type, member), .size_bytes = sizeof(((type *)0)->member)
#define VTAP_FIELD_NUMBER(key, type, member, least, most)                                                              \
	VTAP_FIELD(key, type, member, vtap_place_read_number), .min = (least), .max = (most)
#define VTAP_FIELD_WORD(key, type, member, table) VTAP_FIELD(key, type, member, vtap_place_read_word), .words = (table)

/* The name of a value, or NULL. */
const char *vtap_word_name(const struct vtap_word *words, int value);
/* Whether the text is one of the words. */
bool vtap_word_find(const struct vtap_word *words, const char *name, int *ret_value);
