/* SPDX-License-Identifier: Apache-2.0 */

/* Rules: listed by filter, changed one by one or replaced as a whole. Their home is rules.c. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "controller/call_private.h"
#include "controller/resource.h"
#include "controller/rules.h"
#include "controller/table.h"

#define RULES_BODY_MAX_BYTES (16U << 20)

static const struct vtap_kind *rule_kind(void)
{
	return vtap_kind_find("rule");
}

static struct vtap_object *filter_of(struct vtap_call *call)
{
	return vtap_call_object(call, vtap_kind_find("filter"), call->request->parameters[0]);
}

/* The rules of a filter decide what its sessions mirror. NULL with the answer set. */
static struct vtap_object *filter_to_change(struct vtap_call *call)
{
	struct vtap_object *filter = filter_of(call);

	return filter && vtap_relate_check_privilege(call, filter, NULL) >= 0 ? filter : NULL;
}

static enum vtap_direction direction_of(const json_t *rule)
{
	const char *direction = json_string_value(json_object_get(rule, "direction"));

	return direction && strcmp(direction, "out") == 0 ? VTAP_DIRECTION_OUT : VTAP_DIRECTION_IN;
}

static uint32_t number_of(const json_t *rule)
{
	return (uint32_t)json_integer_value(json_object_get(rule, "number"));
}

static const char *id_of(const json_t *rule)
{
	return json_string_value(json_object_get(rule, "id"));
}

static int answer_rule(struct vtap_call *call, const char *id, unsigned status)
{
	json_t *resource;
	int r;

	r = vtap_rules_resource(call->controller->rules, id, &resource);
	if (r < 0)
		return r;
	call->answer = resource;
	call->status = status;
	snprintf(call->etag, sizeof(call->etag), "\"%" JSON_INTEGER_FORMAT "\"",
		 json_integer_value(json_object_get(resource, "version")));
	if (status == 201)
		snprintf(call->location, sizeof(call->location), "/v1/rules/%s", id);
	return 0;
}

struct page {
	const struct vtap_rules *rules;
	json_t *items;
	uint64_t after, limit, last; /* places: direction and number */
	bool more;
};

static int page_add(const json_t *rule, void *userdata)
{
	struct page *p = userdata;
	json_t *resource;
	int r;

	if (json_array_size(p->items) == p->limit) {
		p->more = true;
		return 1;
	}
	r = vtap_rules_resource(p->rules, id_of(rule), &resource);
	if (r < 0)
		return r;
	p->last = vtap_rules_place(rule);
	return json_array_append_new(p->items, resource) < 0 ? -ENOMEM : 0;
}

static int list(struct vtap_call *call, struct vtap_change *change)
{
	const struct vtap_object *filter = filter_of(call);
	struct page p = {.rules = call->controller->rules};
	size_t total = 0;
	char next[24];
	int r;

	if (!filter)
		return -ENOENT;
	r = vtap_call_query_number(call, "limit", 1, VTAP_LIST_PAGE_MAX, VTAP_LIST_PAGE, &p.limit);
	if (r >= 0)
		r = vtap_call_query_number(call, "cursor", 1, UINT64_MAX, 0, &p.after);
	if (r < 0)
		return r;
	p.items = json_array();
	for (size_t i = 0; i < VTAP_DIRECTION_MAX; i++)
		total += vtap_rules_count(p.rules, filter, (enum vtap_direction)i);
	if (p.after < UINT64_MAX)
		r = vtap_rules_each(p.rules, filter, p.after + 1, page_add, &p);
	if (r < 0) {
		json_decref(p.items);
		return r;
	}
	snprintf(next, sizeof(next), "%" PRIu64, p.last);
	call->answer = json_pack("{s:o, s:o, s:I}", "items", p.items, "next", p.more ? json_string(next) : json_null(),
				 "total", (json_int_t)total);
	snprintf(call->etag, sizeof(call->etag), "\"%" PRIu64 "\"", filter->version);
	return call->answer ? 0 : -ENOMEM;
}

/* Input of a rule for that filter, without what the server computes if `whole`. */
static json_t *input_of(const json_t *body, const struct vtap_object *filter, bool whole)
{
	static const char *const computed[] = {"id", "project", "created", "updated", "version"};
	json_t *input = json_copy((json_t *)body);

	for (size_t i = 0; whole && i < VTAP_ARRAY_SIZE(computed); i++)
		(void)json_object_del(input, computed[i]);
	if (json_object_set_new(input, "filter", json_string(filter->id)) < 0) {
		json_decref(input);
		return NULL;
	}
	return input;
}

