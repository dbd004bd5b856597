/* SPDX-License-Identifier: Apache-2.0 */

#include "unit.h"

#include "basic/addr.h"

static void test_address(void **state)
{
	static const char *const bad[] = {"",          " ",         "10.0.0",      "10.0.0.256",
					  "10.0.0.1 ", "010.0.0.1", "10.0.0.1/32", "fe80::1%lo",
					  ":::",       "1::2::3",   "12345::",     "any"};
	static const struct {
		const char *text, *canonical;
	} good[] = {
	    {"10.0.0.1", "10.0.0.1"},
	    {"255.255.255.255", "255.255.255.255"},
	    {"2001:DB8:0:0::1", "2001:db8::1"},
	    {"::ffff:10.0.0.1", "::ffff:10.0.0.1"},
	    {"::", "::"},
	};
	struct vtap_addr a = {.family = 77}, none = {};
	char buffer[VTAP_ADDR_STRLEN];

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(bad); i++)
		assert_int_equal(vtap_addr_parse(bad[i], &a), -EINVAL);
	assert_int_equal(a.family, 77);
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(good); i++) {
		assert_int_equal(vtap_addr_parse(good[i].text, &a), 0);
		assert_string_equal(vtap_addr_format(&a, buffer), good[i].canonical);
	}
	assert_string_equal(vtap_addr_format(&none, buffer), "any");
}

static void test_prefix(void **state)
{
	static const struct {
		const char *text;
		int r;
		const char *strict, *loose;
	} rows[] = {
	    {"10.0.0.0/8", 0, "10.0.0.0/8", "10.0.0.0/8"},
	    {"10.0.0.1", 0, "10.0.0.1/32", "10.0.0.1/32"},
	    {"0.0.0.0/0", 0, "0.0.0.0/0", "0.0.0.0/0"},
	    {"::/0", 0, "::/0", "::/0"},
	    {"2001:db8::1", 0, "2001:db8::1/128", "2001:db8::1/128"},
	    {"2001:db8::/33", 0, "2001:db8::/33", "2001:db8::/33"},
	    {"10.0.0.1/31", -ERANGE, NULL, "10.0.0.0/31"},
	    {"10.255.0.0/9", -ERANGE, NULL, "10.128.0.0/9"},
	    {"10.0.0.1/0", -ERANGE, NULL, "0.0.0.0/0"},
	    {"2001:db8::1/127", -ERANGE, NULL, "2001:db8::/127"},
	    {"10.0.0.0/33", -EINVAL, NULL, NULL},
	    {"::/129", -EINVAL, NULL, NULL},
	    {"10.0.0.0/", -EINVAL, NULL, NULL},
	    {"10.0.0.0/08", -EINVAL, NULL, NULL},
	    {"10.0.0.0/0x8", -EINVAL, NULL, NULL},
	    {"10.0.0.0/-1", -EINVAL, NULL, NULL},
	    {"10.0.0.0/8/8", -EINVAL, NULL, NULL},
	    {"/8", -EINVAL, NULL, NULL},
	    {"10.0.0.0/255.0.0.0", -EINVAL, NULL, NULL},
	    {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb/8", -EINVAL, NULL, NULL},
	};
	char buffer[VTAP_PREFIX_STRLEN];

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		struct vtap_prefix p = {.bits = 77}, loose = {.bits = 77};

		assert_int_equal(vtap_prefix_parse(rows[i].text, &p), rows[i].r);
		if (rows[i].strict)
			assert_string_equal(vtap_prefix_format(&p, buffer), rows[i].strict);
		else
			assert_int_equal(p.bits, 77);
		assert_int_equal(vtap_prefix_parse_loose(rows[i].text, &loose), rows[i].loose ? 0 : -EINVAL);
		if (rows[i].loose)
			assert_string_equal(vtap_prefix_format(&loose, buffer), rows[i].loose);
		else
			assert_int_equal(loose.bits, 77);
	}
	assert_string_equal(vtap_prefix_format(&(struct vtap_prefix){}, buffer), "any");
}

static void test_mac(void **state)
{
	static const char *const bad[] = {"",
					  "02:00:00:00:00",
					  "02:00:00:00:00:1",
					  "02-00-00-00-00-01",
					  "02:00:00:00:00:0g",
					  "02:00:00:00:00:01:",
					  "020:0:00:00:00:01"};
	char buffer[VTAP_MAC_STRLEN];
	struct vtap_mac m = {}, other;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(bad); i++)
		assert_int_equal(vtap_mac_parse(bad[i], &m), -EINVAL);
	assert_int_equal(vtap_mac_parse("02:aB:00:99:fF:01", &m), 0);
	assert_string_equal(vtap_mac_format(&m, buffer), "02:ab:00:99:ff:01");
	other = m;
	assert_true(vtap_mac_equal(&m, &other));
	other.bytes[5] ^= 1;
	assert_false(vtap_mac_equal(&m, &other));
}

