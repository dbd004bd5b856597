/* SPDX-License-Identifier: Apache-2.0 */

/* Our client and our server with TLS between them: who trusts whom, and that all goes on as without. */

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#include "client/client.h"
#include "crypto/crypto.h"
#include "crypto/pki.h"
#include "http/http.h"

#define WAIT_MS 5000 /* a test that waits longer has failed */
#define BIG_BYTES (5U << 20)
#define DAY_S 86400

/* Made once: the authority, another one, and what they have signed. */
static struct {
	struct vtap_identity authority, other, server, other_server, named, client, stranger, brief;
	char serial[VTAP_PKI_SERIAL_STRLEN];
} pki;

static struct vtap_http_server *server; /* owned */
static struct vtap_http_exchange *waiting; /* borrowed */
static struct vtap_http_stream *stream; /* owned until it ends */
static size_t gone_count;

static int handle_who(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	char name[64], serial[64], text[160];
	int r = vtap_http_client_certificate(q, name, sizeof(name), serial, sizeof(serial));

	if (r == 0)
		(void)snprintf(text, sizeof(text), "%s %s", name, serial);
	else
		(void)snprintf(text, sizeof(text), "%d", r);
	*ret_response = (struct vtap_http_response){.status = 200, .body = strdup(text), .body_bytes = strlen(text)};
	return 0;
}

static int handle_short_room(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	char name[sizeof("host-1")], serial[64], less[sizeof("host-1") - 1];

	assert_int_equal(vtap_http_client_certificate(q, name, sizeof(name), serial, sizeof(serial)), 0);
	assert_int_equal(vtap_http_client_certificate(q, less, sizeof(less), serial, sizeof(serial)), -ENAMETOOLONG);
	assert_int_equal(vtap_http_client_certificate(q, name, sizeof(name), serial, strlen(serial)), -ENAMETOOLONG);
	assert_in_range(vtap_http_client_certificate_ends_s(q), time(NULL) + 1, time(NULL) + DAY_S);
	*ret_response = (struct vtap_http_response){.status = 204};
	return 0;
}

static int handle_big(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	*ret_response = (struct vtap_http_response){.status = 200, .body = malloc(BIG_BYTES), .body_bytes = BIG_BYTES};
	memset(ret_response->body, 'b', BIG_BYTES);
	return 0;
}

static int handle_size(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%zu", q->body_bytes);
	*ret_response = (struct vtap_http_response){.status = 200, .body = strdup(text), .body_bytes = strlen(text)};
	return 0;
}

static void on_gone(void *userdata)
{
	gone_count++;
}

static int handle_wait(const struct vtap_http_request *q, struct vtap_http_response *ret_response, void *userdata)
{
	waiting = q->exchange;
	vtap_http_on_gone(q->exchange, on_gone, NULL);
	return VTAP_HTTP_LATER;
}

static const struct vtap_http_route routes[] = {
    {.method = "GET", .path = "/who", .handler = handle_who},
    {.method = "GET", .path = "/room", .handler = handle_short_room},
    {.method = "GET", .path = "/big", .handler = handle_big},
    {.method = "POST", .path = "/size", .handler = handle_size, .body_max_bytes = BIG_BYTES},
    {.method = "GET", .path = "/wait", .handler = handle_wait},
};

static void sign(const struct vtap_identity *authority, const char *name, uint64_t valid_s, struct vtap_identity *ret,
		 char serial[VTAP_PKI_SERIAL_STRLEN])
{
	_cleanup_free_ char *request = NULL;

	assert_int_equal(vtap_pki_request_new(name, &ret->key, &request), 0);
	assert_int_equal(vtap_pki_sign_client(authority, request, name, valid_s, &ret->certificate, serial), 0);
}

static int pki_begin(void **state)
{
	static const char *const names[] = {"127.0.0.1", "localhost"}, *const elsewhere[] = {"elsewhere.example"},
				 *const named[] = {"named.example"};
	char serial[VTAP_PKI_SERIAL_STRLEN];

	assert_int_equal(vtap_crypto_init(), 0);
	assert_int_equal(vtap_pki_authority_new("one", &pki.authority), 0);
	assert_int_equal(vtap_pki_authority_new("other", &pki.other), 0);
	assert_int_equal(vtap_pki_server_new(&pki.authority, names, 2, 1, &pki.server), 0);
	assert_int_equal(vtap_pki_server_new(&pki.authority, elsewhere, 1, 1, &pki.other_server), 0);
	assert_int_equal(vtap_pki_server_new(&pki.other, named, 1, 1, &pki.named), 0);
	sign(&pki.authority, "host-1", DAY_S, &pki.client, pki.serial);
	sign(&pki.other, "host-1", DAY_S, &pki.stranger, serial);
	sign(&pki.authority, "host-2", 2, &pki.brief, serial);
	return 0;
}

