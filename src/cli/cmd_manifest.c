/* SPDX-License-Identifier: Apache-2.0 */

/* apply, diff and export: what is there is read once, and what must happen is decided from it by cli/plan.h. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/commands.h"
#include "cli/plan.h"
#include "cli/render.h"
#include "cli/show.h"

#define EXIT_DIFFERENT 1
#define EXIT_TROUBLE 2 /* of diff, whose 1 means something else */
#define HTTP_CHANGED_SINCE 412
#define PLANS_MAX 4 /* of apply, where others change the same resources meanwhile */

/* Names of kinds to whether they must be readable. */
static void kinds_of(const struct vtap_kind *kind, const struct vtap_attribute *a, json_t *kinds)
{
	for (const struct vtap_kind *k = vtap_kinds; a->kinds && k->name; k++)
		if (vtap_kind_is_among(k, a->kinds) && !json_object_get(kinds, k->name))
			json_object_set_new(kinds, k->name, json_false());
	for (const struct vtap_attribute *m = a->attributes; m && m->name; m++)
		kinds_of(kind, m, kinds);
}

/* The manifest's kinds, and those that they refer to; for pruning all of them. */
static json_t *kinds_wanted(const struct vtap_manifest *manifest, bool prune)
{
	json_t *kinds = json_object();

	for (size_t n = 0; vtap_manifest_kinds[n]; n++) {
		const struct vtap_kind *kind = vtap_kind_find(vtap_manifest_kinds[n]);
		const struct vtap_attribute *a = NULL;
		bool has = json_array_size(json_object_get(manifest->values, kind->plural)) > 0;

		if (prune && !json_object_get(kinds, kind->name))
			json_object_set_new(kinds, kind->name, json_false());
		if (!has)
			continue;
		json_object_set_new(kinds, kind->name, json_true());
		while ((a = vtap_kind_next_attribute(kind, a)))
			if (!(a->flags & VTAP_ATTRIBUTE_COMPUTED))
				kinds_of(kind, a, kinds);
	}
	return kinds;
}

static int rules_fetch(struct vtap_cli *cli, json_t *filter)
{
	_cleanup_free_ char *path = vtap_request_path("/v1/filters/{}/rules", NULL, vtap_text(filter, "id"));
	struct vtap_ask ask = {.method = "GET", .path = path};
	json_t *rules = NULL;
	int status;

	if (!path)
		return vtap_show_memory(cli);
	status = vtap_ask_list(cli, &ask, 0, &rules);
	if (status == VTAP_EXIT_DONE)
		json_object_set_new(filter, "rules", rules);
	return status;
}

/* Whoever may not see a kind that is only referred to can still use ids. */
static int kind_fetch(struct vtap_cli *cli, const struct vtap_kind *kind, bool must, json_t *inventory)
{
	char path[64];
	struct vtap_ask ask = {.method = "GET", .path = path};
	struct vtap_refusal refusal = {};
	json_t *list = NULL, *first = NULL;
	int status;

	snprintf(path, sizeof(path), "/v1/%s?limit=1", kind->plural);
	if (!must) {
		status = vtap_ask_try(cli, &ask, &first, &refusal);
		json_decref(first);
		if (refusal.http == 403 || refusal.http == 404)
			return VTAP_EXIT_DONE;
		if (status != VTAP_EXIT_DONE)
			return vtap_cli_fail(cli, status, "%s", refusal.text);
	}
	snprintf(path, sizeof(path), "/v1/%s", kind->plural);
	status = vtap_ask_list(cli, &ask, 0, &list);
	if (status == VTAP_EXIT_DONE)
		json_object_set_new(inventory, kind->name, list);
	return status;
}

/* Only the rules of those filters are read that the manifest has rules for; manifest = NULL: of all. */
static int filters_fetch(struct vtap_cli *cli, const struct vtap_manifest *manifest, json_t *inventory)
{
	json_t *filter, *entry, *names = json_object();
	int status = VTAP_EXIT_DONE;
	size_t i;

	json_array_foreach(manifest ? json_object_get(manifest->values, "filters") : NULL, i, entry)
	{
		const char *name = vtap_text(entry, "name") ? vtap_text(entry, "name") : vtap_text(entry, "id");

		if (json_object_get(entry, "rules") && name)
			json_object_set_new(names, name, json_true());
	}
	json_array_foreach(json_object_get(inventory, "filter"), i, filter)
	{
		const char *name = vtap_text(filter, "name") ? vtap_text(filter, "name") : vtap_text(filter, "id");

		if (status == VTAP_EXIT_DONE && (!manifest || json_object_get(names, name)))
			status = rules_fetch(cli, filter);
	}
	json_decref(names);
	return status;
}

