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
    {"since", 0, 0, "TIME|DURATION", 0, 0, NULL, "Not older, such as 2026-11-21T15:00:00Z or 2h (24h)"},
    {"user", 0, VTAP_OPTION_QUERY, "USER", 0, 0, "@user", "Only what this user did"},
    {"resource", 0, VTAP_OPTION_QUERY, "ID", 0, 0, NULL, "Only what concerns the resource with this id"},
    {"limit", 0, 0, "N", 1, COUNT_MAX, NULL, "Show at most so many, the latest of them"},
    {},
};

static const struct vtap_option options_token[] = {
    {"ttl", 0, VTAP_OPTION_BODY, "DURATION", 0, 0, NULL, "How long the token can be used, such as 90s, 10m, 2h"},
    {},
};

static const struct vtap_option options_file[] = {
    {"file", 'f', VTAP_OPTION_REQUIRED, "FILE", 0, 0, NULL, "The manifest, YAML or JSON; - is standard input"},
    {"prune", 0, 0, NULL, 0, 0, NULL,
     "Also delete what earlier manifests of this name made in the project and this one lacks"},
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
    {"icmp-type", 0, VTAP_OPTION_QUERY, "N", 0, 255, NULL, "Its ICMP type (an echo request's)"},
    {"icmp-code", 0, VTAP_OPTION_QUERY, "N", 0, 255, NULL, "Its ICMP code (0)"},
    {"vlan", 0, VTAP_OPTION_QUERY, "N", 1, 4094, NULL, "Its VLAN id (untagged)"},
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
    {.verb = "list",
     .flags = VTAP_COMMAND_SELECT | VTAP_COMMAND_WATCH,
     .options = vtap_options_list,
     .method = "GET",
     .path = "/v1/*",
     .run = vtap_cmd_list,
     .help = "Lists them; options of attributes choose among them"},
    {.verb = "show",
     .flags = VTAP_COMMAND_MANY | VTAP_COMMAND_WATCH,
     .argument = "*",
     .method = "GET",
     .path = "/v1/*/{}",
     .run = vtap_cmd_show,
     .help = "Shows everything about one"},
    {.verb = "create",
     .flags = VTAP_COMMAND_CREATE | VTAP_COMMAND_DRY_RUN,
     .options = options_create,
     .method = "POST",
     .path = "/v1/*",
     .done = "created",
     .run = vtap_cmd_create,
     .help = "Makes a new one"},
    {.verb = "update",
     .flags = VTAP_COMMAND_UPDATE | VTAP_COMMAND_DRY_RUN,
     .argument = "*",
     .options = options_match,
     .method = "PATCH",
     .path = "/v1/*/{}",
     .done = "updated",
     .help = "Changes what is given, and nothing else"},
    {.verb = "delete",
     .flags = VTAP_COMMAND_MANY | VTAP_COMMAND_DRY_RUN,
     .argument = "*",
     .options = options_match,
     .method = "DELETE",
     .path = "/v1/*/{}",
     .done = "deleted",
     .help = "Deletes it"},
    {.verb = "enable",
     .flags = VTAP_COMMAND_MANY | VTAP_COMMAND_DRY_RUN,
     .argument = "*",
     .method = "POST",
     .path = "/v1/*/{}/enable",
     .done = "enabled",
     .help = "Lets it work"},
    {.verb = "disable",
     .flags = VTAP_COMMAND_MANY | VTAP_COMMAND_DRY_RUN,
     .argument = "*",
     .method = "POST",
     .path = "/v1/*/{}/disable",
     .done = "disabled",
     .help = "Lets it rest, and keeps it"},
    {},
};

