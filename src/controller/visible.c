/* SPDX-License-Identifier: Apache-2.0 */

/* Who may see what: everything that a call names goes through here. What may not be seen is not there. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "controller/access.h"
#include "controller/call_private.h"
#include "controller/feed.h"
#include "controller/state.h"
#include "model/value.h"

#define KINDS_STRLEN 128
#define NAMED_MAX 4 /* ids that a refusal of an ambiguous name lists */

enum vtap_role vtap_call_role_in(const struct vtap_call *call, const char *project)
{
	if (call->principal.system_admin)
		return VTAP_ROLE_ADMIN;
	if (!project || !*project || !*call->principal.user)
		return VTAP_ROLE_NONE;
	return vtap_access_role(call->controller, call->principal.user, project);
}

static bool sees_project(const struct vtap_call *call, const struct vtap_object *object)
{
	return vtap_call_role_in(call, object->id) > VTAP_ROLE_NONE;
}

static bool sees_user(const struct vtap_call *call, const struct vtap_object *object)
{
	return call->principal.system_admin || strcmp(object->id, call->principal.user) == 0;
}

static bool sees_key(const struct vtap_call *call, const struct vtap_object *object)
{
	const char *user = json_string_value(json_object_get(object->value, "user"));

	return call->principal.system_admin || (user && strcmp(user, call->principal.user) == 0);
}

bool vtap_call_has_role(const struct vtap_call *call)
{
	const struct vtap_object *user = vtap_objects_get(call->controller->objects, call->principal.user);

	return call->principal.system_admin || (user && json_array_size(json_object_get(user->value, "roles")) > 0);
}

static bool sees_machine(const struct vtap_call *call, const struct vtap_object *object)
{
	return vtap_call_has_role(call);
}

bool vtap_call_may_see(const struct vtap_call *call, const struct vtap_object *object)
{
	static const struct {
		const char *kind;
		bool (*sees)(const struct vtap_call *call, const struct vtap_object *object);
	} table[] = {{"project", sees_project},
		     {"user", sees_user},
		     {"key", sees_key},
		     {"host", sees_machine},
		     {"wire", sees_machine}};

	if (object->project)
		return vtap_call_role_in(call, object->project) > VTAP_ROLE_NONE;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(table); i++)
		if (strcmp(object->kind->name, table[i].kind) == 0)
			return table[i].sees(call, object);
	return false;
}

bool vtap_call_hides(const struct vtap_call *call, const struct vtap_attribute *attribute)
{
	return (attribute->flags & VTAP_ATTRIBUTE_SYSTEM) && !call->principal.system_admin;
}

bool vtap_call_hides_some(const struct vtap_call *call, const struct vtap_kind *kind)
{
	for (const struct vtap_attribute *a = kind->attributes; a->name; a++)
		if (vtap_call_hides(call, a))
			return true;
	return false;
}

void vtap_call_hide(const struct vtap_call *call, const struct vtap_kind *kind, json_t *resource)
{
	for (const struct vtap_attribute *a = kind->attributes; a->name; a++)
		if (vtap_call_hides(call, a))
			(void)json_object_del(resource, a->name);
}

bool vtap_project_grants(const struct vtap_controller *c, const char *owner, const char *project)
{
	const struct vtap_object *object = owner ? vtap_objects_get(c->objects, owner) : NULL;
	const json_t *grant;
	size_t i;

	if (!object || !project)
		return false;
	json_array_foreach(json_object_get(object->value, "grants"), i, grant)
	{
		if (strcmp(json_string_value(grant), project) == 0)
			return true;
	}
	return false;
}

/* Sources of another project that lets this one mirror them. */
static bool is_granted(const struct vtap_call *call, const struct vtap_object *object)
{
	return vtap_kind_is_among(object->kind, "interface subnet network") &&
	       vtap_call_role_in(call, call->project) > VTAP_ROLE_NONE &&
	       vtap_project_grants(call->controller, object->project, call->project);
}

struct naming { /* what one text may mean */
	struct vtap_object *first;
	size_t count;
	char ids[NAMED_MAX * (VTAP_ID_STRLEN + 2)];
};