static int inventory_fetch(struct vtap_cli *cli, const json_t *kinds, const struct vtap_manifest *manifest,
			   json_t **ret_inventory)
{
	json_t *inventory = json_object();
	int status = VTAP_EXIT_DONE;

	for (const struct vtap_kind *k = vtap_kinds; k->name && status == VTAP_EXIT_DONE; k++) {
		const json_t *wanted = json_object_get(kinds, k->name);

		if (wanted)
			status = kind_fetch(cli, k, json_is_true(wanted), inventory);
	}
	if (status == VTAP_EXIT_DONE)
		status = filters_fetch(cli, manifest, inventory);
	if (status == VTAP_EXIT_DONE)
		*ret_inventory = json_incref(inventory);
	json_decref(inventory);
	return status;
}

static int manifest_read(struct vtap_cli *cli, const struct vtap_invocation *i, struct vtap_manifest *ret)
{
	const char *path = vtap_invocation_text(i, "file");
	_cleanup_free_ char *text = NULL;
	struct vtap_error error = {};
	size_t bytes = 0;
	int status;

	status = vtap_show_file(cli, path, VTAP_MANIFEST_MAX_BYTES, &text, &bytes);
	if (status == VTAP_EXIT_DONE && vtap_manifest_read(text, bytes, ret, &error) < 0)
		return vtap_cli_fail_error(cli, VTAP_EXIT_USAGE, path, &error);
	return status;
}

/* From what is there now. */
static int plan_read(struct vtap_cli *cli, const struct vtap_invocation *i, const struct vtap_manifest *manifest,
		     struct vtap_plan *ret)
{
	const char *path = vtap_invocation_text(i, "file");
	bool prune = vtap_invocation_flag(i, "prune");
	json_t *inventory = NULL, *kinds = kinds_wanted(manifest, prune);
	struct vtap_error error = {};
	int status;

	status = inventory_fetch(cli, kinds, manifest, &inventory);
	if (status == VTAP_EXIT_DONE && vtap_plan_make(manifest, inventory, prune, ret, &error) < 0)
		status = vtap_cli_fail_error(cli, VTAP_EXIT_USAGE, path, &error);
	json_decref(inventory);
	json_decref(kinds);
	return status;
}

