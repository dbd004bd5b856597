/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fnmatch.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include "net/net.h"
#include "net/private.h"

/* The kernel has some seventy features; far more than that is an answer that was misread. */
#define FEATURES_MAX 1024

static int ethtool(struct vtap_net *n, const char *device, void *command)
{
	struct ifreq request = {.ifr_data = command};

	if (strlen(device) >= sizeof(request.ifr_name))
		return -EINVAL;
	strcpy(request.ifr_name, device);
	return ioctl(n->route_fd, SIOCETHTOOL, &request) < 0 ? -errno : 0;
}

static int feature_names_get(struct vtap_net *n, const char *device, struct ethtool_gstrings **ret_names)
{
	_cleanup_free_ struct ethtool_gstrings *names = NULL;
	_cleanup_free_ struct ethtool_sset_info *set = NULL;
	uint32_t count;
	int r;

	set = calloc(1, sizeof(*set) + sizeof(set->data[0]));
	if (!set)
		return -ENOMEM;
	set->cmd = ETHTOOL_GSSET_INFO;
	set->sset_mask = 1ULL << ETH_SS_FEATURES;
	r = ethtool(n, device, set);
	if (r < 0)
		return r;
	count = set->data[0];
	if (set->sset_mask == 0 || count > FEATURES_MAX)
		return -EOPNOTSUPP;
	names = calloc(1, sizeof(*names) + (size_t)count * ETH_GSTRING_LEN);
	if (!names)
		return -ENOMEM;
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_FEATURES;
	names->len = count;
	r = ethtool(n, device, names);
	if (r < 0)
		return r;
	*ret_names = VTAP_STEAL(names);
	return 0;
}

static int features_get(struct vtap_net *n, const char *device, uint32_t n_blocks, struct ethtool_gfeatures **ret_state)
{
	_cleanup_free_ struct ethtool_gfeatures *state = NULL;
	int r;

	state = calloc(1, sizeof(*state) + n_blocks * sizeof(state->features[0]));
	if (!state)
		return -ENOMEM;
	state->cmd = ETHTOOL_GFEATURES;
	state->size = n_blocks;
	r = ethtool(n, device, state);
	if (r < 0)
		return r;
	*ret_state = VTAP_STEAL(state);
	return 0;
}

static const struct vtap_net_offload *row_for(const char *name, const struct vtap_net_offload *rows, size_t n_rows)
{
	for (size_t i = 0; i < n_rows; i++)
		if (fnmatch(rows[i].pattern, name, 0) == 0)
			return &rows[i];
	return NULL;
}

/* Whether every feature that a row wants off is off. change, where given, collects what must be switched. */
static bool features_compare(const struct ethtool_gstrings *names, const struct ethtool_gfeatures *state,
			     const struct vtap_net_offload *rows, size_t n_rows, struct ethtool_sfeatures *change)
{
	const struct ethtool_get_features_block *block;
	const struct vtap_net_offload *row;
	char name[ETH_GSTRING_LEN + 1] = {};
	bool all_off = true, active;
	uint32_t bit;

	for (uint32_t i = 0; i < names->len; i++) {
		memcpy(name, names->data + (size_t)i * ETH_GSTRING_LEN, ETH_GSTRING_LEN);
		row = row_for(name, rows, n_rows);
		if (!row)
			continue;
		block = &state->features[i / 32];
		bit = 1U << i % 32;
		active = block->active & bit;
		all_off &= row->on || !active;
		/* Wanted as well as active: a feature can be off for now only because another one is. */
		if (!change || !(block->available & bit) ||
		    (active == row->on && !!(block->requested & bit) == row->on))
			continue;
		change->features[i / 32].valid |= bit;
		if (row->on)
			change->features[i / 32].requested |= bit;
	}
	return all_off;
}

int vtap_net_offload_set(struct vtap_net *n, const char *device, const struct vtap_net_offload *rows, size_t n_rows)
{
	_cleanup_free_ struct ethtool_gfeatures *before = NULL, *after = NULL;
	_cleanup_free_ struct ethtool_sfeatures *change = NULL;
	_cleanup_free_ struct ethtool_gstrings *names = NULL;
	uint32_t n_blocks;
	int r;

	r = feature_names_get(n, device, &names);
	if (r < 0)
		return r;
	n_blocks = (names->len + 31) / 32;
	r = features_get(n, device, n_blocks, &before);
	if (r < 0)
		return r;
	change = calloc(1, sizeof(*change) + n_blocks * sizeof(change->features[0]));
	if (!change)
		return -ENOMEM;
	change->cmd = ETHTOOL_SFEATURES;
	change->size = n_blocks;
	(void)features_compare(names, before, rows, n_rows, change);
	r = ethtool(n, device, change);
	if (r < 0)
		return r;
	r = features_get(n, device, n_blocks, &after);
	if (r < 0)
		return r;
	return features_compare(names, after, rows, n_rows, NULL) ? 0 : -EOPNOTSUPP;
}

int vtap_net_completes_checksums(struct vtap_net *n, const char *device, bool *ret_completes)
{
	static const struct vtap_net_offload rows[] = {{"tx-checksum*", false}};
	_cleanup_free_ struct ethtool_gfeatures *state = NULL;
	_cleanup_free_ struct ethtool_gstrings *names = NULL;
	int r;

	r = feature_names_get(n, device, &names);
	if (r < 0)
		return r;
	r = features_get(n, device, (names->len + 31) / 32, &state);
	if (r < 0)
		return r;
	*ret_completes = features_compare(names, state, rows, VTAP_ARRAY_SIZE(rows), NULL);
	return 0;
}
