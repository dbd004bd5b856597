// SPDX-License-Identifier: Apache-2.0

/*
 * Attachments: a tcx link where the kernel has tcx, a clsact filter of the lowest preference elsewhere. Each is pinned as
 * PIN_DIR/attached/IFINDEX-HOOK-PREFERENCE (preference 0 = tcx): the link itself, or the program of a clsact filter, which
 * the kernel keeps by itself and only has to be found again.
 */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/dataplane_private.h"
#include "basic/util.h"

static const char *const hook_names[VTAP_HOOK_MAX] = {
    [VTAP_HOOK_INGRESS] = "ingress",
    [VTAP_HOOK_EGRESS] = "egress",
};

static int attachment_path(const struct vtap_dataplane *d, const struct vtap_attachment *a, char ret_path[PATH_MAX])
{
	char name[64];

	snprintf(name, sizeof(name), "%u-%s-%u", a->ifindex, hook_names[a->hook], a->preference);
	return vtap_dataplane_path(d->pin_dir, "attached", name, ret_path);
}

static bool attachment_parse(const char *name, struct vtap_attachment *ret_a)
{
	struct vtap_attachment a = {.program = VTAP_PROGRAM_MAX};
	char hook[16];

	if (sscanf(name, "%u-%15[a-z]-%u", &a.ifindex, hook, &a.preference) != 3)
		return false;
	for (size_t i = 0; i < VTAP_HOOK_MAX; i++) {
		if (!strcmp(hook, hook_names[i])) {
			a.hook = i;
			*ret_a = a;
			return true;
		}
	}
	return false;
}

/* The device and program of a pinned link; ifindex 0 once the device is gone. */
static int link_describe(int fd, uint32_t *ret_ifindex, uint32_t *ret_program_id)
{
	struct bpf_link_info info = {};
	uint32_t size_bytes = sizeof(info);
	int r = bpf_obj_get_info_by_fd(fd, &info, &size_bytes);

	if (r < 0)
		return r;
	if (info.type != VTAP_BPF_LINK_TYPE_TCX)
		return -EINVAL;
	*ret_ifindex = info.xdp.ifindex; /* tcx has it in the same place */
	*ret_program_id = info.prog_id;
	return 0;
}

void vtap_dataplane_hook_describe(const struct vtap_attachment *a, struct bpf_tc_hook *ret_hook)
{
	*ret_hook = (struct bpf_tc_hook){
	    .sz = sizeof(*ret_hook),
	    .ifindex = a->ifindex,
	    .attach_point = a->hook == VTAP_HOOK_INGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS,
	};
}

/* Whether the clsact filter that the pin tells of is still there and still runs that program. */
static bool clsact_alive(const struct vtap_attachment *a)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, options, .handle = VTAP_CLSACT_HANDLE, .priority = a->preference);
	struct bpf_tc_hook hook;

	vtap_dataplane_hook_describe(a, &hook);
	return bpf_tc_query(&hook, &options) >= 0 && options.prog_id == a->program_id;
}

static int attached_add(struct vtap_dataplane *d, const struct vtap_attachment *a, int link_fd)
{
	struct vtap_attached *grown = reallocarray(d->attached, d->attached_count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	d->attached = grown;
	d->attached[d->attached_count++] = (struct vtap_attached){.a = *a, .wanted = a->program, .link_fd = link_fd};
	return 0;
}

static struct vtap_attached *attached_find(struct vtap_dataplane *d, uint32_t ifindex, enum vtap_hook hook)
{
	for (size_t i = 0; i < d->attached_count; i++) {
		if (d->attached[i].a.ifindex == ifindex && d->attached[i].a.hook == hook)
			return &d->attached[i];
	}
	return NULL;
}

static void attached_remove(struct vtap_dataplane *d, struct vtap_attached *gone)
{
	vtap_closep(&gone->link_fd);
	*gone = d->attached[--d->attached_count];
}

/* One pin: opened and kept, or unlinked when its device or filter is gone. */
static int attachment_load(struct vtap_dataplane *d, const char *name)
{
	struct vtap_attachment a;
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	uint32_t ifindex = 0;
	int r;

	if (vtap_dataplane_clsact_load(d, name) || !attachment_parse(name, &a))
		return 0;
	r = vtap_dataplane_path(d->pin_dir, "attached", name, path);
	if (r < 0)
		return r;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return 0;
	if (a.preference) {
		struct bpf_prog_info info = {};
		uint32_t size_bytes = sizeof(info);

		r = bpf_obj_get_info_by_fd(fd, &info, &size_bytes);
		a.program_id = info.id;
		if (r >= 0 && clsact_alive(&a))
			return attached_add(d, &a, -1);
	} else {
		r = link_describe(fd, &ifindex, &a.program_id);
		if (r >= 0 && ifindex == a.ifindex) {
			r = attached_add(d, &a, fd);
			if (r >= 0)
				(void)VTAP_STEAL_FD(fd);
			return r;
		}
	}
	if (d->skeleton)
		(void)unlink(path);
	return 0;
}

int vtap_dataplane_attachments_load(struct vtap_dataplane *d)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;
	int r;

	if (!d->pin_dir)
		return 0;
	r = vtap_dataplane_path(d->pin_dir, "attached", "", path);
	if (r < 0)
		return r;
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (r >= 0 && (entry = readdir(dir)))
		r = attachment_load(d, entry->d_name);
	closedir(dir);
	if (r >= 0 && d->skeleton)
		vtap_dataplane_clsact_settle(d);
	return r;
}

