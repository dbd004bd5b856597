/* SPDX-License-Identifier: Apache-2.0 */

/* Who asks: login, logout, passwords. Secrets come from the terminal or standard input, never from the command line. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/show.h"

#define USER_DEFAULT "admin"

static int text_set(char **text, const char *value)
{
	char *copy = value ? strdup(value) : NULL;

	if (value && !copy)
		return -ENOMEM;
	free(*text);
	*text = copy;
	return 0;
}

/* A profile with an access key may be its only copy, or the file that vtapd has written: login leaves it alone. */
static int profile_check(struct vtap_cli *cli)
{
	const char *path = cli->settings->profile_path;

	if (!path)
		return vtap_cli_fail(cli, VTAP_EXIT_USAGE,
				     "there is no place for the profile: set HOME or VTAP_PROFILE");
	if (cli->settings->profile.access_key_id)
		return vtap_cli_fail(cli, VTAP_EXIT_USAGE,
				     "%s holds an access key, and a login does not write to it: name another file for "
				     "the token with --profile-file or VTAP_PROFILE, or unset VTAP_PROFILE",
				     path);
	return VTAP_EXIT_DONE;
}

static int profile_keep(struct vtap_cli *cli, const char *token)
{
	struct vtap_settings *s = cli->settings;
	struct vtap_profile *p = &s->profile;
	struct vtap_error error = {};

	if (text_set(&p->url, s->url) < 0 || text_set(&p->token, token) < 0 || text_set(&p->project, s->project) < 0 ||
	    text_set(&p->ca_file, s->ca_file) < 0)
		return vtap_show_memory(cli);
	if (vtap_profile_write(s->profile_path, p, &error) < 0)
		return vtap_cli_fail_error(cli, VTAP_EXIT_REFUSED, s->profile_path, &error);
	return VTAP_EXIT_DONE;
}

/* Asks for a secret and puts it into the body. */
static int secret_put(struct vtap_cli *cli, json_t *body, const char *member, const char *prompt, bool twice)
{
	char text[VTAP_SHOW_SECRET_STRLEN];
	int r, status;

	status = vtap_show_secret(cli, prompt, twice, text, sizeof(text));
	if (status != VTAP_EXIT_DONE)
		return status;
	r = json_object_set_new(body, member, json_string(text));
	explicit_bzero(text, sizeof(text));
	return r < 0 ? vtap_cli_fail(cli, VTAP_EXIT_USAGE, "a password must be UTF-8 text") : VTAP_EXIT_DONE;
}

static int login_ask(struct vtap_cli *cli, const struct vtap_invocation *i, const char *user, json_t **ret_answer)
{
	json_t *body = json_pack("{s:s}", "user", user);
	int status;

	if (!body)
		return vtap_cli_fail(cli, VTAP_EXIT_USAGE, "--user: must be UTF-8 text");
	status = secret_put(cli, body, "password", "Password", false);
	if (status == VTAP_EXIT_DONE)
		status = vtap_show_ask(cli, i, NULL, body, ret_answer);
	json_decref(body);
	return status;
}

int vtap_cmd_login(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	const char *user = vtap_invocation_text(i, "user"), *token;
	json_t *answer = NULL;
	int status;

	user = user ? user : USER_DEFAULT;
	status = profile_check(cli);
	if (status == VTAP_EXIT_DONE)
		status = login_ask(cli, i, user, &answer);
	token = json_string_value(json_object_get(answer, "token"));
	if (status == VTAP_EXIT_DONE && !token)
		status = vtap_cli_fail(cli, VTAP_EXIT_UNREACHABLE, "%s: the answer has no token", cli->settings->url);
	if (status == VTAP_EXIT_DONE)
		status = profile_keep(cli, token);
	if (status == VTAP_EXIT_DONE && !cli->quiet) {
		const char *expires = json_string_value(json_object_get(answer, "expires"));

		fprintf(cli->out, "logged in to %s as %s%s%s; the token is in %s\n", cli->settings->url, user,
			expires ? ", until " : "", expires ? expires : "", cli->settings->profile_path);
	}
	json_decref(answer);
	return status;
}

/* A token that the controller does not take any more is forgotten all the same. */
int vtap_cmd_logout(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	struct vtap_ask ask = {.method = i->command->method, .path = i->command->path};
	struct vtap_refusal refusal = {};
	struct vtap_error error = {};
	json_t *answer = NULL;
	int status;

	if (!cli->settings->bearer)
		return vtap_cli_fail(cli, VTAP_EXIT_REFUSED, "nobody is logged in to %s", cli->settings->url);
	status = vtap_ask_try(cli, &ask, &answer, &refusal);
	json_decref(answer);
	if (status != VTAP_EXIT_DONE && refusal.http != 401)
		return vtap_cli_fail(cli, status, "%s", refusal.text);
	free(VTAP_STEAL(cli->settings->profile.token));
	if (vtap_profile_write(cli->settings->profile_path, &cli->settings->profile, &error) < 0)
		return vtap_cli_fail_error(cli, VTAP_EXIT_REFUSED, cli->settings->profile_path, &error);
	return VTAP_EXIT_DONE;
}

/* Whoever is logged in must say the old password, too. */
static int is_own(struct vtap_cli *cli, const char *user, bool *ret_own)
{
	struct vtap_ask ask = {.method = "GET", .path = "/v1/whoami"};
	const char *id, *name;
	json_t *answer = NULL;
	int status;

	status = vtap_ask(cli, &ask, &answer);
	id = json_string_value(json_object_get(answer, "user"));
	name = json_string_value(json_object_get(answer, "name"));
	*ret_own = (id && strcmp(id, user) == 0) || (name && strcmp(name, user) == 0);
	json_decref(answer);
	return status;
}

int vtap_cmd_user_password(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	json_t *body = json_object(), *answer = NULL;
	bool own = false;
	int status;

	status = is_own(cli, i->arguments[0], &own);
	if (status == VTAP_EXIT_DONE && own)
		status = secret_put(cli, body, "current", "Current password", false);
	if (status == VTAP_EXIT_DONE)
		status = secret_put(cli, body, "password", "New password", true);
	if (status == VTAP_EXIT_DONE)
		status = vtap_show_ask(cli, i, i->arguments[0], body, &answer);
	if (status == VTAP_EXIT_DONE)
		status = vtap_show_done(cli, i, i->arguments[0], answer);
	json_decref(body);
	json_decref(answer);
	return status;
}
