/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/objects.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "basic/util.h"
#include "controller/table.h"

#define KINDS_MAX 32

struct node { /* an object and its place among its kind, in order of sequence */
	struct vtap_object object; /* first: a pointer to it is one to the node */
	struct node *previous, *next;
};

struct kind_list {
	struct node *first, *last;
	size_t count;
};

struct holder_list { /* objects of one kind that refer to one id, in order of sequence */
	const struct vtap_kind *kind;
	struct vtap_object **objects; /* owned; the objects are borrowed */
	size_t count, size;
};

struct holders { /* of one id */
	struct holder_list *lists; /* owned */
	size_t list_count, total;
};

struct vtap_objects {
	struct vtap_table *by_id; /* struct node, owned */
	struct vtap_table *by_name; /* struct node, borrowed */
	struct vtap_table *holders; /* struct holders, owned */
	struct kind_list kinds[KINDS_MAX];
	uint64_t sequence; /* of the youngest */
};

static struct node *node_of(const struct vtap_object *object)
{
	return (struct node *)object;
}

static struct kind_list *list_of(const struct vtap_objects *o, const struct vtap_kind *kind)
{
	return (struct kind_list *)&o->kinds[kind - vtap_kinds];
}

char *vtap_objects_vni_key(const char *project, uint32_t vni, char buffer[VTAP_OBJECTS_KEY_STRLEN])
{
	snprintf(buffer, VTAP_OBJECTS_KEY_STRLEN, "vni/%s/%u", project, vni);
	return buffer;
}

char *vtap_objects_device_key(const char *host, const char *device, char buffer[VTAP_OBJECTS_KEY_STRLEN])
{
	snprintf(buffer, VTAP_OBJECTS_KEY_STRLEN, "device/%s/%s", host, device);
	return buffer;
}

char *vtap_objects_address_key(const char *network, const char *address, char buffer[VTAP_OBJECTS_KEY_STRLEN])
{
	snprintf(buffer, VTAP_OBJECTS_KEY_STRLEN, "address/%s/%s", network, address);
	return buffer;
}

char *vtap_objects_mac_key(const char *subnet, const char *mac, char buffer[VTAP_OBJECTS_KEY_STRLEN])
{
	snprintf(buffer, VTAP_OBJECTS_KEY_STRLEN, "mac/%s/%s", subnet, mac);
	return buffer;
}

static char *name_key(const struct vtap_kind *kind, const char *project, const char *name,
		      char buffer[VTAP_OBJECTS_KEY_STRLEN])
{
	snprintf(buffer, VTAP_OBJECTS_KEY_STRLEN, "%s/%s/%s", kind->name, project ? project : "-", name);
	return buffer;
}

int vtap_objects_new(struct vtap_objects **ret_objects)
{
	VTAP_CLEANUP(vtap_objects_freep) struct vtap_objects *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	r = vtap_table_new(&o->by_id);
	if (r >= 0)
		r = vtap_table_new(&o->by_name);
	if (r >= 0)
		r = vtap_table_new(&o->holders);
	if (r < 0)
		return r;
	*ret_objects = VTAP_STEAL(o);
	return 0;
}

void vtap_objects_free_detached(struct vtap_object *object)
{
	json_decref(object->value);
	free(node_of(object));
}

static int node_free(const char *key, void *value, void *userdata)
{
	vtap_objects_free_detached(value);
	return 0;
}

static void holders_free(struct holders *h)
{
	for (size_t i = 0; i < h->list_count; i++)
		free(h->lists[i].objects);
	free(h->lists);
	free(h);
}

static int holders_visit_free(const char *key, void *value, void *userdata)
{
	holders_free(value);
	return 0;
}

struct vtap_objects *vtap_objects_free(struct vtap_objects *o)
{
	if (!o)
		return NULL;
	if (o->by_id)
		(void)vtap_table_each(o->by_id, node_free, NULL);
	if (o->holders)
		(void)vtap_table_each(o->holders, holders_visit_free, NULL);
	vtap_table_free(o->by_id);
	vtap_table_free(o->by_name);
	vtap_table_free(o->holders);
	free(o);
	return NULL;
}

