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
