// SPDX-License-Identifier: Apache-2.0

/* From a file to the configuration in force: all of it or nothing. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "agent/wanted.h"

int vtap_reload_read(const char *path, struct vtap_config **ret_config, struct vtap_error *reterr)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	size_t size_bytes = 0;
	struct stat st;
	ssize_t n = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return vtap_error_set(reterr, -EINVAL, 0, "", "cannot be read: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return vtap_error_set(reterr, -EINVAL, 0, "", "is not a regular file");
	if (st.st_size > (off_t)VTAP_FILE_MAX_BYTES)
		return vtap_error_set(reterr, -E2BIG, 0, "", "is larger than %u bytes", VTAP_FILE_MAX_BYTES);
	text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	while (size_bytes < (size_t)st.st_size &&
	       (n = read(fd, text + size_bytes, (size_t)st.st_size - size_bytes)) > 0)
		size_bytes += (size_t)n;
	if (n < 0)
		return vtap_error_set(reterr, -EINVAL, 0, "", "cannot be read: %s", strerror(errno));
	return vtap_config_parse(text, size_bytes, ret_config, reterr);
}

static size_t target_index(const struct vtap_config *c, const struct vtap_session *s)
{
	return (size_t)(s->target - c->targets);
}

/* A target behind the very device that is mirrored, or on this host, cannot be told from its source. */
static int targets_check(struct vtap_net *net, const struct vtap_config *c, struct vtap_error *reterr)
{
	char field[96], address[VTAP_ADDR_STRLEN];

	for (size_t i = 0; i < c->session_count; i++) {
		const struct vtap_session *s = &c->sessions[i];
		struct vtap_nexthop h;
		int r;

		r = vtap_nexthop_resolve(net, s->target, c->uplink, &h);
		if (r < 0)
			return r;
		for (size_t j = 0; j < s->source_count; j++) {
			struct vtap_link link;
			bool same;

			if (vtap_net_link_by_name(net, s->sources[j].device, &link) < 0)
				continue;
			same = s->sources[j].side == VTAP_SIDE_HOST && h.ifindex == link.ifindex;
			if (!same && !(h.state == VTAP_NEXTHOP_UNSUPPORTED && h.local))
				continue;
			snprintf(field, sizeof(field), "sessions[%zu].sources[%zu].device", i, j);
			return vtap_error_set(reterr, -EINVAL, s->sources[j].line, field,
					      "the target %s (%s) is %s: a target must not be its own source",
					      s->target->name, vtap_addr_format(&s->target->address, address),
					      same ? "reached through this very device" : "this host itself");
		}
	}
	return 0;
}

/* What can be told of it before anything is changed. */
static int config_check(struct vtap_net *net, const struct vtap_config *c, struct vtap_error *reterr)
{
	int r;

	r = targets_check(net, c, reterr);
	return r < 0 ? r : vtap_wanted_check(c, reterr);
}

/* Takes the configuration over; sessions that go on keep what is known of them. */
static int config_take(struct vtap_agent *a, struct vtap_config *config)
{
	_cleanup_free_ struct vtap_agent_session *sessions = calloc(config->session_count + 1, sizeof(*sessions));
	_cleanup_free_ struct vtap_nexthop *nexthops = calloc(config->target_count + 1, sizeof(*nexthops));

	if (!sessions || !nexthops)
		return -ENOMEM;
	for (size_t i = 0; i < config->session_count; i++) {
		sessions[i].target = target_index(config, &config->sessions[i]);
		for (size_t j = 0; a->config && j < a->config->session_count; j++) {
			if (strcmp(a->config->sessions[j].name, config->sessions[i].name))
				continue;
			memcpy(sessions[i].seen, a->sessions[j].seen, sizeof(sessions[i].seen));
			sessions[i].rates = a->sessions[j].rates;
		}
	}
	vtap_config_free(a->config);
	free(a->sessions);
	free(a->nexthops);
	a->config = config;
	a->sessions = VTAP_STEAL(sessions);
	a->nexthops = VTAP_STEAL(nexthops);
	a->generation++;
	return 0;
}

int vtap_reload(struct vtap_agent *a, struct vtap_config *config, struct vtap_error *reterr)
{
	int r;

	r = config_check(a->net, config, reterr);
	return r < 0 ? r : config_take(a, config);
}

int vtap_reload_plan(struct vtap_agent *a, struct vtap_host_plan **plan)
{
	int r;

	r = config_take(a, (*plan)->config);
	if (r < 0)
		return r;
	(*plan)->config = NULL;
	vtap_host_plan_free(a->plan);
	a->plan = VTAP_STEAL(*plan);
	return 0;
}

int vtap_reload_check(const char *path, struct vtap_config **ret_config, struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_config_freep) struct vtap_config *config = NULL;
	VTAP_CLEANUP(vtap_net_freep) struct vtap_net *net = NULL;
	int r;

	r = vtap_reload_read(path, &config, reterr);
	if (r >= 0)
		r = vtap_net_new(NULL, NULL, &net);
	if (r >= 0)
		r = config_check(net, config, reterr);
	if (r < 0)
		return r;
	*ret_config = VTAP_STEAL(config);
	return 0;
}
