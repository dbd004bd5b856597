/* SPDX-License-Identifier: Apache-2.0 */

/* Who an agent is, whether it may act for its host, and whether it is the only one. */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "basic/log.h"
#include "controller/audit.h"
#include "controller/events.h"
#include "controller/feed_credential.h"
#include "controller/feed_private.h"
#include "controller/feed_request_private.h"

#define KEY_STRLEN 160
#define STRIKES_MAX                                                                                                    \
	3 /* signs of a second user, so that one or two of an agent that was restarted or cut off are forgiven */
#define GOOD_REQUESTS 8 /* that make strikes forgotten */
#define SUSPENDED_PREFIX "suspended/"
#define VOID_PREFIX "void/"
#define SERIAL_CHARACTERS 32 /* of a token's hash */

/* As it will be after the batch, or, outside of one, as it is. */
static int read_key(struct vtap_feed *f, struct vtap_change *change, const char *key, char **ret_value,
		    size_t *ret_value_bytes)
{
	void *value = NULL;
	int r;

	if (change)
		return vtap_change_get_key(change, key, ret_value, ret_value_bytes);
	r = vtap_store_get(f->controller->store, key, &value, ret_value_bytes, NULL);
	if (r >= 0)
		*ret_value = value;
	return r;
}

/* "PREFIX/HOST", or "PREFIX/HOST/SERIAL". -ENOENT; -EIO: the store fails, logged. */
static int read_record(struct vtap_feed *f, struct vtap_change *change, const struct vtap_principal *p,
		       const char *prefix, bool of_serial, char **ret_text)
{
	char key[KEY_STRLEN];
	size_t text_bytes;
	int r;

	snprintf(key, sizeof(key), "%s/%s%s%s", prefix, p->host, of_serial ? "/" : "", of_serial ? p->serial : "");
	r = read_key(f, change, key, ret_text, &text_bytes);
	if (r >= 0 || r == -ENOENT)
		return r;
	vtap_log_err(r, "host %s: its credential cannot be looked up: %s", p->host, strerror(-r));
	return -EIO;
}

/* The host's id and the serial of a bearer token; the token itself is compared with its record. */
static int parse_token(const char *token, struct vtap_principal *p, char ret_hash[VTAP_HASH_STRLEN])
{
	size_t prefix = strlen(VTAP_AGENT_TOKEN_PREFIX), length = strlen("host-") + VTAP_ID_DIGITS;

	if (strncmp(token, VTAP_AGENT_TOKEN_PREFIX, prefix) != 0 || strlen(token) >= VTAP_JOIN_TOKEN_STRLEN)
		return -EACCES;
	snprintf(p->host, sizeof(p->host), "%.*s", (int)length, token + prefix);
	vtap_hash_hex(token, strlen(token), ret_hash);
	snprintf(p->serial, sizeof(p->serial), "%.*s", SERIAL_CHARACTERS, ret_hash);
	return vtap_id_is_valid(vtap_kind_find("host"), p->host) ? 0 : -EACCES;
}

/* *ret_hash is empty for a certificate, whose signature was verified; *ret_issued_s is of that. */
static int identify(const struct vtap_http_request *request, struct vtap_principal *p, char ret_hash[VTAP_HASH_STRLEN],
		    int64_t *ret_issued_s, struct vtap_error *reterr)
{
	const char *header = vtap_http_header(request, "Authorization");
	int r;

	*ret_hash = '\0';
	*ret_issued_s = vtap_http_client_certificate_ends_s(request) - VTAP_AGENT_CERTIFICATE_S;
	r = vtap_http_client_certificate(request, p->host, sizeof(p->host), p->serial, sizeof(p->serial));
	if (r >= 0)
		return 0;
	if (r != -ENOENT)
		return vtap_error_set(reterr, -EACCES, 0, NULL,
				      "the client certificate is not valid here, or has expired");
	if (!header || strncasecmp(header, "Bearer ", strlen("Bearer ")) != 0 ||
	    parse_token(header + strlen("Bearer "), p, ret_hash) < 0)
		return vtap_error_set(reterr, -EACCES, 0, NULL, "this needs an agent's certificate or token");
	return 0;
}