struct vtap_object *vtap_objects_get(const struct vtap_objects *o, const char *id)
{
	return vtap_table_get(o->by_id, id);
}

struct vtap_object *vtap_objects_named(const struct vtap_objects *o, const struct vtap_kind *kind, const char *project,
				       const char *name)
{
	char key[VTAP_OBJECTS_KEY_STRLEN];

	return vtap_table_get(o->by_name, name_key(kind, project, name, key));
}

size_t vtap_objects_count(const struct vtap_objects *o, const struct vtap_kind *kind)
{
	return list_of(o, kind)->count;
}

struct vtap_object *vtap_objects_next(const struct vtap_objects *o, const struct vtap_kind *kind,
				      const struct vtap_object *previous)
{
	struct node *n = previous ? node_of(previous)->next : list_of(o, kind)->first;

	return n ? &n->object : NULL;
}

/* The place of the first object whose sequence is not below that one. */
static size_t holder_place(const struct holder_list *l, uint64_t sequence)
{
	size_t first = 0, end = l->count;

	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (l->objects[middle]->sequence < sequence)
			first = middle + 1;
		else
			end = middle;
	}
	return first;
}

static const struct holder_list *holder_list_find(const struct holders *h, const struct vtap_kind *kind)
{
	for (size_t i = 0; i < h->list_count; i++)
		if (h->lists[i].kind == kind)
			return &h->lists[i];
	return NULL;
}

/* The oldest object of the kind (NULL = any) from that sequence on. Looked up anew each time: visits may change everything. */
static struct vtap_object *holder_from(const struct vtap_objects *o, const char *id, const struct vtap_kind *kind,
				       uint64_t sequence)
{
	const struct holders *h = vtap_table_get(o->holders, id);
	struct vtap_object *oldest = NULL;

	for (size_t i = 0; h && i < h->list_count; i++) {
		const struct holder_list *l = &h->lists[i];
		size_t place = kind && kind != l->kind ? l->count : holder_place(l, sequence);

		if (place < l->count && (!oldest || l->objects[place]->sequence < oldest->sequence))
			oldest = l->objects[place];
	}
	return oldest;
}

int vtap_objects_referrers(const struct vtap_objects *o, const char *id, const struct vtap_kind *kind,
			   vtap_object_visit visit, void *userdata)
{
	_cleanup_free_ char *copy = strdup(id); /* it may belong to what is visited */
	struct vtap_object *object;
	uint64_t sequence = 0;

	if (!copy)
		return -ENOMEM;
	while ((object = holder_from(o, copy, kind, sequence))) {
		int r;

		sequence = object->sequence + 1;
		r = visit(object, userdata);
		if (r < 0)
			return r;
	}
	return 0;
}

size_t vtap_objects_referrer_count(const struct vtap_objects *o, const char *id, const struct vtap_kind *kind)
{
	const struct holders *h = vtap_table_get(o->holders, id);
	const struct holder_list *l;

	if (!h || !kind)
		return h ? h->total : 0;
	l = holder_list_find(h, kind);
	return l ? l->count : 0;
}

static int holder_list_get(struct holders *h, const struct vtap_kind *kind, struct holder_list **ret_list)
{
	struct holder_list *lists = (struct holder_list *)holder_list_find(h, kind);

	if (!lists) {
		lists = reallocarray(h->lists, h->list_count + 1, sizeof(*lists));
		if (!lists)
			return -ENOMEM;
		h->lists = lists;
		lists += h->list_count++;
		*lists = (struct holder_list){.kind = kind};
	}
	*ret_list = lists;
	return 0;
}

static int holder_insert(struct holders *h, struct vtap_object *object)
{
	struct holder_list *l;
	size_t place;
	int r;

	r = holder_list_get(h, object->kind, &l);
	if (r < 0)
		return r;
	place = holder_place(l, object->sequence);
	if (place < l->count && l->objects[place] == object)
		return 0;
	if (l->count == l->size) {
		size_t size = l->size ? l->size * 2 : 1;
		struct vtap_object **objects = reallocarray(l->objects, size, sizeof(*objects));

		if (!objects)
			return -ENOMEM;
		l->objects = objects;
		l->size = size;
	}
	memmove(&l->objects[place + 1], &l->objects[place], (l->count - place) * sizeof(*l->objects));
	l->objects[place] = object;
	l->count++;
	h->total++;
	return 0;
}

