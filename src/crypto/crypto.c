/* SPDX-License-Identifier: Apache-2.0 */

#include "crypto/crypto.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "basic/util.h"

#define WORK_PASSES crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE
#define WORK_BYTES crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE
#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES
#define SEALED_MAX_BYTES (NONCE_BYTES + VTAP_SECRET_MAX_BYTES + TAG_BYTES)
#define BASE64 sodium_base64_VARIANT_ORIGINAL

static_assert(VTAP_HASH_BYTES == crypto_hash_sha256_BYTES, "the hash is SHA-256");
static_assert(VTAP_HASH_STRLEN == 2 * VTAP_HASH_BYTES + 1, "two digits a byte");
static_assert(VTAP_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "a key is taken as it is");
static_assert(VTAP_PASSWORD_HASH_STRLEN == crypto_pwhash_STRBYTES, "libsodium fills the buffer");
static_assert(VTAP_SALT_BYTES == crypto_pwhash_SALTBYTES, "libsodium reads the salt");
static_assert(WORK_BYTES == 64U << 20, "crypto.h says so");

int vtap_crypto_init(void)
{
	return sodium_init() < 0 ? -EIO : 0;
}

void vtap_random_bytes(void *ret, size_t size_bytes)
{
	randombytes_buf(ret, size_bytes);
}

static char *random_characters(const char *characters, size_t count, char *buffer)
{
	uint32_t choice = (uint32_t)strlen(characters);

	for (size_t i = 0; i < count; i++)
		buffer[i] = characters[randombytes_uniform(choice)];
	buffer[count] = '\0';
	return buffer;
}

char *vtap_random_hex(size_t count, char *buffer)
{
	return random_characters("0123456789abcdef", count, buffer);
}

char *vtap_random_text(size_t count, char *buffer)
{
	return random_characters("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", count, buffer);
}

char *vtap_hash_hex(const void *data, size_t size_bytes, char buffer[VTAP_HASH_STRLEN])
{
	uint8_t hash[VTAP_HASH_BYTES];

	crypto_hash_sha256(hash, data, size_bytes);
	return sodium_bin2hex(buffer, VTAP_HASH_STRLEN, hash, sizeof(hash));
}

char *vtap_hash_keyed(const uint8_t key[VTAP_KEY_BYTES], const void *data, size_t size_bytes,
		      char buffer[VTAP_HASH_STRLEN])
{
	uint8_t hash[crypto_auth_hmacsha256_BYTES];

	crypto_auth_hmacsha256(hash, data, size_bytes, key);
	return sodium_bin2hex(buffer, VTAP_HASH_STRLEN, hash, sizeof(hash));
}

bool vtap_secret_equal(const char *a, const char *b)
{
	size_t length = strlen(a);

	return length == strlen(b) && sodium_memcmp(a, b, length) == 0;
}

void vtap_secret_wipe(char *secret)
{
	if (secret)
		sodium_memzero(secret, strlen(secret));
}

static bool password_fits(const char *password)
{
	size_t characters = 0, bytes = 0;

	/* Every byte but UTF-8's continuations begins a character. */
	for (; password[bytes] && bytes <= VTAP_PASSWORD_MAX; bytes++)
		characters += ((unsigned char)password[bytes] & 0xc0) != 0x80;
	return characters >= VTAP_PASSWORD_MIN && bytes <= VTAP_PASSWORD_MAX;
}

int vtap_password_hash(const char *password, char ret_hash[VTAP_PASSWORD_HASH_STRLEN])
{
	char hash[VTAP_PASSWORD_HASH_STRLEN];

	if (!password_fits(password))
		return -EINVAL;
	if (crypto_pwhash_argon2id_str(hash, password, strlen(password), WORK_PASSES, WORK_BYTES) != 0)
		return -ENOMEM;
	memcpy(ret_hash, hash, sizeof(hash));
	return 0;
}

bool vtap_password_verify(const char *hash, const char *password)
{
	size_t length = strnlen(password, VTAP_PASSWORD_MAX + 1);

	return length <= VTAP_PASSWORD_MAX && crypto_pwhash_argon2id_str_verify(hash, password, length) == 0;
}

int vtap_key_derive(const char *passphrase, const uint8_t salt[VTAP_SALT_BYTES], uint8_t ret_key[VTAP_KEY_BYTES])
{
	uint8_t key[VTAP_KEY_BYTES];

	if (!password_fits(passphrase))
		return -EINVAL;
	if (crypto_pwhash_argon2id(key, sizeof(key), passphrase, strlen(passphrase), salt, WORK_PASSES, WORK_BYTES,
				   crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0)
		return -ENOMEM;
	memcpy(ret_key, key, sizeof(key));
	sodium_memzero(key, sizeof(key));
	return 0;
}

/* Sealed: the nonce, the encrypted secret, the tag. */
int vtap_secret_seal(const uint8_t key[VTAP_KEY_BYTES], const char *context, const char *secret, char **ret_sealed)
{
	size_t length = strnlen(secret, VTAP_SECRET_MAX_BYTES + 1), sealed = NONCE_BYTES + length + TAG_BYTES;
	size_t text = sodium_base64_encoded_len(sealed, BASE64);
	uint8_t bytes[SEALED_MAX_BYTES];
	char *result;

	if (length > VTAP_SECRET_MAX_BYTES)
		return -E2BIG;
	result = malloc(text);
	if (!result)
		return -ENOMEM;
	/* 24 random bytes: two seals never share a nonce, whoever else seals with this key. */
	randombytes_buf(bytes, NONCE_BYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(bytes + NONCE_BYTES, NULL, (const uint8_t *)secret, length,
						   (const uint8_t *)context, strlen(context), NULL, bytes, key);
	*ret_sealed = sodium_bin2base64(result, text, bytes, sealed, BASE64);
	return 0;
}

int vtap_secret_open(const uint8_t key[VTAP_KEY_BYTES], const char *context, const char *sealed, char **ret_secret)
{
	uint8_t bytes[SEALED_MAX_BYTES];
	unsigned long long length;
	size_t size;
	char *result;

	if (sodium_base642bin(bytes, sizeof(bytes), sealed, strlen(sealed), NULL, &size, NULL, BASE64) != 0 ||
	    size < NONCE_BYTES + TAG_BYTES)
		return -EBADMSG;
	result = malloc(size - NONCE_BYTES - TAG_BYTES + 1);
	if (!result)
		return -ENOMEM;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt((uint8_t *)result, &length, NULL, bytes + NONCE_BYTES,
						       size - NONCE_BYTES, (const uint8_t *)context, strlen(context),
						       bytes, key) != 0) {
		free(result);
		return -EBADMSG;
	}
	result[length] = '\0';
	*ret_secret = result;
	return 0;
}
