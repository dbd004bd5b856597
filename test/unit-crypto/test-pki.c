/* SPDX-License-Identifier: Apache-2.0 */

/* OpenSSL's command judges what GnuTLS made. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "crypto/pki.h"

static char folder[] = "/tmp/vtap-pki-XXXXXX";
static struct vtap_identity authority;

static void file_write(const char *name, const char *text)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* The command's output, errors included, in a buffer of its own; its status is 0. */
static const char *openssl(const char *arguments)
{
	static char output[16384];
	char command[512];
	size_t used;
	FILE *f;

	if (system("command -v openssl >/dev/null") != 0)
		skip();
	snprintf(command, sizeof(command), "cd %s && openssl %s 2>&1", folder, arguments);
	f = popen(command, "re");
	assert_non_null(f);
	used = fread(output, 1, sizeof(output) - 1, f);
	output[used] = '\0';
	if (pclose(f) != 0)
		fail_msg("openssl %s: %s", arguments, output);
	return output;
}

static void says(const char *output, const char *fragment)
{
	if (!strstr(output, fragment))
		assert_string_equal(output, fragment); /* shows both */
}

static void valid_for(const char *certificate, int64_t seconds)
{
	int64_t expires = 0;

	assert_int_equal(vtap_pki_expires(certificate, &expires), 0);
	assert_in_range(expires - time(NULL), seconds - 60, seconds);
}

static void test_authority(void **state)
{
	const char *text;

	file_write("ca.pem", authority.certificate);
	says(openssl("verify -check_ss_sig -CAfile ca.pem ca.pem"), "ca.pem: OK");
	text = openssl("x509 -in ca.pem -noout -text");
	says(text, "Subject: CN = vtap authority");
	says(text, "CA:TRUE, pathlen:0");
	says(text, "Certificate Sign, CRL Sign");
	says(text, "NIST CURVE: P-256");
	says(text, "ecdsa-with-SHA256");
	valid_for(authority.certificate, 3650 * 86400LL);
}

static void test_server(void **state)
{
	static const char *const names[] = {"vtap.example.net", "*.lab.example.net", "127.0.0.1", "2001:db8::1"};
	VTAP_CLEANUP(vtap_identity_done) struct vtap_identity server = {};
	const char *text;

	assert_int_equal(vtap_pki_server_new(&authority, names, VTAP_ARRAY_SIZE(names), 30, &server), 0);
	file_write("ca.pem", authority.certificate);
	file_write("server.pem", server.certificate);
	file_write("server.key", server.key);
	valid_for(server.certificate, 30 * 86400LL);
	says(openssl("verify -CAfile ca.pem -purpose sslserver -verify_hostname vtap.example.net server.pem"), "OK");
	says(openssl("verify -CAfile ca.pem -purpose sslserver -verify_hostname a.lab.example.net server.pem"), "OK");
	says(openssl("verify -CAfile ca.pem -purpose sslserver -verify_ip 127.0.0.1 server.pem"), "OK");
	says(openssl("verify -CAfile ca.pem -purpose sslserver -verify_ip 2001:db8::1 server.pem"), "OK");
	text = openssl("x509 -in server.pem -noout -text");
	says(text, "TLS Web Server Authentication");
	assert_null(strstr(text, "TLS Web Client Authentication"));
	says(text, "CA:FALSE");
	says(openssl("pkey -in server.key -check -noout"), "valid");
}

