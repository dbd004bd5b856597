/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/settings.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef char *(*environment_fn)(const char *name);

/* What is empty counts as not there. */
static const char *from(environment_fn environment, const char *name)
{
	const char *text = environment(name);

	return text && *text ? text : NULL;
}

static int copy(char **to, const char *text)
{
	*to = text ? strdup(text) : NULL;
	return text && !*to ? -ENOMEM : 0;
}

static int path_find(const struct vtap_invocation *i, environment_fn environment, char **ret_path)
{
	const char *path = vtap_invocation_text(i, "profile-file"), *folder;
	char *made = NULL;
	int r = 0;

	if (!path)
		path = from(environment, "VTAP_PROFILE");
	if (path)
		return copy(ret_path, path);
	folder = from(environment, "XDG_CONFIG_HOME");
	if (folder)
		r = asprintf(&made, "%s/vtap/profile", folder);
	else if ((folder = from(environment, "HOME")))
		r = asprintf(&made, "%s/.config/vtap/profile", folder);
	if (r < 0)
		return -ENOMEM;
	*ret_path = made;
	return 0;
}

static bool same_url(const char *a, const char *b)
{
	size_t length_a = strlen(a), length_b = strlen(b);

	length_a -= length_a > 0 && a[length_a - 1] == '/';
	length_b -= length_b > 0 && b[length_b - 1] == '/';
	return length_a == length_b && memcmp(a, b, length_a) == 0;
}

/* It travels in a header of the request. */
static bool is_header_text(const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++)
		if (*c <= 0x20 || *c >= 0x7f)
			return false;
	return true;
}

static const char *first(const char *a, const char *b, const char *c)
{
	return a ? a : b ? b : c;
}

/* The environment's key comes before what login has left, login before a key that stands in the profile. */
static int credentials_choose(struct vtap_settings *s, environment_fn environment, bool trusted,
			      struct vtap_error *reterr)
{
	const char *id = from(environment, "VTAP_ACCESS_KEY_ID");
	const char *secret = from(environment, "VTAP_SECRET_ACCESS_KEY");
	int r;

	if (!id != !secret)
		return vtap_error_set(reterr, -EINVAL, 0, id ? "VTAP_SECRET_ACCESS_KEY" : "VTAP_ACCESS_KEY_ID",
				      "is not set, but %s is: they belong together",
				      id ? "VTAP_ACCESS_KEY_ID" : "VTAP_SECRET_ACCESS_KEY");
	if (!id && trusted && s->profile.token)
		return copy(&s->bearer, s->profile.token);
	if (!id && trusted) {
		id = s->profile.access_key_id;
		secret = s->profile.secret_access_key;
	}
	r = copy(&s->user, id);
	return r < 0 ? r : copy(&s->password, secret);
}

static int settings_fill(const struct vtap_invocation *i, environment_fn environment, struct vtap_settings *s,
			 struct vtap_error *reterr)
{
	const char *profile_url = s->profile.url ? s->profile.url : VTAP_URL_DEFAULT;
	const char *url = first(vtap_invocation_text(i, "url"), from(environment, "VTAP_URL"), profile_url);
	bool trusted = same_url(url, profile_url);
	int r;

	r = copy(&s->url, url);
	if (r >= 0)
		r = copy(&s->project, first(vtap_invocation_text(i, "project"), from(environment, "VTAP_PROJECT"),
					    trusted ? s->profile.project : NULL));
	if (r >= 0)
		r = copy(&s->ca_file, first(from(environment, "VTAP_CA_FILE"), s->profile.ca_file, NULL));
	if (r >= 0)
		r = credentials_choose(s, environment, trusted, reterr);
	if (r == -ENOMEM)
		return vtap_error_set(reterr, r, 0, NULL, "out of memory");
	if (r >= 0 && s->project && !is_header_text(s->project))
		return vtap_error_set(reterr, -EINVAL, 0, "--project", "must be a project's name or id");
	return r;
}

int vtap_settings_read(const struct vtap_invocation *i, environment_fn environment, struct vtap_settings *ret,
		       struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_settings_done) struct vtap_settings s = {};
	char text[sizeof(reterr->text)];
	int r;

	r = path_find(i, environment, &s.profile_path);
	if (r < 0)
		return vtap_error_set(reterr, r, 0, NULL, "out of memory");
	if (s.profile_path) {
		struct vtap_error e = {};

		r = vtap_profile_read(s.profile_path, &s.profile, &e);
		if (r < 0) {
			vtap_error_format(&e, s.profile_path, text, sizeof(text));
			return vtap_error_set(reterr, r, 0, NULL, "%s", text);
		}
	}
	r = settings_fill(i, environment, &s, reterr);
	if (r < 0)
		return r;
	*ret = s;
	s = (struct vtap_settings){};
	return 0;
}

void vtap_settings_done(struct vtap_settings *s)
{
	free(s->url);
	free(s->project);
	free(s->user);
	free(s->password);
	free(s->bearer);
	free(s->ca_file);
	free(s->profile_path);
	vtap_profile_done(&s->profile);
	*s = (struct vtap_settings){};
}
