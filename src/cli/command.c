/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/command.h"

#include <string.h>

#include "cli/commands.h"

#define COUNT_MAX 1000000000ULL

const struct vtap_option vtap_options_general[] = {
    {"output", 'o', 0, "table|json|yaml", 0, 0, "table json yaml", "How results are shown (table)"},
    {"quiet", 'q', 0, NULL, 0, 0, NULL, "Show ids only"},
    {"project", 0, 0, "PROJECT", 0, 0, "@project",
     "The project that is meant; else VTAP_PROJECT, the profile's, or the only one"},
    {"url", 0, 0, "URL", 0, 0, NULL, "The controller; else VTAP_URL, the profile's, or http://127.0.0.1:8750"},
    {"profile-file", 0, 0, "FILE", 0, 0, NULL, "Instead of VTAP_PROFILE and ~/.config/vtap/profile"},
    {"help", 'h', 0, NULL, 0, 0, NULL, "Explain the command"},
    {},
};

const struct vtap_option vtap_options_watch[] = {
    {"watch", 'w', 0, NULL, 0, 0, NULL, "Show it again and again"},
    {"interval", 0, 0, "SECONDS", 1, 3600, NULL, "With --watch: how often (2)"},
    {},
};

const struct vtap_option vtap_options_dry_run[] = {
    {"dry-run", 0, VTAP_OPTION_QUERY, NULL, 0, 0, NULL, "Check everything, change nothing"},
    {},
};

const struct vtap_option vtap_options_reset[] = {
    {"reset", 0, 0, "OPTION,...", 0, 0, NULL, "Give these their default again; may be repeated"},
    {},
};

const struct vtap_option vtap_options_list[] = {
    {"limit", 0, 0, "N", 1, COUNT_MAX, NULL, "Show at most so many"},
    {"sort", 0, VTAP_OPTION_QUERY, "FIELD", 0, 0, NULL, "In this order; -FIELD turns it round"},
    {},
};

static const struct vtap_option options_create[] = {
    {"idempotency-key", 0, 0, "TEXT", 0, 0, NULL, "The same key and resource again within a day create nothing new"},
    {},
};

static const struct vtap_option options_match[] = {
    {"if-version", 0, 0, "N", 1, INT64_MAX, NULL, "Only if the resource still has this version"},
    {},
};

static const struct vtap_option options_rule_list[] = {
    {"filter", 0, VTAP_OPTION_REQUIRED, "FILTER", 0, 0, "@filter", "The filter whose rules are shown"},
    {},
};

static const struct vtap_option options_rule_replace[] = {
    {"filter", 0, VTAP_OPTION_REQUIRED, "FILTER", 0, 0, "@filter", "The filter whose rules are replaced"},
    {"file", 'f', VTAP_OPTION_REQUIRED, "FILE", 0, 0, NULL, "YAML or JSON: a list of rules; - is standard input"},
    {},
};

static const struct vtap_option options_history[] = {
    {"seconds", 0, VTAP_OPTION_QUERY, "N", 10, 3600, NULL, "How far back (3600)"},
    {},
};

static const struct vtap_option options_audit[] = {
    {"since", 0, VTAP_OPTION_QUERY, "TIME", 0, 0, NULL, "Not older, such as 2026-11-21T15:00:00Z"},
    {"limit", 0, 0, "N", 1, COUNT_MAX, NULL, "Show at most so many (100)"},
    {},
};

static const struct vtap_option options_token[] = {
    {"ttl", 0, VTAP_OPTION_BODY, "DURATION", 0, 0, NULL, "How long the token can be used, such as 90s, 10m, 2h"},
    {},
};

static const struct vtap_option options_file[] = {
    {"file", 'f', VTAP_OPTION_REQUIRED, "FILE", 0, 0, NULL, "The manifest, YAML or JSON; - is standard input"},
    {"prune", 0, 0, NULL, 0, 0, NULL, "Also delete what earlier manifests of this name made and this one lacks"},
    {},
};

