// SPDX-License-Identifier: Apache-2.0

#include "agent/contact.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "agent/statefile.h"
#include "basic/util.h"

#define FILE_NAME "contact.json"
#define FILE_MAX_BYTES 4096
#define BACKOFF_FIRST_MS 500U
#define BACKOFF_MAX_MS 15000U
#define RETRY_AFTER_MAX_S 60U

static void boot_id_read(char ret_id[VTAP_BOOT_ID_STRLEN])
{
	_cleanup_close_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret_id, VTAP_BOOT_ID_STRLEN - 1);

	ret_id[n < 0 ? 0 : n] = '\0';
}

void vtap_contact_now(struct vtap_contact *ret_contact)
{
	struct vtap_contact c = {};
	struct timespec t = {};

	boot_id_read(c.boot_id);
	(void)clock_gettime(CLOCK_REALTIME, &t);
	c.wall_s = t.tv_sec;
	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	c.uptime_s = t.tv_sec;
	*ret_contact = c;
}

uint64_t vtap_contact_elapsed_s(const struct vtap_contact *then, const struct vtap_contact *now)
{
	bool same_boot = *now->boot_id && strcmp(then->boot_id, now->boot_id) == 0;
	int64_t elapsed_s;

	if (same_boot)
		elapsed_s = now->uptime_s - then->uptime_s;
	else
		elapsed_s = VTAP_MAX(now->wall_s - then->wall_s, now->uptime_s);
	return elapsed_s > 0 ? (uint64_t)elapsed_s : 0;
}

int vtap_contact_load(const char *state_dir, struct vtap_contact *ret_contact)
{
	_cleanup_free_ char *text = NULL;
	struct vtap_contact c = {};
	const char *boot_id = "";
	json_int_t wall_s, uptime_s;
	size_t size_bytes;
	json_t *o;
	int r;

	r = vtap_statefile_read(state_dir, FILE_NAME, FILE_MAX_BYTES, &text, &size_bytes);
	if (r < 0)
		return -ENOENT;
	o = json_loadb(text, size_bytes, 0, NULL);
	r = json_unpack(o, "{s:s, s:I, s:I}", "boot_id", &boot_id, "wall", &wall_s, "uptime", &uptime_s);
	if (r >= 0 && strlen(boot_id) < sizeof(c.boot_id)) {
		strcpy(c.boot_id, boot_id);
		c.wall_s = wall_s;
		c.uptime_s = uptime_s;
		*ret_contact = c;
	} else {
		r = -ENOENT;
	}
	json_decref(o);
	return r < 0 ? -ENOENT : 0;
}

int vtap_contact_save(const char *state_dir, const struct vtap_contact *c)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "{\"boot_id\": \"%s\", \"wall\": %lld, \"uptime\": %lld}\n", c->boot_id,
			 (long long)c->wall_s, (long long)c->uptime_s);

	return vtap_statefile_write(state_dir, FILE_NAME, text, (size_t)n);
}

int vtap_contact_remove(const char *state_dir)
{
	return vtap_statefile_remove(state_dir, FILE_NAME);
}

unsigned vtap_contact_backoff_ms(unsigned failures, uint32_t random)
{
	unsigned ms = BACKOFF_FIRST_MS;

	while (failures-- > 1 && ms < BACKOFF_MAX_MS)
		ms *= 2;
	ms = VTAP_MIN(ms, BACKOFF_MAX_MS);
	return ms - ms / 4 + random % (ms / 2 + 1);
}

unsigned vtap_contact_retry_after_ms(unsigned seconds, uint32_t random)
{
	unsigned ms = VTAP_MIN(seconds, RETRY_AFTER_MAX_S) * 1000;

	return ms + random % (ms / 4 + 1);
}
