/* SPDX-License-Identifier: Apache-2.0 */

/* Reports as documents: what they may hold. Members that are not known are passed over. */

#include <errno.h>
#include <string.h>

#include "basic/addr.h"
#include "controller/reports_private.h"

#define SENTENCE_MAX 1024
#define WORD_MAX 23
#define NAME_MAX_BYTES 255

struct part { /* a value, and the way to it */
	const json_t *value;
	char path[96];
	struct vtap_error *reterr; /* borrowed */
};

/* Names from the network may be long: then only the beginning of the way is told. */
static void append(struct part *p, const char *way, const char *between, const char *last)
{
	const char *const parts[] = {way, between, last};
	size_t used = 0;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(parts); i++) {
		size_t length = strnlen(parts[i], sizeof(p->path) - 1 - used);

		memcpy(p->path + used, parts[i], length);
		used += length;
	}
	p->path[used] = 0;
}

static struct part member(const struct part *p, const char *key)
{
	struct part m = {.value = json_object_get(p->value, key), .reterr = p->reterr};

	append(&m, p->path, *p->path ? "." : "", key);
	return m;
}

static struct part element(const struct part *p, size_t index)
{
	struct part m = {.value = json_array_get(p->value, index), .reterr = p->reterr};
	char number[24];

	snprintf(number, sizeof(number), "[%zu]", index);
	append(&m, p->path, "", number);
	return m;
}

static int fail(const struct part *p, const char *expected)
{
	return vtap_error_set(p->reterr, -EINVAL, 0, p->path, "must be %s", expected);
}

static bool is_absent(const struct part *p)
{
	return !p->value || json_is_null(p->value);
}

static int check_text(const struct part *p, size_t max)
{
	if (is_absent(p))
		return 0;
	if (!json_is_string(p->value) || json_string_length(p->value) > max ||
	    strlen(json_string_value(p->value)) != json_string_length(p->value))
		return vtap_error_set(p->reterr, -EINVAL, 0, p->path, "must be a text of at most %zu bytes", max);
	return 0;
}

static int check_texts(const struct part *p, const char *const *keys, size_t count, size_t max)
{
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++) {
		struct part m = member(p, keys[i]);

		r = check_text(&m, max);
	}
	return r;
}

static int check_list(const struct part *p, size_t max, int (*check)(const struct part *p))
{
	int r = 0;

	if (is_absent(p))
		return 0;
	if (!json_is_array(p->value))
		return fail(p, "a list");
	if (json_array_size(p->value) > max)
		return vtap_error_set(p->reterr, -E2BIG, 0, p->path, "must have at most %zu entries, not %zu", max,
				      json_array_size(p->value));
	for (size_t i = 0; i < json_array_size(p->value) && r >= 0; i++) {
		struct part e = element(p, i);

		r = check(&e);
	}
	return r;
}

static int check_number(const struct part *p)
{
	if (is_absent(p))
		return 0;
	return json_is_integer(p->value) && json_integer_value(p->value) >= 0 ? 0 : fail(p, "a number, at least 0");
}

static int check_bool(const struct part *p)
{
	return is_absent(p) || json_is_boolean(p->value) ? 0 : fail(p, "true or false");
}

static int check_amount(const struct part *p)
{
	if (json_is_number(p->value) && json_number_value(p->value) >= 0)
		return 0;
	return fail(p, "a number, at least 0");
}

static int check_address(const struct part *p)
{
	struct vtap_addr address;

	return json_is_string(p->value) && json_string_length(p->value) < VTAP_ADDR_STRLEN &&
		       vtap_addr_parse(json_string_value(p->value), &address) >= 0
		   ? 0
		   : fail(p, "an IP address");
}

static int check_mac(const struct part *p)
{
	struct vtap_mac mac;

	if (is_absent(p))
		return 0;
	return json_is_string(p->value) && json_string_length(p->value) < VTAP_MAC_STRLEN &&
		       vtap_mac_parse(json_string_value(p->value), &mac) >= 0
		   ? 0
		   : fail(p, "a MAC address");
}

