/* SPDX-License-Identifier: Apache-2.0 */

/* What sessions and hosts have beyond the common. */

#include "cli/commands.h"
#include "cli/show.h"

/* The answer tells whether the probe arrived; so does the exit status. */
int vtap_cmd_session_check(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	json_t *answer = NULL;
	int status;

	status = vtap_show_ask(cli, i, i->arguments[0], NULL, &answer);
	if (status == VTAP_EXIT_DONE)
		status = vtap_show_value(cli, answer);
	if (status == VTAP_EXIT_DONE && json_is_false(json_object_get(answer, "ok")))
		status = VTAP_EXIT_REFUSED;
	json_decref(answer);
	return status;
}

int vtap_cmd_host_devices(struct vtap_cli *cli, const struct vtap_invocation *i)
{
	json_t *answer = NULL;
	const json_t *items;
	int status;

	status = vtap_show_ask(cli, i, i->arguments[0], NULL, &answer);
	items = json_is_array(json_object_get(answer, "items")) ? json_object_get(answer, "items") : answer;
	if (status == VTAP_EXIT_DONE)
		status = vtap_show_value(cli, items);
	json_decref(answer);
	return status;
}
