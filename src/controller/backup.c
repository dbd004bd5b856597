/* SPDX-License-Identifier: Apache-2.0 */

/* --backup and --restore: the database, and beside it the key file, encrypted with a passphrase. */

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "controller/controller.h"

#define CONTEXT "vtap backup"
#define PASSPHRASE_MIN 10

static int fail_errno(struct vtap_error *reterr, const char *path, int code)
{
	return vtap_error_set(reterr, code, 0, path, "%s", strerror(-code));
}

static int path_make(char buffer[PATH_MAX], const char *first, const char *second, struct vtap_error *reterr)
{
	if (snprintf(buffer, PATH_MAX, "%s%s", first, second) >= PATH_MAX)
		return vtap_error_set(reterr, -ENAMETOOLONG, 0, first, "the name is too long");
	return 0;
}

/* A new file of mode 0600, on the disk when it returns. */
static int file_write(const char *path, const char *text, struct vtap_error *reterr)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ssize_t length = (ssize_t)strlen(text);

	if (fd < 0)
		return fail_errno(reterr, path, -errno);
	if (write(fd, text, (size_t)length) == length && fsync(fd) == 0)
		return 0;
	(void)unlink(path);
	return fail_errno(reterr, path, errno ? -errno : -ENOSPC);
}

static int passphrase_key(const uint8_t salt[VTAP_SALT_BYTES], uint8_t ret_key[VTAP_KEY_BYTES],
			  struct vtap_error *reterr)
{
	const char *passphrase = getenv(VTAP_BACKUP_PASSPHRASE);
	int r;

	if (!passphrase)
		return vtap_error_set(reterr, -EINVAL, 0, VTAP_BACKUP_PASSPHRASE,
				      "must hold the passphrase that the key file of the backup is encrypted with");
	r = vtap_key_derive(passphrase, salt, ret_key);
	if (r == -EINVAL)
		return vtap_error_set(reterr, r, 0, VTAP_BACKUP_PASSPHRASE, "must have at least %d characters",
				      PASSPHRASE_MIN);
	return r < 0 ? fail_errno(reterr, VTAP_BACKUP_PASSPHRASE, r) : 0;
}

static void to_hex(const uint8_t *bytes, size_t count, char *buffer)
{
	for (size_t i = 0; i < count; i++)
		snprintf(buffer + 2 * i, 3, "%02x", bytes[i]);
}

static int from_hex(const char *text, uint8_t *bytes, size_t count)
{
	if (!text || strlen(text) != 2 * count || strspn(text, "0123456789abcdef") != 2 * count)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		const char digits[] = {text[2 * i], text[2 * i + 1], '\0'};

		bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return 0;
}

/* The key as text, sealed with one that the passphrase and a new salt make. */
static int seal(const uint8_t key[VTAP_KEY_BYTES], char **ret_text, struct vtap_error *reterr)
{
	uint8_t salt[VTAP_SALT_BYTES], outer[VTAP_KEY_BYTES];
	char key_hex[2 * VTAP_KEY_BYTES + 1], salt_hex[2 * VTAP_SALT_BYTES + 1];
	_cleanup_free_ char *sealed = NULL;
	int n, r;

	vtap_random_bytes(salt, sizeof(salt));
	r = passphrase_key(salt, outer, reterr);
	if (r < 0)
		return r;
	to_hex(key, VTAP_KEY_BYTES, key_hex);
	to_hex(salt, sizeof(salt), salt_hex);
	r = vtap_secret_seal(outer, CONTEXT, key_hex, &sealed);
	vtap_secret_wipe(key_hex);
	explicit_bzero(outer, sizeof(outer));
	if (r < 0)
		return fail_errno(reterr, VTAP_CONTROLLER_KEY, r);
	n = asprintf(ret_text, "{\"salt\": \"%s\", \"key\": \"%s\"}\n", salt_hex, sealed);
	return n < 0 ? -ENOMEM : 0;
}

