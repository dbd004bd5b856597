// SPDX-License-Identifier: Apache-2.0

/* What is told of the controller: to --status, to the metrics page, and to --check. */

#include <stdio.h>
#include <string.h>

#include "agent/feed_private.h"
#include "metrics/metrics.h"
#include "model/value.h"

json_t *vtap_agent_feed_status(const struct vtap_agent *a)
{
	const struct vtap_agent_feed *f = a->feed;
	char expires[VTAP_TIME_STRLEN] = "";
	struct vtap_contact now;
	json_t *o;

	vtap_contact_now(&now);
	if (f->identity.expires_s)
		(void)vtap_time_format(f->identity.expires_s, expires);
	o = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:s}", "url", a->options.controller, "host", f->identity.host,
		      "state", vtap_agent_feed_state_name(f), "reason", f->reason, "silent_seconds",
		      (json_int_t)(f->state == VTAP_FEED_CONNECTED ? 0 : vtap_contact_elapsed_s(&f->contact, &now)),
		      "certificate_expires", expires, "error", f->plan_error);
	if (o && *f->applied.epoch) {
		(void)json_object_set_new(o, "epoch", json_string(f->applied.epoch));
		(void)json_object_set_new(o, "revision", json_integer((json_int_t)f->applied.revision));
		(void)json_object_set_new(o, "hash", json_string(f->applied.hash));
	}
	return o;
}

static const struct {
	const char *name;
	const char *help;
} families[] = {
    {"vtap_controller_connected", "1 while the controller answers, else 0."},
    {"vtap_controller_silent_seconds", "How long the controller has not been heard; 0 while it answers."},
    {"vtap_plan_revision", "Revision of the controller's plan that is applied."},
    {"vtap_plan_sessions_refused", "Sessions of the plan that cannot be used here."},
    {"vtap_certificate_expires_seconds", "When the agent's certificate expires, since 1970; 0 without one."},
};

int vtap_agent_feed_metrics_declare(struct vtap_metrics *m)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < VTAP_ARRAY_SIZE(families); i++)
		r = vtap_metrics_declare(m, families[i].name, VTAP_METRICS_GAUGE, families[i].help);
	return r;
}

void vtap_agent_feed_metrics_add(const struct vtap_agent *a, struct vtap_metrics *m)
{
	const struct vtap_agent_feed *f = a->feed;
	bool connected = f->state == VTAP_FEED_CONNECTED;
	struct vtap_contact now;
	uint64_t values[VTAP_ARRAY_SIZE(families)] = {connected, 0, f->applied.revision, 0,
						      (uint64_t)f->identity.expires_s};

	vtap_contact_now(&now);
	if (!connected)
		values[1] = vtap_contact_elapsed_s(&f->contact, &now);
	for (size_t i = 0; a->plan && i < a->plan->session_count; i++)
		values[3] += a->plan->sessions[i].refused;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(families); i++)
		(void)vtap_metrics_add_u64(m, families[i].name, NULL, 0, values[i]);
}

int vtap_agent_feed_check(const char *state_dir, char *ret_text, size_t text_bytes)
{
	VTAP_CLEANUP(vtap_agent_identity_done) struct vtap_agent_identity i = {};
	char expires[VTAP_TIME_STRLEN];
	int r;

	r = vtap_agent_identity_load(state_dir, &i);
	if (r < 0)
		return r;
	if (i.certificate)
		snprintf(ret_text, text_bytes, "joined %s as %s, certificate until %s", i.url, i.host,
			 vtap_time_format(i.expires_s, expires));
	else
		snprintf(ret_text, text_bytes, "joined %s as %s", i.url, i.host);
	return 0;
}
