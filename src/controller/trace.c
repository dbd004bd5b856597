/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/trace.h"

#include <errno.h>
#include <string.h>

#include "controller/state.h"
#include "model/file_form.h"
#include "model/schema.h"
#include "model/words.h"

#define DEVICE "traced" /* stands for the source's device: sessions are compared on one */

struct building {
	const struct vtap_resolver *v;
	vtap_trace_chunk chunk;
	void *userdata;
	struct vtap_trace *trace; /* borrowed */
	json_t *document; /* owned; as an agent would read it */
	size_t room; /* of trace->sessions */
	size_t *listed; /* owned; the document's sessions as indexes into trace->sessions */
	size_t listed_count;
};

static void building_done(struct building *b)
{
	json_decref(b->document);
	free(b->listed);
}

static int add_cover(const struct vtap_cover *cover, void *userdata)
{
	struct building *b = userdata;
	struct vtap_trace *t = b->trace;

	if (t->session_count == b->room) {
		size_t room = b->room ? 2 * b->room : 8;
		struct vtap_trace_session *sessions = reallocarray(t->sessions, room, sizeof(*sessions));

		if (!sessions)
			return -ENOMEM;
		t->sessions = sessions;
		b->room = room;
	}
	t->sessions[t->session_count++] = (struct vtap_trace_session){.cover = *cover};
	return 0;
}

static bool is_exclusive(const struct vtap_trace_session *s)
{
	const char *mode = json_string_value(json_object_get(s->cover.session_value, "mode"));

	return mode && !strcmp(mode, "exclusive");
}

static json_int_t number_of(const struct vtap_trace_session *s)
{
	return json_integer_value(json_object_get(s->cover.session_value, "number"));
}

static int compare_sessions(const void *a, const void *b)
{
	const struct vtap_trace_session *x = a, *y = b;

	if (is_exclusive(x) != is_exclusive(y))
		return is_exclusive(x) ? -1 : 1;
	if (is_exclusive(x) && number_of(x) != number_of(y))
		return number_of(x) < number_of(y) ? -1 : 1;
	return (x->cover.sequence > y->cover.sequence) - (x->cover.sequence < y->cover.sequence);
}

static bool has_named(const json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!strcmp(json_string_value(json_object_get(json_array_get(list, i), "name")), name))
			return true;
	return false;
}

static int add_target(struct building *b, const char *id)
{
	json_t *list = json_object_get(b->document, "targets"), *form = NULL;
	int r;

	if (has_named(list, id))
		return 0;
	r = vtap_file_form(vtap_kind_find("target"), vtap_resolver_value(b->v, id), &form);
	return r < 0 ? r : json_array_append_new(list, form) < 0 ? -ENOMEM : 0;
}

/*
 * counts: how many of each direction there are. An agent refuses a filter at the first rule that is one too many: the rest,
 * perhaps of many thousands, need not be read to say so. 1 = nothing more is needed.
 */
static int add_rules(const json_t *chunk, json_t *rules, size_t counts[VTAP_DIRECTION_MAX])
{
	for (size_t i = 0; i < json_array_size(chunk); i++) {
		const json_t *rule = json_array_get(chunk, i);
		const char *word = json_string_value(json_object_get(rule, "direction"));
		json_t *form = NULL;
		int direction = VTAP_DIRECTION_IN;
		int r = vtap_file_form(vtap_kind_find("rule"), rule, &form);

		if (r < 0 || json_array_append_new(rules, form) < 0)
			return -ENOMEM;
		if (word)
			(void)vtap_word_find(vtap_direction_words, word, &direction);
		if (++counts[direction] > VTAP_FILTER_RULES_MAX)
			return 1;
	}
	return 0;
}

static int add_filter(struct building *b, const char *id)
{
	json_t *list = json_object_get(b->document, "filters"), *rules = json_array();
	const json_t *chunks = json_object_get(vtap_resolver_value(b->v, id), "chunks");
	size_t counts[VTAP_DIRECTION_MAX] = {};
	int r = 0;

	if (has_named(list, id)) {
		json_decref(rules);
		return 0;
	}
	for (size_t i = 0; i < json_array_size(chunks) && r == 0; i++) {
		const json_t *chunk = b->chunk(json_string_value(json_array_get(chunks, i)), b->userdata);

		r = add_rules(chunk, rules, counts);
	}
	if (json_array_append_new(list, json_pack("{s:s, s:o}", "name", id, "rules", rules)) < 0)
		r = -ENOMEM;
	return r;
}