static void naming_add(struct naming *n, struct vtap_object *object)
{
	if (!object)
		return;
	if (n->count++ == 0)
		n->first = object;
	if (n->count <= NAMED_MAX) {
		size_t used = strlen(n->ids);

		snprintf(n->ids + used, sizeof(n->ids) - used, "%s%s", used ? ", " : "", object->id);
	}
}

/* By name: in the call's project; without one in all that the principal may see. */
static void naming_find(struct naming *n, const struct vtap_call *call, const struct vtap_kind *kind, const char *text)
{
	const struct vtap_objects *o = call->controller->objects;
	const struct vtap_kind *projects = vtap_kind_find("project");
	struct vtap_object *object;

	if (vtap_id_is_valid(kind, text)) {
		object = vtap_objects_get(o, text);
		if (object && (vtap_call_may_see(call, object) || is_granted(call, object)))
			naming_add(n, object);
		return;
	}
	if (kind->flags & VTAP_KIND_GLOBAL) {
		object = vtap_objects_named(o, kind, NULL, text);
		naming_add(n, object && vtap_call_may_see(call, object) ? object : NULL);
		return;
	}
	if (*call->project) {
		naming_add(n, vtap_objects_named(o, kind, call->project, text));
		return;
	}
	for (object = vtap_objects_next(o, projects, NULL); object; object = vtap_objects_next(o, projects, object))
		if (vtap_call_role_in(call, object->id) > VTAP_ROLE_NONE)
			naming_add(n, vtap_objects_named(o, kind, object->id, text));
}

/* "interface subnet wire" as "interface, subnet or wire" */
static const char *either(const char *kinds, char buffer[KINDS_STRLEN])
{
	size_t used = 0;

	*buffer = '\0';
	while (*kinds && used < KINDS_STRLEN) {
		size_t length = strcspn(kinds, " ");
		bool last = !kinds[length];

		used += (size_t)snprintf(buffer + used, KINDS_STRLEN - used, "%s%.*s",
					 used == 0 ? ""
					 : last    ? " or "
						   : ", ",
					 (int)length, kinds);
		kinds += length + !last;
	}
	return buffer;
}

/* None of them belongs to a project. */
static bool is_global(const char *kinds)
{
	for (const struct vtap_kind *k = vtap_kinds; k->name; k++)
		if (vtap_kind_is_among(k, kinds) && !(k->flags & VTAP_KIND_GLOBAL))
			return false;
	return true;
}

int vtap_call_resolve(const char *kinds, const char *text, char ret_id[VTAP_ID_STRLEN], struct vtap_error *reterr,
		      void *userdata)
{
	char quoted[VTAP_ERROR_QUOTE_STRLEN], words[KINDS_STRLEN];
	const struct vtap_call *call = userdata;
	struct naming n = {};

	for (const struct vtap_kind *k = vtap_kinds; k->name; k++)
		if (vtap_kind_is_among(k, kinds))
			naming_find(&n, call, k, text);
	/* Who is told a project's id, which cannot be guessed, may grant something to it. */
	if (n.count == 0 && strcmp(kinds, "project") == 0 && vtap_id_is_valid(vtap_kind_find(kinds), text))
		naming_add(&n, vtap_objects_get(call->controller->objects, text));
	if (n.count == 0)
		return vtap_error_set(reterr, -ENOENT, 0, NULL, "there is no %s \"%s\"%s", either(kinds, words),
				      vtap_error_quote(text, quoted),
				      *call->project && !is_global(kinds) ? " in the project" : "");
	if (n.count > 1)
		return vtap_error_set(reterr, -ENOTUNIQ, 0, NULL, "\"%s\" may mean %s: use the id",
				      vtap_error_quote(text, quoted), n.ids);
	snprintf(ret_id, VTAP_ID_STRLEN, "%s", n.first->id);
	return 0;
}

/* The one that it belongs to, or is; NULL = none. */
static const char *project_of(const struct vtap_object *object)
{
	return strcmp(object->kind->name, "project") == 0 ? object->id : object->project;
}

/* What the route asks for, in the object's own project. */
static bool may_use(struct vtap_call *call, const struct vtap_object *object)
{
	const char *project = project_of(object);

	if (!project || vtap_call_role_in(call, project) >= call->route->role)
		return true;
	(void)vtap_call_fail(call, -EACCES, NULL, "your role in project %s does not allow this", project);
	return false;
}