static const struct vtap_option options_export[] = {
    {"manifest", 0, 0, "NAME", 0, 0, NULL, "Only what the manifest of this name made"},
    {},
};

static const struct vtap_option options_capture[] = {
    {"seconds", 0, VTAP_OPTION_QUERY, "N", 1, 3600, NULL, "End after so many seconds"},
    {"packets", 0, VTAP_OPTION_QUERY, "N", 1, COUNT_MAX, NULL, "End after so many packets"},
    {"write", 'w', 0, "FILE", 0, 0, NULL, "Write to FILE instead of standard output"},
    {},
};

static const struct vtap_option options_trace[] = {
    {"interface", 0, VTAP_OPTION_QUERY | VTAP_OPTION_REQUIRED, "INTERFACE", 0, 0, "@interface", "Where the packet is"},
    {"direction", 0, VTAP_OPTION_QUERY | VTAP_OPTION_REQUIRED, "in|out", 0, 0, "in out",
     "Received by the interface, or sent"},
    {"source", 0, VTAP_OPTION_QUERY, "ADDRESS", 0, 0, NULL, "Its source address"},
    {"destination", 0, VTAP_OPTION_QUERY, "ADDRESS", 0, 0, NULL, "Its destination address"},
    {"protocol", 0, VTAP_OPTION_QUERY, "PROTOCOL", 0, 0, NULL, "tcp, udp, icmp ... or a number"},
    {"source-port", 0, VTAP_OPTION_QUERY, "N", 0, 65535, NULL, "Its source port"},
    {"destination-port", 0, VTAP_OPTION_QUERY, "N", 0, 65535, NULL, "Its destination port"},
    {},
};

static const struct vtap_option options_events[] = {
    {"kind", 0, 0, "NOUN", 0, 0, "@noun", "Only of this kind"},
    {"count", 0, 0, "N", 1, COUNT_MAX, NULL, "End after so many"},
    {},
};

static const struct vtap_option options_login[] = {
    {"user", 0, 0, "NAME", 0, 0, NULL, "Who logs in (admin)"},
    {},
};

const struct vtap_command vtap_commands_shared[] = {
    {NULL, "list", VTAP_COMMAND_SELECT | VTAP_COMMAND_WATCH, NULL, vtap_options_list, "GET", "/v1/*", NULL, NULL,
     vtap_cmd_list, "Lists them; options of attributes choose among them"},
    {NULL, "show", VTAP_COMMAND_MANY | VTAP_COMMAND_WATCH, "*", NULL, "GET", "/v1/*/{}", NULL, NULL, vtap_cmd_show,
     "Shows everything about one"},
    {NULL, "create", VTAP_COMMAND_CREATE | VTAP_COMMAND_DRY_RUN, NULL, options_create, "POST", "/v1/*", "created", NULL,
     vtap_cmd_create, "Makes a new one"},
    {NULL, "update", VTAP_COMMAND_UPDATE | VTAP_COMMAND_DRY_RUN, "*", options_match, "PATCH", "/v1/*/{}", "updated",
     NULL, NULL, "Changes what is given, and nothing else"},
    {NULL, "delete", VTAP_COMMAND_MANY | VTAP_COMMAND_DRY_RUN, "*", options_match, "DELETE", "/v1/*/{}", "deleted",
     NULL, NULL, "Deletes it"},
    {NULL, "enable", VTAP_COMMAND_MANY | VTAP_COMMAND_DRY_RUN, "*", NULL, "POST", "/v1/*/{}/enable", "enabled", NULL,
     NULL, "Lets it work"},
    {NULL, "disable", VTAP_COMMAND_MANY | VTAP_COMMAND_DRY_RUN, "*", NULL, "POST", "/v1/*/{}/disable", "disabled", NULL,
     NULL, "Lets it rest, and keeps it"},
    {},
};

