/* SPDX-License-Identifier: Apache-2.0 */

/* The controller's parts, in the order in which they need each other. */

#include "controller/controller.h"

#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "basic/log.h"
#include "controller/access.h"
#include "controller/api.h"
#include "controller/audit.h"
#include "controller/events.h"
#include "controller/feed.h"
#include "controller/janitor.h"
#include "controller/rules.h"
#include "http/http.h"

#define CERTIFICATE_DAYS 3650 /* made anew at each start */
#define PEM_MAX_BYTES (256U << 10)

static int store_open(struct vtap_controller *c, struct vtap_error *reterr)
{
	const char *dir = c->options->state_dir;
	char path[PATH_MAX];
	int r;

	if (c->options->memory) {
		vtap_random_bytes(c->key, sizeof(c->key));
		return vtap_store_memory_new(&c->store);
	}
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return vtap_error_set(reterr, -errno, 0, dir, "the state directory cannot be made: %s",
				      strerror(errno));
	if (snprintf(path, sizeof(path), "%s/%s", dir, VTAP_CONTROLLER_STORE) >= (int)sizeof(path))
		return vtap_error_set(reterr, -ENAMETOOLONG, 0, "", "the name of the state directory is too long");
	r = vtap_store_sqlite_new(path, &c->store, reterr);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "%s/%s", dir, VTAP_CONTROLLER_KEY);
	return vtap_key_load(path, c->key, reterr);
}

static int parts_new(struct vtap_controller *c)
{
	int r;

	r = sd_event_new(&c->event);
	if (r >= 0)
		r = vtap_objects_new(&c->objects);
	if (r >= 0)
		r = vtap_writer_new(c, &c->writer);
	if (r >= 0)
		r = vtap_rules_new(c, &c->rules);
	if (r >= 0)
		r = vtap_audit_new(c, &c->audit);
	return r;
}

static int parts_load(struct vtap_controller *c, struct vtap_error *reterr)
{
	int r;

	r = vtap_writer_load(c);
	if (r >= 0)
		r = vtap_rules_load(c);
	if (r >= 0)
		r = vtap_audit_load(c);
	if (r < 0)
		return vtap_error_set(reterr, r, 0, "", "the store cannot be read: %s", strerror(-r));
	r = vtap_access_new(c, &c->access);
	if (r >= 0)
		r = vtap_authority_load(c, reterr);
	if (r >= 0)
		r = vtap_first_start(c, reterr);
	if (r >= 0)
		r = vtap_events_new(c, &c->events);
	if (r >= 0)
		r = vtap_janitor_new(c, &c->janitor);
	if (r >= 0)
		r = vtap_feed_new(c, &c->feed);
	return r;
}

static int file_read(const char *path, char **ret_text, struct vtap_error *reterr)
{
	FILE *file = fopen(path, "re");
	char *text;
	size_t used;

	if (!file)
		return vtap_error_set(reterr, -errno, 0, path, "cannot be read: %s", strerror(errno));
	text = calloc(1, PEM_MAX_BYTES + 1);
	used = text ? fread(text, 1, PEM_MAX_BYTES, file) : 0;
	if (!text || ferror(file) || used == 0) {
		(void)fclose(file);
		free(text);
		return vtap_error_set(reterr, -EINVAL, 0, path, "holds nothing that can be read");
	}
	(void)fclose(file);
	*ret_text = text;
	return 0;
}

struct names { /* what a certificate of the controller's own is for; texts are owned */
	char *array[VTAP_PKI_NAMES_MAX];
	size_t count;
};

static void names_done(struct names *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->array[i]);
}

static void names_add(struct names *n, const char *name)
{
	for (size_t i = 0; i < n->count; i++)
		if (strcmp(n->array[i], name) == 0)
			return;
	if (n->count == VTAP_PKI_NAMES_MAX)
		return;
	n->array[n->count] = strdup(name);
	if (n->array[n->count])
		n->count++;
}

static void names_add_interfaces(struct names *n)
{
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *at = all; at; at = at->ifa_next) {
		struct vtap_addr a = {};
		char text[VTAP_ADDR_STRLEN];

		if (!at->ifa_addr || !(at->ifa_flags & IFF_UP))
			continue;
		a.family = (uint8_t)at->ifa_addr->sa_family;
		if (a.family == AF_INET)
			memcpy(a.bytes, &((struct sockaddr_in *)(void *)at->ifa_addr)->sin_addr, 4);
		else if (a.family == AF_INET6)
			memcpy(a.bytes, &((struct sockaddr_in6 *)(void *)at->ifa_addr)->sin6_addr, 16);
		else
			continue;
		names_add(n, vtap_addr_format(&a, text));
	}
	freeifaddrs(all);
}

/* What agents ask for, the address it listens on and the machine's name; all addresses when it listens on all. */
static int identity_make(struct vtap_controller *c, const struct vtap_addr *address, struct vtap_identity *ret)
{
	VTAP_CLEANUP(names_done) struct names n = {};
	char text[VTAP_ADDR_STRLEN], host[256] = "";

	names_add(&n, VTAP_PKI_AGENTS_SERVER);
	if (!vtap_addr_is_any(address))
		names_add(&n, vtap_addr_format(address, text));
	if (gethostname(host, sizeof(host) - 1) >= 0 && vtap_pki_name_fits(host))
		names_add(&n, host);
	names_add(&n, "localhost");
	names_add(&n, "127.0.0.1");
	names_add(&n, "::1");
	if (vtap_addr_is_any(address))
		names_add_interfaces(&n);
	return vtap_pki_server_new(&c->authority, (const char *const *)n.array, n.count, CERTIFICATE_DAYS, ret);
}

