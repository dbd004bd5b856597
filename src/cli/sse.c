/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/sse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct text { /* grows; always NUL-terminated once there is something in it */
	char *bytes; /* owned */
	size_t used, space;
};

struct vtap_sse {
	vtap_sse_event event;
	void *userdata;
	struct text line, data;
	char name[64];
};

static int text_add(struct text *t, const char *bytes, size_t count)
{
	if (t->used + count >= VTAP_SSE_LINE_MAX_BYTES)
		return -E2BIG;
	if (t->used + count + 1 > t->space) {
		size_t space = VTAP_MAX(2 * t->space, t->used + count + 1);
		char *grown = realloc(t->bytes, space);

		if (!grown)
			return -ENOMEM;
		t->bytes = grown;
		t->space = space;
	}
	memcpy(t->bytes + t->used, bytes, count);
	t->used += count;
	t->bytes[t->used] = '\0';
	return 0;
}

int vtap_sse_new(vtap_sse_event event, void *userdata, struct vtap_sse **ret_sse)
{
	struct vtap_sse *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->event = event;
	s->userdata = userdata;
	*ret_sse = s;
	return 0;
}

struct vtap_sse *vtap_sse_free(struct vtap_sse *s)
{
	if (!s)
		return NULL;
	free(s->line.bytes);
	free(s->data.bytes);
	free(s);
	return NULL;
}

/* An empty line ends an event. */
static int event_end(struct vtap_sse *s)
{
	int r = 0;

	if (s->data.used > 0)
		r = s->event(*s->name ? s->name : "message", s->data.bytes, s->userdata);
	s->data.used = 0;
	*s->name = '\0';
	return r;
}

static int line_end(struct vtap_sse *s)
{
	const char *line = s->line.used > 0 ? s->line.bytes : "", *value;
	size_t key = strcspn(line, ":");
	int r;

	if (*line == '\0')
		return event_end(s);
	value = line + key + (line[key] == ':');
	value += *value == ' ';
	if (key == 5 && memcmp(line, "event", 5) == 0)
		snprintf(s->name, sizeof(s->name), "%s", value);
	if (key != 4 || memcmp(line, "data", 4) != 0)
		return 0;
	r = s->data.used > 0 ? text_add(&s->data, "\n", 1) : 0;
	return r < 0 ? r : text_add(&s->data, value, strlen(value));
}

int vtap_sse_feed(struct vtap_sse *s, const void *data, size_t size_bytes)
{
	const char *c = data, *end = c + size_bytes;
	int r = 0;

	while (c < end && r >= 0) {
		const char *newline = memchr(c, '\n', (size_t)(end - c));
		size_t length = (size_t)((newline ? newline : end) - c);

		r = text_add(&s->line, c, length);
		c += length + (newline != NULL);
		if (r < 0 || !newline)
			continue;
		if (s->line.used > 0 && s->line.bytes[s->line.used - 1] == '\r')
			s->line.bytes[--s->line.used] = '\0';
		r = line_end(s);
		s->line.used = 0;
	}
	return r;
}