static int check_source(const struct part *p)
{
	static const char *const keys[] = {"interface", "device", "state"};
	struct part reason = member(p, "reason");
	int r;

	if (!json_is_object(p->value))
		return fail(p, "an object");
	r = check_texts(p, keys, VTAP_ARRAY_SIZE(keys), 31);
	return r < 0 ? r : check_text(&reason, SENTENCE_MAX);
}

static int check_counters(const struct part *p)
{
	const char *key, *name;
	json_t *direction, *value;

	if (is_absent(p))
		return 0;
	if (!json_is_object(p->value))
		return fail(p, "an object");
	json_object_foreach((json_t *)p->value, key, direction)
	{
		struct part d = member(p, key);

		if (!json_is_object(direction))
			return fail(&d, "an object");
		json_object_foreach(direction, name, value)
		{
			struct part counter = member(&d, name);

			if (!json_is_integer(value) || json_integer_value(value) < 0)
				return fail(&counter, "a number, at least 0");
		}
	}
	return 0;
}

static int check_session(const struct part *p)
{
	struct part id = member(p, "id"), state = member(p, "state"), reason = member(p, "reason");
	struct part sources = member(p, "sources"), counters = member(p, "counters"), mtu = member(p, "mtu");
	struct part advice = member(&mtu, "advice");
	int r;

	if (!json_is_object(p->value))
		return fail(p, "an object");
	if (!json_is_string(id.value) || !json_is_string(state.value))
		return vtap_error_set(p->reterr, -EINVAL, 0, p->path, "needs an id and a state");
	r = check_text(&id, VTAP_ID_STRLEN - 1);
	if (r >= 0)
		r = check_text(&state, WORD_MAX);
	if (r >= 0)
		r = check_text(&reason, SENTENCE_MAX);
	if (r >= 0)
		r = check_text(&advice, SENTENCE_MAX);
	if (r >= 0)
		r = check_list(&sources, VTAP_SOURCES_MAX, check_source);
	return r < 0 ? r : check_counters(&counters);
}

static int check_steps(const struct part *p)
{
	struct part id = member(p, "id"), end = member(p, "end");
	int r;

	if (!json_is_object(p->value) || !json_is_string(id.value) || !json_is_integer(end.value))
		return fail(p, "an object with an id and an end");
	r = check_number(&end);
	for (int i = 0; i < VTAP_HISTORY_MAX && r >= 0; i++) {
		struct part steps = member(p, vtap_history_value_name((enum vtap_history_value)i));

		r = check_list(&steps, VTAP_HISTORY_STEPS, check_amount);
	}
	return r;
}

static int check_history(const struct part *p)
{
	struct part step = member(p, "step"), sessions = member(p, "sessions");

	if (is_absent(p))
		return 0;
	if (json_integer_value(step.value) != VTAP_HISTORY_STEP_S)
		return vtap_error_set(p->reterr, -EINVAL, 0, step.path, "must be %d", VTAP_HISTORY_STEP_S);
	return check_list(&sessions, VTAP_REPORT_HISTORY_SESSIONS_MAX, check_steps);
}

static int check_behind(const struct part *p)
{
	struct part mac = member(p, "mac"), addresses = member(p, "addresses");
	int r;

	if (!json_is_string(mac.value))
		return fail(&mac, "a MAC address");
	r = check_mac(&mac);
	return r < 0 ? r : check_list(&addresses, VTAP_REPORT_BEHIND_MAX, check_address);
}

static int check_object(const struct part *p, const char *const *keys, size_t count)
{
	if (is_absent(p))
		return 0;
	return json_is_object(p->value) ? check_texts(p, keys, count, NAME_MAX_BYTES) : fail(p, "an object or null");
}