static void put_value(FILE *out, const json_t *value)
{
	_cleanup_free_ char *text = vtap_render_text(value, NULL);

	for (char *c = text; c && *c; c++)
		fputc((unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c, out);
}

/* "+ target ids", and below what it will be. */
static void step_print(struct vtap_cli *cli, const struct vtap_step *s)
{
	static const char *const marks[VTAP_STEP_MAX] = {"+", "~", "~", "-"};
	static const char *const colours[VTAP_STEP_MAX] = {"\033[32m", "\033[33m", "\033[33m", "\033[31m"};
	const json_t *change;
	size_t i;

	if (json_array_size(s->changes) == 0)
		return;
	fprintf(cli->out, "%s%s %s ", cli->colour ? colours[s->action] : "", marks[s->action], s->kind->name);
	if (s->action == VTAP_STEP_DELETE)
		put_value(cli->out, json_object_get(json_array_get(s->changes, 0), "before"));
	else
		fputs(s->name, cli->out);
	fprintf(cli->out, "%s\n", cli->colour ? "\033[0m" : "");
	json_array_foreach(s->changes, i, change)
	{
		const json_t *before = json_object_get(change, "before"), *after = json_object_get(change, "after");
		bool create = s->action == VTAP_STEP_CREATE;

		if (s->action == VTAP_STEP_DELETE || (create && strcmp(vtap_text(change, "path"), "name") == 0))
			continue;
		fprintf(cli->out, "    %s: ", vtap_text(change, "path"));
		if (!create) {
			put_value(cli->out, before);
			fputs(" -> ", cli->out);
		}
		put_value(cli->out, after);
		fputc('\n', cli->out);
	}
}

static int plan_print(struct vtap_cli *cli, const struct vtap_plan *plan)
{
	json_t *steps = json_array();
	int status;

	for (size_t i = 0; i < plan->count; i++) {
		const struct vtap_step *s = &plan->steps[i];

		if (cli->output == VTAP_OUTPUT_TABLE)
			step_print(cli, s);
		else if (json_array_size(s->changes) > 0)
			json_array_append_new(steps,
					      json_pack("{s:s,s:s,s:s,s:O}", "action", vtap_step_action_name(s->action),
							"kind", s->kind->name, "name", s->name, "changes", s->changes));
	}
	status = cli->output == VTAP_OUTPUT_TABLE ? VTAP_EXIT_DONE : vtap_show_value(cli, steps);
	json_decref(steps);
	return status;
}

int vtap_cmd_diff(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	VTAP_CLEANUP(vtap_manifest_done) struct vtap_manifest manifest = {};
	VTAP_CLEANUP(vtap_plan_done) struct vtap_plan plan = {};
	int status = manifest_read(cli, i, &manifest);

	if (status == VTAP_EXIT_DONE)
		status = plan_read(cli, i, &manifest, &plan);
	if (status == VTAP_EXIT_DONE)
		status = plan_print(cli, &plan);
	if (status != VTAP_EXIT_DONE)
		return status == VTAP_EXIT_UNREACHABLE ? status : EXIT_TROUBLE;
	return plan.count > 0 ? EXIT_DIFFERENT : VTAP_EXIT_DONE;
}

struct application {
	struct vtap_cli *cli;
	struct vtap_plan plan; /* owned */
	bool *done; /* owned; by step */
	struct vtap_refusal *refusals; /* owned; by step: the last one */
	json_t *versions; /* owned; of what it has changed itself: by kind and name */
	const struct vtap_step *stale; /* of the plan: somebody else has changed it; NULL = nobody has */
	size_t counts[VTAP_STEP_MAX]; /* of all plans */
	size_t unchanged; /* of the first */
};

static void application_done(struct application *a)
{
	vtap_plan_done(&a->plan);
	free(VTAP_STEAL(a->done));
	free(VTAP_STEAL(a->refusals));
	json_decref(VTAP_STEAL(a->versions));
	a->stale = NULL;
}

/* Asks for the change of what was read, and of nothing that somebody else has made of it since. */
static int step_ask(struct application *a, const struct vtap_step *s, struct vtap_refusal *ret_refusal)
{
	static const struct {
		const char *method, *path;
	} requests[VTAP_STEP_MAX] = {
	    [VTAP_STEP_CREATE] = {"POST", "/v1/*"},
	    [VTAP_STEP_UPDATE] = {"PATCH", "/v1/*/{}"},
	    [VTAP_STEP_RULES] = {"PUT", "/v1/*/{}/rules"},
	    [VTAP_STEP_DELETE] = {"DELETE", "/v1/*/{}"},
	};
	_cleanup_free_ char *path = vtap_request_path(requests[s->action].path, s->kind->plural, s->name);
	_cleanup_free_ char *body = s->body ? json_dumps(s->body, JSON_COMPACT) : NULL;
	struct vtap_ask ask = {.method = requests[s->action].method, .path = path, .body = body};
	json_t *answer = NULL, *own;
	char about[120], match[48];
	int status;

	if (!path || (s->body && !body))
		return vtap_show_memory(a->cli);
	snprintf(about, sizeof(about), "%s %s", s->kind->name, s->name);
	ask.about = about;
	own = json_object_get(a->versions, about);
	snprintf(match, sizeof(match), "If-Match: \"%" JSON_INTEGER_FORMAT "\"",
		 own ? json_integer_value(own) : s->version);
	if (own || s->version > 0)
		ask.headers[0] = match;
	status = vtap_ask_try(a->cli, &ask, &answer, ret_refusal);
	own = json_object_get(answer, "version");
	if (json_is_integer(own) && json_object_set(a->versions, about, own) < 0)
		status = vtap_show_memory(a->cli);
	if (status == VTAP_EXIT_DONE)
		vtap_show_warning(a->cli, answer);
	json_decref(answer);
	return status;
}

static void step_say(const struct application *a, const struct vtap_step *s)
{
	static const char *const done[VTAP_STEP_MAX] = {"created", "updated", "has new rules", "deleted"};

	if (a->cli->quiet || a->cli->output != VTAP_OUTPUT_TABLE || json_array_size(s->changes) == 0)
		return;
	fprintf(a->cli->out, "%s ", s->kind->name);
	if (s->action == VTAP_STEP_DELETE)
		put_value(a->cli->out, json_object_get(json_array_get(s->changes, 0), "before"));
	else
		fputs(s->name, a->cli->out);
	fprintf(a->cli->out, " %s\n", done[s->action]);
}

/* Rules that come with a change of their filter, or with a new one, are no change of their own. */
static bool counts(const struct vtap_plan *plan, size_t index)
{
	const struct vtap_step *s = &plan->steps[index];

	/* A second step of what was just created is a part of that. */
	if (json_array_size(s->changes) == 0)
		return false;
	if (s->action != VTAP_STEP_RULES || index == 0)
		return true;
	return s[-1].kind != s->kind || strcmp(s[-1].name, s->name) != 0;
}

/*
 * Tries once what is left of the steps; how many were done, -ECONNREFUSED when there is no controller any more, or -ESTALE with
 * a->stale when the plan is of what is there no more.
 */
static int round_run(struct application *a, bool deletions)
{
	int progress = 0;

	for (size_t i = 0; i < a->plan.count; i++) {
		const struct vtap_step *s = &a->plan.steps[i];

		if (a->done[i] || (s->action == VTAP_STEP_DELETE) != deletions)
			continue;
		switch (step_ask(a, s, &a->refusals[i])) {
		case VTAP_EXIT_DONE:
			a->done[i] = true;
			a->counts[s->action] += counts(&a->plan, i);
			step_say(a, s);
			progress++;
			break;
		case VTAP_EXIT_UNREACHABLE:
			vtap_cli_fail(a->cli, VTAP_EXIT_UNREACHABLE, "%s", a->refusals[i].text);
			return -ECONNREFUSED;
		default:
			if (a->refusals[i].http != HTTP_CHANGED_SINCE)
				break;
			a->stale = s;
			return -ESTALE;
		}
	}
	return progress;
}

/*
 * One step can be in the way of another, whatever their order: two sessions that swap their numbers with a third, for example.
 * So what was refused is tried again as long as something else has changed.
 */
static int steps_run(struct application *a, bool deletions)
{
	int status = VTAP_EXIT_DONE, progress;
	bool left;

	do {
		progress = round_run(a, deletions);
		if (progress < 0)
			return progress == -ESTALE ? VTAP_EXIT_REFUSED : VTAP_EXIT_UNREACHABLE;
		left = false;
		for (size_t i = 0; i < a->plan.count; i++)
			left = left || (!a->done[i] && (a->plan.steps[i].action == VTAP_STEP_DELETE) == deletions);
	} while (left && progress > 0);
	for (size_t i = 0; i < a->plan.count && left; i++)
		if (!a->done[i] && (a->plan.steps[i].action == VTAP_STEP_DELETE) == deletions)
			status = vtap_cli_fail(a->cli, VTAP_EXIT_REFUSED, "%s", a->refusals[i].text);
	return status;
}

static int summary_print(const struct application *a)
{
	size_t changed = a->counts[VTAP_STEP_UPDATE] + a->counts[VTAP_STEP_RULES];
	json_t *summary;
	int status;

	if (a->cli->quiet)
		return VTAP_EXIT_DONE;
	if (a->cli->output == VTAP_OUTPUT_TABLE) {
		fprintf(a->cli->out, "%zu created, %zu changed, %zu deleted, %zu as they were\n",
			a->counts[VTAP_STEP_CREATE], changed, a->counts[VTAP_STEP_DELETE], a->unchanged);
		return VTAP_EXIT_DONE;
	}
	summary = json_pack("{s:I,s:I,s:I,s:I}", "created", (json_int_t)a->counts[VTAP_STEP_CREATE], "changed",
			    (json_int_t)changed, "deleted", (json_int_t)a->counts[VTAP_STEP_DELETE], "unchanged",
			    (json_int_t)a->unchanged);
	status = vtap_show_value(a->cli, summary);
	json_decref(summary);
	return status;
}

static int plan_run(struct application *a)
{
	int status;

	a->done = calloc(a->plan.count + 1, sizeof(*a->done));
	a->refusals = calloc(a->plan.count + 1, sizeof(*a->refusals));
	a->versions = json_object();
	if (!a->done || !a->refusals || !a->versions)
		return vtap_show_memory(a->cli);
	status = steps_run(a, false);
	/* Nothing is deleted for the sake of something that did not come. */
	return status == VTAP_EXIT_DONE ? steps_run(a, true) : status;
}

/* What somebody else changes meanwhile is read again, and what is left to do then is done: nobody's change is lost unseen. */
static int plans_run(struct application *a, const struct vtap_invocation *i, const struct vtap_manifest *manifest)
{
	unsigned plans = 1;
	int status;

	while ((status = plan_run(a)) == VTAP_EXIT_REFUSED && a->stale) {
		if (plans++ == PLANS_MAX)
			return vtap_cli_fail(a->cli, status,
					     "%s %s: others change it time and again: apply the manifest again later",
					     a->stale->kind->name, a->stale->name);
		if (!a->cli->quiet)
			fprintf(a->cli->err,
				"vtap: %s %s was changed by somebody else meanwhile: everything is read again\n",
				a->stale->kind->name, a->stale->name);
		application_done(a);
		status = plan_read(a->cli, i, manifest, &a->plan);
		if (status != VTAP_EXIT_DONE)
			return status;
	}
	return status;
}

int vtap_cmd_apply(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	VTAP_CLEANUP(vtap_manifest_done) struct vtap_manifest manifest = {};
	VTAP_CLEANUP(application_done) struct application a = {.cli = cli};
	int status = manifest_read(cli, i, &manifest);

	if (status == VTAP_EXIT_DONE)
		status = plan_read(cli, i, &manifest, &a.plan);
	if (status != VTAP_EXIT_DONE)
		return status;
	if (vtap_invocation_flag(i, "dry-run"))
		return plan_print(cli, &a.plan);
	a.unchanged = a.plan.unchanged;
	status = plans_run(&a, i, &manifest);
	if (status != VTAP_EXIT_UNREACHABLE && summary_print(&a) != VTAP_EXIT_DONE)
		status = VTAP_EXIT_REFUSED;
	return status;
}

/* Kinds that were named must be readable; without names, it is all but those that are about people. */
static int export_kinds(struct vtap_cli *cli, const struct vtap_invocation *i, json_t **ret_kinds)
{
	json_t *kinds = json_object();

	for (size_t n = 0; n < i->argument_count; n++) {
		const struct vtap_noun *noun = vtap_noun_find(i->arguments[n]);
		char shown[VTAP_ERROR_QUOTE_STRLEN];
		bool known = false;

		for (size_t k = 0; noun && vtap_manifest_kinds[k]; k++)
			known = known || strcmp(vtap_manifest_kinds[k], noun->name) == 0;
		if (!known) {
			json_decref(kinds);
			return vtap_cli_fail(cli, VTAP_EXIT_USAGE, "manifests have no \"%s\"",
					     vtap_error_quote(i->arguments[n], shown));
		}
		json_object_set_new(kinds, noun->name, json_true());
	}
	for (size_t k = 0; i->argument_count == 0 && vtap_manifest_kinds[k]; k++)
		if (strcmp(vtap_manifest_kinds[k], "project") != 0 && strcmp(vtap_manifest_kinds[k], "user") != 0)
			json_object_set_new(kinds, vtap_manifest_kinds[k], json_false());
	*ret_kinds = kinds;
	return VTAP_EXIT_DONE;
}

/* What is not exported itself is fetched all the same, for the names of what is referred to. */
static void references_add(json_t *kinds)
{
	for (size_t k = 0; vtap_manifest_kinds[k]; k++)
		if (!json_object_get(kinds, vtap_manifest_kinds[k]))
			json_object_set_new(kinds, vtap_manifest_kinds[k], json_false());
}

static void unwanted_remove(json_t *values, const json_t *wanted)
{
	for (size_t k = 0; vtap_manifest_kinds[k]; k++)
		if (!json_object_get(wanted, vtap_manifest_kinds[k]))
			json_object_del(values, vtap_kind_find(vtap_manifest_kinds[k])->plural);
}

int vtap_cmd_export(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	json_t *wanted = NULL, *kinds, *inventory = NULL, *values = NULL;
	struct vtap_cli to = *cli;
	int status;

	status = export_kinds(cli, i, &wanted);
	if (status != VTAP_EXIT_DONE)
		return status;
	kinds = json_copy(wanted);
	references_add(kinds);
	status = inventory_fetch(cli, kinds, NULL, &inventory);
	if (status == VTAP_EXIT_DONE && vtap_manifest_make(inventory, vtap_invocation_text(i, "manifest"), &values) < 0)
		status = vtap_show_memory(cli);
	if (status == VTAP_EXIT_DONE) {
		unwanted_remove(values, wanted);
		to.output = cli->output == VTAP_OUTPUT_JSON ? VTAP_OUTPUT_JSON : VTAP_OUTPUT_YAML;
		to.quiet = false;
		status = vtap_show_value(&to, values);
	}
	json_decref(wanted);
	json_decref(kinds);
	json_decref(inventory);
	json_decref(values);
	return status;
}
