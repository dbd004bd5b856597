/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "http/router.h"

#define STATUS_NOT_FOUND 404
#define STATUS_METHOD_NOT_ALLOWED 405

enum segment_kind { /* the higher, the closer it fits */
		    SEGMENT_NONE,
		    SEGMENT_REST,
		    SEGMENT_PARAMETER,
		    SEGMENT_LITERAL,
};

/* One segment of a pattern, without its slash. */
struct piece {
	enum segment_kind kind; /* SEGMENT_NONE = broken */
	const char *text;
	size_t length;
};

/* Reads the segment behind the slash at *pattern, and moves it to the next slash or to the end. */
static struct piece next_piece(const char **pattern)
{
	struct piece p = {.kind = SEGMENT_LITERAL, .text = *pattern + 1};

	p.length = strcspn(p.text, "/");
	*pattern = p.text + p.length;
	if (!memchr(p.text, '{', p.length) && !memchr(p.text, '}', p.length))
		return p;
	/* Braces stand around the whole segment, and around a name. */
	p.kind = SEGMENT_PARAMETER;
	if (p.length < 3 || strcspn(p.text + 1, "{}") != p.length - 2 || p.text[0] != '{')
		p.kind = SEGMENT_NONE;
	else if (p.length >= strlen("{...}") && memcmp(p.text + p.length - strlen("...}"), "...", 3) == 0)
		p.kind = (*pattern)[0] || p.length == strlen("{...}") ? SEGMENT_NONE : SEGMENT_REST;
	return p;
}

int vtap_http_pattern_check(const char *pattern)
{
	size_t segments = 0, parameters = 0;

	if (pattern[0] != '/')
		return -EINVAL;
	while (pattern[0]) {
		struct piece p = next_piece(&pattern);

		parameters += p.kind == SEGMENT_PARAMETER || p.kind == SEGMENT_REST;
		if (p.kind == SEGMENT_NONE || ++segments > VTAP_HTTP_SEGMENTS_MAX ||
		    parameters > VTAP_HTTP_PARAMETERS_MAX)
			return -EINVAL;
	}
	return 0;
}

/* A rest is for those who make a file's name of it: no segment of it may be more than a name. */
static bool rest_fits(const struct vtap_http_target *t, size_t first)
{
	for (size_t i = first; i < t->segment_count; i++)
		if (strchr(t->segments[i], '/') || (!t->segments[i][0] && t->segment_count > first + 1))
			return false;
	return true;
}

static bool piece_fits(const struct piece *p, const struct vtap_http_target *t, size_t i)
{
	if (p->kind == SEGMENT_REST)
		return rest_fits(t, i);
	if (p->kind == SEGMENT_PARAMETER)
		return t->segments[i][0];
	return strlen(t->segments[i]) == p->length && memcmp(t->segments[i], p->text, p->length) == 0;
}

/*
 * Returns how well the pattern fits, 0 = not at all. The kinds of the segments from left to right as one number, so that what
 * comes first decides.
 */
static uint64_t pattern_match(const char *pattern, const struct vtap_http_target *t,
			      const char *ret_parameters[VTAP_HTTP_PARAMETERS_MAX])
{
	size_t i = 0, parameters = 0;
	uint64_t score = 0;

	for (size_t k = 0; k < VTAP_HTTP_PARAMETERS_MAX; k++)
		ret_parameters[k] = NULL;
	while (pattern[0]) {
		struct piece p = next_piece(&pattern);

		if (i == t->segment_count || !piece_fits(&p, t, i))
			return 0;
		score |= (uint64_t)p.kind << (2 * (VTAP_HTTP_SEGMENTS_MAX - i));
		if (p.kind == SEGMENT_PARAMETER)
			ret_parameters[parameters++] = t->segments[i];
		if (p.kind == SEGMENT_REST) {
			ret_parameters[parameters++] = t->path + t->offsets[i];
			return score;
		}
		i++;
	}
	return i == t->segment_count ? score : 0;
}
_Static_assert(2 * (VTAP_HTTP_SEGMENTS_MAX + 1) <= 64, "two bits for each segment");

static bool list_has(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += length)
		if ((at == list || at[-1] == ' ') && (!at[length] || at[length] == ','))
			return true;
	return false;
}

static void allow_add(char allow[VTAP_HTTP_ALLOW_BYTES], const struct vtap_http_route *route)
{
	const char *method = route->method;
	size_t used = strlen(allow);
	int n;

	if (list_has(allow, method))
		return;
	n = snprintf(allow + used, VTAP_HTTP_ALLOW_BYTES - used, "%s%s%s", used > 0 ? ", " : "", method,
		     strcmp(method, "GET") == 0 && !route->no_head ? ", HEAD" : "");
	if (n < 0 || (size_t)n >= VTAP_HTTP_ALLOW_BYTES - used)
		allow[used] = 0;
}

static bool takes(const struct vtap_http_route *route, const char *method)
{
	if (strcmp(method, "HEAD") == 0)
		return strcmp(route->method, "GET") == 0 && !route->no_head;
	return strcmp(route->method, method) == 0;
}

/* The routes whose patterns have a rest, or those that have none. Returns whether there is one with this method. */
static bool find_best(const struct vtap_http_route *routes, size_t route_count, bool with_rest, const char *method,
		      const struct vtap_http_target *target, const struct vtap_http_route **ret_route,
		      const char *ret_parameters[VTAP_HTTP_PARAMETERS_MAX], char allow[VTAP_HTTP_ALLOW_BYTES])
{
	uint64_t best = 0;

	for (size_t i = 0; i < route_count; i++) {
		const char *parameters[VTAP_HTTP_PARAMETERS_MAX];
		uint64_t score;

		if ((strstr(routes[i].path, "...}") != NULL) != with_rest)
			continue;
		score = pattern_match(routes[i].path, target, parameters);
		if (score == 0)
			continue;
		allow_add(allow, &routes[i]);
		if (score <= best || !takes(&routes[i], method))
			continue;
		best = score;
		*ret_route = &routes[i];
		memcpy(ret_parameters, parameters, sizeof(parameters));
	}
	return best > 0;
}

unsigned vtap_http_route_find(const struct vtap_http_route *routes, size_t route_count, const char *method,
			      const struct vtap_http_target *target, const struct vtap_http_route **ret_route,
			      const char *ret_parameters[VTAP_HTTP_PARAMETERS_MAX],
			      char ret_allow[VTAP_HTTP_ALLOW_BYTES])
{
	ret_allow[0] = 0;
	/* A rest takes what no other pattern knows: else GET of what takes POST alone would find the rest's files. */
	for (int with_rest = 0; with_rest < 2 && !ret_allow[0]; with_rest++)
		if (find_best(routes, route_count, with_rest, method, target, ret_route, ret_parameters, ret_allow))
			return 0;
	return ret_allow[0] ? STATUS_METHOD_NOT_ALLOWED : STATUS_NOT_FOUND;
}
