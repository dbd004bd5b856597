// SPDX-License-Identifier: Apache-2.0

#include "agent/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "agent/control.h"
#include "agent/feed.h"
#include "agent/history.h"
#include "agent/pins.h"
#include "agent/stage.h"
#include "agent/stats.h"
#include "basic/log.h"
#include "metrics/metrics.h"

#define TICK_USEC 1000000ULL
#define SETTLE_USEC 10000ULL /* changes that come together are applied together */
#define APPLY_BUDGET_NS 100000000ULL /* the controller is answered meanwhile */
#define SOLICIT_TICKS 2 /* a target that moved without a word is found within five seconds */

static uint64_t now_usec(struct vtap_agent *a)
{
	uint64_t usec = 0;

	(void)sd_event_now(a->event, CLOCK_MONOTONIC, &usec);
	return usec;
}

static void settle_in(struct vtap_agent *a, uint64_t usec)
{
	int enabled = SD_EVENT_OFF;

	if (!a->settle || (sd_event_source_get_enabled(a->settle, &enabled) >= 0 && enabled != SD_EVENT_OFF))
		return;
	(void)sd_event_source_set_time(a->settle, now_usec(a) + usec);
	(void)sd_event_source_set_enabled(a->settle, SD_EVENT_ONESHOT);
}

int vtap_loop_apply(struct vtap_agent *a)
{
	char before[sizeof(a->last_apply_error)];
	int r;

	/* Before the first plan, what an earlier agent left goes on as it is. */
	if (a->feed && !a->plan)
		return 0;
	memcpy(before, a->last_apply_error, sizeof(before));
	r = vtap_apply(a);
	if (a->feed)
		vtap_agent_feed_tried(a);
	if (r < 0)
		return vtap_log_err(r, "cannot bring the data plane up to date: %s",
				    *a->last_apply_error ? a->last_apply_error : strerror(-r));
	if (*a->last_apply_error && strcmp(before, a->last_apply_error))
		vtap_log(VTAP_LOG_WARNING, "%s", a->last_apply_error);
	if (a->unfinished)
		settle_in(a, 0);
	if (a->feed)
		vtap_agent_feed_applied(a);
	return 0;
}

void vtap_loop_end(struct vtap_agent *a, int r)
{
	a->revoked = r == -EKEYREVOKED;
	(void)sd_event_exit(a->event, 0);
}

static int on_settle(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)vtap_loop_apply(userdata);
	return 0;
}

/* One apply for all that changes within SETTLE_USEC. */
static void on_net(unsigned events, void *userdata)
{
	struct vtap_agent *a = userdata;

	settle_in(a, SETTLE_USEC);
	if (a->feed)
		vtap_agent_feed_devices_changed(a);
}

static int on_net_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct vtap_agent *a = userdata;
	int r = vtap_net_dispatch(a->net);

	if (r < 0)
		vtap_log_err(r, "cannot read what the kernel says of the network: %s", strerror(-r));
	return 0;
}

static int on_control_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	int r = vtap_control_answer(userdata);

	if (r < 0)
		vtap_log(VTAP_LOG_WARNING, "cannot answer a status request: %s", strerror(-r));
	return 0;
}

static int on_metrics_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct vtap_agent *a = userdata;

	return vtap_http_server_run(a->metrics);
}

static void solicit(struct vtap_agent *a)
{
	for (size_t i = 0; i < a->config->target_count; i++) {
		bool asked = false;

		for (size_t j = 0; j < i; j++)
			asked = asked || (a->nexthops[j].ifindex == a->nexthops[i].ifindex &&
					  vtap_addr_equal(&a->nexthops[j].neighbour, &a->nexthops[i].neighbour));
		if (!asked)
			(void)vtap_nexthop_solicit(a->net, &a->nexthops[i]);
	}
}

/* Rates, and what no notification tells of: the order of programs, nft hooks, neighbours that moved silently. */
static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct vtap_agent *a = userdata;

	vtap_stats_tick(a, now_usec(a) * 1000);
	if (a->ticks++ % SOLICIT_TICKS == 0)
		solicit(a);
	(void)vtap_loop_apply(a);
	if (a->feed) {
		vtap_history_tick(a, time(NULL));
		vtap_agent_feed_tick(a);
	}
	if (a->metrics)
		(void)vtap_http_server_run(a->metrics);
	(void)sd_event_source_set_time(source, now_usec(a) + TICK_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int config_load(struct vtap_agent *a, struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_config_freep) struct vtap_config *config = NULL;
	int r;

	r = vtap_reload_read(a->options.config_path, &config, reterr);
	if (r >= 0)
		r = vtap_reload(a, config, reterr);
	if (r >= 0)
		(void)VTAP_STEAL(config);
	return r;
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
	struct vtap_agent *a = userdata;
	struct vtap_error e = {};
	char text[400];

	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_usec(a));
	if (a->feed) {
		vtap_agent_feed_hurry(a);
	} else if (config_load(a, &e) < 0) {
		vtap_error_format(&e, a->options.config_path, text, sizeof(text));
		vtap_log(VTAP_LOG_ERROR, "%s; the configuration in force stays", text);
		a->last_error = e;
	} else {
		memset(&a->last_error, 0, sizeof(a->last_error));
		if (vtap_loop_apply(a) >= 0)
			vtap_log(VTAP_LOG_INFO, "configuration %" PRIu64 " is in force", a->generation);
	}
	(void)sd_notifyf(0, "READY=1\nSTATUS=%zu sessions", a->config->session_count);
	return 0;
}

