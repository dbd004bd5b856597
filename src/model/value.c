/* SPDX-License-Identifier: Apache-2.0 */

#include "model/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "basic/parse.h"
#include "model/words.h"

#define STOP_AFTER "stop-after "

static const struct {
	char letter;
	uint64_t seconds;
} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

int vtap_duration_parse(const char *text, uint64_t min_s, uint64_t max_s, uint64_t *ret_seconds)
{
	size_t length = strspn(text, "0123456789");
	char digits[24];
	uint64_t value;
	int r;

	if (length == 0 || length >= sizeof(digits) || text[length] == '\0' || text[length + 1] != '\0')
		return -EINVAL;
	memcpy(digits, text, length);
	digits[length] = '\0';
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(units); i++) {
		if (units[i].letter != text[length])
			continue;
		r = vtap_parse_u64(digits, 0, UINT64_MAX / units[i].seconds, &value);
		if (r < 0)
			return r;
		value *= units[i].seconds;
		if (value < min_s || value > max_s)
			return -ERANGE;
		*ret_seconds = value;
		return 0;
	}
	return -EINVAL;
}

char *vtap_duration_format(uint64_t seconds, char buffer[VTAP_DURATION_STRLEN])
{
	size_t i = 0;

	while (seconds % units[i].seconds != 0 || (seconds == 0 && units[i].seconds != 1))
		i++;
	snprintf(buffer, VTAP_DURATION_STRLEN, "%" PRIu64 "%c", seconds / units[i].seconds, units[i].letter);
	return buffer;
}

int vtap_offline_parse(const char *text, uint64_t *ret_seconds)
{
	if (strcmp(text, "keep") == 0) {
		*ret_seconds = 0;
		return 0;
	}
	if (strncmp(text, STOP_AFTER, strlen(STOP_AFTER)) != 0)
		return -EINVAL;
	return vtap_duration_parse(text + strlen(STOP_AFTER), 1, VTAP_OFFLINE_MAX_S, ret_seconds);
}

int vtap_time_parse(const char *text, int64_t *ret_seconds)
{
	struct tm tm = {};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	char again[VTAP_TIME_STRLEN];
	int64_t seconds;

	if (!end || *end != '\0')
		return -EINVAL;
	seconds = timegm(&tm);
	/* What does not come out as it went in was never a time: February 30, one digit for a month, leading spaces. */
	if (seconds < 0 || strcmp(vtap_time_format(seconds, again), text) != 0)
		return -EINVAL;
	*ret_seconds = seconds;
	return 0;
}

char *vtap_time_format(int64_t seconds, char buffer[VTAP_TIME_STRLEN])
{
	time_t t = (time_t)seconds;
	struct tm tm = {};

	gmtime_r(&t, &tm);
	if (strftime(buffer, VTAP_TIME_STRLEN, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		buffer[0] = '\0';
	return buffer;
}

/* Bytes of the character at text: 1..4, or 0 for what is no UTF-8 or a control character. */
static size_t character_bytes(const unsigned char *text)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t least; /* shorter forms must be used below */
	} forms[] = {{0x80, 0x00, 0x20}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(forms); i++) {
		uint32_t code = text[0] & (unsigned char)~forms[i].mask;

		if ((text[0] & forms[i].mask) != forms[i].lead)
			continue;
		for (size_t j = 1; j <= i; j++) {
			if ((text[j] & 0xc0) != 0x80)
				return 0;
			code = code << 6 | (text[j] & 0x3f);
		}
		if (code < forms[i].least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ||
		    (code >= 0x7f && code < 0xa0))
			return 0;
		return i + 1;
	}
	return 0;
}

int vtap_text_length(const char *text, size_t *ret_characters)
{
	size_t characters = 0;

	while (*text) {
		size_t bytes = character_bytes((const unsigned char *)text);

		if (bytes == 0)
			return -EINVAL;
		text += bytes;
		characters++;
	}
	*ret_characters = characters;
	return 0;
}

