/* SPDX-License-Identifier: Apache-2.0 */

#include "model/kinds.h"

#include <errno.h>
#include <string.h>

#include "model/file_form.h"
#include "model/filter.h"
#include "model/place.h"
#include "model/session.h"
#include "model/target.h"
#include "model/value.h"
#include "model/words.h"

const struct vtap_attribute vtap_target_attributes[] = {
    {.name = "address", .type = VTAP_TYPE_ADDRESS, .help = "where copies go; either this or interface"},
    {.name = "interface",
     .type = VTAP_TYPE_REFERENCE,
     .kinds = "interface",
     .help = "the interface that receives copies; either this or address"},
    {.name = "mtu",
     .type = VTAP_TYPE_NUMBER,
     .max = VTAP_MTU_MAX,
     .least = VTAP_MTU_MIN_IPV4,
     .standard = "0",
     .help = "largest outer packet on the way, 576 and more; 0 = that of device and route"},
    {.name = "df", .type = VTAP_TYPE_BOOL, .standard = "false", .help = "whether outer packets must not be fragmented"},
    {.name = "dscp", .type = VTAP_TYPE_NUMBER, .max = VTAP_DSCP_MAX, .standard = "0", .help = "of outer packets"},
    {.name = "ttl", .type = VTAP_TYPE_NUMBER, .min = 1, .max = 255, .standard = "64", .help = "of outer packets"},
    {.name = "local", .type = VTAP_TYPE_ADDRESS, .help = "source address of outer packets; null = what the route says"},
    {.name = "enabled", .type = VTAP_TYPE_BOOL, .standard = "true", .help = "whether it takes copies"},
    {},
};
_Static_assert(VTAP_TTL == 64, "the default of ttl");

const struct vtap_attribute vtap_filter_attributes[] = {
    {.name = "chunks",
     .type = VTAP_TYPE_TEXT,
     .flags = VTAP_ATTRIBUTE_COMPUTED | VTAP_ATTRIBUTE_LIST,
     .min = 1,
     .max = 64,
     .max_items = UINT32_MAX,
     .help = "hashes of its rules, for agents"},
    {.name = "rule_count",
     .type = VTAP_TYPE_NUMBER,
     .flags = VTAP_ATTRIBUTE_COMPUTED,
     .max = INT64_MAX,
     .help = "how many rules it has"},
    {.name = "warning",
     .type = VTAP_TYPE_TEXT,
     .flags = VTAP_ATTRIBUTE_COMPUTED,
     .max = VTAP_DESCRIPTION_MAX,
     .help = "why agents refuse sessions with it, if they do; never stored"},
    {},
};

const struct vtap_attribute vtap_rule_attributes[] = {
    {.name = "filter",
     .type = VTAP_TYPE_REFERENCE,
     .flags = VTAP_ATTRIBUTE_REQUIRED | VTAP_ATTRIBUTE_IMMUTABLE,
     .kinds = "filter",
     .help = "the filter that it is in"},
    {.name = "direction",
     .type = VTAP_TYPE_WORD,
     .flags = VTAP_ATTRIBUTE_REQUIRED,
     .words = vtap_direction_words,
     .help = "received or sent by the interface"},
    {.name = "number",
     .type = VTAP_TYPE_NUMBER,
     .flags = VTAP_ATTRIBUTE_REQUIRED,
     .min = 1,
     .max = VTAP_RULE_NUMBER_MAX,
     .help = "unique in filter and direction; the lowest is tried first"},
    {.name = "action",
     .type = VTAP_TYPE_WORD,
     .standard = "\"accept\"",
     .words = vtap_action_words,
     .help = "what happens to a packet that matches"},
    {.name = "protocol",
     .type = VTAP_TYPE_PROTOCOL,
     .max = VTAP_PROTOCOL_MAX,
     .words = vtap_protocol_words,
     .help = "IP protocol; null = any"},
    {.name = "source", .type = VTAP_TYPE_PREFIX, .help = "source addresses; null = any"},
    {.name = "destination", .type = VTAP_TYPE_PREFIX, .help = "destination addresses; null = any"},
    {.name = "source_ports",
     .type = VTAP_TYPE_PORTS,
     .max = UINT16_MAX,
     .help = "source port or ports; null = any; needs a protocol with ports"},
    {.name = "destination_ports",
     .type = VTAP_TYPE_PORTS,
     .max = UINT16_MAX,
     .help = "destination port or ports; null = any; needs a protocol with ports"},
    {.name = "icmp_type", .type = VTAP_TYPE_NUMBER, .max = 255, .help = "null = any; needs protocol icmp or icmpv6"},
    {.name = "icmp_code", .type = VTAP_TYPE_NUMBER, .max = 255, .help = "null = any; needs icmp_type"},
    {.name = "vlan",
     .type = VTAP_TYPE_NUMBER,
     .min = 1,
     .max = VTAP_VLAN_MAX,
     .help = "outermost VLAN; null = any, tagged or not"},
    {.name = "ethertype",
     .type = VTAP_TYPE_ETHERTYPE,
     .min = VTAP_ETHERTYPE_MIN,
     .max = VTAP_ETHERTYPE_MAX,
     .standard = "\"ip\"",
     .words = vtap_ethertype_words,
     .help = "ip = IP of both versions; any = every frame"},
    {},
};

