// SPDX-License-Identifier: Apache-2.0

/* Taking away what a data plane of ours has left, complete or not, and without a frame that leaves without its headers. */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/dataplane_private.h"
#include "basic/util.h"
#include "net/net.h"

#define PROGRAM_MAPS_MAX 64
#define LEFTOVER_PREFERENCES 4U

/* clsact filters that no pin tells of: an agent ran unpinned and was killed, or its pins were lost. */
struct leftovers {
	uint32_t *devices; /* owned; with a clsact qdisc, some perhaps twice */
	size_t device_count;
	struct vtap_attachment *found; /* owned */
	size_t count;
	bool no_memory;
};

static void leftovers_done(struct leftovers *l)
{
	free(l->devices);
	free(l->found);
}

static void device_visit(uint32_t ifindex, void *userdata)
{
	struct leftovers *l = userdata;
	uint32_t *grown = reallocarray(l->devices, l->device_count + 1, sizeof(*grown));

	l->no_memory = l->no_memory || !grown;
	if (!grown)
		return;
	l->devices = grown;
	l->devices[l->device_count++] = ifindex;
}

static bool is_attached(const struct vtap_dataplane *d, const struct vtap_attachment *a)
{
	for (size_t i = 0; i < d->attached_count; i++) {
		const struct vtap_attachment *known = &d->attached[i].a;

		if (known->ifindex == a->ifindex && known->hook == a->hook && known->preference == a->preference)
			return true;
	}
	return false;
}

static bool program_is_ours(uint32_t id)
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info info = {};
	uint32_t size_bytes = sizeof(info);

	return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size_bytes) >= 0 && !strncmp(info.name, "vtap_", 5);
}

/* By nothing but their handle and their programs' names. */
static int hook_look(const struct vtap_dataplane *d, struct leftovers *l, uint32_t ifindex, enum vtap_hook hook)
{
	for (uint32_t preference = 1; preference <= LEFTOVER_PREFERENCES; preference++) {
		DECLARE_LIBBPF_OPTS(bpf_tc_opts, options, .handle = VTAP_CLSACT_HANDLE, .priority = preference);
		struct vtap_attachment a = {.ifindex = ifindex, .hook = hook, .preference = preference}, *grown;
		struct bpf_tc_hook tc_hook;

		vtap_dataplane_hook_describe(&a, &tc_hook);
		if (is_attached(d, &a) || bpf_tc_query(&tc_hook, &options) < 0 || !program_is_ours(options.prog_id))
			continue;
		grown = reallocarray(l->found, l->count + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		a.program_id = options.prog_id;
		l->found = grown;
		l->found[l->count++] = a;
	}
	return 0;
}

static int leftovers_find(const struct vtap_dataplane *d, struct leftovers *l)
{
	int r;

	if (!d->net)
		return 0;
	r = vtap_net_clsact_each(d->net, device_visit, l);
	if (r >= 0 && l->no_memory)
		r = -ENOMEM;
	for (size_t i = 0; r >= 0 && i < l->device_count; i++) {
		for (enum vtap_hook hook = VTAP_HOOK_INGRESS; r >= 0 && hook < VTAP_HOOK_MAX; hook++)
			r = hook_look(d, l, l->devices[i], hook);
	}
	return r;
}

static uint32_t map_id(int fd)
{
	struct bpf_map_info info = {};
	uint32_t size_bytes = sizeof(info);

	return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size_bytes) >= 0 ? info.id : 0;
}

/* What a map of that name holds is deleted, unless it is spared. */
static void map_empty(uint32_t id, const char *name, uint32_t spared_id)
{
	_cleanup_close_ int fd = id == spared_id ? -1 : bpf_map_get_fd_by_id(id);
	struct bpf_map_info info = {};
	uint32_t size_bytes = sizeof(info), key;

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size_bytes) < 0 || strcmp(info.name, name) != 0 ||
	    info.key_size != sizeof(key))
		return;
	while (bpf_map_get_next_key(fd, NULL, &key) >= 0 && bpf_map_delete_elem(fd, &key) >= 0)
		;
}

/* By the maps that the program itself holds, whatever has become of their pins. */
static void program_stop(uint32_t program_id, uint32_t spared_id)
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(program_id);
	uint32_t ids[PROGRAM_MAPS_MAX] = {};
	struct bpf_prog_info info = {.nr_map_ids = PROGRAM_MAPS_MAX, .map_ids = (uintptr_t)ids};
	uint32_t size_bytes = sizeof(info);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size_bytes) < 0)
		return;
	for (uint32_t i = 0; i < VTAP_MIN(info.nr_map_ids, (uint32_t)PROGRAM_MAPS_MAX); i++)
		map_empty(ids[i], vtap_map_names[VTAP_MAP_PORT_INDEX], spared_id);
}

