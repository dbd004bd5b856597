/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* X.509: the controller's certificate authority, server certificates and agents' client certificates. GnuTLS's owner here. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "basic/addr.h"
#include "basic/error.h"
#include "crypto/crypto.h"

#define VTAP_PKI_NAMES_MAX 16
/*
 * The server that agents ask for over TLS, wherever their URL leads. A controller shows them a certificate of its own authority
 * for that name, whatever it shows to others; nobody else's may have it.
 */
#define VTAP_PKI_AGENTS_SERVER "agents.vtap.internal"
#define VTAP_PKI_COMMON_NAME_MAX 64 /* bytes, at least 1: X.509's own limit */
#define VTAP_PKI_DNS_NAME_MAX 253 /* characters, without a leading "*." */
#define VTAP_PKI_REQUEST_MAX_BYTES (16U << 10)
#define VTAP_PKI_VALID_MAX_S (3650U * 86400U)
#define VTAP_PKI_SERIAL_STRLEN 33 /* 16 bytes in hex and NUL */

/* Both PEM texts, owned. */
struct vtap_identity {
	char *certificate;
	char *key;
};
/* Frees both, the key after wiping it, and leaves it empty. */
void vtap_identity_done(struct vtap_identity *i);

/*
 * All of them: -ENOMEM; -EIO when GnuTLS fails otherwise. -EKEYREJECTED: the authority's texts are not a certificate and its
 * key. Certificates are valid from an hour ago, since clocks differ. May run on any thread.
 */

/* A self-signed ECDSA P-256 authority for ten years. -EINVAL: the name's length. */
int vtap_pki_authority_new(const char *common_name, struct vtap_identity *ret_authority);
/* Whether a server certificate can be for it: an address, or a DNS name, which not every machine's name is. */
bool vtap_pki_name_fits(const char *name);
/*
 * A server certificate for 1..VTAP_PKI_NAMES_MAX DNS names and addresses (texts), for 1..3650 days. -EINVAL: a number out of
 * range, or a text that is neither.
 */
int vtap_pki_server_new(const struct vtap_identity *authority, const char *const *names, size_t name_count,
			unsigned days, struct vtap_identity *ret_server);
/* A new P-256 key and a signing request for it with this common name, both PEM texts, owned. -EINVAL: the name's length. */
int vtap_pki_request_new(const char *common_name, char **ret_key, char **ret_request);
/*
 * A client certificate for the request's key; the name is the caller's, never the request's. valid_s is
 * 1..VTAP_PKI_VALID_MAX_S. Serial: 16 random bytes in lower-case hex, the first digit never 0. -EINVAL: a number or the name's
 * length out of range, or no valid request for a P-256 key.
 */
int vtap_pki_sign_client(const struct vtap_identity *authority, const char *request, const char *common_name,
			 uint64_t valid_s, char **ret_certificate, char ret_serial[VTAP_PKI_SERIAL_STRLEN]);
/* SHA-256 of the certificate's DER, lower-case hex. -EINVAL: it is none. */
int vtap_pki_fingerprint(const char *certificate, char ret_hash[VTAP_HASH_STRLEN]);
/* Seconds since 1970 after which it is not valid. -EINVAL: it is none. */
int vtap_pki_expires(const char *certificate, int64_t *ret_expires_s);
