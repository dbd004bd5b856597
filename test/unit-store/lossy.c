/* SPDX-License-Identifier: Apache-2.0 */

#include "lossy.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "basic/util.h"

#define SECTOR_BYTES 512
#define FILES_MAX 16

enum kind { WRITE, TRUNCATE, REMOVE };

struct change { /* not synced yet */
	enum kind kind;
	size_t offset; /* of a truncation: the new size */
	size_t size_bytes;
	uint8_t *bytes; /* owned */
};

struct disk_file {
	char path[512]; /* empty = unused */
	bool is_log;
	uint8_t *synced; /* owned; what is certain to be there */
	size_t synced_bytes, allocated_bytes;
	struct change *changes; /* owned */
	size_t change_count, change_size;
};

struct open_file {
	sqlite3_file base;
	struct disk_file *disk; /* borrowed */
	bool syncs_folder; /* with its first sync, as SQLite's own VFS does for journals and logs */
	sqlite3_file *real; /* behind this struct */
};

static sqlite3_vfs *real_vfs; /* SQLite's */
static sqlite3_vfs lossy_vfs;
static struct disk_file files[FILES_MAX];
static uint64_t random_state;
static unsigned fail_in, fail_in_syncs, full_in, log_writes, log_syncs;
static bool failed, full, failed_in_checkpoint;

static unsigned random_below(unsigned n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)((random_state >> 32) % n);
}

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void resize(struct disk_file *f, size_t size_bytes)
{
	if (size_bytes > f->allocated_bytes) {
		f->allocated_bytes = size_bytes * 2;
		f->synced = realloc(f->synced, f->allocated_bytes);
		must(f->synced);
	}
	if (size_bytes > f->synced_bytes)
		memset(f->synced + f->synced_bytes, 0, size_bytes - f->synced_bytes);
	f->synced_bytes = size_bytes;
}

static void apply(struct disk_file *f, size_t offset, const uint8_t *bytes, size_t count)
{
	if (offset + count > f->synced_bytes)
		resize(f, offset + count);
	memcpy(f->synced + offset, bytes, count);
}

/* Each sector of a write reaches the disk by itself, in no order: with a probability of `chance` in 2. */
static void apply_by_chance(struct disk_file *f, const struct change *c, unsigned chance)
{
	for (size_t at = 0, count; at < c->size_bytes; at += count) {
		count = VTAP_MIN(SECTOR_BYTES - (c->offset + at) % SECTOR_BYTES, c->size_bytes - at);
		if (random_below(2) < chance)
			apply(f, c->offset + at, c->bytes + at, count);
	}
}

static void forget_changes(struct disk_file *f)
{
	for (size_t i = 0; i < f->change_count; i++)
		free(f->changes[i].bytes);
	f->change_count = 0;
}

/* The first `count` of its changes are certain now. */
static void sync_changes(struct disk_file *f, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct change *c = &f->changes[i];

		if (c->kind == WRITE)
			apply(f, c->offset, c->bytes, c->size_bytes);
		else
			resize(f, c->kind == REMOVE ? 0 : c->offset);
		free(c->bytes);
	}
	f->change_count -= count;
	if (count > 0)
		memmove(f->changes, f->changes + count, f->change_count * sizeof(*f->changes));
}

/* What was removed stays removed. */
static void sync_folder(void)
{
	for (size_t i = 0; i < FILES_MAX; i++) {
		size_t count = files[i].change_count;

		while (count > 0 && files[i].changes[count - 1].kind != REMOVE)
			count--;
		sync_changes(&files[i], count);
	}
}

static void lose(struct disk_file *f)
{
	unsigned chance = random_below(3);

	for (size_t i = 0; i < f->change_count; i++) {
		const struct change *c = &f->changes[i];

		if (c->kind == WRITE)
			apply_by_chance(f, c, chance);
		else if (random_below(2) < chance)
			resize(f, c->kind == REMOVE ? 0 : VTAP_MIN(c->offset, f->synced_bytes));
		else if (c->kind == REMOVE)
			break; /* the old file is still there; what followed went to another, which is not */
	}
}

