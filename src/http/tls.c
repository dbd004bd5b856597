/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <strings.h>

#include "http/private.h"

#define SERIAL_MAX_BYTES 32
#define NAME_MAX_BYTES 255 /* of a server, as DNS has them */

const char vtap_http_tls_priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE";

struct vtap_http_identity {
	struct vtap_http_identity *previous; /* owned: handshakes that have begun still use it */
	gnutls_pcert_st chain[VTAP_HTTP_CHAIN_MAX]; /* owned */
	unsigned count;
	gnutls_privkey_t key; /* owned */
};

struct vtap_http_identity *vtap_http_identity_free(struct vtap_http_identity *i)
{
	while (i) {
		struct vtap_http_identity *previous = i->previous;

		for (unsigned k = 0; k < i->count; k++)
			gnutls_pcert_deinit(&i->chain[k]);
		if (i->key)
			gnutls_privkey_deinit(i->key);
		free(i);
		i = previous;
	}
	return NULL;
}

static gnutls_datum_t datum(const char *text)
{
	return (gnutls_datum_t){(unsigned char *)text, (unsigned)strlen(text)};
}

/* A key's id is the hash of its public half. */
static bool is_pair(const struct vtap_http_identity *i)
{
	unsigned char ids[2][64];
	size_t sizes[2] = {sizeof(ids[0]), sizeof(ids[1])};
	gnutls_pubkey_t public_key;
	bool same;

	if (gnutls_pubkey_init(&public_key) < 0)
		return false;
	same = gnutls_pubkey_import_privkey(public_key, i->key, 0, 0) == 0 &&
	       gnutls_pubkey_get_key_id(public_key, GNUTLS_KEYID_USE_SHA256, ids[0], &sizes[0]) == 0 &&
	       gnutls_pubkey_get_key_id(i->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, ids[1], &sizes[1]) == 0 &&
	       sizes[0] == sizes[1] && memcmp(ids[0], ids[1], sizes[0]) == 0;
	gnutls_pubkey_deinit(public_key);
	return same;
}

int vtap_http_identity_new(const char *certificate, const char *key, struct vtap_http_identity **ret_identity)
{
	VTAP_CLEANUP(vtap_http_identity_freep) struct vtap_http_identity *i = NULL;
	gnutls_datum_t certificate_text = datum(certificate), key_text = datum(key);
	unsigned count = VTAP_HTTP_CHAIN_MAX;

	i = calloc(1, sizeof(*i));
	if (!i)
		return -ENOMEM;
	if (gnutls_pcert_list_import_x509_raw(i->chain, &count, &certificate_text, GNUTLS_X509_FMT_PEM,
					      GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED) < 0)
		return -EINVAL;
	i->count = count;
	if (count == 0 || gnutls_privkey_init(&i->key) < 0 ||
	    gnutls_privkey_import_x509_raw(i->key, &key_text, GNUTLS_X509_FMT_PEM, NULL, 0) < 0 || !is_pair(i))
		return -EINVAL;
	i->previous = *ret_identity;
	*ret_identity = VTAP_STEAL(i);
	return 0;
}

int vtap_http_authority_check(const char *certificates)
{
	gnutls_certificate_credentials_t credentials;
	gnutls_datum_t text = datum(certificates);
	int n;

	if (gnutls_certificate_allocate_credentials(&credentials) < 0)
		return -ENOMEM;
	n = gnutls_certificate_set_x509_trust_mem(credentials, &text, GNUTLS_X509_FMT_PEM);
	gnutls_certificate_free_credentials(credentials);
	return n > 0 ? 0 : -EINVAL;
}

static bool asks_for(gnutls_session_t session, const char *name)
{
	char asked[NAME_MAX_BYTES + 1];
	size_t asked_bytes = sizeof(asked);
	unsigned type = 0;

	return name && gnutls_server_name_get(session, asked, &asked_bytes, &type, 0) == 0 && type == GNUTLS_NAME_DNS &&
	       strcasecmp(asked, name) == 0;
}

