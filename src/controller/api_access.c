/* SPDX-License-Identifier: Apache-2.0 */

/* Who one is: login, logout, whoami, passwords, access keys, quotas. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "controller/access.h"
#include "controller/call_private.h"
#include "controller/resource.h"
#include "model/value.h"

static int check_members(struct vtap_call *call, const char *const *known)
{
	char quoted[VTAP_ERROR_QUOTE_STRLEN];
	const char *key;
	json_t *value;

	if (!call->body)
		return vtap_call_fail(call, -EINVAL, NULL, "the body must be a JSON object");
	json_object_foreach(call->body, key, value)
	{
		bool found = false;

		for (const char *const *k = known; *k && !found; k++)
			found = strcmp(*k, key) == 0;
		if (!found)
			return vtap_call_fail(call, -EINVAL, vtap_error_quote(key, quoted), "is not known here");
	}
	return 0;
}

/* A text of the body; NULL with the answer set. */
static const char *body_text(struct vtap_call *call, const char *name)
{
	const json_t *value = json_object_get(call->body, name);

	if (!json_is_string(value)) {
		(void)vtap_call_fail(call, -EINVAL, name, value ? "must be a text" : "is required");
		return NULL;
	}
	return json_string_value(value);
}

static int ttl_of(struct vtap_call *call, uint64_t *ret_ttl_s)
{
	const json_t *value = json_object_get(call->body, "ttl");

	if (!value || json_is_null(value)) {
		*ret_ttl_s = VTAP_ACCESS_TOKEN_TTL_S;
		return 0;
	}
	if (!json_is_string(value) || vtap_duration_parse(json_string_value(value), VTAP_ACCESS_TOKEN_TTL_MIN_S,
							  VTAP_ACCESS_TOKEN_TTL_MAX_S, ret_ttl_s) < 0)
		return vtap_call_fail(call, -EINVAL, "ttl", "must be a duration from 1m to 30d, such as \"12h\"");
	return 0;
}

static int refuse_login(struct vtap_call *call)
{
	return vtap_call_fail(call, -EPERM, NULL, "user and password do not fit together");
}

static bool may_log_in(const struct vtap_object *user)
{
	return user && !json_is_true(json_object_get(user->value, "disabled"));
}

/* The password, or the user, may have changed while it was verified. */
static int login_write(struct vtap_call *call, struct vtap_change *change)
{
	char token[VTAP_ACCESS_TOKEN_STRLEN], expires[VTAP_TIME_STRLEN];
	struct vtap_addr peer;
	int64_t expires_s;
	uint64_t ttl_s;
	int r;

	if (!may_log_in(vtap_objects_get(call->controller->objects, call->principal.user)))
		return refuse_login(call);
	r = vtap_access_check_password(change, call->principal.user, call->verified);
	if (r == -EACCES)
		return refuse_login(call);
	if (r >= 0)
		r = ttl_of(call, &ttl_s);
	if (r < 0)
		return r;
	expires_s = vtap_change_time_s(change) + (int64_t)ttl_s;
	r = vtap_access_put_token(change, call->principal.user, expires_s, token);
	if (r >= 0)
		r = vtap_addr_parse(call->peer, &peer);
	if (r >= 0)
		r = vtap_access_put_home(change, call->principal.user, &peer);
	if (r < 0)
		return r;
	call->answer = json_pack("{s:s, s:s, s:s}", "token", token, "expires", vtap_time_format(expires_s, expires),
				 "user", call->principal.user);
	return call->answer ? 0 : -ENOMEM;
}

static const struct vtap_object *login_user(const struct vtap_call *call)
{
	const char *name = json_string_value(json_object_get(call->body, "user"));
	const struct vtap_objects *o = call->controller->objects;
	const struct vtap_kind *kind = vtap_kind_find("user");

	return vtap_id_is_valid(kind, name) ? vtap_objects_get(o, name) : vtap_objects_named(o, kind, NULL, name);
}

static void login_verified(int r, const char *hash, void *userdata)
{
	struct vtap_call *call = userdata;
	const struct vtap_object *user = login_user(call);
	const char *name = json_string_value(json_object_get(call->body, "user"));

	if (!call->request || (r < 0 && r != -EACCES)) {
		vtap_call_finish(call, call->request ? r : -ECANCELED);
		return;
	}
	if (r < 0 || !may_log_in(user)) {
		vtap_call_finish(call, refuse_login(call));
		return;
	}
	vtap_access_try_succeeded(call->controller->access, name, &call->request->peer);
	snprintf(call->principal.user, sizeof(call->principal.user), "%s", user->id);
	call->verified = strdup(hash);
	if (!call->verified) {
		vtap_call_finish(call, -ENOMEM);
		return;
	}
	vtap_call_write(call, login_write);
}

