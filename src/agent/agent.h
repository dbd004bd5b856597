/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The agent's state: what is wanted, what the kernel holds, and what joins the two. One thread, one event loop. */

#include <systemd/sd-event.h>

#include "agent/dataplane.h"
#include "agent/nexthop.h"
#include "agent/plan.h"
#include "agent/pool.h"
#include "agent/slots.h"
#include "http/http.h"
#include "model/config.h"
#include "net/net.h"

struct vtap_agent_options {
	const char *config_path; /* NULL = controller */
	const char *controller; /* its URL, or NULL */
	const char *join; /* a join token, or NULL */
	bool plain_anywhere; /* plain HTTP to a controller that is not on loopback */
	const char *pin_dir;
	const char *state_dir;
	const char *metrics; /* ADDRESS:PORT, or NULL */
	bool unpinned;
	enum vtap_hook_kind hook;
};

struct vtap_agent_feed;
struct vtap_history;

struct vtap_rates {
	double matched_pps, mirrored_pps, mirrored_bps, lost_pps;
};

/* Runtime side of config->sessions[i]. */
struct vtap_agent_session {
	uint16_t slot;
	bool unplaced; /* it has none yet: sessions that have ended hold them all */
	size_t target; /* index into config->targets and agent->nexthops */
	struct vtap_counters seen[VTAP_DIRECTION_MAX]; /* at the last tick */
	struct vtap_rates rates;
	bool stopped; /* the controller has been away for as long as the session allows: it is not enabled meanwhile */
	int error; /* what the kernel said to it at the last apply; 0 = nothing */
};

/* A source that could not be mirrored at the last apply. */
struct vtap_agent_refusal {
	uint32_t ifindex;
	int error;
};

/* A source device as the data plane knows it. */
struct vtap_agent_port {
	uint32_t ifindex;
	uint32_t port; /* index in the data plane */
	struct vtap_port value;
};

struct vtap_agent {
	struct vtap_agent_options options;
	sd_event *event; /* owned */
	struct vtap_net *net; /* owned */
	struct vtap_dataplane *dataplane; /* owned */
	struct vtap_config *config; /* owned */
	struct vtap_host_plan *plan; /* owned; what the controller's plan says beside config; NULL = none, or a file */
	struct vtap_agent_feed *feed; /* owned; NULL = a file */
	struct vtap_nexthop *nexthops; /* owned; by target */
	struct vtap_agent_session *sessions; /* owned; by session of config */
	struct vtap_slots slots;
	uint32_t slot_delivery[VTAP_ABI_SESSIONS]; /* index of the delivery in force; 0 = none */
	struct vtap_pool *plans, *deliveries; /* owned */
	struct vtap_agent_port *ports; /* owned */
	size_t port_count;
	bool port_used[VTAP_ABI_PORTS];
	struct vtap_agent_refusal *refusals; /* owned */
	size_t refusal_count;
	uint64_t apply_budget_ns; /* for attaching programs, in one apply; 0 = as long as it takes */
	bool unfinished; /* the last apply has used it up: another one goes on */
	struct vtap_history *histories[VTAP_ABI_SESSIONS]; /* owned; by slot; with a controller */
	bool revoked;
	uint32_t near_ifindex, far_ifindex; /* bridge and port of the segmenting stage; 0 = none */
	uint64_t ticked_ns;
	uint64_t generation; /* of the configuration, from 1 */
	unsigned ticks;
	struct vtap_error last_error; /* of the last reload; code 0 = it was taken */
	char last_apply_error[256]; /* empty = everything is as wanted */
	struct vtap_http_server *metrics; /* owned; NULL = none */
	int control_fd; /* listening socket of --status; owned */
	int lock_fd; /* holds the state directory; owned */
	sd_event_source *settle; /* owned; armed while an apply is due */
};

/* Makes the data plane what agent->config wants, as far as devices and routes allow now. Idempotent. apply.c */
int vtap_apply(struct vtap_agent *a);

/* Takes over the sessions, ports, plans and deliveries that an earlier process left pinned. takeover.c */
int vtap_takeover(struct vtap_agent *a);

/*
 * Replaces the configuration, and frees the old one; on failure the old one stays in force, *reterr says why, and config
 * stays the caller's. reload.c
 */
int vtap_reload(struct vtap_agent *a, struct vtap_config *config, struct vtap_error *reterr);
/*
 * The same with a controller's plan, which is taken over: *plan is NULL then, and its configuration a->config. Whatever is wrong
 * with one session is its state. -ENOMEM: nothing has changed. reload.c
 */
int vtap_reload_plan(struct vtap_agent *a, struct vtap_host_plan **plan);
/*
 * As far as it can be checked without changing anything: the file, its targets against this host's routes, and whether the data
 * plane has room for it. reload.c
 */
int vtap_reload_check(const char *path, struct vtap_config **ret_config, struct vtap_error *reterr);
/* Reads, parses and validates a file. reload.c */
int vtap_reload_read(const char *path, struct vtap_config **ret_config, struct vtap_error *reterr);

/* A device that is a source, and at the same time what copies leave by to a target right behind it. apply.c */
bool vtap_apply_receives_copies(const struct vtap_agent *a, uint32_t ifindex, enum vtap_side side);
/* Whether no program of somebody else runs before ours on that hook. apply.c */
bool vtap_apply_is_first(struct vtap_agent *a, const struct vtap_attachment *at);
