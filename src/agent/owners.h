/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Guests and containers, as far as files of their managers name them and tell their devices: libvirt, qemu's command lines,
 * docker, systemd-machined, named network namespaces. What is not there, or has another form, is passed over.
 */

#include <stddef.h>

#include "net/net.h"

struct vtap_owner {
	/* How its devices are known: one of these, or more. */
	char device[IFNAMSIZ]; /* on the host's side; empty = not told */
	uint32_t ifindex; /* likewise; 0 = not told */
	int32_t namespace_id; /* that the other end of its cable is in; -1 = not told */
	struct vtap_mac mac; /* of the guest's side; all 0 = not told */
	char kind[12]; /* "libvirt", "qemu", "docker", "machined", "netns" */
	char name[128];
	char id[80]; /* empty = it has none */
};

struct vtap_owners {
	struct vtap_owner *items; /* owned */
	size_t count;
};
void vtap_owners_done(struct vtap_owners *o);
int vtap_owners_add(struct vtap_owners *o, const struct vtap_owner *owner);

/* Everything on this host. root: "" , or a folder in which tests keep a host. -ENOMEM. */
int vtap_owners_read(struct vtap_net *net, const char *root, struct vtap_owners *ret_owners);
/* The first that the device is known by; NULL. namespace_id: of the other end, or -1. */
const struct vtap_owner *vtap_owners_find(const struct vtap_owners *o, const struct vtap_link *link,
					  int32_t namespace_id);

/* Parts of it, on texts. They add to o. -ENOMEM. */
/* libvirt's status of one domain (/run/libvirt/qemu/NAME.xml). */
int vtap_owners_parse_libvirt(struct vtap_owners *o, const char *xml);
/* A command line as /proc has it: words that end with NUL. */
int vtap_owners_parse_qemu(struct vtap_owners *o, const char *words, size_t size_bytes);
/* systemd-machined's state of one machine (/run/systemd/machines/NAME). */
int vtap_owners_parse_machine(struct vtap_owners *o, const char *text);
/* docker's configuration of one container: the file name of its network namespace, and who it is. False: it has none. */
bool vtap_owners_parse_docker(const char *text, size_t size_bytes, char *ret_file, size_t file_bytes,
			      struct vtap_owner *ret_owner);
