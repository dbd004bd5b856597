// SPDX-License-Identifier: Apache-2.0

/* The certificate is renewed at half of its life, then every hour until that worked. */

#include <errno.h>
#include <string.h>
#include <time.h>

#include "agent/feed_private.h"
#include "agent/problem.h"
#include "basic/log.h"
#include "crypto/pki.h"

#define RETRY_S 2700 /* an hour less a quarter of it */
#define RETRY_SPREAD_S 1800U

static int certificate_take(struct vtap_agent_feed *f, const struct vtap_client_answer *answer)
{
	json_t *o = json_loadb(answer->body, answer->body_bytes, 0, NULL);
	const char *certificate = json_string_value(json_object_get(o, "certificate"));
	char *copy = certificate ? strdup(certificate) : NULL;
	int r = -EPROTO;

	json_decref(o);
	if (copy)
		r = vtap_agent_identity_renew(&f->identity, copy, VTAP_STEAL(f->renew_key), time(NULL));
	if (r < 0)
		return r;
	f->client_stale = true;
	return vtap_agent_identity_save(f->agent->options.state_dir, &f->identity);
}

static void on_renewed(struct vtap_client_answer *answer, void *userdata)
{
	struct vtap_agent_feed *f = userdata;
	struct vtap_problem p;
	int r;

	if (vtap_agent_feed_done(f, answer)) {
		r = certificate_take(f, answer);
		if (r < 0)
			vtap_log(VTAP_LOG_ERROR, "the renewed certificate cannot be kept: %s", strerror(-r));
		else
			vtap_log(VTAP_LOG_INFO, "the agent's certificate was renewed");
	} else {
		vtap_problem_read(answer, &p);
		vtap_log(VTAP_LOG_WARNING, "the agent's certificate could not be renewed: %s", p.text);
	}
	vtap_secret_wipe(f->renew_key);
	free(f->renew_key);
	f->renew_key = NULL;
	vtap_client_answer_done(answer);
}

void vtap_agent_feed_renew(struct vtap_agent_feed *f)
{
	int64_t now_s = time(NULL);
	_cleanup_free_ char *request = NULL;
	uint32_t random;

	if (f->state != VTAP_FEED_CONNECTED || f->renew_key || now_s < f->renew_retry_s ||
	    now_s < vtap_agent_identity_renewal_s(&f->identity))
		return;
	vtap_random_bytes(&random, sizeof(random));
	f->renew_retry_s = now_s + RETRY_S + random % RETRY_SPREAD_S;
	if (vtap_pki_request_new(f->identity.host, &f->renew_key, &request) < 0)
		return;
	if (vtap_agent_feed_post(f, "/agent/v1/renew", json_pack("{s:s}", "request", request), on_renewed, f, NULL) <
	    0) {
		vtap_secret_wipe(f->renew_key);
		free(f->renew_key);
		f->renew_key = NULL;
	}
}
