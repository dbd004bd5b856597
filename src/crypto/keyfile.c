/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "basic/util.h"
#include "crypto/crypto.h"

#define TEXT_BYTES ((size_t)2 * VTAP_KEY_BYTES) /* a newline follows */

static int refuse(struct vtap_error *reterr, int code, const char *path, const char *sentence)
{
	return vtap_error_set(reterr, code, 0, path, "%s", sentence);
}

static int refuse_errno(struct vtap_error *reterr, const char *path, const char *verb)
{
	int code = -errno;

	return vtap_error_set(reterr, code, 0, path, "the key file cannot be %s: %s", verb, strerror(-code));
}

static int key_read(int fd, const char *path, uint8_t ret_key[VTAP_KEY_BYTES], struct vtap_error *reterr)
{
	static const char malformed[] = "the key file must hold 64 hexadecimal digits and a newline, nothing else";
	char text[TEXT_BYTES + 2];
	uint8_t key[VTAP_KEY_BYTES];
	struct stat s;
	ssize_t got;
	size_t size;
	int r;

	if (fstat(fd, &s) < 0)
		return refuse_errno(reterr, path, "read");
	if (!S_ISREG(s.st_mode))
		return refuse(reterr, -EINVAL, path, "the key file must be a regular file");
	if (s.st_mode & (S_IRWXG | S_IRWXO))
		return refuse(reterr, -EPERM, path, "others can use the key file; its mode must be 0600");
	got = read(fd, text, sizeof(text));
	if (got < 0)
		return refuse_errno(reterr, path, "read");
	r = (size_t)got == TEXT_BYTES + 1 && text[TEXT_BYTES] == '\n' ? 0 : -EINVAL;
	if (r == 0 &&
	    (sodium_hex2bin(key, sizeof(key), text, TEXT_BYTES, NULL, &size, NULL) != 0 || size != sizeof(key)))
		r = -EINVAL;
	if (r == 0)
		memcpy(ret_key, key, sizeof(key));
	sodium_memzero(text, sizeof(text));
	sodium_memzero(key, sizeof(key));
	return r < 0 ? refuse(reterr, r, path, malformed) : 0;
}

static int key_write(int fd)
{
	uint8_t key[VTAP_KEY_BYTES];
	char text[TEXT_BYTES + 1]; /* NUL becomes the newline */
	ssize_t put;

	randombytes_buf(key, sizeof(key));
	sodium_bin2hex(text, sizeof(text), key, sizeof(key));
	text[TEXT_BYTES] = '\n';
	put = write(fd, text, sizeof(text));
	sodium_memzero(text, sizeof(text));
	sodium_memzero(key, sizeof(key));
	if (put >= 0 && (size_t)put != sizeof(text))
		errno = ENOSPC;
	return put == sizeof(text) ? fsync(fd) : -1;
}

/* What was sealed must be readable after a power loss: the name reaches the disk before the key is used. */
static int folder_sync(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	_cleanup_close_ int fd = -1;

	if (!copy)
		return -1;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -1 : fsync(fd);
}

/* Under another name first: nobody meets half a key, and of two who make one at a time the second takes the first's. */
static int key_make(const char *path, struct vtap_error *reterr)
{
	_cleanup_free_ char *temporary = NULL;
	_cleanup_close_ int fd = -1;
	int r = 0;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
		temporary = NULL;
		return -ENOMEM;
	}
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return refuse_errno(reterr, path, "made");
	if (key_write(fd) < 0 || (link(temporary, path) < 0 && errno != EEXIST) || folder_sync(path) < 0)
		r = refuse_errno(reterr, path, "made");
	(void)unlink(temporary);
	return r;
}

int vtap_key_load(const char *path, uint8_t ret_key[VTAP_KEY_BYTES], struct vtap_error *reterr)
{
	_cleanup_close_ int fd = -1;
	int r;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT) {
		r = key_make(path, reterr);
		if (r < 0)
			return r;
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	}
	if (fd < 0)
		return refuse_errno(reterr, path, "opened");
	return key_read(fd, path, ret_key, reterr);
}
