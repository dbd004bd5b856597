// SPDX-License-Identifier: Apache-2.0

/* vtap-agent: options in, one of five actions out. */

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/control.h"
#include "agent/feed.h"
#include "agent/loop.h"
#include "agent/pins.h"
#include "agent/stage.h"
#include "agent/status.h"
#include "basic/log.h"

#define EXIT_BAD_INPUT 2
#define EXIT_REVOKED 3

enum option_key {
	OPTION_CONFIG = 'c',
	OPTION_VERBOSE = 'v',
	OPTION_CHECK = 0x100,
	OPTION_CONTROLLER,
	OPTION_JOIN,
	OPTION_INSECURE,
	OPTION_DETACH,
	OPTION_STATUS,
	OPTION_JSON,
	OPTION_PIN_DIR,
	OPTION_STATE_DIR,
	OPTION_HOOK,
	OPTION_METRICS,
	OPTION_UNPINNED,
};

enum action { ACTION_RUN, ACTION_CHECK, ACTION_DETACH, ACTION_STATUS };

struct arguments {
	struct vtap_agent_options agent;
	enum action action;
	bool json;
};

static const struct argp_option options[] = {
    {"config", OPTION_CONFIG, "FILE", 0, "Mirror what FILE says, in the foreground", 0},
    {"controller", OPTION_CONTROLLER, "URL", 0, "Mirror what the controller at URL says, in the foreground", 0},
    {"join", OPTION_JOIN, "TOKEN", 0, "With --controller: become the host that the join token is for", 0},
    {"insecure", OPTION_INSECURE, NULL, 0, "Speak plain HTTP even to a controller that is not on loopback", 0},
    {"check", OPTION_CHECK, NULL, 0, "Only check the file of --config, or whether this host has joined", 0},
    {"status", OPTION_STATUS, NULL, 0, "Show sessions, attachments and counters", 0},
    {"json", OPTION_JSON, NULL, 0, "With --status: as JSON", 0},
    {"detach", OPTION_DETACH, NULL, 0, "Remove every program, map and device that an agent made", 0},
    {"pin-dir", OPTION_PIN_DIR, "DIR", 0,
     "Where programs and maps outlive the agent: a bpffs (" VTAP_PIN_DIR_DEFAULT ")", 0},
    {"unpinned", OPTION_UNPINNED, NULL, 0, "Pin nothing: mirroring ends with the agent", 0},
    {"state-dir", OPTION_STATE_DIR, "DIR", 0,
     "Lock, status socket, and what a controller gave (" VTAP_STATE_DIR_DEFAULT
     ", with --controller " VTAP_STATE_DIR_KEPT ")",
     0},
    {"hook", OPTION_HOOK, "tcx|clsact|auto", 0, "How to attach (auto: tcx where the kernel has it)", 0},
    {"metrics", OPTION_METRICS, "ADDRESS:PORT", 0, "Serve Prometheus metrics at http://ADDRESS:PORT/metrics", 0},
    {"verbose", OPTION_VERBOSE, NULL, 0, "Log more", 0},
    {},
};

static int hook_parse(const char *text, enum vtap_hook_kind *ret_hook)
{
	static const struct {
		const char *name;
		enum vtap_hook_kind hook;
	} table[] = {{"auto", VTAP_HOOK_AUTO}, {"tcx", VTAP_HOOK_TCX}, {"clsact", VTAP_HOOK_CLSACT}};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(table); i++) {
		if (!strcmp(text, table[i].name)) {
			*ret_hook = table[i].hook;
			return 0;
		}
	}
	return -EINVAL;
}

static void action_set(struct argp_state *state, struct arguments *arguments, int key)
{
	enum action action = key == OPTION_CHECK ? ACTION_CHECK : key == OPTION_DETACH ? ACTION_DETACH : ACTION_STATUS;

	if (arguments->action != ACTION_RUN && arguments->action != action)
		argp_error(state, "only one of --check, --status and --detach can be given");
	arguments->action = action;
}

