/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where pins can live: a bpffs whose mount outlives the agent. */

#include "basic/error.h"

#define VTAP_PIN_DIR_DEFAULT "/sys/fs/bpf/vtap"

/*
 * Makes sure that pin_dir, an absolute path, lies on a bpffs that outlives this process; mounts one on /sys/fs/bpf where that
 * is missing and the mount would last. Otherwise fails, and *reterr says what to do.
 */
int vtap_pins_prepare(const char *pin_dir, struct vtap_error *reterr);
