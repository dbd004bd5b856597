/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A manifest says how resources shall be: a mapping of plurals to lists of resources, filters with their rules inside
 * (vtap-manifest(5)). Reading it, and making one of what there is. Pure.
 */

#include <jansson.h>

#include "model/schema.h"

#define VTAP_MANIFEST_MAX_BYTES (16U << 20)
#define VTAP_MANIFEST_TAG "vtap-manifest" /* its value is the name of the manifest that a resource comes from */
#define VTAP_MANIFEST_NAME "manifest" /* the key that names a manifest */

struct vtap_manifest {
	json_t *values; /* owned */
	json_t *lines; /* owned; as in model/yaml.h */
	const char *name; /* borrowed from values; NULL = it has none */
};

/*
 * The kinds that a manifest can have, each behind those that it refers to, but for attributes that vtap_manifest_is_late()
 * knows. Ends with NULL.
 */
extern const char *const vtap_manifest_kinds[];
/* Whether an attribute refers to its own kind or to a later one: it is set when everything is there. */
bool vtap_manifest_is_late(const struct vtap_kind *kind, const struct vtap_attribute *attribute);

/*
 * Reads YAML or JSON and checks the form: known keys, lists of mappings, each with a name (or an id) that is unique. What the
 * resources say is left to vtap_plan_make(). -EINVAL, -E2BIG, with line and place in *reterr.
 */
int vtap_manifest_read(const char *text, size_t size_bytes, struct vtap_manifest *ret, struct vtap_error *reterr);
void vtap_manifest_done(struct vtap_manifest *m);

/*
 * What there is, as names of kinds to lists of resources, and filters with their rules in a member of that name: as a manifest,
 * that vtap_plan_make() would find nothing to change for. Defaults are left out, references are names where there are any.
 * name = NULL: of all resources; else of those that the manifest of that name made. -ENOMEM.
 */
int vtap_manifest_make(const json_t *inventory, const char *name, json_t **ret_values);
