/* SPDX-License-Identifier: Apache-2.0 */

/* Refusals as problem+json (RFC 9457). */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "controller/call_private.h"

/* What a handler that says nothing else of a code says by it. */
static const struct {
	int code;
	unsigned status;
	const char *sentence;
} refusals[] = {
    {EINVAL, 400, "something in the request is not as it must be"},
    {ERANGE, 400, "a number in the request is out of its range"},
    {EPERM, 401, "credentials are needed, and those that were given are not known"},
    {EKEYREVOKED, 401, "the credentials were revoked"},
    {EACCES, 403, "you may not do this"},
    {ENOENT, 404, "there is no such thing"},
    {EEXIST, 409, "it is there already"},
    {EBUSY, 409, "it is in use, or not in a state for this"},
    {ENOTUNIQ, 409, "a name in the request may mean several things: use the id"},
    {ESTALE, 412, "it has been changed since: read it again"},
    {E2BIG, 413, "it would store or change more than can be done at once: do it in smaller steps"},
    {EPROTOTYPE, 415, "the header Content-Type must be application/json"},
    {EDQUOT, 422, "a quota of the project is used up"},
    {EALREADY, 422, "the same key was used for something else"},
    {EUSERS, 429, "there are too many of these at a time: try again later"},
    {EAGAIN, 503, "the controller is busy: try again in a moment"},
    {EHOSTDOWN, 503, "no agent that this needs can be reached now: try again later"},
    {ECANCELED, 503, "the controller is about to end: try again when it is back"},
    {ETIMEDOUT, 504, "no answer came within the time: try again"},
    {ENOSPC, 507, "the controller's disk is full: nothing was stored, and mirroring goes on as it is"},
};

static const struct {
	unsigned status;
	const char *title;
} titles[] = {
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {409, "Conflict"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {507, "Insufficient Storage"},
};

unsigned vtap_problem_status(int code)
{
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(refusals); i++)
		if (refusals[i].code == -code)
			return refusals[i].status;
	return 500;
}

const char *vtap_problem_sentence(int code)
{
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(refusals); i++)
		if (refusals[i].code == -code)
			return refusals[i].sentence;
	return "the controller could not do it; its log says why";
}

json_t *vtap_problem_make(const char *type, unsigned status, const char *field, const char *detail)
{
	const char *title = "Error";
	json_t *problem;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(titles); i++)
		if (titles[i].status == status)
			title = titles[i].title;
	problem = json_pack("{s:s, s:s, s:i, s:s}", "type", type ? type : "about:blank", "title", title, "status",
			    (int)status, "detail", detail);
	if (problem && field && *field)
		(void)json_object_set_new(problem, "field", json_string(field));
	return problem;
}

static int fail(struct vtap_call *call, int code, unsigned status, const char *field, const char *detail)
{
	json_decref(call->answer);
	free(call->text);
	call->text = NULL;
	call->status = status;
	call->answer = vtap_problem_make(call->problem_type, status, field, detail);
	*call->etag = *call->location = '\0';
	return code;
}

int vtap_call_fail(struct vtap_call *call, int code, const char *field, const char *format, ...)
{
	va_list arguments;
	char detail[1024];

	va_start(arguments, format);
	vsnprintf(detail, sizeof(detail), format, arguments);
	va_end(arguments);
	return fail(call, code, vtap_problem_status(code), field, detail);
}

int vtap_call_fail_error(struct vtap_call *call, const struct vtap_error *error)
{
	unsigned status = error->code == -E2BIG ? 400 : vtap_problem_status(error->code);

	/* A name inside a body that means nothing is the body's fault: the path was found. */
	if (error->code == -ENOENT && *error->field)
		status = 400;
	return fail(call, error->code, status, error->field, error->text);
}

int vtap_call_fail_quota(struct vtap_call *call, enum vtap_quota quota, uint64_t limit, uint64_t used, uint64_t wanted)
{
	struct vtap_error e = {};

	(void)vtap_quota_check(quota, limit, used, wanted, &e);
	(void)fail(call, -EDQUOT, vtap_problem_status(-EDQUOT), NULL, e.text);
	if (json_object_set_new(call->answer, "quota", json_string(vtap_quota_attributes[quota].name)) < 0 ||
	    json_object_set_new(call->answer, "limit", json_integer((json_int_t)limit)) < 0 ||
	    json_object_set_new(call->answer, "used", json_integer((json_int_t)used)) < 0 ||
	    json_object_set_new(call->answer, "wanted", json_integer((json_int_t)wanted)) < 0)
		return -ENOMEM;
	return -EDQUOT;
}