static int login(struct vtap_call *call, struct vtap_change *change)
{
	static const char *const known[] = {"user", "password", "ttl", NULL};
	struct vtap_access *access = call->controller->access;
	const char *name = NULL, *password = NULL;
	const struct vtap_object *user;
	uint64_t ttl_s;
	int r;

	r = check_members(call, known);
	if (r >= 0)
		r = ttl_of(call, &ttl_s);
	if (r >= 0)
		name = body_text(call, "user");
	if (name)
		password = body_text(call, "password");
	if (!password)
		return r < 0 ? r : -EINVAL;
	call->retry_after_s = vtap_access_try(access, name, &call->request->peer);
	if (call->retry_after_s > 0)
		return vtap_call_fail(call, -EUSERS, NULL, "too many logins have failed: try again in %u s",
				      call->retry_after_s);
	call->audit = json_pack("{s:s}", "user", name);
	user = login_user(call);
	r = vtap_access_verify(access, user ? user->id : NULL, password, login_verified, call);
	if (r == -EAGAIN) {
		call->retry_after_s = 1;
		return vtap_call_fail(call, r, NULL, "too many logins are under way: try again in a second");
	}
	return r < 0 ? r : VTAP_HTTP_LATER;
}

static int logout(struct vtap_call *call, struct vtap_change *change)
{
	const char *header = vtap_http_header(call->request, "Authorization");
	char hash[VTAP_HASH_STRLEN];

	if (*call->principal.key || !header)
		return vtap_call_fail(call, -EINVAL, NULL, "only a bearer token can be given back");
	header += strlen("Bearer ");
	return vtap_access_delete_token(change, vtap_hash_hex(header, strlen(header), hash));
}

static int whoami(struct vtap_call *call, struct vtap_change *change)
{
	const struct vtap_object *user = vtap_objects_get(call->controller->objects, call->principal.user);

	if (!user)
		return -ENOENT;
	call->answer = json_pack(
	    "{s:s, s:s?, s:b, s:O?, s:s?, s:s?}", "user", user->id, "name", user->name, "system_admin",
	    (int)call->principal.system_admin, "roles", json_object_get(user->value, "roles"), "key",
	    *call->principal.key ? call->principal.key : NULL, "project", *call->project ? call->project : NULL);
	return call->answer ? 0 : -ENOMEM;
}

static int quotas(struct vtap_call *call, struct vtap_change *change)
{
	const struct vtap_object *project = vtap_objects_get(call->controller->objects, call->project);
	uint64_t used[VTAP_QUOTA_MAX];
	json_t *items;
	int r;

	if (!project)
		return vtap_call_fail(call, -EINVAL, "project", "say which project is meant, by its id or name");
	r = vtap_quota_use(call->controller, project, used);
	if (r < 0)
		return r;
	items = json_array();
	for (size_t i = 0; i < VTAP_QUOTA_MAX; i++)
		(void)json_array_append_new(
		    items, json_pack("{s:s, s:I, s:I, s:s}", "name", vtap_quota_attributes[i].name, "limit",
				     (json_int_t)vtap_quota_of_project(project->value, (enum vtap_quota)i), "used",
				     (json_int_t)used[i], "help", vtap_quota_attributes[i].help));
	call->answer = json_pack("{s:s, s:O?, s:o}", "project", project->id, "profile",
				 json_object_get(project->value, "profile"), "items", items);
	return call->answer ? 0 : -ENOMEM;
}

/* Writes that wait for a password's hash. */
static void hashed(int r, const char *hash, struct vtap_call *call, vtap_api_handler handler)
{
	if (!call->request || r < 0) {
		vtap_call_finish(call, call->request ? r : -ECANCELED);
		return;
	}
	call->secret = strdup(hash);
	if (!call->secret)
		vtap_call_finish(call, -ENOMEM);
	else
		vtap_call_write(call, handler);
}

static int hash_password(struct vtap_call *call, const char *password, vtap_access_hashed done)
{
	int r;

	r = vtap_access_hash(call->controller->access, password, done, call);
	if (r == -EINVAL)
		return vtap_call_fail(call, r, "password", "must have %d to %d characters",
				      VTAP_PASSWORD_CHARACTERS_MIN, VTAP_PASSWORD_CHARACTERS_MAX);
	if (r == -EAGAIN) {
		call->retry_after_s = 1;
		return vtap_call_fail(call, r, NULL, "too many passwords are being hashed: try again in a second");
	}
	return r < 0 ? r : VTAP_HTTP_LATER;
}

