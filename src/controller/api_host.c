/* SPDX-License-Identifier: Apache-2.0 */

/* What hosts have beyond the common: join tokens, trust, devices that their agents found, and interfaces made of these. */

#include <errno.h>
#include <string.h>

#include "controller/api.h"
#include "controller/controller.h"
#include "controller/feed_credential.h"
#include "controller/feed_private.h"
#include "controller/resource.h"
#include "controller/state.h"
#include "crypto/pki.h"
#include "model/value.h"

static const struct vtap_object *host_of(struct vtap_call *call)
{
	return vtap_call_object(call, vtap_kind_find("host"), call->request->parameters[0]);
}

static int read_ttl(struct vtap_call *call, uint64_t *ret_ttl_s)
{
	const json_t *value = json_object_get(call->body, "ttl");
	const char *key;
	json_t *member;

	json_object_foreach(call->body, key, member)
	{
		if (strcmp(key, "ttl") != 0)
			return vtap_call_fail(call, -EINVAL, key, "is not known here");
	}
	*ret_ttl_s = VTAP_JOIN_TTL_S;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value) ||
	    vtap_duration_parse(json_string_value(value), VTAP_JOIN_TTL_MIN_S, VTAP_JOIN_TTL_MAX_S, ret_ttl_s) < 0)
		return vtap_call_fail(call, -EINVAL, "ttl", "must be a duration from 1m to 7d, such as \"1h\"");
	return 0;
}

/* The token is good once the change is committed, which is before the answer. */
static int post_token(struct vtap_call *call, struct vtap_change *change)
{
	const struct vtap_controller *c = call->controller;
	char token[VTAP_JOIN_TOKEN_STRLEN], expires[VTAP_TIME_STRLEN], authority[VTAP_HASH_STRLEN];
	const struct vtap_object *host = host_of(call);
	bool tls = vtap_api_uses_tls(c->api);
	uint64_t ttl_s;
	int r;

	if (!host)
		return -ENOENT;
	r = read_ttl(call, &ttl_s);
	if (r >= 0 && tls)
		r = vtap_pki_fingerprint(c->authority.certificate, authority);
	if (r >= 0)
		r = vtap_join_make(change, host->id, (int64_t)ttl_s, tls ? authority : NULL, token);
	if (r < 0)
		return r;
	vtap_time_format(vtap_change_time_s(change) + (int64_t)ttl_s, expires);
	call->audit = json_pack("{s:s, s:s}", "host", host->id, "expires", expires);
	call->answer = json_pack("{s:s, s:s}", "token", token, "expires", expires);
	call->status = 201;
	return call->answer && call->audit ? 0 : -ENOMEM;
}

static int post_revoke(struct vtap_call *call, struct vtap_change *change)
{
	const struct vtap_object *host = host_of(call);

	if (!host)
		return -ENOENT;
	call->audit = json_pack("{s:s}", "host", host->id);
	return vtap_feed_revoke(change, host->id);
}

static int post_resume(struct vtap_call *call, struct vtap_change *change)
{
	const struct vtap_object *host = host_of(call);

	if (!host)
		return -ENOENT;
	call->audit = json_pack("{s:s}", "host", host->id);
	return vtap_feed_resume(change, host->id);
}

static int take_id(struct vtap_object *object, void *userdata)
{
	const char **id = userdata;

	*id = object->id;
	return 1;
}

/* The device as reported, with the interface or wire that it is known as. */
static json_t *device_view(const struct vtap_controller *c, const char *host, json_t *device)
{
	json_t *view = json_copy(device);
	char key[VTAP_OBJECTS_KEY_STRLEN];
	const char *id = NULL;

	vtap_objects_device_key(host, vtap_text(device, "device"), key);
	(void)vtap_objects_referrers(c->objects, key, NULL, take_id, &id);
	if (!view || json_object_set_new(view, "interface", id ? json_string(id) : json_null()) < 0) {
		json_decref(view);
		return NULL;
	}
	return view;
}

static int get_devices(struct vtap_call *call, struct vtap_change *change)
{
	const struct vtap_controller *c = call->controller;
	const struct vtap_object *host = host_of(call);
	const struct vtap_report_host *report;
	json_auto_t *items = json_array();

	if (!host)
		return -ENOENT;
	report = vtap_reports_host(c->reports, host->id);
	for (size_t i = 0; report && i < json_array_size(report->devices); i++) {
		if (json_array_append_new(items, device_view(c, host->id, json_array_get(report->devices, i))) < 0)
			return -ENOMEM;
	}
	call->answer = json_pack("{s:O, s:I}", "items", items, "total", (json_int_t)json_array_size(items));
	return call->answer ? 0 : -ENOMEM;
}

/* Whether its agent is there, what it is, and whether it has what it should. */
static int get_state(struct vtap_call *call, struct vtap_change *change)
{
	const struct vtap_controller *c = call->controller;
	const struct vtap_object *host = host_of(call);
	const struct vtap_feed_host *h = host ? vtap_feed_find(c->feed, host->id) : NULL;
	const struct vtap_report_host *report;
	char seen[VTAP_TIME_STRLEN];
	const char *state;
	int64_t seen_s;

	if (!host || !h)
		return -ENOENT;
	report = vtap_reports_host(c->reports, host->id);
	state = vtap_feed_host_state(c->feed, host->id, &seen_s);
	call->answer = json_pack("{s:s, s:s?, s:O?, s:O?, s:s?, s:I, s:I, s:b, s:b, s:i}", "state", state, "seen",
				 seen_s > 0 ? vtap_time_format(seen_s, seen) : NULL, "agent",
				 report ? report->agent : NULL, "uplink", report ? report->uplink : NULL, "error",
				 report ? report->error : NULL, "revision", (json_int_t)h->revision, "acknowledged",
				 (json_int_t)h->acknowledged, "current", h->acknowledged == h->revision, "waiting",
				 h->waiter != NULL, "sessions", (int)h->plan->part_count);
	return call->answer ? 0 : -ENOMEM;
}

