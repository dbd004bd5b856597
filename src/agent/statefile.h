/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Files of the state directory: mode 0600, written as a whole or not at all, whatever happens to the machine meanwhile. */

#include <stddef.h>

/* Written beside, synced, and renamed into place. -ENOSPC, -EIO ...: what was there before is there still. */
int vtap_statefile_write(const char *dir, const char *name, const void *data, size_t size_bytes);
/* The text is owned and NUL-terminated. -ENOENT; -E2BIG for more than max_bytes. */
int vtap_statefile_read(const char *dir, const char *name, size_t max_bytes, char **ret_text, size_t *ret_size_bytes);
/* 0 also when it is not there. */
int vtap_statefile_remove(const char *dir, const char *name);