/* The password as the schema takes it, or NULL if there is none. */
static const char *password_of(const struct vtap_call *call)
{
	const char *password = json_string_value(json_object_get(call->body, "password"));
	size_t length;

	if (!password || vtap_text_length(password, &length) < 0 || length < VTAP_PASSWORD_CHARACTERS_MIN ||
	    length > VTAP_PASSWORD_CHARACTERS_MAX)
		return NULL;
	return password;
}

static int put_password(struct vtap_call *call, struct vtap_change *change)
{
	const char *user = json_string_value(json_object_get(call->answer, "id"));

	return call->secret && user ? vtap_access_put_password(change, user, call->secret) : 0;
}

static int user_create_write(struct vtap_call *call, struct vtap_change *change)
{
	int r;

	r = vtap_resource_create(call, change);
	return r < 0 ? r : put_password(call, change);
}

static void user_create_hashed(int r, const char *hash, void *userdata)
{
	hashed(r, hash, userdata, user_create_write);
}

static int user_create(struct vtap_call *call, struct vtap_change *change)
{
	const char *password = password_of(call);

	if (password)
		return hash_password(call, password, user_create_hashed);
	vtap_call_write(call, user_create_write);
	return VTAP_HTTP_LATER;
}

static int user_patch_write(struct vtap_call *call, struct vtap_change *change)
{
	int r;

	r = vtap_resource_patch(call, change);
	if (r >= 0)
		r = put_password(call, change);
	if (r >= 0 && call->secret)
		r = vtap_access_delete_tokens(change, json_string_value(json_object_get(call->answer, "id")),
					      call->principal.serial);
	return r;
}

static void user_patch_hashed(int r, const char *hash, void *userdata)
{
	hashed(r, hash, userdata, user_patch_write);
}

static int user_patch(struct vtap_call *call, struct vtap_change *change)
{
	const struct vtap_object *user = vtap_call_object(call, vtap_kind_find("user"), call->request->parameters[0]);
	const char *password = password_of(call);

	if (!user)
		return -ENOENT;
	if (password && strcmp(user->id, call->principal.user) == 0)
		return vtap_call_fail(call, -EACCES, "password",
				      "is one's own: POST /v1/users/%s/password changes it, with the current one",
				      user->id);
	if (password)
		return hash_password(call, password, user_patch_hashed);
	vtap_call_write(call, user_patch_write);
	return VTAP_HTTP_LATER;
}

static int password_write(struct vtap_call *call, struct vtap_change *change)
{
	const struct vtap_object *user = vtap_call_object(call, vtap_kind_find("user"), call->request->parameters[0]);
	int r;

	if (!user)
		return -ENOENT;
	r = call->verified ? vtap_access_check_password(change, user->id, call->verified) : 0;
	if (r == -EACCES)
		return vtap_call_fail(call, r, "current", "is not the user's password");
	if (r >= 0)
		r = vtap_access_put_password(change, user->id, call->secret);
	if (r >= 0)
		r = vtap_access_delete_tokens(change, user->id, call->principal.serial);
	call->audit = json_pack("{s:s}", "password_of", user->id);
	return r;
}

static void password_hashed(int r, const char *hash, void *userdata)
{
	hashed(r, hash, userdata, password_write);
}

static void password_verified(int r, const char *hash, void *userdata)
{
	struct vtap_call *call = userdata;

	if (!call->request) {
		vtap_call_finish(call, -ECANCELED);
		return;
	}
	if (r == -EACCES) {
		r = vtap_call_fail(call, r, "current", "is not the user's password");
	} else if (r >= 0) {
		vtap_access_try_succeeded(call->controller->access, call->principal.user, &call->request->peer);
		call->verified = strdup(hash);
		r = call->verified ? hash_password(call, password_of(call), password_hashed) : -ENOMEM;
	}
	if (r != VTAP_HTTP_LATER)
		vtap_call_finish(call, r);
}

/* One's own needs the current one: a token that was found lying about is not enough. */
static int password_verify(struct vtap_call *call, const struct vtap_object *user)
{
	struct vtap_access *access = call->controller->access;
	const char *current = body_text(call, "current");
	int r;

	if (!current)
		return -EINVAL;
	call->retry_after_s = vtap_access_try(access, user->id, &call->request->peer);
	if (call->retry_after_s > 0)
		return vtap_call_fail(call, -EUSERS, NULL, "too many tries have failed: try again in %u s",
				      call->retry_after_s);
	r = vtap_access_verify(access, user->id, current, password_verified, call);
	return r < 0 ? r : VTAP_HTTP_LATER;
}

