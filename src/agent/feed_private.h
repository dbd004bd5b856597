/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of the feed share: feed.c asks, feed_plan.c takes plans, report.c reports, renew.c renews. */

#include "agent/chunks.h"
#include "agent/contact.h"
#include "agent/feed.h"
#include "agent/identity.h"
#include "agent/plan.h"
#include "client/client.h"

#define VTAP_FEED_PLAN_FILE "plan.json"
#define VTAP_FEED_CHUNKS_AT_A_TIME 64 /* asked for by one request */
#define VTAP_FEED_CHUNK_REQUESTS 4 /* under way, for one chunk each */
#define VTAP_FEED_REPORT_TICKS 10

enum vtap_feed_state {
	VTAP_FEED_CONNECTING,
	VTAP_FEED_CONNECTED,
	VTAP_FEED_AWAY, /* no answer, or one that says that it cannot */
	VTAP_FEED_REFUSED, /* the credential is not known, or has expired */
	VTAP_FEED_SUSPENDED, /* two agents use it */
	VTAP_FEED_REVOKED,
	VTAP_FEED_STATE_MAX
};

struct vtap_agent_requests;

struct vtap_agent_feed {
	struct vtap_agent *agent; /* borrowed */
	struct vtap_agent_identity identity;
	struct vtap_client *client; /* owned */
	sd_event_source *client_io, *client_timer, *poll_timer, *report_timer; /* owned */
	bool client_stale; /* made with a certificate that was renewed since */
	size_t in_flight; /* requests whose answers have not come */

	enum vtap_feed_state state;
	char reason[300]; /* why it is not connected */
	unsigned failures; /* in a row */
	uint64_t quiet_until_ms; /* the controller has asked for not being asked before */
	struct vtap_contact contact; /* the last answer */
	struct vtap_contact saved; /* as the state directory has it */

	char instance[33];
	uint64_t polls; /* GETs of the plan so far */
	uint64_t poll_id; /* 0 = none under way */
	uint64_t poll_started_ms;
	bool poll_waits; /* it may take as long as it may wait for something new */
	uint64_t request_taken; /* highest number of a request that was taken */
	struct vtap_agent_requests *requests; /* owned */

	struct vtap_chunks *chunks; /* owned */
	json_t *offer; /* owned; a plan whose chunks are fetched; NULL = none */
	char (*missing)[VTAP_HASH_STRLEN]; /* owned; chunks that it needs */
	size_t missing_count, missing_next, missing_under_way;
	bool chunks_stale; /* the answer that is under way is of an offer that was dropped */
	bool chunks_by_one; /* the controller is a release older, and knows no other way */
	struct vtap_plan_head taken; /* the last plan that was accepted; empty = none */
	struct vtap_plan_head applied; /* and applied */
	bool keep_due; /* the state directory does not have it yet */
	json_t *document; /* owned; of the plan that was taken */
	char plan_error[400]; /* why the last one was not taken; empty = it was */

	uint64_t report_id, reported_ms;
	bool report_again;
	unsigned report_ticks; /* since the last one */
	uint64_t states_hash; /* of all states, as last reported */
	json_t *devices; /* owned; of this host */
	/* Theirs; of those that the controller has; of those under way. */
	char devices_hash[VTAP_HASH_STRLEN], devices_known[VTAP_HASH_STRLEN], devices_sent[VTAP_HASH_STRLEN];
	bool history_due;
	unsigned devices_looks; /* once a second, before the next report */
	size_t history_next; /* first session whose history is still to be sent */
	int64_t started_s;

	int64_t renew_retry_s;
	char *renew_key; /* owned; of the request under way; NULL = none */
};

uint64_t vtap_agent_feed_now_ms(void);
const char *vtap_agent_feed_state_name(const struct vtap_agent_feed *f);
/* Starts a request. Its `done` is called with the feed as userdata unless another is given. */
int vtap_agent_feed_send(struct vtap_agent_feed *f, const struct vtap_client_request *request, vtap_client_done done,
			 void *userdata, uint64_t *ret_id);
/* JSON as a POST; takes the body's reference. */
int vtap_agent_feed_post(struct vtap_agent_feed *f, const char *path, json_t *body, vtap_client_done done,
			 void *userdata, uint64_t *ret_id);
/* To be called first by every `done`. True: the answer is one of success. False: it has been dealt with as the protocol says. */
bool vtap_agent_feed_done(struct vtap_agent_feed *f, const struct vtap_client_answer *answer);
/* Not before the controller is ready, if it has said when that is. */
void vtap_agent_feed_poll_in(struct vtap_agent_feed *f, unsigned ms);
/* The same after something went wrong that is not a matter of the connection. */
void vtap_agent_feed_poll_later(struct vtap_agent_feed *f);

/* feed_plan.c */
/* Reads back what was kept. Whatever is wrong with it makes it none. */
void vtap_agent_feed_plan_load(struct vtap_agent_feed *f);
/* Takes a plan that was offered over, chunks first; asks again when it is done. */
void vtap_agent_feed_plan_offer(struct vtap_agent_feed *f, json_t *document);
void vtap_agent_feed_plan_forget(struct vtap_agent_feed *f);
/* Keeps what was applied. */
void vtap_agent_feed_plan_keep(struct vtap_agent_feed *f);
/* Ends sessions, and takes them up again, as their `offline` says. True: something has changed, and must be applied. */
bool vtap_agent_feed_offline_update(struct vtap_agent_feed *f);

/* report.c */
/* Sends a report now, or when the one under way is through. */
void vtap_agent_feed_report(struct vtap_agent_feed *f);
/* The same for what changes by itself: at most four a second. */
void vtap_agent_feed_report_soon(struct vtap_agent_feed *f);
/* Looks at the devices again; true: they are not what the controller has. */
bool vtap_agent_feed_devices_look(struct vtap_agent_feed *f);
/* Whether states differ from those last reported. */
bool vtap_agent_feed_states_changed(struct vtap_agent_feed *f);

/* renew.c */
void vtap_agent_feed_renew(struct vtap_agent_feed *f);
