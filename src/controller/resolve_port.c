/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <string.h>

#include "controller/resolve_private.h"

#define LABEL_STRLEN (sizeof("tag:=") + 4 * (VTAP_TAG_KEY_MAX + VTAP_TAG_VALUE_MAX))

void vtap_port_node_free(struct vtap_port_node *p)
{
	json_decref(p->value);
	vtap_pointers_done(&p->labels);
	vtap_pointers_done(&p->covers);
	free(p);
}

static int join(struct vtap_resolver *v, struct vtap_port_node *p, const char *key)
{
	struct vtap_label *l = vtap_labels_add(v, &p->labels, key);

	return l ? vtap_pointers_add(&l->ports, p) : -ENOMEM;
}

/* "tag:KEY" and "tag:KEY=VALUE", as selectors name them. */
static int join_tags(struct vtap_resolver *v, struct vtap_port_node *p)
{
	const char *key;
	json_t *tag;
	int r = 0;

	json_object_foreach(json_object_get(p->value, "tags"), key, tag)
	{
		char label[LABEL_STRLEN];

		snprintf(label, sizeof(label), "tag:%s", key);
		r = join(v, p, label);
		if (r < 0)
			return r;
		snprintf(label, sizeof(label), "tag:%s=%s", key, json_string_value(tag));
		r = join(v, p, label);
		if (r < 0)
			return r;
	}
	return r;
}

static int join_mac(struct vtap_resolver *v, struct vtap_port_node *p)
{
	const char *mac = vtap_text(p->value, "mac");
	char label[sizeof("mac:") + VTAP_MAC_STRLEN];

	if (!mac)
		return 0;
	snprintf(label, sizeof(label), "mac:%s", mac);
	return join(v, p, label);
}

/* A subnet is inside one network for all its life, so what it says of that is looked up once. */
static int join_all(struct vtap_resolver *v, struct vtap_port_node *p)
{
	const char *subnet = vtap_text(p->value, "subnet"), *network = vtap_text(p->value, "network");
	const struct vtap_thing *thing = subnet ? vtap_table_get(v->things, subnet) : NULL;
	int r;

	if (!network && thing)
		network = vtap_text(thing->value, "network");
	r = join(v, p, p->id);
	if (p->is_wire)
		return r;
	if (r >= 0 && subnet)
		r = join(v, p, subnet);
	if (r >= 0 && network)
		r = join(v, p, network);
	if (r >= 0 && p->project)
		r = join(v, p, p->project);
	if (r >= 0)
		r = join_mac(v, p);
	return r < 0 ? r : join_tags(v, p);
}

static void leave_all(struct vtap_resolver *v, struct vtap_port_node *p)
{
	struct vtap_label *l;

	while ((l = vtap_pointers_pop(&p->labels))) {
		vtap_pointers_remove(&l->ports, p);
		vtap_label_settle(v, l);
	}
}

static int plug(struct vtap_resolver *v, struct vtap_port_node *p)
{
	char device[VTAP_ID_STRLEN + VTAP_DEVICE_MAX + 2];

	p->host = vtap_text(p->value, "host");
	p->device = vtap_text(p->value, "device");
	if (!p->host || !p->device) {
		p->host = p->device = NULL;
		return 0;
	}
	snprintf(device, sizeof(device), "%s/%s", p->host, p->device);
	p->plug_host = vtap_label_get(v, p->host);
	p->plug_device = vtap_label_get(v, device);
	if (!p->plug_host || !p->plug_device || vtap_pointers_add(&p->plug_host->plugged, p) < 0)
		return -ENOMEM;
	return vtap_pointers_add(&p->plug_device->plugged, p);
}

static int evaluate_device(struct vtap_resolver *v, struct vtap_label *device)
{
	int r = 0;

	for (size_t i = 0; i < device->plugged.count && r >= 0; i++)
		r = vtap_cover_evaluate(v, device->plugged.items[i]);
	return r;
}

/* Others may have waited for the device. */
static int unplug(struct vtap_resolver *v, struct vtap_port_node *p)
{
	struct vtap_label *host = p->plug_host, *device = p->plug_device;
	int r;

	r = vtap_cover_suspend(v, p);
	p->plug_host = p->plug_device = NULL;
	p->host = p->device = NULL;
	if (r < 0 || !host)
		return r;
	vtap_pointers_remove(&host->plugged, p);
	vtap_pointers_remove(&device->plugged, p);
	r = evaluate_device(v, device);
	vtap_label_settle(v, host);
	vtap_label_settle(v, device);
	return r;
}

static int port_new(struct vtap_resolver *v, const char *id, uint64_t sequence, bool is_wire,
		    struct vtap_port_node **ret_port)
{
	struct vtap_port_node *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	snprintf(p->id, sizeof(p->id), "%s", id);
	p->sequence = sequence;
	p->is_wire = is_wire;
	if (vtap_table_put(v->ports, p->id, p) < 0) {
		free(p);
		return -ENOMEM;
	}
	*ret_port = p;
	return 0;
}

static int touch_sessions(struct vtap_resolver *v, struct vtap_port_node *p)
{
	int r = 0;

	for (size_t i = 0; i < p->covers.count && r >= 0; i++)
		r = vtap_session_touch(v, ((struct vtap_cover_node *)p->covers.items[i])->session);
	return r;
}

int vtap_port_put(struct vtap_resolver *v, uint64_t sequence, json_t *value, bool is_wire)
{
	struct vtap_port_node *p = vtap_table_get(v->ports, vtap_text(value, "id"));
	json_t *before;
	int r;

	if (!p) {
		r = port_new(v, vtap_text(value, "id"), sequence, is_wire, &p);
		if (r < 0)
			return r;
	}
	r = unplug(v, p);
	if (r < 0)
		return r;
	leave_all(v, p);

	before = p->value;
	p->value = json_incref(value);
	json_decref(before);
	p->project = vtap_text(value, "project");
	p->own = is_wire || (vtap_text(value, "side") && !strcmp(vtap_text(value, "side"), "own"));
	p->named_only = p->own && !json_is_true(json_object_get(value, "delegated"));
	r = join_all(v, p);
	if (r >= 0)
		r = plug(v, p);
	if (r >= 0)
		r = touch_sessions(v, p);
	if (r >= 0)
		r = vtap_cover_port(v, p);
	return r >= 0 && p->plug_device ? evaluate_device(v, p->plug_device) : r;
}

int vtap_port_delete(struct vtap_resolver *v, const char *id)
{
	struct vtap_port_node *p = vtap_table_get(v->ports, id);
	int r;

	if (!p)
		return 0;
	r = unplug(v, p);
	while (r >= 0 && p->covers.count)
		r = vtap_cover_drop(v, p->covers.items[p->covers.count - 1]);
	leave_all(v, p);
	(void)vtap_table_remove(v->ports, p->id);
	vtap_port_node_free(p);
	return r;
}