static int out_of_memory(const struct vtap_place *p)
{
	return vtap_place_fail(p, -ENOMEM, "out of memory");
}

static int give_text(const struct vtap_place *p, const char *text, json_t **ret_value)
{
	json_t *value = json_string(text);

	if (!value)
		return out_of_memory(p);
	*ret_value = value;
	return 0;
}

static int give_same(const struct vtap_place *p, json_t **ret_value)
{
	*ret_value = json_deep_copy(p->value);
	return *ret_value ? 0 : out_of_memory(p);
}

static int check_text(const struct vtap_place *p, const char *text, size_t min, size_t max)
{
	size_t length;

	if (vtap_text_length(text, &length) < 0)
		return vtap_place_fail(p, -EINVAL, "must not have control characters");
	if (length >= min && length <= max)
		return 0;
	if (min == max)
		return vtap_place_fail(p, -EINVAL, "must have %zu characters, not %zu", max, length);
	return vtap_place_fail(p, -EINVAL, "must have %zu..%zu characters, not %zu", min, max, length);
}

static int normalize_text(const struct vtap_place *p, const struct vtap_attribute *a, json_t **ret_value)
{
	const char *text = json_string_value(p->value);
	int r;

	if (!text)
		return vtap_place_fail_value(p, "text");
	r = check_text(p, text, (size_t)a->min, (size_t)a->max);
	return r < 0 ? r : give_same(p, ret_value);
}

static int normalize_name(const struct vtap_place *p, const struct vtap_attribute *a, json_t **ret_value)
{
	struct vtap_field f = {.size_bytes = VTAP_NAME_MAX + 1};
	char name[VTAP_NAME_MAX + 1];
	int r;

	r = vtap_place_read_name(p, &f, name);
	if (r < 0)
		return r;
	if (strchr("._-", name[0]))
		return vtap_place_fail_value(p, "a name that begins with a letter or a digit");
	if (vtap_id_is_valid(NULL, name))
		return vtap_place_fail_value(p, "a name that does not look like an id");
	return give_text(p, name, ret_value);
}

static int normalize_number(const struct vtap_place *p, const struct vtap_attribute *a, json_t **ret_value)
{
	json_int_t given = json_integer_value(p->value);
	uint64_t min = VTAP_MAX(a->min, a->least);
	const char *zero = a->least > 0 ? "0 or " : "";

	if (!json_is_integer(p->value))
		return vtap_place_fail_value(p, "a %snumber %s%" PRIu64 "..%" PRIu64,
					     json_is_real(p->value) ? "whole " : "", zero, min, a->max);
	if (given == 0 && a->least > 0)
		return give_same(p, ret_value);
	if (given < 0 || (uint64_t)given < min || (uint64_t)given > a->max)
		return vtap_place_fail_value(p, "%s%" PRIu64 "..%" PRIu64, zero, min, a->max);
	return give_same(p, ret_value);
}

static int normalize_bool(const struct vtap_place *p, const struct vtap_attribute *a, json_t **ret_value)
{
	if (!json_is_boolean(p->value))
		return vtap_place_fail_value(p, "true or false");
	return give_same(p, ret_value);
}

static int normalize_word(const struct vtap_place *p, const struct vtap_attribute *a, json_t **ret_value)
{
	struct vtap_field f = {.words = a->words};
	int value, r;

	r = vtap_place_read_word(p, &f, &value);
	return r < 0 ? r : give_same(p, ret_value);
}

static int normalize_address(const struct vtap_place *p, const struct vtap_attribute *a, json_t **ret_value)
{
	static const struct vtap_field f = {};
	char text[VTAP_ADDR_STRLEN];
	struct vtap_addr address;
	int r;

	r = vtap_place_read_address(p, &f, &address);
	return r < 0 ? r : give_text(p, vtap_addr_format(&address, text), ret_value);
}

