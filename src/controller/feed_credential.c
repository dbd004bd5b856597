/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/feed_credential.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "controller/controller.h"
#include "controller/feed.h"
#include "controller/janitor.h"
#include "crypto/crypto.h"
#include "crypto/pki.h"

_Static_assert(VTAP_JANITOR_DOUBT_S >= VTAP_AGENT_CERTIFICATE_S, "what was ended is remembered for long enough");

#define KEY_STRLEN 160
#define SERIAL_CHARACTERS 32
#define PLAIN_AUTHORITY "0000000000000000000000000000000000000000000000000000000000000000"

static int put_json(struct vtap_change *c, const char *key, json_t *value, int64_t expires_s)
{
	char due[KEY_STRLEN + 32];
	_cleanup_free_ char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
	int r;

	json_decref(value);
	if (!text)
		return -ENOMEM;
	r = vtap_change_put_key(c, key, text, strlen(text));
	if (r < 0 || !expires_s)
		return r;
	snprintf(due, sizeof(due), "due/%020" PRId64 "/%s", expires_s, key);
	return vtap_change_put_key(c, due, "", 0);
}

/* The host's id behind the prefix. */
static int host_of_join(const char *token, char ret_host[VTAP_ID_STRLEN])
{
	size_t prefix = strlen(VTAP_JOIN_TOKEN_PREFIX), length = strlen("host-") + VTAP_ID_DIGITS;
	char host[VTAP_ID_STRLEN];

	if (strncmp(token, VTAP_JOIN_TOKEN_PREFIX, prefix) != 0 || strlen(token) >= VTAP_JOIN_TOKEN_STRLEN)
		return -EACCES;
	snprintf(host, sizeof(host), "%.*s", (int)length, token + prefix);
	if (!vtap_id_is_valid(vtap_kind_find("host"), host))
		return -EACCES;
	memcpy(ret_host, host, sizeof(host));
	return 0;
}

static int64_t expires_of(const char *text)
{
	json_auto_t *value = json_loads(text, 0, NULL);

	return json_integer_value(json_object_get(value, "expires"));
}

int vtap_join_take(struct vtap_change *c, const char *token, char ret_host[VTAP_ID_STRLEN])
{
	char host[VTAP_ID_STRLEN], key[KEY_STRLEN], hash[VTAP_HASH_STRLEN];
	_cleanup_free_ char *text = NULL;
	size_t text_bytes;
	int r;

	r = host_of_join(token, host);
	if (r < 0)
		return r;
	snprintf(key, sizeof(key), "join/%s/%s", host, vtap_hash_hex(token, strlen(token), hash));
	r = vtap_change_get_key(c, key, &text, &text_bytes);
	if (r < 0)
		return r == -ENOENT ? -EACCES : r;
	if (expires_of(text) <= vtap_change_time_s(c) || !vtap_objects_get(vtap_change_controller(c)->objects, host))
		return -EACCES;
	r = vtap_change_delete_key(c, key);
	if (r < 0)
		return r;
	memcpy(ret_host, host, sizeof(host));
	return 0;
}

/* When a certificate was; 0: it is none. */
static int64_t issued_of(const struct vtap_store_item *item)
{
	json_auto_t *value = json_loadb(item->value, item->value_bytes, 0, NULL);

	return json_integer_value(json_object_get(value, "issued"));
}

struct listed { /* what a host has under a prefix */
	struct vtap_change *change;
	const char *in_use; /* the serial that is not the oldest, however old; NULL = none */
	char oldest[KEY_STRLEN];
	uint64_t oldest_revision;
	int64_t oldest_issued_s, newest_issued_s; /* of certificates; 0 = of none */
	size_t count;
	char hashes[VTAP_AGENT_CREDENTIALS_MAX][VTAP_HASH_STRLEN]; /* of bearer tokens */
	size_t hash_count;
};

static bool has_serial(const char *key, const char *serial)
{
	const char *last = strrchr(key, '/');

	return serial && last && strcmp(last + 1, serial) == 0;
}

static int visit_oldest(const struct vtap_store_item *item, void *userdata)
{
	struct listed *l = userdata;

	l->count++;
	if (has_serial(item->key, l->in_use) || (*l->oldest && l->oldest_revision <= item->revision))
		return 0;
	snprintf(l->oldest, sizeof(l->oldest), "%s", item->key);
	l->oldest_revision = item->revision;
	l->oldest_issued_s = issued_of(item);
	return 0;
}

