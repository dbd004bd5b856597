/* SPDX-License-Identifier: Apache-2.0 */

/* Bearer tokens: the store keeps them by their hash, memory all of them. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "basic/log.h"
#include "controller/access_private.h"

#define KEY_STRLEN (VTAP_HASH_STRLEN + 16)

static char *key_of(const char *hash, char buffer[KEY_STRLEN])
{
	snprintf(buffer, KEY_STRLEN, "token/%s", hash);
	return buffer;
}

static int load_token(const struct vtap_store_item *item, void *userdata)
{
	struct vtap_access *a = userdata;
	struct vtap_access_token *token = calloc(1, sizeof(*token));
	json_t *value = json_loadb(item->value, item->value_bytes, 0, NULL);
	const char *user = json_string_value(json_object_get(value, "user"));
	int r = token && user ? 0 : -EUCLEAN;

	if (r >= 0) {
		snprintf(token->hash, sizeof(token->hash), "%s", item->key + strlen("token/"));
		snprintf(token->user, sizeof(token->user), "%s", user);
		token->expires_s = json_integer_value(json_object_get(value, "expires"));
		r = vtap_table_put(a->tokens, token->hash, token);
	}
	json_decref(value);
	if (r < 0)
		free(token);
	return r == -EUCLEAN ? vtap_log_err(r, "the store's value of %s is no token", item->key) : r;
}

struct last_key {
	struct vtap_access *access;
	char key[KEY_STRLEN];
};

static int load_page(const struct vtap_store_item *item, void *userdata)
{
	struct last_key *last = userdata;

	snprintf(last->key, sizeof(last->key), "%s", item->key);
	return load_token(item, last->access);
}

int vtap_access_load_tokens(struct vtap_access *a)
{
	struct last_key last = {.access = a};
	ssize_t count;

	do {
		count = vtap_store_page(a->controller->store, "token/", *last.key ? last.key : NULL,
					VTAP_STORE_PAGE_MAX, load_page, &last);
	} while (count == VTAP_STORE_PAGE_MAX);
	return count < 0 ? (int)count : 0;
}

static int token_free(const char *key, void *value, void *userdata)
{
	free(value);
	return 0;
}

void vtap_access_tokens_free(struct vtap_access *a)
{
	if (a->tokens)
		(void)vtap_table_each(a->tokens, token_free, NULL);
	a->tokens = vtap_table_free(a->tokens);
}

const struct vtap_access_token *vtap_access_token_find(struct vtap_access *a, const char *hash)
{
	struct vtap_access_token *token = vtap_table_get(a->tokens, hash);

	if (!token || token->expires_s > time(NULL))
		return token;
	free(vtap_table_remove(a->tokens, hash)); /* the store's is deleted when it is due */
	return NULL;
}

static int find_serial(const char *key, void *value, void *userdata)
{
	const struct vtap_principal *principal = userdata;

	return strncmp(key, principal->serial, strlen(principal->serial)) == 0;
}

bool vtap_access_token_valid(struct vtap_access *a, const struct vtap_principal *principal)
{
	return *principal->serial && vtap_table_each(a->tokens, find_serial, (void *)principal) == 1;
}

struct token_end { /* what becomes of a token with its change */
	struct vtap_access *access;
	struct vtap_access_token *token; /* owned; NULL = a deletion */
	char hash[VTAP_HASH_STRLEN];
};

static void token_ended(bool committed, void *userdata)
{
	struct token_end *end = userdata;

	if (committed && end->token) {
		if (vtap_table_put(end->access->tokens, end->hash, end->token) >= 0)
			end->token = NULL;
	} else if (committed) {
		free(vtap_table_remove(end->access->tokens, end->hash));
	}
	free(end->token);
	free(end);
}

/* Takes the token. */
static int on_end(struct vtap_change *c, const char *hash, struct vtap_access_token *token)
{
	struct token_end *end = calloc(1, sizeof(*end));
	int r = -ENOMEM;

	if (end) {
		end->access = vtap_change_controller(c)->access;
		end->token = token;
		snprintf(end->hash, sizeof(end->hash), "%s", hash);
		r = vtap_change_on_end(c, token_ended, end);
	}
	if (r < 0) {
		free(token);
		free(end);
	}
	return r;
}