static int normalize_prefix(const struct vtap_place *p, const struct vtap_attribute *a, json_t **ret_value)
{
	static const struct vtap_field f = {};
	char text[VTAP_PREFIX_STRLEN];
	struct vtap_prefix prefix;
	int r;

	r = vtap_place_read_prefix(p, &f, &prefix);
	return r < 0 ? r : give_text(p, vtap_prefix_format(&prefix, text), ret_value);
}

static int normalize_mac(const struct vtap_place *p, const struct vtap_attribute *a, json_t **ret_value)
{
	static const struct vtap_mac none;
	const char *given = json_string_value(p->value);
	char text[VTAP_MAC_STRLEN];
	struct vtap_mac mac;

	if (!given || vtap_mac_parse(given, &mac) < 0)
		return vtap_place_fail_value(p, "a MAC address such as 02:00:00:00:00:01");
	if ((mac.bytes[0] & 1) || vtap_mac_equal(&mac, &none))
		return vtap_place_fail_value(p, "the MAC address of one interface");
	return give_text(p, vtap_mac_format(&mac, text), ret_value);
}

static int normalize_device(const struct vtap_place *p, const struct vtap_attribute *a, json_t **ret_value)
{
	static const struct vtap_field f = {};
	char device[VTAP_DEVICE_MAX + 1];
	int r;

	r = vtap_place_read_device(p, &f, device);
	return r < 0 ? r : give_text(p, device, ret_value);
}

static int normalize_ports(const struct vtap_place *p, const struct vtap_attribute *a, json_t **ret_value)
{
	static const struct vtap_field f = {};
	char text[sizeof("65535-65535")];
	uint16_t range[2];
	int r;

	r = vtap_place_read_ports(p, &f, range);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), range[0] == range[1] ? "%u" : "%u-%u", range[0], range[1]);
	return give_text(p, text, ret_value);
}

static int fail_duration(const struct vtap_place *p, int code, const char *before, uint64_t min_s, uint64_t max_s)
{
	char least[VTAP_DURATION_STRLEN], most[VTAP_DURATION_STRLEN];

	return vtap_place_fail_value(p, "%s%s..%s%s", before, vtap_duration_format(min_s, least),
				     vtap_duration_format(max_s, most),
				     code == -ERANGE ? "" : ", a number with s, m, h or d");
}

static int normalize_duration(const struct vtap_place *p, const struct vtap_attribute *a, json_t **ret_value)
{
	const char *given = json_string_value(p->value);
	char text[VTAP_DURATION_STRLEN];
	uint64_t seconds;
	int r;

	r = given ? vtap_duration_parse(given, a->min, a->max, &seconds) : -EINVAL;
	if (r < 0)
		return fail_duration(p, r, "a duration ", a->min, a->max);
	return give_text(p, vtap_duration_format(seconds, text), ret_value);
}

static int normalize_offline(const struct vtap_place *p, const struct vtap_attribute *a, json_t **ret_value)
{
	const char *given = json_string_value(p->value);
	char text[sizeof(STOP_AFTER) + VTAP_DURATION_STRLEN], duration[VTAP_DURATION_STRLEN];
	uint64_t seconds;
	int r;

	r = given ? vtap_offline_parse(given, &seconds) : -EINVAL;
	if (r < 0)
		return fail_duration(p, r, "keep or " STOP_AFTER, a->min, a->max);
	if (seconds == 0)
		return give_text(p, "keep", ret_value);
	snprintf(text, sizeof(text), STOP_AFTER "%s", vtap_duration_format(seconds, duration));
	return give_text(p, text, ret_value);
}

static int normalize_time(const struct vtap_place *p, const struct vtap_attribute *a, json_t **ret_value)
{
	const char *given = json_string_value(p->value);
	int64_t seconds;

	if (!given || vtap_time_parse(given, &seconds) < 0)
		return vtap_place_fail_value(p, "a time such as 2026-11-21T15:00:00Z");
	return give_same(p, ret_value);
}

