/* SPDX-License-Identifier: Apache-2.0 */

#include "agent/probe_frame.h"
#include "unit.h"

#define FOUR "\"ethertype\": 2048, \"source\": \"10.0.0.1\", \"destination\": \"10.0.0.2\", "
#define SIX "\"ethertype\": 34525, \"source\": \"fd00::1\", \"destination\": \"fd00::2\", "
#define PORTS "\"source_port\": 4000, \"destination_port\": 53"

static int make(const char *text, const char *mark, uint8_t frame[VTAP_PROBE_FRAME_MAX_BYTES], size_t *bytes)
{
	json_t *packet = json_loads(text, JSON_DECODE_ANY, NULL);
	int r = vtap_probe_frame_make(packet, mark, frame, bytes);

	assert_non_null(packet);
	json_decref(packet);
	return r;
}

static uint32_t sum(const uint8_t *data, size_t bytes, uint32_t start)
{
	for (size_t i = 0; i < bytes; i++)
		start += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return start;
}

/* A right checksum makes the sum of all words 0xffff. */
static void test_checksums(void **state)
{
	static const struct {
		const char *text;
		uint8_t protocol;
		size_t ip_bytes, address_at, address_bytes, l4_bytes;
		bool pseudo;
	} rows[] = {
	    {"{" FOUR "\"protocol\": 17, " PORTS "}", 17, 20, 12, 8, 8, true},
	    {"{" FOUR "\"protocol\": 6, " PORTS "}", 6, 20, 12, 8, 20, true},
	    {"{" FOUR "\"protocol\": 1, \"icmp_type\": 8, \"icmp_code\": 0}", 1, 20, 12, 8, 8, false},
	    {"{" SIX "\"protocol\": 17, " PORTS "}", 17, 40, 8, 32, 8, true},
	    {"{" SIX "\"protocol\": 6, " PORTS "}", 6, 40, 8, 32, 20, true},
	    {"{" SIX "\"protocol\": 58, \"icmp_type\": 128}", 58, 40, 8, 32, 8, true},
	};

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		uint8_t frame[VTAP_PROBE_FRAME_MAX_BYTES];
		const uint8_t *ip = frame + 14;
		size_t bytes, l4_bytes = rows[i].l4_bytes + 4;
		uint32_t start;

		assert_int_equal(make(rows[i].text, "mark", frame, &bytes), 0);
		assert_int_equal(bytes, 14 + rows[i].ip_bytes + l4_bytes);
		assert_memory_equal(frame + bytes - 4, "mark", 4);
		if (rows[i].ip_bytes == 20) {
			assert_int_equal(sum(ip, 20, 0), 0xffff);
			assert_int_equal(ip[2] << 8 | ip[3], bytes - 14);
			assert_int_equal(ip[9], rows[i].protocol);
		} else {
			assert_int_equal(ip[4] << 8 | ip[5], l4_bytes);
			assert_int_equal(ip[6], rows[i].protocol);
		}
		start = rows[i].pseudo
			    ? sum(ip + rows[i].address_at, rows[i].address_bytes, rows[i].protocol + (uint32_t)l4_bytes)
			    : 0;
		assert_int_equal(sum(ip + rows[i].ip_bytes, l4_bytes, start), 0xffff);
	}
}

static void test_fields(void **state)
{
	static const uint8_t ports[] = {4000 >> 8, 4000 & 0xff, 0, 53};
	uint8_t frame[VTAP_PROBE_FRAME_MAX_BYTES];
	size_t bytes;

	assert_int_equal(make("{" FOUR "\"protocol\": 17, " PORTS
			      ", \"vlan\": 7, \"source_mac\": \"02:00:00:00:00:0a\", "
			      "\"destination_mac\": \"02:00:00:00:00:0b\"}",
			      "", frame, &bytes),
			 0);
	assert_memory_equal(frame, "\x02\0\0\0\0\x0b\x02\0\0\0\0\x0a\x81\0\0\x07\x08\0\x45", 19);
	assert_memory_equal(frame + 18 + 20, ports, sizeof(ports));
	/* What has ports begins with them; what has none of the known headers is only marked. */
	assert_int_equal(make("{" FOUR "\"protocol\": 132, " PORTS "}", "m", frame, &bytes), 0);
	assert_memory_equal(frame + 14 + 20, ports, sizeof(ports));
	assert_int_equal(bytes, 14 + 20 + 12 + 1);
	assert_int_equal(make("{" FOUR "\"protocol\": 47}", "m", frame, &bytes), 0);
	assert_int_equal(bytes, 14 + 20 + 1);
	assert_int_equal(make("{\"ethertype\": 2054, \"source\": null}", "arp", frame, &bytes), 0);
	assert_int_equal(bytes, 14 + 3);
	assert_int_equal(frame[0] & 1, 0);
	/* An address that is not given. */
	assert_int_equal(make("{\"ethertype\": 34525, \"source\": \"fd00::1\", \"protocol\": 6}", "", frame, &bytes),
			 0);
}

static void test_mark_limit(void **state)
{
	char mark[VTAP_PROBE_MARK_MAX_BYTES + 2];
	uint8_t frame[VTAP_PROBE_FRAME_MAX_BYTES];
	size_t bytes;

	for (size_t length = VTAP_PROBE_MARK_MAX_BYTES; length <= VTAP_PROBE_MARK_MAX_BYTES + 1; length++) {
		memset(mark, 'm', length);
		mark[length] = '\0';
		assert_int_equal(make("{\"ethertype\": 2054}", mark, frame, &bytes), 0);
		assert_int_equal(bytes, 14 + VTAP_PROBE_MARK_MAX_BYTES);
	}
}

static void test_bad(void **state)
{
	static const char *const texts[] = {"7",
					    "{}",
					    "{\"ethertype\": 1535}",
					    "{\"ethertype\": 2048, \"source\": \"fd00::1\"}",
					    "{\"ethertype\": 2048, \"source\": \"nonsense\"}",
					    "{\"ethertype\": 34525, \"destination\": \"10.0.0.1\"}"};
	uint8_t frame[VTAP_PROBE_FRAME_MAX_BYTES];
	size_t bytes = 0;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(texts); i++)
		assert_int_equal(make(texts[i], "m", frame, &bytes), -EINVAL);
	assert_int_equal(bytes, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_checksums),
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_mark_limit),
	    cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests_name("probe_frame", tests, NULL, NULL);
}
