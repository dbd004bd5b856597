// SPDX-License-Identifier: Apache-2.0

#include "agent/dataplane.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "agent/dataplane_private.h"
#include "basic/util.h"
#include "mirror.skel.h"

const char *const vtap_map_names[VTAP_MAP_MAX] = {
    [VTAP_MAP_GLOBALS] = "vtap_globals",
    [VTAP_MAP_PORT_INDEX] = "vtap_port_index",
    [VTAP_MAP_PORTS] = "vtap_ports",
    [VTAP_MAP_PLANS] = "vtap_plans",
    [VTAP_MAP_SESSIONS] = "vtap_sessions",
    [VTAP_MAP_DELIVERIES] = "vtap_deliveries",
    [VTAP_MAP_BUCKETS] = "vtap_buckets",
    [VTAP_MAP_COUNTERS] = "vtap_counters",
    [VTAP_MAP_PORT_COUNTERS] = "vtap_port_counters",
    [VTAP_MAP_GUARDS] = "vtap_guards",
    [VTAP_MAP_SLOT_NAMES] = "vtap_slot_names",
    [VTAP_MAP_FRAGMENTS] = "vtap_fragments",
    [VTAP_MAP_FENCE] = "vtap_fence",
    [VTAP_MAP_SCRATCH] = "vtap_scratch",
};

static const char *const program_names[VTAP_PROGRAM_MAX] = {
    [VTAP_PROGRAM_IN] = "vtap_in",
    [VTAP_PROGRAM_OUT] = "vtap_out",
    [VTAP_PROGRAM_STAGE] = "vtap_stage",
};

int vtap_dataplane_path(const char *pin_dir, const char *dir, const char *name, char ret_path[PATH_MAX])
{
	int n = snprintf(ret_path, PATH_MAX, "%s/%s%s%s", pin_dir, dir, *name ? "/" : "", name);

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* What libbpf said last: the verifier's or the loader's own words, for the debug log only. */
static int on_libbpf_print(enum libbpf_print_level level, const char *format, va_list args)
{
	if (!getenv("VTAP_DEBUG_LIBBPF"))
		return 0;
	return vfprintf(stderr, format, args);
}

static uint32_t program_id(int fd)
{
	struct bpf_prog_info info = {};
	uint32_t size_bytes = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size_bytes) < 0 ? 0 : info.id;
}

/* True when the pinned map has the shape that ours has. */
static bool map_fits(int fd, const struct bpf_map *map)
{
	struct bpf_map_info info = {};
	uint32_t size_bytes = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size_bytes) >= 0 && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) && info.value_size == bpf_map__value_size(map) &&
	       info.max_entries == bpf_map__max_entries(map);
}

struct vtap_pinned_maps {
	int fds[VTAP_MAP_MAX];
	bool found; /* there are pins at all */
	bool usable; /* all of them, of this layout */
	bool known; /* the secret is that of the programs that an earlier process left */
	uint32_t secret;
};

static void pinned_maps_done(struct vtap_pinned_maps *p)
{
	for (size_t i = 0; i < VTAP_MAP_MAX; i++)
		vtap_closep(&p->fds[i]);
}

static void pinned_maps_open(const char *pin_dir, struct vtap_pinned_maps *p)
{
	char path[PATH_MAX];

	p->usable = true;
	for (size_t i = 0; i < VTAP_MAP_MAX; i++) {
		p->fds[i] = -1;
		if (!pin_dir || vtap_dataplane_path(pin_dir, "maps", vtap_map_names[i], path) < 0)
			continue;
		p->fds[i] = bpf_obj_get(path);
		p->found = p->found || p->fds[i] >= 0;
		p->usable = p->usable && p->fds[i] >= 0;
	}
	p->usable = p->usable && p->found;
}

/* Decides whether the pinned maps can be taken over as they are. */
static void pinned_maps_check(struct vtap_pinned_maps *p, struct mirror *skeleton)
{
	struct vtap_globals globals = {};
	uint32_t zero = 0;

	if (!p->usable)
		return;
	for (size_t i = 0; i < VTAP_MAP_MAX; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(skeleton->obj, vtap_map_names[i]);

		p->usable = p->usable && map && map_fits(p->fds[i], map);
	}
	if (!p->usable || bpf_map_lookup_elem(p->fds[VTAP_MAP_GLOBALS], &zero, &globals) < 0 ||
	    globals.layout_version != VTAP_LAYOUT_VERSION)
		p->usable = false;
	p->secret = globals.secret;
}

