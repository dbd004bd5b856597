/* SPDX-License-Identifier: Apache-2.0 */

#include "crypto/pki.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CURVE_BITS GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1)
#define SERIAL_BYTES 16
#define DAY_S 86400U
#define AUTHORITY_VALID_S (3650U * DAY_S)
#define CLOCK_SKEW_S 3600 /* a host whose clock is behind by less accepts what was just made */

static inline void key_done(gnutls_x509_privkey_t *key)
{
	gnutls_x509_privkey_deinit(*key);
}
#define _cleanup_key_ VTAP_CLEANUP(key_done)

static inline void certificate_done(gnutls_x509_crt_t *certificate)
{
	gnutls_x509_crt_deinit(*certificate);
}
#define _cleanup_certificate_ VTAP_CLEANUP(certificate_done)

static inline void request_done(gnutls_x509_crq_t *request)
{
	gnutls_x509_crq_deinit(*request);
}
#define _cleanup_request_ VTAP_CLEANUP(request_done)

static inline void public_key_done(gnutls_pubkey_t *key)
{
	gnutls_pubkey_deinit(*key);
}
#define _cleanup_public_key_ VTAP_CLEANUP(public_key_done)

/* `otherwise` is what it means here if GnuTLS refuses for another reason than memory. */
static int from_gnutls(int code, int otherwise)
{
	if (code >= 0)
		return 0;
	return code == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : otherwise;
}

static gnutls_datum_t datum(const char *text)
{
	return (gnutls_datum_t){.data = (unsigned char *)(uintptr_t)text, .size = (unsigned)strlen(text)};
}

/* A datum's bytes as a text that is freed with free(), whatever GnuTLS allocates with. */
static int take_text(gnutls_datum_t *from, char **ret_text)
{
	char *text = strndup((const char *)from->data, from->size);

	gnutls_memset(from->data, 0, from->size);
	gnutls_free(from->data);
	if (!text)
		return -ENOMEM;
	*ret_text = text;
	return 0;
}

static bool common_name_fits(const char *name)
{
	return *name && strnlen(name, VTAP_PKI_COMMON_NAME_MAX + 1) <= VTAP_PKI_COMMON_NAME_MAX;
}

void vtap_identity_done(struct vtap_identity *i)
{
	vtap_secret_wipe(i->key);
	free(i->certificate);
	free(i->key);
	*i = (struct vtap_identity){};
}

static int key_new(gnutls_x509_privkey_t *ret_key, char **ret_text)
{
	_cleanup_key_ gnutls_x509_privkey_t key = NULL;
	gnutls_datum_t text;
	int r;

	r = gnutls_x509_privkey_init(&key);
	if (r >= 0)
		r = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, CURVE_BITS, 0);
	if (r >= 0)
		r = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &text);
	if (r < 0)
		return from_gnutls(r, -EIO);
	r = take_text(&text, ret_text);
	if (r < 0)
		return r;
	*ret_key = VTAP_STEAL(key);
	return 0;
}

static int certificate_read(const char *text, gnutls_x509_crt_t *ret_certificate)
{
	_cleanup_certificate_ gnutls_x509_crt_t certificate = NULL;
	gnutls_datum_t from = datum(text);
	int r;

	r = gnutls_x509_crt_init(&certificate);
	if (r >= 0)
		r = gnutls_x509_crt_import(certificate, &from, GNUTLS_X509_FMT_PEM);
	if (r < 0)
		return from_gnutls(r, -EINVAL);
	*ret_certificate = VTAP_STEAL(certificate);
	return 0;
}

