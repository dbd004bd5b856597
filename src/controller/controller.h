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
	const char *certificate_file,
	    *key_file; /* NULL = the state directory's own authority makes one when TLS is needed */
	const char *bootstrap_key_file;
	bool memory; /* store in memory: for tests */
	bool insecure_listen;
	unsigned audit_retention_days;
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
	uint8_t key[VTAP_KEY_BYTES]; /* of secrets at rest */
	struct vtap_identity authority; /* owned; the certificate authority for agents */
};
