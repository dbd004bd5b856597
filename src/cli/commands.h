/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The commands themselves: see the table that names them, cli/command.c. Each returns an enum vtap_exit. */

#include "cli/command.h"

/* One request for each argument; then `done` is said, or the answer is shown. */
int vtap_cmd_call(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_list(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_show(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_create(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_rule_list(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_rule_create(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_rule_replace(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_rule_call(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_session_stats(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_session_history(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_session_check(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_trace(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_audit_list(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_user_password(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_apply(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_diff(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_export(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_capture(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_events(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_login(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_logout(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_completion(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_complete(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_help(struct vtap_cli *cli, const struct vtap_invocation *i);
int vtap_cmd_version(struct vtap_cli *cli, const struct vtap_invocation *i);