static void test_server_limits(void **state)
{
	static const char *const bad[] = {"",   "a b",   "a/b",        "caf\xc3\xa9", "*",
					  "*.", "a.*.b", "10.0.0.0/8", "fe80::1%eth0"};
	struct vtap_identity server = {};
	const char *names[VTAP_PKI_NAMES_MAX + 1];
	char longest[VTAP_PKI_DNS_NAME_MAX + 2];
	const char *name = longest;

	memset(longest, 'a', sizeof(longest));
	longest[VTAP_PKI_DNS_NAME_MAX + 1] = '\0';
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(names); i++)
		names[i] = "a.example.net";
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(bad); i++) {
		assert_int_equal(vtap_pki_server_new(&authority, &bad[i], 1, 30, &server), -EINVAL);
		assert_false(vtap_pki_name_fits(bad[i]));
	}
	assert_false(vtap_pki_name_fits("(none)")); /* as a machine without a name is called */
	assert_true(vtap_pki_name_fits("a.example.net") && vtap_pki_name_fits("2001:db8::1"));
	assert_int_equal(vtap_pki_server_new(&authority, &name, 1, 30, &server), -EINVAL);
	assert_int_equal(vtap_pki_server_new(&authority, names, 0, 30, &server), -EINVAL);
	assert_int_equal(vtap_pki_server_new(&authority, names, VTAP_PKI_NAMES_MAX + 1, 30, &server), -EINVAL);
	assert_int_equal(vtap_pki_server_new(&authority, names, 1, 0, &server), -EINVAL);
	assert_int_equal(vtap_pki_server_new(&authority, names, 1, 3651, &server), -EINVAL);
	assert_null(server.certificate);
	assert_null(server.key);
	assert_int_equal(vtap_pki_server_new(&authority, names, VTAP_PKI_NAMES_MAX, 3650, &server), 0);
	vtap_identity_done(&server);
	assert_null(server.key);
	name = longest + 1;
	assert_int_equal(vtap_pki_server_new(&authority, &name, 1, 1, &server), 0);
	vtap_identity_done(&server);
}

static void test_client(void **state)
{
	_cleanup_free_ char *key = NULL, *request = NULL, *certificate = NULL;
	char serial[VTAP_PKI_SERIAL_STRLEN], upper[64] = "serial=", fingerprint[VTAP_HASH_STRLEN];
	const char *text;

	assert_int_equal(vtap_pki_request_new("host-of-my-choice", &key, &request), 0);
	assert_int_equal(vtap_pki_sign_client(&authority, request, "host-1", 7 * 86400, &certificate, serial), 0);
	assert_int_equal(strspn(serial, "0123456789abcdef"), 32);
	assert_int_not_equal(serial[0], '0');
	file_write("ca.pem", authority.certificate);
	file_write("client.key", key);
	file_write("client.csr", request);
	file_write("client.pem", certificate);
	valid_for(certificate, 7 * 86400LL);
	says(openssl("req -in client.csr -verify -noout"), "OK");
	says(openssl("verify -CAfile ca.pem -purpose sslclient client.pem"), "OK");
	text = openssl("x509 -in client.pem -noout -text");
	says(text, "Subject: CN = host-1\n"); /* and nothing of the request's */
	says(text, "TLS Web Client Authentication");
	assert_null(strstr(text, "TLS Web Server Authentication"));
	for (size_t i = 0; i < 32; i++)
		snprintf(upper + 7 + i, 2, "%c", serial[i] >= 'a' ? serial[i] - 'a' + 'A' : serial[i]);
	says(openssl("x509 -in client.pem -noout -serial"), upper);
	assert_int_equal(vtap_pki_fingerprint(certificate, fingerprint), 0);
	says(openssl("x509 -in client.pem -outform DER | sha256sum"), fingerprint);
	openssl("x509 -in client.pem -pubkey -noout -out a; openssl pkey -in client.key -pubout -out b; cmp a b");
}

/* Another signer's signature, a stranger's authority, another kind of key, garbage. */
static void test_request_refused(void **state)
{
	_cleanup_free_ char *key = NULL, *request = NULL, *certificate = NULL;
	char serial[VTAP_PKI_SERIAL_STRLEN] = "unchanged";
	char large[VTAP_PKI_REQUEST_MAX_BYTES + 2];
	struct vtap_identity broken = {.certificate = "", .key = authority.key};
	struct vtap_identity keyless = {.certificate = authority.certificate, .key = ""};
	char *digit;
	int r;

	assert_int_equal(vtap_pki_request_new("host-1", &key, &request), 0);
	assert_int_equal(vtap_pki_sign_client(&authority, "", "host-1", 60, &certificate, serial), -EINVAL);
	assert_int_equal(vtap_pki_sign_client(&authority, key, "host-1", 60, &certificate, serial), -EINVAL);
	assert_int_equal(vtap_pki_sign_client(&broken, request, "host-1", 60, &certificate, serial), -EKEYREJECTED);
	assert_int_equal(vtap_pki_sign_client(&keyless, request, "host-1", 60, &certificate, serial), -EKEYREJECTED);
	r = snprintf(large, sizeof(large), "%s", request);
	memset(large + r, '\n', sizeof(large) - (size_t)r);
	large[VTAP_PKI_REQUEST_MAX_BYTES + 1] = '\0';
	assert_int_equal(vtap_pki_sign_client(&authority, large, "host-1", 60, &certificate, serial), -EINVAL);
	/* One digit of the signed part. */
	digit = strchr(request, '\n') + 30;
	*digit = *digit == 'A' ? 'B' : 'A';
	assert_int_equal(vtap_pki_sign_client(&authority, request, "host-1", 60, &certificate, serial), -EINVAL);
	assert_null(certificate);
	assert_string_equal(serial, "unchanged");
	large[VTAP_PKI_REQUEST_MAX_BYTES] = '\0';
	assert_int_equal(vtap_pki_sign_client(&authority, large, "host-1", 60, &certificate, serial), 0);
}

