/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Reading of filters and rules from a configuration file. */

#include "model/place.h"

/* Reads one element of `filters` into a zeroed struct vtap_filter, which vtap_filter_done() empties also after a failure. */
int vtap_filter_read(const struct vtap_place *p, void *filter);
void vtap_filter_done(struct vtap_filter *f);
/* Reads one rule; p->config is not needed. *ret is untouched on failure. */
int vtap_rule_read(const struct vtap_place *p, struct vtap_rule *ret);