struct vtap_object *vtap_call_object(struct vtap_call *call, const struct vtap_kind *kind, const char *id_or_name)
{
	char quoted[VTAP_ERROR_QUOTE_STRLEN];
	struct naming n = {};

	naming_find(&n, call, kind, id_or_name);
	if (n.count == 1 && !vtap_call_may_see(call, n.first)) /* a grant is for sources only */
		n.count = 0;
	if (n.count == 0) {
		(void)vtap_call_fail(call, -ENOENT, NULL, "there is no %s \"%s\"%s", kind->name,
				     vtap_error_quote(id_or_name, quoted),
				     *call->project && !(kind->flags & VTAP_KIND_GLOBAL) ? " in the project" : "");
		return NULL;
	}
	if (n.count > 1) {
		(void)vtap_call_fail(call, -ENOTUNIQ, NULL, "\"%s\" may mean %s: use the id",
				     vtap_error_quote(id_or_name, quoted), n.ids);
		return NULL;
	}
	snprintf(call->object, sizeof(call->object), "%s", n.first->id);
	snprintf(call->object_project, sizeof(call->object_project), "%s",
		 project_of(n.first) ? project_of(n.first) : "");
	return may_use(call, n.first) ? n.first : NULL;
}

int vtap_api_call_find_project(struct vtap_call *call, const char *text, char ret_project[VTAP_ID_STRLEN])
{
	const struct vtap_kind *kind = vtap_kind_find("project");
	char quoted[VTAP_ERROR_QUOTE_STRLEN];
	struct naming n = {};

	naming_find(&n, call, kind, text);
	if (n.count == 0)
		return vtap_call_fail(call, -ENOENT, "project", "there is no project \"%s\"",
				      vtap_error_quote(text, quoted));
	snprintf(ret_project, VTAP_ID_STRLEN, "%s", n.first->id);
	return 0;
}

static json_t *session_live(struct vtap_controller *c, const struct vtap_object *session)
{
	const char *state = "pending";
	json_t *reasons = NULL;

	if (vtap_feed_session_state(c->feed, session->id, &state, &reasons) < 0)
		reasons = json_array();
	return json_pack("{s:s, s:o}", "state", state, "reasons", reasons);
}

static json_t *host_live(struct vtap_controller *c, const struct vtap_object *host)
{
	char seen[VTAP_TIME_STRLEN];
	const char *state;
	int64_t seen_s;

	state = vtap_feed_host_state(c->feed, host->id, &seen_s);
	return json_pack("{s:s, s:s*}", "state", state, "seen", seen_s > 0 ? vtap_time_format(seen_s, seen) : NULL);
}

static json_t *filter_live(struct vtap_controller *c, const struct vtap_object *filter)
{
	char buffer[VTAP_STATE_SENTENCE_STRLEN];
	const char *sentence = vtap_feed_filter_sentence(c, filter, buffer);

	return sentence ? json_pack("{s:s}", "warning", sentence) : NULL;
}

static const struct {
	const char *kind;
	const char *members[2];
	json_t *(*make)(struct vtap_controller *c, const struct vtap_object *object);
} lives[] = {{"session", {"state", "reasons"}, session_live},
	     {"host", {"state", "seen"}, host_live},
	     {"filter", {"warning", ""}, filter_live}};

bool vtap_call_member_is_live(const struct vtap_kind *kind, const char *member)
{
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(lives); i++)
		for (size_t k = 0; strcmp(lives[i].kind, kind->name) == 0 && k < VTAP_ARRAY_SIZE(lives[i].members); k++)
			if (strcmp(lives[i].members[k], member) == 0)
				return true;
	return false;
}

json_t *vtap_call_view_live(const struct vtap_call *call, const struct vtap_object *object)
{
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(lives) && call->controller->feed; i++)
		if (strcmp(lives[i].kind, object->kind->name) == 0)
			return lives[i].make(call->controller, object);
	return NULL;
}

json_t *vtap_call_view(const struct vtap_call *call, const struct vtap_object *object)
{
	json_t *view = json_copy(object->value), *live = vtap_call_view_live(call, object);

	if (view && live && json_object_update(view, live) < 0) {
		json_decref(view);
		view = NULL;
	}
	if (view)
		vtap_call_hide(call, object->kind, view);
	json_decref(live);
	return view;
}
