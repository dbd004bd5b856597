// SPDX-License-Identifier: Apache-2.0

#include "agent/nexthop.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int verdict(struct vtap_nexthop *h, enum vtap_nexthop_state state, const char *format, ...) VTAP_PRINTF(3, 4);

static int verdict(struct vtap_nexthop *h, enum vtap_nexthop_state state, const char *format, ...)
{
	va_list args;

	h->state = state;
	va_start(args, format);
	vsnprintf(h->reason, sizeof(h->reason), format, args);
	va_end(args);
	return 0;
}

/* The preferred device narrows the question; where it leads nowhere, the routes decide. */
static int route_get(struct vtap_net *net, const struct vtap_target *t, const char *preferred, struct vtap_route *ret)
{
	struct vtap_link link;

	if (*preferred && vtap_net_link_by_name(net, preferred, &link) >= 0 &&
	    vtap_net_route_get(net, &t->address, &t->local, link.ifindex, ret) >= 0)
		return 0;
	return vtap_net_route_get(net, &t->address, &t->local, 0, ret);
}

/* Whether copies can leave by that device at all. True = yes. */
static bool device_fits(const struct vtap_route *route, const struct vtap_link *link, struct vtap_nexthop *h)
{
	if (route->local || link->loopback) {
		verdict(h, VTAP_NEXTHOP_UNSUPPORTED, "the target is an address of this host itself");
		return false;
	}
	if (!link->ethernet) {
		verdict(h, VTAP_NEXTHOP_UNSUPPORTED, "the route leads out of %s, which has no Ethernet headers",
			link->name);
		return false;
	}
	if (route->xfrm) {
		verdict(h, VTAP_NEXTHOP_UNSUPPORTED, "an IPsec policy (xfrm) takes packets to the target");
		return false;
	}
	if (!link->up || !link->running) {
		verdict(h, VTAP_NEXTHOP_UPLINK_DOWN, "the uplink %s is down", link->name);
		return false;
	}
	return true;
}

static int neighbour_resolve(struct vtap_net *net, struct vtap_nexthop *h)
{
	char text[VTAP_ADDR_STRLEN];
	enum vtap_neighbour_state state;
	int r;

	r = vtap_net_neighbour_get(net, h->ifindex, &h->neighbour, &h->destination_mac, &state);
	if (r < 0)
		return r;
	h->neighbour_kept = state == VTAP_NEIGHBOUR_KEPT;
	if (state != VTAP_NEIGHBOUR_NONE)
		return verdict(h, VTAP_NEXTHOP_READY, "%s", "");
	return verdict(h, VTAP_NEXTHOP_NO_NEIGHBOUR, "%s does not answer on %s", vtap_addr_format(&h->neighbour, text),
		       h->device);
}

int vtap_nexthop_resolve(struct vtap_net *net, const struct vtap_target *target, const char *preferred_uplink,
			 struct vtap_nexthop *ret_nexthop)
{
	char text[VTAP_ADDR_STRLEN];
	struct vtap_nexthop h = {};
	struct vtap_route route;
	struct vtap_link link;
	int r;

	r = route_get(net, target, preferred_uplink, &route);
	if (r < 0) {
		verdict(&h, VTAP_NEXTHOP_NO_ROUTE, "there is no route to %s: %s",
			vtap_addr_format(&target->address, text), strerror(-r));
		*ret_nexthop = h;
		return 0;
	}
	r = vtap_net_link_by_index(net, route.ifindex, &link);
	if (r < 0) {
		verdict(&h, VTAP_NEXTHOP_NO_ROUTE, "the route to %s leads out of a device that is gone",
			vtap_addr_format(&target->address, text));
		*ret_nexthop = h;
		return 0;
	}
	h.local = route.local;
	h.ifindex = link.ifindex;
	memcpy(h.device, link.name, sizeof(h.device));
	h.source_mac = link.mac;
	h.source = vtap_addr_is_any(&target->local) ? route.source : target->local;
	h.neighbour = route.gateway.family == AF_UNSPEC ? target->address : route.gateway;
	h.mtu = link.mtu;
	if (route.mtu)
		h.mtu = VTAP_MIN(h.mtu, route.mtu);
	if (target->mtu)
		h.mtu = VTAP_MIN(h.mtu, target->mtu);
	r = 0;
	if (vtap_addr_is_any(&h.source))
		verdict(&h, VTAP_NEXTHOP_NO_ROUTE, "%s has no address to send to %s from: give it one, or set local",
			link.name, vtap_addr_format(&target->address, text));
	else if (device_fits(&route, &link, &h))
		r = neighbour_resolve(net, &h);
	if (r < 0)
		return r;
	*ret_nexthop = h;
	return 0;
}

int vtap_nexthop_request(struct vtap_net *net, const struct vtap_nexthop *h)
{
	return h->state == VTAP_NEXTHOP_NO_NEIGHBOUR ? vtap_net_neighbour_resolve(net, h->ifindex, &h->neighbour) : 0;
}

int vtap_nexthop_solicit(struct vtap_net *net, const struct vtap_nexthop *h)
{
	if (h->neighbour_kept || (h->state != VTAP_NEXTHOP_READY && h->state != VTAP_NEXTHOP_NO_NEIGHBOUR))
		return 0;
	/* Copies pass the kernel's table by: unless it is used, nobody notices that what it knows does not answer any more. */
	(void)vtap_net_neighbour_resolve(net, h->ifindex, &h->neighbour);
	return vtap_net_neighbour_solicit(net, h->ifindex, &h->neighbour, &h->source);
}

const char *vtap_nexthop_state_name(enum vtap_nexthop_state state)
{
	static const char *const names[VTAP_NEXTHOP_MAX] = {
	    [VTAP_NEXTHOP_READY] = "active",
	    [VTAP_NEXTHOP_NO_ROUTE] = "no_route",
	    [VTAP_NEXTHOP_NO_NEIGHBOUR] = "no_neighbour",
	    [VTAP_NEXTHOP_UNSUPPORTED] = "error",
	    [VTAP_NEXTHOP_UPLINK_DOWN] = "uplink_down",
	};

	return names[state];
}