/* Whether a bearer token is the one of its serial below the prefix. -ENOENT. */
static int find_token(struct vtap_feed *f, struct vtap_change *change, const struct vtap_principal *p,
		      const char *prefix, const char *hash)
{
	_cleanup_free_ char *text = NULL;
	const char *known;
	json_t *record;
	int r;

	r = read_record(f, change, p, prefix, true, &text);
	if (r < 0)
		return r;
	record = json_loads(text, 0, NULL);
	known = json_string_value(json_object_get(record, "hash"));
	r = known && vtap_secret_equal(known, hash) ? 0 : -ENOENT;
	json_decref(record);
	return r;
}

static int check_token(struct vtap_feed *f, struct vtap_change *change, const struct vtap_principal *p,
		       const char *hash, struct vtap_error *reterr)
{
	int r;

	r = find_token(f, change, p, "cert", hash);
	if (r != -ENOENT)
		return r;
	r = find_token(f, change, p, "void", hash);
	if (r >= 0)
		return vtap_error_set(reterr, -EKEYREVOKED, 0, NULL, "the host's credentials were revoked");
	return r == -ENOENT ? vtap_error_set(reterr, -EACCES, 0, NULL, "the token is not known") : r;
}

/* Its signature was verified: what is not listed may have been issued after the backup that the store comes from. */
static int check_certificate(struct vtap_feed *f, struct vtap_change *change, const struct vtap_principal *p,
			     int64_t issued_s, struct vtap_error *reterr)
{
	_cleanup_free_ char *listed = NULL, *text = NULL;
	struct vtap_credential_void ended;
	int r;

	r = read_record(f, change, p, "cert", true, &listed);
	if (r != -ENOENT)
		return r;
	r = read_record(f, change, p, "void", false, &text);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	ended = vtap_credential_void_read(text);
	if (issued_s <= ended.revoked_s)
		return vtap_error_set(reterr, -EKEYREVOKED, 0, NULL, "the host's credentials were revoked");
	if (issued_s <= ended.replaced_s)
		return vtap_error_set(reterr, -EACCES, 0, NULL, "the client certificate was replaced by newer ones");
	return 0;
}

/* A host whose credential is good. */
static int check_host(struct vtap_feed *f, const struct vtap_principal *p, struct vtap_error *reterr)
{
	const struct vtap_object *object = vtap_objects_get(f->controller->objects, p->host);
	const struct vtap_feed_host *h = vtap_feed_find(f, p->host);

	if (!object || !h)
		return vtap_error_set(
		    reterr, -ENOENT, 0, NULL,
		    "the controller does not know host %s, which may have joined after the backup that "
		    "its store comes from: let it join again",
		    p->host);
	if (h->suspended)
		return vtap_error_set(
		    reterr, -EBUSY, 0, NULL,
		    "two agents use the credential of host %s: both are suspended until `vtap host resume`",
		    object->name ? object->name : object->id);
	return 0;
}

int vtap_feed_authenticate(struct vtap_feed *f, struct vtap_change *change, const struct vtap_http_request *request,
			   struct vtap_principal *ret_principal, struct vtap_error *reterr)
{
	struct vtap_principal p = {};
	char hash[VTAP_HASH_STRLEN];
	int64_t issued_s;
	int r;

	r = identify(request, &p, hash, &issued_s, reterr);
	if (r < 0)
		return r;
	r = *hash ? check_token(f, change, &p, hash, reterr) : check_certificate(f, change, &p, issued_s, reterr);
	if (r == -EIO)
		return vtap_error_set(reterr, r, 0, NULL, "the credential cannot be looked up now");
	if (r >= 0)
		r = check_host(f, &p, reterr);
	if (r >= 0)
		vtap_feed_find(f, p.host)->revoked = false;
	if (r != -EACCES)
		*ret_principal = p;
	return r;
}

/* Where the instance is in the list; VTAP_FEED_INSTANCES_MAX = nowhere. */
static size_t find_instance(const struct vtap_feed_connection *c, const char *instance)
{
	size_t i = 0;

	while (i < VTAP_FEED_INSTANCES_MAX && strcmp(c->instances[i], instance) != 0)
		i++;
	return i;
}

/* It is the present one from now on. */
static void take_place(struct vtap_feed_connection *c, const char *instance, size_t at)
{
	memmove(c->instances[1], c->instances[0],
		VTAP_MIN(at, (size_t)VTAP_FEED_INSTANCES_MAX - 1) * sizeof(c->instances[0]));
	snprintf(c->instances[0], sizeof(c->instances[0]), "%s", instance);
	c->next = 0;
}