const struct vtap_command vtap_commands_special[] = {
    {"rule", "list", VTAP_COMMAND_WATCH, NULL, options_rule_list, "GET", "/v1/filters/{}/rules", NULL, NULL,
     vtap_cmd_rule_list, "Lists the rules of a filter in their order"},
    {"rule", "create", VTAP_COMMAND_CREATE | VTAP_COMMAND_DRY_RUN, NULL, options_create, "POST", "/v1/filters/{}/rules",
     "created", NULL, vtap_cmd_rule_create, "Adds a rule to a filter; add is the same"},
    {"rule", "replace", VTAP_COMMAND_DRY_RUN, NULL, options_rule_replace, "PUT", "/v1/filters/{}/rules", NULL, NULL,
     vtap_cmd_rule_replace, "Replaces all rules of a filter at once"},
    {"session", "stats", VTAP_COMMAND_MANY | VTAP_COMMAND_WATCH, "*", NULL, "GET", "/v1/sessions/{}/stats", NULL, NULL,
     NULL, "Shows what it matched, mirrored and lost"},
    {"session", "history", VTAP_COMMAND_WATCH, "*", options_history, "GET", "/v1/sessions/{}/stats/history", NULL, NULL,
     NULL, "Shows its rates of the last hour in steps of ten seconds"},
    {"session", "preview", VTAP_COMMAND_WATCH, "*", NULL, "GET", "/v1/sessions/{}/preview", NULL, NULL, NULL,
     "Shows which interfaces its sources cover now"},
    {"session", "check", 0, "*", NULL, "POST", "/v1/sessions/{}/check", NULL, NULL, vtap_cmd_session_check,
     "Sends a marked probe along its way and names the hop that loses it"},
    {"interface", "adopt", VTAP_COMMAND_CREATE | VTAP_COMMAND_DRY_RUN, NULL, options_create, "POST",
     "/v1/interfaces/adopt", "adopted", NULL, vtap_cmd_create,
     "Makes an interface of a device that an agent reports; needs --host and --device"},
    {"host", "token", VTAP_COMMAND_ONCE, "*", options_token, "POST", "/v1/hosts/{}/token", NULL, "token", NULL,
     "Prints a join token for the host's agent: for one use, until it expires"},
    {"host", "revoke", VTAP_COMMAND_MANY, "*", NULL, "POST", "/v1/hosts/{}/revoke", "revoked", NULL, NULL,
     "Takes the credentials of its agent back; the agent detaches"},
    {"host", "resume", VTAP_COMMAND_MANY, "*", NULL, "POST", "/v1/hosts/{}/resume", "resumed", NULL, NULL,
     "Trusts its agent again after two used one credential"},
    {"host", "devices", VTAP_COMMAND_WATCH, "*", NULL, "GET", "/v1/hosts/{}/devices", NULL, NULL, vtap_cmd_host_devices,
     "Lists the devices that its agent found"},
    {"key", "create", VTAP_COMMAND_CREATE | VTAP_COMMAND_ONCE, NULL, options_create, "POST", "/v1/keys", NULL, NULL,
     vtap_cmd_create, "Makes an access key and shows its secret, once"},
    {"user", "password", 0, "*", NULL, "POST", "/v1/users/{}/password", "has a new password", NULL,
     vtap_cmd_user_password, "Sets a password, which is asked for or read from standard input"},
    {"audit", "list", VTAP_COMMAND_WATCH, NULL, options_audit, "GET", "/v1/audit", NULL, NULL, vtap_cmd_list,
     "Lists who did what, the latest last"},
    {"quota", "list", VTAP_COMMAND_WATCH, NULL, NULL, "GET", "/v1/quotas", NULL, NULL, NULL,
     "Lists the project's limits and what is used of them"},
    {NULL, "apply", VTAP_COMMAND_DRY_RUN, NULL, options_file, NULL, NULL, NULL, NULL, vtap_cmd_apply,
     "Makes everything as a manifest says"},
    {NULL, "diff", 0, NULL, options_file, NULL, NULL, NULL, NULL, vtap_cmd_diff,
     "Shows what apply would change: exit status 1 if anything"},
    {NULL, "export", VTAP_COMMAND_OPTIONAL, "NOUN...", options_export, NULL, NULL, NULL, NULL, vtap_cmd_export,
     "Prints a manifest of what there is"},
    {NULL, "capture", 0, "SESSION", options_capture, "GET", "/v1/sessions/{}/capture", NULL, NULL, vtap_cmd_capture,
     "Writes the session's packets as pcap to standard output"},
    {NULL, "trace", 0, NULL, options_trace, "GET", "/v1/trace", NULL, NULL, NULL,
     "Says which session and rule take a packet, and why not the others"},
    {NULL, "events", 0, NULL, options_events, "GET", "/v1/events", NULL, NULL, vtap_cmd_events,
     "Shows changes as they happen"},
    {NULL, "login", VTAP_COMMAND_ANONYMOUS, NULL, options_login, "POST", "/v1/login", NULL, NULL, vtap_cmd_login,
     "Asks for a password and keeps a token in the profile"},
    {NULL, "logout", 0, NULL, NULL, "POST", "/v1/logout", NULL, NULL, vtap_cmd_logout, "Ends what login began"},
    {NULL, "whoami", 0, NULL, NULL, "GET", "/v1/whoami", NULL, NULL, NULL, "Shows who asks, and what they may do"},
    {NULL, "completion", VTAP_COMMAND_OFFLINE, "bash|zsh", NULL, NULL, NULL, NULL, NULL, vtap_cmd_completion,
     "Prints the shell's completion script"},
    {NULL, "help", VTAP_COMMAND_OFFLINE | VTAP_COMMAND_OPTIONAL, "NOUN VERB", NULL, NULL, NULL, NULL, NULL,
     vtap_cmd_help, "Explains vtap, a noun or a command"},
    {NULL, "version", VTAP_COMMAND_OFFLINE, NULL, NULL, NULL, NULL, NULL, NULL, vtap_cmd_version, "Prints the version"},
    {NULL, "complete", VTAP_COMMAND_OFFLINE | VTAP_COMMAND_OPTIONAL | VTAP_COMMAND_HIDDEN | VTAP_COMMAND_RAW, "WORD...",
     NULL, NULL, NULL, NULL, NULL, vtap_cmd_complete, "Prints what the last word can become"},
    {},
};

