/* SPDX-License-Identifier: Apache-2.0 */

#include "model/kinds.h"

#include <errno.h>
#include <string.h>

#include "model/place.h"
#include "model/quota.h"

#define ACCOUNT_ID_DIGITS 12

const struct vtap_word vtap_role_words[] = {
    {"viewer", 1},
    {"operator", 2},
    {"admin", 3},
    {},
};

const struct vtap_attribute vtap_project_attributes[] = {
    {.name = "account_id",
     .type = VTAP_TYPE_TEXT,
     .min = ACCOUNT_ID_DIGITS,
     .max = ACCOUNT_ID_DIGITS,
     .help = "12 digits: the account in the dialects of the clouds; drawn by the server unless given"},
    {.name = "region",
     .type = VTAP_TYPE_TEXT,
     .min = 1,
     .max = VTAP_NAME_MAX,
     .standard = "\"local\"",
     .help = "the region in the dialects of the clouds"},
    {.name = "profile",
     .type = VTAP_TYPE_WORD,
     .standard = "\"native\"",
     .words = vtap_profile_words,
     .help = "whose figures the quotas have"},
    {.name = "quotas",
     .type = VTAP_TYPE_OBJECT,
     .attributes = vtap_quota_attributes,
     .help = "limits in the place of the profile's; null = the profile's"},
    {.name = "allowed_target_cidrs",
     .type = VTAP_TYPE_PREFIX,
     .flags = VTAP_ATTRIBUTE_LIST,
     .max_items = VTAP_LIST_MAX,
     .help = "where targets with an address may be without asking a system admin; null = see vtap-manifest(5)"},
    {.name = "resource_groups",
     .type = VTAP_TYPE_NAME,
     .flags = VTAP_ATTRIBUTE_LIST,
     .max_items = VTAP_LIST_MAX,
     .standard = "[]",
     .help = "names of resource groups"},
    {.name = "grants",
     .type = VTAP_TYPE_REFERENCE,
     .flags = VTAP_ATTRIBUTE_LIST,
     .max_items = VTAP_LIST_MAX,
     .standard = "[]",
     .kinds = "project",
     .help = "projects that may mirror the interfaces of this one, by copy sessions"},
    {},
};

static const struct vtap_attribute role_attributes[] = {
    {.name = "project",
     .type = VTAP_TYPE_REFERENCE,
     .flags = VTAP_ATTRIBUTE_REQUIRED,
     .kinds = "project",
     .help = "where the role holds"},
    {.name = "role",
     .type = VTAP_TYPE_WORD,
     .flags = VTAP_ATTRIBUTE_REQUIRED,
     .words = vtap_role_words,
     .help = "viewers look, operators change, admins capture packets too"},
    {},
};

const struct vtap_attribute vtap_user_attributes[] = {
    {.name = "name",
     .type = VTAP_TYPE_NAME,
     .flags = VTAP_ATTRIBUTE_REQUIRED,
     .help = "the login, unique in the system"},
    {.name = "password",
     .type = VTAP_TYPE_TEXT,
     .flags = VTAP_ATTRIBUTE_SECRET,
     .min = VTAP_PASSWORD_CHARACTERS_MIN,
     .max = VTAP_PASSWORD_CHARACTERS_MAX,
     .help = "never shown; without one there is no login"},
    {.name = "system_admin",
     .type = VTAP_TYPE_BOOL,
     .standard = "false",
     .help = "admin of every project, and of what belongs to none"},
    {.name = "disabled", .type = VTAP_TYPE_BOOL, .standard = "false", .help = "all credentials are refused"},
    {.name = "roles",
     .type = VTAP_TYPE_OBJECT,
     .flags = VTAP_ATTRIBUTE_LIST,
     .max_items = VTAP_LIST_MAX,
     .standard = "[]",
     .attributes = role_attributes,
     .help = "one role for each project"},
    {},
};

const struct vtap_attribute vtap_key_attributes[] = {
    {.name = "user",
     .type = VTAP_TYPE_REFERENCE,
     .flags = VTAP_ATTRIBUTE_REQUIRED | VTAP_ATTRIBUTE_IMMUTABLE,
     .kinds = "user",
     .help = "whose key it is"},
    {.name = "disabled", .type = VTAP_TYPE_BOOL, .standard = "false", .help = "the key is refused"},
    {},
};

int vtap_project_check(const struct vtap_kind *kind, const json_t *resource, struct vtap_error *reterr)
{
	struct vtap_place root = {.value = resource, .reterr = reterr};
	struct vtap_place account = vtap_place_member(&root, "account_id");
	const char *text = json_string_value(account.value);

	if (text && strspn(text, "0123456789") != ACCOUNT_ID_DIGITS)
		return vtap_place_fail_value(&account, "%d digits", ACCOUNT_ID_DIGITS);
	return 0;
}

int vtap_user_check(const struct vtap_kind *kind, const json_t *resource, struct vtap_error *reterr)
{
	struct vtap_place root = {.value = resource, .reterr = reterr}, roles = vtap_place_member(&root, "roles");

	for (size_t i = 0; i < json_array_size(roles.value); i++) {
		struct vtap_place element = vtap_place_element(&roles, i);
		struct vtap_place project = vtap_place_member(&element, "project");

		for (size_t j = 0; j < i; j++)
			if (json_equal(project.value, json_object_get(json_array_get(roles.value, j), "project")))
				return vtap_place_fail(&project, -EINVAL,
						       "%s is named twice: a user has one role in a project",
						       json_string_value(project.value));
	}
	return 0;
}