static int add_session(struct building *b, size_t index)
{
	const json_t *value = b->trace->sessions[index].cover.session_value;
	const char *filter = json_string_value(json_object_get(value, "filter"));
	json_t *form = NULL;
	int r;

	r = vtap_file_form(vtap_kind_find("session"), value, &form);
	if (r < 0)
		return r;
	if (json_object_set_new(form, "sources", json_pack("[{s:s}]", "device", DEVICE)) < 0 ||
	    json_array_append_new(json_object_get(b->document, "sessions"), form) < 0)
		return -ENOMEM;
	b->listed[b->listed_count++] = index;
	r = add_target(b, json_string_value(json_object_get(value, "target")));
	return r >= 0 && filter ? add_filter(b, filter) : r;
}

static void on_refused(const char *list, size_t index, const struct vtap_error *error, void *userdata)
{
	struct building *b = userdata;
	struct vtap_trace_session *s;

	if (strcmp(list, "sessions") != 0 || index >= b->listed_count)
		return;
	s = &b->trace->sessions[b->listed[index]];
	snprintf(s->reason, sizeof(s->reason), "agents refuse the session: %s%s%s", error->field,
		 *error->field ? " " : "", error->text);
}

/* Those that are mirrored, as the agent of the host has them. */
static int read_config(struct building *b)
{
	struct vtap_trace *t = b->trace;
	struct vtap_error e = {};
	int r = 0;

	b->document = json_pack("{s:[], s:[], s:[]}", "targets", "filters", "sessions");
	b->listed = calloc(t->session_count + 1, sizeof(*b->listed));
	if (!b->document || !b->listed)
		return -ENOMEM;
	for (size_t i = 0; i < t->session_count && r >= 0; i++)
		r = t->sessions[i].cover.mirrored ? add_session(b, i) : 0;
	if (r >= 0)
		r = vtap_config_read(b->document, on_refused, b, &t->config, &e);
	for (size_t i = 0; i < t->session_count && r >= 0; i++)
		for (size_t j = 0; j < t->config->session_count; j++)
			if (!strcmp(t->config->sessions[j].name, t->sessions[i].cover.session))
				t->sessions[i].session = &t->config->sessions[j];
	return r;
}

int vtap_trace_new(const struct vtap_resolver *v, vtap_trace_chunk chunk, void *userdata, const char *source,
		   struct vtap_trace **ret_trace)
{
	VTAP_CLEANUP(vtap_trace_freep) struct vtap_trace *t = calloc(1, sizeof(*t));
	VTAP_CLEANUP(building_done) struct building b = {.v = v, .chunk = chunk, .userdata = userdata, .trace = t};
	int r;

	if (!t)
		return -ENOMEM;
	r = vtap_resolver_covers_of_source(v, source, add_cover, &b);
	if (r < 0)
		return r;
	if (t->session_count)
		qsort(t->sessions, t->session_count, sizeof(*t->sessions), compare_sessions);
	r = read_config(&b);
	if (r < 0)
		return r;
	*ret_trace = VTAP_STEAL(t);
	return 0;
}

struct vtap_trace *vtap_trace_free(struct vtap_trace *t)
{
	if (!t)
		return NULL;
	vtap_config_free(t->config);
	free(t->sessions);
	free(t);
	return NULL;
}

/* A session of this rule alone, which accepts. */
bool vtap_trace_rule_fits(const struct vtap_rule *rule, const struct vtap_packet *packet)
{
	struct vtap_rule copy = *rule;
	struct vtap_filter filter = {};
	struct vtap_session session = {.mode = VTAP_MODE_COPY, .enabled = true, .filter = &filter};
	const struct vtap_classify_session one = {.session = &session};
	bool taken = false;

	copy.action = VTAP_ACTION_ACCEPT;
	filter.rules[rule->direction] = &copy;
	filter.rule_count[rule->direction] = 1;
	session.direction[rule->direction] = true;
	vtap_classify_oracle(&one, 1, rule->direction, packet, &taken);
	return taken;
}

