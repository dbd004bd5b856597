// SPDX-License-Identifier: Apache-2.0

#include "agent/discover.h"

#include <errno.h>
#include <string.h>

#include "agent/owners.h"
#include "agent/stage.h"

#define DEVICES_MAX 4096
#define BEHIND_MAX 64 /* MACs behind one device */
#define BEHIND_ALL_MAX 16384 /* behind all of them: the controller takes no more */
#define ADDRESSES_MAX 64 /* of one device, or MAC */

/* A MAC, an address, or both, at a device. */
struct seen {
	uint32_t ifindex;
	struct vtap_mac mac;
	char address[VTAP_ADDR_STRLEN]; /* empty = none */
};

struct sightings {
	struct seen *items; /* owned */
	size_t count;
	bool failed; /* memory was short */
};

/* What the kernel knows, read once for all devices. */
struct discovery {
	struct vtap_agent *agent; /* borrowed */
	size_t behind_count; /* entries that were made */
	struct vtap_owners owners;
	struct sightings addresses; /* of devices here */
	struct sightings neighbours; /* by the device that they were seen at */
	struct sightings learned; /* MACs by bridge port */
};

static void seen_add(struct sightings *s, uint32_t ifindex, const struct vtap_addr *address, const struct vtap_mac *mac)
{
	struct seen *grown = reallocarray(s->items, s->count + 1, sizeof(*grown));

	s->failed = s->failed || !grown;
	if (!grown)
		return;
	s->items = grown;
	grown[s->count] = (struct seen){.ifindex = ifindex};
	if (mac)
		grown[s->count].mac = *mac;
	if (address && address->family != AF_UNSPEC)
		(void)vtap_addr_format(address, grown[s->count].address);
	s->count++;
}

static void on_address(uint32_t ifindex, const struct vtap_addr *address, void *userdata)
{
	seen_add(userdata, ifindex, address, NULL);
}

static void on_neighbour(uint32_t ifindex, const struct vtap_addr *address, const struct vtap_mac *mac, void *userdata)
{
	/* Addresses of the link alone are everybody's, and no one looks for them. */
	if (address->family != AF_INET6 || address->bytes[0] != 0xfe || (address->bytes[1] & 0xc0) != 0x80)
		seen_add(userdata, ifindex, address, mac);
}

static int compare_seen(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;
	int r = memcmp(x->mac.bytes, y->mac.bytes, sizeof(x->mac.bytes));

	return r ? r : strcmp(x->address, y->address);
}

/* The addresses of a sorted run with one MAC, each once. */
static json_t *addresses_json(const struct seen *items, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count && json_array_size(list) < ADDRESSES_MAX; i++) {
		if (*items[i].address && (!i || strcmp(items[i - 1].address, items[i].address)))
			(void)json_array_append_new(list, json_string(items[i].address));
	}
	return list;
}

static json_t *own_addresses(const struct discovery *d, uint32_t ifindex)
{
	struct sightings own = {};
	json_t *list;

	for (size_t i = 0; i < d->addresses.count; i++) {
		const struct seen *s = &d->addresses.items[i];
		struct vtap_addr address;

		if (s->ifindex == ifindex && vtap_addr_parse(s->address, &address) >= 0)
			seen_add(&own, ifindex, &address, NULL);
	}
	if (own.count)
		qsort(own.items, own.count, sizeof(*own.items), compare_seen);
	list = addresses_json(own.items, own.count);
	free(own.items);
	return list;
}

static void append(struct sightings *to, const struct seen *s)
{
	struct vtap_addr address = {};

	if (*s->address)
		(void)vtap_addr_parse(s->address, &address);
	seen_add(to, s->ifindex, &address, &s->mac);
}

static bool has_mac(const struct sightings *s, size_t count, const struct vtap_mac *mac)
{
	for (size_t i = 0; i < count; i++) {
		if (vtap_mac_equal(&s->items[i].mac, mac))
			return true;
	}
	return false;
}

/* The device's other end, where it is a cable's, with its addresses. */
static int32_t peer_add(struct discovery *d, const struct vtap_link *link, struct sightings *behind)
{
	struct sightings addresses = {};
	struct vtap_peer peer;

	if (strcmp(link->kind, "veth") != 0 || vtap_net_peer(d->agent->net, link->ifindex, &peer) < 0)
		return -1;
	seen_add(behind, link->ifindex, NULL, &peer.mac);
	(void)vtap_net_addresses_each(d->agent->net, peer.namespace_id, peer.ifindex, on_address, &addresses);
	for (size_t i = 0; i < addresses.count; i++) {
		addresses.items[i].mac = peer.mac;
		if (addresses.items[i].ifindex == peer.ifindex)
			append(behind, &addresses.items[i]);
	}
	free(addresses.items);
	return peer.namespace_id;
}

