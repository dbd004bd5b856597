/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One ICMP echo: whether a target, or its network, answers. */

#include <systemd/sd-event.h>

#include "basic/addr.h"
#include "basic/util.h"

#define VTAP_ECHO_TIMEOUT_MS 1000

enum vtap_echo_result { VTAP_ECHO_ANSWERED, VTAP_ECHO_UNREACHABLE, VTAP_ECHO_SILENT };

struct vtap_echo;

/* `done` is called once, from the loop, unless the echo is freed before; it may free it. -EPERM without CAP_NET_RAW. */
int vtap_echo_start(sd_event *event, const struct vtap_addr *target, const struct vtap_addr *source,
		    void (*done)(enum vtap_echo_result result, void *userdata), void *userdata,
		    struct vtap_echo **ret_echo);
struct vtap_echo *vtap_echo_free(struct vtap_echo *e);