#define USUAL "list show create update delete"

const struct vtap_noun vtap_nouns[] = {
    {"session", USUAL " enable disable stats history preview check",
     "id name number enabled state sources filter target vni=encapsulation.vni", NULL},
    {"target", USUAL " enable disable", "id name address interface mtu enabled", NULL},
    {"filter", USUAL, "id name rules=rule_count description", NULL},
    {"rule", USUAL " replace", "id direction number action protocol source destination source_ports destination_ports",
     NULL},
    {"interface", USUAL " adopt", "id name mac addresses network subnet guest host device", NULL},
    {"guest", USUAL, "id name host", NULL},
    {"network", USUAL, "id name cidrs peers", NULL},
    {"subnet", USUAL, "id name network cidr", NULL},
    {"gateway", USUAL, "id name network addresses macs", NULL},
    {"wire", USUAL, "id name host device", NULL},
    {"host", USUAL " token revoke resume devices", "id name group underlay_address uplink", NULL},
    {"project", USUAL, "id name account_id region profile", NULL},
    {"user", USUAL " enable disable password", "id name system_admin disabled roles", NULL},
    {"key", USUAL, "id name user disabled created", NULL},
    {"audit", "list", "time user action kind id outcome", "what was changed and refused, by whom"},
    {"quota", "list", "name limit used", "the limits of a project"},
    {},
};

const struct vtap_noun *vtap_noun_find(const char *name)
{
	for (const struct vtap_noun *n = vtap_nouns; n->name; n++)
		if (strcmp(n->name, name) == 0 || strcmp(vtap_noun_plural(n), name) == 0)
			return n;
	return NULL;
}

const struct vtap_kind *vtap_noun_kind(const struct vtap_noun *noun)
{
	return vtap_kind_find(noun->name);
}

