/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "controller/access_private.h"

#define KNOWN_MAX 4096
#define BASIC_MAX_BYTES 512
#define NOT_KNOWN "the credentials are not known, or have expired"

/* A crash may have left them behind when their user was deleted. Nobody can use them; they only hold their names. */
static int drop_keys_of_nobody(struct vtap_change *change, void *userdata)
{
	const struct vtap_objects *o = vtap_change_controller(change)->objects;
	const struct vtap_kind *kind = vtap_kind_find("key");
	struct vtap_object *key = vtap_objects_next(o, kind, NULL), *next;
	int r = 0;

	for (; r >= 0 && key; key = next) {
		const char *user = json_string_value(json_object_get(key->value, "user"));

		next = vtap_objects_next(o, kind, key);
		if (user && vtap_objects_get(o, user))
			continue;
		r = vtap_access_delete_secret(change, key->id);
		if (r >= 0)
			r = vtap_change_delete_after(change, key);
	}
	return r;
}

int vtap_access_new(struct vtap_controller *c, struct vtap_access **ret_access)
{
	VTAP_CLEANUP(vtap_access_freep) struct vtap_access *a = calloc(1, sizeof(*a));
	struct vtap_write drop = {.run = drop_keys_of_nobody};
	char password[VTAP_ACCESS_SECRET_CHARACTERS + 1];
	int r;

	if (!a)
		return -ENOMEM;
	a->controller = c;
	r = vtap_table_new(&a->tokens);
	if (r >= 0)
		r = vtap_table_new(&a->known);
	if (r >= 0)
		r = vtap_table_new(&a->tries);
	if (r >= 0)
		r = vtap_table_new(&a->homes);
	if (r >= 0)
		r = vtap_password_hash(vtap_random_text(VTAP_ACCESS_SECRET_CHARACTERS, password), a->dummy_hash);
	/* Where it cannot be written, the next start does it. */
	if (r >= 0)
		(void)vtap_write_now(c, &drop);
	if (r >= 0)
		r = vtap_access_load_tokens(a);
	if (r >= 0)
		r = vtap_access_load_homes(a);
	if (r >= 0)
		r = vtap_workers_new(c->event, VTAP_ACCESS_THREADS, VTAP_ACCESS_QUEUE_MAX, &a->workers);
	if (r < 0)
		return r;
	*ret_access = VTAP_STEAL(a);
	return 0;
}

static int known_free(const char *key, void *value, void *userdata)
{
	free(value);
	return 0;
}

static void known_clear(struct vtap_access *a)
{
	(void)vtap_table_each(a->known, known_free, NULL);
	a->known = vtap_table_free(a->known);
}

struct vtap_access *vtap_access_free(struct vtap_access *a)
{
	if (!a)
		return NULL;
	vtap_workers_free(a->workers);
	vtap_access_tokens_free(a);
	vtap_access_tries_free(a);
	if (a->known)
		known_clear(a);
	free(a);
	return NULL;
}

static bool is_true(const struct vtap_object *object, const char *member)
{
	return json_is_true(json_object_get(object->value, member));
}

/* Of a user that may do something. */
static int principal_set(struct vtap_access *a, const char *user, const char *key, const char *serial,
			 struct vtap_principal *ret_principal)
{
	const struct vtap_object *object = user ? vtap_objects_get(a->controller->objects, user) : NULL;
	struct vtap_principal principal = {};

	if (!object || is_true(object, "disabled"))
		return -EPERM;
	snprintf(principal.user, sizeof(principal.user), "%s", object->id);
	snprintf(principal.key, sizeof(principal.key), "%s", key ? key : "");
	snprintf(principal.serial, sizeof(principal.serial), "%s", serial ? serial : "");
	principal.system_admin = is_true(object, "system_admin");
	*ret_principal = principal;
	return 0;
}

static int principal_of_key(struct vtap_access *a, const char *key, struct vtap_principal *ret_principal)
{
	const struct vtap_kind *kind = vtap_kind_find("key");
	const struct vtap_object *object = vtap_objects_get(a->controller->objects, key);

	if (!object || object->kind != kind || is_true(object, "disabled"))
		return -EPERM;
	return principal_set(a, json_string_value(json_object_get(object->value, "user")), key, NULL, ret_principal);
}