static int pki_end(void **state)
{
	struct vtap_identity *const all[] = {&pki.authority, &pki.other,    &pki.server, &pki.other_server,
					     &pki.client,    &pki.stranger, &pki.brief,  &pki.named};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(all); i++)
		vtap_identity_done(all[i]);
	return 0;
}

static int server_begin(void **state)
{
	struct vtap_http_tls tls = {.certificate = pki.server.certificate,
				    .key = pki.server.key,
				    .client_authority = pki.authority.certificate,
				    .name = "named.example",
				    .name_certificate = pki.named.certificate,
				    .name_key = pki.named.key};
	struct vtap_http_server_options options = {.tls = &tls};

	waiting = NULL;
	stream = NULL;
	gone_count = 0;
	assert_int_equal(vtap_addr_parse("127.0.0.1", &options.address), 0);
	return vtap_http_server_listen(&options, routes, VTAP_ARRAY_SIZE(routes), NULL, &server);
}

static int server_end(void **state)
{
	server = vtap_http_server_free(server);
	return 0;
}

/* By address unless there is a host name. */
static struct vtap_client *client_new(struct vtap_client_options options, const char *host)
{
	struct vtap_client *c = NULL;
	char url[64];

	(void)snprintf(url, sizeof(url), "https://%s:%u", host ? host : "127.0.0.1", vtap_http_server_port(server));
	options.url = url;
	assert_int_equal(vtap_client_new(&options, &c, NULL), 0);
	return c;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void drive_until(struct vtap_client *c, bool (*is)(const void *userdata), const void *userdata)
{
	uint64_t end_ms = now_ms() + WAIT_MS;

	while (!is(userdata)) {
		struct pollfd fds[] = {{.fd = vtap_http_server_fd(server), .events = POLLIN},
				       {.fd = c ? vtap_client_fd(c) : -1, .events = POLLIN}};
		int timeout_ms = vtap_http_server_timeout_ms(server);

		assert_true(now_ms() < end_ms);
		assert_true(poll(fds, VTAP_ARRAY_SIZE(fds), timeout_ms < 0 ? 100 : VTAP_MIN(timeout_ms, 100)) >= 0);
		assert_int_equal(vtap_http_server_run(server), 0);
		if (c)
			assert_int_equal(vtap_client_run(c), 0);
	}
}

static bool is_true(const void *userdata)
{
	return *(const bool *)userdata;
}

static bool is_waiting(const void *userdata)
{
	return waiting;
}

static bool is_gone(const void *userdata)
{
	return gone_count > 0;
}

struct outcome {
	bool done;
	struct vtap_client_answer answer;
};

static void on_done(struct vtap_client_answer *a, void *userdata)
{
	struct outcome *o = userdata;

	o->done = true;
	o->answer = *a;
}

/* The caller frees the answer. */
static struct vtap_client_answer ask(struct vtap_client *c, const struct vtap_client_request *q)
{
	struct outcome o = {};

