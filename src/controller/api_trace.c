/* SPDX-License-Identifier: Apache-2.0 */

/* GET /v1/trace: which session and rule take a packet, and why not the others. */

#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "basic/parse.h"
#include "controller/api.h"
#include "controller/api_trace.h"
#include "controller/controller.h"
#include "controller/feed.h"
#include "controller/rules.h"
#include "controller/state.h"
#include "model/words.h"

static const json_t *find_chunk(const char *hash, void *userdata)
{
	return vtap_rules_chunk(userdata, hash);
}

int vtap_api_trace_new(const struct vtap_controller *c, const char *source, struct vtap_trace **ret_trace)
{
	return vtap_trace_new(c->resolver, find_chunk, c->rules, source, ret_trace);
}

size_t vtap_api_trace_addresses(const json_t *value, struct vtap_addr *ret_addresses, size_t max)
{
	const json_t *list = json_object_get(value, "addresses");
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(list) && count < max; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (text && vtap_addr_parse(text, &ret_addresses[count]) >= 0)
			count++;
	}
	return count;
}

struct question {
	struct vtap_call *call;
	const json_t *value; /* of the interface or wire; borrowed */
	char source[VTAP_ID_STRLEN];
	enum vtap_direction direction;
	unsigned assumed; /* of the packet */
	struct vtap_packet packet;
};

static int read_interface(struct question *q)
{
	const char *text = vtap_http_query(q->call->request, "interface");
	struct vtap_error e = {};
	int r;

	if (!text)
		return vtap_call_fail(q->call, -EINVAL, "interface", "is required: an interface or a wire");
	r = vtap_call_resolve("interface wire", text, q->source, &e, q->call);
	if (r < 0)
		return vtap_call_fail(q->call, r, "interface", "%s", e.text);
	q->value = vtap_resolver_value(q->call->controller->resolver, q->source);
	return q->value ? 0 : -ENOENT;
}

static int read_direction(struct question *q)
{
	const char *text = vtap_http_query(q->call->request, "direction");
	int direction;

	if (!text || !vtap_word_find(vtap_direction_words, text, &direction))
		return vtap_call_fail(q->call, -EINVAL, "direction",
				      "must be in (received by the interface) or out (sent by it)");
	q->direction = (enum vtap_direction)direction;
	return 0;
}

/* What is not given is the interface's own address on its own side, and the unspecified one on the other. */
static int read_addresses(struct question *q)
{
	static const char *const names[] = {"source", "destination"};
	struct vtap_addr given[2] = {}, own[VTAP_ADDRESSES_MAX];
	size_t own_count = vtap_api_trace_addresses(q->value, own, VTAP_ARRAY_SIZE(own));
	unsigned own_side = q->direction == VTAP_DIRECTION_OUT ? 0 : 1;
	uint8_t *const bytes[] = {q->packet.src_bytes, q->packet.dst_bytes};
	uint8_t family;

	for (size_t i = 0; i < 2; i++) {
		const char *text = vtap_http_query(q->call->request, names[i]);

		if (text && vtap_addr_parse(text, &given[i]) < 0)
			return vtap_call_fail(q->call, -EINVAL, names[i], "must be an IP address");
	}
	family = given[0].family ? given[0].family : given[1].family;
	if (given[0].family && given[1].family && given[0].family != given[1].family)
		return vtap_call_fail(q->call, -EINVAL, "destination", "must be of the same IP version as source");
	for (size_t i = 0; i < own_count && !given[own_side].family; i++)
		if (!family || own[i].family == family)
			given[own_side] = own[i];
	family = family ? family : given[own_side].family ? given[own_side].family : AF_INET;
	for (size_t i = 0; i < 2; i++) {
		unsigned size_bytes = vtap_addr_size_bytes(family);

		q->assumed |= given[i].family ? 0U : i ? VTAP_TRACE_DESTINATION : VTAP_TRACE_SOURCE;
		memcpy(bytes[i] + 16 - size_bytes, given[i].bytes, size_bytes);
	}
	q->packet.flags |= family == AF_INET ? VTAP_PACKET_IPV4 : VTAP_PACKET_IPV6;
	q->packet.ethertype = family == AF_INET ? ETH_P_IP : ETH_P_IPV6;
	return 0;
}

static int read_protocol(struct question *q)
{
	const char *text = vtap_http_query(q->call->request, "protocol");
	bool v4 = q->packet.flags & VTAP_PACKET_IPV4;
	uint32_t number;
	int word;

	if (!text) {
		q->packet.protocol = IPPROTO_TCP;
		q->assumed |= VTAP_TRACE_PROTOCOL;
		return 0;
	}
	if (vtap_word_find(vtap_protocol_words, text, &word))
		number = (uint32_t)word;
	else if (vtap_parse_u32(text, 0, VTAP_PROTOCOL_MAX, &number) < 0)
		return vtap_call_fail(q->call, -EINVAL, "protocol",
				      "must be a protocol's name (tcp, udp, icmp ...) or number 0..%d",
				      VTAP_PROTOCOL_MAX);
	if ((number == IPPROTO_ICMP && !v4) || (number == IPPROTO_ICMPV6 && v4))
		return vtap_call_fail(q->call, -EINVAL, "protocol", "%s is not of the addresses' IP version", text);
	q->packet.protocol = (uint8_t)number;
	return 0;
}

