/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How often a login may fail, for each address, and for each user from one address and from everywhere: buckets that fill with
 * failures and leak with time. Whoever fails as somebody else, even from many addresses, does not keep that user out where she is
 * at home: from where she has logged in lately, which the store keeps as "home/USER/NETWORK" with when it expires.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "controller/access_private.h"

#define KEY_STRLEN 128
#define RENEW_S 86400 /* a home is not written more often */
#define TRIES_MAX 8192 /* buckets of a table; when there are more, full ones are forgotten too */

struct bucket {
	double level; /* failures, at that time */
	double time_s;
	double period_s; /* one leaks in it */
};

static double now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void leak(struct bucket *b, double now)
{
	b->level = VTAP_MAX(0.0, b->level - (now - b->time_s) / b->period_s);
	b->time_s = now;
}

struct sweep {
	struct vtap_table *table;
	double now;
	bool all;
};

static int sweep_one(const char *key, void *value, void *userdata)
{
	const struct sweep *s = userdata;

	leak(value, s->now);
	if (s->all || ((struct bucket *)value)->level <= 0.0) {
		(void)vtap_table_remove(s->table, key);
		free(value);
	}
	return 0;
}

static struct vtap_table *table_free(struct vtap_table *table)
{
	struct sweep s = {.table = table, .all = true};

	if (table)
		(void)vtap_table_each(table, sweep_one, &s);
	return vtap_table_free(table);
}

void vtap_access_tries_free(struct vtap_access *a)
{
	a->tries = table_free(a->tries);
	a->homes = table_free(a->homes);
}

static struct bucket *bucket_get(struct vtap_table *table, const char *key, double period_s, double now)
{
	struct bucket *b = vtap_table_get(table, key);
	struct sweep s = {.table = table, .now = now};

	if (b) {
		leak(b, now);
		return b;
	}
	if (vtap_table_count(table) >= TRIES_MAX)
		(void)vtap_table_each(table, sweep_one, &s);
	s.all = true;
	if (vtap_table_count(table) >= TRIES_MAX)
		(void)vtap_table_each(table, sweep_one, &s);
	b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	*b = (struct bucket){.time_s = now, .period_s = period_s};
	if (vtap_table_put(table, key, b) < 0) {
		free(b);
		return NULL;
	}
	return b;
}

static double wait_of(const struct bucket *b, unsigned tries)
{
	return (b->level + 1.0 - tries) * b->period_s;
}

/* The buckets that one login fills. */
enum { OF_ADDRESS, OF_PAIR, OF_USER, BUCKETS };

static const struct {
	unsigned tries;
	double period_s;
} kinds[BUCKETS] = {
    [OF_ADDRESS] = {VTAP_ACCESS_ADDRESS_TRIES, VTAP_ACCESS_ADDRESS_PERIOD_S},
    [OF_PAIR] = {VTAP_ACCESS_USER_TRIES, VTAP_ACCESS_USER_PERIOD_S},
    [OF_USER] = {VTAP_ACCESS_EVERYWHERE_TRIES, VTAP_ACCESS_EVERYWHERE_PERIOD_S},
};

/* The address that is counted. */
static const char *network_of(const struct vtap_addr *address, char buffer[VTAP_ADDR_STRLEN])
{
	struct vtap_addr network = *address;

	if (network.family == AF_INET6)
		memset(network.bytes + 8, 0, 8);
	return vtap_addr_format(&network, buffer);
}

struct keys {
	char texts[BUCKETS][160];
};

static void keys_make(const struct vtap_access *a, const char *name, const struct vtap_addr *address,
		      struct keys *ret_keys)
{
	const struct vtap_objects *objects = a->controller->objects;
	const struct vtap_object *user = vtap_objects_named(objects, vtap_kind_find("user"), NULL, name);
	char text[VTAP_ADDR_STRLEN], hash[VTAP_HASH_STRLEN];

	if (user)
		name = user->id;
	network_of(address, text);
	vtap_hash_hex(name, strlen(name), hash);
	snprintf(ret_keys->texts[OF_ADDRESS], sizeof(ret_keys->texts[0]), "address/%s", text);
	snprintf(ret_keys->texts[OF_PAIR], sizeof(ret_keys->texts[0]), "pair/%s/%s", hash, text);
	snprintf(ret_keys->texts[OF_USER], sizeof(ret_keys->texts[0]), "user/%s", hash);
}

static bool is_at_home(const struct vtap_access *a, const struct keys *k, double now)
{
	struct bucket *b = vtap_table_get(a->homes, k->texts[OF_PAIR]);

	if (b)
		leak(b, now);
	return b && b->level > 0.0;
}

/* How many buckets a try from there fills. */
static size_t count_of(const struct vtap_access *a, const struct keys *k, double now)
{
	return is_at_home(a, k, now) ? OF_USER : BUCKETS;
}

unsigned vtap_access_try(struct vtap_access *a, const char *user_name, const struct vtap_addr *address)
{
	double now = now_s(), wait_s;
	size_t count;
	struct keys k;

	keys_make(a, user_name, address, &k);
	count = count_of(a, &k, now);
	for (size_t i = 0; i < count; i++) {
		struct bucket *b = bucket_get(a->tries, k.texts[i], kinds[i].period_s, now);

		wait_s = b ? wait_of(b, kinds[i].tries) : 0.0;
		if (wait_s > 0.0 || !b)
			return (unsigned)wait_s + 1;
	}
	for (size_t i = 0; i < count; i++) {
		struct bucket *b = vtap_table_get(a->tries, k.texts[i]); /* making another may have swept it away */

		if (b)
			b->level += 1.0;
	}
	return 0;
}

