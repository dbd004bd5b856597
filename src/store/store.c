/* SPDX-License-Identifier: Apache-2.0 */

#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/backend.h"

struct vtap_store *vtap_store_free(struct vtap_store *s)
{
	if (!s)
		return NULL;
	s->backend->release(s);
	free(s);
	return NULL;
}

const char *vtap_store_epoch(const struct vtap_store *s)
{
	return s->epoch;
}

uint64_t vtap_store_revision(const struct vtap_store *s)
{
	return s->revision;
}

int vtap_store_key_compare(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
	int r = memcmp(a, b, VTAP_MIN(a_bytes, b_bytes));

	return r != 0 ? r : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

bool vtap_store_range_has(const struct vtap_store_range *range, const char *key)
{
	size_t bytes = strlen(key);

	return vtap_store_key_compare(key, bytes, range->lower, range->lower_bytes) >= 0 &&
	       vtap_store_key_compare(key, bytes, range->upper, range->upper_bytes) < 0;
}

/* The first key behind all that begin with prefix: its last byte that can grow grows, what follows goes. */
static void range_set_upper(struct vtap_store_range *range, const char *prefix, size_t bytes)
{
	memcpy(range->upper, prefix, bytes);
	while (bytes > 0 && range->upper[bytes - 1] == UINT8_MAX)
		bytes--;
	if (bytes > 0) {
		range->upper[bytes - 1]++;
	} else { /* none can: longer than the longest key, and so behind every key */
		bytes = sizeof(range->upper);
		memset(range->upper, UINT8_MAX, bytes);
	}
	range->upper_bytes = bytes;
}

static int range_set(const char *prefix, const char *after, struct vtap_store_range *ret_range)
{
	size_t prefix_bytes = strnlen(prefix, VTAP_STORE_KEY_MAX_BYTES + 1);
	size_t after_bytes = after ? strnlen(after, VTAP_STORE_KEY_MAX_BYTES + 1) : 0;

	if (prefix_bytes > VTAP_STORE_KEY_MAX_BYTES || after_bytes > VTAP_STORE_KEY_MAX_BYTES)
		return -EINVAL;
	range_set_upper(ret_range, prefix, prefix_bytes);
	if (after && vtap_store_key_compare(after, after_bytes, prefix, prefix_bytes) >= 0) {
		/* With its NUL: what follows `after` directly, since no key holds a NUL. */
		ret_range->lower_bytes = after_bytes + 1;
		memcpy(ret_range->lower, after, after_bytes + 1);
	} else {
		ret_range->lower_bytes = prefix_bytes;
		memcpy(ret_range->lower, prefix, prefix_bytes);
	}
	return 0;
}

static bool is_key(const char *key)
{
	return key && *key && strnlen(key, VTAP_STORE_KEY_MAX_BYTES + 1) <= VTAP_STORE_KEY_MAX_BYTES;
}

int vtap_store_get(struct vtap_store *s, const char *key, void **ret_value, size_t *ret_value_bytes,
		   uint64_t *ret_revision)
{
	size_t value_bytes;
	uint64_t revision;
	int r;

	assert(!s->visiting);
	if (!is_key(key))
		return -EINVAL;
	r = s->backend->get(s, key, ret_value, &value_bytes, &revision);
	if (r < 0)
		return r;
	if (ret_value_bytes)
		*ret_value_bytes = value_bytes;
	if (ret_revision)
		*ret_revision = revision;
	return 0;
}

ssize_t vtap_store_page(struct vtap_store *s, const char *prefix, const char *after, size_t max, vtap_store_visit visit,
			void *userdata)
{
	struct vtap_store_range range;
	ssize_t n;
	int r;

	assert(!s->visiting);
	if (max < 1 || max > VTAP_STORE_PAGE_MAX)
		return -EINVAL;
	r = range_set(prefix, after, &range);
	if (r < 0)
		return r;
	s->visiting = true;
	n = s->backend->page(s, &range, max, visit, userdata);
	s->visiting = false;
	return n;
}

int vtap_store_changes(struct vtap_store *s, const char *prefix, uint64_t revision, vtap_store_visit visit,
		       void *userdata, uint64_t *ret_revision)
{
	struct vtap_store_range range;
	int r;

	assert(!s->visiting);
	r = range_set(prefix, NULL, &range);
	if (r < 0)
		return r;
	if (revision > s->revision || revision + 1 < vtap_store_history_begin(s->revision))
		return -ESTALE;
	s->visiting = true;
	r = s->backend->changes(s, &range, revision, visit, userdata);
	s->visiting = false;
	if (r < 0)
		return r;
	*ret_revision = s->revision;
	return 0;
}

static bool is_write(const struct vtap_store_operation *o)
{
	return o->type == VTAP_STORE_PUT || o->type == VTAP_STORE_DELETE;
}

static bool has_value(const struct vtap_store_operation *o)
{
	return o->type == VTAP_STORE_PUT || o->type == VTAP_STORE_IS;
}

static int operation_check(const struct vtap_store_operation *o, size_t *bytes)
{
	size_t key_bytes;

	if ((!is_write(o) && o->type != VTAP_STORE_IS && o->type != VTAP_STORE_IS_ABSENT) || !o->key || !*o->key)
		return -EINVAL;
	key_bytes = strnlen(o->key, VTAP_STORE_KEY_MAX_BYTES + 1);
	if (key_bytes > VTAP_STORE_KEY_MAX_BYTES)
		return -E2BIG;
	*bytes += key_bytes;
	if (!has_value(o))
		return 0;
	if (o->value_bytes > VTAP_STORE_VALUE_MAX_BYTES)
		return -E2BIG;
	if (!o->value && o->value_bytes > 0)
		return -EINVAL;
	*bytes += o->value_bytes;
	return 0;
}

static int transaction_check(const struct vtap_store_transaction *t)
{
	size_t bytes = 0;
	int r;

	if (t->operation_count > VTAP_STORE_OPERATIONS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < t->operation_count; i++) {
		r = operation_check(&t->operations[i], &bytes);
		if (r < 0)
			return r;
	}
	return bytes > VTAP_STORE_TRANSACTION_MAX_BYTES ? -E2BIG : 0;
}

/* The last write of that key among the operations from begin to before end; NULL = none. */
static const struct vtap_store_operation *last_write(const struct vtap_store_transaction *t, size_t begin, size_t end,
						     const char *key)
{
	for (size_t i = end; i > begin; i--)
		if (is_write(&t->operations[i - 1]) && strcmp(t->operations[i - 1].key, key) == 0)
			return &t->operations[i - 1];
	return NULL;
}

/* Whether a compare holds after that write, whatever was there before it. */
static int holds_after(const struct vtap_store_operation *write, const struct vtap_store_operation *compare)
{
	if (compare->type == VTAP_STORE_IS_ABSENT)
		return write->type == VTAP_STORE_DELETE;
	return write->type == VTAP_STORE_PUT && write->value_bytes == compare->value_bytes &&
	       (write->value_bytes == 0 || memcmp(write->value, compare->value, write->value_bytes) == 0);
}

/* Before any of the transaction's writes is done, so that one whose compare fails leaves nothing to be undone. */
static int transaction_holds(struct vtap_store *s, const struct vtap_store_transaction *t)
{
	const struct vtap_store_operation *o, *write;
	int r = 1;

	for (size_t i = 0; i < t->operation_count && r > 0; i++) {
		o = &t->operations[i];
		if (is_write(o))
			continue;
		write = last_write(t, 0, i, o->key);
		r = write ? holds_after(write, o) : s->backend->holds(s, o);
	}
	return r;
}

/* Negative when the whole commit must fail; what concerns this transaction alone goes to its ret_result. */
static int transaction_apply(struct vtap_store *s, struct vtap_store_transaction *t, uint64_t *revision)
{
	struct vtap_store_place place = {.revision = *revision + 1};
	const struct vtap_store_operation *o;
	int r;

	t->ret_result = transaction_check(t);
	if (t->ret_result < 0)
		return 0;
	r = transaction_holds(s, t);
	if (r < 0)
		return r;
	if (r == 0) {
		t->ret_result = -EAGAIN;
		return 0;
	}
	for (size_t i = 0; i < t->operation_count; i++) {
		o = &t->operations[i];
		if (!is_write(o) || last_write(t, i + 1, t->operation_count, o->key))
			continue;
		r = s->backend->write(s, o, place);
		if (r < 0)
			return r;
		place.position += (unsigned)r;
	}
	t->ret_revision = *revision = place.revision;
	return 0;
}

int vtap_store_commit(struct vtap_store *s, struct vtap_store_transaction *transactions, size_t transaction_count)
{
	uint64_t revision = s->revision;
	int r, q;

	assert(!s->visiting);
	r = s->backend->begin(s);
	if (r == 0) {
		for (size_t i = 0; i < transaction_count && r == 0; i++)
			r = transaction_apply(s, &transactions[i], &revision);
		q = s->backend->end(s, r == 0, revision);
		r = r < 0 ? r : q;
	}
	if (r == 0)
		s->revision = revision;
	for (size_t i = 0; i < transaction_count && r < 0; i++)
		transactions[i].ret_result = r;
	return r;
}
