/* SPDX-License-Identifier: Apache-2.0 */

/* Interfaces that are plugged somewhere else than the inventory says: followed, or noted as a conflict. */

#include <errno.h>
#include <string.h>

#include "basic/log.h"
#include "controller/audit.h"
#include "controller/feed_private.h"
#include "controller/follow.h"
#include "controller/reports_private.h"
#include "controller/state.h"

#define PLACES_MAX 16 /* further ones change nothing: two are a conflict already */

const char *vtap_reports_conflict(const struct vtap_reports *r, const char *interface)
{
	return vtap_table_get(r->conflicts, interface);
}

static int touch_session(const struct vtap_cover *cover, void *userdata)
{
	const struct vtap_reports *r = userdata;

	vtap_feed_state_touch(r->controller->feed, cover->session);
	return 0;
}

/* text: taken; NULL = there is none any more. */
static void set_conflict(struct vtap_reports *r, const char *interface, char *text)
{
	char *before = vtap_table_get(r->conflicts, interface);

	if (text && before && !strcmp(text, before)) {
		free(text);
		return;
	}
	if (!text && !before)
		return;
	free(vtap_table_remove(r->conflicts, interface));
	if (text && vtap_table_put(r->conflicts, interface, text) < 0)
		free(text);
	(void)vtap_resolver_covers_of_source(r->controller->resolver, interface, touch_session, r);
}