/* libmicrohttpd has made its connection known to the session. */
static int retrieve(gnutls_session_t session, const gnutls_datum_t *request, int request_count,
		    const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **ret_chain,
		    unsigned *ret_count, gnutls_privkey_t *ret_key)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(gnutls_session_get_ptr(session), MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	const struct vtap_http_connection *c = info ? info->socket_context : NULL;
	struct vtap_http_identity *i;

	if (!c)
		return -1;
	i = asks_for(session, c->server->name) ? c->server->named : c->server->identity;
	*ret_chain = i->chain;
	*ret_count = i->count;
	*ret_key = i->key;
	return 0;
}

void *vtap_http_tls_callback(void)
{
	return retrieve;
}

static void format_hex(const unsigned char *bytes, size_t count, char *buffer)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < count; i++) {
		*buffer++ = digits[bytes[i] >> 4];
		*buffer++ = digits[bytes[i] & 15];
	}
	*buffer = 0;
}
_Static_assert(sizeof((struct vtap_http_peer_certificate){}.serial) == 2 * SERIAL_MAX_BYTES + 1, "room for the serial");

/* Reads what has been verified. */
static int read_certificate(const gnutls_datum_t *der, struct vtap_http_peer_certificate *p)
{
	unsigned char serial[SERIAL_MAX_BYTES];
	size_t serial_bytes = sizeof(serial), name_bytes = sizeof(p->name);
	gnutls_x509_crt_t certificate;
	int r;

	if (gnutls_x509_crt_init(&certificate) < 0)
		return -ENOMEM;
	r = gnutls_x509_crt_import(certificate, der, GNUTLS_X509_FMT_DER);
	if (r >= 0)
		r = gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, p->name, &name_bytes);
	if (r >= 0)
		r = gnutls_x509_crt_get_serial(certificate, serial, &serial_bytes);
	if (r >= 0) {
		format_hex(serial, serial_bytes, p->serial);
		p->begins = gnutls_x509_crt_get_activation_time(certificate);
		p->ends = gnutls_x509_crt_get_expiration_time(certificate);
	}
	gnutls_x509_crt_deinit(certificate);
	/* A name with a NUL inside would be cut. */
	return r >= 0 && strlen(p->name) == name_bytes ? 0 : -EKEYREJECTED;
}

static int look_at_peer(gnutls_session_t session, struct vtap_http_peer_certificate *p)
{
	gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
					 .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT};
	const gnutls_datum_t *list;
	unsigned count = 0, faults = 0;

	list = gnutls_certificate_get_peers(session, &count);
	if (!list || count == 0)
		return -ENOENT;
	if (gnutls_certificate_verify_peers(session, &purpose, 1, &faults) < 0 || faults != 0)
		return -EKEYREJECTED;
	return read_certificate(&list[0], p);
}

static const struct vtap_http_peer_certificate *peer_certificate(struct vtap_http_connection *c)
{
	const union MHD_ConnectionInfo *info;

	if (c->certificate)
		return c->certificate;
	info = MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (!info || !info->tls_session)
		return NULL;
	c->certificate = calloc(1, sizeof(*c->certificate));
	if (c->certificate)
		c->certificate->r = look_at_peer(info->tls_session, c->certificate);
	return c->certificate;
}

int64_t vtap_http_client_certificate_ends_s(const struct vtap_http_request *r)
{
	struct vtap_http_connection *c = r->exchange->connection;
	const struct vtap_http_peer_certificate *p = c && c->server->identity ? peer_certificate(c) : NULL;

	return p && p->r >= 0 ? p->ends : 0;
}

int vtap_http_client_certificate(const struct vtap_http_request *r, char *ret_name, size_t name_bytes, char *ret_serial,
				 size_t serial_bytes)
{
	struct vtap_http_connection *c = r->exchange->connection;
	const struct vtap_http_peer_certificate *p = NULL;
	time_t now = time(NULL);

	if (c && c->server->identity)
		p = peer_certificate(c);
	if (!p)
		return -ENOENT;
	if (p->r < 0)
		return p->r;
	/* A connection may live longer than the certificate that it began with. */
	if (now < p->begins || now > p->ends)
		return -EKEYREJECTED;
	if (strlen(p->name) >= name_bytes || strlen(p->serial) >= serial_bytes)
		return -ENAMETOOLONG;
	(void)stpcpy(ret_name, p->name);
	(void)stpcpy(ret_serial, p->serial);
	return 0;
}
