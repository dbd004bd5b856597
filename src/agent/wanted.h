/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the data plane should hold for a configuration and the devices that exist now: a rule table for each source's hooks and
 * the endpoints that are never mirrored. Pure: devices and slots are asked for through the caller's functions.
 */

#include <net/if.h>

#include "bpf/mirror_abi.h"
#include "model/config.h"

#define VTAP_WANTED_PORTS_MAX (VTAP_ABI_PORTS - 1)
/* Different ones, in use at a time. The rest of the pool is for those that replace them, until the old ones are free. */
#define VTAP_WANTED_TABLES_MAX (VTAP_ABI_PLANS - 64)

struct vtap_wanted_port {
	uint32_t ifindex;
	bool used[VTAP_HOOK_MAX]; /* the hook has sessions */
	uint8_t direction[VTAP_HOOK_MAX]; /* enum vtap_direction that the hook sees */
	struct vtap_plan *plans[VTAP_HOOK_MAX]; /* owned; NULL where not used */
};

struct vtap_wanted {
	struct vtap_wanted_port *ports; /* owned */
	size_t port_count;
	struct vtap_guard *guards; /* owned; no doubles */
	size_t guard_count;
};

struct vtap_wanted_source {
	/* ifindex of a source's device, or 0 while it does not exist or cannot be mirrored. */
	uint32_t (*device)(void *userdata, const struct vtap_source *source);
	/* Told of a device that finds no room, which is left out then: -ENOSPC, or -E2BIG for its rule tables. NULL: the whole fails. */
	void (*refused)(void *userdata, uint32_t ifindex, int error);
	void *userdata;
	const uint16_t *slots; /* of config->sessions, by index */
};

/* -E2BIG with *reterr filled when sessions, rules, devices, rule tables or endpoints exceed the data plane's limits. */
int vtap_wanted_make(const struct vtap_config *config, const struct vtap_wanted_source *source,
		     struct vtap_wanted **ret_wanted, struct vtap_error *reterr);
struct vtap_wanted *vtap_wanted_free(struct vtap_wanted *w);
VTAP_DEFINE_CLEANUP(struct vtap_wanted *, vtap_wanted_free);

/* As if every device that the file names were there: what a later vtap_wanted_make() would find too much. -E2BIG likewise. */
int vtap_wanted_check(const struct vtap_config *config, struct vtap_error *reterr);

/* The hook at which a device sees that direction of the interface behind it. */
enum vtap_hook vtap_wanted_hook(enum vtap_side side, enum vtap_direction direction);