void vtap_reports_forget_interface(struct vtap_reports *r, const char *interface)
{
	set_conflict(r, interface, NULL);
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static const char *group_of(const struct vtap_reports *r, const char *host)
{
	const struct vtap_object *object = vtap_objects_get(r->controller->objects, host);

	return object ? text_of(object->value, "group") : NULL;
}

static const char *label_of(const struct vtap_reports *r, const char *id)
{
	const struct vtap_object *object = vtap_objects_get(r->controller->objects, id);

	return object && object->name ? object->name : id;
}

static void note_conflict(struct vtap_reports *r, const char *interface, const struct vtap_follow_place *place,
			  const char *why)
{
	char *text;

	if (asprintf(&text, "its MAC is seen on host %s, device %s, %s", label_of(r, place->host), place->device,
		     why) >= 0)
		set_conflict(r, interface, text);
}

static bool is_taken(const struct vtap_controller *c, const char *host, const char *device)
{
	char key[VTAP_OBJECTS_KEY_STRLEN];

	return vtap_objects_referrer_count(c->objects, vtap_objects_device_key(host, device, key), NULL) > 0;
}

struct moving { /* the write that follows an interface */
	struct vtap_write write;
	struct vtap_controller *controller; /* borrowed */
	char interface[VTAP_ID_STRLEN];
	char from_host[VTAP_ID_STRLEN], to_host[VTAP_ID_STRLEN];
	char from_device[VTAP_DEVICE_MAX + 1], to_device[VTAP_DEVICE_MAX + 1];
};

static int put_moved(struct vtap_change *c, const struct moving *m, const struct vtap_object *object)
{
	json_auto_t *detail = json_pack("{s:s, s:s, s:s, s:s}", "from_host", m->from_host, "from_device",
					m->from_device, "to_host", m->to_host, "to_device", m->to_device);
	json_t *value = json_copy(object->value);
	int r;

	if (!detail || !value || json_object_set_new(value, "host", json_string(m->to_host)) < 0 ||
	    json_object_set_new(value, "device", json_string(m->to_device)) < 0) {
		json_decref(value);
		return -ENOMEM;
	}
	r = vtap_change_put(c, object->kind, value, NULL);
	return r < 0 ? r : vtap_audit_add_own(c, "follow", m->interface, detail);
}

/* If it is still where it was when it was decided, and nobody else has the device. */
static int run_move(struct vtap_change *c, void *userdata)
{
	const struct moving *m = userdata;
	const struct vtap_objects *objects = m->controller->objects;
	const struct vtap_object *object = vtap_objects_get(objects, m->interface);

	if (!object || !vtap_objects_get(objects, m->to_host) || !text_of(object->value, "host") ||
	    !text_of(object->value, "device") || strcmp(text_of(object->value, "host"), m->from_host) != 0 ||
	    strcmp(text_of(object->value, "device"), m->from_device) != 0)
		return -ECANCELED;
	if (is_taken(m->controller, m->to_host, m->to_device))
		return -ECANCELED;
	return put_moved(c, m, object);
}

static void move_done(int r, void *userdata)
{
	struct moving *m = userdata;

	if (r < 0 && r != -ECANCELED)
		vtap_log(VTAP_LOG_WARNING, "interface %s: it is not followed to host %s, device %s: %s", m->interface,
			 m->to_host, m->to_device, r == -EBUSY ? "another interface is plugged there" : strerror(-r));
	free(m);
}

static void move(struct vtap_reports *r, const char *interface, const struct vtap_follow_question *q,
		 const struct vtap_follow_place *place)
{
	struct moving *m = calloc(1, sizeof(*m));

	if (!m)
		return;
	m->controller = r->controller;
	m->write = (struct vtap_write){.run = run_move, .done = move_done, .userdata = m};
	snprintf(m->interface, sizeof(m->interface), "%s", interface);
	snprintf(m->from_host, sizeof(m->from_host), "%s", q->host);
	snprintf(m->from_device, sizeof(m->from_device), "%s", q->device);
	snprintf(m->to_host, sizeof(m->to_host), "%s", place->host);
	snprintf(m->to_device, sizeof(m->to_device), "%s", place->device);
	vtap_write_queue(r->controller, &m->write);
}

/* What a host says whose credential two agents use places nothing; those that are away are not among the sightings. */
static size_t find_places(const struct vtap_reports *r, const struct vtap_sightings *seen,
			  struct vtap_follow_place places[PLACES_MAX])
{
	size_t count = 0;

	for (size_t i = 0; seen && i < seen->count && count < PLACES_MAX; i++) {
		const struct vtap_feed_host *h = vtap_feed_find(r->controller->feed, seen->array[i].host);

		if (!h || h->suspended)
			continue;
		places[count++] = (struct vtap_follow_place){
		    .host = seen->array[i].host,
		    .device = seen->array[i].device,
		    .group = group_of(r, seen->array[i].host),
		};
	}
	return count;
}

static void follow(struct vtap_reports *r, const char *interface, const json_t *value, const char *mac)
{
	static const char *const why[] = {
	    [VTAP_FOLLOW_STAY] = NULL,
	    [VTAP_FOLLOW_MOVE] = NULL,
	    [VTAP_FOLLOW_GROUP] = "it was not followed there, as the host is of another group",
	    [VTAP_FOLLOW_STILL_HERE] = "while its device is still on the host where it is plugged",
	    [VTAP_FOLLOW_TWICE] = "and in another place: say where it is plugged",
	};
	const struct vtap_sightings *seen = vtap_reports_sightings(r, mac);
	const char *host = text_of(value, "host"), *device = text_of(value, "device");
	const struct vtap_report_host *h = host ? vtap_reports_host(r, host) : NULL;
	struct vtap_follow_place places[PLACES_MAX];
	struct vtap_follow_question q = {
	    .host = host,
	    .device = device,
	    .group = host ? group_of(r, host) : NULL,
	    .host_away = host && vtap_reports_is_away(r, host),
	    .host_knows = h && h->devices && !h->devices_old,
	    .device_exists = host && device && vtap_reports_device(r, host, device),
	    .places = places,
	};
	const struct vtap_follow_place *place;
	enum vtap_follow decision;

	if (!host || !device)
		return;
	q.place_count = find_places(r, seen, places);
	decision = vtap_follow_decide(&q, &place);
	if (why[decision])
		note_conflict(r, interface, place, why[decision]);
	else if (decision == VTAP_FOLLOW_MOVE && is_taken(r->controller, place->host, place->device))
		note_conflict(r, interface, place, "where another interface is plugged");
	else
		set_conflict(r, interface, NULL);
	if (decision == VTAP_FOLLOW_MOVE && !vtap_reports_conflict(r, interface))
		move(r, interface, &q, place);
}

struct mac_owner {
	char id[VTAP_ID_STRLEN];
	const json_t *value;
	size_t count;
};

static int find_owner(const char *id, const json_t *value, void *userdata)
{
	struct mac_owner *owner = userdata;

	if (!text_of(value, "host") || !text_of(value, "device"))
		return 0;
	snprintf(owner->id, sizeof(owner->id), "%s", id);
	owner->value = value;
	return ++owner->count > 1;
}

/*
 * Networks may use the same MACs: an interface that is not the only plugged one with its own is followed nowhere. Those that are
 * not plugged are nobody's traffic, and anybody may make one.
 */
void vtap_reports_follow_mac(struct vtap_reports *r, const char *mac)
{
	struct mac_owner owner = {};

	(void)vtap_resolver_interfaces_by_mac(r->controller->resolver, mac, find_owner, &owner);
	if (owner.count == 1)
		follow(r, owner.id, owner.value, mac);
}

static int follow_object(struct vtap_object *object, void *userdata)
{
	const char *mac = text_of(object->value, "mac");

	if (mac)
		vtap_reports_follow_mac(userdata, mac);
	return 0;
}

void vtap_reports_follow_host(struct vtap_reports *r, const char *host)
{
	(void)vtap_objects_referrers(r->controller->objects, host, vtap_kind_find("interface"), follow_object, r);
}