static int normalize(struct vtap_call *call, const json_t *input, const json_t *current, size_t index,
		     json_t **ret_rule)
{
	const struct vtap_normalize n = {.kind = rule_kind(), .input = input, .current = current};
	struct vtap_error e = {}, placed;
	int r;

	r = vtap_resource_normalize(&n, ret_rule, &e);
	if (r >= 0 || r == -ENOMEM)
		return r;
	placed = e;
	if (index != SIZE_MAX)
		snprintf(placed.field, sizeof(placed.field), "rules[%zu]%s%.64s", index, *e.field ? "." : "", e.field);
	return vtap_call_fail_error(call, &placed);
}

static int check_growth(struct vtap_call *call, const struct vtap_object *filter, enum vtap_quota quota, uint64_t used,
			uint64_t after)
{
	return vtap_relate_check_quota(call, filter->project, quota, used, after > used ? after - used : 0);
}

/* after: how many rules of each direction there shall be. */
static int check_quota(struct vtap_call *call, const struct vtap_object *filter,
		       const uint64_t after[VTAP_DIRECTION_MAX])
{
	uint64_t used_sum = 0, after_sum = 0, used_of_others;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < VTAP_DIRECTION_MAX; i++) {
		uint64_t used = vtap_rules_count(call->controller->rules, filter, (enum vtap_direction)i);

		used_sum += used;
		after_sum += after[i];
		r = check_growth(call, filter, VTAP_QUOTA_RULES_PER_FILTER_DIRECTION, used, after[i]);
	}
	if (r >= 0)
		r = check_growth(call, filter, VTAP_QUOTA_RULES_PER_FILTER, used_sum, after_sum);
	used_of_others = vtap_rules_total(call->controller->rules, filter->project) - used_sum;
	return r < 0 ? r
		     : check_growth(call, filter, VTAP_QUOTA_RULES, used_of_others + used_sum,
				    used_of_others + after_sum);
}

/* Before one more is put, or one that there is moves to the other direction. */
static int check_one(struct vtap_call *call, const struct vtap_object *filter, const json_t *rule,
		     const json_t *current)
{
	const struct vtap_rules *rules = call->controller->rules;
	enum vtap_direction direction = direction_of(rule);
	const json_t *holder = vtap_rules_at(rules, filter, direction, number_of(rule));
	uint64_t after[VTAP_DIRECTION_MAX];

	if (holder && (!current || strcmp(id_of(holder), id_of(current)) != 0))
		return vtap_call_fail(call, -EEXIST, "number",
				      "rule %s has this number in this direction already: choose another one",
				      id_of(holder));
	for (size_t i = 0; i < VTAP_DIRECTION_MAX; i++)
		after[i] = vtap_rules_count(rules, filter, (enum vtap_direction)i);
	if (current)
		after[direction_of(current)]--;
	after[direction]++;
	return check_quota(call, filter, after);
}

static int put_one(struct vtap_call *call, struct vtap_change *change, struct vtap_object *filter, const json_t *rule,
		   const json_t *current)
{
	char id[VTAP_ID_STRLEN];
	int r;

	r = check_one(call, filter, rule, current);
	if (r >= 0)
		r = vtap_rules_put(change, filter, rule, id);
	if (r == -E2BIG)
		return vtap_call_fail(call, r, NULL, "the filter has too many rules with long descriptions or tags");
	if (r < 0)
		return r;
	r = answer_rule(call, id, current ? 200 : 201);
	if (r >= 0)
		call->audit = json_pack("{s:O?, s:O}", "before", current, "after", call->answer);
	return r;
}

static int create(struct vtap_call *call, struct vtap_change *change)
{
	struct vtap_object *filter = filter_to_change(call);
	json_t *input, *rule;
	int r;

	if (!filter)
		return -ENOENT;
	if (!call->body)
		return vtap_call_fail(call, -EINVAL, NULL, "the body must be a JSON object: the rule");
	input = input_of(call->body, filter, false);
	r = input ? normalize(call, input, NULL, SIZE_MAX, &rule) : -ENOMEM;
	json_decref(input);
	if (r < 0)
		return r;
	r = put_one(call, change, filter, rule, NULL);
	json_decref(rule);
	return r;
}