bool vtap_dataplane_attachments_pinned(const struct vtap_dataplane *d)
{
	char path[PATH_MAX];

	for (size_t i = 0; d->pin_dir && i < d->attached_count; i++) {
		if (attachment_path(d, &d->attached[i].a, path) >= 0 && access(path, F_OK) < 0)
			return false;
	}
	return true;
}

static int attachment_pin(struct vtap_dataplane *d, const struct vtap_attachment *a, int fd)
{
	char path[PATH_MAX];
	int r;

	if (!d->pin_dir)
		return 0;
	r = attachment_path(d, a, path);
	if (r < 0)
		return r;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	return bpf_obj_pin(fd, path);
}

static void attachment_unpin(struct vtap_dataplane *d, const struct vtap_attachment *a)
{
	char path[PATH_MAX];

	if (d->pin_dir && attachment_path(d, a, path) >= 0)
		(void)unlink(path);
}

static int tcx_attach(struct vtap_dataplane *d, struct vtap_attachment *a)
{
	DECLARE_LIBBPF_OPTS(bpf_link_create_opts, options, .flags = VTAP_BPF_F_BEFORE);
	enum bpf_attach_type type = a->hook == VTAP_HOOK_INGRESS ? VTAP_BPF_TCX_INGRESS : VTAP_BPF_TCX_EGRESS;
	_cleanup_close_ int fd = -1;
	int r;

	fd = bpf_link_create(d->program_fds[a->program], (int)a->ifindex, type, &options);
	if (fd < 0)
		return fd;
	r = attachment_pin(d, a, fd);
	if (r < 0)
		return r;
	r = attached_add(d, a, fd);
	if (r < 0) {
		attachment_unpin(d, a);
		return r;
	}
	(void)VTAP_STEAL_FD(fd);
	return 0;
}

/* The filter is there: it is noted, or goes again. */
static int clsact_keep(struct vtap_dataplane *d, const struct vtap_attachment *a, const struct bpf_tc_hook *hook)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, options, .handle = VTAP_CLSACT_HANDLE, .priority = a->preference);
	int r;

	r = attachment_pin(d, a, d->program_fds[a->program]);
	if (r >= 0)
		r = attached_add(d, a, -1);
	if (r < 0) {
		attachment_unpin(d, a);
		(void)bpf_tc_detach(hook, &options);
	}
	return r;
}

/* A preference that a filter of another kind holds cannot be shared: the next one is tried. */
static int clsact_attach(struct vtap_dataplane *d, struct vtap_attachment *a)
{
	struct bpf_tc_hook hook;
	int r;

	vtap_dataplane_hook_describe(a, &hook);
	r = vtap_dataplane_clsact_ensure(d, &hook);
	if (r < 0)
		return r;
	for (a->preference = 1; a->preference <= VTAP_CLSACT_PREFERENCE_MAX; a->preference++) {
		DECLARE_LIBBPF_OPTS(bpf_tc_opts, options, .handle = VTAP_CLSACT_HANDLE, .priority = a->preference,
				    .prog_fd = d->program_fds[a->program], .flags = BPF_TC_F_REPLACE);

		r = bpf_tc_attach(&hook, &options);
		if (r >= 0 || r == -ENODEV)
			break;
	}
	if (r >= 0)
		r = clsact_keep(d, a, &hook);
	if (r < 0)
		vtap_dataplane_clsact_release(d, a->ifindex, true);
	return r;
}

