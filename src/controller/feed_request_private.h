/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "controller/feed_private.h"

/* Ends all requests of the host: nobody will answer. */
void vtap_feed_requests_end(struct vtap_feed *f, struct vtap_feed_host *h);
bool vtap_feed_requests_after(const struct vtap_feed_host *h, uint64_t number);
/* Those with a higher number, as the answer to the GET of the plan has them; NULL: no memory. The caller's. */
json_t *vtap_feed_requests_json(const struct vtap_feed_host *h, uint64_t number);