int vtap_backup(const char *state_dir, const char *file, struct vtap_error *reterr)
{
	char store[PATH_MAX], key_path[PATH_MAX], sealed_path[PATH_MAX];
	_cleanup_free_ char *text = NULL;
	uint8_t key[VTAP_KEY_BYTES];
	int r;

	r = path_make(store, state_dir, "/" VTAP_CONTROLLER_STORE, reterr);
	if (r >= 0)
		r = path_make(key_path, state_dir, "/" VTAP_CONTROLLER_KEY, reterr);
	if (r >= 0)
		r = path_make(sealed_path, file, ".key", reterr);
	if (r >= 0 && access(key_path, R_OK) < 0)
		r = fail_errno(reterr, key_path, -errno);
	if (r >= 0)
		r = vtap_key_load(key_path, key, reterr);
	if (r >= 0)
		r = seal(key, &text, reterr);
	explicit_bzero(key, sizeof(key));
	if (r >= 0)
		r = file_write(sealed_path, text, reterr);
	if (r < 0)
		return r;
	r = vtap_store_sqlite_backup(store, file, reterr);
	if (r < 0)
		(void)unlink(sealed_path);
	return r;
}

static int unseal(const char *path, char ret_key_hex[2 * VTAP_KEY_BYTES + 1], struct vtap_error *reterr)
{
	json_t *value = json_load_file(path, 0, NULL);
	const char *sealed = json_string_value(json_object_get(value, "key"));
	uint8_t salt[VTAP_SALT_BYTES], outer[VTAP_KEY_BYTES], key[VTAP_KEY_BYTES];
	char *text = NULL;
	int r;

	r = from_hex(json_string_value(json_object_get(value, "salt")), salt, sizeof(salt));
	if (r < 0 || !sealed)
		r = vtap_error_set(reterr, -EINVAL, 0, path, "is not the key file of a backup");
	if (r >= 0)
		r = passphrase_key(salt, outer, reterr);
	if (r >= 0) {
		r = vtap_secret_open(outer, CONTEXT, sealed, &text);
		if (r < 0 || from_hex(text, key, sizeof(key)) < 0)
			r = vtap_error_set(reterr, -EACCES, 0, VTAP_BACKUP_PASSPHRASE,
					   "is not the passphrase of this backup");
		else
			snprintf(ret_key_hex, 2 * VTAP_KEY_BYTES + 1, "%s", text);
	}
	if (text)
		vtap_secret_wipe(text);
	free(text);
	explicit_bzero(outer, sizeof(outer));
	explicit_bzero(key, sizeof(key));
	json_decref(value);
	return r;
}

/*
 * What was ended after the backup was made would be good again: people log in anew, and hosts that have not joined yet get another
 * token.
 */
static const char *const not_restored[] = {"token/", "join/", NULL};

/* The key first: a store whose secrets cannot be read would be worse than none. */
int vtap_restore(const char *file, const char *state_dir, struct vtap_error *reterr)
{
	char store[PATH_MAX], key_path[PATH_MAX], sealed_path[PATH_MAX], key[2 * VTAP_KEY_BYTES + 2];
	int r;

	r = path_make(store, state_dir, "/" VTAP_CONTROLLER_STORE, reterr);
	if (r >= 0)
		r = path_make(key_path, state_dir, "/" VTAP_CONTROLLER_KEY, reterr);
	if (r >= 0)
		r = path_make(sealed_path, file, ".key", reterr);
	if (r >= 0 && mkdir(state_dir, 0700) < 0 && errno != EEXIST)
		r = fail_errno(reterr, state_dir, -errno);
	if (r >= 0 && (access(store, F_OK) == 0 || access(key_path, F_OK) == 0))
		r = vtap_error_set(reterr, -EEXIST, 0, state_dir,
				   "holds a store or a key file already: choose an empty directory");
	if (r >= 0)
		r = unseal(sealed_path, key, reterr);
	if (r < 0)
		return r;
	strcat(key, "\n");
	r = file_write(key_path, key, reterr);
	vtap_secret_wipe(key);
	if (r >= 0) {
		r = vtap_store_sqlite_restore(file, store, not_restored, reterr);
		if (r < 0)
			(void)unlink(key_path);
	}
	return r;
}