static const struct vtap_attribute encapsulation_attributes[] = {
    {.name = "type",
     .type = VTAP_TYPE_WORD,
     .standard = "\"vxlan\"",
     .words = vtap_encapsulation_words,
     .help = "the kind of tunnel"},
    {.name = "vni",
     .type = VTAP_TYPE_NUMBER,
     .max = VTAP_VNI_MAX,
     .help = "network identifier; null = one that is unused in the project is assigned"},
    {.name = "port",
     .type = VTAP_TYPE_NUMBER,
     .min = 1,
     .max = UINT16_MAX,
     .standard = "4789",
     .help = "UDP destination port"},
    {},
};
_Static_assert(VTAP_TUNNEL_PORT == 4789, "the default of encapsulation.port");

static const struct vtap_attribute sample_attributes[] = {
    {.name = "packets",
     .type = VTAP_TYPE_NUMBER,
     .min = 1,
     .max = VTAP_SAMPLE_MAX,
     .standard = "1",
     .help = "one packet in that many; 1 = all"},
    {.name = "flows",
     .type = VTAP_TYPE_NUMBER,
     .min = 1,
     .max = VTAP_SAMPLE_MAX,
     .standard = "1",
     .help = "one flow in that many; 1 = all"},
    {},
};

static const struct vtap_attribute limit_attributes[] = {
    {.name = "packets_per_second",
     .type = VTAP_TYPE_NUMBER,
     .max = VTAP_PACKETS_PER_SECOND_MAX,
     .standard = "0",
     .help = "copies per second and host; 0 = no limit"},
    {.name = "bits_per_second",
     .type = VTAP_TYPE_NUMBER,
     .max = VTAP_BITS_PER_SECOND_MAX,
     .standard = "0",
     .help = "bits per second and host, outer headers included; 0 = no limit"},
    {},
};

static const struct vtap_word state_words[] = {
    {"active", 0}, {"pending", 1}, {"waiting", 2}, {"degraded", 3}, {"disabled", 4}, {"error", 5}, {},
};

static const struct vtap_attribute reason_attributes[] = {
    {.name = "source", .type = VTAP_TYPE_TEXT, .max = VTAP_ID_STRLEN, .help = "the source concerned; null = all"},
    {.name = "host", .type = VTAP_TYPE_TEXT, .max = VTAP_ID_STRLEN, .help = "the host concerned; null = all"},
    {.name = "reason", .type = VTAP_TYPE_TEXT, .max = UINT16_MAX, .help = "a sentence"},
    {},
};