static int maps_reuse(struct mirror *skeleton, const struct vtap_pinned_maps *p)
{
	for (size_t i = 0; i < VTAP_MAP_MAX; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(skeleton->obj, vtap_map_names[i]);
		int r = bpf_map__reuse_fd(map, p->fds[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Whoever owned a slot keeps it, and its counters, though the old layout may have had fewer or shorter ones. */
static int slots_migrate(struct vtap_dataplane *d, const struct vtap_pinned_maps *old)
{
	int old_names = old->fds[VTAP_MAP_SLOT_NAMES], old_counters = old->fds[VTAP_MAP_COUNTERS];
	struct bpf_map_info names = {}, counters = {};
	uint32_t size_bytes = sizeof(names);
	_cleanup_free_ uint8_t *from = NULL;
	_cleanup_free_ uint8_t *to = NULL;
	_cleanup_free_ char *name = NULL;
	size_t stride_from, stride_to = sizeof(struct vtap_counters), copied;

	if (old_names < 0 || old_counters < 0 || bpf_obj_get_info_by_fd(old_names, &names, &size_bytes) < 0)
		return 0;
	size_bytes = sizeof(counters);
	if (bpf_obj_get_info_by_fd(old_counters, &counters, &size_bytes) < 0)
		return 0;
	stride_from = (counters.value_size + 7) & ~7U;
	copied = VTAP_MIN((size_t)counters.value_size, stride_to);
	from = calloc(d->cpu_count, stride_from);
	to = calloc(d->cpu_count, stride_to);
	name = calloc(1, VTAP_MAX((size_t)names.value_size, sizeof(struct vtap_slot_name)) + 1);
	if (!from || !to || !name)
		return -ENOMEM;
	for (uint32_t slot = 0; slot < VTAP_MIN(names.max_entries, (uint32_t)VTAP_ABI_SESSIONS); slot++) {
		struct vtap_slot_name own = {};

		if (bpf_map_lookup_elem(old_names, &slot, name) < 0 || !*name)
			continue;
		memcpy(own.name, name, VTAP_MIN(strlen(name), sizeof(own.name) - 1));
		if (vtap_dataplane_slot_name_write(d, slot, &own) < 0)
			continue;
		for (uint32_t key = slot * 2; key < slot * 2 + 2; key++) {
			if (bpf_map_lookup_elem(old_counters, &key, from) < 0)
				continue;
			for (unsigned cpu = 0; cpu < d->cpu_count; cpu++)
				memcpy(to + cpu * stride_to, from + cpu * stride_from, copied);
			(void)bpf_map_update_elem(d->map_fds[VTAP_MAP_COUNTERS], &key, to, BPF_ANY);
		}
	}
	return 0;
}

static int globals_write(struct vtap_dataplane *d, uint32_t secret)
{
	struct vtap_globals globals = {.layout_version = VTAP_LAYOUT_VERSION, .secret = secret};
	uint32_t zero = 0;

	return bpf_map_update_elem(d->map_fds[VTAP_MAP_GLOBALS], &zero, &globals, BPF_ANY);
}

static void descriptors_read(struct vtap_dataplane *d)
{
	for (size_t i = 0; i < VTAP_MAP_MAX; i++)
		d->map_fds[i] = bpf_map__fd(bpf_object__find_map_by_name(d->skeleton->obj, vtap_map_names[i]));
	for (size_t i = 0; i < VTAP_PROGRAM_MAX; i++) {
		d->program_fds[i] =
		    bpf_program__fd(bpf_object__find_program_by_name(d->skeleton->obj, program_names[i]));
		d->program_ids[i] = program_id(d->program_fds[i]);
	}
}

/* Whether the capabilities are there that loading needs. */
static bool may_load(void)
{
	static const int needed[] = {CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN};
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

	if (syscall(SYS_capget, &header, data) < 0)
		return true;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(needed); i++) {
		if (!(data[CAP_TO_INDEX(needed[i])].effective & CAP_TO_MASK(needed[i])))
			return false;
	}
	return true;
}

/* tc programs may loop by bpf_loop() and read the kernel's buffers since then. */
static bool kernel_too_old(void)
{
	unsigned major, minor;
	struct utsname name;

	return uname(&name) >= 0 && sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	       (major < 6 || (major == 6 && minor < 1));
}

/* One sentence for what the kernel's refusal most likely means. */
static int load_error(struct vtap_error *reterr, int r)
{
	static const struct {
		int code;
		const char *sentence;
	} table[] = {
	    {-ENOSYS, "this kernel is built without BPF (CONFIG_BPF_SYSCALL)"},
	    {-ESRCH,
	     "this kernel has no type information: CONFIG_DEBUG_INFO_BTF and /sys/kernel/btf/vmlinux are needed"},
	    {-ENOMEM, "there is not enough memory for the BPF maps"},
	};

	if (!may_load())
		return vtap_error_set(reterr, r, 0, "", "%s",
				      "the kernel refuses to load BPF programs: run as root, or with CAP_BPF, "
				      "CAP_PERFMON and CAP_NET_ADMIN");
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(table); i++) {
		if (table[i].code == r)
			return vtap_error_set(reterr, r, 0, "", "%s", table[i].sentence);
	}
	if (kernel_too_old())
		return vtap_error_set(reterr, r, 0, "", "%s",
				      "this kernel is too old for the BPF programs: Linux 6.1 or newer is needed");
	return vtap_error_set(
	    reterr, r, 0, "",
	    "the kernel refuses the BPF programs (%s): with VTAP_DEBUG_LIBBPF=1 in the environment it says why",
	    strerror(-r));
}

static int dataplane_load(struct vtap_dataplane *d, struct vtap_pinned_maps *pins)
{
	int r;

	d->skeleton = mirror__open();
	if (!d->skeleton)
		return -errno;
	pinned_maps_check(pins, d->skeleton);
	if (pins->usable) {
		r = maps_reuse(d->skeleton, pins);
		if (r < 0)
			return r;
	}
	/* The old program may still clone while the new one finishes: both must know copies by the same secret. */
	pins->known = pins->secret;
	if (!pins->known && getrandom(&pins->secret, sizeof(pins->secret), 0) != sizeof(pins->secret))
		return -EIO;
	pins->secret |= 1;
	d->skeleton->rodata->vtap_secret = pins->secret;
	r = mirror__load(d->skeleton);
	if (r < 0)
		return r;
	descriptors_read(d);
	d->commit_needed = d->pin_dir && !pins->usable;
	if (pins->usable)
		return 0;
	r = globals_write(d, pins->secret);
	if (r >= 0 && pins->found)
		r = slots_migrate(d, pins);
	return r;
}

/* tcx is there when the kernel can be asked about it (6.6 and newer). lo exists in every network namespace. */
static bool tcx_supported(void)
{
	uint32_t count = 0;

	return bpf_prog_query(1, VTAP_BPF_TCX_INGRESS, 0, NULL, NULL, &count) >= 0;
}

int vtap_dataplane_lock(const char *pin_dir, int *ret_fd)
{
	_cleanup_close_ int fd = open(pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	*ret_fd = VTAP_STEAL_FD(fd);
	return 0;
}

static int pin_dirs_make(const char *pin_dir, struct vtap_error *reterr)
{
	static const char *const dirs[] = {"", "maps", "attached"};
	char path[PATH_MAX];
	int r;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(dirs); i++) {
		r = vtap_dataplane_path(pin_dir, dirs[i], "", path);
		if (r >= 0 && mkdir(path, 0700) < 0 && errno != EEXIST)
			r = -errno;
		if (r < 0)
			return vtap_error_set(reterr, r, 0, "", "%s cannot be made: %s", pin_dir, strerror(-r));
	}
	return 0;
}

/*
 * What is attached by the other kind of hook will be detached and attached anew, and without the secret the new programs do not
 * know the copies of the old ones: no source may clone meanwhile.
 */
static bool sources_must_stop(const struct vtap_dataplane *d, const struct vtap_pinned_maps *pins)
{
	if (!pins->known)
		return true;
	for (size_t i = 0; i < d->attached_count; i++) {
		if (!d->attached[i].a.preference != d->tcx)
			return true;
	}
	return false;
}

int vtap_dataplane_open(const struct vtap_dataplane_options *options, struct vtap_dataplane **ret_dataplane,
			struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_dataplane_freep) struct vtap_dataplane *d = calloc(1, sizeof(*d));
	VTAP_CLEANUP(pinned_maps_done) struct vtap_pinned_maps pins = {};
	int r;

	pinned_maps_open(options->pin_dir, &pins);
	if (!d)
		return -ENOMEM;
	d->lock_fd = -1;
	d->net = options->net;
	libbpf_set_print(on_libbpf_print);
	d->tcx = options->hook != VTAP_HOOK_CLSACT && tcx_supported();
	if (options->hook == VTAP_HOOK_TCX && !d->tcx)
		return vtap_error_set(reterr, -EOPNOTSUPP, 0, "",
				      "this kernel has no tcx: Linux 6.6 or newer is needed for --hook tcx");
	r = libbpf_num_possible_cpus();
	if (r < 0)
		return vtap_error_set(reterr, r, 0, "", "the number of CPUs cannot be read: %s", strerror(-r));
	d->cpu_count = r;
	if (options->pin_dir) {
		d->pin_dir = strdup(options->pin_dir);
		if (!d->pin_dir)
			return -ENOMEM;
		r = pin_dirs_make(d->pin_dir, reterr);
		if (r < 0)
			return r;
		r = vtap_dataplane_lock(d->pin_dir, &d->lock_fd);
		if (r == -EBUSY)
			return vtap_error_set(reterr, r, 0, "", "another agent runs with the pin directory %s",
					      d->pin_dir);
		if (r < 0)
			return vtap_error_set(reterr, r, 0, "", "%s cannot be locked: %s", d->pin_dir, strerror(-r));
	}
	r = dataplane_load(d, &pins);
	if (r < 0)
		return load_error(reterr, r);
	r = vtap_dataplane_attachments_load(d);
	if (r >= 0 && sources_must_stop(d, &pins))
		r = vtap_dataplane_sources_stop(d);
	if (r >= 0)
		r = vtap_dataplane_leftovers_stop(d);
	if (r < 0)
		return vtap_error_set(reterr, r, 0, "", "what is attached cannot be read back: %s", strerror(-r));
	*ret_dataplane = VTAP_STEAL(d);
	return 0;
}

int vtap_dataplane_open_any(const char *pin_dir, struct vtap_dataplane **ret_dataplane)
{
	VTAP_CLEANUP(vtap_dataplane_freep) struct vtap_dataplane *d = calloc(1, sizeof(*d));
	struct vtap_pinned_maps pins = {};
	int r;

	if (!d)
		return -ENOMEM;
	d->lock_fd = -1;
	libbpf_set_print(on_libbpf_print);
	d->pin_dir = strdup(pin_dir);
	pinned_maps_open(pin_dir, &pins);
	memcpy(d->map_fds, pins.fds, sizeof(d->map_fds));
	if (!d->pin_dir)
		return -ENOMEM;
	r = libbpf_num_possible_cpus();
	if (r < 0)
		return r;
	d->cpu_count = r;
	d->tcx = tcx_supported();
	r = vtap_dataplane_attachments_load(d);
	if (r < 0)
		return r;
	*ret_dataplane = VTAP_STEAL(d);
	return 0;
}

/* Whether a pinned map holds values of our size: the kernel copies as many bytes as its own have. */
static bool map_readable(int fd, uint32_t value_bytes, uint32_t entries)
{
	struct bpf_map_info info = {};
	uint32_t size_bytes = sizeof(info);

	return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size_bytes) >= 0 && info.value_size == value_bytes &&
	       info.max_entries == entries;
}

