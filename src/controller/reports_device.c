/* SPDX-License-Identifier: Apache-2.0 */

/* Devices that agents found, and where which MAC is behind one. */

#include <errno.h>
#include <string.h>

#include "basic/addr.h"
#include "controller/reports_private.h"

/* Only cables lead to one guest: behind a bridge or an uplink there may be anybody. */
static bool is_cable(const json_t *device)
{
	static const char *const kinds[] = {"tap", "veth", "macvtap"};
	const char *kind = json_string_value(json_object_get(device, "kind"));

	for (size_t i = 0; kind && i < VTAP_ARRAY_SIZE(kinds); i++)
		if (!strcmp(kind, kinds[i]))
			return true;
	return false;
}

/* The MAC as everybody writes it; false for none. */
static bool mac_of(const json_t *behind, char buffer[VTAP_MAC_STRLEN])
{
	const char *text = json_string_value(json_object_get(behind, "mac"));
	struct vtap_mac mac;

	if (!text || vtap_mac_parse(text, &mac) < 0)
		return false;
	vtap_mac_format(&mac, buffer);
	return true;
}

const struct vtap_sightings *vtap_reports_sightings(const struct vtap_reports *r, const char *mac)
{
	return vtap_table_get(r->macs, mac);
}

static int sight(struct vtap_reports *r, const char *mac, const char *host, const char *device)
{
	struct vtap_sightings *s = vtap_table_get(r->macs, mac);

	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return -ENOMEM;
		if (vtap_table_put(r->macs, mac, s) < 0) {
			free(s);
			return -ENOMEM;
		}
	}
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 1;
		struct vtap_sighting *array = reallocarray(s->array, room, sizeof(*array));

		if (!array)
			return -ENOMEM;
		s->array = array;
		s->room = room;
	}
	snprintf(s->array[s->count].host, sizeof(s->array->host), "%s", host);
	snprintf(s->array[s->count].device, sizeof(s->array->device), "%s", device);
	s->count++;
	return 0;
}

static void unsight(struct vtap_reports *r, const char *mac, const char *host, const char *device)
{
	struct vtap_sightings *s = vtap_table_get(r->macs, mac);

	for (size_t i = 0; s && i < s->count; i++) {
		if (strcmp(s->array[i].host, host) != 0 || strcmp(s->array[i].device, device) != 0)
			continue;
		s->array[i] = s->array[--s->count];
		break;
	}
	if (!s || s->count)
		return;
	(void)vtap_table_remove(r->macs, mac);
	free(s->array);
	free(s);
}

/* Calls for every MAC behind a cable. */
static int each_mac(struct vtap_reports *r, const struct vtap_report_host *h, const json_t *devices,
		    int (*visit)(struct vtap_reports *r, const char *mac, const char *host, const char *device))
{
	int ret = 0;

	for (size_t i = 0; i < json_array_size(devices); i++) {
		const json_t *device = json_array_get(devices, i), *behind = json_object_get(device, "behind");

		for (size_t j = 0; is_cable(device) && j < json_array_size(behind) && ret >= 0; j++) {
			char mac[VTAP_MAC_STRLEN];

			if (mac_of(json_array_get(behind, j), mac))
				ret = visit(r, mac, h->id, json_string_value(json_object_get(device, "device")));
		}
	}
	return ret;
}

static int visit_unsight(struct vtap_reports *r, const char *mac, const char *host, const char *device)
{
	unsight(r, mac, host, device);
	return 0;
}

static int visit_follow(struct vtap_reports *r, const char *mac, const char *host, const char *device)
{
	vtap_reports_follow_mac(r, mac);
	return 0;
}

/* The members that are known, each as it should be. */
static json_t *normalize(const json_t *devices)
{
	static const char *const keys[] = {"device", "kind",      "mac",    "mtu",  "up",
					   "master", "addresses", "behind", "guest"};
	json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(devices) && list; i++) {
		json_t *copy = json_object();

		for (size_t j = 0; j < VTAP_ARRAY_SIZE(keys); j++) {
			json_t *value = json_object_get(json_array_get(devices, i), keys[j]);

			(void)json_object_set_new(copy, keys[j], value ? json_incref(value) : json_null());
		}
		if (json_array_append_new(list, copy) < 0)
			list = (json_decref(list), NULL);
	}
	return list;
}

int vtap_reports_take_devices(struct vtap_reports *r, struct vtap_report_host *h, const json_t *devices)
{
	json_auto_t *before = h->devices;
	json_t *now = normalize(devices);
	int ret;

	if (!now) {
		before = NULL;
		return -ENOMEM;
	}
	h->devices = NULL;
	(void)each_mac(r, h, before, visit_unsight);
	h->devices = now;
	ret = each_mac(r, h, now, sight);
	if (ret < 0)
		return ret;
	(void)each_mac(r, h, before, visit_follow);
	(void)each_mac(r, h, now, visit_follow);
	vtap_reports_follow_host(r, h->id);
	return 0;
}

void vtap_reports_drop_devices(struct vtap_reports *r, struct vtap_report_host *h)
{
	json_auto_t *before = VTAP_STEAL(h->devices);

	(void)each_mac(r, h, before, visit_unsight);
}

static int free_sightings(const char *key, void *value, void *userdata)
{
	struct vtap_sightings *s = value;

	free(s->array);
	free(s);
	return 0;
}

void vtap_reports_free_macs(struct vtap_reports *r)
{
	(void)vtap_table_each(r->macs, free_sightings, NULL);
	vtap_table_free(r->macs);
}

const json_t *vtap_reports_device(const struct vtap_reports *r, const char *host, const char *device)
{
	const struct vtap_report_host *h = vtap_reports_host(r, host);

	for (size_t i = 0; h && i < json_array_size(h->devices); i++) {
		const json_t *d = json_array_get(h->devices, i);

		if (!strcmp(json_string_value(json_object_get(d, "device")), device))
			return d;
	}
	return NULL;
}
