/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Lists: conditions on members and tags, an order, pages. A cursor holds where the last page ended, not what came before it: what is
 * created or deleted meanwhile moves nothing.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "basic/parse.h"
#include "controller/call_private.h"
#include "controller/resource.h"

#define KEY_MAX_BYTES 1024 /* of a text that is sorted by: what is behind it counts not */
#define CURSOR_MAX_BYTES (KEY_MAX_BYTES + 128)

struct condition {
	char name[128]; /* a path, or a tag's key */
	char *value; /* owned */
	bool tag, caseless;
	bool live; /* computed, such as the state of a session, and not kept */
};

struct list {
	struct vtap_call *call;
	struct condition conditions[VTAP_LIST_CONDITIONS_MAX];
	size_t condition_count;
	uint64_t limit;
	const char *sort; /* borrowed; "" = by creation */
	bool descending;
	const char *cursor; /* borrowed; NULL = the beginning */
	int r; /* of the query's parsing */
};

struct entry { /* an object and what it is sorted by */
	const struct vtap_object *object; /* NULL: the cursor's place */
	const char *text; /* borrowed; NULL = by number */
	int64_t number;
	uint64_t sequence;
};

static void list_done(struct list *l)
{
	for (size_t i = 0; i < l->condition_count; i++)
		free(l->conditions[i].value);
}

static const json_t *step(const json_t *value, const char *path)
{
	if (!strchr(path, '.'))
		return json_object_get(value, path);
	while (value && *path) {
		char name[64];
		size_t length = strcspn(path, ".");

		if (length >= sizeof(name))
			return NULL;
		snprintf(name, sizeof(name), "%.*s", (int)length, path);
		value = json_object_get(value, name);
		path += length + (path[length] == '.');
	}
	return value;
}

static bool text_fits(const char *text, const struct condition *c)
{
	return c->caseless ? strcasecmp(text, c->value) == 0 : strcmp(text, c->value) == 0;
}

static bool value_fits(const json_t *value, const struct condition *c)
{
	char number[32];
	const json_t *element;
	size_t i;

	switch (json_typeof(value)) {
	case JSON_STRING:
		return text_fits(json_string_value(value), c);
	case JSON_INTEGER:
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return text_fits(number, c);
	case JSON_TRUE:
	case JSON_FALSE:
		return text_fits(json_is_true(value) ? "true" : "false", c);
	case JSON_NULL:
		return *c->value == '\0';
	case JSON_ARRAY:
		json_array_foreach(value, i, element)
		{
			if (value_fits(element, c))
				return true;
		}
		return false;
	default:
		return false;
	}
}

static bool condition_holds(const struct condition *c, const json_t *resource)
{
	const json_t *value =
	    c->tag ? json_object_get(json_object_get(resource, "tags"), c->name) : step(resource, c->name);

	return value && value_fits(value, c);
}

/* Conditions on the same member are alternatives. live: whether the resource is what is live of it, or what is kept. */
static bool conditions_hold(const struct list *l, const json_t *resource, bool live)
{
	for (size_t i = 0; i < l->condition_count; i++) {
		const struct condition *c = &l->conditions[i];
		bool holds = c->live != live;

		for (size_t j = 0; j < l->condition_count && !holds; j++)
			if (l->conditions[j].tag == c->tag && strcmp(l->conditions[j].name, c->name) == 0)
				holds = condition_holds(&l->conditions[j], resource);
		if (!holds)
			return false;
	}
	return true;
}

/* What is live is made only where it is asked for. */
static bool live_fits(const struct list *l, const struct vtap_object *object)
{
	json_auto_t *live = NULL;
	bool asked = false;

	for (size_t i = 0; i < l->condition_count; i++)
		asked = asked || l->conditions[i].live;
	if (!asked)
		return true;
	live = vtap_call_view_live(l->call, object);
	return conditions_hold(l, live, true);
}

