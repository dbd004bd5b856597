/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What must hold between the sessions of one file: who may share a device, and what one device can take. */

#include "model/place.h"

/* p is the list of the sessions that p->config holds. The first that breaks a rule is refused: see vtap_config_parse(). */
int vtap_check_sessions(const struct vtap_place *p);
