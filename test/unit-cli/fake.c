/* SPDX-License-Identifier: Apache-2.0 */

#include "fake.h"

#define PIECE_BYTES 7 /* streams come in pieces that end anywhere */

static void body_check(const struct fake_exchange *e, const struct vtap_client_request *request)
{
	json_t *wanted = e->body ? json_loads(e->body, 0, NULL) : NULL;
	json_t *got = request->body ? json_loadb(request->body, request->body_bytes, 0, NULL) : NULL;

	if (!json_equal(wanted, got) && (wanted || got))
		fail_msg("%s %s: the body is %s, not %s", e->method, e->path, request->body, e->body);
	json_decref(wanted);
	json_decref(got);
}

static void header_check(const char *header, const struct vtap_client_request *request)
{
	bool found = !header;

	for (size_t i = 0; !found && request->headers && request->headers[i]; i++)
		found = strcmp(request->headers[i], header) == 0;
	if (!found)
		fail_msg("%s %s lacks the header %s", request->method, request->path, header);
}

static int stream(const struct vtap_client_request *request, const char *text)
{
	size_t left = strlen(text), offset = 0;

	while (left > 0) {
		size_t piece = VTAP_MIN(left, (size_t)PIECE_BYTES);

		if (request->on_data(text + offset, piece, request->userdata) < 0)
			return -ECANCELED;
		offset += piece;
		left -= piece;
	}
	return 0;
}

static int perform(const struct vtap_client_request *request, struct vtap_client_answer *ret_answer, void *userdata)
{
	struct fake *f = userdata;
	const struct fake_exchange *e = f->next;

	if (!e || !e->method)
		fail_msg("%s %s was not expected", request->method, request->path);
	if (strcmp(e->method, request->method) != 0 || strcmp(e->path, request->path) != 0)
		fail_msg("%s %s is not %s %s", request->method, request->path, e->method, e->path);
	body_check(e, request);
	header_check(f->header, request);
	if (f->headers && strcmp(request->method, "GET") != 0)
		header_check(*f->headers++, request);
	f->next++;
	*ret_answer = (struct vtap_client_answer){.status = e->status};
	if (f->answer_count < VTAP_ARRAY_SIZE(f->retry_after_s))
		ret_answer->retry_after_s = f->retry_after_s[f->answer_count++];
	if (e->status == 0) {
		ret_answer->result = -ECONNREFUSED;
		strcpy(ret_answer->error, "nobody is there");
	} else if (request->on_data && e->status < 300) {
		ret_answer->result = stream(request, e->answer);
		ret_answer->body = strdup("");
	} else {
		ret_answer->body = strdup(e->answer ? e->answer : "");
		ret_answer->body_bytes = strlen(ret_answer->body);
	}
	return ret_answer->result;
}

static int secret(const char *prompt, char *buffer, size_t size_bytes, void *userdata)
{
	struct fake *f = userdata;
	const char *text = f->typed[f->typed_count];

	if (!text)
		return -ENODATA;
	f->typed_count++;
	if (strlen(text) + 2 > size_bytes)
		return -E2BIG;
	strcpy(buffer, text);
	return 0;
}

static bool pause_for(unsigned seconds, void *userdata)
{
	struct fake *f = userdata;

	if (f->pauses == 0)
		return false;
	f->pauses--;
	f->paused_s += seconds;
	return true;
}

void fake_begin(struct fake *f, const struct fake_exchange *script)
{
	*f = (struct fake){
	    .cli = {.perform = perform, .secret = secret, .pause = pause_for},
	    .settings = {.url = strdup("http://127.0.0.1:8750")},
	    .next = script,
	};
	f->cli.userdata = f;
	f->cli.settings = &f->settings;
	f->cli.in = stdin;
}

void fake_end(struct fake *f)
{
	vtap_settings_done(&f->settings);
	free(f->out);
	free(f->err);
}

int fake_run(struct fake *f, const char *const *argv)
{
	VTAP_CLEANUP(vtap_invocation_done) struct vtap_invocation i = {};
	struct vtap_error error = {};
	size_t argc = 0;
	int status;

	free(f->out);
	free(f->err);
	f->cli.out = open_memstream(&f->out, &f->out_bytes);
	f->cli.err = open_memstream(&f->err, &f->err_bytes);
	while (argv[argc])
		argc++;
	if (vtap_invocation_parse(argc, (char *const *)argv, &i, &error) < 0)
		status = vtap_cli_fail_error(&f->cli, VTAP_EXIT_USAGE, NULL, &error);
	else
		status = vtap_cli_run(&f->cli, &i);
	fclose(f->cli.out);
	fclose(f->cli.err);
	if (f->next && f->next->method && status == VTAP_EXIT_DONE)
		fail_msg("%s %s was not asked for", f->next->method, f->next->path);
	return status;
}

void fake_says(const struct fake *f, const char *out, const char *err)
{
	assert_string_equal(f->err, err);
	assert_string_equal(f->out, out);
}