static int base64_value(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* -EINVAL: no base64, or longer than the buffer. */
static int base64_decode(const char *text, char *buffer, size_t size_bytes)
{
	unsigned bits = 0, count = 0;
	size_t used = 0;

	for (; *text && *text != '='; text++) {
		int value = base64_value(*text);

		if (value < 0)
			return -EINVAL;
		bits = (bits << 6 | (unsigned)value) & 0xffffU;
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		if (used + 1 >= size_bytes)
			return -EINVAL;
		buffer[used++] = (char)(bits >> count & 0xffU);
	}
	buffer[used] = '\0';
	return strspn(text, "=") == strlen(text) && strlen(buffer) == used ? 0 : -EINVAL;
}

int vtap_access_secret(struct vtap_controller *c, const char *key, char **ret_secret)
{
	char store_key[VTAP_ID_STRLEN + 16];
	void *sealed = NULL;
	size_t sealed_bytes;
	int r;

	snprintf(store_key, sizeof(store_key), "secret/%s", key);
	r = vtap_store_get(c->store, store_key, &sealed, &sealed_bytes, NULL);
	if (r < 0)
		return r;
	r = vtap_secret_open(c->key, key, sealed, ret_secret);
	free(sealed);
	return r;
}

static void known_add(struct vtap_access *a, const char *hash, const char *key)
{
	char *copy;

	if (vtap_table_count(a->known) >= KNOWN_MAX) {
		known_clear(a);
		if (vtap_table_new(&a->known) < 0)
			abort(); /* 64 pointers */
	}
	copy = strdup(key);
	if (copy && vtap_table_put(a->known, hash, copy) < 0)
		free(copy);
}

static int basic(struct vtap_access *a, const char *header, const char *encoded, struct vtap_principal *ret_principal)
{
	char text[BASIC_MAX_BYTES], hash[VTAP_HASH_STRLEN];
	const char *known;
	char *colon, *secret = NULL;
	bool equal;
	int r;

	known = vtap_table_get(a->known, vtap_hash_hex(header, strlen(header), hash));
	if (known)
		return principal_of_key(a, known, ret_principal);
	r = base64_decode(encoded, text, sizeof(text));
	colon = r < 0 ? NULL : strchr(text, ':');
	if (!colon)
		return -EPERM;
	*colon = '\0';
	if (!vtap_id_is_valid(vtap_kind_find("key"), text))
		return -EPERM;
	r = principal_of_key(a, text, ret_principal);
	if (r >= 0)
		r = vtap_access_secret(a->controller, text, &secret);
	if (r < 0)
		return -EPERM;
	equal = vtap_secret_equal(secret, colon + 1);
	vtap_secret_wipe(secret);
	free(secret);
	if (equal)
		known_add(a, hash, text);
	return equal ? 0 : -EPERM;
}

static int bearer(struct vtap_access *a, const char *header, const char *token, struct vtap_principal *ret_principal)
{
	const struct vtap_access_token *found;
	char hash[VTAP_HASH_STRLEN];

	found = vtap_access_token_find(a, vtap_hash_hex(token, strlen(token), hash));
	return found ? principal_set(a, found->user, NULL, found->hash, ret_principal) : -EPERM;
}

int vtap_access_authenticate(struct vtap_access *a, const struct vtap_http_request *request,
			     struct vtap_principal *ret_principal, struct vtap_error *reterr)
{
	static const struct {
		const char *scheme;
		int (*check)(struct vtap_access *a, const char *header, const char *rest,
			     struct vtap_principal *ret_principal);
	} schemes[] = {{"Basic ", basic}, {"Bearer ", bearer}};
	const char *header = vtap_http_header(request, "Authorization");
	struct vtap_principal principal;

	for (size_t i = 0; header && i < VTAP_ARRAY_SIZE(schemes); i++) {
		size_t length = strlen(schemes[i].scheme);

		if (strncasecmp(header, schemes[i].scheme, length) != 0)
			continue;
		if (schemes[i].check(a, header, header + length, &principal) < 0)
			return vtap_error_set(reterr, -EPERM, 0, NULL, NOT_KNOWN);
		*ret_principal = principal;
		return 0;
	}
	return vtap_error_set(reterr, -EPERM, 0, NULL,
			      "credentials are needed: an access key's id and secret by HTTP Basic, or a bearer token");
}

bool vtap_access_still_valid(struct vtap_access *a, const struct vtap_principal *principal)
{
	struct vtap_principal now;
	int r;

	if (*principal->key) {
		r = principal_of_key(a, principal->key, &now);
	} else {
		r = vtap_access_token_find(a, principal->serial) ? 0 : -EPERM;
		if (r >= 0)
			r = principal_set(a, principal->user, NULL, NULL, &now);
	}
	return r >= 0 && now.system_admin == principal->system_admin;
}

enum vtap_role vtap_access_role(const struct vtap_controller *c, const char *user, const char *project)
{
	static const char *const names[] = {
	    [VTAP_ROLE_VIEWER] = "viewer", [VTAP_ROLE_OPERATOR] = "operator", [VTAP_ROLE_ADMIN] = "admin"};
	const struct vtap_object *object = vtap_objects_get(c->objects, user);
	const json_t *entry;
	size_t i;

	if (!object)
		return VTAP_ROLE_NONE;
	json_array_foreach(json_object_get(object->value, "roles"), i, entry)
	{
		const char *role = json_string_value(json_object_get(entry, "role"));

		if (strcmp(json_string_value(json_object_get(entry, "project")), project) != 0)
			continue;
		for (size_t j = VTAP_ROLE_VIEWER; j < VTAP_ARRAY_SIZE(names); j++)
			if (role && strcmp(role, names[j]) == 0)
				return (enum vtap_role)j;
	}
	return VTAP_ROLE_NONE;
}

int vtap_access_put_secret(struct vtap_change *c, const char *key, const char *secret)
{
	struct vtap_controller *controller = vtap_change_controller(c);
	_cleanup_free_ char *sealed = NULL;
	char store_key[VTAP_ID_STRLEN + 16];
	int r;

	r = vtap_secret_seal(controller->key, key, secret, &sealed);
	if (r < 0)
		return r;
	snprintf(store_key, sizeof(store_key), "secret/%s", key);
	return vtap_change_put_key(c, store_key, sealed, strlen(sealed));
}

int vtap_access_delete_secret(struct vtap_change *c, const char *key)
{
	char store_key[VTAP_ID_STRLEN + 16];

	snprintf(store_key, sizeof(store_key), "secret/%s", key);
	return vtap_change_delete_key_after(c, store_key);
}