	assert_int_equal(vtap_client_start(c, q, on_done, &o, NULL), 0);
	drive_until(c, is_true, &o.done);
	return o.answer;
}

static void expect_body(struct vtap_client *c, const char *path, const char *body)
{
	struct vtap_client_answer a = ask(c, &(struct vtap_client_request){.method = "GET", .path = path});

	if (a.result != 0)
		fail_msg("%s", a.error);
	assert_string_equal(a.body, body);
	vtap_client_answer_done(&a);
}

static void test_who_trusts_the_server(void **state)
{
	const struct {
		struct vtap_client_options options;
		const char *host;
		int result;
	} cases[] = {
	    {{.authority = pki.authority.certificate}, NULL, 0},
	    {{.authority = pki.authority.certificate}, "localhost", 0},
	    {{.authority = pki.other.certificate}, NULL, -EKEYREJECTED},
	    {{}, NULL, -EKEYREJECTED},
	    {{.authority = "nonsense"}, NULL, -EKEYREJECTED},
	    /* Who asks for a server by name is shown that one's certificate, and expects it, wherever the URL leads. */
	    {{.authority = pki.other.certificate, .server_name = "named.example"}, NULL, 0},
	    {{.authority = pki.other.certificate, .server_name = "NAMED.example"}, "localhost", 0},
	    {{.authority = pki.authority.certificate, .server_name = "named.example"}, NULL, -EKEYREJECTED},
	    {{.authority = pki.authority.certificate, .server_name = "localhost"}, NULL, 0},
	    {{.authority = pki.authority.certificate, .server_name = "another.example"}, NULL, -EKEYREJECTED},
	    {{.unverified = true, .server_name = "named.example"}, NULL, 0},
	    {{.unverified = true}, NULL, 0},
	    {{.unverified = true, .authority = pki.other.certificate}, NULL, 0},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		VTAP_CLEANUP(vtap_client_freep) struct vtap_client *c = client_new(cases[i].options, cases[i].host);
		struct vtap_client_answer a = ask(c, &(struct vtap_client_request){.method = "GET", .path = "/who"});

		if (a.result != cases[i].result)
			fail_msg("case %zu: %d %s", i, a.result, a.error);
		if (a.result == -EKEYREJECTED)
			assert_non_null(strstr(a.error, "cannot trust the certificate of https://127.0.0.1:"));
		vtap_client_answer_done(&a);
	}
}

static void test_whom_the_server_knows(void **state)
{
	char known[80];
	const struct {
		const struct vtap_identity *identity; /* NULL = none */
		const char *body;
	} cases[] = {
	    {NULL, "-2"},
	    {&pki.client, known},
	    /* Of another authority; not made for clients. */
	    {&pki.stranger, "-129"},
	    {&pki.server, "-129"},
	};

	assert_int_equal(ENOENT, 2);
	assert_int_equal(EKEYREJECTED, 129);
	(void)snprintf(known, sizeof(known), "host-1 %s", pki.serial);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		struct vtap_client_options options = {.authority = pki.authority.certificate};
		VTAP_CLEANUP(vtap_client_freep) struct vtap_client *c = NULL;

		if (cases[i].identity) {
			options.certificate = cases[i].identity->certificate;
			options.key = cases[i].identity->key;
		}
		c = client_new(options, NULL);
		/* The second time by what the connection remembers. */
		expect_body(c, "/who", cases[i].body);
		expect_body(c, "/who", cases[i].body);
		if (cases[i].identity == &pki.client)
			expect_body(c, "/room", "");
	}
}

/* A connection that stands does not make a certificate live longer. */
static void test_certificate_expires_meanwhile(void **state)
{
	struct vtap_client_options options = {
	    .authority = pki.authority.certificate, .certificate = pki.brief.certificate, .key = pki.brief.key};
	VTAP_CLEANUP(vtap_client_freep) struct vtap_client *c = client_new(options, NULL);
	struct vtap_client_request q = {.method = "GET", .path = "/who"};
	uint64_t end_ms = now_ms() + WAIT_MS;
	bool expired = false;

	while (!expired) {
		struct vtap_client_answer a = ask(c, &q);

		assert_int_equal(a.result, 0);
		expired = strcmp(a.body, "-129") == 0;
		vtap_client_answer_done(&a);
		assert_true(now_ms() < end_ms);
	}
}

static void test_another_certificate(void **state)
{
	struct vtap_client_options options = {.authority = pki.authority.certificate};
	VTAP_CLEANUP(vtap_client_freep) struct vtap_client *before = client_new(options, NULL);
	VTAP_CLEANUP(vtap_client_freep) struct vtap_client *behind = client_new(options, NULL);
	VTAP_CLEANUP(vtap_client_freep) struct vtap_client *named = NULL;
	struct vtap_client_request q = {.method = "GET", .path = "/who"};
	struct vtap_client_answer a;

	expect_body(before, "/who", "-2");
	assert_int_equal(vtap_http_server_set_certificate(server, pki.other_server.certificate, pki.server.key),
			 -EINVAL);
	assert_int_equal(vtap_http_server_set_certificate(server, "", pki.server.key), -EINVAL);
	assert_int_equal(vtap_http_server_set_certificate(server, pki.other_server.certificate, pki.other_server.key),
			 0);
	expect_body(before, "/who", "-2");
	/* It is in another name. */
	a = ask(behind, &q);
	assert_int_equal(a.result, -EKEYREJECTED);
	vtap_client_answer_done(&a);
	options = (struct vtap_client_options){.authority = pki.other.certificate, .server_name = "named.example"};
	named = client_new(options, NULL);
	expect_body(named, "/who", "-2");
	assert_int_equal(vtap_http_server_set_certificate(server, pki.server.certificate, pki.server.key), 0);
	expect_body(behind, "/who", "-2");
}

