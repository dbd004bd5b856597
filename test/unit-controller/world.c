/* SPDX-License-Identifier: Apache-2.0 */

#include "world.h"

void world_begin(struct world *w)
{
	*w = (struct world){.sequences = json_object()};
	assert_int_equal(vtap_resolver_new(&w->resolver), 0);
}

void world_end(struct world *w)
{
	w->resolver = vtap_resolver_free(w->resolver);
	json_decref(w->sequences);
}

void world_put_value(struct world *w, const char *kind, json_t *value)
{
	const char *id = json_string_value(json_object_get(value, "id"));
	json_t *sequence;

	assert_non_null(id);
	sequence = json_object_get(w->sequences, id);
	if (!sequence) {
		sequence = json_integer((json_int_t)json_object_size(w->sequences) + 1);
		json_object_set_new(w->sequences, id, sequence);
	}
	assert_int_equal(vtap_resolver_put(w->resolver, kind, (uint64_t)json_integer_value(sequence), value), 0);
	json_decref(value);
}

void world_put(struct world *w, const char *kind, const char *format, ...)
{
	json_t *value;
	va_list ap;

	va_start(ap, format);
	value = json_vpack_ex(NULL, 0, format, ap);
	va_end(ap);
	assert_non_null(value);
	world_put_value(w, kind, value);
}

void world_delete(struct world *w, const char *kind, const char *id)
{
	assert_int_equal(vtap_resolver_delete(w->resolver, kind, id), 0);
}

void world_interface(struct world *w, const char *id, const char *project, const char *host, const char *device,
		     const char *side, const char *subnet, const char *role)
{
	json_t *value = json_pack("{s:s, s:s, s:s?, s:s?, s:s, s:s?, s:{}}", "id", id, "project", project, "host", host,
				  "device", device, "side", side, "subnet", subnet, "tags");

	if (role)
		json_object_set_new(json_object_get(value, "tags"), "role", json_string(role));
	world_put_value(w, "interface", value);
}

void world_session_filter(struct world *w, const char *id, const char *project, int number, bool enabled,
			  const char *source, const char *target, const char *filter)
{
	world_put(w, "session",
		  "{s:s, s:s, s:i, s:s, s:b, s:[s], s:s, s:s?, s:s, s:{s:s, s:i, s:i}, s:i, s:s, s:s, s:{s:i, s:i}, "
		  "s:{s:i, s:i}, s:s, s:s}",
		  "id", id, "project", project, "number", number, "mode", "exclusive", "enabled", enabled, "sources",
		  source, "target", target, "filter", filter, "direction", "both", "encapsulation", "type", "vxlan",
		  "vni", 66, "port", 4789, "packet_length", 0, "mtu_policy", "fit", "on_reject", "next", "sample",
		  "packets", 1, "flows", 1, "limit", "packets_per_second", 0, "bits_per_second", 0, "checksum",
		  "complete", "offline", "keep");
}

void world_session(struct world *w, const char *id, const char *project, int number, bool enabled, const char *source,
		   const char *target)
{
	world_session_filter(w, id, project, number, enabled, source, target, NULL);
}

const char *world_text(struct world *w, const char *text)
{
	char *copy = w->texts[w->text_count++ % WORLD_TEXTS];

	snprintf(copy, sizeof(w->texts[0]), "%s", text);
	return copy;
}
