// SPDX-License-Identifier: Apache-2.0

/*
 * clsact qdiscs, which clsact filters need: one that we have made goes with our last filter there, unless somebody else has come
 * to use it. Which ones these are is kept beside the attachments, as a symbolic link PIN_DIR/attached/IFINDEX-clsact, since a
 * bpffs holds no plain files.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/dataplane_private.h"
#include "basic/util.h"
#include "net/net.h"

static int made_path(const struct vtap_dataplane *d, uint32_t ifindex, char ret_path[PATH_MAX])
{
	char name[32];

	snprintf(name, sizeof(name), "%u-clsact", ifindex);
	return vtap_dataplane_path(d->pin_dir, "attached", name, ret_path);
}

static bool made_find(const struct vtap_dataplane *d, uint32_t ifindex, size_t *ret_index)
{
	for (size_t i = 0; i < d->made_count; i++) {
		if (d->made[i] == ifindex) {
			*ret_index = i;
			return true;
		}
	}
	return false;
}

static int made_add(struct vtap_dataplane *d, uint32_t ifindex)
{
	uint32_t *grown;
	size_t i;

	if (made_find(d, ifindex, &i))
		return 0;
	grown = reallocarray(d->made, d->made_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	d->made = grown;
	d->made[d->made_count++] = ifindex;
	return 0;
}

/* Whether a filter of ours is there. */
static bool is_ours_still(const struct vtap_dataplane *d, uint32_t ifindex)
{
	for (size_t i = 0; i < d->attached_count; i++) {
		if (d->attached[i].a.ifindex == ifindex && d->attached[i].a.preference)
			return true;
	}
	return false;
}

/* It is somebody else's from now on, or gone. */
static void made_forget(struct vtap_dataplane *d, uint32_t ifindex)
{
	char path[PATH_MAX];
	size_t i;

	if (!made_find(d, ifindex, &i))
		return;
	d->made[i] = d->made[--d->made_count];
	if (d->pin_dir && made_path(d, ifindex, path) >= 0)
		(void)unlink(path);
}

void vtap_dataplane_clsact_settle(struct vtap_dataplane *d)
{
	for (size_t i = d->made_count; i-- > 0;) {
		if (!is_ours_still(d, d->made[i]))
			made_forget(d, d->made[i]);
	}
}

bool vtap_dataplane_clsact_load(struct vtap_dataplane *d, const char *name)
{
	uint32_t ifindex;
	int end = 0;

	if (sscanf(name, "%u-clsact%n", &ifindex, &end) != 1 || !end || name[end])
		return false;
	(void)made_add(d, ifindex);
	return true;
}

int vtap_dataplane_clsact_ensure(struct vtap_dataplane *d, const struct bpf_tc_hook *hook)
{
	struct bpf_tc_hook copy = *hook;
	char path[PATH_MAX];
	int r;

	r = bpf_tc_hook_create(&copy);
	if (r < 0)
		return r == -EEXIST ? 0 : r;
	/* Should either fail, it stays behind: that harms nobody. */
	r = made_add(d, (uint32_t)hook->ifindex);
	if (r >= 0 && d->pin_dir && made_path(d, (uint32_t)hook->ifindex, path) >= 0)
		(void)symlink("vtap-agent", path);
	return 0;
}

void vtap_dataplane_clsact_release(struct vtap_dataplane *d, uint32_t ifindex, bool known)
{
	struct bpf_tc_hook hook = {
	    .sz = sizeof(hook), .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS};
	bool empty = false;
	size_t i;

	if (!made_find(d, ifindex, &i) || (known && is_ours_still(d, ifindex)))
		return;
	/* The kernel has no way to remove it on condition that it is empty: between the two it must not become used. */
	if (known && d->net && vtap_net_clsact_empty(d->net, ifindex, &empty) >= 0 && empty)
		(void)bpf_tc_hook_destroy(&hook);
	made_forget(d, ifindex);
}