/* Ports and ICMP's type and code, as far as the protocol has them. */
static int read_numbers(struct question *q)
{
	struct vtap_packet *p = &q->packet;
	bool ports = vtap_protocol_has_ports(p->protocol),
	     icmp = p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6;
	const struct {
		const char *name;
		bool allowed;
		uint64_t min, max, standard;
		unsigned assumed; /* if it is not given */
	} numbers[] = {
	    {"source_port", ports, 0, UINT16_MAX, 0, VTAP_TRACE_SOURCE_PORT},
	    {"destination_port", ports, 0, UINT16_MAX, 0, VTAP_TRACE_DESTINATION_PORT},
	    {"icmp_type", icmp, 0, UINT8_MAX, p->protocol == IPPROTO_ICMP ? 8 : 128, VTAP_TRACE_ICMP_TYPE},
	    {"icmp_code", icmp, 0, UINT8_MAX, 0, VTAP_TRACE_ICMP_CODE},
	    {"vlan", true, 1, 4094, VTAP_VLAN_NONE, 0},
	};
	uint64_t values[VTAP_ARRAY_SIZE(numbers)];
	int r;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(numbers); i++) {
		bool given = vtap_http_query(q->call->request, numbers[i].name);

		if (!numbers[i].allowed && given)
			return vtap_call_fail(q->call, -EINVAL, numbers[i].name, "the protocol has no such thing");
		q->assumed |= numbers[i].allowed && !given ? numbers[i].assumed : 0;
		r = vtap_call_query_number(q->call, numbers[i].name, numbers[i].min, numbers[i].max,
					   numbers[i].standard, &values[i]);
		if (r < 0)
			return r;
	}
	p->sport = (uint16_t)values[0];
	p->dport = (uint16_t)values[1];
	p->icmp_type = (uint8_t)values[2];
	p->icmp_code = (uint8_t)values[3];
	p->vlan = (uint16_t)values[4];
	p->flags |= (ports ? VTAP_PACKET_PORTS : 0) | (icmp ? VTAP_PACKET_ICMP : 0);
	return 0;
}

/* The rule's id; NULL: it is not known any more. */
static const char *rule_id(const struct vtap_controller *c, const struct vtap_trace_session *s)
{
	const char *filter = json_string_value(json_object_get(s->cover.session_value, "filter"));
	const struct vtap_object *object = filter ? vtap_objects_get(c->objects, filter) : NULL;
	const json_t *rule;

	if (!s->decided || !object)
		return NULL;
	rule = vtap_rules_at(c->rules, object, s->rule_direction, s->rule_number);
	return json_string_value(json_object_get(rule, "id"));
}

/* What the agent says of the source there is stronger than what its plan says. */
static void ask_agent(const struct vtap_call *call, struct vtap_trace_session *s)
{
	char sentence[VTAP_STATE_SENTENCE_STRLEN];
	size_t used = strlen(s->reason);

	if (!vtap_feed_source_sentence(call->controller->feed, &s->cover, sentence))
		return;
	snprintf(s->reason + used, sizeof(s->reason) - used, "%s%s", s->taken ? ", but " : "; ", sentence);
	s->taken = false;
}

static bool is_foreign(const struct vtap_call *call, const struct vtap_trace_session *s)
{
	const struct vtap_object *object = vtap_objects_get(call->controller->objects, s->cover.session);

	return !object || !vtap_call_may_see(call, object);
}

static json_t *session_json(const struct vtap_call *call, const struct vtap_trace_session *s)
{
	return json_pack("{s:s, s:O?, s:O, s:O, s:b, s:s?, s:s}", "session", s->cover.session, "name",
			 json_object_get(s->cover.session_value, "name"), "number",
			 json_object_get(s->cover.session_value, "number"), "mode",
			 json_object_get(s->cover.session_value, "mode"), "taken", s->taken, "rule",
			 rule_id(call->controller, s), "reason", s->reason);
}

/* Other projects' sessions are left out, but for what they decide. */
static int answer(struct question *q, struct vtap_trace *t)
{
	json_auto_t *sessions = json_array(), *packet = vtap_probe_json(&q->packet), *assumed = json_array();
	bool taken = false;

	for (unsigned i = 0; vtap_trace_names[i]; i++)
		if (q->assumed & 1U << i)
			(void)json_array_append_new(assumed, json_string(vtap_trace_names[i]));
	for (size_t i = 0; i < t->session_count; i++) {
		if (t->sessions[i].foreign)
			continue;
		ask_agent(q->call, &t->sessions[i]);
		taken |= t->sessions[i].taken;
		if (json_array_append_new(sessions, session_json(q->call, &t->sessions[i])) < 0)
			return -ENOMEM;
	}
	q->call->answer = json_pack("{s:s, s:s, s:O?, s:O, s:b, s:O}", "interface", q->source, "direction",
				    vtap_direction_name(q->direction), "packet", packet, "assumed", assumed, "taken",
				    taken, "sessions", sessions);
	return q->call->answer ? 0 : -ENOMEM;
}

static int get_trace(struct vtap_call *call, struct vtap_change *change)
{
	VTAP_CLEANUP(vtap_trace_freep) struct vtap_trace *t = NULL;
	struct question q = {.call = call, .packet = {.vlan = VTAP_VLAN_NONE}};
	static int (*const readers[])(struct question * q) = {
	    read_interface, read_direction, read_addresses, read_protocol, read_numbers,
	};
	int r = 0;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(readers) && r >= 0; i++)
		r = readers[i](&q);
	if (r >= 0)
		r = vtap_api_trace_new(call->controller, q.source, &t);
	if (r < 0)
		return r;
	t->assumed = q.assumed;
	for (size_t i = 0; i < t->session_count; i++)
		t->sessions[i].foreign = is_foreign(call, &t->sessions[i]);
	r = vtap_trace_packet(t, q.direction, &q.packet);
	return r < 0 ? r : answer(&q, t);
}

const struct vtap_api_route vtap_api_routes_trace[] = {
    {"GET", "/v1/trace", get_trace, VTAP_ROLE_VIEWER, 0,
     "interface direction source destination protocol source_port destination_port icmp_type icmp_code vlan", 0},
    {},
};
