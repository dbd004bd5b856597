/* SPDX-License-Identifier: Apache-2.0 */

/* What there must be before anybody can do anything: a project, a system admin, the authority, a key for scripts. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "basic/log.h"
#include "controller/access.h"
#include "controller/audit.h"
#include "controller/controller.h"
#include "http/http.h"

#define PASSWORD_CHARACTERS 20
#define AUTHORITY "authority" /* key of the store */

/* Normalises and puts what the controller makes by itself. */
static int make(struct vtap_change *c, const char *kind_name, json_t *input, json_t *computed,
		struct vtap_object **ret_object)
{
	const struct vtap_kind *kind = vtap_kind_find(kind_name);
	const struct vtap_normalize n = {.kind = kind, .input = input};
	struct vtap_error e = {};
	json_t *resource = NULL;
	int r = input ? 0 : -ENOMEM;

	if (r >= 0)
		r = vtap_resource_normalize(&n, &resource, &e);
	if (r >= 0 && computed && json_object_update(resource, computed) < 0)
		r = -ENOMEM;
	json_decref(input);
	json_decref(computed);
	if (r < 0) {
		json_decref(resource);
		return vtap_log_err(r, "the first %s cannot be made: %s %s", kind_name, e.field, e.text);
	}
	return vtap_change_put(c, kind, resource, ret_object);
}

struct first { /* of the first start */
	struct vtap_controller *controller;
	const char *password_hash;
};

static int first_run(struct vtap_change *c, void *userdata)
{
	const struct first *first = userdata;
	struct vtap_object *user;
	uint64_t number;
	char account[16];
	int r;

	vtap_random_bytes(&number, sizeof(number));
	snprintf(account, sizeof(account), "%012llu", (unsigned long long)(number % 1000000000000U));
	r = make(c, "project", json_pack("{s:s, s:s}", "name", "default", "account_id", account), NULL, NULL);
	if (r >= 0)
		r = make(c, "user", json_pack("{s:s, s:b}", "name", "admin", "system_admin", 1), NULL, &user);
	if (r >= 0)
		r = vtap_access_put_password(c, user->id, first->password_hash);
	return r < 0 ? r : vtap_audit_add_own(c, "first start", NULL, NULL);
}

int vtap_first_start(struct vtap_controller *c, struct vtap_error *reterr)
{
	char password[PASSWORD_CHARACTERS + 1], hash[VTAP_PASSWORD_HASH_STRLEN];
	struct first first = {.controller = c, .password_hash = hash};
	struct vtap_write write = {.run = first_run, .userdata = &first};
	int r;

	if (vtap_objects_count(c->objects, vtap_kind_find("project")) > 0)
		return 0;
	r = vtap_password_hash(vtap_random_text(PASSWORD_CHARACTERS, password), hash);
	if (r >= 0)
		r = vtap_write_now(c, &write);
	if (r < 0)
		return vtap_error_set(reterr, r, 0, "", "the first start failed: %s", strerror(-r));
	printf("First start: user admin, password %s (it is shown only now)\n", password);
	(void)fflush(stdout);
	vtap_secret_wipe(password);
	return 0;
}

static int authority_run(struct vtap_change *c, void *userdata)
{
	struct vtap_controller *controller = userdata;
	_cleanup_free_ char *sealed = NULL, *text = NULL;
	json_t *value;
	int r;

	r = vtap_secret_seal(controller->key, AUTHORITY, controller->authority.key, &sealed);
	if (r < 0)
		return r;
	value = json_pack("{s:s, s:s}", "certificate", controller->authority.certificate, "key", sealed);
	text = json_dumps(value, JSON_COMPACT);
	json_decref(value);
	return text ? vtap_change_put_key(c, AUTHORITY, text, strlen(text)) : -ENOMEM;
}

static int authority_read(struct vtap_controller *c, const char *text)
{
	json_t *value = json_loads(text, 0, NULL);
	const char *certificate = json_string_value(json_object_get(value, "certificate"));
	const char *sealed = json_string_value(json_object_get(value, "key"));
	int r = -EUCLEAN;

	if (certificate && sealed) {
		c->authority.certificate = strdup(certificate);
		r = c->authority.certificate ? vtap_secret_open(c->key, AUTHORITY, sealed, &c->authority.key) : -ENOMEM;
	}
	json_decref(value);
	return r;
}

int vtap_authority_load(struct vtap_controller *c, struct vtap_error *reterr)
{
	struct vtap_write write = {.run = authority_run, .userdata = c};
	void *text = NULL;
	int r;

	r = vtap_store_get(c->store, AUTHORITY, &text, NULL, NULL);
	if (r == -ENOENT) {
		r = vtap_pki_authority_new("vtap controller", &c->authority);
		if (r >= 0)
			r = vtap_write_now(c, &write);
	} else if (r >= 0) {
		r = authority_read(c, text);
	}
	free(text);
	if (r == -EBADMSG)
		return vtap_error_set(reterr, r, 0, VTAP_CONTROLLER_KEY,
				      "the key file is not the one that the store was written with");
	return r < 0 ? vtap_error_set(reterr, r, 0, "", "there is no certificate authority: %s", strerror(-r)) : 0;
}

