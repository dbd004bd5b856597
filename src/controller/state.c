/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/state.h"

#include <stdarg.h>
#include <string.h>

static void add_reason(struct vtap_state *s, const char *source, const char *host, const char *format, ...)
    VTAP_PRINTF(4, 5);

static void add_reason(struct vtap_state *s, const char *source, const char *host, const char *format, ...)
{
	va_list ap;

	if (++s->reason_count > VTAP_STATE_REASONS_MAX)
		return;
	va_start(ap, format);
	if (json_array_append_new(s->reasons, json_pack("{s:s?, s:s?, s:o}", "source", source, "host", host, "reason",
							json_vsprintf(format, ap))) < 0)
		s->no_memory = true;
	va_end(ap);
}

void vtap_state_begin(struct vtap_state *s, enum vtap_session_block block, const char *target_label)
{
	*s = (struct vtap_state){.block = block, .target = target_label, .reasons = json_array()};
}

static const char *label_of(const json_t *value, const char *id)
{
	const char *name = json_string_value(json_object_get(value, "name"));

	return name ? name : id;
}

/* The other one belongs to a project, and not to the session's. */
static bool is_foreign(const struct vtap_cover *cover)
{
	const char *project = json_string_value(json_object_get(cover->other_value, "project"));
	const char *own = json_string_value(json_object_get(cover->session_value, "project"));

	return project && own && strcmp(project, own) != 0;
}

const char *vtap_state_cover_sentence(const struct vtap_cover *cover, char buffer[VTAP_STATE_SENTENCE_STRLEN])
{
	/* Around the other one's name, or what stands for it where that is another project's concern. */
	static const struct {
		const char *before, *foreign, *behind;
	} sentences[VTAP_COVER_MAX] = {
	    [VTAP_COVER_UNPLUGGED] = {"is not plugged: it needs a host and a device", "", ""},
	    [VTAP_COVER_TIE] = {"is mirrored by the older session ", "of another project",
				", which has the same number: give this one another"},
	    [VTAP_COVER_RECEIVES] = {"is not mirrored, as it receives the copies of ", "another project", ""},
	    [VTAP_COVER_DEVICE_TAKEN] = {"is not mirrored, as its device is that of the older ",
					 "one of another project", ""},
	    [VTAP_COVER_OWN_DEVICE] =
		{"is a host's own device: a session must name it, or a system admin set its delegated", "", ""},
	    [VTAP_COVER_NOT_GRANTED] = {"belongs to another project, which does not grant this one", "", ""},
	};
	const char *source =
	    cover->state == VTAP_COVER_NOT_GRANTED ? cover->source : label_of(cover->source_value, cover->source);

	if (!sentences[cover->state].before)
		return NULL;
	snprintf(buffer, VTAP_STATE_SENTENCE_STRLEN, "%s %s%s%s", source, sentences[cover->state].before,
		 !cover->other       ? ""
		 : is_foreign(cover) ? sentences[cover->state].foreign
				     : label_of(cover->other_value, cover->other),
		 sentences[cover->state].behind);
	return buffer;
}

void vtap_state_add_source(struct vtap_state *s, const struct vtap_cover *cover)
{
	char buffer[VTAP_STATE_SENTENCE_STRLEN];
	bool unplugged = cover->state == VTAP_COVER_UNPLUGGED;
	const char *sentence;

	if (s->block != VTAP_BLOCK_NONE)
		return;
	s->sources++;
	s->mirrored += cover->mirrored;
	s->lost += !cover->mirrored && !unplugged;
	s->unplugged += unplugged;
	s->unplugged_given += unplugged && cover->given;
	sentence = vtap_state_cover_sentence(cover, buffer);
	if (sentence && (!unplugged || cover->given))
		add_reason(s, cover->source, cover->host, "%s", sentence);
}

void vtap_state_add_note(struct vtap_state *s, const char *source, const char *host, const char *sentence)
{
	if (s->block == VTAP_BLOCK_NONE)
		add_reason(s, source, host, "%s", sentence);
}

/* source: one of those that are not attached. */
static const char *unattached_sentence(const struct vtap_state_host *h, const json_t *source,
				       char buffer[VTAP_STATE_SENTENCE_STRLEN])
{
	const char *device = json_string_value(json_object_get(source, "device"));
	const char *state = json_string_value(json_object_get(source, "state"));
	const char *reason = json_string_value(json_object_get(source, "reason"));
	bool waiting = state && !strcmp(state, "waiting");

	snprintf(buffer, VTAP_STATE_SENTENCE_STRLEN, "host %s, device %s: %s", h->label, device ? device : "?",
		 waiting             ? "it does not exist yet"
		 : reason && *reason ? reason
		 : state             ? state
				     : "not attached");
	return buffer;
}

const char *vtap_state_source_sentence(const struct vtap_state_host *h, const char *source,
				       char buffer[VTAP_STATE_SENTENCE_STRLEN])
{
	if (!h->heard || h->revoked || !h->acknowledged || !h->state)
		return NULL;
	for (size_t i = 0; i < json_array_size(h->sources); i++) {
		const json_t *element = json_array_get(h->sources, i);
		const char *interface = json_string_value(json_object_get(element, "interface"));

		if (interface && !strcmp(interface, source))
			return unattached_sentence(h, element, buffer);
	}
	if (!strcmp(h->state, "active"))
		return NULL;
	snprintf(buffer, VTAP_STATE_SENTENCE_STRLEN, "host %s: %s", h->label,
		 h->reason && *h->reason ? h->reason : h->state);
	return buffer;
}

