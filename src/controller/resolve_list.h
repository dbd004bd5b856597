/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Lists of pointers, in no order. */

#include <stddef.h>

struct vtap_pointers { /* zeroed = empty */
	void **items; /* owned; what they point to is not */
	size_t count, room;
};

void vtap_pointers_done(struct vtap_pointers *p);
int vtap_pointers_add(struct vtap_pointers *p, void *item);
/* The last one takes its place. Nothing if it is not there. */
void vtap_pointers_remove(struct vtap_pointers *p, const void *item);
/* Takes out the last one; NULL: there is none. */
void *vtap_pointers_pop(struct vtap_pointers *p);
