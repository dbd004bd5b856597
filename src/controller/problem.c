/* SPDX-License-Identifier: Apache-2.0 */

/* Refusals as problem+json (RFC 9457). */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "controller/call_private.h"

static const struct {
	int code;
	unsigned status;
} statuses[] = {
    {EINVAL, 400}, {ERANGE, 400}, {E2BIG, 413},     {EPERM, 401},     {EKEYREVOKED, 401}, {EACCES, 403}, {ENOENT, 404},
    {EEXIST, 409}, {EBUSY, 409},  {ENOTUNIQ, 409},  {ESTALE, 412},    {EPROTOTYPE, 415},  {EDQUOT, 422}, {EBADMSG, 422},
    {EUSERS, 429}, {EAGAIN, 503}, {EHOSTDOWN, 503}, {ECANCELED, 503}, {ETIMEDOUT, 504},   {ENOSPC, 507},
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
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(statuses); i++)
		if (statuses[i].code == -code)
			return statuses[i].status;
	return 500;
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

int vtap_call_fail_quota(struct vtap_call *call, enum vtap_quota quota, uint64_t limit, uint64_t used)
{
	struct vtap_error e = {};

	(void)vtap_quota_check(quota, limit, used, limit + 1, &e);
	(void)fail(call, -EDQUOT, vtap_problem_status(-EDQUOT), NULL, e.text);
	if (json_object_set_new(call->answer, "quota", json_string(vtap_quota_attributes[quota].name)) < 0 ||
	    json_object_set_new(call->answer, "limit", json_integer((json_int_t)limit)) < 0 ||
	    json_object_set_new(call->answer, "used", json_integer((json_int_t)used)) < 0)
		return -ENOMEM;
	return -EDQUOT;
}
