/* SPDX-License-Identifier: Apache-2.0 */

/* Devices that agents found, and where which MAC is behind one. */

#include <errno.h>
#include <string.h>

#include "basic/addr.h"
#include "controller/reports_private.h"

#define HOST_SIGHTINGS_MAX 2 /* of one MAC: a second place makes a conflict, further ones change nothing */

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

/* How often the host has it, and where on the device in question; SIZE_MAX = not there. */
static size_t count_on_host(const struct vtap_sightings *s, const char *host, const char *device, size_t *ret_there)
{
	size_t count = 0;

	*ret_there = SIZE_MAX;
	for (size_t i = 0; s && i < s->count; i++) {
		if (strcmp(s->array[i].host, host) != 0)
			continue;
		count++;
		if (!strcmp(s->array[i].device, device))
			*ret_there = i;
	}
	return count;
}

static int add_sighting(struct vtap_reports *r, const char *mac, const char *host, const char *device)
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

/* A host's devices are replaced as a whole, so what is over the limit is not missed when another one goes. */
static int sight(struct vtap_reports *r, const char *mac, const char *host, const char *device)
{
	size_t there, count = count_on_host(vtap_table_get(r->macs, mac), host, device, &there);

	return there != SIZE_MAX || count >= HOST_SIGHTINGS_MAX ? 0 : add_sighting(r, mac, host, device);
}

static int unsight(struct vtap_reports *r, const char *mac, const char *host, const char *device)
{
	struct vtap_sightings *s = vtap_table_get(r->macs, mac);
	size_t there;

	(void)count_on_host(s, host, device, &there);
	if (there == SIZE_MAX)
		return 0;
	s->array[there] = s->array[--s->count];
	if (s->count)
		return 0;
	(void)vtap_table_remove(r->macs, mac);
	free(s->array);
	free(s);
	return 0;
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

/* Each MAC is looked at once for a report, on however many devices it is. */
static int visit_follow(struct vtap_reports *r, const char *mac, const char *host, const char *device)
{
	if (vtap_table_get(r->followed, mac))
		return 0;
	vtap_reports_follow_mac(r, mac);
	return vtap_table_put(r->followed, mac, r);
}

static int forget_followed(const char *key, void *value, void *userdata)
{
	const struct vtap_reports *r = userdata;

	(void)vtap_table_remove(r->followed, key);
	return 0;
}

static json_t *copy_behind(const json_t *behind)
{
	static const char *const keys[] = {"mac", "addresses"};
	json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(behind) && list; i++)
		if (json_array_append_new(list,
					  vtap_report_copy(json_array_get(behind, i), keys, VTAP_ARRAY_SIZE(keys))) < 0)
			list = (json_decref(list), NULL);
	return list;
}

/* The members that are known, each as it should be. */
static json_t *copy_device(const json_t *device)
{
	static const char *const keys[] = {"device", "kind", "mac", "mtu", "up", "master", "addresses"};
	static const char *const guest_keys[] = {"kind", "name", "id"};
	const json_t *behind = json_object_get(device, "behind"), *guest = json_object_get(device, "guest");
	json_t *copy = json_object();
	int ret = copy ? 0 : -ENOMEM;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(keys) && ret >= 0; i++) {
		json_t *value = json_object_get(device, keys[i]);

		ret = json_object_set_new(copy, keys[i], value ? json_incref(value) : json_null());
	}
	if (ret >= 0)
		ret = json_object_set_new(copy, "behind", json_is_array(behind) ? copy_behind(behind) : json_null());
	if (ret >= 0)
		ret = json_object_set_new(copy, "guest",
					  json_is_object(guest)
					      ? vtap_report_copy(guest, guest_keys, VTAP_ARRAY_SIZE(guest_keys))
					      : json_null());
	return ret < 0 ? (json_decref(copy), NULL) : copy;
}

static json_t *normalize(const json_t *devices)
{
	json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(devices) && list; i++)
		if (json_array_append_new(list, copy_device(json_array_get(devices, i))) < 0)
			list = (json_decref(list), NULL);
	return list;
}

/* By name. If one comes twice, the first is meant. */
static int index_devices(struct vtap_report_host *h)
{
	VTAP_CLEANUP(vtap_table_freep) struct vtap_table *by_name = NULL;
	int ret = vtap_table_new(&by_name);

	for (size_t i = json_array_size(h->devices); ret >= 0 && i-- > 0;) {
		json_t *device = json_array_get(h->devices, i);

		ret = vtap_table_put(by_name, json_string_value(json_object_get(device, "device")), device);
	}
	if (ret < 0)
		return ret;
	vtap_table_free(h->devices_by_name);
	h->devices_by_name = VTAP_STEAL(by_name);
	return 0;
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
	h->devices_by_name = vtap_table_free(h->devices_by_name);
	(void)each_mac(r, h, before, unsight);
	h->devices = now;
	h->devices_old = false;
	ret = each_mac(r, h, now, sight);
	if (ret < 0)
		return ret;
	ret = index_devices(h);
	if (ret >= 0)
		ret = each_mac(r, h, before, visit_follow);
	if (ret >= 0)
		ret = each_mac(r, h, now, visit_follow);
	(void)vtap_table_each(r->followed, forget_followed, r);
	if (ret >= 0)
		vtap_reports_follow_host(r, h->id);
	return ret;
}

void vtap_reports_age_devices(struct vtap_reports *r, struct vtap_report_host *h)
{
	if (!h->devices_old) {
		h->devices_old = true;
		(void)each_mac(r, h, h->devices, unsight);
		(void)each_mac(r, h, h->devices, visit_follow);
		(void)vtap_table_each(r->followed, forget_followed, r);
	}
	vtap_reports_follow_host(r, h->id);
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

	return h && h->devices_by_name ? vtap_table_get(h->devices_by_name, device) : NULL;
}
