/* SPDX-License-Identifier: Apache-2.0 */

#include "model/config.h"

#include <errno.h>
#include <string.h>

#include "model/check.h"
#include "model/filter.h"
#include "model/place.h"
#include "model/session.h"
#include "model/target.h"
#include "model/yaml.h"

static const struct vtap_field endpoint_fields[] = {
    {VTAP_FIELD("address", struct vtap_endpoint, address, vtap_place_read_address), .required = true},
    {VTAP_FIELD_NUMBER("port", struct vtap_endpoint, port, 1, UINT16_MAX)},
    {},
};

static int read_endpoint(const struct vtap_place *p, void *object)
{
	struct vtap_place address = vtap_place_member(p, "address");
	struct vtap_endpoint *e = object;
	int r;

	e->port = VTAP_TUNNEL_PORT;
	r = vtap_place_read_mapping(p, endpoint_fields, e);
	if (r < 0)
		return r;
	if (vtap_addr_is_any(&e->address))
		return vtap_place_fail_value(&address, "the address of one tunnel endpoint");
	return 0;
}

static int read_never_mirror(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	struct vtap_config *c = object;

	return vtap_place_read_list(p, f->max, sizeof(*c->never_mirror), (void **)&c->never_mirror,
				    &c->never_mirror_count, read_endpoint);
}

static int read_targets(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	struct vtap_config *c = object;

	return vtap_place_read_list(p, f->max, sizeof(*c->targets), (void **)&c->targets, &c->target_count,
				    vtap_target_read);
}

static int read_filters(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	struct vtap_config *c = object;

	return vtap_place_read_list(p, f->max, sizeof(*c->filters), (void **)&c->filters, &c->filter_count,
				    vtap_filter_read);
}

static int read_sessions(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	struct vtap_config *c = object;
	int r;

	r = vtap_place_read_list(p, f->max, sizeof(*c->sessions), (void **)&c->sessions, &c->session_count,
				 vtap_session_read);
	return r < 0 ? r : vtap_check_sessions(p);
}

/*
 * Read in this order, whatever order the file has: sessions refer to what stands before them. Sessions are required even
 * if there are none, so that a file that was emptied by accident does not end all mirroring.
 */
static const struct vtap_field config_fields[] = {
    {VTAP_FIELD("uplink", struct vtap_config, uplink, vtap_place_read_device)},
    {.name = "never_mirror", .read = read_never_mirror, .max = VTAP_NEVER_MIRROR_MAX},
    {.name = "targets", .read = read_targets, .max = VTAP_TARGETS_MAX},
    {.name = "filters", .read = read_filters, .max = VTAP_FILTERS_MAX},
    {.name = "sessions", .read = read_sessions, .max = VTAP_SESSIONS_MAX, .required = true},
    {},
};

int vtap_config_parse(const char *text, size_t size_bytes, struct vtap_config **ret_config, struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_config_freep) struct vtap_config *config = NULL;
	VTAP_CLEANUP(vtap_yaml_done) struct vtap_yaml yaml = {};
	struct vtap_place root = {};
	int r;

	if (size_bytes > VTAP_FILE_MAX_BYTES)
		return vtap_error_set(reterr, -E2BIG, 0, NULL, "must be at most %u bytes, not %zu", VTAP_FILE_MAX_BYTES,
				      size_bytes);
	config = calloc(1, sizeof(*config));
	if (!config)
		return vtap_error_set(reterr, -ENOMEM, 0, NULL, "out of memory");
	r = vtap_yaml_parse(text, size_bytes, &yaml, reterr);
	if (r < 0)
		return r;

	root = (struct vtap_place){.value = yaml.values, .lines = yaml.lines, .config = config, .reterr = reterr};
	if (json_is_null(yaml.values))
		return vtap_place_fail(&root, -EINVAL, "is empty: it needs at least \"sessions: []\"");
	r = vtap_place_read_mapping(&root, config_fields, config);
	if (r < 0)
		return r;
	*ret_config = VTAP_STEAL(config);
	return 0;
}

/* What vtap_config_read() is at. */
struct reading {
	const json_t *values; /* borrowed */
	struct vtap_config *config; /* borrowed */
	struct vtap_check *check; /* borrowed */
	vtap_config_refused refused;
	void *userdata;
	json_t *reasons; /* owned; list -> name -> why it was left out */
};

struct list {
	const char *name;
	size_t max;
	size_t size_bytes; /* of an element as it is read */
	int (*read)(const struct reading *g, const struct vtap_place *p, void *element);
	void (*done)(void *element); /* NULL = nothing to be freed */
};

static int each_endpoint(const struct reading *g, const struct vtap_place *p, void *element)
{
	int r = read_endpoint(p, element);

	return r < 0 ? r : vtap_check_endpoint(g->check, p, element);
}

static int each_target(const struct reading *g, const struct vtap_place *p, void *element)
{
	return vtap_target_read(p, element);
}

static int each_filter(const struct reading *g, const struct vtap_place *p, void *element)
{
	return vtap_filter_read(p, element);
}

static void filter_done(void *element)
{
	vtap_filter_done(element);
}

/* Why what the session's key names is not there, if it was left out: that says more than its absence. */
static int check_reference(const struct reading *g, const struct vtap_place *p, const char *key, const char *list)
{
	struct vtap_place reference = vtap_place_member(p, key);
	const char *name = json_string_value(reference.value);
	const char *reason = name ? json_string_value(json_object_get(json_object_get(g->reasons, list), name)) : NULL;

	return reason ? vtap_place_fail(&reference, -EINVAL, "%s cannot be used: %s", name, reason) : 0;
}

