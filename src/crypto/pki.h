/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* X.509: the controller's certificate authority, server certificates and agents' client certificates. GnuTLS's owner here. */

#include <stddef.h>
#include <stdint.h>

#include "basic/addr.h"
#include "basic/error.h"
#include "crypto/crypto.h"

#define VTAP_PKI_NAMES_MAX 16

/* Both PEM texts, owned. */
struct vtap_identity {
	char *certificate;
	char *key;
};
void vtap_identity_done(struct vtap_identity *i);

/* A self-signed ECDSA P-256 authority for ten years. */
int vtap_pki_authority_new(const char *common_name, struct vtap_identity *ret_authority);
/* A server certificate for DNS names and addresses (texts; at most VTAP_PKI_NAMES_MAX). */
int vtap_pki_server_new(const struct vtap_identity *authority, const char *const *names, size_t name_count,
			unsigned days, struct vtap_identity *ret_server);
/* A new P-256 key and a signing request for it with this common name. */
int vtap_pki_request_new(const char *common_name, char **ret_key, char **ret_request);
/*
 * A client certificate for the request's key; the name is the caller's, never the request's. Serial: 16 random bytes in hex,
 * 33 characters with NUL. -EINVAL: no valid request.
 */
int vtap_pki_sign_client(const struct vtap_identity *authority, const char *request, const char *common_name,
			 uint64_t valid_s, char **ret_certificate, char ret_serial[33]);
/* SHA-256 of the certificate's DER, lower-case hex. */
int vtap_pki_fingerprint(const char *certificate, char ret_hash[VTAP_HASH_STRLEN]);
/* Seconds since 1970 after which it is not valid. */
int vtap_pki_expires(const char *certificate, int64_t *ret_expires_s);