const struct vtap_attribute vtap_session_attributes[] = {
    {.name = "number",
     .type = VTAP_TYPE_NUMBER,
     .max = VTAP_SESSION_NUMBER_MAX,
     .standard = "0",
     .help = "exclusive sessions of an interface are tried by ascending number; 0 = none, for copy sessions"},
    {.name = "mode",
     .type = VTAP_TYPE_WORD,
     .standard = "\"exclusive\"",
     .words = vtap_mode_words,
     .help = "an exclusive session takes packets from later ones; a copy session always gets its own"},
    {.name = "enabled", .type = VTAP_TYPE_BOOL, .standard = "true", .help = "whether it mirrors"},
    {.name = "sources",
     .type = VTAP_TYPE_REFERENCE,
     .flags = VTAP_ATTRIBUTE_REQUIRED | VTAP_ATTRIBUTE_LIST | VTAP_ATTRIBUTE_SELECTOR,
     .min_items = 1,
     .max_items = VTAP_SOURCES_MAX,
     .kinds = "interface subnet network wire",
     .help = "what is mirrored: interfaces, subnets, networks, wires, or interfaces by tag (tag:role=web)"},
    {.name = "direction",
     .type = VTAP_TYPE_WORD,
     .standard = "\"both\"",
     .words = vtap_session_direction_words,
     .help = "packets received by, sent by the interface"},
    {.name = "filter", .type = VTAP_TYPE_REFERENCE, .kinds = "filter", .help = "what is taken; null = everything"},
    {.name = "target",
     .type = VTAP_TYPE_REFERENCE,
     .flags = VTAP_ATTRIBUTE_REQUIRED,
     .kinds = "target",
     .help = "where copies go"},
    {.name = "encapsulation",
     .type = VTAP_TYPE_OBJECT,
     .attributes = encapsulation_attributes,
     .help = "what copies are wrapped in"},
    {.name = "packet_length",
     .type = VTAP_TYPE_NUMBER,
     .max = VTAP_PACKET_LENGTH_MAX,
     .standard = "0",
     .help = "copies are cut to that many bytes, from the inner Ethernet header on; 0 = whole"},
    {.name = "mtu_policy",
     .type = VTAP_TYPE_WORD,
     .standard = "\"fit\"",
     .words = vtap_mtu_policy_words,
     .help = "copies too large for the way are cut, or not sent"},
    {.name = "on_reject",
     .type = VTAP_TYPE_WORD,
     .standard = "\"next\"",
     .words = vtap_on_reject_words,
     .help = "a packet that a rule rejects goes to the next session, or is mirrored by none"},
    {.name = "sample", .type = VTAP_TYPE_OBJECT, .attributes = sample_attributes, .help = "takes only some"},
    {.name = "limit", .type = VTAP_TYPE_OBJECT, .attributes = limit_attributes, .help = "bounds the copies"},
    {.name = "checksum",
     .type = VTAP_TYPE_WORD,
     .standard = "\"complete\"",
     .words = vtap_checksum_words,
     .help = "whether checksums that hardware would fill in are completed in the copies"},
    {.name = "offline",
     .type = VTAP_TYPE_OFFLINE,
     .min = 1,
     .max = VTAP_OFFLINE_MAX_S,
     .standard = "\"keep\"",
     .help = "what an agent does that cannot reach the controller: goes on, or stops after a while"},
    {.name = "state",
     .type = VTAP_TYPE_WORD,
     .flags = VTAP_ATTRIBUTE_COMPUTED,
     .words = state_words,
     .help = "active = every host concerned mirrors it as it is now; never stored"},
    {.name = "reasons",
     .type = VTAP_TYPE_OBJECT,
     .flags = VTAP_ATTRIBUTE_COMPUTED | VTAP_ATTRIBUTE_LIST,
     .max_items = UINT32_MAX,
     .attributes = reason_attributes,
     .help = "why the state is not active; never stored"},
    {},
};

static void set(json_t *object, const char *key, const char *text)
{
	/* When memory ends, the reader misses the key and says so. */
	(void)json_object_set_new(object, key, json_string(text));
}

/* Stand for what a target has not: addresses that nobody's host has (RFC 7600, RFC 6666). */
static const char *stand_in(const json_t *local)
{
	const char *text = json_string_value(local);

	return text && strchr(text, ':') ? "100::1" : "192.0.0.8";
}

