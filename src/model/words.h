/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The words that the agent's file and the API have for values: one table for each, ending with a NULL name, and the readers of
 * those values that may be given as a number too. One source for validation, --help and the contract.
 */

#include "model/place.h"

extern const struct vtap_word vtap_direction_words[]; /* enum vtap_direction */
extern const struct vtap_word vtap_action_words[]; /* enum vtap_action */
extern const struct vtap_word vtap_side_words[]; /* enum vtap_side */
extern const struct vtap_word vtap_mode_words[]; /* enum vtap_mode */
extern const struct vtap_word vtap_mtu_policy_words[]; /* enum vtap_mtu_policy */
extern const struct vtap_word vtap_on_reject_words[]; /* enum vtap_on_reject */
extern const struct vtap_word vtap_checksum_words[]; /* enum vtap_checksum */
extern const struct vtap_word vtap_encapsulation_words[]; /* vxlan alone, so far */
/* Of a session: a set of bits, 1 << VTAP_DIRECTION_IN and 1 << VTAP_DIRECTION_OUT. */
extern const struct vtap_word vtap_session_direction_words[];
extern const struct vtap_word vtap_protocol_words[]; /* IP protocols: numbers 0..VTAP_PROTOCOL_MAX are taken too */
extern const struct vtap_word vtap_ethertype_words[]; /* numbers VTAP_ETHERTYPE_MIN..VTAP_ETHERTYPE_MAX are taken too */

#define VTAP_PROTOCOL_MAX 255
#define VTAP_ETHERTYPE_MIN 0x0600 /* below, the field is a length */
#define VTAP_ETHERTYPE_MAX 0xffff

/* Whether rules of that IP protocol can have ports. */
bool vtap_protocol_has_ports(int32_t protocol);

/* For tables of fields whose member is an int32_t. Ethertypes of VLAN tags are refused: they are taken behind the tags. */
int vtap_words_read_protocol(const struct vtap_place *p, const struct vtap_field *f, void *object);
int vtap_words_read_ethertype(const struct vtap_place *p, const struct vtap_field *f, void *object);

/* "tcp", or "250" where there is no word; "arp", or "0x88b5". Writes into buffer unless a word serves. */
#define VTAP_WORDS_NUMBER_STRLEN 16
const char *vtap_words_protocol_name(int32_t protocol, char buffer[VTAP_WORDS_NUMBER_STRLEN]);
const char *vtap_words_ethertype_name(int32_t ethertype, char buffer[VTAP_WORDS_NUMBER_STRLEN]);
