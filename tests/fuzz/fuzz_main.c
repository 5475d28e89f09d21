/* fuzz_main.c: runs a fuzz target once over every file of the folders named, and over each file cut
 * short at a few places: what libFuzzer found once stays found, without clang.
 */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_MAX (1u << 20)

/* A copy of exactly SIZE bytes, so that a read past the end is seen. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	if (!copy)
		abort();
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static int file_run(const char *path)
{
	static uint8_t data[FILE_MAX];
	FILE *file = fopen(path, "rb");
	if (!file)
		return 0;
	size_t size = fread(data, 1, sizeof(data), file);
	fclose(file);
	run(data, size);
	for (size_t part = 1; part < 8; part++)
		run(data, size * part / 8);
	return 1;
}

int main(int argc, char **argv)
{
	int count = 0;
	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		struct dirent *entry;
		while (dir && (entry = readdir(dir))) {
			char path[PATH_MAX];
			struct stat info;
			snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
			if (stat(path, &info) == 0 && S_ISREG(info.st_mode))
				count += file_run(path);
		}
		if (dir)
			closedir(dir);
	}
	printf("%d files\n", count);
	return count > 0 ? 0 : 1;
}
