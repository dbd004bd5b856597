/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What an agent that runs alone is asked to do: targets, filters and sessions, read from its file and validated.
 * Pure: text in, structs out. Everything that a person can create has a limit here, tested at N and N+1.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "basic/addr.h"
#include "basic/error.h"

#define VTAP_NAME_MAX 63 /* characters of a target's, filter's or session's name */
#define VTAP_DEVICE_MAX 15 /* characters of a device name: IFNAMSIZ - 1 */
#define VTAP_FILE_MAX_BYTES (4U << 20)
#define VTAP_TARGETS_MAX 1024
#define VTAP_FILTERS_MAX 1024
#define VTAP_SESSIONS_MAX 1024 /* equals the session slots of the data plane */
#define VTAP_SOURCES_MAX 256 /* of one session */
#define VTAP_FILTER_RULES_MAX 64 /* of one filter and direction, and of one interface and direction over all sessions */
#define VTAP_INTERFACE_SESSIONS_MAX 64
#define VTAP_NEVER_MIRROR_MAX 1024
#define VTAP_TUNNEL_PORTS_MAX 8 /* distinct UDP ports of all sessions and never_mirror together */
#define VTAP_TUNNEL_PORT 4789 /* unless the file says otherwise: VXLAN's own */
#define VTAP_RULE_NUMBER_MAX 16777216U
#define VTAP_SESSION_NUMBER_MAX 32766U
#define VTAP_VNI_MAX 0xffffffU
#define VTAP_VLAN_MAX 4094
#define VTAP_PACKET_LENGTH_MAX 9216U
#define VTAP_SAMPLE_MAX 1000000U
#define VTAP_PACKETS_PER_SECOND_MAX 1000000000ULL
#define VTAP_BITS_PER_SECOND_MAX 1000000000000ULL
#define VTAP_MTU_MIN_IPV4 576
#define VTAP_MTU_MIN_IPV6 1280
#define VTAP_MTU_MAX 9216
#define VTAP_DSCP_MAX 63
#define VTAP_TTL 64 /* unless the file says otherwise */

enum vtap_direction { VTAP_DIRECTION_IN, VTAP_DIRECTION_OUT, VTAP_DIRECTION_MAX };
enum vtap_side { VTAP_SIDE_HOST, VTAP_SIDE_OWN };
enum vtap_action { VTAP_ACTION_ACCEPT, VTAP_ACTION_REJECT };
enum vtap_mode { VTAP_MODE_EXCLUSIVE, VTAP_MODE_COPY };
enum vtap_mtu_policy { VTAP_MTU_FIT, VTAP_MTU_DROP };
enum vtap_on_reject { VTAP_ON_REJECT_NEXT, VTAP_ON_REJECT_STOP };
enum vtap_checksum { VTAP_CHECKSUM_COMPLETE, VTAP_CHECKSUM_AS_IS };

struct vtap_endpoint { /* a tunnel endpoint whose traffic is never mirrored */
	struct vtap_addr address;
	uint16_t port;
};

struct vtap_target {
	char name[VTAP_NAME_MAX + 1];
	unsigned line;
	struct vtap_addr address;
	struct vtap_addr local; /* source of the copies; AF_UNSPEC = what the route says */
	uint32_t mtu; /* 0 = path MTU from device and route */
	bool df;
	uint8_t dscp; /* 0..63 */
	uint8_t ttl; /* 1..255 */
};

/*
 * One rule. A rule matches IP packets of both versions unless it names addresses of one version or an ethertype;
 * frames that are not IP match only a rule that names their ethertype, or `ethertype: any`.
 */
