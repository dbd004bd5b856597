/* SPDX-License-Identifier: Apache-2.0 */

/* What sessions have beyond the common: counters, what they cover, states, checks, live packets. */

#include <errno.h>
#include <string.h>

#include "controller/api.h"
#include "controller/capture.h"
#include "controller/check.h"
#include "controller/controller.h"
#include "controller/feed_private.h"
#include "controller/resource.h"
#include "controller/state.h"

static const struct vtap_object *session_of(struct vtap_call *call)
{
	return vtap_call_object(call, vtap_kind_find("session"), call->request->parameters[0]);
}

static int get_stats(struct vtap_call *call, struct vtap_change *change)
{
	const struct vtap_object *session = session_of(call);

	if (!session)
		return -ENOENT;
	call->answer = vtap_reports_stats(call->controller->reports, session->id);
	return call->answer ? 0 : -ENOMEM;
}

static int get_history(struct vtap_call *call, struct vtap_change *change)
{
	const struct vtap_object *session = session_of(call);
	uint64_t seconds;
	int r;

	if (!session)
		return -ENOENT;
	r = vtap_call_query_number(call, "seconds", VTAP_HISTORY_STEP_S, VTAP_HISTORY_STEP_S * VTAP_HISTORY_STEPS,
				   VTAP_HISTORY_STEP_S * VTAP_HISTORY_STEPS, &seconds);
	if (r < 0)
		return r;
	call->answer =
	    vtap_reports_history(call->controller->reports, session->id, (unsigned)(seconds / VTAP_HISTORY_STEP_S));
	return call->answer ? 0 : -ENOMEM;
}

static int get_state(struct vtap_call *call, struct vtap_change *change)
{
	const struct vtap_object *session = session_of(call);
	json_t *reasons;
	const char *state;
	int r;

	if (!session)
		return -ENOENT;
	r = vtap_feed_session_state(call->controller->feed, session->id, &state, &reasons);
	if (r < 0)
		return r;
	call->answer = json_pack("{s:s, s:o}", "state", state, "reasons", reasons);
	return call->answer ? 0 : -ENOMEM;
}

struct preview {
	struct vtap_feed *feed; /* borrowed */
	const char *block; /* why nothing of it is mirrored; NULL */
	json_t *items; /* owned */
};

static int add_item(const struct vtap_cover *cover, void *userdata)
{
	char buffer[VTAP_STATE_SENTENCE_STRLEN];
	struct preview *p = userdata;
	const char *reason = vtap_state_cover_sentence(cover, buffer);
	json_t *item;

	if (!reason && !cover->mirrored)
		reason = p->block;
	if (!reason)
		reason = vtap_feed_source_sentence(p->feed, cover, buffer);
	/* What is not granted any more is another project's concern. */
	if (cover->state == VTAP_COVER_NOT_GRANTED)
		item = json_pack("{s:s, s:n, s:n, s:n, s:b, s:s?}", "source", cover->source, "name", "host", "device",
				 "mirrored", 0, "reason", reason);
	else
		item = json_pack("{s:s, s:O?, s:s?, s:s?, s:b, s:s?}", "source", cover->source, "name",
				 json_object_get(cover->source_value, "name"), "host", cover->host, "device",
				 cover->device, "mirrored", !reason, "reason", reason);
	return json_array_append_new(p->items, item) < 0 ? -ENOMEM : 0;
}

static int compare_items(const void *a, const void *b)
{
	return strcmp(json_string_value(json_object_get(*(json_t *const *)a, "source")),
		      json_string_value(json_object_get(*(json_t *const *)b, "source")));
}

static int sort_items(json_t *items, json_t **ret_sorted)
{
	size_t count = json_array_size(items);
	_cleanup_free_ json_t **array = calloc(count + 1, sizeof(*array));
	json_t *sorted = json_array();

	for (size_t i = 0; i < count && array; i++)
		array[i] = json_array_get(items, i);
	if (array)
		qsort(array, count, sizeof(*array), compare_items);
	for (size_t i = 0; i < count && array && sorted; i++) {
		if (json_array_append(sorted, array[i]) < 0)
			sorted = (json_decref(sorted), NULL);
	}
	if (!array || !sorted) {
		json_decref(sorted);
		return -ENOMEM;
	}
	*ret_sorted = sorted;
	return 0;
}

static int get_preview(struct vtap_call *call, struct vtap_change *change)
{
	const struct vtap_resolver *v = call->controller->resolver;
	const struct vtap_object *session = session_of(call);
	char buffer[VTAP_STATE_SENTENCE_STRLEN];
	struct vtap_resolved resolved;
	struct preview p = {.feed = call->controller->feed};
	json_t *sorted = NULL;
	const char *target;
	int r;

	r = session ? vtap_resolver_session(v, session->id, &resolved) : -ENOENT;
	if (r < 0)
		return r;
	target = json_string_value(json_object_get(resolved.target, "name"));
	p.block = vtap_state_block_sentence(
	    resolved.block, target ? target : json_string_value(json_object_get(resolved.value, "target")), buffer);
	p.items = json_array();
	r = p.items ? vtap_resolver_covers_of_session(v, session->id, add_item, &p) : -ENOMEM;
	if (r >= 0)
		r = sort_items(p.items, &sorted);
	json_decref(p.items);
	if (r < 0)
		return r;
	call->answer = json_pack("{s:o, s:I}", "items", sorted, "total", (json_int_t)json_array_size(sorted));
	return call->answer ? 0 : -ENOMEM;
}

static int post_check(struct vtap_call *call, struct vtap_change *change)
{
	const struct vtap_object *session = session_of(call);

	return session ? vtap_check_begin(call, session) : -ENOENT;
}

static int get_capture(struct vtap_call *call, struct vtap_change *change)
{
	const struct vtap_object *session = session_of(call);

	if (!session)
		return -ENOENT;
	/* Its packets are what needs a system admin. */
	return vtap_relate_check_privilege(call, session, NULL) < 0 ? -EACCES : vtap_capture_begin(call, session);
}

const struct vtap_api_route vtap_api_routes_sessions[] = {
    {"GET", "/v1/sessions/{id}/stats", get_stats, VTAP_ROLE_VIEWER, 0, NULL, 0},
    {"GET", "/v1/sessions/{id}/stats/history", get_history, VTAP_ROLE_VIEWER, 0, "seconds", 0},
    {"GET", "/v1/sessions/{id}/state", get_state, VTAP_ROLE_VIEWER, 0, NULL, 0},
    {"GET", "/v1/sessions/{id}/preview", get_preview, VTAP_ROLE_VIEWER, 0, NULL, 0},
    {"POST", "/v1/sessions/{id}/check", post_check, VTAP_ROLE_OPERATOR, VTAP_ROUTE_ACTS | VTAP_ROUTE_BARE, NULL, 0},
    {"GET", "/v1/sessions/{id}/capture", get_capture, VTAP_ROLE_ADMIN, VTAP_ROUTE_ACTS, "seconds packets", 0},
    {},
};
