/* SPDX-License-Identifier: Apache-2.0 */

/* How often a login may fail, for each user and each address: a bucket that fills with failures and leaks with time. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "controller/access_private.h"

#define TRIES_MAX 8192 /* buckets; when there are more, full ones are forgotten too */

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

void vtap_access_tries_free(struct vtap_access *a)
{
	struct sweep s = {.table = a->tries, .all = true};

	if (a->tries)
		(void)vtap_table_each(a->tries, sweep_one, &s);
	a->tries = vtap_table_free(a->tries);
}

static struct bucket *bucket_get(struct vtap_access *a, const char *key, double period_s, double now)
{
	struct bucket *b = vtap_table_get(a->tries, key);
	struct sweep s = {.table = a->tries, .now = now};

	if (b) {
		leak(b, now);
		return b;
	}
	if (vtap_table_count(a->tries) >= TRIES_MAX)
		(void)vtap_table_each(a->tries, sweep_one, &s);
	s.all = true;
	if (vtap_table_count(a->tries) >= TRIES_MAX)
		(void)vtap_table_each(a->tries, sweep_one, &s);
	b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	*b = (struct bucket){.time_s = now, .period_s = period_s};
	if (vtap_table_put(a->tries, key, b) < 0) {
		free(b);
		return NULL;
	}
	return b;
}

static double wait_of(const struct bucket *b, unsigned tries)
{
	return (b->level + 1.0 - tries) * b->period_s;
}

#define TRY_KEY_STRLEN 160

static void keys_make(const char *user_name, const struct vtap_addr *address, char user[TRY_KEY_STRLEN],
		      char from[TRY_KEY_STRLEN])
{
	struct vtap_addr network = *address;
	char text[VTAP_ADDR_STRLEN], hash[VTAP_HASH_STRLEN];

	if (network.family == AF_INET6)
		memset(network.bytes + 8, 0, 8);
	snprintf(user, TRY_KEY_STRLEN, "user/%s", vtap_hash_hex(user_name, strlen(user_name), hash));
	snprintf(from, TRY_KEY_STRLEN, "address/%s", vtap_addr_format(&network, text));
}

unsigned vtap_access_try(struct vtap_access *a, const char *user_name, const struct vtap_addr *address)
{
	char user[TRY_KEY_STRLEN], from[TRY_KEY_STRLEN];
	double now = now_s(), wait_s;
	struct bucket *b, *of_user;

	keys_make(user_name, address, user, from);
	b = bucket_get(a, from, VTAP_ACCESS_ADDRESS_PERIOD_S, now);
	if (!b)
		return 1;
	wait_s = wait_of(b, VTAP_ACCESS_ADDRESS_TRIES);
	if (wait_s > 0.0)
		return (unsigned)wait_s + 1;
	of_user = bucket_get(a, user, VTAP_ACCESS_USER_PERIOD_S, now);
	b = vtap_table_get(a->tries, from); /* making the other one may have swept it away */
	if (!of_user || !b)
		return 1;
	wait_s = wait_of(of_user, VTAP_ACCESS_USER_TRIES);
	if (wait_s > 0.0)
		return (unsigned)wait_s + 1;
	b->level += 1.0;
	of_user->level += 1.0;
	return 0;
}

void vtap_access_try_succeeded(struct vtap_access *a, const char *user_name, const struct vtap_addr *address)
{
	char user[TRY_KEY_STRLEN], from[TRY_KEY_STRLEN];
	struct bucket *b;

	keys_make(user_name, address, user, from);
	b = vtap_table_get(a->tries, from);
	if (b)
		b->level = VTAP_MAX(0.0, b->level - 1.0);
	free(vtap_table_remove(a->tries, user));
}