/* What every certificate has; its key and its purpose are the caller's to set. */
static int certificate_begin(const char *common_name, uint64_t valid_s, gnutls_x509_crt_t *ret_certificate,
			     char ret_serial[VTAP_PKI_SERIAL_STRLEN])
{
	_cleanup_certificate_ gnutls_x509_crt_t certificate = NULL;
	time_t now = time(NULL);
	char text[VTAP_PKI_SERIAL_STRLEN];
	uint8_t serial[SERIAL_BYTES];
	int r;

	/* Positive, and never with a leading zero byte, which DER would leave out: both ends see the same 32 digits. */
	vtap_random_bytes(serial, sizeof(serial));
	serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40);
	for (size_t i = 0; i < sizeof(serial); i++)
		snprintf(text + 2 * i, 3, "%02x", serial[i]);
	r = gnutls_x509_crt_init(&certificate);
	if (r >= 0)
		r = gnutls_x509_crt_set_version(certificate, 3);
	if (r >= 0)
		r = gnutls_x509_crt_set_serial(certificate, serial, sizeof(serial));
	if (r >= 0)
		r = gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, common_name,
						  (unsigned)strlen(common_name));
	if (r >= 0)
		r = gnutls_x509_crt_set_activation_time(certificate, now - CLOCK_SKEW_S);
	if (r >= 0)
		r = gnutls_x509_crt_set_expiration_time(certificate, now + (time_t)valid_s);
	if (r < 0)
		return from_gnutls(r, -EIO);
	*ret_certificate = VTAP_STEAL(certificate);
	memcpy(ret_serial, text, sizeof(text));
	return 0;
}

static int certificate_sign(gnutls_x509_crt_t certificate, gnutls_x509_crt_t issuer, gnutls_x509_privkey_t issuer_key,
			    char **ret_text)
{
	gnutls_datum_t text;
	uint8_t id[64];
	size_t size = sizeof(id);
	int r;

	r = gnutls_x509_crt_get_key_id(certificate, GNUTLS_KEYID_USE_SHA256, id, &size);
	if (r >= 0)
		r = gnutls_x509_crt_set_subject_key_id(certificate, id, size);
	size = sizeof(id);
	if (r >= 0)
		r = gnutls_x509_crt_get_subject_key_id(issuer, id, &size, NULL);
	if (r >= 0)
		r = gnutls_x509_crt_set_authority_key_id(certificate, id, size);
	if (r >= 0)
		r = gnutls_x509_crt_sign2(certificate, issuer, issuer_key, GNUTLS_DIG_SHA256, 0);
	if (r >= 0)
		r = gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &text);
	return r < 0 ? from_gnutls(r, -EIO) : take_text(&text, ret_text);
}

static int sign_by_authority(const struct vtap_identity *authority, gnutls_x509_crt_t certificate, char **ret_text)
{
	_cleanup_certificate_ gnutls_x509_crt_t issuer = NULL;
	_cleanup_key_ gnutls_x509_privkey_t key = NULL;
	gnutls_datum_t from = datum(authority->key);
	int r;

	r = certificate_read(authority->certificate, &issuer);
	if (r < 0)
		return r == -EINVAL ? -EKEYREJECTED : r;
	r = gnutls_x509_privkey_init(&key);
	if (r >= 0)
		r = gnutls_x509_privkey_import2(key, &from, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (r < 0)
		return from_gnutls(r, -EKEYREJECTED);
	return certificate_sign(certificate, issuer, key, ret_text);
}

int vtap_pki_authority_new(const char *common_name, struct vtap_identity *ret_authority)
{
	VTAP_CLEANUP(vtap_identity_done) struct vtap_identity authority = {};
	_cleanup_certificate_ gnutls_x509_crt_t certificate = NULL;
	_cleanup_key_ gnutls_x509_privkey_t key = NULL;
	char serial[VTAP_PKI_SERIAL_STRLEN];
	int r;

	if (!common_name_fits(common_name))
		return -EINVAL;
	r = key_new(&key, &authority.key);
	if (r < 0)
		return r;
	r = certificate_begin(common_name, AUTHORITY_VALID_S, &certificate, serial);
	if (r < 0)
		return r;
	r = gnutls_x509_crt_set_key(certificate, key);
	if (r >= 0)
		r = gnutls_x509_crt_set_basic_constraints(certificate, 1, 0);
	if (r >= 0)
		r = gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
	if (r < 0)
		return from_gnutls(r, -EIO);
	r = certificate_sign(certificate, certificate, key, &authority.certificate);
	if (r < 0)
		return r;
	*ret_authority = authority;
	authority = (struct vtap_identity){};
	return 0;
}

static int purpose_set(gnutls_x509_crt_t certificate, const char *purpose)
{
	int r;

	r = gnutls_x509_crt_set_basic_constraints(certificate, 0, -1);
	if (r >= 0)
		r = gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (r >= 0)
		r = gnutls_x509_crt_set_key_purpose_oid(certificate, purpose, 0);
	return from_gnutls(r, -EIO);
}

/* Letters, digits, '-', '_', '.' and a leading "*."; whether somebody resolves it is not ours to say. */
static bool is_dns_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	if (strncmp(name, "*.", 2) == 0)
		name += 2;
	return *name && strnlen(name, VTAP_PKI_DNS_NAME_MAX + 1) <= VTAP_PKI_DNS_NAME_MAX &&
	       name[strspn(name, allowed)] == '\0';
}

