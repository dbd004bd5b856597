// SPDX-License-Identifier: Apache-2.0

#include "agent/pins.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BPFFS_DEFAULT "/sys/fs/bpf"

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) >= 0 && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

/* pin_dir itself, or its parent while it does not exist. */
static void existing_part(const char *pin_dir, char ret_path[PATH_MAX])
{
	char copy[PATH_MAX];

	snprintf(ret_path, PATH_MAX, "%s", pin_dir);
	if (access(pin_dir, F_OK) >= 0)
		return;
	snprintf(copy, sizeof(copy), "%s", pin_dir);
	snprintf(ret_path, PATH_MAX, "%s", dirname(copy));
}

static bool same_file(const char *one, const char *other)
{
	struct stat a, b;

	return stat(one, &a) >= 0 && stat(other, &b) >= 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static pid_t parent_of(pid_t pid)
{
	char path[64], line[128];
	pid_t parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (!parent && fgets(line, sizeof(line), file))
		(void)sscanf(line, "PPid: %d", &parent);
	fclose(file);
	return parent;
}

/* The oldest ancestor whose mounts may be looked at; 0 = none. Its mounts were there before the agent and stay behind it. */
static pid_t oldest_ancestor(void)
{
	pid_t oldest = 0;

	for (pid_t pid = getppid(); pid > 0; pid = parent_of(pid)) {
		char path[64];
		struct stat st;

		snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
		if (stat(path, &st) >= 0)
			oldest = pid;
	}
	return oldest;
}

/* Whether our mounts are the oldest ancestor's too: then whatever is mounted here stays. */
static bool namespace_lasts(pid_t ancestor)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", ancestor);
	return !ancestor || same_file("/proc/self/ns/mnt", path);
}

/* Whether the oldest ancestor sees the same bpffs there: a mount of our own would go with us, and the pins with it. */
static bool mount_lasts(const char *path, pid_t ancestor)
{
	char seen[PATH_MAX];

	if (namespace_lasts(ancestor))
		return true;
	if (snprintf(seen, sizeof(seen), "/proc/%d/root%s", ancestor, path) >= (int)sizeof(seen))
		return false;
	return is_bpffs(seen) && same_file(path, seen);
}

int vtap_pins_prepare(const char *pin_dir, struct vtap_error *reterr)
{
	static const char advice[] = "give --pin-dir on a bpffs that was mounted outside, or --unpinned";
	pid_t ancestor = oldest_ancestor();
	char path[PATH_MAX];

	existing_part(pin_dir, path);
	if (!is_bpffs(path) && !strncmp(pin_dir, BPFFS_DEFAULT "/", sizeof(BPFFS_DEFAULT)) &&
	    namespace_lasts(ancestor) && !is_bpffs(BPFFS_DEFAULT)) {
		if (mount("bpf", BPFFS_DEFAULT, "bpf", 0, "mode=0700") < 0)
			return vtap_error_set(reterr, -errno, 0, "", "no bpffs can be mounted on %s: %s", BPFFS_DEFAULT,
					      strerror(errno));
		existing_part(pin_dir, path);
	}
	if (!is_bpffs(path) && !namespace_lasts(ancestor))
		return vtap_error_set(
		    reterr, -ENOTSUP, 0, "",
		    "%s is no bpffs here, and one mounted in this private mount namespace (as inside ip netns "
		    "exec) would end with the agent: %s",
		    path, advice);
	if (!is_bpffs(path))
		return vtap_error_set(reterr, -ENOTSUP, 0, "", "%s is not on a bpffs: %s", path, advice);
	if (!mount_lasts(path, ancestor))
		return vtap_error_set(
		    reterr, -ENOTSUP, 0, "",
		    "the bpffs at %s belongs to this mount namespace alone and would end with the agent: %s", path,
		    advice);
	return 0;
}