static int metrics_handler(const struct vtap_http_request *request, struct vtap_http_response *ret_response,
			   void *userdata)
{
	struct vtap_http_response response = {.status = 200, .content_type = VTAP_METRICS_CONTENT_TYPE};
	int r;

	r = vtap_stats_text(userdata, &response.body, &response.body_bytes);
	if (r < 0)
		return r;
	*ret_response = response;
	return 0;
}

static int metrics_open(struct vtap_agent *a, struct vtap_error *reterr)
{
	static const struct vtap_http_route routes[] = {
	    {.method = "GET", .path = "/metrics", .handler = metrics_handler}};
	struct vtap_http_endpoint endpoint;
	int r;

	if (!a->options.metrics)
		return 0;
	r = vtap_http_endpoint_parse(a->options.metrics, &endpoint);
	if (r < 0)
		return r;
	r = vtap_http_server_new(&endpoint.address, endpoint.port, routes, VTAP_ARRAY_SIZE(routes), a, &a->metrics);
	if (r < 0)
		return vtap_error_set(reterr, r, 0, "", "cannot listen on %s: %s", a->options.metrics, strerror(-r));
	return sd_event_add_io(a->event, NULL, vtap_http_server_fd(a->metrics), EPOLLIN, on_metrics_io, a);
}

/* First of all: a signal that comes while the agent starts is handled once it has, as one that comes later. */
static int signals_block(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	return sigprocmask(SIG_BLOCK, &mask, NULL) < 0 ? -errno : 0;
}

