/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A disk for SQLite that forgets: while installed, what SQLite writes goes to the real files, and is remembered until it is
 * synced. After a power failure only what was synced is there for certain; of the rest all, nothing or each sector by chance. A
 * file that was deleted may be back as long as its folder was not synced. The disk can also be full.
 */

#include <stdbool.h>
#include <stdint.h>

void lossy_install(uint64_t seed);
void lossy_remove(void);

/* The power fails before the n-th change (write, truncation, sync, deletion) from now, 1 = the next; 0 = not by itself. */
void lossy_fail_at(unsigned n);
/* The same, counting syncs alone: all that they were to make certain has been written. */
void lossy_fail_at_sync(unsigned n);
/* It fails now. From then on every change fails with SQLITE_IOERR. */
void lossy_fail(void);
bool lossy_failed(void);
/* Whether what the power failed at concerned the database itself, not its log. */
bool lossy_failed_in_checkpoint(void);
/* Once everything is closed: makes the files what a machine finds when the power is back. */
void lossy_recover(void);

/* The n-th write from now and all later ones find the disk full; 0 = there is room again. */
void lossy_full_at(unsigned n);
/* Writes and syncs of the log since it was installed. */
unsigned lossy_log_writes(void);
unsigned lossy_log_syncs(void);