/* Of a host that has applied what it should. True if every source is attached. */
static bool add_host_sources(struct vtap_state *s, const struct vtap_state_host *h)
{
	for (size_t i = 0; i < json_array_size(h->sources); i++) {
		const json_t *source = json_array_get(h->sources, i);
		const char *interface = json_string_value(json_object_get(source, "interface"));
		char buffer[VTAP_STATE_SENTENCE_STRLEN];

		add_reason(s, interface, h->id, "%s", unattached_sentence(h, source, buffer));
	}
	if (h->sources_left_out)
		add_reason(s, NULL, h->id, "host %s: %zu sources more than one session can have there", h->label,
			   h->sources_left_out);
	return !json_array_size(h->sources) && !h->sources_left_out;
}

/* What the agent says of the session itself. */
static void add_host_report(struct vtap_state *s, const struct vtap_state_host *h)
{
	const char *reason = h->reason && *h->reason ? h->reason : h->state;

	if (!strcmp(h->state, "active")) {
		s->active++;
		s->flawed += !add_host_sources(s, h);
		if (h->advice)
			add_reason(s, NULL, h->id, "host %s: %s", h->label, h->advice);
		return;
	}
	add_reason(s, NULL, h->id, "host %s: %s", h->label, reason);
	if (!strcmp(h->state, "waiting"))
		s->waiting++;
	else
		s->failed++;
	(void)add_host_sources(s, h);
}

void vtap_state_add_host(struct vtap_state *s, const struct vtap_state_host *h)
{
	if (s->block != VTAP_BLOCK_NONE)
		return;
	s->hosts++;
	if (h->left_out) {
		s->failed++;
		add_reason(s, NULL, h->id, "host %s has as many older sessions as it can take", h->label);
	} else if (h->revoked) {
		s->failed++;
		add_reason(s, NULL, h->id, "host %s's credential was revoked: let it join again", h->label);
	} else if (h->suspended) {
		s->away++;
		s->away_acknowledged += h->acknowledged;
		add_reason(s, NULL, h->id, "host %s is suspended, as two agents use its credential", h->label);
	} else if (!h->heard) {
		s->pending++;
		add_reason(s, NULL, h->id, "host %s: its agent has not been heard yet", h->label);
	} else if (h->silent_s >= VTAP_STATE_AWAY_S) {
		s->away++;
		s->away_acknowledged += h->acknowledged;
		add_reason(s, NULL, h->id, "host %s has not been seen for %u seconds", h->label, h->silent_s);
	} else if (h->plan_error && *h->plan_error) {
		s->failed++;
		add_reason(s, NULL, h->id, "host %s: %s", h->label, h->plan_error);
	} else if (!h->acknowledged || !h->state) {
		s->pending++;
		add_reason(s, NULL, h->id, "host %s has not applied it yet", h->label);
	} else {
		add_host_report(s, h);
	}
}

const char *vtap_state_block_sentence(enum vtap_session_block block, const char *target_label,
				      char buffer[VTAP_STATE_SENTENCE_STRLEN])
{
	static const char *const sentences[] = {
	    [VTAP_BLOCK_DISABLED] = "the session is disabled",
	    [VTAP_BLOCK_TARGET_INTERFACE] =
		"interface targets are not delivered by this release; give the target an address",
	    [VTAP_BLOCK_TARGET_UNKNOWN] = "the target does not exist",
	};

	if (block == VTAP_BLOCK_NONE)
		return NULL;
	if (block == VTAP_BLOCK_TARGET_DISABLED)
		snprintf(buffer, VTAP_STATE_SENTENCE_STRLEN, "target %s is disabled", target_label);
	else
		snprintf(buffer, VTAP_STATE_SENTENCE_STRLEN, "%s", sentences[block]);
	return buffer;
}

static const char *state_of_block(struct vtap_state *s)
{
	char buffer[VTAP_STATE_SENTENCE_STRLEN];
	bool disabled = s->block == VTAP_BLOCK_DISABLED;

	if (!disabled)
		add_reason(s, NULL, NULL, "%s", vtap_state_block_sentence(s->block, s->target, buffer));
	return disabled || s->block == VTAP_BLOCK_TARGET_DISABLED ? "disabled" : "error";
}

/* Nothing of it is on any host. */
static const char *state_of_nothing(struct vtap_state *s)
{
	if (s->lost)
		return "error";
	if (!s->sources)
		add_reason(s, NULL, NULL, "no interface fits its sources");
	return "waiting";
}

static const char *state_of_hosts(const struct vtap_state *s)
{
	if (s->pending)
		return "pending";
	if (s->active == s->hosts)
		return s->lost || s->flawed || s->unplugged_given ? "degraded" : "active";
	if (s->active)
		return "degraded";
	if (s->failed)
		return "error";
	if (s->away)
		return s->away_acknowledged ? "degraded" : "pending";
	return "waiting";
}

const char *vtap_state_end(struct vtap_state *s, json_t **ret_reasons)
{
	json_t *reasons;
	const char *state;
	size_t more;

	if (s->block != VTAP_BLOCK_NONE)
		state = state_of_block(s);
	else
		state = s->hosts ? state_of_hosts(s) : state_of_nothing(s);
	more = s->unplugged - s->unplugged_given;
	if (more > 0)
		add_reason(s, NULL, NULL, "%zu interface%s that its sources cover %s not plugged", more,
			   more == 1 ? "" : "s", more == 1 ? "is" : "are");
	more = s->reason_count > VTAP_STATE_REASONS_MAX ? s->reason_count - VTAP_STATE_REASONS_MAX : 0;
	if (more && json_array_append_new(s->reasons, json_pack("{s:n, s:n, s:o}", "source", "host", "reason",
								json_sprintf("and %zu more", more))) < 0)
		s->no_memory = true;
	reasons = VTAP_STEAL(s->reasons);
	if (!reasons || s->no_memory) {
		json_decref(reasons);
		return NULL;
	}
	*ret_reasons = reasons;
	return state;
}
