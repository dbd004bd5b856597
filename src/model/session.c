/* SPDX-License-Identifier: Apache-2.0 */

#include "model/session.h"

#include <errno.h>
#include <string.h>

#include "model/words.h"

static const struct vtap_field source_fields[] = {
    {VTAP_FIELD("device", struct vtap_source, device, vtap_place_read_device), .required = true},
    {VTAP_FIELD_WORD("side", struct vtap_source, side, vtap_side_words)},
    {},
};

static int read_source(const struct vtap_place *p, void *object)
{
	struct vtap_source *s = object;

	s->line = vtap_place_line(p);
	s->side = VTAP_SIDE_HOST;
	return vtap_place_read_mapping(p, source_fields, s);
}

static int read_sources(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	struct vtap_session *s = object;
	int r;

	r = vtap_place_read_list(p, VTAP_SOURCES_MAX, sizeof(*s->sources), (void **)&s->sources, &s->source_count,
				 read_source);
	if (r < 0)
		return r;
	if (s->source_count == 0)
		return vtap_place_fail(p, -EINVAL, "needs at least one device");
	return 0;
}

static int read_direction(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	static const struct vtap_field word = {.words = vtap_session_direction_words};
	struct vtap_session *s = object;
	int bits, r;

	r = vtap_place_read_word(p, &word, &bits);
	if (r < 0)
		return r;
	for (size_t d = 0; d < VTAP_DIRECTION_MAX; d++)
		s->direction[d] = bits & 1 << d;
	return 0;
}

static int read_filter(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	const struct vtap_config *config = p->config;
	struct vtap_session *s = object;
	const char *text = json_string_value(p->value);

	for (size_t i = 0; text && i < config->filter_count; i++)
		if (strcmp(config->filters[i].name, text) == 0)
			s->filter = &config->filters[i];
	if (!s->filter)
		return vtap_place_fail_value(p, "the name of one of the filters");
	return 0;
}

static int read_target(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	const struct vtap_config *config = p->config;
	struct vtap_session *s = object;
	const char *text = json_string_value(p->value);

	for (size_t i = 0; text && i < config->target_count; i++)
		if (strcmp(config->targets[i].name, text) == 0)
			s->target = &config->targets[i];
	if (!s->target)
		return vtap_place_fail_value(p, "the name of one of the targets");
	return 0;
}

/* The only kind so far leaves nothing to store. */
static int read_encapsulation_type(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	static const struct vtap_field word = {.words = vtap_encapsulation_words};
	int type;

	return vtap_place_read_word(p, &word, &type);
}

static const struct vtap_field sample_fields[] = {
    {VTAP_FIELD_NUMBER("packets", struct vtap_session, sample_packets, 1, VTAP_SAMPLE_MAX)},
    {VTAP_FIELD_NUMBER("flows", struct vtap_session, sample_flows, 1, VTAP_SAMPLE_MAX)},
    {},
};

static int read_sample(const struct vtap_place *p, const struct vtap_field *f, void *object)
{
	struct vtap_place packets = vtap_place_member(p, "packets"), flows = vtap_place_member(p, "flows");

	if (packets.value && flows.value)
		return vtap_place_fail(p, -EINVAL, "takes packets or flows, not both");
	return vtap_place_read_mapping(p, sample_fields, object);
}

static const struct vtap_field encapsulation_fields[] = {
    {.name = "type", .read = read_encapsulation_type},
    {VTAP_FIELD_NUMBER("vni", struct vtap_session, vni, 0, VTAP_VNI_MAX), .required = true},
    {VTAP_FIELD_NUMBER("port", struct vtap_session, port, 1, UINT16_MAX)},
    {},
};

static const struct vtap_field limit_fields[] = {
    {VTAP_FIELD_NUMBER("packets_per_second", struct vtap_session, limit_packets_per_second, 0,
		       VTAP_PACKETS_PER_SECOND_MAX)},
    {VTAP_FIELD_NUMBER("bits_per_second", struct vtap_session, limit_bits_per_second, 0, VTAP_BITS_PER_SECOND_MAX)},
    {},
};

static const struct vtap_field session_fields[] = {
    {VTAP_FIELD("name", struct vtap_session, name, vtap_place_read_name), .required = true},
    {VTAP_FIELD_NUMBER("number", struct vtap_session, number, 1, VTAP_SESSION_NUMBER_MAX)},
    {VTAP_FIELD_WORD("mode", struct vtap_session, mode, vtap_mode_words)},
    {VTAP_FIELD("enabled", struct vtap_session, enabled, vtap_place_read_bool)},
    {VTAP_FIELD("sources", struct vtap_session, sources, read_sources), .required = true},
    {VTAP_FIELD("direction", struct vtap_session, direction, read_direction)},
    {VTAP_FIELD("filter", struct vtap_session, filter, read_filter)},
    {VTAP_FIELD("target", struct vtap_session, target, read_target), .required = true},
    {.name = "encapsulation", .read = vtap_place_read_fields, .fields = encapsulation_fields, .required = true},
    {VTAP_FIELD_NUMBER("packet_length", struct vtap_session, packet_length, 0, VTAP_PACKET_LENGTH_MAX)},
    {VTAP_FIELD_WORD("mtu_policy", struct vtap_session, mtu_policy, vtap_mtu_policy_words)},
    {VTAP_FIELD_WORD("on_reject", struct vtap_session, on_reject, vtap_on_reject_words)},
    {.name = "sample", .read = read_sample},
    {.name = "limit", .read = vtap_place_read_fields, .fields = limit_fields},
    {VTAP_FIELD_WORD("checksum", struct vtap_session, checksum, vtap_checksum_words)},
    {},
};

int vtap_session_read(const struct vtap_place *p, void *session)
{
	struct vtap_place name = vtap_place_member(p, "name"), number = vtap_place_member(p, "number");
	struct vtap_session *s = session;
	int r;

	*s = (struct vtap_session){
	    .line = vtap_place_line(p),
	    .mode = VTAP_MODE_EXCLUSIVE,
	    .enabled = true,
	    .direction = {[VTAP_DIRECTION_IN] = true, [VTAP_DIRECTION_OUT] = true},
	    .port = VTAP_TUNNEL_PORT,
	    .mtu_policy = VTAP_MTU_FIT,
	    .on_reject = VTAP_ON_REJECT_NEXT,
	    .sample_packets = 1,
	    .sample_flows = 1,
	    .checksum = VTAP_CHECKSUM_COMPLETE,
	};
	r = vtap_place_read_mapping(p, session_fields, s);
	if (r < 0)
		return r;
	if (s->mode == VTAP_MODE_EXCLUSIVE && s->number == 0)
		return vtap_place_fail(&number, -EINVAL, "is required for an exclusive session (1..%u)",
				       VTAP_SESSION_NUMBER_MAX);
	for (const struct vtap_session *other = p->config->sessions; other < s; other++)
		if (strcmp(other->name, s->name) == 0)
			return vtap_place_fail(&name, -EINVAL, "\"%s\" is used twice, first on line %u", s->name,
					       other->line);
	return 0;
}

void vtap_session_done(struct vtap_session *s)
{
	free(s->sources);
}

const char *vtap_side_name(enum vtap_side s)
{
	return vtap_word_name(vtap_side_words, (int)s);
}

const char *vtap_mode_name(enum vtap_mode m)
{
	return vtap_word_name(vtap_mode_words, (int)m);
}