static int password(struct vtap_call *call, struct vtap_change *change)
{
	static const char *const known[] = {"password", "current", NULL};
	const struct vtap_object *user;
	int r;

	user = vtap_call_object(call, vtap_kind_find("user"), call->request->parameters[0]);
	if (!user)
		return -ENOENT;
	r = check_members(call, known);
	if (r >= 0 && !body_text(call, "password"))
		r = -EINVAL;
	if (r >= 0 && !password_of(call))
		r = vtap_call_fail(call, -EINVAL, "password",
				   "must have %d to %d characters, none of them a control character",
				   VTAP_PASSWORD_CHARACTERS_MIN, VTAP_PASSWORD_CHARACTERS_MAX);
	if (r < 0)
		return r;
	if (strcmp(user->id, call->principal.user) == 0)
		return password_verify(call, user);
	return hash_password(call, password_of(call), password_hashed);
}

static int key_user(struct vtap_call *call, json_t *input)
{
	const json_t *user = json_object_get(input, "user");
	char id[VTAP_ID_STRLEN];

	if (!user)
		return json_object_set_new(input, "user", json_string(call->principal.user)) < 0 ? -ENOMEM : 0;
	if (!json_is_string(user) || call->principal.system_admin)
		return 0;
	if (vtap_call_resolve("user", json_string_value(user), id, NULL, call) < 0 ||
	    strcmp(id, call->principal.user) != 0)
		return vtap_call_fail(call, -EACCES, "user", "only a system admin makes keys for others");
	return 0;
}

static int key_make(struct vtap_call *call, struct vtap_change *change, const json_t *input)
{
	const char *id, *user;
	char secret[VTAP_ACCESS_SECRET_CHARACTERS + 1];
	int r;

	r = vtap_resource_write(call, change, NULL, input);
	if (r < 0)
		return r;
	id = json_string_value(json_object_get(call->answer, "id"));
	user = json_string_value(json_object_get(call->answer, "user"));
	if (vtap_objects_referrer_count(call->controller->objects, user, vtap_kind_find("key")) > VTAP_ACCESS_KEYS_MAX)
		return vtap_call_fail(call, -EBUSY, "user", "has %d keys already: delete one first",
				      VTAP_ACCESS_KEYS_MAX);
	vtap_random_text(VTAP_ACCESS_SECRET_CHARACTERS, secret);
	r = vtap_access_put_secret(change, id, secret);
	if (r >= 0 && (json_object_set_new(call->answer, "access_key_id", json_string(id)) < 0 ||
		       json_object_set_new(call->answer, "secret_access_key", json_string(secret)) < 0))
		r = -ENOMEM;
	vtap_secret_wipe(secret);
	return r;
}

static int key_create(struct vtap_call *call, struct vtap_change *change)
{
	json_t *input = call->body ? json_copy(call->body) : json_object();
	int r;

	r = input ? key_user(call, input) : -ENOMEM;
	if (r >= 0)
		r = key_make(call, change, input);
	json_decref(input);
	return r;
}

const struct vtap_api_route vtap_api_routes_access[] = {
    {"POST", "/v1/login", login, VTAP_ROLE_NONE, VTAP_ROUTE_OPEN | VTAP_ROUTE_ONCE, NULL, 4096},
    {"POST", "/v1/logout", logout, VTAP_ROLE_NONE, VTAP_ROUTE_WRITE | VTAP_ROUTE_BARE, NULL, 0},
    {"GET", "/v1/whoami", whoami, VTAP_ROLE_NONE, 0, NULL, 0},
    {"GET", "/v1/quotas", quotas, VTAP_ROLE_VIEWER, 0, NULL, 0},
    {"POST", "/v1/users", user_create, VTAP_ROLE_NONE, VTAP_ROUTE_SYSTEM, NULL, 0},
    {"PATCH", "/v1/users/{id}", user_patch, VTAP_ROLE_NONE, VTAP_ROUTE_SYSTEM, NULL, 0},
    {"POST", "/v1/users/{id}/password", password, VTAP_ROLE_NONE, 0, NULL, 4096},
    {"POST", "/v1/keys", key_create, VTAP_ROLE_NONE, VTAP_ROUTE_WRITE | VTAP_ROUTE_ONCE, NULL, 0},
    {},
};
