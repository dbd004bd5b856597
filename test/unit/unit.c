/* SPDX-License-Identifier: Apache-2.0 */

#include "unit.h"

const char unit_file[] =
    "uplink: uA\n"
    "never_mirror:\n"
    "  - {address: 10.9.0.1, port: 4789}\n"
    "targets:\n"
    "  - {name: ids, address: 172.31.0.2}\n"
    "filters:\n"
    "  - name: web\n"
    "    rules:\n"
    "      - {direction: in, number: 10, action: accept, protocol: tcp, destination_ports: 80-443}\n"
    "      - {direction: out, number: 10, action: accept}\n"
    "sessions:\n"
    "  - name: web-to-ids\n"
    "    number: 1\n"
    "    mode: exclusive\n"
    "    enabled: true\n"
    "    sources: [{device: v1, side: host}]\n"
    "    direction: both\n"
    "    filter: web\n"
    "    target: ids\n"
    "    encapsulation: {type: vxlan, vni: 66, port: 4789}\n"
    "    packet_length: 0\n"
    "    mtu_policy: fit\n"
    "    on_reject: next\n"
    "    sample: {packets: 1}\n"
    "    limit: {packets_per_second: 0, bits_per_second: 0}\n"
    "    checksum: complete\n";

char *unit_edit(unsigned line, const char *text)
{
	const char *from = unit_file, *to;
	char *result = NULL;

	for (unsigned i = 1; i < line; i++)
		from = strchr(from, '\n') + 1;
	to = strchr(from, '\n') + 1;
	assert_true(asprintf(&result, "%.*s%s%s%s", (int)(from - unit_file), unit_file, text ? text : "",
			     text ? "\n" : "", to) >= 0);
	return result;
}

struct vtap_config *unit_parse(const char *text)
{
	struct vtap_config *config = NULL;
	struct vtap_error error = {};
	int r = vtap_config_parse(text, strlen(text), &config, &error);

	if (r < 0)
		fail_msg("refused (%d), line %u, %s: %s\n%s", r, error.line, error.field, error.text, text);
	assert_non_null(config);
	return config;
}

void unit_refused(const char *text, int code, unsigned line, const char *field, const char *fragment)
{
	struct vtap_config *config = (struct vtap_config *)text; /* anything that must not change */
	struct vtap_error error = {};
	int r = vtap_config_parse(text, strlen(text), &config, &error);

	if (r != code || error.code != code || error.line != line || strcmp(error.field, field) != 0 ||
	    !strstr(error.text, fragment))
		fail_msg("got %d, line %u, %s: \"%s\"; not %d, line %u, %s: \"%s\"\n%.2000s", r, error.line,
			 error.field, error.text, code, line, field, fragment, text);
	assert_ptr_equal(config, text);
	assert_int_equal(vtap_config_parse(text, strlen(text), &config, NULL), code);
}

void unit_all_refused(const struct unit_bad *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *edited = rows[i].line > 0 ? unit_edit(rows[i].line, rows[i].text) : NULL;

		unit_refused(edited ? edited : rows[i].text, -EINVAL, rows[i].error_line, rows[i].field,
			     rows[i].fragment);
	}
}

void unit_all_taken(const struct unit_good *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		_cleanup_free_ char *edited = rows[i].line > 0 ? unit_edit(rows[i].line, rows[i].text) : NULL;

		vtap_config_free(unit_parse(edited ? edited : rows[i].text));
	}
}
