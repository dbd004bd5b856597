/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* jansson values -> YAML text, which vtap_yaml_parse() reads back as the same values. */

#include <jansson.h>
#include <stdio.h>

/*
 * Writes one document in block style, members in their order. Text that a reader could take for something else (numbers,
 * dates, yes and no, also by older rules than ours) is quoted. Reals are written with 15 digits; our own reader makes text of
 * them. -EIO, -ENOMEM.
 */
int vtap_yaml_write(const json_t *value, FILE *out);