static int each_session(const struct reading *g, const struct vtap_place *p, void *element)
{
	int r;

	r = check_reference(g, p, "target", "targets");
	if (r >= 0)
		r = check_reference(g, p, "filter", "filters");
	if (r >= 0)
		r = vtap_session_read(p, element);
	return r < 0 ? r : vtap_check_session(g->check, p, element);
}

static void session_done(void *element)
{
	vtap_session_done(element);
}

/* Whether an element of that name was taken. Targets, filters and sessions begin with their names. */
static bool is_taken(const struct list *list, const void *array, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp((const char *)array + i * list->size_bytes, name) == 0)
			return true;
	return false;
}

_Static_assert(offsetof(struct vtap_target, name) == 0 && offsetof(struct vtap_filter, name) == 0 &&
		   offsetof(struct vtap_session, name) == 0,
	       "is_taken() looks for names there");

static int refuse(struct reading *g, const struct list *list, size_t index, const void *array, size_t count,
		  const struct vtap_error *e)
{
	const json_t *value = json_array_get(json_object_get(g->values, list->name), index);
	const char *name = json_string_value(json_object_get(value, "name"));
	json_t *reasons = json_object_get(g->reasons, list->name);
	char text[sizeof(e->field) + sizeof(e->text) + 4];

	g->refused(list->name, index, e, g->userdata);
	vtap_error_format(e, NULL, text, sizeof(text));
	/* Of two with one name, the one that was taken stands. */
	if (!name || is_taken(list, array, count, name))
		return 0;
	return json_object_set_new(reasons, name, json_string(text)) < 0 ? -ENOMEM : 0;
}

static int element_read(struct reading *g, const struct list *list, size_t index, void *array, size_t *count)
{
	struct vtap_error e = {};
	struct vtap_place p = {.value = json_array_get(json_object_get(g->values, list->name), index),
			       .index = index,
			       .config = g->config,
			       .reterr = &e};
	void *element = (char *)array + *count * list->size_bytes;
	int r;

	if (*count == list->max)
		return refuse(g, list, index, array, *count,
			      &(struct vtap_error){.code = -E2BIG, .text = "one host cannot have more of its kind"});
	r = list->read(g, &p, element);
	if (r >= 0) {
		(*count)++;
		return 0;
	}
	if (list->done)
		list->done(element);
	memset(element, 0, list->size_bytes);
	return r == -ENOMEM ? r : refuse(g, list, index, array, *count, &e);
}

static int list_read(struct reading *g, const struct list *list, void **array, size_t *count, struct vtap_error *reterr)
{
	const json_t *values = json_object_get(g->values, list->name);
	size_t n = json_array_size(values);
	int r = 0;

	if (values && !json_is_array(values))
		return vtap_error_set(reterr, -EINVAL, 0, list->name, "must be a list");
	if (json_object_set_new(g->reasons, list->name, json_object()) < 0)
		return -ENOMEM;
	*array = n ? calloc(VTAP_MIN(n, list->max), list->size_bytes) : NULL;
	if (n && !*array)
		return -ENOMEM;
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = element_read(g, list, i, *array, count);
	return r;
}

static int lists_read(struct reading *g, struct vtap_error *reterr)
{
	static const struct list endpoints = {"never_mirror", VTAP_NEVER_MIRROR_MAX, sizeof(struct vtap_endpoint),
					      each_endpoint, NULL};
	static const struct list targets = {"targets", VTAP_TARGETS_MAX, sizeof(struct vtap_target), each_target, NULL};
	static const struct list filters = {"filters", VTAP_FILTERS_MAX, sizeof(struct vtap_filter), each_filter,
					    filter_done};
	static const struct list sessions = {"sessions", VTAP_SESSIONS_MAX, sizeof(struct vtap_session), each_session,
					     session_done};
	struct vtap_config *c = g->config;
	int r;

	r = list_read(g, &endpoints, (void **)&c->never_mirror, &c->never_mirror_count, reterr);
	if (r >= 0)
		r = list_read(g, &targets, (void **)&c->targets, &c->target_count, reterr);
	if (r >= 0)
		r = list_read(g, &filters, (void **)&c->filters, &c->filter_count, reterr);
	if (r >= 0)
		r = list_read(g, &sessions, (void **)&c->sessions, &c->session_count, reterr);
	return r;
}

int vtap_config_read(const json_t *values, vtap_config_refused refused, void *userdata, struct vtap_config **ret_config,
		     struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_config_freep) struct vtap_config *config = calloc(1, sizeof(*config));
	VTAP_CLEANUP(vtap_check_freep) struct vtap_check *check = NULL;
	struct vtap_place root = {.value = values, .config = config, .reterr = reterr};
	struct vtap_place uplink = vtap_place_member(&root, "uplink");
	struct reading g = {.values = values, .config = config, .refused = refused, .userdata = userdata};
	int r;

	if (!json_is_object(values))
		return vtap_error_set(reterr, -EINVAL, 0, NULL, "must be a mapping (key: value)");
	if (!config)
		return -ENOMEM;
	r = vtap_check_new(&check);
	if (r >= 0 && uplink.value && !json_is_null(uplink.value))
		r = vtap_place_read_device(&uplink, &config_fields[0], config);
	if (r < 0)
		return r;
	g.check = check;
	g.reasons = json_object();
	r = g.reasons ? lists_read(&g, reterr) : -ENOMEM;
	json_decref(g.reasons);
	if (r < 0)
		return r;
	*ret_config = VTAP_STEAL(config);
	return 0;
}

struct vtap_config *vtap_config_free(struct vtap_config *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->session_count; i++)
		vtap_session_done(&c->sessions[i]);
	for (size_t i = 0; i < c->filter_count; i++)
		vtap_filter_done(&c->filters[i]);
	free(c->sessions);
	free(c->filters);
	free(c->targets);
	free(c->never_mirror);
	free(c);
	return NULL;
}