static int strike(struct vtap_feed_connection *c)
{
	c->good = 0;
	if (++c->strikes < STRIKES_MAX)
		return 0;
	*c = (struct vtap_feed_connection){};
	return -EBUSY;
}

int vtap_feed_connection_note(struct vtap_feed_connection *c, const char *instance, uint64_t counter)
{
	size_t at = find_instance(c, instance);
	bool is_sign = at == 0 ? counter < c->next : at < VTAP_FEED_INSTANCES_MAX;

	if (at > 0)
		take_place(c, instance, at);
	c->next = VTAP_MAX(c->next, counter + 1);
	if (is_sign)
		return strike(c);
	if (++c->good >= GOOD_REQUESTS)
		c->strikes = 0;
	return 0;
}

int vtap_feed_connection_note_report(struct vtap_feed_connection *c, const char *instance)
{
	size_t at = find_instance(c, instance);

	if (at > 0)
		take_place(c, instance, at);
	return at > 0 && at < VTAP_FEED_INSTANCES_MAX ? strike(c) : 0;
}

struct suspension { /* of a host, by the controller itself */
	struct vtap_write write;
	char host[VTAP_ID_STRLEN];
	char reason[128];
};

static int run_suspend(struct vtap_change *c, void *userdata)
{
	const struct suspension *w = userdata;
	json_auto_t *detail = json_pack("{s:s, s:I}", "reason", w->reason, "at", (json_int_t)vtap_change_time_s(c));
	_cleanup_free_ char *text = detail ? json_dumps(detail, JSON_COMPACT) : NULL;
	char key[KEY_STRLEN];
	int r;

	if (!text)
		return -ENOMEM;
	if (!vtap_objects_get(vtap_change_controller(c)->objects, w->host))
		return 0;
	snprintf(key, sizeof(key), SUSPENDED_PREFIX "%s", w->host);
	r = vtap_change_put_key(c, key, text, strlen(text));
	return r < 0 ? r : vtap_audit_add_own(c, "suspend", w->host, detail);
}

static void suspend_done(int r, void *userdata)
{
	struct suspension *w = userdata;

	if (r < 0)
		vtap_log_err(r, "host %s: that it is suspended is not stored: %s", w->host, strerror(-r));
	free(w);
}

int vtap_feed_suspend(struct vtap_feed *f, struct vtap_feed_host *h, const char *reason)
{
	const struct vtap_object *object = vtap_objects_get(f->controller->objects, h->id);
	json_auto_t *data = json_pack("{s:s}", "reason", reason);
	struct suspension *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->write = (struct vtap_write){.run = run_suspend, .done = suspend_done, .userdata = w};
	snprintf(w->host, sizeof(w->host), "%s", h->id);
	snprintf(w->reason, sizeof(w->reason), "%s", reason);
	vtap_write_queue(f->controller, &w->write);
	h->suspended = true;
	vtap_log(VTAP_LOG_WARNING, "host %s: %s: both are suspended", h->id, reason);
	if (object && data)
		vtap_events_tell(f->controller->events, object, "alarm", data);
	vtap_feed_refuse_waiter(f, h, -EACCES, VTAP_PROBLEM_SUSPENDED, reason);
	vtap_feed_requests_end(f, h);
	vtap_feed_state_touch_host(f, h->id);
	return 0;
}

struct walk { /* over the keys "PREFIXHOST" */
	struct vtap_feed *feed;
	const char *prefix;
	void (*visit)(struct vtap_feed_host *h, const struct vtap_store_item *item);
	char last[VTAP_STORE_KEY_MAX_BYTES + 1];
};

static int visit_key(const struct vtap_store_item *item, void *userdata)
{
	struct walk *walk = userdata;
	struct vtap_feed_host *h = vtap_feed_find(walk->feed, item->key + strlen(walk->prefix));

	if (h)
		walk->visit(h, item);
	snprintf(walk->last, sizeof(walk->last), "%s", item->key);
	return 0;
}

static void set_suspended(struct vtap_feed_host *h, const struct vtap_store_item *item)
{
	h->suspended = true;
}

static void set_joined(struct vtap_feed_host *h, const struct vtap_store_item *item)
{
	h->joined = true;
}