/* In one step: a packet meets the old program or the new one. */
static int attachment_switch(struct vtap_dataplane *d, struct vtap_attached *known, enum vtap_program program)
{
	struct bpf_tc_hook hook;
	int r;

	if (known->a.preference) {
		DECLARE_LIBBPF_OPTS(bpf_tc_opts, options, .handle = VTAP_CLSACT_HANDLE, .priority = known->a.preference,
				    .prog_fd = d->program_fds[program], .flags = BPF_TC_F_REPLACE);

		vtap_dataplane_hook_describe(&known->a, &hook);
		r = bpf_tc_attach(&hook, &options);
		if (r >= 0)
			r = attachment_pin(d, &known->a, d->program_fds[program]);
	} else {
		r = bpf_link_update(known->link_fd, d->program_fds[program], NULL);
	}
	if (r < 0)
		return r;
	known->a.program = program;
	known->a.program_id = d->program_ids[program];
	return 0;
}

/* Whether what we attached is still on the device: the device may have been made anew, or the filter taken away. */
static bool attachment_alive(const struct vtap_attached *known)
{
	uint32_t ifindex, id;

	if (known->a.preference)
		return clsact_alive(&known->a);
	return link_describe(known->link_fd, &ifindex, &id) >= 0 && ifindex == known->a.ifindex;
}

int vtap_dataplane_attach(struct vtap_dataplane *d, uint32_t ifindex, enum vtap_hook hook, enum vtap_program program)
{
	struct vtap_attached *known = attached_find(d, ifindex, hook);
	struct vtap_attachment a = {
	    .ifindex = ifindex, .hook = hook, .program = program, .program_id = d->program_ids[program]};
	bool tcx = known && !known->a.preference;

	if (known && attachment_alive(known) && tcx == d->tcx) {
		known->wanted = program;
		return 0;
	}
	if (known) {
		int r = vtap_dataplane_detach(d, ifindex, hook);

		if (r < 0)
			return r;
	}
	return d->tcx ? tcx_attach(d, &a) : clsact_attach(d, &a);
}

int vtap_dataplane_switch(struct vtap_dataplane *d)
{
	/* Who finishes copies goes ahead of who makes them. */
	static const enum vtap_program order[] = {VTAP_PROGRAM_STAGE, VTAP_PROGRAM_OUT, VTAP_PROGRAM_IN};
	int first = 0;

	for (size_t n = 0; n < VTAP_ARRAY_SIZE(order); n++) {
		for (size_t i = 0; i < d->attached_count; i++) {
			struct vtap_attached *known = &d->attached[i];
			int r;

			if (known->wanted != order[n] || known->a.program == order[n])
				continue;
			r = attachment_switch(d, known, order[n]);
			first = first < 0 ? first : r;
		}
	}
	return first;
}

int vtap_dataplane_detach(struct vtap_dataplane *d, uint32_t ifindex, enum vtap_hook hook)
{
	struct vtap_attached *known = attached_find(d, ifindex, hook);
	struct bpf_tc_hook tc_hook;
	bool clsact, alive;
	int r;

	if (!known)
		return 0;
	clsact = known->a.preference;
	alive = clsact && clsact_alive(&known->a);
	if (alive) {
		DECLARE_LIBBPF_OPTS(bpf_tc_opts, options, .handle = VTAP_CLSACT_HANDLE,
				    .priority = known->a.preference);

		vtap_dataplane_hook_describe(&known->a, &tc_hook);
		r = bpf_tc_detach(&tc_hook, &options);
		if (r < 0 && r != -ENOENT && r != -ENODEV)
			return r;
	}
	attachment_unpin(d, &known->a);
	attached_remove(d, known);
	/* Whoever took our filter away may have taken the qdisc, too, and made another. */
	if (clsact)
		vtap_dataplane_clsact_release(d, ifindex, alive);
	return 0;
}

int vtap_dataplane_attachment(struct vtap_dataplane *d, size_t i, struct vtap_attachment *ret_attachment)
{
	if (i >= d->attached_count)
		return -ENOENT;
	*ret_attachment = d->attached[i].a;
	return 0;
}

int vtap_dataplane_order(struct vtap_dataplane *d, const struct vtap_attachment *a, struct vtap_order *ret_order)
{
	enum bpf_attach_type type = a->hook == VTAP_HOOK_INGRESS ? VTAP_BPF_TCX_INGRESS : VTAP_BPF_TCX_EGRESS;
	struct vtap_order order = {.count = VTAP_ORDER_MAX};
	int r;

	r = bpf_prog_query((int)a->ifindex, type, 0, NULL, order.ids, &order.count);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < order.count && !order.position; i++) {
		if (order.ids[i] == a->program_id)
			order.position = i + 1;
	}
	*ret_order = order;
	return 0;
}