/* The rule that decides for the session; NULL: none matches. */
static const struct vtap_rule *deciding_rule(const struct vtap_session *s, enum vtap_direction direction,
					     const struct vtap_packet *packet)
{
	for (size_t i = 0; s->filter && i < s->filter->rule_count[direction]; i++)
		if (vtap_trace_rule_fits(&s->filter->rules[direction][i], packet))
			return &s->filter->rules[direction][i];
	return NULL;
}

const char *const vtap_trace_names[] = {
    "source", "destination", "protocol", "source_port", "destination_port", "icmp_type", "icmp_code", NULL,
};

/* The rule without its conditions on those. */
static struct vtap_rule relax(const struct vtap_rule *rule, unsigned without)
{
	struct vtap_rule r = *rule;

	if (without & VTAP_TRACE_SOURCE)
		r.source = (struct vtap_prefix){};
	if (without & VTAP_TRACE_DESTINATION)
		r.destination = (struct vtap_prefix){};
	if (without & VTAP_TRACE_PROTOCOL)
		r.protocol = -1;
	if (without & VTAP_TRACE_SOURCE_PORT) {
		r.source_port_first = 0;
		r.source_port_last = UINT16_MAX;
	}
	if (without & VTAP_TRACE_DESTINATION_PORT) {
		r.destination_port_first = 0;
		r.destination_port_last = UINT16_MAX;
	}
	if (without & VTAP_TRACE_ICMP_TYPE)
		r.icmp_type = r.icmp_code = -1;
	if (without & VTAP_TRACE_ICMP_CODE)
		r.icmp_code = -1;
	return r;
}

/* Ports and types are a protocol's. */
static unsigned with_protocol(unsigned assumed)
{
	const unsigned own = VTAP_TRACE_SOURCE_PORT | VTAP_TRACE_DESTINATION_PORT | VTAP_TRACE_ICMP_TYPE;

	return assumed & VTAP_TRACE_PROTOCOL ? assumed | own : assumed;
}

static bool fits_without(const struct vtap_rule *rule, unsigned without, const struct vtap_packet *packet)
{
	struct vtap_rule relaxed = relax(rule, without);

	return vtap_trace_rule_fits(&relaxed, packet);
}

/* The first rule before `end` that would be one for the packet but for what was assumed of it; NULL: there is none. */
static const struct vtap_rule *open_rule(const struct vtap_session *s, enum vtap_direction direction, unsigned assumed,
					 const struct vtap_packet *packet, const struct vtap_rule *end)
{
	for (size_t i = 0; s->filter && assumed && i < s->filter->rule_count[direction]; i++) {
		const struct vtap_rule *rule = &s->filter->rules[direction][i];

		if (rule == end)
			return NULL;
		if (fits_without(rule, with_protocol(assumed), packet))
			return rule;
	}
	return NULL;
}

static void reason_append(struct vtap_trace_session *s, const char *first, const char *second)
{
	size_t used = strlen(s->reason);

	snprintf(s->reason + used, sizeof(s->reason) - used, "%s%s", first, second);
}

/* What would be another answer if more of the packet was known. */
static void say_open(struct vtap_trace_session *s, enum vtap_direction direction, unsigned assumed,
		     const struct vtap_packet *packet)
{
	const struct vtap_rule *decides = deciding_rule(s->session, direction, packet);
	const struct vtap_rule *rule = open_rule(s->session, direction, assumed, packet, decides);
	char number[16];
	size_t count = 0;

	if (!rule || !s->session->direction[direction])
		return;
	snprintf(number, sizeof(number), "%u", rule->number);
	reason_append(s, "; rule ", number);
	for (unsigned i = 0; vtap_trace_names[i]; i++)
		if ((assumed & 1U << i) && !fits_without(rule, with_protocol(assumed) & ~(1U << i), packet))
			reason_append(s, count++ ? " and " : " depends on ", vtap_trace_names[i]);
	reason_append(s, count == 1 ? ", which was" : ", which were", " not given");
}