bool vtap_pki_name_fits(const char *name)
{
	struct vtap_addr address;

	return vtap_addr_parse(name, &address) == 0 || is_dns_name(name);
}

static int name_add(gnutls_x509_crt_t certificate, const char *name)
{
	struct vtap_addr address;
	int r;

	if (vtap_addr_parse(name, &address) == 0)
		r = gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, address.bytes,
							 vtap_addr_size_bytes(address.family), GNUTLS_FSAN_APPEND);
	else if (is_dns_name(name))
		r = gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, name, (unsigned)strlen(name),
							 GNUTLS_FSAN_APPEND);
	else
		return -EINVAL;
	return from_gnutls(r, -EIO);
}

int vtap_pki_server_new(const struct vtap_identity *authority, const char *const *names, size_t name_count,
			unsigned days, struct vtap_identity *ret_server)
{
	VTAP_CLEANUP(vtap_identity_done) struct vtap_identity server = {};
	_cleanup_certificate_ gnutls_x509_crt_t certificate = NULL;
	_cleanup_key_ gnutls_x509_privkey_t key = NULL;
	char serial[VTAP_PKI_SERIAL_STRLEN];
	int r;

	if (name_count < 1 || name_count > VTAP_PKI_NAMES_MAX || days < 1 || days > VTAP_PKI_VALID_MAX_S / DAY_S)
		return -EINVAL;
	r = key_new(&key, &server.key);
	if (r < 0)
		return r;
	/* Clients read the alternative names alone; the common name is for people. */
	r = certificate_begin("vtapd", (uint64_t)days * DAY_S, &certificate, serial);
	if (r < 0)
		return r;
	for (size_t i = 0; i < name_count && r == 0; i++)
		r = name_add(certificate, names[i]);
	if (r == 0)
		r = from_gnutls(gnutls_x509_crt_set_key(certificate, key), -EIO);
	if (r == 0)
		r = purpose_set(certificate, GNUTLS_KP_TLS_WWW_SERVER);
	if (r == 0)
		r = sign_by_authority(authority, certificate, &server.certificate);
	if (r < 0)
		return r;
	*ret_server = server;
	server = (struct vtap_identity){};
	return 0;
}

int vtap_pki_request_new(const char *common_name, char **ret_key, char **ret_request)
{
	_cleanup_request_ gnutls_x509_crq_t request = NULL;
	_cleanup_key_ gnutls_x509_privkey_t key = NULL;
	VTAP_CLEANUP(vtap_identity_done)
	struct vtap_identity made = {}; /* the request stands in the certificate's place */
	gnutls_datum_t text;
	int r;

	if (!common_name_fits(common_name))
		return -EINVAL;
	r = key_new(&key, &made.key);
	if (r < 0)
		return r;
	r = gnutls_x509_crq_init(&request);
	if (r >= 0)
		r = gnutls_x509_crq_set_version(request, 1);
	if (r >= 0)
		r = gnutls_x509_crq_set_dn_by_oid(request, GNUTLS_OID_X520_COMMON_NAME, 0, common_name,
						  (unsigned)strlen(common_name));
	if (r >= 0)
		r = gnutls_x509_crq_set_key(request, key);
	if (r >= 0)
		r = gnutls_x509_crq_sign2(request, key, GNUTLS_DIG_SHA256, 0);
	if (r >= 0)
		r = gnutls_x509_crq_export2(request, GNUTLS_X509_FMT_PEM, &text);
	if (r < 0)
		return from_gnutls(r, -EIO);
	r = take_text(&text, &made.certificate);
	if (r < 0)
		return r;
	*ret_key = VTAP_STEAL(made.key);
	*ret_request = VTAP_STEAL(made.certificate);
	return 0;
}

