// SPDX-License-Identifier: Apache-2.0

#include "agent/identity.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "agent/statefile.h"
#include "crypto/pki.h"

#define FILE_NAME "identity.json"
#define FILE_MAX_BYTES (64U << 10)

void vtap_agent_identity_done(struct vtap_agent_identity *i)
{
	vtap_secret_wipe(i->key);
	vtap_secret_wipe(i->bearer);
	free(i->url);
	free(i->authority);
	free(i->certificate);
	free(i->key);
	free(i->bearer);
	memset(i, 0, sizeof(*i));
}

/* The member's text, or NULL for null and for none. */
static int text_take(const json_t *o, const char *key, char **ret_text)
{
	const char *text = json_string_value(json_object_get(o, key));

	*ret_text = text ? strdup(text) : NULL;
	return text && !*ret_text ? -ENOMEM : 0;
}

static int identity_read(const json_t *o, struct vtap_agent_identity *i)
{
	const char *host = json_string_value(json_object_get(o, "host"));
	const char *joined_by = json_string_value(json_object_get(o, "joined_by"));
	const struct {
		const char *key;
		char **text;
	} texts[] = {{"url", &i->url},
		     {"authority", &i->authority},
		     {"certificate", &i->certificate},
		     {"key", &i->key},
		     {"bearer", &i->bearer}};
	int r = 0;

	if (!host || !vtap_id_is_valid(vtap_kind_find("host"), host))
		return -EBADMSG;
	strcpy(i->host, host);
	for (size_t n = 0; r >= 0 && n < VTAP_ARRAY_SIZE(texts); n++)
		r = text_take(o, texts[n].key, texts[n].text);
	if (joined_by)
		snprintf(i->joined_by, sizeof(i->joined_by), "%s", joined_by);
	i->issued_s = json_integer_value(json_object_get(o, "issued"));
	i->expires_s = json_integer_value(json_object_get(o, "expires"));
	if (r >= 0 && (!i->url || (!i->bearer && !(i->authority && i->certificate && i->key))))
		r = -EBADMSG;
	return r;
}

int vtap_agent_identity_load(const char *state_dir, struct vtap_agent_identity *ret_identity)
{
	VTAP_CLEANUP(vtap_agent_identity_done) struct vtap_agent_identity i = {};
	_cleanup_free_ char *text = NULL;
	size_t size_bytes;
	json_t *o;
	int r;

	r = vtap_statefile_read(state_dir, FILE_NAME, FILE_MAX_BYTES, &text, &size_bytes);
	if (r < 0)
		return r == -E2BIG ? -EBADMSG : r;
	o = json_loadb(text, size_bytes, 0, NULL);
	vtap_secret_wipe(text);
	if (!o)
		return -EBADMSG;
	r = identity_read(o, &i);
	json_decref(o);
	if (r < 0)
		return r;
	*ret_identity = i;
	memset(&i, 0, sizeof(i));
	return 0;
}

int vtap_agent_identity_save(const char *state_dir, const struct vtap_agent_identity *i)
{
	json_t *o =
	    json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:I, s:I, s:s}", "host", i->host, "url", i->url, "authority",
		      i->authority, "certificate", i->certificate, "key", i->key, "bearer", i->bearer, "issued",
		      (json_int_t)i->issued_s, "expires", (json_int_t)i->expires_s, "joined_by", i->joined_by);
	char *text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
	int r = -ENOMEM;

	json_decref(o);
	if (text)
		r = vtap_statefile_write(state_dir, FILE_NAME, text, strlen(text));
	vtap_secret_wipe(text);
	free(text);
	return r;
}

int vtap_agent_identity_remove(const char *state_dir)
{
	return vtap_statefile_remove(state_dir, FILE_NAME);
}

int vtap_agent_identity_renew(struct vtap_agent_identity *i, char *certificate, char *key, int64_t now_s)
{
	int64_t expires_s;
	int r;

	r = vtap_pki_expires(certificate, &expires_s);
	if (r < 0) {
		vtap_secret_wipe(key);
		free(certificate);
		free(key);
		return r;
	}
	vtap_secret_wipe(i->key);
	free(i->certificate);
	free(i->key);
	i->certificate = certificate;
	i->key = key;
	i->issued_s = now_s;
	i->expires_s = expires_s;
	return 0;
}

int64_t vtap_agent_identity_renewal_s(const struct vtap_agent_identity *i)
{
	if (!i->certificate)
		return INT64_MAX;
	return i->issued_s + (i->expires_s - i->issued_s) / 2;
}
