// SPDX-License-Identifier: Apache-2.0

#include "agent/join.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "agent/problem.h"
#include "agent/token.h"
#include "bpf/mirror_abi.h"
#include "client/client.h"
#include "crypto/pki.h"

#define HTTPS "https://"

json_t *vtap_join_agent_json(void)
{
	struct utsname name = {};

	(void)uname(&name);
	return json_pack("{s:s, s:i, s:s}", "version", VTAP_VERSION, "layout", VTAP_LAYOUT_VERSION, "kernel",
			 name.release);
}

static int token_read(const struct vtap_join_options *o, struct vtap_token *ret_token, struct vtap_error *reterr)
{
	bool https = strncmp(o->url, HTTPS, strlen(HTTPS)) == 0;
	int r;

	r = vtap_token_parse(o->token, ret_token);
	if (r < 0)
		return vtap_error_set(reterr, r, 0, "--join", "is no join token; vtap host token HOST prints one");
	if (ret_token->plain && https)
		return vtap_error_set(reterr, -EINVAL, 0, "--join",
				      "this token is of a controller that speaks plain HTTP, and the URL is %s",
				      o->url);
	if (!ret_token->plain && !https)
		return vtap_error_set(reterr, -EINVAL, 0, "--join",
				      "this token is of a controller that speaks HTTPS, and the URL is %s", o->url);
	return 0;
}

static int perform(const struct vtap_client_options *options, const struct vtap_client_request *request,
		   struct vtap_client_answer *ret_answer, struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_client_freep) struct vtap_client *client = NULL;
	int r;

	r = vtap_client_new(options, &client, reterr);
	if (r < 0)
		return r;
	r = vtap_client_perform(client, request, ret_answer);
	if (r < 0)
		return vtap_error_set(reterr, r == -EINVAL ? -EIO : r, 0, "",
				      "the controller at %s cannot be reached: %s", options->url,
				      *ret_answer->error ? ret_answer->error : strerror(-r));
	return 0;
}

/* Fetched from whoever answers there, and believed for its hash alone. */
static int authority_fetch(const struct vtap_join_options *o, const struct vtap_token *token, char **ret_authority,
			   struct vtap_error *reterr)
{
	const struct vtap_client_options options = {
	    .url = o->url, .server_name = VTAP_PKI_AGENTS_SERVER, .unverified = true};
	const struct vtap_client_request request = {.method = "GET", .path = "/agent/v1/authority"};
	VTAP_CLEANUP(vtap_client_answer_done) struct vtap_client_answer answer = {};
	char hash[VTAP_HASH_STRLEN];
	struct vtap_problem problem;
	int r;

	r = perform(&options, &request, &answer, reterr);
	if (r < 0)
		return r;
	if (answer.status != 200) {
		vtap_problem_read(&answer, &problem);
		return vtap_error_set(reterr, -EPROTO, 0, "", "%s does not tell its certificate authority: %s", o->url,
				      problem.text);
	}
	if (vtap_pki_fingerprint(answer.body, hash) < 0 || !vtap_secret_equal(hash, token->authority))
		return vtap_error_set(reterr, -EKEYREJECTED, 0, "",
				      "%s is not the controller that made this join token: its certificate authority "
				      "is another",
				      o->url);
	*ret_authority = VTAP_STEAL(answer.body);
	return 0;
}

static int answer_read(const struct vtap_client_answer *answer, const struct vtap_token *token,
		       struct vtap_agent_identity *i, struct vtap_error *reterr)
{
	json_t *o = json_loadb(answer->body, answer->body_bytes, 0, NULL);
	const char *host = json_string_value(json_object_get(o, "host"));
	const char *certificate = json_string_value(json_object_get(o, "certificate"));
	const char *bearer = json_string_value(json_object_get(o, "token"));
	char *copy = NULL;
	int r = 0;

	if (!host || strcmp(host, token->host) != 0 || (token->plain ? !bearer : !certificate))
		r = vtap_error_set(reterr, -EPROTO, 0, "", "the controller's answer to the join makes no sense");
	if (r >= 0) {
		strcpy(i->host, token->host);
		copy = strdup(token->plain ? bearer : certificate);
		r = copy ? 0 : -ENOMEM;
	}
	if (r >= 0 && token->plain)
		i->bearer = copy;
	else if (r >= 0)
		r = vtap_agent_identity_renew(i, copy, VTAP_STEAL(i->key), time(NULL));
	json_decref(o);
	return r;
}

static int join_send(const struct vtap_join_options *o, const struct vtap_token *token, const char *request,
		     struct vtap_agent_identity *i, struct vtap_error *reterr)
{
	const struct vtap_client_options options = {
	    .url = o->url,
	    .authority = i->authority,
	    .server_name = VTAP_PKI_AGENTS_SERVER,
	    .plain_anywhere = o->plain_anywhere,
	};
	json_t *body =
	    json_pack("{s:s, s:s?, s:o}", "token", o->token, "request", request, "agent", vtap_join_agent_json());
	_cleanup_free_ char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	VTAP_CLEANUP(vtap_client_answer_done) struct vtap_client_answer answer = {};
	struct vtap_client_request post = {.method = "POST", .path = "/agent/v1/join", .body = text};
	struct vtap_problem problem;
	int r;

	json_decref(body);
	if (!text)
		return -ENOMEM;
	post.body_bytes = strlen(text);
	r = perform(&options, &post, &answer, reterr);
	if (r < 0)
		return r;
	if (answer.status == 201)
		return answer_read(&answer, token, i, reterr);
	vtap_problem_read(&answer, &problem);
	return vtap_error_set(reterr, answer.status < 500 ? -EINVAL : -EIO, 0, "",
			      "the controller refuses the join: %s", problem.text);
}

int vtap_join(const struct vtap_join_options *o, struct vtap_agent_identity *ret_identity, struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_agent_identity_done) struct vtap_agent_identity i = {};
	_cleanup_free_ char *request = NULL;
	struct vtap_token token;
	int r;

	r = token_read(o, &token, reterr);
	if (r < 0)
		return r;
	i.url = strdup(o->url);
	if (!i.url)
		return -ENOMEM;
	(void)vtap_hash_hex(o->token, strlen(o->token), i.joined_by);
	if (!token.plain) {
		r = authority_fetch(o, &token, &i.authority, reterr);
		if (r >= 0)
			r = vtap_pki_request_new(token.host, &i.key, &request);
	}
	if (r >= 0)
		r = join_send(o, &token, request, &i, reterr);
	if (r < 0)
		return reterr->code ? r : vtap_error_set(reterr, r, 0, "", "cannot join: %s", strerror(-r));
	*ret_identity = i;
	memset(&i, 0, sizeof(i));
	return 0;
}
