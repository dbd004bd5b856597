/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "client/private.h"

#define TIMEOUT_MS 30000
#define BODY_MIN_BYTES 4096
/* Well below what a long poll waits: a connection that the other end has forgotten is noticed by its answer. */
#define KEEPALIVE_IDLE_S 5
#define KEEPALIVE_INTERVAL_S 5

void vtap_client_answer_done(struct vtap_client_answer *a)
{
	free(a->body);
	*a = (struct vtap_client_answer){};
}

static void append_header(struct curl_slist **list, const char *line, int *r)
{
	struct curl_slist *longer = *r == 0 ? curl_slist_append(*list, line) : NULL;

	if (longer)
		*list = longer;
	else
		*r = -ENOMEM;
}

static void append_field(struct curl_slist **list, const char *name, const char *value, int *r)
{
	_cleanup_free_ char *line = NULL;

	if (asprintf(&line, "%s: %s", name, value) < 0) {
		line = NULL;
		*r = -ENOMEM;
		return;
	}
	append_header(list, line, r);
}

static int make_headers(const struct vtap_client *c, const struct vtap_client_request *q, struct curl_slist **list)
{
	int r = 0;

	if (c->bearer) {
		_cleanup_free_ char *value = NULL;

		if (asprintf(&value, "Bearer %s", c->bearer) < 0) {
			value = NULL;
			return -ENOMEM;
		}
		append_field(list, "Authorization", value, &r);
	}
	/* Without a value it is left out, where libcurl would say that nothing at all is a form. */
	if (q->body)
		append_field(list, "Content-Type", q->content_type ? q->content_type : "application/json", &r);
	else
		append_header(list, "Content-Type:", &r);
	for (size_t i = 0; q->headers && q->headers[i]; i++)
		append_header(list, q->headers[i], &r);
	return r;
}

static int body_append(struct vtap_client_transfer *t, const char *data, size_t size_bytes)
{
	struct vtap_client_answer *a = &t->answer;
	size_t capacity = VTAP_MAX(t->capacity_bytes, (size_t)BODY_MIN_BYTES);
	char *body;

	if (size_bytes > VTAP_CLIENT_ANSWER_MAX_BYTES - a->body_bytes)
		return -E2BIG;
	while (capacity <= a->body_bytes + size_bytes)
		capacity *= 2;
	if (capacity != t->capacity_bytes) {
		body = realloc(a->body, capacity);
		if (!body)
			return -ENOMEM;
		a->body = body;
		t->capacity_bytes = capacity;
	}
	memcpy(a->body + a->body_bytes, data, size_bytes);
	a->body_bytes += size_bytes;
	a->body[a->body_bytes] = 0;
	return 0;
}

static size_t on_body(char *data, size_t one, size_t size_bytes, void *userdata)
{
	struct vtap_client_transfer *t = userdata;
	long status = 0;
	int r;

	if (t->over)
		return CURL_WRITEFUNC_ERROR;
	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (t->on_data && status / 100 == 2)
		r = t->on_data(data, size_bytes, t->userdata) < 0 ? -ECANCELED : 0;
	else
		r = body_append(t, data, size_bytes);
	if (r == 0)
		return size_bytes;
	t->failure = r;
	return CURL_WRITEFUNC_ERROR;
}

struct line { /* of a header, or of a trailer: libcurl makes no difference */
	const char *value;
	size_t length;
};

static bool is_line(const char *data, size_t size_bytes, const char *name, struct line *ret_line)
{
	const char *value = data + strlen(name), *end = data + size_bytes;

	if (size_bytes <= strlen(name) || strncasecmp(data, name, strlen(name)) != 0)
		return false;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*ret_line = (struct line){value, (size_t)(end - value)};
	return true;
}

static size_t on_header(char *data, size_t one, size_t size_bytes, void *userdata)
{
	struct vtap_client_transfer *t = userdata;
	struct vtap_client_answer *a = &t->answer;
	struct line line;

	/* A cut one would match nothing. */
	if (is_line(data, size_bytes, "etag:", &line) && line.length < sizeof(a->etag))
		snprintf(a->etag, sizeof(a->etag), "%.*s", (int)line.length, line.value);
	else if (is_line(data, size_bytes, "x-vtap-left-out:", &line))
		snprintf(a->left_out, sizeof(a->left_out), "%.*s", (int)VTAP_MIN(line.length, sizeof(a->left_out) - 1),
			 line.value);
	return size_bytes;
}

