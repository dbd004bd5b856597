/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether an interface has moved to where its MAC is seen. Pure. */

#include <stdbool.h>
#include <stddef.h>

enum vtap_follow {
	VTAP_FOLLOW_STAY,
	VTAP_FOLLOW_MOVE,
	VTAP_FOLLOW_GROUP, /* seen on a host of another group */
	VTAP_FOLLOW_STILL_HERE, /* seen elsewhere, while its device is still where it was */
	VTAP_FOLLOW_TWICE, /* seen in two places, and no longer where it was */
};

struct vtap_follow_place { /* where its MAC is seen; texts are borrowed */
	const char *host, *device;
	const char *group; /* of the host; NULL = none */
};

struct vtap_follow_question {
	const char *host, *device; /* where it is plugged */
	const char *group; /* of that host; NULL = none */
	bool host_away; /* it has stopped reporting */
	bool host_knows; /* it has reported its devices */
	bool device_exists; /* it reports the device */
	const struct vtap_follow_place *places;
	size_t place_count;
};

/*
 * An interface stays as long as its old host reports its device. After that it moves to the one place on the same host, else
 * on a host of the same group, where its MAC is seen. *ret_place: where it moves to, or what is in conflict; NULL for STAY.
 */
enum vtap_follow vtap_follow_decide(const struct vtap_follow_question *q, const struct vtap_follow_place **ret_place);