const char *vtap_noun_plural(const struct vtap_noun *noun)
{
	const struct vtap_kind *kind = vtap_noun_kind(noun);

	return kind ? kind->plural : noun->name;
}

const char *vtap_noun_help(const struct vtap_noun *noun)
{
	return noun->help ? noun->help : vtap_noun_kind(noun)->help;
}

static bool is_of(const struct vtap_command *special, const struct vtap_noun *noun)
{
	return noun ? special->noun && strcmp(special->noun, noun->name) == 0 : !special->noun;
}

/* The verb's place in the noun's list of them, or NULL. */
static const char *verb_place(const struct vtap_noun *noun, const char *verb, size_t length)
{
	const char *v = noun->verbs;

	while (*v && !(strcspn(v, " ") == length && memcmp(v, verb, length) == 0)) {
		v += strcspn(v, " ");
		v += strspn(v, " ");
	}
	return *v ? v : NULL;
}

static const struct vtap_command *command_find(const struct vtap_noun *noun, const char *verb, size_t length)
{
	for (const struct vtap_command *c = vtap_commands_special; c->verb; c++)
		if (is_of(c, noun) && strlen(c->verb) == length && memcmp(c->verb, verb, length) == 0)
			return c;
	for (const struct vtap_command *c = vtap_commands_shared; noun && c->verb; c++)
		if (strlen(c->verb) == length && memcmp(c->verb, verb, length) == 0)
			return c;
	return NULL;
}

const struct vtap_command *vtap_command_find(const struct vtap_noun *noun, const char *verb)
{
	if (noun && strcmp(verb, "add") == 0)
		verb = "create";
	return noun && !verb_place(noun, verb, strlen(verb)) ? NULL : command_find(noun, verb, strlen(verb));
}

static const struct vtap_command *standing_alone(const struct vtap_command *c)
{
	while (c->verb && (c->noun || (c->flags & VTAP_COMMAND_HIDDEN)))
		c++;
	return c->verb ? c : NULL;
}

const struct vtap_command *vtap_command_next(const struct vtap_noun *noun, const struct vtap_command *previous)
{
	const char *v;

	if (!noun)
		return standing_alone(previous ? previous + 1 : vtap_commands_special);
	v = noun->verbs;
	if (previous) {
		v = verb_place(noun, previous->verb, strlen(previous->verb)) + strlen(previous->verb);
		v += strspn(v, " ");
	}
	return *v ? command_find(noun, v, strcspn(v, " ")) : NULL;
}

size_t vtap_command_tables(const struct vtap_command *command,
			   const struct vtap_option *ret_tables[VTAP_COMMAND_TABLES])
{
	const struct {
		unsigned flag;
		const struct vtap_option *table;
	} by_flag[] = {
	    {VTAP_COMMAND_UPDATE, vtap_options_reset},
	    {VTAP_COMMAND_DRY_RUN, vtap_options_dry_run},
	    {VTAP_COMMAND_WATCH, vtap_options_watch},
	};
	size_t count = 0;

	if (command->options)
		ret_tables[count++] = command->options;
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(by_flag); i++)
		if (command->flags & by_flag[i].flag)
			ret_tables[count++] = by_flag[i].table;
	ret_tables[count++] = vtap_options_general;
	return count;
}

static const struct vtap_option *option_in(const struct vtap_option *table, const char *name)
{
	bool letter = name[0] && !name[1];

	for (const struct vtap_option *o = table; o->name; o++)
		if (letter ? o->letter == *name : strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

const struct vtap_option *vtap_command_option(const struct vtap_command *command, const char *name)
{
	const struct vtap_option *tables[VTAP_COMMAND_TABLES], *found = NULL;
	size_t count = vtap_command_tables(command, tables);

	for (size_t i = 0; i < count && !found; i++)
		found = option_in(tables[i], name);
	return found;
}

const struct vtap_option *vtap_option_general(const char *name)
{
	return option_in(vtap_options_general, name);
}
