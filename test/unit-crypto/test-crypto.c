/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "basic/util.h"
#include "crypto/crypto.h"

/* A text of that many bytes; the result is the caller's. */
static char *text_of(size_t count)
{
	char *text = malloc(count + 1);

	assert_non_null(text);
	memset(text, 'x', count);
	text[count] = '\0';
	return text;
}

static void test_random(void **state)
{
	static const char hex[] = "0123456789abcdef";
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	char a[4001], b[41], c[41];
	uint8_t bytes[2][32];

	assert_ptr_equal(vtap_random_hex(4000, a), a);
	assert_int_equal(strlen(a), 4000);
	assert_int_equal(strspn(a, hex), 4000);
	for (const char *h = hex; *h; h++)
		assert_non_null(strchr(a, *h)); /* missing once in 10^112 runs */
	assert_ptr_equal(vtap_random_text(4000, a), a);
	assert_int_equal(strspn(a, letters), 4000);
	for (const char *l = letters; *l; l++)
		assert_non_null(strchr(a, *l)); /* missing once in 10^26 runs */
	assert_string_not_equal(vtap_random_text(40, b), vtap_random_text(40, c));
	assert_string_not_equal(vtap_random_hex(40, b), vtap_random_hex(40, c));
	assert_string_equal(vtap_random_hex(0, b), "");
	vtap_random_bytes(bytes[0], sizeof(bytes[0]));
	vtap_random_bytes(bytes[1], sizeof(bytes[1]));
	assert_memory_not_equal(bytes[0], bytes[1], sizeof(bytes[0]));
}

/* The examples of FIPS 180-2. */
static void test_hash(void **state)
{
	char hash[VTAP_HASH_STRLEN];

	assert_string_equal(vtap_hash_hex("", 0, hash),
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_string_equal(vtap_hash_hex("abc", 3, hash),
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_string_equal(vtap_hash_keyed((const uint8_t[VTAP_KEY_BYTES]){}, "abc", 3, hash),
			    "fd7adb152c05ef80dccf50a1fa4c05d5a3ec6da95575fc312ae7c5d091836351");
}

static void test_equal(void **state)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} rows[] = {
	    {"", "", true},   {"a", "a", true},       {"a", "b", false},
	    {"a", "", false}, {"abc", "abcd", false}, {"abcd", "abc", false},
	};
	char wiped[] = "secret";

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++)
		assert_int_equal(vtap_secret_equal(rows[i].a, rows[i].b), rows[i].equal);
	vtap_secret_wipe(wiped);
	assert_memory_equal(wiped, "\0\0\0\0\0\0", sizeof(wiped));
	vtap_secret_wipe(NULL);
}

static void test_password(void **state)
{
	char hash[VTAP_PASSWORD_HASH_STRLEN], again[VTAP_PASSWORD_HASH_STRLEN];

	assert_int_equal(vtap_password_hash("correct horse", hash), 0);
	assert_int_equal(strncmp(hash, "$argon2id$v=19$m=65536,", 23), 0);
	assert_true(vtap_password_verify(hash, "correct horse"));
	assert_false(vtap_password_verify(hash, "correct hors"));
	assert_false(vtap_password_verify(hash, "correct horsf"));
	assert_int_equal(vtap_password_hash("correct horse", again), 0);
	assert_string_not_equal(hash, again);
	assert_false(vtap_password_verify("", "correct horse"));
	assert_false(vtap_password_verify("$argon2id$v=19$m=65536,t=2,p=1$x", "correct horse"));
	assert_false(vtap_password_verify("correct horse", "correct horse"));
}

static void test_password_limits(void **state)
{
	static const char letters[] =
	    "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f";
	_cleanup_free_ char *most = text_of(VTAP_PASSWORD_MAX), *more = text_of(VTAP_PASSWORD_MAX + 1);
	char hash[VTAP_PASSWORD_HASH_STRLEN] = "unchanged";

	assert_int_equal(vtap_password_hash("", hash), -EINVAL);
	assert_int_equal(vtap_password_hash("123456789", hash), -EINVAL);
	assert_int_equal(vtap_password_hash(letters + 2, hash), -EINVAL); /* 9 characters in 18 bytes */
	assert_int_equal(vtap_password_hash(more, hash), -EINVAL);
	assert_string_equal(hash, "unchanged");
	assert_int_equal(vtap_password_hash(letters, hash), 0);
	assert_true(vtap_password_verify(hash, letters));
	assert_int_equal(vtap_password_hash(most, hash), 0);
	assert_true(vtap_password_verify(hash, most));
	assert_false(vtap_password_verify(hash, more));
}

