/* SPDX-License-Identifier: Apache-2.0 */

#include "model/value.h"
#include "resource.h"
#include "unit.h"

#define DIGITS "0123456789abcdef0"

static void test_finds_kinds(void **state)
{
	static const struct {
		const char *name, *plural, *prefix;
		unsigned flags;
	} rows[] = {
	    {"project", "projects", "proj", VTAP_KIND_GLOBAL},
	    {"user", "users", "user", VTAP_KIND_GLOBAL},
	    {"key", "keys", "key", VTAP_KIND_GLOBAL},
	    {"host", "hosts", "host", VTAP_KIND_GLOBAL},
	    {"guest", "guests", "i", 0},
	    {"network", "networks", "vpc", 0},
	    {"subnet", "subnets", "subnet", 0},
	    {"interface", "interfaces", "eni", 0},
	    {"wire", "wires", "wire", VTAP_KIND_GLOBAL},
	    {"gateway", "gateways", "nat", 0},
	    {"target", "targets", "tmt", 0},
	    {"filter", "filters", "tmf", 0},
	    {"rule", "rules", "tmfr", VTAP_KIND_INSIDE},
	    {"session", "sessions", "tms", 0},
	};
	char id[VTAP_ID_STRLEN];

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		const struct vtap_kind *kind = vtap_kind_find(rows[i].name);

		assert_non_null(kind);
		assert_string_equal(kind->prefix, rows[i].prefix);
		assert_int_equal(kind->flags, rows[i].flags);
		assert_ptr_equal(vtap_kind_by_plural(rows[i].plural), kind);
		assert_ptr_equal(vtap_kind_of_id(vtap_id_make(kind, DIGITS, id)), kind);
		assert_true(vtap_id_is_valid(kind, id));
		assert_true(vtap_id_is_valid(NULL, id));
	}
	assert_null(vtap_kinds[VTAP_ARRAY_SIZE(rows)].name);
	assert_null(vtap_kind_find("sessions"));
	assert_null(vtap_kind_find(""));
	assert_null(vtap_kind_by_plural("session"));
}

static void test_ids(void **state)
{
	static const char *const bad[] = {
	    "",
	    "tms",
	    "tms-",
	    "tms-0123456789abcdef", /* 16 digits */
	    "tms-0123456789abcdef01", /* 18 */
	    "tms-0123456789ABCDEF0",
	    "tms-0123456789abcdefg",
	    "tms_0123456789abcdef0",
	    "tmx-0123456789abcdef0",
	    "-0123456789abcdef0",
	    " tms-0123456789abcdef0",
	    "tms-0123456789abcdef0\n",
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(bad); i++) {
		assert_false(vtap_id_is_valid(NULL, bad[i]));
		assert_false(vtap_id_is_valid(vtap_kind_find("session"), bad[i]));
	}
	assert_false(vtap_id_is_valid(vtap_kind_find("filter"), "tmfr-" DIGITS));
	assert_false(vtap_id_is_valid(vtap_kind_find("rule"), "tmf-" DIGITS));
	assert_true(strlen("subnet-" DIGITS) < VTAP_ID_STRLEN);
}

static void test_finds_attributes(void **state)
{
	static const struct {
		const char *kind, *path;
		enum vtap_type type; /* VTAP_TYPE_MAX = there is none */
	} rows[] = {
	    {"session", "number", VTAP_TYPE_NUMBER},
	    {"session", "id", VTAP_TYPE_TEXT},
	    {"session", "tags", VTAP_TYPE_TAGS},
	    {"session", "encapsulation", VTAP_TYPE_OBJECT},
	    {"session", "encapsulation.vni", VTAP_TYPE_NUMBER},
	    {"session", "encapsulation.name", VTAP_TYPE_MAX},
	    {"session", "encapsulation.", VTAP_TYPE_MAX},
	    {"session", "encapsulation[0].vni", VTAP_TYPE_MAX},
	    {"session", "number.x", VTAP_TYPE_MAX},
	    {"session", "sources[3]", VTAP_TYPE_REFERENCE},
	    {"session", "sources[3", VTAP_TYPE_MAX},
	    {"session", "sources[x]", VTAP_TYPE_MAX},
	    {"session", "vni", VTAP_TYPE_MAX},
	    {"session", "", VTAP_TYPE_MAX},
	    {"network", "routes[12].destination", VTAP_TYPE_PREFIX},
	    {"network", "routes.gateway", VTAP_TYPE_REFERENCE},
	    {"project", "quotas.sessions", VTAP_TYPE_NUMBER},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		const struct vtap_attribute *a = vtap_kind_attribute(vtap_kind_find(rows[i].kind), rows[i].path);

		if (rows[i].type == VTAP_TYPE_MAX)
			assert_null(a);
		else
			assert_int_equal(a->type, rows[i].type);
	}
	/* A kind's own stands for the common one. */
	assert_true(vtap_kind_attribute(vtap_kind_find("user"), "name")->flags & VTAP_ATTRIBUTE_REQUIRED);
	assert_false(vtap_kind_attribute(vtap_kind_find("host"), "name")->flags & VTAP_ATTRIBUTE_REQUIRED);
}

