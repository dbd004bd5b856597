/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The controller's parts, each made by its own file and borrowed by the others. One thread, one loop. */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "crypto/pki.h"
#include "store/store.h"

struct vtap_controller_options { /* texts are borrowed from the command line */
	const char *listen; /* "127.0.0.1:8750" */
	const char *state_dir;
	const char
	    *certificate_file; /* NULL = plain HTTP; "auto" = made by the controller's own authority at each start */
	const char *key_file; /* of certificate_file */
	const char *bootstrap_key_file;
	bool memory; /* store in memory: for tests */
	bool insecure_listen;
	unsigned audit_retention_days;
	uint64_t audit_max_bytes; /* of its keys and entries */
};

struct vtap_controller {
	const struct vtap_controller_options *options; /* borrowed */
	sd_event *event; /* owned */
	struct vtap_store *store; /* owned */
	struct vtap_objects *objects; /* owned */
	struct vtap_writer *writer; /* owned; change.c: the batch of writes and its observers */
	struct vtap_rules *rules; /* owned; rules.c: filters' rules, in chunks */
	struct vtap_access *access; /* owned; access.c: credentials, rate limits, workers for password hashing */
	struct vtap_audit *audit; /* owned */
	struct vtap_events *events; /* owned; subscribers of /v1/events */
	struct vtap_resolver *resolver; /* the feed's; resolve.c: which session covers which interface, on which host */
	struct vtap_feed *feed; /* owned; feed.c: each host's plan and who waits for it */
	struct vtap_reports *reports; /* the feed's; reports.c: what agents said last: states, counters, devices */
	struct vtap_api *api; /* owned; the HTTP server */
	struct vtap_janitor *janitor; /* owned; deletes what has expired */
	uint8_t key[VTAP_KEY_BYTES]; /* of secrets at rest */
	struct vtap_identity authority; /* owned; the certificate authority for agents */
};

/*
 * Opens the store, reads it, listens. On the first start it makes what there must be: a project, a system admin whose password it
 * prints, the authority. options are borrowed, and outlive it. -EINVAL: the options; else what failed; *reterr says it.
 */
int vtap_controller_new(const struct vtap_controller_options *options, struct vtap_controller **ret_controller,
			struct vtap_error *reterr);
/* Reads the files of --certificate and --key again, for connections that begin from now on. A failure changes nothing. */
int vtap_controller_reload(struct vtap_controller *c, struct vtap_error *reterr);
/* Whether it listens on loopback alone. */
bool vtap_controller_is_local(const struct vtap_controller *c);
struct vtap_controller *vtap_controller_free(struct vtap_controller *c);
VTAP_DEFINE_CLEANUP(struct vtap_controller *, vtap_controller_free);

/* first_start.c: all is made if there is no project yet; "admin" is the user's name. */
int vtap_first_start(struct vtap_controller *c, struct vtap_error *reterr);
/* Reads the authority from the store, or makes it. */
int vtap_authority_load(struct vtap_controller *c, struct vtap_error *reterr);
/* Writes a system admin's new access key to the file, unless it holds one that is good. Where it cannot, it warns: there is none. */
void vtap_bootstrap_key(struct vtap_controller *c, const char *path);

/* backup.c: the store's copy, and its key file encrypted with a passphrase beside it (FILE.key). */
int vtap_backup(const char *state_dir, const char *file, struct vtap_error *reterr);
/* Makes a state directory, which must have no store yet, from them. */
int vtap_restore(const char *file, const char *state_dir, struct vtap_error *reterr);
#define VTAP_BACKUP_PASSPHRASE "VTAP_BACKUP_PASSPHRASE" /* the environment variable that holds it */
#define VTAP_CONTROLLER_STORE "vtap.db" /* in the state directory */
#define VTAP_CONTROLLER_KEY "key"