/* The kernel waits for every program that runs whenever a map in a map is changed, be it one that nobody uses. */
static int grace_period(void)
{
	_cleanup_close_ int inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "vtap_fence_in", 4, 4, 1, NULL);
	LIBBPF_OPTS(bpf_map_create_opts, options, .inner_map_fd = (uint32_t)inner);
	_cleanup_close_ int outer = -1;
	uint32_t zero = 0;

	if (inner < 0)
		return inner;
	outer = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "vtap_fence", 4, 4, 1, &options);
	return outer < 0 ? outer : bpf_map_update_elem(outer, &zero, &inner, BPF_ANY);
}

int vtap_dataplane_sources_stop(struct vtap_dataplane *d)
{
	for (size_t i = 0; i < d->attached_count; i++)
		program_stop(d->attached[i].a.program_id, 0);
	return d->attached_count ? grace_period() : 0;
}

int vtap_dataplane_leftovers_stop(struct vtap_dataplane *d)
{
	VTAP_CLEANUP(leftovers_done) struct leftovers l = {};
	uint32_t own_id = map_id(d->map_fds[VTAP_MAP_PORT_INDEX]);
	int r = leftovers_find(d, &l);

	if (r < 0 || !l.count)
		return r;
	for (size_t i = 0; i < l.count; i++)
		program_stop(l.found[i].program_id, own_id);
	return grace_period();
}

static void leftover_remove(struct vtap_dataplane *d, const struct vtap_attachment *a)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, options, .handle = VTAP_CLSACT_HANDLE, .priority = a->preference);
	struct bpf_tc_hook hook;

	vtap_dataplane_hook_describe(a, &hook);
	if (bpf_tc_detach(&hook, &options) >= 0)
		vtap_dataplane_clsact_release(d, a->ifindex, true);
}

int vtap_dataplane_leftovers_remove(struct vtap_dataplane *d)
{
	VTAP_CLEANUP(leftovers_done) struct leftovers l = {};
	int r = leftovers_find(d, &l);

	for (size_t i = 0; r >= 0 && i < l.count; i++)
		leftover_remove(d, &l.found[i]);
	return r;
}

/* First nobody clones any more, then the programs go that finish clones. */
static int attachments_remove(struct vtap_dataplane *d)
{
	VTAP_CLEANUP(leftovers_done) struct leftovers l = {};
	int r = leftovers_find(d, &l);

	if (r < 0)
		return r;
	for (size_t i = 0; i < l.count; i++)
		program_stop(l.found[i].program_id, 0);
	if (l.count)
		r = grace_period();
	if (r >= 0)
		r = vtap_dataplane_sources_stop(d);
	while (r >= 0 && d->attached_count)
		r = vtap_dataplane_detach(d, d->attached[0].a.ifindex, d->attached[0].a.hook);
	for (size_t i = 0; i < l.count; i++)
		leftover_remove(d, &l.found[i]);
	return r;
}

/* Unlinks everything in one directory of pins, and the directory. */
static int pins_remove(const char *pin_dir, const char *dir)
{
	char path[PATH_MAX], child[PATH_MAX];
	struct dirent *entry;
	DIR *stream;
	int r;

	r = vtap_dataplane_path(pin_dir, dir, "", path);
	if (r < 0)
		return r;
	stream = opendir(path);
	if (!stream)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(stream))) {
		if (entry->d_name[0] == '.')
			continue;
		if (vtap_dataplane_path(pin_dir, dir, entry->d_name, child) >= 0 && unlink(child) < 0)
			r = -errno;
	}
	closedir(stream);
	if (r >= 0 && rmdir(path) < 0)
		r = -errno;
	return r;
}

int vtap_dataplane_remove(const char *pin_dir, struct vtap_net *net)
{
	VTAP_CLEANUP(vtap_dataplane_freep) struct vtap_dataplane *d = NULL;
	_cleanup_close_ int lock_fd = -1;
	int r, first;

	r = vtap_dataplane_lock(pin_dir, &lock_fd);
	if (r < 0 && r != -ENOENT)
		return r;
	r = vtap_dataplane_open_any(pin_dir, &d);
	if (r < 0)
		return r;
	d->net = net;
	first = attachments_remove(d);
	r = pins_remove(pin_dir, "attached");
	first = first < 0 ? first : r;
	r = pins_remove(pin_dir, "maps");
	first = first < 0 ? first : r;
	if (rmdir(pin_dir) < 0 && errno != ENOENT && errno != EBUSY && errno != ENOTEMPTY && first >= 0)
		first = -errno;
	return first;
}