static void set_revoked(struct vtap_feed_host *h, const struct vtap_store_item *item)
{
	_cleanup_free_ char *text = strndup(item->value, item->value_bytes);

	h->revoked = text && vtap_credential_void_read(text).revoked_s > 0;
}

static int visit_nothing(const struct vtap_store_item *item, void *userdata)
{
	return 0;
}

/* Whoever has been given a credential since is expected with it. */
static int check_revoked(const char *key, void *value, void *userdata)
{
	struct vtap_feed_host *h = value;
	char prefix[KEY_STRLEN];
	ssize_t n;

	if (!h->revoked)
		return 0;
	snprintf(prefix, sizeof(prefix), "cert/%s/", h->id);
	n = vtap_store_page(h->feed->controller->store, prefix, NULL, 1, visit_nothing, NULL);
	h->revoked = n == 0;
	return n < 0 ? (int)n : 0;
}

static int walk_keys(struct vtap_feed *f, const char *prefix,
		     void (*visit)(struct vtap_feed_host *h, const struct vtap_store_item *item))
{
	struct walk walk = {.feed = f, .prefix = prefix, .visit = visit};
	ssize_t n;

	do {
		n = vtap_store_page(f->controller->store, prefix, *walk.last ? walk.last : NULL, VTAP_STORE_PAGE_MAX,
				    visit_key, &walk);
	} while (n == VTAP_STORE_PAGE_MAX);
	return n < 0 ? (int)n : 0;
}

int vtap_feed_access_load(struct vtap_feed *f)
{
	int r;

	r = walk_keys(f, SUSPENDED_PREFIX, set_suspended);
	if (r >= 0)
		r = walk_keys(f, VTAP_JOINED_PREFIX, set_joined);
	if (r >= 0)
		r = walk_keys(f, VOID_PREFIX, set_revoked);
	return r < 0 ? r : vtap_table_each(f->hosts, check_revoked, NULL);
}

static void on_resumed(bool committed, void *userdata)
{
	struct vtap_feed_host *h = userdata;

	if (!committed)
		return;
	h->suspended = false;
	h->connection = (struct vtap_feed_connection){};
}

int vtap_feed_resume(struct vtap_change *c, const char *host)
{
	struct vtap_feed *f = vtap_change_controller(c)->feed;
	struct vtap_feed_host *h = vtap_feed_find(f, host);
	char key[KEY_STRLEN];
	int r;

	if (!h)
		return -ENOENT;
	snprintf(key, sizeof(key), SUSPENDED_PREFIX "%s", host);
	r = vtap_change_delete_key(c, key);
	if (r >= 0)
		r = vtap_change_on_end(c, on_resumed, h);
	return r;
}

/* Nothing that its agent has said up to now holds any more. */
static void on_ended(bool committed, void *userdata)
{
	struct vtap_feed_host *h = userdata;

	if (!committed)
		return;
	on_resumed(committed, h);
	h->revoked = false;
	h->acknowledged = 0;
	vtap_reports_unheard(h->feed->controller->reports, h->id);
	vtap_feed_requests_end(h->feed, h);
	vtap_feed_refuse_waiter(h->feed, h, -EKEYREVOKED, VTAP_PROBLEM_REVOKED, "the host's credentials were revoked");
}

static void on_joined(bool committed, void *userdata)
{
	struct vtap_feed_host *h = userdata;

	on_ended(committed, h);
	h->joined = h->joined || committed;
}

static void on_revoked(bool committed, void *userdata)
{
	struct vtap_feed_host *h = userdata;

	on_ended(committed, h);
	h->revoked = h->revoked || committed;
}

static int end_credentials(struct vtap_change *c, const char *host, void (*end)(bool committed, void *userdata))
{
	struct vtap_feed *f = vtap_change_controller(c)->feed;
	struct vtap_feed_host *h = vtap_feed_find(f, host);
	int r;

	if (!h)
		return -ENOENT;
	r = vtap_credential_revoke(c, host);
	return r < 0 ? r : vtap_change_on_end(c, end, h);
}

int vtap_feed_revoke(struct vtap_change *c, const char *host)
{
	return end_credentials(c, host, on_revoked);
}

int vtap_feed_join(struct vtap_change *c, const char *host)
{
	int r = end_credentials(c, host, on_joined);

	return r < 0 ? r : vtap_credential_note_joined(c, host);
}