static int holder_add(struct vtap_objects *o, const char *key, struct vtap_object *object)
{
	struct holders *h = vtap_table_get(o->holders, key);
	int r;

	if (h)
		return holder_insert(h, object);
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	r = holder_insert(h, object);
	if (r >= 0)
		r = vtap_table_put(o->holders, key, h);
	if (r < 0)
		holders_free(h);
	return r;
}

static int holder_remove(struct vtap_objects *o, const char *key, struct vtap_object *object)
{
	struct holders *h = vtap_table_get(o->holders, key);
	struct holder_list *l = h ? (struct holder_list *)holder_list_find(h, object->kind) : NULL;
	size_t place = l ? holder_place(l, object->sequence) : 0;

	if (!l || place == l->count || l->objects[place] != object)
		return 0;
	memmove(&l->objects[place], &l->objects[place + 1], (l->count - place - 1) * sizeof(*l->objects));
	l->count--;
	if (--h->total == 0) {
		(void)vtap_table_remove(o->holders, key);
		holders_free(h);
	}
	return 0;
}

struct indexing {
	struct vtap_objects *objects;
	struct vtap_object *object;
	int (*act)(struct vtap_objects *o, const char *key, struct vtap_object *object);
};

static int index_reference(const char *path, const char *id, void *userdata)
{
	const struct indexing *i = userdata;

	return i->act(i->objects, id, i->object);
}

static int index_device(const struct indexing *i)
{
	const char *host = json_string_value(json_object_get(i->object->value, "host"));
	const char *device = json_string_value(json_object_get(i->object->value, "device"));
	char key[VTAP_OBJECTS_KEY_STRLEN];

	if (!host || !device)
		return 0;
	return i->act(i->objects, vtap_objects_device_key(host, device, key), i->object);
}

static int index_vni(const struct indexing *i)
{
	const json_t *vni = json_object_get(json_object_get(i->object->value, "encapsulation"), "vni");
	char key[VTAP_OBJECTS_KEY_STRLEN];

	if (!json_is_integer(vni) || !i->object->project)
		return 0;
	return i->act(i->objects, vtap_objects_vni_key(i->object->project, (uint32_t)json_integer_value(vni), key),
		      i->object);
}

static int index_addresses(const struct indexing *i)
{
	const json_t *value = i->object->value, *address;
	const char *network = json_string_value(json_object_get(value, "network"));
	const char *subnet = json_string_value(json_object_get(value, "subnet"));
	const char *mac = json_string_value(json_object_get(value, "mac"));
	char key[VTAP_OBJECTS_KEY_STRLEN];
	size_t n;
	int r = 0;

	if (strcmp(i->object->kind->name, "interface") != 0)
		return 0;
	json_array_foreach(network ? json_object_get(value, "addresses") : NULL, n, address)
	{
		vtap_objects_address_key(network, json_string_value(address), key);
		r = i->act(i->objects, key, i->object);
		if (r < 0)
			return r;
	}
	return subnet && mac ? i->act(i->objects, vtap_objects_mac_key(subnet, mac, key), i->object) : r;
}

static int index_by_name(const struct indexing *i)
{
	struct vtap_object *object = i->object;
	char key[VTAP_OBJECTS_KEY_STRLEN];

	if (!object->name)
		return 0;
	name_key(object->kind, object->project, object->name, key);
	if (i->act == holder_add)
		return vtap_table_put(i->objects->by_name, key, object);
	if (vtap_table_get(i->objects->by_name, key) == object)
		(void)vtap_table_remove(i->objects->by_name, key);
	return 0;
}