static int visit_delete(const struct vtap_store_item *item, void *userdata)
{
	struct listed *l = userdata;
	json_auto_t *value = json_loadb(item->value, item->value_bytes, 0, NULL);
	const char *hash = json_string_value(json_object_get(value, "hash"));

	if (hash && l->hash_count < VTAP_ARRAY_SIZE(l->hashes))
		snprintf(l->hashes[l->hash_count++], sizeof(l->hashes[0]), "%s", hash);
	l->newest_issued_s = VTAP_MAX(l->newest_issued_s, issued_of(item));
	return vtap_change_delete_key_after(l->change, item->key);
}

/* Also what the batch has added. */
static int each_below(struct listed *l, const char *prefix, const char *host, vtap_store_visit visit)
{
	char keys[KEY_STRLEN];

	snprintf(keys, sizeof(keys), "%s/%s/", prefix, host);
	return vtap_change_each_key(l->change, keys, visit, l);
}

struct vtap_credential_void vtap_credential_void_read(const char *text)
{
	json_auto_t *value = json_loads(text, 0, NULL);

	return (struct vtap_credential_void){.revoked_s = json_integer_value(json_object_get(value, "revoked")),
					     .replaced_s = json_integer_value(json_object_get(value, "replaced"))};
}

/* Certificates that were issued up to then are void, too. */
static int void_put(struct vtap_change *c, const char *host, struct vtap_credential_void more)
{
	_cleanup_free_ char *text = NULL;
	struct vtap_credential_void all = {};
	char key[KEY_STRLEN];
	size_t text_bytes;
	int64_t expires_s;
	int r;

	snprintf(key, sizeof(key), "void/%s", host);
	r = vtap_change_get_key(c, key, &text, &text_bytes);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r >= 0)
		all = vtap_credential_void_read(text);
	all.revoked_s = VTAP_MAX(all.revoked_s, more.revoked_s);
	all.replaced_s = VTAP_MAX(all.replaced_s, more.replaced_s);
	/* A clock that jumps by less than what the janitor doubts makes it go so much earlier. */
	expires_s = VTAP_MAX(all.revoked_s, all.replaced_s) + VTAP_AGENT_CERTIFICATE_S + VTAP_JANITOR_JUMP_S;
	return put_json(c, key,
			json_pack("{s:I, s:I, s:I}", "revoked", (json_int_t)all.revoked_s, "replaced",
				  (json_int_t)all.replaced_s, "expires", (json_int_t)expires_s),
			expires_s);
}

/* One more of them: the oldest makes room, so that who asks again and again has only some. */
static int make_room(struct vtap_change *c, const char *prefix, const char *host, const char *in_use)
{
	struct vtap_credential_void voided = {};
	struct listed l;
	int r;

	do {
		l = (struct listed){.change = c, .in_use = in_use};
		r = each_below(&l, prefix, host, visit_oldest);
		if (r < 0 || l.count < VTAP_AGENT_CREDENTIALS_MAX)
			break;
		r = vtap_change_delete_key_after(c, l.oldest);
		voided.replaced_s = VTAP_MAX(voided.replaced_s, l.oldest_issued_s);
	} while (r >= 0 && l.count > VTAP_AGENT_CREDENTIALS_MAX);
	return r < 0 || !voided.replaced_s ? r : void_put(c, host, voided);
}

int vtap_join_make(struct vtap_change *c, const char *host, int64_t ttl_s, const char *authority,
		   char ret_token[VTAP_JOIN_TOKEN_STRLEN])
{
	char secret[VTAP_JOIN_SECRET_CHARACTERS + 1], hash[VTAP_HASH_STRLEN], key[KEY_STRLEN];
	int64_t expires_s = vtap_change_time_s(c) + ttl_s;
	char token[VTAP_JOIN_TOKEN_STRLEN];
	int r;

	r = make_room(c, "join", host, NULL);
	if (r < 0)
		return r;
	vtap_random_text(VTAP_JOIN_SECRET_CHARACTERS, secret);
	snprintf(token, sizeof(token), VTAP_JOIN_TOKEN_PREFIX "%s-%s-%s", host, secret,
		 authority ? authority : PLAIN_AUTHORITY);
	snprintf(key, sizeof(key), "join/%s/%s", host, vtap_hash_hex(token, strlen(token), hash));
	r = put_json(c, key, json_pack("{s:I}", "expires", (json_int_t)expires_s), expires_s);
	if (r < 0)
		return r;
	memcpy(ret_token, token, sizeof(token));
	return 0;
}

