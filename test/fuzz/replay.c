/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Lets a fuzz target run over collected inputs: replay FILE|DIRECTORY... A program that survives has passed; no input at all
 * is a failure.
 */

#include <dirent.h>
#include <sys/stat.h>

#include "basic/util.h"
#include "fuzz.h"

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* Returns how many inputs ran: 1, or 0 after saying why not. */
static unsigned replay_file(const char *path)
{
	VTAP_CLEANUP(fclosep) FILE *f = fopen(path, "re");
	_cleanup_free_ uint8_t *data = NULL;
	struct stat st;

	if (!f || fstat(fileno(f), &st) < 0) {
		perror(path);
		return 0;
	}
	/* Exactly as large as the input, so that a sanitizer sees a read behind its end. */
	data = malloc((size_t)st.st_size);
	if (st.st_size > 0 && (!data || fread(data, (size_t)st.st_size, 1, f) != 1)) {
		perror(path);
		return 0;
	}
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	return 1;
}

/* Returns how many inputs ran, or 0 if one of them could not be read. */
static unsigned replay_directory(const char *path)
{
	VTAP_CLEANUP(closedirp) DIR *directory = opendir(path);
	const struct dirent *entry;
	unsigned count = 0;

	if (!directory) {
		perror(path);
		return 0;
	}
	while ((entry = readdir(directory))) {
		_cleanup_free_ char *name = NULL;

		if (entry->d_name[0] == '.')
			continue;
		if (asprintf(&name, "%s/%s", path, entry->d_name) < 0 || replay_file(name) == 0)
			return 0;
		count++;
	}
	return count;
}

int main(int argc, char *argv[])
{
	unsigned count = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;
		unsigned n;

		n = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode) ? replay_directory(argv[i]) : replay_file(argv[i]);
		if (n == 0)
			return EXIT_FAILURE;
		count += n;
	}
	printf("%u inputs\n", count);
	return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
