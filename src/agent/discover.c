// SPDX-License-Identifier: Apache-2.0

#include "agent/discover.h"

json_t *vtap_discover_json(struct vtap_agent *a)
{
	return json_array();
}
