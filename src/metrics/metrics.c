/* SPDX-License-Identifier: Apache-2.0 */

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "metrics/metrics.h"

#define BUFFER_FIRST_BYTES 1024
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* A first failure sticks, so that writers need not look at each step. */
struct buffer {
	char *bytes; /* owned */
	size_t used, size;
	int error;
};

struct family {
	char *name, *help; /* owned */
	enum vtap_metrics_type type;
	struct buffer samples;
};

struct vtap_metrics {
	struct family families[VTAP_METRICS_FAMILIES_MAX];
	size_t family_count;
	size_t sample_bytes; /* of all families */
};

static const char *const type_names[] = {
    [VTAP_METRICS_COUNTER] = "counter",
    [VTAP_METRICS_GAUGE] = "gauge",
};
static_assert(VTAP_ARRAY_SIZE(type_names) == VTAP_METRICS_TYPE_MAX, "name every type");

static void put_bytes(struct buffer *b, const char *bytes, size_t count)
{
	size_t size = b->size ? b->size : BUFFER_FIRST_BYTES;
	char *grown;

	if (b->error < 0)
		return;
	while (size < b->used + count)
		size *= 2;
	if (size != b->size) {
		grown = realloc(b->bytes, size);
		if (!grown) {
			b->error = -ENOMEM;
			return;
		}
		b->bytes = grown;
		b->size = size;
	}
	memcpy(b->bytes + b->used, bytes, count);
	b->used += count;
}