static void test_kinds(void **state)
{
	static const struct {
		const char *text;
		bool any, multicast, loopback, unicast;
	} rows[] = {
	    {"0.0.0.0", true, false, false, false},    {"::", true, false, false, false},
	    {"224.0.0.1", false, true, false, false},  {"239.255.255.255", false, true, false, false},
	    {"240.0.0.1", false, false, false, false}, {"223.255.255.255", false, false, false, true},
	    {"ff02::1", false, true, false, false},    {"fe80::1", false, false, false, true},
	    {"127.0.0.1", false, false, true, false},  {"127.255.255.254", false, false, true, false},
	    {"::1", false, false, true, false},        {"::2", false, false, false, true},
	    {"0.0.0.1", false, false, false, true},    {"255.255.255.255", false, false, false, false},
	};
	struct vtap_addr none = {}, a, b;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		assert_int_equal(vtap_addr_parse(rows[i].text, &a), 0);
		assert_int_equal(vtap_addr_is_any(&a), rows[i].any);
		assert_int_equal(vtap_addr_is_multicast(&a), rows[i].multicast);
		assert_int_equal(vtap_addr_is_loopback(&a), rows[i].loopback);
		assert_int_equal(vtap_addr_is_unicast(&a), rows[i].unicast);
	}
	assert_true(vtap_addr_is_any(&none));
	assert_int_equal(vtap_addr_parse("0.0.0.0", &a), 0);
	assert_int_equal(vtap_addr_parse("::", &b), 0);
	assert_false(vtap_addr_equal(&a, &b));
	assert_false(vtap_addr_equal(&a, &none));
	assert_true(vtap_addr_equal(&none, &(struct vtap_addr){}));
	assert_int_equal(vtap_addr_parse("::1", &a), 0);
	assert_false(vtap_addr_equal(&a, &b));
}

static void test_containing(void **state)
{
	static const struct {
		const char *a, *b;
		bool contains, contained; /* a has all of b; b has all of a */
	} rows[] = {
	    {"10.0.0.0/8", "10.1.0.0/16", true, false},
	    {"10.0.0.0/8", "10.0.0.0/8", true, true},
	    {"10.0.0.0/8", "11.0.0.0/8", false, false},
	    {"10.0.0.0/9", "10.128.0.0/9", false, false},
	    {"0.0.0.0/0", "255.255.255.255", true, false},
	    {"10.0.0.1", "10.0.0.1", true, true},
	    {"10.0.0.1", "10.0.0.2", false, false},
	    {"::/0", "10.0.0.0/8", false, false},
	    {"::/0", "2001:db8::1", true, false},
	    {"2001:db8::/33", "2001:db8:8000::/33", false, false},
	    {"2001:db8::/32", "2001:db8:8000::/33", true, false},
	};
	struct vtap_prefix any = {}, all;

	for (size_t i = 0; i < VTAP_ARRAY_SIZE(rows); i++) {
		struct vtap_prefix a, b;

		assert_int_equal(vtap_prefix_parse(rows[i].a, &a), 0);
		assert_int_equal(vtap_prefix_parse(rows[i].b, &b), 0);
		assert_int_equal(vtap_prefix_contains(&a, &b), rows[i].contains);
		assert_int_equal(vtap_prefix_contains(&b, &a), rows[i].contained);
		assert_int_equal(vtap_prefix_overlaps(&a, &b), rows[i].contains || rows[i].contained);
		assert_int_equal(vtap_prefix_overlaps(&b, &a), rows[i].contains || rows[i].contained);
		if (b.bits == vtap_addr_size_bytes(b.addr.family) * 8)
			assert_int_equal(vtap_prefix_has(&a, &b.addr), rows[i].contains);
	}
	assert_int_equal(vtap_prefix_parse("::/0", &all), 0);
	assert_false(vtap_prefix_contains(&any, &all));
	assert_false(vtap_prefix_contains(&all, &any));
	assert_false(vtap_prefix_contains(&any, &any));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_address), cmocka_unit_test(test_prefix),     cmocka_unit_test(test_mac),
	    cmocka_unit_test(test_kinds),   cmocka_unit_test(test_containing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
