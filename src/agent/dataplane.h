/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The loaded data plane: libbpf's owner. Programs, maps, their pins and their attachments; no decisions. Two lifetimes meet
 * here: file descriptors end with the process, pinned maps and links do not, and that is what keeps mirroring alive.
 */

#include <stdbool.h>
#include <stdint.h>

#include "basic/error.h"
#include "bpf/mirror_abi.h"

struct vtap_dataplane;
struct vtap_net;

enum vtap_hook_kind { VTAP_HOOK_AUTO, VTAP_HOOK_TCX, VTAP_HOOK_CLSACT };

enum vtap_program {
	VTAP_PROGRAM_IN, /* a source's ingress */
	VTAP_PROGRAM_OUT, /* a source's egress, an uplink's egress */
	VTAP_PROGRAM_STAGE, /* egress of the segmenting stage's port */
	VTAP_PROGRAM_MAX
};

struct vtap_dataplane_options {
	const char *pin_dir; /* on a bpffs; NULL = nothing is pinned, everything ends with the process */
	enum vtap_hook_kind hook;
	struct vtap_net *net; /* borrowed, outlives it; NULL = clsact qdiscs that it makes stay behind */
};

/*
 * Loads the programs and takes over the maps and attachments that are pinned. Maps of another layout are not taken over: new
 * ones are made, counters are carried over by number, and the old pins stay until vtap_dataplane_commit(). On failure
 * *reterr says in one sentence what this host lacks.
 */
int vtap_dataplane_open(const struct vtap_dataplane_options *options, struct vtap_dataplane **ret_dataplane,
			struct vtap_error *reterr);
struct vtap_dataplane *vtap_dataplane_free(struct vtap_dataplane *d);
VTAP_DEFINE_CLEANUP(struct vtap_dataplane *, vtap_dataplane_free);

/*
 * Opens what is pinned for reading only, programs not loaded: for a status without an agent. -ENOENT: nothing is pinned.
 * -EPROTO: another version's layout, or parts are missing.
 */
int vtap_dataplane_open_pinned(const char *pin_dir, struct vtap_dataplane **ret_dataplane);

/*
 * Pins what a fresh or migrated data plane holds, in the place of what was there, and removes what other agents have left that are
 * no more. After the first complete apply.
 */
int vtap_dataplane_commit(struct vtap_dataplane *d);

/* Whether all that should be pinned is: somebody may have removed it. True also when nothing is to be pinned. */
bool vtap_dataplane_pins_complete(const struct vtap_dataplane *d);

bool vtap_dataplane_uses_tcx(const struct vtap_dataplane *d);
bool vtap_dataplane_is_pinned(const struct vtap_dataplane *d);

/* The loaded program, for those who run it on packets of their own (BPF_PROG_TEST_RUN). Borrowed; 0 when none is loaded. */
int vtap_dataplane_program_fd(const struct vtap_dataplane *d, enum vtap_program program);

/*
 * Runs a source's program on a frame that nobody else sees, as if it had passed that device: what it takes is counted and copied
 * as if it had. -ENODEV.
 */
int vtap_dataplane_run(struct vtap_dataplane *d, enum vtap_program program, uint32_t ifindex, const void *frame,
		       size_t frame_bytes);

/* Array maps by index. All are copies; a reader in the kernel may still hold the old value until vtap_dataplane_fence(). */
int vtap_dataplane_plan_read(struct vtap_dataplane *d, uint32_t index, struct vtap_plan *ret_plan);
int vtap_dataplane_plan_write(struct vtap_dataplane *d, uint32_t index, const struct vtap_plan *plan);
int vtap_dataplane_port_read(struct vtap_dataplane *d, uint32_t index, struct vtap_port *ret_port);
int vtap_dataplane_port_write(struct vtap_dataplane *d, uint32_t index, const struct vtap_port *port);
int vtap_dataplane_delivery_read(struct vtap_dataplane *d, uint32_t index, struct vtap_delivery *ret_delivery);
int vtap_dataplane_delivery_write(struct vtap_dataplane *d, uint32_t index, const struct vtap_delivery *delivery);
int vtap_dataplane_session_read(struct vtap_dataplane *d, uint32_t slot, uint32_t *ret_delivery_index);
int vtap_dataplane_session_write(struct vtap_dataplane *d, uint32_t slot, uint32_t delivery_index);
int vtap_dataplane_slot_name_read(struct vtap_dataplane *d, uint32_t slot, struct vtap_slot_name *ret_name);
int vtap_dataplane_slot_name_write(struct vtap_dataplane *d, uint32_t slot, const struct vtap_slot_name *name);

