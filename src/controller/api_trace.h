/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What traces and probes have in common. */

#include "controller/controller.h"
#include "controller/probe.h"

/* The sessions of an interface or wire, with their rules. Valid until the next change. */
int vtap_api_trace_new(const struct vtap_controller *c, const char *source, struct vtap_trace **ret_trace);
/* The addresses of an interface; returns how many. */
size_t vtap_api_trace_addresses(const json_t *value, struct vtap_addr *ret_addresses, size_t max);
