/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The attributes of the kinds, and what must hold between them: kinds.c makes one table of them all. */

#include "model/schema.h"

/* kinds_access.c: who may do what */
extern const struct vtap_attribute vtap_project_attributes[];
extern const struct vtap_attribute vtap_user_attributes[];
extern const struct vtap_attribute vtap_key_attributes[];
int vtap_project_check(const struct vtap_kind *kind, const json_t *resource, struct vtap_error *reterr);
int vtap_user_check(const struct vtap_kind *kind, const json_t *resource, struct vtap_error *reterr);

/* kinds_inventory.c: what there is */
extern const struct vtap_attribute vtap_host_attributes[];
extern const struct vtap_attribute vtap_guest_attributes[];
extern const struct vtap_attribute vtap_network_attributes[];
extern const struct vtap_attribute vtap_subnet_attributes[];
extern const struct vtap_attribute vtap_interface_attributes[];
extern const struct vtap_attribute vtap_wire_attributes[];
extern const struct vtap_attribute vtap_gateway_attributes[];
int vtap_host_check(const struct vtap_kind *kind, const json_t *resource, struct vtap_error *reterr);
/* Of interfaces and gateways. */
int vtap_addresses_check(const struct vtap_kind *kind, const json_t *resource, struct vtap_error *reterr);
int vtap_network_check(const struct vtap_kind *kind, const json_t *resource, struct vtap_error *reterr);

/* kinds_mirror.c: what is mirrored, and where to */
extern const struct vtap_attribute vtap_target_attributes[];
extern const struct vtap_attribute vtap_filter_attributes[];
extern const struct vtap_attribute vtap_rule_attributes[];
extern const struct vtap_attribute vtap_session_attributes[];
int vtap_target_check(const struct vtap_kind *kind, const json_t *resource, struct vtap_error *reterr);
int vtap_rule_check(const struct vtap_kind *kind, const json_t *resource, struct vtap_error *reterr);
int vtap_session_check(const struct vtap_kind *kind, const json_t *resource, struct vtap_error *reterr);