static void test_seal(void **state)
{
	static const uint8_t key[VTAP_KEY_BYTES] = {1, 2, 3}, other[VTAP_KEY_BYTES] = {1, 2, 4};
	_cleanup_free_ char *a = NULL, *b = NULL, *opened = NULL, *unchanged = (char *)1;

	assert_int_equal(vtap_secret_seal(key, "key-1", "s3cret", &a), 0);
	assert_int_equal(vtap_secret_seal(key, "key-1", "s3cret", &b), 0);
	assert_string_not_equal(a, b);
	assert_null(strstr(a, "s3cret"));
	assert_int_equal(vtap_secret_open(key, "key-1", a, &opened), 0);
	assert_string_equal(opened, "s3cret");
	assert_int_equal(vtap_secret_open(key, "key-2", a, &unchanged), -EBADMSG);
	assert_int_equal(vtap_secret_open(key, "", a, &unchanged), -EBADMSG);
	assert_int_equal(vtap_secret_open(other, "key-1", a, &unchanged), -EBADMSG);
	for (size_t i = 0; a[i]; i++) {
		char kept = a[i];

		a[i] = kept == 'A' ? 'B' : 'A';
		assert_int_equal(vtap_secret_open(key, "key-1", a, &unchanged), -EBADMSG);
		a[i] = '\0';
		assert_int_equal(vtap_secret_open(key, "key-1", a, &unchanged), -EBADMSG);
		a[i] = kept;
	}
	assert_int_equal(vtap_secret_open(key, "key-1", "no base64!", &unchanged), -EBADMSG);
	assert_ptr_equal(VTAP_STEAL(unchanged), (char *)1);
}

static void test_seal_limits(void **state)
{
	static const uint8_t key[VTAP_KEY_BYTES] = {7};
	static const size_t sizes[] = {0, 1, VTAP_SECRET_MAX_BYTES};
	_cleanup_free_ char *more = text_of(VTAP_SECRET_MAX_BYTES + 1), *long_text = text_of(3 * VTAP_SECRET_MAX_BYTES);
	char *unchanged = NULL;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(sizes); i++) {
		_cleanup_free_ char *secret = text_of(sizes[i]), *sealed = NULL, *opened = NULL;

		assert_int_equal(vtap_secret_seal(key, "c", secret, &sealed), 0);
		assert_int_equal(vtap_secret_open(key, "c", sealed, &opened), 0);
		assert_string_equal(opened, secret);
	}
	assert_int_equal(vtap_secret_seal(key, "c", more, &unchanged), -E2BIG);
	assert_int_equal(vtap_secret_open(key, "c", long_text, &unchanged), -EBADMSG);
	assert_null(unchanged);
}

static void test_derive(void **state)
{
	static const uint8_t salt[2][VTAP_SALT_BYTES] = {{1}, {2}};
	uint8_t a[VTAP_KEY_BYTES], b[VTAP_KEY_BYTES], c[VTAP_KEY_BYTES], d[VTAP_KEY_BYTES];
	_cleanup_free_ char *more = text_of(VTAP_PASSWORD_MAX + 1);

	assert_int_equal(vtap_key_derive("a passphrase", salt[0], a), 0);
	assert_int_equal(vtap_key_derive("a passphrase", salt[0], b), 0);
	assert_int_equal(vtap_key_derive("a passphrase", salt[1], c), 0);
	assert_int_equal(vtap_key_derive("b passphrase", salt[0], d), 0);
	assert_memory_equal(a, b, sizeof(a));
	assert_memory_not_equal(a, c, sizeof(a));
	assert_memory_not_equal(a, d, sizeof(a));
	assert_int_equal(vtap_key_derive("too short", salt[1], a), -EINVAL);
	assert_int_equal(vtap_key_derive(more, salt[1], a), -EINVAL);
	assert_memory_equal(a, b, sizeof(a));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_random),          cmocka_unit_test(test_hash),
	    cmocka_unit_test(test_equal),           cmocka_unit_test(test_password),
	    cmocka_unit_test(test_password_limits), cmocka_unit_test(test_seal),
	    cmocka_unit_test(test_seal_limits),     cmocka_unit_test(test_derive),
	};

	return vtap_crypto_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