/* The rule that the path names, as a whole resource (the caller's), and its filter; NULL with the answer set. */
static json_t *rule_of(struct vtap_call *call, struct vtap_object **ret_filter)
{
	const char *id = call->request->parameters[0];
	char quoted[VTAP_ERROR_QUOTE_STRLEN];
	struct vtap_object *filter = NULL;
	const json_t *rule = vtap_rules_find(call->controller->rules, id, &filter);
	json_t *resource;

	if (!rule || !vtap_call_may_see(call, filter)) {
		(void)vtap_call_fail(call, -ENOENT, NULL, "there is no rule \"%s\": rules are named by their id",
				     vtap_error_quote(id, quoted));
		return NULL;
	}
	if (!vtap_call_object(call, filter->kind, filter->id))
		return NULL;
	*ret_filter = filter;
	return vtap_rules_resource(call->controller->rules, id, &resource) < 0 ? NULL : resource;
}

static int get(struct vtap_call *call, struct vtap_change *change)
{
	struct vtap_object *filter;
	json_t *rule = rule_of(call, &filter);
	int r;

	if (!rule)
		return -ENOENT;
	r = answer_rule(call, id_of(rule), 200);
	json_decref(rule);
	return r;
}

static int check_change(struct vtap_call *call, const struct vtap_object *filter, const json_t *rule)
{
	int r;

	r = vtap_relate_check_privilege(call, filter, NULL);
	return r < 0 ? r
		     : vtap_call_check_version(call, (uint64_t)json_integer_value(json_object_get(rule, "version")));
}

static int patch(struct vtap_call *call, struct vtap_change *change)
{
	struct vtap_object *filter;
	json_t *current = rule_of(call, &filter), *rule = NULL;
	int r;

	if (!current)
		return -ENOENT;
	r = check_change(call, filter, current);
	if (r >= 0 && !call->body)
		r = vtap_call_fail(call, -EINVAL, NULL, "the body must be a JSON object with what shall change");
	if (r >= 0)
		r = normalize(call, call->body, current, SIZE_MAX, &rule);
	if (r >= 0)
		r = json_equal(rule, current) ? answer_rule(call, id_of(current), 200)
					      : put_one(call, change, filter, rule, current);
	json_decref(rule);
	json_decref(current);
	return r;
}

static int delete (struct vtap_call *call, struct vtap_change *change)
{
	struct vtap_object *filter;
	json_t *current = rule_of(call, &filter);
	int r;

	if (!current)
		return -ENOENT;
	r = check_change(call, filter, current);
	if (r >= 0)
		r = vtap_rules_delete(change, id_of(current));
	call->audit = json_pack("{s:O, s:n}", "before", current, "after");
	json_decref(current);
	return r;
}

struct placed { /* a rule and where it stands in the body, for messages */
	json_t *rule;
	size_t index;
};

static int compare_placed(const void *a, const void *b)
{
	uint64_t first = vtap_rules_place(((const struct placed *)a)->rule),
		 second = vtap_rules_place(((const struct placed *)b)->rule);

	return first < second ? -1 : first > second;
}

struct replacement {
	struct placed *rules; /* owned */
	size_t count;
	struct vtap_table *ids; /* taken by one of them */
};

static void replacement_done(struct replacement *p)
{
	for (size_t i = 0; i < p->count; i++)
		json_decref(p->rules[i].rule);
	free(p->rules);
	vtap_table_free(p->ids);
}

/* An id that the body gives is one of this filter's rules; without one, who has the direction and number keeps its id. */
static int keep_id(struct vtap_call *call, const struct vtap_object *filter, struct replacement *p, size_t index,
		   const json_t *given, json_t *rule)
{
	const struct vtap_rules *rules = call->controller->rules;
	const char *id = json_string_value(given);
	struct vtap_object *holder = NULL;
	char field[48], quoted[VTAP_ERROR_QUOTE_STRLEN];

	snprintf(field, sizeof(field), "rules[%zu].id", index);
	if (given && !json_is_null(given)) {
		if (!id || !vtap_rules_find(rules, id, &holder) || holder != filter)
			return vtap_call_fail(call, -EINVAL, field, "there is no rule \"%s\" in this filter",
					      vtap_error_quote(id ? id : "", quoted));
		if (vtap_table_get(p->ids, id))
			return vtap_call_fail(call, -EINVAL, field, "stands in the list twice");
	} else {
		const json_t *at = vtap_rules_at(rules, filter, direction_of(rule), number_of(rule));

		id = at ? id_of(at) : NULL;
	}
	if (!id || vtap_table_get(p->ids, id))
		return 0;
	if (json_object_set_new(rule, "id", json_string(id)) < 0)
		return -ENOMEM;
	return vtap_table_put(p->ids, id, rule);
}

static int replacement_read(struct vtap_call *call, const struct vtap_object *filter, const json_t *list,
			    struct replacement *p)
{
	const json_t *item;
	size_t i;
	int r;

