/* SPDX-License-Identifier: Apache-2.0 */

/* Records that agents upload: all of them, some of them, and what is none. */

#include "controller/pcap.h"
#include "unit.h"

#define FRAME_MAX 100

static size_t put(uint8_t *at, uint32_t nanoseconds, uint32_t follow, uint32_t wire)
{
	const uint32_t words[] = {1, nanoseconds, follow, wire};

	memcpy(at, words, sizeof(words)); /* the tests run on little-endian machines */
	memset(at + sizeof(words), 0xaa, follow);
	return sizeof(words) + follow;
}

static int check(const uint8_t *data, size_t size_bytes, uint64_t max, uint64_t *ret_count, size_t *ret_bytes)
{
	return vtap_pcap_check(data, size_bytes, FRAME_MAX, max, ret_count, ret_bytes);
}

static void test_the_header(void **state)
{
	static const uint8_t expected[VTAP_PCAP_HEADER_BYTES] = {0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0,
								 0,    0,    0,    0,    0, 0, 4, 0, 1, 0, 0, 0};
	uint8_t header[VTAP_PCAP_HEADER_BYTES];

	vtap_pcap_header(header);
	assert_memory_equal(header, expected, sizeof(expected));
}

static void test_records(void **state)
{
	uint8_t data[1024] = {};
	size_t size_bytes = 0, bytes = 0;
	uint64_t count = 0;

	assert_int_equal(check(data, 0, 10, &count, &bytes), 0);
	assert_int_equal(count, 0);
	size_bytes += put(data, 999999999, FRAME_MAX, FRAME_MAX);
	size_bytes += put(data + size_bytes, 0, 0, 5);
	size_bytes += put(data + size_bytes, 0, 60, 1500);
	assert_int_equal(check(data, size_bytes, 3, &count, &bytes), 0);
	assert_int_equal(count, 3);
	assert_int_equal(bytes, size_bytes);
	assert_int_equal(check(data, size_bytes, 2, &count, &bytes), 0);
	assert_int_equal(count, 3);
	assert_int_equal(bytes, 2 * VTAP_PCAP_RECORD_BYTES + FRAME_MAX);
}

static void test_what_is_none(void **state)
{
	uint8_t data[1024];
	size_t size_bytes = put(data, 0, 60, 60), bytes = 77;
	uint64_t count = 77;

	assert_int_equal(check(data, size_bytes - 1, 9, &count, &bytes), -EINVAL);
	assert_int_equal(check(data, VTAP_PCAP_RECORD_BYTES - 1, 9, &count, &bytes), -EINVAL);
	(void)put(data, 0, FRAME_MAX + 1, FRAME_MAX + 1);
	assert_int_equal(check(data, sizeof(data), 9, &count, &bytes), -EINVAL);
	(void)put(data, 1000000000, 60, 60);
	assert_int_equal(check(data, size_bytes, 9, &count, &bytes), -EINVAL);
	(void)put(data, 0, 60, 59);
	assert_int_equal(check(data, size_bytes, 9, &count, &bytes), -EINVAL);
	assert_int_equal(count, 77);
	assert_int_equal(bytes, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_header),
	    cmocka_unit_test(test_records),
	    cmocka_unit_test(test_what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
