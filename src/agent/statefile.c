// SPDX-License-Identifier: Apache-2.0

#include "agent/statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/util.h"

static int path_make(const char *dir, const char *name, const char *suffix, char ret_path[PATH_MAX])
{
	return snprintf(ret_path, PATH_MAX, "%s/%s%s", dir, name, suffix) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int write_all(int fd, const char *data, size_t size_bytes)
{
	while (size_bytes > 0) {
		ssize_t n = write(fd, data, size_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		size_bytes -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int file_make(const char *path, const void *data, size_t size_bytes)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	/* Whatever lay there before. */
	if (fchmod(fd, 0600) < 0)
		return -errno;
	return write_all(fd, data, size_bytes);
}

/* Without it the name may lead to the old file after a power loss. */
static int directory_sync(const char *dir)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
}

int vtap_statefile_write(const char *dir, const char *name, const void *data, size_t size_bytes)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	int r;

	r = path_make(dir, name, "", path);
	if (r >= 0)
		r = path_make(dir, name, ".new", fresh);
	if (r < 0)
		return r;
	r = file_make(fresh, data, size_bytes);
	if (r >= 0 && rename(fresh, path) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlink(fresh);
		return r;
	}
	return directory_sync(dir);
}

int vtap_statefile_read(const char *dir, const char *name, size_t max_bytes, char **ret_text, size_t *ret_size_bytes)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *text = NULL;
	size_t size_bytes = 0, wanted;
	char path[PATH_MAX];
	struct stat st;
	ssize_t n = 0;
	int r;

	r = path_make(dir, name, "", path);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < 0 || (uintmax_t)st.st_size > max_bytes)
		return -E2BIG;
	wanted = (size_t)st.st_size;
	text = malloc(wanted + 1);
	if (!text)
		return -ENOMEM;
	while (size_bytes < wanted && (n = read(fd, text + size_bytes, wanted - size_bytes)) > 0)
		size_bytes += (size_t)n;
	if (n < 0)
		return -errno;
	text[size_bytes] = '\0';
	*ret_text = VTAP_STEAL(text);
	*ret_size_bytes = size_bytes;
	return 0;
}

int vtap_statefile_remove(const char *dir, const char *name)
{
	char path[PATH_MAX];
	int r;

	r = path_make(dir, name, "", path);
	if (r < 0)
		return r;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}
