/* SPDX-License-Identifier: Apache-2.0 */

/* vtapd: options in, one of three actions out. */

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "basic/log.h"
#include "basic/parse.h"
#include "controller/api.h"
#include "controller/audit.h"
#include "controller/controller.h"

#define EXIT_BAD_INPUT 2
#define LISTEN_DEFAULT "127.0.0.1:8750"
#define STATE_DIR_DEFAULT "/var/lib/vtapd"

enum option_key {
	OPTION_VERBOSE = 'v',
	OPTION_LISTEN = 0x100,
	OPTION_STATE_DIR,
	OPTION_CERTIFICATE,
	OPTION_KEY,
	OPTION_INSECURE_LISTEN,
	OPTION_BOOTSTRAP_KEY,
	OPTION_BACKUP,
	OPTION_RESTORE,
	OPTION_STORE,
	OPTION_AUDIT_RETENTION,
	OPTION_AUDIT_MAX,
};

struct arguments {
	struct vtap_controller_options controller;
	const char *backup, *restore;
};

static const struct argp_option options[] = {
    {"listen", OPTION_LISTEN, "ADDRESS:PORT", 0, "Where to serve the API and the agents (" LISTEN_DEFAULT ")", 0},
    {"state-dir", OPTION_STATE_DIR, "DIR", 0, "The store and its key file (" STATE_DIR_DEFAULT ")", 0},
    {"certificate", OPTION_CERTIFICATE, "FILE|auto", 0,
     "Serve HTTPS with this certificate, or with one of the controller's own authority", 0},
    {"key", OPTION_KEY, "FILE", 0, "The certificate's key", 0},
    {"insecure-listen", OPTION_INSECURE_LISTEN, NULL, 0, "Allow plain HTTP on other addresses than loopback", 0},
    {"bootstrap-key", OPTION_BOOTSTRAP_KEY, "FILE", 0, "Write an access key of a system admin to FILE, for scripts", 0},
    {"audit-retention", OPTION_AUDIT_RETENTION, "DAYS", 0, "Delete audit entries that are older (365)", 0},
    {"audit-max", OPTION_AUDIT_MAX, "MIB", 0, "Delete the oldest audit entries when all take more (4096)", 0},
    {"store", OPTION_STORE, "sqlite|memory", 0, "Where to keep everything; memory forgets it at the end (sqlite)", 0},
    {"backup", OPTION_BACKUP, "FILE", 0, "Copy the store to FILE and its key file, encrypted, to FILE.key; then end",
     0},
    {"restore", OPTION_RESTORE, "FILE", 0, "Make the store and its key file from a backup; then end", 0},
    {"verbose", OPTION_VERBOSE, NULL, 0, "Log more", 0},
    {},
};

static void parse_store(struct argp_state *state, struct arguments *arguments, const char *value)
{
	if (strcmp(value, "memory") != 0 && strcmp(value, "sqlite") != 0)
		argp_error(state, "--store must be sqlite or memory, not %s", value);
	arguments->controller.memory = strcmp(value, "memory") == 0;
}

static void parse_retention(struct argp_state *state, struct arguments *arguments, const char *value)
{
	uint32_t days = 0;

	if (vtap_parse_u32(value, 1, VTAP_AUDIT_RETENTION_MAX_DAYS, &days) < 0)
		argp_error(state, "--audit-retention must be a number of days from 1 to %d, not %s",
			   VTAP_AUDIT_RETENTION_MAX_DAYS, value);
	arguments->controller.audit_retention_days = days;
}

static void parse_audit_max(struct argp_state *state, struct arguments *arguments, const char *value)
{
	uint32_t mib = 0;

	if (vtap_parse_u32(value, 1, VTAP_AUDIT_MAX_MAX_MIB, &mib) < 0)
		argp_error(state, "--audit-max must be a number of MiB from 1 to %u, not %s", VTAP_AUDIT_MAX_MAX_MIB,
			   value);
	arguments->controller.audit_max_bytes = (uint64_t)mib << 20;
}

static void check(struct argp_state *state, const struct arguments *arguments)
{
	if (arguments->backup && arguments->restore)
		argp_error(state, "only one of --backup and --restore can be given");
	if (arguments->controller.memory && (arguments->backup || arguments->restore))
		argp_error(state, "a store in memory has no backup");
	if (arguments->controller.key_file && !arguments->controller.certificate_file)
		argp_error(state, "--key needs --certificate");
}

