/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A random world, changed object by object: after each change the resolver says what the definition, written down plainly and
 * evaluated from nothing, says; and it has named every host whose share of that is not what it was.
 */

#include <stdlib.h>

#include "controller/resolve.h"
#include "world.h"

#define OBJECTS 12 /* of each kind at most */
#define HOSTS 4
#define STEPS 2500
#define TEXT_BYTES 65536

enum kind { PROJECT, SUBNET, TARGET, INTERFACE, WIRE, SESSION, KINDS };

static const struct {
	const char *name, *prefix;
	int objects;
} kinds[KINDS] = {
    [PROJECT] = {"project", "proj", 3}, [SUBNET] = {"subnet", "subnet", 4},
    [TARGET] = {"target", "tmt", 5},    [INTERFACE] = {"interface", "eni", OBJECTS},
    [WIRE] = {"wire", "wire", 3},       [SESSION] = {"session", "tms", OBJECTS},
};

struct random_world {
	struct world w;
	json_t *values[KINDS][OBJECTS]; /* owned; NULL = not there */
	int64_t sequences[KINDS][OBJECTS];
	char *hosts[HOSTS]; /* each one's share after the last step */
};

static unsigned draw(unsigned below)
{
	return (unsigned)rand() % below;
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static json_t *named(const char *prefix, unsigned number)
{
	return json_sprintf("%s-%u", prefix, number);
}

static json_t *make_project(unsigned n)
{
	json_t *grants = json_array();

	for (unsigned i = 0; i < 3; i++)
		if (draw(3) == 0)
			json_array_append_new(grants, named("proj", i));
	return json_pack("{s:o}", "grants", grants);
}

static json_t *make_subnet(unsigned n)
{
	return json_pack("{s:o, s:o}", "project", named("proj", n % 3), "network", named("vpc", n % 2));
}

static json_t *make_target(unsigned n)
{
	json_t *value = json_pack("{s:o, s:b}", "project", named("proj", draw(3)), "enabled", draw(4) > 0);

	if (draw(3) == 0)
		json_object_set_new(value, "interface", named("eni", draw(OBJECTS)));
	else
		json_object_set_new(value, "address", json_sprintf("192.0.2.%u", draw(3)));
	return value;
}

static json_t *make_interface(unsigned n)
{
	json_t *value = json_pack("{s:o, s:s, s:b, s:{}}", "project", named("proj", draw(3)), "side",
				  draw(4) ? "host" : "own", "delegated", draw(2) ? 1 : 0, "tags");

	if (draw(4)) {
		json_object_set_new(value, "host", named("host", draw(HOSTS)));
		json_object_set_new(value, "device", json_sprintf("tap%u", draw(6)));
	}
	if (draw(3))
		json_object_set_new(value, "subnet", named("subnet", draw(4)));
	else if (draw(2))
		json_object_set_new(value, "network", named("vpc", draw(2)));
	for (unsigned i = 0; i < 2; i++)
		if (draw(2))
			json_object_set_new(json_object_get(value, "tags"), i ? "a" : "b", json_sprintf("%u", draw(2)));
	return value;
}

static json_t *make_wire(unsigned n)
{
	return json_pack("{s:o, s:o}", "host", named("host", draw(HOSTS)), "device", json_sprintf("tap%u", draw(6)));
}

static json_t *make_source(void)
{
	switch (draw(6)) {
	case 0:
		return named("subnet", draw(4));
	case 1:
		return named("vpc", draw(2));
	case 2:
		return named("wire", draw(3));
	case 3:
		return draw(2) ? json_sprintf("tag:%s=%u", draw(2) ? "a" : "b", draw(2))
			       : json_sprintf("tag:%s", draw(2) ? "a" : "b");
	default:
		return named("eni", draw(OBJECTS));
	}
}

static json_t *make_session(unsigned n)
{
	json_t *sources = json_array();

	for (unsigned i = 0; i < 1 + draw(3); i++)
		json_array_append_new(sources, make_source());
	return json_pack("{s:o, s:o, s:s, s:b, s:i, s:o, s:{s:i}}", "project", named("proj", draw(3)), "target",
			 named("tmt", draw(5)), "mode", draw(4) ? "exclusive" : "copy", "enabled", draw(4) > 0,
			 "number", 1 + draw(3), "sources", sources, "encapsulation", "port", 4789 + (int)draw(2));
}

static json_t *(*const makers[KINDS])(unsigned n) = {
    [PROJECT] = make_project,     [SUBNET] = make_subnet, [TARGET] = make_target,
    [INTERFACE] = make_interface, [WIRE] = make_wire,     [SESSION] = make_session,
};

/* The definition. */

static const json_t *by_id(const struct random_world *w, enum kind kind, const char *id)
{
	for (int i = 0; id && i < kinds[kind].objects; i++)
		if (w->values[kind][i] && !strcmp(text_of(w->values[kind][i], "id"), id))
			return w->values[kind][i];
	return NULL;
}

static int64_t sequence_of(const struct random_world *w, const json_t *value)
{
	return json_integer_value(json_object_get(w->w.sequences, text_of(value, "id")));
}

static bool is_granted(const struct random_world *w, const json_t *port, const json_t *session)
{
	const json_t *grants = json_object_get(by_id(w, PROJECT, text_of(port, "project")), "grants");

	if (!strcmp(text_of(port, "project"), text_of(session, "project")))
		return true;
	for (size_t i = 0; i < json_array_size(grants); i++)
		if (!strcmp(json_string_value(json_array_get(grants, i)), text_of(session, "project")))
			return true;
	return false;
}

static bool tag_fits(const json_t *port, const char *selector)
{
	const char *equals = strchr(selector, '='), *value;
	char key[8] = "";

	memcpy(key, selector + 4, equals ? (size_t)(equals - selector - 4) : strlen(selector + 4));
	value = text_of(json_object_get(port, "tags"), key);
	return value && (!equals || !strcmp(value, equals + 1));
}

static bool covers(const struct random_world *w, const json_t *session, const json_t *port, bool *ret_given,
		   bool *ret_granted)
{
	const json_t *sources = json_object_get(session, "sources"), *subnet;
	bool is_wire = !text_of(port, "project"), any = false;
	const char *network = text_of(port, "network");

	*ret_given = *ret_granted = false;
	subnet = by_id(w, SUBNET, text_of(port, "subnet"));
	if (subnet)
		network = text_of(subnet, "network");
	for (size_t i = 0; i < json_array_size(sources); i++) {
		const char *source = json_string_value(json_array_get(sources, i));
		bool given = !strcmp(source, text_of(port, "id"));
		bool granted = is_wire || is_granted(w, port, session), reached = given;

		if (!is_wire && !strncmp(source, "tag:", 4))
			reached =
			    tag_fits(port, source) && !strcmp(text_of(port, "project"), text_of(session, "project"));
		else if (!is_wire && !given)
			reached = granted && ((network && !strcmp(source, network)) ||
					      (text_of(port, "subnet") && !strcmp(source, text_of(port, "subnet"))));
		any |= reached;
		*ret_given |= given;
		*ret_granted |= reached && granted;
	}
	return any;
}

static bool is_running(const struct random_world *w, const json_t *session)
{
	const json_t *target = by_id(w, TARGET, text_of(session, "target"));

	return json_is_true(json_object_get(session, "enabled")) && target && text_of(target, "address") &&
	       json_is_true(json_object_get(target, "enabled"));
}

static const json_t *receives_from(const struct random_world *w, const json_t *port)
{
	const json_t *oldest = NULL;

	for (int i = 0; i < OBJECTS; i++) {
		const json_t *s = w->values[SESSION][i], *target = s ? by_id(w, TARGET, text_of(s, "target")) : NULL;

		if (!target || !json_is_true(json_object_get(s, "enabled")) ||
		    !json_is_true(json_object_get(target, "enabled")) || !text_of(target, "interface") ||
		    strcmp(text_of(target, "interface"), text_of(port, "id")) != 0)
			continue;
		if (!oldest || sequence_of(w, s) < sequence_of(w, oldest))
			oldest = s;
	}
	return oldest;
}

static const json_t *device_of(const struct random_world *w, const json_t *port)
{
	const json_t *oldest = port;

	for (int k = INTERFACE; k <= WIRE; k++) {
		for (int i = 0; i < kinds[k].objects; i++) {
			const json_t *other = w->values[k][i];

			if (other && text_of(other, "host") && !strcmp(text_of(other, "host"), text_of(port, "host")) &&
			    !strcmp(text_of(other, "device"), text_of(port, "device")) &&
			    sequence_of(w, other) < sequence_of(w, oldest))
				oldest = other;
		}
	}
	return oldest;
}

/* A host's own device that is not delegated: only who names it reaches it. */
static bool is_kept(const json_t *port)
{
	const char *side = text_of(port, "side");

	return side && !strcmp(side, "own") && !json_is_true(json_object_get(port, "delegated"));
}

static const json_t *number_of(const struct random_world *w, const json_t *session, const json_t *port)
{
	const json_t *oldest = session;

	for (int i = 0; i < OBJECTS; i++) {
		const json_t *s = w->values[SESSION][i];
		bool given, granted;

		if (s && is_running(w, s) && !strcmp(text_of(s, "mode"), "exclusive") &&
		    json_equal(json_object_get(s, "number"), json_object_get(session, "number")) &&
		    covers(w, s, port, &given, &granted) && granted && (given || !is_kept(port)) &&
		    sequence_of(w, s) < sequence_of(w, oldest))
			oldest = s;
	}
	return oldest;
}

/* "SESSION SOURCE STATE OTHER GIVEN MIRRORED", or nothing. */
static void define(const struct random_world *w, const json_t *session, const json_t *port, char *text)
{
	bool given, granted, running = is_running(w, session);
	const json_t *other = NULL;
	enum vtap_cover_state state = VTAP_COVER_OK;

	*text = 0;
	if (!covers(w, session, port, &given, &granted))
		return;
	if (!granted)
		state = VTAP_COVER_NOT_GRANTED;
	else if (!text_of(port, "host"))
		state = VTAP_COVER_UNPLUGGED;
	else if (is_kept(port) && !given)
		state = VTAP_COVER_OWN_DEVICE;
	else if ((other = device_of(w, port)) != port)
		state = VTAP_COVER_DEVICE_TAKEN;
	else if ((other = receives_from(w, port)))
		state = VTAP_COVER_RECEIVES;
	else if (running && !strcmp(text_of(session, "mode"), "exclusive") &&
		 (other = number_of(w, session, port)) != session)
		state = VTAP_COVER_TIE;
	else
		other = NULL;
	sprintf(text, "%s %s %d %s %d %d\n", text_of(session, "id"), text_of(port, "id"), state,
		other ? text_of(other, "id") : "-", given, state == VTAP_COVER_OK && running);
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lines in order, so that two ways to come by them can be compared. */
static void sort_lines(char *text)
{
	static char copy[TEXT_BYTES];
	char *lines[1024], *rest = copy, *line;
	size_t count = 0;

	strcpy(copy, text);
	while ((line = strsep(&rest, "\n")))
		if (*line)
			lines[count++] = line;
	qsort(lines, count, sizeof(*lines), compare_lines);
	*text = 0;
	for (size_t i = 0; i < count; i++)
		text += sprintf(text, "%s\n", lines[i]);
}

static int collect(const struct vtap_cover *c, void *userdata)
{
	char **end = userdata;

	*end += sprintf(*end, "%s %s %d %s %d %d\n", c->session, c->source, c->state, c->other ? c->other : "-",
			c->given, c->mirrored);
	return 0;
}

static void compare(const struct random_world *w)
{
	static char found[TEXT_BYTES], defined[TEXT_BYTES], by_source[TEXT_BYTES];
	char *found_end = found, *defined_end = defined, *source_end = by_source;

	*found = *defined = *by_source = 0;
	for (int i = 0; i < OBJECTS; i++) {
		const json_t *s = w->values[SESSION][i];

		if (!s)
			continue;
		vtap_resolver_covers_of_session(w->w.resolver, text_of(s, "id"), collect, &found_end);
		for (int k = INTERFACE; k <= WIRE; k++) {
			for (int j = 0; j < kinds[k].objects; j++) {
				if (w->values[k][j])
					define(w, s, w->values[k][j], defined_end);
				defined_end += strlen(defined_end);
			}
		}
	}
	for (int k = INTERFACE; k <= WIRE; k++)
		for (int j = 0; j < kinds[k].objects; j++)
			if (w->values[k][j])
				vtap_resolver_covers_of_source(w->w.resolver, text_of(w->values[k][j], "id"), collect,
							       &source_end);
	sort_lines(found);
	sort_lines(defined);
	sort_lines(by_source);
	assert_string_equal(found, defined);
	assert_string_equal(by_source, defined);
}

static int collect_endpoint(const struct vtap_endpoint_use *use, void *userdata)
{
	char **end = userdata;

	*end += sprintf(*end, "%s %u %d\n", use->address, use->port, use->own);
	return 0;
}

static bool mirrors_own(const struct random_world *w, const json_t *session)
{
	char line[256];

	for (int k = INTERFACE; k <= WIRE; k++) {
		for (int j = 0; j < kinds[k].objects; j++) {
			const json_t *port = w->values[k][j];

			if (!port || (k == INTERFACE && strcmp(text_of(port, "side"), "own") != 0))
				continue;
			define(w, session, port, line);
			if (strstr(line, " 1\n"))
				return true;
		}
	}
	return false;
}

static void compare_endpoints(const struct random_world *w)
{
	char found[4096] = "", defined[4096] = "", *end = found, line[128];

	vtap_resolver_endpoints(w->w.resolver, collect_endpoint, &end);
	for (int address = 0; address < 3; address++) {
		for (int port = 4789; port < 4791; port++) {
			bool used = false, own = false;

			for (int i = 0; i < OBJECTS; i++) {
				const json_t *s = w->values[SESSION][i];

				if (!s || !is_running(w, s))
					continue;
				sprintf(line, "192.0.2.%d", address);
				if (strcmp(text_of(by_id(w, TARGET, text_of(s, "target")), "address"), line) != 0 ||
				    json_integer_value(json_object_get(json_object_get(s, "encapsulation"), "port")) !=
					port)
					continue;
				used = true;
				own |= mirrors_own(w, s);
			}
			if (used)
				sprintf(defined + strlen(defined), "192.0.2.%d %d %d\n", address, port, own);
		}
	}
	sort_lines(found);
	assert_string_equal(found, defined);
}

struct share {
	const struct random_world *w;
	char *text;
};

static int collect_share(const struct vtap_cover *c, void *userdata)
{
	struct share *share = userdata;
	char *session, *target;

	if (!c->mirrored)
		return 0;
	session = json_dumps(c->session_value, JSON_SORT_KEYS);
	target = json_dumps(by_id(share->w, TARGET, text_of(c->session_value, "target")), JSON_SORT_KEYS);
	sprintf(share->text + strlen(share->text), "%s %d %s %s\n", c->device, c->own, session, target);
	free(session);
	free(target);
	return 0;
}

/* A host whose share changed is among those that were named. */
static void compare_hosts(struct random_world *w)
{
	bool named_hosts[HOSTS] = {};
	const char *host;

	while ((host = vtap_resolver_take_host(w->w.resolver)))
		named_hosts[atoi(host + strlen("host-"))] = true;
	for (int i = 0; i < HOSTS; i++) {
		_cleanup_free_ char *text = calloc(1, TEXT_BYTES);
		char id[32];

		sprintf(id, "host-%d", i);
		vtap_resolver_covers_of_host(w->w.resolver, id, collect_share, &(struct share){w, text});
		sort_lines(text);
		if (!named_hosts[i])
			assert_string_equal(text, w->hosts[i]);
		free(w->hosts[i]);
		w->hosts[i] = VTAP_STEAL(text);
	}
}

static void step(struct random_world *w)
{
	enum kind kind = draw(3) ? (draw(2) ? SESSION : INTERFACE) : draw(KINDS);
	int n = (int)draw((unsigned)kinds[kind].objects);
	json_t **value = &w->values[kind][n];
	char id[32];

	sprintf(id, "%s-%d", kinds[kind].prefix, n);
	/* Subnets and projects are there before what refers to them, and stay. */
	if (*value && draw(4) == 0 && kind != SUBNET && kind != PROJECT) {
		json_decref(*value);
		*value = NULL;
		world_delete(&w->w, kinds[kind].name, id);
		return;
	}
	if (*value && kind == SUBNET)
		return;
	json_decref(*value);
	*value = makers[kind]((unsigned)n);
	json_object_set_new(*value, "id", json_string(id));
	world_put_value(&w->w, kinds[kind].name, json_incref(*value));
}

static void test_random_changes(void **state)
{
	struct random_world w = {};

	srand(4711);
	world_begin(&w.w);
	for (int i = 0; i < HOSTS; i++)
		w.hosts[i] = strdup("");
	for (enum kind kind = PROJECT; kind <= SUBNET; kind++) {
		for (int i = 0; i < kinds[kind].objects; i++) {
			w.values[kind][i] = makers[kind]((unsigned)i);
			json_object_set_new(w.values[kind][i], "id", named(kinds[kind].prefix, (unsigned)i));
			world_put_value(&w.w, kinds[kind].name, json_incref(w.values[kind][i]));
		}
	}
	for (int i = 0; i < STEPS; i++) {
		step(&w);
		compare(&w);
		compare_endpoints(&w);
		compare_hosts(&w);
		while (i % 3 && vtap_resolver_take_session(w.w.resolver))
			;
	}
	for (int kind = 0; kind < KINDS; kind++)
		for (int i = 0; i < OBJECTS; i++)
			json_decref(w.values[kind][i]);
	for (int i = 0; i < HOSTS; i++)
		free(w.hosts[i]);
	world_end(&w.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_changes)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
