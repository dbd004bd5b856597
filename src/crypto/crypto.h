/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Random ids, hashes, passwords and secrets at rest. libsodium's owner. vtap_crypto_init() comes before anything else. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "basic/error.h"

#define VTAP_HASH_BYTES 32 /* SHA-256 */
#define VTAP_HASH_STRLEN 65 /* in hex */
#define VTAP_KEY_BYTES 32
#define VTAP_SALT_BYTES 16
#define VTAP_PASSWORD_HASH_STRLEN 128
#define VTAP_PASSWORD_MIN 10 /* characters */
#define VTAP_PASSWORD_MAX 256 /* bytes */
#define VTAP_SECRET_MAX_BYTES 4096

/* -EIO: the system has no randomness. May be called again. Everything here may then be used on any thread. */
int vtap_crypto_init(void);

void vtap_random_bytes(void *ret, size_t size_bytes);
/* `count` random characters of [0-9a-f] and NUL; buffer has count + 1. */
char *vtap_random_hex(size_t count, char *buffer);
/* `count` random characters of [A-Za-z0-9] and NUL: passwords, secrets, tokens (5.95 bits each). */
char *vtap_random_text(size_t count, char *buffer);

/* SHA-256 in lower-case hex. */
char *vtap_hash_hex(const void *data, size_t size_bytes, char buffer[VTAP_HASH_STRLEN]);
/* HMAC-SHA-256 in lower-case hex: tells equal from unequal, and nothing to those without the key. */
char *vtap_hash_keyed(const uint8_t key[VTAP_KEY_BYTES], const void *data, size_t size_bytes,
		      char buffer[VTAP_HASH_STRLEN]);
/* In constant time; texts of different length differ. */
bool vtap_secret_equal(const char *a, const char *b);
/* Overwrites the text, so that it does not outlive its use in memory; NULL is allowed. */
void vtap_secret_wipe(char *secret);

/* argon2id with 64 MiB: about 0.1 s of work, so never on the loop's thread. -EINVAL for the length, -ENOMEM. */
int vtap_password_hash(const char *password, char ret_hash[VTAP_PASSWORD_HASH_STRLEN]);
/* As slow. */
bool vtap_password_verify(const char *hash, const char *password);

/*
 * The key file of a store: VTAP_KEY_BYTES random bytes in hex and a newline, mode 0600, made (and synced) if it is not there.
 * -EPERM: others can read it. -EINVAL: it holds no key. Else what the system says. *reterr says it, its field is the path.
 */
int vtap_key_load(const char *path, uint8_t ret_key[VTAP_KEY_BYTES], struct vtap_error *reterr);
/*
 * Authenticated encryption (XChaCha20-Poly1305). `context` is bound to it: opening with another fails. Text in base64; free()
 * it. -E2BIG: more than VTAP_SECRET_MAX_BYTES. -ENOMEM.
 */
int vtap_secret_seal(const uint8_t key[VTAP_KEY_BYTES], const char *context, const char *secret, char **ret_sealed);
/* -EBADMSG: another key or context, or changed. -ENOMEM. The secret is owned; vtap_secret_wipe() and free() it. */
int vtap_secret_open(const uint8_t key[VTAP_KEY_BYTES], const char *context, const char *sealed, char **ret_secret);
/*
 * A key from a passphrase, for the key file that goes along with a backup. As slow as a password's hash, with the same limits:
 * -EINVAL for the length, -ENOMEM.
 */
int vtap_key_derive(const char *passphrase, const uint8_t salt[VTAP_SALT_BYTES], uint8_t ret_key[VTAP_KEY_BYTES]);
