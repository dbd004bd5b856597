/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/follow.h"

#include <string.h>

static bool is_same_group(const struct vtap_follow_question *q, const struct vtap_follow_place *p)
{
	return q->group && p->group && !strcmp(q->group, p->group);
}

/* How many places there are of the kind that `fits` says, and the first of them. */
static size_t count_places(const struct vtap_follow_question *q,
			   bool (*fits)(const struct vtap_follow_question *q, const struct vtap_follow_place *p),
			   const struct vtap_follow_place **ret_first)
{
	size_t count = 0;

	*ret_first = NULL;
	for (size_t i = 0; i < q->place_count; i++) {
		if (fits(q, &q->places[i]) && count++ == 0)
			*ret_first = &q->places[i];
	}
	return count;
}

static bool is_other_host(const struct vtap_follow_question *q, const struct vtap_follow_place *p)
{
	return strcmp(p->host, q->host) != 0;
}

static bool is_other_device_here(const struct vtap_follow_question *q, const struct vtap_follow_place *p)
{
	return !is_other_host(q, p) && strcmp(p->device, q->device) != 0;
}

static bool is_reachable(const struct vtap_follow_question *q, const struct vtap_follow_place *p)
{
	return is_other_host(q, p) && is_same_group(q, p);
}

enum vtap_follow vtap_follow_decide(const struct vtap_follow_question *q, const struct vtap_follow_place **ret_place)
{
	size_t count;

	*ret_place = NULL;
	if (!q->host_away && (q->device_exists || !q->host_knows))
		return count_places(q, is_other_host, ret_place) && q->host_knows
			   ? VTAP_FOLLOW_STILL_HERE
			   : (*ret_place = NULL, VTAP_FOLLOW_STAY);
	if (!q->host_away) {
		count = count_places(q, is_other_device_here, ret_place);
		if (count)
			return count == 1 ? VTAP_FOLLOW_MOVE : VTAP_FOLLOW_TWICE;
	}
	count = count_places(q, is_reachable, ret_place);
	if (count)
		return count == 1 ? VTAP_FOLLOW_MOVE : VTAP_FOLLOW_TWICE;
	return count_places(q, is_other_host, ret_place) ? VTAP_FOLLOW_GROUP : VTAP_FOLLOW_STAY;
}
