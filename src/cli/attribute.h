/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Attributes of a kind as options: --name, --packet-length, --encapsulation.vni or, where nothing else of the kind ends so,
 * --vni; lists also by their singular, once for each element. Pure.
 */

#include "model/schema.h"

#define VTAP_ATTRIBUTE_PATH_STRLEN 96

/* One attribute that an option can set. */
struct vtap_setting {
	const struct vtap_attribute *attribute; /* borrowed from the kind's table */
	char path[VTAP_ATTRIBUTE_PATH_STRLEN]; /* "encapsulation.vni" */
	char option[VTAP_ATTRIBUTE_PATH_STRLEN]; /* the shortest that means it, without "--": "vni" */
};

/*
 * Visits what a person can set: members of objects instead of the objects, nothing computed. flags_left_out:
 * VTAP_ATTRIBUTE_IMMUTABLE for changes. Negative from visit() ends it and is returned.
 */
int vtap_setting_each(const struct vtap_kind *kind, unsigned flags_left_out,
		      int (*visit)(const struct vtap_setting *setting, void *userdata), void *userdata);
/* What --NAME means, with '-' or '_'. 0 or -ENOENT. */
int vtap_setting_find(const struct vtap_kind *kind, const char *name, unsigned flags_left_out,
		      struct vtap_setting *ret_setting);
/*
 * Puts the text of an option into the resource as vtap_resource_set_text() does, but that lists and tags grow by each use.
 * -EINVAL with *reterr, whose field is the path.
 */
int vtap_setting_apply(const struct vtap_kind *kind, const struct vtap_setting *setting, json_t *resource,
		       const char *text, struct vtap_error *reterr);
/* "packet_length" -> "packet-length" */
void vtap_setting_dashes(char *text);
/* How a value is written in the help: "0..16777215", "in|out|both", "TARGET". */
const char *vtap_setting_value(const struct vtap_attribute *attribute, char *buffer, size_t size_bytes);
/*
 * The field of a refusal as the option that set it: "encapsulation.vni" -> "--vni", "sources[2]" -> "--source",
 * "routes[0].gateway" -> "--route (gateway)"; the field itself where no option does. kind = NULL is allowed.
 */
const char *vtap_setting_option_of(const struct vtap_kind *kind, const char *field, char *buffer, size_t size_bytes);
