/* SPDX-License-Identifier: Apache-2.0 */

/* Any bytes as a configuration file: it is refused with a reason, or what comes out keeps the promises of model/config.h. */

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "fuzz.h"
#include "model/config.h"

static void check_refused(int r, const struct vtap_config *config, const struct vtap_error *error)
{
	FUZZ_CHECK(r == -EINVAL || r == -E2BIG);
	FUZZ_CHECK(config == NULL);
	FUZZ_CHECK(error->code == r);
	FUZZ_CHECK(error->text[0] != '\0');
	for (const char *c = error->text; *c; c++)
		FUZZ_CHECK((unsigned char)*c >= 0x20);
	for (const char *c = error->field; *c; c++)
		FUZZ_CHECK((unsigned char)*c >= 0x20);
}

static void check_rule(const struct vtap_rule *r, enum vtap_direction direction)
{
	uint8_t source = r->source.addr.family, destination = r->destination.addr.family;

	FUZZ_CHECK(r->line > 0);
	FUZZ_CHECK(r->direction == direction);
	FUZZ_CHECK(r->number >= 1 && r->number <= VTAP_RULE_NUMBER_MAX);
	FUZZ_CHECK(r->source_port_first <= r->source_port_last);
	FUZZ_CHECK(r->destination_port_first <= r->destination_port_last);
	FUZZ_CHECK(r->protocol >= -1 && r->protocol <= 255);
	FUZZ_CHECK(r->icmp_type < 0 || r->protocol == 1 || r->protocol == 58);
	FUZZ_CHECK(r->icmp_code < 0 || r->icmp_type >= 0);
	FUZZ_CHECK(r->vlan == -1 || (r->vlan >= 1 && r->vlan <= 4094));
	FUZZ_CHECK(r->ethertype >= VTAP_ETHERTYPE_ANY && r->ethertype <= 0xffff);
	FUZZ_CHECK(source == AF_UNSPEC || destination == AF_UNSPEC || source == destination);
}

static void check_filter(const struct vtap_filter *f)
{
	FUZZ_CHECK(f->name[0] != '\0');
	for (enum vtap_direction d = 0; d < VTAP_DIRECTION_MAX; d++) {
		FUZZ_CHECK(f->rule_count[d] <= VTAP_FILTER_RULES_MAX);
		for (size_t i = 0; i < f->rule_count[d]; i++) {
			check_rule(&f->rules[d][i], d);
			FUZZ_CHECK(i == 0 || f->rules[d][i - 1].number < f->rules[d][i].number);
		}
	}
}

static void check_session(const struct vtap_config *c, const struct vtap_session *s)
{
	FUZZ_CHECK(s->name[0] != '\0' && s->line > 0);
	FUZZ_CHECK(s->number <= VTAP_SESSION_NUMBER_MAX);
	FUZZ_CHECK(s->number > 0 || s->mode == VTAP_MODE_COPY);
	FUZZ_CHECK(s->direction[VTAP_DIRECTION_IN] || s->direction[VTAP_DIRECTION_OUT]);
	FUZZ_CHECK(s->source_count >= 1 && s->source_count <= VTAP_SOURCES_MAX);
	FUZZ_CHECK(!s->filter || (s->filter >= c->filters && s->filter < c->filters + c->filter_count));
	FUZZ_CHECK(s->target >= c->targets && s->target < c->targets + c->target_count);
	FUZZ_CHECK(s->vni <= VTAP_VNI_MAX && s->port > 0 && s->packet_length <= VTAP_PACKET_LENGTH_MAX);
	FUZZ_CHECK(s->sample_packets >= 1 && s->sample_flows >= 1);
	FUZZ_CHECK(s->sample_packets == 1 || s->sample_flows == 1);
	for (size_t i = 0; i < s->source_count; i++)
		FUZZ_CHECK(s->sources[i].device[0] != '\0' && !strchr(s->sources[i].device, '/'));
}

static void check_taken(const struct vtap_config *c)
{
	FUZZ_CHECK(c->target_count <= VTAP_TARGETS_MAX && c->filter_count <= VTAP_FILTERS_MAX);
	FUZZ_CHECK(c->session_count <= VTAP_SESSIONS_MAX && c->never_mirror_count <= VTAP_NEVER_MIRROR_MAX);
	for (size_t i = 0; i < c->never_mirror_count; i++)
		FUZZ_CHECK(!vtap_addr_is_any(&c->never_mirror[i].address) && c->never_mirror[i].port > 0);
	for (size_t i = 0; i < c->target_count; i++) {
		const struct vtap_target *t = &c->targets[i];

		FUZZ_CHECK(t->name[0] != '\0' && t->ttl > 0 && t->dscp <= 63);
		FUZZ_CHECK(!vtap_addr_is_any(&t->address) && !vtap_addr_is_multicast(&t->address));
		FUZZ_CHECK(t->local.family == AF_UNSPEC || t->local.family == t->address.family);
	}
	for (size_t i = 0; i < c->filter_count; i++)
		check_filter(&c->filters[i]);
	for (size_t i = 0; i < c->session_count; i++)
		check_session(c, &c->sessions[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	VTAP_CLEANUP(vtap_config_freep) struct vtap_config *config = NULL;
	struct vtap_error error = {};
	int r;

	r = vtap_config_parse(size_bytes > 0 ? (const char *)data : "", size_bytes, &config, &error);
	if (r < 0)
		check_refused(r, config, &error);
	else
		check_taken(config);
	return 0;
}
