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

static int token_add(struct vtap_access *a, const char *hash, const char *user, int64_t expires_s)
{
	struct vtap_access_token *token = calloc(1, sizeof(*token));

	if (!token)
		return -ENOMEM;
	snprintf(token->hash, sizeof(token->hash), "%s", hash);
	snprintf(token->user, sizeof(token->user), "%s", user);
	token->expires_s = expires_s;
	if (vtap_table_put(a->tokens, hash, token) < 0) {
		free(token);
		return -ENOMEM;
	}
	return 0;
}

static int load_token(const struct vtap_store_item *item, void *userdata)
{
	json_t *value = json_loadb(item->value, item->value_bytes, 0, NULL);
	const char *user = json_string_value(json_object_get(value, "user"));
	int r = -EUCLEAN;

	if (user)
		r = token_add(userdata, item->key + strlen("token/"), user,
			      json_integer_value(json_object_get(value, "expires")));
	json_decref(value);
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
		return token && !token->ended ? token : NULL;
	free(vtap_table_remove(a->tokens, hash)); /* the store's is deleted when it is due */
	return NULL;
}

uint64_t vtap_access_tokens_ended(const struct vtap_access *a)
{
	return a->tokens_ended;
}

struct token_change { /* what became of a token at once, and remains so with its change */
	struct vtap_access *access; /* borrowed */
	char hash[VTAP_HASH_STRLEN];
};

static void on_put_end(bool committed, void *userdata)
{
	struct token_change *t = userdata;

	if (!committed)
		free(vtap_table_remove(t->access->tokens, t->hash));
	free(t);
}

/* One that has expired meanwhile is gone. */
static void on_delete_end(bool committed, void *userdata)
{
	struct token_change *t = userdata;
	struct vtap_access_token *token = vtap_table_get(t->access->tokens, t->hash);

	if (committed) {
		free(vtap_table_remove(t->access->tokens, t->hash));
		t->access->tokens_ended++;
	} else if (token) {
		token->ended = false;
	}
	free(t);
}

static int on_end(struct vtap_change *c, const char *hash, void (*end)(bool committed, void *userdata))
{
	struct token_change *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->access = vtap_change_controller(c)->access;
	snprintf(t->hash, sizeof(t->hash), "%s", hash);
	r = vtap_change_on_end(c, end, t);
	if (r < 0)
		free(t);
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

	if (token->ended || strcmp(token->user, u->user) != 0)
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
	r = token_add(a, hash, user, expires_s);
	if (r < 0)
		return r;
	r = on_end(c, hash, on_put_end);
	if (r < 0)
		free(vtap_table_remove(a->tokens, hash));
	else
		memcpy(ret_token, text, sizeof(text));
	return r;
}

int vtap_access_delete_token(struct vtap_change *c, const char *hash)
{
	struct vtap_access_token *token = vtap_table_get(vtap_change_controller(c)->access->tokens, hash);
	char key[KEY_STRLEN];
	int r;

	if (!token || token->ended)
		return 0;
	r = vtap_change_delete_key_after(c, key_of(hash, key));
	if (r >= 0)
		r = on_end(c, hash, on_delete_end);
	if (r >= 0)
		token->ended = true;
	return r;
}

static int delete_of_user(const char *key, void *value, void *userdata)
{
	const struct user_tokens *u = userdata;
	const struct vtap_access_token *token = value;

	if (strcmp(token->user, u->user) != 0 || (u->except && strcmp(key, u->except) == 0))
		return 0;
	return vtap_access_delete_token(u->change, key);
}

int vtap_access_delete_tokens(struct vtap_change *c, const char *user, const char *except)
{
	struct user_tokens u = {.user = user, .except = except, .change = c};

	return vtap_table_each(vtap_change_controller(c)->access->tokens, delete_of_user, &u);
}