static int check_device(const struct part *p)
{
	static const char *const guest_keys[] = {"kind", "name", "id"};
	struct part device = member(p, "device"), kind = member(p, "kind"), mac = member(p, "mac"),
		    mtu = member(p, "mtu");
	struct part master = member(p, "master"), addresses = member(p, "addresses"), behind = member(p, "behind");
	struct part guest = member(p, "guest"), up = member(p, "up");
	int r;

	if (!json_is_string(device.value) || json_string_length(device.value) == 0)
		return fail(&device, "the name of a device");
	r = check_text(&device, VTAP_DEVICE_MAX);
	if (r >= 0)
		r = check_text(&kind, WORD_MAX);
	if (r >= 0)
		r = check_text(&master, VTAP_DEVICE_MAX);
	if (r >= 0)
		r = check_mac(&mac);
	if (r >= 0)
		r = check_number(&mtu);
	if (r >= 0)
		r = check_bool(&up);
	if (r >= 0)
		r = check_list(&addresses, VTAP_REPORT_BEHIND_MAX, check_address);
	if (r >= 0)
		r = check_list(&behind, VTAP_REPORT_BEHIND_MAX, check_behind);
	return r < 0 ? r : check_object(&guest, guest_keys, VTAP_ARRAY_SIZE(guest_keys));
}

/* Each of them is looked for in all places where its MAC is seen. */
static int check_behind_all(const struct part *devices)
{
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(devices->value); i++)
		count += json_array_size(json_object_get(json_array_get(devices->value, i), "behind"));
	if (count > VTAP_REPORT_BEHIND_ALL_MAX)
		return vtap_error_set(devices->reterr, -E2BIG, 0, devices->path,
				      "must have at most %d entries in behind, not %zu", VTAP_REPORT_BEHIND_ALL_MAX,
				      count);
	return 0;
}

json_t *vtap_report_copy(const json_t *object, const char *const *keys, size_t count)
{
	json_t *copy = json_object();

	for (size_t i = 0; i < count && copy; i++) {
		json_t *value = json_object_get(object, keys[i]);

		if (value && json_object_set(copy, keys[i], value) < 0)
			copy = (json_decref(copy), NULL);
	}
	return copy;
}

int vtap_report_check(const json_t *report, struct vtap_error *reterr)
{
	static const char *const texts[] = {"epoch", "hash"};
	static const char *const agent_keys[] = {"version", "kernel", "instance", "hook"};
	static const char *const uplink_keys[] = {"device", "address"};
	const struct part root = {.value = report, .reterr = reterr};
	struct part revision = member(&root, "revision"), error = member(&root, "error"),
		    agent = member(&root, "agent");
	struct part uplink = member(&root, "uplink"), sessions = member(&root, "sessions");
	struct part devices = member(&root, "devices"), history = member(&root, "history");
	struct part layout = member(&agent, "layout"), mtu = member(&uplink, "mtu");
	int r;

	r = check_texts(&root, texts, VTAP_ARRAY_SIZE(texts), NAME_MAX_BYTES);
	if (r >= 0)
		r = check_number(&revision);
	if (r >= 0)
		r = check_text(&error, SENTENCE_MAX);
	if (r >= 0)
		r = check_object(&agent, agent_keys, VTAP_ARRAY_SIZE(agent_keys));
	if (r >= 0)
		r = check_object(&uplink, uplink_keys, VTAP_ARRAY_SIZE(uplink_keys));
	if (r >= 0)
		r = check_number(&layout);
	if (r >= 0)
		r = check_number(&mtu);
	if (r >= 0)
		r = check_list(&sessions, VTAP_SESSIONS_MAX, check_session);
	if (r >= 0)
		r = check_list(&devices, VTAP_REPORT_DEVICES_MAX, check_device);
	if (r >= 0)
		r = check_behind_all(&devices);
	return r < 0 ? r : check_history(&history);
}
