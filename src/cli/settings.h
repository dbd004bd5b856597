/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which controller, as whom: from options, the environment and the profile, in this order. The profile is a YAML file that only
 * its owner may read. Its credentials go to the profile's own URL and to no other.
 */

#include "basic/error.h"
#include "basic/util.h"
#include "cli/invocation.h"

#define VTAP_URL_DEFAULT "http://127.0.0.1:8750"
#define VTAP_PROFILE_MAX_BYTES (64U << 10)

struct vtap_profile { /* texts are owned; NULL = not there */
	char *url, *project, *access_key_id, *secret_access_key, *token, *ca_file;
};

void vtap_profile_done(struct vtap_profile *p);
/*
 * 0, also for a file that is not there: the profile is empty then. -EPERM when others than the owner could read or write it,
 * -EINVAL, -E2BIG for more than VTAP_PROFILE_MAX_BYTES, or what opening it gave; all with *reterr.
 */
int vtap_profile_read(const char *path, struct vtap_profile *ret, struct vtap_error *reterr);
/* Replaces the file as a whole, with mode 0600; makes its folder (0700). */
int vtap_profile_write(const char *path, const struct vtap_profile *p, struct vtap_error *reterr);

struct vtap_settings { /* texts are owned */
	char *url, *project, *user, *password, *bearer, *ca_file; /* all but url may be NULL */
	char *profile_path;
	struct vtap_profile profile;
};

/* environment() answers as getenv(). -EINVAL, or as vtap_profile_read(), with *reterr. */
int vtap_settings_read(const struct vtap_invocation *i, char *(*environment)(const char *name),
		       struct vtap_settings *ret, struct vtap_error *reterr);
void vtap_settings_done(struct vtap_settings *s);