int vtap_dataplane_open_pinned(const char *pin_dir, struct vtap_dataplane **ret_dataplane)
{
	static const struct {
		enum vtap_map map;
		uint32_t value_bytes, entries;
	} read[] = {
	    {VTAP_MAP_PORT_INDEX, sizeof(uint32_t), VTAP_ABI_PORTS},
	    {VTAP_MAP_PORTS, sizeof(struct vtap_port), VTAP_ABI_PORTS},
	    {VTAP_MAP_PLANS, sizeof(struct vtap_plan), VTAP_ABI_PLANS},
	    {VTAP_MAP_SESSIONS, sizeof(uint32_t), VTAP_ABI_SESSIONS},
	    {VTAP_MAP_DELIVERIES, sizeof(struct vtap_delivery), VTAP_ABI_DELIVERIES},
	    {VTAP_MAP_COUNTERS, sizeof(struct vtap_counters), VTAP_ABI_SESSIONS * 2},
	    {VTAP_MAP_SLOT_NAMES, sizeof(struct vtap_slot_name), VTAP_ABI_SESSIONS},
	};
	VTAP_CLEANUP(vtap_dataplane_freep) struct vtap_dataplane *d = NULL;
	bool any = false;
	int r;

	r = vtap_dataplane_open_any(pin_dir, &d);
	if (r < 0)
		return r;
	for (size_t i = 0; i < VTAP_MAP_MAX; i++)
		any = any || d->map_fds[i] >= 0;
	if (!any && !d->attached_count)
		return -ENOENT;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(read); i++) {
		if (!map_readable(d->map_fds[read[i].map], read[i].value_bytes, read[i].entries))
			return -EPROTO;
	}
	*ret_dataplane = VTAP_STEAL(d);
	return 0;
}