/* The key of a request whose sender has shown, by its signature, to own it. Only keys like our own are taken. */
static int request_key(const char *text, gnutls_pubkey_t *ret_key)
{
	_cleanup_request_ gnutls_x509_crq_t request = NULL;
	_cleanup_public_key_ gnutls_pubkey_t key = NULL;
	gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
	gnutls_datum_t from = {.data = (unsigned char *)(uintptr_t)text};
	int r;

	from.size = (unsigned)strnlen(text, VTAP_PKI_REQUEST_MAX_BYTES + 1);
	if (from.size > VTAP_PKI_REQUEST_MAX_BYTES)
		return -EINVAL;
	r = gnutls_x509_crq_init(&request);
	if (r >= 0)
		r = gnutls_x509_crq_import(request, &from, GNUTLS_X509_FMT_PEM);
	if (r >= 0)
		r = gnutls_x509_crq_verify(request, 0);
	if (r >= 0)
		r = gnutls_pubkey_init(&key);
	if (r >= 0)
		r = gnutls_pubkey_import_x509_crq(key, request, 0);
	if (r >= 0)
		r = gnutls_pubkey_export_ecc_raw(key, &curve, NULL, NULL);
	if (r < 0)
		return from_gnutls(r, -EINVAL);
	if (curve != GNUTLS_ECC_CURVE_SECP256R1)
		return -EINVAL;
	*ret_key = VTAP_STEAL(key);
	return 0;
}

int vtap_pki_sign_client(const struct vtap_identity *authority, const char *request, const char *common_name,
			 uint64_t valid_s, char **ret_certificate, char ret_serial[VTAP_PKI_SERIAL_STRLEN])
{
	_cleanup_certificate_ gnutls_x509_crt_t certificate = NULL;
	_cleanup_public_key_ gnutls_pubkey_t key = NULL;
	char serial[VTAP_PKI_SERIAL_STRLEN];
	int r;

	if (!common_name_fits(common_name) || valid_s < 1 || valid_s > VTAP_PKI_VALID_MAX_S)
		return -EINVAL;
	r = request_key(request, &key);
	if (r < 0)
		return r;
	r = certificate_begin(common_name, valid_s, &certificate, serial);
	if (r == 0)
		r = from_gnutls(gnutls_x509_crt_set_pubkey(certificate, key), -EIO);
	if (r == 0)
		r = purpose_set(certificate, GNUTLS_KP_TLS_WWW_CLIENT);
	if (r == 0)
		r = sign_by_authority(authority, certificate, ret_certificate);
	if (r == 0)
		memcpy(ret_serial, serial, sizeof(serial));
	return r;
}

int vtap_pki_fingerprint(const char *certificate, char ret_hash[VTAP_HASH_STRLEN])
{
	_cleanup_certificate_ gnutls_x509_crt_t read = NULL;
	gnutls_datum_t bytes;
	int r;

	r = certificate_read(certificate, &read);
	if (r < 0)
		return r;
	r = gnutls_x509_crt_export2(read, GNUTLS_X509_FMT_DER, &bytes);
	if (r < 0)
		return from_gnutls(r, -EIO);
	vtap_hash_hex(bytes.data, bytes.size, ret_hash);
	gnutls_free(bytes.data);
	return 0;
}

int vtap_pki_expires(const char *certificate, int64_t *ret_expires_s)
{
	_cleanup_certificate_ gnutls_x509_crt_t read = NULL;
	time_t expires;
	int r;

	r = certificate_read(certificate, &read);
	if (r < 0)
		return r;
	expires = gnutls_x509_crt_get_expiration_time(read);
	if (expires == (time_t)-1)
		return -EINVAL;
	*ret_expires_s = expires;
	return 0;
}
