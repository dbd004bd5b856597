/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Chunks are kept as text, a tenth of what the same takes parsed. Those that were used last are parsed as well. What is
 * parsed stays so until the loop's next turn: whoever works inside one may borrow it.
 */

#include <errno.h>

#include "controller/rules_private.h"

struct vtap_rules_cache {
	struct vtap_rules_chunk *newest, *oldest; /* borrowed */
	size_t rule_count;
	sd_event_source *trim; /* owned; on while there are too many */
};

static void list_add(struct vtap_rules_cache *cache, struct vtap_rules_chunk *chunk)
{
	chunk->newer = NULL;
	chunk->older = cache->newest;
	*(cache->newest ? &cache->newest->newer : &cache->oldest) = chunk;
	cache->newest = chunk;
}

static void list_remove(struct vtap_rules_cache *cache, struct vtap_rules_chunk *chunk)
{
	*(chunk->newer ? &chunk->newer->older : &cache->newest) = chunk->older;
	*(chunk->older ? &chunk->older->newer : &cache->oldest) = chunk->newer;
}

static int on_trim(sd_event_source *source, void *userdata)
{
	struct vtap_rules_cache *cache = userdata;

	while (cache->rule_count > VTAP_RULES_PARSED_MAX)
		vtap_rules_chunk_close(cache->oldest);
	return 0;
}

int vtap_rules_cache_new(sd_event *event, struct vtap_rules_cache **ret_cache)
{
	VTAP_CLEANUP(vtap_rules_cache_freep) struct vtap_rules_cache *cache = calloc(1, sizeof(*cache));
	int r;

	if (!cache)
		return -ENOMEM;
	r = sd_event_add_defer(event, &cache->trim, on_trim, cache);
	if (r >= 0)
		r = sd_event_source_set_enabled(cache->trim, SD_EVENT_OFF);
	if (r < 0)
		return r;
	*ret_cache = VTAP_STEAL(cache);
	return 0;
}

struct vtap_rules_cache *vtap_rules_cache_free(struct vtap_rules_cache *cache)
{
	if (!cache)
		return NULL;
	sd_event_source_disable_unref(cache->trim);
	free(cache);
	return NULL;
}

size_t vtap_rules_cache_count(const struct vtap_rules_cache *cache)
{
	return cache->rule_count;
}

/* Notes that are lost are nothing that agents or rules depend on. */
static json_t *parse_notes(const struct vtap_rules_chunk *chunk, size_t count)
{
	json_t *notes = chunk->notes_text ? json_loadb(chunk->notes_text, chunk->notes_bytes, 0, NULL) : NULL;

	if (json_is_array(notes) && json_array_size(notes) == count)
		return notes;
	json_decref(notes);
	notes = json_array();
	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(notes, json_pack("{s:i}", "version", 1));
	return notes;
}

void vtap_rules_chunk_keep(struct vtap_rules_chunk *chunk, json_t *rules, json_t *notes)
{
	struct vtap_rules_cache *cache = chunk->cache;

	chunk->rules = rules;
	chunk->notes = notes;
	list_add(cache, chunk);
	cache->rule_count += json_array_size(rules);
	if (cache->rule_count > VTAP_RULES_PARSED_MAX)
		(void)sd_event_source_set_enabled(cache->trim, SD_EVENT_ONESHOT);
}

int vtap_rules_chunk_open(struct vtap_rules_chunk *chunk)
{
	json_t *rules;

	if (chunk->rules) {
		list_remove(chunk->cache, chunk);
		list_add(chunk->cache, chunk);
		return 0;
	}
	rules = json_loadb(chunk->text, chunk->text_bytes, 0, NULL);
	if (json_array_size(rules) == 0) {
		json_decref(rules);
		return -EUCLEAN;
	}
	vtap_rules_chunk_keep(chunk, rules, parse_notes(chunk, json_array_size(rules)));
	return 0;
}

void vtap_rules_chunk_close(struct vtap_rules_chunk *chunk)
{
	if (!chunk->rules)
		return;
	list_remove(chunk->cache, chunk);
	chunk->cache->rule_count -= json_array_size(chunk->rules);
	json_decref(VTAP_STEAL(chunk->rules));
	json_decref(VTAP_STEAL(chunk->notes));
}