struct vtap_dataplane *vtap_dataplane_free(struct vtap_dataplane *d)
{
	if (!d)
		return NULL;
	for (size_t i = 0; i < d->attached_count; i++)
		vtap_closep(&d->attached[i].link_fd);
	if (!d->skeleton) {
		for (size_t i = 0; i < VTAP_MAP_MAX; i++) {
			if (d->map_fds[i] > 0)
				vtap_closep(&d->map_fds[i]);
		}
	}
	mirror__destroy(d->skeleton);
	vtap_closep(&d->lock_fd);
	free(d->attached);
	free(d->made);
	free(d->pin_dir);
	free(d);
	return NULL;
}

int vtap_dataplane_commit(struct vtap_dataplane *d)
{
	char path[PATH_MAX];
	int r;

	if (!d->swept) {
		r = vtap_dataplane_leftovers_remove(d);
		if (r < 0)
			return r;
		d->swept = true;
	}
	if (!d->commit_needed)
		return 0;
	for (size_t i = 0; i < VTAP_MAP_MAX; i++) {
		r = vtap_dataplane_path(d->pin_dir, "maps", vtap_map_names[i], path);
		if (r < 0)
			return r;
		if (unlink(path) < 0 && errno != ENOENT)
			return -errno;
		r = bpf_obj_pin(d->map_fds[i], path);
		if (r < 0)
			return r;
	}
	d->commit_needed = false;
	return 0;
}

bool vtap_dataplane_pins_complete(const struct vtap_dataplane *d)
{
	char path[PATH_MAX];

	for (size_t i = 0; d->pin_dir && !d->commit_needed && i < VTAP_MAP_MAX; i++) {
		if (vtap_dataplane_path(d->pin_dir, "maps", vtap_map_names[i], path) >= 0 && access(path, F_OK) < 0)
			return false;
	}
	return vtap_dataplane_attachments_pinned(d);
}

bool vtap_dataplane_uses_tcx(const struct vtap_dataplane *d)
{
	return d->tcx;
}

bool vtap_dataplane_is_pinned(const struct vtap_dataplane *d)
{
	return d->pin_dir != NULL;
}

int vtap_dataplane_program_fd(const struct vtap_dataplane *d, enum vtap_program program)
{
	return d->program_fds[program];
}

int vtap_dataplane_run(struct vtap_dataplane *d, enum vtap_program program, uint32_t ifindex, const void *frame,
		       size_t frame_bytes)
{
	struct __sk_buff in = {.ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = (uint32_t)frame_bytes, .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .repeat = 1);

	return bpf_prog_test_run_opts(d->program_fds[program], &options);
}