/* What is behind the cable; if it is no cable, the device itself. */
static int describe(struct vtap_call *call, const json_t *device, const char **ret_mac, json_t **ret_addresses,
		    const char **ret_side)
{
	const json_t *behind = json_object_get(device, "behind");
	size_t count = json_array_size(behind);

	if (count > 1)
		return vtap_call_fail(call, -ENOTUNIQ, "mac", "there are %zu MACs behind this device: say which",
				      count);
	if (count == 1) {
		*ret_mac = vtap_text(json_array_get(behind, 0), "mac");
		*ret_addresses = json_object_get(json_array_get(behind, 0), "addresses");
		*ret_side = "host";
		return 0;
	}
	*ret_mac = vtap_text(device, "mac");
	*ret_addresses = json_object_get(device, "addresses");
	*ret_side = "own";
	return 0;
}

static bool is_cable(const json_t *device)
{
	const char *kind = vtap_text(device, "kind");

	return kind && (!strcmp(kind, "tap") || !strcmp(kind, "veth") || !strcmp(kind, "macvtap"));
}

static bool is_given(const json_t *input, const char *key)
{
	const json_t *value = json_object_get(input, key);

	return value && !json_is_null(value);
}

/* What the user did not give is taken from the report. */
static int complete(struct vtap_call *call, const json_t *device, json_t *input)
{
	const char *mac = NULL, *side = "host";
	json_t *addresses = NULL;
	int r = 0;

	if (is_given(input, "mac"))
		side = is_cable(device) ? "host" : "own";
	else if (is_cable(device) && json_array_size(json_object_get(device, "behind")) == 0)
		return vtap_call_fail(call, -EINVAL, "mac", "is not known to the agent yet: give it");
	else
		r = describe(call, device, &mac, &addresses, &side);
	if (r < 0)
		return r;
	if (mac && json_object_set_new(input, "mac", json_string(mac)) < 0)
		return -ENOMEM;
	if (!is_given(input, "side") && json_object_set_new(input, "side", json_string(side)) < 0)
		return -ENOMEM;
	if (!is_given(input, "addresses") && json_array_size(addresses) > 0 &&
	    json_object_set(input, "addresses", addresses) < 0)
		return -ENOMEM;
	return 0;
}

static int post_adopt(struct vtap_call *call, struct vtap_change *change)
{
	const char *host_text = vtap_text(call->body, "host"), *device_text = vtap_text(call->body, "device");
	const struct vtap_object *host;
	json_auto_t *input = NULL;
	const json_t *device;
	char host_id[VTAP_ID_STRLEN], quoted[VTAP_ERROR_QUOTE_STRLEN];
	struct vtap_error e = {};
	int r;

	/* Before anything is told of what hosts have. */
	if (!call->principal.system_admin)
		return vtap_call_fail(call, -EACCES, "device",
				      "only a system admin can say at which device of a host an interface is");
	if (!host_text || !device_text)
		return vtap_call_fail(call, -EINVAL, host_text ? "device" : "host", "is required: a text");
	r = vtap_call_resolve("host", host_text, host_id, &e, call);
	if (r < 0) {
		snprintf(e.field, sizeof(e.field), "host");
		return vtap_call_fail_error(call, &e);
	}
	host = vtap_objects_get(call->controller->objects, host_id);
	device = host ? vtap_reports_device(call->controller->reports, host_id, device_text) : NULL;
	if (!device)
		return vtap_call_fail(call, -EINVAL, "device", "the agent of the host reports no device \"%s\"",
				      vtap_error_quote(device_text, quoted));
	input = json_copy(call->body);
	if (!input)
		return -ENOMEM;
	r = complete(call, device, input);
	return r < 0 ? r : vtap_resource_write(call, change, NULL, input);
}

const struct vtap_api_route vtap_api_routes_hosts[] = {
    {"POST", "/v1/hosts/{id}/token", post_token, VTAP_ROLE_NONE, VTAP_ROUTE_SYSTEM | VTAP_ROUTE_WRITE | VTAP_ROUTE_ONCE,
     NULL, 4096},
    {"POST", "/v1/hosts/{id}/revoke", post_revoke, VTAP_ROLE_NONE,
     VTAP_ROUTE_SYSTEM | VTAP_ROUTE_WRITE | VTAP_ROUTE_BARE, NULL, 0},
    {"POST", "/v1/hosts/{id}/resume", post_resume, VTAP_ROLE_NONE,
     VTAP_ROUTE_SYSTEM | VTAP_ROUTE_WRITE | VTAP_ROUTE_BARE, NULL, 0},
    {"GET", "/v1/hosts/{id}/devices", get_devices, VTAP_ROLE_NONE, VTAP_ROUTE_SYSTEM, NULL, 0},
    {"GET", "/v1/hosts/{id}/state", get_state, VTAP_ROLE_NONE, VTAP_ROUTE_SYSTEM, NULL, 0},
    {"POST", "/v1/interfaces/adopt", post_adopt, VTAP_ROLE_OPERATOR, VTAP_ROUTE_WRITE, NULL, 0},
    {},
};
