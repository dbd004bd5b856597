/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/audit_refusals.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/table.h"

struct bucket {
	struct vtap_refused who;
	uint64_t empty_us; /* each that is written down puts this off by its period */
	uint64_t said_us; /* when something was said of it last */
	uint64_t left_out; /* since then */
};

struct vtap_refusals {
	struct vtap_table *buckets; /* owned, with what it holds */
	struct bucket nobody; /* of all who have none of their own */
	uint64_t left_out;
};

int vtap_refusals_new(struct vtap_refusals **ret_refusals)
{
	struct vtap_refusals *r = calloc(1, sizeof(*r));

	if (!r || vtap_table_new(&r->buckets) < 0) {
		free(r);
		return -ENOMEM;
	}
	*ret_refusals = r;
	return 0;
}

static int free_bucket(const char *key, void *value, void *userdata)
{
	free(value);
	return 0;
}

struct vtap_refusals *vtap_refusals_free(struct vtap_refusals *r)
{
	if (!r)
		return NULL;
	(void)vtap_table_each(r->buckets, free_bucket, NULL);
	vtap_table_free(r->buckets);
	free(r);
	return NULL;
}

struct sweep {
	struct vtap_refusals *refusals;
	uint64_t now_us;
};

/* One that is empty, and has nothing to tell, is as good as none. */
static int sweep_bucket(const char *key, void *value, void *userdata)
{
	const struct sweep *s = userdata;
	const struct bucket *b = value;

	if (b->empty_us <= s->now_us && !b->left_out)
		free(vtap_table_remove(s->refusals->buckets, key));
	return 0;
}

static struct bucket *bucket_of(struct vtap_refusals *r, const struct vtap_refused *who, uint64_t now_us)
{
	char key[2 * VTAP_ID_STRLEN];
	struct sweep s = {.refusals = r, .now_us = now_us};
	struct bucket *b;

	if (!*who->user && !*who->host)
		return &r->nobody;
	snprintf(key, sizeof(key), "%s/%s", *who->user ? who->user : who->host, who->project);
	b = vtap_table_get(r->buckets, key);
	if (b)
		return b;
	if (vtap_table_count(r->buckets) >= VTAP_AUDIT_REFUSED_MAX)
		(void)vtap_table_each(r->buckets, sweep_bucket, &s);
	if (vtap_table_count(r->buckets) >= VTAP_AUDIT_REFUSED_MAX)
		return &r->nobody;
	b = calloc(1, sizeof(*b));
	if (!b || vtap_table_put(r->buckets, key, b) < 0) {
		free(b);
		return &r->nobody;
	}
	b->who = *who;
	return b;
}

static uint64_t period_us(const struct bucket *b)
{
	uint64_t period_s = *b->who.user   ? VTAP_AUDIT_REFUSALS_USER_S
			    : *b->who.host ? VTAP_AUDIT_REFUSALS_HOST_S
					   : VTAP_AUDIT_REFUSALS_NOBODY_S;

	return period_s * 1000000U;
}

/* What was left out of it is no secret any more. */
static uint64_t said(struct vtap_refusals *r, struct bucket *b, uint64_t now_us)
{
	uint64_t left_out = b->left_out;

	b->said_us = now_us;
	b->left_out = 0;
	r->left_out -= left_out;
	return left_out;
}

bool vtap_refusals_note(struct vtap_refusals *r, const struct vtap_refused *who, uint64_t now_us,
			uint64_t *ret_left_out)
{
	struct bucket *b = bucket_of(r, who, now_us);

	snprintf(b->who.from, sizeof(b->who.from), "%s", who->from);
	b->empty_us = VTAP_MAX(b->empty_us, now_us);
	if (b->empty_us - now_us > (VTAP_AUDIT_REFUSALS_MAX - 1) * period_us(b)) {
		b->left_out++;
		r->left_out++;
		return false;
	}
	b->empty_us += period_us(b);
	*ret_left_out = said(r, b, now_us);
	return true;
}

uint64_t vtap_refusals_left_out(const struct vtap_refusals *r)
{
	return r->left_out;
}

struct telling {
	struct vtap_refusals *refusals;
	uint64_t now_us;
	bool all;
	void (*tell)(const struct vtap_refused *who, uint64_t left_out, void *userdata);
	void *userdata;
};

static int tell_bucket(const char *key, void *value, void *userdata)
{
	const struct telling *t = userdata;
	struct bucket *b = value;

	if (b->left_out && (t->all || t->now_us >= b->said_us + period_us(b)))
		t->tell(&b->who, said(t->refusals, b, t->now_us), t->userdata);
	return 0;
}

void vtap_refusals_tell(struct vtap_refusals *r, uint64_t now_us, bool all,
			void (*tell)(const struct vtap_refused *who, uint64_t left_out, void *userdata), void *userdata)
{
	struct telling t = {.refusals = r, .now_us = now_us, .all = all, .tell = tell, .userdata = userdata};

	(void)tell_bucket("", &r->nobody, &t);
	(void)vtap_table_each(r->buckets, tell_bucket, &t);
}
