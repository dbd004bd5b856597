// SPDX-License-Identifier: Apache-2.0

#include "agent/owners.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "basic/parse.h"

void vtap_owners_done(struct vtap_owners *o)
{
	free(o->items);
}

int vtap_owners_add(struct vtap_owners *o, const struct vtap_owner *owner)
{
	struct vtap_owner *grown = reallocarray(o->items, o->count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	o->items = grown;
	o->items[o->count++] = *owner;
	return 0;
}

const struct vtap_owner *vtap_owners_find(const struct vtap_owners *o, const struct vtap_link *link,
					  int32_t namespace_id)
{
	for (size_t i = 0; i < o->count; i++) {
		const struct vtap_owner *owner = &o->items[i];

		if ((*owner->device && !strcmp(owner->device, link->name)) ||
		    (owner->ifindex && owner->ifindex == link->ifindex) ||
		    (namespace_id >= 0 && owner->namespace_id == namespace_id))
			return owner;
	}
	return NULL;
}

/* What stands between two texts, the first of which is looked for in [from, to). False: nothing that fits. */
static bool between(const char *from, const char *to, const char *before, const char *after, char *ret_text,
		    size_t text_bytes)
{
	const char *start = memmem(from, (size_t)(to - from), before, strlen(before)), *end;

	if (!start)
		return false;
	start += strlen(before);
	end = memmem(start, (size_t)(to - start), after, strlen(after));
	if (!end || (size_t)(end - start) >= text_bytes)
		return false;
	memcpy(ret_text, start, (size_t)(end - start));
	ret_text[end - start] = '\0';
	return true;
}

int vtap_owners_parse_libvirt(struct vtap_owners *o, const char *xml)
{
	struct vtap_owner owner = {.kind = "libvirt", .namespace_id = -1};
	const char *domain = strstr(xml, "<domain "), *end = xml + strlen(xml);
	char mac[VTAP_MAC_STRLEN];

	if (!domain || !between(domain, end, "<name>", "</name>", owner.name, sizeof(owner.name)))
		return 0;
	(void)between(domain, end, "<uuid>", "</uuid>", owner.id, sizeof(owner.id));
	for (const char *at = strstr(domain, "<interface "); at; at = strstr(at + 1, "<interface ")) {
		const char *close = strstr(at, "</interface>");

		if (!close)
			break;
		memset(&owner.mac, 0, sizeof(owner.mac));
		if (!between(at, close, "<target dev='", "'", owner.device, sizeof(owner.device)))
			continue;
		if (between(at, close, "<mac address='", "'", mac, sizeof(mac)))
			(void)vtap_mac_parse(mac, &owner.mac);
		if (vtap_owners_add(o, &owner) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* The value of "key=" in a list with commas. */
static bool suboption(const char *list, const char *key, char *ret_text, size_t text_bytes)
{
	size_t key_bytes = strlen(key);

	while (list) {
		if (!strncmp(list, key, key_bytes) && list[key_bytes] == '=') {
			size_t length = strcspn(list += key_bytes + 1, ",");

			if (length >= text_bytes)
				return false;
			memcpy(ret_text, list, length);
			ret_text[length] = '\0';
			return true;
		}
		list = strchr(list, ',');
		list += list != NULL;
	}
	return false;
}

/* The word behind the current one; NULL at the end. */
static const char *word_next(const char *words, size_t size_bytes, const char *word)
{
	const char *next = word + strlen(word) + 1;

	return next < words + size_bytes ? next : NULL;
}

/* The MAC that the guest's device of that network backend has. */
static void qemu_mac(const char *words, size_t size_bytes, const char *backend, struct vtap_mac *ret_mac)
{
	char id[64], mac[VTAP_MAC_STRLEN];

	for (const char *word = words; word; word = word_next(words, size_bytes, word)) {
		const char *value = word_next(words, size_bytes, word);

		if (!strcmp(word, "-device") && value && suboption(value, "netdev", id, sizeof(id)) &&
		    !strcmp(id, backend) && suboption(value, "mac", mac, sizeof(mac)))
			(void)vtap_mac_parse(mac, ret_mac);
	}
}

static int qemu_backend(struct vtap_owners *o, const char *words, size_t size_bytes, const char *value,
			struct vtap_owner *owner)
{
	char id[64], mac[VTAP_MAC_STRLEN];

	if (strncmp(value, "tap,", 4) != 0 || !suboption(value, "ifname", owner->device, sizeof(owner->device)))
		return 0;
	memset(&owner->mac, 0, sizeof(owner->mac));
	if (suboption(value, "mac", mac, sizeof(mac)))
		(void)vtap_mac_parse(mac, &owner->mac);
	else if (suboption(value, "id", id, sizeof(id)))
		qemu_mac(words, size_bytes, id, &owner->mac);
	return vtap_owners_add(o, owner);
}

int vtap_owners_parse_qemu(struct vtap_owners *o, const char *words, size_t size_bytes)
{
	struct vtap_owner owner = {.kind = "qemu", .namespace_id = -1};
	int r = 0;

	if (!size_bytes || words[size_bytes - 1] != '\0')
		return 0;
	for (const char *word = words; word; word = word_next(words, size_bytes, word)) {
		const char *value = word_next(words, size_bytes, word);

		if (value && !strcmp(word, "-name") && !suboption(value, "guest", owner.name, sizeof(owner.name)))
			snprintf(owner.name, sizeof(owner.name), "%.*s", (int)strcspn(value, ","), value);
		if (value && !strcmp(word, "-uuid"))
			snprintf(owner.id, sizeof(owner.id), "%s", value);
	}
	for (const char *word = words; r >= 0 && *owner.name && word; word = word_next(words, size_bytes, word)) {
		const char *value = word_next(words, size_bytes, word);

		if (value && (!strcmp(word, "-netdev") || !strcmp(word, "-nic")))
			r = qemu_backend(o, words, size_bytes, value, &owner);
	}
	return r;
}

/* The value of a line KEY=VALUE. */
static bool line_value(const char *text, const char *key, char *ret_text, size_t text_bytes)
{
	size_t key_bytes = strlen(key);

	for (; text; text = strchr(text, '\n')) {
		text += *text == '\n';
		if (!strncmp(text, key, key_bytes) && text[key_bytes] == '=') {
			size_t length = strcspn(text + key_bytes + 1, "\n");

			if (length >= text_bytes)
				return false;
			memcpy(ret_text, text + key_bytes + 1, length);
			ret_text[length] = '\0';
			return true;
		}
	}
	return false;
}

int vtap_owners_parse_machine(struct vtap_owners *o, const char *text)
{
	struct vtap_owner owner = {.kind = "machined", .namespace_id = -1};
	char indexes[512], *rest = indexes, *index;
	int r = 0;

	if (!line_value(text, "NAME", owner.name, sizeof(owner.name)) ||
	    !line_value(text, "NETIF", indexes, sizeof(indexes)))
		return 0;
	(void)line_value(text, "ID", owner.id, sizeof(owner.id));
	while (r >= 0 && (index = strsep(&rest, " "))) {
		if (vtap_parse_u32(index, 1, INT32_MAX, &owner.ifindex) >= 0)
			r = vtap_owners_add(o, &owner);
	}
	return r;
}

bool vtap_owners_parse_docker(const char *text, size_t size_bytes, char *ret_file, size_t file_bytes,
			      struct vtap_owner *ret_owner)
{
	json_t *o = json_loadb(text, size_bytes, 0, NULL);
	const char *name = json_string_value(json_object_get(o, "Name"));
	const char *id = json_string_value(json_object_get(o, "ID"));
	const char *key = json_string_value(json_object_get(json_object_get(o, "NetworkSettings"), "SandboxKey"));
	const char *file = key ? strrchr(key, '/') : NULL;
	struct vtap_owner owner = {.kind = "docker", .namespace_id = -1};
	bool found = name && file && file[1] && strlen(file + 1) < file_bytes;

	if (found) {
		strcpy(ret_file, file + 1);
		snprintf(owner.name, sizeof(owner.name), "%s", name + (*name == '/'));
		snprintf(owner.id, sizeof(owner.id), "%s", id ? id : "");
		*ret_owner = owner;
	}
	json_decref(o);
	return found;
}
