// SPDX-License-Identifier: Apache-2.0

/* Where the managers of guests and containers keep what owners.c reads. */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "agent/owners.h"
#include "agent/statefile.h"

#define TEXT_MAX_BYTES (1U << 20)

/* What the walks below have in common. */
struct reading {
	struct vtap_net *net; /* borrowed */
	const char *root; /* borrowed */
	struct vtap_owners *owners; /* borrowed */
};

/* Calls each for every entry of a directory that may not be there. */
static int directory_each(const struct reading *g, const char *dir,
			  int (*each)(const struct reading *g, const char *path, const char *name))
{
	char path[PATH_MAX];
	const struct dirent *entry;
	DIR *stream;
	int r = 0;

	if (snprintf(path, sizeof(path), "%s%s", g->root, dir) >= (int)sizeof(path))
		return 0;
	stream = opendir(path);
	if (!stream)
		return 0;
	while (r >= 0 && (entry = readdir(stream))) {
		if (entry->d_name[0] != '.')
			r = each(g, path, entry->d_name);
	}
	closedir(stream);
	return r;
}

static int libvirt_read(const struct reading *g, const char *dir, const char *name)
{
	const char *suffix = strrchr(name, '.');
	_cleanup_free_ char *text = NULL;
	size_t size_bytes;

	if (!suffix || strcmp(suffix, ".xml") != 0 ||
	    vtap_statefile_read(dir, name, TEXT_MAX_BYTES, &text, &size_bytes) < 0)
		return 0;
	return vtap_owners_parse_libvirt(g->owners, text);
}

static int machine_read(const struct reading *g, const char *dir, const char *name)
{
	_cleanup_free_ char *text = NULL;
	size_t size_bytes;

	/* Links from units to their machines. */
	if (strchr(name, ':') || vtap_statefile_read(dir, name, TEXT_MAX_BYTES, &text, &size_bytes) < 0)
		return 0;
	return vtap_owners_parse_machine(g->owners, text);
}

/* Files of /proc have no size. */
static size_t proc_read(const char *dir, const char *name, const char *file, char *text, size_t text_bytes)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	ssize_t n;

	if (snprintf(path, sizeof(path), "%s/%s/%s", dir, name, file) >= (int)sizeof(path))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, text_bytes);
	return n < 0 ? 0 : (size_t)n;
}

static int process_read(const struct reading *g, const char *dir, const char *name)
{
	_cleanup_free_ char *words = NULL;
	char command[16] = "";
	size_t size_bytes;

	if (!isdigit((unsigned char)*name) || !proc_read(dir, name, "comm", command, sizeof(command) - 1) ||
	    (strncmp(command, "qemu-", 5) != 0 && strncmp(command, "kvm", 3) != 0))
		return 0;
	words = malloc(TEXT_MAX_BYTES);
	if (!words)
		return -ENOMEM;
	size_bytes = proc_read(dir, name, "cmdline", words, TEXT_MAX_BYTES);
	return vtap_owners_parse_qemu(g->owners, words, size_bytes);
}

/* -1 = no device here leads into it. */
static int32_t namespace_of(const struct reading *g, const char *dir, const char *name)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	int32_t id;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && vtap_net_namespace_id(g->net, fd, &id) >= 0 ? id : -1;
}

static int namespace_read(const struct reading *g, const char *dir, const char *name)
{
	struct vtap_owner owner = {.kind = "netns", .namespace_id = namespace_of(g, dir, name)};

	snprintf(owner.name, sizeof(owner.name), "%s", name);
	return owner.namespace_id < 0 ? 0 : vtap_owners_add(g->owners, &owner);
}

static int container_read(const struct reading *g, const char *dir, const char *name)
{
	char path[PATH_MAX], namespaces[PATH_MAX], file[64];
	_cleanup_free_ char *text = NULL;
	struct vtap_owner owner;
	size_t size_bytes;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path) ||
	    snprintf(namespaces, sizeof(namespaces), "%s/run/docker/netns", g->root) >= (int)sizeof(namespaces) ||
	    vtap_statefile_read(path, "config.v2.json", TEXT_MAX_BYTES, &text, &size_bytes) < 0 ||
	    !vtap_owners_parse_docker(text, size_bytes, file, sizeof(file), &owner))
		return 0;
	owner.namespace_id = namespace_of(g, namespaces, file);
	return owner.namespace_id < 0 ? 0 : vtap_owners_add(g->owners, &owner);
}

int vtap_owners_read(struct vtap_net *net, const char *root, struct vtap_owners *ret_owners)
{
	/* Who says most comes first. */
	static const struct {
		const char *dir;
		int (*each)(const struct reading *g, const char *path, const char *name);
	} places[] = {
	    {"/run/libvirt/qemu", libvirt_read},     {"/proc", process_read},
	    {"/run/systemd/machines", machine_read}, {"/var/lib/docker/containers", container_read},
	    {"/run/netns", namespace_read},
	};
	VTAP_CLEANUP(vtap_owners_done) struct vtap_owners owners = {};
	const struct reading g = {net, root, &owners};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < VTAP_ARRAY_SIZE(places); i++)
		r = directory_each(&g, places[i].dir, places[i].each);
	if (r < 0)
		return r;
	*ret_owners = owners;
	memset(&owners, 0, sizeof(owners));
	return 0;
}