struct user_tokens {
	const char *user, *except;
	struct vtap_change *change;
	const struct vtap_access_token *first_to_expire;
	size_t count;
};

static int count_tokens(const char *key, void *value, void *userdata)
{
	struct user_tokens *u = userdata;
	const struct vtap_access_token *token = value;

	if (strcmp(token->user, u->user) != 0)
		return 0;
	u->count++;
	if (!u->first_to_expire || token->expires_s < u->first_to_expire->expires_s)
		u->first_to_expire = token;
	return 0;
}

static int put_due(struct vtap_change *c, const char *key, int64_t expires_s)
{
	char due[KEY_STRLEN + 48];

	snprintf(due, sizeof(due), "due/%020lld/%s", (long long)expires_s, key);
	return vtap_change_put_key(c, due, "", 0);
}

int vtap_access_put_token(struct vtap_change *c, const char *user, int64_t expires_s,
			  char ret_token[VTAP_ACCESS_TOKEN_STRLEN])
{
	struct vtap_access *a = vtap_change_controller(c)->access;
	struct vtap_access_token *token;
	struct user_tokens u = {.user = user};
	char value[128], key[KEY_STRLEN], hash[VTAP_HASH_STRLEN], text[VTAP_ACCESS_TOKEN_STRLEN] = "vtap_";
	int n, r = 0;

	vtap_random_text(VTAP_ACCESS_SECRET_CHARACTERS, text + strlen(text));
	vtap_hash_hex(text, strlen(text), hash);
	(void)vtap_table_each(a->tokens, count_tokens, &u);
	if (u.count >= VTAP_ACCESS_TOKENS_MAX)
		r = vtap_access_delete_token(c, u.first_to_expire->hash);
	if (r < 0)
		return r;
	n = snprintf(value, sizeof(value), "{\"user\":\"%s\",\"expires\":%lld}", user, (long long)expires_s);
	r = vtap_change_put_key(c, key_of(hash, key), value, (size_t)n);
	if (r >= 0)
		r = put_due(c, key, expires_s);
	if (r < 0)
		return r;
	token = calloc(1, sizeof(*token));
	if (!token)
		return -ENOMEM;
	snprintf(token->hash, sizeof(token->hash), "%s", hash);
	snprintf(token->user, sizeof(token->user), "%s", user);
	token->expires_s = expires_s;
	r = on_end(c, hash, token);
	if (r >= 0)
		memcpy(ret_token, text, sizeof(text));
	return r;
}

int vtap_access_delete_token(struct vtap_change *c, const char *hash)
{
	char key[KEY_STRLEN];
	int r;

	r = vtap_change_delete_key_after(c, key_of(hash, key));
	return r < 0 ? r : on_end(c, hash, NULL);
}

static int delete_of_user(const char *key, void *value, void *userdata)
{
	const struct user_tokens *u = userdata;
	const struct vtap_access_token *token = value;

	if (strcmp(token->user, u->user) != 0 || (u->except && strncmp(key, u->except, strlen(u->except)) == 0))
		return 0;
	return vtap_access_delete_token(u->change, key);
}

/* Of a login in the same batch. */
static int delete_pending(const struct vtap_store_item *item, void *userdata)
{
	const struct user_tokens *u = userdata;
	const char *hash = item->key + strlen("token/");
	json_t *value = json_loadb(item->value, item->value_bytes, 0, NULL);
	const char *user = json_string_value(json_object_get(value, "user"));
	bool is_meant = user && !strcmp(user, u->user) && !(u->except && !strncmp(hash, u->except, strlen(u->except)));

	json_decref(value);
	return is_meant ? vtap_access_delete_token(u->change, hash) : 0;
}

int vtap_access_delete_tokens(struct vtap_change *c, const char *user, const char *except)
{
	struct user_tokens u = {.user = user, .except = except && *except ? except : NULL, .change = c};
	int r;

	r = vtap_table_each(vtap_change_controller(c)->access->tokens, delete_of_user, &u);
	return r < 0 ? r : vtap_change_each_pending(c, "token/", delete_pending, &u);
}
