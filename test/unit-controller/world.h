/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Objects for tests of what works on objects alone: put, replaced and deleted as a committed change would do it. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/resolve.h"
#include "unit.h"

#define WORLD_TEXTS 64

struct world {
	struct vtap_resolver *resolver;
	json_t *sequences; /* by id: order of the first put */
	uint64_t endpoints_version;
	char texts[WORLD_TEXTS][64];
	size_t text_count;
};

void world_begin(struct world *w);
void world_end(struct world *w);
/* format and what follows: as json_pack() takes them. */
void world_put(struct world *w, const char *kind, const char *format, ...);
/* Takes the value. */
void world_put_value(struct world *w, const char *kind, json_t *value);
void world_delete(struct world *w, const char *kind, const char *id);
/* NULL: unplugged; no subnet; no tag "role". */
void world_interface(struct world *w, const char *id, const char *project, const char *host, const char *device,
		     const char *side, const char *subnet, const char *role);
/* An exclusive session with one source. */
void world_session(struct world *w, const char *id, const char *project, int number, bool enabled, const char *source,
		   const char *target);
void world_session_filter(struct world *w, const char *id, const char *project, int number, bool enabled,
			  const char *source, const char *target, const char *filter);
/* A copy that lives until WORLD_TEXTS further ones. */
const char *world_text(struct world *w, const char *text);