/* Makes the real file hold what has been synced. */
static void restore(const struct disk_file *f)
{
	bool whole = false; /* not only where something was written */
	FILE *to;

	for (size_t i = 0; i < f->change_count; i++)
		whole |= f->changes[i].kind != WRITE;
	to = fopen(f->path, whole ? "we" : "r+e");
	if (!to && !whole)
		return; /* it was never made */
	must(to);
	if (whole && f->synced_bytes > 0)
		must(fwrite(f->synced, 1, f->synced_bytes, to) == f->synced_bytes);
	for (size_t i = 0; i < f->change_count && !whole; i++) {
		const struct change *c = &f->changes[i];
		size_t end = VTAP_MIN(c->offset + c->size_bytes, f->synced_bytes);

		if (end > c->offset)
			must(fseek(to, (long)c->offset, SEEK_SET) == 0 &&
			     fwrite(f->synced + c->offset, 1, end - c->offset, to) == end - c->offset);
	}
	must(fflush(to) == 0 && ftruncate(fileno(to), (off_t)f->synced_bytes) == 0 && fclose(to) == 0);
}

static void remember(struct disk_file *f, enum kind kind, size_t offset, const void *bytes, size_t size_bytes)
{
	struct change *c;

	if (f->change_count == f->change_size) {
		f->change_size = f->change_size * 2 + 16;
		f->changes = reallocarray(f->changes, f->change_size, sizeof(*f->changes));
		must(f->changes);
	}
	c = &f->changes[f->change_count++];
	*c = (struct change){.kind = kind, .offset = offset, .size_bytes = size_bytes};
	if (size_bytes == 0)
		return;
	c->bytes = malloc(size_bytes);
	must(c->bytes);
	memcpy(c->bytes, bytes, size_bytes);
}

static struct disk_file *find(const char *path)
{
	for (size_t i = 0; i < FILES_MAX; i++)
		if (strcmp(files[i].path, path) == 0)
			return &files[i];
	return NULL;
}

/* What is in the file already counts as synced. */
static struct disk_file *disk_file_of(const char *path)
{
	struct disk_file *f = find(path);
	uint8_t buffer[4096];
	FILE *from;
	size_t n;

	if (f)
		return f;
	f = find("");
	must(f && strlen(path) < sizeof(f->path));
	strcpy(f->path, path);
	f->is_log = strlen(path) > 4 && strcmp(path + strlen(path) - 4, "-wal") == 0;
	from = fopen(path, "re");
	while (from && (n = fread(buffer, 1, sizeof(buffer), from)) > 0)
		apply(f, f->synced_bytes, buffer, n);
	if (from)
		fclose(from);
	return f;
}

/* Whether the change may be made. */
static bool has_power(const struct disk_file *f, unsigned *countdown)
{
	if (!failed && *countdown > 0 && --*countdown == 0) {
		failed = true;
		failed_in_checkpoint = f && !f->is_log;
	}
	return !failed;
}

#define REAL(f) (((struct open_file *)(f))->real)
#define DISK(f) (((struct open_file *)(f))->disk)
#define PASS(f, method, ...) (REAL(f)->pMethods->method(REAL(f), ##__VA_ARGS__))

static int file_close(sqlite3_file *f)
{
	return PASS(f, xClose);
}

static int file_read(sqlite3_file *f, void *bytes, int count, sqlite3_int64 offset)
{
	return PASS(f, xRead, bytes, count, offset);
}

static int file_write(sqlite3_file *f, const void *bytes, int count, sqlite3_int64 offset)
{
	if (!has_power(DISK(f), &fail_in))
		return SQLITE_IOERR_WRITE;
	full |= full_in > 0 && --full_in == 0;
	if (full)
		return SQLITE_FULL;
	log_writes += DISK(f)->is_log;
	remember(DISK(f), WRITE, (size_t)offset, bytes, (size_t)count);
	return PASS(f, xWrite, bytes, count, offset);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	if (!has_power(DISK(f), &fail_in))
		return SQLITE_IOERR_TRUNCATE;
	remember(DISK(f), TRUNCATE, (size_t)size, NULL, 0);
	return PASS(f, xTruncate, size);
}

/* The real file need not reach the real disk. */
static int file_sync(sqlite3_file *f, int flags)
{
	if (!has_power(DISK(f), &fail_in) || !has_power(DISK(f), &fail_in_syncs))
		return SQLITE_IOERR_FSYNC;
	log_syncs += DISK(f)->is_log;
	sync_changes(DISK(f), DISK(f)->change_count);
	if (((struct open_file *)f)->syncs_folder)
		sync_folder();
	((struct open_file *)f)->syncs_folder = false;
	return SQLITE_OK;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return PASS(f, xFileSize, size);
}