static int signals_add(struct vtap_agent *a)
{
	int r;

	r = sd_event_add_signal(a->event, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(a->event, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(a->event, NULL, SIGHUP, on_reload, a);
	return r;
}

static int sources_add(struct vtap_agent *a)
{
	int r;

	r = sd_event_add_io(a->event, NULL, vtap_net_fd(a->net), EPOLLIN, on_net_io, a);
	if (r >= 0)
		r = sd_event_add_io(a->event, NULL, a->control_fd, EPOLLIN, on_control_io, a);
	if (r >= 0)
		r = sd_event_add_time(a->event, &a->settle, CLOCK_MONOTONIC, 0, 1000, on_settle, a);
	if (r >= 0)
		r = sd_event_source_set_enabled(a->settle, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time_relative(a->event, NULL, CLOCK_MONOTONIC, TICK_USEC, 10000, on_tick, a);
	return r;
}

static void agent_done(struct vtap_agent *a)
{
	vtap_agent_feed_free(a->feed);
	vtap_history_done(a);
	sd_event_source_unref(a->settle);
	vtap_http_server_free(a->metrics);
	vtap_pool_free(a->plans);
	vtap_pool_free(a->deliveries);
	vtap_dataplane_free(a->dataplane);
	vtap_net_free(a->net);
	vtap_config_free(a->config);
	vtap_host_plan_free(a->plan);
	free(a->refusals);
	free(a->nexthops);
	free(a->sessions);
	free(a->ports);
	vtap_closep(&a->control_fd);
	vtap_closep(&a->lock_fd);
	sd_event_unref(a->event);
	free(a);
}

static void agent_donep(struct vtap_agent **a)
{
	if (*a)
		agent_done(*a);
}

static int dataplane_start(struct vtap_agent *a, struct vtap_error *reterr)
{
	const struct vtap_dataplane_options options = {
	    .pin_dir = a->options.unpinned ? NULL : a->options.pin_dir,
	    .hook = a->options.hook,
	    .net = a->net,
	};
	int r = 0;

	if (options.pin_dir)
		r = vtap_pins_prepare(options.pin_dir, reterr);
	if (r >= 0)
		r = vtap_dataplane_open(&options, &a->dataplane, reterr);
	if (r < 0)
		return r;
	r = vtap_pool_new(VTAP_ABI_PLANS, sizeof(struct vtap_plan), &a->plans);
	if (r >= 0)
		r = vtap_pool_new(VTAP_ABI_DELIVERIES, sizeof(struct vtap_delivery), &a->deliveries);
	if (r >= 0)
		r = vtap_takeover(a);
	if (r < 0)
		return vtap_error_set(reterr, r, 0, "", "what is pinned in %s cannot be taken over: %s",
				      a->options.unpinned ? "memory" : a->options.pin_dir, strerror(-r));
	return 0;
}

/* All that a start needs besides the file, or the plan. */
static int host_start(struct vtap_agent *a, struct vtap_error *reterr)
{
	int r;

	a->apply_budget_ns = a->feed ? APPLY_BUDGET_NS : 0;
	r = a->feed && !a->plan ? 0 : vtap_apply(a);
	if (r >= 0)
		r = sources_add(a);
	if (r >= 0 && a->feed)
		r = vtap_agent_feed_start(a, reterr);
	if (r >= 0 && a->unfinished)
		settle_in(a, 0);
	return r;
}

static int directory_start(struct vtap_agent *a, struct vtap_error *reterr)
{
	int r;

	r = vtap_control_open(a, reterr);
	if (r >= 0)
		r = sd_event_new(&a->event);
	return r < 0 ? r : signals_add(a);
}

/* Everything up to the first apply. The file is read first: a wrong one changes nothing. */
static int agent_start(struct vtap_agent *a, struct vtap_error *reterr)
{
	int r;

	r = vtap_net_new(on_net, a, &a->net);
	if (r < 0)
		return vtap_error_set(reterr, r, 0, "", "cannot ask the kernel about the network: %s", strerror(-r));
	if (!a->options.controller) {
		r = config_load(a, reterr);
		if (r < 0)
			return r;
	}
	r = directory_start(a, reterr);
	/* Before what another agent has attached is looked at: one that does not start leaves everything as it is. */
	if (r >= 0)
		r = metrics_open(a, reterr);
	/* Before it joins: a host that cannot mirror uses up no join token, and ends no other agent. */
	if (r >= 0)
		r = dataplane_start(a, reterr);
	if (r >= 0 && a->options.controller) {
		r = vtap_agent_feed_open(a, reterr);
		if (r < 0)
			return r;
	}
	if (r >= 0)
		r = host_start(a, reterr);
	if (r < 0 && !reterr->code)
		vtap_error_set(reterr, r, 0, "", "cannot start: %s", strerror(-r));
	/* These two are kept for the file, and for a join. */
	return r == -EINVAL || r == -E2BIG ? -ENOTSUP : r;
}

/* What nothing would keep in order once the process is gone. */
static void unpinned_remove(struct vtap_agent *a)
{
	struct vtap_attachment at;

	for (size_t i = 0; i < a->port_count; i++)
		(void)vtap_dataplane_port_index_delete(a->dataplane, a->ports[i].ifindex);
	(void)vtap_dataplane_fence(a->dataplane);
	while (vtap_dataplane_attachment(a->dataplane, 0, &at) >= 0 &&
	       vtap_dataplane_detach(a->dataplane, at.ifindex, at.hook) >= 0)
		;
	(void)vtap_stage_remove(a->net);
}

/* Nothing of it is to be found by the next agent. */
static int revoked_end(const struct vtap_agent_options *options, struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_net_freep) struct vtap_net *net = NULL;

	(void)vtap_net_new(NULL, NULL, &net);
	if (!options->unpinned)
		(void)vtap_dataplane_remove(options->pin_dir, net);
	if (net)
		(void)vtap_stage_remove(net);
	return vtap_error_set(
	    reterr, -EKEYREVOKED, 0, "",
	    "the controller has revoked this host: everything is detached; to mirror again, let it join");
}

static int loop_end(struct vtap_agent *a, int r)
{
	(void)sd_notify(0, "STOPPING=1");
	if (a->options.unpinned)
		unpinned_remove(a);
	return a->revoked ? -EKEYREVOKED : r;
}

int vtap_loop_run(const struct vtap_agent_options *options, struct vtap_error *reterr)
{
	VTAP_CLEANUP(agent_donep) struct vtap_agent *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->options = *options;
	a->control_fd = a->lock_fd = -1;
	r = signals_block();
	if (r >= 0)
		r = agent_start(a, reterr);
	if (r < 0)
		return r;
	if (*a->last_apply_error)
		vtap_log(VTAP_LOG_WARNING, "%s", a->last_apply_error);
	vtap_log(VTAP_LOG_INFO, "mirroring %zu sessions by %s, %s", a->config->session_count,
		 vtap_dataplane_uses_tcx(a->dataplane) ? "tcx" : "clsact",
		 options->unpinned ? "unpinned: it ends with this process"
				   : "pinned: it goes on when this process ends");
	(void)sd_notifyf(0, "READY=1\nSTATUS=%zu sessions", a->config->session_count);
	r = loop_end(a, sd_event_loop(a->event));
	if (r == -EKEYREVOKED) {
		agent_donep(&a);
		a = NULL;
		return revoked_end(options, reterr);
	}
	return r < 0 ? vtap_error_set(reterr, r, 0, "", "the event loop failed: %s", strerror(-r)) : 0;
}
