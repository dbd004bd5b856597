/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A small tc program, attached by clsact, for tests that need one on a device. */

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

/* What the program writes over the ethertype of each frame. */
#define PROGRAM_ETHERTYPE 0x88b5

/* Attaches a program that overwrites the ethertype and lets the frame go on; returns its id. */
uint32_t program_attach(uint32_t ifindex, bool egress, uint32_t preference);
