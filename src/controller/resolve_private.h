/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the resolver's files share. A session and a source (here: port) know each other by a cover; labels bring them together. */

#include "controller/resolve.h"
#include "controller/resolve_list.h"
#include "controller/table.h"
#include "model/schema.h"

/*
 * A word by which things find each other: an id, "tag:KEY", "tag:KEY=VALUE", "mac:MAC", or "HOST/DEVICE". Lives as long as one
 * of its lists has something, or it waits to be taken as a changed host.
 */
struct vtap_label {
	char *key; /* owned */
	struct vtap_pointers sessions; /* that have it among their sources */
	struct vtap_pointers users; /* sessions that use the target or filter */
	struct vtap_pointers ports; /* that have it */
	struct vtap_pointers plugged; /* ports: into the host, or into its device */
	struct vtap_pointers targets; /* things: targets that are this interface */
	bool dirty; /* is in resolver.dirty_hosts */
};

struct vtap_thing { /* another object, kept for its value */
	char id[VTAP_ID_STRLEN];
	json_t *value; /* owned reference */
	struct vtap_form form; /* owned; empty = not made since the value is there */
	bool is_filter;
	struct vtap_label *interface; /* of a target that is an interface */
};

struct vtap_port_node;

struct vtap_session_node {
	char id[VTAP_ID_STRLEN];
	json_t *value; /* owned reference */
	struct vtap_form form; /* owned; empty = not made since the value is there */
	uint64_t sequence, number;
	const char *project; /* borrowed from value */
	bool exclusive;
	bool wanted; /* it and its target are enabled */
	enum vtap_session_block block;
	struct vtap_pointers sources; /* labels */
	struct vtap_label *target, *filter; /* NULL = none */
	struct vtap_pointers covers; /* owned */
	size_t mirrored_count, own_count; /* of the covers; own: those of own ports */
	struct vtap_endpoint_node *endpoint; /* NULL unless running */
	struct vtap_cover_node *scratch; /* while a port's covers are found */
	bool dirty;
};

struct vtap_port_node {
	char id[VTAP_ID_STRLEN];
	json_t *value; /* owned reference */
	uint64_t sequence;
	const char *project; /* borrowed from value; NULL for wires */
	const char *host, *device; /* borrowed from value; both or none */
	bool own, is_wire;
	bool named_only; /* a host's own device that is not delegated: ranges and tags do not reach it */
	struct vtap_pointers labels;
	struct vtap_label *plug_host, *plug_device; /* NULL = unplugged */
	struct vtap_pointers covers; /* borrowed from the sessions */
	struct vtap_cover_node *scratch; /* while a session's covers are found */
};

struct vtap_cover_node {
	struct vtap_session_node *session;
	struct vtap_port_node *port;
	size_t at_session, at_port; /* positions in their lists */
	uint64_t pass; /* of the search that found it last */
	bool given, granted, mirrored;
	enum vtap_cover_state state;
	const char *other; /* the id inside a node */
	const struct vtap_session_node *number_holder; /* while the port is evaluated; NULL = it does not compete */
};

struct vtap_endpoint_node {
	char key[VTAP_ADDR_STRLEN + 8]; /* "ADDRESS PORT" */
	char address[VTAP_ADDR_STRLEN];
	uint16_t port;
	size_t uses, own_uses; /* sessions */
};

struct vtap_resolver {
	struct vtap_table *labels, *sessions, *ports, *things, *endpoints; /* owned, with what they hold */
	struct vtap_pointers dirty_hosts, dirty_sessions; /* labels, session nodes */
	uint64_t pass;
	uint64_t endpoints_version;
	size_t endpoint_count;
	char taken[VTAP_ID_STRLEN];
};

/* resolve_label.c */
/* Makes it if it is not there; NULL: no memory. */
struct vtap_label *vtap_label_get(struct vtap_resolver *v, const char *key);
/* After something was taken out of one of its lists. */
void vtap_label_settle(struct vtap_resolver *v, struct vtap_label *l);
void vtap_label_free(struct vtap_label *l);
int vtap_label_touch_host(struct vtap_resolver *v, struct vtap_label *l);
int vtap_session_touch(struct vtap_resolver *v, struct vtap_session_node *s);
/* Adds the label with that key to `labels`, and returns it; NULL: no memory. */
struct vtap_label *vtap_labels_add(struct vtap_resolver *v, struct vtap_pointers *labels, const char *key);

/* resolve_session.c */
int vtap_session_put(struct vtap_resolver *v, uint64_t sequence, json_t *value);
int vtap_session_delete(struct vtap_resolver *v, const char *id);
void vtap_session_node_free(struct vtap_session_node *s);
/* Its target or filter changed. */
int vtap_session_refresh(struct vtap_resolver *v, struct vtap_session_node *s);

/* resolve_port.c */
int vtap_port_put(struct vtap_resolver *v, uint64_t sequence, json_t *value, bool is_wire);
int vtap_port_delete(struct vtap_resolver *v, const char *id);
void vtap_port_node_free(struct vtap_port_node *p);

/* resolve_cover.c */
/* Finds anew what the session covers, and says of every port that is concerned which covers are mirrored. */
int vtap_cover_session(struct vtap_resolver *v, struct vtap_session_node *s);
/* The same from the port's side. */
int vtap_cover_port(struct vtap_resolver *v, struct vtap_port_node *p);
/* Says anew which of the port's covers are mirrored. */
int vtap_cover_evaluate(struct vtap_resolver *v, struct vtap_port_node *p);
/* The same for every port that the session covers. */
int vtap_cover_evaluate_session(struct vtap_resolver *v, struct vtap_session_node *s);
/* None is mirrored until the next evaluation: before the port's place changes. */
int vtap_cover_suspend(struct vtap_resolver *v, struct vtap_port_node *p);
/* Something that is part of the plans of the session's hosts changed. */
int vtap_cover_touch_session(struct vtap_resolver *v, struct vtap_session_node *s);
int vtap_cover_drop(struct vtap_resolver *v, struct vtap_cover_node *c);

/* resolve_endpoint.c */
/* Makes the session's endpoint that of its target, if it is running, else none. */
int vtap_endpoint_update(struct vtap_resolver *v, struct vtap_session_node *s);
void vtap_endpoint_own(struct vtap_resolver *v, struct vtap_session_node *s, bool before);

/* resolve_form.c */
void vtap_form_done(struct vtap_form *f);
