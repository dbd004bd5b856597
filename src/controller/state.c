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

void vtap_state_add_source(struct vtap_state *s, const struct vtap_cover *cover)
{
	const char *label = label_of(cover->source_value, cover->source), *other = cover->other ? cover->other : "";

	if (s->block != VTAP_BLOCK_NONE)
		return;
	s->sources++;
	s->mirrored += cover->mirrored;
	s->lost += !cover->mirrored && cover->state != VTAP_COVER_UNPLUGGED;
	switch (cover->state) {
	case VTAP_COVER_UNPLUGGED:
		s->unplugged++;
		s->unplugged_given += cover->given;
		if (cover->given)
			add_reason(s, cover->source, NULL, "%s is not plugged: it needs a host and a device", label);
		break;
	case VTAP_COVER_TIE:
		add_reason(s, cover->source, cover->host,
			   "%s is mirrored by the older session %s, which has the same number: give this one another",
			   label, other);
		break;
	case VTAP_COVER_RECEIVES:
		add_reason(s, cover->source, cover->host, "%s receives the copies of session %s, so it is not mirrored",
			   label, other);
		break;
	case VTAP_COVER_DEVICE_TAKEN:
		add_reason(s, cover->source, cover->host, "device %s is that of the older %s, so %s is not mirrored",
			   cover->device, other, label);
		break;
	case VTAP_COVER_NOT_GRANTED:
		add_reason(s, cover->source, cover->host,
			   "%s belongs to another project, which does not grant this one", label);
		break;
	case VTAP_COVER_OK:
	case VTAP_COVER_MAX:
		break;
	}
}

/* Of a host that has applied what it should. True if every source is attached. */
static bool add_host_sources(struct vtap_state *s, const struct vtap_state_host *h)
{
	for (size_t i = 0; i < json_array_size(h->sources); i++) {
		const json_t *source = json_array_get(h->sources, i);
		const char *interface = json_string_value(json_object_get(source, "interface"));
		const char *device = json_string_value(json_object_get(source, "device"));
		const char *state = json_string_value(json_object_get(source, "state"));
		const char *reason = json_string_value(json_object_get(source, "reason"));
		bool waiting = state && !strcmp(state, "waiting");

		add_reason(s, interface, h->id, "host %s, device %s: %s", h->label, device ? device : "?",
			   waiting             ? "it does not exist yet"
			   : reason && *reason ? reason
			   : state             ? state
					       : "not attached");
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
	} else if (h->suspended) {
		s->away++;
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

static const char *state_of_block(struct vtap_state *s)
{
	switch (s->block) {
	case VTAP_BLOCK_DISABLED:
		return "disabled";
	case VTAP_BLOCK_TARGET_DISABLED:
		add_reason(s, NULL, NULL, "target %s is disabled", s->target);
		return "disabled";
	case VTAP_BLOCK_TARGET_INTERFACE:
		add_reason(s, NULL, NULL,
			   "interface targets are not delivered by this release; give the target an address");
		return "error";
	default:
		add_reason(s, NULL, NULL, "the target does not exist");
		return "error";
	}
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
	if (s->unplugged > s->unplugged_given)
		add_reason(s, NULL, NULL, "%zu interfaces that its sources cover are not plugged",
			   s->unplugged - s->unplugged_given);
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