struct vtap_rule {
	unsigned line;
	uint32_t number; /* 1..VTAP_RULE_NUMBER_MAX, unique per filter and direction; lower is tried first */
	enum vtap_direction direction;
	enum vtap_action action;
	struct vtap_prefix source, destination; /* AF_UNSPEC = any; else both of one IP version */
	uint16_t source_port_first, source_port_last; /* 0..65535 = any, packets without ports included */
	uint16_t destination_port_first, destination_port_last;
	int32_t protocol; /* IP protocol 0..255, or -1 = any */
	int32_t icmp_type; /* 0..255, or -1 = any; needs protocol icmp or icmpv6 */
	int32_t icmp_code; /* 0..255, or -1 = any; needs icmp_type */
	int32_t vlan; /* outermost VLAN id 1..4094, or -1 = any, tagged or not */
	int32_t ethertype; /* 0x0600..0xffff; VTAP_ETHERTYPE_IP = any IP packet; VTAP_ETHERTYPE_ANY = every frame */
};
#define VTAP_ETHERTYPE_IP (-1)
#define VTAP_ETHERTYPE_ANY (-2)

struct vtap_filter {
	char name[VTAP_NAME_MAX + 1];
	unsigned line;
	struct vtap_rule *rules[VTAP_DIRECTION_MAX]; /* owned; sorted by number */
	size_t rule_count[VTAP_DIRECTION_MAX];
};

/* A device has one side in the whole file. */
struct vtap_source {
	unsigned line;
	char device[VTAP_DEVICE_MAX + 1];
	enum vtap_side side;
};

struct vtap_session {
	char name[VTAP_NAME_MAX + 1];
	unsigned line;
	uint32_t
	    number; /* 1..VTAP_SESSION_NUMBER_MAX, unique among a device's exclusive sessions; 0 = copy without one */
	enum vtap_mode mode;
	bool enabled;
	bool direction[VTAP_DIRECTION_MAX];
	enum vtap_on_reject on_reject;
	struct vtap_source *sources; /* owned; at least one, no device twice */
	size_t source_count;
	const struct vtap_filter *filter; /* borrowed from the same config; NULL = every frame, non-IP included */
	const struct vtap_target *target; /* borrowed from the same config */
	uint32_t vni;
	uint16_t port; /* UDP destination port of the tunnel */
	uint32_t packet_length; /* bytes from the inner Ethernet header; 0 = whole */
	enum vtap_mtu_policy mtu_policy;
	enum vtap_checksum checksum;
	uint32_t sample_packets; /* 1 in N packets; 1 = all */
	uint32_t sample_flows; /* 1 in N flows; 1 = all */
	uint64_t limit_packets_per_second; /* 0 = none */
	uint64_t limit_bits_per_second; /* 0 = none */
};

struct vtap_config {
	char uplink[VTAP_DEVICE_MAX + 1]; /* empty = what the routes say */
	struct vtap_endpoint *never_mirror;
	size_t never_mirror_count;
	struct vtap_target *targets;
	size_t target_count;
	struct vtap_filter *filters;
	size_t filter_count;
	struct vtap_session *sessions;
	size_t session_count;
};

/*
 * Parses and validates a file's text (YAML, of which JSON is a part). Sessions that are not enabled are validated like the
 * others, but take none of the room that one interface and direction has for sessions and rules. On failure returns
 * -EINVAL (-E2BIG for a limit, -ENOMEM), fills *reterr with the line and the field, and leaves *ret_config untouched.
 * The result is the caller's.
 */
int vtap_config_parse(const char *text, size_t size_bytes, struct vtap_config **ret_config, struct vtap_error *reterr);
/*
 * The same of a document that a controller made, part by part: a target, filter, session or endpoint of never_mirror that is
 * wrong, or that does not go with those before it, is left out, and so are the sessions of a target or filter that is; refused
 * is told which (index in that list of the document) and why (the field within that element). Keys of the document itself
 * that are not known here are passed over. -EINVAL: a list is none; -ENOMEM.
 */
typedef void (*vtap_config_refused)(const char *list, size_t index, const struct vtap_error *error, void *userdata);
int vtap_config_read(const json_t *values, vtap_config_refused refused, void *userdata, struct vtap_config **ret_config,
		     struct vtap_error *reterr);
struct vtap_config *vtap_config_free(struct vtap_config *c);
VTAP_DEFINE_CLEANUP(struct vtap_config *, vtap_config_free);

/* Names as the file has them: "in", "host", "exclusive", "fit", "next", "complete" ... */
const char *vtap_direction_name(enum vtap_direction d);
const char *vtap_side_name(enum vtap_side s);
const char *vtap_mode_name(enum vtap_mode m);
