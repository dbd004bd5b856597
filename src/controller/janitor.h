/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Deletes from the store what has a time to live: audit entries older than the retention, and keys K for which there is a key
 * "due/SECONDS/K" (SECONDS since 1970, 20 digits) that has passed, unless K's value, a JSON object, says by its "expires" that
 * it was put anew and lives longer. Looks once a minute, and works in small batches.
 */

#include "controller/controller.h"

struct vtap_janitor;

int vtap_janitor_new(struct vtap_controller *c, struct vtap_janitor **ret_janitor);
struct vtap_janitor *vtap_janitor_free(struct vtap_janitor *j);
VTAP_DEFINE_CLEANUP(struct vtap_janitor *, vtap_janitor_free);
