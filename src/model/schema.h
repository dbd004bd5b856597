/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a resource may look like, as tables: the API's validation, the CLI's options and the contract test all read the same
 * ones. A resource is a JSON object whose members the tables name; a normalised one has every member, defaults included, each
 * in its canonical form (addresses and prefixes as inet_ntop() writes them, MACs in lower case, tags sorted). Pure.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "basic/error.h"
#include "model/place.h"

#define VTAP_ID_STRLEN 32 /* room for the longest: "subnet", '-', VTAP_ID_DIGITS, NUL */
#define VTAP_ID_DIGITS 17 /* hexadecimal, in lower case */
#define VTAP_DESCRIPTION_MAX 255 /* characters */
#define VTAP_TAGS_MAX 50
#define VTAP_TAG_KEY_MAX 128 /* characters, at least 1 */
#define VTAP_TAG_VALUE_MAX 256
#define VTAP_CIDRS_MAX 64 /* of one network */
#define VTAP_ADDRESSES_MAX 64 /* of one interface or gateway */
#define VTAP_LIST_MAX 256 /* entries of every list that has no limit of its own */
#define VTAP_PASSWORD_CHARACTERS_MIN 10
#define VTAP_PASSWORD_CHARACTERS_MAX 64 /* at most VTAP_PASSWORD_MAX bytes */

enum vtap_type {
	VTAP_TYPE_TEXT, /* min..max characters of UTF-8 without control characters */
	VTAP_TYPE_NAME, /* 1..63 of [A-Za-z0-9._-], beginning with a letter or digit; not of the form of an id */
	VTAP_TYPE_NUMBER, /* integer min..max */
	VTAP_TYPE_BOOL,
	VTAP_TYPE_WORD, /* one of words */
	VTAP_TYPE_ADDRESS, /* IPv4 or IPv6 */
	VTAP_TYPE_PREFIX, /* "10.0.0.0/8": host bits are zero */
	VTAP_TYPE_MAC, /* unicast */
	VTAP_TYPE_DEVICE, /* as the kernel allows it */
	VTAP_TYPE_PORTS, /* "80" or "80-443"; a number is taken for its text */
	VTAP_TYPE_OFFLINE, /* "keep" or "stop-after 10m", a duration of min..max seconds */
	VTAP_TYPE_DURATION, /* "90s", "10m", "2h", "7d" -> canonical text; min..max seconds */
	VTAP_TYPE_TIME, /* "2026-11-21T15:00:00Z" */
	VTAP_TYPE_TAGS, /* object of texts */
	VTAP_TYPE_REFERENCE, /* id, or name, of a resource of one of the kinds in `kinds`; normalised to the id */
	VTAP_TYPE_OBJECT, /* of `attributes`; unless in a list, null is the object of its members' defaults */
	VTAP_TYPE_PROTOCOL, /* IP protocol by name or number, as in the agent's file; its text, "tcp" or "250" */
	VTAP_TYPE_ETHERTYPE, /* likewise: name, number or "any"; its text, "arp" or "0x88b5" */
	VTAP_TYPE_MAX
};

enum {
	VTAP_ATTRIBUTE_REQUIRED = 1 << 0, /* at creation; cannot be set to null later */
	VTAP_ATTRIBUTE_IMMUTABLE = 1 << 1, /* after creation */
	VTAP_ATTRIBUTE_COMPUTED = 1 << 2, /* by the server: refused in input unless it equals what is there */
	VTAP_ATTRIBUTE_SECRET =
	    1 << 3, /* in input only: validated, and never in the result; the handler reads it there */
	VTAP_ATTRIBUTE_LIST = 1 << 4, /* a list of these, min_items..max_items, none twice */
	VTAP_ATTRIBUTE_SELECTOR = 1 << 5, /* of a reference: a tag selector is taken too, and kept as it is */
	VTAP_ATTRIBUTE_SYSTEM = 1 << 6, /* of a kind itself: shown to system admins alone */
};

struct vtap_attribute {
	const char *name; /* ends a table when NULL */
	enum vtap_type type;
	unsigned flags;
	uint64_t min, max;
	uint64_t least; /* of a number: besides 0, which stands for something else, at least that; 0 = min */
	unsigned min_items, max_items;
	const char *standard; /* the default as JSON text; NULL = null (absent) */
	const struct vtap_word *words;
	const struct vtap_attribute *attributes;
	const char *kinds; /* of a reference: names of kinds, separated by spaces */
	const char *help; /* a phrase for --help, the man page and the contract */
};

/* What must hold between the members of a normalised resource. Fills *reterr with the field's path and returns -EINVAL. */
struct vtap_kind;
typedef int (*vtap_kind_check)(const struct vtap_kind *kind, const json_t *resource, struct vtap_error *reterr);

enum {
	VTAP_KIND_GLOBAL = 1 << 0, /* belongs to no project: project, user, key, host, wire; member `project` is null */
	VTAP_KIND_INSIDE = 1 << 1, /* lives and dies with a parent: rules with their filter */
};

