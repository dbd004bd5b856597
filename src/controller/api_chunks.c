/* SPDX-License-Identifier: Apache-2.0 */

#include "controller/api_chunks.h"

#include <errno.h>
#include <string.h>

#include "controller/controller.h"
#include "controller/rules.h"
#include "crypto/crypto.h"

struct chunks {
	const char *texts[VTAP_CHUNKS_HASHES_MAX]; /* borrowed */
	size_t sizes_bytes[VTAP_CHUNKS_HASHES_MAX];
	size_t count, size_bytes; /* with a line's end behind each */
	bool full;
};

/* What is not listed any more is left out, and so is what comes once there is no room: it can be asked for again. */
static void add(struct chunks *c, const struct vtap_rules *rules, const char *hash)
{
	size_t size_bytes;
	const char *text = vtap_rules_chunk_text(rules, hash, &size_bytes);

	c->full = c->full || (text && c->count && c->size_bytes + size_bytes + 1 > VTAP_CHUNKS_ANSWER_BYTES);
	if (!text || c->full)
		return;
	c->texts[c->count] = text;
	c->sizes_bytes[c->count++] = size_bytes;
	c->size_bytes += size_bytes + 1;
}

static int read_hashes(struct vtap_call *call, struct chunks *c)
{
	const char *text = vtap_http_query(call->request, "hashes");
	char hash[VTAP_HASH_STRLEN];
	size_t count = 0;

	do {
		size_t length = text ? strspn(text, "0123456789abcdef") : 0;

		if (length != VTAP_HASH_STRLEN - 1 || (text[length] && text[length] != ','))
			return vtap_call_fail(call, -EINVAL, "hashes",
					      "must be hashes of %d hex digits in lower case, with commas between",
					      VTAP_HASH_STRLEN - 1);
		if (++count > VTAP_CHUNKS_HASHES_MAX)
			return vtap_call_fail(call, -EINVAL, "hashes", "must be at most %d at a time",
					      VTAP_CHUNKS_HASHES_MAX);
		snprintf(hash, sizeof(hash), "%s", text);
		add(c, call->controller->rules, hash);
		text += length;
	} while (*text++);
	return 0;
}

int vtap_chunks_get(struct vtap_call *call, struct vtap_change *change)
{
	struct chunks c = {};
	char *at;
	int r;

	r = read_hashes(call, &c);
	if (r < 0)
		return r;
	call->text = at = malloc(c.size_bytes + 1);
	if (!call->text)
		return -ENOMEM;
	for (size_t i = 0; i < c.count; i++) {
		at = mempcpy(at, c.texts[i], c.sizes_bytes[i]);
		*at++ = '\n';
	}
	call->text_bytes = c.size_bytes;
	call->content_type = "application/x-ndjson";
	return 0;
}
