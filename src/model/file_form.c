/* SPDX-License-Identifier: Apache-2.0 */

#include "model/file_form.h"

#include <errno.h>
#include <string.h>

#define ALWAYS (-1) /* no number of ours */

/*
 * What of a kind the file has, under the same key. Without is the number, of the member or of an object's members, that the
 * file says by leaving the key out: it takes an MTU of 576 and more, and one kind of sampling.
 */
static const struct {
	const char *kind;
	const char *key;
	json_int_t without;
} keys[] = {
    {"target", "address", ALWAYS},
    {"target", "local", ALWAYS},
    {"target", "mtu", 0},
    {"target", "df", ALWAYS},
    {"target", "dscp", ALWAYS},
    {"target", "ttl", ALWAYS},
    {"rule", "direction", ALWAYS},
    {"rule", "number", ALWAYS},
    {"rule", "action", ALWAYS},
    {"rule", "protocol", ALWAYS},
    {"rule", "source", ALWAYS},
    {"rule", "destination", ALWAYS},
    {"rule", "source_ports", ALWAYS},
    {"rule", "destination_ports", ALWAYS},
    {"rule", "icmp_type", ALWAYS},
    {"rule", "icmp_code", ALWAYS},
    {"rule", "vlan", ALWAYS},
    {"rule", "ethertype", ALWAYS},
    {"session", "number", 0},
    {"session", "mode", ALWAYS},
    {"session", "enabled", ALWAYS},
    {"session", "direction", ALWAYS},
    {"session", "filter", ALWAYS},
    {"session", "target", ALWAYS},
    {"session", "encapsulation", ALWAYS},
    {"session", "packet_length", ALWAYS},
    {"session", "mtu_policy", ALWAYS},
    {"session", "on_reject", ALWAYS},
    {"session", "sample", 1},
    {"session", "limit", ALWAYS},
    {"session", "checksum", ALWAYS},
};

static bool is_left_out(const json_t *value, json_int_t without)
{
	return !value || json_is_null(value) || (json_is_integer(value) && json_integer_value(value) == without);
}

static json_t *copy_object(const json_t *object, json_int_t without)
{
	json_auto_t *copy = json_object();
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)object, name, value)
	{
		if (!is_left_out(value, without) && json_object_set(copy, name, value) < 0)
			return NULL;
	}
	return VTAP_STEAL(copy);
}

int vtap_file_form(const struct vtap_kind *kind, const json_t *resource, json_t **ret_form)
{
	json_t *id = json_object_get(resource, "id");
	json_auto_t *form = json_object();

	if (!form || (json_is_string(id) && strcmp(kind->name, "rule") != 0 && json_object_set(form, "name", id) < 0))
		return -ENOMEM;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(keys); i++) {
		json_t *value = json_object_get(resource, keys[i].key);

		if (strcmp(keys[i].kind, kind->name) != 0 || is_left_out(value, keys[i].without))
			continue;
		value = json_is_object(value) ? copy_object(value, keys[i].without) : json_incref(value);
		if (json_object_set_new(form, keys[i].key, value) < 0) /* of NULL, too */
			return -ENOMEM;
	}
	*ret_form = VTAP_STEAL(form);
	return 0;
}
