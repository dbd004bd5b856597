/* SPDX-License-Identifier: Apache-2.0 */

/* The profile file: what login keeps, and what a person may write by hand. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/settings.h"
#include "model/yaml.h"

static const struct {
	const char *key;
	size_t offset;
} members[] = {
    {"url", offsetof(struct vtap_profile, url)},
    {"project", offsetof(struct vtap_profile, project)},
    {"access_key_id", offsetof(struct vtap_profile, access_key_id)},
    {"secret_access_key", offsetof(struct vtap_profile, secret_access_key)},
    {"token", offsetof(struct vtap_profile, token)},
    {"ca_file", offsetof(struct vtap_profile, ca_file)},
};

static char **member(const struct vtap_profile *p, size_t index)
{
	return (char **)((char *)p + members[index].offset);
}

void vtap_profile_done(struct vtap_profile *p)
{
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(members); i++) {
		free(*member(p, i));
		*member(p, i) = NULL;
	}
}

static int fail_system(struct vtap_error *reterr, int code, const char *what)
{
	return vtap_error_set(reterr, code, 0, NULL, "%s: %s", what, strerror(-code));
}

static int file_read(const char *path, char *buffer, size_t size_bytes, size_t *ret_bytes, struct vtap_error *reterr)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t used = 0;
	struct stat st;
	ssize_t got;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? -ENOENT : fail_system(reterr, -errno, "cannot be opened");
	if (fstat(fd, &st) < 0)
		return fail_system(reterr, -errno, "cannot be read");
	if (!S_ISREG(st.st_mode))
		return vtap_error_set(reterr, -EPERM, 0, NULL, "is no file");
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return vtap_error_set(reterr, -EPERM, 0, NULL,
				      "holds secrets, and others may use it: its mode must be 0600, not %04o",
				      (unsigned)st.st_mode & 07777);
	while (used < size_bytes && (got = read(fd, buffer + used, size_bytes - used)) != 0) {
		if (got < 0)
			return fail_system(reterr, -errno, "cannot be read");
		used += (size_t)got;
	}
	*ret_bytes = used;
	return 0;
}

static int member_set(struct vtap_profile *p, const char *key, const json_t *value, unsigned line,
		      struct vtap_error *reterr)
{
	char shown[VTAP_ERROR_QUOTE_STRLEN];

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(members); i++) {
		if (strcmp(members[i].key, key) != 0)
			continue;
		if (json_is_null(value))
			return 0;
		if (!json_is_string(value))
			return vtap_error_set(reterr, -EINVAL, line, key, "must be text: put it into quotes");
		*member(p, i) = strdup(json_string_value(value));
		return *member(p, i) ? 0 : vtap_error_set(reterr, -ENOMEM, 0, NULL, "out of memory");
	}
	return vtap_error_set(reterr, -EINVAL, line, NULL,
			      "\"%s\" is unknown; there are url, project, access_key_id, secret_access_key, token and "
			      "ca_file",
			      vtap_error_quote(key, shown));
}

static int text_parse(const char *text, size_t size_bytes, struct vtap_profile *p, struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_yaml_done) struct vtap_yaml yaml = {};
	const json_t *value;
	const char *key;
	int r;

	r = vtap_yaml_parse(text, size_bytes, &yaml, reterr);
	if (r < 0)
		return r;
	if (!json_is_object(yaml.values) && !json_is_null(yaml.values))
		return vtap_error_set(reterr, -EINVAL, 1, NULL, "must have lines such as \"url: %s\"",
				      VTAP_URL_DEFAULT);
	json_object_foreach(yaml.values, key, value)
	{
		r = member_set(p, key, value, vtap_yaml_line(vtap_yaml_lines_member(yaml.lines, key)), reterr);
		if (r < 0)
			return r;
	}
	if (!p->access_key_id != !p->secret_access_key)
		return vtap_error_set(reterr, -EINVAL, 0, NULL, "access_key_id and secret_access_key belong together");
	return 0;
}

int vtap_profile_read(const char *path, struct vtap_profile *ret, struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_profile_done) struct vtap_profile p = {};
	_cleanup_free_ char *text = malloc(VTAP_PROFILE_MAX_BYTES + 1);
	size_t used = 0;
	int r;

	if (!text)
		return vtap_error_set(reterr, -ENOMEM, 0, NULL, "out of memory");
	r = file_read(path, text, VTAP_PROFILE_MAX_BYTES + 1, &used, reterr);
	if (r == -ENOENT) {
		*ret = (struct vtap_profile){};
		return 0;
	}
	if (r >= 0 && used > VTAP_PROFILE_MAX_BYTES)
		r = vtap_error_set(reterr, -E2BIG, 0, NULL, "is larger than %u bytes", VTAP_PROFILE_MAX_BYTES);
	if (r >= 0)
		r = text_parse(text, used, &p, reterr);
	if (r < 0)
		return r;
	*ret = p;
	p = (struct vtap_profile){};
	return 0;
}

/* All folders above the file that are missing. */
static int folders_make(char *path)
{
	for (char *c = strchr(path + 1, '/'); c; c = strchr(c + 1, '/')) {
		int r;

		*c = '\0';
		r = mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
		*c = '/';
		if (r < 0)
			return r;
	}
	return 0;
}

static int text_write(const struct vtap_profile *p, int fd)
{
	json_t *values = json_object();
	int copy = dup(fd), r;
	FILE *out = copy < 0 ? NULL : fdopen(copy, "w");

	if (!out && copy >= 0)
		close(copy);
	for (size_t i = 0; values && i < VTAP_ARRAY_SIZE(members); i++)
		if (*member(p, i))
			json_object_set_new(values, members[i].key, json_string(*member(p, i)));
	r = values && out ? vtap_yaml_write(values, out) : -ENOMEM;
	json_decref(values);
	if (out && fclose(out) != 0 && r >= 0)
		r = -errno;
	return r < 0 ? r : fsync(fd) < 0 ? -errno : 0;
}

int vtap_profile_write(const char *path, const struct vtap_profile *p, struct vtap_error *reterr)
{
	_cleanup_free_ char *fresh = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	if (asprintf(&fresh, "%s.XXXXXX", path) < 0) {
		fresh = NULL;
		return vtap_error_set(reterr, -ENOMEM, 0, NULL, "out of memory");
	}
	r = folders_make(fresh);
	if (r < 0)
		return fail_system(reterr, r, "its folder cannot be made");
	/* Born with mode 0600. */
	fd = mkostemp(fresh, O_CLOEXEC);
	if (fd < 0)
		return fail_system(reterr, -errno, "cannot be written");
	r = text_write(p, fd);
	if (r >= 0 && rename(fresh, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(fresh);
		return fail_system(reterr, r, "cannot be written");
	}
	return 0;
}
