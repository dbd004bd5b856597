/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How long the controller has not been heard, reboots included, and how long to wait before it is asked again. Pure but for
 * vtap_contact_now() and the file.
 */

#include <stdint.h>

#define VTAP_BOOT_ID_STRLEN 37

struct vtap_contact { /* one moment, by all clocks that there are */
	char boot_id[VTAP_BOOT_ID_STRLEN]; /* of /proc/sys/kernel/random; empty = unknown */
	int64_t wall_s; /* since 1970, as far as it is right */
	int64_t uptime_s; /* since that boot, sleep included */
};

void vtap_contact_now(struct vtap_contact *ret_contact);
/*
 * Seconds from then to now. Within one boot the wall clock, which may be set, is not asked; over a reboot it is, and the time
 * since that reboot is the least that passed.
 */
uint64_t vtap_contact_elapsed_s(const struct vtap_contact *then, const struct vtap_contact *now);

/* In the state directory. Loading one that is not there or damaged leaves a moment that is not known to have been: -ENOENT. */
int vtap_contact_load(const char *state_dir, struct vtap_contact *ret_contact);
int vtap_contact_save(const char *state_dir, const struct vtap_contact *contact);
int vtap_contact_remove(const char *state_dir);

/* Milliseconds before the next try after that many failures in a row: 0.5 s, doubled up to 15 s, each +-25 % by random. */
unsigned vtap_contact_backoff_ms(unsigned failures, uint32_t random);
/* The same where the controller itself says how long: so many seconds, at most a minute, and up to a quarter more by random. */
unsigned vtap_contact_retry_after_ms(unsigned seconds, uint32_t random);