/* ifindex -> port. next: -ENOENT at the end; *ifindex 0 starts. */
int vtap_dataplane_port_index_next(struct vtap_dataplane *d, uint32_t *ifindex, uint32_t *ret_port);
int vtap_dataplane_port_index_write(struct vtap_dataplane *d, uint32_t ifindex, uint32_t port);
int vtap_dataplane_port_index_delete(struct vtap_dataplane *d, uint32_t ifindex);

/* Makes the guard set exactly this; new endpoints are added before old ones go. -E2BIG beyond VTAP_ABI_GUARD_PORTS ports. */
int vtap_dataplane_guards_write(struct vtap_dataplane *d, const struct vtap_guard *guards, size_t count);

/* Sums over all CPUs. */
int vtap_dataplane_counters_read(struct vtap_dataplane *d, uint32_t slot, uint32_t direction,
				 struct vtap_counters *ret_counters);
int vtap_dataplane_port_counters_read(struct vtap_dataplane *d, uint32_t port, struct vtap_port_counters *ret_counters);
/* Both directions, for a slot that gets a new owner. */
int vtap_dataplane_counters_clear(struct vtap_dataplane *d, uint32_t slot);
int vtap_dataplane_port_counters_clear(struct vtap_dataplane *d, uint32_t port);

/* Returns when no program runs any more with a plan or delivery that it had looked up before the call. About 10 ms. */
int vtap_dataplane_fence(struct vtap_dataplane *d);

/*
 * Puts the program first on that hook. What was taken over there goes on until vtap_dataplane_switch(). The attachment
 * outlives the process when pinned. -ENODEV when the device is gone.
 */
int vtap_dataplane_attach(struct vtap_dataplane *d, uint32_t ifindex, enum vtap_hook hook, enum vtap_program program);
int vtap_dataplane_detach(struct vtap_dataplane *d, uint32_t ifindex, enum vtap_hook hook);
/*
 * Switches what was taken over to the programs that vtap_dataplane_attach() was given, each in one step. To be called when
 * the maps say all that these programs need: after a change of the layout they are new, and empty to begin with.
 */
int vtap_dataplane_switch(struct vtap_dataplane *d);

struct vtap_attachment {
	uint32_t ifindex;
	enum vtap_hook hook;
	enum vtap_program program; /* VTAP_PROGRAM_MAX: taken over, not yet switched to this process's program */
	uint32_t program_id;
	uint32_t preference; /* clsact; 0 = tcx */
};
/* i-th attachment of ours; -ENOENT at the end. Indexes shift when one is detached. */
int vtap_dataplane_attachment(struct vtap_dataplane *d, size_t i, struct vtap_attachment *ret_attachment);

#define VTAP_ORDER_MAX 64
struct vtap_order {
	uint32_t count; /* programs on the hook */
	uint32_t position; /* of ours, from 1; 0 = it is not there */
	uint32_t ids[VTAP_ORDER_MAX]; /* program ids in the order in which they run */
};
/* tcx only; -EOPNOTSUPP otherwise: clsact's order is rtnetlink's to tell. */
int vtap_dataplane_order(struct vtap_dataplane *d, const struct vtap_attachment *a, struct vtap_order *ret_order);

/*
 * -EBUSY while an agent holds pin_dir. Removes every attachment and pin below pin_dir that a data plane of ours made, also an
 * older one's. net as in the options.
 */
int vtap_dataplane_remove(const char *pin_dir, struct vtap_net *net);