/* Lists what was issued. */
static int record(struct vtap_change *c, const char *host, const char *serial, const char *in_use, json_t *value,
		  int64_t expires_s)
{
	char key[KEY_STRLEN];
	int r;

	r = make_room(c, "cert", host, in_use);
	if (r < 0) {
		json_decref(value);
		return r;
	}
	snprintf(key, sizeof(key), "cert/%s/%s", host, serial);
	return put_json(c, key, value, expires_s);
}

int vtap_credential_issue_certificate(struct vtap_change *c, const char *host, const char *request, const char *in_use,
				      char **ret_certificate)
{
	_cleanup_free_ char *certificate = NULL;
	char serial[SERIAL_CHARACTERS + 1];
	int64_t expires_s;
	int r;

	r = vtap_pki_sign_client(&vtap_change_controller(c)->authority, request, host, VTAP_AGENT_CERTIFICATE_S,
				 &certificate, serial);
	if (r >= 0)
		r = vtap_pki_expires(certificate, &expires_s);
	if (r < 0)
		return r;
	r = record(c, host, serial, in_use,
		   json_pack("{s:I, s:I}", "expires", (json_int_t)expires_s, "issued",
			     (json_int_t)(expires_s - VTAP_AGENT_CERTIFICATE_S)),
		   expires_s);
	if (r < 0)
		return r;
	*ret_certificate = VTAP_STEAL(certificate);
	return 0;
}

int vtap_credential_issue_token(struct vtap_change *c, const char *host, char **ret_token)
{
	char secret[VTAP_JOIN_SECRET_CHARACTERS + 1], hash[VTAP_HASH_STRLEN], serial[SERIAL_CHARACTERS + 1];
	_cleanup_free_ char *token = NULL;
	int r;

	vtap_random_text(VTAP_JOIN_SECRET_CHARACTERS, secret);
	if (asprintf(&token, VTAP_AGENT_TOKEN_PREFIX "%s-%s", host, secret) < 0)
		return -ENOMEM;
	vtap_hash_hex(token, strlen(token), hash);
	snprintf(serial, sizeof(serial), "%.*s", SERIAL_CHARACTERS, hash);
	r = record(c, host, serial, NULL, json_pack("{s:s}", "hash", hash), 0);
	if (r < 0)
		return r;
	*ret_token = VTAP_STEAL(token);
	return 0;
}

/* A bearer token that is remembered as one that was good. */
static int void_put_token(struct vtap_change *c, const char *host, const char *hash)
{
	int64_t expires_s = vtap_change_time_s(c) + VTAP_AGENT_VOID_TOKEN_S;
	char key[KEY_STRLEN];
	int r;

	r = make_room(c, "void", host, NULL);
	if (r < 0)
		return r;
	snprintf(key, sizeof(key), "void/%s/%.*s", host, SERIAL_CHARACTERS, hash);
	return put_json(c, key, json_pack("{s:s, s:I}", "hash", hash, "expires", (json_int_t)expires_s), expires_s);
}

/*
 * However many are listed, it never exceeds a transaction. The certificates that the batch has issued carry the time of their
 * signature, which may be later than the batch's.
 */
int vtap_credential_revoke(struct vtap_change *c, const char *host)
{
	struct listed l = {.change = c};
	char key[KEY_STRLEN];
	int r;

	r = each_below(&l, "cert", host, visit_delete);
	if (r >= 0)
		r = each_below(&l, "join", host, visit_delete);
	for (size_t i = 0; r >= 0 && i < l.hash_count; i++)
		r = void_put_token(c, host, l.hashes[i]);
	if (r < 0)
		return r;
	snprintf(key, sizeof(key), "suspended/%s", host);
	r = vtap_change_delete_key(c, key);
	return r < 0 ? r
		     : void_put(c, host,
				(struct vtap_credential_void){.revoked_s =
								  VTAP_MAX(vtap_change_time_s(c), l.newest_issued_s)});
}

static void joined_key(const char *host, char ret_key[KEY_STRLEN])
{
	snprintf(ret_key, KEY_STRLEN, VTAP_JOINED_PREFIX "%s", host);
}

int vtap_credential_drop(struct vtap_change *c, const char *host)
{
	char key[KEY_STRLEN];
	int r;

	r = vtap_credential_revoke(c, host);
	if (r < 0)
		return r;
	joined_key(host, key);
	return vtap_change_delete_key(c, key);
}

int vtap_credential_note_joined(struct vtap_change *c, const char *host)
{
	char key[KEY_STRLEN];

	joined_key(host, key);
	return vtap_change_put_key(c, key, "", 0);
}