	p->rules = calloc(json_array_size(list) + 1, sizeof(*p->rules));
	r = p->rules ? vtap_table_new(&p->ids) : -ENOMEM;
	/* Ids that are given come first: nobody else keeps them. */
	for (int given = 1; given >= 0; given--) {
		json_array_foreach(list, i, item)
		{
			json_t *input, *rule, *id = json_object_get(item, "id");

			if (r < 0)
				return r;
			if ((id && !json_is_null(id)) != given)
				continue;
			input = json_is_object(item) ? input_of(item, filter, true) : json_incref((json_t *)item);
			r = input ? normalize(call, input, NULL, i, &rule) : -ENOMEM;
			json_decref(input);
			if (r < 0)
				return r;
			p->rules[p->count++] = (struct placed){.rule = rule, .index = i};
			r = keep_id(call, filter, p, i, id, rule);
		}
	}
	return r;
}

static int replacement_check(struct vtap_call *call, const struct vtap_object *filter, const struct replacement *p)
{
	uint64_t after[VTAP_DIRECTION_MAX] = {};
	char field[48];

	for (size_t i = 0; i < p->count; i++) {
		const struct placed *at = &p->rules[i];

		after[direction_of(at->rule)]++;
		if (i == 0 || vtap_rules_place(at->rule) != vtap_rules_place(p->rules[i - 1].rule))
			continue;
		snprintf(field, sizeof(field), "rules[%zu].number", VTAP_MAX(at->index, p->rules[i - 1].index));
		return vtap_call_fail(call, -EEXIST, field, "is that of rules[%zu] in the same direction",
				      VTAP_MIN(at->index, p->rules[i - 1].index));
	}
	return check_quota(call, filter, after);
}

static int replace_all(struct vtap_call *call, struct vtap_change *change, struct vtap_object *filter,
		       const json_t *list)
{
	VTAP_CLEANUP(replacement_done) struct replacement p = {};
	json_t *sorted;
	int r;

	r = replacement_read(call, filter, list, &p);
	if (r < 0)
		return r;
	qsort(p.rules, p.count, sizeof(*p.rules), compare_placed);
	r = replacement_check(call, filter, &p);
	if (r < 0)
		return r;
	sorted = json_array();
	for (size_t i = 0; i < p.count; i++)
		if (json_array_append(sorted, p.rules[i].rule) < 0)
			r = -ENOMEM;
	if (r >= 0)
		r = vtap_rules_replace(change, filter, sorted);
	json_decref(sorted);
	if (r == -E2BIG)
		return vtap_call_fail(call, r, "rules", "are too many with long descriptions or tags");
	return r < 0 ? r : vtap_call_answer_object(call, filter, 200);
}

static int replace(struct vtap_call *call, struct vtap_change *change)
{
	struct vtap_object *filter = filter_to_change(call);
	const char *key;
	json_t *value;
	int r;

	if (!filter)
		return -ENOENT;
	r = vtap_call_check_version(call, filter->version);
	if (r < 0)
		return r;
	json_object_foreach(call->body, key, value)
	{
		char quoted[VTAP_ERROR_QUOTE_STRLEN];

		if (strcmp(key, "rules") != 0)
			return vtap_call_fail(call, -EINVAL, vtap_error_quote(key, quoted),
					      "is not known; the body has one member, rules");
	}
	if (!json_is_array(json_object_get(call->body, "rules")))
		return vtap_call_fail(call, -EINVAL, "rules", "must be a list of rules");
	return replace_all(call, change, filter, json_object_get(call->body, "rules"));
}

const struct vtap_api_route vtap_api_routes_rules[] = {
    {"GET", "/v1/filters/{id}/rules", list, VTAP_ROLE_VIEWER, 0, "limit cursor", 0},
    {"POST", "/v1/filters/{id}/rules", create, VTAP_ROLE_OPERATOR, VTAP_ROUTE_WRITE, NULL, 0},
    {"PUT", "/v1/filters/{id}/rules", replace, VTAP_ROLE_OPERATOR, VTAP_ROUTE_WRITE, NULL, RULES_BODY_MAX_BYTES},
    {"GET", "/v1/rules/{id}", get, VTAP_ROLE_VIEWER, 0, NULL, 0},
    {"PATCH", "/v1/rules/{id}", patch, VTAP_ROLE_OPERATOR, VTAP_ROUTE_WRITE, NULL, 0},
    {"DELETE", "/v1/rules/{id}", delete, VTAP_ROLE_OPERATOR, VTAP_ROUTE_WRITE, NULL, 0},
    {},
};
