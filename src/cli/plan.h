/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What must happen so that everything is as a manifest says. Pure. */

#include "cli/manifest.h"

enum vtap_step_action { VTAP_STEP_CREATE, VTAP_STEP_UPDATE, VTAP_STEP_RULES, VTAP_STEP_DELETE, VTAP_STEP_MAX };

struct vtap_step {
	enum vtap_step_action action;
	const struct vtap_kind *kind; /* of rules: that of their filter */
	char *name; /* owned; name or id: how the controller is asked for it, and people are told of it */
	json_int_t version; /* of the resource as it was read; 0 = it was not there */
	json_t *body; /* owned; the request's; NULL for a deletion */
	json_t *changes; /* owned; array of {path, before, after} for people; null = not there */
};

struct vtap_plan {
	struct vtap_step *steps; /* owned; deletions come last */
	size_t count, space;
	size_t unchanged; /* resources of the manifest that are as they shall be */
};

/*
 * inventory: as for vtap_manifest_make(); it needs the kinds of the manifest and those that they refer to, and with prune all.
 * What the manifest does not say has its default, but for what the controller finds out or assigns: such attributes are left as
 * they are. With prune, what belongs to a project, carries the manifest's tag and is not in it is deleted. -EINVAL, -ENOENT, -ENOTUNIQ ... with line and
 * place in *reterr.
 */
int vtap_plan_make(const struct vtap_manifest *manifest, const json_t *inventory, bool prune, struct vtap_plan *ret,
		   struct vtap_error *reterr);
void vtap_plan_done(struct vtap_plan *p);
/* "create" ... */
const char *vtap_step_action_name(enum vtap_step_action action);
