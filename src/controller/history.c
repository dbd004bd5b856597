/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/history.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define STEP_MS (VTAP_HISTORY_STEP_S * INT64_C(1000))
#define ROOM (VTAP_HISTORY_STEPS + 1) /* the one that has not ended is there besides */

static const char *const names[VTAP_HISTORY_MAX] = {
    [VTAP_HISTORY_MATCHED_PACKETS] = "matched_packets",
    [VTAP_HISTORY_MIRRORED_PACKETS] = "mirrored_packets",
    [VTAP_HISTORY_MIRRORED_BYTES] = "mirrored_bytes",
    [VTAP_HISTORY_LOST_PACKETS] = "lost_packets",
};

struct vtap_history {
	float (*steps)[VTAP_HISTORY_MAX]; /* owned; ROOM of them, a ring by number of the step; NULL = all zero */
	int64_t first, last; /* numbers of steps since 1970; meaningful with steps */
};

int vtap_history_new(struct vtap_history **ret_history)
{
	struct vtap_history *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	*ret_history = h;
	return 0;
}

struct vtap_history *vtap_history_free(struct vtap_history *h)
{
	if (h)
		free(h->steps);
	free(h);
	return NULL;
}

const char *vtap_history_value_name(enum vtap_history_value value)
{
	return names[value];
}

static float *step_at(const struct vtap_history *h, int64_t number)
{
	return h->steps[number % ROOM];
}

/* Makes room for the step, and forgets those that it takes the place of. */
static void advance(struct vtap_history *h, int64_t number)
{
	if (number - h->last >= ROOM) {
		memset(h->steps, 0, ROOM * sizeof(*h->steps));
		h->first = number;
		h->last = number;
		return;
	}
	while (h->last < number)
		memset(step_at(h, ++h->last), 0, sizeof(*h->steps));
	h->first = VTAP_MAX(h->first, h->last - ROOM + 1);
}

static bool is_zero(const double values[VTAP_HISTORY_MAX])
{
	for (size_t i = 0; i < VTAP_HISTORY_MAX; i++)
		if (values[i] != 0)
			return false;
	return true;
}

static int begin(struct vtap_history *h, int64_t number)
{
	h->steps = calloc(ROOM, sizeof(*h->steps));
	if (!h->steps)
		return -ENOMEM;
	h->first = h->last = number;
	return 0;
}

/* What was told late, of a time before the first that is known: the ring reaches back as far as there is room. */
static void reach_back(struct vtap_history *h, int64_t number)
{
	int64_t oldest = h->last - ROOM + 1;

	while (h->first > VTAP_MAX(number, oldest))
		memset(step_at(h, --h->first), 0, sizeof(*h->steps));
}

int vtap_history_add(struct vtap_history *h, int64_t from_ms, int64_t to_ms, const double values[VTAP_HISTORY_MAX])
{
	int64_t first, last;

	to_ms = VTAP_MAX(to_ms, from_ms + 1);
	first = from_ms / STEP_MS;
	last = (to_ms - 1) / STEP_MS;
	if (is_zero(values) && !h->steps)
		return 0;
	if (!h->steps && begin(h, last) < 0)
		return -ENOMEM;
	if (last > h->last)
		advance(h, last);
	if (last <= h->last - ROOM)
		return 0;
	reach_back(h, first);
	for (int64_t number = VTAP_MAX(first, h->first); number <= last; number++) {
		int64_t begin_ms = VTAP_MAX(from_ms, number * STEP_MS),
			end_ms = VTAP_MIN(to_ms, (number + 1) * STEP_MS);
		double share = (double)(end_ms - begin_ms) / (double)(to_ms - from_ms);

		for (size_t i = 0; i < VTAP_HISTORY_MAX; i++)
			step_at(h, number)[i] += (float)(values[i] * share);
	}
	return 0;
}

json_t *vtap_history_json(const struct vtap_history *h, int64_t now_ms, unsigned steps_max)
{
	int64_t steps = VTAP_MIN(steps_max, (unsigned)VTAP_HISTORY_STEPS);
	int64_t end = now_ms / STEP_MS, first = VTAP_MAX(end - steps, h->first);
	json_auto_t *o =
	    json_pack("{s:i, s:I}", "step", VTAP_HISTORY_STEP_S, "end", (json_int_t)(end * VTAP_HISTORY_STEP_S));

	for (size_t i = 0; i < VTAP_HISTORY_MAX; i++) {
		json_t *list = json_array();

		for (int64_t number = first; h->steps && number < end && list; number++) {
			bool known = number <= h->last;
			double value = known ? (double)step_at(h, number)[i] : 0;

			if (json_array_append_new(list, json_integer((json_int_t)(value + 0.5))) < 0)
				list = (json_decref(list), NULL);
		}
		if (json_object_set_new(o, names[i], list) < 0)
			return NULL;
	}
	return VTAP_STEAL(o);
}