static bool is_clean(const char *text)
{
	for (; text && *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static int check_request(const struct vtap_client_request *q)
{
	if (q->path[0] != '/' || strchr(q->path, ' ') || !is_clean(q->path) || !is_clean(q->method) || !q->method[0] ||
	    !is_clean(q->content_type))
		return -EINVAL;
	for (size_t i = 0; q->headers && q->headers[i]; i++)
		if (!is_clean(q->headers[i]))
			return -EINVAL;
	return 0;
}

static void set_tls(CURL *easy, const struct vtap_client *c)
{
	(void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (c->unverified) {
		(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (c->authority.fd >= 0) {
		(void)curl_easy_setopt(easy, CURLOPT_CAINFO, c->authority.path);
		/* Else the system's authorities would do as well. */
		(void)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
	if (c->certificate.fd >= 0) {
		(void)curl_easy_setopt(easy, CURLOPT_SSLCERT, c->certificate.path);
		(void)curl_easy_setopt(easy, CURLOPT_SSLKEY, c->key.path);
	}
}

static void set_connection(CURL *easy, const struct vtap_client *c)
{
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_timeout_ms);
	(void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_S);
	(void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_INTERVAL_S);
	if (c->connect_to)
		(void)curl_easy_setopt(easy, CURLOPT_CONNECT_TO, c->connect_to);
	/* Credentials that are not encrypted go to no proxy that the environment names. */
	if (c->plain)
		(void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
	if (c->user_agent)
		(void)curl_easy_setopt(easy, CURLOPT_USERAGENT, c->user_agent);
}

static CURLcode set_request(CURL *easy, const struct vtap_client_request *q)
{
	CURLcode code = CURLE_OK;

	if (strcmp(q->method, "HEAD") == 0)
		return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	/* A POST without a body has to say so: Content-Length: 0. */
	if (q->body || strcmp(q->method, "POST") == 0 || strcmp(q->method, "PUT") == 0) {
		(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(q->body ? q->body_bytes : 0));
		code = curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, q->body ? q->body : "");
	}
	if (code != CURLE_OK)
		return code;
	return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, q->method);
}

int vtap_client_transfer_prepare(struct vtap_client_transfer *t, const struct vtap_client *c, CURL *easy,
				 const struct vtap_client_request *q)
{
	_cleanup_free_ char *url = NULL;
	CURLcode code;
	int r;

	r = check_request(q);
	if (r < 0)
		return r;
	t->client = c;
	t->easy = easy ? easy : curl_easy_init();
	if (!t->easy || asprintf(&url, "%s%s", c->named_url ? c->named_url : c->url, q->path) < 0) {
		url = NULL;
		return -ENOMEM;
	}
	t->on_data = q->on_data;
	t->userdata = q->userdata;
	r = make_headers(c, q, &t->headers);
	if (r < 0)
		return r;
	set_connection(t->easy, c);
	set_tls(t->easy, c);
	code = curl_easy_setopt(t->easy, CURLOPT_URL, url);
	if (code == CURLE_OK)
		code = set_request(t->easy, q);
	if (code == CURLE_OK && c->user) {
		(void)curl_easy_setopt(t->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		code = curl_easy_setopt(t->easy, CURLOPT_USERNAME, c->user);
	}
	if (code == CURLE_OK && c->user)
		code = curl_easy_setopt(t->easy, CURLOPT_PASSWORD, c->password ? c->password : "");
	(void)curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)(q->timeout_ms > 0 ? q->timeout_ms : TIMEOUT_MS));
	(void)curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
	(void)curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error);
	(void)curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
	(void)curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
	(void)curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
	return code == CURLE_OK ? 0 : -ENOMEM;
}

static int connect_failure(CURL *easy)
{
	long error = 0;

	(void)curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &error);
	switch (error) {
	case ETIMEDOUT:
		return -ETIMEDOUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
	case EADDRNOTAVAIL:
		return -EHOSTUNREACH;
	default:
		return -ECONNREFUSED;
	}
}

static int result_of(const struct vtap_client_transfer *t, CURLcode code)
{
	static const struct {
		CURLcode code;
		int result;
	} results[] = {
	    {CURLE_OK, 0},
	    {CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT},
	    {CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH},
	    {CURLE_COULDNT_RESOLVE_PROXY, -EHOSTUNREACH},
	    {CURLE_PEER_FAILED_VERIFICATION, -EKEYREJECTED},
	    {CURLE_SSL_CACERT_BADFILE, -EKEYREJECTED},
	    {CURLE_SSL_ISSUER_ERROR, -EKEYREJECTED},
	    {CURLE_GOT_NOTHING, -ECONNRESET},
	    {CURLE_SEND_ERROR, -ECONNRESET},
	    {CURLE_RECV_ERROR, -ECONNRESET},
	    {CURLE_PARTIAL_FILE, -ECONNRESET},
	    {CURLE_OUT_OF_MEMORY, -ENOMEM},
	};

	if (t->failure < 0)
		return t->failure;
	if (code == CURLE_COULDNT_CONNECT)
		return connect_failure(t->easy);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(results); i++)
		if (results[i].code == code)
			return results[i].result;
	return -EPROTO;
}

