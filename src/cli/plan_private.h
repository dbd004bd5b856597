/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The two halves of cli/plan.h: plan.c compares one resource, plan_make.c goes through the manifest. */

#include "cli/plan.h"

struct vtap_planner {
	const struct vtap_manifest *manifest;
	const json_t *inventory;
	struct vtap_plan plan;
	struct vtap_error *reterr;
	json_t *
	    ids; /* owned; names of kinds to names of resources to arrays of their ids: of what is there, and what will be */
	json_t *names; /* owned; ids to names, likewise */
	json_t *there; /* owned; ids to resources of the inventory */
	json_t *late; /* owned; array of {kind, name, body}: updates for when everything is there */
	json_t *kept; /* owned; ids of what is in the manifest to true */
	unsigned drawn; /* how many ids stand for resources that will be */
	/* Where the planner is. */
	const struct vtap_kind *kind;
	size_t index; /* in the manifest's list */
	json_int_t version; /* of the resource there; 0 = it is not there */
};

/* field: below the resource; empty = all of it. Returns code. */
int vtap_planner_fail(const struct vtap_planner *p, int code, const char *field, const char *text);
/* Takes body and changes, also on failure. */
int vtap_planner_step(struct vtap_planner *p, enum vtap_step_action action, const char *name, json_t *body,
		      json_t *changes);
void vtap_planner_change(const struct vtap_planner *p, json_t *changes, const char *path, const json_t *before,
			 const json_t *after);
int vtap_planner_update(struct vtap_planner *p, const char *name, const json_t *input, const json_t *desired,
			const json_t *current, bool *ret_changed);
int vtap_planner_create(struct vtap_planner *p, const char *name, const json_t *input, const json_t *desired);
/* The rules of a filter; current = NULL: it is not there yet. */
int vtap_planner_rules(struct vtap_planner *p, const char *name, const json_t *rules, const json_t *current,
		       bool *ret_changed);
int vtap_planner_resolve(const char *kinds, const char *text, char ret_id[VTAP_ID_STRLEN], struct vtap_error *reterr,
			 void *planner);