static void say_absence(struct vtap_trace_session *s)
{
	char buffer[VTAP_STATE_SENTENCE_STRLEN];
	const char *sentence = vtap_state_cover_sentence(&s->cover, buffer);

	if (*s->reason)
		return;
	snprintf(s->reason, sizeof(s->reason), "%s", sentence ? sentence : "the session does not run: see its state");
}

/* What the session itself makes of the packet. *taker: the exclusive session that has it already; NULL = none. */
static void say_verdict(struct vtap_trace_session *s, enum vtap_direction direction, const struct vtap_packet *packet,
			const struct vtap_trace_session **taker)
{
	const struct vtap_session *session = s->session;
	const struct vtap_rule *rule = deciding_rule(session, direction, packet);
	bool exclusive = session->mode == VTAP_MODE_EXCLUSIVE,
	     accepted = rule ? rule->action == VTAP_ACTION_ACCEPT : !session->filter;
	char verdict[96];

	s->decided = rule;
	if (rule) {
		s->rule_direction = rule->direction;
		s->rule_number = rule->number;
	}
	if (!session->direction[direction]) {
		snprintf(s->reason, sizeof(s->reason), "it does not mirror what the interface %s",
			 direction == VTAP_DIRECTION_IN ? "receives" : "sends");
		return;
	}
	if (!rule && session->filter) {
		snprintf(s->reason, sizeof(s->reason), "no rule of its filter for direction %s matches",
			 vtap_direction_name(direction));
		return;
	}
	if (rule)
		snprintf(verdict, sizeof(verdict), "rule %u %ss it", rule->number, accepted ? "accept" : "reject");
	else
		snprintf(verdict, sizeof(verdict), "it takes everything, as it has no filter");
	if (exclusive && *taker)
		snprintf(s->reason, sizeof(s->reason), "%s, but %s%s, which is tried before, %s", verdict,
			 (*taker)->foreign ? "another project's session" : "session ",
			 (*taker)->foreign ? "" : (*taker)->cover.session,
			 (*taker)->taken ? "has taken it" : "has rejected it for all");
	else if (exclusive && !accepted && session->on_reject == VTAP_ON_REJECT_STOP)
		snprintf(s->reason, sizeof(s->reason), "%s, and for all sessions that are tried later", verdict);
	else
		snprintf(s->reason, sizeof(s->reason), "%s", verdict);
	if (exclusive && !*taker && (accepted || session->on_reject == VTAP_ON_REJECT_STOP))
		*taker = s;
}

/* The oracle's word, for all that are there. */
static int ask_oracle(struct vtap_trace *t, enum vtap_direction direction, const struct vtap_packet *packet)
{
	_cleanup_free_ struct vtap_classify_session *sessions = calloc(t->session_count + 1, sizeof(*sessions));
	_cleanup_free_ bool *taken = calloc(t->session_count + 1, sizeof(*taken));
	size_t count = 0;

	if (!sessions || !taken)
		return -ENOMEM;
	for (size_t i = 0; i < t->session_count; i++)
		if (t->sessions[i].session)
			sessions[count++].session = t->sessions[i].session;
	vtap_classify_oracle(sessions, count, direction, packet, taken);
	count = 0;
	for (size_t i = 0; i < t->session_count; i++)
		t->sessions[i].taken = t->sessions[i].session && taken[count++];
	return 0;
}

int vtap_trace_packet(struct vtap_trace *t, enum vtap_direction direction, const struct vtap_packet *packet)
{
	const struct vtap_trace_session *taker = NULL;
	int r;

	r = ask_oracle(t, direction, packet);
	if (r < 0)
		return r;
	for (size_t i = 0; i < t->session_count; i++) {
		struct vtap_trace_session *s = &t->sessions[i];

		if (!s->session) {
			say_absence(s);
			continue;
		}
		say_verdict(s, direction, packet, &taker);
		say_open(s, direction, t->assumed, packet);
	}
	return 0;
}

bool vtap_trace_takes(struct vtap_trace *t, const char *session, enum vtap_direction direction,
		      const struct vtap_packet *packet)
{
	if (ask_oracle(t, direction, packet) < 0)
		return false;
	for (size_t i = 0; i < t->session_count; i++)
		if (!strcmp(t->sessions[i].cover.session, session))
			return t->sessions[i].taken;
	return false;
}
