// SPDX-License-Identifier: Apache-2.0

/* The status for people: counts and states first, zeroes left out. */

#include <inttypes.h>
#include <string.h>

#include "agent/status.h"

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static json_int_t number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void counters_print(const json_t *counters, const char *direction, FILE *out)
{
	const json_t *c = json_object_get(counters, direction), *value;
	const char *key;

	fprintf(out, "    %-4s matched %" JSON_INTEGER_FORMAT "  mirrored %" JSON_INTEGER_FORMAT, direction,
		number_of(c, "matched_packets"), number_of(c, "mirrored_packets"));
	json_object_foreach((json_t *)c, key, value)
	{
		bool shown = !strncmp(key, "lost_", 5) || !strcmp(key, "sampled_out") || !strcmp(key, "cut_to_fit") ||
			     !strcmp(key, "uncut");

		if (shown && json_integer_value(value))
			fprintf(out, "  %s %" JSON_INTEGER_FORMAT, key, json_integer_value(value));
	}
	fputc('\n', out);
}

static void sources_print(const json_t *sources, FILE *out)
{
	const json_t *source;
	size_t i;

	json_array_foreach(sources, i, source)
	{
		fprintf(out, "    source %s (%s): %s", text_of(source, "device"), text_of(source, "side"),
			text_of(source, "state"));
		if (number_of(source, "own_frames"))
			fprintf(out, ", %" JSON_INTEGER_FORMAT " frames of mirror tunnels left out",
				number_of(source, "own_frames"));
		fputc('\n', out);
	}
}

static void session_print(const json_t *s, FILE *out)
{
	const json_t *counters = json_object_get(s, "counters"), *rates = json_object_get(s, "rates");
	const char *advice = text_of(json_object_get(s, "mtu"), "advice");

	fprintf(out, "  %s", text_of(s, "name"));
	if (*text_of(s, "label") && strcmp(text_of(s, "label"), text_of(s, "name")))
		fprintf(out, " \"%s\"", text_of(s, "label"));
	fprintf(out, ": %s", text_of(s, "state"));
	if (*text_of(s, "reason"))
		fprintf(out, " (%s)", text_of(s, "reason"));
	fputc('\n', out);
	if (*text_of(s, "address"))
		fprintf(out,
			"    to %s (%s) VNI %" JSON_INTEGER_FORMAT " port %" JSON_INTEGER_FORMAT
			" by %s, path MTU %" JSON_INTEGER_FORMAT "\n",
			text_of(s, "target"), text_of(s, "address"), number_of(s, "vni"), number_of(s, "port"),
			*text_of(s, "uplink") ? text_of(s, "uplink") : "no device",
			number_of(json_object_get(s, "mtu"), "path"));
	sources_print(json_object_get(s, "sources"), out);
	if (json_object_size(counters)) {
		counters_print(counters, "in", out);
		counters_print(counters, "out", out);
	}
	if (rates)
		fprintf(out, "    now %.0f packets/s and %.0f bits/s mirrored, %.0f packets/s lost\n",
			json_real_value(json_object_get(rates, "mirrored_packets_per_second")),
			json_real_value(json_object_get(rates, "mirrored_bits_per_second")),
			json_real_value(json_object_get(rates, "lost_packets_per_second")));
	if (*advice)
		fprintf(out, "    MTU: %s\n", advice);
}

static void controller_print(const json_t *c, FILE *out)
{
	fprintf(out, "controller %s: %s as %s", text_of(c, "url"), text_of(c, "state"), text_of(c, "host"));
	if (*text_of(c, "reason"))
		fprintf(out, " (%s)", text_of(c, "reason"));
	if (*text_of(c, "epoch"))
		fprintf(out, ", revision %" JSON_INTEGER_FORMAT " of epoch %.8s\n", number_of(c, "revision"),
			text_of(c, "epoch"));
	else
		fprintf(out, ", no plan yet\n");
	if (!strcmp(text_of(c, "state"), "connected"))
		return;
	fprintf(out, "  last heard %" JSON_INTEGER_FORMAT " s ago\n", number_of(c, "silent_seconds"));
}

static void attachment_print(const json_t *at, FILE *out)
{
	char ifindex[24];
	const char *device = text_of(at, "device");

	snprintf(ifindex, sizeof(ifindex), "ifindex %" JSON_INTEGER_FORMAT, number_of(at, "ifindex"));
	fprintf(out, "  %s %s: %s", *device ? device : ifindex, text_of(at, "hook"), text_of(at, "kind"));
	if (json_object_get(at, "programs"))
		fprintf(out, ", place %" JSON_INTEGER_FORMAT " of %zu", number_of(at, "position"),
			json_array_size(json_object_get(at, "programs")));
	else
		fprintf(out, ", preference %" JSON_INTEGER_FORMAT, number_of(at, "preference"));
	fputc('\n', out);
}

void vtap_status_print(const json_t *status, FILE *out)
{
	const json_t *agent = json_object_get(status, "agent"), *item;
	size_t i;

	if (json_is_object(agent))
		fprintf(out, "vtap-agent %s, pid %" JSON_INTEGER_FORMAT ", %s, %s\n", text_of(agent, "version"),
			number_of(agent, "pid"), text_of(agent, "hook"),
			json_is_true(json_object_get(agent, "pinned")) ? "pinned"
								       : "unpinned: mirroring ends with the agent");
	if (json_is_object(json_object_get(status, "controller")))
		controller_print(json_object_get(status, "controller"), out);
	json_array_foreach(json_object_get(status, "warnings"), i, item)
	    fprintf(out, "warning: %s\n", json_string_value(item));
	fprintf(out, "sessions: %zu\n", json_array_size(json_object_get(status, "sessions")));
	json_array_foreach(json_object_get(status, "sessions"), i, item) session_print(item, out);
	fprintf(out, "attached: %zu\n", json_array_size(json_object_get(status, "attachments")));
	json_array_foreach(json_object_get(status, "attachments"), i, item) attachment_print(item, out);
	json_array_foreach(json_object_get(status, "devices"), i, item)
	    fprintf(out,
		    "device %s (%s): dropped %" JSON_INTEGER_FORMAT " sent, %" JSON_INTEGER_FORMAT
		    " received, %" JSON_INTEGER_FORMAT " in its queue\n",
		    text_of(item, "device"), text_of(item, "role"), number_of(item, "tx_dropped"),
		    number_of(item, "rx_dropped"), number_of(item, "queue_dropped"));
}