static void test_what_is_no_pair_is_refused(void **state)
{
	const struct {
		const char *certificate, *key, *authority;
	} cases[] = {
	    {pki.server.certificate, pki.client.key, NULL},         {pki.server.key, pki.server.key, NULL},
	    {pki.server.certificate, pki.server.certificate, NULL}, {"", "", NULL},
	    {pki.server.certificate, pki.server.key, "nonsense"},   {pki.server.certificate, pki.server.key, ""},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(cases); i++) {
		const struct vtap_http_tls tls = {
		    .certificate = cases[i].certificate, .key = cases[i].key, .client_authority = cases[i].authority};
		struct vtap_http_server_options options = {.tls = &tls};
		struct vtap_http_server *s = NULL;

		assert_int_equal(vtap_addr_parse("127.0.0.1", &options.address), 0);
		assert_int_equal(vtap_http_server_listen(&options, routes, VTAP_ARRAY_SIZE(routes), NULL, &s), -EINVAL);
		assert_null(s);
	}
}

static void test_limit_of_the_chain(void **state)
{
	_cleanup_free_ char *chain = calloc(VTAP_HTTP_CHAIN_MAX + 2, strlen(pki.server.certificate));

	assert_non_null(chain);
	for (size_t i = 0; i < VTAP_HTTP_CHAIN_MAX; i++)
		(void)strcat(chain, i == 0 ? pki.server.certificate : pki.authority.certificate);
	assert_int_equal(vtap_http_server_set_certificate(server, chain, pki.server.key), 0);
	(void)strcat(chain, pki.authority.certificate);
	assert_int_equal(vtap_http_server_set_certificate(server, chain, pki.server.key), -EINVAL);
}

static int raw_connect(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(vtap_http_server_port(server))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static bool is_readable(const void *userdata)
{
	struct pollfd fd = {.fd = *(const int *)userdata, .events = POLLIN};

	return poll(&fd, 1, 0) == 1;
}

/* A ClientHello of an older version is answered with the alert for that; plain HTTP with no answer at all. */
static void test_what_is_no_tls_is_refused(void **state)
{
	/* Record and handshake headers, version 3.2 = TLS 1.1, a random, no session, two cipher suites, no compression. */
	static const unsigned char old[51] = {[0] = 22, 3,        1, 0, 46,   1,    0, 0,    42, 3,
					      2,        [43] = 0, 0, 4, 0xc0, 0x0a, 0, 0x2f, 1};
	static const char plain[] = "GET /who HTTP/1.1\r\nHost: a\r\n\r\n";
	_cleanup_close_ int old_fd = raw_connect(), plain_fd = raw_connect();
	unsigned char reply[64];
	ssize_t n;

	assert_int_equal(send(old_fd, old, sizeof(old), MSG_NOSIGNAL), sizeof(old));
	drive_until(NULL, is_readable, &old_fd);
	n = recv(old_fd, reply, sizeof(reply), 0);
	/* Either with an alert (content type 21, fatal 2, protocol_version 70), or by hanging up. */
	if (n != 0) {
		assert_int_equal(n, 7);
		assert_int_equal(reply[0], 21);
		assert_int_equal(reply[5], 2);
		assert_int_equal(reply[6], 70);
	}
	assert_int_equal(send(plain_fd, plain, strlen(plain), MSG_NOSIGNAL), strlen(plain));
	drive_until(NULL, is_readable, &plain_fd);
	n = recv(plain_fd, reply, sizeof(reply), 0);
	assert_true(n <= 0 || reply[0] == 21);
}

/* One that connects and says nothing holds no place for ever. */
static void test_silent_client_is_cut(void **state)
{
	uint64_t begin_ms = now_ms();
	_cleanup_close_ int fd = -1;
	char byte;

	vtap_http_server_set_timeout_ms(server, 100);
	fd = raw_connect();
	drive_until(NULL, is_readable, &fd);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	assert_true(now_ms() - begin_ms >= 90);
}

static bool is_quiet(const void *userdata)
{
	struct pollfd fd = {.fd = vtap_http_server_fd(server), .events = POLLIN};

	return vtap_http_server_timeout_ms(server) > 0 && poll(&fd, 1, 0) == 0;
}

/* One that begins a handshake and goes silent keeps nobody busy, and nobody from being served; and is cut in the end. */
static void test_half_a_handshake(void **state)
{
	struct vtap_client_options options = {.authority = pki.authority.certificate};
	VTAP_CLEANUP(vtap_client_freep) struct vtap_client *c = client_new(options, NULL);
	uint64_t begin_ms = now_ms();
	_cleanup_close_ int fd = -1;
	char byte;

	vtap_http_server_set_timeout_ms(server, 1000);
	fd = raw_connect();
	/* A record's header, byte by byte, and a part of what it announces. */
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(send(fd, "\x16\x03\x01\x01\x00\x01" + i, 1, MSG_NOSIGNAL), 1);
		drive_until(NULL, is_quiet, NULL);
	}
	expect_body(c, "/who", "-2");
	drive_until(NULL, is_quiet, NULL);
	drive_until(NULL, is_readable, &fd);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	assert_true(now_ms() - begin_ms >= 900);
}

