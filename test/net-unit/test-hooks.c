/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "fixture.h"
#include "program.h"

static bool has_nft(void)
{
	return host_try("nft list tables >/dev/null 2>&1");
}

static bool is_hooked(struct fixture *f, const char *device)
{
	bool hooked;

	assert_int_equal(vtap_net_nft_egress(f->net, device, &hooked), 0);
	return hooked;
}

static void sees_nft_egress_chains(void **state)
{
	struct fixture *f = *state;

	assert_false(is_hooked(f, "v0"));
	if (!has_nft())
		skip();
	host_run("ip link add v00 type veth peer name w0");
	host_run("nft 'add table netdev t; add chain netdev t plain; add table inet u;"
		 "add chain inet u c { type filter hook output priority 0; };"
		 "add chain netdev t in { type filter hook ingress device v0 priority 0; }'");
	assert_false(is_hooked(f, "v0"));
	host_run("nft 'add chain netdev t one { type filter hook egress device v0 priority 0; }'");
	assert_true(is_hooked(f, "v0"));
	assert_false(is_hooked(f, "v00"));
	assert_false(is_hooked(f, "v"));
	assert_false(is_hooked(f, "w0"));
	host_run("nft 'delete chain netdev t one'");
	assert_false(is_hooked(f, "v0"));
	host_run("nft 'add chain netdev t two { type filter hook egress devices = { w0, v00 } priority 0; }'");
	assert_false(is_hooked(f, "v0"));
	assert_true(is_hooked(f, "v00"));
	assert_true(is_hooked(f, "w0"));
}

static uint32_t first(struct fixture *f, bool egress, uint32_t program_id)
{
	uint32_t preference;

	assert_int_equal(vtap_net_clsact_first(f->net, link_named(f, "v0").ifindex, egress, program_id, &preference),
			 0);
	return preference;
}

static int first_error(struct fixture *f, bool egress, uint32_t program_id)
{
	uint32_t preference = 77;
	int r = vtap_net_clsact_first(f->net, link_named(f, "v0").ifindex, egress, program_id, &preference);

	assert_int_equal(preference, 77);
	return r;
}

static void sees_foreign_clsact_filters(void **state)
{
	struct fixture *f = *state;
	uint32_t ifindex = link_named(f, "v0").ifindex, id, other_id;

	assert_int_equal(first_error(f, true, 0), -ENOENT);
	host_run("tc qdisc add dev v0 clsact");
	assert_int_equal(first_error(f, true, 0), -ENOENT);
	id = program_attach(ifindex, true, 3);
	assert_int_equal(first_error(f, true, id), -ENOENT);
	assert_int_equal(first(f, true, 0), 3);

	/* What comes behind ours, and what only another filter leads to, does not count. */
	host_run("tc filter add dev v0 egress pref 9 protocol ip u32 match u32 0 0");
	host_run("tc filter add dev v0 egress pref 2 chain 4 protocol ip u32 match u32 0 0");
	assert_int_equal(first_error(f, true, id), -ENOENT);
	other_id = program_attach(ifindex, true, 2);
	assert_int_not_equal(other_id, id);
	assert_int_equal(first(f, true, id), 2);
	assert_int_equal(first_error(f, true, other_id), -ENOENT);
	host_run("tc filter del dev v0 egress pref 2");
	assert_int_equal(first_error(f, true, id), -ENOENT);

	/* With our own preference: the one that came last runs first. */
	other_id = program_attach(ifindex, true, 3);
	assert_int_equal(first(f, true, id), 3);
	assert_int_equal(first_error(f, true, other_id), -ENOENT);

	assert_int_equal(first_error(f, false, id), -ENOENT);
	host_run("tc filter add dev v0 ingress pref 65535 protocol all u32 match u32 0 0");
	assert_int_equal(first(f, false, id), 65535);
}

static bool is_empty(struct fixture *f)
{
	bool empty;

	assert_int_equal(vtap_net_clsact_empty(f->net, link_named(f, "v0").ifindex, &empty), 0);
	return empty;
}

static void count_visit(uint32_t ifindex, void *userdata)
{
	uint32_t *sum = userdata;

	*sum += ifindex;
}

/* The sum of the indexes of all devices that have one. */
static uint32_t clsact_sum(struct fixture *f)
{
	uint32_t sum = 0;

	assert_int_equal(vtap_net_clsact_each(f->net, count_visit, &sum), 0);
	return sum;
}

static void sees_clsact_qdiscs(void **state)
{
	struct fixture *f = *state;
	uint32_t v0 = link_named(f, "v0").ifindex, w0;

	host_run("ip link add v00 type veth peer name w0");
	w0 = if_nametoindex("w0");
	host_run("tc qdisc add dev v0 root pfifo");
	host_run("tc qdisc add dev w0 ingress");
	assert_int_equal(clsact_sum(f), 0);
	host_run("tc qdisc add dev v0 clsact");
	assert_int_equal(clsact_sum(f), v0);
	host_run("tc qdisc del dev w0 ingress");
	host_run("tc qdisc add dev w0 clsact");
	assert_int_equal(clsact_sum(f), v0 + w0);
	host_run("tc qdisc del dev v0 clsact");
	assert_int_equal(clsact_sum(f), w0);
}

static void sees_whether_clsact_is_used(void **state)
{
	static const char *const hooks[] = {"ingress", "egress"};
	struct fixture *f = *state;

	assert_true(is_empty(f));
	host_run("tc qdisc add dev v0 clsact");
	assert_true(is_empty(f));
	for (size_t i = 0; i < VTAP_ARRAY_SIZE(hooks); i++) {
		host_run("tc filter add dev v0 %s pref 9 chain 4 protocol ip u32 match u32 0 0", hooks[i]);
		assert_false(is_empty(f));
		host_run("tc filter del dev v0 %s pref 9 chain 4", hooks[i]);
		assert_true(is_empty(f));
		host_run("tc chain add dev v0 %s chain 7", hooks[i]);
		assert_false(is_empty(f));
		host_run("tc chain del dev v0 %s chain 7", hooks[i]);
		assert_true(is_empty(f));
	}
	program_attach(link_named(f, "v0").ifindex, true, 1);
	assert_false(is_empty(f));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(sees_nft_egress_chains),
	    TEST(sees_foreign_clsact_filters),
	    TEST(sees_clsact_qdiscs),
	    TEST(sees_whether_clsact_is_used),
	};

	return fixture_main("hooks", tests, VTAP_ARRAY_SIZE(tests));
}