static void describe(const struct vtap_client_transfer *t, CURLcode code, struct vtap_client_answer *a)
{
	static const struct {
		int result;
		const char *before, *behind; /* the address */
	} sentences[] = {
	    {-ECONNREFUSED, "", " refuses connections"},
	    {-ECONNRESET, "", " closed the connection before it had answered"},
	    {-ETIMEDOUT, "", " did not answer in time"},
	    {-E2BIG, "the answer is too large that came from ", ""},
	    {-ECANCELED, "there was no use any more for the answer of ", ""},
	    {-ENOMEM, "there is no memory for the answer of ", ""},
	    {-EKEYREJECTED, "cannot trust the certificate of ", NULL},
	};
	const char *before = "", *behind = NULL, *reason = t->error[0] ? t->error : curl_easy_strerror(code);

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(sentences); i++)
		if (sentences[i].result == a->result) {
			before = sentences[i].before;
			behind = sentences[i].behind;
		}
	(void)snprintf(a->error, sizeof(a->error), "%s%.96s%s%.100s", before, t->client->url, behind ? "" : ": ",
		       behind ? behind : reason);
}

/* Whether the header has a number or a date is libcurl's affair. */
static unsigned retry_after_s(const struct vtap_client_transfer *t, long status)
{
	curl_off_t seconds = 0;

	if (status != 429 && status != 503)
		return 0;
	(void)curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &seconds);
	return seconds > 0 ? (unsigned)VTAP_MIN(seconds, (curl_off_t)VTAP_CLIENT_RETRY_AFTER_MAX_S) : 0;
}

void vtap_client_transfer_finish(struct vtap_client_transfer *t, CURLcode code, struct vtap_client_answer *ret_answer)
{
	struct vtap_client_answer *a = &t->answer;
	long status = 0;

	/* There is a body also if it is empty. */
	if (code == CURLE_OK && !a->body && body_append(t, "", 0) < 0)
		t->failure = -ENOMEM;
	a->result = result_of(t, code);
	if (a->result == 0) {
		(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
		a->status = (unsigned)status;
		a->retry_after_s = retry_after_s(t, status);
	} else {
		free(VTAP_STEAL(a->body));
		a->body_bytes = 0;
		a->etag[0] = 0;
		describe(t, code, a);
	}
	*ret_answer = *a;
	*a = (struct vtap_client_answer){};
}

struct vtap_client_transfer *vtap_client_transfer_free(struct vtap_client_transfer *t)
{
	if (!t)
		return NULL;
	if (t->easy)
		curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	vtap_client_answer_done(&t->answer);
	free(t);
	return NULL;
}
