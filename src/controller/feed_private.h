/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the feed's files share: feed.c (plans), feed_wait.c (agents that wait), feed_access.c (who they are), feed_state.c. */

#include "controller/controller.h"
#include "controller/feed.h"
#include "controller/feed_request.h"
#include "controller/plan.h"
#include "controller/reports.h"
#include "controller/resolve.h"
#include "controller/resolve_list.h"
#include "controller/table.h"

#define VTAP_FEED_INSTANCES_MAX 8 /* of one host's agents: those before are forgotten */

struct vtap_feed_connection { /* whether one agent uses the host's credential, or two */
	char instances[VTAP_FEED_INSTANCES_MAX][VTAP_HASH_STRLEN]; /* the present one first */
	uint64_t next; /* the lowest counter that the present one has not used */
	unsigned strikes; /* signs of a second user */
	unsigned good; /* requests of the plan without one since the last */
};

struct vtap_feed_host {
	struct vtap_feed *feed; /* borrowed */
	char id[VTAP_ID_STRLEN];
	struct vtap_host_plan *plan; /* owned */
	uint64_t revision; /* of the store when the plan's hash became what it is */
	uint64_t *since; /* owned; for each of the plan's parts: the revision at which it became what it is */
	uint64_t acknowledged; /* the revision that the agent has applied; 0 = none yet */
	bool suspended;
	bool joined; /* an agent has, ever */
	bool revoked; /* nobody has come with a credential since */
	uint64_t known_usec; /* monotonic; since when its agent could have been heard */
	bool missed; /* noticed as one that was never heard */
	struct vtap_feed_connection connection;
	struct vtap_call *waiter; /* a GET of the plan that is kept; NULL = none */
	sd_event_source *timer; /* owned; the waiter's end */
	uint64_t waiter_request; /* the highest number of a request that it knows */
	struct vtap_pointers requests; /* owned: struct vtap_feed_request */
	uint64_t pass; /* of the state that it was looked at for */
};

struct vtap_feed {
	struct vtap_controller *controller; /* borrowed */
	struct vtap_table *hosts; /* owned, with what it holds */
	uint64_t endpoints_version; /* that the plans were made with */
	uint64_t request_number; /* of the last one; grows over restarts, too */
	struct vtap_pointers captures; /* owned by capture.c */
	uint64_t pass;
	struct vtap_table *states; /* owned; by session: the state that was told last, static */
	struct vtap_table *stale; /* owned; sessions whose state is to be computed anew */
	sd_event_source *settle; /* owned; tells of states a moment after they have changed */
	sd_event_source *tick; /* owned; notices hosts that have become silent */
	bool broken; /* no memory: what is known of plans is not to be relied upon */
};

/* NULL: no such host. */
struct vtap_feed_host *vtap_feed_find(const struct vtap_feed *f, const char *host);
struct vtap_feed_host *vtap_feed_host_free(struct vtap_feed_host *h);
/* Whether the agent has applied what the plan says of the session. */
bool vtap_feed_has_applied(const struct vtap_feed_host *h, const struct vtap_plan_part *part);
/* A report says what the agent has applied. True if that is news. */
bool vtap_feed_acknowledge(struct vtap_feed *f, const char *host, const char *epoch, uint64_t revision,
			   const char *hash);
/* The controller cannot go on: ends the loop. */
void vtap_feed_break(struct vtap_feed *f, int r);

/* feed_wait.c */
/* The route's handler. */
int vtap_feed_get_plan(struct vtap_call *call, struct vtap_change *change);
/* Looks at a report's agent.instance for a second user of the credential: -EACCES with the answer set. */
int vtap_feed_note_report(struct vtap_call *call);
/* Ends the waiting if there is something for it now. */
void vtap_feed_wake(struct vtap_feed *f, struct vtap_feed_host *h);
/* Ends the waiting with a refusal. */
void vtap_feed_refuse_waiter(struct vtap_feed *f, struct vtap_feed_host *h, int code, const char *problem_type,
			     const char *sentence);

/* feed_access.c */
/* Reads which hosts are suspended or revoked, and which an agent has joined. */
int vtap_feed_access_load(struct vtap_feed *f);
/* Counts a request of the plan by its X-Vtap-Connection. -EBUSY: it was the one sign too many of a second user. */
int vtap_feed_connection_note(struct vtap_feed_connection *c, const char *instance, uint64_t counter);
/* A report, which has no counter: who has been replaced is a sign, who has not says nothing. -EBUSY as above. */
int vtap_feed_connection_note_report(struct vtap_feed_connection *c, const char *instance);
int vtap_feed_suspend(struct vtap_feed *f, struct vtap_feed_host *h, const char *reason);
/* As parts of a change; -ENOENT: no such host. */
int vtap_feed_resume(struct vtap_change *c, const char *host);
int vtap_feed_revoke(struct vtap_change *c, const char *host);
/* The same for one that is given a new credential in this change. */
int vtap_feed_join(struct vtap_change *c, const char *host);

/* feed_state.c */
int vtap_feed_state_begin(struct vtap_feed *f);
/* The session's state may have changed. */
void vtap_feed_state_touch(struct vtap_feed *f, const char *session);
/* That of every session that the host has a part in. */
void vtap_feed_state_touch_host(struct vtap_feed *f, const char *host);
void vtap_feed_state_forget(struct vtap_feed *f, const char *session);
void vtap_feed_state_end(struct vtap_feed *f);
