/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/check.h"

#include <errno.h>
#include <string.h>

#include "controller/api_trace.h"
#include "controller/audit.h"
#include "controller/feed_private.h"
#include "controller/resource.h"
#include "controller/state.h"

#define HOPS_MAX 8
#define DETAIL_MAX 1024

struct probe { /* of one host */
	struct check *check;
	char host[VTAP_ID_STRLEN], source[VTAP_ID_STRLEN], device[VTAP_DEVICE_MAX + 1];
	struct vtap_feed_request *request; /* NULL = answered, or never asked */
	const char *direction; /* static; NULL = no packet was found */
	json_t *packet, *hops; /* owned */
};

struct check {
	struct vtap_call *call; /* kept */
	struct vtap_feed *feed; /* borrowed */
	char session[VTAP_ID_STRLEN];
	struct probe probes[VTAP_CHECK_HOSTS_MAX];
	size_t probe_count, waiting, hosts_left_out;
	bool begun; /* the handler has returned: the call is to be finished */
};

static void check_free(struct check *c)
{
	for (size_t i = 0; i < c->probe_count; i++) {
		vtap_feed_request_drop(c->feed, c->probes[i].request);
		json_decref(c->probes[i].packet);
		json_decref(c->probes[i].hops);
	}
	free(c);
}

static json_t *hop_json(const char *hop, const char *state, const char *detail)
{
	return json_pack("{s:s, s:s, s:s}", "hop", hop, "state", state, "detail", detail);
}

/* The probe came no further than this. */
static void set_only_hop(struct probe *p, const char *hop, const char *state, const char *detail)
{
	p->hops = json_pack("[o]", hop_json(hop, state, detail));
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; text && *words; words++)
		if (!strcmp(text, *words))
			return true;
	return false;
}

/* What an agent says, as far as it is what it should be. */
static json_t *read_hops(const json_t *answer)
{
	static const char *const hops[] = {"source", "filter", "delivery", "path", NULL};
	static const char *const states[] = {"ok", "failed", "unknown", NULL};
	const json_t *list = json_object_get(answer, "hops");
	json_t *read = json_array();

	for (size_t i = 0; i < json_array_size(list) && i < HOPS_MAX; i++) {
		const json_t *item = json_array_get(list, i);
		const char *hop = json_string_value(json_object_get(item, "hop"));
		const char *state = json_string_value(json_object_get(item, "state"));
		const char *detail = json_string_value(json_object_get(item, "detail"));
		char text[DETAIL_MAX];

		if (!is_one_of(hop, hops) || !is_one_of(state, states))
			continue;
		snprintf(text, sizeof(text), "%s", detail ? detail : "");
		(void)json_array_append_new(read, hop_json(hop, state, text));
	}
	return read;
}

static bool hop_is(const json_t *hop, const char *key, const char *value)
{
	const char *text = json_string_value(json_object_get(hop, key));

	return text && !strcmp(text, value);
}

/* The hop that lost it; NULL: it arrived, as far as can be known. */
static const char *failed_hop(const json_t *hops)
{
	bool delivered = false;

	for (size_t i = 0; i < json_array_size(hops); i++) {
		const json_t *hop = json_array_get(hops, i);

		if (hop_is(hop, "state", "failed"))
			return json_string_value(json_object_get(hop, "hop"));
		delivered |= hop_is(hop, "hop", "delivery") && hop_is(hop, "state", "ok");
	}
	return delivered ? NULL : "delivery";
}

static json_t *probe_json(const struct probe *p)
{
	return json_pack("{s:s, s:s, s:s, s:s?, s:O?, s:O?}", "host", p->host, "source", p->source, "device", p->device,
			 "direction", p->direction, "packet", p->packet, "hops", p->hops);
}

/* The first probe that was lost speaks for all. */
static int set_answer(struct check *c)
{
	const struct probe *shown = &c->probes[0];
	json_t *probes = json_array();
	const char *hop = NULL;

	for (size_t i = 0; i < c->probe_count; i++) {
		const char *failed = failed_hop(c->probes[i].hops);

		if (failed && !hop) {
			hop = failed;
			shown = &c->probes[i];
		}
		(void)json_array_append_new(probes, probe_json(&c->probes[i]));
	}
	c->call->audit = json_pack("{s:s, s:b, s:s?}", "session", c->session, "ok", !hop, "hop", hop);
	vtap_audit_acted(c->call->controller->audit, c->call);
	c->call->answer =
	    json_pack("{s:s, s:b, s:s?, s:O?, s:o, s:I}", "session", c->session, "ok", !hop, "hop", hop, "hops",
		      shown->hops, "probes", probes, "hosts_left_out", (json_int_t)c->hosts_left_out);
	return c->call->answer ? 0 : -ENOMEM;
}

static void on_answered(const json_t *answer, void *userdata)
{
	struct probe *p = userdata;
	struct check *c = p->check;
	const char *failed = json_string_value(json_object_get(answer, "failed"));
	char text[DETAIL_MAX];

	p->request = NULL;
	if (!answer) {
		snprintf(text, sizeof(text), "the agent did not answer within %d seconds", VTAP_CHECK_S);
		set_only_hop(p, "source", "failed", text);
	} else if (failed) {
		snprintf(text, sizeof(text), "%s", failed);
		set_only_hop(p, "source", "failed", text);
	} else {
		p->hops = read_hops(answer);
	}
	if (--c->waiting > 0 || !c->begun)
		return;
	vtap_call_finish(c->call, set_answer(c));
	check_free(c);
}

/* What came of it is not known. */
static void on_gone(struct vtap_call *call)
{
	const struct check *c = call->userdata;

	call->audit = json_pack("{s:s, s:n}", "session", c->session, "ok");
	vtap_audit_acted(call->controller->audit, call);
	check_free(call->userdata);
}