/* What can be wrong before anything is made. */
static int options_check(const struct vtap_controller_options *o, struct vtap_http_endpoint *ret_endpoint,
			 struct vtap_error *reterr)
{
	if (vtap_http_endpoint_parse(o->listen, ret_endpoint) < 0)
		return vtap_error_set(reterr, -EINVAL, 0, "--listen", "must be ADDRESS:PORT, not %s", o->listen);
	if (!o->certificate_file && !vtap_addr_is_loopback(&ret_endpoint->address) && !o->insecure_listen)
		return vtap_error_set(
		    reterr, -EINVAL, 0, "--listen",
		    "without --certificate it must be a loopback address, since passwords and packets "
		    "would pass in clear; --insecure-listen allows it all the same");
	if (o->certificate_file && strcmp(o->certificate_file, "auto") != 0 && !o->key_file)
		return vtap_error_set(reterr, -EINVAL, 0, "--key", "is needed with --certificate %s",
				      o->certificate_file);
	return 0;
}

bool vtap_controller_is_local(const struct vtap_controller *c)
{
	struct vtap_http_endpoint endpoint;

	return vtap_http_endpoint_parse(c->options->listen, &endpoint) >= 0 && vtap_addr_is_loopback(&endpoint.address);
}

static int identity_read(const struct vtap_controller_options *o, struct vtap_identity *ret, struct vtap_error *reterr)
{
	int r;

	if (!o->certificate_file || strcmp(o->certificate_file, "auto") == 0)
		return 0;
	r = file_read(o->certificate_file, &ret->certificate, reterr);
	return r < 0 ? r : file_read(o->key_file, &ret->key, reterr);
}

/* given: from files; empty = its own, which is what agents are shown in any case. */
static int serve(struct vtap_controller *c, const struct vtap_addr *address, const struct vtap_identity *given,
		 struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_identity_done) struct vtap_identity own = {};
	struct vtap_http_tls tls;
	int r;

	if (!c->options->certificate_file)
		return vtap_api_new(c, NULL, &c->api, reterr);
	r = identity_make(c, address, &own);
	if (r < 0)
		return r;
	tls = (struct vtap_http_tls){.certificate = given->certificate ? given->certificate : own.certificate,
				     .key = given->certificate ? given->key : own.key,
				     .client_authority = c->authority.certificate,
				     .name = VTAP_PKI_AGENTS_SERVER,
				     .name_certificate = own.certificate,
				     .name_key = own.key};
	return vtap_api_new(c, &tls, &c->api, reterr);
}

int vtap_controller_reload(struct vtap_controller *c, struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_identity_done) struct vtap_identity identity = {};
	int r;

	r = identity_read(c->options, &identity, reterr);
	if (r < 0 || !identity.certificate)
		return r;
	r = vtap_api_set_certificate(c->api, identity.certificate, identity.key);
	return r < 0 ? vtap_error_set(reterr, r, 0, c->options->certificate_file,
				      "certificate and key cannot be used together")
		     : 0;
}

/* A thousand agents wait with a connection each. */
static void descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		vtap_log(VTAP_LOG_WARNING, "the limit of open files cannot be raised, ignoring: %s", strerror(errno));
}

int vtap_controller_new(const struct vtap_controller_options *options, struct vtap_controller **ret_controller,
			struct vtap_error *reterr)
{
	VTAP_CLEANUP(vtap_controller_freep) struct vtap_controller *c = calloc(1, sizeof(*c));
	VTAP_CLEANUP(vtap_identity_done) struct vtap_identity identity = {};
	struct vtap_http_endpoint endpoint;
	int r;

	if (!c)
		return -ENOMEM;
	c->options = options;
	descriptors_raise();
	r = vtap_crypto_init();
	if (r >= 0)
		r = options_check(options, &endpoint, reterr);
	if (r >= 0)
		r = identity_read(options, &identity, reterr);
	if (r >= 0)
		r = store_open(c, reterr);
	if (r >= 0)
		r = parts_new(c);
	if (r >= 0)
		r = parts_load(c, reterr);
	if (r >= 0)
		r = serve(c, &endpoint.address, &identity, reterr);
	if (r < 0) {
		if (!reterr->code)
			(void)vtap_error_set(reterr, r, 0, "", "cannot start: %s", strerror(-r));
		return r;
	}
	if (options->bootstrap_key_file)
		vtap_bootstrap_key(c, options->bootstrap_key_file);
	*ret_controller = VTAP_STEAL(c);
	return 0;
}

/* Who waits for somebody is freed before him: first what ends calls, then the server, then what calls were about. */
struct vtap_controller *vtap_controller_free(struct vtap_controller *c)
{
	if (!c)
		return NULL;
	if (c->api)
		vtap_audit_end(c->audit);
	if (c->writer)
		vtap_writer_cancel(c->writer);
	vtap_janitor_free(c->janitor);
	vtap_access_free(c->access);
	vtap_events_free(c->events);
	if (c->writer)
		vtap_writer_cancel(c->writer);
	vtap_api_free(c->api);
	if (c->writer)
		vtap_writer_cancel(c->writer);
	vtap_feed_free(c->feed);
	vtap_audit_free(c->audit);
	vtap_rules_free(c->rules);
	vtap_writer_free(c->writer);
	vtap_objects_free(c->objects);
	vtap_store_free(c->store);
	vtap_identity_done(&c->authority);
	sd_event_unref(c->event);
	explicit_bzero(c->key, sizeof(c->key));
	free(c);
	return NULL;
}
