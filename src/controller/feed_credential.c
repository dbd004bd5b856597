/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/feed_credential.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "controller/controller.h"
#include "controller/feed.h"
#include "crypto/crypto.h"
#include "crypto/pki.h"

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

struct listed { /* what a host has under a prefix */
	struct vtap_change *change;
	char oldest[KEY_STRLEN];
	uint64_t oldest_revision;
	size_t count;
};

static int visit_oldest(const struct vtap_store_item *item, void *userdata)
{
	struct listed *l = userdata;

	l->count++;
	if (*l->oldest && l->oldest_revision <= item->revision)
		return 0;
	snprintf(l->oldest, sizeof(l->oldest), "%s", item->key);
	l->oldest_revision = item->revision;
	return 0;
}

static int visit_delete(const struct vtap_store_item *item, void *userdata)
{
	struct listed *l = userdata;

	return vtap_change_delete_key_after(l->change, item->key);
}

/* Also what the batch has added. */
static int each_below(struct listed *l, const char *prefix, const char *host, vtap_store_visit visit)
{
	char keys[KEY_STRLEN];

	snprintf(keys, sizeof(keys), "%s/%s/", prefix, host);
	return vtap_change_each_key(l->change, keys, visit, l);
}

/* One more of them: the oldest makes room, so that who asks again and again has only some. */
static int make_room(struct vtap_change *c, const char *prefix, const char *host)
{
	struct listed l;
	int r;

	do {
		l = (struct listed){.change = c};
		r = each_below(&l, prefix, host, visit_oldest);
		if (r >= 0 && l.count >= VTAP_AGENT_CREDENTIALS_MAX)
			r = vtap_change_delete_key_after(c, l.oldest);
	} while (r >= 0 && l.count > VTAP_AGENT_CREDENTIALS_MAX);
	return r;
}

int vtap_join_make(struct vtap_change *c, const char *host, int64_t ttl_s, const char *authority,
		   char ret_token[VTAP_JOIN_TOKEN_STRLEN])
{
	char secret[VTAP_JOIN_SECRET_CHARACTERS + 1], hash[VTAP_HASH_STRLEN], key[KEY_STRLEN];
	int64_t expires_s = vtap_change_time_s(c) + ttl_s;
	char token[VTAP_JOIN_TOKEN_STRLEN];
	int r;

	r = make_room(c, "join", host);
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
static int record(struct vtap_change *c, const char *host, const char *serial, json_t *value, int64_t expires_s)
{
	char key[KEY_STRLEN];
	int r;

	r = make_room(c, "cert", host);
	if (r < 0) {
		json_decref(value);
		return r;
	}
	snprintf(key, sizeof(key), "cert/%s/%s", host, serial);
	return put_json(c, key, value, expires_s);
}

int vtap_credential_issue_certificate(struct vtap_change *c, const char *host, const char *request,
				      char **ret_certificate)
{
	int64_t expires_s = vtap_change_time_s(c) + VTAP_AGENT_CERTIFICATE_S;
	_cleanup_free_ char *certificate = NULL;
	char serial[SERIAL_CHARACTERS + 1];
	int r;

	r = vtap_pki_sign_client(&vtap_change_controller(c)->authority, request, host, VTAP_AGENT_CERTIFICATE_S,
				 &certificate, serial);
	if (r < 0)
		return r;
	r = record(c, host, serial, json_pack("{s:I}", "expires", (json_int_t)expires_s), expires_s);
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
	r = record(c, host, serial, json_pack("{s:s}", "hash", hash), 0);
	if (r < 0)
		return r;
	*ret_token = VTAP_STEAL(token);
	return 0;
}

/*
 * However many are listed, it never exceeds a transaction. "revoked" stays as long as a certificate that nobody has listed may be
 * valid.
 */
int vtap_credential_revoke(struct vtap_change *c, const char *host)
{
	int64_t now_s = vtap_change_time_s(c), expires_s = now_s + VTAP_AGENT_CERTIFICATE_S;
	char key[KEY_STRLEN];
	struct listed l = {.change = c};
	int r;

	r = each_below(&l, "cert", host, visit_delete);
	if (r >= 0)
		r = each_below(&l, "join", host, visit_delete);
	if (r < 0)
		return r;
	snprintf(key, sizeof(key), "suspended/%s", host);
	r = vtap_change_delete_key(c, key);
	if (r < 0)
		return r;
	snprintf(key, sizeof(key), "revoked/%s", host);
	return put_json(c, key, json_pack("{s:I}", "at", (json_int_t)now_s), expires_s);
}

int vtap_credential_forget(struct vtap_change *c, const char *host)
{
	static const char *const prefixes[] = {"suspended", "revoked"};
	struct listed l = {.change = c};
	int r;

	r = each_below(&l, "cert", host, visit_delete);
	if (r >= 0)
		r = each_below(&l, "join", host, visit_delete);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(prefixes) && r >= 0; i++) {
		char key[KEY_STRLEN];

		snprintf(key, sizeof(key), "%s/%s", prefixes[i], host);
		r = vtap_change_delete_key_after(c, key);
	}
	return r;
}
