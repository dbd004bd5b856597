/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which session covers which interface or wire, on which host: kept up to date object by object, in time that goes with what
 * the object concerns. Pure: it is told of objects, and asked; it knows neither store nor time. Values are shared, not copied.
 *
 * A session's sources and a source's own words (its id, subnet, network and tags) meet in labels: a session covers a source
 * when they have a label in common, and the source is of the session's project, or of one that grants it. Tags reach the
 * session's own project only.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "basic/addr.h"
#include "basic/util.h"

struct vtap_resolver;

enum vtap_cover_state {
	VTAP_COVER_OK, /* mirrored, if the session is running */
	VTAP_COVER_UNPLUGGED, /* has no host and device */
	VTAP_COVER_TIE, /* an older exclusive session, `other`, has the same number on this source */
	VTAP_COVER_RECEIVES, /* it receives the copies of session `other` */
	VTAP_COVER_DEVICE_TAKEN, /* an older source, `other`, is plugged into the same device */
	VTAP_COVER_NOT_GRANTED, /* it is of another project, which does not grant this */
	VTAP_COVER_OWN_DEVICE, /* it is a host's own device, which a session must name itself, and is not delegated */
	VTAP_COVER_MAX
};

/* That a session covers a source. All is borrowed until the next change. */
struct vtap_cover {
	const char *session, *source; /* ids; the source is an interface or a wire */
	const json_t *session_value, *source_value;
	uint64_t sequence; /* of the session */
	const char *host, *device; /* NULL = unplugged */
	bool own; /* side own, or a wire */
	bool given; /* the session names it itself, not by a subnet, network or tag */
	bool mirrored; /* in the plan of its host: VTAP_COVER_OK, and the session is running */
	enum vtap_cover_state state;
	const char *other; /* id, see state; NULL */
	const json_t *other_value; /* NULL = there is no other */
};

enum vtap_session_block {
	VTAP_BLOCK_NONE, /* running */
	VTAP_BLOCK_DISABLED,
	VTAP_BLOCK_TARGET_DISABLED,
	VTAP_BLOCK_TARGET_INTERFACE, /* the target is an interface, not an address */
	VTAP_BLOCK_TARGET_UNKNOWN,
};

struct vtap_resolved { /* borrowed until the next change */
	const json_t *value, *target, *filter; /* NULL = none */
	enum vtap_session_block block;
	size_t cover_count, mirrored_count;
};

struct vtap_endpoint_use { /* where copies of running sessions go to */
	const char *address; /* borrowed */
	uint16_t port;
	bool own; /* a session that sends there mirrors a source of side own, or a wire */
};

int vtap_resolver_new(struct vtap_resolver **ret_resolver);
struct vtap_resolver *vtap_resolver_free(struct vtap_resolver *v);
VTAP_DEFINE_CLEANUP(struct vtap_resolver *, vtap_resolver_free);

/*
 * An object was made or changed; kinds that do not matter here are ignored. sequence is the order of creation. -ENOMEM: from
 * then on the resolver is of no use. Objects come after those that they refer to.
 */
int vtap_resolver_put(struct vtap_resolver *v, const char *kind, uint64_t sequence, json_t *value);
int vtap_resolver_delete(struct vtap_resolver *v, const char *kind, const char *id);

/*
 * The hosts whose plan may have changed, and the sessions whose state may have: each once, until NULL. The text is valid until
 * the next call that changes something, this one included.
 */
const char *vtap_resolver_take_host(struct vtap_resolver *v);
const char *vtap_resolver_take_session(struct vtap_resolver *v);

/* NULL: unknown. Sessions, interfaces, wires, targets, filters, hosts, subnets and projects. */
const json_t *vtap_resolver_value(const struct vtap_resolver *v, const char *id);
/*
 * A session, target or filter as plans have it, made once for each of its values. A session's sources are missing: they go in
 * at `split`. NULL: unknown, or no memory. Borrowed until the next change.
 */
struct vtap_form {
	char *text; /* JSON without blanks, members sorted */
	size_t text_bytes, split;
	uint64_t hash; /* of text */
};
const struct vtap_form *vtap_resolver_form(const struct vtap_resolver *v, const char *id);
/* -ENOENT. */
int vtap_resolver_session(const struct vtap_resolver *v, const char *id, struct vtap_resolved *ret);

/* In no order. Other than 0 ends it, and is returned. Unknown ids: nothing is visited. */
typedef int (*vtap_cover_visit)(const struct vtap_cover *cover, void *userdata);
int vtap_resolver_covers_of_session(const struct vtap_resolver *v, const char *id, vtap_cover_visit visit,
				    void *userdata);
int vtap_resolver_covers_of_source(const struct vtap_resolver *v, const char *id, vtap_cover_visit visit,
				   void *userdata);
/* Those that are plugged into the host. */
int vtap_resolver_covers_of_host(const struct vtap_resolver *v, const char *id, vtap_cover_visit visit, void *userdata);
/* The interfaces that have this MAC, as vtap_mac_format() writes it. */
int vtap_resolver_interfaces_by_mac(const struct vtap_resolver *v, const char *mac,
				    int (*visit)(const char *id, const json_t *value, void *userdata), void *userdata);

/* Grows whenever vtap_resolver_endpoints() would give something else. */
uint64_t vtap_resolver_endpoints_version(const struct vtap_resolver *v);
size_t vtap_resolver_endpoint_count(const struct vtap_resolver *v);
int vtap_resolver_endpoints(const struct vtap_resolver *v,
			    int (*visit)(const struct vtap_endpoint_use *use, void *userdata), void *userdata);