static void on_end(const struct argp_state *state, const struct arguments *arguments)
{
	const struct vtap_agent_options *o = &arguments->agent;

	if (o->config_path && o->controller)
		argp_error(state, "only one of --config and --controller can be given");
	if (!o->config_path && !o->controller && arguments->action <= ACTION_CHECK)
		argp_error(state, "--config FILE or --controller URL is needed");
	if (o->join && !o->controller)
		argp_error(state, "--join TOKEN needs --controller URL");
}

static const char *url_check(const struct argp_state *state, const char *url)
{
	if (strncmp(url, "http://", 7) && strncmp(url, "https://", 8))
		argp_error(state, "--controller must be a URL such as https://controller:8750, not %s", url);
	return url;
}

static error_t on_option(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	struct vtap_http_endpoint endpoint;

	switch (key) {
	case OPTION_CONFIG:
		arguments->agent.config_path = value;
		return 0;
	case OPTION_CONTROLLER:
		arguments->agent.controller = url_check(state, value);
		return 0;
	case OPTION_JOIN:
		arguments->agent.join = value;
		return 0;
	case OPTION_INSECURE:
		arguments->agent.plain_anywhere = true;
		return 0;
	case OPTION_VERBOSE:
		vtap_log_set_level(VTAP_LOG_DEBUG);
		return 0;
	case OPTION_CHECK:
	case OPTION_DETACH:
	case OPTION_STATUS:
		action_set(state, arguments, key);
		return 0;
	case OPTION_JSON:
		arguments->json = true;
		return 0;
	case OPTION_PIN_DIR:
		if (*value != '/')
			argp_error(state, "--pin-dir must be an absolute path, not %s", value);
		arguments->agent.pin_dir = value;
		return 0;
	case OPTION_STATE_DIR:
		arguments->agent.state_dir = value;
		return 0;
	case OPTION_HOOK:
		if (hook_parse(value, &arguments->agent.hook) < 0)
			argp_error(state, "--hook must be tcx, clsact or auto, not %s", value);
		return 0;
	case OPTION_METRICS:
		if (vtap_http_endpoint_parse(value, &endpoint) < 0)
			argp_error(state, "--metrics must be ADDRESS:PORT, not %s", value);
		arguments->agent.metrics = value;
		return 0;
	case OPTION_UNPINNED:
		arguments->agent.unpinned = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "there are no arguments besides options: %s", value);
		return 0;
	case ARGP_KEY_END:
		on_end(state, arguments);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The one sentence; bad input is told apart from what the host lacks. */
static int report(const struct vtap_error *e, int r, const char *file)
{
	bool bad_input = e->line || *e->field || r == -EINVAL || r == -E2BIG;
	char text[400];

	vtap_error_format(e, bad_input ? file : NULL, text, sizeof(text));
	fprintf(stderr, "vtap-agent: %s\n", *text ? text : strerror(-r));
	if (r == -EKEYREVOKED)
		return EXIT_REVOKED;
	return bad_input ? EXIT_BAD_INPUT : EXIT_FAILURE;
}

static int check_join(const struct arguments *arguments)
{
	char text[400];
	int r;

	r = vtap_agent_feed_check(arguments->agent.state_dir, text, sizeof(text));
	if (r < 0) {
		fprintf(stderr, "vtap-agent: %s: %s\n", arguments->agent.state_dir,
			r == -ENOENT ? "this host has not joined a controller"
				     : "what it tells of the join is damaged");
		return EXIT_BAD_INPUT;
	}
	printf("%s: %s\n", arguments->agent.state_dir, text);
	return EXIT_SUCCESS;
}

static int check(const struct arguments *arguments)
{
	VTAP_CLEANUP(vtap_config_freep) struct vtap_config *config = NULL;
	struct vtap_error e = {};
	int r;

	if (arguments->agent.controller)
		return check_join(arguments);
	r = vtap_reload_check(arguments->agent.config_path, &config, &e);
	if (r < 0)
		return report(&e, r, arguments->agent.config_path);
	printf("%s: correct, %zu sessions, %zu filters, %zu targets\n", arguments->agent.config_path,
	       config->session_count, config->filter_count, config->target_count);
	return EXIT_SUCCESS;
}

static int detach(const struct arguments *arguments)
{
	VTAP_CLEANUP(vtap_net_freep) struct vtap_net *net = NULL;
	int r, removed;

	if (vtap_control_taken(arguments->agent.state_dir)) {
		fprintf(stderr, "vtap-agent: an agent runs with the state directory %s: stop it first\n",
			arguments->agent.state_dir);
		return EXIT_FAILURE;
	}
	r = vtap_net_new(NULL, NULL, &net);
	removed = vtap_dataplane_remove(arguments->agent.pin_dir, net);
	if (removed == -EBUSY) {
		fprintf(stderr, "vtap-agent: an agent runs with the pin directory %s: stop it first\n",
			arguments->agent.pin_dir);
		return EXIT_FAILURE;
	}
	if (r >= 0)
		r = vtap_stage_remove(net);
	if (removed < 0)
		r = removed;
	if (r < 0) {
		fprintf(stderr, "vtap-agent: not everything could be removed: %s\n", strerror(-r));
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

static void status_show(const struct arguments *arguments, const json_t *document)
{
	if (!arguments->json) {
		vtap_status_print(document, stdout);
		return;
	}
	json_dumpf(document, stdout, JSON_INDENT(2));
	putchar('\n');
}

static int status_pinned(const struct arguments *arguments)
{
	const char *pin_dir = arguments->agent.pin_dir;
	json_t *document = NULL;
	int r;

	r = vtap_status_make_pinned(pin_dir, &document);
	if (r == -ENOENT)
		fprintf(stderr, "vtap-agent: no agent runs with the state directory %s, and nothing is pinned in %s\n",
			arguments->agent.state_dir, pin_dir);
	else if (r == -EPROTO)
		fprintf(stderr,
			"vtap-agent: what is pinned in %s is another version's, or incomplete: start this agent, or "
			"--detach\n",
			pin_dir);
	else if (r < 0)
		fprintf(stderr, "vtap-agent: what is pinned in %s cannot be read: %s\n", pin_dir, strerror(-r));
	if (r < 0)
		return EXIT_FAILURE;
	status_show(arguments, document);
	json_decref(document);
	return EXIT_SUCCESS;
}

static int status(const struct arguments *arguments)
{
	json_t *document = NULL;
	int r;

	r = vtap_control_ask(arguments->agent.state_dir, &document);
	if (r == -ENOENT || r == -ECONNREFUSED)
		return status_pinned(arguments);
	if (r < 0) {
		fprintf(stderr, "vtap-agent: the status cannot be read: %s\n", strerror(-r));
		return EXIT_FAILURE;
	}
	status_show(arguments, document);
	json_decref(document);
	return EXIT_SUCCESS;
}

static int run(const struct arguments *arguments)
{
	struct vtap_error e = {};
	int r = vtap_loop_run(&arguments->agent, &e);

	return r < 0 ? report(&e, r, arguments->agent.config_path) : EXIT_SUCCESS;
}

/* What a controller gave must outlive a reboot. Whoever asks without saying of which agent, asks the one that runs. */
static const char *state_dir_default(const struct arguments *arguments)
{
	bool kept = arguments->agent.controller != NULL;

	if (arguments->action == ACTION_STATUS || arguments->action == ACTION_DETACH)
		kept = !vtap_control_taken(VTAP_STATE_DIR_DEFAULT) && vtap_control_taken(VTAP_STATE_DIR_KEPT);
	return kept ? VTAP_STATE_DIR_KEPT : VTAP_STATE_DIR_DEFAULT;
}

int main(int argc, char **argv)
{
	static int (*const actions[])(const struct arguments *arguments) = {
	    [ACTION_RUN] = run,
	    [ACTION_CHECK] = check,
	    [ACTION_DETACH] = detach,
	    [ACTION_STATUS] = status,
	};
	static const struct argp argp = {
	    .options = options,
	    .parser = on_option,
	    .doc = "Mirrors the packets of chosen interfaces of this host to targets, as a file or a controller says.",
	};
	struct arguments arguments = {
	    .agent = {.pin_dir = VTAP_PIN_DIR_DEFAULT},
	};

	argp_program_version = "vtap-agent " VTAP_VERSION;
	argp_err_exit_status = EXIT_BAD_INPUT;
	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	if (!arguments.agent.state_dir)
		arguments.agent.state_dir = state_dir_default(&arguments);
	return actions[arguments.action](&arguments);
}