static error_t on_option(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case OPTION_LISTEN:
		arguments->controller.listen = value;
		return 0;
	case OPTION_STATE_DIR:
		arguments->controller.state_dir = value;
		return 0;
	case OPTION_CERTIFICATE:
		arguments->controller.certificate_file = value;
		return 0;
	case OPTION_KEY:
		arguments->controller.key_file = value;
		return 0;
	case OPTION_INSECURE_LISTEN:
		arguments->controller.insecure_listen = true;
		return 0;
	case OPTION_BOOTSTRAP_KEY:
		arguments->controller.bootstrap_key_file = value;
		return 0;
	case OPTION_AUDIT_RETENTION:
		parse_retention(state, arguments, value);
		return 0;
	case OPTION_AUDIT_MAX:
		parse_audit_max(state, arguments, value);
		return 0;
	case OPTION_STORE:
		parse_store(state, arguments, value);
		return 0;
	case OPTION_BACKUP:
		arguments->backup = value;
		return 0;
	case OPTION_RESTORE:
		arguments->restore = value;
		return 0;
	case OPTION_VERBOSE:
		vtap_log_set_level(VTAP_LOG_DEBUG);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "there are no arguments besides options: %s", value);
		return 0;
	case ARGP_KEY_END:
		check(state, arguments);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int report(const struct vtap_error *e, int r)
{
	char text[400];

	vtap_error_format(e, NULL, text, sizeof(text));
	fprintf(stderr, "vtapd: %s\n", *text ? text : strerror(-r));
	return r == -EINVAL ? EXIT_BAD_INPUT : EXIT_FAILURE;
}

/* First of all: a signal that comes while the controller starts ends it once it has started. */
static int signals_block(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	(void)signal(SIGPIPE, SIG_IGN);
	return sigprocmask(SIG_BLOCK, &mask, NULL) < 0 ? -errno : 0;
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata)
{
	struct vtap_error e = {};
	uint64_t usec = 0;
	char text[400];

	(void)sd_event_now(sd_event_source_get_event(source), CLOCK_MONOTONIC, &usec);
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, usec);
	if (vtap_controller_reload(userdata, &e) < 0) {
		vtap_error_format(&e, NULL, text, sizeof(text));
		vtap_log(VTAP_LOG_ERROR, "%s; the certificate in use stays", text);
	} else {
		vtap_log(VTAP_LOG_INFO, "the certificate has been read again");
	}
	(void)sd_notify(0, "READY=1");
	return 0;
}

static int loop(struct vtap_controller *c)
{
	int r;

	r = sd_event_add_signal(c->event, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(c->event, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(c->event, NULL, SIGHUP, on_reload, c);
	if (r >= 0)
		r = sd_event_set_watchdog(c->event, true);
	if (r < 0)
		return r;
	(void)sd_notifyf(0, "READY=1\nSTATUS=Listening on port %u", vtap_api_port(c->api));
	r = sd_event_loop(c->event);
	(void)sd_notify(0, "STOPPING=1");
	return r;
}

static int run(const struct arguments *arguments)
{
	VTAP_CLEANUP(vtap_controller_freep) struct vtap_controller *c = NULL;
	struct vtap_error e = {};
	const char *address_end = strrchr(arguments->controller.listen, ':');
	int r;

	r = signals_block();
	if (r >= 0)
		r = vtap_controller_new(&arguments->controller, &c, &e);
	if (r < 0)
		return report(&e, r);
	vtap_log(VTAP_LOG_INFO, "listening on %s://%.*s:%u", vtap_api_uses_tls(c->api) ? "https" : "http",
		 (int)(address_end - arguments->controller.listen), arguments->controller.listen,
		 vtap_api_port(c->api));
	r = loop(c);
	return r < 0 ? report(&e, r) : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
	    .options = options,
	    .parser = on_option,
	    .doc = "Keeps what shall be mirrored on all hosts, serves the API, and tells each agent what concerns its "
		   "host.",
	};
	struct arguments arguments = {
	    .controller = {.listen = LISTEN_DEFAULT,
			   .state_dir = STATE_DIR_DEFAULT,
			   .audit_retention_days = VTAP_AUDIT_RETENTION_DAYS,
			   .audit_max_bytes = (uint64_t)VTAP_AUDIT_MAX_MIB << 20},
	};
	struct vtap_error e = {};
	int r;

	argp_program_version = "vtapd " VTAP_VERSION;
	argp_err_exit_status = EXIT_BAD_INPUT;
	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	if (!arguments.backup && !arguments.restore)
		return run(&arguments);
	r = vtap_crypto_init();
	if (r >= 0 && arguments.backup)
		r = vtap_backup(arguments.controller.state_dir, arguments.backup, &e);
	else if (r >= 0)
		r = vtap_restore(arguments.restore, arguments.controller.state_dir, &e);
	return r < 0 ? report(&e, r) : EXIT_SUCCESS;
}