static bool fits(const struct list *l, const struct vtap_object *object)
{
	const struct vtap_call *call = l->call;

	if (object->project && *call->project ? strcmp(object->project, call->project) != 0
					      : !vtap_call_may_see(call, object))
		return false;
	return conditions_hold(l, object->value, false) && live_fits(l, object);
}

static int condition_add(struct list *l, const char *name, const char *value)
{
	const struct vtap_kind *kind = l->call->kind;
	bool tag = strncmp(name, "tag:", strlen("tag:")) == 0;
	const struct vtap_attribute *a = tag ? NULL : vtap_kind_attribute(kind, name);
	char quoted[VTAP_ERROR_QUOTE_STRLEN], id[VTAP_ID_STRLEN];
	struct condition *c;

	if (!tag && !a)
		return vtap_call_fail(l->call, -EINVAL, vtap_error_quote(name, quoted), "is no member of %s",
				      kind->plural);
	if (a && vtap_call_hides(l->call, a))
		return vtap_call_fail(l->call, -EACCES, a->name, "is for system admins alone");
	if (l->condition_count == VTAP_LIST_CONDITIONS_MAX)
		return vtap_call_fail(l->call, -EINVAL, "query", "has at most %d conditions", VTAP_LIST_CONDITIONS_MAX);
	c = &l->conditions[l->condition_count];
	*c = (struct condition){.tag = tag,
				.live = !tag && vtap_call_member_is_live(kind, name),
				.caseless = a && a->type == VTAP_TYPE_MAC};
	snprintf(c->name, sizeof(c->name), "%s", tag ? name + strlen("tag:") : name);
	if (a && a->type == VTAP_TYPE_REFERENCE && vtap_call_resolve(a->kinds, value, id, NULL, l->call) >= 0)
		value = id;
	c->value = strdup(value);
	if (!c->value)
		return -ENOMEM;
	l->condition_count++;
	return 0;
}

static int parse_sort(struct list *l, const char *value)
{
	const struct vtap_kind *kind = l->call->kind;
	const struct vtap_attribute *a;
	char quoted[VTAP_ERROR_QUOTE_STRLEN];

	l->descending = *value == '-';
	value += l->descending;
	a = vtap_kind_attribute(kind, value);
	if (!a || (a->flags & VTAP_ATTRIBUTE_LIST) || a->type == VTAP_TYPE_OBJECT || a->type == VTAP_TYPE_TAGS ||
	    vtap_call_member_is_live(kind, value))
		return vtap_call_fail(l->call, -EINVAL, "sort", "%s cannot be sorted by \"%s\"", kind->plural,
				      vtap_error_quote(value, quoted));
	if (vtap_call_hides(l->call, a))
		return vtap_call_fail(l->call, -EACCES, "sort", "by %s is for system admins alone", a->name);
	l->sort = strcmp(value, "created") == 0 ? "" : value;
	return 0;
}

static int on_parameter(const char *name, const char *value, void *userdata)
{
	struct list *l = userdata;

	if (strcmp(name, "limit") == 0 || strcmp(name, "project") == 0)
		return 0;
	if (strcmp(name, "sort") == 0)
		l->r = parse_sort(l, value);
	else if (strcmp(name, "cursor") == 0)
		l->cursor = value;
	else
		l->r = condition_add(l, name, value);
	return l->r;
}

static struct entry entry_of(const struct list *l, const struct vtap_object *object)
{
	const json_t *value = step(object->value, l->sort);
	struct entry e = {.object = object, .sequence = object->sequence};

	if (!*l->sort)
		return e;
	e.text = json_string_value(value);
	if (json_is_integer(value))
		e.number = json_integer_value(value);
	else if (json_is_boolean(value))
		e.number = json_is_true(value);
	else if (!e.text)
		e.text = "";
	return e;
}