static int file_lock(sqlite3_file *f, int lock)
{
	return PASS(f, xLock, lock);
}

static int file_unlock(sqlite3_file *f, int lock)
{
	return PASS(f, xUnlock, lock);
}

static int file_check_lock(sqlite3_file *f, int *result)
{
	return PASS(f, xCheckReservedLock, result);
}

static int file_control(sqlite3_file *f, int operation, void *argument)
{
	return PASS(f, xFileControl, operation, argument);
}

static int file_sector_size(sqlite3_file *f)
{
	return PASS(f, xSectorSize);
}

static int file_characteristics(sqlite3_file *f)
{
	return PASS(f, xDeviceCharacteristics);
}

static int file_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **memory)
{
	return PASS(f, xShmMap, page, size, extend, memory);
}

static int file_shm_lock(sqlite3_file *f, int offset, int count, int flags)
{
	return PASS(f, xShmLock, offset, count, flags);
}

static void file_shm_barrier(sqlite3_file *f)
{
	PASS(f, xShmBarrier);
}

static int file_shm_unmap(sqlite3_file *f, int also_delete)
{
	return PASS(f, xShmUnmap, also_delete);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *ret_flags)
{
	struct open_file *f = (struct open_file *)file;
	int code;

	*f = (struct open_file){.real = (sqlite3_file *)(f + 1)};
	f->syncs_folder = flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL);
	assert(path); /* no temporary files */
	f->disk = disk_file_of(path);
	code = real_vfs->xOpen(real_vfs, path, f->real, flags, ret_flags);
	if (f->real->pMethods)
		f->base.pMethods = &methods;
	return code;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int also_sync)
{
	struct disk_file *f = find(path);

	if (!has_power(f, &fail_in))
		return SQLITE_IOERR_DELETE;
	if (f)
		remember(f, REMOVE, 0, NULL, 0);
	if (also_sync)
		sync_folder();
	return real_vfs->xDelete(real_vfs, path, 0);
}

void lossy_install(uint64_t seed)
{
	real_vfs = sqlite3_vfs_find(NULL);
	must(real_vfs && real_vfs != &lossy_vfs);
	lossy_vfs = *real_vfs;
	lossy_vfs.zName = "lossy";
	lossy_vfs.szOsFile = (int)sizeof(struct open_file) + real_vfs->szOsFile;
	lossy_vfs.xOpen = vfs_open;
	lossy_vfs.xDelete = vfs_delete;
	must(sqlite3_vfs_register(&lossy_vfs, 1) == SQLITE_OK);
	random_state = seed;
	fail_in = fail_in_syncs = full_in = log_writes = log_syncs = 0;
	failed = full = false;
}

void lossy_remove(void)
{
	must(sqlite3_vfs_unregister(&lossy_vfs) == SQLITE_OK);
	for (size_t i = 0; i < FILES_MAX; i++) {
		forget_changes(&files[i]);
		free(files[i].changes);
		free(files[i].synced);
		files[i] = (struct disk_file){};
	}
}

void lossy_fail_at(unsigned n)
{
	fail_in = n;
}

void lossy_fail_at_sync(unsigned n)
{
	fail_in_syncs = n;
}

void lossy_fail(void)
{
	failed = true;
	failed_in_checkpoint = false;
}

bool lossy_failed(void)
{
	return failed;
}

bool lossy_failed_in_checkpoint(void)
{
	return failed_in_checkpoint;
}

void lossy_recover(void)
{
	char shared[sizeof(files[0].path) + 8];

	for (size_t i = 0; i < FILES_MAX; i++) {
		struct disk_file *f = &files[i];

		if (!*f->path)
			continue;
		lose(f);
		restore(f);
		forget_changes(f);
		if (f->is_log && f->synced_bytes == 0)
			(void)unlink(f->path);
		strcat(strcpy(shared, f->path), "-shm");
		(void)unlink(shared); /* it is nothing but memory */
	}
	failed = false;
	fail_in = fail_in_syncs = 0;
}

void lossy_full_at(unsigned n)
{
	full_in = n;
	full = false;
}

unsigned lossy_log_writes(void)
{
	return log_writes;
}

unsigned lossy_log_syncs(void)
{
	return log_syncs;
}