static void test_big_bodies(void **state)
{
	struct vtap_client_options options = {.authority = pki.authority.certificate};
	VTAP_CLEANUP(vtap_client_freep) struct vtap_client *c = client_new(options, NULL);
	static char body[BIG_BYTES + 1];
	struct vtap_client_request q = {.method = "POST", .path = "/size", .body = body, .body_bytes = BIG_BYTES};
	struct vtap_client_answer a = ask(c, &(struct vtap_client_request){.method = "GET", .path = "/big"});

	assert_int_equal(a.result, 0);
	assert_int_equal(a.body_bytes, BIG_BYTES);
	assert_int_equal(strspn(a.body, "b"), BIG_BYTES);
	vtap_client_answer_done(&a);
	a = ask(c, &q);
	assert_int_equal(a.result, 0);
	assert_string_equal(a.body, "5242880");
	vtap_client_answer_done(&a);
	q.body_bytes++;
	a = ask(c, &q);
	assert_int_equal(a.result, 0);
	assert_int_equal(a.status, 413);
	vtap_client_answer_done(&a);
}

static int on_data(const void *data, size_t size_bytes, void *userdata)
{
	*(size_t *)userdata += size_bytes;
	return 0;
}

static void test_later_and_streams(void **state)
{
	struct vtap_client_options options = {.authority = pki.authority.certificate};
	VTAP_CLEANUP(vtap_client_freep) struct vtap_client *c = client_new(options, NULL);
	size_t count = 0;
	struct vtap_client_request q = {.method = "GET", .path = "/wait", .on_data = on_data, .userdata = &count};
	struct vtap_http_response p = {.status = 200, .body = strdup("later"), .body_bytes = 5};
	static char data[VTAP_HTTP_STREAM_MAX_BYTES];
	struct outcome o = {};
	uint64_t id;

	assert_int_equal(vtap_client_start(c, &q, on_done, &o, NULL), 0);
	drive_until(c, is_waiting, NULL);
	vtap_http_answer(VTAP_STEAL(waiting), &p);
	drive_until(c, is_true, &o.done);
	assert_int_equal(count, 5);
	vtap_client_answer_done(&o.answer);
	o.done = false;
	assert_int_equal(vtap_client_start(c, &q, on_done, &o, NULL), 0);
	drive_until(c, is_waiting, NULL);
	assert_int_equal(vtap_http_stream_begin(VTAP_STEAL(waiting), 200, NULL, &stream), 0);
	assert_int_equal(vtap_http_stream_write(stream, data, sizeof(data)), 0);
	vtap_http_stream_end(stream);
	drive_until(c, is_true, &o.done);
	assert_int_equal(count, 5 + sizeof(data));
	vtap_client_answer_done(&o.answer);
	/* And one that leaves. */
	assert_int_equal(gone_count, 0);
	assert_int_equal(vtap_client_start(c, &q, on_done, &o, &id), 0);
	drive_until(c, is_waiting, NULL);
	vtap_client_cancel(c, id);
	drive_until(c, is_gone, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_who_trusts_the_server, server_begin, server_end),
	    cmocka_unit_test_setup_teardown(test_whom_the_server_knows, server_begin, server_end),
	    cmocka_unit_test_setup_teardown(test_certificate_expires_meanwhile, server_begin, server_end),
	    cmocka_unit_test_setup_teardown(test_another_certificate, server_begin, server_end),
	    cmocka_unit_test(test_what_is_no_pair_is_refused),
	    cmocka_unit_test_setup_teardown(test_what_is_no_tls_is_refused, server_begin, server_end),
	    cmocka_unit_test_setup_teardown(test_limit_of_the_chain, server_begin, server_end),
	    cmocka_unit_test_setup_teardown(test_silent_client_is_cut, server_begin, server_end),
	    cmocka_unit_test_setup_teardown(test_half_a_handshake, server_begin, server_end),
	    cmocka_unit_test_setup_teardown(test_big_bodies, server_begin, server_end),
	    cmocka_unit_test_setup_teardown(test_later_and_streams, server_begin, server_end),
	};

	return cmocka_run_group_tests(tests, pki_begin, pki_end);
}