/* Adds what the object is found by, or takes it away. */
static int index_all(struct vtap_objects *o, struct vtap_object *object,
		     int (*act)(struct vtap_objects *o, const char *key, struct vtap_object *object))
{
	struct indexing i = {.objects = o, .object = object, .act = act};
	int r;

	r = vtap_resource_references(object->kind, object->value, index_reference, &i);
	if (r >= 0)
		r = index_by_name(&i);
	if (r >= 0)
		r = index_device(&i);
	if (r >= 0)
		r = index_addresses(&i);
	return r >= 0 ? index_vni(&i) : r;
}

static void set_value(struct vtap_object *object, json_t *value, uint64_t revision)
{
	object->value = value;
	object->id = json_string_value(json_object_get(value, "id"));
	object->name = json_string_value(json_object_get(value, "name"));
	object->project = json_string_value(json_object_get(value, "project"));
	object->version = (uint64_t)json_integer_value(json_object_get(value, "version"));
	object->revision = revision;
}

static void link_in(struct vtap_objects *o, struct node *n)
{
	struct kind_list *l = list_of(o, n->object.kind);

	*(n->previous ? &n->previous->next : &l->first) = n;
	*(n->next ? &n->next->previous : &l->last) = n;
	l->count++;
}

static void link_out(struct vtap_objects *o, struct node *n)
{
	struct kind_list *l = list_of(o, n->object.kind);

	*(n->previous ? &n->previous->next : &l->first) = n->next;
	*(n->next ? &n->next->previous : &l->last) = n->previous;
	l->count--;
}

static int replace(struct vtap_objects *o, struct vtap_object *object, json_t *value, uint64_t revision)
{
	json_t *before = object->value;
	uint64_t before_revision = object->revision;
	int r;

	(void)index_all(o, object, holder_remove);
	set_value(object, value, revision);
	r = index_all(o, object, holder_add);
	if (r < 0) {
		(void)index_all(o, object, holder_remove);
		set_value(object, before, before_revision);
		if (index_all(o, object, holder_add) < 0)
			abort(); /* half an index would be believed */
		json_decref(value);
		return r;
	}
	json_decref(before);
	return 0;
}

static int insert(struct vtap_objects *o, json_t *value, uint64_t sequence, uint64_t revision,
		  struct vtap_object **ret_object)
{
	const char *id = json_string_value(json_object_get(value, "id"));
	const struct vtap_kind *kind = id ? vtap_kind_of_id(id) : NULL;
	struct node *n = kind ? calloc(1, sizeof(*n)) : NULL;
	int r;

	if (!n) {
		json_decref(value);
		return kind ? -ENOMEM : -EINVAL;
	}
	n->object.kind = kind;
	n->object.sequence = sequence;
	set_value(&n->object, value, revision);
	n->previous = list_of(o, kind)->last;
	r = vtap_objects_attach(o, &n->object);
	if (r < 0) {
		vtap_objects_free_detached(&n->object);
		return r;
	}
	o->sequence = sequence;
	*ret_object = &n->object;
	return 0;
}

int vtap_objects_put(struct vtap_objects *o, json_t *value, uint64_t revision, struct vtap_object **ret_object)
{
	const char *id = json_string_value(json_object_get(value, "id"));
	struct vtap_object *object = id ? vtap_objects_get(o, id) : NULL;
	int r;

	if (!object)
		return insert(o, value, o->sequence + 1, revision, ret_object);
	r = replace(o, object, value, revision);
	if (r >= 0)
		*ret_object = object;
	return r;
}

int vtap_objects_load(struct vtap_objects *o, json_t *value, uint64_t sequence, uint64_t revision)
{
	struct vtap_object *object;

	return insert(o, value, sequence, revision, &object);
}

void vtap_objects_detach(struct vtap_objects *o, struct vtap_object *object)
{
	(void)index_all(o, object, holder_remove);
	(void)vtap_table_remove(o->by_id, object->id);
	link_out(o, node_of(object));
}

int vtap_objects_attach(struct vtap_objects *o, struct vtap_object *object)
{
	int r;

	r = vtap_table_put(o->by_id, object->id, object);
	if (r >= 0)
		r = index_all(o, object, holder_add);
	if (r < 0) {
		(void)index_all(o, object, holder_remove);
		(void)vtap_table_remove(o->by_id, object->id);
		return r;
	}
	link_in(o, node_of(object));
	return 0;
}
