/* SPDX-License-Identifier: Apache-2.0 */

/* Objects as plans have them: the same text on every host that has a part in them, made once. */

#include <errno.h>
#include <string.h>

#include "controller/resolve_private.h"
#include "model/file_form.h"

#define SOURCES "\"sources\":null" /* cannot be a part of a text, where quotes are escaped */

void vtap_form_done(struct vtap_form *f)
{
	free(f->text);
	*f = (struct vtap_form){};
}

static json_t *target_json(const char *id, const json_t *value)
{
	json_t *form = NULL;

	return vtap_file_form(vtap_kind_find("target"), value, &form) < 0 ? NULL : form;
}

static json_t *filter_json(const char *id, const json_t *value)
{
	json_t *chunks = json_object_get(value, "chunks"), *none = json_array();
	json_t *form = json_pack("{s:s, s:O}", "name", id, "chunks", chunks ? chunks : none);

	json_decref(none);
	return form;
}

/* As the file has it, with what the file has not: label and offline. */
static json_t *session_json(const char *id, const json_t *value)
{
	const char *name = vtap_text(value, "name"), *offline = vtap_text(value, "offline");
	json_t *form = NULL;

	if (vtap_file_form(vtap_kind_find("session"), value, &form) < 0)
		return NULL;
	if (json_object_set_new(form, "label", json_string(name ? name : id)) < 0 ||
	    json_object_set_new(form, "offline", json_string(offline ? offline : "keep")) < 0 ||
	    json_object_set_new(form, "sources", json_null()) < 0) {
		json_decref(form);
		return NULL;
	}
	return form;
}

/* FNV-1a */
static uint64_t hash_of(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3ULL;
	return hash;
}

static int make(struct vtap_form *f, json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	char *sources;

	json_decref(json);
	if (!text)
		return -ENOMEM;
	f->text = text;
	f->split = strlen(text);
	sources = strstr(text, SOURCES);
	if (sources) {
		sources += strlen(SOURCES) - strlen("null");
		memmove(sources, sources + strlen("null"), strlen(sources + strlen("null")) + 1);
		f->split = (size_t)(sources - text);
	}
	f->text_bytes = strlen(text);
	f->hash = hash_of(text);
	return 0;
}

const struct vtap_form *vtap_resolver_form(const struct vtap_resolver *v, const char *id)
{
	struct vtap_session_node *s = vtap_table_get(v->sessions, id);
	struct vtap_thing *t = s ? NULL : vtap_table_get(v->things, id);
	struct vtap_form *f = s ? &s->form : t ? &t->form : NULL;
	int r = 0;

	if (!f)
		return NULL;
	if (!f->text && s)
		r = make(f, session_json(id, s->value));
	else if (!f->text)
		r = make(f, t->is_filter ? filter_json(id, t->value) : target_json(id, t->value));
	return r < 0 ? NULL : f;
}