const struct vtap_command vtap_commands_special[] = {
    {.noun = "rule",
     .verb = "list",
     .flags = VTAP_COMMAND_WATCH,
     .options = options_rule_list,
     .method = "GET",
     .path = "/v1/filters/{}/rules",
     .run = vtap_cmd_rule_list,
     .help = "Lists the rules of a filter in their order"},
    {.noun = "rule",
     .verb = "show",
     .flags = VTAP_COMMAND_MANY,
     .argument = "*",
     .method = "GET",
     .path = "/v1/rules/{}",
     .run = vtap_cmd_rule_call,
     .help = "Shows a rule, by its id or as FILTER/DIRECTION/NUMBER"},
    {.noun = "rule",
     .verb = "create",
     .flags = VTAP_COMMAND_CREATE | VTAP_COMMAND_DRY_RUN,
     .options = options_create,
     .method = "POST",
     .path = "/v1/filters/{}/rules",
     .done = "created",
     .run = vtap_cmd_rule_create,
     .help = "Adds a rule to a filter; add is the same"},
    {.noun = "rule",
     .verb = "update",
     .flags = VTAP_COMMAND_UPDATE | VTAP_COMMAND_DRY_RUN,
     .argument = "*",
     .options = options_match,
     .method = "PATCH",
     .path = "/v1/rules/{}",
     .done = "updated",
     .run = vtap_cmd_rule_call,
     .help = "Changes a rule, named by its id or as FILTER/DIRECTION/NUMBER"},
    {.noun = "rule",
     .verb = "delete",
     .flags = VTAP_COMMAND_MANY | VTAP_COMMAND_DRY_RUN,
     .argument = "*",
     .options = options_match,
     .method = "DELETE",
     .path = "/v1/rules/{}",
     .done = "deleted",
     .run = vtap_cmd_rule_call,
     .help = "Deletes rules, named by their ids or as FILTER/DIRECTION/NUMBER"},
    {.noun = "rule",
     .verb = "replace",
     .flags = VTAP_COMMAND_DRY_RUN,
     .options = options_rule_replace,
     .method = "PUT",
     .path = "/v1/filters/{}/rules",
     .run = vtap_cmd_rule_replace,
     .help = "Replaces all rules of a filter at once"},
    {.noun = "session",
     .verb = "stats",
     .flags = VTAP_COMMAND_MANY | VTAP_COMMAND_WATCH,
     .argument = "*",
     .method = "GET",
     .path = "/v1/sessions/{}/stats",
     .run = vtap_cmd_session_stats,
     .help = "Shows what it matched, mirrored and lost"},
    {.noun = "session",
     .verb = "history",
     .flags = VTAP_COMMAND_WATCH,
     .argument = "*",
     .options = options_history,
     .method = "GET",
     .path = "/v1/sessions/{}/stats/history",
     .run = vtap_cmd_session_history,
     .help = "Shows what it did in the last hour, in steps of ten seconds"},
    {.noun = "session",
     .verb = "preview",
     .flags = VTAP_COMMAND_WATCH,
     .argument = "*",
     .method = "GET",
     .path = "/v1/sessions/{}/preview",
     .member = "items",
     .columns = "source host device mirrored reason",
     .help = "Shows which interfaces its sources cover now"},
    {.noun = "session",
     .verb = "check",
     .argument = "*",
     .method = "POST",
     .path = "/v1/sessions/{}/check",
     .run = vtap_cmd_session_check,
     .help = "Sends a marked probe along its way and names the hop that loses it"},
    {.noun = "interface",
     .verb = "adopt",
     .flags = VTAP_COMMAND_CREATE | VTAP_COMMAND_DRY_RUN,
     .options = options_create,
     .method = "POST",
     .path = "/v1/interfaces/adopt",
     .done = "adopted",
     .run = vtap_cmd_create,
     .help = "Makes an interface of a device that an agent reports; needs --host and --device"},
    {.noun = "host",
     .verb = "token",
     .flags = VTAP_COMMAND_ONCE,
     .argument = "*",
     .options = options_token,
     .method = "POST",
     .path = "/v1/hosts/{}/token",
     .member = "token",
     .help = "Prints a join token for the host's agent: for one use, until it expires"},
    {.noun = "host",
     .verb = "revoke",
     .flags = VTAP_COMMAND_MANY,
     .argument = "*",
     .method = "POST",
     .path = "/v1/hosts/{}/revoke",
     .done = "revoked",
     .help = "Takes the credentials of its agent back; the agent detaches"},
    {.noun = "host",
     .verb = "resume",
     .flags = VTAP_COMMAND_MANY,
     .argument = "*",
     .method = "POST",
     .path = "/v1/hosts/{}/resume",
     .done = "resumed",
     .help = "Trusts its agent again after two used one credential"},
    {.noun = "host",
     .verb = "devices",
     .flags = VTAP_COMMAND_WATCH,
     .argument = "*",
     .method = "GET",
     .path = "/v1/hosts/{}/devices",
     .member = "items",
     .columns = "device kind up mac addresses master guest=guest.name interface",
     .help = "Lists the devices that its agent found"},
    {.noun = "key",
     .verb = "create",
     .flags = VTAP_COMMAND_CREATE | VTAP_COMMAND_LENIENT | VTAP_COMMAND_ONCE,
     .options = options_create,
     .method = "POST",
     .path = "/v1/keys",
     .run = vtap_cmd_create,
     .help = "Makes an access key, without --user for oneself, and shows its secret, once"},
    {.noun = "user",
     .verb = "password",
     .argument = "*",
     .method = "POST",
     .path = "/v1/users/{}/password",
     .done = "has a new password",
     .run = vtap_cmd_user_password,
     .help = "Sets a password, which is asked for or read from standard input"},
    {.noun = "audit",
     .verb = "list",
     .flags = VTAP_COMMAND_WATCH,
     .options = options_audit,
     .method = "GET",
     .path = "/v1/audit",
     .run = vtap_cmd_audit_list,
     .help = "Lists who did what, and what was refused, the latest last"},
    {.noun = "quota",
     .verb = "list",
     .flags = VTAP_COMMAND_WATCH,
     .method = "GET",
     .path = "/v1/quotas",
     .member = "items",
     .columns = "name limit used help",
     .help = "Lists the project's limits and what is used of them"},
    {.verb = "apply",
     .flags = VTAP_COMMAND_DRY_RUN,
     .options = options_file,
     .run = vtap_cmd_apply,
     .help = "Makes everything as a manifest says"},
    {.verb = "diff",
     .options = options_file,
     .run = vtap_cmd_diff,
     .help = "Shows what apply would change: exit status 1 if anything"},
    {.verb = "export",
     .flags = VTAP_COMMAND_OPTIONAL,
     .argument = "NOUN...",
     .options = options_export,
     .run = vtap_cmd_export,
     .help = "Prints a manifest of what there is"},
    {.verb = "capture",
     .argument = "SESSION",
     .options = options_capture,
     .method = "GET",
     .path = "/v1/sessions/{}/capture",
     .run = vtap_cmd_capture,
     .help = "Writes the session's packets as pcap to standard output"},
    {.verb = "trace",
     .options = options_trace,
     .method = "GET",
     .path = "/v1/trace",
     .run = vtap_cmd_trace,
     .help = "Says which session and rule take a packet, and why not the others"},
    {.verb = "events",
     .options = options_events,
     .method = "GET",
     .path = "/v1/events",
     .run = vtap_cmd_events,
     .help = "Shows changes as they happen"},
    {.verb = "login",
     .flags = VTAP_COMMAND_ANONYMOUS,
     .options = options_login,
     .method = "POST",
     .path = "/v1/login",
     .run = vtap_cmd_login,
     .help = "Asks for a password and keeps a token in the profile"},
    {.verb = "logout", .method = "POST", .path = "/v1/logout", .run = vtap_cmd_logout, .help = "Ends what login began"},
    {.verb = "whoami", .method = "GET", .path = "/v1/whoami", .help = "Shows who asks, and what they may do"},
    {.verb = "completion",
     .flags = VTAP_COMMAND_OFFLINE,
     .argument = "bash|zsh",
     .run = vtap_cmd_completion,
     .help = "Prints the shell's completion script"},
    {.verb = "help",
     .flags = VTAP_COMMAND_OFFLINE | VTAP_COMMAND_OPTIONAL,
     .argument = "NOUN VERB",
     .run = vtap_cmd_help,
     .help = "Explains vtap, a noun or a command"},
    {.verb = "version", .flags = VTAP_COMMAND_OFFLINE, .run = vtap_cmd_version, .help = "Prints the version"},
    {.verb = "complete",
     .flags = VTAP_COMMAND_OFFLINE | VTAP_COMMAND_OPTIONAL | VTAP_COMMAND_HIDDEN | VTAP_COMMAND_RAW,
     .argument = "WORD...",
     .run = vtap_cmd_complete,
     .help = "Prints what the last word can become"},
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
    {"host", USUAL " token revoke resume devices", "id name state seen group underlay_address uplink", NULL},
    {"project", USUAL, "id name account_id region profile", NULL},
    {"user", USUAL " enable disable password", "id name disabled system_admin roles", NULL},
    {"key", USUAL " enable disable", "id name user disabled created", NULL},
    {"audit", "list", "time who what outcome reason", "what was changed and refused, by whom"},
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