static int compare(const struct entry *a, const struct entry *b)
{
	int order = 0;

	if (a->text && b->text)
		order = strncmp(a->text, b->text, KEY_MAX_BYTES - 1);
	else
		order = a->number < b->number ? -1 : a->number > b->number;
	if (order == 0)
		order = a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
	return order;
}

static int compare_up(const void *a, const void *b)
{
	return compare(a, b);
}

static int compare_down(const void *a, const void *b)
{
	return compare(b, a);
}

/* Hexadecimal of order, sequence, number and text, each on its line, so that it passes through any shell and URL. */
static json_t *cursor_make(const struct list *l, const struct entry *e)
{
	char text[CURSOR_MAX_BYTES], hex[2 * CURSOR_MAX_BYTES + 1];
	size_t length;

	snprintf(text, sizeof(text), "%s%s\n%" PRIu64 "\n%" PRId64 "\n%s%.*s", l->descending ? "-" : "", l->sort,
		 e->sequence, e->number, e->text ? "=" : "", KEY_MAX_BYTES - 1, e->text ? e->text : "");
	length = strlen(text);
	for (size_t i = 0; i < length; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)text[i]);
	return json_stringn(hex, 2 * length);
}

static int hex_decode(const char *hex, char *buffer, size_t size_bytes)
{
	size_t length = strlen(hex);

	if (length % 2 || length / 2 >= size_bytes || strspn(hex, "0123456789abcdef") != length)
		return -EINVAL;
	for (size_t i = 0; i < length / 2; i++) {
		const char digits[] = {hex[2 * i], hex[2 * i + 1], '\0'};

		buffer[i] = (char)strtoul(digits, NULL, 16);
	}
	buffer[length / 2] = '\0';
	return 0;
}

/* The place in `text`, which must have CURSOR_MAX_BYTES and lives as long as the entry. */
static int cursor_read(struct list *l, char *text, struct entry *ret_entry)
{
	char wanted[160], *lines[3];
	int r;

	r = hex_decode(l->cursor, text, CURSOR_MAX_BYTES);
	snprintf(wanted, sizeof(wanted), "%s%s", l->descending ? "-" : "", l->sort);
	for (size_t i = 0; r >= 0 && i < VTAP_ARRAY_SIZE(lines); i++) {
		lines[i] = strchr(i ? lines[i - 1] : text, '\n');
		if (!lines[i])
			r = -EINVAL;
		else
			*lines[i]++ = '\0';
	}
	if (r < 0 || strcmp(text, wanted) != 0)
		return vtap_call_fail(l->call, -EINVAL, "cursor",
				      "is not one of this list in this order: begin again without it");
	*ret_entry = (struct entry){.sequence = strtoull(lines[0], NULL, 10),
				    .number = strtoll(lines[1], NULL, 10),
				    .text = *lines[2] == '=' ? lines[2] + 1 : NULL};
	return 0;
}

static int gather(const struct list *l, struct entry **ret_entries, size_t *ret_count)
{
	const struct vtap_objects *o = l->call->controller->objects;
	const struct vtap_kind *kind = l->call->kind;
	struct entry *entries = calloc(vtap_objects_count(o, kind) + 1, sizeof(*entries));
	size_t count = 0;

	if (!entries)
		return -ENOMEM;
	for (const struct vtap_object *at = vtap_objects_next(o, kind, NULL); at; at = vtap_objects_next(o, kind, at))
		if (fits(l, at))
			entries[count++] = entry_of(l, at);
	if (*l->sort || l->descending)
		qsort(entries, count, sizeof(*entries), l->descending ? compare_down : compare_up);
	*ret_entries = entries;
	*ret_count = count;
	return 0;
}

struct text { /* grows; a first failure sticks */
	char *bytes; /* owned */
	size_t used, size;
};

static int text_append(const char *bytes, size_t count, void *userdata)
{
	struct text *t = userdata;

	if (t->used + count > t->size) {
		size_t size = VTAP_MAX(2 * t->size, t->used + count);
		char *grown = realloc(t->bytes, size);

		if (!grown)
			return -1;
		t->bytes = grown;
		t->size = size;
	}
	memcpy(t->bytes + t->used, bytes, count);
	t->used += count;
	return 0;
}

