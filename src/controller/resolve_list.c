/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/resolve_list.h"

#include <errno.h>
#include <stdlib.h>

void vtap_pointers_done(struct vtap_pointers *p)
{
	free(p->items);
	*p = (struct vtap_pointers){};
}

int vtap_pointers_add(struct vtap_pointers *p, void *item)
{
	if (p->count == p->room) {
		size_t room = p->room ? 2 * p->room : 2;
		void **items = reallocarray(p->items, room, sizeof(*items));

		if (!items)
			return -ENOMEM;
		p->items = items;
		p->room = room;
	}
	p->items[p->count++] = item;
	return 0;
}

void vtap_pointers_remove(struct vtap_pointers *p, const void *item)
{
	for (size_t i = 0; i < p->count; i++) {
		if (p->items[i] != item)
			continue;
		p->items[i] = p->items[--p->count];
		return;
	}
}

void *vtap_pointers_pop(struct vtap_pointers *p)
{
	return p->count ? p->items[--p->count] : NULL;
}
