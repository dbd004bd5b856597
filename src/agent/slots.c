// SPDX-License-Identifier: Apache-2.0

#include "agent/slots.h"

#include <errno.h>
#include <string.h>

int vtap_slots_find(const struct vtap_slots *s, const char *name, uint16_t *ret_slot)
{
	for (uint16_t i = 0; i < VTAP_ABI_SESSIONS; i++) {
		if (!strncmp(s->names[i].name, name, sizeof(s->names[i].name))) {
			*ret_slot = i;
			return 0;
		}
	}
	return -ENOENT;
}

int vtap_slots_take(struct vtap_slots *s, const char *name, uint16_t *ret_slot, bool *ret_fresh)
{
	bool retired = false;

	if (vtap_slots_find(s, name, ret_slot) >= 0) {
		*ret_fresh = false;
		return 0;
	}
	for (uint16_t i = 0; i < VTAP_ABI_SESSIONS; i++) {
		if (*s->names[i].name)
			continue;
		retired = retired || s->retired[i];
		if (s->retired[i])
			continue;
		strncpy(s->names[i].name, name, sizeof(s->names[i].name) - 1);
		*ret_slot = i;
		*ret_fresh = true;
		return 0;
	}
	return retired ? -EAGAIN : -ENOSPC;
}

void vtap_slots_retire(struct vtap_slots *s, uint16_t slot)
{
	memset(&s->names[slot], 0, sizeof(s->names[slot]));
	s->retired[slot] = true;
}

void vtap_slots_reclaim(struct vtap_slots *s)
{
	memset(s->retired, 0, sizeof(s->retired));
}
