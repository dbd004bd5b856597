/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Resources as the agent's file has them, so that a plan is one: the file's keys alone, and none whose value is null or, where
 * the file has no word for it, the default. The file's readers take whatever vtap_resource_normalize() lets through.
 */

#include "model/schema.h"

/*
 * Of a target (less what it has not: an interface target comes without address), a rule, or a session (without sources, which
 * the controller resolves to devices; target and filter are ids, and so are names). A resource without an id is without
 * name. -ENOMEM.
 */
int vtap_file_form(const struct vtap_kind *kind, const json_t *resource, json_t **ret_form);
