// SPDX-License-Identifier: Apache-2.0

/* Reading and writing the data plane's maps. */

#include <errno.h>
#include <string.h>

#include "agent/dataplane_private.h"

static int element_read(struct vtap_dataplane *d, enum vtap_map map, uint32_t index, void *ret_value)
{
	return bpf_map_lookup_elem(d->map_fds[map], &index, ret_value);
}

static int element_write(struct vtap_dataplane *d, enum vtap_map map, uint32_t index, const void *value)
{
	return bpf_map_update_elem(d->map_fds[map], &index, value, BPF_ANY);
}

int vtap_dataplane_plan_read(struct vtap_dataplane *d, uint32_t index, struct vtap_plan *ret_plan)
{
	return element_read(d, VTAP_MAP_PLANS, index, ret_plan);
}

int vtap_dataplane_plan_write(struct vtap_dataplane *d, uint32_t index, const struct vtap_plan *plan)
{
	return element_write(d, VTAP_MAP_PLANS, index, plan);
}

int vtap_dataplane_port_read(struct vtap_dataplane *d, uint32_t index, struct vtap_port *ret_port)
{
	return element_read(d, VTAP_MAP_PORTS, index, ret_port);
}

int vtap_dataplane_port_write(struct vtap_dataplane *d, uint32_t index, const struct vtap_port *port)
{
	return element_write(d, VTAP_MAP_PORTS, index, port);
}

int vtap_dataplane_delivery_read(struct vtap_dataplane *d, uint32_t index, struct vtap_delivery *ret_delivery)
{
	return element_read(d, VTAP_MAP_DELIVERIES, index, ret_delivery);
}

int vtap_dataplane_delivery_write(struct vtap_dataplane *d, uint32_t index, const struct vtap_delivery *delivery)
{
	return element_write(d, VTAP_MAP_DELIVERIES, index, delivery);
}

int vtap_dataplane_session_read(struct vtap_dataplane *d, uint32_t slot, uint32_t *ret_delivery_index)
{
	return element_read(d, VTAP_MAP_SESSIONS, slot, ret_delivery_index);
}

int vtap_dataplane_session_write(struct vtap_dataplane *d, uint32_t slot, uint32_t delivery_index)
{
	return element_write(d, VTAP_MAP_SESSIONS, slot, &delivery_index);
}

int vtap_dataplane_slot_name_read(struct vtap_dataplane *d, uint32_t slot, struct vtap_slot_name *ret_name)
{
	return element_read(d, VTAP_MAP_SLOT_NAMES, slot, ret_name);
}

int vtap_dataplane_slot_name_write(struct vtap_dataplane *d, uint32_t slot, const struct vtap_slot_name *name)
{
	return element_write(d, VTAP_MAP_SLOT_NAMES, slot, name);
}

int vtap_dataplane_port_index_next(struct vtap_dataplane *d, uint32_t *ifindex, uint32_t *ret_port)
{
	int r = bpf_map_get_next_key(d->map_fds[VTAP_MAP_PORT_INDEX], *ifindex ? ifindex : NULL, ifindex);

	if (r < 0)
		return r;
	return bpf_map_lookup_elem(d->map_fds[VTAP_MAP_PORT_INDEX], ifindex, ret_port);
}

int vtap_dataplane_port_index_write(struct vtap_dataplane *d, uint32_t ifindex, uint32_t port)
{
	return bpf_map_update_elem(d->map_fds[VTAP_MAP_PORT_INDEX], &ifindex, &port, BPF_ANY);
}

int vtap_dataplane_port_index_delete(struct vtap_dataplane *d, uint32_t ifindex)
{
	return bpf_map_delete_elem(d->map_fds[VTAP_MAP_PORT_INDEX], &ifindex);
}

/* The distinct ports, which the data plane compares before it looks an endpoint up. */
static int guard_ports(const struct vtap_guard *guards, size_t count, struct vtap_globals *globals)
{
	uint32_t found = 0;

	memset(globals->guard_ports, 0, sizeof(globals->guard_ports));
	for (size_t i = 0; i < count; i++) {
		uint32_t j = 0;

		while (j < found && globals->guard_ports[j] != guards[i].port)
			j++;
		if (j < found)
			continue;
		if (found == VTAP_ABI_GUARD_PORTS)
			return -E2BIG;
		globals->guard_ports[found++] = guards[i].port;
	}
	return 0;
}

