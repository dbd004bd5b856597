/* SPDX-License-Identifier: Apache-2.0 */

/* Calls that write: each is one write of a batch, audited in the same transaction, and done once for each Idempotency-Key. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "basic/log.h"
#include "controller/audit.h"
#include "controller/call_private.h"

#define ONCE_KEY_MAX 128 /* characters of an Idempotency-Key */
#define ONCE_VALID_S 86400

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if (*text < 0x21 || *text > 0x7e)
			return false;
	return true;
}

/* The key stands for one request of one user: the same text means something else anywhere else. */
static int once_prepare(struct vtap_api_call *c)
{
	struct vtap_call *call = &c->call;
	const char *key = vtap_http_header(call->request, "Idempotency-Key");
	char hash[VTAP_HASH_STRLEN];
	char *text = NULL;
	int n;

	if (!key || !*call->principal.user)
		return 0;
	if (strcmp(call->route->method, "POST") != 0)
		return vtap_call_fail(call, -EINVAL, "Idempotency-Key",
				      "is for POST alone: %s can be sent again as it is, with If-Match",
				      call->route->method);
	if (call->dry_run)
		return 0;
	if (!*key || strlen(key) > ONCE_KEY_MAX || !is_printable(key))
		return vtap_call_fail(call, -EINVAL, "Idempotency-Key",
				      "must be 1 to %d printable characters without blanks", ONCE_KEY_MAX);
	if (call->route->flags & VTAP_ROUTE_ONCE)
		return vtap_call_fail(call, -EINVAL, "Idempotency-Key",
				      "cannot be used here: the answer holds a secret, and is not kept");
	n = asprintf(&text, "%s\n%s\n%s\n%s", call->principal.user, call->request->path, call->project, key);
	if (n < 0)
		return -ENOMEM;
	snprintf(c->once, sizeof(c->once), "once/%s", vtap_hash_hex(text, (size_t)n, hash));
	free(text);
	/* A body may hold a password, which a plain hash in the store would let everybody guess. */
	vtap_hash_keyed(call->controller->key, call->request->body, call->request->body_bytes, c->body_hash);
	return 0;
}

static void take_text(const json_t *kept, const char *name, char *buffer, size_t size_bytes)
{
	const char *text = json_string_value(json_object_get(kept, name));

	snprintf(buffer, size_bytes, "%s", text ? text : "");
}

/* Answers with what is kept, if there is something: 1. */
static int once_find(struct vtap_api_call *c, struct vtap_change *change)
{
	_cleanup_free_ char *text = NULL;
	struct vtap_call *call = &c->call;
	size_t text_bytes;
	json_t *kept;
	int r;

	if (!*c->once)
		return 0;
	r = vtap_change_get_key(change, c->once, &text, &text_bytes);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	kept = json_loadb(text, text_bytes, 0, NULL);
	r = 0;
	if (json_integer_value(json_object_get(kept, "expires")) > vtap_change_time_s(change)) {
		const char *hash = json_string_value(json_object_get(kept, "body"));

		if (!hash || strcmp(hash, c->body_hash) != 0) {
			r = vtap_call_fail(call, -EALREADY, "Idempotency-Key",
					   "was used for another body within the last 24 hours");
		} else {
			call->status = (unsigned)json_integer_value(json_object_get(kept, "status"));
			call->answer = json_incref(json_object_get(kept, "answer"));
			take_text(kept, "etag", call->etag, sizeof(call->etag));
			take_text(kept, "location", call->location, sizeof(call->location));
			c->repeated = true;
			r = 1;
		}
	}
	json_decref(kept);
	return r;
}

static int once_keep(struct vtap_api_call *c, struct vtap_change *change)
{
	const struct vtap_call *call = &c->call;
	const int64_t expires_s = vtap_change_time_s(change) + ONCE_VALID_S;
	_cleanup_free_ char *text = NULL;
	char due[sizeof(c->once) + 48];
	json_t *kept;
	int r;

	if (!*c->once)
		return 0;
	kept = json_pack("{s:s, s:I, s:i, s:s, s:s, s:O?}", "body", c->body_hash, "expires", (json_int_t)expires_s,
			 "status",
			 (int)(call->status   ? call->status
			       : call->answer ? 200
					      : 204),
			 "etag", call->etag, "location", call->location, "answer", call->answer);
	text = json_dumps(kept, JSON_COMPACT);
	json_decref(kept);
	if (!text)
		return -ENOMEM;
	r = vtap_change_put_key(change, c->once, text, strlen(text));
	snprintf(due, sizeof(due), "due/%020" PRId64 "/%s", expires_s, c->once);
	return r < 0 ? r : vtap_change_put_key(change, due, "", 0);
}

static int write_run(struct vtap_change *change, void *userdata)
{
	struct vtap_api_call *c = userdata;
	int r;

	if (!c->exchange)
		return -ECANCELED;
	r = vtap_api_call_allowed(&c->call, change);
	if (r >= 0)
		r = once_prepare(c);
	if (r >= 0)
		r = once_find(c, change);
	if (r != 0)
		return r;
	r = c->handler(&c->call, change);
	if (r < 0 || c->call.dry_run || vtap_change_is_empty(change))
		return r;
	r = vtap_audit_add(change, &c->call, 0);
	return r < 0 ? r : once_keep(c, change);
}

static void write_refused(struct vtap_change *change, int r, void *userdata)
{
	struct vtap_api_call *c = userdata;

	c->audited = true;
	if (c->exchange && vtap_audit_add(change, &c->call, r) < 0)
		vtap_log(VTAP_LOG_WARNING, "a refusal is missing in the audit log: no memory");
}

static void write_done(int r, void *userdata)
{
	struct vtap_api_call *c = userdata;

	c->waits_for_batch = false;
	vtap_call_finish(&c->call, r);
}

void vtap_call_write(struct vtap_call *call, vtap_api_handler handler)
{
	struct vtap_api_call *c = vtap_api_call_of(call);

	c->handler = handler;
	c->waits_for_batch = true;
	c->write = (struct vtap_write){
	    .run = write_run, .refused = write_refused, .done = write_done, .userdata = c, .dry_run = call->dry_run};
	vtap_write_queue(call->controller, &c->write);
}