static int normalize_protocol(const struct vtap_place *p, const struct vtap_attribute *a, json_t **ret_value)
{
	static const struct vtap_field f = {};
	char buffer[VTAP_WORDS_NUMBER_STRLEN];
	int32_t protocol;
	int r;

	r = vtap_words_read_protocol(p, &f, &protocol);
	return r < 0 ? r : give_text(p, vtap_words_protocol_name(protocol, buffer), ret_value);
}

static int normalize_ethertype(const struct vtap_place *p, const struct vtap_attribute *a, json_t **ret_value)
{
	static const struct vtap_field f = {};
	char buffer[VTAP_WORDS_NUMBER_STRLEN];
	int32_t ethertype;
	int r;

	r = vtap_words_read_ethertype(p, &f, &ethertype);
	return r < 0 ? r : give_text(p, vtap_words_ethertype_name(ethertype, buffer), ret_value);
}

static int check_tag(const struct vtap_place *p, const char *key)
{
	const char *value = json_string_value(p->value);
	size_t length;

	if (vtap_text_length(key, &length) < 0)
		return vtap_place_fail(p, -EINVAL, "must not have control characters in its key");
	if (length < 1 || length > VTAP_TAG_KEY_MAX)
		return vtap_place_fail(p, -EINVAL, "must have a key of 1..%d characters, not %zu", VTAP_TAG_KEY_MAX,
				       length);
	if (!value)
		return vtap_place_fail_value(p, "text");
	return check_text(p, value, 0, VTAP_TAG_VALUE_MAX);
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int normalize_tags(const struct vtap_place *p, const struct vtap_attribute *a, json_t **ret_value)
{
	size_t n = json_object_size(p->value), i = 0;
	const char *keys[VTAP_TAGS_MAX], *key;
	json_auto_t *tags = json_object();
	json_t *value;
	int r;

	if (!json_is_object(p->value))
		return vtap_place_fail_value(p, "an object of texts");
	if (n > VTAP_TAGS_MAX)
		return vtap_place_fail(p, -E2BIG, "has %zu entries, and at most %d are possible", n, VTAP_TAGS_MAX);
	json_object_foreach((json_t *)p->value, key, value)
	{
		struct vtap_place member = vtap_place_member(p, key);

		r = check_tag(&member, key);
		if (r < 0)
			return r;
		keys[i++] = key;
	}
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (i = 0; i < n; i++)
		if (json_object_set(tags, keys[i], json_object_get(p->value, keys[i])) < 0)
			return out_of_memory(p);
	*ret_value = VTAP_STEAL(tags);
	return 0;
}

typedef int (*normalizer)(const struct vtap_place *p, const struct vtap_attribute *a, json_t **ret_value);

static const normalizer normalizers[VTAP_TYPE_MAX] = {
    [VTAP_TYPE_TEXT] = normalize_text,         [VTAP_TYPE_NAME] = normalize_name,
    [VTAP_TYPE_NUMBER] = normalize_number,     [VTAP_TYPE_BOOL] = normalize_bool,
    [VTAP_TYPE_WORD] = normalize_word,         [VTAP_TYPE_ADDRESS] = normalize_address,
    [VTAP_TYPE_PREFIX] = normalize_prefix,     [VTAP_TYPE_MAC] = normalize_mac,
    [VTAP_TYPE_DEVICE] = normalize_device,     [VTAP_TYPE_PORTS] = normalize_ports,
    [VTAP_TYPE_OFFLINE] = normalize_offline,   [VTAP_TYPE_DURATION] = normalize_duration,
    [VTAP_TYPE_TIME] = normalize_time,         [VTAP_TYPE_TAGS] = normalize_tags,
    [VTAP_TYPE_PROTOCOL] = normalize_protocol, [VTAP_TYPE_ETHERTYPE] = normalize_ethertype,
};

int vtap_value_normalize(const struct vtap_place *p, const struct vtap_attribute *a, json_t **ret_value)
{
	return normalizers[a->type](p, a, ret_value);
}
