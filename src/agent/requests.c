// SPDX-License-Identifier: Apache-2.0

#include "agent/requests.h"

#include <errno.h>

struct vtap_agent_requests {
	struct vtap_agent_feed *feed; /* borrowed */
};

int vtap_agent_requests_new(struct vtap_agent_feed *f, struct vtap_agent_requests **ret_requests)
{
	struct vtap_agent_requests *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->feed = f;
	*ret_requests = q;
	return 0;
}

struct vtap_agent_requests *vtap_agent_requests_free(struct vtap_agent_requests *q)
{
	free(q);
	return NULL;
}

void vtap_agent_requests_take(struct vtap_agent_feed *f, const json_t *requests)
{
}

void vtap_agent_requests_tick(struct vtap_agent_feed *f)
{
}
