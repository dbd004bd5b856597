/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Typed parsers: the whole string, range-checked; -EINVAL for what is no number, -ERANGE for one outside the range. */

#include <stdint.h>

/* Decimal, or hexadecimal with 0x. */
int vtap_parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *ret);
int vtap_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/* "80" or "80-443", both 0..65535; a reversed range is -EDOM. */
int vtap_parse_port_range(const char *text, uint16_t *ret_first, uint16_t *ret_last);