static void list_attributes(const char *kind, char *buffer, size_t size_bytes)
{
	buffer[0] = '\0';
	for (const struct vtap_attribute *a = NULL; (a = vtap_kind_next_attribute(vtap_kind_find(kind), a));)
		snprintf(buffer + strlen(buffer), size_bytes - strlen(buffer), "%s ", a->name);
}

static void test_order_of_attributes(void **state)
{
	char names[512];

	list_attributes("guest", names, sizeof(names));
	assert_string_equal(names, "id name description tags project host created updated version ");
	list_attributes("user", names, sizeof(names));
	assert_string_equal(names, "id name description tags project password system_admin disabled roles created "
				   "updated version ");
	assert_ptr_equal(
	    vtap_kind_next_attribute(vtap_kind_find("user"), vtap_kind_attribute(vtap_kind_find("user"), "id")),
	    vtap_kind_attribute(vtap_kind_find("user"), "name"));
}

static void test_is_among(void **state)
{
	const struct vtap_kind *rule = vtap_kind_find("rule");

	assert_true(vtap_kind_is_among(rule, "rule"));
	assert_true(vtap_kind_is_among(rule, "filter rule"));
	assert_true(vtap_kind_is_among(rule, "rule filter"));
	assert_false(vtap_kind_is_among(rule, "rules filter"));
	assert_false(vtap_kind_is_among(rule, "rul"));
	assert_false(vtap_kind_is_among(rule, ""));
}

static void check_default(const struct vtap_attribute *a)
{
	json_auto_t *standard = a->standard ? json_loads(a->standard, JSON_DECODE_ANY, NULL) : json_null();
	struct vtap_place p = {.value = standard};
	json_auto_t *same = NULL;

	assert_non_null(standard);
	if (a->flags & VTAP_ATTRIBUTE_LIST) {
		assert_true(json_is_null(standard) || json_array_size(standard) == 0);
	} else if (!json_is_null(standard)) {
		assert_true(a->type != VTAP_TYPE_REFERENCE && a->type != VTAP_TYPE_OBJECT);
		assert_int_equal(vtap_value_normalize(&p, a, &same), 0);
		assert_true(json_equal(same, standard));
	}
}

static void check_kinds_of(const struct vtap_attribute *a)
{
	_cleanup_free_ char *kinds = strdup(a->kinds);

	for (char *name = strtok(kinds, " "); name; name = strtok(NULL, " "))
		assert_non_null(vtap_kind_find(name));
}

/* What a table must hold for the rest of the code to be right. */
static void check_attribute(const struct vtap_attribute *a)
{
	bool has_words = a->type == VTAP_TYPE_WORD || a->type == VTAP_TYPE_PROTOCOL || a->type == VTAP_TYPE_ETHERTYPE;

	assert_true(a->type < VTAP_TYPE_MAX);
	assert_non_null(vtap_type_name(a->type));
	assert_non_null(a->help);
	assert_true(a->help[0] != '\0' && a->help[strlen(a->help) - 1] != '.');
	assert_true(a->min <= a->max);
	assert_int_equal(a->words != NULL, has_words);
	assert_int_equal(a->attributes != NULL, a->type == VTAP_TYPE_OBJECT);
	assert_int_equal(a->kinds != NULL, a->type == VTAP_TYPE_REFERENCE);
	assert_int_equal(a->max_items > 0, !!(a->flags & VTAP_ATTRIBUTE_LIST));
	assert_true(a->min_items <= a->max_items);
	assert_false((a->flags & VTAP_ATTRIBUTE_REQUIRED) && a->standard);
	if (a->type == VTAP_TYPE_NUMBER)
		assert_true(a->max > 0 && a->max <= INT64_MAX);
	if (a->kinds)
		check_kinds_of(a);
	check_default(a);
	for (const struct vtap_attribute *m = a->attributes; m && m->name; m++) {
		assert_true(m->type != VTAP_TYPE_OBJECT || !(a->flags & VTAP_ATTRIBUTE_LIST));
		check_attribute(m);
	}
}

static void test_tables_are_sound(void **state)
{
	for (const struct vtap_kind *k = vtap_kinds; k->name; k++) {
		size_t count = 0;

		assert_non_null(k->help);
		for (const struct vtap_kind *other = vtap_kinds; other < k; other++)
			assert_true(strcmp(other->prefix, k->prefix) != 0 && strcmp(other->name, k->name) != 0);
		for (const struct vtap_attribute *a = NULL; (a = vtap_kind_next_attribute(k, a)); count++) {
			check_attribute(a);
			assert_ptr_equal(vtap_kind_attribute(k, a->name), a);
		}
		assert_in_range(count, 1, VTAP_PLACE_NAMES_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_finds_kinds),      cmocka_unit_test(test_ids),
	    cmocka_unit_test(test_finds_attributes), cmocka_unit_test(test_order_of_attributes),
	    cmocka_unit_test(test_is_among),         cmocka_unit_test(test_tables_are_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