static bool guard_wanted(const struct vtap_guard *guards, size_t count, const struct vtap_guard *g)
{
	for (size_t i = 0; i < count; i++) {
		if (!memcmp(&guards[i], g, sizeof(*g)))
			return true;
	}
	return false;
}

static void guards_prune(int fd, const struct vtap_guard *guards, size_t count)
{
	struct vtap_guard key, next;
	bool more = bpf_map_get_next_key(fd, NULL, &next) >= 0;

	while (more) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next) >= 0;
		if (!guard_wanted(guards, count, &key))
			(void)bpf_map_delete_elem(fd, &key);
	}
}

int vtap_dataplane_guards_write(struct vtap_dataplane *d, const struct vtap_guard *guards, size_t count)
{
	struct vtap_globals globals;
	uint8_t present = 1;
	int r;

	r = element_read(d, VTAP_MAP_GLOBALS, 0, &globals);
	if (r < 0)
		return r;
	r = guard_ports(guards, count, &globals);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		r = bpf_map_update_elem(d->map_fds[VTAP_MAP_GUARDS], &guards[i], &present, BPF_ANY);
		if (r < 0)
			return r;
	}
	r = element_write(d, VTAP_MAP_GLOBALS, 0, &globals);
	if (r < 0)
		return r;
	guards_prune(d->map_fds[VTAP_MAP_GUARDS], guards, count);
	return 0;
}

/* Sums `words` u64 of a per-CPU element over all CPUs. */
static int percpu_sum(struct vtap_dataplane *d, enum vtap_map map, uint32_t key, uint64_t *ret_words, size_t words)
{
	_cleanup_free_ uint64_t *values = calloc(d->cpu_count, words * sizeof(*values));
	int r;

	if (!values)
		return -ENOMEM;
	r = bpf_map_lookup_elem(d->map_fds[map], &key, values);
	if (r < 0)
		return r;
	memset(ret_words, 0, words * sizeof(*ret_words));
	for (unsigned cpu = 0; cpu < d->cpu_count; cpu++) {
		for (size_t i = 0; i < words; i++)
			ret_words[i] += values[cpu * words + i];
	}
	return 0;
}

static int percpu_clear(struct vtap_dataplane *d, enum vtap_map map, uint32_t key, size_t words)
{
	_cleanup_free_ uint64_t *values = calloc(d->cpu_count, words * sizeof(*values));

	if (!values)
		return -ENOMEM;
	return bpf_map_update_elem(d->map_fds[map], &key, values, BPF_ANY);
}

int vtap_dataplane_counters_read(struct vtap_dataplane *d, uint32_t slot, uint32_t direction,
				 struct vtap_counters *ret_counters)
{
	return percpu_sum(d, VTAP_MAP_COUNTERS, slot * 2 + direction, (uint64_t *)ret_counters->values,
			  VTAP_COUNTER_MAX);
}

int vtap_dataplane_port_counters_read(struct vtap_dataplane *d, uint32_t port, struct vtap_port_counters *ret_counters)
{
	return percpu_sum(d, VTAP_MAP_PORT_COUNTERS, port, (uint64_t *)ret_counters->values, VTAP_PORT_COUNTER_MAX);
}

int vtap_dataplane_counters_clear(struct vtap_dataplane *d, uint32_t slot)
{
	int r = percpu_clear(d, VTAP_MAP_COUNTERS, slot * 2, VTAP_COUNTER_MAX);

	return r < 0 ? r : percpu_clear(d, VTAP_MAP_COUNTERS, slot * 2 + 1, VTAP_COUNTER_MAX);
}

int vtap_dataplane_port_counters_clear(struct vtap_dataplane *d, uint32_t port)
{
	return percpu_clear(d, VTAP_MAP_PORT_COUNTERS, port, VTAP_PORT_COUNTER_MAX);
}

int vtap_dataplane_fence(struct vtap_dataplane *d)
{
	_cleanup_close_ int inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "vtap_fence_in", 4, 4, 1, NULL);
	uint32_t zero = 0;

	if (inner < 0)
		return inner;
	return bpf_map_update_elem(d->map_fds[VTAP_MAP_FENCE], &zero, &inner, BPF_ANY);
}