/* By MAC: what was told, what was learned at the port, and addresses that were seen of these. */
static json_t *behind_json(struct discovery *d, struct sightings *behind)
{
	json_t *list = json_array();
	size_t first = 0;
	char mac[VTAP_MAC_STRLEN];

	if (behind->count)
		qsort(behind->items, behind->count, sizeof(*behind->items), compare_seen);
	while (first < behind->count && json_array_size(list) < BEHIND_MAX && d->behind_count < BEHIND_ALL_MAX) {
		size_t end = first + 1;

		while (end < behind->count && vtap_mac_equal(&behind->items[end].mac, &behind->items[first].mac))
			end++;
		(void)json_array_append_new(
		    list, json_pack("{s:s, s:o}", "mac", vtap_mac_format(&behind->items[first].mac, mac), "addresses",
				    addresses_json(&behind->items[first], end - first)));
		d->behind_count++;
		first = end;
	}
	return list;
}

static void behind_collect(const struct discovery *d, const struct vtap_link *link, const struct vtap_owner *owner,
			   struct sightings *behind)
{
	static const struct vtap_mac none;
	size_t known;

	if (owner && !vtap_mac_equal(&owner->mac, &none))
		seen_add(behind, link->ifindex, NULL, &owner->mac);
	for (size_t i = 0; i < d->learned.count; i++) {
		if (d->learned.items[i].ifindex == link->ifindex)
			append(behind, &d->learned.items[i]);
	}
	known = behind->count;
	for (size_t i = 0; i < d->neighbours.count; i++) {
		const struct seen *s = &d->neighbours.items[i];

		/* At the device itself; or at the bridge that it is a port of, if the MAC is behind this port. */
		if (s->ifindex == link->ifindex ||
		    (link->master_ifindex && s->ifindex == link->master_ifindex && has_mac(behind, known, &s->mac)))
			append(behind, s);
	}
}

static const char *kind_of(const struct vtap_link *link)
{
	if (!strcmp(link->kind, "tun"))
		return "tap";
	return *link->kind ? link->kind : "physical";
}

/* Whether somebody else's device is at the other end: bridges and uplinks have whole networks there. */
static bool is_cable(const struct vtap_link *link)
{
	static const char *const kinds[] = {"tap", "macvtap", "veth"};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(kinds); i++) {
		if (!strcmp(kind_of(link), kinds[i]))
			return true;
	}
	return false;
}

static json_t *device_json(struct discovery *d, const struct vtap_link *link)
{
	const struct vtap_owner *owner;
	struct sightings behind = {};
	struct vtap_link master = {};
	char mac[VTAP_MAC_STRLEN];
	int32_t namespace_id = peer_add(d, link, &behind);
	json_t *o;

	owner = vtap_owners_find(&d->owners, link, namespace_id);
	if (is_cable(link))
		behind_collect(d, link, owner, &behind);
	if (link->master_ifindex)
		(void)vtap_net_link_by_index(d->agent->net, link->master_ifindex, &master);
	o = json_pack("{s:s, s:s, s:s, s:I, s:b, s:o, s:o}", "device", link->name, "kind", kind_of(link), "mac",
		      vtap_mac_format(&link->mac, mac), "mtu", (json_int_t)link->mtu, "up", link->up, "addresses",
		      own_addresses(d, link->ifindex), "behind", behind_json(d, &behind));
	(void)json_object_set_new(o, "master", *master.name ? json_string(master.name) : json_null());
	(void)json_object_set_new(
	    o, "guest",
	    owner ? json_pack("{s:s, s:s, s:s}", "kind", owner->kind, "name", owner->name, "id", owner->id)
		  : json_null());
	free(behind.items);
	return o;
}

static int discovery_read(struct discovery *d)
{
	struct vtap_net *net = d->agent->net;
	int r;

	r = vtap_owners_read(net, "", &d->owners);
	if (r >= 0)
		r = vtap_net_addresses_each(net, -1, 0, on_address, &d->addresses);
	if (r >= 0)
		r = vtap_net_neighbours_each(net, false, on_neighbour, &d->neighbours);
	if (r >= 0)
		r = vtap_net_neighbours_each(net, true, on_neighbour, &d->learned);
	if (r >= 0 && (d->addresses.failed || d->neighbours.failed || d->learned.failed))
		r = -ENOMEM;
	return r;
}

json_t *vtap_discover_json(struct vtap_agent *a)
{
	struct discovery d = {.agent = a};
	json_t *devices = NULL;
	struct vtap_link link;

	if (discovery_read(&d) >= 0)
		devices = json_array();
	for (size_t i = 0; devices && vtap_net_link_at(a->net, i, &link) >= 0; i++) {
		if (link.ethernet && !vtap_stage_owns(&link) && json_array_size(devices) < DEVICES_MAX)
			(void)json_array_append_new(devices, device_json(&d, &link));
	}
	vtap_owners_done(&d.owners);
	free(d.addresses.items);
	free(d.neighbours.items);
	free(d.learned.items);
	return devices;
}