static int text_append_value(struct text *t, const json_t *value)
{
	return json_dump_callback(value, text_append, t, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* As vtap_call_view() shows it, without the copies that a thousand of them would cost. */
static int text_append_item(struct text *t, const struct list *l, const struct vtap_object *object)
{
	json_t *live;
	size_t at;
	int r;

	if (vtap_call_hides_some(l->call, object->kind)) {
		json_auto_t *view = vtap_call_view(l->call, object);

		return view ? text_append_value(t, view) : -1;
	}
	r = text_append_value(t, object->value);
	live = r < 0 ? NULL : vtap_call_view_live(l->call, object);
	if (!live)
		return r;
	/* Two objects become one: of the "}" and "{" between them a comma remains. */
	at = --t->used;
	r = text_append_value(t, live);
	if (r >= 0)
		t->bytes[at] = ',';
	json_decref(live);
	return r;
}

static int answer(struct list *l, const struct entry *entries, size_t count, size_t from)
{
	static const char begin[] = "{\"items\":[", middle[] = "],\"next\":", last[] = ",\"total\":";
	size_t end = VTAP_MIN(count, from + (size_t)l->limit);
	json_t *next = end < count ? cursor_make(l, &entries[end - 1]) : json_null(),
	       *total = json_integer((json_int_t)count);
	struct text t = {};
	int r;

	r = text_append(begin, strlen(begin), &t);
	for (size_t i = from; i < end && r >= 0; i++) {
		r = i > from ? text_append(",", 1, &t) : 0;
		if (r >= 0)
			r = text_append_item(&t, l, entries[i].object);
	}
	r = r < 0 ? r : text_append(middle, strlen(middle), &t);
	r = r < 0 ? r : text_append_value(&t, next);
	r = r < 0 ? r : text_append(last, strlen(last), &t);
	r = r < 0 ? r : text_append_value(&t, total);
	r = r < 0 ? r : text_append("}", 1, &t);
	json_decref(next);
	json_decref(total);
	if (r < 0) {
		free(t.bytes);
		return -ENOMEM;
	}
	l->call->text = t.bytes;
	l->call->text_bytes = t.used;
	l->call->content_type = "application/json";
	return 0;
}

int vtap_resource_list(struct vtap_call *call, struct vtap_change *change)
{
	VTAP_CLEANUP(list_done) struct list l = {.call = call, .sort = ""};
	_cleanup_free_ struct entry *entries = NULL;
	char text[CURSOR_MAX_BYTES];
	struct entry place;
	size_t count = 0, from = 0;
	int r;

	r = vtap_call_query_number(call, "limit", 1, VTAP_LIST_PAGE_MAX, VTAP_LIST_PAGE, &l.limit);
	if (r >= 0) {
		(void)vtap_http_query_each(call->request, on_parameter, &l);
		r = l.r;
	}
	if (r >= 0 && l.cursor)
		r = cursor_read(&l, text, &place);
	if (r >= 0)
		r = gather(&l, &entries, &count);
	if (r < 0)
		return r;
	while (l.cursor && from < count &&
	       (l.descending ? compare(&entries[from], &place) >= 0 : compare(&entries[from], &place) <= 0))
		from++;
	return answer(&l, entries, count, from);
}

int vtap_call_query_number(struct vtap_call *call, const char *name, uint64_t min, uint64_t max, uint64_t standard,
			   uint64_t *ret)
{
	const char *text = vtap_http_query(call->request, name);

	if (!text) {
		*ret = standard;
		return 0;
	}
	if (vtap_parse_u64(text, min, max, ret) < 0)
		return vtap_call_fail(call, -EINVAL, name, "must be a number from %" PRIu64 " to %" PRIu64, min, max);
	return 0;
}