void vtap_access_try_succeeded(struct vtap_access *a, const char *user_name, const struct vtap_addr *address)
{
	double now = now_s();
	struct bucket *b;
	size_t count;
	struct keys k;

	keys_make(a, user_name, address, &k);
	count = count_of(a, &k, now);
	for (size_t i = 0; i < count; i++) {
		b = vtap_table_get(a->tries, k.texts[i]);
		if (b)
			b->level = VTAP_MAX(0.0, b->level - 1.0);
	}
	free(vtap_table_remove(a->tries, k.texts[OF_PAIR]));
	b = bucket_get(a->homes, k.texts[OF_PAIR], VTAP_ACCESS_LATELY_S, now);
	if (b)
		b->level = 1.0;
}

static int64_t expires_of(const void *text, size_t text_bytes)
{
	json_auto_t *value = json_loadb(text, text_bytes, 0, NULL);

	return json_integer_value(json_object_get(value, "expires"));
}

struct homes { /* of one user */
	char first_to_expire[KEY_STRLEN];
	int64_t expires_s;
	size_t count;
};

static int visit_home(const struct vtap_store_item *item, void *userdata)
{
	struct homes *h = userdata;
	int64_t expires_s = expires_of(item->value, item->value_bytes);

	if (h->count++ > 0 && expires_s >= h->expires_s)
		return 0;
	snprintf(h->first_to_expire, sizeof(h->first_to_expire), "%s", item->key);
	h->expires_s = expires_s;
	return 0;
}

static int home_write(struct vtap_change *c, const char *key, int64_t expires_s)
{
	char value[64], due[KEY_STRLEN + 32];
	int n, r;

	n = snprintf(value, sizeof(value), "{\"expires\":%" PRId64 "}", expires_s);
	r = vtap_change_put_key(c, key, value, (size_t)n);
	snprintf(due, sizeof(due), "due/%020" PRId64 "/%s", expires_s, key);
	return r < 0 ? r : vtap_change_put_key(c, due, "", 0);
}

int vtap_access_put_home(struct vtap_change *c, const char *user, const struct vtap_addr *address)
{
	int64_t expires_s = vtap_change_time_s(c) + VTAP_ACCESS_LATELY_S;
	char key[KEY_STRLEN], prefix[KEY_STRLEN], text[VTAP_ADDR_STRLEN];
	_cleanup_free_ char *value = NULL;
	struct homes homes = {};
	size_t value_bytes;
	int r;

	snprintf(key, sizeof(key), "home/%s/%s", user, network_of(address, text));
	r = vtap_change_get_key(c, key, &value, &value_bytes);
	if (r >= 0)
		return expires_of(value, value_bytes) > expires_s - RENEW_S ? 0 : home_write(c, key, expires_s);
	if (r != -ENOENT)
		return r;
	snprintf(prefix, sizeof(prefix), "home/%s/", user);
	r = vtap_change_each_key(c, prefix, visit_home, &homes);
	if (r >= 0 && homes.count >= VTAP_ACCESS_HOMES_MAX)
		r = vtap_change_delete_key_after(c, homes.first_to_expire);
	return r < 0 ? r : home_write(c, key, expires_s);
}

struct loading {
	struct vtap_access *access;
	double now;
	int64_t time_s;
	char last[KEY_STRLEN];
};

static int load_home(const struct vtap_store_item *item, void *userdata)
{
	struct loading *l = userdata;
	double left_s = (double)(expires_of(item->value, item->value_bytes) - l->time_s);
	const char *user = item->key + strlen("home/"), *network = strchr(user, '/');
	char id[VTAP_ID_STRLEN];
	struct vtap_addr address;
	struct bucket *b;
	struct keys k;

	snprintf(l->last, sizeof(l->last), "%s", item->key);
	if (vtap_table_count(l->access->homes) >= TRIES_MAX)
		return -ECANCELED;
	if (left_s <= 0 || !network || vtap_addr_parse(network + 1, &address) < 0)
		return 0;
	snprintf(id, sizeof(id), "%.*s", (int)(network - user), user);
	keys_make(l->access, id, &address, &k);
	b = bucket_get(l->access->homes, k.texts[OF_PAIR], VTAP_ACCESS_LATELY_S, l->now);
	if (b)
		b->level = VTAP_MIN(1.0, left_s / VTAP_ACCESS_LATELY_S);
	return 0;
}

int vtap_access_load_homes(struct vtap_access *a)
{
	struct loading l = {.access = a, .now = now_s(), .time_s = time(NULL)};
	ssize_t count;

	do {
		count = vtap_store_page(a->controller->store, "home/", *l.last ? l.last : NULL, VTAP_STORE_PAGE_MAX,
					load_home, &l);
	} while (count == VTAP_STORE_PAGE_MAX);
	return count < 0 && count != -ECANCELED ? (int)count : 0;
}
