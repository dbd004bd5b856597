/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of the data plane's owner share. */

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <limits.h>

#include "agent/dataplane.h"

/* libbpf 1.1's headers come before tcx; the numbers are the kernel's. */
#define VTAP_BPF_TCX_INGRESS ((enum bpf_attach_type)46)
#define VTAP_BPF_TCX_EGRESS ((enum bpf_attach_type)47)
#define VTAP_BPF_F_BEFORE 8U
#define VTAP_BPF_LINK_TYPE_TCX 11U

#define VTAP_CLSACT_HANDLE 0x76746170U
#define VTAP_CLSACT_PREFERENCE_MAX 64U

enum vtap_map {
	VTAP_MAP_GLOBALS,
	VTAP_MAP_PORT_INDEX,
	VTAP_MAP_PORTS,
	VTAP_MAP_PLANS,
	VTAP_MAP_SESSIONS,
	VTAP_MAP_DELIVERIES,
	VTAP_MAP_BUCKETS,
	VTAP_MAP_COUNTERS,
	VTAP_MAP_PORT_COUNTERS,
	VTAP_MAP_GUARDS,
	VTAP_MAP_SLOT_NAMES,
	VTAP_MAP_FRAGMENTS,
	VTAP_MAP_FENCE,
	VTAP_MAP_SCRATCH,
	VTAP_MAP_MAX
};
extern const char *const vtap_map_names[VTAP_MAP_MAX];

struct vtap_attached {
	struct vtap_attachment a;
	enum vtap_program wanted; /* what vtap_dataplane_switch() puts there */
	int link_fd; /* tcx; owned */
};

struct mirror;

struct vtap_dataplane {
	char *pin_dir; /* owned; NULL = unpinned */
	struct vtap_net *net; /* borrowed; NULL = nobody to ask */
	bool tcx;
	int lock_fd; /* holds pin_dir; owned; -1 = not held */
	bool commit_needed; /* maps are not pinned yet */
	bool swept; /* what others of ours have left is removed */
	struct mirror *skeleton; /* owned; NULL in a read-only data plane, whose map_fds are owned instead */
	int map_fds[VTAP_MAP_MAX];
	int program_fds[VTAP_PROGRAM_MAX];
	uint32_t program_ids[VTAP_PROGRAM_MAX];
	unsigned cpu_count; /* possible CPUs */
	struct vtap_attached *attached; /* owned */
	size_t attached_count;
	uint32_t *made; /* owned; devices whose clsact qdisc we have made */
	size_t made_count;
};

/* PIN_DIR/DIR/NAME; -ENAMETOOLONG. */
int vtap_dataplane_path(const char *pin_dir, const char *dir, const char *name, char ret_path[PATH_MAX]);

/*
 * No source program that is attached clones any more when this returns: only then may the programs go that finish the clones. By the
 * maps that the programs themselves hold, of whatever layout, and whether they are pinned or not.
 */
int vtap_dataplane_sources_stop(struct vtap_dataplane *d);

/* Opens whatever is pinned, maps of another layout and missing ones (-1) too: to be removed, not to be read. */
int vtap_dataplane_open_any(const char *pin_dir, struct vtap_dataplane **ret_dataplane);

/* Takes pin_dir for this process alone: -EBUSY while another one holds it. The caller closes *ret_fd. */
int vtap_dataplane_lock(const char *pin_dir, int *ret_fd);

/* Reads the attachments that are pinned into d->attached. */
int vtap_dataplane_attachments_load(struct vtap_dataplane *d);
/* Whether the pins of all in d->attached are there, where there should be any. */
bool vtap_dataplane_attachments_pinned(const struct vtap_dataplane *d);

/* Makes the hook's qdisc unless there is one. */
int vtap_dataplane_clsact_ensure(struct vtap_dataplane *d, const struct bpf_tc_hook *hook);
/*
 * After a filter of ours has gone: when it was the last one, so does a qdisc that we made and nobody else uses. known: we took it
 * away ourselves; else the qdisc may be another, which somebody has put in its place.
 */
void vtap_dataplane_clsact_release(struct vtap_dataplane *d, uint32_t ifindex, bool known);
/* Takes up what an earlier process has noted of a qdisc; false: the pin's name is of something else. */
bool vtap_dataplane_clsact_load(struct vtap_dataplane *d, const char *name);
/* Once all is taken up: a qdisc without a filter of ours may be another by now. */
void vtap_dataplane_clsact_settle(struct vtap_dataplane *d);

void vtap_dataplane_hook_describe(const struct vtap_attachment *a, struct bpf_tc_hook *ret_hook);

/*
 * clsact filters of an agent that ran unpinned and was killed, or whose pins were lost, have maps and a secret of their own: they must
 * not clone beside ours. To be called before anything is attached; with ours in their place the rest of them is removed.
 */
int vtap_dataplane_leftovers_stop(struct vtap_dataplane *d);
int vtap_dataplane_leftovers_remove(struct vtap_dataplane *d);