static void put(struct buffer *b, const char *text)
{
	put_bytes(b, text, strlen(text));
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Bytes of the UTF-8 character at text, or 0 if there is none: stray, cut, overlong, a surrogate, or above U+10FFFF. */
static size_t utf8_length(const char *text)
{
	static const uint32_t first_of_length[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char c = (unsigned char)text[0];
	size_t length = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	uint32_t code = c & (0xffU >> (length + 1));

	if (length == 1)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if (!is_continuation(text[i]))
			return 0;
		code = code << 6 | ((unsigned char)text[i] & 0x3f);
	}
	if (code < first_of_length[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return length;
}

/* One byte that is not UTF-8 would make Prometheus refuse the whole text. */
static void put_escaped(struct buffer *b, const char *text, bool escape_quotes)
{
	for (size_t length; *text; text += length) {
		length = utf8_length(text);
		if (length == 0) {
			put(b, REPLACEMENT);
			length = 1;
		} else if (*text == '\n') {
			put(b, "\\n");
		} else if (*text == '\\') {
			put(b, "\\\\");
		} else if (*text == '"' && escape_quotes) {
			put(b, "\\\"");
		} else {
			put_bytes(b, text, length);
		}
	}
}

static bool is_name(const char *name, bool colon_allowed)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:";
	static const char digits[] = "0123456789";

	if (!*name || strchr(digits, *name))
		return false;
	for (; *name; name++)
		if ((!strchr(letters, *name) && !strchr(digits, *name)) || (*name == ':' && !colon_allowed))
			return false;
	return true;
}

/* Names that begin with two underscores are Prometheus' own. */
static bool labels_are_valid(const struct vtap_metrics_label *labels, size_t label_count)
{
	for (size_t i = 0; i < label_count; i++) {
		if (!is_name(labels[i].name, false) || strncmp(labels[i].name, "__", 2) == 0)
			return false;
		for (size_t j = 0; j < i; j++)
			if (strcmp(labels[i].name, labels[j].name) == 0)
				return false;
	}
	return true;
}

static struct family *family_find(struct vtap_metrics *m, const char *name)
{
	for (size_t i = 0; i < m->family_count; i++)
		if (strcmp(m->families[i].name, name) == 0)
			return &m->families[i];
	return NULL;
}

int vtap_metrics_new(struct vtap_metrics **ret_metrics)
{
	struct vtap_metrics *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	*ret_metrics = m;
	return 0;
}

struct vtap_metrics *vtap_metrics_free(struct vtap_metrics *m)
{
	if (!m)
		return NULL;
	for (size_t i = 0; i < m->family_count; i++) {
		free(m->families[i].name);
		free(m->families[i].help);
		free(m->families[i].samples.bytes);
	}
	free(m);
	return NULL;
}

int vtap_metrics_declare(struct vtap_metrics *m, const char *name, enum vtap_metrics_type type, const char *help)
{
	_cleanup_free_ char *own_name = NULL, *own_help = NULL;
	struct family *f;

	if (!is_name(name, true))
		return -EINVAL;
	if (family_find(m, name))
		return -EEXIST;
	if (m->family_count == VTAP_METRICS_FAMILIES_MAX)
		return -E2BIG;
	own_name = strdup(name);
	own_help = strdup(help);
	if (!own_name || !own_help)
		return -ENOMEM;
	f = &m->families[m->family_count++];
	f->name = VTAP_STEAL(own_name);
	f->help = VTAP_STEAL(own_help);
	f->type = type;
	return 0;
}

static int sample_add(struct vtap_metrics *m, const char *name, const struct vtap_metrics_label *labels,
		      size_t label_count, const char *value)
{
	struct family *f = family_find(m, name);
	struct buffer *b;
	size_t before;
	int r;

	if (!f)
		return -ENOENT;
	if (label_count > VTAP_METRICS_LABELS_MAX)
		return -E2BIG;
	if (!labels_are_valid(labels, label_count))
		return -EINVAL;
	b = &f->samples;
	before = b->used;
	put(b, name);
	for (size_t i = 0; i < label_count; i++) {
		put(b, i == 0 ? "{" : ",");
		put(b, labels[i].name);
		put(b, "=\"");
		put_escaped(b, labels[i].value, true);
		put(b, "\"");
	}
	put(b, label_count > 0 ? "} " : " ");
	put(b, value);
	put(b, "\n");
	r = b->error;
	if (r == 0 && b->used - before > VTAP_METRICS_SAMPLES_MAX_BYTES - m->sample_bytes)
		r = -E2BIG;
	if (r < 0) {
		b->used = before;
		b->error = 0;
		return r;
	}
	m->sample_bytes += b->used - before;
	return 0;
}

int vtap_metrics_add_u64(struct vtap_metrics *m, const char *name, const struct vtap_metrics_label *labels,
			 size_t label_count, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, value);
	return sample_add(m, name, labels, label_count, text);
}

int vtap_metrics_add_double(struct vtap_metrics *m, const char *name, const struct vtap_metrics_label *labels,
			    size_t label_count, double value)
{
	char text[32];

	if (isnan(value))
		return sample_add(m, name, labels, label_count, "NaN");
	if (isinf(value))
		return sample_add(m, name, labels, label_count, value > 0 ? "+Inf" : "-Inf");
	/* The shortest of the forms that read back as the same number: 0.1, not 0.10000000000000001. */
	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	return sample_add(m, name, labels, label_count, text);
}

static void put_family(struct buffer *b, const struct family *f)
{
	put(b, "# HELP ");
	put(b, f->name);
	put(b, " ");
	put_escaped(b, f->help, false);
	put(b, "\n# TYPE ");
	put(b, f->name);
	put(b, " ");
	put(b, type_names[f->type]);
	put(b, "\n");
	put_bytes(b, f->samples.bytes, f->samples.used);
}

int vtap_metrics_text(const struct vtap_metrics *m, char **ret_text, size_t *ret_size_bytes)
{
	struct buffer b = {};

	for (size_t i = 0; i < m->family_count; i++)
		if (m->families[i].samples.used > 0)
			put_family(&b, &m->families[i]);
	put_bytes(&b, "", 1);
	if (b.error < 0) {
		free(b.bytes);
		return b.error;
	}
	*ret_text = b.bytes;
	*ret_size_bytes = b.used - 1;
	return 0;
}