/* One source of each host. */
static int add_probe(const struct vtap_cover *cover, void *userdata)
{
	struct check *c = userdata;
	struct probe *p = &c->probes[c->probe_count];

	if (c->probe_count == VTAP_CHECK_HOSTS_MAX) {
		c->hosts_left_out++;
		return 0;
	}
	p->check = c;
	snprintf(p->host, sizeof(p->host), "%s", cover->host);
	snprintf(p->source, sizeof(p->source), "%s", cover->source);
	snprintf(p->device, sizeof(p->device), "%s", cover->device);
	c->probe_count++;
	return 0;
}

/* A packet that the session takes there. */
static int find_packet(struct check *c, struct probe *p)
{
	const json_t *value = vtap_resolver_value(c->call->controller->resolver, p->source);
	VTAP_CLEANUP(vtap_trace_freep) struct vtap_trace *t = NULL;
	struct vtap_addr addresses[VTAP_ADDRESSES_MAX];
	struct vtap_probe_side own = {.addresses = addresses};
	enum vtap_direction direction;
	struct vtap_packet packet;
	int r;

	own.address_count = vtap_api_trace_addresses(value, addresses, VTAP_ARRAY_SIZE(addresses));
	r = vtap_api_trace_new(c->call->controller, p->source, &t);
	if (r >= 0)
		r = vtap_probe_find(t, c->session, &own, &direction, &packet);
	if (r < 0)
		return r;
	p->direction = vtap_direction_name(direction);
	p->packet = vtap_probe_json(&packet);
	return p->packet ? 0 : -ENOMEM;
}

static json_t *request_members(const struct check *c, const struct probe *p)
{
	const json_t *value = vtap_resolver_value(c->call->controller->resolver, p->source);
	const char *mac = json_string_value(json_object_get(value, "mac"));
	const char *own = !strcmp(p->direction, "in") ? "destination_mac" : "source_mac";
	json_t *packet = json_copy(p->packet);
	char mark[sizeof("vtap-probe ") + VTAP_ID_STRLEN];

	snprintf(mark, sizeof(mark), "vtap-probe %s", c->session);
	if (mac && json_object_set_new(packet, own, json_string(mac)) < 0) {
		json_decref(packet);
		return NULL;
	}
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:s}", "session", c->session, "interface", p->source, "device",
			 p->device, "direction", p->direction, "packet", packet, "mark", mark);
}

static int ask(struct check *c, struct probe *p)
{
	const struct vtap_reports *reports = c->call->controller->reports;
	const struct vtap_report_host *report = vtap_reports_host(reports, p->host);
	int r;

	/* First of all: finding a packet means to read what all sessions of the source have. */
	if (!report || vtap_reports_silent_s(reports, report) >= VTAP_STATE_AWAY_S) {
		set_only_hop(p, "source", "failed", "the host's agent has not been heard for a while");
		return 0;
	}
	r = find_packet(c, p);
	if (r == -ENOENT) {
		set_only_hop(p, "filter", "failed", "no packet was found that the session takes on this interface");
		return 0;
	}
	if (r < 0)
		return r;
	r = vtap_feed_request_make(c->feed, p->host, "probe", request_members(c, p), VTAP_CHECK_S, on_answered, p,
				   &p->request);
	if (r < 0)
		return r;
	c->waiting++;
	return 0;
}

/* A probe goes where the copies of the session go: who may not choose that address may not send there. */
static int check_target(struct vtap_call *call, const struct vtap_resolved *resolved)
{
	const char *project = json_string_value(json_object_get(resolved->value, "project"));
	const char *address = json_string_value(json_object_get(resolved->target, "address"));

	if (!address || call->principal.system_admin || vtap_relate_allows_target(call->controller, project, address))
		return 0;
	return vtap_call_fail(
	    call, -EACCES, NULL,
	    "the target's address is not in the project's allowed_target_cidrs: this needs a system admin");
}

static int check_possible(struct vtap_call *call, const struct vtap_object *session)
{
	char buffer[VTAP_STATE_SENTENCE_STRLEN];
	struct vtap_resolved resolved;
	const char *sentence;
	int r;

	r = vtap_resolver_session(call->controller->resolver, session->id, &resolved);
	if (r < 0)
		return r;
	sentence = vtap_state_block_sentence(resolved.block, "of the session", buffer);
	if (sentence)
		return vtap_call_fail(call, -EBUSY, NULL, "nothing is sent: %s", sentence);
	if (!resolved.mirrored_count)
		return vtap_call_fail(call, -EBUSY, NULL,
				      "nothing is sent: none of its sources is mirrored now, "
				      "see its state");
	return check_target(call, &resolved);
}

int vtap_check_begin(struct vtap_call *call, const struct vtap_object *session)
{
	struct check *c;
	int r;

	r = check_possible(call, session);
	if (r < 0)
		return r;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->call = call;
	c->feed = call->controller->feed;
	snprintf(c->session, sizeof(c->session), "%s", session->id);
	vtap_feed_session_hosts(c->feed, session->id, add_probe, c);
	for (size_t i = 0; i < c->probe_count && r >= 0; i++)
		r = ask(c, &c->probes[i]);
	if (r == -EUSERS)
		r = vtap_call_fail(call, r, NULL, "too many requests wait for the host's agent: try again later");
	if (r < 0 || c->waiting == 0) {
		r = r < 0 ? r : set_answer(c);
		check_free(c);
		return r;
	}
	c->begun = true;
	call->gone = on_gone;
	call->userdata = c;
	return VTAP_HTTP_LATER;
}
