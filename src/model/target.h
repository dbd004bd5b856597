/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Reading of targets from a configuration file. */

#include "model/place.h"

/* Reads one element of `targets` into a zeroed struct vtap_target. */
int vtap_target_read(const struct vtap_place *p, void *target);
