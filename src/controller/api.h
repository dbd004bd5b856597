/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What every request has in common: who asks, what may they, the parsed body, the answer as JSON or as problem+json. The
 * routes are tables, one for each api_*.c; vtap_api_new() puts them together and serves them.
 */

#include <jansson.h>
#include <stdbool.h>

#include "controller/change.h"
#include "crypto/crypto.h"
#include "http/http.h"
#include "model/quota.h"

enum vtap_role { VTAP_ROLE_NONE, VTAP_ROLE_VIEWER, VTAP_ROLE_OPERATOR, VTAP_ROLE_ADMIN };

struct vtap_principal { /* who asks; empty = nobody */
	char user[VTAP_ID_STRLEN]; /* empty for agents */
	char key[VTAP_ID_STRLEN]; /* the access key that was used, or empty */
	char host[VTAP_ID_STRLEN]; /* an agent: its host */
	char serial
	    [VTAP_HASH_STRLEN]; /* of the agent's certificate or token; a user's bearer token: its hash; or empty */
	bool system_admin;
};

struct vtap_call { /* one request from its authentication to its answer; lives until it is answered */
	struct vtap_controller *controller; /* borrowed */
	const struct vtap_http_request *request; /* borrowed, valid until the answer */
	const struct vtap_api_route *route;
	const struct vtap_kind *kind; /* of the route's path; NULL = none */
	struct vtap_principal principal;
	char project
	    [VTAP_ID_STRLEN]; /* of ?project= or the header X-Vtap-Project, else the user's only one; empty = none */
	enum vtap_role role; /* of the principal in that project */
	char object[VTAP_ID_STRLEN]; /* that the path names, once it was found; empty = none */
	char object_project[VTAP_ID_STRLEN]; /* that it belongs to; empty = to none */
	json_t *body; /* owned; an object; NULL = none */
	bool dry_run;
	char peer[VTAP_ADDR_STRLEN]; /* where the request came from; stays valid when the client has gone */

	/* The answer. */
	unsigned status; /* 0 = 200, or 204 without an answer */
	json_t *answer; /* owned */
	char *text; /* owned; sent as it is instead of `answer`; NULL = none */
	size_t text_bytes;
	const char *content_type; /* of text; static */
	const char *problem_type; /* static; of a problem+json answer; NULL = "about:blank" */
	unsigned retry_after_s; /* 0 = none */
	char *secret; /* owned, wiped at the end; what a handler keeps of a body's password; NULL = none */
	char *verified; /* owned, wiped at the end; the hash that a password was compared with; NULL = none was */
	json_t *audit; /* owned; what the audit log shall say besides the changed resources; NULL = nothing */
	char etag[80];
	char location[160];

	/* Of a handler that keeps the call. */
	void (*gone)(struct vtap_call *call); /* the client has left before the answer; the call is freed right after */
	void *userdata; /* the handler's own */
};

/*
 * Handlers return 0 with the answer set, VTAP_HTTP_LATER (they keep the call and end it with vtap_call_finish()), or what
 * vtap_call_fail() returned. `change` is NULL for routes that do not write. Write handlers run in a batch, see change.h.
 */
typedef int (*vtap_api_handler)(struct vtap_call *call, struct vtap_change *change);

enum {
	VTAP_ROUTE_OPEN = 1 << 0, /* needs no credentials */
	VTAP_ROUTE_WRITE = 1 << 1, /* runs with a change; its outcome is audited */
	VTAP_ROUTE_SYSTEM = 1 << 2, /* system admins only */
	VTAP_ROUTE_AGENT = 1 << 3, /* agents only: principal.host is set */
	VTAP_ROUTE_RAW = 1 << 4, /* the body is not parsed */
	VTAP_ROUTE_ACTS = 1 << 6, /* beyond the store: cannot be tried by a dry run; its refusals are audited */
	VTAP_ROUTE_CONDITIONS = 1 << 7, /* parameters may name members, too */
	VTAP_ROUTE_STREAM = 1 << 9, /* the answer goes on until the client leaves */
	VTAP_ROUTE_BARE = 1 << 8, /* neither GET nor DELETE, and yet without a body */
	VTAP_ROUTE_ONCE =
	    1 << 5, /* the answer holds a secret: it is not kept for an Idempotency-Key, which is refused */
};

struct vtap_api_route {
	const char *method;
	const char *path;
	vtap_api_handler handler;
	enum vtap_role role; /* the least that is needed in the project */
	unsigned flags;
	/*
	 * Of the query, besides "project" of all but open routes and "dry_run" of writes; words with blanks between. NULL = none.
	 * Agents may send others.
	 */
	const char *parameters;
	size_t body_max_bytes; /* 0 = VTAP_API_BODY_MAX_BYTES */
};
#define VTAP_API_BODY_MAX_BYTES (256U << 10)

/* Each owner of routes has one such table (ends with a NULL method). */
extern const struct vtap_api_route
    vtap_api_routes_resources[]; /* api_resource.c: list, get, create, patch, delete, enable, disable */
extern const struct vtap_api_route vtap_api_routes_rules[]; /* api_rule.c */
extern const struct vtap_api_route vtap_api_routes_access[]; /* api_access.c: login, logout, users, keys, whoami */
extern const struct vtap_api_route vtap_api_routes_audit[]; /* api_audit.c */
extern const struct vtap_api_route vtap_api_routes_events[]; /* events.c */
extern const struct vtap_api_route vtap_api_routes_health[]; /* api_health.c */
extern const struct vtap_api_route vtap_api_routes_hosts[]; /* api_host.c: join tokens, discovered devices, adopt */
extern const struct vtap_api_route vtap_api_routes_agents[]; /* api_agent.c: /agent/v1 */
extern const struct vtap_api_route
    vtap_api_routes_sessions[]; /* api_session.c: stats, history, preview, capture, check */
