/* SPDX-License-Identifier: Apache-2.0 */

/* The audit log as pages, oldest first. System admins see all of it, admins what concerns their project. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "controller/audit.h"
#include "controller/call_private.h"
#include "controller/resource.h"
#include "model/value.h"

#define LOOKED_AT_MAX 1000 /* entries for one page: a page may be short, or empty, and have a next one */
#define CURSOR_DIGITS 20

struct page {
	struct vtap_call *call;
	const char *user, *resource; /* conditions; NULL = any */
	bool whole; /* of all projects, and of none: for system admins who name no project */
	json_t *items;
	uint64_t limit;
	size_t looked_at;
	char last[64]; /* key of the last one that was looked at */
};

static bool is_text(const json_t *entry, const char *member, const char *wanted)
{
	const char *text = json_string_value(json_object_get(entry, member));

	return text && strcmp(text, wanted) == 0;
}

static bool names(const json_t *entry, const char *id)
{
	const json_t *change, *path = json_object_get(entry, "path");
	size_t i;

	json_array_foreach(json_object_get(entry, "changes"), i, change)
	{
		if (strcmp(json_string_value(json_object_get(change, "id")), id) == 0)
			return true;
	}
	return is_text(entry, "resource", id) || (path && strstr(json_string_value(path), id));
}

static bool fits(const struct page *p, const json_t *entry)
{
	if (!p->whole && !is_text(entry, "project", p->call->project))
		return false;
	if (p->user && !is_text(entry, "user", p->user) && !is_text(entry, "user_name", p->user))
		return false;
	return !p->resource || names(entry, p->resource);
}

static int visit(const struct vtap_store_item *item, void *userdata)
{
	struct page *p = userdata;
	json_t *entry;

	if (json_array_size(p->items) == p->limit)
		return -ECANCELED;
	snprintf(p->last, sizeof(p->last), "%s", item->key);
	p->looked_at++;
	entry = json_loadb(item->value, item->value_bytes, 0, NULL);
	if (!entry || !fits(p, entry)) {
		json_decref(entry);
		return 0;
	}
	(void)json_object_set_new(entry, "id", json_string(item->key + strlen("audit/")));
	return json_array_append_new(p->items, entry) < 0 ? -ENOMEM : 0;
}

/* Where the page begins: behind a cursor, or at a time. */
static int begin(struct page *p)
{
	const char *cursor = vtap_http_query(p->call->request, "cursor");
	const char *since = vtap_http_query(p->call->request, "since");
	int64_t since_s;

	if (cursor && (strlen(cursor) != CURSOR_DIGITS || strspn(cursor, "0123456789") != CURSOR_DIGITS))
		return vtap_call_fail(p->call, -EINVAL, "cursor", "is not one of this list: begin again without it");
	if (since && vtap_time_parse(since, &since_s) < 0)
		return vtap_call_fail(p->call, -EINVAL, "since", "must be a time like 2026-11-21T15:00:00Z");
	if (cursor)
		snprintf(p->last, sizeof(p->last), "audit/%s", cursor);
	else if (since)
		snprintf(p->last, sizeof(p->last), "audit/%016" PRIu64, (uint64_t)since_s * 1000000U);
	return 0;
}

static int list(struct vtap_call *call, struct vtap_change *change)
{
	struct page p = {.call = call,
			 .user = vtap_http_query(call->request, "user"),
			 .resource = vtap_http_query(call->request, "resource"),
			 .whole = call->principal.system_admin && !vtap_http_query(call->request, "project") &&
				  !vtap_http_header(call->request, "X-Vtap-Project")};
	json_t *next = json_null();
	ssize_t count = 0;
	int r;

	if (!*call->project && !call->principal.system_admin)
		return vtap_call_fail(call, -EINVAL, "project", "say which project is meant, by its id or name");
	r = vtap_call_query_number(call, "limit", 1, VTAP_LIST_PAGE_MAX, VTAP_LIST_PAGE, &p.limit);
	if (r >= 0)
		r = begin(&p);
	if (r < 0)
		return r;
	p.items = json_array();
	do {
		count = vtap_store_page(call->controller->store, "audit/", *p.last ? p.last : NULL, VTAP_STORE_PAGE_MAX,
					visit, &p);
	} while (count == VTAP_STORE_PAGE_MAX && p.looked_at < LOOKED_AT_MAX);
	if (count == -ECANCELED || count == VTAP_STORE_PAGE_MAX)
		next = json_string(p.last + strlen("audit/"));
	if (count < 0 && count != -ECANCELED) {
		json_decref(p.items);
		return (int)count;
	}
	call->answer = json_pack("{s:o, s:o}", "items", p.items, "next", next);
	return call->answer ? 0 : -ENOMEM;
}

const struct vtap_api_route vtap_api_routes_audit[] = {
    {"GET", "/v1/audit", list, VTAP_ROLE_ADMIN, 0, "limit cursor since user resource", 0},
    {},
};