static void test_foreign_keys_refused(void **state)
{
	static const char *const kinds[] = {"rsa:2048", "ed25519", "ec -pkeyopt ec_paramgen_curve:P-384"};
	static const char arguments[] = "req -new -nodes -subj /CN=x -keyout /dev/null -newkey %s 2>/dev/null";
	char command[256], serial[VTAP_PKI_SERIAL_STRLEN];
	char *certificate = NULL;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(kinds); i++) {
		snprintf(command, sizeof(command), arguments, kinds[i]);
		assert_int_equal(vtap_pki_sign_client(&authority, openssl(command), "host-1", 60, &certificate, serial),
				 -EINVAL);
	}
	snprintf(command, sizeof(command), arguments, "ec -pkeyopt ec_paramgen_curve:P-256");
	assert_int_equal(vtap_pki_sign_client(&authority, openssl(command), "host-1", 60, &certificate, serial), 0);
	free(certificate);
}

static void test_name_limits(void **state)
{
	_cleanup_free_ char *key = NULL, *request = NULL, *certificate = NULL;
	char longest[VTAP_PKI_COMMON_NAME_MAX + 2] = "", serial[VTAP_PKI_SERIAL_STRLEN];
	VTAP_CLEANUP(vtap_identity_done) struct vtap_identity made = {};
	char *name = longest + 1;

	memset(longest, 'n', VTAP_PKI_COMMON_NAME_MAX + 1);
	assert_int_equal(vtap_pki_authority_new("", &made), -EINVAL);
	assert_int_equal(vtap_pki_authority_new(longest, &made), -EINVAL);
	assert_int_equal(vtap_pki_request_new("", &key, &request), -EINVAL);
	assert_int_equal(vtap_pki_request_new(longest, &key, &request), -EINVAL);
	assert_null(key);
	assert_int_equal(vtap_pki_request_new(name, &key, &request), 0);
	assert_int_equal(vtap_pki_sign_client(&authority, request, "", 60, &certificate, serial), -EINVAL);
	assert_int_equal(vtap_pki_sign_client(&authority, request, longest, 60, &certificate, serial), -EINVAL);
	assert_int_equal(vtap_pki_sign_client(&authority, request, name, 0, &certificate, serial), -EINVAL);
	assert_int_equal(
	    vtap_pki_sign_client(&authority, request, name, VTAP_PKI_VALID_MAX_S + 1ULL, &certificate, serial),
	    -EINVAL);
	assert_int_equal(vtap_pki_sign_client(&authority, request, name, VTAP_PKI_VALID_MAX_S, &certificate, serial),
			 0);
	valid_for(certificate, VTAP_PKI_VALID_MAX_S);
	assert_int_equal(vtap_pki_authority_new(name, &made), 0);
}

static void test_no_certificate(void **state)
{
	char hash[VTAP_HASH_STRLEN] = "unchanged";
	int64_t expires = 7;

	assert_int_equal(vtap_pki_fingerprint("", hash), -EINVAL);
	assert_int_equal(vtap_pki_fingerprint(authority.key, hash), -EINVAL);
	assert_int_equal(vtap_pki_expires("-----BEGIN CERTIFICATE-----\n", &expires), -EINVAL);
	assert_string_equal(hash, "unchanged");
	assert_int_equal(expires, 7);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_authority),       cmocka_unit_test(test_server),
	    cmocka_unit_test(test_server_limits),   cmocka_unit_test(test_client),
	    cmocka_unit_test(test_request_refused), cmocka_unit_test(test_foreign_keys_refused),
	    cmocka_unit_test(test_name_limits),     cmocka_unit_test(test_no_certificate),
	};
	char command[64];
	int failed;

	if (vtap_crypto_init() < 0 || !mkdtemp(folder) || vtap_pki_authority_new("vtap authority", &authority) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	vtap_identity_done(&authority);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command) != 0 || failed;
}