extern const struct vtap_api_route vtap_api_routes_trace[]; /* api_trace.c */

/*
 * Sets a problem+json answer: status by code (-EINVAL 400, -EACCES 403, -ENOENT 404, -EEXIST and -EBUSY 409, -ESTALE 412,
 * -E2BIG 413, -EDQUOT 422 quota, -ENOSPC 507, -EAGAIN 503 ...), the field's path and a sentence that says what to do.
 * Returns code.
 */
int vtap_call_fail(struct vtap_call *call, int code, const char *field, const char *format, ...) VTAP_PRINTF(4, 5);
int vtap_call_fail_error(struct vtap_call *call, const struct vtap_error *error);
int vtap_call_fail_quota(struct vtap_call *call, enum vtap_quota quota, uint64_t limit, uint64_t used, uint64_t wanted);
/*
 * Ends a call that its handler kept: `r` as a handler would have returned it. Never from inside the handler. A call whose client
 * has gone without a `gone` of the handler's is ended like any other.
 */
void vtap_call_finish(struct vtap_call *call, int r);
/* Continues a call that its handler kept as a write: `handler` runs in a batch, and its outcome is the call's. */
void vtap_call_write(struct vtap_call *call, vtap_api_handler handler);
/*
 * The same with a stream instead of an answer (vtap_http_stream_begin() of the call's exchange), also from inside the handler,
 * which then returns VTAP_HTTP_LATER. `gone` is called, without the call, if the client leaves before vtap_http_stream_end().
 * After a failure the call has been ended, too.
 */
int vtap_call_finish_stream(struct vtap_call *call, const char *content_type, void (*gone)(void *userdata),
			    void *userdata, struct vtap_http_stream **ret_stream);

/* The object that a path's {id} names (id, or name in the call's project), if the principal may see it; else 404 and NULL. */
struct vtap_object *vtap_call_object(struct vtap_call *call, const struct vtap_kind *kind, const char *id_or_name);
/* vtap_reference_resolve for vtap_resource_normalize(), with the call as userdata: objects that the principal may see. */
int vtap_call_resolve(const char *kinds, const char *text, char ret_id[VTAP_ID_STRLEN], struct vtap_error *reterr,
		      void *userdata);
/* The role of the call's principal in another project. System admins are admins everywhere. */
enum vtap_role vtap_call_role_in(const struct vtap_call *call, const char *project);
/* Whether the principal has a role in any project, or is a system admin. Who has none sees nothing but who they are. */
bool vtap_call_has_role(const struct vtap_call *call);
/* The kind's objects that the principal may see at all: by project; hosts and wires with any role; users and keys their own. */
bool vtap_call_may_see(const struct vtap_call *call, const struct vtap_object *object);
/* Whether the attribute, one of the kind itself, is shown to system admins alone, and the principal is none. */
bool vtap_call_hides(const struct vtap_call *call, const struct vtap_attribute *attribute);
/* Whether the kind has such attributes; and takes them out of a resource of the kind. */
bool vtap_call_hides_some(const struct vtap_call *call, const struct vtap_kind *kind);
void vtap_call_hide(const struct vtap_call *call, const struct vtap_kind *kind, json_t *resource);
/* Whether the project `owner` lets the other one mirror its interfaces. */
bool vtap_project_grants(const struct vtap_controller *c, const char *owner, const char *project);
/* What a GET shows of an object: the resource, with what is computed live. The caller's; NULL = no memory. */
json_t *vtap_call_view(const struct vtap_call *call, const struct vtap_object *object);
/* What is computed live alone: an object of further members; the caller's. NULL: there are none. */
json_t *vtap_call_view_live(const struct vtap_call *call, const struct vtap_object *object);
/* Whether a member of the kind is one of those. */
bool vtap_call_member_is_live(const struct vtap_kind *kind, const char *member);
/* Answers with an object: view, ETag, and for status 201 the Location. Returns 0. */
int vtap_call_answer_object(struct vtap_call *call, const struct vtap_object *object, unsigned status);
/* If-Match against the object's version: -ESTALE with the answer set. */
int vtap_call_check_version(struct vtap_call *call, uint64_t version);
/* The query's or header's number within min..max, else `standard` if it is absent; -EINVAL with the answer set. */
int vtap_call_query_number(struct vtap_call *call, const char *name, uint64_t min, uint64_t max, uint64_t standard,
			   uint64_t *ret);

/* The HTTP server with all routes. */
struct vtap_api;
/* tls = NULL: plain. */
int vtap_api_new(struct vtap_controller *c, const struct vtap_http_tls *tls, struct vtap_api **ret_api,
		 struct vtap_error *reterr);
struct vtap_api *vtap_api_free(struct vtap_api *a);
VTAP_DEFINE_CLEANUP(struct vtap_api *, vtap_api_free);
/* The port that it listens on. */
uint16_t vtap_api_port(const struct vtap_api *a);
bool vtap_api_uses_tls(const struct vtap_api *a);
/* PEM texts; -EINVAL: not a pair, or plain. */
int vtap_api_set_certificate(struct vtap_api *a, const char *certificate, const char *key);

struct vtap_api_figures {
	uint64_t answers[6]; /* by the first digit of the status */
	uint64_t duration_ns; /* of all handlers together */
};
void vtap_api_get_figures(const struct vtap_api *a, struct vtap_api_figures *ret_figures);