struct vtap_kind {
	const char *name; /* "session" */
	const char *plural; /* "sessions": the path below /v1 */
	const char *prefix; /* "tms" */
	unsigned flags;
	const struct vtap_attribute *attributes; /* its own; the common ones are in vtap_attributes_common */
	vtap_kind_check check; /* NULL = nothing must */
	const char *help;
};

/* id, name, description, tags, project, created, updated, version: of every resource. A kind's own stands for a common one. */
extern const struct vtap_attribute vtap_attributes_common[];
/* All kinds; ends with a NULL name. */
extern const struct vtap_kind vtap_kinds[];
/* An object's member as text; NULL: it is absent, or no text. */
static inline const char *vtap_text(const json_t *object, const char *member)
{
	return json_string_value(json_object_get(object, member));
}

/* Roles: viewer 1, operator 2, admin 3; a higher one may do all that a lower one may. */
extern const struct vtap_word vtap_role_words[];
/* By name ("session"), by plural, or by a well-formed id; NULL. */
const struct vtap_kind *vtap_kind_find(const char *name);
const struct vtap_kind *vtap_kind_by_plural(const char *plural);
const struct vtap_kind *vtap_kind_of_id(const char *id);
/* Whether an attribute's `kinds` has that one. */
bool vtap_kind_is_among(const struct vtap_kind *kind, const char *kinds);
/* Also finds the common ones; "encapsulation.vni" steps down; "[0]" behind a list's name is passed over. NULL. */
const struct vtap_attribute *vtap_kind_attribute(const struct vtap_kind *kind, const char *path);
/* All attributes, one after another, the kind's own between the common ones; previous = NULL begins; NULL ends. */
const struct vtap_attribute *vtap_kind_next_attribute(const struct vtap_kind *kind,
						      const struct vtap_attribute *previous);
/* "text", "number" ... */
const char *vtap_type_name(enum vtap_type type);

/* "tms-0123456789abcdef0" of VTAP_ID_DIGITS hexadecimal digits that the caller drew. */
char *vtap_id_make(const struct vtap_kind *kind, const char hex[VTAP_ID_DIGITS + 1], char buffer[VTAP_ID_STRLEN]);
/* kind = NULL: an id of any kind. */
bool vtap_id_is_valid(const struct vtap_kind *kind, const char *id);

/* Finds what a reference means: 0 and the id, -ENOENT, or -ENOTUNIQ; both with a sentence in *reterr, without its field. */
typedef int (*vtap_reference_resolve)(const char *kinds, const char *text, char ret_id[VTAP_ID_STRLEN],
				      struct vtap_error *reterr, void *userdata);

struct vtap_normalize {
	const struct vtap_kind *kind;
	const json_t *input; /* what the user sent */
	/*
	 * NULL = a creation; else the resource as it is, for a patch: members that are absent in the input stay, null resets
	 * to the default, objects merge member by member, lists and tags are replaced as a whole.
	 */
	const json_t *current;
	vtap_reference_resolve resolve; /* NULL = references must be ids of the right kind, and are not looked up */
	void *userdata;
};

/*
 * Validates and normalises. Computed members are taken from current, and are absent at a creation: the caller sets them.
 * -EINVAL, -E2BIG (too many entries), -ENOMEM, or what resolve() returned, with *reterr naming the field's path and the
 * allowed range.
 */
int vtap_resource_normalize(const struct vtap_normalize *n, json_t **ret_resource, struct vtap_error *reterr);
/*
 * The ids that the resource refers to, its project included, each once, in the order of the tables. Negative from visit()
 * ends it and is returned; -ENOMEM.
 */
int vtap_resource_references(const struct vtap_kind *kind, const json_t *resource,
			     int (*visit)(const char *path, const char *id, void *userdata), void *userdata);
/*
 * Puts one option as typed ("encapsulation.vni", "66") into the input: the CLI's way. Lists are separated by commas, tags are
 * "key=value", objects in lists have their members in the order of the table ("10.0.0.0/8=nat-1,0.0.0.0/0=nat-2"); a
 * backslash takes a separator's meaning away. An empty text is null for what is neither text, list nor tags. What the text
 * means is left to vtap_resource_normalize(), but for its type: -EINVAL with *reterr filled.
 */
int vtap_resource_set_text(const struct vtap_kind *kind, json_t *input, const char *path, const char *text,
			   struct vtap_error *reterr);

/* Tag selector "tag:role=web" or "tag:role" (any value). The key ends at the first '='. */
struct vtap_selector {
	char key[VTAP_TAG_KEY_MAX * 4 + 1];
	char value[VTAP_TAG_VALUE_MAX * 4 + 1];
	bool any_value;
};
bool vtap_selector_is_one(const char *text); /* begins with "tag:": is to be parsed as a selector */
/* -EINVAL with a sentence in *reterr, without a field. */
int vtap_selector_parse(const char *text, struct vtap_selector *ret, struct vtap_error *reterr);
