// SPDX-License-Identifier: Apache-2.0

#include "agent/history.h"

#include <string.h>

#include "agent/status.h"

static int64_t step_end(int64_t now_s)
{
	return now_s - now_s % VTAP_HISTORY_STEP_S;
}

static void step_add(struct vtap_history *h, const struct vtap_history_step *step)
{
	h->steps[h->next] = *step;
	h->next = (h->next + 1) % VTAP_HISTORY_STEPS;
	h->count = VTAP_MIN(h->count + 1, (unsigned)VTAP_HISTORY_STEPS);
	h->end_s += VTAP_HISTORY_STEP_S;
}

static uint64_t grown(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

void vtap_history_take(struct vtap_history *h, int64_t now_s, const struct vtap_history_step *total)
{
	static const struct vtap_history_step nothing;
	int64_t end_s = step_end(now_s), missed;
	struct vtap_history_step step = {
	    .matched_packets = grown(total->matched_packets, h->total.matched_packets),
	    .mirrored_packets = grown(total->mirrored_packets, h->total.mirrored_packets),
	    .mirrored_bytes = grown(total->mirrored_bytes, h->total.mirrored_bytes),
	    .lost_packets = grown(total->lost_packets, h->total.lost_packets),
	};

	if (!h->end_s || end_s < h->end_s) {
		/* The first time, or the clock was set back. */
		*h = (struct vtap_history){.end_s = end_s, .total = *total};
		return;
	}
	if (end_s == h->end_s)
		return;
	missed = (end_s - h->end_s) / VTAP_HISTORY_STEP_S - 1;
	if (missed > VTAP_HISTORY_STEPS) {
		h->end_s += (missed - VTAP_HISTORY_STEPS) * VTAP_HISTORY_STEP_S;
		missed = VTAP_HISTORY_STEPS;
	}
	while (missed-- > 0)
		step_add(h, &nothing);
	step_add(h, &step);
	h->total = *total;
}

const struct vtap_history_step *vtap_history_at(const struct vtap_history *h, unsigned i)
{
	return &h->steps[(h->next + VTAP_HISTORY_STEPS - h->count + i) % VTAP_HISTORY_STEPS];
}

static void session_take(struct vtap_agent *a, size_t i, int64_t now_s)
{
	struct vtap_history **history = &a->histories[a->sessions[i].slot];
	struct vtap_history_step total = {};

	if (!*history)
		*history = calloc(1, sizeof(**history));
	if (!*history || step_end(now_s) == (*history)->end_s)
		return;
	for (int direction = 0; direction < VTAP_DIRECTION_MAX; direction++) {
		struct vtap_counters c;

		if (vtap_dataplane_counters_read(a->dataplane, a->sessions[i].slot, direction, &c) < 0)
			return;
		total.matched_packets += c.values[VTAP_MATCHED_PACKETS];
		total.mirrored_packets += c.values[VTAP_MIRRORED_PACKETS];
		total.mirrored_bytes += c.values[VTAP_MIRRORED_BYTES];
		total.lost_packets += vtap_status_lost(&c);
	}
	vtap_history_take(*history, now_s, &total);
}

void vtap_history_tick(struct vtap_agent *a, int64_t now_s)
{
	for (size_t i = 0; i < a->config->session_count; i++)
		session_take(a, i, now_s);
	/* A slot that has no name any more may soon be another session's. */
	for (size_t slot = 0; slot < VTAP_ABI_SESSIONS; slot++) {
		if (a->histories[slot] && !*a->slots.names[slot].name) {
			free(a->histories[slot]);
			a->histories[slot] = NULL;
		}
	}
}

static json_t *session_json(const struct vtap_session *s, const struct vtap_history *h)
{
	json_t *matched = json_array(), *mirrored = json_array(), *bytes = json_array(), *lost = json_array();

	for (unsigned i = 0; i < h->count; i++) {
		const struct vtap_history_step *step = vtap_history_at(h, i);

		(void)json_array_append_new(matched, json_integer((json_int_t)step->matched_packets));
		(void)json_array_append_new(mirrored, json_integer((json_int_t)step->mirrored_packets));
		(void)json_array_append_new(bytes, json_integer((json_int_t)step->mirrored_bytes));
		(void)json_array_append_new(lost, json_integer((json_int_t)step->lost_packets));
	}
	return json_pack("{s:s, s:I, s:o, s:o, s:o, s:o}", "id", s->name, "end", (json_int_t)h->end_s,
			 "matched_packets", matched, "mirrored_packets", mirrored, "mirrored_bytes", bytes,
			 "lost_packets", lost);
}

json_t *vtap_history_json(struct vtap_agent *a, size_t *next)
{
	json_t *sessions = json_array();
	size_t i = *next;

	for (; i < a->config->session_count && json_array_size(sessions) < VTAP_HISTORY_SESSIONS_AT_A_TIME; i++) {
		const struct vtap_history *h = a->histories[a->sessions[i].slot];

		if (h && h->count)
			(void)json_array_append_new(sessions, session_json(&a->config->sessions[i], h));
	}
	*next = i;
	return json_pack("{s:i, s:o}", "step", VTAP_HISTORY_STEP_S, "sessions", sessions);
}

void vtap_history_done(struct vtap_agent *a)
{
	for (size_t slot = 0; slot < VTAP_ABI_SESSIONS; slot++)
		free(a->histories[slot]);
}