int vtap_target_check(const struct vtap_kind *kind, const json_t *resource, struct vtap_error *reterr)
{
	json_auto_t *form = NULL;
	struct vtap_config config = {};
	struct vtap_target target = {};
	struct vtap_place root = {.value = resource, .reterr = reterr, .config = &config};
	struct vtap_place interface = vtap_place_member(&root, "interface");
	struct vtap_place address = vtap_place_member(&root, "address");
	int r;

	if (json_is_string(address.value) == json_is_string(interface.value))
		return vtap_place_fail(&address, -EINVAL,
				       json_is_string(address.value) ? "must not be given together with interface"
								     : "is required, unless interface is given");
	r = vtap_file_form(kind, resource, &form);
	if (r < 0)
		return vtap_place_fail(&root, r, "out of memory");
	set(form, "name", kind->prefix);
	if (!json_is_string(address.value))
		set(form, "address", stand_in(json_object_get(resource, "local")));
	root.value = form;
	config.targets = &target;
	return vtap_target_read(&root, &target);
}

int vtap_rule_check(const struct vtap_kind *kind, const json_t *resource, struct vtap_error *reterr)
{
	json_auto_t *form = NULL;
	struct vtap_place root = {.reterr = reterr};
	struct vtap_rule rule;
	int r;

	r = vtap_file_form(kind, resource, &form);
	if (r < 0)
		return vtap_place_fail(&root, r, "out of memory");
	root.value = form;
	return vtap_rule_read(&root, &rule);
}

/* Both, where the file's reader takes only one: this says what the other one is, which the user may not have given now. */
static int check_sample(const struct vtap_place *p)
{
	json_int_t packets = json_integer_value(json_object_get(p->value, "packets"));
	json_int_t flows = json_integer_value(json_object_get(p->value, "flows"));

	if (packets > 1 && flows > 1)
		return vtap_place_fail(p, -EINVAL,
				       "takes packets or flows, not both: set packets (%" JSON_INTEGER_FORMAT
				       ") or flows (%" JSON_INTEGER_FORMAT ") to 1",
				       packets, flows);
	return 0;
}

/* The file's session with a source, target, filter and VNI that stand for those which the server finds. */
static int make_session_form(const struct vtap_kind *kind, const json_t *resource, json_t **ret_form)
{
	json_auto_t *form = NULL, *sources = json_pack("[{s:s}]", "device", "any");
	json_t *encapsulation;
	int r;

	r = vtap_file_form(kind, resource, &form);
	if (r < 0)
		return r;
	set(form, "name", kind->prefix);
	set(form, "target", "target");
	if (json_object_get(form, "filter"))
		set(form, "filter", "filter");
	encapsulation = json_object_get(form, "encapsulation");
	if (!json_object_get(encapsulation, "vni") && json_object_set_new(encapsulation, "vni", json_integer(0)) < 0)
		return -ENOMEM;
	if (!sources || json_object_set(form, "sources", sources) < 0)
		return -ENOMEM;
	*ret_form = VTAP_STEAL(form);
	return 0;
}

int vtap_session_check(const struct vtap_kind *kind, const json_t *resource, struct vtap_error *reterr)
{
	json_auto_t *form = NULL;
	struct vtap_target target = {.name = "target"};
	struct vtap_filter filter = {.name = "filter"};
	struct vtap_session session = {};
	struct vtap_config config = {.targets = &target, .target_count = 1, .filters = &filter, .filter_count = 1};
	struct vtap_place root = {.value = resource, .config = &config, .reterr = reterr};
	struct vtap_place sample = vtap_place_member(&root, "sample");
	int r;

	r = check_sample(&sample);
	if (r < 0)
		return r;
	r = make_session_form(kind, resource, &form);
	if (r < 0)
		return vtap_place_fail(&root, r, "out of memory");
	root.value = form;
	config.sessions = &session;
	r = vtap_session_read(&root, &session);
	vtap_session_done(&session);
	return r;
}