static const struct vtap_object *find_admin(const struct vtap_controller *c)
{
	const struct vtap_kind *kind = vtap_kind_find("user");

	for (const struct vtap_object *u = vtap_objects_next(c->objects, kind, NULL); u;
	     u = vtap_objects_next(c->objects, kind, u))
		if (json_is_true(json_object_get(u->value, "system_admin")) &&
		    !json_is_true(json_object_get(u->value, "disabled")))
			return u;
	return NULL;
}

struct bootstrap {
	const struct vtap_object *admin;
	char key[VTAP_ID_STRLEN];
	char secret[VTAP_ACCESS_SECRET_CHARACTERS + 1];
};

static int bootstrap_run(struct vtap_change *c, void *userdata)
{
	struct bootstrap *b = userdata;
	struct vtap_object *key;
	int r;

	r = make(c, "key", json_pack("{s:s, s:s}", "user", b->admin->id, "description", "--bootstrap-key"), NULL, &key);
	if (r < 0)
		return r;
	snprintf(b->key, sizeof(b->key), "%s", key->id);
	vtap_random_text(VTAP_ACCESS_SECRET_CHARACTERS, b->secret);
	r = vtap_access_put_secret(c, key->id, b->secret);
	return r < 0 ? r : vtap_audit_add_own(c, "bootstrap key", b->key, NULL);
}

/* Whether the file holds a key of this store. */
static bool is_good(struct vtap_controller *c, const char *path)
{
	json_t *value = json_load_file(path, 0, NULL);
	const char *key = json_string_value(json_object_get(value, "access_key_id"));
	const char *given = json_string_value(json_object_get(value, "secret_access_key"));
	char *secret = NULL;
	bool good = false;

	if (key && given && vtap_objects_get(c->objects, key) && vtap_access_secret(c, key, &secret) >= 0)
		good = vtap_secret_equal(secret, given);
	if (secret)
		vtap_secret_wipe(secret);
	free(secret);
	json_decref(value);
	return good;
}

/* Whether there is nothing, or nothing but a key that a vtapd has written: one that is good no more is replaced. */
static bool is_replaceable(const char *path)
{
	json_t *value = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	const char *key = json_string_value(json_object_get(value, "access_key_id"));
	const char *secret = json_string_value(json_object_get(value, "secret_access_key"));
	struct stat s;
	bool ours = json_object_size(value) == 2 && key && secret && vtap_id_is_valid(vtap_kind_find("key"), key) &&
		    strlen(secret) == VTAP_ACCESS_SECRET_CHARACTERS;

	json_decref(value);
	if (lstat(path, &s) < 0)
		return errno == ENOENT;
	return S_ISREG(s.st_mode) && (ours || s.st_size == 0);
}

/* Nobody has it. */
static int bootstrap_undo(struct vtap_change *c, void *userdata)
{
	const struct bootstrap *b = userdata;
	struct vtap_object *key = vtap_objects_get(vtap_change_controller(c)->objects, b->key);
	int r;

	if (!key)
		return 0;
	r = vtap_access_delete_secret(c, b->key);
	if (r >= 0)
		r = vtap_change_delete(c, key);
	return r < 0 ? r : vtap_audit_add_own(c, "bootstrap key deleted", b->key, NULL);
}

/* Into a file under another name first: who waits for it finds a whole one. */
static int bootstrap_write(int fd, const char *temporary, const char *path, const struct bootstrap *b)
{
	json_t *value = json_pack("{s:s, s:s}", "access_key_id", b->key, "secret_access_key", b->secret);
	int r = 0;

	errno = 0;
	if (!value || json_dumpfd(value, fd, JSON_INDENT(2)) < 0 || write(fd, "\n", 1) != 1 || fsync(fd) < 0 ||
	    rename(temporary, path) < 0)
		r = errno ? -errno : -EIO;
	json_decref(value);
	return r;
}

/* There is a file for the key before there is a key; and none that nobody can read. */
static int bootstrap_make(struct vtap_controller *c, const char *path, struct bootstrap *b)
{
	struct vtap_write write = {.run = bootstrap_run, .userdata = b};
	struct vtap_write undo = {.run = bootstrap_undo, .userdata = b};
	_cleanup_close_ int fd = -1;
	char temporary[PATH_MAX];
	int r;

	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary))
		return -ENAMETOOLONG;
	fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
	if (fd < 0)
		return -errno;
	r = vtap_write_now(c, &write);
	if (r >= 0) {
		r = bootstrap_write(fd, temporary, path, b);
		if (r < 0)
			(void)vtap_write_now(c, &undo);
	}
	if (r < 0)
		(void)unlink(temporary);
	return r;
}

void vtap_bootstrap_key(struct vtap_controller *c, const char *path)
{
	struct bootstrap b = {.admin = find_admin(c)};
	int r;

	if (is_good(c, path))
		return;
	if (!is_replaceable(path) || !b.admin) {
		vtap_log(VTAP_LOG_WARNING, "--bootstrap-key: no key is written: %s %s", b.admin ? path : "there is",
			 b.admin ? "is there and holds no access key of a vtapd; move it away, or name another file"
				 : "no system admin for it");
		return;
	}
	r = bootstrap_make(c, path, &b);
	vtap_secret_wipe(b.secret);
	if (r < 0)
		vtap_log(VTAP_LOG_WARNING, "--bootstrap-key: no key is written: %s cannot be: %s", path, strerror(-r));
}
